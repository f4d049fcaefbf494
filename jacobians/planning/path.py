"""The best order on a path: the interval programme for any objective."""

from __future__ import annotations

from collections.abc import Sequence

from jacobians.numerics.arguments import checked_option
from jacobians.planning.bracketing import Association, associate, cheapest
from jacobians.planning.elimination import Price
from jacobians.planning.objectives import OBJECTIVES, Judged, Objective, objective_of
from jacobians.planning.trees import Tree
from jacobians.products import product_cost, product_spec
from jacobians.spec import Spec

_MOST = 100_000  # splits that are looked at

Cell = dict[Spec, list[tuple[Judged, Tree]]]
"""Of the factors of an interval: the ways of which no other one with the same result is better in all that counts."""


def best_tree(specs: Sequence[Spec], objective: Objective, least: int = 0) -> Tree | None:
    """Return the bracketing that is best for an objective, or None if there are too many splits to look at.

    Parameters
    ----------
    specs : sequence of Spec
        The factors, output side first.
    objective : Objective
    least : int
        The fewest numbers that a result counts as: 1 where all are scalars.

    Examples
    --------
    >>> from jacobians.planning.objectives import objective_of
    >>> shapes = [(1, 9), (9, 2), (2, 9)]
    >>> best_tree([Spec.dense(*shape) for shape in shapes], objective_of("peak", None))
    ((0, 1), 2)
    """
    count = len(specs)
    if count**3 // 6 > _MOST:
        return None
    cells: dict[tuple[int, int], Cell] = {(k, k): {spec: [(Judged(0, 0), k)]} for k, spec in enumerate(specs)}
    for length in range(2, count + 1):
        for first in range(count - length + 1):
            last = first + length - 1
            cell = cells[first, last] = {}
            for split in range(first, last):
                _join(cell, cells[first, split], cells[split + 1, last], objective, least)
    ways = [way for found in cells[0, count - 1].values() for way in found]
    return min(ways, key=lambda way: objective.total([way[0]]))[1]


def least(specs: Sequence[Spec], name: str = "multiplications") -> Association:
    """Return the bracketing that is best for an objective by name, with its cost.

    Raises
    ------
    ValueError
        If the objective is unknown, or the chain is too long for any but multiplications.

    Examples
    --------
    >>> shapes = [(1, 9), (9, 2), (2, 9)]
    >>> least([Spec.dense(*shape) for shape in shapes], "additions").tree
    ((0, 1), 2)
    """
    objective = objective_of(checked_option(name, "objective", list(OBJECTIVES)), None)
    if name == "multiplications":
        return cheapest(specs)
    tree = best_tree(specs, objective)
    if tree is None:
        raise ValueError(
            f"objective: found {name!r} for a chain of {len(specs)} factors, expected 'multiplications' for one so long"
        )
    return associate(specs, tree)


def _join(cell: Cell, left: Cell, right: Cell, objective: Objective, least: int) -> None:
    for a, ways in left.items():
        for b, others in right.items():
            cost, spec = product_cost(a, b), product_spec(a, b)
            own = objective.judge(Price(cost.multiplications, cost.additions, max(spec.storage, least)))
            known = cell.setdefault(spec, [])
            for one, tree in ways:
                for other, tree_too in others:
                    added = one.added + other.added + own.added
                    now = Judged(added, max(one.peak, other.peak, own.peak))
                    if not any(way.added <= now.added and way.peak <= now.peak for way, _ in known):
                        known[:] = [(way, its) for way, its in known
                                    if way.added < now.added or way.peak < now.peak]  # fmt: skip
                        known.append((now, (tree, tree_too)))
