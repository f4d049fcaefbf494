"""Functions entry by entry that models of other libraries have and the catalogue of activations has not."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from jacobians import Elementwise


def negative() -> Elementwise:
    """Return −x."""
    return Elementwise("negative", np.negative, _minus_one, latex="-z")


def _minus_one(z: Any) -> Any:
    return -np.ones_like(z)


def exponential() -> Elementwise:
    """Return e^x."""
    return Elementwise("exp", np.exp, np.exp, latex="e^{z}")


def clip(low: float | None, high: float | None) -> Elementwise:
    """Return x between two bounds, of which one may be None; the slope at a bound is 0."""
    kinks = tuple(own for own in (low, high) if own is not None and math.isfinite(own))
    low, high = -math.inf if low is None else float(low), math.inf if high is None else float(high)
    return Elementwise("clip", partial(_clipped, low, high), partial(_inside, low, high), kinks=kinks)


def _clipped(low: float, high: float, z: Any) -> Any:
    below = z if low == -math.inf else np.maximum(z, low)
    return below if high == math.inf else np.minimum(below, high)


def _inside(low: float, high: float, z: Any) -> Any:
    return np.where((z > low) & (z < high), 1.0, 0.0).astype(z.dtype)


ROOT = math.sqrt(2 / math.pi)


def gelu_tanh() -> Elementwise:
    """Return z/2·(1 + tanh(√(2/π)·(z + 0.044715 z³))), which libraries call GELU with approximate="tanh"."""
    return Elementwise("gelu-tanh", _gelu_tanh, _gelu_tanh_slope)


def _inner(z: Any) -> Any:
    return ROOT * (z + 0.044715 * z**3)


def _gelu_tanh(z: Any) -> Any:
    return z / 2 * (1 + np.tanh(_inner(z)))


def _gelu_tanh_slope(z: Any) -> Any:
    t = np.tanh(_inner(z))
    return (1 + t) / 2 + z / 2 * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * z * z)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu(scale: float = SELU_SCALE, alpha: float = SELU_ALPHA) -> Elementwise:
    """Return scale·z for z > 0, else scale·alpha·(e^z − 1); at 0 the slope from below."""
    kinks = (0.0,) if alpha != 1 else ()
    return Elementwise("selu", partial(_selu, scale, alpha), partial(_selu_slope, scale, alpha), kinks=kinks)


def _selu(scale: float, alpha: float, z: Any) -> Any:
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _selu_slope(scale: float, alpha: float, z: Any) -> Any:
    return np.where(z > 0, scale, scale * alpha * np.exp(np.minimum(z, 0))).astype(z.dtype)


def error_function() -> Elementwise:
    """Return erf z."""
    return Elementwise("erf", _erf, _erf_slope, latex=r"\operatorname{erf}(z)")


def _erf(z: Any) -> Any:
    from scipy.special import erf

    return erf(z)


def _erf_slope(z: Any) -> Any:
    return 2 / math.sqrt(math.pi) * np.exp(-z * z)
