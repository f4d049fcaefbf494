"""How Jacobians show themselves: LaTeX and HTML of bounded length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jacobians.markup import html_table
from jacobians.numerics.arrays import Array, format_bytes

if TYPE_CHECKING:
    from jacobians.structures.base import Jacobian


def html_summary(jacobian: Jacobian) -> str:
    """Return what a Jacobian is and stores as an HTML table, without expanding it."""
    m, n = jacobian.shape
    total = m * n * math.prod(jacobian.batch_shape)
    return html_table(
        [],
        [
            ["structure", jacobian.label],
            ["outputs × inputs", f"{m} × {n}"],
            ["out_shape, in_shape", f"{jacobian.out_shape}, {jacobian.in_shape}"],
            ["batch_shape", str(jacobian.batch_shape)],
            ["stored", f"{jacobian.storage:,} of {total:,} numbers ({format_bytes(jacobian.nbytes)})"],
            ["layout", "numerator, row-major vec"],
        ],
    )


def latex_vector(values: Array, most: int = 4) -> str:
    """Return the first entries of a vector as LaTeX, the rest as dots."""
    size = values.shape[0]
    shown = [f"{float(values[i]):.3g}" for i in range(min(size, most))]
    return ", ".join(shown + ([r"\dots"] if size > most else []))


def latex_matrix(matrix: Array, most: int = 4) -> str:
    """Return the corner of a matrix as LaTeX, the rest as dots."""
    m, n = matrix.shape
    rows = [
        " & ".join(
            [f"{float(matrix[i, j]):.3g}" for j in range(min(n, most))] + ([r"\cdots"] if n > most else [])
        )
        for i in range(min(m, most))
    ]
    if m > most:
        rows.append(" & ".join([r"\vdots"] * (min(n, most) + (n > most))))
    return r"\begin{bmatrix}" + r" \\ ".join(rows) + r"\end{bmatrix}"


def first_point(array: Array, ndim: int) -> Array:
    """Return the first point's array of `ndim` axes, for display."""
    return array[(0,) * (array.ndim - ndim) + (...,)]
