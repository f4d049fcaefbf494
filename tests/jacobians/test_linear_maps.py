"""Norms of rows, summed adjoints and dense forms written in place: every structure against its dense truth."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from structured_cases import CASES, Case

from jacobians import Affine
from jacobians.numerics.ledger import Ledger
from jacobians.structures import (
    BlockColumn,
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Scatter,
    Selection,
    Zero,
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
RANDOM = np.random.default_rng(2)


@each_case
def test_row_norms(case: Case) -> None:
    norms = case.jacobian.row_norms()
    assert norms.shape == case.truth.shape[:-1]
    assert_allclose(norms, np.sqrt((case.truth**2).sum(axis=-1)), rtol=1e-12, atol=1e-14)
    norms += 1.0  # the caller's own
    many = case.jacobian.broadcast_batch((3, *(case.jacobian.batch_shape or (2,))))
    assert many.row_norms().shape == (*many.batch_shape, many.shape[0])


@each_case
@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_row_norms_of_numbers_whose_squares_leave_the_range(case: Case, scale: float) -> None:
    norms = (case.jacobian * scale).row_norms()
    assert_allclose(norms, np.linalg.norm(case.truth, axis=-1) * scale, rtol=1e-12, atol=1e-13 * scale)


def test_row_norms_of_nan_and_infinity() -> None:
    rows = [[np.nan, np.inf], [np.inf, 1.0], [-np.inf, 0.0], [0.0, 0.0], [5e-324, 0.0], [1e-170, 1e-165]]
    expected = [np.nan, np.inf, np.inf, 0.0, 5e-324, np.hypot(1e-170, 1e-165)]
    assert_array_equal(Dense(rows).row_norms(), expected)
    assert_array_equal(
        Scatter([0, 0, 1, 1, 1], 3, [np.nan, np.inf, np.inf, 1.0, 2.0]).row_norms(), [np.nan, np.inf, 0]
    )
    assert_array_equal(BlockRow([Dense([[np.inf]]), Dense([[np.nan]])]).row_norms(), [np.nan])


def test_row_norms_of_a_scatter_do_not_lose_a_small_row_beside_a_large_one() -> None:
    assert_allclose(
        Scatter([0, 0, 1, 1], 2, [3e200, 4e200, 3e-200, 4e-200]).row_norms(), [5e200, 5e-200], rtol=1e-14
    )


def test_row_norms_of_a_saturated_softmax_do_not_cancel() -> None:
    # the off-diagonal entries are far smaller than the parts that they come from
    p = np.array([1.0, 1e-9, 1e-12])
    J = DiagonalPlusLowRank(p, -p[:, None], p[:, None])
    dense = np.diag(p) - np.outer(p, p)
    assert_allclose(J.row_norms(), np.linalg.norm(dense, axis=-1), rtol=1e-9)


def test_row_norms_of_low_rank_are_formed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    d, U, V = RANDOM.normal(size=(2, 7)), RANDOM.normal(size=(2, 7, 2)), RANDOM.normal(size=(2, 7, 2))
    J = DiagonalPlusLowRank(d, U, V)
    expected = np.linalg.norm(J.dense(), axis=-1)
    for most in (1, 40, 2**16):
        monkeypatch.setattr("jacobians.structures.low_rank._MOST_ENTRIES", most)
        assert_allclose(J.row_norms(), expected, rtol=1e-13)


@each_case
def test_summed_adjoint(case: Case) -> None:
    batch, (m, n) = case.jacobian.batch_shape, case.jacobian.shape
    for u in (RANDOM.normal(size=m), RANDOM.normal(size=(*batch, m)), RANDOM.normal(size=(4, *batch, m))):
        points = np.broadcast_shapes(batch, u.shape[:-1])
        truth = np.broadcast_to(case.truth, (*points, m, n))
        expected = np.einsum("...mn,...m->...n", truth, np.broadcast_to(u, (*points, m)))
        expected = expected.reshape(-1, n).sum(axis=0)
        found = case.jacobian.rmatvec(u, summed=True)
        assert found.shape == (n,)
        assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_summed_adjoint_over_axes_that_only_some_factors_have() -> None:
    A, B, C = (
        RANDOM.normal(size=(3, 1, 2, 4)),
        RANDOM.normal(size=(5, 3, 2)),
        RANDOM.normal(size=(3, 5, 2, 2)),
    )
    u = RANDOM.normal(size=(3, 5, 6))
    for left, right in ((A, B), (A, B[0]), (A[0, 0], B), (A[0, 0], B[0])):
        for J in (
            Kronecker(left, right),
            BlockRow([Kronecker(left, right), Kronecker(left, right[..., ::-1])]),
        ):
            truth = np.broadcast_to(J.dense(), (3, 5, *J.shape))
            assert_allclose(J.rmatvec(u, summed=True), np.einsum("abmn,abm->n", truth, u), rtol=1e-12)
    column = BlockColumn(
        [Dense(A), Dense(C[..., [0, 1, 0, 1]]), Zero(1, 4), Kronecker(np.ones((1, 2)), [[1.0, 2.0]])]
    )
    truth = np.broadcast_to(column.dense(), (3, 5, 6, 4))
    assert_allclose(column.rmatvec(u, summed=True), np.einsum("abmn,abm->n", truth, u), rtol=1e-12)


@pytest.mark.parametrize(
    ("p", "q", "r", "s"), [(2, 1, 5, 3), (2, 1, 3, 5), (1, 3, 4, 2), (3, 4, 2, 5), (1, 1, 4, 4)]
)
@pytest.mark.parametrize("batches", [((4,), (4,)), ((), (4,)), ((4,), ()), ((), ())])
def test_kronecker_products_apply_in_either_order(
    p: int, q: int, r: int, s: int, batches: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    A, B = RANDOM.normal(size=(*batches[0], p, r)), RANDOM.normal(size=(*batches[1], q, s))
    J = Kronecker(A, B)
    truth = np.einsum("...pr,...qs->...pqrs", A, B).reshape((*J.batch_shape, p * q, r * s))
    for v in (RANDOM.normal(size=r * s), RANDOM.normal(size=(4, r * s)), RANDOM.normal(size=(2, 4, r * s))):
        assert_allclose(J.matvec(v), np.einsum("...mn,...n->...m", truth, v), rtol=1e-11, atol=1e-12)


def test_a_block_row_applies_what_its_blocks_share_once(monkeypatch: pytest.MonkeyPatch) -> None:
    S = Dense(RANDOM.normal(size=(5, 2, 4)))
    a, c = RANDOM.normal(size=(5, 1, 3)), RANDOM.normal(size=(5, 1, 2))
    J = BlockRow([Kronecker(S, a), S, Dense(RANDOM.normal(size=(5, 2, 6))), Kronecker(S.reshaped((2, 1)), c)])
    truth, v, u = J.dense(), RANDOM.normal(size=J.shape[1]), RANDOM.normal(size=(5, 2))
    assert [group.places for group in J.common_factors] == [(0, 1, 3), (2,)]
    applied: list[int] = []
    plain = Dense._apply

    def noted(self: Dense, X: np.ndarray, ledger: Ledger) -> np.ndarray:
        applied.append(self.shape[1])
        return plain(self, X, ledger)

    monkeypatch.setattr(Dense, "_apply", noted)
    assert_allclose(J.matvec(v), truth @ v)
    assert applied.count(4) == 1
    assert_allclose(J.rmatvec(u, summed=True), np.einsum("pmn,pm->n", truth, u))
    assert_allclose(J.row_norms(), np.linalg.norm(truth, axis=-1))


@each_case
def test_dense_form_in_place(case: Case) -> None:
    batch = case.jacobian.batch_shape
    out = np.full((*batch, *case.jacobian.shape), np.nan)
    assert case.jacobian.dense(out=out) is out
    assert_allclose(out, case.truth, rtol=1e-12, atol=1e-12)
    wide = np.full((*batch, 6, 13), np.nan)  # a part of a larger array
    case.jacobian.dense(out=wide[..., 2:8])
    assert_allclose(wide[..., 2:8], case.truth, rtol=1e-12, atol=1e-12)
    assert np.isnan(wide[..., :2]).all()
    assert np.isnan(wide[..., 8:]).all()


FROZEN = np.zeros((2, 2))
FROZEN.flags.writeable = False


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Identity(2).dense(out=[[0.0]]), TypeError, "out: found list, expected an array of shape (2, 2)"),
        (
            lambda: Identity(2).dense(out=np.zeros((2, 3))),
            ValueError,
            "out: found shape (2, 3) and dtype float64, expected (2, 2) and float64; make it by np.empty(",
        ),
        (
            lambda: Identity(2).dense(out=np.zeros((2, 2), np.float32)),
            ValueError,
            "out: found shape (2, 2) and dtype float32, expected (2, 2) and float64",
        ),
        (lambda: Identity(2).dense(out=FROZEN), ValueError, "out: found a read-only array, expected one to write into"),
        (lambda: Identity(2).rmatvec([1.0, 2.0], summed=1), TypeError, "summed: found 1, expected True or False"),
        (lambda: Identity(2, dtype=int), TypeError, "dtype: found <class 'int'>, expected float64 or float32"),
        (lambda: Identity(2, dtype=None), TypeError, "dtype: found None, expected float64 or float32"),
        (lambda: Zero(2, 2, dtype=complex), TypeError, "dtype: found <class 'complex'>, expected float64 or"),
        (lambda: Zero(2, 2, dtype="real"), TypeError, "dtype: found 'real', expected float64 or float32"),
        (lambda: Selection([0], 2, dtype=object), TypeError, "dtype: found <class 'object'>, expected float64"),
        (lambda: Scatter([0], 2, dtype=np.float16), TypeError, "dtype: found <class 'numpy.float16'>, expected"),
        (lambda: Identity(2, out_shape=(-1, -2)), ValueError, "out_shape: found (-1, -2), expected sizes of at least"),
        (lambda: Zero(2, 2, in_shape=(2.0,)), TypeError, "in_shape: found (2.0,), expected a tuple of integers such"),
        (lambda: Diagonal([1.0, 2.0], batch_shape=3), TypeError, "batch_shape: found 3, expected a tuple of integers"),
        (lambda: Dense([[1.0]], batch_shape=(0,)), ValueError, "batch_shape: found (0,), expected sizes of at least 1"),
        (lambda: Kronecker(Identity(2), [[1.0]], out_shape=(True, 2)), TypeError, "out_shape: found (True, 2), expect"),
        (lambda: Selection([0], 2, in_shape=("2",)), TypeError, "in_shape: found ('2',), expected a tuple of integers"),
        (lambda: Scatter([0], 2, out_shape=(-2,)), ValueError, "out_shape: found (-2,), expected sizes of at least 1"),
        (
            lambda: DiagonalPlusLowRank([1.0], [[1.0]], [[1.0]], batch_shape="3"),
            TypeError,
            "batch_shape: found '3', expected a tuple of integers",
        ),
        (lambda: BlockRow([Identity(2)], batch_shape=(-1,)), ValueError, "batch_shape: found (-1,), expected sizes of"),
        (lambda: BlockRow(5), TypeError, "blocks: found 5, expected a sequence of Jacobians"),
        (lambda: BlockColumn(None), TypeError, "blocks: found None, expected a sequence of Jacobians"),
        (lambda: Affine([[1.0]]).jacobian([1.0], wrt=None), TypeError, "wrt: found None, expected 'input', the name"),
        (lambda: Affine([[1.0]]).jacobian([1.0], wrt=0), TypeError, "wrt: found 0, expected 'input', the name of a"),
        (lambda: Affine([[1.0]]).jacobian([1.0], wrt=[["W"]]), TypeError, "wrt: found ['W'], expected one of 'input'"),
        (
            lambda: Identity(2) @ 2.0,
            ValueError,
            "right operand: found the scalar 2.0, expected a Jacobian, a vector or a matrix; to scale J use *",
        ),
        (lambda: 2.0 @ Identity(2), ValueError, "left operand: found the scalar 2.0, expected a Jacobian, a vector"),
        (
            lambda: Identity(2).dense(max_bytes="2GiB"),
            TypeError,
            "max_bytes: found '2GiB', expected a number of bytes as an integer, such as 2 * 1024**3",
        ),
        (lambda: Identity(2).tensor(max_bytes=True), TypeError, "max_bytes: found True, expected a number of bytes"),
    ],
)  # fmt: skip
def test_doors_say_what_was_found_and_expected(make: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        make()
