"""What the bracketings of a chain cost where its sizes are letters, and when one of them beats another."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING, Any

from backprop.chain import Chain
from backprop.symbolic_conditions import Condition, condition, factored, sign, words
from backprop.symbolic_picture import SIZES, USUAL, plane_svg
from backprop.tables import WIDTH, Tex, latex_table, markdown_table, text_table
from jacobians import Cost
from jacobians.markup import html_table
from jacobians.numerics.arguments import checked_integer, checked_mapping, checked_option, shown
from jacobians.picture import Picture
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
        found = [condition(a.strategy, b.strategy, a.cost, b.cost) for a, b in pairs]
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

    def picture(
        self, across: str | None = None, down: str | None = None, sizes: Mapping[str, int] | None = None
    ) -> Picture:
        """Return the plane of two letters, in which each cell has the colour of what costs least there.

        Parameters
        ----------
        across, down : str, optional
            The letters; by default two that decide a condition. Of one letter it is a row.
        sizes : dict, optional
            Of other letters, by name; 16 by default.

        Raises
        ------
        TypeError, ValueError
            If there is no such letter, both are one, or a size is no positive integer.

        Examples
        --------
        >>> import sympy
        >>> n, h = sympy.symbols("n h", integer=True, positive=True)
        >>> symbolic_costs(Chain.from_shapes([(n, h), (h, h), (h, 5)])).picture().count("left costs least")
        1
        """
        names = [str(letter) for letter in self.letters]
        decisive = [c.relation for c in self.conditions if c.relation is not None]
        usual = sorted(map(str, decisive[0].free_symbols)) if decisive else []
        usual += [name for name in names if name not in usual]
        first = checked_option(across, "across", names) if across is not None else None
        second = checked_option(down, "down", names) if down is not None else None
        if first is not None and first == second:
            raise ValueError(f"across, down: found {first!r} twice, expected two of {names}")
        first = first or next(name for name in usual if name != second)
        second = second or next((name for name in usual if name != first), None)
        others = {name: USUAL for name in names if name not in (first, second)}
        for name, size in checked_mapping(
            {} if sizes is None else sizes, "sizes", "numbers by letter, {'n': 16}"
        ).items():
            checked_option(name, "sizes", [*others])
            others[name] = checked_integer(size, f"sizes[{name!r}]")
        winners = {}
        for column in SIZES:
            for row in SIZES if second is not None else SIZES[:1]:
                costs = self.at({**others, first: column, **({} if second is None else {second: row})})
                least = min(cost.multiplications for cost in costs.values())
                winners[column, row] = [own for own, cost in costs.items() if cost.multiplications == least]
        fixed = ", ".join(f"{name} = {size}" for name, size in others.items())
        texts = {item.strategy: item.bracketing for item in self.alternatives}
        return Picture(plane_svg(first, second, winners, texts, [str(c) for c in self.conditions[:8]], fixed))

    def _table(self) -> tuple[list[str], list[list[str]]]:
        header = ["strategy", "bracketing", "multiplications", "additions"]
        rows = [
            [item.strategy, item.bracketing, words(item.cost.multiplications), words(item.cost.additions)]
            for item in self.alternatives
        ]
        return header, rows

    @property
    def _note(self) -> str:
        return CONVENTION + ("" if self.complete else " Of so many factors only these orders were compared.")

    def to_dict(self) -> dict[str, Any]:
        """Return expressions and conditions as texts.

        ``sympy.sympify(text, locals={name: symbol, …})`` reads them; without the letters as locals it takes N, E, I and
        others for what sympy means by them.
        """
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
        return (
            f"{html_table(*self._table())}<ul>{conditions}</ul><p>{escape(self._note)}</p>"
            + self.picture()._repr_html_()
        )

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
        cost = Cost(factored(cost.multiplications), factored(cost.additions))
        found.append(SymbolicAlternative(name, chain.plan(tree).bracketing, tree, cost))
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
    side = sign(more)
    if side == 0:
        return order.index(other) < order.index(item)
    return side == 1
