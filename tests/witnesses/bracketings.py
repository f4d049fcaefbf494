"""All bracketings of a chain."""

from __future__ import annotations

from jacobians.planning.trees import Tree


def all_trees(first: int, last: int) -> list[Tree]:
    """Return every bracketing of the factors first … last."""
    if first == last:
        return [first]
    return [
        (left, right)
        for split in range(first, last)
        for left in all_trees(first, split)
        for right in all_trees(split + 1, last)
    ]
