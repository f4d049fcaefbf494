"""Functions of scipy.linalg that are followed as what they are made of; loaded by whoever uses SciPy."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from jacobians.graph.composed import composed
from jacobians.graph.operations import special_rows


def load_scipy() -> None:
    """Add what is known of SciPy, of the parts of it that are loaded."""
    if "scipy.special" in sys.modules:
        special_rows()
    if "scipy.linalg" in sys.modules:
        _linalg()


@cache  # once: while code is followed, others stand in the places of these functions
def _linalg() -> None:
    linalg: Any = sys.modules["scipy.linalg"]

    @composed(linalg.solve_triangular)
    def solve_triangular(
        a: Any,
        b: Any,
        trans: Any = 0,
        lower: bool = False,
        unit_diagonal: bool = False,
        check_finite: bool = True,
    ) -> Any:
        part = np.tril(a) if lower else np.triu(a)
        if unit_diagonal:
            part = part - np.diag(np.diag(part)) + np.eye(len(part))
        return np.linalg.solve(part if trans in (0, "N") else np.transpose(part), b)

    @composed(linalg.cholesky)
    def cholesky(a: Any, lower: bool = False, check_finite: bool = True) -> Any:
        return (
            np.linalg.cholesky(a)
            if lower
            else np.swapaxes(np.linalg.cholesky(np.swapaxes(a, -1, -2)), -1, -2)
        )

    @composed(linalg.cho_factor)
    def cho_factor(a: Any, lower: bool = False, check_finite: bool = True) -> Any:
        factor, rest = cholesky(a, lower), (np.triu(a, 1) if lower else np.tril(a, -1))
        return factor + rest, lower  # what SciPy leaves there is what was there

    @composed(linalg.cho_solve)
    def cho_solve(c_and_lower: Any, b: Any, check_finite: bool = True) -> Any:
        c, lower = c_and_lower
        L = np.tril(c) if lower else np.transpose(np.triu(c))
        return np.linalg.solve(np.transpose(L), np.linalg.solve(L, b))

    @composed(linalg.solve)
    def solve(a: Any, b: Any, check_finite: bool = True) -> Any:
        return np.linalg.solve(a, b)

    @composed(linalg.inv)
    def inv(a: Any, check_finite: bool = True) -> Any:
        return np.linalg.inv(a)

    @composed(linalg.det)
    def det(a: Any, check_finite: bool = True) -> Any:
        return np.linalg.det(a)

    @composed(linalg.norm)
    def norm(
        a: Any,
        ord: Any = None,  # noqa: A002  # SciPy's name
        axis: Any = None,
        keepdims: bool = False,
        check_finite: bool = True,
    ) -> Any:
        return np.linalg.norm(a, ord, axis, keepdims)

    @composed(linalg.block_diag)
    def block_diag(*arrs: Any) -> Any:
        blocks = [np.atleast_2d(one) for one in arrs]
        columns = np.cumsum([0, *(np.shape(one)[1] for one in blocks)])
        width = int(columns[-1])
        return np.concatenate(
            [
                np.pad(one, ((0, 0), (int(at), width - int(at) - np.shape(one)[1])))
                for one, at in zip(blocks, columns, strict=False)
            ]
        )
