"""Graphs and their plans against exhaustive search, dense path sums, counting, and published costs."""

import dataclasses
import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structured_graphs import brute_force, path_sums, structured_graphs

from jacobians import Graph, Spec
from jacobians.planning.bounds import fewest_multiplications
from jacobians.planning.bracketing import cheapest
from jacobians.planning.elimination import Elimination
from jacobians.structures import Dense, ScaledIdentity

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "graphs"
TASKS = ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")


def published(task):
    found = json.loads((DATA / f"{task}.json").read_text(encoding="utf-8"))
    return Graph.from_edges(found["inputs"], found["vertices"], found["outputs"], found["edges"]), found[
        "published"
    ]


def dense(graph):
    """Return the graph with every edge dense."""
    edges = [(edge.source, edge.target, Dense(edge.jacobian.dense())) for edge in graph.edges]
    return Graph.from_edges(len(graph.inputs), len(graph.vertices), graph.outputs, edges)


@settings(max_examples=60, deadline=None)
@given(structured_graphs())
def test_optimal_is_the_best_of_all_orders(graph):
    plan = graph.plan()
    best = min(brute_force(graph, order)[0] for order in itertools.permutations(plan.order))
    assert plan.proven
    assert plan.cost == best


@settings(max_examples=60, deadline=None)
@given(
    structured_graphs(most_inner=7),
    st.sampled_from(["optimal", "forward", "reverse", "markowitz"]),
    st.booleans(),
)
def test_executed_jacobians_are_path_sums_at_the_planned_cost(graph, strategy, structure):
    plan = graph.plan(strategy, structure=structure)
    execution = plan.execute()
    assert execution.cost == plan.cost
    for pair, truth in path_sums(graph).items():
        np.testing.assert_allclose(execution.jacobians[pair].dense(), truth, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=3, max_size=9), st.randoms(use_true_random=False))
def test_on_a_path_the_plan_is_the_chain_plan(sizes, rng):
    specs = [
        rng.choice([Spec.dense(m, n), Spec.diagonal(n)]) if m == n else Spec.dense(m, n)
        for n, m in itertools.pairwise(sizes)
    ]
    graph = Graph.from_edges(
        1, len(sizes), [len(sizes) - 1], [(k, k + 1, spec) for k, spec in enumerate(specs)]
    )
    plan = graph.plan()
    assert plan.proven
    assert plan.cost == cheapest(specs[::-1]).cost


@pytest.mark.parametrize("task", TASKS)
def test_every_edge_counted_gives_the_published_costs(task):
    graph, costs = published(task)
    for strategy in ("forward", "reverse", "markowitz"):
        assert graph.plan(strategy, structure=False).cost.multiplications == costs[strategy]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("RoeFlux_1d", (362, 234, 279)),
        ("RobotArm_6DOF", (227, 221, 179)),
        ("HumanHeartDipole", (48, 60, 48)),
        ("PropaneCombustion", (26, 26, 24)),
    ],
)
def test_edges_of_plus_or_minus_one_are_free(task, expected):
    graph, _ = published(task)
    plans = [graph.plan(strategy) for strategy in ("forward", "reverse", "markowitz")]
    assert tuple(plan.cost.multiplications for plan in plans) == expected
    for plan in plans:
        assert brute_force(graph, plan.order)[0].multiplications == plan.cost.multiplications


def test_the_search_is_the_same_for_a_seed_and_says_what_it_knows():
    graph, _ = published("PropaneCombustion")
    first, second = (graph.plan(evaluations=2_000, seed=3) for _ in range(2))
    assert first.order == second.order
    assert not first.proven
    assert not first.stopped
    assert first.cost.multiplications <= 26
    assert brute_force(graph, first.order)[0].multiplications == first.cost.multiplications
    assert graph.plan(evaluations=10**9, seconds=0).stopped


