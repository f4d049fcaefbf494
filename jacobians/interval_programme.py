"""The interval programme on arrays: the cheapest bracketing of chains whose intervals have one spec each.

Where the spec of an interval doesn't depend on how it is bracketed, the programme needs two numbers an interval, and
all intervals of one length are settled by a few array operations. The costs come from the rows of the table of
products, evaluated on arrays of sizes, so that there is one statement of each cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jacobians.arrays import Array
from jacobians.products import count_products, find_row
from jacobians.spec import Spec

_CONFLUENT = ("Identity", "Diagonal", "Dense", "DiagonalPlusLowRank", "Selection")
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
    if any(spec.structure not in _CONFLUENT for spec in specs) or not _within_int64(specs):
        return None
    kinds = _Kinds.of(specs)
    return None if kinds is None else _programme(specs, kinds)


def _within_int64(specs: Sequence[Spec]) -> bool:
    """Return whether no sum of costs can leave the 64-bit integers."""
    largest = max(max(spec.shape[0] for spec in specs), specs[-1].shape[1], sum(spec.rank for spec in specs))
    points = max(1, *(spec.batch_size for spec in specs))
    for spec in specs:
        # batches of several axes may broadcast to more points than any one has
        if spec.batch and spec.batch_size != points:
            points *= spec.batch_size
    # a product costs at most 8·points·largest³, whatever its structures
    return 8 * len(specs) * points * largest**3 < 2**62


@dataclass(frozen=True)
class _Kinds:
    """The specs of a chain and of its products, less their sizes; confluent if the product of kinds is associative."""

    specs: list[Spec]  # one of each kind, of size 1
    product: Array  # [left, right]: the number of the result
    factors: Array  # the kind of each factor

    @classmethod
    def of(cls, specs: Sequence[Spec]) -> _Kinds | None:
        """Return the kinds of a chain, or None where a product's depends on its bracketing."""
        numbers: dict[tuple[Any, ...], int] = {}
        found: list[Spec] = []

        def number(spec: Spec) -> int:
            key = (spec.structure, spec.batch, spec.weighted, spec.repeats)
            if key not in numbers:
                numbers[key] = len(found)
                rank = 1 if spec.structure == "DiagonalPlusLowRank" else 0
                found.append(replace(spec, shape=(1, 1), parts=(), rank=rank))
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
                        products[a, b] = number(find_row(left, right).result(left, right))
        count = len(found)
        table = np.array([[products[a, b] for b in range(count)] for a in range(count)])
        every = np.arange(count)
        associative = table[table[:, :, None], every] == table[every[:, None, None], table[None]]
        return cls(found, table, np.array(factors)) if associative.all() else None


def _programme(specs: Sequence[Spec], kinds: _Kinds) -> IntervalPlan | None:
    n = len(specs)
    sizes = np.array([*(spec.shape[0] for spec in specs), specs[-1].shape[1]], dtype=np.int64)
    ranks = np.concatenate([[0], np.cumsum([spec.rank for spec in specs], dtype=np.int64)])
    by_start = np.zeros((n, n), dtype=np.intp)  # [first, length − 1]: the kind of an interval
    by_start[:, 0] = kinds.factors
    for length in range(2, n + 1):
        rows = n - length + 1
        by_start[:rows, length - 1] = kinds.product[by_start[:rows, length - 2], kinds.factors[length - 1 :]]
    whole = int(by_start[0, -1])
    main = kinds.specs[whole]
    if main.structure not in ("Dense", "Diagonal"):
        return None
    special = _special_products(by_start, whole, kinds, sizes, ranks)
    if special is None:
        return None
    offsets, places, costs = special
    mains = _main_products(main, sizes)
    if mains is None:
        return None
    slopes, constants = mains
    splits, multiplications, additions = _cheapest_splits(sizes, slopes, constants, offsets, places, costs)
    spec = replace(main, shape=(int(sizes[0]), int(sizes[-1])))
    return IntervalPlan(splits, spec, multiplications, additions)


def _main_products(main: Spec, sizes: Array) -> tuple[Array, Array] | None:
    """Return the costs of products of the main kind, which are linear in the inner size, or None if they are not.

    Returns
    -------
    slopes, constants : numpy.ndarray, shape (2, n, n)
        Multiplications and additions by [first, length − 1]: slope·(inner size) + constant.
    """
    n = len(sizes) - 1
    outer = sizes[:n, None]
    last = sizes[np.minimum(1 + np.arange(n)[:, None] + np.arange(n), n)]
    found = []
    for inner in (1, 2, 3):
        left: Any = (outer, inner)
        right: Any = (inner, last)
        count = count_products(
            Spec(main.structure, left, main.batch), Spec(main.structure, right, main.batch)
        )
        found.append(
            np.stack([np.broadcast_to(part, (n, n)) for part in (count.multiplications, count.additions)])
        )
    slopes = found[1] - found[0]
    return (slopes, found[0] - slopes) if np.array_equal(found[2] - found[1], slopes) else None


