"""The fast ways to plan against the general one: the same cost, the same spec and the same bracketing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from bracketings import all_trees
from hypothesis import given, settings
from hypothesis import strategies as st

from jacobians import Spec
from jacobians.planning import dynamic_programming
from jacobians.planning.bracketing import Association, _cheapest, _confluent, _dense, associate, cheapest
from jacobians.planning.dynamic_programming import interval_plan
from jacobians.planning.hu_shing import dense_bracketing
from jacobians.structures import BlockDiagonal, Kronecker, Repeat, Toeplitz
from jacobians.structures.sparse import sparse_spec

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

# equal sizes tie by themselves; the others also by sums such as 1/3 + 1/3 − 1/6 = 1/2
REPEATED = [
    [1],
    [7],
    [1, 2],
    [3, 4, 5],
    [2, 3, 4, 6, 12],
    [6, 8, 9, 10, 12, 15, 20, 30, 60],
    [*range(10, 30)],
]


def dense(sizes: list[int], batch: tuple[int, ...] = ()) -> list[Spec]:
    return [Spec.dense(m, n, batch) for m, n in itertools.pairwise(sizes)]


@st.composite
def chains_of_equals(draw: st.DrawFn, most: int = 15) -> list[int]:
    """Draw sizes most of which occur several times, some in runs."""
    values = st.sampled_from(draw(st.sampled_from(REPEATED)))
    sizes: list[int] = []
    for size in draw(st.lists(values, min_size=4, max_size=most)):
        sizes += [size] * draw(st.sampled_from([1, 1, 1, 2, 4]))
    return sizes[:most]


def general(specs: list[Spec]) -> Association:
    return _cheapest(tuple(specs))


def exhaustive(specs: list[Spec]) -> Association:
    """Return the first of all bracketings that cost the least: leftmost split, then that of the left side, …"""
    trees = all_trees(0, len(specs) - 1)
    return min((associate(specs, tree) for tree in trees), key=lambda found: found.cost)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(*[st.lists(size, min_size=2, max_size=14) for size in SIZES]),
    st.sampled_from([(), (3,), (2, 5)]),
)
def test_dense_chains(sizes: list[int], batch: tuple[int, ...]) -> None:
    specs = dense(sizes, batch)
    expected = general(specs)
    assert cheapest(specs) == expected
    assert (_dense(specs) or expected) == expected
    assert (_confluent(specs) or expected) == expected


@settings(max_examples=200, deadline=None)
@given(chains_of_equals())
def test_ties_by_every_way(sizes: list[int]) -> None:
    specs = dense(sizes)
    expected = general(specs)
    assert _dense(specs) == expected
    assert (_confluent(specs) or expected) == expected


@settings(max_examples=150, deadline=None)
@given(chains_of_equals(most=9))
def test_ties_against_exhaustive_search(sizes: list[int]) -> None:
    specs = dense(sizes)
    assert _dense(specs) == general(specs) == exhaustive(specs)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=16, unique=True), st.integers(0, 20))
def test_distinct_sizes(sizes: list[int], shift: int) -> None:
    # shifted far beyond 64 bits, where the comparisons and the cost are those of Python integers
    specs = dense([size << 2 * shift for size in sizes])
    assert _dense(specs) == general(specs)


def test_every_order_of_distinct_sizes() -> None:
    for sizes in itertools.permutations([1, 2, 3, 5, 8, 13, 14]):
        assert _dense(dense(list(sizes))) == general(dense(list(sizes)))


@pytest.mark.parametrize(
    ("values", "length"),
    [([1, 2], 10), ([1, 2, 3, 4, 5], 4), ([1, 2, 3, 4], 5), ([1, 2, 3], 7), ([2, 3, 4, 6], 6)],
)
def test_every_chain_of_a_few_sizes(values: list[int], length: int) -> None:
    for sizes in itertools.product(values, repeat=length):
        specs = dense(list(sizes))
        assert _dense(specs) == general(specs)


@pytest.mark.parametrize("count", [20, 90])
def test_sizes_that_repeat_in_long_chains(count: int) -> None:
    random = np.random.default_rng(count)
    for sizes in (
        [256] * count,
        [1] * count,
        [*range(count, 0, -1), *range(1, count)],
        [3, 7, 5] * (count // 3),
        random.integers(1, 4, count).tolist(),
        random.integers(5, 40, count).tolist(),
        np.repeat(random.integers(3, 9, count // 5), 5).tolist(),
    ):
        specs = dense(sizes)
        assert _dense(specs) == _confluent(specs) == cheapest(specs)


def test_chains_of_thousands_are_no_deeper_than_the_stack() -> None:
    for sizes in ([256] * 3000, [*range(5000, 3000, -1)], [1, 5, 9] * 700, [9, 5, 1, 1, 5, 9, 5] * 300):
        _, products = dense_bracketing(sizes)
        assert [len(part) for part in products] == [len(sizes) - 2] * 3


def test_additions_decide_between_an_arc_and_a_fan() -> None:
    # 1/3 + 1/3 − 1/6 = 1/2: as many multiplications with the arc 3·3 as with 2·6, which takes fewer additions
    for sizes in (
        [2, 3, 6, 3],
        [3, 6, 3, 2],
        [6, 3, 2, 3],
        [3, 2, 3, 6],
        [11, 3, 6, 3, 10, 2, 12, 3, 6, 3, 13],
    ):
        found = _dense(dense(sizes))
        assert found == general(dense(sizes)) == exhaustive(dense(sizes))
    # 1/200 + 1/200 − 1/600 = 1/120, in the region over the arc 120·130
    sizes = [117, 120, 200, 600, 200, 130]
    for shift in range(6):
        specs = dense(sizes[shift:] + sizes[:shift])
        assert _dense(specs) == general(specs) == exhaustive(specs)


@st.composite
def confluent_chains(draw: st.DrawFn) -> list[Spec]:
    """Draw a chain of structures whose products don't depend on the bracketing, perhaps with I ⊗ xᵀ at the end."""
    batches = st.sampled_from(draw(st.sampled_from([[()], [(), (3,)], [(4,)], [(), (2, 1), (3,)]])))
    sizes = draw(st.sampled_from(SIZES))
    kinds = st.sampled_from(
        [
            "dense",
            "dense",
            *draw(
                st.sampled_from(
                    [
                        [],
                        ["diagonal"],
                        ["diagonal", "low rank", "identity"],
                        ["scatter", "diagonal", "selection"],
                    ]
                )
            ),
        ]
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
            case "scatter" | "selection" as kind:
                columns = draw(sizes)
                options = {"weighted": draw(st.booleans()), "repeats": draw(st.booleans())}
                specs.append(getattr(Spec, kind)(rows, columns, draw(batches), **options))
                rows = columns
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


@settings(max_examples=60, deadline=None)
@given(confluent_chains())
def test_the_first_of_all_cheapest_bracketings_is_found(specs: list[Spec]) -> None:
    specs = specs[-7:]
    expected = exhaustive(specs)
    assert cheapest(specs) == expected
    assert (_confluent(specs) or expected) == expected


@pytest.mark.parametrize("batch", [(), (64,)])
def test_a_network_goes_the_fast_way(batch: tuple[int, ...]) -> None:
    specs = [Spec.low_rank(10, 1, batch)]
    for m, n in itertools.pairwise([10, 32, 32, 64, 16]):
        specs += [Spec.dense(m, n), Spec.diagonal(n, batch)]
    for core in (Spec.identity(16), Spec.selection(16, 20, repeats=False)):
        chain = [*specs, Spec.kronecker(core, Spec.dense(1, 7, batch))]
        assert _confluent(chain) == general(chain)
    assert _confluent(specs) == general(specs)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_scatter_in_a_long_chain_goes_the_fast_way(weighted: bool) -> None:
    specs: list[Spec] = []
    for m, n in itertools.pairwise([5, 9, 3, 12, 7, 7, 4]):
        specs += [Spec.dense(m, n), Spec.diagonal(n, (3,)), Spec.low_rank(n, 2)]
        if n == 12:
            specs += [Spec.scatter(12, 12, (3,), weighted=weighted)]
    assert _confluent(specs) == general(specs)


def middle(name: str) -> list[Spec]:
    """Return a factor of 12 outputs and inputs, with what it needs beside it, whose costs are no formula of sizes."""
    two = Spec.dense(3, 3), Spec.dense(4, 4)
    found: dict[str, list[Spec]] = {
        "Kronecker": [Spec.kronecker(*two)],
        "Kronecker with an identity": [Spec.kronecker(two[0], Spec.identity(4))],
        "BlockDiagonal": [BlockDiagonal._joined([Spec.dense(6, 6, (3,)), Spec.diagonal(6)])],
        "Toeplitz": [Toeplitz([1.0, 2.0], 13).spec, Spec.dense(13, 12)],
        "Repeat": [Spec.dense(12, 24), Repeat(2, q=12).spec],
        "Sparse": [sparse_spec(12, 12, (), np.arange(12), np.arange(12)[::-1])],
        "PointSum": [Kronecker(np.ones((5, 3, 3)), np.ones((5, 4, 4))).summed().spec],
        "Zero": [Spec.zero(12, 12)],
        "ScaledIdentity": [Spec.of("ScaledIdentity", 12, 12, unit=False)],
    }
    return found[name]


MIDDLES = [
    "Kronecker",
    "Kronecker with an identity",
    "BlockDiagonal",
    "Toeplitz",
    "Repeat",
    "Sparse",
    "PointSum",
]


def around(factors: list[Spec], before: list[int], behind: list[int]) -> list[Spec]:
    return [*dense([*before, 12]), Spec.diagonal(12, (3,)), *factors, *dense([12, *behind])]


@pytest.mark.parametrize("name", [*MIDDLES, "Zero", "ScaledIdentity"])
@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(st.integers(1, 40), min_size=2, max_size=3),
    behind=st.lists(st.integers(1, 40), max_size=2),
)
def test_one_factor_of_any_structure_keeps_a_chain_on_the_fast_way(
    name: str, before: list[int], behind: list[int]
) -> None:
    specs = around(middle(name), before, behind)
    assert cheapest(specs) == exhaustive(specs)
    specs = [*dense([3, 8, 20, 9, 4, 7, before[0]]), *specs]
    assert _confluent(specs) == general(specs)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_blocks_at_an_end_keep_a_long_chain_on_the_fast_way(batch: tuple[int, ...]) -> None:
    inner = dense([*range(4, 34), 12])
    by_weights = Spec.kronecker(Spec.identity(12), Spec.dense(1, 5, batch))
    column = Spec.kronecker(Spec.identity(4), Spec.dense(5, 1, batch))
    for specs in (
        [*inner, Spec.block_row([by_weights, Spec.identity(12)])],
        [*inner, Spec.kronecker(Spec.dense(1, 5, batch), Spec.dense(12, 4))],
        [column, *inner],
        [Spec.block_column([column, Spec.identity(4)]), *inner],
    ):
        assert _confluent(specs) == general(specs)


