"""A caller's error state of NumPy and filters of warnings change no answer, and are the caller's own afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from function_cases import CASES, Case
from numpy.testing import assert_array_equal
from structured_cases import CASES as STRUCTURES
from structured_cases import Case as StructureCase

import backprop
import jacobians as jb
import verification
from jacobians import Function
from jacobians.graph.tracing import trace
from jacobians.layers.activations import ACTIVATIONS

SMALL_AND_SATURATED = np.array([1e-310, 2e-310, 800.0, -800.0])
POINTS = {"small and saturated": SMALL_AND_SATURATED, "largest": np.array([1e308, -1e308, 0.0])}


def strictly(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or its ValueError, where every floating-point error raises and warnings too."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outcome(call)
        assert set(np.geterr().values()) == {"raise"}
    return found


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the words of its ValueError: a point outside a domain."""
    try:
        return call()
    except ValueError as error:
        return str(error)


def assert_same(found: Any, expected: Any) -> None:
    """Compare arrays, texts, and lists and dicts of these, bit for bit."""
    if isinstance(expected, dict):
        found, expected = [*found.items()], [*expected.items()]
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, str):
        assert found == expected
    else:
        assert_array_equal(found, expected)


def assert_undisturbed(call: Callable[[], Any]) -> None:
    """Compare a call under the strictest settings with one under none."""
    with np.errstate(all="ignore"):
        expected = outcome(call)
    assert_same(strictly(call), expected)


def uses(J: jb.Jacobian) -> list[Any]:
    """Return what the public methods of a Jacobian make of numbers of every size."""
    m, n = J.shape
    v, u = np.resize(SMALL_AND_SATURATED, n), np.resize(SMALL_AND_SATURATED, m)
    rows = np.resize(SMALL_AND_SATURATED, (*J.batch_shape, m))
    square = J.T @ J
    return [
        *(J.dense(), J.matrix(), J.tensor(), np.asarray(J), J.row_norms(), J.diagonal(), J.trace()),
        *(J.matvec(v), J.rmatvec(u), J @ v, u @ J, J.rmatvec(rows, summed=True)),
        J.directional(np.resize(v, J.in_shape)),
        *(it.dense() for it in (J + J, J - J, 1e-310 * J, J / 3, square, np.ones((2, m)) @ J)),
        J.astype("float32").dense(),
    ]


# --- functions and structures ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_function(case: Case, point: str, dtype: Any) -> None:
    f = strictly(lambda: case.make(dtype))
    with np.errstate(over="ignore", under="ignore"):
        x = np.resize(POINTS[point], case.points.shape[1:]).astype(dtype)
    batch = np.stack([x, x])
    assert_undisturbed(lambda: f(x))
    assert_undisturbed(lambda: f(batch, batched=True))
    assert_undisturbed(lambda: f.linearize(x).values)
    assert_undisturbed(lambda: [J.dense() for J in f.chain(x)])
    for name in case.names:
        assert_undisturbed(lambda name=name: uses(f.jacobian(x, wrt=name)))
    assert_undisturbed(lambda: f.jacobian(batch, batched=True).dense())
    if f.parameters:
        assert_undisturbed(lambda: f.jacobian(x, wrt=list(f.parameters)).dense())


@pytest.mark.parametrize("size", [1e-310, 1e-160, 1e160, 1e308])
@pytest.mark.parametrize("case", STRUCTURES, ids=lambda case: case.name)
def test_every_structure(case: StructureCase, size: float) -> None:
    with np.errstate(all="ignore"):
        J = case.jacobian * size
    assert_undisturbed(lambda: uses(J))


def test_linear_operators_and_pairs_of_points() -> None:
    J = jb.Affine(np.full((3, 4), 1e-200)).jacobian(np.ones(4))
    small = np.full((4, 2), 1e-200)
    assert_undisturbed(lambda: [J.as_linear_operator() @ small, J.as_linear_operator().H @ small[:3]])
    K = jb.Affine(np.ones((1, 2))).jacobian([[1e-200, 1e200], [1e-200, 1e200]], wrt="W", batched=True)
    assert_undisturbed(lambda: jb.pairwise_products(K, K))


