"""Plans: which product is formed when, with what cost; made from specs and printed before anything is multiplied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from backprop.ratios import ratio
from jacobians import Cost, Spec
from jacobians.equality import ByValue
from jacobians.numerics.arguments import near, shown
from jacobians.numerics.arrays import Array
from jacobians.planning.bracketing import (
    Association,
    Product,
    Products,
    associate,
    from_left,
    in_order,
)
from jacobians.planning.dead_units import LiveUnits
from jacobians.planning.path import least
from jacobians.planning.trees import JOINT, Tree, flat, folded, nested

if TYPE_CHECKING:
    from backprop.chain import Chain
    from backprop.execute import Execution
    from jacobians.picture import Picture

Strategy = Literal["left", "right", "optimal", "reverse", "forward"] | tuple[Tree, Tree] | int

STRATEGIES: tuple[Literal["left", "right", "optimal"], ...] = ("left", "right", "optimal")

MODES = {"left": "reverse", "right": "forward"}
"""The orders of a chain by the modes of differentiation that they are; where paths meet there are only modes."""

ORDERS: dict[Any, Any] = {mode: order for order, mode in MODES.items()}


class Step(NamedTuple):
    """One product of a plan.

    Attributes
    ----------
    left, right : str
        The operands, bracketed.
    left_spec, right_spec, spec : Spec
        The operands and the result.
    cost : Cost
    formula : str
        The row of the table of products that applies.
    """

    left: str
    right: str
    left_spec: Spec
    right_spec: Spec
    spec: Spec
    cost: Cost
    formula: str


@dataclass(frozen=True, eq=False)
class Plan(ByValue):
    """A bracketing of a chain with its steps and its exact cost; ``print(plan)`` shows one row a step.

    Attributes
    ----------
    chain : Chain
    strategy : str
        "left", "right", "optimal" or "given".
    tree : int or nested pairs
        The bracketing by indices of factors.
    spec : Spec
        What the product will be.
    cost : Cost
        Multiplications and additions of all steps, from specs alone.
    live_units : LiveUnits or None
        The chain without its dead units, which is what is multiplied; None if no unit left.
    dead_units : bool
        Whether dead units were to leave.
    """

    chain: Chain
    strategy: str
    tree: Tree
    spec: Spec
    cost: Cost
    live_units: LiveUnits | None = None
    dead_units: bool = False

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The products in the order in which they are formed."""
        return tuple(Step(left, right, *product) for left, right, product in zip(*self._formed, strict=True))

    @cached_property
    def _formed(self) -> tuple[list[str], list[str], list[Product]]:
        """What :attr:`steps` holds, by columns: left and right operands, bracketed, and their products."""
        prefix, names = self._prefix, self.chain.names
        products = Products(self.chain.specs if self.live_units is None else self.live_units.specs)
        whole = products.formed(self._postfix)
        made = products.made
        lefts: list[str] = []
        rights: list[str] = []

        def step(left: str, right: str) -> str:
            lefts.append(left)
            rights.append(right)
            return f"({left}·{right})" if prefix is None else f"{prefix}{len(lefts)}"

        text = folded(self._postfix, names.__getitem__, step)
        if self.live_units is not None:
            rows, columns = self.live_units.rows, self.live_units.columns
            if rows is not None:
                back = Products([rows, whole])
                whole = back.formed((0, 1, JOINT))
                made, text = [*made, *back.made], step(_ROWS_BACK, text)
            if columns is not None:
                back = Products([whole, columns])
                back.formed((0, 1, JOINT))
                made, text = [*made, *back.made], step(text, _COLUMNS_BACK)
        return lefts, rights, made

    @cached_property
    def _postfix(self) -> tuple[int, ...]:
        return flat(self.tree)

    @cached_property
    def _prefix(self) -> str | None:
        """What the names of intermediates begin with, unlike any factor's; None where brackets are shown."""
        names = self.chain.names
        if len(names) < NAMED_FROM:
            return None
        prefix = "P"
        while any(re.fullmatch(rf"{prefix}[0-9]+", name) for name in names if name.startswith(prefix)):
            prefix += "P"
        return prefix

    @cached_property
    def bracketing(self) -> str:
        """The bracketing by the factors' names: ``(A·B)·C``.

        From 32 factors on the intermediates have names, in the order in which they are formed, so that the text grows
        with the number of factors and not with its square: ``P1 = A1·A2, P2 = P1·A3, …, P30·A32``.
        """
        if isinstance(self.tree, int):
            return self.chain.names[self.tree]
        # the steps after these put dropped rows and columns back
        *before, last = map("{}·{}".format, *(part[: len(self.chain) - 1] for part in self._formed[:2]))
        if self._prefix is None:
            return last
        return ", ".join([*(f"{self._prefix}{k} = {text}" for k, text in enumerate(before, 1)), last])

    @property
    def saved(self) -> Cost:
        """What the same strategy would cost more if the dead units stayed."""
        if self.live_units is None:
            return Cost()
        whole = self.chain.plan(self._again, dead_units=False).cost
        return Cost(whole.multiplications - self.cost.multiplications, whole.additions - self.cost.additions)

    @property
    def _again(self) -> Strategy:
        """The strategy as :meth:`Chain.plan` takes it."""
        return self.tree if self.strategy == "given" else cast(Strategy, self.strategy)

    @property
    def peak_elements(self) -> int:
        """The largest number of stored numbers of one result, the last included."""
        # the specs of a long chain are few, and the same objects
        results = {id(product.spec): product.spec for product in self._formed[2]}
        return max((spec.storage for spec in results.values()), default=self.spec.storage)

    def execute(self) -> Execution:
        """Form the product: see :func:`backprop.execute.execute_plan`."""
        from backprop.execute import execute_plan  # execution knows plans

        return execute_plan(self)

    def to_source(self, *, dense: bool = False) -> str:
        """Return the plan as plain NumPy code that runs by itself: a module with one function `product`.

        The lines are those that the rows of the table of products execute, in the same order, commented with the
        shape of each result and its cost; the costs add up to :attr:`cost`. No numbers are needed.

        Parameters
        ----------
        dense : bool
            Whether the function returns the dense array over all points. By default it returns the arrays that the
            structure of the product stores: one array, or a tuple of them.

        Examples
        --------
        >>> from backprop import Chain
        >>> from jacobians import Spec
        >>> source = Chain.from_specs([Spec.dense(1, 5), Spec.diagonal(5)]).plan().to_source()
        >>> print(source.split("# A · B: ")[1])
        A·diag(b): columns scaled
            t1 = A * B_d  # (1, 5), 5 multiplications, 0 additions
            return t1
        <BLANKLINE>
        """
        from backprop.compiling import plan_source  # the code of a plan knows plans

        return plan_source(self, dense=dense)

    def source_arguments(self) -> dict[str, Array]:
        """Return the arrays that the function of :meth:`to_source` takes, by name.

        Raises
        ------
        ValueError
            If the chain was made from shapes or specs and has no numbers.

        Examples
        --------
        >>> from backprop import Chain
        >>> plan = Chain([[[1.0, 2.0]], [[3.0], [4.0]]]).plan()
        >>> module = {}
        >>> exec(plan.to_source(), module)
        >>> module["product"](**plan.source_arguments())
        array([[11.]])
        """
        from backprop.compiling import plan_arguments

        return plan_arguments(self)

    def speedup(self, other: Strategy) -> float:
        """Return how many times fewer multiplications this plan takes than another strategy; inf if it takes none."""
        # with or without dead units, as this plan was asked for
        theirs = self.chain.plan(other, dead_units=self.dead_units).cost.multiplications
        return ratio(theirs, self.cost.multiplications)

    def __str__(self) -> str:
        from backprop.plan_display import plan_text

        return plan_text(self)

    def picture(self) -> Picture:
        """Return the bracketing as a tree, with the multiplications of each product."""
        from backprop.plan_display import plan_picture

        return plan_picture(self)

    def _repr_html_(self) -> str:
        from backprop.plan_display import plan_html

        return plan_html(self)

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[Any, ...]:
        """What tells plans apart; live units follow from it."""
        return self.chain, self.strategy, self._postfix, self.spec, self.cost, self.dead_units

    def __reduce__(self) -> Any:
        return _restored, (*self._compared, self.live_units)

    def __repr__(self) -> str:
        return f"<Plan {self.strategy}: {self.bracketing}, {self.cost}>"


