"""NumPy's functions on traced arrays, by name: moves of entries, sums of products, and the rest one by one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.tracing import elimination
from verification.tracing.arrays import GENERALIZED, METHODS, RULES, TracedArray, apply_ufunc, entries_of
from verification.tracing.order import interp, median, ordered
from verification.tracing.reductions import (
    arg_extremum_of,
    deviation,
    extremum_of,
    folds,
    mean,
    normalized_axes,
    reduce_entries,
    reduction,
    refuse,
    ufunc_method,
    variance,
)
from verification.tracing.scalars import Scalars, TracingError

Entries = NDArray[Any]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# These only move entries, so NumPy's own code does them on objects. Their other arguments are integers.
_MOVES = _words(
    """reshape ravel transpose matrix_transpose permute_dims swapaxes moveaxis rollaxis expand_dims squeeze
    broadcast_to broadcast_arrays stack concatenate concat hstack vstack dstack column_stack block append insert
    delete split array_split hsplit vsplit dsplit unstack repeat tile roll flip fliplr flipud rot90 take
    take_along_axis diag diagonal diagflat copy atleast_1d atleast_2d atleast_3d tril triu pad resize
    linalg.diagonal linalg.matrix_transpose lib.stride_tricks.sliding_window_view"""
)

# These only add and multiply entries.
_SUMS_OF_PRODUCTS = _words(
    """tensordot inner outer kron trace cumsum cumprod cross convolve ediff1d diff linalg.outer linalg.trace
    linalg.cross linalg.tensordot"""
)


def call(scalars: Scalars, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """Return a NumPy function of traced arrays.

    Raises
    ------
    TracingError
        If the function is not one that can be followed; the message names it.
    """
    name = f"{func.__module__}.{func.__name__}".removeprefix("numpy.")
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](scalars, *args, **kwargs)
    if name in _MOVES or name in _SUMS_OF_PRODUCTS:
        exact = name in _SUMS_OF_PRODUCTS
        unwrapped = [_unwrap(argument, scalars, exact) for argument in args]
        named = {key: _unwrap(value, scalars, exact) for key, value in kwargs.items() if key != "dtype"}
        result = _wrap(func(*unwrapped, **named), scalars)
        scalars.operations += getattr(result, "size", 0)
        return result
    raise TracingError(
        f"np.{name}: not traced; write it with functions that are (sums, products, np.where, np.linalg.inv, …), "
        f"or leave this function to the numeric witnesses"
    )


def _unwrap(value: Any, scalars: Scalars, exact: bool) -> Any:
    if isinstance(value, TracedArray):
        return value.entries
    if isinstance(value, list | tuple):
        return type(value)(_unwrap(part, scalars, exact) for part in value)
    if exact and isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return entries_of(value, scalars)
    return value


def _wrap(value: Any, scalars: Scalars) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_wrap(part, scalars) for part in value)
    if scalars.is_own(value) or isinstance(value, np.ndarray):
        return TracedArray(entries_of(value, scalars), scalars)
    return value


# --- branches ------------------------------------------------------------------------------------------------


def select(scalars: Scalars, condition: Entries, if_true: Entries, if_false: Entries) -> Entries:
    """Return entries of one array or the other, by a condition for each."""
    shape = np.broadcast_shapes(condition.shape, if_true.shape, if_false.shape)
    result = np.empty(shape, dtype=object)
    if result.size:
        result[...] = np.frompyfunc(scalars.select, 3, 1)(condition, if_true, if_false)
    scalars.operations += result.size
    return result


def _where(scalars: Scalars, condition: Any, *choices: Any) -> Any:
    entries = entries_of(condition, scalars)
    if not choices:
        return np.nonzero(np.asarray(np.frompyfunc(scalars.decide, 1, 1)(entries), dtype=bool))
    return TracedArray(select(scalars, entries, *(entries_of(value, scalars) for value in choices)), scalars)


def _clip(scalars: Scalars, a: Any, a_min: Any = None, a_max: Any = None, **kwargs: Any) -> Any:
    low = kwargs.pop("min", a_min)
    high = kwargs.pop("max", a_max)
    result = entries_of(a, scalars)
    if low is not None:
        result = apply_ufunc(scalars, "maximum", result, entries_of(low, scalars))
    if high is not None:
        result = apply_ufunc(scalars, "minimum", result, entries_of(high, scalars))
    return TracedArray(result, scalars)


# --- products and linear algebra -----------------------------------------------------------------------------


def _matmul(scalars: Scalars, a: Entries, b: Entries, **_: Any) -> Entries:
    if 0 in (a.ndim, b.ndim):
        raise ValueError("matmul: found an operand of no axes, expected at least one")
    scalars.operations += 2 * a.size * (b.shape[-1] if b.ndim > 1 else 1)
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: found shapes {a.shape} and {b.shape}, expected equal inner axes")
    return scalars.matmul(a, b)


def _vecdot(scalars: Scalars, a: Entries, b: Entries, axis: int = -1, **_: Any) -> Entries:
    refuse(scalars, "vdot")  # it conjugates
    return reduce_entries(scalars, a * b, scalars.sum, axis)


_GENERALIZED: dict[str, Callable[..., Entries]] = {
    "matmul": _matmul,
    "vecdot": _vecdot,
    "matvec": lambda scalars, a, v, **_: _matmul(scalars, a, v[..., None])[..., 0],
    "vecmat": lambda scalars, v, a, **_: _matmul(scalars, v[..., None, :], a)[..., 0, :],
}


def _dot(scalars: Scalars, a: Any, b: Any) -> TracedArray:
    left, right = entries_of(a, scalars), entries_of(b, scalars)
    if 0 in (left.ndim, right.ndim):
        return TracedArray(left, scalars) * TracedArray(right, scalars)
    if right.ndim <= 2:
        return TracedArray(_matmul(scalars, left, right), scalars)
    return TracedArray(entries_of(np.dot(left, right), scalars), scalars)


def _vdot(scalars: Scalars, a: Any, b: Any) -> TracedArray:
    refuse(scalars, "vdot")
    return _dot(scalars, entries_of(a, scalars).ravel(), entries_of(b, scalars).ravel())


def _einsum(scalars: Scalars, subscripts: Any, *operands: Any, **_: Any) -> TracedArray:
    entries = [entries_of(operand, scalars) for operand in operands]
    scalars.operations += 2 * math.prod(max(operand.size, 1) for operand in entries)
    return TracedArray(entries_of(np.einsum(subscripts, *entries), scalars), scalars)


def _matrix_function(compute: Callable[..., Any], *, refusal: str = "") -> Callable[..., Any]:
    def matrix_function(scalars: Scalars, *args: Any) -> Any:
        if refusal:
            refuse(scalars, refusal)
        operands = [entries_of(argument, scalars) for argument in args]
        scalars.operations += 2 * operands[0].size * operands[0].shape[-1]
        return compute(scalars, *operands)

    return matrix_function


def _slogdet(scalars: Scalars, a: Entries) -> Any:
    determinant = TracedArray(elimination.determinant(scalars, a), scalars)
    parts = (np.sign(determinant), np.log(np.abs(determinant)))
    return type(np.linalg.slogdet(np.eye(1)))(*parts)


def _pinv(scalars: Scalars, a: Any, *args: Any, **kwargs: Any) -> TracedArray:
    """Return the pseudoinverse of a matrix of full rank; of others it has no derivative."""
    if args or kwargs:
        raise TracingError("np.linalg.pinv: other arguments than the matrix are not traced; write it out")
    A = entries_of(a, scalars)
    if A.ndim != 2:
        raise TracingError(f"np.linalg.pinv: found shape {A.shape}, of several matrices it is not traced")
    tall = A.shape[0] >= A.shape[1]
    gram = _matmul(scalars, A.T, A) if tall else _matmul(scalars, A, A.T)
    elimination.require_rank(scalars, gram)
    inverse = elimination.inverse(scalars, gram)
    return TracedArray(_matmul(scalars, inverse, A.T) if tall else _matmul(scalars, A.T, inverse), scalars)


def _norm(scalars: Scalars, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002  # NumPy's name
    refuse(scalars, "linalg.norm")
    entries = entries_of(x, scalars)
    axes = normalized_axes(axis, entries.ndim)
    allowed = {1: (None, 1, 2, np.inf), 2: (None, "fro")}.get(len(axes), (None,))
    if ord not in allowed:
        raise TracingError(f"np.linalg.norm: ord={ord!r} over {len(axes)} axes is not traced; write it out")
    fold, power = {1: ("add", 1), np.inf: ("maximum", 1)}.get(ord, ("add", 2))
    terms = apply_ufunc(scalars, "square" if power == 2 else "absolute", entries)
    total = TracedArray(reduce_entries(scalars, terms, folds(scalars)[fold], axes, keepdims), scalars)
    return np.sqrt(total) if power == 2 else total


def _like(fill: Any) -> Callable[..., Any]:
    def like(scalars: Scalars, a: Any, *args: Any, **kwargs: Any) -> Any:
        value = args[0] if fill is None and args else kwargs.get("fill_value", fill)
        shape = kwargs.get("shape")
        dtype = kwargs.get("dtype", args[0] if fill is not None and args else None)
        sizes = np.shape(entries_of(a, scalars)) if shape is None else shape
        if dtype is not None and np.dtype(dtype).kind in "biu":
            return np.full(sizes, value, dtype=dtype)  # counts and masks, not values
        filled = np.broadcast_to(entries_of(value, scalars), sizes)
        return TracedArray(filled.copy(), scalars)

    return like


def _identity(name: str) -> Callable[..., Any]:
    def identity(scalars: Scalars, a: Any) -> Any:
        refuse(scalars, name)
        return a

    return identity


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    # --- reductions ------------------------------------------------------------------------------------------
    "sum": reduction("add"),
    "prod": reduction("multiply"),
    "all": reduction("logical_and"),
    "any": reduction("logical_or"),
    "max": extremum_of("max", "maximum"),
    "amax": extremum_of("max", "maximum"),
    "min": extremum_of("min", "minimum"),
    "amin": extremum_of("min", "minimum"),
    "argmax": arg_extremum_of("argmax", "greater"),
    "argmin": arg_extremum_of("argmin", "less"),
    "mean": mean,
    "var": variance,
    "std": deviation,
    # --- branches --------------------------------------------------------------------------------------------
    "where": _where,
    "clip": _clip,
    "sort": ordered,
    "median": median,
    "interp": interp,
    # --- products and linear algebra -------------------------------------------------------------------------
    "dot": _dot,
    "vdot": _vdot,
    "einsum": _einsum,
    "linalg.matmul": lambda scalars, a, b: _dot(scalars, a, b),
    "linalg.multi_dot": lambda scalars, arrays, **_: functools.reduce(
        lambda a, b: _dot(scalars, a, b), arrays
    ),
    "linalg.pinv": _pinv,
    "linalg.norm": _norm,
    "linalg.vector_norm": _norm,
    "linalg.det": _matrix_function(lambda s, a: TracedArray(elimination.determinant(s, a), s)),
    "linalg.inv": _matrix_function(lambda s, a: TracedArray(elimination.inverse(s, a), s)),
    "linalg.solve": _matrix_function(lambda s, a, b: TracedArray(elimination.solve(s, a, b), s)),
    "linalg.cholesky": _matrix_function(lambda s, a: TracedArray(elimination.cholesky(s, a), s)),
    "linalg.slogdet": _matrix_function(_slogdet, refusal="linalg.slogdet"),
    # --- shapes and types ------------------------------------------------------------------------------------
    "shape": lambda scalars, a: entries_of(a, scalars).shape,
    "ndim": lambda scalars, a: entries_of(a, scalars).ndim,
    "size": lambda scalars, a, axis=None: np.size(entries_of(a, scalars), axis),
    "zeros_like": _like(0),
    "ones_like": _like(1),
    "empty_like": _like(0),
    "full_like": _like(None),
    "result_type": lambda scalars, *_: np.dtype(np.float64),
    "iscomplexobj": lambda scalars, x: False,
    "isrealobj": lambda scalars, x: True,
    "real": _identity("real"),
    "nan_to_num": lambda scalars, x, *_, **__: x,
    "round": lambda scalars, a, *_, **__: _not_differentiable("round"),
}


def _not_differentiable(name: str) -> Any:
    raise TracingError(
        f"np.{name}: piecewise constant, its derivative is 0 or none; take it out of the function"
    )


_METHODS: dict[str, Callable[..., Any]] = {
    "sum": np.sum,
    "prod": np.prod,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "max": np.max,
    "min": np.min,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "all": np.all,
    "any": np.any,
    "dot": np.dot,
    "clip": np.clip,
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "trace": np.trace,
    "diagonal": np.diagonal,
    "repeat": np.repeat,
    "take": np.take,
    "squeeze": np.squeeze,
    "swapaxes": np.swapaxes,
    "conj": np.conjugate,
    "conjugate": np.conjugate,
}


def register() -> None:
    """Tell traced arrays what is here: they are made before it, and know it by name alone."""
    RULES.update({"function": call, "select": select, "ufunc method": ufunc_method})
    GENERALIZED.update(_GENERALIZED)
    METHODS.update(_METHODS)
