"""Operations entry by entry without the axes of length 1 that structures add to their arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.arrays import is_recorded


def without_unit_axes(inputs: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return operands of an operation entry by entry without axes of length 1 that only reshape recorded arrays.

    Broadcasting does the same without them, and each reshape costs small arrays about as much as a multiplication.

    Parameters
    ----------
    inputs : tuple
        Recorded arrays, arrays and numbers.
    shape : tuple of int
        To which they broadcast.
    """
    found = inputs
    axes = len(shape)
    for place in range(1, axes + 1):  # from the right: what stands left of an axis moves up
        if shape[-place] == 1 and len(shape) > 1:
            shorter = [_without_axis(value, place) for value in found]
            if all(value is not None for value in shorter) and any(
                a is not b for a, b in zip(shorter, found, strict=True)
            ):
                return without_unit_axes(tuple(shorter), shape[:-place] + shape[len(shape) - place + 1 :])
    shorter = [_without_leading(value) for value in found]
    if max(map(np.ndim, shorter)) == max(map(np.ndim, found)):
        return tuple(shorter)
    return found


def _without_axis(value: Any, place: int) -> Any:
    """Return an operand without an axis of length 1, itself where it need not change; None for a reshape of its own."""
    axes = np.ndim(value)
    if axes < place:
        return value
    if is_recorded(value):
        start = axes - place
        base = value.same_entries()
        if base.shape == value.shape[:start] + value.shape[start + 1 :]:
            return base
    return value if axes == place else None


def _without_leading(value: Any) -> Any:
    """Return the array that an operand is with leading axes of length 1, or itself."""
    if not is_recorded(value) or not value.shape or value.shape[0] != 1:
        return value
    base = value.same_entries()
    leading = value.ndim - base.ndim
    return base if value.shape == (1,) * leading + base.shape else value
