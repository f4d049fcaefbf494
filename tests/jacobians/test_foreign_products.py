"""Products and sums of arrays of other libraries: equal to NumPy's, of the same kind, at the planned cost."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from foreign_arrays import Library, library, moved_to, none_is_numpy, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

from backprop import Chain
from jacobians import Spec, pairwise_products
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import is_foreign
from jacobians.products import multiply, product_cost, product_spec
from jacobians.products.sums import add, sum_cost, sum_spec
from jacobians.structures import (
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Permutation,
    Scatter,
    Selection,
    Sparse,
    Zero,
)

__all__ = ["library"]  # a fixture


def _chooses(jacobian: Jacobian) -> bool:
    return isinstance(jacobian, Selection | Scatter | Sparse) or any(map(_chooses, jacobian.parts))


FOREIGN = [case for case in CASES if not _chooses(case.jacobian)]
each_case = pytest.mark.parametrize("case", FOREIGN, ids=[case.name for case in FOREIGN])


def _takes_rows(a: Spec, b: Spec) -> bool:
    """Return whether a product of block rows takes rows out of something that is no matrix: by a selection."""
    if "Zero" in (a.structure, b.structure) or "Identity" in (a.structure, b.structure):
        return False
    if b.structure == "BlockRow":
        return any(_takes_rows(a, part) for part in b.parts)
    if a.structure == "BlockColumn":
        return any(_takes_rows(part, b) for part in a.parts)
    if a.structure == "BlockRow":
        meet = [part.shape[1] for part in a.parts] == [part.shape[0] for part in b.parts]
        return b.structure != "Dense" and not (b.structure == "BlockColumn" and meet)
    return b.structure == "BlockColumn" and _takes_rows(b.T, a.T)


def _holds(spec: Spec, *structures: str) -> bool:
    return spec.structure in structures or any(_holds(part, *structures) for part in spec.parts)


def _becomes_a_choice(a: Spec, b: Spec) -> bool:
    """A repetition with weights is a selection, whose arrays are always NumPy's."""
    repeats = _holds(a, "Repeat") or _holds(b, "Repeat")
    return repeats and _holds(product_spec(a, b), "Selection", "Scatter")


@each_case
def test_products(library: Library, case: Case) -> None:
    left = moved_to(library, case.jacobian)
    for other in FOREIGN:
        right = moved_to(library, other.jacobian)
        if _takes_rows(left.spec, right.spec) or _becomes_a_choice(left.spec, right.spec):
            with pytest.raises(TypeError, match=r"selections and scatters are always NumPy's"):
                multiply(left, right)
            continue
        ledger = Ledger()
        product = multiply(left, right, ledger)
        assert none_is_numpy(product), other.name
        assert product.spec == product_spec(case.jacobian.spec, other.jacobian.spec)
        assert ledger.cost == product_cost(case.jacobian.spec, other.jacobian.spec)
        assert product.dtype == np.float64
        dense = product.dense()
        assert is_foreign(dense) or not stored(product)
        assert_allclose(
            np.asarray(dense), case.truth @ other.truth, rtol=1e-11, atol=1e-11, err_msg=other.name
        )


@each_case
def test_sums(library: Library, case: Case) -> None:
    left = moved_to(library, case.jacobian)
    for other in FOREIGN:
        ledger = Ledger()
        total = add(left, moved_to(library, other.jacobian), ledger)
        assert none_is_numpy(total) or not stored(left), other.name  # I + I says nothing of a library
        assert total.spec == sum_spec(case.jacobian.spec, other.jacobian.spec)
        assert ledger.cost == sum_cost(case.jacobian.spec, other.jacobian.spec)
        dense = np.asarray(total.dense())
        assert_allclose(dense, case.truth + other.truth, rtol=1e-11, atol=1e-11, err_msg=other.name)


