"""Which bracketing of a chain of specs is the cheapest: fast ways for chains of a known kind, or the general one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.cost import Cost
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.letters import is_symbolic
from jacobians.planning.intervals import all_ways, tree_of
from jacobians.planning.trees import Tree, flat, fold, folded, unfolded
from jacobians.products import count_products, find_row, multiply, product_cost, product_spec
from jacobians.products.core import remembered
from jacobians.spec import Spec
from jacobians.structures import Jacobian


class Association(NamedTuple):
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
    products = Products(specs)
    spec = products.formed(flat(tree))
    return Association(tree, spec, products.cost)


def in_order(specs: Sequence[Spec], order: Literal["left", "right"]) -> Association:
    """Return what `associate` does of the bracketing from the output, "left", or from the input, "right".

    Examples
    --------
    >>> in_order([Spec.dense(1, 2), Spec.dense(2, 3), Spec.dense(3, 4)], "left").tree
    ((0, 1), 2)
    """
    products = Products(specs)
    whole = products.formed_from(order)
    return Association((from_left if order == "left" else from_right)(len(specs)), whole, products.cost)


class Product(NamedTuple):
    """One product of a bracketing by the table: operands, result, cost, and the rule that applies."""

    left: Spec
    right: Spec
    spec: Spec
    cost: Cost
    formula: str


class Products:
    """The products of a bracketing, as they are formed: a long chain has few kinds, each looked up once.

    Parameters
    ----------
    specs : sequence of Spec
        The factors.

    Attributes
    ----------
    kinds : list of Spec
        The different specs, of factors and of products.
    factors : list of int
        The number of each factor's spec among the kinds.
    made : list of Product
        In the order in which they were formed.
    """

    def __init__(self, specs: Sequence[Spec]) -> None:
        self._numbers: dict[Spec, int] = {}
        # equal specs are one object most often, and an object is found sooner than its sizes
        numbers = {
            key: self._numbers.setdefault(spec, len(self._numbers))
            for key, spec in dict(zip(map(id, specs), specs, strict=True)).items()
        }
        self.factors = [*map(numbers.__getitem__, map(id, specs))]
        self.kinds = list(self._numbers)
        self.made: list[Product] = []
        self._known: dict[tuple[int, int], tuple[int, Product]] = {}

    def product(self, left: int, right: int) -> int:
        """Form a product of two kinds and return the number of its own."""
        found = self._known.get((left, right))
        if found is None:
            a, b = self.kinds[left], self.kinds[right]
            product = Product(a, b, product_spec(a, b), product_cost(a, b), find_row(a, b).formula)
            place = self._numbers.setdefault(product.spec, len(self.kinds))
            if place == len(self.kinds):
                self.kinds.append(product.spec)
            found = self._known[left, right] = place, product
        self.made.append(found[1])
        return found[0]

    def formed_from(self, side: Literal["left", "right"]) -> Spec:
        """Form the products one factor after the other from a side, and return the spec of the whole."""
        known, made = self._known.get, self.made.append
        first, *others = self.factors if side == "left" else reversed(self.factors)
        for other in others:
            pair = (first, other) if side == "left" else (other, first)
            found = known(pair)
            if found is None:
                first = self.product(*pair)
            else:
                first = found[0]
                made(found[1])
        return self.kinds[first]

    def formed(self, postfix: Sequence[int]) -> Spec:
        """Form the products of a bracketing that is written down flat, and return the spec of the whole."""
        return self.kinds[folded(postfix, self.factors.__getitem__, self.product)]

    @property
    def cost(self) -> Cost:
        """What all products cost together."""
        times = Counter(map(id, self.made))
        costs = [(times[id(product)], product.cost) for _, product in self._known.values()]
        return Cost(
            sum(n * cost.multiplications for n, cost in costs), sum(n * cost.additions for n, cost in costs)
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
        If there is no factor, inner sizes don't match, or a size is a letter.

    Examples
    --------
    >>> shapes = [(30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25)]
    >>> best = cheapest([Spec.dense(*shape) for shape in shapes])
    >>> best.cost.multiplications, best.tree
    (15125, ((0, (1, 2)), ((3, 4), 5)))
    """
    if not specs:
        raise ValueError("specs: found no factor, expected at least one")
    # to look up a long chain takes about as long as to plan it anew, if all of it is dense
    found = _dense(specs) if len(specs) > _LONG else None
    return found or _looked_up(tuple(specs))


_LONG = 16
_PROGRAMME_BYTES = 170  # measured, for each pair of factors


