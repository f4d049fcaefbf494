"""Printed code of plans on graphs of arrays, against sums over paths and the costs that were planned."""

import ast
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structured_graphs import path_sums, structured_graphs

from jacobians import Graph, Spec, trace
from jacobians.structures import Dense


def written_costs(source):
    """Return multiplications and additions of all lines before the dense forms."""
    plan = source.split("# the dense form")[0].split('"""')[2]
    found = re.findall(r"#.*?([\d,]+) multiplications, ([\d,]+) additions$", plan, re.MULTILINE)
    return tuple(sum(int(pair[k].replace(",", "")) for pair in found) for k in (0, 1))


def run(source, arguments):
    module = {}
    exec(source, module)
    found = module["jacobians"](**arguments)
    return found if isinstance(found, tuple) else (found,)


@settings(max_examples=80, deadline=None)
@given(
    structured_graphs(most_inner=7, sizes=(2, 3, 4, 6)),
    st.sampled_from(["optimal", "forward", "reverse", "markowitz"]),
    st.booleans(),
)
def test_printed_code_gives_the_sums_over_paths_by_lines_that_cost_what_was_planned(
    graph, strategy, structure
):
    plan = graph.plan(strategy, structure=structure, evaluations=200)
    source = plan.to_source(dense=True)
    assert written_costs(source) == (plan.cost.multiplications, plan.cost.additions)
    truth = path_sums(graph)
    found = run(source, plan.source_arguments(dense=True))
    pairs = [(target, source) for target in graph.outputs for source in graph.inputs]
    for pair, one in zip(pairs, found, strict=True):
        np.testing.assert_allclose(one, truth[pair], rtol=1e-9, atol=1e-9)


def test_code_without_dense_forms_returns_what_the_structures_store():
    graph = trace(lambda W, x: np.tanh(W @ x), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0.1, 0.2, -0.2])
    plan = graph.plan("reverse")
    found = run(plan.to_source(), plan.source_arguments())
    by_w, by_x = (plan.execute().jacobians[graph.outputs[0], place] for place in graph.inputs)
    assert [one.size for one in found] == [2, 3, 6]  # diag ⊗ row, and a matrix: 11 numbers for 18
    np.testing.assert_allclose(np.kron(np.diag(found[0]), found[1]), by_w.dense(), rtol=1e-13)
    np.testing.assert_allclose(found[2], by_x.dense(), rtol=1e-13)


def test_code_imports_nothing_but_numpy_and_names_arrays_by_vertices():
    graph = trace(lambda W, x: np.tanh(W @ x), np.eye(2), [1.0, 2.0])
    source = graph.plan("reverse").to_source()
    tree = ast.parse(source)
    assert [ast.unparse(node) for node in tree.body[:-1]] == ["import numpy as np"]
    assert [argument.arg for argument in tree.body[-1].args.args] == ["dv2_dW_B", "dv2_dx", "dv3_dv2_d"]
    assert "# ∂v3/∂v2 · ∂v2/∂x: diag(a)·B: rows scaled" in source


def test_names_of_vertices_end_no_remark_and_no_string():
    names = ["x\n    raise SystemExit", 'u"""', "y"]
    edges = [(0, 1, Dense([[2.0, 3.0]])), (1, 2, Dense([[5.0]]))]
    plan = Graph.from_edges(
        names[:1], names, names[2:], [(names[s], names[t], J) for s, t, J in edges]
    ).plan()
    (found,) = run(plan.to_source(), plan.source_arguments())
    np.testing.assert_array_equal(found, [[10.0, 15.0]])


def test_code_can_be_printed_without_numbers_but_has_no_arguments_then():
    graph = Graph.from_edges(1, 3, [2], [(0, 1, Spec.dense(2, 3)), (1, 2, Spec.diagonal(2))])
    (found,) = run(graph.plan().to_source(), {"d1_d0": np.ones((2, 3)), "d2_d1_d": np.array([1.0, 2.0])})
    np.testing.assert_array_equal(found, [[1, 1, 1], [2, 2, 2]])
    with pytest.raises(ValueError, match="graph: found edges without numbers, expected a Jacobian on every"):
        graph.plan().source_arguments()


def test_answers_are_arrays_of_the_callers_own():
    plan = Graph.from_edges(1, 2, [1], [(0, 1, Dense([[1.0, 2.0]]))]).plan()
    arguments = plan.source_arguments(dense=True)
    (found,) = run(plan.to_source(dense=True), arguments)
    assert not np.shares_memory(found, arguments["d1_d0"])
