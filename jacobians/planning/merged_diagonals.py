"""Bracketings of dense factors with diagonal ones between them, as every network has them, in almost linear time.

A bracketing of the dense factors alone is a triangulation of a polygon whose corners are the sizes (see
:mod:`~jacobians.planning.hu_shing`). A diagonal of the size of corner p scales the matrix of one arc or side (p, q),
for w_p·w_q multiplications. No bracketing is cheaper than the cheapest one of the dense factors plus, for each corner p
with diagonals, w_p·min w_q over all other corners q. Where the triangulation of Hu and Shing has an arc or a side from
each such corner to a least other one, that bound is met, and the bracketing is proven; elsewhere the programme has to
look. Additions are those of the dense products, so that the fewest of these are the fewest of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from jacobians.cost import Cost
from jacobians.planning.hu_shing import dense_bracketing
from jacobians.planning.trees import Tree, fold
from jacobians.products import product_cost, product_spec
from jacobians.spec import Spec

Runs = Sequence[range]
"""The places of the diagonals at each corner."""


class Merged(NamedTuple):
    """A bracketing, and a bound on the multiplications of all of them, which it may meet."""

    tree: Tree
    bound: int


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
    batch = specs[0].batch
    dense = [place for place, spec in enumerate(specs) if spec.is_dense]
    if len(dense) < 2 or any(spec.batch != batch for spec in specs):
        return None
    if not all(spec.is_dense or _is_plain(spec) for spec in {*specs}):
        return None
    sizes = [specs[place].shape[0] for place in dense]
    sizes.append(specs[dense[-1]].shape[1])
    tree, products = dense_bracketing(sizes)
    ends = [*dense, len(specs)]
    runs = [range(dense[0]), *(range(a + 1, b) for a, b in pairwise(ends))]
    least = _least_others(sizes)
    bound = sum(rows * inner * columns for rows, inner, columns in zip(*products, strict=True))
    for size, run, other in zip(sizes, runs, least, strict=True):
        if len(run) > 1 and other == 1:
            return None  # diagonals may be multiplied one by one for as much: which splits are the leftmost?
        bound += (len(run) - 1) * size + size * other if run else 0
    found = _placed(_parts(tree, sizes), sizes, least, dense, runs)
    return found if found is None else Merged(found, bound * specs[0].batch_size)


def _is_plain(spec: Spec) -> bool:
    """Return whether it multiplies as a diagonal: for an entry each, and is itself again with another one."""
    n = spec.shape[0]
    if spec.shape != (n, n):
        return False
    left, right = Spec.dense(2, n, spec.batch), Spec.dense(n, 2, spec.batch)
    entries = n * spec.batch_size
    return (
        product_cost(left, spec) == product_cost(spec, right) == Cost(2 * entries, 0)
        and (product_spec(left, spec), product_spec(spec, right)) == (left, right)
        and product_spec(spec, spec) == spec
        and product_cost(spec, spec) == Cost(entries, 0)
    )


def _least_others(sizes: Sequence[int]) -> list[int]:
    """Return the least of all other sizes for each one."""
    first, second = sorted(sizes)[:2]
    return [second if size == first else first for size in sizes]


def _together(run: range) -> Tree:
    """Return a product of diagonals, with the leftmost splits."""
    tree: Tree = run[-1]
    for place in reversed(run[:-1]):
        tree = (place, tree)
    return tree


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
    """Return the bracketing with the diagonals of each corner where they meet the bound, None if some can't.

    Of several places each takes the one with the leftmost splits: left of what it scales as soon as possible, right of
    it as late as possible.
    """
    formed: list[Tree] = []
    # what is to be formed, the last first: a part with or without the diagonals at its ends, a run of diagonals, or
    # the product of the last two
    waiting: list[tuple[_Part, bool, bool] | int | None] = [(whole, bool(runs[0]), bool(runs[-1]))]
    while waiting:
        item = waiting.pop()
        if item is None:
            last = formed.pop()
            formed.append((formed.pop(), last))
            continue
        if isinstance(item, int):
            run = runs[item]
            formed.append(_together(run))
            continue
        part, leading, trailing = item
        a, b = part.first, part.last
        if leading and sizes[b] == least[a]:
            waiting += [None, (part, False, trailing), a]
        elif trailing and (part.sides is None or part.sides[1].from_last != least[b]):
            if sizes[a] != least[b]:
                return None
            waiting += [None, b, (part, leading, False)]
        elif part.sides is None:
            if leading:
                return None
            formed.append(dense[a])
        else:
            left, right = part.sides
            p = right.first
            to_right = bool(runs[p]) and right.from_first == least[p]
            to_left = bool(runs[p]) and not to_right
            waiting += [None, (right, to_right, trailing), (left, leading, to_left)]
    return formed[0]
