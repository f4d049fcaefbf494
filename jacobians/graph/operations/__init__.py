"""The operations that are followed: one row each, by subject."""

from jacobians.graph.operations import (
    contraction,
    convolution,
    elementwise,
    linear_algebra,
    moves,
    reductions,
)
from jacobians.graph.operations.table import TABLE, Operation, operation

__all__ = ["TABLE", "Operation", "operation", "special_rows"]


def special_rows() -> None:
    """Add the rows of scipy.special, once it was loaded by whoever uses it."""
    elementwise.special_rows()
    reductions.special_rows()


_ = (contraction, convolution, linear_algebra, moves)  # loading them fills the table
