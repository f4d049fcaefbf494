"""Dense factors with diagonals between them, planned without the programme: equal to it, and proven where taken."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backprop
from jacobians import Spec
from jacobians.numerics.arrays import MemoryBudgetError
from jacobians.planning import bracketing
from jacobians.planning.merged_diagonals import merged_bracketing
from jacobians.structures import ScaledIdentity


@st.composite
def chains(draw):
    """Chains of dense factors with runs of diagonals at any corner, of sizes that are often equal."""
    batch = draw(st.sampled_from([(), (3,)]))
    sizes = draw(st.lists(st.integers(1, draw(st.sampled_from([2, 3, 9, 40]))), min_size=3, max_size=8))
    specs = []
    for place, size in enumerate(sizes):
        specs += [Spec.diagonal(size, batch)] * draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
        if place + 1 < len(sizes):
            specs.append(Spec.dense(size, sizes[place + 1], batch))
    return specs


@settings(max_examples=300, deadline=None)
@given(chains())
def test_it_is_what_the_programme_finds_or_nothing(specs):
    is_what_the_programme_finds(specs)


def is_what_the_programme_finds(specs):
    found = merged_bracketing(specs)
    if found is not None:
        association = bracketing.associate(specs, found.tree)
        assert association == bracketing._cheapest(tuple(specs))
        assert association.cost.multiplications == found.bound


def between(size, batch):
    """Return square factors that may stand between dense ones."""
    return [
        Spec.diagonal(size, batch),
        Spec.identity(size),
        ScaledIdentity(2.0, size).spec,
        Spec.low_rank(size, 1, batch),
        Spec.low_rank(size, 2, batch),
        Spec.selection(size, size, repeats=False),
        Spec.selection(size, size, batch, weighted=True, repeats=False),
        Spec.selection(size, size, batch),
        Spec.scatter(size, size, batch),
        Spec.kronecker(Spec.identity(1), Spec.diagonal(size, batch)),
        Spec.kronecker(Spec.dense(size, size, batch), Spec.identity(1)),
        Spec.zero(size, size),
    ]


KINDS = len(between(1, ()))


@st.composite
def mixed_chains(draw):
    """Chains of dense factors, for one point or for all, with runs of anything square, and something at the end."""
    batch = draw(st.sampled_from([(), (), (3,)]))
    of_weights = draw(st.lists(st.sampled_from([(), batch]), min_size=6, max_size=6))
    sizes = draw(st.lists(st.integers(1, draw(st.sampled_from([2, 3, 9, 40]))), min_size=3, max_size=6))
    kinds = draw(st.lists(st.integers(0, KINDS - 1), min_size=1, max_size=3))
    one = draw(st.booleans())  # something stands between all dense factors
    specs = []
    for place, size in enumerate(sizes):
        for _ in range(draw(st.sampled_from([1, 1, 2] if one else [0, 1, 1, 2, 3]))):
            specs.append(between(size, batch)[draw(st.sampled_from(kinds))])
        if place + 1 < len(sizes):
            specs.append(Spec.dense(size, sizes[place + 1], of_weights[place]))
    if draw(st.booleans()):
        specs.append(Spec.kronecker(Spec.identity(sizes[-1]), Spec.dense(1, 4, of_weights[-1])))
    return specs


@settings(max_examples=600, deadline=None)
@given(mixed_chains())
def test_whatever_stands_between_dense_factors_it_is_what_the_programme_finds_or_nothing(specs):
    is_what_the_programme_finds(specs)


def network(widths, repeats=1):
    specs = []
    for rows, columns in pairwise(widths):
        specs += [Spec.dense(rows, columns), *[Spec.diagonal(columns)] * repeats]
    return specs


@pytest.mark.parametrize(
    "widths",
    [
        [16] * 40,
        [784, 256, 32, 256, 784] * 4,
        [10, *[64] * 30],
        [*[64] * 30, 10],
        [1, *[7, 5, 9, 8] * 9],
        [3, 2, 3],
    ],
)
def test_the_widths_of_networks_are_proven(widths):
    specs = network(widths)
    assert merged_bracketing(specs) is not None
    assert bracketing.cheapest(specs) == bracketing._cheapest(tuple(specs))


@pytest.mark.parametrize(
    "specs",
    [
        [Spec.dense(3, 3), Spec.diagonal(3)],
        [Spec.dense(3, 3), Spec.dense(3, 3, (2,)), Spec.diagonal(3)],
        [Spec.dense(3, 3), Spec.zero(3, 3), Spec.dense(3, 3)],
        # rows are taken for nothing, columns are placed by additions
        [Spec.dense(3, 3), Spec.selection(3, 3), Spec.dense(3, 3)],
        # the corner of size 50 is cut off from those of size 10
        [Spec.dense(10, 11), Spec.dense(11, 50), Spec.diagonal(50), Spec.dense(50, 11), Spec.dense(11, 10)],
    ],
)
def test_other_chains_are_left_to_the_programme(specs):
    assert merged_bracketing(specs) is None
    assert bracketing.cheapest(specs) == bracketing._cheapest(tuple(specs))


def test_a_thousand_layers_are_planned_without_the_programme(monkeypatch):
    def programme(*_):
        raise AssertionError("n³")

    monkeypatch.setattr(bracketing, "_confluent", programme)
    monkeypatch.setattr(bracketing, "_cheapest", programme)
    plan = backprop.Chain.from_specs(network([16, *[32, 20, 24] * 333])).plan("optimal")
    assert plan.cost.multiplications == sum(step.cost.multiplications for step in plan.steps)
    assert plan.cost.multiplications <= plan.chain.plan("left").cost.multiplications


def _residuals_in_line(width, count, batch):
    """What stands in a deep network with layer norms, in line: W, φ′, W, the norm's derivative."""
    block = [
        Spec.dense(width, width),
        Spec.low_rank(width, 2, batch),
        Spec.diagonal(width, batch),
        Spec.dense(width, width),
        Spec.diagonal(width, batch),
        Spec.identity(width),
    ]
    return block * count


