"""What the bracketings of a chain cost where its sizes are letters, and when one of them beats another."""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Any

from backprop.chain import Chain
from backprop.tables import WIDTH, Tex, latex_table, markdown_table, text_table
from jacobians import Cost
from jacobians.markup import html_table
from jacobians.numerics.arguments import checked_integer, shown
from jacobians.planning.bracketing import associate, from_left, from_right
from jacobians.planning.trees import Tree

if TYPE_CHECKING:
    import sympy

MOST_FACTORS = 6
"""The number of factors up to which all bracketings are compared: 42 of them. Of longer chains left and right are."""

CONVENTION = "The letters are sizes above 1; an order beats another if it has fewer multiplications."


@dataclass(frozen=True)
class SymbolicAlternative:
    """One bracketing: its names among left and right, its text, its factored cost."""

    strategy: str
    bracketing: str
    tree: Tree
    cost: Cost


@dataclass(frozen=True)
class Condition:
    """When one bracketing has fewer multiplications than another.

    Attributes
    ----------
    first, second : str
        Their names.
    holds : bool or None
        True or False where no size changes it; None where sizes decide.
    relation : sympy expression or None
        What must hold for sizes; solved for a letter where the sign of its coefficient is known.
    """

    first: str
    second: str
    holds: bool | None
    relation: Any = None

    def __str__(self) -> str:
        if self.holds is not None:
            return f"{self.first} {'always' if self.holds else 'never'} beats {self.second}"
        return f"{self.first} beats {self.second} iff {_words(self.relation)}"


@dataclass(frozen=True)
class SymbolicCosts:
    """The costs of a chain's bracketings as expressions; ``print`` it, or write it by the ``to_…`` methods.

    Attributes
    ----------
    chain : Chain
    alternatives : tuple of SymbolicAlternative
        Left, right, and of chains of up to six factors every other bracketing that is not beaten by one of these for
        all sizes.
    complete : bool
        Whether all bracketings were looked at.
    """

    chain: Chain
    alternatives: tuple[SymbolicAlternative, ...]
    complete: bool

    @property
    def letters(self) -> tuple[sympy.Symbol, ...]:
        """The sizes, by name."""
        return tuple(sorted(frozenset().union(*(s.letters for s in self.chain.specs)), key=str))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """For each pair of alternatives, when the first beats the second; one of two opposite ones where both hold."""
        pairs = permutations(self.alternatives, 2)
        found = [_condition(a.strategy, b.strategy, a.cost, b.cost) for a, b in pairs]
        of = {(c.first, c.second): c for c in found}
        # "never" says no more than "always" of the other
        return tuple(
            c for c in found
            if not (c.holds is False and of[c.second, c.first].holds is True)
        )  # fmt: skip

    def at(self, sizes: Mapping[str, int] | None = None, /, **others: int) -> dict[str, Cost]:
        """Return the cost of each alternative at some sizes, given by the names of the letters.

        Raises
        ------
        TypeError, ValueError
            If a letter is missing or another is given, or a size is no positive integer.

        Examples
        --------
        >>> import sympy
        >>> n, h = sympy.symbols("n h", integer=True, positive=True)
        >>> symbolic_costs(Chain.from_shapes([(n, h), (h, h), (h, 5)])).at(n=2, h=3)["left"]
        Cost(multiplications=48, additions=32)
        """
        given = {**(sizes or {}), **others}
        names = [str(letter) for letter in self.letters]
        if sorted(given) != sorted(names):
            raise ValueError(f"sizes: found {shown(sorted(given))}, expected one for each of {names}")
        values = {letter: checked_integer(given[str(letter)], str(letter)) for letter in self.letters}
        return {item.strategy: item.cost.at(values) for item in self.alternatives}

    def check(self, trials: int = 20, seed: int = 0) -> int:
        """Put random sizes from 2 to 40 in, and compare each cost with that of the chain of these sizes.

        Returns
        -------
        int
            The number of comparisons.

        Raises
        ------
        RuntimeError
            If one differs: an error of this library.
        """
        draw, letters = random.Random(checked_integer(seed, "seed", least=0)), self.letters
        for _ in range(checked_integer(trials, "trials")):
            values = {letter: draw.randint(2, 40) for letter in letters}
            specs = [spec.at(values) for spec in self.chain.specs]
            for item in self.alternatives:
                if item.cost.at(values) != associate(specs, item.tree).cost:
                    raise RuntimeError(f"the cost of {item.bracketing} is another at {values}; report it")
        return trials * len(self.alternatives)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = ["strategy", "bracketing", "multiplications", "additions"]
        rows = [
            [item.strategy, item.bracketing, _words(item.cost.multiplications), _words(item.cost.additions)]
            for item in self.alternatives
        ]
        return header, rows

    @property
    def _note(self) -> str:
        return CONVENTION + ("" if self.complete else " Of so many factors only these orders were compared.")

    def to_dict(self) -> dict[str, Any]:
        """Return expressions and conditions as texts that sympy reads."""
        return {
            "schema": "explicit-jacobians/symbolic-cost",
            "letters": [str(letter) for letter in self.letters],
            "alternatives": [
                {
                    "strategy": item.strategy,
                    "bracketing": item.bracketing,
                    "multiplications": str(item.cost.multiplications),
                    "additions": str(item.cost.additions),
                }
                for item in self.alternatives
            ],
            "conditions": [
                {"first": c.first, "second": c.second, "holds": c.holds,
                 "relation": None if c.relation is None else str(c.relation)}
                for c in self.conditions
            ],
            "complete": self.complete,
        }  # fmt: skip

    def to_markdown(self) -> str:
        """Return a Markdown table and the conditions."""
        lines = "\n".join(f"- {condition}" for condition in self.conditions)
        return "\n\n".join(part for part in (markdown_table(*self._table()), lines, self._note) if part)

    def to_latex(self) -> str:
        """Return a table of LaTeX with the rules of the package booktabs."""
        from sympy import latex

        header, rows = self._table()
        for row, item in zip(rows, self.alternatives, strict=True):
            row[2:] = [Tex(f"${latex(own)}$") for own in (item.cost.multiplications, item.cost.additions)]
        return latex_table(header, rows)

    def _repr_html_(self) -> str:
        from html import escape

        conditions = "".join(f"<li>{escape(str(condition))}</li>" for condition in self.conditions)
        return f"{html_table(*self._table())}<ul>{conditions}</ul><p>{escape(self._note)}</p>"

    def __str__(self) -> str:
        lines = "\n".join(str(condition) for condition in self.conditions)
        return "\n\n".join(
            part for part in (text_table(*self._table()), lines, textwrap.fill(self._note, WIDTH)) if part
        )


