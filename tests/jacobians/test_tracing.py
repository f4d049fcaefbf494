"""Plain NumPy code as a graph: every row of the table of operations, textbook programs, and what is refused."""

import random as random_numbers

import numpy as np
import pytest
import scipy.special as sp
from numpy import array, zeros
from numpy.lib.stride_tricks import sliding_window_view
from numpy_programs import CASES, PROGRAMS, M, R, T, V, random

from jacobians import (
    Affine,
    Concatenate,
    Product,
    Residual,
    Sequential,
    SquaredError,
    Sum,
    Tanh,
    from_numpy,
    trace,
)
from jacobians.graph import TracingError
from jacobians.graph.operations import TABLE, special_rows
from jacobians.graph.tracing import record
from jacobians.structures import Diagonal
from verification import check, finite_difference_jacobian

GENERATOR = np.random.default_rng(1)


def dense_of(graph, output, source):
    """Return the Jacobian by sums over all paths, of dense matrices: the chain rule without any planner."""
    size = graph.vertices[source].value.size
    reached = {source: np.eye(size)}
    for vertex in range(len(graph.vertices)):
        if vertex == source:
            continue
        terms = [
            edge.jacobian.dense() @ reached[edge.source]
            for edge in graph.edges
            if edge.target == vertex and edge.source in reached
        ]
        if terms:
            reached[vertex] = sum(terms)
    return reached.get(output, np.zeros((graph.vertices[output].value.size, size)))


def assert_right(f, *points):
    graph = trace(f, *points)
    values = f(*points)
    values = values if isinstance(values, tuple) else (values,)
    assert len(graph.outputs) == len(values)
    for k, (output, value) in enumerate(zip(graph.outputs, values, strict=True)):
        np.testing.assert_allclose(graph.vertices[output].value, value)
        for place, source in enumerate(graph.inputs):

            def of_one(x, k=k, place=place):
                result = f(*points[:place], x, *points[place + 1 :])
                return np.asarray(result[k] if isinstance(result, tuple) else result)

            expected = finite_difference_jacobian(of_one, points[place], method="richardson")
            np.testing.assert_allclose(dense_of(graph, output, source), expected, rtol=1e-6, atol=1e-8)
    return graph


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_every_row_has_the_jacobian_that_differences_see(case):
    assert_right(*case[1:])


def test_every_row_of_the_table_has_a_case():
    special_rows()
    with_case = {name.split()[0] for name, *_ in CASES}
    rooms = ("numpy.lib.stride_tricks.", "numpy.", "scipy.special.")
    rows = {
        next(row.name.removeprefix(room) for room in rooms if row.name.startswith(room))
        for row in TABLE.values()
    }
    assert rows - with_case == set()


# --- programs as a textbook writes them ------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_textbooks_have_right_jacobians_by_every_argument(name):
    assert_right(*PROGRAMS[name])


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_witness_that_can_run_agrees_with_the_planned_jacobians_of_programs(name):
    f, *points = PROGRAMS[name]
    graph = trace(f, *points)
    found = graph.plan("reverse").execute().jacobians
    agreed = set()
    for k, output in enumerate(graph.outputs):
        for place in graph.inputs:

            def of_one(x, k=k, place=place):
                result = f(*points[:place], x, *points[place + 1 :])
                return result[k] if isinstance(result, tuple) else result

            report = check(of_one, points[place], found[output, place].dense())
            assert report.verdict == "right", report
            statuses = {witness.name: witness.status for witness in report.witnesses}
            assert "disagrees" not in statuses.values()
            agreed |= {witness for witness, status in statuses.items() if status == "agrees"}
    assert {"finite-difference", "complex-step"} <= agreed


# --- what the graph says, and what is refused ------------------------------------------------------------


def test_arrays_that_are_filled_are_followed_through_every_write():
    def f(x):
        out = np.zeros(3)
        out[0] = x[0] * x[1]
        out[1:] = x[2:] ** 2
        out[0] += x[3]
        out *= 2
        return np.array([out[0], 1.0, out[1] * out[2]])

    assert_right(f, V)


