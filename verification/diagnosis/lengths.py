"""What is done wrong in the derivative of x / ‖x‖, and of x / √(mean x² + ε)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip

MOST_ADDED = 1e-2
"""The part of the square of a length that an ε may be."""


def weight_of_squares(x: Array, y: Array, axes: tuple[int, ...]) -> float | None:
    """Return κ where y = x / s with s² = κ Σ x² + ε over some axes: 1, or one over the number of entries; else None.

    Examples
    --------
    >>> x = np.array([[3.0, 4.0], [6.0, 8.0]])
    >>> weight_of_squares(x, x / np.array([[5.0], [10.0]]), (1,)), weight_of_squares(x, x / 5, (1,))
    (1.0, None)
    """
    sums = (x**2).sum(axis=axes, keepdims=True)
    own = (y**2).sum(axis=axes, keepdims=True)
    if x.shape != y.shape or sums.size > x.size / 2 or not (own > 0).all():
        return None
    scale = np.sqrt(sums / own)
    if not np.allclose(x, scale * y, rtol=1e-9, atol=0):
        return None
    for weight in (1.0, sums.size / x.size):
        added = scale**2 - weight * sums
        same = np.allclose(added, added.flat[0], rtol=0, atol=1e-9 * float((scale**2).max()))
        if same and (np.abs(added) <= MOST_ADDED * scale**2).all():
            return weight
    return None


def slips_of_lengths(
    x: Array, y: Array, axes: tuple[int, ...], others: list[tuple[tuple[int, ...], str]]
) -> Iterator[tuple[float, Slip, str, Callable[[Array], Array]]]:
    """Yield slips in u ↦ (u − κ y Σ y u) / s, where y = x / s; `others` are other axes, and what is said of them."""
    weight = weight_of_squares(x, y, axes) or 1.0
    s = np.sqrt((x**2).sum(axis=axes, keepdims=True) / (y**2).sum(axis=axes, keepdims=True))

    def formula(
        outer: Array = y,
        inner: Array = y,
        over: tuple[int, ...] = axes,
        scale: Array = s,
        sign: float = 1.0,
    ) -> Callable[[Array], Array]:
        along = tuple(axis + 1 for axis in over)
        return lambda u: np.asarray(
            (u - sign * weight * outer * (u * inner).sum(axis=along, keepdims=True)) / scale
        )

    begun = "in the derivative of {} "
    for other, which in others:
        yield 1.0, Slip.WRONG_AXIS, f"{begun}the sum runs {which}", formula(over=other)
        turned = np.sqrt(weight * (x**2).sum(axis=other, keepdims=True))
        if (turned > 0).all():
            yield (
                1.05,
                Slip.WRONG_AXIS,
                f"{begun}length and sum run {which}",
                formula(x / turned, x / turned, other, turned),
            )
    yield 1.15, Slip.SIGN, f"{begun}the sign of the sum is wrong", formula(sign=-1.0)
    yield 1.2, Slip.MISSING_FACTOR, f"{begun}the result before the sum is left out", formula(np.ones_like(y))
    yield 1.25, Slip.WRONG_VALUE, f"{begun}x stands for the result before and in the sum", formula(x, x)
    yield 1.25, Slip.WRONG_VALUE, f"{begun}x stands for the result before the sum", formula(outer=x)
    yield 1.25, Slip.FACTOR, f"{begun}it is not divided by the length", formula(scale=np.ones_like(s))