@pytest.mark.parametrize(
    ("task", "every_edge", "structure"),
    list(zip(TASKS, (295, 221, 148, 88), (184, 151, 48, 24), strict=True)),
)
def test_the_search_by_default_finds_at_most_what_is_known(task, every_edge, structure):
    graph, _ = published(task)
    for plan, most in ((graph.plan(structure=False), every_edge), (graph.plan(), structure)):
        assert not plan.stopped
        assert plan.cost.multiplications <= most
        assert 0 < plan.bound <= plan.cost.multiplications


@settings(max_examples=80, deadline=None)
@given(st.one_of(structured_graphs(), structured_graphs(sizes=(1,))), st.booleans())
def test_no_order_is_below_the_bound(graph, structure):
    seen = dense(graph)
    if structure:  # scalars, each edge ±1 or a number
        edges = [(edge.source, edge.target, int(edge.spec.structure == "Identity")) for edge in graph.edges]
        graph = seen = Graph.from_edges(len(graph.inputs), len(graph.vertices), graph.outputs, edges)
    order = graph.plan("forward", structure=structure).order
    best = min(brute_force(seen, other)[0].multiplications for other in itertools.permutations(order))
    assert fewest_multiplications(graph, structure) <= best


def test_the_bound_is_reached_where_each_vertex_is_a_bottleneck():
    edges = [(0, 2, 0), (1, 2, 0), (2, 3, 0), (3, 4, 1), (4, 5, 0), (4, 6, 0)]
    graph = Graph.from_edges(2, 7, [5, 6], edges)
    # 2 meets two counted inputs; 3 has no counted edge out, 4 none in
    assert fewest_multiplications(graph, True) == 2
    assert fewest_multiplications(graph, False) == 2 + 1 + 2


AIMS = {
    "multiplications": lambda cost, peak: (cost.multiplications, cost.additions),
    "additions": lambda cost, peak: (cost.additions,),
    "flops": lambda cost, peak: (cost.flops, cost.additions),
    "peak": lambda cost, peak: (peak, cost.multiplications),
}
MIXED = {"multiplications": 1, "additions": 0.5, "peak": 3}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=7),
    st.sampled_from(sorted(AIMS)),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_on_a_path_no_order_is_better_for_any_objective(sizes, name, structure, rng):
    specs = [
        rng.choice([Spec.dense(m, n), Spec.diagonal(n), Spec.identity(n)]) if m == n else Spec.dense(m, n)
        for n, m in itertools.pairwise(sizes)
    ]
    graph = Graph.from_edges(
        1, len(sizes), [len(sizes) - 1], [(k, k + 1, spec) for k, spec in enumerate(specs)]
    )
    plan = graph.plan(objective=name, structure=structure, check=True)
    plain = [(k, k + 1, Spec.dense(*spec.shape)) for k, spec in enumerate(specs)]
    seen = graph if structure else Graph.from_edges(1, len(sizes), [len(sizes) - 1], plain)
    ways = [brute_force(seen, order) for order in itertools.permutations(plan.order)]
    assert plan.proven
    assert AIMS[name](plan.cost, plan.peak_elements) == min(AIMS[name](*way) for way in ways)
    mixed = graph.plan(objective=MIXED, structure=structure, check=True)
    assert mixed.bound == min(cost.multiplications + 0.5 * cost.additions + 3 * peak for cost, peak in ways)
    limited = graph.plan(max_elements=max(min(peak for _, peak in ways), 1), structure=structure)
    assert limited.proven
    assert limited.peak_elements <= max(min(peak for _, peak in ways), 1)


def test_a_long_path_is_proven_for_any_objective():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 41)
    specs = [Spec.dense(int(m), int(n)) for n, m in itertools.pairwise(sizes)]
    graph = Graph.from_edges(1, 41, [40], [(k, k + 1, spec) for k, spec in enumerate(specs)])
    for objective in ("flops", "additions", "peak"):
        plan = graph.plan(objective=objective)
        assert plan.proven
        for strategy in ("forward", "reverse", "markowitz"):
            other = graph.plan(strategy)
            aim = AIMS[objective]
            assert aim(plan.cost, plan.peak_elements)[0] <= aim(other.cost, other.peak_elements)[0]


