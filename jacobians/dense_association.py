"""Bracketings of chains of dense factors, exactly and in almost linear time: the polygon of Hu and Shing.

A bracketing of n matrices with sizes w₀, …, wₙ is a triangulation of a polygon with these weights, and a product of
(w_i × w_k)(w_k × w_j) is a triangle that costs w_i·w_k·w_j multiplications. T. C. Hu and M. T. Shing, "Computation of
matrix chain products", parts I and II, SIAM J. Comput. 11 (1982) and 13 (1984), find the cheapest triangulation:

1. One sweep finds the at most n − 2 arcs that can bound a valley of a cheapest triangulation; they are nested.
2. An arc is worth keeping while its supporting weight, (cost of what lies above it) / (what a fan from below would pay
   instead per unit of weight), is less than the least weight below it. Arcs are met from the inside to the outside, the
   kept ones in a heap by supporting weight; one that would fall before an arc inside it is bound to that arc.
3. What the kept arcs leave is cut into fans from its least corner.

Of several cheapest bracketings the tie rule (fewer additions, then the leftmost split) may ask for another one than the
sweep meets. An answer is therefore given only where it is the only one, which shows as follows. If no two equal numbers
were compared on the way, weights or supporting weights, the outcome is the same for all weights near by, so that the
triangulation found costs no more than any other in a whole neighbourhood. The difference of two costs is a polynomial
without squares, hence harmonic, and a harmonic function that is nowhere negative around one of its zeros is zero: a
second triangulation of the same cost would have the same triangles. Everything else is left to the interval programme.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

Triangle = tuple[int, int, int, int]
"""The length of an interval, its first size, where it is split, and its last size, by their places in the chain."""


def dense_triangles(sizes: Sequence[int]) -> list[Triangle] | None:
    """Return the products of the cheapest bracketing of a dense chain, short intervals first.

    Parameters
    ----------
    sizes : sequence of int
        w₀, …, wₙ: factor i is w_{i} × w_{i+1}; at least two factors.

    Returns
    -------
    list of (length, first, split, last), or None where several bracketings may be the cheapest

    Examples
    --------
    >>> dense_triangles([30, 35, 15, 5])
    [(2, 1, 2, 3), (3, 0, 1, 3)]
    """
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    start = order[0]
    ranks = [0] * len(sizes)
    for rank, corner in enumerate(order):
        ranks[corner] = rank
    ranks = ranks[start:] + ranks[:start]
    arcs = _kept_arcs([*sizes[start:], *sizes[:start]], ranks)
    return None if arcs is None else _fans(arcs, ranks, start)


def _kept_arcs(weights: list[int], ranks: list[int]) -> list[tuple[int, int]] | None:
    """Return the arcs of the cheapest triangulation that bound valleys, inner ones first.

    The corners are numbered from the least one, around the polygon. None where two equal numbers are compared.
    """
    count = len(weights)
    # sides[i]: the sum of the products along the sides up to corner i
    sides = [0] * (count + 1)
    total, before = 0, weights[0]
    for place in range(1, count):
        weight = weights[place]
        total += before * weight
        sides[place] = total
        before = weight
    # keys hold supporting weights to this many binary digits, enough to tell any two of them apart
    digits = 2 * (total + before * weights[0]).bit_length()
    ends: list[tuple[int, int]] = []  # of arc number …
    above: list[
        int
    ] = []  # Σ along the upper side of its region − its own product: what a fan pays per weight
    cost: list[int] = []  # of the region above it
    bound: list[list[int]] = []  # the arcs that are kept or removed with it
    starting: list[list[int]] = [[] for _ in weights]  # kept arcs by their first corner, the outermost last
    ending: list[list[int]] = [[] for _ in weights]
    # regions not yet enclosed: first corner, base, heap of kept arcs
    pending: list[tuple[int, int, list[tuple[int, int]]]] = []
    stack = [0]
    for v in range(1, count):
        rank, weight = ranks[v], weights[v]
        while ranks[stack[-1]] > rank:
            if weights[stack.pop()] == weight:
                return None
            u = stack[-1]
            if not u:
                continue  # the least corner sees everything: its arcs bound no valley
            product = weights[u] * weight
            base = total_above = sides[v] - sides[u] - product
            heap: list[tuple[int, int]] = []
            while pending and pending[-1][0] >= u:
                _, inner_base, inner = pending.pop()
                total_above -= inner_base
                heap = _merged(heap, inner)
            from_left = ranks[u] < rank
            low = weights[u] if from_left else weight
            if heap:
                limit = low << digits
                while heap and -heap[0][0] >= limit:
                    if cost[heap[0][1]] == low * above[heap[0][1]]:
                        return None
                    number = heapq.heappop(heap)[1]
                    total_above += above[number]
                    first, last = ends[number]
                    starting[first].pop()
                    ending[last].pop()
            if from_left:
                inside = starting[u]
                beside = weights[ends[inside[-1]][1] if inside else u + 1]
            else:
                inside = ending[v]
                beside = weights[ends[inside[-1]][0] if inside else v - 1]
            total_cost = low * (total_above + product - low * beside)
            key = (total_cost << digits) // total_above
            number = len(ends)
            companions: list[int] = []
            while heap and -heap[0][0] >= key:
                inner_number = heapq.heappop(heap)[1]
                total_above += above[inner_number]
                total_cost += cost[inner_number]
                key = (total_cost << digits) // total_above
                first, last = ends[inner_number]
                starting[first].pop()
                ending[last].pop()
                companions.append(inner_number)
            ends.append((u, v))
            above.append(total_above)
            cost.append(total_cost)
            bound.append(companions)
            starting[u].append(number)
            ending[v].append(number)
            heapq.heappush(heap, (-key, number))
            pending.append((u, base, heap))
        if weights[stack[-1]] == weight:
            return None
        stack.append(v)
    least = weights[0]
    found: list[int] = []
    for _, _, heap in pending:
        for key, number in heap:
            if -key < least << digits:
                found.append(number)
            elif cost[number] == least * above[number]:
                return None
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


def _fans(arcs: list[tuple[int, int]], ranks: list[int], start: int) -> list[Triangle]:
    """Cut the regions that the arcs leave into fans from their least corners, in the numbers of the chain."""
    count = len(ranks)
    triangles: list[Triangle] = []
    pending: list[tuple[int, int]] = []
    # the whole polygon comes last: from the least corner around to itself
    for u, v in [*arcs, (0, count)]:
        inner = len(pending)
        while inner and pending[inner - 1][0] >= u:
            inner -= 1
        enclosed = dict(pending[inner:])
        del pending[inner:]
        apex = u if v == count or ranks[u] < ranks[v] else v
        corner = u
        while corner < v:
            following = enclosed.get(corner, corner + 1)
            if corner != apex and following != apex and following != count:
                a, b, c = sorted(
                    ((apex + start) % count, (corner + start) % count, (following + start) % count)
                )
                triangles.append((c - a, a, b, c))
            corner = following
        pending.append((u, v))
    triangles.sort()
    return triangles
