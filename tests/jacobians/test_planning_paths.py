"""The fast ways to plan against the general one: the same cost, the same spec and the same bracketing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacobians import Spec
from jacobians.association import Association, _cheapest, _confluent, _dense, cheapest
from jacobians.dense_association import dense_triangles
from jacobians.interval_programme import interval_plan

POWERS = [2**k for k in range(12)]
SIZES = [
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(1, 1000),
    st.sampled_from(POWERS),
    st.sampled_from([1, 2, 10**6]),
    st.integers(10**5, 10**9),
    st.integers(2**40, 2**44),
]


def dense(sizes: list[int], batch: tuple[int, ...] = ()) -> list[Spec]:
    return [Spec.dense(m, n, batch) for m, n in itertools.pairwise(sizes)]


def general(specs: list[Spec]) -> Association:
    return _cheapest(tuple(specs))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(*[st.lists(size, min_size=2, max_size=14) for size in SIZES]),
    st.sampled_from([(), (3,), (2, 5)]),
)
def test_dense_chains(sizes: list[int], batch: tuple[int, ...]) -> None:
    specs = dense(sizes, batch)
    expected = general(specs)
    assert cheapest(specs) == expected
    for found in (_dense(specs), _confluent(specs)):
        assert found is None or found == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=16, unique=True), st.integers(0, 20))
def test_the_polygon_answers_for_distinct_sizes(sizes: list[int], shift: int) -> None:
    # shifted far beyond 64 bits, where the comparisons and the cost are those of Python integers
    specs = dense([size << 2 * shift for size in sizes])
    found = _dense(specs)
    assert found is None or found == general(specs)


def test_the_polygon_on_every_order_of_distinct_sizes() -> None:
    answered = 0
    for sizes in itertools.permutations([1, 2, 3, 5, 8, 13, 14]):
        found = _dense(dense(list(sizes)))
        assert found is None or found == general(dense(list(sizes)))
        answered += found is not None
    assert answered > 4000  # of 5040: the others compare equal supporting weights


@pytest.mark.parametrize(("values", "length"), [(range(1, 6), 4), (range(1, 5), 5), (range(1, 4), 7)])
def test_every_chain_of_a_few_sizes(values: range, length: int) -> None:
    for sizes in itertools.product(values, repeat=length):
        specs = dense(list(sizes))
        assert cheapest(specs) == general(specs)


def test_a_long_chain_by_both_fast_ways() -> None:
    sizes = (1 + np.random.default_rng(3).choice(99_999, 121, replace=False)).tolist()
    specs = dense(sizes)
    assert dense_triangles(sizes) is not None
    assert _dense(specs) == _confluent(specs) == cheapest(specs)


def test_a_chain_of_thousands_is_no_deeper_than_the_stack() -> None:
    sizes = [*range(5000, 3000, -1)]
    triangles = dense_triangles(sizes)
    assert triangles is not None
    assert len(triangles) == len(sizes) - 2


@st.composite
def confluent_chains(draw: st.DrawFn) -> list[Spec]:
    """Draw a chain of structures whose products don't depend on the bracketing, perhaps with I ⊗ xᵀ at the end."""
    batches = st.sampled_from(draw(st.sampled_from([[()], [(), (3,)], [(4,)], [(), (2, 1), (3,)]])))
    sizes = draw(st.sampled_from(SIZES))
    kinds = st.sampled_from(
        ["dense", "dense", *draw(st.sampled_from([[], ["diagonal"], ["diagonal", "low rank", "identity"]]))]
    )
    rows = draw(sizes)
    specs = []
    for _ in range(draw(st.integers(5, 10))):
        match draw(kinds):
            case "dense":
                columns = draw(sizes)
                specs.append(Spec.dense(rows, columns, draw(batches)))
                rows = columns
            case "diagonal":
                specs.append(Spec.diagonal(rows, draw(batches)))
            case "identity":
                specs.append(Spec.identity(rows))
            case _:
                specs.append(Spec.low_rank(rows, draw(st.integers(1, 3)), draw(batches)))
    options = {"weighted": draw(st.booleans()), "repeats": draw(st.booleans())}
    selection = Spec.selection(rows, draw(sizes), draw(batches), **options)
    core = draw(
        st.sampled_from(
            [Spec.identity(rows), Spec.dense(rows, 2), Spec.diagonal(rows, draw(batches)), selection]
        )
    )
    row = Spec.dense(1, 3, draw(batches))
    end = draw(st.sampled_from([None, core, Spec.kronecker(core, row), Spec.kronecker(row, core)]))
    return specs if end is None else [*specs, end]


@settings(max_examples=300, deadline=None)
@given(confluent_chains())
def test_confluent_chains(specs: list[Spec]) -> None:
    expected = general(specs)
    assert cheapest(specs) == expected
    found = _confluent(specs)
    assert found is None or found == expected


@pytest.mark.parametrize("batch", [(), (64,)])
def test_a_network_goes_the_fast_way(batch: tuple[int, ...]) -> None:
    specs = [Spec.low_rank(10, 1, batch)]
    for m, n in itertools.pairwise([10, 32, 32, 64, 16]):
        specs += [Spec.dense(m, n), Spec.diagonal(n, batch)]
    for core in (Spec.identity(16), Spec.selection(16, 20, repeats=False)):
        chain = [*specs, Spec.kronecker(core, Spec.dense(1, 7, batch))]
        assert _confluent(chain) == general(chain)
    assert _confluent(specs) == general(specs)


def test_what_is_not_confluent_or_leaves_64_bits_goes_the_general_way() -> None:
    square = [Spec.dense(4, 4)] * 5
    for specs in (
        [*square, Spec.kronecker(Spec.dense(2, 2), Spec.dense(2, 2))],
        [Spec.kronecker(Spec.dense(2, 2), Spec.dense(2, 2)), *square],
        [*square, Spec.zero(4, 4)],
        dense([2**20] * 8),
        dense([2, 2**64, 3, 2, 3, 2**64, 5]),
    ):
        assert interval_plan(specs) is None
        assert cheapest(specs) == general(specs)