@settings(max_examples=60, deadline=None)
@given(structured_graphs(most_inner=5), st.sampled_from(sorted(AIMS)), st.booleans())
def test_each_objective_is_the_best_of_all_orders_and_checked_by_a_second_search(graph, objective, structure):
    plan = graph.plan(objective=objective, structure=structure, check=True)
    seen = graph if structure else dense(graph)
    ways = [brute_force(seen, order) for order in itertools.permutations(plan.order)]
    aim = AIMS[objective]
    assert plan.proven
    assert plan.checked
    assert aim(plan.cost, plan.peak_elements) == min(aim(*way) for way in ways)
    assert plan.bound == aim(plan.cost, plan.peak_elements)[0]


@settings(max_examples=40, deadline=None)
@given(structured_graphs(most_inner=5))
def test_weights_and_limits_are_the_best_of_all_orders(graph):
    ways = [brute_force(graph, order) for order in itertools.permutations(graph.plan("forward").order)]

    def value(cost, peak):
        return cost.multiplications + 0.5 * cost.additions + 3 * peak

    plan = graph.plan(objective=MIXED, check=True)
    assert value(plan.cost, plan.peak_elements) == plan.bound == min(value(*way) for way in ways)
    for limit in {max(peak, 1) for _, peak in ways}:
        fitting = [cost for cost, peak in ways if peak <= limit]
        limited = graph.plan(max_elements=limit, check=True)
        assert limited.peak_elements <= limit
        assert (limited.cost.multiplications, limited.cost.additions) == min(
            (cost.multiplications, cost.additions) for cost in fitting
        )


@settings(max_examples=12, deadline=None)
@given(structured_graphs(most_inner=7))
def test_with_seven_inner_vertices_optimal_is_the_best_of_all_orders(graph):
    plan = graph.plan(check=True)
    best = min(brute_force(graph, order)[0] for order in itertools.permutations(plan.order))
    assert plan.proven
    assert plan.cost == best


def test_a_largest_intermediate_is_bought_with_multiplications():
    sizes = [40, 9, 2, 9, 40]
    edges = [(k, k + 1, Spec.dense(sizes[k + 1], sizes[k])) for k in range(4)]
    graph = Graph.from_edges(1, 5, [4], [*edges, (0, 2, Spec.dense(2, 40)), (1, 3, Spec.diagonal(9))])
    cheap, small = graph.plan(), graph.plan(objective={"multiplications": 1, "peak": 10**6})
    assert small.peak_elements == graph.plan(objective="peak").peak_elements <= cheap.peak_elements
    assert "1·multiplications + 1000000·peak, proven the best" in str(small)
    with pytest.raises(ValueError, match=r"max_elements: found 1, but the plan forms [\d,]+ numbers at once"):
        graph.plan(max_elements=1)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (
            {"time": 1},
            r"objective: found weights of \['time'\], expected weights of multiplications, additions and",
        ),
        ({"peak": -1}, "objective: found -1 for peak, expected a finite number of at least 0"),
        ({"peak": 10**400}, "for peak, expected a finite number of at least 0"),
        ({"peak": True}, "objective: found True for peak, expected a finite number of at least 0"),
        ({"additions": float("inf")}, "objective: found inf for additions"),
        ({"peak": 0}, "objective: found weights of 0 only"),
        ("time", "objective: found 'time', expected one of 'multiplications'"),
    ],
)
def test_what_is_no_objective_is_refused(objective, words):
    graph = Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0)])
    with pytest.raises(ValueError, match=words):
        graph.plan(objective=objective)


def test_what_cannot_be_checked_is_refused():
    graph, _ = published("PropaneCombustion")
    with pytest.raises(
        ValueError, match="check: found a plan that isn't proven, expected 'optimal' on a graph"
    ):
        graph.plan(evaluations=10, check=True)
    path = Graph.from_edges(1, 20, [19], [(k, k + 1, Spec.dense(3, 3)) for k in range(19)])
    assert path.plan().proven
    with pytest.raises(
        ValueError, match=r"check: found 18 inner vertices, which take more than 200,000 elim"
    ):
        path.plan(check=True)


