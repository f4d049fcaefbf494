"""Shape and dtype of what NumPy's functions give, without numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.compiling.nodes import Node, RecordingError
from jacobians.numerics.arrays import Array, is_recorded


def ufunc_result(ufunc: np.ufunc, method: str, inputs: Any, options: Any) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of a ufunc's result, for the usual call without making an array."""
    if method == "__call__" and not options and (ufunc.signature is None or ufunc is np.matmul):
        kinds = [type(value) if type(value) in (bool, int, float) else _dtype(value) for value in inputs]
        kinds = [np.dtype(bool) if kind is bool else kind for kind in kinds]
        dtype = ufunc.resolve_dtypes((*kinds, None))[-1]
        shapes = [np.shape(value) if not is_recorded(value) else value.shape for value in inputs]
        if ufunc is np.matmul:
            return _matmul_shape(*shapes), dtype
        return np.broadcast_shapes(*shapes), dtype
    function = ufunc if method == "__call__" else getattr(ufunc, method)
    return result_like(function, inputs, options)


def _dtype(value: Any) -> np.dtype[Any]:
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def _matmul_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    left = (1, *a) if len(a) == 1 else a
    right = (*b, 1) if len(b) == 1 else b
    if not a or not b or left[-1] != right[-2]:
        raise ValueError(f"matmul: found shapes {a} and {b}, expected equal inner axes")
    shape = (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])
    shape = shape if len(a) > 1 else (*shape[:-2], shape[-1])
    return shape if len(b) > 1 else shape[:-1]


def dummy(array: Any) -> Array:
    """Return an array of the same shape and dtype that takes no memory: ones, which all functions treat alike.

    Integers are 0, which is an index of all arrays.
    """
    number = np.ones((), dtype=array.dtype) if array.dtype.kind == "f" else np.zeros((), dtype=array.dtype)
    return np.broadcast_to(number, array.shape)


def dummies(value: Any) -> Any:
    """Return an index in which zeros stand for recorded indices."""
    if is_recorded(value):
        if value.dtype.kind == "b":
            raise RecordingError("a mask as an index: its result has no fixed shape; use np.where")
        return dummy(value)
    if isinstance(value, tuple | list):
        return type(value)(dummies(part) for part in value)
    return value


def result_like(function: Any, args: Any, options: Any) -> tuple[tuple[int, ...], Any]:
    """Return shape and dtype of a function's result from arrays of ones (of unit matrices for linear algebra)."""

    def stand_in(value: Any) -> Any:
        if is_recorded(value):
            if ".linalg" in (getattr(function, "__module__", None) or "") and value.ndim >= 2:
                return np.broadcast_to(np.eye(*value.shape[-2:], dtype=value.dtype), value.shape)
            return dummy(value)
        if isinstance(value, tuple | list):
            return type(value)(stand_in(part) for part in value)
        return value

    if (known := _joined(function, args, options)) is not None:
        return known
    with np.errstate(all="ignore"):
        result = function(
            *(stand_in(part) for part in args), **{key: stand_in(v) for key, v in options.items()}
        )
    if not isinstance(result, np.ndarray | np.generic):
        raise RecordingError(
            f"np.{function.__name__}: its result can't be recorded; use functions of one array"
        )
    return np.shape(result), result.dtype


def _joined(function: Any, args: Any, options: Any) -> tuple[tuple[int, ...], Any] | None:
    """Return shape and dtype of arrays that are joined along an axis, which would take the memory of all of them.

    None where that is another function, or NumPy is to say what is wrong.
    """
    if function not in (np.concatenate, np.stack) or options.keys() - {"axis"} or not 0 < len(args) <= 2:
        return None
    parts, axis = list(args[0]), args[1] if len(args) == 2 else options.get("axis", 0)
    shapes = [list(np.shape(part) if not is_recorded(part) else part.shape) for part in parts]
    if not shapes or type(axis) is not int or len({len(shape) for shape in shapes}) != 1:
        return None
    if function is np.stack:
        shapes = [[*shape[: (at := axis % (len(shape) + 1))], 1, *shape[at:]] for shape in shapes]
    if not -len(shapes[0]) <= axis < len(shapes[0]):
        return None
    lengths = [shape.pop(axis) for shape in shapes]
    if any(shape != shapes[0] for shape in shapes):
        return None
    shapes[0].insert(axis % (len(shapes[0]) + 1), sum(lengths))
    return tuple(shapes[0]), np.result_type(*map(_dtype, parts))


def pieces(function: Any, array: Any, *rest: Any, **options: Any) -> list[tuple[slice, ...]]:
    """Return the index of each piece into which a function such as numpy.split cuts an array."""
    found = []
    for piece in function(np.arange(array.size).reshape(array.shape), *rest, **options):
        first = np.unravel_index(piece.flat[0], array.shape) if piece.size else (0,) * array.ndim
        found.append(
            tuple(slice(int(start), int(start) + n) for start, n in zip(first, piece.shape, strict=True))
        )
    return found


def keeps_entries(shape: tuple[int, ...], picks: Any) -> bool:
    """Return whether an index only adds axes of length 1, or takes them away."""
    dots = [place for place, pick in enumerate(picks) if pick is ...]
    if dots:
        (place,) = dots
        hidden = len(shape) - sum(pick is not None for pick in picks) + 1
        picks = (*picks[:place], *[slice(None)] * hidden, *picks[place + 1 :])
    axes = iter(shape)
    return all(
        pick is None
        or (isinstance(pick, slice) and pick == slice(None))
        or (next_axis == 1 and type(pick) is int and pick == 0)
        for pick in picks
        if pick is None or (next_axis := next(axes)) is not None
    )


def is_reshape(node: Node) -> bool:
    """Return whether a node has the entries of its first argument, in the same order."""
    if node.kind == "item":
        key = node.args[1]
        return keeps_entries(node.args[0].shape, key if isinstance(key, tuple) else (key,))
    return node.kind == "function" and node.function is np.reshape


def _result_type(*values: Any) -> np.dtype[Any]:
    return np.result_type(*(value.dtype if is_recorded(value) else value for value in values))


STATIC: dict[str, Any] = {
    "shape": lambda a: a.shape,
    "ndim": lambda a: a.ndim,
    "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
    "result_type": _result_type,
    "iscomplexobj": lambda x: x.dtype.kind == "c",
    "isrealobj": lambda x: x.dtype.kind != "c",
}
