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

from jacobians import Cost, Graph, Spec
from jacobians.planning.bounds import fewest_multiplications
from jacobians.planning.bracketing import cheapest
from jacobians.products import product_cost, product_spec
from jacobians.products.sums import sum_cost, sum_spec
from jacobians.structures import Dense, Diagonal, Identity

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "graphs"
TASKS = ("RoeFlux_1d", "RobotArm_6DOF", "HumanHeartDipole", "PropaneCombustion")


def published(task):
    found = json.loads((DATA / f"{task}.json").read_text(encoding="utf-8"))
    return Graph.from_edges(found["inputs"], found["vertices"], found["outputs"], found["edges"]), found[
        "published"
    ]


@st.composite
def graphs(draw, most_inner=5, sizes=(1, 2, 3)):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, inner = int(rng.integers(1, 3)), int(rng.integers(1, most_inner + 1))
    count = inputs + inner + 1
    size = [int(rng.choice(sizes)) for _ in range(count)]
    edges = []
    for target in range(inputs, count):
        for source in range(target):
            for _ in range(int(rng.choice([0, 1, 1, 2], p=[0.4, 0.4, 0.1, 0.1]))):
                m, n = size[target], size[source]
                kinds = [Dense(rng.standard_normal((m, n)))]
                if m == n:
                    kinds += [Identity(n), Diagonal(rng.standard_normal(n))] * 2
                edges.append((source, target, kinds[int(rng.integers(len(kinds)))]))
    outputs = [count - 1] if rng.random() < 0.6 else [count - 2, count - 1]
    outputs = [vertex for vertex in outputs if vertex >= inputs]
    return Graph.from_edges(inputs, count, outputs, edges)


def brute_cost(graph, order):
    """Eliminate on plain mappings: an algorithm of its own."""
    reached = set(graph.inputs)
    for _ in graph.vertices:
        reached |= {e.target for e in graph.edges if e.source in reached}
    needed = set(graph.outputs)
    for _ in graph.vertices:
        needed |= {e.source for e in graph.edges if e.target in needed}
    left, cost = {}, Cost()

    def put(key, spec):
        nonlocal cost
        if key in left:
            cost += sum_cost(left[key], spec)
            spec = sum_spec(left[key], spec)
        left[key] = spec

    for e in graph.edges:
        if {e.source, e.target} <= reached & needed:
            put((e.source, e.target), e.spec)
    for v in order:
        before = [(u, s) for (u, w), s in left.items() if w == v]
        after = [(w, s) for (u, w), s in left.items() if u == v]
        for u, a in before:
            for w, b in after:
                cost += product_cost(b, a)
                put((u, w), product_spec(b, a))
        for w, _ in after:
            del left[v, w]
        if v not in graph.outputs:
            for u, _ in before:
                del left[u, v]
    return cost


def dense(graph):
    """Return the graph with every edge dense."""
    edges = [(edge.source, edge.target, Dense(edge.jacobian.dense())) for edge in graph.edges]
    return Graph.from_edges(len(graph.inputs), len(graph.vertices), graph.outputs, edges)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_optimal_is_the_best_of_all_orders(graph):
    plan = graph.plan()
    best = min(brute_cost(graph, order) for order in itertools.permutations(plan.order))
    assert plan.proven
    assert plan.cost == best


@settings(max_examples=60, deadline=None)
@given(graphs(most_inner=7), st.sampled_from(["optimal", "forward", "reverse", "markowitz"]), st.booleans())
def test_executed_jacobians_are_path_sums_at_the_planned_cost(graph, strategy, structure):
    plan = graph.plan(strategy, structure=structure)
    execution = plan.execute()
    assert execution.cost == plan.cost
    for source in graph.inputs:
        sizes = [vertex.size for vertex in graph.vertices]
        total = [np.zeros((size, sizes[source])) for size in sizes]
        total[source] = np.eye(sizes[source])
        for edge in sorted(graph.edges, key=lambda edge: edge.target):
            total[edge.target] = total[edge.target] + edge.jacobian.dense() @ total[edge.source]
        for target in graph.outputs:
            found = execution.jacobians[target, source].dense()
            np.testing.assert_allclose(found, total[target], rtol=1e-9, atol=1e-9)


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
        assert brute_cost(graph, plan.order).multiplications == plan.cost.multiplications


def test_the_search_is_the_same_for_a_seed_and_says_what_it_knows():
    graph, _ = published("PropaneCombustion")
    first, second = (graph.plan(evaluations=2_000, seed=3) for _ in range(2))
    assert first.order == second.order
    assert not first.proven
    assert not first.stopped
    assert first.cost.multiplications <= 26
    assert brute_cost(graph, first.order).multiplications == first.cost.multiplications
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
@given(st.one_of(graphs(most_inner=5), graphs(most_inner=5, sizes=(1,))), st.booleans())
def test_no_order_is_below_the_bound(graph, structure):
    seen = dense(graph)
    if structure:  # scalars, each edge ±1 or a number
        edges = [(edge.source, edge.target, int(edge.spec.structure == "Identity")) for edge in graph.edges]
        graph = seen = Graph.from_edges(len(graph.inputs), len(graph.vertices), graph.outputs, edges)
    order = graph.plan("forward", structure=structure).order
    best = min(brute_cost(seen, other).multiplications for other in itertools.permutations(order))
    assert fewest_multiplications(graph, structure) <= best


