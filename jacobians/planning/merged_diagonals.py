"""Bracketings of dense factors with others between them, as every network has them, in almost linear time.

A bracketing of the dense factors alone is a triangulation of a polygon whose corners are the sizes (see
:mod:`~jacobians.planning.hu_shing`). Between them stand square factors that a dense one takes in, and is dense
afterwards: diagonals, scaled identities, diagonals plus low rank, permutations. Such a factor of the size of corner p
is multiplied, alone or together with neighbours of its corner, with the matrix of one arc or side (p, q), for α·w_q
multiplications on either side. No bracketing is cheaper than the cheapest one of the dense factors plus, for each
corner, the cheapest way to take its factors in at the least w_q of all other corners q. Where the triangulation of Hu
and Shing has an arc or a side from each such corner to a least other one, that bound is met, and the bracketing is
proven; elsewhere the programme has to look. Additions are those of the dense products and of what is taken in, which
are as many wherever the bound is met, so that the fewest of these are the fewest of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from jacobians.cost import ZERO_COST, Cost
from jacobians.planning.dynamic_programming import without_carried
from jacobians.planning.hu_shing import dense_bracketing
from jacobians.planning.intervals import all_ways, tree_of
from jacobians.planning.trees import Tree, flat, fold, folded
from jacobians.products import product_cost, product_spec
from jacobians.products.core import remembered
from jacobians.spec import Batch, Spec, broadcast, owner

_MOST_MIXED = 5  # factors of one corner that are not all alike: their groups double with each


class Merged(NamedTuple):
    """A bracketing, and a bound on the multiplications of all of them, which it may meet."""

    tree: Tree
    bound: int


class Unit(NamedTuple):
    """What a dense matrix takes in at once: some neighbouring factors of a corner, and whether that is free."""

    tree: Tree
    length: int
    free: bool


Grouping = Sequence[Unit]

Runs = Sequence[Sequence[Grouping]]
"""The cheapest ways to take in what stands at each corner, all of which cost the same."""


def merged_bracketing(specs: Sequence[Spec]) -> Merged | None:
    """Return the leftmost bracketing that meets the bound; None for other chains, or where none was found.

    Parameters
    ----------
    specs : sequence of Spec
        The factors, output side first.

    Examples
    --------
    >>> merged_bracketing([Spec.dense(4, 3), Spec.diagonal(3), Spec.dense(3, 2)])
    Merged(tree=(0, (1, 2)), bound=30)
    """
    specs = without_carried(specs)
    dense = [place for place, spec in enumerate(specs) if spec.is_dense]
    if len(dense) < 2:
        return None
    ends = [*dense, len(specs)]
    places = [range(dense[0]), *(range(a + 1, b) for a, b in pairwise(ends))]
    batch = _common_batch(specs, dense)
    if batch is None:
        return None
    sizes = [specs[place].shape[0] for place in dense]
    sizes.append(specs[dense[-1]].shape[1])
    known: dict[tuple[tuple[Spec, ...], int], tuple[int, list[Grouping]] | None] = {}
    tree, products = dense_bracketing(sizes)
    least = _least_others(sizes)
    points = Spec.dense(1, 1, batch).batch_size
    bound = points * sum(rows * inner * columns for rows, inner, columns in zip(*products, strict=True))
    taken = _Taken(batch, sizes)
    runs: list[list[Grouping]] = []
    for run, other in zip(places, least, strict=True):
        key = tuple(specs[place] for place in run), other
        if key not in known:
            known[key] = taken.groupings(*key) if run else (0, [[]])
        found = known[key]
        if found is None:
            return None
        bound += found[0]
        first = run.start
        runs.append([[unit._replace(tree=_moved(unit.tree, first)) for unit in units] for units in found[1]])
    placed = _placed(_parts(tree, sizes), sizes, least, dense, runs)
    return placed if placed is None else Merged(placed, bound)


def _common_batch(specs: Sequence[Spec], dense: Sequence[int]) -> Batch | None:
    """Return the points of every product of several dense factors, None if some are of fewer than all."""
    batches = {spec.batch for spec in specs}
    batch = broadcast(*batches)
    if not batches <= {batch, ()}:
        return None
    # each product of two intervals has a factor of all points: one of the corner between them, or one beside it
    for before, behind in pairwise(dense):
        if all(spec.batch != batch for spec in specs[before : behind + 1]):
            return None
    return batch


def _moved(tree: Tree, by: int) -> Tree:
    if isinstance(tree, int):
        return tree + by

    def pair(left: Tree, right: Tree) -> Tree:
        return left, right

    return folded(flat(tree), by.__add__, pair)


@remembered
def _rate(spec: Spec, batch: Batch, sizes: tuple[int, ...]) -> Cost | None:
    """Return what a row of a dense matrix costs that takes a factor in; None if it costs or is anything else.

    Parameters
    ----------
    spec : Spec
    batch : tuple of int
        The points of the dense matrix.
    sizes : tuple of int
        Of which numbers of rows it is asked, 1 first.
    """
    n = spec.shape[0]
    if spec.shape != (n, n):
        return None
    rate: Cost | None = None
    for size in sizes:
        left, right = Spec.dense(size, n, batch), Spec.dense(n, size, batch)
        if product_spec(left, spec) != left or product_spec(spec, right) != right:
            return None
        cost = product_cost(left, spec)
        rate = rate or cost
        if cost != size * rate or product_cost(spec, right) != cost:
            return None
    if rate == ZERO_COST:
        return rate
    # what holds for one point only is taken in for fewer, if the dense matrix does so, too
    return rate if rate is not None and rate.multiplications and spec.batch == batch else None


class _Taken:
    """How dense matrices for `batch` take others in, of which those of some sizes are asked."""

    def __init__(self, batch: Batch, sizes: Iterable[int]) -> None:
        self.batch, self.sizes = batch, tuple(sorted({1, *sizes}))

    def rate(self, spec: Spec) -> Cost | None:
        """Return what a row of a dense matrix costs that takes the factor in; None if that is not so simple."""
        # a formula of sizes is linear where it is so for three of them
        return _rate(spec, self.batch, (1, 2, 3) if owner(spec.structure)._by_sizes else self.sizes)

    def groupings(self, run: tuple[Spec, ...], size: int) -> tuple[int, list[Grouping]] | None:
        """Return the cheapest ways in which a matrix of `size` rows takes in the factors of a corner, and their cost.

        None where that is not known. Of many alike the finest and the coarsest of equal ways stand for all.
        """
        first, count = run[0], len(run)
        rate = self.rate(first)
        if rate is None:
            return None
        free = rate.multiplications == 0
        if count > 1 and not (all(spec == first for spec in run) and product_spec(first, first) == first):
            return self._mixed(run, size) if count <= _MOST_MIXED else None
        apart = size * rate
        together = product_cost(first, first) if count > 1 else apart
        ways: list[tuple[Cost, Grouping]] = [
            (count * apart, [Unit(place, 1, free) for place in range(count)]),
            ((count - 1) * together + apart, [Unit(_last_first(count), count, free)]),
        ]
        return _cheapest(ways)

    def _mixed(self, run: tuple[Spec, ...], size: int) -> tuple[int, list[Grouping]] | None:
        ways, pairs = all_ways(run)
        found: list[tuple[Cost, Grouping]] = []
        for groups in _groups(len(run)):
            options: list[tuple[Cost, Grouping]] = [(ZERO_COST, [])]
            for first, last in groups:
                formed = []
                for number, multiplications, additions, *_ in ways[first][last]:
                    rate = self.rate(pairs.specs[number])
                    if rate is None:
                        return None
                    tree = tree_of(ways, (first, last, number))
                    unit = Unit(tree, last - first + 1, rate.multiplications == 0)
                    formed.append((Cost(multiplications, additions) + size * rate, unit))
                options = [(cost + more, [*units, unit]) for cost, units in options for more, unit in formed]
            found += options
        return _cheapest(found)


def _cheapest(ways: Sequence[tuple[Cost, Grouping]]) -> tuple[int, list[Grouping]]:
    least = min(cost for cost, _ in ways)
    return least.multiplications, [units for cost, units in ways if cost == least]


def _before(groupings: Sequence[Grouping]) -> Grouping:
    """Return the one whose splits are the leftmost in front of a matrix: the first units as small as possible."""
    return min(groupings, key=lambda units: [unit.length for unit in units])


def _behind(groupings: Sequence[Grouping]) -> Grouping:
    """Return the one whose splits are the leftmost behind a matrix: the last units as large as possible."""
    return max(groupings, key=lambda units: [unit.length for unit in reversed(units)])


def _costly(units: Grouping) -> int:
    """Return how many factors stand up to the last unit that is not free."""
    counts = [0, *accumulate(unit.length for unit in units)]
    return max((count for unit, count in zip(units, counts[1:], strict=True) if not unit.free), default=0)


def _parted(groupings: Sequence[Grouping]) -> tuple[Grouping, Grouping]:
    """Return what goes behind one matrix, as little as need be, and what is free before the next one."""
    count = min(map(_costly, groupings))
    behind, before = [], []
    for units in groupings:
        if _costly(units) == count:
            counts = [*accumulate((unit.length for unit in units), initial=0)]
            place = counts.index(count)
            behind.append(units[:place])
            before.append(units[place:])
    return _behind(behind), _before(before)


def _groups(count: int) -> Iterator[list[tuple[int, int]]]:
    """Yield all ways to cut a row into groups, by first and last places."""
    for cuts in range(2 ** (count - 1)):
        starts = [0, *(place for place in range(1, count) if cuts >> (place - 1) & 1)]
        yield [(a, b - 1) for a, b in pairwise([*starts, count])]


def _last_first(count: int) -> Tree:
    """Return the bracketing of which each split is the leftmost one."""
    tree: Tree = count - 1
    for place in range(count - 2, -1, -1):
        tree = (place, tree)
    return tree


def _least_others(sizes: Sequence[int]) -> list[int]:
    """Return the least of all other sizes for each one."""
    first, second = sorted(sizes)[:2]
    return [second if size == first else first for size in sizes]


class _Part(NamedTuple):
    """An interval of the dense factors: its corners, its sides, and the least sizes that its end corners reach."""

    first: int
    last: int
    sides: tuple[_Part, _Part] | None
    from_first: int
    from_last: int


def _parts(tree: Tree, sizes: Sequence[int]) -> _Part:
    """Return a bracketing of dense factors with what is asked of each interval."""

    def leaf(factor: int) -> _Part:
        return _Part(factor, factor + 1, None, sizes[factor + 1], sizes[factor])

    def join(left: _Part, right: _Part) -> _Part:
        a, b = left.first, right.last
        return _Part(a, b, (left, right), min(sizes[b], left.from_first), min(sizes[a], right.from_last))

    return fold(tree, leaf, join)


def _placed(
    whole: _Part, sizes: Sequence[int], least: Sequence[int], dense: Sequence[int], runs: Runs
) -> Tree | None:
    """Return the bracketing with what each corner takes in where it meets the bound, None if some can't.

    Of several places each takes the one with the leftmost splits: left of what it scales as soon as possible, right of
    it as late as possible. What is free meets the bound anywhere.
    """
    formed: list[Tree] = []
    # what is to be formed, the last first: a part with units before and behind it, a unit, or the product of two
    waiting: list[tuple[_Part, Grouping, Grouping] | Unit | None] = [
        (whole, _before(runs[0]), _behind(runs[-1]))
    ]
    while waiting:
        item = waiting.pop()
        if item is None:
            last = formed.pop()
            formed.append((formed.pop(), last))
            continue
        if isinstance(item, Unit):
            formed.append(item.tree)
            continue
        part, leading, trailing = item
        a, b = part.first, part.last
        if leading and (leading[0].free or sizes[b] == least[a]):
            waiting += [None, (part, leading[1:], trailing), leading[0]]
        elif trailing and (
            part.sides is None
            or not (part.sides[1].from_last == least[b] or all(unit.free for unit in trailing))
        ):
            if sizes[a] != least[b] and not trailing[-1].free:
                return None
            waiting += [None, trailing[-1], (part, leading, trailing[:-1])]
        elif part.sides is None:
            if leading:
                return None
            formed.append(dense[a])
        else:
            left, right = part.sides
            p = right.first
            # those that cost something, and all before them, go where a least corner is reached
            reached = right.from_first == least[p]
            behind, before = ([], _before(runs[p])) if reached else _parted(runs[p])
            waiting += [None, (right, before, trailing), (left, leading, behind)]
    return formed[0]
