"""The interval programme: which bracketing of a chain of specs is the cheapest.

Every interval keeps the cheapest way to *each* spec that it can have, for the structure of a product may depend on
the bracketing (Kronecker factors that fit only one way), and a dearer interval may make a cheaper whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

from jacobians.arithmetic import Ledger
from jacobians.cost import ZERO_COST, Cost
from jacobians.products import multiply, product_cost, product_spec
from jacobians.spec import Spec
from jacobians.structures import Jacobian

Tree = Union[int, tuple["Tree", "Tree"]]  # noqa: UP007  # `|` can't name a type that is not yet defined
"""A bracketing: a factor's index, or a pair of bracketings."""


@dataclass(frozen=True)
class Association:
    """A bracketing of a chain with the spec and the cost that follow from it."""

    tree: Tree
    spec: Spec
    cost: Cost


def associate(specs: Sequence[Spec], tree: Tree) -> Association:
    """Return spec and cost of a bracketing.

    Examples
    --------
    >>> specs = [Spec.dense(1, 100), Spec.dense(100, 100), Spec.dense(100, 100)]
    >>> associate(specs, ((0, 1), 2)).cost.multiplications
    20000
    >>> associate(specs, (0, (1, 2))).cost.multiplications
    1010000
    """
    if isinstance(tree, int):
        return Association(tree, specs[tree], ZERO_COST)
    left, right = associate(specs, tree[0]), associate(specs, tree[1])
    return _join(left, right)


def _join(left: Association, right: Association) -> Association:
    return Association(
        (left.tree, right.tree),
        product_spec(left.spec, right.spec),
        left.cost + right.cost + product_cost(left.spec, right.spec),
    )


def from_left(count: int) -> Tree:
    """Return ((0·1)·2)·…: from the output, reverse mode, backpropagation.

    Examples
    --------
    >>> from_left(4)
    (((0, 1), 2), 3)
    """
    tree: Tree = 0
    for factor in range(1, count):
        tree = (tree, factor)
    return tree


def from_right(count: int) -> Tree:
    """Return …(1·(2·3)): from the input, forward mode.

    Examples
    --------
    >>> from_right(4)
    (0, (1, (2, 3)))
    """
    tree: Tree = count - 1
    for factor in range(count - 2, -1, -1):
        tree = (factor, tree)
    return tree


def cheapest(specs: Sequence[Spec]) -> Association:
    """Return the bracketing with the fewest multiplications; ties by additions, then the leftmost split.

    Parameters
    ----------
    specs : sequence of Spec
        The factors, output side first.

    Raises
    ------
    ValueError
        If there is no factor, or inner sizes don't match.

    Examples
    --------
    >>> shapes = [(30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25)]
    >>> best = cheapest([Spec.dense(*shape) for shape in shapes])
    >>> best.cost.multiplications, best.tree
    (15125, ((0, (1, 2)), ((3, 4), 5)))
    """
    if not specs:
        raise ValueError("specs: found no factor, expected at least one")
    return _cheapest(tuple(specs))


@lru_cache(maxsize=1024)
def _cheapest(specs: tuple[Spec, ...]) -> Association:
    n = len(specs)
    best: dict[tuple[int, int], dict[Spec, _Way]] = {
        (i, i): {spec: _Way(ZERO_COST, None)} for i, spec in enumerate(specs)
    }
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            best[i, i + length - 1] = _ways(best, i, i + length - 1)
    finals = best[0, n - 1]
    spec = min(finals, key=lambda candidate: (finals[candidate].cost, finals[candidate].place))
    return Association(_tree(best, 0, n - 1, spec), spec, finals[spec].cost)


@dataclass(frozen=True, slots=True)
class _Way:
    """The cheapest way to one spec of one interval: its cost, its split and the specs of both sides."""

    cost: Cost
    split: tuple[int, Spec, Spec] | None

    @property
    def place(self) -> int:
        """Where the interval is split, by which ties are decided: the leftmost first."""
        return -1 if self.split is None else self.split[0]


def _ways(best: dict[tuple[int, int], dict[Spec, _Way]], i: int, j: int) -> dict[Spec, _Way]:
    ways: dict[Spec, _Way] = {}
    for k in range(i, j):
        for left, left_way in best[i, k].items():
            for right, right_way in best[k + 1, j].items():
                cost = left_way.cost + right_way.cost + product_cost(left, right)
                spec = product_spec(left, right)
                if spec not in ways or cost < ways[spec].cost:
                    ways[spec] = _Way(cost, (k, left, right))
    return ways


def _tree(best: dict[tuple[int, int], dict[Spec, _Way]], i: int, j: int, spec: Spec) -> Tree:
    split = best[i, j][spec].split
    if split is None:
        return i
    k, left, right = split
    return (_tree(best, i, k, left), _tree(best, k + 1, j, right))


def evaluate(tree: Tree, factors: Sequence[Jacobian], ledger: Ledger | None = None) -> Jacobian:
    """Return the product of the factors as bracketed."""
    if isinstance(tree, int):
        return factors[tree]
    return multiply(evaluate(tree[0], factors, ledger), evaluate(tree[1], factors, ledger), ledger)


def product(factors: Sequence[Jacobian]) -> Jacobian:
    """Return the product of the factors, output side first, by the cheapest bracketing.

    Examples
    --------
    >>> from jacobians.structures import Dense, Diagonal
    >>> product([Dense([[1.0, 2.0]]), Diagonal([3.0, 4.0])]).dense()
    array([[3., 8.]])
    """
    return evaluate(cheapest([factor.spec for factor in factors]).tree, factors)
