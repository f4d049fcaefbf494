"""The cost of a product: multiplications and additions, as Python integers.

Two numbers are kept apart because the literature counts them differently: course notes count
multiplications, numerical analysts count flops, and hardware fuses a multiplication with the addition
that follows it. Python integers never overflow, so dimensions such as 2³² are costed exactly. Where sizes are sympy
symbols, the two are expressions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from jacobians.numerics.arguments import checked_integer, shown
from jacobians.numerics.letters import at, counted, is_symbolic, number_text


@total_ordering
@dataclass(frozen=True, slots=True)
class Cost:
    """A number of multiplications and a number of additions.

    Costs are ordered as plans are chosen: by multiplications, then by additions.

    Parameters
    ----------
    multiplications, additions : int or sympy.Expr
        Both at least 0. Floats are refused: a cost is exact. Expressions are those of sizes that are symbols; such
        costs can be added, but not be compared.

    Raises
    ------
    TypeError
        If a count is not an integer.
    ValueError
        If a count is negative.

    Examples
    --------
    >>> Cost(6, 4) + Cost(2, 0)
    Cost(multiplications=8, additions=4)
    >>> 10 * Cost(6, 4)
    Cost(multiplications=60, additions=40)
    >>> Cost(6, 4).flops
    10
    """

    multiplications: int = 0
    additions: int = 0

    def __post_init__(self) -> None:
        for name in ("multiplications", "additions"):
            count = getattr(self, name)
            if type(count) is int and count >= 0:
                continue
            object.__setattr__(self, name, counted(count, name))

    @property
    def symbolic(self) -> bool:
        """Whether it is an expression of sizes that are letters."""
        return is_symbolic(self.multiplications) or is_symbolic(self.additions)

    def at(self, values: Mapping[Any, int]) -> Cost:
        """Return the cost with integers in the place of letters.

        Examples
        --------
        >>> import sympy
        >>> n = sympy.Symbol("n", integer=True, positive=True)
        >>> Cost(n**2, n * (n - 1)).at({n: 3})
        Cost(multiplications=9, additions=6)
        """
        return Cost(at(self.multiplications, values), at(self.additions, values))

    @property
    def fma(self) -> int:
        """Fused multiply-adds: one for each multiplication; sums outside products are not counted."""
        return self.multiplications

    @property
    def flops(self) -> int:
        """Floating point operations: multiplications and additions together."""
        return self.multiplications + self.additions

    def __add__(self, other: object) -> Cost:
        if not isinstance(other, Cost):
            return _not_a_cost(other)
        return Cost(self.multiplications + other.multiplications, self.additions + other.additions)

    def __radd__(self, other: object) -> Cost:
        # sum() starts from the integer 0
        return self if isinstance(other, int) and other == 0 else _not_a_cost(other)

    def __mul__(self, times: object) -> Cost:
        times = checked_integer(times, "times", least=0, most=None)
        return Cost(self.multiplications * times, self.additions * times)

    __rmul__ = __mul__

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Cost):
            return NotImplemented
        if self.symbolic or other.symbolic:
            raise TypeError(
                f"cost: found the letters of {self} beside {other}, expected numbers to compare; put numbers in by "
                f"cost.at({{n: 3}}), or compare by backprop.symbolic_costs(chain)"
            )
        return (self.multiplications, self.additions) < (other.multiplications, other.additions)

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>"

    def __str__(self) -> str:
        return f"{number_text(self.multiplications)} multiplications, {number_text(self.additions)} additions"


def _not_a_cost(other: object) -> Any:
    """Return NotImplemented for a count, which adds itself, or refuse what is no cost."""
    if isinstance(other, Count):
        return NotImplemented
    raise TypeError(f"other: found {shown(other)}, expected a Cost")


ZERO_COST = Cost(0, 0)


class Count:
    """What a row of the table of products counts: a cost that is not yet checked, of one product or of many.

    A row's formula is the same for Python integers and for arrays of sizes, so that planning evaluates one row for
    thousands of products at once. :meth:`exact` makes the :class:`Cost` of one product.

    Examples
    --------
    >>> 2 * Count(6, 4) + Count(1, 0)
    Count(multiplications=13, additions=8)
    """

    __slots__ = ("additions", "multiplications")

    def __init__(self, multiplications: Any, additions: Any) -> None:
        self.multiplications, self.additions = multiplications, additions

    def __repr__(self) -> str:
        return f"Count(multiplications={self.multiplications!r}, additions={self.additions!r})"

    def __add__(self, other: Count | Cost) -> Count:
        return Count(self.multiplications + other.multiplications, self.additions + other.additions)

    __radd__ = __add__

    def __rmul__(self, times: int) -> Count:
        return self if times == 1 else Count(times * self.multiplications, times * self.additions)

    def exact(self) -> Cost:
        """Return the cost, refused unless both counts are integers of at least 0."""
        return Cost(self.multiplications, self.additions)


def cheaper(first: Cost, second: Cost) -> Cost:
    """Return the cheaper of two costs, the first of equals; of letters by cases, which sizes decide.

    Examples
    --------
    >>> import sympy
    >>> n = sympy.Symbol("n", integer=True, positive=True)
    >>> cheaper(Cost(2 * n, n), Cost(n * n, n)).multiplications
    Min(2*n, n**2)
    """
    if not (first.symbolic or second.symbolic):
        return min(first, second)
    import sympy

    difference = sympy.expand(second.multiplications - first.multiplications)
    if difference == 0:
        return Cost(first.multiplications, sympy.Min(first.additions, second.additions))
    if difference.is_positive or difference.is_negative:
        return first if difference.is_positive else second
    fewest = sympy.Min(first.additions, second.additions)
    additions = sympy.Piecewise(
        (first.additions, difference > 0), (second.additions, difference < 0), (fewest, True)
    )
    return Cost(sympy.Min(first.multiplications, second.multiplications), additions)


def exactly(cost: Cost | Count) -> Cost:
    """Return a count as a cost; a cost as it is."""
    return cost.exact() if isinstance(cost, Count) else cost