@partial(remembered, most=1024)
def _looked_up(specs: tuple[Spec, ...]) -> Association:
    for spec in specs:
        if spec.letters:
            raise ValueError(
                f"strategy: found 'optimal' with a size of letters in {spec.label}, expected numbers: which order is "
                f"the cheapest depends on them; backprop.symbolic_costs(chain) says how"
            )
    found = _dense(specs) if len(specs) <= _LONG else None
    found = found or _merged(specs)
    if found is None:
        require_budget(
            (len(specs), len(specs)), _PROGRAMME_BYTES, "strategy: 'optimal', a table of all intervals of factors",
            "no bound proves an order without it: take 'left', 'right' or a bracketing of your own",
        )  # fmt: skip
        found = _confluent(specs) or _cheapest(specs)
    return found


# --- fast ways for chains of a known kind --------------------------------------------------------------


def _dense(specs: Sequence[Spec]) -> Association | None:
    """Return the cheapest bracketing of dense factors for the same points."""
    batch = specs[0].batch
    if len(specs) < 3 or any(not spec.is_dense or spec.batch != batch for spec in specs):
        return None
    from jacobians.planning.hu_shing import dense_bracketing  # loaded for the first chain, as below

    sizes = [spec.shape[0] for spec in specs]
    sizes.append(specs[-1].shape[1])
    if any(is_symbolic(size) for size in sizes):
        return None
    tree, products = dense_bracketing(sizes)
    # the row of the table, evaluated for all products at once; Python integers where 64 bits may not do
    exact = len(specs) * specs[0].batch_size * max(sizes) ** 3 < 2**62
    rows, inner, columns = (np.array(part, dtype=np.int64 if exact else object) for part in products)
    shape: Any = (rows, inner)
    other: Any = (inner, columns)
    count = count_products(Spec("Dense", shape, batch), Spec("Dense", other, batch))
    cost = Cost(int(count.multiplications.sum()), int(count.additions.sum()))
    return Association(tree, Spec.dense(sizes[0], sizes[-1], batch), cost)


def _merged(specs: Sequence[Spec]) -> Association | None:
    """Return the cheapest bracketing of dense factors and others that they take in, where a bound proves it."""
    if len(specs) < 3:
        return None
    from jacobians.planning.merged_diagonals import merged_bracketing

    found = merged_bracketing(specs)
    association = found and associate(specs, found.tree)
    if found is None or association is None or association.cost.multiplications != found.bound:
        return None
    return association


def _confluent(specs: Sequence[Spec]) -> Association | None:
    """Return the cheapest bracketing by array operations, where each interval has one spec."""
    from jacobians.planning.dynamic_programming import interval_plan

    plan = interval_plan(specs)
    if plan is None:
        return None
    splits = plan.splits

    def parts(interval: tuple[int, int]) -> Any:
        first, length = interval
        if length == 1:
            return first
        left = int(splits[first, length - 1]) + 1
        return (first, left), (first + left, length - left)

    return Association(
        unfolded((0, len(specs)), parts), plan.spec, Cost(plan.multiplications, plan.additions)
    )


# --- the general way -----------------------------------------------------------------------------------


def _cheapest(specs: tuple[Spec, ...]) -> Association:
    ways, pairs = all_ways(specs)
    best = min(ways[0][-1], key=lambda way: way[1:4])
    number, multiplications, additions = best[:3]
    tree = tree_of(ways, (0, len(specs) - 1, number))
    return Association(tree, pairs.specs[number], Cost(multiplications, additions))


def evaluate(tree: Tree, factors: Sequence[Jacobian], ledger: Ledger | None = None) -> Jacobian:
    """Return the product of the factors as bracketed."""
    if isinstance(tree, int):
        return factors[tree]
    first, second = tree
    own = Ledger() if ledger is None else ledger
    if isinstance(first, int) and isinstance(second, int):
        return multiply(factors[first], factors[second], own)

    def join(left: Jacobian, right: Jacobian) -> Jacobian:
        made = multiply(left, right, own)
        own.spare(_unshared(made, left, right))  # it is taken once: by what is joined to it
        return made

    try:
        return fold(tree, factors.__getitem__, join)
    finally:
        own.spare(None)


def _unshared(made: Jacobian, left: Jacobian, right: Jacobian) -> Array | None:
    """Return the array of a product of matrices, which nothing but the product holds."""
    if not (left.spec.is_dense and right.spec.is_dense and made.spec.is_dense):
        return None
    array, *others = (next(iter(matrix.arrays.values())) for matrix in (made, left, right))
    if type(array) is not np.ndarray or not array.flags.writeable:
        return None
    return None if any(np.may_share_memory(array, other) for other in others) else array


def product(factors: Sequence[Jacobian]) -> Jacobian:
    """Return the product of the factors, output side first, by the cheapest bracketing.

    Examples
    --------
    >>> from jacobians.structures import Dense, Diagonal
    >>> product([Dense([[1.0, 2.0]]), Diagonal([3.0, 4.0])]).dense()
    array([[3., 8.]])
    """
    return evaluate(cheapest([factor.spec for factor in factors]).tree, factors)
