"""Chains whose dead units leave, against dense products of all their factors."""

from __future__ import annotations

import re
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from backprop import Chain, compare
from backprop.plan import STRATEGIES
from jacobians import Affine, Cost, LeakyReLU, ReLU, Sequential, Softmax, SquaredError
from jacobians.structures import (
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    ScaledIdentity,
)

RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape)


@st.composite
def switched_chains(draw: st.DrawFn) -> list[Jacobian]:
    """Draw a chain with random zero patterns, all-dead layers, batches, and diagonals at both ends."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = draw(st.sampled_from([(), (), (3,)]))
    rows = draw(st.integers(1, 6))
    factors: list[Jacobian] = []
    for _ in range(draw(st.integers(1, 7))):
        batch = draw(st.sampled_from([(), points]))
        kind = draw(
            st.sampled_from(
                ["dense", "dense", "switch", "switch", "switch", "identity", "scaled", "low rank"]
            )
        )
        if kind == "dense":
            columns = draw(st.integers(1, 6))
            factors.append(Dense(random.standard_normal((*batch, rows, columns))))
            rows = columns
        elif kind == "switch":
            dead = random.random((*batch, rows)) < draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
            factors.append(Diagonal(np.where(dead, 0.0, random.standard_normal((*batch, rows)))))
        elif kind == "identity":
            factors.append(Identity(rows))
        elif kind == "scaled":
            factors.append(ScaledIdentity(draw(st.sampled_from([-1.0, 2.0])), rows))
        else:
            d, U, V = (random.standard_normal(shape) for shape in ((rows,), (rows, 1), (rows, 1)))
            factors.append(DiagonalPlusLowRank(d, U, V))
    if draw(st.booleans()):
        core = draw(st.sampled_from([Identity(rows), Dense(random.standard_normal((rows, 2)))]))
        factors.append(Kronecker(core, random.standard_normal((*draw(st.sampled_from([(), points])), 1, 3))))
    return factors


def truth(factors: list[Jacobian]) -> np.ndarray:
    return reduce(np.matmul, [factor.dense() for factor in factors])


@settings(max_examples=300, deadline=None)
@given(switched_chains())
def test_the_product_is_the_product_of_all_units_and_costs_what_is_planned(factors: list[Jacobian]) -> None:
    chain = Chain(factors)
    for strategy in STRATEGIES:
        plan, whole = chain.plan(strategy, dead_units=True), chain.plan(strategy)
        execution = plan.execute()
        assert_allclose(execution.jacobian.dense(), truth(factors), rtol=1e-9, atol=1e-9)
        assert execution.cost == plan.cost == sum((step.cost for step in plan.steps), Cost())
        assert execution.jacobian.spec == plan.spec == whole.spec
        assert execution.jacobian.batch_shape == whole.execute().jacobian.batch_shape
        assert plan.cost.multiplications <= whole.cost.multiplications
        assert plan.saved.multiplications == whole.cost.multiplications - plan.cost.multiplications
        assert str(plan)


@settings(max_examples=150, deadline=None)
@given(switched_chains())
def test_the_code_of_a_plan_leaves_the_same_units_out(factors: list[Jacobian]) -> None:
    plan = Chain(factors).plan(dead_units=True)
    source = plan.to_source(dense=True)
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    found = namespace["product"](**plan.source_arguments())
    assert_allclose(found, truth(factors), rtol=1e-9, atol=1e-9)
    code = source.split("# the dense form")[0].split('"""')[2]
    counted = re.findall(r"([\d,]+) multiplications, ([\d,]+) additions", code)
    sums = [sum(int(pair[place].replace(",", "")) for pair in counted) for place in (0, 1)]
    assert Cost(*sums) == plan.cost
    assert ("units are dead" in code) == (plan.live_units is not None)


def test_a_network_with_dead_units_saves_what_the_plan_says() -> None:
    net = Sequential(
        Affine(normal(8, 4), normal(8)),
        ReLU(),
        Affine(normal(8, 8)),
        ReLU(),
        Affine(normal(3, 8), normal(3)),
        Softmax(),
    )
    x = normal(4)
    for by in ("input", "0.W", "0.b", "2.W", "4.b"):
        chain = Chain.from_network(net, x, SquaredError(normal(3)), by=by)
        plan, whole = chain.plan(dead_units=True), chain.plan()
        result, expected = plan.execute(), whole.execute().jacobian
        assert_allclose(result.jacobian.dense(), expected.dense(), rtol=1e-12, atol=1e-14)
        assert result.jacobian.spec == expected.spec
        assert (result.jacobian.out_shape, result.jacobian.in_shape) == (
            expected.out_shape,
            expected.in_shape,
        )
        assert result.cost == plan.cost
        assert plan.bracketing.count("·") == len(chain) - 1