def test_vertices_know_the_line_and_the_operation_that_made_them():
    graph = trace(lambda x: np.exp(x), V)
    vertex = graph.vertices[graph.outputs[0]]
    assert vertex.operation == "numpy.exp"
    first = test_vertices_know_the_line_and_the_operation_that_made_them.__code__.co_firstlineno
    assert vertex.line == f"line {first + 1}"


def test_additions_are_identities_and_entrywise_products_diagonals():
    graph = trace(lambda x, y: x + y, V, V)
    assert [edge.jacobian.structure for edge in graph.edges] == ["Identity", "Identity"]
    graph = trace(lambda x: x * x, V)
    assert [edge.jacobian.structure for edge in graph.edges] == ["Diagonal", "Diagonal"]


STRUCTURES = {
    "difference": (lambda x, y: x - y, (V, V), ["Identity", "ScaledIdentity"]),
    "negative": (lambda x: -x, (V,), ["ScaledIdentity"]),
    "multiple": (lambda x: 2 * x, (V,), ["ScaledIdentity"]),
    "product with one": (lambda x: 1.0 * x, (V,), ["Identity"]),
    "multiple by a traced number": (lambda s, x: s * x, (V[0], V), ["Dense", "ScaledIdentity"]),
    "bias": (lambda X, b: X + b, (R, V[:3]), ["Identity", "Repeat"]),
    "bias in the middle": (lambda X, b: X + b[:, None], (T, R), ["Identity", "Identity", "Repeat"]),
    "weights of rows": (lambda X, g: X * g, (R, V[:3]), ["Repeat", "Diagonal", "Diagonal"]),
    "sum over the first axis": (lambda X: X.sum(axis=0), (R,), ["Repeat"]),
    "sum over two axes": (lambda X: X.sum(axis=(0, 2)), (T,), ["Repeat", "Repeat"]),
    "mean": (lambda X: X.mean(axis=1), (R,), ["Repeat", "ScaledIdentity"]),
    "maximum": (lambda X: X.max(axis=1), (R,), ["Selection"]),
    "norms": (lambda X: np.linalg.norm(X, axis=1), (R,), ["Diagonal", "Repeat"]),
    "tile": (lambda x: np.tile(x, (3, 1)), (V,), ["Repeat"]),
    "repeat": (lambda x: np.repeat(x, 3), (V,), ["Repeat"]),
    "broadcast": (lambda x: np.broadcast_to(x, (3, 4)), (V,), ["Repeat"]),
    "shared matrix": (lambda A, B: A @ B, (T, M), ["Kronecker", "Kronecker"]),
    "batched product": (lambda A, B: A @ B, (T, T.mT.copy()), ["BlockDiagonal", "BlockDiagonal"]),
    "batched einsum": (
        lambda A, B: np.einsum("bij,bkj->bik", A, B), (T, T), ["BlockDiagonal", "BlockDiagonal", "Selection"]
    ),
    "trace": (np.trace, (M,), ["Selection", "Repeat"]),
    "outer": (np.outer, (V, V), ["Kronecker", "Kronecker"]),
    "windows": (lambda x: sliding_window_view(x, 2), (V,), ["Selection"]),
    "convolution": (lambda x: np.convolve(x, [1.0, 2.0]), (V,), ["Toeplitz"]),
    "valid convolution": (lambda x: np.convolve(x, [1.0, 2.0], "valid"), (V,), ["Toeplitz"]),
    "same convolution": (lambda x: np.convolve(x, [1.0, 2.0, 3.0], "same"), (V,), ["Toeplitz", "Selection"]),
    "running sum": (np.cumsum, (V,), ["Sparse"]),
    "differences": (np.diff, (V,), ["Sparse"]),
    "inverse": (np.linalg.inv, (M,), ["Kronecker"]),
    "solution": (np.linalg.solve, (M, M), ["Kronecker", "Kronecker"]),
    "softmax of rows": (lambda X: sp.softmax(X, axis=1), (R,), ["BlockDiagonal"]),
    "softmax of columns": (lambda X: sp.softmax(X, axis=0), (R,), ["Selection", "BlockDiagonal", "Selection"]),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_numpy_does_keeps_its_structure(name):
    f, points, structures = STRUCTURES[name]
    assert [edge.spec.structure for edge in trace(f, *points).edges] == structures


def test_signs_broadcasts_and_sums_multiply_nothing():
    for f in (lambda X, b: -(X - b), lambda X, b: (X - b).sum(axis=0) - b):
        cost = trace(f, R, V[:3]).plan("reverse").cost
        assert cost.multiplications == 0


@pytest.mark.parametrize(
    "f",
    [
        lambda a, x: a[0] * x,
        lambda a, x: x / a[1],
        lambda a, x: np.convolve(x, a),
        lambda a, x: np.kron(a, x),
        lambda a, x: np.cross(a, x[:3]),
        lambda a, x: np.einsum("i,j->ij", a, x),
    ],
)
def test_structure_does_not_hang_on_the_numbers_at_the_point(f):
    points = np.ones(3), np.array([0.0, 2.0, 0.0])
    specs = [[edge.spec for edge in trace(f, a, V).edges] for a in points]
    assert specs[0] == specs[1]


def test_slices_without_entries_are_constants():
    assert_right(lambda x: np.concatenate([x[:0], x, np.split(x, [0])[0]]), V)
    assert_right(lambda x: x[:0] @ x[:0] + np.dot(x[:0], x[4:]) + np.einsum("i,i->", x[:0], x[4:]) + x, V)


def test_arrays_like_others_have_the_shape_and_the_kind_that_are_asked_for():
    assert_right(lambda x: np.zeros_like(x, shape=(2, 4)) + x, V)
    assert_right(lambda x: np.ones_like(x, shape=6) * x[0], V)
    assert_right(lambda x: np.full_like(x, x[1], shape=(2, 2)) * x[0], V)
    assert_right(lambda x: np.where(np.ones_like(x, dtype=bool), x**2, x), V)


def test_bounds_of_the_method_clip_may_be_left_out():
    assert_right(lambda x: (x - 1).clip(0) + x.clip(max=0.5) + x.clip(-1, 1), V)


def test_control_flow_is_followed_at_the_point_and_said():
    def f(x):
        return 2 * x if x[0] > 0 else -x

    assert trace(f, V).control_flow
    assert not trace(lambda x: 2 * x, V).control_flow
    assert_right(f, V)
    assert_right(f, -V)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: np.fft.fft(x), r"line \d+: numpy\.fft\.?\w* is not in the table"),
        (lambda x: np.unwrap(x), "numpy.unwrap is not in the table"),
        (lambda x: np.exp(1j * x), "numpy.multiply gives complex128 values"),
        (lambda x: float(x[0]), "a conversion to a number loses the derivative"),
        (lambda x: x.astype(int), "astype to int64 loses the derivative"),
        (lambda x: x.__setitem__(0, 1.0), "a write into an argument is not followed"),
        (
            lambda x: np.exp(x, where=V > 0.5, out=np.zeros(4)),
            "numpy.exp takes no options here but out, found where",
        ),
        (lambda x: np.where(x), "numpy.where of one operand gives places"),
        (lambda x: np.array([x, None]), "numpy.array is given what is no array of real numbers"),
        (lambda x: "text", "found a result of type str"),
        (lambda x: np.array(["text"]), "f: found a result of dtype <U4, expected real numbers"),
        (
            lambda x: np.array([x[0], x[1]], dtype=object),
            r"line \d+: numpy.array to object loses the derivative",
        ),
        (lambda x: np.array([x[0], x[1]], int), "numpy.array to int64 loses the derivative"),
        (lambda x: np.asarray(x, dtype=int), "numpy.asarray to int64 loses the derivative"),
        (lambda x: np.full(3, x[0], dtype=int), "numpy.full to int64 loses the derivative"),
        (lambda x: np.full_like(x, x[0], dtype=int), "numpy.full_like to int64 loses the derivative"),
        (lambda x: np.array([x[0], x[1]], ndmin=2), "f: gives other numbers than what was followed"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(f, words):
    with pytest.raises(TracingError, match=words):
        trace(f, V)


def test_random_numbers_are_refused_by_the_line_that_computes_with_them():
    generator = np.random.default_rng(3)
    with pytest.raises(
        TracingError, match=r"line \d+: numpy.multiply is given other numbers when f is called again"
    ):
        trace(lambda x: np.exp(x) * generator.uniform(size=4), V)
    with pytest.raises(TracingError, match=r"numpy.add is given other numbers .* pass them as an argument"):
        trace(lambda x: x + vars(np.random)["rand"](4), V)
    assert_right(lambda x: x * np.random.default_rng(0).uniform(size=4), V)


@pytest.mark.parametrize("draw", [np.random.random, random_numbers.random, GENERATOR.random])
def test_random_numbers_are_refused_where_the_value_hides_them(draw):
    point = np.array([1.0, 2.0])

    def f(x):
        return x + (x - point) * draw()

    with pytest.raises(
        TracingError, match="f: draws random numbers, which its value at this point doesn't show"
    ):
        trace(f, point)


def test_generators_that_a_function_holds_are_watched_and_seeded_ones_are_let_through():
    point, held = np.array([1.0, 2.0]), np.random.default_rng(0)
    with pytest.raises(TracingError, match="f: draws random numbers"):
        trace(lambda x: x + (x - point) * held.random(), point)
    with pytest.raises(TracingError, match="f: draws random numbers"):
        trace(lambda x: x + (x - point) * GENERATOR.random(), point)

    def seeded(x):
        np.random.seed(3)  # noqa: NPY002  # what textbooks write
        return x * np.random.random()  # noqa: NPY002

    assert len(trace(seeded, point).edges) == 1


def test_values_that_choose_entries_are_control_flow():
    for f in (np.max, np.min, np.sort, lambda x: x * (1 + np.argmax(x))):
        assert trace(f, V).control_flow
    assert not trace(lambda x: x * np.max(V) * np.sort(np.ones(4)), V).control_flow
    assert not trace(lambda x: x + np.zeros(4).max(), V).control_flow


def test_arrays_of_names_taken_from_numpy_are_followed():
    def f(x):
        out = zeros(4)
        out[1] = x[0] * x[2]
        return out + array([x[1], 2.0, x[0], x[3]])

    before = zeros, array
    assert_right(f, V)
    assert (zeros, array) == before


@pytest.mark.parametrize("index", [0, slice(None), slice(1, 3)], ids=str)
def test_a_write_into_an_array_from_outside_is_refused_with_the_way_out(index):
    outside = np.zeros(4)

    def f(x):
        outside[index] = x[index]
        return outside * 2

    with pytest.raises(
        TracingError, match=r"a write into an array that isn't followed; make it by numpy.zeros"
    ):
        trace(f, V)


def test_more_vertices_than_allowed_are_refused():
    with pytest.raises(TracingError, match="more than max_vertices = 3 vertices"):
        trace(lambda x: x + 1 + 1 + 1, V, max_vertices=3)


def test_numpy_is_as_before_after_a_function_that_fails():
    before = np.zeros, np.array
    with pytest.raises(ZeroDivisionError):
        trace(lambda x: 1 / 0, V)
    assert (np.zeros, np.array) == before


def test_a_row_can_be_added_by_the_public_door():
    from jacobians.graph import operation

    @operation(sp.gammaln)
    def log_gamma(x):
        return sp.gammaln(x), {0: lambda: Diagonal(sp.digamma(x))}

    try:
        assert_right(lambda x: sp.gammaln(x) * 2, V)
    finally:
        del TABLE[sp.gammaln]


# --- functions from forward code alone -------------------------------------------------------------------


def affine(x, W, b):
    return np.tanh(W @ x + b)


def test_a_function_from_forward_code_is_checked_and_composed_like_any_other():
    W, b = random(3, 4), random(3)
    layer = from_numpy(affine, parameters={"W": W, "b": b})
    written = Sequential(Affine(W, b), Tanh())
    for own, other in (("input", "input"), ("W", "0.W"), ("b", "0.b")):
        np.testing.assert_allclose(layer.jacobian(V, wrt=own).dense(), written.jacobian(V, wrt=other).dense())
        assert check(layer, V, wrt=own).passed
    net = Sequential(layer, Affine(random(2, 3), random(2)))
    assert list(net.parameters) == ["0.W", "0.b", "1.W", "1.b"]
    assert check(net, V, wrt="0.W").passed
    both = layer.jacobian(V, wrt=["input", "b"])
    np.testing.assert_allclose(both.dense()[:, :4], written.jacobian(V).dense())


def test_a_written_derivative_wins():
    layer = from_numpy(lambda x: x**2, derivative=lambda x, wrt: Diagonal(np.full(4, 7.0)))
    np.testing.assert_array_equal(layer.jacobian(V).dense(), 7 * np.eye(4))


def test_names_that_a_function_has_already_are_refused():
    with pytest.raises(ValueError, match="found the name 'forward', expected an identifier"):
        from_numpy(lambda x, forward: x, parameters={"forward": 1.0})


# --- graphs of functions -----------------------------------------------------------------------------------

SHARED = Affine(random(4, 4), random(4))
NETS = {
    "residual": Sequential(Residual(Sequential(Affine(random(4, 4), None), Tanh())), SquaredError(random(4))),
    "sum": Sum(Tanh(), Affine(random(4, 4), random(4))),
    "product": Product(Tanh(), SHARED, Affine(random(4, 4), None)),
    "concatenation": Sequential(
        Concatenate(Tanh(), Affine(random(2, 4), random(2))), Affine(random(3, 6), None)
    ),
    "shared": Sequential(SHARED, Tanh(), Residual(SHARED), Tanh(), SHARED),
}


@pytest.mark.parametrize("name", NETS)
def test_the_graph_of_a_function_has_its_jacobians(name):
    net = NETS[name]
    graph = trace(net, V)
    assert [graph.vertices[place].name for place in graph.inputs] == ["input", *net.parameters]
    np.testing.assert_allclose(graph.vertices[graph.outputs[0]].value, net(V))
    for place in graph.inputs:
        wrt = graph.vertices[place].name

        def of_one(value, wrt=wrt):
            return net(value) if wrt == "input" else net.replace({wrt: value})(V)

        point = V if wrt == "input" else net.parameters[wrt]
        expected = finite_difference_jacobian(of_one, point, method="richardson")
        np.testing.assert_allclose(dense_of(graph, graph.outputs[0], place), expected, rtol=1e-6, atol=1e-8)


def test_a_shared_layer_is_one_parameter_vertex_with_an_edge_at_each_place():
    graph = trace(NETS["shared"], V, wrt=["0.W"])
    (place,) = graph.inputs
    assert [edge.source for edge in graph.edges].count(place) == 3


def test_a_residual_is_an_identity_beside_its_inside():
    blocks = [
        Residual(Sequential(Affine(random(64, 64), None), Tanh(), Affine(random(64, 64), None)))
        for _ in range(3)
    ]
    graph = trace(Sequential(*blocks, SquaredError(random(64))), random(64), wrt=["input"])
    structures = [edge.jacobian.structure for edge in graph.edges]
    assert {name: structures.count(name) for name in set(structures)} == {
        "Identity": 6,
        "Diagonal": 3,
        "Dense": 7,
    }
    plan = graph.plan("reverse")
    assert plan.cost.multiplications <= 3 * (2 * 64**2 + 64)
    assert plan.execute().cost == plan.cost


def test_a_shared_layer_costs_no_more_than_a_reverse_sweep_by_its_weights():
    W = Affine(random(32, 32), None)
    net = Sequential(W, Tanh(), W, Tanh(), W, Tanh(), SquaredError(random(32)))
    plan = trace(net, random(32), wrt=["0.W"]).plan("reverse")
    assert plan.cost.multiplications <= 2 * (32**2 + 32) + 32 + 3 * 32**2
    assert plan.execute().cost == plan.cost


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("strategy", ["reverse", "forward", "markowitz"])
def test_plans_on_programs_cost_what_they_say_and_give_the_sum_over_paths(name, strategy):
    f, *points = PROGRAMS[name]
    graph = trace(f, *points)
    plan = graph.plan(strategy)
    execution = plan.execute()
    assert execution.cost == plan.cost
    for output in graph.outputs:
        for place in graph.inputs:
            np.testing.assert_allclose(
                execution.jacobians[output, place].dense(), dense_of(graph, output, place), atol=1e-12
            )


def test_what_is_no_callable_or_has_no_point_is_refused():
    with pytest.raises(TypeError, match="f: found int, expected a callable or a Function"):
        trace(3, V)
    with pytest.raises(TypeError, match=r"f: found a signature \(x\), expected one that takes 2 arrays"):
        trace(lambda x: x, V, V)
    with pytest.raises(TypeError, match="f: found the class dict, expected a function of arrays"):
        trace(dict, V)
    with pytest.raises(
        TypeError, match=r"forward: found a signature .*, expected one that takes 1 array and U"
    ):
        from_numpy(lambda x, W: W @ x, parameters={"U": np.eye(4)})
    with pytest.raises(TypeError, match="points: found none"):
        trace(np.exp)
    with pytest.raises(TypeError, match="found a Function with 2 points"):
        trace(Tanh(), V, V)
    with pytest.raises(ValueError, match="wrt: found 'W'"):
        trace(Tanh(), V, wrt=["W"])


def test_lengths_by_hypot_are_norms():
    def lengths(X):
        return np.hypot.reduce(X, axis=-1, initial=0) * np.hypot.reduce(X)[0]

    assert check(lengths, R, dense_of(trace(lengths, R), trace(lengths, R).outputs[0], 0)).passed
    with pytest.raises(TracingError, match=r"hypot\.reduce is not in the table"):
        trace(lambda X: np.hypot.reduce(X, axis=-1, initial=2.0), R)


def test_calls_are_kept_with_the_functions_that_were_running():
    def inner(z):
        return np.tanh(z) * 2.0

    def outer(z):
        return inner(z) + inner(-z)

    graph, calls = record(outer, V, keeps_calls=True)
    tanh = [calls[k] for k, vertex in enumerate(graph.vertices) if vertex.operation == "numpy.tanh"]
    assert [[frame.function for frame in call.frames] for call in tanh] == [["inner", "outer"]] * 2
    assert tanh[0].frames[0].number != tanh[1].frames[0].number  # two calls
    assert tanh[0].frames[1].number == tanh[1].frames[1].number
    value, jacobian = tanh[0].rule(tanh[0].function, (2 * V,), {})  # again, from another operand
    assert np.allclose(value, np.tanh(2 * V))
    assert np.allclose(jacobian((0,)).dense(), np.diag(1 - np.tanh(2 * V) ** 2))
    assert record(outer, V)[1] == {}


AFFINE = {
    "diff after a constant": lambda x: np.diff(x, prepend=1.0) ** 2,
    "diff before a constant": lambda x: np.diff(x, append=5.0),
    "diff after an entry": lambda x: np.diff(x, prepend=x[1]) * x,
    "diff between parts": lambda x: np.diff(x, 1, -1, x[:1], x[1:]),
    "filled by a sum": lambda x: np.full_like(x, x.sum()) * x,
    "filled by an entry": lambda x: np.full_like(np.zeros(4), x[0]) ** 2,
    "filled entry by entry": lambda x: np.full_like(x, x),
    "filled by a constant": lambda x: np.full_like(x, 2.0) * x,
}


@pytest.mark.parametrize("name", AFFINE)
def test_what_stands_beside_the_operand_is_neither_lost_nor_differentiated(name):
    assert_right(AFFINE[name], np.array([1.0, 4.0, 9.0, 2.0]))


@pytest.mark.parametrize("code", [lambda x: np.sum([x, 2 * x], axis=0), lambda x: np.max([x, 2 * x], axis=0)])
def test_lists_of_arrays_that_are_followed_are_refused_with_the_way_out(code):
    with pytest.raises(
        TracingError, match=r"line \d+: (sum|max): a conversion to a plain array .*numpy\.stack of"
    ):
        trace(code, V)


@pytest.mark.parametrize("most", [1.5, True, None, "a", -1, 0])
def test_a_number_of_vertices_is_a_whole_number(most):
    with pytest.raises(
        (TypeError, ValueError), match=r"max_vertices: found .* expected an integer of at least 1"
    ):
        trace(np.tanh, V, max_vertices=most)


def test_a_written_derivative_is_a_function():
    with pytest.raises(TypeError, match="derivative: found 3, expected a function of x and a name"):
        from_numpy(np.tanh, derivative=3)
