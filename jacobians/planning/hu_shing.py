"""Bracketings of chains of dense factors, exactly and in almost linear time: the polygon of Hu and Shing.

A bracketing of n matrices with sizes w₀, …, wₙ is a triangulation of a polygon with these weights, and a product of
(w_i × w_k)(w_k × w_j) is a triangle that costs w_i·w_k·w_j multiplications. T. C. Hu and M. T. Shing, "Computation of
matrix chain products", parts I and II, SIAM J. Comput. 11 (1982) and 13 (1984), find the cheapest triangulation:

1. One sweep finds the at most n − 2 arcs that can bound a valley of a cheapest triangulation; they are nested.
2. An arc is worth keeping while its supporting weight, (cost of what lies above it) / (what a fan from below would pay
   instead per unit of weight), is less than the least weight below it. Arcs are met from the inside to the outside, the
   kept ones in a heap by supporting weight; one that would fall before an arc inside it is bound to that arc.
3. What the kept arcs leave is cut into fans from its least corner.

The supporting weight of an arc between the weights u and v is more than 1 / (1/u + 1/v), and this is larger for each
arc over it. Few arcs are therefore looked at: none where it reaches the weight from which the region around is fanned.

Several bracketings may take the fewest multiplications; of these the one with the fewest additions is wanted, then the
one with the leftmost splits. There are two ways to a tie:

- A supporting weight is equal to the weight g that it is compared with. The arc is then left out, for additions are
  multiplications less Σ (product of its ends) over all arcs, and the fan from g has the larger sum: An arc from the
  least corner p of its region, next to a corner v, to a corner q costs C = p(H − p(v − q)), where the fan from g pays
  gH, and its arcs add p(V − (v − q)), where those of the fan add gV; V is the sum of the corners between. With
  e = C − gH and d = gV − p(V − (v − q)) is p·d + e = (p − g)(H − pV) > 0, as all corners between are larger than p and
  q. All arcs bound together have Σ e = 0, those inside e ≥ 0 and p no smaller. Thus Σ e/p ≤ 0, and Σ d > 0.
- A region has several least corners, a₁ < … < a_m in the order of the chain. The arcs between neighbours among them
  belong to every cheapest bracketing. They bound a polygon that may be cut anyhow; its leftmost splits are the fan from
  a_m. Between two neighbours, each of the next larger corners may be the third of their triangle, and each of the two
  reaches all corners up to it on its own side. The leftmost split of the interval between the two is the first of these
  third corners. Where the interval of the region lies on the other side, it is split at the least corner if possible
  and else at the next corner, and the last third corner is the leftmost. All of these have the same additions.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import mul

from jacobians.planning.trees import Tree

Products = tuple[list[int], list[int], list[int]]
"""The sizes of products (m × k)(k × n): all m, all k, all n."""


def dense_bracketing(sizes: Sequence[int]) -> tuple[Tree, Products]:
    """Return the cheapest bracketing of a dense chain: fewest multiplications, then additions, then the leftmost split.

    Parameters
    ----------
    sizes : sequence of int
        w₀, …, wₙ: factor i is w_{i} × w_{i+1}; at least two factors.

    Returns
    -------
    tree : nested pairs of indices
    products : three lists
        The sizes of all products, in no particular order.

    Examples
    --------
    >>> tree, products = dense_bracketing([30, 35, 15, 5])
    >>> tree, products
    ((0, (1, 2)), ([30, 35], [35, 15], [5, 5]))
    """
    count = len(sizes)
    start = sizes.index(min(sizes))
    regions = []
    for corners in _regions([*sizes[start:], *sizes[:start]]):
        # back in the order of the chain, where each belongs to the interval from its first to its last corner
        turn = bisect_left(corners, count - start)
        places = [corner + start - count for corner in corners[turn:]]
        places += [corner + start for corner in corners[:turn]]
        regions.append((places[-1] - places[0], places))
    regions.sort()  # an interval after those within it
    triangulation = _Triangulation(sizes)
    for _, places in regions:
        triangulation.cut(places)
    return triangulation.trees[0], triangulation.products


# --- regions: which arcs are kept -----------------------------------------------------------------------


def _regions(weights: list[int]) -> list[list[int]]:
    """Return the corners of each region that the kept arcs leave, inner ones first.

    The corners are numbered from the least one, around the polygon.
    """
    count = len(weights)
    regions: list[list[int]] = []
    pending: list[tuple[int, int]] = []
    # the whole polygon comes last: from the least corner around to itself
    for u, v in [*_kept_arcs(weights, _promising(weights)), (0, count)]:
        inner = len(pending)
        while inner and pending[inner - 1][0] >= u:
            inner -= 1
        corners: list[int] = []
        corner = u
        for first, last in pending[inner:]:
            corners += range(corner, first + 1)
            corner = last
        corners += range(corner, min(v + 1, count))
        del pending[inner:]
        pending.append((u, v))
        regions.append(corners)
    return regions


def _promising(weights: list[int]) -> list[tuple[int, int]]:
    """Return the arcs that may bound a valley of a cheapest triangulation, inner ones first."""
    count, least = len(weights), weights[0]
    # a tree: below each corner the least ones before and behind it, as far as the next smaller corners; of equal ones
    # the first is smaller
    before, behind = [0] * count, [0] * count
    stack, top = [0], least
    for v in range(1, count):
        weight, corner = weights[v], 0
        while top > weight:
            corner = stack.pop()
            top = weights[stack[-1]]
        before[v] = corner
        behind[stack[-1]] = v
        stack.append(v)
        top = weight
    found = []
    # from the outside to the inside: a corner, the arc over which it is the least one, and from which weight the
    # region around that arc is fanned
    pending = [(behind[0], 0, count, least)]
    while pending:
        corner, u, v, limit = pending.pop()
        if not u or v == count:
            low = least  # the least corner sees everything: its arcs bound no valley
        else:
            low, high = weights[u], weights[v]
            if low > high:
                low, high = high, low
            if low * high >= limit * (low + high):
                continue
            found.append((u, v))
        if before[corner]:
            pending.append((before[corner], u, corner, low))
        if behind[corner]:
            pending.append((behind[corner], corner, v, low))
    found.reverse()
    return found


def _kept_arcs(weights: list[int], arcs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those of the arcs that bound valleys of the cheapest triangulation, inner ones first."""
    if not arcs:
        return []
    least = weights[0]
    # sides[i]: the sum of the products along the sides up to corner i
    sides = [0, *accumulate(map(mul, weights, weights[1:]))]
    # keys hold supporting weights to this many binary digits, enough to tell any two of them apart
    digits = 2 * (sides[-1] + weights[-1] * least).bit_length()
    ends: list[tuple[int, int]] = []  # of arc number …
    # Σ along the upper side of its region − its own product: what a fan pays per weight
    above: list[int] = []
    cost: list[int] = []  # of the region above it
    bound: list[list[int]] = []  # the arcs that are kept or removed with it
    starting: defaultdict[int, list[int]] = defaultdict(list)  # kept arcs by first corner, the outermost last
    ending: defaultdict[int, list[int]] = defaultdict(list)
    # regions not yet enclosed: first corner, Σ `above` of the kept arcs, heap of these
    pending: list[tuple[int, int, list[tuple[int, int]]]] = []
    for u, v in arcs:
        covered = 0
        heap: list[tuple[int, int]] = []
        while pending and pending[-1][0] >= u:
            _, inner_covered, inner = pending.pop()
            covered += inner_covered
            heap = _merged(heap, inner)
        from_left = weights[u] <= weights[v]
        low, high = (weights[u], weights[v]) if from_left else (weights[v], weights[u])
        limit = low << digits
        while heap and -heap[0][0] >= limit:
            number = heapq.heappop(heap)[1]
            covered -= above[number]
            first, last = ends[number]
            starting[first].pop()
            ending[last].pop()
        if from_left:
            inside = starting[u]
            beside = weights[ends[inside[-1]][1] if inside else u + 1]
        else:
            inside = ending[v]
            beside = weights[ends[inside[-1]][0] if inside else v - 1]
        product = low * high
        base = sides[v] - sides[u] - product
        total_above = base - covered
        total_cost = low * (total_above + product - low * beside)
        key = (total_cost << digits) // total_above
        companions: list[int] = []
        while heap and -heap[0][0] >= key:
            number = heapq.heappop(heap)[1]
            total_above += above[number]
            total_cost += cost[number]
            key = (total_cost << digits) // total_above
            first, last = ends[number]
            starting[first].pop()
            ending[last].pop()
            companions.append(number)
        number = len(ends)
        ends.append((u, v))
        above.append(total_above)
        cost.append(total_cost)
        bound.append(companions)
        starting[u].append(number)
        ending[v].append(number)
        heapq.heappush(heap, (-key, number))
        pending.append((u, base, heap))
    limit = least << digits
    found = [number for *_, heap in pending for key, number in heap if -key < limit]
    kept = []
    while found:
        number = found.pop()
        kept.append(number)
        found += bound[number]
    return [ends[number] for number in sorted(kept)]