def symbolic_costs(chain: Chain | Sequence[Any]) -> SymbolicCosts:
    """Return what the bracketings of a chain cost as expressions of its sizes, and when one beats another.

    The expressions come from the rows of the table of products by which chains of numbers are planned.

    Parameters
    ----------
    chain : Chain or sequence of Spec
        With sizes that are sympy symbols, positive integers.

    Raises
    ------
    TypeError, ValueError
        If it is no chain, or has no letters.

    Examples
    --------
    >>> import sympy
    >>> n, h, k = sympy.symbols("n h k", integer=True, positive=True)
    >>> costs = symbolic_costs(Chain.from_shapes([(n, h), (h, h), (h, k)]))
    >>> print(costs)
    strategy  bracketing  multiplications  additions
    ────────  ──────────  ───────────────  ─────────────────
    left      (A·B)·C     h·n·(h + k)      n·(h - 1)·(h + k)
    right     A·(B·C)     h·k·(h + n)      k·(h - 1)·(h + n)
    <BLANKLINE>
    left beats right iff n < k
    right beats left iff k < n
    <BLANKLINE>
    The letters are sizes above 1; an order beats another if it has fewer
    multiplications.
    """
    chain = chain if isinstance(chain, Chain) else Chain.from_specs(chain)
    if not any(spec.letters for spec in chain.specs):
        raise ValueError(
            "chain: found no letters among the sizes, expected sympy symbols; of numbers compare(chain) makes a table"
        )
    count = len(chain)
    trees = {"left": from_left(count), "right": from_right(count)}
    complete = count <= MOST_FACTORS
    if complete:
        others = [tree for tree in _all_trees(0, count - 1) if tree not in trees.values()]
        trees |= {f"order {number}": tree for number, tree in enumerate(others, 1)}
    found = []
    for name, tree in trees.items():
        cost = associate(chain.specs, tree).cost
        factored = Cost(_factored(cost.multiplications), _factored(cost.additions))
        found.append(SymbolicAlternative(name, chain.plan(tree).bracketing, tree, factored))
    if count < 3:  # one bracketing, by both names
        found = found[:1]
    kept = found[:2]
    for item in found[2:]:
        rivals = [other for other in found if other is not item]
        if not any(_never_better(item, other, found) for other in rivals):
            kept.append(item)
    renamed = [
        SymbolicAlternative(f"order {place - 1}" if place > 1 else item.strategy, *_rest(item))
        for place, item in enumerate(kept)
    ]
    return SymbolicCosts(chain, tuple(renamed), complete)


