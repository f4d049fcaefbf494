"""The cheapest bracketing against exhaustive search over all bracketings."""

from __future__ import annotations

import numpy as np
import pytest
from bracketings import all_trees
from counting_scalars import Tally, counting, counting_constants, values
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

from jacobians import Cost, Spec
from jacobians.numerics.ledger import Ledger
from jacobians.planning.bracketing import _cheapest as interval_by_interval
from jacobians.planning.bracketing import associate, cheapest, evaluate, from_left, from_right
from jacobians.planning.trees import Tree
from jacobians.products import product_cost, product_spec

__all__ = ["counting_constants"]  # a fixture


def brute_force(specs: list[Spec], tree: Tree) -> tuple[Spec, Cost]:
    """Return spec and cost of one bracketing, product by product."""
    if isinstance(tree, int):
        return specs[tree], Cost(0, 0)
    (left, left_cost), (right, right_cost) = brute_force(specs, tree[0]), brute_force(specs, tree[1])
    return product_spec(left, right), left_cost + right_cost + product_cost(left, right)


@st.composite
def chains(draw: st.DrawFn, most: int = 8) -> list[Spec]:
    """Draw a chain of mixed structures whose neighbours fit."""
    length = draw(st.integers(1, most))
    rows = draw(st.integers(1, 6))
    specs = []
    for _ in range(length):
        batch = draw(st.sampled_from([(), (), (3,)]))
        kinds = ["dense", "identity", "diagonal", "low rank", "selection", "scatter", "zero"]
        divisors = [d for d in range(1, rows + 1) if rows % d == 0]
        kind = draw(st.sampled_from([*kinds, "dense", "diagonal", "kronecker", "kronecker", "block row"]))
        columns = draw(st.integers(1, 6))
        match kind:
            case "dense":
                spec = Spec.dense(rows, columns, batch)
            case "identity":
                spec = Spec.identity(rows)
            case "diagonal":
                spec = Spec.diagonal(rows, batch)
            case "low rank":
                spec = Spec.low_rank(rows, draw(st.integers(1, 2)), batch)
            case "selection":
                spec = Spec.selection(rows, columns, batch, weighted=draw(st.booleans()))
            case "scatter":
                spec = Spec.scatter(rows, columns, batch)
            case "zero":
                spec = Spec.zero(rows, columns)
            case "block row":
                spec = Spec.block_row([Spec.dense(rows, 2), Spec.diagonal(rows, batch)])
            case _:
                p = draw(st.sampled_from(divisors))
                factors = []
                for size in (p, rows // p):
                    width = draw(st.integers(1, 3))
                    identity = draw(st.booleans())
                    factors.append(Spec.identity(size) if identity else Spec.dense(size, width, batch))
                spec = Spec.kronecker(*factors)
        specs.append(spec)
        rows = spec.shape[1]
    return specs


@settings(max_examples=250, deadline=None)
@given(chains())
def test_cheapest_equals_exhaustive_search(specs: list[Spec]) -> None:
    outcomes = [brute_force(specs, tree)[1] for tree in all_trees(0, len(specs) - 1)]
    found = cheapest(specs)
    assert found.cost == min(outcomes)
    assert brute_force(specs, found.tree) == (found.spec, found.cost)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.sampled_from(CASES), min_size=6, max_size=10))
def test_long_chains_are_planned_by_arrays_as_interval_by_interval(chain: list[Case]) -> None:
    specs = tuple(case.jacobian.spec for case in chain)
    found, truth = cheapest(specs), interval_by_interval(specs)
    assert (found.spec, found.cost) == (truth.spec, truth.cost)
    assert brute_force(specs, found.tree) == (found.spec, found.cost)


@pytest.mark.parametrize("place", range(5))
def test_zeros_in_a_long_chain_leave_nothing_of_a_kronecker_product_behind(place: int) -> None:
    dense = [Spec.dense(2, 2)] * 5
    dense[place] = Spec.zero(2, 2)
    specs = [*dense, Spec.kronecker(Spec.dense(2, 2), Spec.dense(1, 3))]
    found = cheapest(specs)
    assert brute_force(specs, found.tree) == (found.spec, found.cost)
    assert found.spec == Spec.zero(2, 6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=5))
def test_executed_cost_is_the_planned_cost_and_the_product_is_right(chain: list[Case]) -> None:
    factors = [case.jacobian for case in chain]
    truth = chain[0].truth
    for case in chain[1:]:
        truth = truth @ case.truth
    specs = [factor.spec for factor in factors]
    for tree in (from_left(len(specs)), from_right(len(specs)), cheapest(specs).tree):
        ledger = Ledger()
        product = evaluate(tree, factors, ledger)
        planned = associate(specs, tree)
        assert ledger.cost == planned.cost
        assert product.spec == planned.spec
        assert_allclose(product.dense(), truth, rtol=1e-8, atol=1e-8)


@pytest.mark.usefixtures("counting_constants")
@pytest.mark.parametrize("seed", range(20))
def test_whole_plans_cost_what_is_executed(seed: int) -> None:
    r = np.random.default_rng(seed)
    chain = [CASES[int(place)] for place in r.integers(0, len(CASES), 5)]
    factors = [counting(case.jacobian) for case in chain]
    planned = cheapest([case.jacobian.spec for case in chain])
    Tally.reset()
    product = evaluate(planned.tree, factors)
    assert Cost(Tally.multiplications, Tally.additions) == planned.cost
    truth = chain[0].truth
    for case in chain[1:]:
        truth = truth @ case.truth
    assert_allclose(values(product.dense()), truth, rtol=1e-8, atol=1e-8)


def test_a_dearer_interval_can_make_a_cheaper_whole() -> None:
    # Keeping only the cheapest way to each interval would miss this: the spec matters further up.
    def greedy(specs: list[Spec]) -> Cost:
        best: dict[tuple[int, int], tuple[Spec, Cost]] = {
            (i, i): (s, Cost(0, 0)) for i, s in enumerate(specs)
        }
        for length in range(2, len(specs) + 1):
            for i in range(len(specs) - length + 1):
                j = i + length - 1
                ways = []
                for k in range(i, j):
                    (left, left_cost), (right, right_cost) = best[i, k], best[k + 1, j]
                    cost = left_cost + right_cost + product_cost(left, right)
                    ways.append((product_spec(left, right), cost))
                best[i, j] = min(ways, key=lambda way: way[1])
        return best[0, len(specs) - 1][1]

    specs = [
        Spec.dense(4, 1),
        Spec.diagonal(1),
        Spec.kronecker(Spec.dense(1, 2), Spec.identity(1)),
        Spec.kronecker(Spec.identity(1), Spec.identity(2)),
    ]
    outcomes = [brute_force(specs, tree)[1] for tree in all_trees(0, 3)]
    assert cheapest(specs).cost == min(outcomes) == Cost(2, 0)
    assert greedy(specs) == Cost(4, 0)


def test_ties_go_to_the_leftmost_split() -> None:
    specs = [Spec.dense(2, 2)] * 3
    assert cheapest(specs).tree == (0, (1, 2))


def test_text_book_chains() -> None:
    shapes = [(30, 35), (35, 15), (15, 5), (5, 10), (10, 20), (20, 25)]
    assert cheapest([Spec.dense(*shape) for shape in shapes]).cost.multiplications == 15_125
    bare = [Spec.dense(1, 100), Spec.dense(100, 100), Spec.dense(100, 100)]
    assert associate(bare, from_left(3)).cost.multiplications == 20_000
    assert associate(bare, from_right(3)).cost.multiplications == 1_010_000


def test_no_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="specs: found no factor, expected at least one"):
        cheapest([])
