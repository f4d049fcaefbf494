"""Plain NumPy code, graphs and plans that were compiled, against the graph of the code at each point."""

import pickle
import re
from typing import Any

import numpy as np
import pytest
from differences import differences
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy_programs import CASES, PROGRAMS
from structured_graphs import path_sums, structured_graphs

import backprop
from backprop.compiling.nodes import RecordingError
from jacobians import Affine, Concatenate, Graph, Product, Residual, Sequential, Sum, Tanh, from_numpy, trace
from jacobians.graph import TracingError
from jacobians.structures import Dense

CALLS = [*CASES, *((name, *program) for name, program in PROGRAMS.items())]


def rows_of(found, outputs, inputs):
    """Return what a compiled function gave as rows of matrices, whatever it left out."""
    rows = found if outputs > 1 else (found,)
    return [row if inputs > 1 else (row,) for row in rows]


def assert_followed(compiled, f, points):
    """Compare with sums over the paths of the graph at the point, which no compiled code made."""
    graph = trace(f, *points)
    truth = path_sums(graph)
    rows = rows_of(compiled(*points), len(graph.outputs), len(graph.inputs))
    for target, row in zip(graph.outputs, rows, strict=True):
        for source, matrix in zip(graph.inputs, row, strict=True):
            np.testing.assert_allclose(matrix, truth[target, source], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("form", ["auto", "arrays"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_what_is_followed_is_compiled_and_right_at_other_points(call, form):
    _, f, *points = call
    compiled = backprop.compile(f, *points, strategy="reverse", form=form)
    rng = np.random.default_rng(3)
    for scale in (0.0, 0.02):
        # a factor keeps symmetric matrices and orders of entries as they are
        at = [np.asarray(x, float) * (1 + scale * rng.random()) for x in points]
        assert_followed(compiled, f, at)


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_programs_hold_far_from_where_they_were_compiled(name):
    f, *points = PROGRAMS[name]
    compiled = backprop.compile(f, *points)
    rng = np.random.default_rng(5)
    for _ in range(3):
        assert_followed(compiled, f, [rng.uniform(-0.8, 0.8, np.shape(x)) for x in points])


def test_entries_that_are_chosen_by_their_values_are_chosen_anew():
    def f(x, y):
        largest = np.max(x, axis=1)
        return np.sort(y) * np.where(y > 0.5, y, 1.0) + largest[np.argsort(y)] + x[0, np.argmax(y)]

    points = np.array([[1.0, 2.0], [4.0, 3.0], [0.0, 7.0]]), np.array([0.1, 0.9, 0.4])
    compiled = backprop.compile(f, *points)
    assert_followed(compiled, f, points)
    assert_followed(compiled, f, (-points[0], np.array([0.8, 0.3, 0.7])))


@pytest.mark.parametrize("strategy", ["forward", "reverse"])
def test_an_entry_that_is_chosen_twice_counts_twice(strategy):
    W = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 7.0]])

    def f(x, y):
        chosen = W @ x[np.argmax(y, axis=1)]
        return chosen * np.sum(np.where(y > 0.5, x[0], y) * y)

    y = np.array([[3.0, 1.0], [2.0, 0.0], [0.0, 4.0]])
    compiled = backprop.compile(f, np.array([1.0, 2.0]), y, strategy=strategy)
    for at in (y, -y, y[:, ::-1]):
        assert_followed(compiled, f, (np.array([0.5, -2.0]), at))


def branch(x):
    if x[0] > 0:
        return x * x
    return np.sin(x)


def loop(x):
    while np.sum(x) > 1.0:
        x = x / 2
    return x


def chooses_by_index(x):
    return x * float(np.argmax(x))


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (branch, "a branch on values is not the same at every point, and can't be compiled; use numpy.where"),
        (loop, "a branch on values is not the same at every point"),
        (chooses_by_index, "a conversion to a number can't be compiled; compute with the array itself"),
        (lambda x: x[x > 0], "a mask as an index: its result has no fixed shape; use np.where"),
        (lambda x: x[np.nonzero(x > 0)[0]], r"numpy\.nonzero can't be compiled"),
        (lambda x: x * (1.0 if np.any(x > 0) else 2.0), "a branch on values"),
    ],
)
def test_code_that_hangs_on_values_is_refused_with_its_line(f, words):
    point = np.array([1.0, 2.0])
    assert trace(f, point).control_flow or f is chooses_by_index
    with pytest.raises((TracingError, RecordingError), match=words) as caught:
        backprop.compile(f, point)
    assert "line " in str(caught.value)


