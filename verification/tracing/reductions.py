"""Reductions of traced arrays along axes: sums, products, means, extrema, and the methods of ufuncs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.tracing.arrays import TracedArray, apply_ufunc, entries_of, refuse_whole_numbers
from verification.tracing.scalars import Scalars, TracingError

Entries = NDArray[Any]


def normalized_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the axes that a reduction runs over, counted from 0; None stands for all."""
    if axis is None:
        return tuple(range(ndim))
    picked = axis if isinstance(axis, tuple) else (axis,)
    axes: tuple[int, ...] = np.lib.array_utils.normalize_axis_tuple(picked, ndim)
    return axes


def reduce_entries(
    scalars: Scalars,
    entries: Entries,
    fold: Callable[[Sequence[Any]], Any],
    axis: Any = None,
    keepdims: bool = False,
) -> Entries:
    """Return `fold` of the entries along some axes, all for None."""
    axes = normalized_axes(axis, entries.ndim)
    kept = [k for k in range(entries.ndim) if k not in axes]
    shape = tuple(entries.shape[k] for k in kept)
    count = math.prod(entries.shape[k] for k in axes)
    rows = entries.transpose(*kept, *axes).reshape(*shape, count)
    result = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        result[index] = fold(list(rows[index]))
    scalars.operations += entries.size
    if keepdims:
        return result.reshape([1 if k in axes else n for k, n in enumerate(entries.shape)])
    return result


def folds(scalars: Scalars) -> dict[str, Callable[[Sequence[Any]], Any]]:
    """Return, for each ufunc that can be reduced by, a function from a list of scalars to one."""

    def pairwise(name: str, start: Any) -> Callable[[Sequence[Any]], Any]:
        return lambda items: functools.reduce(scalars.primitives[name], items, scalars.constant(start))

    return {
        "add": scalars.sum,
        "multiply": pairwise("multiply", 1),
        "maximum": scalars.largest,
        "minimum": scalars.smallest,
        "fmax": scalars.largest,
        "fmin": scalars.smallest,
        "logical_and": pairwise("logical_and", True),
        "logical_or": pairwise("logical_or", False),
        "logaddexp": lambda items: functools.reduce(scalars.primitives["logaddexp"], items),
        "hypot": scalars.norm,
    }


def ufunc_method(
    scalars: Scalars, ufunc: np.ufunc, method: str, entries: Entries, *inputs: Any, **kwargs: Any
) -> Entries:
    """Return ``ufunc.reduce``, ``.accumulate`` or ``.outer`` of an object array.

    Raises
    ------
    TracingError
        For other methods and for reductions that are not traced.
    """
    name = ufunc.__name__
    if method == "outer":
        other = entries_of(inputs[0], scalars)
        return apply_ufunc(scalars, name, entries.reshape(entries.shape + (1,) * other.ndim), other)
    if method == "reduce" and name in folds(scalars):
        axis = inputs[0] if inputs else kwargs.get("axis", 0)
        fold = folds(scalars)[name]
        initial = kwargs.get("initial")
        first = [] if initial is None or initial is np._NoValue else [entries_of(initial, scalars)[()]]
        return reduce_entries(
            scalars, entries, lambda items: fold([*first, *items]), axis, kwargs.get("keepdims", False)
        )
    if method == "accumulate" and name in scalars.primitives:
        axis = inputs[0] if inputs else kwargs.get("axis", 0)
        rows = [entries.take(k, axis=axis) for k in range(entries.shape[axis])]
        steps = list(_running(rows, lambda a, b: apply_ufunc(scalars, name, np.asarray(a), np.asarray(b))))
        return np.stack(steps, axis=axis)
    raise TracingError(f"np.{name}.{method}: not traced; write it with np.sum, np.max, … or plain operators")


def _running(rows: list[Any], step: Callable[[Any, Any], Any]) -> list[Any]:
    running = rows[:1]
    for row in rows[1:]:
        running.append(step(running[-1], row))
    return running


def reduction(fold: str) -> Callable[..., TracedArray]:
    """Return NumPy's function that reduces by one of the ufuncs in :func:`folds`."""

    def reduction(
        scalars: Scalars, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, **kwargs: Any
    ) -> TracedArray:
        unknown = set(kwargs) - {"keepdims"}
        if unknown or out is not None:
            keyword = min(unknown, default="out")
            raise TracingError(f"np.{fold}: {keyword}= is not traced; combine it with the result")
        refuse_whole_numbers(f"np.{fold}", dtype, entries_of(a, scalars))
        keepdims = kwargs.get("keepdims", False) is True
        entries = reduce_entries(scalars, entries_of(a, scalars), folds(scalars)[fold], axis, keepdims)
        return TracedArray(entries, scalars)

    return reduction


def extremum_of(name: str, fold: str) -> Callable[..., TracedArray]:
    """Return ``np.max`` or ``np.min``; a table may refuse it by `name`."""
    reduced = reduction(fold)

    def extremum(scalars: Scalars, a: Any, axis: Any = None, out: Any = None, **kwargs: Any) -> TracedArray:
        refuse(scalars, name)
        return reduced(scalars, a, axis, None, out, **kwargs)

    return extremum


def refuse(scalars: Scalars, name: str) -> None:
    """Let a table refuse a function as a whole, before a primitive inside it would."""
    refusal = scalars.primitives.get(name)
    if refusal is not None:
        refusal()


def mean(
    scalars: Scalars, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> TracedArray:
    """Return ``np.mean``: the sum divided by the count."""
    entries = entries_of(a, scalars)
    refuse_whole_numbers("np.mean", dtype, entries)
    count = math.prod(entries.shape[k] for k in normalized_axes(axis, entries.ndim))
    total = reduce_entries(scalars, entries, scalars.sum, axis, keepdims is True)
    return TracedArray(total, scalars) / count


def variance(
    scalars: Scalars,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: Any = False,
    **_: Any,
) -> TracedArray:
    """Return ``np.var``: the sum of squares of a − mean(a), divided by count − ddof."""
    array = TracedArray(entries_of(a, scalars), scalars)
    refuse_whole_numbers("np.var", dtype, array.entries)
    count = math.prod(array.shape[k] for k in normalized_axes(axis, array.ndim))
    centred = array - mean(scalars, array, axis, keepdims=True)
    total = reduce_entries(scalars, (centred * centred).entries, scalars.sum, axis, keepdims is True)
    return TracedArray(total, scalars) / (count - ddof)


def deviation(scalars: Scalars, a: Any, *args: Any, **kwargs: Any) -> Any:
    """Return ``np.std``."""
    return np.sqrt(variance(scalars, a, *args, **kwargs))


def arg_extremum_of(name: str, better: str) -> Callable[..., Any]:
    """Return ``np.argmax`` or ``np.argmin``: plain integers, decided at the point."""

    def arg_extremum(
        scalars: Scalars, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False
    ) -> Any:
        refuse(scalars, name)

        def first_best(items: Sequence[Any]) -> int:
            best = 0
            for k in range(1, len(items)):
                if scalars.decide(scalars.primitives[better](items[k], items[best])):
                    best = k
            return best

        picked = reduce_entries(scalars, entries_of(a, scalars), first_best, axis, keepdims is True)
        return picked.astype(np.intp)[()]  # decided at the point: plain integers

    return arg_extremum
