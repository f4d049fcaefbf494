"""Slopes from the value at hand: as right as those from the argument, and handed to who asks for the value."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jacobians import Elementwise, Function, Sequential, Tanh
from jacobians.layers import activation_derivatives
from jacobians.layers.activation_derivatives import LEAST_ENTRIES
from jacobians.layers.activations import ACTIVATIONS, activation, tanh_slope
from jacobians.structures import Diagonal

DETECTED = activation_derivatives.wide_vectors.__wrapped__
BY_VALUE = [name for name in ACTIVATIONS if activation(name).df_by_value]
TRUE = {
    "tanh": lambda z: mpmath.cosh(z) ** -2,
    "sigmoid": lambda z: mpmath.exp(-abs(z)) / (1 + mpmath.exp(-abs(z))) ** 2,
    "softplus": lambda z: 1 / (1 + mpmath.exp(-z)),
}


def points(dtype: Any) -> Any:
    """Return arguments near 0, where formulas take turns, and far out; more than what small arrays have."""
    rng = np.random.default_rng(0)
    parts = [rng.uniform(-2, 2, 900), rng.uniform(-40, 40, 500), rng.uniform(-1e-6, 1e-6, 100), [0.0, -0.0]]
    return np.concatenate(parts).astype(dtype)


@pytest.fixture(params=[False, True], autouse=True, ids=["narrow", "wide"])
def vectors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Both kinds of processors, whichever runs the tests."""
    monkeypatch.setattr(activation_derivatives, "wide_vectors", lambda: request.param)
    return request.param


def test_which_way_is_taken_depends_on_the_processor(vectors: bool) -> None:
    z = np.full(2000, 0.1)
    formula = 1 - np.tanh(z) ** 2
    exact = Tanh().df(z)
    assert not np.array_equal(formula, exact)
    assert_array_equal(tanh_slope(z, np.tanh(z)), exact if vectors else formula)


@pytest.mark.parametrize(
    ("current", "wide"), [("X86_V4", True), ("AVX512_SKX", True), ("X86_V3", False), ("", False)]
)
def test_the_processor_is_asked(current: str, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    introspect = pytest.importorskip("numpy.lib.introspect", reason="NumPy 1 doesn't say")
    found = {"cosh": {"dd": {"current": current}}} if current else {}
    monkeypatch.setattr(introspect, "opt_func_info", lambda **asked: found)
    assert DETECTED() is wide


def test_the_catalogue() -> None:
    assert set(BY_VALUE) == set(TRUE)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", BY_VALUE)
def test_right_to_a_few_units_in_the_last_place_everywhere(name: str, dtype: Any) -> None:
    function, z = activation(name), points(dtype)
    assert z.size >= LEAST_ENTRIES
    slopes = function.df_by_value(z, function.f(z))
    assert slopes.dtype == dtype
    with mpmath.workdps(60):
        true = [TRUE[name](mpmath.mpf(float(entry))) for entry in z]
        errors = [float(abs(mpmath.mpf(float(d)) / t - 1)) for d, t in zip(slopes, true, strict=True)]
    assert max(errors) <= 4.5 * np.finfo(dtype).eps


@pytest.mark.parametrize("size", [8, 4096])
@pytest.mark.parametrize("name", BY_VALUE)
def test_extremes_without_a_warning(name: str, size: int) -> None:
    function = activation(name)
    z = np.resize([np.nan, np.inf, -np.inf, 1000.0, -1000.0, 0.5, -2.0, 0.0], size)
    assert_allclose(function.df_by_value(z, function.f(z)), function.df(z), rtol=1e-15, atol=0)


@pytest.mark.parametrize("order", ["C", "F"])
def test_any_order_of_the_entries_and_an_array_for_the_answer(order: Any) -> None:
    z = np.asarray(points(float)[:1500].reshape(50, 30), order=order)
    out = np.empty_like(z)
    assert tanh_slope(z, np.tanh(z), out=out) is out
    assert_allclose(out, np.cosh(z) ** -2.0, rtol=1e-14)
    every_other = points(float).repeat(2)[::2]
    assert_allclose(tanh_slope(every_other, np.tanh(every_other)), np.cosh(every_other) ** -2.0, rtol=1e-14)


def test_a_saturated_array_takes_no_less_exact_way() -> None:
    z = np.full(2000, 20.0)
    assert_array_equal(tanh_slope(z, np.tanh(z)), Tanh().df(z))


class Counting(Function):
    """y = e^x, whose Jacobian is made of the value; counts how often it had to compute it."""

    computed = 0
    vectorized = True

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        return np.exp(x)

    def derivative(self, x: Any, wrt: str = "input", batch_ndim: int = 0, value: Any = None) -> Diagonal:
        if value is None:
            type(self).computed += 1
            value = np.exp(x)
        return Diagonal(value)


class PointByPoint(Counting):
    """The same without a formula for batches."""

    vectorized = False

    def forward(self, x: Any) -> Any:  # type: ignore[override]
        return np.exp(x)

    def derivative(self, x: Any, wrt: str = "input", value: Any = None) -> Diagonal:  # type: ignore[override]
        return super().derivative(x, wrt, 0, value)


@pytest.mark.parametrize("kind", [Counting, PointByPoint])
@pytest.mark.parametrize("batched", [False, True])
def test_the_value_is_handed_to_who_asks_for_it(kind: type[Counting], batched: bool) -> None:
    layer = kind()
    net = Sequential(Tanh(), layer, layer)
    x = np.array([[0.1, -0.5], [1.0, 2.0]]) if batched else np.array([0.1, -0.5])
    kind.computed = 0
    y1 = np.exp(np.tanh(x))
    expected = np.exp(y1) * y1 / np.cosh(x) ** 2
    lines = net.linearize(x, batched=batched)
    assert_allclose(net.jacobian(x, batched=batched).dense().sum(axis=-1), expected)
    assert_allclose(lines.jacobians[1].dense().sum(axis=-1), y1)
    assert kind.computed == 0
    assert_allclose(layer.jacobian(x, batched=batched).dense().sum(axis=-1), np.exp(x))
    assert kind.computed > 0


class Wrong(Tanh):
    """A subclass that changes the derivative and knows nothing of values at hand."""

    def derivative(self, x: Any, wrt: str = "input", batch_ndim: int = 0) -> Any:
        return Diagonal.unchecked(np.full_like(x, 7.0))


def test_a_derivative_of_ones_own_is_not_passed_over() -> None:
    assert_array_equal(
        Sequential(Tanh(), Wrong()).linearize(np.ones(2000)).jacobians[1].d, np.full(2000, 7.0)
    )


def test_an_activation_of_ones_own() -> None:
    function = Elementwise("exp", np.exp, lambda z: 1 / 0, df_by_value=lambda z, y: y)
    assert_array_equal(Sequential(function).jacobian([0.0, 0.0]).dense(), np.eye(2))
    with pytest.raises(TypeError, match="df_by_value: found 3, expected a function of an array"):
        Elementwise("exp", np.exp, np.exp, df_by_value=3)  # type: ignore[arg-type]
