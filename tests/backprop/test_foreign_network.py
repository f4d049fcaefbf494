"""Networks with parameters of other libraries: values, Jacobians and gradients equal to those of NumPy's network."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from foreign_arrays import Library, library, none_is_numpy, stored
from numpy.testing import assert_allclose

import backprop
import verification
from backprop import MLP, Chain
from jacobians import (
    GELU,
    Affine,
    Concatenate,
    Elementwise,
    Function,
    LayerNorm,
    LogSoftmax,
    LogSumExp,
    Residual,
    Sequential,
    Softmax,
    SquaredError,
    SquaredNorm,
    Sum,
    Tanh,
)
from jacobians.layers.activations import ACTIVATIONS, activation
from jacobians.numerics.libraries import namespace_of
from jacobians.structures import Diagonal

__all__ = ["library"]  # a fixture

X = np.random.default_rng(0).standard_normal((5, 4))
CLASSES = np.array([0, 2, 1, 2, 0])


def pair(library: Library, dtype: Any = np.float64, **options: Any) -> tuple[MLP, MLP]:
    """Return a network of NumPy's and the same one of the library."""
    net = MLP.initialize([4, 6, 3], seed=3, dtype=dtype, **options)
    net.update({name: value + 0.125 for name, value in net.parameters.items()})
    weights = [(net.parameters[f"{k}.W"], net.parameters[f"{k}.b"]) for k in net.affine_places]
    other = MLP([(library.array(W), library.array(b)) for W, b in weights], **options)
    return net, other


def assert_same(library: Library, found: Any, expected: Any, rtol: float = 1e-12) -> None:
    numbers = library.numbers(found)
    assert numbers.dtype == np.asarray(expected).dtype
    assert_allclose(numbers, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "gelu"])
def test_network(library: Library, name: str) -> None:
    net, other = pair(library, activation=name)
    x = library.array(X)
    assert_same(library, other(x[0, :]), net(X[0]))
    assert_same(library, other(x, batched=True), net(X, batched=True))
    for wrt in ("input", "0.W", "0.b", "2.W"):
        for points, mine, batched in ((X[1], x[1, :], False), (X, x, True)):
            J, K = net.jacobian(points, wrt, batched=batched), other.jacobian(mine, wrt, batched=batched)
            assert none_is_numpy(K)
            assert stored(K)
            assert K.spec == J.spec
            assert_same(library, K.dense(), J.dense())
    both = other.jacobian(x[0, :], wrt=["0.W", "0.b"])
    assert_same(library, both.dense(), net.jacobian(X[0], wrt=["0.W", "0.b"]).dense())
    found = other.linearize(x, batched=True)
    for value, expected in zip(found.values, net.linearize(X, batched=True).values, strict=True):
        assert_same(library, value, expected)


@pytest.mark.parametrize("method", ["delta", "jacobians"])
@pytest.mark.parametrize("loss", sorted(backprop.learning.targets.LOSSES))
def test_gradients(library: Library, loss: str, method: Any) -> None:
    output = "softmax" if loss in ("cross-entropy", "binary-cross-entropy") else None
    net, other = pair(library, loss=loss, output_activation=output)
    targets = np.array(
        [[0.25, 0.75, 0.0], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]
    )
    x = library.array(X)
    for y, mine in ((targets, library.array(targets)), (CLASSES, CLASSES), (CLASSES, library.array(CLASSES))):
        expected = net.gradients(X, y, method=method)
        found = other.gradients(x, mine, method=method)
        assert list(found) == list(expected)
        for key, gradient in found.items():
            assert_same(library, gradient, expected[key])
        assert_allclose(other.loss(x, mine), net.loss(X, y), rtol=1e-12)
        one = other.gradients(x[0, :], mine[0, ...] if mine is not CLASSES else 0, method=method)
        assert_same(library, one["0.W"], net.gradients(X[0], y[0], method=method)["0.W"])


def test_deltas_classes_and_chains(library: Library) -> None:
    net, other = pair(library)
    x = library.array(X)
    for found, expected in zip(other.deltas(x, CLASSES), net.deltas(X, CLASSES), strict=True):
        assert_same(library, found, expected)
    assert_same(library, other.predict(x), net.predict(X))
    assert int(other.predict(x[0, :])) == int(net.predict(X[0]))
    assert other.accuracy(x, CLASSES) == other.accuracy(x, library.array(CLASSES)) == net.accuracy(X, CLASSES)
    missing = library.array(np.array([[np.nan, 1.0, 2.0], [1.0, 0.0, 2.0]]))
    assert_same(library, other.classes(missing), [-1, 2])
    loss, mine = net.loss_function(CLASSES, batched=True), other.loss_function(CLASSES, batched=True)
    plan = Chain.from_network(other, x, mine, by="0.W", batched=True).plan()
    same = Chain.from_network(net, X, loss, by="0.W", batched=True).plan(dead_units=False)
    assert plan.cost == same.cost
    result = plan.execute()
    assert result.cost == plan.cost
    assert_same(library, result.jacobian.dense(), same.execute().jacobian.dense())


