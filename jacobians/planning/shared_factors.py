"""Products of several chains that begin alike: what they share from the output on is formed once.

The Jacobians of a network by all its parameters are such chains: DF_L · … · DF_{l+1} · ∂F_l/∂parameter has the same
first factors for every layer l, up to its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.ledger import Ledger
from jacobians.planning.bracketing import associate, cheapest, evaluate, from_left
from jacobians.planning.trees import Tree
from jacobians.products.core import remembered
from jacobians.spec import Spec
from jacobians.structures import Jacobian

Numbers = tuple[int, ...]
"""A chain or the beginning of one, by the numbers of its factors, output side first."""

Way = Literal["best", "running", "apart"]


@dataclass(frozen=True)
class PrefixStep:
    """One product: of a prefix that is there already, as the first factor, and the factors that follow it.

    Attributes
    ----------
    made, known : tuple of int
        What is formed, and the prefix of it that is taken; () for none.
    tree : Tree
        The bracketing of the prefix, if there is one, and of the factors that follow.
    cost : Cost
    """

    made: Numbers
    known: Numbers
    tree: Tree
    cost: Cost


@dataclass(frozen=True)
class PrefixPlan:
    """The products to form, in order, and what they cost together."""

    steps: tuple[PrefixStep, ...]

    @property
    def cost(self) -> Cost:
        """The cost of all steps."""
        return sum((step.cost for step in self.steps), ZERO_COST)


@partial(remembered, most=256)
def prefix_plan(specs: tuple[Spec, ...], chains: tuple[Numbers, ...]) -> PrefixPlan:
    """Return how to form the products of several chains, the cheapest of three ways.

    The first takes for each prefix that chains share, the shortest first, and then for each chain, the longest to the
    shortest prefix that is there, or none, whichever is the cheapest with the best bracketing of the rest. The second
    multiplies from the output, factor by factor. The third forms every chain by itself. So the plan is never dearer
    than a running product or than separate plans.

    Parameters
    ----------
    specs : tuple of Spec
        The factors of all chains.
    chains : tuple of tuple of int
        Each chain by the places of its factors in `specs`, output side first.

    Returns
    -------
    PrefixPlan

    Raises
    ------
    ValueError
        If a chain has no factor, or inner sizes don't match.

    Examples
    --------
    Two chains that share A·B, of 2·3·4 = 24 multiplications:

    >>> specs = (Spec.dense(2, 3), Spec.dense(3, 4), Spec.diagonal(4), Spec.dense(4, 2))
    >>> plan = prefix_plan(specs, ((0, 1, 2), (0, 1, 3)))
    >>> [(step.made, step.known) for step in plan.steps]
    [((0, 1), ()), ((0, 1, 2), (0, 1)), ((0, 1, 3), (0, 1))]
    >>> plan.cost.multiplications
    48
    """
    ways: tuple[Way, ...] = ("best", "running", "apart")
    return min((_planned(specs, chains, way) for way in ways), key=lambda plan: plan.cost)


def _planned(specs: tuple[Spec, ...], chains: tuple[Numbers, ...], way: Way) -> PrefixPlan:
    wanted = set(chains)
    made: dict[Numbers, Spec] = {}
    steps: list[PrefixStep] = []
    shared = set() if way == "apart" else _shared(wanted)
    for chain in sorted(wanted | shared, key=lambda chain: (len(chain), chain)):
        # the longest first: of equals it is the one that forms the least anew
        known = [chain[:k] for k in range(len(chain), 0, -1) if chain[:k] in made and way != "apart"]
        options = [*known, ()] if way == "best" else [*known, ()][:1]
        found = []
        for prefix in options:
            row = [*([made[prefix]] if prefix else []), *(specs[place] for place in chain[len(prefix) :])]
            association = associate(row, from_left(len(row))) if way == "running" else cheapest(row)
            found.append((association, prefix))
        association, prefix = min(found, key=lambda option: option[0].cost)
        made[chain] = association.spec
        steps.append(PrefixStep(chain, prefix, association.tree, association.cost))
    needed = set(wanted)
    kept = []
    for step in reversed(steps):  # a shared prefix that nothing takes is not formed
        if step.made in needed:
            needed.add(step.known)
            kept.append(step)
    return PrefixPlan(tuple(reversed(kept)))


def _shared(chains: set[Numbers]) -> set[Numbers]:
    """Return the longest common beginnings of any two chains, of at least one factor."""
    # of all pairs, neighbours in lexicographic order have the longest ones
    found = set()
    for first, second in pairwise(sorted(chains)):
        length = 0
        while length < min(len(first), len(second)) and first[length] == second[length]:
            length += 1
        found.add(first[:length])
    return found - {()}


def prefix_products(chains: Sequence[Sequence[Jacobian]], ledger: Ledger | None = None) -> list[Jacobian]:
    """Return the product of each chain, output side first, forming once what several begin with.

    Parameters
    ----------
    chains : sequence of sequences of Jacobian
        What they share are the same objects.
    ledger : Ledger, optional
        Where multiplications and additions are counted.

    Returns
    -------
    list of Jacobian

    Raises
    ------
    ValueError
        If a chain has no factor, or inner sizes don't match.

    Examples
    --------
    >>> from jacobians.structures import Dense, Diagonal
    >>> first, second = Dense([[1.0, 2.0]]), Diagonal([3.0, 4.0])
    >>> [product.dense() for product in prefix_products([[first], [first, second]])]
    [array([[1., 2.]]), array([[3., 8.]])]
    """
    places: dict[int, int] = {}
    factors: list[Jacobian] = []
    numbered = []
    for chain in chains:
        for factor in chain:
            if id(factor) not in places:
                places[id(factor)] = len(factors)
                factors.append(factor)
        numbered.append(tuple(places[id(factor)] for factor in chain))
    made: dict[Numbers, Jacobian] = {}
    for step in prefix_plan(tuple(factor.spec for factor in factors), tuple(numbered)).steps:
        row = [made[step.known]] if step.known else []
        row += [factors[place] for place in step.made[len(step.known) :]]
        made[step.made] = evaluate(step.tree, row, ledger)
    return [made[chain] for chain in numbered]
