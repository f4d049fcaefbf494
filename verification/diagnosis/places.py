"""Where a candidate is wrong that no mistake explains: one entry, row or column, or a part of it."""

from __future__ import annotations

import math

import numpy as np

from jacobians.numerics.arrays import Array
from verification.diagnosis.layouts import Shape
from verification.diagnosis.mistakes import Mistake

STEP_ERRORS = (1e-12, 2e-3)  # relative deviations that differences with a bad step have


def row_weights(right: Array) -> Array:
    """Return a weight for each row, so that outputs of different size count alike."""
    rows = np.abs(right).max(axis=1, keepdims=True)
    largest = float(rows.max())
    return 1 / np.where(rows > 0, rows, largest if largest > 0 else 1.0)


def _wrong(found: Array, right: Array) -> Array:
    weights = row_weights(right)
    return np.asarray(weights * np.abs(found - right) > 1e-5 * np.maximum(weights * np.abs(right), 1e-3))


def places(found: Array, right: Array) -> list[Mistake]:
    """Return where the candidate is wrong, if that is one entry, row or column of several."""
    wrong = _wrong(found, right)
    if not wrong.any():
        return []
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    m, n = right.shape
    low, high = STEP_ERRORS
    deviation = np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), np.finfo(float).tiny)
    if low < deviation < high and np.count_nonzero(right) > 1:
        off = np.abs(found - right)[right != 0] / np.abs(right)[right != 0]
        if off.min() > 1e-4 * off.max() and not np.any(found[right == 0]):
            return []  # all of J that isn't 0 is off by little, as in the Jacobian of a layer with one live unit
    if len(rows) == len(columns) == 1 and m * n > 1:
        i, j = int(rows[0]), int(columns[0])
        sentence = f"a single entry is wrong, [{i}, {j}]: found {found[i, j]:.6g}, expected {right[i, j]:.6g}"
        return [Mistake("entry", sentence, found)]
    if len(rows) == 1 and m > 1:
        return [Mistake("row", f"a single row is wrong, that of output {int(rows[0])}", found)]
    if len(columns) == 1 and n > 1:
        return [Mistake("column", f"a single column is wrong, that of input {int(columns[0])}", found)]
    return []


def unexplained(found: Array, right: Array, relative: float, shape: Shape) -> tuple[str, str, str]:
    """Return name, sentence and evidence where no mistake fits; `shape` is that of what the candidate stands for."""
    low, high = STEP_ERRORS
    if low < relative < high:
        return (
            "noise",
            "the deviation has the size of a step error: differences with a step too large or too small, or float32",
            f"deviation {relative:.1e} relative to J, without a pattern",
        )
    i, j = (int(k) for k in np.unravel_index(int(np.argmax(np.abs(found - right))), right.shape))
    deviation = f"deviation {relative:.2g} relative to J" if right.any() else "J is 0"
    return (
        "unknown",
        "no known mistake fits",
        f"{deviation}{_where(found, right, shape)}, largest at [{i}, {j}]: found {found[i, j]:.6g}, "
        f"expected {right[i, j]:.6g}",
    )


def _where(found: Array, right: Array, shape: Shape) -> str:
    """Return which rows, columns or points alone are wrong; "" where that is most of them."""
    if math.prod(shape) != found.size:
        return ""
    wrong = _wrong(found, right).reshape(shape)
    for axis in range(len(shape)):
        rest = tuple(k for k in range(len(shape)) if k != axis)
        places = np.flatnonzero(wrong.any(axis=rest))
        if 0 < places.size <= shape[axis] // 2:
            return f", only at {', '.join(map(str, places))} of axis {axis} with {shape[axis]}"
    return ""