def test_a_long_chain_looks_few_products_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(kinds: Any, *interval: Any) -> Any:
        asked.append(interval)
        return look_up(kinds, *interval)

    look_up = dynamic_programming._Kinds.product_of
    monkeypatch.setattr(dynamic_programming._Kinds, "product_of", counted)
    for name in MIDDLES:
        specs = around(middle(name), [*range(5, 45)], [*range(3, 43)])
        asked.clear()
        assert interval_plan(specs) is not None
        # the general way has about count³/6 splits; each factor of these structures meets what is beside it
        assert len(asked) <= 4 * len(specs) < len(specs) ** 3 // 1000


def test_what_is_not_confluent_or_leaves_64_bits_goes_the_general_way() -> None:
    square = [Spec.dense(4, 4)] * 5
    pair = Spec.kronecker(Spec.dense(2, 2), Spec.dense(2, 2))
    for specs in (
        [*square, pair, pair],  # factor by factor, or one after the other with a matrix
        [*square, *[Spec.kronecker(Spec.dense(2, 2), Spec.identity(2)), pair] * 3],
        [Spec.low_rank(4, 1)] * 7,
        [Spec.dense(4, 4), *[pair] * 20],
        dense([2**20] * 8),
        dense([2, 2**64, 3, 2, 3, 2**64, 5]),
    ):
        assert interval_plan(specs) is None
        assert cheapest(specs) == general(specs)


def test_costs_of_many_points_that_leave_64_bits_go_the_general_way() -> None:
    terms = Spec.kronecker(Spec.dense(2, 2, (2**60,)), Spec.dense(2, 2, (2**60,)))
    total = Spec.of("PointSum", 4, 4, (), [terms], axes=1)
    specs = [*[Spec.dense(4, 4)] * 5, total]
    assert interval_plan(specs) is None
    assert cheapest(specs) == general(specs)