def _restored(
    chain: Chain,
    strategy: str,
    tree: tuple[int, ...],
    spec: Spec,
    cost: Cost,
    dead_units: bool,
    live: LiveUnits | None,
) -> Plan:
    return Plan(chain, strategy, nested(tree), spec, cost, live, dead_units)


NAMED_FROM = 32
"""The number of factors from which on intermediates have names."""


_ROWS_BACK, _COLUMNS_BACK = "rows back", "columns back"
"""What steps call the selections that put dropped outputs and inputs back."""


def make_plan(
    chain: Chain,
    strategy: Strategy = "optimal",
    *,
    dead_units: bool = False,
    objective: str = "multiplications",
) -> Plan:
    """Return a plan of a chain, from specs alone.

    Parameters
    ----------
    chain : Chain
    strategy : {"optimal", "left", "right", "reverse", "forward"} or nested pairs of indices
        "left" multiplies from the output side (reverse mode, backpropagation), "right" from the input side
        (forward mode), and "reverse" and "forward" are the same two; "optimal" takes the fewest multiplications,
        ties by additions, then the leftmost split; ``((0, 1), 2)`` is a bracketing of one's own.
    dead_units : bool
        Whether units that exact zeros of a diagonal switch off leave the chain first. The specs are then those of
        the smaller chain; factors and bracketings are counted as before.
    objective : {"multiplications", "additions", "flops", "peak"}
        What the optimal bracketing has least of.

    Raises
    ------
    ValueError
        If the strategy is unknown, or the pairs are no bracketing of the chain.

    Examples
    --------
    >>> from backprop import Chain
    >>> chain = Chain.from_shapes([(30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25)])
    >>> make_plan(chain)
    <Plan optimal: (A·(B·C))·((D·E)·F), 15,125 multiplications, 13,825 additions>
    """
    if isinstance(strategy, str):
        strategy = ORDERS.get(strategy, strategy)
    live = chain.live_units if dead_units else None
    specs = chain.specs if live is None else live.specs
    name = strategy if isinstance(strategy, str) else "given"
    found: Association
    if name == "optimal":
        found = least(specs, objective)
    elif name == "left" or name == "right":
        found = in_order(specs, name)
    elif isinstance(strategy, tuple | int) and _leaves(strategy) == list(range(len(specs))):
        found = associate(specs, strategy)
    else:
        raise ValueError(
            f"strategy: found {shown(strategy)}, expected 'left', 'right', 'optimal' or nested pairs that hold "
            f"0 to {len(specs) - 1} in this order, such as {_example(len(specs))}{near(name, STRATEGIES)}"
        )
    if live is None:
        return Plan(chain, name, found.tree, found.spec, found.cost, dead_units=dead_units)
    spec, cost = live.completed(found.spec, found.cost)
    return Plan(chain, name, found.tree, spec, cost, live, dead_units=True)


def _example(count: int) -> str:
    if count > 6:
        return f"{from_left(4)!r} for 4 factors"
    return repr(from_left(count))


def _leaves(tree: object) -> list[object]:
    found: list[object] = []
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, tuple):
            found.append(part)
        elif len(part) == 2:
            waiting += [part[1], part[0]]
        else:
            found.append(None)
    return found