def test_the_bound_is_reached_where_each_vertex_is_a_bottleneck():
    edges = [(0, 2, 0), (1, 2, 0), (2, 3, 0), (3, 4, 1), (4, 5, 0), (4, 6, 0)]
    graph = Graph.from_edges(2, 7, [5, 6], edges)
    # 2 meets two counted inputs; 3 has no counted edge out, 4 none in
    assert fewest_multiplications(graph, True) == 2
    assert fewest_multiplications(graph, False) == 2 + 1 + 2


def test_objectives_and_limits_choose_other_plans():
    sizes = [4, 9, 2, 9, 4]
    edges = [(k, k + 1, Spec.dense(sizes[k + 1], sizes[k])) for k in range(4)]
    graph = Graph.from_edges(1, 5, [4], [*edges, (0, 2, Spec.dense(2, 4))])
    all_plans = [graph.plan(list(order)) for order in itertools.permutations([1, 2, 3])]
    assert graph.plan(objective="flops").cost.flops == min(plan.cost.flops for plan in all_plans)
    assert graph.plan(objective="additions").cost.additions == min(plan.cost.additions for plan in all_plans)
    least = min(plan.peak_elements for plan in all_plans)
    assert graph.plan(objective="peak").peak_elements == least
    assert graph.plan(max_elements=least).cost.multiplications == min(
        plan.cost.multiplications for plan in all_plans if plan.peak_elements <= least
    )
    with pytest.raises(ValueError, match=r"max_elements: found 1, but the plan forms \d+ numbers at once"):
        graph.plan(max_elements=1)


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
    with pytest.raises(ValueError, match="strategy: found 'best', expected one of optimal, forward"):
        graph.plan("best")
    with pytest.raises(ValueError, match="strategy: found an order of 1 vertices"):
        graph.plan([2])
    with pytest.raises(ValueError, match="objective: found 'time', expected one of multiplications"):
        graph.plan(objective="time")
    with pytest.raises(ValueError, match="found no numbers on the edge 0 → 1"):
        graph.plan().execute()


@settings(max_examples=40, deadline=None)
@given(graphs(sizes=(1,), most_inner=7), st.sampled_from(["optimal", "forward", "reverse"]), st.booleans())
def test_printed_code_of_scalars_runs_by_itself_and_counts_what_was_planned(graph, strategy, structure):
    scalars = Graph.from_edges(
        len(graph.inputs),
        len(graph.vertices),
        graph.outputs,
        [
            (e.source, e.target, e.jacobian if e.spec.structure == "Identity" else Dense(e.jacobian.dense()))
            for e in graph.edges
        ],
    )
    plan = scalars.plan(strategy, structure=structure)
    source = plan.to_source()
    assert (source.count(" * "), source.count(" + ")) == (plan.cost.multiplications, plan.cost.additions)
    module = {}
    exec(source, module)
    found = module["jacobians"]([edge.jacobian.dense()[0, 0] for edge in scalars.edges])
    execution = plan.execute()
    truth = [[execution.jacobians[w, u].dense()[0, 0] for u in graph.inputs] for w in graph.outputs]
    np.testing.assert_allclose(found, truth, rtol=1e-12)


def test_printed_code_of_arrays_and_unknown_signs_is_refused():
    signs = Graph.from_edges(1, 3, [2], [(0, 1, 1), (1, 2, 0)])
    with pytest.raises(ValueError, match="plan: found edges of ±1 without their signs"):
        signs.plan().to_source()
    assert "e1 * e0" in signs.plan(structure=False).to_source()
    graph = Graph.from_edges(1, 2, [1], [(0, 1, Spec.dense(2, 3))])
    with pytest.raises(
        ValueError, match="plan: found vertices that are no scalars, expected scalars; use execute"
    ):
        graph.plan().to_source()


def test_pictures_show_names_escaped_and_the_order():
    graph = Graph.from_edges(["<a>"], ["<a>", "b", "c"], ["c"], [("<a>", "b", 0), ("b", "c", 1)])
    picture = graph.plan().picture()
    assert "&lt;a&gt;" in picture
    assert "<a>" not in picture
    assert ">1: 0</text>" in picture
    assert graph._repr_svg_() == graph.picture()


@settings(max_examples=60, deadline=None)
@given(graphs(sizes=(1,), most_inner=6), st.randoms(use_true_random=False))
def test_scalars_are_counted_as_on_plain_mappings_where_inner_vertices_are_outputs(graph, rng):
    inner = range(len(graph.inputs), len(graph.vertices))
    outputs = sorted({*graph.outputs, *rng.sample(inner, min(2, len(inner)))})
    edges = [(edge.source, edge.target, Dense([[2.0]])) for edge in graph.edges]
    several = Graph.from_edges(len(graph.inputs), len(graph.vertices), outputs, edges)
    order = list(several.plan("forward").order)
    rng.shuffle(order)
    for structure in (True, False):
        assert several.plan(order, structure=structure).cost == brute_cost(several, order)


@settings(max_examples=30, deadline=None)
@given(graphs(), st.sampled_from(["multiplications", "flops", "additions"]))
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