def test_single_precision_stays(library: Library) -> None:
    net, other = pair(library, dtype=np.float32, activation="relu")
    points = X.astype(np.float32)
    assert other.dtype == np.float32
    assert_same(library, other(library.array(points), batched=True), net(points, batched=True), 1e-6)
    gradients = net.gradients(points, CLASSES)
    for name, found in other.gradients(library.array(points), CLASSES).items():
        assert_same(library, found, gradients[name], 1e-6)


def test_one_output_is_a_class(library: Library) -> None:
    W = np.array([[1.0, -2.0]])
    net = MLP([(W, None)], loss="sigmoid-binary-cross-entropy")
    other = MLP([(library.array(W), None)], loss="sigmoid-binary-cross-entropy")
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert_same(library, other.predict(library.array(points)), net.predict(points))
    y = np.array([1, 1])
    assert_same(library, other.gradients(library.array(points), y)["0.W"], net.gradients(points, y)["0.W"])


def test_functions_of_a_vector(library: Library) -> None:
    x = np.array([0.5, -800.0, 900.0, 900.5])
    for function in (Softmax(), LogSoftmax(), LogSumExp(), SquaredNorm()):
        mine = library.array(x)
        assert_same(library, function(mine), function(x))
        assert_same(library, function.jacobian(mine).dense(), function.jacobian(x).dense())


def test_paths_side_by_side(library: Library) -> None:
    W = X[:4]
    for make in (
        lambda W: Residual(Sequential(Affine(W), Tanh())),
        lambda W: Sum(Tanh(), Affine(W), Sequential(Tanh(), Tanh())),
        lambda W: Sequential(Residual(Tanh()), Softmax()),
    ):
        function, mine, x = make(W), make(library.array(W)), library.array(X)
        assert_same(library, mine(x, batched=True), function(X, batched=True))
        for wrt in ("input", *function.parameters):
            J, K = function.jacobian(X, wrt, batched=True), mine.jacobian(x, wrt, batched=True)
            assert K.spec == J.spec
            assert_same(library, K.dense(), J.dense())


def test_extreme_arguments(library: Library) -> None:
    x = np.array([-1000.0, -1.0, -0.0, 0.0, 1.0, 1000.0, np.nan])
    for name in ACTIVATIONS:
        if name != "gelu":
            assert_same(library, activation(name)(library.array(x)), activation(name)(x))
            assert_same(
                library, activation(name).jacobian(library.array(x)).d, activation(name).jacobian(x).d
            )


def test_matrix_input(library: Library) -> None:
    W, b, x = X[:3], X[0, :3], X[:, :4].T
    layer, mine = Affine(W, b), Affine(library.array(W), library.array(b))
    assert_same(library, mine(library.array(x)), layer(x))
    for wrt in ("input", "W", "b"):
        found = mine.jacobian(library.array(x), wrt)
        assert_same(library, found.dense(), layer.jacobian(x, wrt).dense())


def test_a_layer_of_ones_own(library: Library) -> None:
    class Swish(Function):
        array_api = True

        def forward(self, x: Any) -> Any:
            return x * namespace_of(x).tanh(x)

        def derivative(self, x: Any, wrt: str = "input") -> Diagonal:
            t = namespace_of(x).tanh(x)
            return Diagonal(t + x * (1 - t * t))

    net, mine = Swish(), library.array(X)
    assert_same(library, net(mine, batched=True), net(X, batched=True))
    assert_same(library, net.jacobian(mine, batched=True).dense(), net.jacobian(X, batched=True).dense())
    cube = Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2, array_api=True)
    assert_same(library, cube.jacobian(mine[0, :]).d, cube.jacobian(X[0]).d)


def test_callers_arrays_are_copied(library: Library) -> None:
    W, x = library.array(np.eye(2)), library.array([1.0, 2.0])
    layer = Affine(W)
    J = layer.jacobian(x, "W")
    W[0, 0], x[0] = 5.0, 7.0
    assert_same(library, layer.W, np.eye(2))
    assert_same(library, J.dense(), [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]])


def test_parameters_are_replaced(library: Library) -> None:
    _, other = pair(library)
    other.update({"0.b": library.array(np.ones(6))})
    assert_same(library, other.parameters["0.b"], np.ones(6))
    assert other.parameter_count == 6 * 4 + 6 + 3 * 6 + 3


# --- what is refused -------------------------------------------------------------------------------------


