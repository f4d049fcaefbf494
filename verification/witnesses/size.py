"""Whether the differences of all entries would take too long, and what a check does instead."""

from __future__ import annotations

import sys
import time

import numpy as np

from verification.problem import Problem

EVALUATIONS = 8
"""Of f for each entry of the point: two sides of four steps, before the extrapolation may end."""
TOGETHER = 8  # points of the batched call that is timed


def seconds_for_all(problem: Problem) -> float:
    """Return how long the differences of all entries would take.

    Examples
    --------
    >>> 0 <= seconds_for_all(Problem(np.sin, [1.0, 2.0])) < 1
    True
    """
    return EVALUATIONS * problem.point.size * evaluation_seconds(problem)


def evaluation_seconds(problem: Problem) -> float:
    """Return how long an evaluation of f takes, by one of them; 0 where it fails."""
    many = TOGETHER if problem.batches else 1
    points = np.broadcast_to(problem.point, (many, *problem.point.shape)).copy()
    start = time.perf_counter()
    try:
        problem.evaluate_many(points)
    except Exception:  # f's own; the witness that meets it says so
        return 0.0
    return (time.perf_counter() - start) / many


def said_of(seconds: float, allowed: float, problem: Problem) -> str:
    """Return why not all entries were looked at.

    Examples
    --------
    >>> said_of(295.0, 3.0, Problem(np.sin, [1.0, 2.0]))
    'differences by all 2 entries would take about 300 s, above Budget(seconds=3)'
    """
    about = f"{seconds:.1g}" if seconds < 10 else f"{float(f'{seconds:.1g}'):,.0f}"
    return (
        f"differences by all {problem.point.size:,} entries would take about {about} s, above "
        f"Budget(seconds={allowed:g})"
    )


class Progress:
    """A line on a terminal, for what takes more than a second; nothing where there is none."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.done, self.shown = what, total, 0, False
        self.start = self.last = time.perf_counter()

    def step(self, count: int) -> None:
        """Say that so many more are done."""
        self.done += count
        now = time.perf_counter()
        if now - self.start > 1 and now - self.last > 0.5 and sys.stderr.isatty():
            left = (now - self.start) * (self.total - self.done) / max(self.done, 1)
            sys.stderr.write(f"\r{self.what}: {self.done:,} of {self.total:,}, about {left:.0f} s left   ")
            sys.stderr.flush()
            self.last, self.shown = now, True

    def close(self) -> None:
        """End the line."""
        if self.shown:
            sys.stderr.write("\n")
