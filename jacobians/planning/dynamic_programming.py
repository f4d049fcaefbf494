"""The interval programme on arrays: the cheapest bracketing of chains whose intervals have one spec each.

Where the spec of an interval doesn't depend on how it is bracketed, the programme needs two numbers an interval, and
all intervals of one length are settled by a few array operations. The costs come from the rows of the table of
products, evaluated on arrays of sizes, so that there is one statement of each cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array
from jacobians.products import count_products, product_spec
from jacobians.spec import Spec, owner

Pair = tuple[Array, Array]
"""Multiplications and additions."""

_MOST = np.iinfo(np.int64).max
_FEWEST = 6  # factors, below which the general way is faster
_MOST_KINDS = 16
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
    last = specs[-1]
    if last.structure == "Kronecker" and last.parts[1].shape[0] == 1:
        # J·(C ⊗ d) = (J·C) ⊗ d for one row d: it costs what J·C costs, whatever stands to the left
        core = interval_plan([*specs[:-1], last.parts[0]])
        return core and replace(core, spec=Spec.kronecker(core.spec, last.parts[1]))
    if not all(owner(spec.structure)._by_sizes for spec in specs) or not _within_int64(specs):
        return None
    kinds = _Kinds.of(specs)
    return None if kinds is None else _programme(specs, kinds)


def _within_int64(specs: Sequence[Spec]) -> bool:
    """Return whether no sum of costs can leave the 64-bit integers."""
    largest = max(max(spec.shape[0] for spec in specs), specs[-1].shape[1], sum(spec.rank for spec in specs))
    # batches of several axes may broadcast to more points than any one has
    points = math.prod(math.prod(batch) for batch in {spec.batch for spec in specs})
    # a product costs at most 8·points·largest³, whatever its structures
    return 8 * len(specs) * points * largest**3 < 2**62


@dataclass(frozen=True)
class _Kinds:
    """The specs of a chain and of its products, less their sizes; confluent if the product of kinds is associative."""

    specs: list[Spec]  # one of each kind, of size 1
    product: Array  # [left, right]: the number of the result
    factors: list[int]  # the kind of each factor

    @classmethod
    def of(cls, specs: Sequence[Spec]) -> _Kinds | None:
        """Return the kinds of a chain, or None where a product's depends on its bracketing."""
        numbers: dict[tuple[Any, ...], int] = {}
        found: list[Spec] = []

        def number(spec: Spec) -> int:
            key = (spec.structure, spec.batch, spec.weighted, spec.repeats)
            if key not in numbers:
                numbers[key] = len(found)
                found.append(replace(spec, shape=(1, 1), parts=(), rank=min(spec.rank, 1)))
            return numbers[key]

        factors = [number(spec) for spec in specs]
        products: dict[tuple[int, int], int] = {}
        while len(products) < len(found) ** 2:
            if len(found) > _MOST_KINDS:
                return None
            for a in range(len(found)):
                for b in range(len(found)):
                    if (a, b) not in products:
                        left, right = found[a], found[b]
                        products[a, b] = number(product_spec(left, right))
        count = len(found)
        table = np.array([[products[a, b] for b in range(count)] for a in range(count)])
        every = np.arange(count)
        associative = table[table[:, :, None], every] == table[every[:, None, None], table[None]]
        return cls(found, table, factors) if associative.all() else None

    def intervals(self) -> tuple[int, Array]:
        """Return the kind of the whole chain, and the intervals that are of another one.

        Returns
        -------
        whole : int
        others : numpy.ndarray, shape (3, count)
            First factor, number of factors less one, and kind.
        """
        table, factors = self.product.tolist(), self.factors
        whole = factors[0]
        for factor in factors[1:]:
            whole = table[whole][factor]
        absorbs = all(table[whole][factor] == whole for factor in set(factors))
        others: list[tuple[int, int, int]] = []
        for first, kind in enumerate(factors):
            if kind != whole:
                others.append((first, 0, kind))
            for last in range(first + 1, len(factors)):
                if kind == whole and absorbs:
                    break  # no longer interval is of another kind
                kind = table[kind][factors[last]]
                if kind != whole:
                    others.append((first, last - first, kind))
        return whole, np.array(others, dtype=np.intp).reshape(-1, 3).T


def _programme(specs: Sequence[Spec], kinds: _Kinds) -> IntervalPlan | None:
    sizes = np.array([*(spec.shape[0] for spec in specs), specs[-1].shape[1]], dtype=np.int64)
    ranks = np.concatenate([[0], np.cumsum([spec.rank for spec in specs], dtype=np.int64)])
    whole, special = kinds.intervals()
    main = kinds.specs[whole]
    if main.structure not in ("Dense", "Diagonal"):
        return None
    products = _special_products(special, whole, kinds, sizes, ranks)
    if products is None:
        return None
    offsets, places, costs = products
    n = len(specs)
    behind = sizes[np.minimum(1 + np.arange(n)[:, None] + np.arange(n), n)]
    mains = _main_products(main, sizes, behind)
    if mains is None:
        return None
    slopes, constants = mains
    splits, multiplications, additions = _cheapest_splits(behind, slopes, constants, offsets, places, costs)
    spec = replace(main, shape=(int(sizes[0]), int(sizes[-1])))
    return IntervalPlan(splits, spec, multiplications, additions)


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
        count = count_products(
            Spec(main.structure, left, main.batch), Spec(main.structure, right, main.batch)
        )
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


def _special_products(
    special: Array, whole: int, kinds: _Kinds, sizes: Array, ranks: Array
) -> tuple[Array, Array, Pair] | None:
    """Return the costs of all products with a side that is not of the kind of the whole chain, by length.

    Returns
    -------
    offsets : numpy.ndarray
        Where the products of each length begin.
    places : numpy.ndarray, shape (2, count)
        First factor, and the number of factors of the left side less one.
    costs : pair of numpy.ndarray, shape (count,)
        Multiplications and additions.
    """
    n = len(sizes) - 1
    first, short, kind = special
    if 2 * len(first) * n > _MOST_SPECIAL:
        return None
    by_start = np.full((n, n), whole)  # [first, length − 1]: the kind of an interval
    by_start[first, short] = kind
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
    a, b = by_start[i, k - i], by_start[k + 1, j - k - 1]
    costs = np.empty(len(i), dtype=np.int64), np.empty(len(i), dtype=np.int64)
    pairs = a * len(kinds.specs) + b
    for pair in np.flatnonzero(np.bincount(pairs)).tolist():
        at = np.flatnonzero(pairs == pair)
        p, q, r = i[at], k[at] + 1, j[at] + 1
        A, B = (kinds.specs[place] for place in divmod(pair, len(kinds.specs)))
        count = count_products(_sized(A, sizes, ranks, p, q), _sized(B, sizes, ranks, q, r))
        costs[0][at], costs[1][at] = count.multiplications, count.additions
    return offsets, np.stack([i, k - i]), costs


def _sized(kind: Spec, sizes: Array, ranks: Array, first: Array, last: Array) -> Spec:
    """Return a spec of many intervals at once: arrays stand for the sizes and the rank."""
    shape: Any = (sizes[first], sizes[last])
    # the ranks of the low-rank factors of an interval add up
    rank: Any = ranks[last] - ranks[first] if kind.rank else 0
    return Spec(kind.structure, shape, kind.batch, (), rank, kind.weighted, kind.repeats)
