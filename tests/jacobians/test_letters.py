"""Sizes that are letters: each row's cost as an expression, against the same row at numbers."""

import random

import pytest
import sympy

from jacobians import Cost, Spec
from jacobians.planning.bracketing import associate, cheapest, from_left, from_right
from jacobians.products import product_cost, product_spec

n, h, k, d, N, r = LETTERS = sympy.symbols("n h k d N r", integer=True, positive=True)

PAIRS = {
    "dense dense": (Spec.dense(n, h), Spec.dense(h, k)),
    "dense dense of points": (Spec.dense(n, h, (N,)), Spec.dense(h, k)),
    "dense diagonal": (Spec.dense(n, h), Spec.diagonal(h, (N,))),
    "diagonal dense": (Spec.diagonal(h), Spec.dense(h, k, (N,))),
    "diagonal diagonal": (Spec.diagonal(h), Spec.diagonal(h)),
    "dense low rank": (Spec.dense(n, h), Spec.low_rank(h, r)),
    "low rank dense": (Spec.low_rank(h, 1, (N,)), Spec.dense(h, k)),
    "low rank low rank": (Spec.low_rank(h, r), Spec.low_rank(h, 2)),
    "diagonal low rank": (Spec.diagonal(h), Spec.low_rank(h, r)),
    "dense weights": (Spec.dense(n, h), Spec.kronecker(Spec.identity(h), Spec.dense(1, k))),
    "dense Kronecker, one order": (Spec.dense(n, h * d), Spec.kronecker(Spec.identity(h), Spec.dense(d, k))),
    "dense Kronecker, two orders": (Spec.dense(n, h * d), Spec.kronecker(Spec.dense(h, r), Spec.dense(d, k))),
    "Kronecker dense": (Spec.kronecker(Spec.dense(n, h), Spec.dense(k, d)), Spec.dense(h * d, r)),
    "Kronecker Kronecker": (
        Spec.kronecker(Spec.dense(n, h), Spec.diagonal(d)),
        Spec.kronecker(Spec.dense(h, k), Spec.dense(d, r)),
    ),
    "selection dense": (Spec.selection(k, h, weighted=True), Spec.dense(h, n)),
    "dense scatter": (Spec.dense(n, h), Spec.scatter(h, k, weighted=True)),
    "dense selection": (Spec.dense(n, h), Spec.selection(h, k)),
    "block row, block column": (
        Spec.block_row([Spec.dense(n, h), Spec.dense(n, k)]),
        Spec.block_column([Spec.dense(h, d), Spec.dense(k, d)]),
    ),
    "diagonal Kronecker, made dense": (
        Spec.diagonal(h * d),
        Spec.kronecker(Spec.dense(h, n), Spec.dense(d, k)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_row_at_letters_and_then_numbers_is_the_row_at_numbers(name):
    left, right = PAIRS[name]
    spec, cost = product_spec(left, right), product_cost(left, right)
    draw = random.Random(name)
    for _ in range(30):
        values = {letter: draw.randint(2, 40) for letter in LETTERS}
        numbers = left.at(values), right.at(values)
        assert cost.at(values) == product_cost(*numbers)
        assert spec.at(values) == product_spec(*numbers)


SIDE = h * d
PRINTED = {
    "I": Spec.identity(SIDE),
    "0": Spec.zero(SIDE, SIDE),
    "diag": Spec.diagonal(SIDE),
    "A": Spec.dense(SIDE, SIDE),
    "diag + u·vᵀ": Spec.low_rank(SIDE, 1),
    "diag + U·Vᵀ": Spec.low_rank(SIDE, r),
    "A ⊗ B": Spec.kronecker(Spec.dense(h, h), Spec.dense(d, d)),
    "I ⊗ B": Spec.kronecker(Spec.identity(h), Spec.dense(d, d)),
    "A ⊗ I": Spec.kronecker(Spec.dense(h, h), Spec.identity(d)),
    "diag ⊗ B": Spec.kronecker(Spec.diagonal(h), Spec.dense(d, d)),
    "A ⊗ (diag + u·vᵀ)": Spec.kronecker(Spec.dense(h, h), Spec.low_rank(d, 1)),
    "K": Spec.selection(SIDE, SIDE),
    "Kᵀ": Spec.scatter(SIDE, SIDE),
}  # fmt: skip
"""The structures that a printed formula can have, square so that each goes with each."""


@pytest.mark.parametrize("left", PRINTED)
def test_what_two_printed_structures_cost_in_letters_is_the_planner_s_number(left):
    draw = random.Random(left)
    for right in PRINTED:
        pair = PRINTED[left], PRINTED[right]
        spec, cost = product_spec(*pair), product_cost(*pair)
        for _ in range(3):
            values = {letter: draw.randint(2, 12) for letter in LETTERS}
            numbers = [one.at(values) for one in pair]
            assert cost.at(values) == product_cost(*numbers), (left, right)
            assert spec.at(values) == product_spec(*numbers), (left, right)


def test_the_cost_of_three_matrices_is_what_the_notes_write():
    specs = [Spec.dense(n, h), Spec.dense(h, h), Spec.dense(h, k)]
    left, right = (associate(specs, tree(3)).cost for tree in (from_left, from_right))
    assert sympy.expand(left.multiplications - (n * h * h + n * h * k)) == 0
    assert sympy.expand(right.multiplications - (h * h * k + n * h * k)) == 0
    assert sympy.expand(left.additions - (n * (h - 1) * h + n * (h - 1) * k)) == 0


def test_letters_that_may_be_no_size_are_refused_by_name():
    with pytest.raises(
        ValueError, match="size: found x, which may be no positive integer, expected an integer"
    ):
        Spec.dense(sympy.Symbol("x"), 2)
    with pytest.raises(ValueError, match="size: found 0, expected an integer of at least 1"):
        Spec.dense(sympy.Integer(0), 2)
    assert Spec.dense(sympy.Integer(3), 2) == Spec.dense(3, 2)
    assert type(Spec.dense(sympy.Integer(3), 2).shape[0]) is int


def test_costs_of_letters_are_no_order_and_say_so():
    with pytest.raises(TypeError, match="expected numbers to compare; put numbers in"):
        min(Cost(n, 0), Cost(h, 0))
    for factors in (3, 20):
        with pytest.raises(ValueError, match="'optimal' with a size of letters in Dense n×n"):
            cheapest([Spec.dense(n, n)] * factors)


def test_a_spec_knows_its_letters_at_any_depth():
    spec = Spec.kronecker(Spec.identity(h), Spec.dense(1, k, (N,)))
    assert spec.letters == {h, k, N}
    assert spec.at({h: 2, k: 3, N: 4}) == Spec.kronecker(Spec.identity(2), Spec.dense(1, 3, (4,)))
    assert spec.at({h: 2}).letters == {k, N}