@pytest.mark.parametrize("batch", [(), (7,)])
@pytest.mark.parametrize("first", [1, 10, 24])
@pytest.mark.parametrize("last", [None, "weights"])
def test_five_thousand_factors_with_norms_and_batches_are_planned_without_the_programme(
    monkeypatch, batch, first, last
):
    def programme(*_):
        raise AssertionError("n³")

    end = [] if last is None else [Spec.kronecker(Spec.identity(24), Spec.dense(1, 24, batch))]
    few = [Spec.dense(first, 24, batch), *_residuals_in_line(24, 3, batch), *end]
    assert bracketing.cheapest(few) == bracketing._cheapest(tuple(few))
    monkeypatch.setattr(bracketing, "_confluent", programme)
    monkeypatch.setattr(bracketing, "_cheapest", programme)
    specs = [Spec.dense(first, 24, batch), *_residuals_in_line(24, 830, batch), *end]
    asked = 0

    def look(left, right, told=bracketing.product_cost):
        nonlocal asked
        asked += 1
        return told(left, right)

    monkeypatch.setattr(bracketing, "product_cost", look)
    best = bracketing.cheapest(specs)
    assert asked < 60
    assert best.cost.multiplications <= bracketing.in_order(specs, "left").cost.multiplications
    assert best.cost.multiplications <= bracketing.in_order(specs, "right").cost.multiplications


def test_a_chain_whose_programme_takes_too_much_memory_is_refused_by_the_number_of_bytes():
    specs = [Spec.dense(3, 3), Spec.selection(3, 3)] * 2000
    with pytest.raises(
        MemoryBudgetError,
        match=r"^strategy: 'optimal', a table of all intervals of factors \(4000×4000\) would take 2\.53 GiB "
        r"\(2,720,000,000 bytes\), more than max_bytes = 2 GiB; no bound proves an order without it: take 'left', "
        r"'right' or a bracketing of your own$",
    ):
        backprop.Chain.from_specs(specs).plan()
    assert backprop.Chain.from_specs(specs).plan("left").cost.multiplications == 2000 * 27 - 27


def test_the_product_of_a_deep_network_is_right():
    rng = np.random.default_rng(0)
    factors = []
    for _ in range(40):
        factors += [rng.standard_normal((5, 5)) / 3, np.diag(rng.standard_normal(5))]
    structured = [
        backprop.Chain([f]).jacobians[0] if k % 2 == 0 else _diagonal(f) for k, f in enumerate(factors)
    ]
    found = backprop.Chain(structured).plan("optimal").execute()
    np.testing.assert_allclose(found.jacobian.dense(), np.linalg.multi_dot(factors), rtol=1e-10)


def _diagonal(matrix):
    from jacobians.structures import Diagonal

    return Diagonal(np.diagonal(matrix).copy())