def _rest(item: SymbolicAlternative) -> tuple[str, Tree, Cost]:
    return item.bracketing, item.tree, item.cost


def _all_trees(first: int, last: int) -> list[Tree]:
    if first == last:
        return [first]
    return [
        (left, right)
        for split in range(first, last)
        for left in _all_trees(first, split)
        for right in _all_trees(split + 1, last)
    ]


def _never_better(
    item: SymbolicAlternative, other: SymbolicAlternative, order: Sequence[SymbolicAlternative]
) -> bool:
    """Return whether another bracketing costs no more at any sizes; of equals the first in the list stays."""
    more = item.cost.multiplications - other.cost.multiplications
    sign = _sign(more)
    if sign == 0:
        return order.index(other) < order.index(item)
    return sign == 1


def _factored(number: Any) -> Any:
    import sympy

    return (
        number if isinstance(number, int) or number.has(sympy.Piecewise, sympy.Min) else sympy.factor(number)
    )


def _sign(expression: Any, *, strict: bool = False) -> int | None:
    """Return 1 or −1 where it is ≥ 0 or ≤ 0 for all sizes from 2, 0 where it is 0; None where sizes decide.

    With n = 2 + n′ a polynomial whose coefficients all have one sign has it everywhere; `strict` asks that it is
    nowhere 0.
    """
    import sympy

    expression = sympy.expand(expression)
    if expression.has(sympy.Min, sympy.Piecewise):
        return None
    letters = sorted(expression.free_symbols, key=str)
    if not letters:
        return int(sympy.sign(expression))
    shifted = sympy.Poly(expression.subs({x: x + 2 for x in letters}, simultaneous=True), *letters)
    for sign in (1, -1):
        if all(sign * c >= 0 for c in shifted.coeffs()):
            return None if strict and shifted.eval(dict.fromkeys(letters, 0)) == 0 else sign
    return None


def _condition(first: str, second: str, cost: Cost, other: Cost) -> Condition:
    """Return when a cost has fewer multiplications than another."""
    import sympy

    difference = sympy.sympify(other.multiplications - cost.multiplications)
    if difference.has(sympy.Min, sympy.Piecewise):
        return Condition(first, second, None, difference > 0)
    if sympy.expand(difference) == 0:
        return Condition(first, second, False)
    constant, factors = sympy.factor_list(difference)
    sign, left = (1 if constant > 0 else -1), []
    for factor, power in factors:
        known = _sign(factor, strict=True)
        if known is None:
            left += [factor] * (1 if power % 2 else 2)
        elif power % 2:
            sign *= known
    if not left:
        return Condition(first, second, sign > 0)
    rest = sympy.expand(sign * sympy.prod(left))
    return Condition(first, second, None, _solved(rest))


def _solved(rest: Any) -> Any:
    """Return rest > 0, solved for the first letter in which it is linear with a coefficient of known sign."""
    import sympy

    for letter in sorted(rest.free_symbols, key=str, reverse=True):
        if sympy.degree(rest, letter) != 1:
            continue
        slope = rest.coeff(letter, 1)
        sign = _sign(slope, strict=True)
        if sign is None:
            continue
        bound = sympy.factor(-(rest - slope * letter).expand() / slope)
        if sign > 0:
            return sympy.Lt(bound, letter, evaluate=False)
        return sympy.Lt(letter, bound, evaluate=False)
    plus = sympy.Add(*(term for term in sympy.Add.make_args(rest) if term.as_coeff_Mul()[0] > 0))
    return sympy.Lt(sympy.expand(plus - rest), plus, evaluate=False)


def _words(expression: Any) -> str:
    """Return an expression as people write it: h²·n for h**2*n."""
    text = str(expression)
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    text = re.sub(r"\*\*([0-9]+)", lambda found: found[1].translate(raised), text)
    return text.replace("*", "·")