def test_the_saving_is_a_line_of_the_plan_and_off_by_an_option() -> None:
    chain = Chain([normal(4, 4), Diagonal([1.0, 0.0, 2.0, 0.0]), normal(4, 4)])
    line = "  dead units             2 of 4 left the chain, which saves 40 multiplications, 32 additions"
    assert line in str(chain.plan(dead_units=True))
    assert chain.plan(dead_units=True).cost == Cost(8 + 32, 16)
    whole = chain.plan()
    assert whole.cost == Cost(16 + 64, 48)
    assert "  dead units             2 of 4 stay (dead_units=True leaves them out)" in str(whole)
    assert compare(chain, dead_units=True)["optimal"].multiplications == 40
    assert compare(chain)["optimal"].multiplications == 80
    assert compare(chain, dead_units=True, measure=True, repeats=1)["optimal"].counted_multiplications == 40


def test_a_chain_of_specs_has_no_dead_units() -> None:
    chain = Chain([normal(4, 4), Diagonal([1.0, 0.0, 2.0, 0.0]), normal(4, 4)])
    assert Chain.from_specs(chain.specs).plan(dead_units=True).cost == chain.plan().cost


def test_no_dead_unit_changes_nothing() -> None:
    chain = Chain.from_network(Sequential(Affine(normal(5, 4)), LeakyReLU(), Affine(normal(2, 5))), normal(4))
    assert chain.plan(dead_units=True).live_units is None
    assert chain.plan(dead_units=True).spec == chain.plan().spec


def test_dropped_outputs_and_inputs_come_back_as_zeros() -> None:
    switch = Diagonal([0.0, 2.0, 0.0])
    A, B = normal(3, 4), normal(4, 3)
    plan = Chain([switch, A, B, switch]).plan(dead_units=True)
    assert [step.left_spec.label for step in plan.steps if step.left == "rows back"] == ["Selection 3×1"]
    assert [step.right_spec.label for step in plan.steps if step.right == "columns back"] == ["Selection 1×3"]
    assert sum((step.cost for step in plan.steps[-2:]), Cost()) == Cost(0, 0)
    product = plan.execute().jacobian.dense()
    assert_allclose(product, switch.dense() @ A @ B @ switch.dense())
    assert (product[[0, 2]] == 0).all()
    assert (product[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_unit_beside_nan_or_inf_stays(bad: float) -> None:
    d = np.array([0.0, 0.0, 0.0, 3.0])
    A, B = normal(2, 4), normal(4, 2)
    A[1, 0] = bad
    B[1, 0] = bad
    plan = Chain([A, Diagonal(d), B]).plan(dead_units=True)
    assert plan.live_units is not None
    kept = plan.live_units.kept[1]
    assert kept is not None
    assert kept.tolist() == [0, 1, 3]
    with np.errstate(invalid="ignore"):
        assert_allclose(plan.execute().jacobian.dense(), A @ np.diag(d) @ B)
    # and a NaN on the way to a unit of another diagonal
    two = Chain([np.ones((2, 4)), Diagonal(d), Diagonal([bad, 1.0, 1.0, 1.0]), np.ones((4, 2))]).plan(
        dead_units=True
    )
    assert two.live_units is not None
    kept = two.live_units.kept[1]
    assert kept is not None
    assert kept.tolist() == [0, 3]


def test_in_a_batch_only_units_dead_at_every_point_leave() -> None:
    d = np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 0.0]])
    plan = Chain([normal(2, 3), Diagonal(d), normal(3, 2)]).plan(dead_units=True)
    assert plan.live_units is not None
    kept = plan.live_units.kept[1]
    assert kept is not None
    assert kept.tolist() == [1, 2]


def test_of_an_all_dead_layer_one_unit_carries_the_zeros() -> None:
    A = normal(2, 3)
    plan = Chain([A, Diagonal(np.zeros(3)), normal(3, 2)]).plan(dead_units=True)
    assert plan.live_units is not None
    assert plan.live_units.dropped == 2
    assert_allclose(plan.execute().jacobian.dense(), np.zeros((2, 2)))


def test_structures_that_would_not_stay_themselves_keep_their_units() -> None:
    switch = Diagonal([0.0, 1.0, 0.0])
    low_rank = DiagonalPlusLowRank(normal(3), normal(3, 1), normal(3, 1))
    for factors in (
        [switch],
        [switch, switch],
        [switch, Kronecker(Identity(3), [[1.0, 2.0]])],
        [low_rank, switch, normal(3, 2)],
        [normal(2, 3), switch, low_rank],
    ):
        assert Chain(factors).plan(dead_units=True).live_units is None


def test_numbers_that_change_after_planning_are_noticed() -> None:
    d = np.array([0.0, 1.0])
    plan = Chain([normal(2, 2), Diagonal(d), normal(2, 2)]).plan(dead_units=True)
    d[0] = 1.0
    with pytest.raises(ValueError, match="chain: found units alive that were dead when it was planned"):
        plan.execute()


def test_a_plan_is_made_once() -> None:
    chain = Chain([normal(2, 3), Diagonal([0.0, 1.0, 2.0]), normal(3, 2)])
    assert chain.plan() is chain.plan("optimal")
    assert chain.plan(dead_units=True) is not chain.plan()
    assert chain.plan(dead_units=True) is chain.plan("optimal", dead_units=True)
    assert chain.plan("left") is not chain.plan("right")
    with pytest.raises(ValueError, match="strategy: found"):
        chain.plan([0, 1])
