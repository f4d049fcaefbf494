"""An activation and its slope by one loop: right to a few units in the last place, in float32 too, and in the tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("numba", reason="the extra fast is not installed")

import mpmath

import backprop
from backprop.compiling.kernels.pairs import FUSED
from jacobians import Affine, Sequential
from jacobians.layers.activations import ACTIVATIONS

LEAK = mpmath.mpf(0.01)
EXACT = {
    "relu": (lambda t: max(t, 0), lambda t: int(t > 0)),
    "leaky_relu": (lambda t: t if t > 0 else LEAK * t, lambda t: 1 if t > 0 else LEAK),
    "elu": (lambda t: t if t > 0 else mpmath.expm1(t), lambda t: 1 if t > 0 else mpmath.exp(t)),
    "tanh": (mpmath.tanh, lambda t: 1 / mpmath.cosh(t) ** 2),
    "sigmoid": (
        lambda t: 1 / (1 + mpmath.exp(-t)),
        lambda t: 1 / (mpmath.exp(t / 2) + mpmath.exp(-t / 2)) ** 2,
    ),
    "silu": (
        lambda t: t / (1 + mpmath.exp(-t)),
        lambda t: (1 + mpmath.exp(-t) + t * mpmath.exp(-t)) / (1 + mpmath.exp(-t)) ** 2,
    ),
    "softplus": (lambda t: mpmath.log1p(mpmath.exp(t)), lambda t: 1 / (1 + mpmath.exp(-t))),
    "gelu": (lambda t: t * mpmath.ncdf(t), lambda t: mpmath.ncdf(t) + t * mpmath.npdf(t)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_values_and_slopes_are_right_to_a_few_units_in_the_last_place(activation: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    ends = 102.0 if dtype is np.float32 else 350.0
    z = np.concatenate(
        [
            3 * rng.standard_normal(400),
            rng.uniform(-ends, ends, 300),
            10.0 ** rng.uniform(-35, 0, 100) * rng.choice([-1.0, 1.0], 100),
            [0.0, 87.3, -87.3, 88.8, -88.8, 43.66, -43.9, 51.0, -103.0, 5.0],
        ]
    ).astype(dtype)
    if activation == "gelu":
        z = z[np.abs(z) < 8]  # the rounding of z/√2 is multiplied by z² in the tails
    pair = FUSED[activation](z[None], np.zeros(z.size, dtype))
    assert pair.dtype == dtype
    eps, least = np.finfo(dtype).eps, float(np.finfo(dtype).smallest_subnormal)
    if activation == "silu":
        least *= ends  # z times what is rounded to a subnormal number
    with mpmath.workdps(50):
        numbers = [mpmath.mpf(float(t)) for t in z]
        value, slope = (np.array([float(exact(t)) for t in numbers]) for exact in EXACT[activation])
    units = 64 if activation == "gelu" and dtype is np.float64 else 4
    assert_allclose(pair[0, 0].astype(float), value, rtol=units * eps, atol=2 * least)
    # the slopes of SiLU and GELU have a root, near which a sum of ones is small
    near = {"silu": 2 * eps, "gelu": 2 * eps}.get(activation, 2 * least)
    assert_allclose(pair[1, 0].astype(float), slope, rtol=units * eps, atol=near)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_numbers_at_the_ends_are_those_of_the_layer(activation: str, dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    z = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1000.0, -1000.0, tiny, -tiny, 7 * tiny, -7 * tiny], dtype
    )
    pair = FUSED[activation](z[None], np.full(z.size, -0.0, dtype))
    layer = ACTIVATIONS[activation]()
    with np.errstate(all="ignore"):
        assert_allclose(pair[0, 0], layer(z), rtol=4 * np.finfo(dtype).eps, atol=0)
        assert_allclose(pair[1, 0], layer.jacobian(z).d, rtol=4 * np.finfo(dtype).eps, atol=0)
    kept = np.signbit(pair[0, 0, [3, 4]])
    if activation in ("tanh", "leaky_relu", "silu", "gelu"):
        assert_array_equal(kept, [False, True])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", ["leaky_relu", "gelu"])
def test_compiled_networks_take_them(activation: str, dtype: Any) -> None:
    rng = np.random.default_rng(1)
    make = ACTIVATIONS[activation]
    net = Sequential(
        Affine(rng.standard_normal((60, 50)).astype(dtype) / 7, rng.standard_normal(60).astype(dtype)),
        make(),
        Affine(rng.standard_normal((40, 60)).astype(dtype) / 7, None),
        make(),
        Affine(rng.standard_normal((3, 40)).astype(dtype)),
    )
    x = rng.standard_normal((30, 50)).astype(dtype)
    compiled = backprop.compile(net, shape=(30, 50), batched=True, dtype=dtype, engine="numba")
    assert f"{activation}_pair(" in compiled.source
    exact = net.jacobian(x, batched=True).dense()
    tolerance = 1e-11 if dtype is np.float64 else 2e-4
    assert_allclose(compiled(x), exact, rtol=tolerance, atol=tolerance)