def test_the_check_tells_a_plan_that_is_not_the_best(monkeypatch):
    from jacobians.planning import plan as module

    edges = [
        (0, 1, Spec.dense(9, 1)),
        (1, 2, Spec.dense(1, 9)),
        (2, 3, Spec.dense(9, 1)),
        (0, 2, Spec.dense(1, 1)),
    ]
    graph = Graph.from_edges(1, 4, [3], edges)
    assert graph.plan(check=True).checked
    best = module.exhaustive
    monkeypatch.setattr(module, "exhaustive", lambda *given: best(*given)._replace(order=(2, 1)))
    with pytest.raises(RuntimeError, match=r"check: the order \(1, 2\) is worth 18, the plan's 171"):
        graph.plan(check=True)


def test_ten_thousand_scalars_are_planned_by_markowitz():
    rng = random.Random(0)
    edges = [
        (max(0, v - rng.randint(1, 20)), v, rng.randint(0, 1)) for v in range(5, 10_000) for _ in range(2)
    ]
    graph = Graph.from_edges(5, 10_000, [9_999], [e for e in edges if e[0] < e[1]])
    assert len(graph.plan("markowitz").order) > 5_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((1, 3, [2], [(1, 2, 0), (2, 1, 0)]), "edges: found a cycle that leads to vertex 1"),
        ((1, 3, [2], [(0, 7, 0)]), r"edges\[0\]: found vertex 7, expected a number from 0 to 2"),
        ((1, 3, [2], [(0, 1, "a")]), r"edges\[0\]: found 'a', expected unit 0 or 1, a Jacobian or a Spec"),
        ((1, 3, [2], [7]), r"edges\[0\]: found 7, expected \(from, to, unit\)"),
        ((1, 3, 2, []), "outputs: found int, expected a list"),
        ((1, "abc", [2], []), "vertices: found 'abc', expected a number of vertices or their names"),
        ((1, 3, [2], [(0, 1, Spec.dense(2, 3)), (1, 2, 0)]), r"by which 1 has 1 entries"),
    ],
)
def test_what_is_no_graph_is_refused(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        Graph.from_edges(*arguments)


def test_what_is_no_plan_is_refused():
    graph = Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0)])
    with pytest.raises(ValueError, match="strategy: found 'best', expected one of 'optimal', 'forward'"):
        graph.plan("best")
    with pytest.raises(ValueError, match="strategy: found an order of 1 vertices"):
        graph.plan([2])
    with pytest.raises(ValueError, match="objective: found 'time', expected one of 'multiplications'"):
        graph.plan(objective="time")
    with pytest.raises(ValueError, match="found no numbers on the edge 0 → 1"):
        graph.plan().execute()


def scalars(graph):
    """Return the graph with signs where there are any, and one number on all other edges."""
    signs = ("Identity", "ScaledIdentity")
    edges = [
        (e.source, e.target, e.jacobian if e.spec.structure in signs else Dense(e.jacobian.dense()))
        for e in graph.edges
    ]
    return Graph.from_edges(len(graph.inputs), len(graph.vertices), graph.outputs, edges)


