"""Functions of NumPy and SciPy that are followed as what they are made of: other functions that are followed."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jacobians.graph.array_methods import Followed
from jacobians.graph.nested import plain
from jacobians.graph.recorder import refuse

COMPOSED: dict[Any, Callable[..., Any]] = {}
"""By the function of NumPy: the same on followed arrays, with the options that are followed."""


def composed(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add what functions are made of."""

    def add(made: Callable[..., Any]) -> Callable[..., Any]:
        COMPOSED.update(dict.fromkeys(functions, made))
        return made

    return add


def compose(function: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Return what a function gives, by what it is made of; options that aren't followed are refused."""
    made = COMPOSED[function]
    signature = inspect.signature(made)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        found = ", ".join([*(f"{len(args)} arguments" for _ in args[:1]), *kwargs])
        refuse(name, f"takes {', '.join(signature.parameters)} here, found {found}")
    return made(*args, **kwargs)


def _axis_of(a: Any, axis: Any) -> tuple[Any, int]:
    """Return the array and an axis of it; None takes all entries along one."""
    if axis is None:
        return np.ravel(a), 0
    if not isinstance(axis, int | np.integer):
        refuse("an axis", f"of {axis!r} is not followed here; pass one, or None")
    return a, int(axis) % np.ndim(a)


def _kept(y: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    shape = (
        [1] * np.ndim(a)
        if axis is None
        else [1 if k == axis % np.ndim(a) else n for k, n in enumerate(np.shape(a))]
    )
    return np.reshape(y, shape) if keepdims else y


@composed(np.average)
def _average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a):
        if np.ndim(weights) != 1 or not isinstance(axis, int):
            refuse("numpy.average", "of weights of another shape is followed along one axis; broadcast them")
        shape = [1] * np.ndim(a)
        shape[axis] = -1
        weights = np.broadcast_to(np.reshape(weights, shape), np.shape(a))
    total = np.sum(weights, axis=axis, keepdims=keepdims)
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / total


@composed(np.ptp)
def _ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@composed(np.quantile)
def _quantile(a: Any, q: float, axis: Any = None, *, keepdims: bool = False) -> Any:
    if np.ndim(q) or not isinstance(q, int | float):
        refuse("a quantile", "is followed of one number q that is no operand")
    along, k = _axis_of(a, axis)
    ordered = np.moveaxis(np.sort(along, axis=k), k, 0)
    at = q * (len(ordered) - 1)
    low = min(math.floor(at), len(ordered) - 1)
    high, part = min(low + 1, len(ordered) - 1), at - low
    y = ordered[low] if part == 0 else ordered[low] * (1 - part) + ordered[high] * part
    return _kept(y, a, axis, keepdims)


@composed(np.percentile)
def _percentile(a: Any, q: float, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _quantile(a, q / 100 if isinstance(q, int | float) else q, axis, keepdims=keepdims)


@composed(np.median)
def _median(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _quantile(a, 0.5, axis, keepdims=keepdims)


@composed(np.select)
def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0.0) -> Any:
    found = default
    for condition, choice in reversed([*zip(condlist, choicelist, strict=True)]):
        found = np.where(condition, choice, found)
    return found


@composed(np.copyto)
def _copyto(dst: Any, src: Any, where: Any = True) -> None:
    dst[...] = src if where is True else np.where(where, src, dst)


@composed(np.fill_diagonal)
def _fill_diagonal(a: Any, val: Any) -> None:
    if np.ndim(a) != 2:
        refuse("numpy.fill_diagonal", f"of {np.ndim(a)} axes is not followed; pass a matrix")
    places = np.arange(min(np.shape(a)))
    a[places, places] = val


@composed(np.put_along_axis)
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: int) -> None:
    axis = axis % np.ndim(arr)
    index = list(np.indices(np.shape(indices), sparse=True))
    index[axis] = plain(indices)
    arr[tuple(index)] = values


@composed(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    if n == 0:
        refuse("numpy.linalg.matrix_power", "of exponent 0 is the identity; write numpy.eye")
    base = a if n > 0 else np.linalg.inv(a)
    found, left = None, abs(n)
    while left:
        if left & 1:
            found = base if found is None else found @ base
        left >>= 1
        base = base @ base if left else base
    return found


@composed(np.linalg.multi_dot)
def _multi_dot(arrays: Sequence[Any]) -> Any:
    return functools.reduce(np.matmul, arrays)


@composed(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    last = np.moveaxis(y, axis, -1)
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.moveaxis(np.diff(x, axis=axis), axis, -1)
    return np.sum(dx * (last[..., 1:] + last[..., :-1]), axis=-1) / 2


@composed(np.interp)
def _interp(x: Any, xp: Any, fp: Any) -> Any:
    x, xp, fp = (one if isinstance(one, Followed) else np.asarray(one) for one in (x, xp, fp))
    places = np.searchsorted(plain(xp), plain(x), side="right") - 1
    low = np.clip(places, 0, len(xp) - 2)
    # beyond the ends it is constant
    part = np.clip((x - xp[low]) / (xp[low + 1] - xp[low]), 0.0, 1.0)
    return fp[low] + part * (fp[low + 1] - fp[low])


@composed(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    found: Any = 0.0
    for k in range(len(p)):
        found = found * x + p[k]
    return found


@composed(np.cov)
def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None) -> Any:
    m = np.reshape(m, (1, -1)) if np.ndim(m) == 1 else m if rowvar else np.transpose(m)
    if y is not None:
        y = np.reshape(y, (1, -1)) if np.ndim(y) == 1 else y if rowvar else np.transpose(y)
        m = np.concatenate([m, y])
    centred = m - np.mean(m, axis=1, keepdims=True)
    found = centred @ np.transpose(centred) / (np.shape(m)[1] - (int(not bias) if ddof is None else ddof))
    return np.squeeze(found)


@composed(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    found = _cov(x, y, rowvar)
    if np.ndim(found) == 0:
        return found / found
    scale = np.sqrt(np.diag(found))
    return found / scale[:, None] / scale[None, :]


@composed(np.apply_along_axis)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    axis = axis % np.ndim(arr)
    last = np.moveaxis(arr, axis, -1)
    rows = np.reshape(last, (-1, np.shape(last)[-1]))
    found = np.stack([func1d(row, *args, **kwargs) for row in rows])
    inner = np.shape(found)[1:]
    found = np.reshape(found, np.shape(last)[:-1] + inner)
    return np.moveaxis(found, range(np.ndim(arr) - 1, np.ndim(found)), range(axis, axis + len(inner)))


@composed(np.broadcast_arrays)
def _broadcast_arrays(*arrays: Any) -> Any:
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(np.broadcast_to(one, shape) for one in arrays)


@composed(np.meshgrid)
def _meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> Any:
    order = [1, 0, *range(2, len(xi))] if indexing == "xy" and len(xi) > 1 else [*range(len(xi))]
    turned = [
        np.reshape(one, [-1 if k == at else 1 for k in range(len(xi))])
        for at, one in zip(order, xi, strict=True)
    ]
    if sparse:
        return tuple(turned)
    shape = np.broadcast_shapes(*map(np.shape, turned))
    return tuple(np.copy(np.broadcast_to(one, shape)) for one in turned)


@composed(np.divmod)
def _divmod(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b), np.remainder(a, b)


@composed(np.real, np.real_if_close, np.ascontiguousarray, np.asfortranarray, np.asarray_chkfinite)
def _itself(a: Any) -> Any:
    return np.stack(a) if isinstance(a, list | tuple) else a


@composed(np.vecdot, np.linalg.vecdot)
def _vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    return np.sum(x1 * x2, axis=axis)


@composed(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


@composed(np.linalg.vector_norm)
def _vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:  # noqa: A002
    return np.linalg.norm(np.ravel(x) if axis is None and not keepdims else x, ord, axis, keepdims)


@composed(np.linalg.matrix_norm)
def _matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:  # noqa: A002
    return np.linalg.norm(x, ord, (-2, -1), keepdims)


@composed(np.linalg.trace)
def _trace(x: Any, *, offset: int = 0) -> Any:
    return np.trace(x, offset, -2, -1)


@composed(np.linalg.diagonal)
def _diagonal(x: Any, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


for _name in ("cross", "matmul", "outer", "tensordot"):
    COMPOSED[getattr(np.linalg, _name)] = getattr(np, _name)


def add_at(ufunc: Any, target: Any, index: Any, values: Any) -> None:
    """Follow numpy.add.at and numpy.subtract.at: each value is added to its place, by its own edge."""
    index = plain(index)
    places = np.arange(target.size).reshape(np.shape(target))[index]
    values = np.reshape(np.broadcast_to(values, np.shape(places)), -1)
    # round k adds those values whose place comes for the k-th time
    flat = np.reshape(places, -1)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], flat[order])
    rounds = np.empty(flat.size, dtype=int)
    rounds[order] = np.arange(flat.size) - starts
    for k in range(int(rounds.max(initial=-1)) + 1):
        now = np.flatnonzero(rounds == k)
        here = np.unravel_index(flat[now], np.shape(target))
        target[here] = ufunc(target[here], values[now])


STACKS = (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.solve, np.linalg.cholesky)
"""Functions of one matrix, which are followed for each matrix of a stack."""


def stacked(function: Any, *args: Any) -> Any:
    """Return a function of matrices for each matrix of stacks, whose leading axes broadcast."""
    vectors = function is np.linalg.solve and np.ndim(args[1]) == 1
    inner = [1 if vectors and k else 2 for k in range(len(args))]
    lead = np.broadcast_shapes(
        *(np.shape(one)[: np.ndim(one) - n] for one, n in zip(args, inner, strict=True))
    )
    wide = [
        np.broadcast_to(one, lead + np.shape(one)[np.ndim(one) - n :])
        for one, n in zip(args, inner, strict=True)
    ]
    found = [function(*(one[place] for one in wide)) for place in np.ndindex(*lead)]

    def joined(parts: Any) -> Any:
        whole = np.stack(parts)
        return np.reshape(whole, lead + np.shape(whole)[1:])

    if function is np.linalg.slogdet:
        return type(found[0])(*map(joined, zip(*found, strict=True)))
    return joined(found)
