"""Sums over the points of a batch, against dense sums: values, and what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from counting_scalars import Tally, counting, counting_constants
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

from backprop import Chain
from jacobians import Affine, Cost
from jacobians.numerics.ledger import Ledger
from jacobians.products import multiply, product_cost
from jacobians.products.sums import add, sum_cost
from jacobians.structures import (
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    PointSum,
    ScaledIdentity,
    SumOfTerms,
    Toeplitz,
    Zero,
    stack,
)

__all__ = ["counting_constants"]  # a fixture

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


def gauss_newton(points: int, seed: int) -> tuple[Jacobian, Array]:
    """Return a Gauss–Newton matrix by the weights of a layer of 3 units and 4 inputs, and its dense form."""
    draw = np.random.default_rng(seed)
    J = Affine(draw.normal(size=(3, 4))).jacobian(draw.normal(size=(points, 4)), wrt="W", batched=True)
    H = Dense(draw.normal(size=(points, 3, 3)))
    return (J.T @ H @ J).summed(), sum(j.T @ h @ j for j, h in zip(J.dense(), H.dense(), strict=True))


BESIDE: list[Jacobian] = [
    Kronecker(normal(3, 3), normal(4, 4)),
    Kronecker(Identity(3), normal(4, 2)),
    ScaledIdentity(-1.0, 12),
    Identity(12),
    gauss_newton(2, 5)[0],
    gauss_newton(2, 5)[0] + ScaledIdentity(0.5, 12),
]


@pytest.mark.parametrize("other", BESIDE, ids=lambda J: J.label)
@pytest.mark.usefixtures("counting_constants")
def test_products_and_sums_keep_their_terms_at_the_stated_cost(other: Jacobian) -> None:
    G, truth = gauss_newton(2, 3)
    damped, damped_truth = G + ScaledIdentity(0.25, 12), truth + np.eye(12) / 4
    for J, dense in ((G, truth), (damped, damped_truth)):
        pairs = [(J, other, dense @ other.dense()), (other.T, J, other.T.dense() @ dense)]
        for L, R, expected in pairs:
            ledger = Ledger()
            product = multiply(L, R, ledger)
            assert product.structure in ("PointSum", "SumOfTerms")
            assert_allclose(product.dense(), expected, rtol=1e-10, atol=1e-10)
            Tally.reset()
            multiply(counting(L), counting(R))
            assert Cost(Tally.multiplications, Tally.additions) == ledger.cost == product_cost(L.spec, R.spec)
        if other.shape[1] == 12:
            ledger = Ledger()
            total = add(J, other, ledger)
            assert total.structure in ("PointSum", "SumOfTerms")
            assert_allclose(total.dense(), dense + other.dense(), rtol=1e-10, atol=1e-10)
            assert_allclose((other + J).T.dense(), (dense + other.dense()).T, rtol=1e-10, atol=1e-10)
            assert_allclose(total.diagonal(), np.diagonal(dense + other.dense()), rtol=1e-10, atol=1e-10)
            assert_allclose(total.trace(), np.trace(dense + other.dense()), rtol=1e-10)
            assert_allclose(
                total.row_norms(), np.linalg.norm(dense + other.dense(), axis=1), rtol=1e-10, atol=1e-10
            )
            assert ledger.cost == sum_cost(J.spec, other.spec)


def test_mini_batches_add_up_to_one_list_of_points() -> None:
    (first, one), (second, two) = gauss_newton(5, 1), gauss_newton(3, 2)
    total = first + second
    assert isinstance(total, PointSum)
    assert total.storage == first.storage + second.storage
    assert_allclose(total.dense(), one + two, rtol=1e-11, atol=1e-11)
    assert_allclose((2 * total - first).matvec(np.ones(12)), (one + 2 * two).sum(axis=1), rtol=1e-10)


def test_nothing_of_the_size_of_the_dense_form_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("expanded")

    G, truth = gauss_newton(5, 1)
    damped = G + ScaledIdentity(0.5, 12)
    K = Kronecker(normal(3, 2), normal(4, 2))
    dense = K.dense()
    for structure in (PointSum, SumOfTerms, Kronecker):
        monkeypatch.setattr(structure, "_expand", refuse)
    product = K.T @ damped @ K
    assert_allclose(product.trace(), np.trace(dense.T @ (truth + np.eye(12) / 2) @ dense), rtol=1e-10)
    assert_allclose(damped.T.matvec(np.ones(12)), truth.T.sum(axis=1) + 0.5, rtol=1e-10)


def test_points_are_taken_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    G, truth = gauss_newton(5, 1)
    expected = truth @ normal(12, 3)
    for entries in (1, 300, 1000):
        monkeypatch.setattr("jacobians.structures.point_sum._ENTRIES", entries)
        assert_allclose(G.dense(), truth, rtol=1e-11, atol=1e-11)
        assert_allclose((G @ Dense(normal(12, 3))).dense(), expected, rtol=1e-10, atol=1e-10)
        assert_allclose(G.row_norms(), np.linalg.norm(truth, axis=1), rtol=1e-11)


def test_terms_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"blocks: found \[2, 3\] rows, expected the same number in each"):
        SumOfTerms([Identity(2), Identity(3)])


def test_a_product_of_two_sums_over_points_is_what_it_is_planned_to_be():
    by_name = {case.name: case for case in CASES}
    outer, total = by_name["column ⊗ row"], by_name["sum over points + multiple of the identity"]
    chain = Chain([outer.jacobian, total.jacobian, total.jacobian])
    for strategy in ("left", "right", "optimal"):
        execution = chain.plan(strategy).execute()
        assert execution.cost == chain.plan(strategy).cost
        assert execution.jacobian.spec == chain.plan(strategy).spec
        assert_allclose(execution.jacobian.dense(), outer.truth @ total.truth @ total.truth, rtol=1e-10)


def test_parts_that_are_repeated_for_points_beside_sums_of_others() -> None:
    # a product whose numbers belong to one point, but whose parts are said to be of five
    factors = [Kronecker(Zero(2, 2), normal(3, 3)), ScaledIdentity(normal(5), 6)]
    e, f = normal(5, 3, 2), normal(5, 3, 3, 3)
    total = stack([PointSum(Kronecker(Diagonal(some), others)) for some, others in zip(e, f, strict=True)])
    expected = factors[0].dense() @ factors[1].dense() @ total.dense()
    found = Chain([*factors, total]).plan("left").execute().jacobian
    assert_allclose(found.dense(), expected, rtol=1e-12, atol=1e-12)
