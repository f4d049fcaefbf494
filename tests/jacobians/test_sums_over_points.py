"""Sums over the points of a batch, against dense sums: values, and what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

from jacobians import Affine
from jacobians.structures import (
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    PointSum,
    Toeplitz,
)

Array = np.ndarray


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_sum_over_points_is_that_of_dense_matrices(case: Case) -> None:
    J = case.jacobian.broadcast_batch((3, 5))
    total = J.summed()
    truth = np.broadcast_to(case.truth, (3, 5, *J.shape)).sum(axis=(0, 1))
    assert (total.batch_shape, total.T.batch_shape) == ((), ())
    assert_allclose(total.dense(), truth, rtol=1e-11, atol=1e-11)
    assert_allclose(total.T.dense(), truth.T, rtol=1e-11, atol=1e-11)
    assert_allclose(total.matvec(truth[0]), truth @ truth[0], rtol=1e-10, atol=1e-10)
    assert_allclose(total.rmatvec(truth[0]), truth[0] @ truth, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("J", "spec"),
    [
        (Dense(normal(5, 2, 3)), Dense(normal(2, 3)).spec),
        (Diagonal(normal(5, 3)), Diagonal(normal(3)).spec),
        (Toeplitz(normal(5, 2), 6), Toeplitz(normal(2), 6).spec),
        (Kronecker(Identity(3), normal(5, 1, 4)), Kronecker(Identity(3), normal(1, 4)).spec),
        (Kronecker(normal(5, 2, 2), normal(3, 3)), Kronecker(normal(2, 2), normal(3, 3)).spec),
    ],
    ids=lambda J: str(getattr(J, "label", J)),
)
def test_a_sum_that_a_simpler_structure_holds_is_one(J: Jacobian, spec: object) -> None:
    assert J.summed().spec == spec


@pytest.mark.parametrize(
    "H", [Dense(normal(7, 3, 3)), DiagonalPlusLowRank(normal(7, 3), normal(7, 3, 1), normal(7, 3, 1))]
)
def test_a_gauss_newton_matrix_keeps_its_factors(H: Jacobian) -> None:
    J = Affine(normal(3, 40)).jacobian(normal(7, 40), wrt="W", batched=True)
    G = (J.T @ H @ J).summed()
    assert isinstance(G, PointSum)
    assert isinstance(G.terms, Kronecker)
    assert G.terms.A.spec.storage == H.storage
    truth = sum(j.T @ h @ j for j, h in zip(J.dense(), H.dense(), strict=True))
    v = normal(120)
    assert_allclose(G.dense(), truth, rtol=1e-11, atol=1e-11)
    assert_allclose(G.matvec(v), truth @ v, rtol=1e-10, atol=1e-10)
    assert_allclose((G @ v[:, None]).dense()[:, 0], truth @ v, rtol=1e-10, atol=1e-10)
    assert_allclose(G.diagonal(), np.diagonal(truth), rtol=1e-11, atol=1e-11)
    assert_allclose(G.row_norms(), np.linalg.norm(truth, axis=1), rtol=1e-11)


def test_points_that_share_numbers_inside_are_counted_once() -> None:
    part = Dense(normal(5, 2, 2)).broadcast_batch((3, 5))
    for J in (BlockRow([part, Identity(2)]), Kronecker(part, Identity(3)), Kronecker(Identity(3), part)):
        assert_allclose(J.summed().dense(), J.dense().sum(axis=(0, 1)), rtol=1e-11, atol=1e-11)


def test_terms_of_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="terms: found Dense 2×2 with the numbers of one point"):
        PointSum(Dense(np.ones((2, 2))))
    with pytest.raises(TypeError, match="terms: found ndarray, expected a Jacobian of several points"):
        PointSum(np.ones((2, 2)))  # type: ignore[arg-type]
