"""An activation and its slope in one loop: a polynomial for both, a nanosecond an entry."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}  # divisions by 0 don't branch


def _cast_to(kind: Any, of: Any) -> Any:
    """Return a function of a number of one kind that gives the number of another with the same bits."""
    words = {types.float64: ir.DoubleType(), types.int64: ir.IntType(64)}
    words |= {types.float32: ir.FloatType(), types.int32: ir.IntType(32)}

    def cast(context: Any, value: Any) -> Any:
        return kind(of), lambda c, build, s, args: build.bitcast(args[0], words[kind])

    return intrinsic(cast)


_real64, _integer64 = _cast_to(types.float64, types.int64), _cast_to(types.int64, types.float64)
_real32, _integer32 = _cast_to(types.float32, types.int32), _cast_to(types.int32, types.float32)

# Numbers of float32, for one of float64 in a formula would make all of it float64
_F = np.float32
_HALF, _ONE, _TWO, _FOUR, _ZERO = _F(0.5), _F(1), _F(2), _F(4), _F(0)
_LOWEST, _DOWN = _F(-105.0), _F(2.0**-64)
_LOG2E, _MAGIC, _LOG2_HIGH, _LOG2_LOW = _F(1.44269504), _F(12582912.0), _F(0.693359375), _F(-2.12194440e-4)
_C7, _C6, _C5, _C4, _C3 = _F(1 / 5040), _F(1 / 720), _F(1 / 120), _F(1 / 24), _F(1 / 6)


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


def _powers_single(y: Any) -> tuple[Any, Any]:
    """Return 2^(k + 64) and e^r − 1 in float32, for y from −105 to 0: beyond −87 2^k is subnormal."""
    t = y * _LOG2E + _MAGIC
    k = t - _MAGIC
    r = (y - k * _LOG2_HIGH) - k * _LOG2_LOW
    p = ((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _HALF
    return _real32(np.int32((_integer32(t) + np.int32(191)) << np.int32(23))), r + r * r * p


_powers_of: Any = numba.njit(**OPTIONS)(_powers)
_powers_of_single: Any = numba.njit(**OPTIONS)(_powers_single)


def _tanh_pair(z: Any) -> tuple[Any, Any]:
    """Return tanh z and 1/cosh² z, both right to a few units in the last place, in the tails too.

    With y = −2|z| and E = e^y − 1: tanh |z| = −E/(2 + E) and 1/cosh² z = 4(1 + E)/(2 + E)².
    """
    y = -2.0 * abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = s * q + (s - 1.0)
    d = 1.0 / (2.0 + e)
    return math.copysign(-e * d, z), 0.0 if y <= -708.0 else 4.0 * (s + s * q) * d * d


def _tanh_pair_single(z: Any) -> tuple[Any, Any]:
    y = -_TWO * abs(z)
    y = _LOWEST if y < _LOWEST else y
    large, q = _powers_of_single(y)
    s = large * _DOWN
    e = s * q + (s - _ONE)
    d = _ONE / (_TWO + e)
    return math.copysign(-e * d, z), _ZERO if y <= _LOWEST else (large + large * q) * d * d * (_FOUR * _DOWN)


def _sigmoid_parts(z: Any) -> tuple[Any, Any, Any]:
    """Return e^−|z|, σ(z) and σ(−z), each right to a few units in the last place."""
    y = -abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    d = 1.0 / (1.0 + e)
    return e, d if z >= 0.0 else e * d, e * d if z >= 0.0 else d


def _sigmoid_parts_single(z: Any) -> tuple[Any, Any, Any]:
    y = -abs(z)
    y = _LOWEST if y < _LOWEST else y
    s, q = _powers_of_single(y)
    e = _ZERO if y <= _LOWEST else (s + s * q) * _DOWN
    d = _ONE / (_ONE + e)
    return e, d if z >= _ZERO else e * d, e * d if z >= _ZERO else d


def _by_kind(name: str, double: Any, single: Any) -> Any:
    """Return a function for compiled code: one formula for float64, one for float32."""

    def pair(z: Any) -> Any:
        raise AssertionError(f"{name}: called from code that is not compiled")

    def chosen(z: Any) -> Any:
        return single if z == types.float32 else double

    options: Any = OPTIONS
    overload(pair, jit_options=options)(chosen)
    return pair


tanh_pair = _by_kind("tanh_pair", _tanh_pair, _tanh_pair_single)
sigmoid_parts = _by_kind("sigmoid_parts", _sigmoid_parts, _sigmoid_parts_single)


def _sigmoid_pair(z: Any) -> tuple[Any, Any]:
    _, s, rest = sigmoid_parts(z)
    return s, s * rest


def _silu_pair(z: Any) -> tuple[Any, Any]:
    _, s, rest = sigmoid_parts(z)
    return z * s, s * (1.0 + z * rest)


def _silu_pair_single(z: Any) -> tuple[Any, Any]:
    _, s, rest = sigmoid_parts(z)
    return z * s, s * (_ONE + z * rest)


def _softplus_pair(z: Any) -> tuple[Any, Any]:
    e, s, _ = sigmoid_parts(z)
    return (z if not z <= 0.0 else 0.0 * s) + math.log1p(e), s


def _relu_pair(z: Any) -> tuple[Any, Any]:
    return 0.0 if z <= 0.0 else z, 1.0 if z > 0.0 else 0.0 if z <= 0.0 else z


def _leaky_pair(z: Any) -> tuple[Any, Any]:
    return z if z > 0.0 else 0.01 * z, 1.0 if z > 0.0 else 0.01 if z <= 0.0 else z


def _gelu_pair(z: Any) -> tuple[Any, Any]:
    """Return z·Φ(z) and Φ(z) + z·φ(z), from one value of erfc."""
    y = -0.5 * z * z
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    density = 0.0 if y <= -708.0 else 0.3989422804014327 * (s + s * q)
    share = 0.5 * math.erfc(-0.7071067811865476 * z)
    return z * share, share + z * density


def _elu_pair(z: Any) -> tuple[Any, Any]:
    y = 0.0 if z > 0.0 else z
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    return z if z > 0.0 else s * q + (s - 1.0), 1.0 if z > 0.0 else e


def _elu_pair_single(z: Any) -> tuple[Any, Any]:
    y = _ZERO if z > _ZERO else z
    y = _LOWEST if y < _LOWEST else y
    s, q = _powers_of_single(y)
    e = _ZERO if y <= _LOWEST else (s + s * q) * _DOWN
    s *= _DOWN
    return z if z > _ZERO else s * q + (s - _ONE), _ONE if z > _ZERO else e


relu_pair: Any = numba.njit(**OPTIONS)(_relu_pair)
leaky_relu_pair: Any = numba.njit(**OPTIONS)(_leaky_pair)
gelu_pair: Any = numba.njit(**OPTIONS)(_gelu_pair)
sigmoid_pair: Any = numba.njit(**OPTIONS)(_sigmoid_pair)
softplus_pair: Any = numba.njit(**OPTIONS)(_softplus_pair)
elu_pair = _by_kind("elu_pair", _elu_pair, _elu_pair_single)
silu_pair = _by_kind("silu_pair", _silu_pair, _silu_pair_single)


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


def _leaky_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = leaky_relu_pair(z[i, j] + b[j])


def _gelu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = gelu_pair(z[i, j] + b[j])


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
leaky_relu_and_slope = FusedRows("leaky_relu_and_slope", _leaky_rows)
gelu_and_slope = FusedRows("gelu_and_slope", _gelu_rows)
FUSED = {
    "leaky_relu": leaky_relu_and_slope,
    "gelu": gelu_and_slope,
    "relu": relu_and_slope,
    "elu": elu_and_slope,
    "tanh": tanh_and_slope,
    "sigmoid": sigmoid_and_slope,
    "silu": silu_and_slope,
    "softplus": softplus_and_slope,
}
"""By the name of the activation, made without arguments: LeakyReLU(0.3) and ELU(2) are NumPy's."""