def test_graphs_and_programs() -> None:
    W = np.full((2, 3), 1e-200)

    def loss(x: Any) -> Any:
        return (np.tanh(W @ x) ** 2).sum() + np.exp(-x).sum()

    for x in ([1e-200, 800.0, -800.0], [1e308, -1e308, 0.0]):
        graph = strictly(lambda x=x: trace(loss, x))  # type: ignore[misc]
        with np.errstate(all="ignore"):
            expected = trace(loss, x)
        for edge, same in zip(graph.edges, expected.edges, strict=True):
            assert_same(edge.jacobian.dense(), same.jacobian.dense())
        for strategy in ("forward", "reverse"):
            plan = graph.plan(strategy)
            assert_undisturbed(lambda plan=plan: [J.dense() for J in plan.execute().jacobians.values()])  # type: ignore[misc]
    program = backprop.Chain.matrix_free([np.full((2, 2), 1e-200), np.full((2, 2), 1e-200)])
    assert_undisturbed(lambda: list(program.plan().execute()))


def test_what_the_caller_set_is_there_again_after_an_error() -> None:
    with np.errstate(all="raise"), pytest.raises(ValueError, match="x: found shape"):
        jb.Affine(np.eye(2))([1.0])
    with np.errstate(all="raise"):
        with pytest.raises(ValueError, match="x: found shape"):
            jb.Affine(np.eye(2)).jacobian([1.0])
        assert set(np.geterr().values()) == {"raise"}


# --- networks --------------------------------------------------------------------------------------------


LOSSES = ["softmax-cross-entropy", "sigmoid-binary-cross-entropy", "squared-error"]


def network(activation: str, loss: str) -> backprop.MLP:
    weights = [(np.resize(SMALL_AND_SATURATED, (3, 4)), np.full(3, 1e-310)), (np.full((2, 3), 1e-3), None)]
    return backprop.MLP(weights, activation=activation, loss=loss)


def calls_of(net: backprop.MLP, point: np.ndarray[Any, Any]) -> Iterator[Callable[[], Any]]:
    batch = np.stack([point, 1e-5 * point, 0 * point])
    labels = np.array([1, 0, 1])
    yield lambda: net(point)
    yield lambda: [net.loss(batch, labels), net.mean_loss(net(batch, batched=True), np.eye(2)[labels])]
    yield lambda: [net.predict(batch), net.accuracy(batch, labels)]
    yield lambda: net.gradients(batch, labels)
    yield lambda: net.gradients(batch, labels, method="jacobians")
    yield lambda: net._mean_gradients(batch, np.eye(2)[labels])
    yield lambda: net.deltas(batch, labels)
    yield lambda: backprop.tangent_kernel(net, batch)
    yield lambda: [backprop.saliency(net, point, 1).w, backprop.saliency(net, point, 1)(point)]
    yield lambda: backprop.maximize_input(net, 1, point, step_size=1e-3, steps=2).values
    yield lambda: backprop.compile_gradients(net, 3)(batch, labels)
    for by in ("input", "0.W"):
        for form in ("arrays", "auto"):
            yield lambda by=by, form=form: backprop.compile(net, by=by, form=form)(point)
        yield lambda by=by: [
            backprop.Chain.from_network(net, point, by=by).plan(strategy).execute().jacobian.dense()
            for strategy in ("left", "right", "optimal")
        ]
    yield (
        lambda: (
            backprop.Chain.from_network(net, point)
            .plan("optimal", dead_units=True)
            .execute()
            .jacobian.dense()
        )
    )
    yield lambda: backprop.compare(backprop.Chain.from_network(net, point), measure=True).note


@pytest.mark.parametrize("point", [SMALL_AND_SATURATED, [1e308, -1e308, 0.0, 0.0]], ids=list(POINTS))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_use_of_a_network(activation: str, loss: str, point: Any) -> None:
    net = strictly(lambda: network(activation, loss))
    for call in calls_of(net, np.asarray(point)):
        assert_undisturbed(call)


