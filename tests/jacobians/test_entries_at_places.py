"""Entries of structures at places: the diagonal and the trace take nothing that grows with n·n."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from structured_cases import Case, make_cases

from jacobians.structures import (
    BlockColumn,
    BlockDiagonal,
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Selection,
    Sparse,
    Toeplitz,
    Zero,
)

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("case", make_cases(), ids=lambda case: case.name)
def test_entries_at_places_in_any_order_are_those_of_the_dense_truth(case: Case) -> None:
    m, n = case.jacobian.shape
    rows, columns = np.divmod(RANDOM.integers(0, m * n, 2 * m * n), n)
    batch = case.truth.shape[:-2]
    found = np.broadcast_to(case.jacobian._at(rows, columns), (*batch, len(rows)))
    assert_allclose(found, case.truth[..., rows, columns], atol=1e-12)
    if m == n:
        assert_allclose(case.jacobian.diagonal(), np.diagonal(case.truth, axis1=-2, axis2=-1), atol=1e-12)
        assert_allclose(case.jacobian.trace(), np.trace(case.truth, axis1=-2, axis2=-1), atol=1e-12)


def large(n: int) -> dict[str, Jacobian]:
    """Return square structures of n columns, for n a multiple of 96; few of their parts are square."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    places = RANDOM.integers(0, n, (2, 3 * n))
    sparse = Sparse(scipy_sparse.csr_array((RANDOM.normal(size=3 * n), places), shape=(n, n)))
    wide, high = Dense(RANDOM.normal(size=(2, 3))), Dense(RANDOM.normal(size=(3, 2)))
    half, none = Toeplitz(RANDOM.normal(size=5), n // 2 + 4), Zero(n // 2, n // 2 - 4)
    vectors = RANDOM.normal(size=(2, n, 2))
    points = (Diagonal(RANDOM.normal(size=(3, size))) for size in (n // 8, 8))
    return {
        "block diagonal": BlockDiagonal([wide, high, Dense([[2.0]])] * (n // 6)),
        "Toeplitz": Toeplitz([3.0], n),
        "blocks": BlockColumn([BlockRow([half, none]), BlockRow([none, half])]),
        "turned blocks": BlockColumn([BlockRow([half, none]), BlockRow([none, half])]).T,
        "sparse": sparse,
        "Kronecker": Kronecker(RANDOM.normal(size=(4, n // 4)), RANDOM.normal(size=(n // 4, 4))),
        "repeat": Kronecker(Repeat(4), Repeat(4, q=n // 4).T),
        "low rank": DiagonalPlusLowRank(vectors[0, :, 0], *vectors),
        "sum": Kronecker(*points).summed() + ScaledIdentity(0.5, n),
        "product": sparse @ Diagonal(vectors[0, :, 0]),
        "selection": Selection(RANDOM.integers(-1, n, n), n, vectors[0, :, 1]),
    }


SMALL, LARGE = large(96), large(3 * 2**13)


@pytest.mark.parametrize("name", SMALL)
def test_a_diagonal_of_many_rows_takes_no_columns(name: str) -> None:
    truth = SMALL[name].dense()
    assert_allclose(SMALL[name].diagonal(), np.diagonal(truth), rtol=1e-12)
    J = LARGE[name]
    n = J.shape[0]
    tracemalloc.start()
    try:
        J.trace()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 40 * n  # forty vectors; n·n numbers would be n


def test_norms_of_rows_of_a_turned_convolution_neither_expand_nor_overflow() -> None:
    for k, n in [(1, 1), (1, 4), (4, 4), (3, 9), (8, 9), (5, 6)]:
        T = Toeplitz(RANDOM.normal(size=(2, k)), n).T
        assert_allclose(T.row_norms(), np.linalg.norm(T.dense(), axis=-1))
    assert_allclose(Toeplitz([1e200, 1e-200], 4).T.row_norms(), [1e200, 1e200, 1e200, 1e-200])
    T = Toeplitz(np.ones(3), 2**15).T
    tracemalloc.start()
    try:
        T.row_norms()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 40 * 2**15


def test_an_identity_beside_an_infinite_factor_places_and_does_not_multiply() -> None:
    row = [[np.inf, 1.0]]
    for factors in ((Identity(2), row), (row, Identity(2))):
        K = Kronecker(*factors)
        J = BlockColumn([K, K])
        assert_array_equal(J.diagonal(), np.diagonal(J.dense()))
        assert not np.isnan(J.diagonal()).any()


def test_the_trace_of_a_kronecker_product_takes_what_its_factors_take():
    large = Kronecker(Identity(10**5), Identity(10**5))
    assert large.trace() == 1e10
    A, B = RANDOM.standard_normal((2, 3, 3)), RANDOM.standard_normal((4, 4))
    expected = [np.trace(np.kron(a, B)) for a in A]
    np.testing.assert_allclose(Kronecker(Dense(A), Dense(B)).trace(), expected, rtol=1e-12)
