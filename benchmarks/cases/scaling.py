"""How ours grows: series of cases against width, depth, batch and chain length, and what the cost model predicts."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .family import Call, Case, Family
from .input_jacobians import compiled, expected, structured
from .networks import Network, ours

GROWTH = Family("growth of ∂F/∂x", expected)
GROWTH.contestant("net.jacobian(x).dense()", role="ours")(structured)
GROWTH.contestant("backprop.compile(net)(x)", role="ours")(compiled)


@dataclasses.dataclass(frozen=True)
class DenseChain:
    """A chain of dense factors with random sizes from 32 to 256."""

    count: int
    dtype: str = "float64"

    def factors(self) -> list[Any]:
        """Return the factors, output side first."""
        sizes = np.random.default_rng(0).integers(
            32, 257, self.count + 1
        )  # a longer chain begins as a shorter one
        random = np.random.default_rng(1)
        return [(random.standard_normal((m, n)) / np.sqrt(n)).astype(self.dtype) for m, n in pairwise(sizes)]


PRODUCT = Family(
    "product of a chain", lambda problem: np.linalg.multi_dot(problem.factors()), {"float64": 1e-9}
)


def _execute(problem: DenseChain, strategy: str) -> Call:
    import backprop

    plan = backprop.Chain(problem.factors()).plan(strategy)  # type: ignore[arg-type]  # one of its literals
    return lambda: plan.execute().jacobian.dense()


@PRODUCT.contestant("optimal plan", role="ours")
def optimal(problem: DenseChain) -> Call:
    """The cheapest bracketing, planned before."""
    return _execute(problem, "optimal")


@PRODUCT.contestant("from the left", role="ours")
def left(problem: DenseChain) -> Call:
    """From the output, as in reverse mode."""
    return _execute(problem, "left")


@PRODUCT.contestant("from the right", role="ours")
def right(problem: DenseChain) -> Call:
    """From the input, as in forward mode."""
    return _execute(problem, "right")


# --- what the cost model says ----------------------------------------------------------------------------


def predicted(problem: Any, contestant: str) -> dict[str, int]:
    """Return the planned multiplications, and the bytes of the largest intermediate result and of the answer."""
    import backprop

    if isinstance(problem, DenseChain):
        strategy = {"optimal plan": "optimal", "from the left": "left", "from the right": "right"}[contestant]
        plan = backprop.Chain(problem.factors()).plan(strategy)  # type: ignore[arg-type]  # one of its literals
        points = 1
    else:
        batched = problem.points is not None
        plan = backprop.Chain.from_network(ours(problem), problem.x(), batched=batched).plan(
            "optimal", dead_units=True
        )
        points = problem.points or 1
    size = np.dtype(problem.dtype).itemsize
    rows, columns = plan.spec.shape
    return {
        "multiplications": plan.cost.multiplications,
        "largest": plan.peak_elements * size,
        "answer": points * rows * columns * size,
    }


# --- series ----------------------------------------------------------------------------------------------


class Series(NamedTuple):
    """Cases along one number.

    Attributes
    ----------
    title, axis : str
        What grows, and what is written below the axis.
    values : tuple of int
    cases : tuple of Case
        One for each value.
    """

    title: str
    axis: str
    values: tuple[int, ...]
    cases: tuple[Case, ...]


def _series(title: str, axis: str, values: tuple[int, ...], family: Family, problem: Any) -> Series:
    cases = tuple(Case(family, f"{title}, {value}", problem(value), ()) for value in values)
    return Series(title, axis, values, cases)


SERIES = (
    _series(
        "width", "units of each of 4 layers", (16, 32, 64, 128, 256, 512, 1024), GROWTH,
        lambda width: Network((width,) * 5),
    ),
    _series(
        "depth", "layers of 128 units", (1, 2, 4, 8, 16, 32, 64), GROWTH, lambda depth: Network((128,) * (depth + 1))
    ),
    _series(
        "batch", "points, 64-128-64-10", (1, 4, 16, 64, 256, 1024), GROWTH,
        lambda points: Network((64, 128, 64, 10), points=points),
    ),
    _series("chain", "dense factors", (2, 4, 8, 16, 32, 64, 128), PRODUCT, DenseChain),
)  # fmt: skip
