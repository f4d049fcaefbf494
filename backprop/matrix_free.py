"""Chains whose factors are programs: tangents J·v and adjoints Jᵀ·u beside products of accumulated Jacobians."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jacobians import Cost
from jacobians.equality import ByValue
from jacobians.numerics.arguments import checked_integer, checked_list, checked_option, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import Ledger

ACCUMULATE, MULTIPLY, TANGENT, ADJOINT = "accumulate", "multiply", "tangent", "adjoint"
STRATEGIES = ("optimal", TANGENT, ADJOINT, "preaccumulation")


class MatrixFreeFactor(NamedTuple):
    """A factor: outputs, inputs, the edges of its tape; its products, or its Jacobian if it is accumulated already."""

    m: int
    n: int
    tape_edges: int
    accumulated: bool = False
    tangent: Callable[[Array], Array] | None = None
    adjoint: Callable[[Array], Array] | None = None
    jacobian: Array | None = None


class MatrixFreeStep(NamedTuple):
    """One step: what is done, to the factors first … last (output side first), and its fused multiply-adds."""

    action: str
    first: int
    last: int
    split: int
    fma: int


@dataclass(frozen=True, eq=False)
class MatrixFreePlan(ByValue):
    """How the Jacobian of a matrix-free chain is formed.

    Attributes
    ----------
    chain : MatrixFreeChain
    strategy : str
    cost : Cost
        ``cost.fma`` is the fused multiply-adds; a product with a tape of E edges counts E for each vector.
    steps : tuple of MatrixFreeStep
    """

    chain: MatrixFreeChain
    strategy: str
    cost: Cost
    steps: tuple[MatrixFreeStep, ...]

    def __repr__(self) -> str:
        count = len(self.chain.factors)
        return (
            f"<MatrixFreePlan {self.strategy}: {count} factor{'s' * (count > 1)}, {len(self.steps)} "
            f"step{'s' * (len(self.steps) > 1)}, {self.cost.fma:,} fused multiply-adds>"
        )

    def __str__(self) -> str:
        rows = [
            f"{number:>5}  {step.action} factors {step.first} to {step.last}  {step.fma:,}"
            for number, step in enumerate(self.steps, 1)
        ]
        return "\n".join([repr(self)[1:-1], *rows])

    @without_float_errors
    def execute(self) -> tuple[Array, int]:
        """Return the Jacobian and the fused multiply-adds, counted while running.

        Raises
        ------
        TypeError, ValueError
            If a factor has no functions and no Jacobian, or a function returns no vector of real numbers of its size.
        """
        formed: dict[tuple[int, int], Array] = {}
        count = 0
        factors = self.chain.factors
        for action, first, last, split, fma in self.steps:
            if action == ACCUMULATE:
                factor = factors[first]
                if factor.jacobian is not None:
                    formed[first, last] = factor.jacobian
                elif fma == factor.n * factor.tape_edges:
                    formed[first, last] = _along(factor.tangent, np.eye(factor.n), first, "J v", factor.m)
                    count += factor.n * factor.tape_edges
                else:
                    formed[first, last] = _along(factor.adjoint, np.eye(factor.m), first, "Jᵀ u", factor.n).T
                    count += factor.m * factor.tape_edges
            elif action == MULTIPLY:
                ledger = Ledger()
                formed[first, last] = ledger.matmul(formed[first, split], formed[split + 1, last])
                count += ledger.cost.fma
            elif action == TANGENT:
                # the sweep of a whole chain begins with the unit vectors
                found = formed[split + 1, last] if split < last else np.eye(factors[last].n)
                for place in range(split, first - 1, -1):
                    count += found.shape[1] * factors[place].tape_edges
                    found = _along(factors[place].tangent, found.T, place, "J v", factors[place].m)
                formed[first, last] = found
            else:
                found = formed[first, split] if split >= first else np.eye(factors[first].m)
                for place in range(split + 1, last + 1):
                    count += found.shape[0] * factors[place].tape_edges
                    found = _along(factors[place].adjoint, found, place, "Jᵀ u", factors[place].n).T
                formed[first, last] = found
        return formed[0, len(factors) - 1], count


def _along(
    function: Callable[[Array], Array] | None, vectors: Array, place: int, name: str, size: int
) -> Array:
    if function is None:
        raise ValueError(
            f"factors[{place}]: found no functions, expected (m, n, tape_edges, (J v, Jᵀ u)) to execute"
        )
    return np.stack(
        [_vector(function(vector.copy()), f"factors[{place}]: {name}", size) for vector in vectors], axis=-1
    )


def _vector(found: Any, name: str, size: int) -> Array:
    """Return what a function of somebody's gave, if it is a vector of real numbers of this size."""
    try:
        vector = real_array(found, name, foreign="refuse")
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}; it was returned by the function") from None
    if vector.shape != (size,):
        raise ValueError(f"{name}: found a result of shape {vector.shape}, expected ({size},)")
    return vector.astype(np.float64, copy=False)


