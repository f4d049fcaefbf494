"""The general way to the cheapest bracketing.

Every interval keeps the cheapest way to *each* spec that it can have, for the structure of a product may depend on
the bracketing (Kronecker factors that fit only one way), and a dearer interval may make a cheaper whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jacobians.planning.trees import Tree, unfolded
from jacobians.products import find_row
from jacobians.spec import Spec


def all_ways(specs: Sequence[Spec]) -> tuple[Ways, Pairs]:
    """Return how to form each interval of factors, from i to j at [i][j]: one way for each spec that can come out."""
    pairs = Pairs()
    count = len(specs)
    ways: Ways = [[[] for _ in specs] for _ in specs]
    for i, spec in enumerate(specs):
        ways[i][i] = [(pairs.number(spec), 0, 0, i, 0, 0)]
    for length in range(2, count + 1):
        for i in range(count - length + 1):
            ways[i][i + length - 1] = _ways(ways, i, i + length - 1, pairs)
    return ways, pairs


_Way = tuple[int, int, int, int, int, int]
"""The number of the resulting spec, multiplications, additions, the last factor of the left side, and the
numbers of the specs of both sides."""

Ways = list[list[list[_Way]]]


class Pairs:
    """Products of specs, each looked up once: specs become small numbers, so that the inner loop hashes those."""

    def __init__(self) -> None:
        self.specs: list[Spec] = []
        self.numbers: dict[Spec, int] = {}
        self.products: dict[tuple[int, int], tuple[int, int, int]] = {}

    def number(self, spec: Spec) -> int:
        """Return the number of a spec."""
        if spec not in self.numbers:
            self.numbers[spec] = len(self.specs)
            self.specs.append(spec)
        return self.numbers[spec]

    def product(self, left: int, right: int) -> tuple[int, int, int]:
        """Return multiplications, additions and the number of the spec of a product."""
        a, b = self.specs[left], self.specs[right]
        row = find_row(a, b)
        cost = row.cost(a, b)
        found = cost.multiplications, cost.additions, self.number(row.result(a, b))
        self.products[left, right] = found
        return found


def _ways(ways: Ways, i: int, j: int, pairs: Pairs) -> list[_Way]:
    best: dict[int, _Way] = {}
    row, products = ways[i], pairs.products
    for k in range(i, j):
        for left, left_multiplications, left_additions, *_ in row[k]:
            for right, right_multiplications, right_additions, *_ in ways[k + 1][j]:
                product = products.get((left, right)) or pairs.product(left, right)
                multiplications = left_multiplications + right_multiplications + product[0]
                additions = left_additions + right_additions + product[1]
                known = best.get(product[2])
                # strictly less: of equals the leftmost split stays
                if known is None or (multiplications, additions) < known[1:3]:
                    best[product[2]] = (product[2], multiplications, additions, k, left, right)
    return list(best.values())


def tree_of(ways: Ways, whole: tuple[int, int, int]) -> Tree:
    """Return the bracketing of an interval, given by its ends and the number of its spec."""

    def parts(interval: tuple[int, int, int]) -> Any:
        i, j, number = interval
        if i == j:
            return i
        _, _, _, k, left, right = next(way for way in ways[i][j] if way[0] == number)
        return (i, k, left), (k + 1, j, right)

    return unfolded(whole, parts)