def test_some_arguments_are_differentiated_by_and_the_others_are_still_arguments():
    compiled = backprop.compile(lambda x, y: x * y, [1.0, 2.0], [3.0, 4.0], wrt=["y"])
    np.testing.assert_array_equal(compiled([5.0, 6.0], y=[0.0, 0.0]), np.diag([5.0, 6.0]))
    with pytest.raises(ValueError, match="wrt: found 'z', expected one of"):
        backprop.compile(lambda x: x, [1.0], wrt=["z"])


def test_precision_follows_the_arguments():
    compiled = backprop.compile(lambda x: np.exp(x), np.ones(3))
    found = compiled(np.ones(3, np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.diag(np.full(3, np.e)), rtol=1e-6)
    assert compiled(np.ones(3)).dtype == np.float64


def test_what_overflows_comes_out_as_numpy_has_it():
    compiled = backprop.compile(lambda x: np.exp(x) / x, np.array([1.0]))
    assert compiled.form == "scalars"
    assert np.isnan(compiled([np.nan])).all()
    assert not np.isfinite(compiled([1e4])).any()


def test_the_cost_of_a_call_is_the_plans_where_nothing_is_formed_twice():
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(6, 5)), rng.normal(size=5)
    compiled = backprop.compile(lambda W, V, x: V @ np.tanh(W @ x), W, rng.normal(size=(3, 6)), x)
    assert compiled.cost == compiled.plan.cost
    assert f"Cost of a call: {compiled.cost}" in compiled.source


def test_arguments_are_checked_at_the_door():
    compiled = backprop.compile(lambda x, y: x + y, np.ones(2), np.ones(2))
    with pytest.raises(
        ValueError, match=r"x: found shape \(3,\), expected \(2,\), the shape that was compiled"
    ):
        compiled(np.ones(3), np.ones(2))
    with pytest.raises(TypeError, match=r"points: found 1 by position and \['z'\] by name, expected x, y"):
        compiled(np.ones(2), z=np.ones(2))
    with pytest.raises(TypeError, match="network: found int, expected"):
        backprop.compile(7)


def test_answers_are_arrays_of_the_callers_own():
    compiled = backprop.compile(lambda A, x: (A @ x, x @ A), np.eye(2), np.ones(2), form="arrays")
    A, x = np.ones((2, 2)), np.ones(2)
    arrays = [matrix for row in compiled(A, x) for matrix in row]
    for place, one in enumerate(arrays):
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in (*arrays[:place], A, x))
    before = [one.copy() for one in arrays]
    compiled(2 * A, 3 * x)
    for one, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(one, old)


def test_one_matrix_that_is_the_answer_twice_is_returned_as_two_arrays():
    W = np.array([[1.0, 2.0], [3.0, 4.0]])
    compiled = backprop.compile(lambda x: (np.tanh(W @ x), np.tanh(W @ x) + 1), np.ones(2), form="arrays")
    first, second = compiled(np.array([0.1, 0.2]))
    np.testing.assert_array_equal(first, second)
    assert not np.shares_memory(first, second)


def test_a_plan_that_counts_every_edge_is_compiled_as_it_is():
    plan = trace(product_of_norm, np.ones(2), np.ones(3)).plan("reverse", structure=False)
    compiled = backprop.compile(plan)
    assert not compiled.plan.structure
    assert compiled.plan.cost == plan.cost
    assert_followed(compiled, product_of_norm, (np.array([0.2, 0.3]), np.array([1.0, 2.0, 3.0])))


def product_of_norm(x, y):
    return np.tanh(x) * np.sum(y**2)


@pytest.mark.parametrize("strategy", ["forward", "reverse", "optimal"])
def test_traced_graphs_and_their_plans_are_functions_of_the_arguments(strategy):
    points = np.array([0.2, 0.3]), np.array([1.0, 2.0, 3.0])
    graph = trace(product_of_norm, *points)
    other = points[0] - 1, points[1] * 2
    for compiled in (backprop.compile(graph, strategy=strategy), backprop.compile(graph.plan(strategy))):
        assert_followed(compiled, product_of_norm, other)
        assert_followed(pickle.loads(pickle.dumps(compiled)), product_of_norm, other)
    with pytest.raises(ValueError, match="graph: found a traced graph without its code"):
        backprop.compile(pickle.loads(pickle.dumps(graph)))


