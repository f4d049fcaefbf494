"""Constant factors that have a reason: 2, ½, the size of a batch, the number of outputs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jacobians.numerics.arrays import Array


class Factors(NamedTuple):
    """The factors that are known by name, for one problem.

    Attributes
    ----------
    names : dict of float to str
        "½", or "1/32, of the batch": a short name, and what it is.
    """

    names: dict[float, str]

    @classmethod
    def of(cls, outputs: int, inputs: int, batch_size: int | None) -> Factors:
        """Return those of a function with so many outputs and inputs.

        Examples
        --------
        >>> Factors.of(1, 3, None).names
        {2.0: '2', 0.5: '½', -2.0: '−2', -0.5: '−½', 3.0: '3 (3 inputs)', 0.3333333333333333: '1/3 (3 inputs)', \
0.6666666666666666: '2/3 (3 inputs)'}
        """
        names = {2.0: "2", 0.5: "½", -2.0: "−2", -0.5: "−½"}
        if batch_size is not None and batch_size > 1:
            names |= {
                float(batch_size): f"{batch_size}, the batch size",
                1 / batch_size: f"1/{batch_size}, of the batch",
            }
        for size, what in ((outputs, "outputs"), (inputs, "inputs")):
            if size > 1:
                for value, name in (
                    (float(size), f"{size}"),
                    (1 / size, f"1/{size}"),
                    (2 / size, f"2/{size}"),
                ):
                    names.setdefault(value, f"{name} ({size} {what})")
        return cls(names)

    def like(self, ratio: float) -> tuple[float, str] | None:
        """Return the factor that a measured ratio is, with its name; None if it is none of them.

        Examples
        --------
        >>> Factors.of(1, 1, None).like(0.50000001)
        (0.5, '½')
        """
        for value, name in self.names.items():
            if math.isclose(ratio, value, rel_tol=1e-4):
                return value, name
        return None


def ratio(found: Array, base: Array) -> float:
    """Return c for which c·base is nearest to `found`, NaN for a base of zeros.

    Examples
    --------
    >>> ratio(np.array([2.0, 4.0]), np.array([1.0, 2.0]))
    2.0
    """
    with np.errstate(all="ignore"):
        square = float(np.vdot(base, base))
        return float(np.vdot(base, found)) / square if square else math.nan