def test_mixed_libraries_are_refused(library: Library) -> None:
    net, other = pair(library)
    x = library.array(X[0])
    kind = rf"{library.name}\.\w+"
    with pytest.raises(
        TypeError, match=rf"^x: found numpy.ndarray, expected {kind} like W of Affine; convert x"
    ):
        other(X[0])
    with pytest.raises(
        TypeError, match=rf"^x: found {kind}, expected numpy.ndarray like W of Affine; convert x"
    ):
        net.jacobian(x)
    with pytest.raises(TypeError, match=rf"^x: found {kind}, expected numpy.ndarray like W"):
        net.gradients(x, 0)
    with pytest.raises(
        TypeError, match=rf"^b: found numpy.ndarray beside W of {kind}, expected arrays of one"
    ):
        Affine(library.array(np.eye(2)), [0.0, 0.0])
    with pytest.raises(
        TypeError, match=rf"^y: found numpy.ndarray, expected class numbers or an array of {library.name}"
    ):
        other.gradients(x, np.ones(3))
    with pytest.raises(TypeError, match=rf"^y: found {kind}, expected class numbers or an array of numpy"):
        net.gradients(X[0], library.array([1.0, 0.0, 0.0]))
    with pytest.raises(
        TypeError, match=rf"^y: found {kind} beside x of numpy.ndarray, expected arrays of one"
    ):
        SquaredError(library.array([1.0]))([1.0])
    with pytest.raises(
        ValueError, match=r"^y: labels: found .* at place 1, expected class numbers from 0 to 2"
    ):
        other.gradients(library.array(X[:2]), library.array([0, 3]))


def test_a_network_that_was_numpys_is_looked_at_again(library: Library) -> None:
    net, _ = pair(library)
    net(X[0])
    net.update({"2.W": library.array(net.parameters["2.W"])})
    with pytest.raises(TypeError, match=r"^x: found numpy.ndarray, expected \w+\.\w+ like W of Affine"):
        net(X[0])
    with pytest.raises(TypeError, match=r"^x: found .*, expected numpy.ndarray like W of Affine"):
        net(library.array(X[0]))


def test_what_computes_with_numpy_refuses_others_by_name(library: Library) -> None:
    net, other = pair(library)
    x = library.array(X[0])
    kind = rf"{library.name}\.\w+"
    for function in (GELU(), LayerNorm(), Elementwise("mine", np.tanh, np.cosh), Concatenate(Tanh())):
        name = type(function).__name__
        with pytest.raises(
            TypeError, match=rf"^x: found {kind}, expected numpy.ndarray: {name} computes with NumPy's"
        ):
            function(x)
    with pytest.raises(TypeError, match=rf"^x: found {kind}, expected numpy.ndarray: GELU computes"):
        Sequential(Tanh(), GELU()).jacobian(x)
    with pytest.raises(
        TypeError, match=rf"^0.W: found {kind}, expected numpy.ndarray: training updates NumPy's"
    ):
        backprop.fit(copy.copy(other), X, CLASSES, epochs=1, learning_rate=0.1)
    with pytest.raises(TypeError, match=rf"^X: found {kind}, expected numpy.ndarray"):
        backprop.fit(net, library.array(X), CLASSES, epochs=1, learning_rate=0.1)
    with pytest.raises(
        TypeError, match=rf"^0.W: found {kind}, expected numpy.ndarray: what is compiled are NumPy's"
    ):
        backprop.compile(other, shape=(4,))
    with pytest.raises(
        TypeError, match=rf"^x: found {kind}, expected numpy.ndarray: this is computed with NumPy's"
    ):
        backprop.saliency(net, x, 0)
    with pytest.raises(
        TypeError, match=rf"^0.W: found {kind}, expected numpy.ndarray: scores are computed with"
    ):
        backprop.maximize_input(other, 0, step_size=0.1, steps=1)
    with pytest.raises(
        TypeError, match=rf"^jacobian: found arrays of {library.name}, expected NumPy's: with these"
    ):
        verification.check(np.tanh, X[0], Tanh().jacobian(x))


def test_torchs_record_of_gradients_is_left_behind() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("array_api_compat", reason="array_api_compat, which torch needs, is not installed")
    linear = torch.nn.Linear(4, 3, dtype=torch.float64)
    layer = Affine(linear.weight, linear.bias)
    x = torch.asarray(X)
    assert not layer.W.requires_grad
    assert_allclose(layer(x, batched=True).numpy(), linear(x).detach().numpy(), rtol=1e-12)


def test_torch_without_array_api_compat_says_what_is_missing() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    script = (
        "import sys; sys.modules['array_api_compat'] = None\n"
        "import torch, jacobians\n"
        "try: jacobians.Affine(torch.ones((2, 2)))\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "array_api_compat is not installed; arrays of torch need it: pip install 'explicit-jacobians[arrays]'"
    )
