"""How fast the machine multiplies matrices: what measured times are compared with."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

SIZE = 256
_REPEATS = 7


@dataclass(frozen=True)
class MatrixProduct:
    """The fastest of several products of two square matrices.

    Attributes
    ----------
    size : int
        Rows of each.
    seconds : float
    """

    size: int
    seconds: float

    @property
    def multiplications(self) -> int:
        """size³."""
        return self.size**3

    def time_of(self, multiplications: int) -> float:
        """Return the seconds that so many multiplications take at the speed of this product.

        Examples
        --------
        >>> MatrixProduct(10, 0.5).time_of(2000)
        1.0
        """
        return multiplications / self.multiplications * self.seconds

    def distance(self, multiplications: int, seconds: float | None) -> float | None:
        """Return how many times longer a measured time is than at this speed; None where nothing was multiplied."""
        if seconds is None or not multiplications:
            return None
        return seconds / self.time_of(multiplications)


def measured_product(dtype: np.dtype[np.floating] | None = None, size: int = SIZE) -> MatrixProduct:
    """Return the speed of this machine's matrix product, of float64 unless asked otherwise.

    Examples
    --------
    >>> measured_product(size=8).seconds > 0
    True
    """
    left = np.full((size, size), 1.5, dtype)
    right = left.T.copy()
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return MatrixProduct(size, max(best, 1e-9))
