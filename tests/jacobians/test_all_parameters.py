"""Jacobians by several parameters: one forward pass, shared prefixes, never dearer than what they replace."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

import jacobians as jb
from jacobians import Cost, Spec
from jacobians.numerics.ledger import Ledger
from jacobians.planning.bracketing import associate, cheapest, from_left
from jacobians.planning.shared_factors import PrefixPlan, prefix_plan, prefix_products
from jacobians.products import product_cost, product_spec
from jacobians.structures import BlockRow, Dense, Kronecker

RANDOM = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape)


def network(*sizes: int) -> jb.Sequential:
    layers: list[jb.Function] = []
    for d, h in pairwise(sizes):
        layers += [jb.Affine(normal(h, d), normal(h)), jb.Tanh()]
    return jb.Sequential(*layers[:-1])


LAYER = jb.Affine(normal(3, 3), normal(3))
NETWORKS = {
    "plain": (network(4, 5, 3, 2), (4,)),
    "shared weights": (jb.Sequential(LAYER, jb.Tanh(), LAYER, jb.Softmax()), (3,)),
    "nested": (
        jb.Sequential(jb.Sequential(LAYER, jb.Tanh()), jb.Sequential(jb.Affine(normal(2, 3)), jb.Softmax())),
        (3,),
    ),
    "residual": (
        jb.Sequential(
            jb.Affine(normal(3, 2), normal(3)),
            jb.Residual(jb.Sequential(LAYER, jb.Tanh(), jb.Affine(normal(3, 3)))),
            jb.Tanh(),
            LAYER,
        ),
        (2,),
    ),
    "parallel": (
        jb.Sequential(
            jb.Concatenate(jb.Affine(normal(2, 3), normal(2)), jb.Sum(LAYER, jb.LayerNorm(gamma=normal(3)))),
            jb.Product(jb.Affine(normal(2, 5), normal(2)), jb.Affine(normal(2, 5), normal(2))),
        ),
        (3,),
    ),
    "matrices": (
        jb.Sequential(jb.Affine(normal(4, 3), normal(4)), jb.Tanh(), jb.Affine(normal(2, 4), normal(2))),
        (3, 2),
    ),
    "one layer": (LAYER, (3,)),
}  # fmt: skip
each_network = pytest.mark.parametrize("name", NETWORKS)


@each_network
@pytest.mark.parametrize("batched", [False, True])
def test_blocks_are_the_jacobians_by_each_name(name: str, batched: bool) -> None:
    net, shape = NETWORKS[name]
    x = normal(*((4, *shape) if batched else shape))
    names = ["input", *net.parameters]
    J = net.jacobian(x, wrt=names, batched=batched)
    assert isinstance(J, BlockRow)
    for block, own in zip(J.blocks, names, strict=True):
        alone = net.jacobian(x, wrt=own, batched=batched)
        assert (block.out_shape, block.in_shape) == (alone.out_shape, alone.in_shape)
        assert block.batch_shape == alone.batch_shape
        assert block.structure == alone.structure
        assert_allclose(block.dense(), alone.dense(), rtol=1e-11, atol=1e-12)


@each_network
def test_blocks_are_the_differences_of_the_function(name: str) -> None:
    net, shape = NETWORKS[name]
    x = normal(*shape)
    J = net.jacobian(x, wrt=list(net.parameters))
    columns = []
    for own, value in net.parameters.items():
        for index in np.ndindex(*value.shape):
            step = np.zeros(value.shape)
            step[index] = 1e-6
            above, below = (net.replace({own: value + sign * step})(x) for sign in (1, -1))
            columns.append(np.ravel(above - below) / 2e-6)
    assert_allclose(J.dense(), np.stack(columns, axis=-1), rtol=1e-6, atol=1e-7)


def test_a_name_may_come_twice_and_in_any_order() -> None:
    net, shape = NETWORKS["plain"]
    x = normal(*shape)
    J = net.jacobian(x, wrt=["2.b", "0.W", "2.b"])
    parts = [net.jacobian(x, wrt=own).dense() for own in ("2.b", "0.W", "2.b")]
    assert_allclose(J.dense(), np.concatenate(parts, axis=-1))


def test_there_is_one_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    net, shape = NETWORKS["plain"]
    calls: list[int] = []
    forward = jb.Affine.forward
    monkeypatch.setattr(
        jb.Affine, "forward", lambda self, x, batch_ndim=0: (calls.append(1), forward(self, x, batch_ndim))[1]
    )
    net.jacobian(normal(6, *shape), wrt=list(net.parameters), batched=True)
    assert len(calls) == 3


def test_w_and_b_of_a_layer_hold_one_prefix_and_none_is_expanded() -> None:
    net = network(64, 128, 64, 10)
    x = normal(64, 64)
    net.jacobian(x, wrt=list(net.parameters), batched=True)  # what is imported and planned once
    tracemalloc.start()
    try:
        J = net.jacobian(x, wrt=list(net.parameters), batched=True)
        v, u = np.ones(J.shape[1]), np.ones((64, 10))
        J.matvec(v), J.rmatvec(u, summed=True), J.row_norms()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for place in (0, 2, 4):
        W, b = J.blocks[place : place + 2]
        assert isinstance(W, Kronecker)
        if isinstance(b, Dense):
            assert isinstance(W.A, Dense)
            assert W.A.A is b.A
        else:
            assert W.A.structure == b.structure == "Identity"
    # the prefixes are 64 × 10 × (128 + 64) numbers; the dense form has 64 × 10 × 17,226
    assert peak < 10 * 8 * 64 * 10 * (128 + 64)
    assert peak < 8 * 64 * 10 * J.shape[1] / 5


# --- the plan of prefixes --------------------------------------------------------------------------------


def separate(specs: tuple[Spec, ...], chains: tuple[tuple[int, ...], ...]) -> Cost:
    """Return what the cheapest plan of each chain by itself costs."""
    return sum((cheapest([specs[i] for i in chain]).cost for chain in set(chains)), Cost(0, 0))


def running(specs: tuple[Spec, ...], chains: tuple[tuple[int, ...], ...]) -> Cost:
    """Return what all products from the output cost, factor by factor, each beginning formed once."""
    total, made = Cost(0, 0), {}
    for chain in chains:
        for length in range(1, len(chain) + 1):
            if chain[:length] in made:
                continue
            if length == 1:
                made[chain[:1]] = specs[chain[0]]
                continue
            left, right = made[chain[: length - 1]], specs[chain[length - 1]]
            total += product_cost(left, right)
            made[chain[:length]] = product_spec(left, right)
    return total


def cost_of(plan: PrefixPlan, specs: tuple[Spec, ...]) -> Cost:
    """Return the cost of a plan, step by step from its trees."""
    made: dict[tuple[int, ...], Spec] = {}
    total = Cost(0, 0)
    for step in plan.steps:
        assert step.made[: len(step.known)] == step.known
        row = [made[step.known]] if step.known else []
        row += [specs[i] for i in step.made[len(step.known) :]]
        found = associate(row, step.tree)
        total += found.cost
        made[step.made] = found.spec
    return total


@st.composite
def trees_of_chains(draw: st.DrawFn) -> tuple[tuple[Spec, ...], tuple[tuple[int, ...], ...]]:
    """Draw a chain, and chains that leave it at some places with a factor of their own."""
    specs: list[Spec] = []
    trunk: list[int] = []
    rows = draw(st.integers(1, 5))
    heights = [rows]
    for _ in range(draw(st.integers(1, 5))):
        columns = draw(st.integers(1, 5))
        batch = draw(st.sampled_from([(), (3,)]))
        spec = draw(
            st.sampled_from(
                [
                    Spec.dense(rows, columns, batch),
                    Spec.diagonal(rows, batch),
                    Spec.low_rank(rows, 1, batch),
                    Spec.selection(rows, columns),
                    Spec.identity(rows),
                ]
            )
        )
        trunk.append(len(specs))
        specs.append(spec)
        rows = spec.shape[1]
        heights.append(rows)
    chains = []
    for place in range(len(trunk) + 1):
        size = heights[place]
        for own in draw(
            st.lists(
                st.sampled_from(
                    [
                        Spec.kronecker(Spec.identity(size), Spec.dense(1, 3, (3,))),
                        Spec.kronecker(Spec.identity(size), Spec.dense(1, 2)),
                        Spec.dense(size, 2),
                        Spec.identity(size),
                    ]
                ),
                max_size=2,
            )
        ):
            specs.append(own)
            chains.append((*trunk[:place], len(specs) - 1))
    if not chains or draw(st.booleans()):
        chains.append(tuple(trunk))
    return tuple(specs), tuple(chains)


@settings(max_examples=300, deadline=None)
@given(trees_of_chains())
def test_sharing_is_never_dearer_than_separate_plans_or_a_running_product(
    drawn: tuple[tuple[Spec, ...], tuple[tuple[int, ...], ...]],
) -> None:
    specs, chains = drawn
    plan = prefix_plan(specs, chains)
    assert plan.cost == cost_of(plan, specs)
    assert set(chains) <= {step.made for step in plan.steps}
    assert plan.cost <= separate(specs, chains)
    assert plan.cost <= running(specs, chains)


def test_a_bottleneck_is_not_multiplied_through_from_the_output() -> None:
    # a wide output: the product of the small factors on the right is formed first
    specs = (
        Spec.dense(1000, 2), Spec.dense(2, 500), Spec.dense(500, 2), Spec.dense(2, 500),
        Spec.kronecker(Spec.identity(2), Spec.dense(1, 500)), Spec.kronecker(Spec.identity(500), Spec.dense(1, 2)),
    )  # fmt: skip
    chains = ((0, 4), (0, 1, 2, 3, 5))
    assert prefix_plan(specs, chains).cost == cheapest([specs[i] for i in chains[1]]).cost
    assert 2 * prefix_plan(specs, chains).cost < running(specs, chains)


def test_a_prefix_is_formed_once_where_that_is_cheaper() -> None:
    specs = (
        Spec.dense(10, 64),
        Spec.dense(64, 128),
        *(Spec.kronecker(Spec.identity(128), Spec.dense(1, k)) for k in (2, 3)),
    )
    plan = prefix_plan(specs, ((0, 1, 2), (0, 1, 3)))
    assert plan.cost.multiplications == 10 * 64 * 128
    assert 2 * plan.cost == separate(specs, ((0, 1, 2), (0, 1, 3)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=4), st.lists(st.sampled_from(CASES), max_size=3))
def test_executed_cost_is_the_planned_cost_and_the_products_are_right(
    trunk: list[Case], own: list[Case]
) -> None:
    factors = [case.jacobian for case in trunk]
    chains = [
        [*factors[: place + 1], case.jacobian] for place, case in enumerate(own) if place < len(factors)
    ]
    chains.append(factors)
    ledger = Ledger()
    products = prefix_products(chains, ledger)
    for chain, product in zip(chains, products, strict=True):
        truth = np.eye(6)
        for factor in chain:
            truth = truth @ factor.dense()
        assert_allclose(product.dense(), truth, rtol=1e-8, atol=1e-8)
    numbers: dict[int, int] = {}
    for chain in chains:
        for factor in chain:
            numbers.setdefault(id(factor), len(numbers))
    each = {numbers[id(factor)]: factor.spec for chain in chains for factor in chain}
    specs = tuple(each[number] for number in range(len(each)))
    plan = prefix_plan(specs, tuple(tuple(numbers[id(factor)] for factor in chain) for chain in chains))
    assert ledger.cost == plan.cost


def test_a_running_product_is_taken_by_the_left_bracketing() -> None:
    specs = (Spec.dense(2, 3), Spec.dense(3, 4), Spec.dense(4, 5))
    assert running(specs, ((0, 1, 2),)) == associate(specs, from_left(3)).cost