@each_case
def test_as_a_linear_map(library: Library, case: Case) -> None:
    J, truth = moved_to(library, case.jacobian), case.truth
    v = np.linspace(-1.0, 1.0, truth.shape[-1])
    u = np.linspace(2.0, 1.0, truth.shape[-2])
    assert_allclose(library.numbers(J.matvec(library.array(v))), truth @ v, rtol=1e-12, atol=1e-12)
    assert_allclose(library.numbers(J.rmatvec(library.array(u))), truth.mT @ u, rtol=1e-12, atol=1e-12)
    assert_allclose(np.asarray((-2.0 * J).T.dense()), -2.0 * truth.mT, rtol=1e-12)
    assert J.nbytes == case.jacobian.nbytes
    assert J._repr_latex_() == case.jacobian._repr_latex_()
    assert repr(J) == repr(case.jacobian)
    for layout in ("numerator", "denominator", "mixed"):
        assert_allclose(np.asarray(J.tensor(layout)), case.jacobian.tensor(layout), rtol=1e-12, atol=1e-12)
    assert_allclose(
        np.asarray(J.matrix(vec="column", layout="denominator")),
        case.jacobian.matrix(vec="column", layout="denominator"),
        rtol=1e-12,
        atol=1e-12,
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(
        st.sampled_from([case for case in FOREIGN if "block" not in case.name]), min_size=1, max_size=5
    ),
    strategy=st.sampled_from(["left", "right", "optimal"]),
)
def test_chains(library: Library, chosen: list[Case], strategy: Any) -> None:
    chain = Chain([moved_to(library, case.jacobian) for case in chosen])
    plan = chain.plan(strategy)
    result = plan.execute()
    same = Chain([case.jacobian for case in chosen]).plan(strategy)
    assert (plan.cost, plan.bracketing) == (same.cost, same.bracketing)
    assert result.cost == plan.cost
    assert none_is_numpy(result.jacobian)
    truth = functools.reduce(np.matmul, [case.truth for case in chosen])
    assert_allclose(np.asarray(result.jacobian.dense()), truth, rtol=1e-10, atol=1e-10)


def test_precision_is_kept(library: Library) -> None:
    A = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    single = Chain([library.array(A), Diagonal(library.array(A[0])), Identity(2, dtype=np.float32)])
    product = single.plan().execute().jacobian
    assert product.dtype == np.float32
    dense = library.numbers(product.dense())
    assert dense.dtype == np.float32
    assert_allclose(dense, A * A[0])
    mixed = multiply(Dense(library.array(A)), Dense(library.array(A.astype(np.float64))))
    assert library.numbers(mixed.dense()).dtype == np.float64


def test_zeros_beside_infinite_numbers_stay_zeros(library: Library) -> None:
    d = library.array([np.inf, 1.0])
    assert_allclose(library.numbers(Diagonal(d).dense()), [[np.inf, 0.0], [0.0, 1.0]])
    row = Kronecker(Identity(2), d[None, :])
    assert_allclose(library.numbers(row.dense()), [[np.inf, 1.0, 0.0, 0.0], [0.0, 0.0, np.inf, 1.0]])


# --- what is refused -------------------------------------------------------------------------------------


def test_two_libraries_in_one_product_are_refused(library: Library) -> None:
    foreign, own = Dense(library.array(np.eye(2))), Diagonal([1.0, 2.0])
    for together in (lambda: foreign @ own, lambda: own @ foreign, lambda: foreign + own):
        with pytest.raises(TypeError, match=r"expected one library; convert the arrays of one of them"):
            together()
    with pytest.raises(
        TypeError, match=rf"with arrays of {library.name} and Diagonal 2×2 with arrays of numpy"
    ):
        foreign @ own
    with pytest.raises(TypeError, match=r"^Kronecker: found .*, expected one library"):
        Kronecker(foreign, own)
    with pytest.raises(TypeError, match=r"^BlockRow: found .*, expected one library"):
        BlockRow([foreign, own])
    with pytest.raises(
        TypeError, match=r"^V: found numpy.ndarray beside d of \w+\.\w+, expected arrays of one"
    ):
        DiagonalPlusLowRank(library.array([1.0]), library.array([[1.0]]), np.array([[1.0]]))
    with pytest.raises(TypeError, match=rf"^v: found numpy.ndarray, expected an array of {library.name}"):
        foreign.matvec([1.0, 2.0])
    with pytest.raises(TypeError, match=r"^v: found \w+\.\w+, expected an array of numpy"):
        own.matvec(library.array([1.0, 2.0]))