class MatrixFreeChain(ByValue):
    """A chain of programs, output side first: made by :meth:`backprop.Chain.matrix_free`.

    Parameters
    ----------
    factors : sequence of (m, n, tape_edges) or (m, n, tape_edges, (J v, Jᵀ u)) or array_like
        A matrix is accumulated already: it costs nothing by itself, and J v costs its m·n entries.
    tape_limit : int, optional
        The most edges that one adjoint may record.

    Raises
    ------
    TypeError, ValueError
        If a factor is refused, or neighbours don't fit.

    Examples
    --------
    >>> MatrixFreeChain([(1, 3, 14), (3, 3, 29)]).plan().cost.fma
    43
    """

    def __init__(self, factors: Sequence[Any], *, tape_limit: int | None = None) -> None:
        listed = checked_list(factors, "factors", "a list of (m, n, tape_edges), with functions, or matrices")
        self.factors = tuple(_factor(factor, place) for place, factor in enumerate(listed))
        if not self.factors:
            raise ValueError("factors: found none, expected at least one")
        for place in range(len(self.factors) - 1):
            left, right = self.factors[place], self.factors[place + 1]
            if left.n != right.m:
                raise ValueError(
                    f"factors[{place}]: found {left.n} inputs before {right.m} outputs, expected equal numbers"
                )
        self.tape_limit = (
            None if tape_limit is None else checked_integer(tape_limit, "tape_limit", least=0, most=None)
        )

    def plan(self, strategy: str = "optimal") -> MatrixFreePlan:
        """Return a plan.

        Parameters
        ----------
        strategy : {"optimal", "tangent", "adjoint", "preaccumulation"}
            The optimum of the interval programme; all tangents or all adjoints from an accumulated end; or every factor
            accumulated and the products bracketed best.

        Raises
        ------
        ValueError
            If the strategy is unknown, or its tapes don't fit.
        """
        count = len(self.factors)
        checked_option(strategy, "strategy", STRATEGIES)
        sweeps = strategy in (TANGENT, ADJOINT)
        steps = self._sweep(strategy) if sweeps else self._programme(free=strategy == "optimal")
        assert steps[-1].first == 0
        assert steps[-1].last == count - 1
        return MatrixFreePlan(self, strategy, Cost(sum(step.fma for step in steps)), steps)

    def _own(self, place: int) -> int:
        factor = self.factors[place]
        if factor.accumulated:
            return 0
        if factor.m < factor.n and self.tape_limit is not None and factor.tape_edges > self.tape_limit:
            return factor.tape_edges * factor.n
        return factor.tape_edges * min(factor.m, factor.n)

    def _sweep(self, strategy: str) -> tuple[MatrixFreeStep, ...]:
        last = len(self.factors) - 1
        edges = sum(factor.tape_edges for factor in self.factors)
        if strategy == TANGENT:
            return (MatrixFreeStep(TANGENT, 0, last, last, self.factors[-1].n * edges),)
        if self.tape_limit is not None and edges > self.tape_limit:
            raise ValueError(f"tape_limit: found {self.tape_limit}, but all adjoints record {edges} edges")
        return (MatrixFreeStep(ADJOINT, 0, last, -1, self.factors[0].m * edges),)

    def _programme(self, free: bool) -> tuple[MatrixFreeStep, ...]:
        factors, count = self.factors, len(self.factors)
        m = [factor.m for factor in factors]
        n = [factor.n for factor in factors]
        sums = [0]
        for factor in factors:
            sums.append(sums[-1] + factor.tape_edges)
        bound = count * (max(m + n) ** 3 + max(m + n) * (sums[-1] + 1))
        kind: Any = np.int64 if bound < 2**61 else object
        cost = np.zeros((count, count), dtype=kind)  # [first, last]
        n_, sums_ = np.array(n, dtype=kind), np.array(sums, dtype=kind)
        split = np.zeros((count, count), dtype=np.int64)
        way = np.zeros((count, count), dtype=np.int64)
        for place in range(count):
            cost[place, place] = self._own(place)
        never = bound * 2 if kind is object else np.int64(2**62)
        for length in range(2, count + 1):
            for first in range(count - length + 1):
                last = first + length - 1
                left, right = cost[first, first:last], cost[first + 1 : last + 1, last]
                ways = [left + right + m[first] * n[last] * n_[first:last]]
                if free:
                    ways.append(right + n[last] * (sums_[first + 1 : last + 1] - sums[first]))
                    recorded = sums[last + 1] - sums_[first + 1 : last + 1]
                    adjoint = left + m[first] * recorded
                    if self.tape_limit is not None:
                        adjoint = np.where(recorded <= self.tape_limit, adjoint, never)
                    ways.append(adjoint)
                table = np.stack(ways)
                best = int(np.argmin(table))
                way[first, last], split[first, last] = best // (length - 1), first + best % (length - 1)
                cost[first, last] = table.flat[best]
        steps: list[MatrixFreeStep] = []
        waiting = [(0, count - 1, False)]
        while waiting:
            first, last, formed = waiting.pop()
            if first == last:
                steps.append(MatrixFreeStep(ACCUMULATE, first, last, first, int(cost[first, first])))
                continue
            action, k = (MULTIPLY, TANGENT, ADJOINT)[way[first, last]], int(split[first, last])
            sides = [(first, k)] * (action != TANGENT) + [(k + 1, last)] * (action != ADJOINT)
            if not formed:
                waiting += [(first, last, True), *((*side, False) for side in sides)]
                continue
            parts = sum(int(cost[side]) for side in sides)
            steps.append(MatrixFreeStep(action, first, last, k, int(cost[first, last]) - parts))
        return tuple(steps)