@pytest.mark.parametrize("form", ["arrays", "auto"])
def test_what_is_computed_at_compile_time(form: Any) -> None:
    layer = jb.Affine(np.full((2, 2), 1e-200))
    assert_undisturbed(
        lambda: backprop.compile(jb.Sequential(layer, layer), form=form)(SMALL_AND_SATURATED[:2])
    )


def test_training() -> None:
    X = np.stack([SMALL_AND_SATURATED, -SMALL_AND_SATURATED])

    def trained() -> Any:
        result = backprop.fit(
            network("tanh", "softmax-cross-entropy"), X, [0, 1], epochs=2, learning_rate=0.5, momentum=0.5
        )
        return [result.losses, result.parameters]

    assert_undisturbed(trained)


def test_descents() -> None:
    start = np.array([[1e-200, 1.0], [0.0, 1e-310]])
    assert_undisturbed(
        lambda: backprop.gradient_descent(jb.SquaredNorm(), start, step_size=1e-3, steps=2).values
    )
    assert_undisturbed(lambda: backprop.style_gradient(start, np.eye(2)))
    assert_undisturbed(lambda: backprop.match_style(start, np.eye(2), step_size=0.02, steps=2).values)


# --- witnesses -------------------------------------------------------------------------------------------


WITNESSED: list[tuple[Any, Any]] = [
    (jb.Sigmoid(), SMALL_AND_SATURATED),
    (jb.Sequential(jb.Affine(np.full((2, 3), 1e-200)), jb.Tanh()), [1e-200, 1e100, 0.0]),
    (jb.SquaredNorm(), [1e-310, 1e-160, 1.0]),
    (jb.Softmax(), [800.0, -800.0, 0.0]),
    (jb.SquaredNorm(), [1e308, 1.0, 0.0]),
    (np.exp, np.array([-800.0, 1.0])),
    (np.exp, np.array([-745.0, 720.0])),
    (lambda x: x / 2, np.array([1.7976931348623157e308])),
]


def witnesses_of(f: Any, x: Any) -> Iterator[Callable[[], Any]]:
    J = f.jacobian(x).dense() if isinstance(f, Function) else np.eye(len(x))
    off = 2 * J
    yield lambda: [(it.name, it.status, it.matrix) for it in verification.check(f, x, J).witnesses]
    yield lambda: str(verification.check(f, x, off).diagnosis)
    yield lambda: verification.finite_difference_jacobian(f, x)
    yield lambda: verification.finite_difference_jacobian(f, x, "forward")
    yield lambda: verification.finite_difference_jacobian(f, x, "complex")
    yield lambda: list(verification.richardson_jacobian(f, x))
    yield lambda: verification.taylor_test(f, x, J).remainders
    yield lambda: verification.symbolic_jacobian(f, x).value
    yield lambda: list(verification.certified_jacobian(f, x))
    yield lambda: [(errors := verification.step_errors(f, x)).central, errors.forward]
    yield lambda: str(verification.diagnose(off, J, f=f, x=np.asarray(x)))
    yield lambda: verification.step_curve(f, x).svg
    yield lambda: verification.error_map(off, J).svg


@pytest.mark.parametrize("place", range(len(WITNESSED)))
def test_every_witness(place: int) -> None:
    f, x = WITNESSED[place]
    for call in witnesses_of(f, x):
        assert_undisturbed(call)


def test_matrix_functions_and_the_tests_of_linear_maps() -> None:
    A, E = np.array([[1e-310, 1e-200], [0.0, 1.0]]), np.full((2, 2), 1e-200)
    small = jb.Affine([[1e-310, 1e-310]]).jacobian([1.0, 1.0])
    assert_undisturbed(lambda: verification.block_derivative(lambda X: X @ X, A, E))
    assert_undisturbed(lambda: verification.block_jacobian(lambda X: X @ X, A))
    assert_undisturbed(lambda: verification.adjoint_test(small).passed)
