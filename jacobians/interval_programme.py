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
    places_of = np.arange(n)
    # inner[first, s]: the size between the two sides when the left one has s + 1 factors
    inner = sizes[np.minimum(1 + places_of[:, None] + places_of, n)]
    # sums so far, [first, length − 1] and [last, n − length], so that both sides of all splits are plain slices
    starts, ends = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
    starts_added, ends_added = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
    splits = np.zeros((n, n), dtype=np.intp)
    for length in range(2, n + 1):
        rows, ways = n - length + 1, length - 1
        between = inner[:rows, :ways]
        left: Any = (sizes[:rows, None], between)
        right: Any = (between, sizes[length:, None])
        count = count_products(
            Spec(main.structure, left, main.batch), Spec(main.structure, right, main.batch)
        )
        totals: list[Any] = []
        at = slice(offsets[length], offsets[length + 1])
        for which, part in enumerate((count.multiplications, count.additions)):
            total = part if np.shape(part) == (rows, ways) else np.full((rows, ways), part)
            if at.stop > at.start:
                total[places[0, at], places[1, at]] = costs[which, at]
            totals.append(total)
        least, additions = totals
        least += starts[:rows, :ways]
        least += ends[ways:, n - ways :]
        chosen = least.argmin(axis=1)
        each = places_of[:rows]
        fewest = least[each, chosen]
        tied = least == fewest[:, None]
        if np.count_nonzero(tied) > rows:
            additions += starts_added[:rows, :ways]
            additions += ends_added[ways:, n - ways :]
            # argmin takes the first of equals: the leftmost split
            chosen = np.where(tied, additions, _MOST).argmin(axis=1)
            added = additions[each, chosen]
        else:
            added = additions[each, chosen] + starts_added[each, chosen]
            added += ends_added[each + ways, n - ways + chosen]
        starts[:rows, ways], starts_added[:rows, ways] = fewest, added
        ends[ways:, n - length], ends_added[ways:, n - length] = fewest, added
        splits[:rows, ways] = chosen
    spec = replace(main, shape=(int(sizes[0]), int(sizes[-1])))
    return IntervalPlan(splits, spec, int(starts[0, -1]), int(starts_added[0, -1]))


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
