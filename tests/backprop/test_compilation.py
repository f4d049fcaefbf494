"""Compiled Jacobians: equal to the structured ones for every function of the catalogue, in every form."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from function_cases import CASES, Case
from numpy.testing import assert_allclose, assert_array_equal

import backprop
from backprop import MLP
from backprop.compiling import RecordingError
from jacobians import (
    Affine,
    BinaryCrossEntropy,
    Elementwise,
    Function,
    Residual,
    Sequential,
    Softmax,
    SquaredError,
    Tanh,
)
from jacobians.layers.activations import ACTIVATIONS, activation
from jacobians.structures import Diagonal

X = np.array([0.5, -1.0])


def network(name: str = "tanh", **options: Any) -> MLP:
    return MLP.initialize([2, 3, 4, 1], activation=name, loss="squared-error", seed=1, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batched", [False, True], ids=["point", "batch"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if "eterminant" not in case.name], ids=lambda c: c.name
)
def test_every_function_of_the_catalogue(case: Case, batched: bool, dtype: Any) -> None:
    function = case.make(dtype)
    x = (case.points if batched else case.points[0]).astype(dtype)
    tolerance = 1e-11 if dtype is np.float64 else 1e-4
    for name in case.names:
        expected = function.jacobian(x, wrt=name, batched=batched).dense()
        for form in ("arrays", "auto"):
            compiled = backprop.compile(
                function, name, shape=x.shape, batched=batched, dtype=dtype, form=form
            )
            found = compiled(x)
            assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
            into = np.full_like(expected, np.nan)
            assert compiled(x, out=into) is into
            assert_allclose(into, expected, rtol=tolerance, atol=tolerance)
            found[...] = np.nan  # is the caller's own
            assert_allclose(compiled(x), expected, rtol=tolerance, atol=tolerance)


def test_some_of_the_catalogue_has_the_form_of_scalars() -> None:
    forms = [
        backprop.compile(case.function, shape=case.points[0].shape).form
        for case in CASES
        if "eterminant" not in case.name
    ]
    assert forms.count("scalars") >= 10


@pytest.mark.parametrize("form", ["arrays", "scalars"])
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("x", [X, 0 * X, 1e3 * X, 1e308 * X, np.inf * X, np.nan * X, np.array([np.nan, 1.0])])
def test_activations_far_away_and_not_finite(name: str, form: Any, x: Any) -> None:
    net = network(name)
    with np.errstate(all="ignore"):
        expected = net.jacobian(x).dense()
        found = backprop.compile(net, form=form)(x)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("form", ["arrays", "auto"])
@pytest.mark.parametrize("by", ["input", "0.W", "2.b", "4.W"])
def test_loss_and_parameters(by: str, form: Any) -> None:
    net, loss = network(), SquaredError([0.25])
    expected = backprop.Chain.from_network(net, X, loss, by=by).plan().execute().jacobian.dense()
    assert_allclose(backprop.compile(net, by, loss, form=form)(X), expected, rtol=1e-13)


def test_a_batch_with_a_loss() -> None:
    net, loss = network(), SquaredError([[0.25], [0.5], [1.0]])
    x = np.arange(6.0).reshape(3, 2)
    expected = backprop.Chain.from_network(net, x, loss, batched=True).plan().execute().jacobian.dense()
    assert_allclose(backprop.compile(net, loss=loss, batched=True, shape=(3, 2))(x), expected, rtol=1e-13)


def test_parameters_are_those_at_compile_time() -> None:
    net = network()
    compiled = {form: backprop.compile(net, form=form) for form in ("arrays", "scalars")}
    before = net.jacobian(X).dense()
    net.update({"0.W": np.ones((3, 2))})
    for jacobian in compiled.values():
        assert_allclose(jacobian(X), before, rtol=1e-13)
        assert_allclose(jacobian(X.astype(np.float32)), before, rtol=1e-6)
    assert not np.allclose(net.jacobian(X).dense(), before)


def test_what_a_call_does_is_in_the_source_and_in_the_cost() -> None:
    compiled = backprop.compile(network(), form="arrays")
    assert compiled.cost == compiled.plan.cost
    counts = re.findall(r"# \(.*\), ([\d,]+) multiplications", compiled.source)
    assert sum(map(int, counts)) == compiled.cost.multiplications == 25
    assert list(compiled.constants) == ["W_0", "b_0", "W_2", "b_2", "W_4"]
    namespace: dict[str, Any] = {}
    exec(compiled.source, namespace)
    assert_array_equal(namespace["make"](**compiled.constants)(X), compiled(X))


def test_products_of_parameters_are_formed_once() -> None:
    net = Sequential(Affine(np.ones((3, 2))), Affine(np.ones((4, 3))))
    compiled = backprop.compile(net)
    assert (compiled.cost.multiplications, compiled.plan.cost.multiplications) == (0, 24)
    compiled(X)[...] = 7.0
    assert_array_equal(compiled(X), np.full((4, 2), 3.0))


def test_what_occurs_twice_is_computed_once() -> None:
    twice = Sequential(Affine(np.eye(2)), Softmax(), Residual(Tanh()))
    assert backprop.compile(twice, form="arrays").source.count("np.maximum.reduce") == 1


def test_error_states_are_kept() -> None:
    net = Sequential(Affine(np.eye(2)), activation("silu"))
    assert "with np.errstate(invalid='ignore'):" in backprop.compile(net, form="arrays").source
    assert np.isnan(backprop.compile(net)([np.nan, 1.0])[0, 0])  # no warning either: those are errors here


def test_dtypes() -> None:
    double, single = network(), network(dtype=np.float32)
    x = X.astype(np.float32)
    assert backprop.compile(double)([1, 0]).dtype == np.float64
    assert backprop.compile(double)(x).dtype == double.jacobian(x).dtype
    assert backprop.compile(single)(x).dtype == np.float32
    assert backprop.compile(single, dtype=np.float32).form == "arrays"


def test_nested_shared_and_own_layers() -> None:
    class Square(Function):
        vectorized = False

        def forward(self, x: Any) -> Any:
            return x * x

        def derivative(self, x: Any, wrt: str = "input") -> Diagonal:
            return Diagonal.unchecked(2 * x)

    shared = Affine(np.array([[0.5, 1.0], [-1.0, 2.0]]))
    net = Sequential(
        shared, Square(), Sequential(shared, Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2))
    )
    for name in ("input", "0.W"):
        for form in ("arrays", "auto"):
            found = backprop.compile(net, name, form=form)(X)
            assert_allclose(found, net.jacobian(X, wrt=name).dense(), rtol=1e-13)
    points = np.arange(6.0).reshape(3, 2)
    found = backprop.compile(net, batched=True, shape=(3, 2))(points)
    assert_allclose(found, net.jacobian(points, batched=True).dense(), rtol=1e-13)


@pytest.mark.parametrize(
    "key",
    [
        np.array([2, 0, 1, 1]), [2, 0], np.array([True, False, True]), (..., np.array([1, 2])),
        (None, np.array([0, 2])), slice(None, None, -1), (None, slice(1, None)), (..., None), (..., slice(0, 2)),
        np.array([1]), 0,
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_numpy_indexes_by_is_compiled(key: Any) -> None:
    matrix = np.eye(3)[np.arange(3)[key]].reshape(-1, 3)

    class Picked(Function):
        def forward(self, x: Any) -> Any:
            return x[key]

        def derivative(self, x: Any, wrt: str = "input") -> Any:
            return matrix

    x = np.array([0.5, -1.0, 2.0])
    # the forward pass goes on behind the index, so that code for it is needed
    net = Sequential(Tanh(), Picked(), Tanh())
    for form in ("arrays", "auto"):
        assert_allclose(backprop.compile(net, form=form, shape=(3,))(x), net.jacobian(x).dense(), rtol=1e-13)


# --- doors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "error", "sentence"),
    [
        ([1.0, 2.0, 3.0], ValueError, "x: found shape (3,), expected (2,), the shape that was compiled for; compile"
         " again with shape=(3,)"),
        ([[1.0, 2.0]], ValueError, "x: found shape (1, 2), expected (2,), the shape that was compiled for"),
        ([1j, 2.0], TypeError, "x: found dtype complex128, expected real numbers; pass .real and .imag separately"),
        (None, TypeError, "x: found None, expected an array of real numbers"),
        (np.ma.masked_array([1.0, 2.0]), TypeError, "x: found a masked array, expected a plain array"),
    ],
)  # fmt: skip
def test_wrong_points_are_refused(x: Any, error: type[Exception], sentence: str) -> None:
    for form in ("arrays", "scalars"):
        with pytest.raises(error, match=f"^{re.escape(sentence)}"):
            backprop.compile(network(), form=form)(x)


def test_points_outside_the_domain_are_refused() -> None:
    net = Sequential(BinaryCrossEntropy([1.0, 0.0]))
    compiled = backprop.compile(net, shape=(2,))
    with pytest.raises(ValueError, match=r"^x: "):
        compiled(np.array([2.0, 0.5]))


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"network": 3}, TypeError, "network: found int, expected a Function such as an MLP, plain NumPy code"),
        ({"network": backprop.MLP}, TypeError, "network: found the class MLP, expected a Function such as an MLP"),
        ({"loss": "squared"}, TypeError, "loss: found str, expected a Function such as SquaredError(y)"),
        ({"batched": 1}, TypeError, "batched: found 1, expected True or False"),
        ({"form": "fast"}, ValueError, "form: found 'fast', expected one of 'auto', 'arrays', 'scalars'"),
        ({"dtype": np.int64}, TypeError, "dtype: found int64, expected float64 or float32"),
        ({"by": "1.W"}, ValueError, "by: found '1.W', expected one of 'input', '0.W', '0.b', '2.W'"),
        ({"shape": (0,)}, ValueError, "shape: found (0,), expected sizes of at least 1"),
        ({"shape": 2}, TypeError, "shape: found 2, expected a tuple of integers such as (2, 3)"),
        ({"shape": (), "batched": True}, ValueError, "shape: found () with batched=True, expected the number of"),
        ({"batched": True}, ValueError, "shape: found None, expected the shape of x, which says the number of points"),
        ({"network": Tanh()}, ValueError, "shape: found None, expected the shape of x, which says what Tanh() takes"),
        ({"shape": (3,)}, ValueError, "x: found a point of shape (3,), expected (2,)"),
        ({"network": Tanh(), "shape": (100, 100), "form": "scalars"}, ValueError,
         "form: found 'scalars' for a Jacobian without that form (too many operations), expected 'arrays' or 'auto'"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(arguments: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        backprop.compile(**{"network": network(), **arguments})


@pytest.mark.parametrize(
    ("out", "error", "sentence"),
    [
        (np.empty((2, 1)), ValueError, "out: found shape (2, 1) and dtype float64, expected (1, 2) and float64; make it"
         " by np.empty((1, 2), np.float64)"),
        (np.empty((1, 2), np.float32), ValueError, "out: found shape (1, 2) and dtype float32, expected (1, 2) and"),
        ([[0.0, 0.0]], TypeError, "out: found list, expected an array of shape (1, 2)"),
    ],
)  # fmt: skip
def test_wrong_outputs_are_refused(out: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(sentence)}"):
        backprop.compile(network())(X, out=out)


def test_a_layer_that_branches_on_numbers_is_refused() -> None:
    class Branch(Function):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

        def derivative(self, x: Any, wrt: str = "input") -> Diagonal:
            return Diagonal(np.sign(x.sum()) * np.ones(len(x)))

    with pytest.raises(
        RecordingError, match=r"^a branch on numbers: straight-line code has none; use np\.where"
    ):
        backprop.compile(Sequential(Branch(), Tanh()), shape=(2,))


def test_operators_of_jacobians_ask_for_no_error_state_of_their_own() -> None:
    block = Residual(Sequential(Affine(np.eye(2)), activation("tanh")))
    found, alone = (
        backprop.compile(f, shape=(2,), form="arrays").source for f in (block, activation("tanh"))
    )
    assert found.count("errstate") == alone.count("errstate")
