"""The interval programme on arrays: the cheapest bracketing of chains whose intervals have one spec each.

Where the spec of an interval doesn't depend on how it is bracketed, the programme needs two numbers an interval, and
all intervals of one length are settled by a few array operations. The costs come from the rows of the table of
products, evaluated on arrays of sizes, so that there is one statement of each cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from jacobians.cost import Cost
from jacobians.numerics.arrays import Array
from jacobians.products import count_products, product_cost, product_spec
from jacobians.products.core import remembered
from jacobians.spec import Spec, owner

Pair = tuple[Array, Array]
"""Multiplications and additions."""

_MOST = np.iinfo(np.int64).max
_FEWEST = 6  # factors, below which the general way is faster
_MOST_SPECIAL = 2_000_000  # products whose cost is looked up before the programme runs


@dataclass(frozen=True)
class IntervalPlan:
    """What the programme found: the last factor of the left side of every interval that is used, and the totals."""

    splits: Array  # [first, length − 1]: how many factors the left side has, less one
    spec: Spec
    multiplications: int
    additions: int


def interval_plan(specs: Sequence[Spec]) -> IntervalPlan | None:
    """Return the cheapest bracketing, or None if the chain needs the general way.

    Parameters
    ----------
    specs : sequence of Spec
        The factors, output side first.

    Examples
    --------
    >>> chain = [Spec.dense(4, 4), Spec.diagonal(4)] * 5
    >>> plan = interval_plan(chain)
    >>> plan.spec, plan.multiplications
    (Spec(Dense 4×4), 336)
    """
    if len(specs) < _FEWEST:
        return None
    carrying = _carrying(specs)
    if carrying is not None:
        core, whole = carrying
        found = interval_plan(core)
        return found and replace(found, spec=whole(found.spec))
    return _programme(_Kinds(specs)) if _within_int64(specs) else None


def without_carried(specs: Sequence[Spec]) -> Sequence[Spec]:
    """Return the chain without what its last factor only carries along, as J·(C ⊗ d) = (J·C) ⊗ d does for a row d.

    Examples
    --------
    >>> without_carried([Spec.dense(2, 3), Spec.kronecker(Spec.dense(3, 4), Spec.dense(1, 5))])
    [Spec(Dense 2×3), Spec(Dense 3×4)]
    """
    carrying = _carrying(specs)
    return specs if carrying is None else without_carried(carrying[0])


def _carrying(specs: Sequence[Spec]) -> tuple[list[Spec], Callable[[Spec], Spec]] | None:
    """Return the chain without what its last factor carries, and what the product is with it."""
    *others, last = specs
    carried = owner(last.structure)._carried(last)
    if carried is None or not all(_lets_carry(spec, last) for spec in {*others}):
        return None
    part, whole = carried
    return [*others, part], whole


@remembered
def _lets_carry(spec: Spec, last: Spec) -> bool:
    """Return whether what a last factor carries stays beside its products: those with Zero and sums are others."""
    carried = owner(last.structure)._carried(
        replace(last, parts=(Spec.dense(spec.shape[1], 1), *last.parts[1:]))
    )
    if carried is None:
        return False
    part, whole = carried
    carrying = whole(part)
    return product_spec(spec, carrying) == whole(product_spec(spec, part)) and (
        product_cost(spec, carrying) == product_cost(spec, part)
    )


def _within_int64(specs: Sequence[Spec]) -> bool:
    """Return whether no sum of costs can leave the 64-bit integers."""
    largest = max(max(spec.shape[0] for spec in specs), specs[-1].shape[1], sum(spec.rank for spec in specs))
    # batches of several axes may broadcast to more points than any one has
    points = math.prod(math.prod(batch) for batch in {spec.batch for spec in specs})
    # a product costs at most 8·points·largest³, whatever its structures
    return 8 * len(specs) * points * largest**3 < 2**62


class _Kinds:
    """The specs of a chain and of its intervals, less their sizes where what they cost is a formula of sizes.

    A spec of which it is none, such as that of a Kronecker product, is a kind of its own: its products are looked up
    one by one, which pays as long as few intervals are of such kinds.
    """

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.count = len(specs)
        self.sizes = np.array([*(spec.shape[0] for spec in specs), specs[-1].shape[1]], dtype=np.int64)
        self.ranks = np.concatenate([[0], np.cumsum([spec.rank for spec in specs], dtype=np.int64)])
        self.specs: list[Spec] = []  # one of each kind
        self.by_sizes: list[bool] = []
        self._numbers: dict[Any, int] = {}
        self._products: dict[tuple[int, int], int] = {}
        self.factors = [self.number(spec) for spec in specs]

    def number(self, spec: Spec) -> int:
        """Return the number of the kind of a spec."""
        by_sizes = owner(spec.structure)._by_sizes
        key = (spec.structure, spec.batch, spec.weighted, spec.repeats, spec.facts) if by_sizes else spec
        if key not in self._numbers:
            self._numbers[key] = len(self.specs)
            self.specs.append(replace(spec, shape=(1, 1), rank=min(spec.rank, 1)) if by_sizes else spec)
            self.by_sizes.append(by_sizes)
        return self._numbers[key]

    def product(self, left: int, right: int) -> int:
        """Return the number of the product of two kinds by sizes."""
        if (left, right) not in self._products:
            self._products[left, right] = self.number(product_spec(self.specs[left], self.specs[right]))
        return self._products[left, right]

    def sized(self, kind: int, first: Any, last: Any) -> Spec:
        """Return the spec of the factors from `first` to before `last`, of many intervals if these are arrays."""
        spec = self.specs[kind]
        if not self.by_sizes[kind]:
            return spec
        # the ranks of the low-rank factors of an interval add up
        rank: Any = self.ranks[last] - self.ranks[first] if spec.rank else 0
        shape: Any = (self.sizes[first], self.sizes[last])
        if isinstance(first, int):
            shape, rank = tuple(map(int, shape)), int(rank)
        return Spec(spec.structure, shape, spec.batch, (), rank, spec.weighted, spec.repeats, spec.facts)

    def product_of(self, left: int, right: int, first: int, between: int, last: int) -> tuple[int, Cost]:
        """Return number and cost of the product of two neighbouring intervals."""
        a, b = self.sized(left, first, between), self.sized(right, between, last)
        return self.number(product_spec(a, b)), product_cost(a, b)

    def main(self) -> int | None:
        """Return the kind that a long interval has, or None if there is none that its products keep."""
        known = [kind for kind in self.factors if self.by_sizes[kind]]
        if not known:
            return None
        main = reduce(self.product, known)
        return main if self.specs[main].rank == 0 and self.product(main, main) == main else None

    def others(self, main: int) -> Array | None:
        """Return the intervals that are not of the main kind, or None if there are too many.

        Returns
        -------
        numpy.ndarray, shape (3, count)
            First factor, number of factors less one, and kind.
        """
        n, factors, by_sizes = self.count, self.factors, self.by_sizes
        # from where on all factors leave the main kind as it is
        absorbed = n
        while (
            absorbed and by_sizes[factors[absorbed - 1]] and self.product(main, factors[absorbed - 1]) == main
        ):
            absorbed -= 1
        found: list[tuple[int, int, int]] = []
        fixed = 0
        for first, kind in enumerate(factors):
            for last in range(first, n):
                if last > first:
                    if kind == main and last >= absorbed:
                        break  # no longer interval is of another kind
                    other = factors[last]
                    if by_sizes[kind] and by_sizes[other]:
                        kind = self.product(kind, other)
                    else:
                        kind = self.product_of(kind, other, first, last, last + 1)[0]
                if kind != main:
                    found.append((first, last - first, kind))
                    fixed += not by_sizes[kind]
            if 24 * fixed > n * n or 2 * len(found) * n > _MOST_SPECIAL:
                return None  # the general way looks fewer products up
        return np.array(found, dtype=np.intp).reshape(-1, 3).T


def _programme(kinds: _Kinds) -> IntervalPlan | None:
    main = kinds.main()
    special = None if main is None else kinds.others(main)
    if main is None or special is None:
        return None
    by_start = np.full((kinds.count, kinds.count), main)  # [first, length − 1]: the kind of an interval
    by_start[special[0], special[1]] = special[2]
    products = _special_products(special, by_start, kinds)
    if products is None:
        return None
    offsets, places, costs = products
    n = kinds.count
    behind = kinds.sizes[np.minimum(1 + np.arange(n)[:, None] + np.arange(n), n)]
    mains = _main_products(kinds.specs[main], kinds.sizes, behind)
    if mains is None:
        return None
    slopes, constants = mains
    splits, multiplications, additions = _cheapest_splits(behind, slopes, constants, offsets, places, costs)
    return IntervalPlan(splits, kinds.sized(int(by_start[0, -1]), 0, n), multiplications, additions)


def _main_products(main: Spec, sizes: Array, behind: Array) -> tuple[Pair, Pair] | None:
    """Return the costs of products of the main kind, which are linear in the inner size, or None if they are not.

    Parameters
    ----------
    main : Spec
    sizes : numpy.ndarray, shape (n + 1,)
    behind : numpy.ndarray, shape (n, n)
        The last size of each interval, by [first, length − 1].

    Returns
    -------
    slopes, constants : pairs of numpy.ndarray, shape (n, n)
        Multiplications and additions by [first, length − 1]: slope·(inner size) + constant.
    """
    n = len(sizes) - 1
    outer = sizes[:n, None]

    def counts(inner: int, rows: int) -> Pair:
        left: Any = (outer[:rows], inner)
        right: Any = (inner, behind[:rows])
        count = count_products(replace(main, shape=left), replace(main, shape=right))
        multiplications, additions = (
            np.broadcast_to(part, (rows, n)) for part in (count.multiplications, count.additions)
        )
        return multiplications, additions

    one, two = counts(1, n), counts(2, n)
    slopes = two[0] - one[0], two[1] - one[1]
    # the formula is the same for all sizes: one factor shows whether it is linear
    for of_one, slope, of_three in zip(one, slopes, counts(3, 1), strict=True):
        if not np.array_equal(of_one[:1] + 2 * slope[:1], of_three):
            return None
    return slopes, (one[0] - slopes[0], one[1] - slopes[1])


def _cheapest_splits(
    behind: Array, slopes: Pair, constants: Pair, offsets: Array, places: Array, costs: Pair
) -> tuple[Array, int, int]:
    """Return the splits, and the multiplications and additions of the whole chain.

    Where 64 bits hold both, one number stands for the two: multiplications·unit − (multiplications − additions), with
    the difference always less than the unit. Then the least number has the fewest multiplications, and of equals the
    fewest additions. Otherwise ties are settled where there are any.
    """
    n = len(behind)
    unit = _unit(behind, slopes, constants, costs)
    # one number a product, or multiplications and additions
    made = [
        [multiplications * (unit - 1) + additions] if unit else [multiplications, additions]
        for multiplications, additions in (slopes, constants, costs)
    ]
    lengths = np.repeat(np.arange(-1, n), np.diff(offsets)) + 1
    # the constant of an interval is the same for all its splits: it is added in the end
    made[2] = [cost - constant[places[0], lengths - 1] for constant, cost in zip(*made[1:], strict=True)]
    flat = places[0] * (lengths - 1) + places[1]
    bounds = offsets.tolist()
    # sums so far, [first, length − 1] and [last, n − length], so that both sides of all splits are plain slices
    starts = [np.zeros((n, n), dtype=np.int64) for _ in made[0]]
    ends = [np.zeros((n, n), dtype=np.int64) for _ in made[0]]
    numbers = [*zip(*made, starts, ends, strict=True)]
    splits = np.zeros((n, n), dtype=np.intp)
    every = np.arange(n)
    for length in range(2, n + 1):
        rows, ways = n - length + 1, length - 1
        sums = []
        for slope, _, cost, start, end in numbers:
            product = slope[:rows, ways, None] * behind[:rows, :ways]  # the left side's last size is between
            if bounds[length] < bounds[length + 1]:
                at = slice(bounds[length], bounds[length + 1])
                product.reshape(-1)[flat[at]] = cost[at]
            total = start[:rows, :ways] + end[ways:, n - ways :]
            total += product
            sums.append(total)
        chosen = sums[0].argmin(axis=1)  # the first of equals: the leftmost split
        each = every[:rows]
        if not unit:
            tied = sums[0] == sums[0][each, chosen, None]
            if np.count_nonzero(tied) > rows:
                chosen = np.where(tied, sums[1], _MOST).argmin(axis=1)
        for (_, constant, _, start, end), total in zip(numbers, sums, strict=True):
            fewest = total[each, chosen]
            fewest += constant[:rows, ways]
            start[:rows, ways] = end[ways:, n - length] = fewest
        splits[:rows, ways] = chosen
    whole = [int(part[0, -1]) for part in starts]
    if not unit:
        return splits, whole[0], whole[1]
    multiplications = -(-whole[0] // unit)
    return splits, multiplications, whole[0] - multiplications * (unit - 1)


def _unit(behind: Array, slopes: Pair, constants: Pair, costs: Pair) -> int:
    """Return a number above all sums of (multiplications − additions) if 64 bits hold its products, or else 0."""
    n, largest = len(behind), int(behind.max())
    slope, constant, cost = (part[0] - part[1] for part in (slopes, constants, costs))
    least = min(int(part.min(initial=0)) for part in (slope, constant, cost))
    unit = n * max(int(slope.max()) * largest + int(constant.max()), int(cost.max(initial=0))) + 1
    most = max(int(slopes[0].max()) * largest + int(constants[0].max()), int(costs[0].max(initial=0)))
    return unit if least >= 0 and n * most * unit < 2**62 else 0


def _special_products(special: Array, by_start: Array, kinds: _Kinds) -> tuple[Array, Array, Pair] | None:
    """Return the costs of all products with a side that is not of the main kind, by length.

    None if one of them has another kind than its interval by another split: then the programme would be wrong.

    Returns
    -------
    offsets : numpy.ndarray
        Where the products of each length begin.
    places : numpy.ndarray, shape (2, count)
        First factor, and the number of factors of the left side less one.
    costs : pair of numpy.ndarray, shape (count,)
        Multiplications and additions.
    """
    n = kinds.count
    first, short, _ = special
    # as left sides: every last factor beyond; as right sides: every first factor before
    other = np.arange(n)
    left = np.nonzero(other > (first + short)[:, None])
    right = np.nonzero(other < first[:, None])
    i = np.concatenate([first[left[0]], right[1]])
    k = np.concatenate([(first + short)[left[0]], first[right[0]] - 1])
    j = np.concatenate([left[1], (first + short)[right[0]]])
    order = np.argsort((j - i).astype(np.uint16), kind="stable")  # short integers are sorted by their digits
    i, k, j = i[order], k[order], j[order]
    offsets = np.searchsorted(j - i + 1, np.arange(n + 2))
    whole = by_start[i, j - i]
    a, b = by_start[i, k - i], by_start[k + 1, j - k - 1]
    costs = np.empty(len(i), dtype=np.int64), np.empty(len(i), dtype=np.int64)
    ends, known = k + 1, np.array(kinds.by_sizes)
    alone = ~(known[a] & known[b])  # products that are looked up one by one
    at = np.flatnonzero(alone)
    for place, *found in zip(
        *(part[at].tolist() for part in (np.arange(len(i)), a, b, i, ends, j + 1)), strict=True
    ):
        kind, cost = kinds.product_of(*found)
        if kind != whole[place] or max(cost.multiplications, cost.additions) > 2**61 // n:
            return None
        costs[0][place], costs[1][place] = cost.multiplications, cost.additions
    none = len(known) ** 2
    pairs = np.where(alone, none, a * len(known) + b)
    for pair in np.flatnonzero(np.bincount(pairs, minlength=none)[:none]).tolist():
        at = np.flatnonzero(pairs == pair)
        A, B = divmod(pair, len(known))
        if (whole[at] != kinds.product(A, B)).any():
            return None
        count = count_products(kinds.sized(A, i[at], ends[at]), kinds.sized(B, ends[at], j[at] + 1))
        costs[0][at], costs[1][at] = count.multiplications, count.additions
    return offsets, np.stack([i, k - i]), costs
