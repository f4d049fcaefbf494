"""The options that constructors of structures share: shapes, and the dtype of those that store no numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.numerics.arguments import checked_shape, shown

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
    except Exception:  # whatever NumPy or an object of somebody's says: it names no precision
        found = None
    if found is None or found not in (np.float32, np.float64):
        raise TypeError(f"dtype: found {shown(dtype)}, expected float64 or float32")
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
    return None if shape is None else checked_shape(shape, name)
