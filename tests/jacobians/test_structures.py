"""Every structure against its dense truth: value, spec, storage, adjoint, transposes, layouts, budgets."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from structured_cases import CASES, Case

from jacobians import MemoryBudgetError
from jacobians.structures import (
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Permutation,
    PointSum,
    Repeat,
    Scatter,
    Selection,
    Zero,
    stack,
)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
RANDOM = np.random.default_rng(1)


def close(found: object, expected: object) -> None:
    assert np.shape(found) == np.shape(expected)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@each_case
def test_dense_form_is_the_truth(case: Case) -> None:
    close(case.jacobian.dense(), case.truth)
    close(np.asarray(case.jacobian), case.truth)


@each_case
def test_dense_form_is_the_callers_own(case: Case) -> None:
    first = case.jacobian.dense()
    first += 1.0
    close(case.jacobian.dense(), case.truth)


@each_case
def test_spec_tells_shape_batch_and_storage(case: Case) -> None:
    J = case.jacobian
    assert J.shape == case.truth.shape[-2:]
    assert J.batch_shape == case.truth.shape[:-2]
    assert J.storage == case.storage
    assert J.structure == type(J).__name__ == J.spec.structure


@each_case
def test_storage_is_what_the_arrays_hold(case: Case) -> None:
    # indices are stored numbers, too: every stored number takes 8 bytes here
    assert case.jacobian.nbytes == 8 * case.jacobian.storage


@each_case
def test_matvec_and_rmatvec(case: Case) -> None:
    batch, (m, n) = case.jacobian.batch_shape, case.jacobian.shape
    v, u = RANDOM.standard_normal(n), RANDOM.standard_normal(m)
    close(case.jacobian.matvec(v), case.truth @ v)
    close(case.jacobian.rmatvec(u), np.swapaxes(case.truth, -1, -2) @ u)
    many = RANDOM.standard_normal((4, *batch, n))
    close(case.jacobian.matvec(many), np.einsum("...ij,...j->...i", case.truth, many))


@each_case
def test_adjoint_identity(case: Case) -> None:
    v, u = RANDOM.standard_normal(case.jacobian.shape[1]), RANDOM.standard_normal(case.jacobian.shape[0])
    left = case.jacobian.matvec(v) @ u
    right = case.jacobian.rmatvec(u) @ v
    assert_allclose(left, right, rtol=1e-10, atol=1e-12)


@each_case
def test_transpose(case: Case) -> None:
    transposed = case.jacobian.T
    close(transposed.dense(), np.swapaxes(case.truth, -1, -2))
    assert transposed.spec == case.jacobian.spec.T
    assert transposed.storage <= max(case.storage, case.jacobian.shape[1] * 10)
    close(transposed.T.dense(), case.truth)


@each_case
def test_ndarrays_on_both_sides(case: Case) -> None:
    left, right = RANDOM.standard_normal((3, 6)), RANDOM.standard_normal((6, 2))
    close((case.jacobian @ right).dense(), case.truth @ right)
    close((left @ case.jacobian).dense(), left @ case.truth)
    close(case.jacobian @ right[:, 0], case.truth @ right[:, 0])
    close(left[0] @ case.jacobian, left[0] @ case.truth)


@each_case
def test_linear_operator_view(case: Case) -> None:
    if case.jacobian.batch_shape:
        with pytest.raises(ValueError, match=r"as_linear_operator: found batch_shape \(5,\)"):
            case.jacobian.as_linear_operator()
        return
    view = case.jacobian.as_linear_operator()
    X = RANDOM.standard_normal((6, 3))
    close(view @ X, case.truth @ X)
    close(view.matvec(X[:, :1]), case.truth @ X[:, :1])
    close(view.H @ X, case.truth.T @ X)


@each_case
def test_scaling_and_negation(case: Case) -> None:
    close((2.5 * case.jacobian).dense(), 2.5 * case.truth)
    close((case.jacobian * np.float64(2.5)).dense(), 2.5 * case.truth)
    close((-case.jacobian).dense(), -case.truth)


@each_case
def test_broadcast_over_points_stores_nothing_new(case: Case) -> None:
    many = case.jacobian.broadcast_batch((3, *(case.jacobian.batch_shape or (2,))))
    assert many.storage == case.storage
    close(many.dense(), np.broadcast_to(case.truth, many.batch_shape + many.shape))


@each_case
def test_stacked_points(case: Case) -> None:
    if case.jacobian.batch_shape:
        with pytest.raises(ValueError, match=r"jacobians: found batch_shape \(5,\), expected one point each"):
            stack([case.jacobian])
        return
    many = stack([case.jacobian, case.jacobian, case.jacobian])
    assert many.structure == case.jacobian.structure
    close(many.dense(), np.stack([case.truth] * 3))


@each_case
def test_shows_itself_without_expanding(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Jacobian) -> None:
        raise AssertionError("expanded for display")

    monkeypatch.setattr(type(case.jacobian), "_expand", refuse)
    assert case.jacobian.label in repr(case.jacobian)
    assert len(case.jacobian._repr_html_()) < 2000
    assert case.jacobian._repr_latex_().startswith("$")
    assert len(case.jacobian._repr_latex_()) < 2000


def test_a_selection_with_repeats_transposes_to_a_scatter_and_others_to_selections() -> None:
    assert isinstance(Selection([0, 0], 2).T, Scatter)
    assert isinstance(Selection([1, -1], 3).T, Selection)


def test_a_permutation_is_called_one_and_a_selection_with_rows_of_zeros_is_not() -> None:
    assert Permutation([2, 0, 1]).label == "Permutation 3×3"
    assert Selection([2, -1, 1], 3).label == Selection([2, 0, 0], 3).label == "Selection 3×3"
    assert Selection([1, 0], 2, [1.0, 2.0]).label == "Selection 2×2"


def test_stacking_different_structures_is_dense_and_right() -> None:
    many = stack([Diagonal([1.0, 2.0]), Dense([[1.0, 2.0], [3.0, 4.0]])])
    assert many.structure == "Dense"
    close(many.dense(), [[[1.0, 0.0], [0.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]]])


# --- layouts ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.integers(1, 3), max_size=3), st.lists(st.integers(1, 3), max_size=3))
def test_layouts_place_every_entry(out: list[int], into: list[int]) -> None:
    out_shape, in_shape = tuple(out), tuple(into)
    m, n = int(np.prod(out_shape)), int(np.prod(in_shape))
    A = np.arange(float(m * n)).reshape(m, n)
    J = Dense(A, out_shape=out_shape, in_shape=in_shape)
    mixed, numerator, denominator = (J.tensor(name) for name in ("mixed", "numerator", "denominator"))
    assert mixed.shape == out_shape + in_shape
    assert numerator.shape == out_shape + in_shape[::-1]
    assert denominator.shape == in_shape + out_shape[::-1]
    columns = J.matrix(vec="column")
    for i in np.ndindex(*out_shape):
        for j in np.ndindex(*in_shape):
            # the row-major position by hand: Σ i_k Π_{l>k} size_l; column-major by the reversed index
            row = sum(a * int(np.prod(out_shape[k + 1 :])) for k, a in enumerate(i))
            column = sum(a * int(np.prod(in_shape[k + 1 :])) for k, a in enumerate(j))
            row_f = sum(a * int(np.prod(out_shape[:k])) for k, a in enumerate(i))
            column_f = sum(a * int(np.prod(in_shape[:k])) for k, a in enumerate(j))
            entry = A[row, column]
            assert mixed[i + j] == numerator[i + j[::-1]] == denominator[j + i[::-1]] == entry
            assert columns[row_f, column_f] == entry
    assert_array_equal(J.matrix(layout="denominator"), A.T)


def test_unknown_layouts_are_refused() -> None:
    with pytest.raises(
        ValueError, match="layout: found 'both', expected one of 'numerator', 'denominator', 'mixed'"
    ):
        Identity(2).tensor("both")
    with pytest.raises(ValueError, match="vec: found 'rows', expected one of 'row', 'column'"):
        Identity(2).matrix(vec="rows")


# --- dtype, NaN, budgets, doors --------------------------------------------------------------------------


def test_float32_stays_float32_and_integers_become_float64() -> None:
    assert Dense(np.ones((2, 2), np.float32)).dense().dtype == np.float32
    assert (Identity(2, dtype=np.float32) @ Dense(np.ones((2, 2), np.float32))).dtype == np.float32
    assert Diagonal([1, 2]).dtype == np.float64
    assert Diagonal(np.array([True, False])).dtype == np.float64


def test_a_repeat_beside_a_choice_keeps_float32() -> None:
    repeat = Repeat(2, q=2).astype(np.float32)
    choice = Selection([0, 3], 4).astype(np.float32)
    assert (choice @ repeat).dtype == (repeat.T @ choice.T).dtype == np.float32
    assert (choice @ repeat).dense().dtype == np.float32


def test_a_factor_that_is_a_sum_of_each_point_is_summed_over_more_points() -> None:
    sums = stack([PointSum(Kronecker(np.ones((4, 2, 2)), np.ones((4, 1, 1)))) for _ in range(2)])
    J = Kronecker(sums, Dense(np.ones((3, 2, 2, 2))))
    assert_array_equal(J.summed().dense(), J.dense().sum((0, 1)))


def test_rows_of_zeros_stay_zero_beside_nan() -> None:
    found = (Selection([-1, 0], 2) @ Dense([[np.nan, 1.0], [2.0, 3.0]])).dense()
    assert_array_equal(found, [[0.0, 0.0], [np.nan, 1.0]])


def test_zeros_of_a_kronecker_product_stay_zero_beside_infinity() -> None:
    row = np.array([[np.inf, -1.0]])
    assert_array_equal(Kronecker(Identity(2), row).dense(), [[np.inf, -1, 0, 0], [0, 0, np.inf, -1]])
    assert_array_equal(Kronecker(row, Identity(2)).dense(), [[np.inf, 0, -1, 0], [0, np.inf, 0, -1]])
    assert not np.signbit(Kronecker(Identity(2), row).dense()[0, 2:]).any()


def test_nan_goes_through() -> None:
    assert np.isnan((Diagonal([np.nan, 1.0]) @ Dense(np.ones((2, 2)))).dense()[0]).all()


def test_dense_form_over_the_budget_names_the_exact_size_and_the_way_out() -> None:
    J = Kronecker(Identity(4096), np.ones((1, 4096)))
    with pytest.raises(
        MemoryBudgetError,
        match=r"\(4096×16777216\) would take 512 GiB, more than max_bytes = 2 GiB; use matvec",
    ):
        J.dense()
    with pytest.raises(MemoryError, match="512 GiB"):
        J.tensor()
    with pytest.raises(MemoryError, match="32 bytes, more than max_bytes = 31 bytes"):
        Diagonal([1.0, 2.0]).dense(max_bytes=31)
    assert Diagonal([1.0, 2.0]).dense(max_bytes=32).nbytes == 32


def test_a_product_over_the_budget_is_refused_before_it_is_made() -> None:
    J = Kronecker(Identity(2**20), np.ones((2, 4)))
    with pytest.raises(MemoryBudgetError, match="would take 64 TiB"):
        J @ Diagonal(np.ones(2**22))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Dense([1.0, 2.0]), ValueError, r"A: found shape \(2,\), expected a matrix \(m, n\)"),
        (lambda: Dense(np.zeros((0, 3))), ValueError, r"A: found shape \(0, 3\) with an empty axis"),
        (lambda: Dense([[1j]]), TypeError, "A: found dtype complex128, expected real numbers"),
        (lambda: Dense([[object()]]), TypeError, "A: found list of dtype object, expected an array of real"),
        (lambda: Dense([[1.0], [2.0, 3.0]]), TypeError, "A: found a ragged sequence"),
        (lambda: Dense(np.ma.ones((2, 2))), TypeError, "A: found a masked array"),
        (lambda: Dense(None), TypeError, "A: found None"),
        (lambda: Dense([["a"]]), TypeError, "A: found list of dtype <U1"),
        (lambda: Diagonal(1.0), ValueError, "d: found a scalar"),
        (lambda: Identity(0), ValueError, r"n: found 0, expected an integer of at least 1"),
        (lambda: Identity(2.0), TypeError, r"n: found 2.0, expected an integer of at least 1"),
        (lambda: Identity(2, out_shape=(3,)), ValueError, r"out_shape: found \(3,\) with 3 entries, expected 2"),
        (lambda: Zero(2, -1), ValueError, r"n: found -1, expected an integer of at least 1"),
        (lambda: Selection([0, 2], 2), ValueError, "indices: found 0 to 2, expected −1 .* to 1"),
        (lambda: Selection([0.0], 2), TypeError, "indices: found dtype float64"),
        (lambda: Selection([0], 2, [1.0, 2.0]), ValueError, r"weights: found shape \(2,\)"),
        (lambda: Permutation([0, 0]), ValueError, "expected each of 0, …, n − 1 once"),
        (
            lambda: DiagonalPlusLowRank([1.0, 2.0], [[1.0]], [[1.0]]),
            ValueError,
            r"U: found shape \(1, 1\), expected \(2, r\)",
        ),
        (
            lambda: DiagonalPlusLowRank([1.0], [[1.0]], [[1.0, 2.0]]),
            ValueError,
            r"V: found shape \(1, 2\), expected rank 1",
        ),
        (lambda: BlockRow([]), ValueError, "blocks: found none"),
        (lambda: BlockRow([np.eye(2)]), TypeError, "blocks: found ndarray, expected Jacobians; wrap arrays in Dense"),
        (lambda: BlockRow([Identity(2), Identity(3)]), ValueError, r"blocks: found \[2, 3\] rows"),
        (lambda: Identity(2).matvec([1.0]), ValueError, r"v: found shape \(1,\), expected \(2,\) for I₂"),
        (lambda: Identity(2).rmatvec([1.0]), ValueError, r"u: found shape \(1,\), expected \(2,\)"),
        (lambda: Identity(2) @ Identity(3), ValueError, "product: found I₂ with 2 inputs times I₃ with 3 outputs"),
        (lambda: Identity(2) + Identity(3), ValueError, r"sum: found shapes \(2, 2\) and \(3, 3\)"),
        (lambda: stack([]), ValueError, "jacobians: found none"),
        (lambda: Identity(4).directional(np.ones((2, 2))), ValueError, r"direction: found shape \(2, 2\)"),
    ],
)  # fmt: skip
def test_doors_say_what_was_found_and_expected(make: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        make()


def test_np_matrix_is_refused() -> None:
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix([[1.0]])
    with pytest.raises(TypeError, match=r"A: found np\.matrix"):
        Dense(matrix)


@pytest.mark.parametrize("factor", [1j, np.complex64(1j), np.longdouble(2), "2", None])
def test_only_real_scalars_scale(factor: object) -> None:
    with pytest.raises(TypeError):
        Diagonal([1.0]) * factor


def test_the_dense_form_takes_no_more_than_its_own_size() -> None:
    J = Kronecker(Identity(64), np.ones((1, 64)))
    tracemalloc.start()
    try:
        nbytes = J.dense().nbytes
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * nbytes