def test_a_plan_for_one_point_is_refused_where_other_edges_are_zero():
    graph = trace(lambda x: np.where(x > 0, x**2, 2 * np.sin(x)), [1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"plan: found an order for the graph at one point.*compile\(graph\)"
    ):
        backprop.compile(graph.plan("forward"))
    compiled = backprop.compile(graph)
    np.testing.assert_allclose(compiled([3.0, -1.0]), np.diag([6.0, 2 * np.cos(1.0)]))


@settings(max_examples=40, deadline=None)
@given(structured_graphs(sizes=(2, 3, 4)), st.sampled_from(["auto", "arrays"]))
def test_plans_on_edges_take_the_arrays_of_the_edges(graph, form):
    plan = graph.plan("reverse")
    compiled = backprop.compile(plan, form=form)
    rows = rows_of(compiled(**plan.source_arguments(dense=True)), len(graph.outputs), len(graph.inputs))
    for (target, source), truth in path_sums(graph).items():
        matrix = rows[graph.outputs.index(target)][graph.inputs.index(source)]
        np.testing.assert_allclose(matrix, truth, rtol=1e-9, atol=1e-9)


def test_graphs_of_functions_take_the_input_and_the_parameters():
    rng = np.random.default_rng(1)
    shared = Affine(rng.normal(size=(3, 3)), rng.normal(size=3))
    net = Sequential(
        Residual(Sequential(shared, Tanh())),
        Sum(shared, Tanh()),
        Product(shared, Tanh()),
        Concatenate(Tanh(), shared),
    )
    x = rng.normal(size=3)
    graph = trace(net, x)
    compiled = backprop.compile(graph)
    for scale in (1.0, 0.3):
        parameters = {name: scale * value for name, value in net.parameters.items()}
        truth = path_sums(trace(net.bind(parameters), scale * x))
        found = compiled(scale * x, *parameters.values())
        for source, matrix in zip(graph.inputs, found, strict=True):
            np.testing.assert_allclose(matrix, truth[graph.outputs[0], source], rtol=1e-9, atol=1e-10)


def test_a_number_on_an_edge_is_an_argument():
    plan = Graph.from_edges(1, 3, [2], [(0, 1, Dense([[2.0]])), (1, 2, Dense([[5.0]]))]).plan()
    np.testing.assert_array_equal(backprop.compile(plan)(d1_d0=[[3.0]], d2_d1=[[7.0]]), [[21.0]])


@pytest.mark.parametrize("by", ["input", "1.a", "0.W"])
def test_a_layer_from_forward_code_is_compiled_in_a_network(by):
    rng = np.random.default_rng(2)
    layer = from_numpy(lambda x, a: np.tanh(a * x) * np.sum(x), parameters={"a": rng.normal(size=3)})
    net = Sequential(Affine(rng.normal(size=(3, 2))), layer)
    compiled = backprop.compile(net, by=by)
    for x in rng.normal(size=(3, 2)):
        np.testing.assert_allclose(compiled(x), net.jacobian(x, by).dense(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", ["arrays", "auto"])
@pytest.mark.parametrize(
    "code",
    [
        lambda x: x.reshape(-1, order="F") ** 2,
        lambda x: x.reshape((3, 2), order="F") * np.arange(6.0).reshape(3, 2),
        lambda x: np.reshape(x, (3, 2), "F") ** 3,
    ],
)
def test_columns_first_stay_columns_first(code, form):
    x = np.arange(1.0, 7.0).reshape(2, 3)
    found = np.asarray(backprop.compile(code, x, form=form)(x + 0.5)).reshape(6, 6)
    np.testing.assert_allclose(found, differences(code, x + 0.5), rtol=1e-6, atol=1e-7)


def test_an_argument_that_is_returned_twice_has_two_jacobians():
    first, second = backprop.compile(lambda x: (x, x), np.ones(3))(np.arange(3.0))
    np.testing.assert_array_equal(first, np.eye(3))
    np.testing.assert_array_equal(second, np.eye(3))


def test_one_argument_to_differentiate_by_may_be_named_alone() -> None:
    x = np.array([0.5, -1.0])
    compiled = backprop.compile(lambda weight, point: weight * point, x, 2 * x, wrt="point")
    assert_allclose(compiled(x, 2 * x), np.diag(x))


@pytest.mark.parametrize(
    ("wrt", "error", "sentence"),
    [
        (3, TypeError, "wrt: found 3, expected names"),
        (b"point", TypeError, "wrt: found b'point', expected names"),
        ("pont", ValueError, "wrt: found 'pont', expected one of 'weight', 'point'; did you mean 'point'?"),
        ([["point"]], TypeError, "wrt: found ['point'], expected one of 'weight', 'point'"),
        ([], ValueError, "wrt: found no name, expected at least one"),
        ({}, ValueError, "wrt: found no name, expected at least one"),
        (["point", "point"], ValueError, "wrt: found ['point', 'point'], expected each argument once"),
    ],
)
def test_names_to_differentiate_by_are_looked_at(wrt: Any, error: Any, sentence: str) -> None:
    x = np.array([0.5, -1.0])
    with pytest.raises(error, match=f"^{re.escape(sentence)}$"):
        backprop.compile(lambda weight, point: weight * point, x, x, wrt=wrt)
