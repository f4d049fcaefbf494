"""Networks in which paths meet: everything that is multiplied is planned, counted and right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from counting_scalars import Tally, counting, counting_constants, values
from differences import differences
from function_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from backprop import Chain, compare
from backprop.network_graph import NetworkGraph
from backprop.plan import STRATEGIES
from jacobians import (
    Affine,
    Concatenate,
    Cost,
    Function,
    Product,
    Residual,
    Sequential,
    Sigmoid,
    SquaredError,
    Sum,
    Tanh,
    from_numpy,
    trace,
)
from jacobians.numerics.ledger import Ledger

__all__ = ["counting_constants"]  # a fixture

RANDOM = np.random.default_rng(8)
EACH = [(case, name) for case in CASES for name in case.names]


def affine(rows: int, columns: int, *, bias: bool = True) -> Affine:
    b = RANDOM.normal(size=rows) if bias else None
    return Affine(RANDOM.normal(size=(rows, columns)) / np.sqrt(columns), b)


def residual_net(width: int, blocks: int) -> Sequential:
    return Sequential(
        *[Residual(Sequential(affine(width, width), Tanh(), affine(width, width))) for _ in range(blocks)]
    )


def on_counting_scalars(chain: Any, strategy: Any) -> tuple[Cost, NDArray[Any]]:
    """Return what a plan costs and gives on scalars that count."""
    made: Any
    if isinstance(chain, Chain):
        made = Chain([counting(jacobian) for jacobian in chain.jacobians])
    else:
        edges = tuple(
            replace(edge, jacobian=None if edge.jacobian is None else counting(edge.jacobian))
            for edge in chain.graph.edges
        )
        made = NetworkGraph(replace(chain.graph, edges=edges), chain.source)
    plan = made.plan(strategy)
    Tally.reset()
    jacobian = plan.execute().jacobian
    return Cost(Tally.multiplications, Tally.additions), values(jacobian.dense())


@pytest.mark.parametrize(("case", "name"), EACH, ids=[f"{case.name} by {name}" for case, name in EACH])
@pytest.mark.parametrize("strategy", ["left", "right", "optimal"])
@pytest.mark.usefixtures("counting_constants")
def test_nothing_that_is_multiplied_goes_uncounted(case: Any, name: str, strategy: str) -> None:
    x, function = case.points[0], case.function
    chain: Any = Chain.from_network(function, x, by=name)
    found, jacobian = on_counting_scalars(chain, strategy)
    assert found == chain.plan(strategy).cost

    def moved(value: Any) -> Any:
        return function(value) if name == "input" else function.replace({name: value})(x)

    at = x if name == "input" else np.asarray(function.parameters[name])
    assert_allclose(jacobian, differences(moved, at), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("case", "name"), EACH, ids=[f"{case.name} by {name}" for case, name in EACH])
def test_no_jacobian_is_multiplied_before_the_plan(
    case: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledgers = []
    original = Ledger.__init__

    def kept(ledger: Ledger) -> None:
        original(ledger)
        ledgers.append(ledger)

    monkeypatch.setattr(Ledger, "__init__", kept)
    chain = Chain.from_network(case.function, case.points[0], by=name)
    assert sum((ledger.cost for ledger in ledgers), Cost()) == Cost()
    chain.plan("left").execute()
    assert sum((ledger.cost for ledger in ledgers), Cost()) == chain.plan("left").cost


def test_a_residual_net_costs_what_a_reverse_sweep_does() -> None:
    width = 64
    net, x = residual_net(width, 3), RANDOM.normal(size=width)
    chain = Chain.from_network(net, x, SquaredError(np.zeros(width)))
    sweep = 3 * (2 * width**2 + width)
    assert chain.plan("reverse").cost.multiplications == sweep == 24_768
    plan = chain.plan("optimal")
    assert plan.cost.multiplications <= sweep
    execution = plan.execute()
    assert execution.cost == plan.cost
    # the same sweep in NumPy
    hidden, h = [], x
    for block in net.layers:
        first, _, last = block.layers[0].layers  # type: ignore[attr-defined]
        hidden.append(np.tanh(first.W @ h + first.b))
        h = h + last.W @ hidden[-1] + last.b
    u = differences(SquaredError(np.zeros(width)), h)[0]
    for block, t in zip(reversed(net.layers), reversed(hidden), strict=True):
        first, _, last = block.layers[0].layers  # type: ignore[attr-defined]
        u = u + ((u @ last.W) * (1 - t**2)) @ first.W
    assert_allclose(execution.jacobian.dense()[0], u, rtol=1e-6, atol=1e-8)


def test_a_layer_used_three_times_is_one_vertex_with_three_edges() -> None:
    layer = affine(32, 32, bias=False)
    net = Sequential(layer, Tanh(), layer, Tanh(), layer, Tanh())
    chain = Chain.from_network(net, RANDOM.normal(size=32), SquaredError(np.zeros(32)), by="0.W")
    assert isinstance(chain, NetworkGraph)
    assert [edge.source for edge in chain.graph.edges].count(chain.source) == 3
    for strategy in ("reverse", "optimal"):
        plan = chain.plan(strategy)
        assert plan.cost.multiplications <= 2 * (32**2 + 32) + 32 + 3 * 32**2
        assert plan.execute().cost == plan.cost


def several_ways() -> Function:
    shared = affine(4, 4)
    return Sequential(
        Sum(shared, Tanh()),
        Residual(Sequential(shared, Sigmoid())),
        Concatenate(Product(Tanh(), shared), Sigmoid()),
        affine(3, 8),
    )


@pytest.mark.parametrize("batched", [False, True])
def test_jacobians_by_several_names_are_one_plan(batched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    net = several_ways()
    x = RANDOM.normal(size=(5, 4) if batched else 4)
    names = ["input", *net.parameters]
    passes = []
    original = Affine.forward

    def watched(layer: Affine, *args: Any, **options: Any) -> Any:
        passes.append(layer)
        return original(layer, *args, **options)

    monkeypatch.setattr(Affine, "forward", watched)
    together = net.jacobian(x, wrt=names, batched=batched)
    assert len(passes) == 4  # one forward pass, in which one layer occurs three times
    each = [net.jacobian(x, wrt=name, batched=batched).dense() for name in names]
    assert_allclose(together.dense(), np.concatenate(each, axis=-1), rtol=1e-12, atol=1e-13)


def test_one_plan_of_all_parameters_is_cheaper_than_a_plan_each() -> None:
    net = residual_net(6, 3)
    x = RANDOM.normal(size=6)
    graph = trace(Sequential(net, SquaredError(np.zeros(6))), x)
    together = graph.plan("reverse")
    assert together.execute().cost == together.cost
    apart = [
        Chain.from_network(net, x, SquaredError(np.zeros(6)), by=name).plan("reverse").cost.multiplications
        for name in ("input", *net.parameters)
    ]
    assert max(apart) <= together.cost.multiplications < sum(apart)


def test_a_written_function_and_plain_code_stand_in_networks() -> None:
    V = RANDOM.normal(size=(4, 4))
    code = from_numpy(lambda x, V: np.tanh(V @ x) * x, parameters={"V": V})
    net = Sequential(Residual(code), affine(2, 4))
    x = RANDOM.normal(size=4)
    chain = Chain.from_network(net, x, by="0.0.V")
    plan = chain.plan("optimal")
    assert plan.execute().cost == plan.cost
    truth = differences(lambda V: net.replace({"0.0.V": V})(x), V)
    assert_allclose(plan.execute().jacobian.dense(), truth, rtol=1e-5, atol=1e-7)


def test_a_comparison_calls_the_orders_reverse_and_forward_where_paths_meet() -> None:
    chain = Chain.from_network(several_ways(), RANDOM.normal(size=4))
    comparison = compare(chain, measure=True)
    assert [row.strategy for row in comparison.alternatives] == ["reverse", "forward", "optimal"]
    assert comparison["left"] is comparison["reverse"]
    for row in comparison.alternatives:
        assert Cost(row.counted_multiplications or 0, row.counted_additions or 0) == row.cost


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_compositions_are_what_differences_give(seed: int) -> None:
    random = np.random.default_rng(seed)
    shared = Affine(random.normal(size=(3, 3)), random.normal(size=3))

    def drawn(depth: int) -> Function:
        if depth == 0:
            kind = random.integers(4)
            return [Tanh(), Sigmoid(), shared, Affine(random.normal(size=(3, 3)))][kind]
        parts = [drawn(depth - 1) for _ in range(random.integers(1, 3))]
        kinds: list[Any] = [Sequential, Sum, Product, lambda *parts: Residual(Sequential(*parts))]
        made: Function = kinds[random.integers(4)](*parts)
        return made

    net, x = drawn(3), random.normal(size=3)
    if not isinstance(net, Sequential | Sum | Product | Residual):
        net = Sequential(net)
    names = ["input", *net.parameters]
    blocks = net.jacobian(x, wrt=names).dense()
    truth = [differences(net, x)]
    truth += [
        differences(lambda value, name=name: net.replace({name: value})(x), np.asarray(net.parameters[name]))  # type: ignore[misc]
        for name in net.parameters
    ]
    assert_allclose(blocks, np.concatenate(truth, axis=1), rtol=1e-4, atol=1e-5)
    for name in names:
        chain = Chain.from_network(net, x, by=name)
        for strategy in STRATEGIES:
            assert chain.plan(strategy).execute().cost == chain.plan(strategy).cost
