"""Compiled gradients: equal to finite differences of the mean loss, for every loss, in one piece and in several."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
from backprop import MLP
from backprop.compiling import RecordingError, gradients
from backprop.learning.targets import LOSSES
from jacobians import Function, SquaredError
from jacobians.layers import activation_derivatives
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics import blas_threads, threads
from jacobians.numerics.arrays import MemoryBudgetError
from jacobians.structures import Dense


def differences(net: MLP, x: Any, y: Any) -> dict[str, Any]:
    """Return central differences of the mean loss by every parameter."""
    found = {}
    for name, value in net.parameters.items():
        gradient = np.empty_like(value)
        for index in np.ndindex(value.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = value.copy()
                moved[index] += step
                ends.append(net.replace({name: moved}).loss(x, y))
            gradient[index] = (ends[0] - ends[1]) / 2e-6
        found[name] = gradient
    return found


def assert_gradients(net: MLP, found: dict[str, Any], x: Any, y: Any) -> None:
    expected = differences(net, x, y)
    assert list(found) == list(net.parameters)
    for name, gradient in found.items():
        assert gradient.shape == net.parameters[name].shape
        assert_allclose(gradient, expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_loss(loss: str, activation: str) -> None:
    last = {"cross-entropy": "softmax", "binary-cross-entropy": "sigmoid"}.get(loss)
    net = MLP.initialize([3, 4, 2], activation=activation, loss=loss, seed=3, output_activation=last)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 3)), np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    compiled = backprop.compile_gradients(net, points=5)
    assert_gradients(net, compiled(x, y), x, y)
    labels = np.array([1, 0, 0, 1, 1])
    assert_gradients(net, compiled(x, labels), x, labels)


def test_parameters_are_those_of_the_network_at_the_call() -> None:
    net = MLP.initialize([2, 3, 1], loss="squared-error")
    compiled = backprop.compile_gradients(net, points=4)
    x, y = np.random.default_rng(0).standard_normal((4, 2)), np.ones((4, 1))
    before = compiled(x, y)
    net.update({name: value + 0.5 for name, value in net.parameters.items()})
    after = compiled(x, y)
    assert_gradients(net, after, x, y)
    assert not np.allclose(before["0.W"], after["0.W"])


@pytest.mark.parametrize("points", [7, 8])
def test_points_divided_among_threads(points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "LEAST_FLOPS", 1.0)
    monkeypatch.setattr(gradients, "LEAST_POINTS", 1)
    for module in (gradients, threads):
        monkeypatch.setattr(module, "blas_threads", lambda: 2)
    monkeypatch.setattr(blas_threads, "_libraries", lambda: ())
    net = MLP.initialize([3, 4, 2], seed=5)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((points, 3)), rng.integers(0, 2, points)
    compiled = backprop.compile_gradients(net, points=points)
    assert len(compiled._pieces) == 2
    assert_gradients(net, compiled(x, y), x, y)


@pytest.mark.parametrize(("pieces", "wide"), [(1, False), (2, False), (2, True)])
def test_large_batches_into_given_arrays(pieces: int, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_derivatives, "wide_vectors", lambda: wide)
    monkeypatch.setattr(gradients, "blas_threads", lambda: pieces)
    monkeypatch.setattr(gradients, "LEAST_FLOPS", 1.0)
    monkeypatch.setattr(gradients, "LEAST_POINTS", 1)
    for activation in ("tanh", "sigmoid", "softplus"):
        net = MLP.initialize([8, 40, 30, 3], activation=activation, loss="squared-error", seed=5)
        net.update({name: 2 * value for name, value in net.parameters.items()})
        rng = np.random.default_rng(2)
        x, y = 3 * rng.standard_normal((400, 8)), rng.standard_normal((400, 3))
        compiled = backprop.compile_gradients(net, points=400)
        slope = {"tanh": "tanh_slope(", "sigmoid": "sigmoid_slope(", "softplus": "np.expm1("}[activation]
        assert compiled.source.count(f"= {slope}") == (0 if wide and activation != "softplus" else 2)
        expected = net.gradients(x, y, method="jacobians")
        out = {name: np.full_like(value, np.nan) for name, value in net.parameters.items()}
        kept = dict(out)
        assert compiled(x, y, out) is out
        for name, gradient in compiled(x, y).items():
            assert out[name] is kept[name]
            assert not np.shares_memory(gradient, out[name])
            for found in (gradient, out[name], net.gradients(x, y)[name]):
                assert_allclose(found, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (lambda out: [], TypeError, "out: found list, expected a dict with an array for each of \\['0.W', '0.b',"),
        (lambda out: out.pop("0.b") is None or out, TypeError, "out: found \\['0.W', '2.W', '2.b'\\], expected a dict"),
        (lambda out: out | {"0.W": np.empty((2, 3))}, ValueError, "out: found shape \\(2, 3\\) and dtype float64"),
        (lambda out: out | {"0.b": np.empty(3, np.float32)}, ValueError, "out: found shape \\(3,\\) and dtype float32"),
        (lambda out: out | {"0.W": np.empty((2, 3)).T}, ValueError, "read-only or not C-contiguous for 0.W, expected"),
        (lambda out: out | {"0.b": np.broadcast_to(0.0, (3,))}, ValueError, "read-only or not C-contiguous for 0.b"),
        (lambda out: out | {"0.b": [1.0, 2.0, 3.0]}, ValueError, "out: found list for 0.b"),
    ],
)  # fmt: skip
def test_wrong_arrays_for_the_answer_are_refused(change: Any, error: type[Exception], sentence: str) -> None:
    net = MLP.initialize([2, 3, 1], loss="squared-error")
    out = change({name: np.empty_like(value) for name, value in net.parameters.items()})
    with pytest.raises(error, match=sentence):
        backprop.compile_gradients(net, 1)([[1.0, 2.0]], [[1.0]], out)


def test_the_short_way_in_gives_what_the_long_one_gives() -> None:
    net = MLP.initialize([3, 4, 2], loss="squared-error", seed=1)
    compiled = backprop.compile_gradients(net, points=5)
    x, y = np.arange(15).reshape(5, 3), np.arange(10).reshape(5, 2)
    expected = compiled(x.tolist(), y.tolist())
    for points, targets in (
        (x * 1.0, y * 1.0),
        (x.astype(">f8"), y.astype(">f8")),
        (x * 1.0, y.astype(np.float32)),
    ):
        before = points.copy(), targets.copy()
        for name, gradient in compiled(points, targets).items():
            assert_allclose(gradient, expected[name], rtol=1e-13)
        np.testing.assert_array_equal(points, before[0])
        np.testing.assert_array_equal(targets, before[1])


def test_a_loss_looks_at_its_targets_at_every_call() -> None:
    net = MLP.initialize([3, 4, 2], seed=1)
    compiled = backprop.compile_gradients(net, points=1)
    compiled(np.ones((1, 3)), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"y: found the weight -1\.0"):
        compiled(np.ones((1, 3)), np.array([[1.0, -1.0]]))


def test_float32_stays_float32() -> None:
    net = MLP.initialize([3, 4, 2], dtype=np.float32)
    x, y = np.ones((2, 3)), [0, 1]
    found = backprop.compile_gradients(net, points=2)(x, y)
    expected = net.gradients(x.astype(np.float32), y)
    for name, gradient in found.items():
        assert gradient.dtype == np.float32
        assert_allclose(gradient, expected[name], rtol=1e-5, atol=1e-6)


def test_networks_without_biases_and_one_point() -> None:
    net = MLP([([[1.0, 2.0], [0.5, -1.0]], None), ([[1.0, 1.0]], None)], loss="squared-error")
    assert_gradients(net, backprop.compile_gradients(net, 1)([[0.3, 0.4]], [[1.0]]), [[0.3, 0.4]], [[1.0]])


def test_the_source_is_what_is_run() -> None:
    net = MLP.initialize([2, 3, 1], loss="squared-error")
    compiled = backprop.compile_gradients(net, points=4)
    module: dict[str, Any] = {}
    exec(compiled.source, module)
    x, y = np.random.default_rng(0).standard_normal((4, 2)), np.ones((4, 1))
    found = module["make"]()(x, y, *net.parameters.values())
    for gradient, expected in zip(found, compiled(x, y).values(), strict=True):
        assert_allclose(gradient, expected, rtol=1e-15)
    assert compiled.source.count("np.tanh") == 1


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda net: backprop.compile_gradients(net.layers[0], 3), TypeError, "network: found Affine, expected an MLP"),
        (lambda net: backprop.compile_gradients(type(net), 3), TypeError, "network: found the class MLP, expected"),
        (lambda net: backprop.compile_gradients(net, 0), ValueError, "points: found 0"),
        (
            lambda net: backprop.compile_gradients(net, 3)(np.ones((2, 2)), [[1.0]] * 2),
            ValueError,
            "x: found shape \\(2, 2\\), expected \\(3, 2\\), the number of points that was compiled for",
        ),
        (lambda net: backprop.compile_gradients(net, 1)([[1.0, 2.0]], [[1.0, 2.0]]), ValueError, "y: found shape"),
        (lambda net: backprop.compile_gradients(net, 1)([[1.0, 1j]], [[1.0]]), TypeError, "x: found dtype complex128"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(call: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        call(MLP.initialize([2, 3, 1], loss="squared-error"))


class Forgetful(Function):
    """A loss that keeps its target in no array."""

    def __init__(self, y: Any) -> None:
        self.inner = SquaredError(y)

    def forward(self, x: Any) -> Any:
        return self.inner.forward(x)

    def derivative(self, x: Any, wrt: str = "input") -> Dense:
        return Dense(2 * (x - self.inner.y)[None])


class Offset(Function):
    """Σ (a − y), whose gradient depends on nothing."""

    vectorized = True

    def __init__(self, y: Any) -> None:
        self.y = self.parameter(y, "y")

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        return (x - self.y).sum(axis=-1)

    def derivative(self, x: Any, wrt: str = "input", batch_ndim: int = 0) -> Dense:
        return Dense.unchecked(np.ones((1, 2)), out_shape=())


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_gradient_that_is_known_beforehand_is_given_out_as_a_copy(
    pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradients, "blas_threads", lambda: pieces)
    monkeypatch.setattr(gradients, "LEAST_FLOPS", 1.0)
    monkeypatch.setattr(gradients, "LEAST_POINTS", 1)
    net = MLP.initialize([3, 2], loss=Offset)
    x, y = np.random.default_rng(0).standard_normal((4, 3)), np.ones((4, 2))
    compiled = backprop.compile_gradients(net, points=4)
    compiled(x, y)["0.b"][:] = 7.0
    assert_gradients(net, compiled(x, y), x, y)
    out = {name: np.full_like(value, np.nan) for name, value in net.parameters.items()}
    assert_gradients(net, compiled(x, y, out), x, y)
    assert_gradients(net, out, x, y)


def test_a_loss_whose_targets_are_not_found_is_refused() -> None:
    with pytest.raises(RecordingError, match="loss: Forgetful keeps 0 arrays of the targets' shape"):
        backprop.compile_gradients(MLP.initialize([2, 3, 1], loss=Forgetful), points=2)


@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy"])
def test_a_loss_with_a_domain_looks_at_the_outputs(loss: str) -> None:
    net = MLP.initialize([4, 3, 2], loss=loss, seed=1)
    x, y = np.random.default_rng(3).standard_normal((3, 4)), np.eye(2)[[0, 1, 1]]
    with pytest.raises(ValueError, match=r"^x: found .* from 0 to 1"):
        backprop.compile_gradients(net, 3)(x, y)
    one = net.network_loss.of(y[0])
    with pytest.raises(ValueError, match=r"^x: found .* from 0 to 1"):
        backprop.compile(net, loss=one)(x[0])


def test_threads_have_the_error_state_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(blas_threads, "_libraries", lambda: ())
    both = threading.Barrier(2, timeout=20)
    seen: set[str] = set()

    def work(_: slice) -> None:
        both.wait()
        seen.add(np.geterr()["over"])

    for state in ("raise", "ignore"):
        seen.clear()
        with np.errstate(over=state):  # type: ignore[arg-type]  # one of its literals
            threads.spread(work, [slice(0, 1), slice(1, 2)])
        assert seen == {state}


@pytest.mark.parametrize("points", [10**8, 10**9, 10**15])
def test_compiled_gradients_keep_a_budget(points):
    net = MLP.initialize([4, 3, 2], seed=0)
    backprop.compile_gradients(net, points=2)  # what is imported with its first use takes memory too
    tracemalloc.start()
    with pytest.raises(MemoryBudgetError, match=r"the outputs of all layers at all points .* would take"):
        backprop.compile_gradients(net, points=points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
