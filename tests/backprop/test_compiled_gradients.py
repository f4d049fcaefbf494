"""Compiled gradients: equal to finite differences of the mean loss, for every loss, in one piece and in several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
from backprop import MLP, gradients, threads
from backprop.source import RecordingError
from backprop.targets import LOSSES
from jacobians import Function, SquaredError
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
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
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
    for module in (gradients, threads):
        monkeypatch.setattr(module, "blas_threads", lambda: 2)
    limit = type("Unlimited", (), {"lib_controllers": []})
    monkeypatch.setattr(threads, "_blas", limit)
    net = MLP.initialize([3, 4, 2], seed=5)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((points, 3)), rng.integers(0, 2, points)
    compiled = backprop.compile_gradients(net, points=points)
    assert len(compiled._pieces) == 2
    assert_gradients(net, compiled(x, y), x, y)


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


def test_a_loss_whose_targets_are_not_found_is_refused() -> None:
    with pytest.raises(RecordingError, match="loss: Forgetful keeps 0 arrays of the targets' shape"):
        backprop.compile_gradients(MLP.initialize([2, 3, 1], loss=Forgetful), points=2)