def _factor(found: Any, place: int) -> MatrixFreeFactor:
    where = f"factors[{place}]"
    if isinstance(found, tuple) and len(found) in (3, 4):
        m, n, edges = (
            checked_integer(size, where, least=int(number < 2), most=None)
            for number, size in enumerate(found[:3])
        )
        if len(found) == 3:
            return MatrixFreeFactor(m, n, edges)
        pair = found[3]
        if not isinstance(pair, tuple) or len(pair) != 2 or not all(map(callable, pair)):
            raise TypeError(f"{where}: found {shown(pair)}, expected a pair of functions (J v, Jᵀ u)")
        return MatrixFreeFactor(m, n, edges, False, *pair)
    try:
        matrix = real_array(found, where, foreign="refuse").astype(np.float64)
    except (TypeError, ValueError):
        matrix = np.zeros(())
    if matrix.ndim != 2:
        raise TypeError(
            f"{where}: found {shown(found)}, expected (m, n, tape_edges), with functions, or a matrix"
        )
    if not np.all(np.isfinite(matrix)):
        raise ValueError(
            f"{where}: found NaN or infinity in a matrix of shape {matrix.shape}, expected finite numbers"
        )
    m, n = matrix.shape
    return MatrixFreeFactor(m, n, m * n, True, lambda v: matrix @ v, lambda u: matrix.T @ u, matrix)
