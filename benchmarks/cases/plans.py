"""The cheapest bracketing of a chain. Small sizes repeat, so that there may be several cheapest bracketings."""

from __future__ import annotations

import dataclasses
import time
from itertools import pairwise
from typing import Any

import numpy as np

from .family import Call, Case, Family, Goal, OwnClock


@dataclasses.dataclass(frozen=True)
class ChainOfSpecs:
    """A chain of shapes without numbers.

    Attributes
    ----------
    count : int
        How many factors.
    largest : int
        Sizes are from 1 to `largest` (dense), or from 16 to `largest` (a network).
    kind : {"dense", "equal", "layers", "network"}
        Random sizes; all sizes `largest`; the same with a diagonal behind each matrix; or the chain of a network by its
        first weights: softmax, then layers and activations, and I ⊗ xᵀ at the end.
    dtype : str
        Has no meaning here.
    """

    count: int
    largest: int
    kind: str = "dense"
    dtype: str = "float64"

    def specs(self) -> list[Any]:
        """Return the factors, output side first."""
        from jacobians import Spec

        random = np.random.default_rng([self.count, self.largest])
        if self.kind == "network":
            rows, specs = 10, [Spec.low_rank(10, 1)]
            while len(specs) < self.count - 1:
                columns = int(random.integers(16, self.largest, endpoint=True))
                specs += [Spec.dense(rows, columns), Spec.diagonal(columns)]
                rows = columns
            end = Spec.kronecker(Spec.identity(rows), Spec.dense(1, 64))
            return [*specs[: self.count - 1], end]
        sizes = random.integers(1, self.largest, self.count + 1, endpoint=True).tolist()
        if self.kind == "layers":
            n = self.largest
            return [Spec.diagonal(n) if place % 2 else Spec.dense(n, n) for place in range(self.count)]
        if self.kind == "equal":
            sizes = [self.largest] * (self.count + 1)
        return [Spec.dense(m, n) for m, n in pairwise(sizes)]


def textbook(specs: list[Any]) -> int:
    """Return the multiplications of the cheapest bracketing by the textbook's interval programme in plain Python.

    An interval keeps its cheapest cost for each spec that can come out of it, for the structure of a product may depend
    on the bracketing. Products of specs are looked up.
    """
    from jacobians.products import product_cost, product_spec

    known: dict[Any, Any] = {}

    def product(left: Any, right: Any) -> Any:
        if (left, right) not in known:
            known[left, right] = product_spec(left, right), product_cost(left, right).multiplications
        return known[left, right]

    n = len(specs)
    cheapest: list[list[dict[Any, int]]] = [[{} for _ in specs] for _ in specs]
    for i, spec in enumerate(specs):
        cheapest[i][i] = {spec: 0}
    for length in range(1, n):
        for i in range(n - length):
            here = cheapest[i][i + length]
            for k in range(i, i + length):
                for left, left_cost in cheapest[i][k].items():
                    for right, right_cost in cheapest[k + 1][i + length].items():
                        spec, cost = product(left, right)
                        total = left_cost + right_cost + cost
                        if total < here.get(spec, total + 1):
                            here[spec] = total
    return min(cheapest[0][-1].values())


def dense_costs(specs: list[Any]) -> int:
    """Return the multiplications of the cheapest bracketing of dense factors: the textbook's recurrence, by rows."""
    p = np.array([specs[0].shape[0], *(spec.shape[1] for spec in specs)], dtype=object)
    n = len(specs)
    costs = np.zeros((n, n), dtype=object)  # exact integers
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs[i, j] = (costs[i, i:j] + costs[i + 1 : j + 1, j] + p[i] * p[i + 1 : j + 1] * p[j + 1]).min()
    return int(costs[0, -1])


def expected(problem: ChainOfSpecs) -> Any:
    """Return the multiplications of the cheapest bracketing."""
    specs = problem.specs()
    if problem.kind == "layers":  # every bracketing multiplies n × n, and scales rows or columns of n × n
        matrices, n = (problem.count + 1) // 2, problem.largest
        return np.asarray(float((matrices - 1) * n**3 + (problem.count - matrices) * n**2))
    return np.asarray(float(textbook(specs) if problem.kind == "network" else dense_costs(specs)))


def none(problem: Any) -> float:
    """Return 0: nothing but integers."""
    return 0.0


