"""What a plan on a graph is judged by: multiplications, additions, the largest intermediate, and a limit of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

from jacobians.numerics.arguments import checked_option, shown
from jacobians.planning.elimination import Price

OBJECTIVES: dict[str, tuple[float, float, float]] = {
    "multiplications": (1, 0, 0),
    "additions": (0, 1, 0),
    "flops": (1, 1, 0),
    "peak": (0, 0, 1),
}
"""The weights of multiplications, additions and the largest intermediate."""

TIE = 1 << 40
"""One unit of the objective against one of what decides between equals."""

_OVER = 1 << 120  # more than any plan costs
_WEIGHTS = ("multiplications", "additions", "peak")


class Judged(NamedTuple):
    """What eliminations add to the objective, and the largest result that they form, where that counts."""

    added: float
    peak: int


class Objective(NamedTuple):
    """Weights, and the most numbers that a result may store.

    Equal values are decided by fewer additions; by fewer multiplications where only the largest intermediate counts.
    """

    name: str
    multiplications: float
    additions: float
    peak: float
    limit: int | None

    def judge(self, price: Price) -> Judged:
        """Return what one elimination adds."""
        alone = not self.multiplications and not self.additions
        tie = price.multiplications if alone else price.additions
        added = (self.multiplications * price.multiplications + self.additions * price.additions) * TIE + tie
        if self.limit is not None and price.peak > self.limit:
            added += _OVER
        return Judged(added, price.peak if self.peak else 0)

    def total(self, judged: Sequence[Judged]) -> float:
        """Return the value of several eliminations together."""
        added = sum([one.added for one in judged])
        return added + self.peak * TIE * max([one.peak for one in judged], default=0) if self.peak else added

    def scoring(self) -> tuple[Callable[[Price], Any], Callable[[Any], float]]:
        """Return :meth:`judge` and :meth:`total`; plain numbers and their sum where the largest doesn't count."""
        if self.peak:
            return self.judge, self.total
        if self.limit is not None or self.multiplications == self.additions == 0:
            return (lambda price: self.judge(price).added), sum
        by_multiplication, by_addition = self.multiplications * TIE, self.additions * TIE + 1
        # the innermost of the search
        return (lambda price: by_multiplication * price[0] + by_addition * price[1]), sum

    def value(self, multiplications: int, additions: int, peak: int) -> float:
        """Return the value of a plan, without what decides between equals."""
        return self.multiplications * multiplications + self.additions * additions + self.peak * peak


def objective_of(objective: Any, limit: int | None) -> Objective:
    """Return an objective by name, or of weights by name.

    Raises
    ------
    ValueError
        If the name is unknown, or a weight is no number of at least 0.

    Examples
    --------
    >>> objective_of({"multiplications": 1, "peak": 10}, None).name
    '1·multiplications + 10·peak'
    """
    if isinstance(objective, Mapping):
        if not objective or set(objective) - set(_WEIGHTS):
            raise ValueError(
                f"objective: found weights of {sorted(map(str, objective))}, expected weights of multiplications, "
                "additions and peak"
            )
        for name, weight in objective.items():
            number = isinstance(weight, Real) and not isinstance(weight, bool)
            if not number or not 0 <= weight <= sys.float_info.max:
                raise ValueError(
                    f"objective: found {shown(weight)} for {name}, expected a finite number of at least 0"
                )
        if not any(objective.values()):
            raise ValueError("objective: found weights of 0 only, expected one that is larger")
        text = " + ".join(f"{objective[name]}·{name}" for name in _WEIGHTS if objective.get(name))
        multiplications, additions, peak = (objective.get(name, 0) for name in _WEIGHTS)
        return Objective(text, multiplications, additions, peak, limit)
    more = ", or weights of multiplications, additions and peak"
    objective = checked_option(objective, "objective", list(OBJECTIVES), more=more)
    return Objective(objective, *OBJECTIVES[objective], limit)