def _cheapest_splits(
    sizes: Array, slopes: Array, constants: Array, offsets: Array, places: Array, costs: Array
) -> tuple[Array, int, int]:
    """Return the splits, and the multiplications and additions of the whole chain.

    Where 64 bits hold both, one number stands for the two: multiplications·unit − (multiplications − additions), with
    the difference always less than the unit. Then the least number has the fewest multiplications, and of equals the
    fewest additions. Otherwise ties are settled where there are any.
    """
    n = len(sizes) - 1
    unit = _unit(sizes, slopes, constants, costs)
    if unit:
        slopes, constants, costs = (
            (part[:1] * (unit - 1) + part[1:]) for part in (slopes, constants, costs)
        )  # one number a product
    lengths = np.repeat(np.arange(-1, n), np.diff(offsets)) + 1
    # the constant of an interval is the same for all its splits: it is added in the end
    costs = costs - constants[:, places[0], lengths - 1]
    flat = places[0] * (lengths - 1) + places[1]
    bounds = offsets.tolist()
    # inner[first, s]: the size between the two sides when the left one has s + 1 factors
    inner = sizes[np.minimum(1 + np.arange(n)[:, None] + np.arange(n), n)]
    # sums so far, [first, length − 1] and [last, n − length], so that both sides of all splits are plain slices
    starts = [np.zeros((n, n), dtype=np.int64) for _ in costs]
    ends = [np.zeros((n, n), dtype=np.int64) for _ in costs]
    numbers = [*zip(slopes, constants, costs, starts, ends, strict=True)]
    splits = np.zeros((n, n), dtype=np.intp)
    every = np.arange(n)
    for length in range(2, n + 1):
        rows, ways = n - length + 1, length - 1
        sums = []
        for slope, _, cost, start, end in numbers:
            total = slope[:rows, ways, None] * inner[:rows, :ways]
            if bounds[length] < bounds[length + 1]:
                at = slice(bounds[length], bounds[length + 1])
                total.reshape(-1)[flat[at]] = cost[at]
            total += start[:rows, :ways]
            total += end[ways:, n - ways :]
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


def _unit(sizes: Array, slopes: Array, constants: Array, costs: Array) -> int:
    """Return a number above all sums of (multiplications − additions) if 64 bits hold its products, or else 0."""
    n, largest = len(sizes) - 1, int(sizes.max())
    # both are linear in the inner size, so that their extremes are at its ends
    mains = [slopes * inner + constants for inner in (1, largest)]
    products = np.concatenate([part.reshape(2, -1) for part in (*mains, costs)], axis=1)
    difference = products[0] - products[1]
    unit = n * int(difference.max()) + 1
    fits = difference.min() >= 0 and n * int(products[0].max()) * unit < 2**62
    return unit if fits else 0


def _special_products(
    by_start: Array, whole: int, kinds: _Kinds, sizes: Array, ranks: Array
) -> tuple[Array, Array, Array] | None:
    """Return the costs of all products with a side that is not of the kind of the whole chain, by length.

    Returns
    -------
    offsets : numpy.ndarray
        Where the products of each length begin.
    places : numpy.ndarray, shape (2, count)
        First factor, and the number of factors of the left side less one.
    costs : numpy.ndarray, shape (2, count)
        Multiplications and additions.
    """
    n = len(by_start)
    first, short = np.nonzero((by_start != whole) & (np.arange(n)[:, None] + np.arange(n) < n))
    if 2 * len(first) * n > _MOST_SPECIAL:
        return None
    # as left sides: every last factor beyond; as right sides: every first factor before
    other = np.arange(n)
    left = np.nonzero(other > (first + short)[:, None])
    right = np.nonzero(other < first[:, None])
    i = np.concatenate([first[left[0]], right[1]])
    k = np.concatenate([(first + short)[left[0]], first[right[0]] - 1])
    j = np.concatenate([left[1], (first + short)[right[0]]])
    order = np.argsort(j - i, kind="stable")
    i, k, j = i[order], k[order], j[order]
    offsets = np.searchsorted(j - i + 1, np.arange(n + 2))
    a, b = by_start[i, k - i], by_start[k + 1, j - k - 1]
    costs = np.empty((2, len(i)), dtype=np.int64)
    pairs = a * len(kinds.specs) + b
    for pair in np.unique(pairs).tolist():
        at = np.nonzero(pairs == pair)[0]
        p, q, r = i[at], k[at] + 1, j[at] + 1
        A, B = (kinds.specs[place] for place in divmod(pair, len(kinds.specs)))
        if (A.structure, B.structure) == ("DiagonalPlusLowRank", "Selection"):
            return None  # this row's cost is that of a dense form, which takes whole specs
        count = count_products(_sized(A, sizes, ranks, p, q), _sized(B, sizes, ranks, q, r))
        costs[0, at], costs[1, at] = count.multiplications, count.additions
    return offsets, np.stack([i, k - i]), costs


def _sized(kind: Spec, sizes: Array, ranks: Array, first: Array, last: Array) -> Spec:
    """Return a spec of many intervals at once: arrays stand for the sizes and the rank."""
    shape: Any = (sizes[first], sizes[last])
    # the ranks of the low-rank factors of an interval add up
    rank: Any = ranks[last] - ranks[first] if kind.rank else 0
    return replace(kind, shape=shape, rank=rank)