DENSE_PLAN = Family("optimal plan of a chain", expected, flops=none)
STRUCTURED_PLAN = Family("optimal plan of a chain", expected, flops=none)
LOOK_UP = Family("a repeated plan", expected, flops=none)


@DENSE_PLAN.contestant('chain.plan("optimal")', role="ours")
@STRUCTURED_PLAN.contestant('chain.plan("optimal")', role="ours")
def plan(problem: ChainOfSpecs) -> OwnClock:
    """On a chain that has no plan yet."""
    from backprop import Chain
    from jacobians.planning import bracketing as association

    specs = problem.specs()

    def seconds() -> float:
        chain = Chain.from_specs(specs)
        # a new chain of known specs would be looked up: forget it, so that planning is what is measured
        association._looked_up.cache_clear()
        start = time.perf_counter()
        chain.plan("optimal")
        return time.perf_counter() - start

    return OwnClock(seconds, lambda: float(Chain.from_specs(specs).plan("optimal").cost.multiplications))


@LOOK_UP.contestant(
    'chain.plan("optimal")', role="ours", answer=lambda plan: float(plan.cost.multiplications)
)
def look_up(problem: ChainOfSpecs) -> Call:
    """Of a chain that has been planned."""
    from backprop import Chain

    chain = Chain.from_specs(problem.specs())
    return lambda: chain.plan("optimal")


@DENSE_PLAN.contestant(
    "numpy.linalg's multi_dot planner",
    answer=lambda orders_and_costs: orders_and_costs[1][0, -1],
    slow=lambda problem: problem.count > 100,
)
@STRUCTURED_PLAN.contestant(
    "numpy.linalg's multi_dot planner, on the shapes", answer=None, slow=lambda problem: problem.count > 100
)
def numpy_planner(problem: ChainOfSpecs) -> Call:
    """NumPy's own; it knows dense factors only, so that for structured ones its answer is another one."""
    from numpy.linalg import _linalg

    arrays = [np.broadcast_to(0.0, spec.shape) for spec in problem.specs()]  # of no memory
    return lambda: _linalg._multi_dot_matrix_chain_order(arrays, return_costs=True)


@STRUCTURED_PLAN.contestant("interval programme in plain Python", slow=lambda problem: problem.count > 100)
def plain_python(problem: ChainOfSpecs) -> Call:
    """The textbook's, with one plan for each interval and structure; for dense ones NumPy's is the same."""
    specs = problem.specs()
    return lambda: float(textbook(specs))


def short(problem: ChainOfSpecs) -> Any:
    """Return 1: the text has a megabyte at most."""
    return np.asarray(1.0)


TEXT = Family("text of a plan", short, flops=none)


@TEXT.contestant("str(plan)", role="ours", answer=lambda text: float(len(text.encode()) <= 1_000_000))
def text(problem: ChainOfSpecs) -> Call:
    """The table that print(plan) shows."""
    from backprop import Chain

    plan = Chain.from_specs(problem.specs()).plan("optimal")
    return lambda: str(plan)


def _dense(count: int, largest: int, kind: str = "dense") -> Case:
    sizes = f"all {largest}×{largest}" if kind == "equal" else f"sizes to {largest:,}"
    goals = (Goal("peer", 300),) if count == 100 else (Goal(seconds=2e-3), Goal())
    return Case(DENSE_PLAN, f"{count} dense factors, {sizes}", ChainOfSpecs(count, largest, kind), goals)


CASES = (
    Case(STRUCTURED_PLAN, "100 structured factors", ChainOfSpecs(100, 512, "network"), (Goal("peer", 25),)),
    _dense(100, 100),
    _dense(100, 1_000),
    _dense(100, 1_000_000),
    _dense(100, 256, "equal"),
    _dense(500, 1_000),
    _dense(500, 1_000_000),
    Case(
        STRUCTURED_PLAN, "1000 structured factors", ChainOfSpecs(1000, 16, "layers"), (Goal(seconds=50e-3),)
    ),
    Case(TEXT, "5,000 dense factors", ChainOfSpecs(5000, 16, "equal"), (Goal(seconds=10e-3),)),
    Case(LOOK_UP, "100 structured factors", ChainOfSpecs(100, 512, "network"), (Goal(seconds=2e-6),)),
)
