"""The points beside x that differences take, and f there, in batched calls of bounded memory."""

from __future__ import annotations

import numpy as np

from jacobians.numerics.arrays import Array
from verification.problem import Problem


class Neighbours:
    """The points beside x that differ from it in one entry each, in memory that is filled once for all blocks.

    Parameters
    ----------
    problem : Problem
    most : int
        The most points of a call.
    """

    def __init__(self, problem: Problem, most: int) -> None:
        self.problem, self.x = problem, problem.point.reshape(-1)
        self.points = np.empty((most, self.x.size), dtype=self.x.dtype)
        self.points[...] = self.x
        self.changed = np.empty(0, dtype=np.intp)  # the columns of the points that were asked for last

    def values(self, columns: Array, *moved: Array) -> Array:
        """Return f where entry j is replaced, for some columns j and each of `moved`: one batched call.

        The result has shape (len(moved), count, m); the next call may write to it.
        """
        self.points[np.arange(len(self.changed)), self.changed] = self.x[self.changed]
        self.changed = np.tile(columns, len(moved))
        points = self.points[: len(self.changed)]
        points[np.arange(len(points)), self.changed] = np.concatenate(moved)
        values = self.problem.evaluate_many(points.reshape(-1, *self.problem.point.shape))
        return values.reshape(len(moved), len(columns), -1)


def blocks_of(problem: Problem, columns: Array, sides: int) -> list[slice]:
    """Return the columns in blocks, whose points on all sides go into one batched call."""
    block = max(1, problem.block // sides)
    return [slice(start, start + block) for start in range(0, len(columns), block)]