def _merged(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return one heap of two, the smaller poured into the larger."""
    if len(one) < len(other):
        one, other = other, one
    for item in other:
        heapq.heappush(one, item)
    return one


# --- triangles: how a region is cut ---------------------------------------------------------------------


class _Triangulation:
    """The triangles so far: the bracketing of each interval that they make, and the sizes of their products.

    A part of the polygon is a list of corners in the order of the chain, with the intervals between neighbours
    bracketed before.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes
        # the widest interval so far, by its first corner
        self.trees: list[Tree] = list(range(len(sizes) - 1))
        self.products: Products = ([], [], [])

    def fan(self, corners: list[int], apex: int) -> None:
        """Cut a part into triangles with one corner in common, from its place in the list."""
        trees, end = self.trees, len(corners) - 1
        sizes = [self.sizes[corner] for corner in corners]
        rows, inner, columns = self.products
        # the corners before it, the last one first, and those behind it, the first one first
        if apex:
            before = trees[corners[apex - 1]]
            for corner in reversed(corners[: apex - 1]):
                before = (trees[corner], before)
            rows += sizes[: apex - 1]
            inner += sizes[1:apex]
            columns += [sizes[apex]] * (apex - 1)
        if apex < end:
            behind = trees[corners[apex]]
            for corner in corners[apex + 1 : end]:
                behind = (behind, trees[corner])
            rows += [sizes[apex]] * (end - apex - 1)
            inner += sizes[apex + 1 : end]
            columns += sizes[apex + 2 :]
        if 0 < apex < end:
            rows.append(sizes[0])
            inner.append(sizes[apex])
            columns.append(sizes[end])
            trees[corners[0]] = (before, behind)
        else:
            trees[corners[0]] = before if apex else behind

    def cut(self, corners: list[int]) -> None:
        """Cut a part into fans from its least corners, so that its splits are the leftmost."""
        sizes = [self.sizes[corner] for corner in corners]
        least = min(sizes)
        first = sizes.index(least)
        if sizes.count(least) == 1:
            self.fan(corners, first)
            return
        apexes = [place for place, size in enumerate(sizes) if size == least]
        for a, b in pairwise(apexes):
            if b > a + 1:
                third = sizes.index(min(sizes[a + 1 : b]), a, b)
                self.fan(corners[a : third + 1], 0)
                self.fan(corners[third : b + 1], b - third)
                self.fan([corners[a], corners[third], corners[b]], 1)
        self.fan([corners[place] for place in apexes], len(apexes) - 1)
        last = apexes[-1]
        before, behind = corners[:first], corners[last + 1 :]
        if not before and not behind:
            return
        low, high = corners[first], corners[last]
        size = min(sizes[:first] + sizes[last + 1 :])
        third = max(place for place, other in enumerate(sizes) if other == size and not first < place < last)
        if third > last:
            self.fan(corners[last : third + 1], 0)
            self.fan([low, high, corners[third]], 1)
            self.fan([*before, low, *corners[third:]], first)
        else:
            self.fan(corners[third : first + 1], first - third)
            self.fan([corners[third], low, high], 1)
            self.fan([*corners[: third + 1], high, *behind], third + 1)
