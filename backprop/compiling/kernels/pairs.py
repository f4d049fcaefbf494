"""An activation and its slope in one loop: a polynomial for both, a nanosecond an entry."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}  # divisions by 0 don't branch


def _real_of(context: Any, value: Any) -> Any:
    """Return the float of the same bits."""
    return types.float64(types.int64), lambda c, build, s, args: build.bitcast(args[0], ir.DoubleType())


def _integer_of(context: Any, value: Any) -> Any:
    """Return the integer of the same bits."""
    return types.int64(types.float64), lambda c, build, s, args: build.bitcast(args[0], ir.IntType(64))


_real64: Any = intrinsic(_real_of)
_integer64: Any = intrinsic(_integer_of)


def _powers(y: float) -> tuple[float, float]:
    """Return 2^k and e^r − 1 for y = k·log 2 + r from −708 to 0, by Taylor's polynomial."""
    t = y * 1.4426950408889634 + 6755399441055744.0  # the integer k stands in the last bits
    k = t - 6755399441055744.0
    r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = ((1.6059043836821613e-10 * r + 2.08767569878681e-09) * r + 2.505210838544172e-08) * r
    p = (((p + 2.755731922398589e-07) * r + 2.7557319223985893e-06) * r + 2.48015873015873e-05) * r
    p = (((p + 0.0001984126984126984) * r + 0.001388888888888889) * r + 0.008333333333333333) * r
    p = ((p + 0.041666666666666664) * r + 0.16666666666666666) * r + 0.5
    return _real64((_integer64(t) + 1023) << 52), r + r * r * p


_powers_of: Any = numba.njit(**OPTIONS)(_powers)


def _tanh_pair(z: float) -> tuple[float, float]:
    """Return tanh z and 1/cosh² z, both right to a few units in the last place, in the tails too.

    With y = −2|z| and E = e^y − 1: tanh |z| = −E/(2 + E) and 1/cosh² z = 4(1 + E)/(2 + E)².
    """
    y = -2.0 * abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = s * q + (s - 1.0)
    d = 1.0 / (2.0 + e)
    return math.copysign(-e * d, z), 0.0 if y <= -708.0 else 4.0 * (s + s * q) * d * d


def _sigmoid_parts(z: float) -> tuple[float, float, float]:
    """Return e^−|z|, σ(z) and σ(−z), each right to a few units in the last place."""
    y = -abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    d = 1.0 / (1.0 + e)
    return e, d if z >= 0.0 else e * d, e * d if z >= 0.0 else d


tanh_pair: Any = numba.njit(**OPTIONS)(_tanh_pair)
sigmoid_parts: Any = numba.njit(**OPTIONS)(_sigmoid_parts)


def _sigmoid_pair(z: float) -> tuple[float, float]:
    _, s, rest = sigmoid_parts(z)
    return s, s * rest


def _silu_pair(z: float) -> tuple[float, float]:
    _, s, rest = sigmoid_parts(z)
    return z * s, s * (1.0 + z * rest)


def _softplus_pair(z: float) -> tuple[float, float]:
    e, s, _ = sigmoid_parts(z)
    return (z if not z <= 0.0 else 0.0) + math.log1p(e), s


def _relu_pair(z: float) -> tuple[float, float]:
    return 0.0 if z <= 0.0 else z, 1.0 if z > 0.0 else 0.0 if z <= 0.0 else z


def _elu_pair(z: float) -> tuple[float, float]:
    y = 0.0 if z > 0.0 else z
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    return z if z > 0.0 else s * q + (s - 1.0), 1.0 if z > 0.0 else e


relu_pair: Any = numba.njit(**OPTIONS)(_relu_pair)
elu_pair: Any = numba.njit(**OPTIONS)(_elu_pair)
sigmoid_pair: Any = numba.njit(**OPTIONS)(_sigmoid_pair)
silu_pair: Any = numba.njit(**OPTIONS)(_silu_pair)
softplus_pair: Any = numba.njit(**OPTIONS)(_softplus_pair)


# the loops stand there one by one, for Numba keeps on disk what a function of a module does, not what it is given


def _tanh_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = tanh_pair(z[i, j] + b[j])


def _sigmoid_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = sigmoid_pair(z[i, j] + b[j])


def _silu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = silu_pair(z[i, j] + b[j])


def _softplus_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = softplus_pair(z[i, j] + b[j])


def _relu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = relu_pair(z[i, j] + b[j])


def _elu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = elu_pair(z[i, j] + b[j])


class FusedRows:
    """f(z + b) and f′(z + b) in one array (2, …), by one loop; for NumPy's code, which may hand it the array."""

    takes_out = True

    def __init__(self, name: str, loop: Any) -> None:
        self.__name__, self.__module__ = name, __name__
        self._loop = numba.njit(cache=True, **OPTIONS)(loop)

    def __call__(self, z: Any, b: Any, out: Any = None) -> Any:
        """Return both for z (…, h) and b (h,), contiguous arrays of one precision."""
        if out is None:
            out = np.empty((2, *z.shape), z.dtype)
        width = z.shape[-1]
        self._loop(z.reshape(-1, width), b, out.reshape(2, -1, width))
        return out


tanh_and_slope = FusedRows("tanh_and_slope", _tanh_rows)
sigmoid_and_slope = FusedRows("sigmoid_and_slope", _sigmoid_rows)
silu_and_slope = FusedRows("silu_and_slope", _silu_rows)
softplus_and_slope = FusedRows("softplus_and_slope", _softplus_rows)
relu_and_slope = FusedRows("relu_and_slope", _relu_rows)
elu_and_slope = FusedRows("elu_and_slope", _elu_rows)
FUSED = {
    "relu": relu_and_slope,
    "elu": elu_and_slope,
    "tanh": tanh_and_slope,
    "sigmoid": sigmoid_and_slope,
    "silu": silu_and_slope,
    "softplus": softplus_and_slope,
}
"""By the name of the activation. A leaky one has a slope of its own, and GELU waits for erfc."""