@settings(max_examples=60, deadline=None)
@given(structured_graphs(sizes=(1,), most_inner=7), st.sampled_from(["optimal", "forward"]), st.booleans())
def test_printed_code_of_scalars_runs_by_itself_and_counts_what_was_planned(graph, strategy, structure):
    graph = scalars(graph)
    plan = graph.plan(strategy, structure=structure)
    source = plan.to_source()
    assert (source.count(" * "), source.count(" + ")) == (plan.cost.multiplications, plan.cost.additions)
    module = {}
    exec(source, module)
    truth = path_sums(graph)
    rows = [[truth[w, u][0, 0] for u in graph.inputs] for w in graph.outputs]
    np.testing.assert_allclose(module["jacobians"](**plan.source_arguments()), rows, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(structured_graphs(sizes=(1,), most_inner=7), st.randoms(use_true_random=False))
def test_scalars_cost_by_bits_what_they_cost_by_the_tables(graph, rng):
    graph = scalars(graph)
    order = list(graph.plan("forward").order)
    rng.shuffle(order)
    assert graph.plan(order).cost == brute_force(graph, order)[0]


def test_signs_are_free_among_scalars_and_printed_as_signs():
    edges = [(0, 1, ScaledIdentity(-1.0, 1)), (1, 2, Dense([[3.0]])), (2, 3, ScaledIdentity(-1.0, 1))]
    plan = Graph.from_edges(1, 4, [3], edges).plan("forward")
    assert plan.cost.multiplications == 0
    assert "t0 = -e1\n    t1 = -t0\n    return [[t1]]" in plan.to_source()
    signs = Graph.from_edges(1, 3, [2], [(0, 1, 1), (1, 2, 0)])
    with pytest.raises(ValueError, match="plan: found edges of ±1 without their signs"):
        signs.plan().to_source()
    assert "e1 * e0" in signs.plan(structure=False).to_source()


@settings(max_examples=60, deadline=None)
@given(structured_graphs(sizes=(1,), most_inner=6), st.randoms(use_true_random=False))
def test_scalars_are_counted_as_on_plain_mappings_where_inner_vertices_are_outputs(graph, rng):
    inner = range(len(graph.inputs), len(graph.vertices))
    outputs = sorted({*graph.outputs, *rng.sample(inner, min(2, len(inner)))})
    edges = [(edge.source, edge.target, Dense([[2.0]])) for edge in graph.edges]
    several = Graph.from_edges(len(graph.inputs), len(graph.vertices), outputs, edges)
    order = list(several.plan("forward").order)
    rng.shuffle(order)
    for structure in (True, False):
        assert several.plan(order, structure=structure).cost == brute_force(several, order)[0]


@settings(max_examples=30, deadline=None)
@given(structured_graphs(), st.sampled_from(["multiplications", "flops", "additions"]))
def test_a_proven_plan_says_its_own_cost_as_the_bound(graph, objective):
    plan = graph.plan(objective=objective)
    assert plan.proven
    expected = {
        "multiplications": plan.cost.multiplications,
        "additions": plan.cost.additions,
        "flops": plan.cost.multiplications + plan.cost.additions,
    }
    assert plan.bound == expected[objective]


def test_long_paths_are_proven_by_the_chain_plan():
    sizes = np.random.default_rng(0).integers(1, 30, size=60).tolist()
    specs = [Spec.dense(m, n) for n, m in itertools.pairwise(sizes)]
    graph = Graph.from_edges(1, 60, [59], [(k, k + 1, spec) for k, spec in enumerate(specs)])
    plan = graph.plan()
    assert (plan.proven, plan.cost) == (True, cheapest(specs[::-1]).cost)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"inputs": (5,)}, "inputs: found vertex 5, expected 0 to 2"),
        ({"outputs": (-1,)}, "outputs: found vertex -1, expected 0 to 2"),
        ({"outputs": (2, 2)}, r"outputs: found \(2, 2\), expected each vertex once"),
    ],
)
def test_ends_that_no_graph_has_are_refused_by_the_constructor_too(change, sentence):
    graph = Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0)])
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(graph, **change)


def test_a_copy_of_what_remains_is_not_written_to():
    sizes = (2, 3, 2, 4, 3)
    pairs = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4)]
    graph = Graph.from_edges(1, 5, [4], [(u, w, Spec.dense(sizes[w], sizes[u])) for u, w in pairs])
    machine = Elimination(graph)
    state = machine.start()
    machine.eliminate(state, 1)
    kept = machine.copy(state)
    before = machine.key(kept), [dict(edges) for edges in kept.into]
    machine.eliminate(state, 2)
    assert (machine.key(kept), kept.into) == before
    assert state != kept
    machine.eliminate(kept, 2)
    assert state == kept