def test_what_stores_nothing_goes_along(library: Library) -> None:
    v = library.array([1.0, 2.0])
    assert_allclose(library.numbers(Identity(2).matvec(v)), [1.0, 2.0])
    assert_allclose(library.numbers(Zero(3, 2).matvec(v)), [0.0, 0.0, 0.0])
    assert_allclose(library.numbers(Kronecker(Identity(1), Identity(2)).matvec(v)), [1.0, 2.0])
    block = BlockRow([Identity(2), Diagonal(v)])
    assert_allclose(library.numbers(block.dense()), [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 2.0]])
    assert Identity(2).dense().dtype == np.float64


def test_selections_are_numpys(library: Library) -> None:
    with pytest.raises(TypeError, match=r"^weights: found .*, expected numpy.ndarray: this is computed"):
        Selection([0, 1], 2, library.array([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"selections and scatters are always NumPy's"):
        multiply(Permutation([1, 0]), Dense(library.array(np.eye(2))))


def test_other_dtypes_are_refused(library: Library) -> None:
    for numbers in ([[1, 2]], [[True]], [[1j]]):
        with pytest.raises(
            TypeError, match=r"^A: found .* of dtype .*, expected float32 or float64; convert"
        ):
            Dense(library.array(numbers))
    with pytest.raises(ValueError, match=r"^A: found shape \(2,\), expected a matrix"):
        Dense(library.array([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"^factors\[1\]: A: found"):
        Chain([library.array([[1.0]]), library.array([[1]])])


def test_nothing_becomes_numpys_in_silence(library: Library) -> None:
    J = Dense(library.array(np.eye(2)))
    with pytest.raises(
        TypeError, match=rf"^Dense 2×2: its arrays belong to {library.name}; convert those of"
    ):
        np.asarray(J)
    with pytest.raises(TypeError, match=r"^as_linear_operator: found arrays of .*, expected NumPy's: SciPy"):
        J.as_linear_operator()


def test_what_is_written_for_numpys_arrays_says_so(library: Library) -> None:
    J = Dense(library.array(np.ones((3, 2, 2))))
    sentence = rf"found a Jacobian with arrays of {library.name}, expected NumPy's arrays; make it"
    with pytest.raises(TypeError, match=f"^row_norms: {sentence}"):
        J.row_norms()
    with pytest.raises(TypeError, match=f"^summed: {sentence}"):
        J.rmatvec(library.array(np.ones(2)), summed=True)
    with pytest.raises(TypeError, match=f"^out: {sentence}"):
        J.dense(out=np.ones((3, 2, 2)))
    with pytest.raises(TypeError, match=f"^J: {sentence}"):
        pairwise_products(J)


def test_block_rows_with_a_common_factor(library: Library) -> None:
    S, a = library.array(np.arange(6.0).reshape(2, 3)), library.array([[1.0, 2.0]])
    left = Dense(S)
    J = BlockRow([Kronecker(left, a), left])
    truth = np.concatenate(
        [np.kron(np.arange(6.0).reshape(2, 3), [[1.0, 2.0]]), np.arange(6.0).reshape(2, 3)], axis=-1
    )
    assert_allclose(library.numbers(J.matvec(library.array(np.arange(9.0)))), truth @ np.arange(9.0))
    assert_allclose(library.numbers(J.rmatvec(library.array([1.0, 2.0]))), truth.T @ [1.0, 2.0])


def test_dead_units_are_left_in_the_chain(library: Library) -> None:
    A = library.array(np.ones((3, 3)))
    chain = Chain([A, Diagonal(library.array([1.0, 0.0, 2.0])), A])
    assert chain.live_units is None
    assert_allclose(library.numbers(chain.plan().execute().jacobian.dense()), np.full((3, 3), 3.0))
