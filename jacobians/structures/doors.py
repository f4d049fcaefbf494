"""The doors of structures for what is no array of entries: shapes, and the dtype of structures that store none."""

from __future__ import annotations

from typing import Any

import numpy as np

Shape = tuple[int, ...]


def checked_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype.

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> checked_dtype("float32")
    dtype('float32')
    """
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in (np.float32, np.float64):
        raise TypeError(f"dtype: found {dtype!r}, expected float64 or float32")
    return found


def checked_options(
    out_shape: Any, in_shape: Any, batch_shape: Any
) -> tuple[Shape | None, Shape | None, Shape | None]:
    """Return shapes as tuples of Python integers, each at least 1; None stays None.

    Raises
    ------
    TypeError, ValueError
        If one is no tuple or list of integers, or an integer is less than 1.

    Examples
    --------
    >>> checked_options([2, 3], None, ())
    ((2, 3), None, ())
    """
    if out_shape is in_shape is batch_shape is None:
        return None, None, None
    return (
        _checked(out_shape, "out_shape"),
        _checked(in_shape, "in_shape"),
        _checked(batch_shape, "batch_shape"),
    )


def _checked(shape: Any, name: str) -> Shape | None:
    if shape is None:
        return None
    sizes = tuple(shape) if isinstance(shape, tuple | list) else None
    if sizes is None or not all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes
    ):
        raise TypeError(f"{name}: found {shape!r}, expected a tuple of integers such as (2, 3)")
    if any(size < 1 for size in sizes):
        raise ValueError(f"{name}: found {shape!r}, expected sizes of at least 1")
    return tuple(int(size) for size in sizes)
