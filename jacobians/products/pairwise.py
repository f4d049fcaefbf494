"""Products of the Jacobians of all pairs of points, J_p·K_qᵀ, from their structures.

By a weight matrix J_p = S_p ⊗ a_pᵀ, and (S_p ⊗ a_pᵀ)(S_q ⊗ a_qᵀ)ᵀ = (S_p S_qᵀ)(a_p·a_q): matrices of the size of a
layer and one Gram matrix of the points, in place of rows with one entry for every weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.blas_threads import product
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import UNCOUNTED, Uncounted
from jacobians.numerics.libraries import spread_to
from jacobians.structures import BlockRow, Dense, Jacobian
from jacobians.structures.common_factors import CommonFactor, common_factors
from jacobians.structures.pairs_of_points import Term, add_dense


@without_float_errors
def pairwise_products(J: Jacobian, K: Jacobian | None = None, *, max_bytes: int | None = None) -> Array:
    """Return J_p·K_qᵀ for every pair of points, in time and memory of the structures, not of the dense forms.

    Parameters
    ----------
    J : Jacobian
        Of N points: ``batch_shape == (N,)``; m × n for each.
    K : Jacobian, optional
        Of N' points, m' × n for each; J itself by default, of which half is computed and the rest mirrored.
    max_bytes : int, optional
        The most that the answer may take; 2 GiB by default.

    Returns
    -------
    numpy.ndarray, shape (N, N', m, m')
        A view of an array of shape (m, m', N, N'), which ``.transpose(2, 3, 0, 1)`` gives without a copy.

    Raises
    ------
    TypeError, ValueError
        If J or K is no Jacobian of points along one axis, or their numbers of columns differ.
    MemoryBudgetError
        If the answer would take more than `max_bytes`.

    Examples
    --------
    >>> from jacobians import Affine
    >>> J = Affine([[1.0, 2.0]]).jacobian([[1.0, 0.0], [3.0, 4.0]], wrt="W", batched=True)
    >>> pairwise_products(J)[:, :, 0, 0]
    array([[ 1.,  3.],
           [ 3., 25.]])
    """
    return products_of_pairs(J, K, max_bytes, UNCOUNTED)


def products_of_pairs(J: Jacobian, K: Jacobian | None, max_bytes: int | None, ledger: Uncounted) -> Array:
    """Return :func:`pairwise_products`, matrices multiplied by a ledger."""
    symmetric = K is None or K is J
    other = J if K is None else K
    for name, jacobian in (("J", J), ("K", other)):
        if not isinstance(jacobian, Jacobian):
            raise TypeError(f"{name}: found {class_name(jacobian)}, expected a Jacobian of several points")
        jacobian._require_numpy(name)
        if len(jacobian.batch_shape) != 1:
            raise ValueError(
                f"{name}: found batch_shape {jacobian.batch_shape}, expected (N,): points along one axis"
            )
    if J.shape[1] != other.shape[1]:
        raise ValueError(
            f"K: found {other.shape[1]} columns, expected {J.shape[1]}, those of J: derivatives by the same inputs"
        )
    shape = (*J.batch_shape, *other.batch_shape, J.shape[0], other.shape[0])
    dtype = np.result_type(J.dtype, other.dtype)
    require_budget(
        shape,
        dtype.itemsize,
        "the products of all pairs of points",
        "take fewer points at a time (K is for those of the other side), or pass a larger max_bytes",
        max_bytes,
    )
    matrices: list[Term] = []
    rest: list[tuple[Jacobian, Jacobian, Array]] = []
    for first, second in _terms(J, other):
        S, T = first.left, second.left
        gram = _gram(first, second, (shape[0], shape[1]))
        weight = np.ones((1, 1), dtype) if gram is None else gram
        if type(S) is type(T) is Dense:
            matrices.append(Term(S.expand(), T.expand(), weight))
        else:
            rest.append((S, T, weight))
    products = (np.empty if matrices else np.zeros)((shape[2], shape[3], shape[0], shape[1]), dtype)
    if matrices:
        add_dense(products, matrices, symmetric, fresh=True, ledger=ledger)
    for S, T, weight in rest:
        S._add_pairs(T, products, weight, symmetric)
    if symmetric:
        for i in range(1, shape[2]):
            products[:i, i] = products[i, :i].mT
    return products.transpose(2, 3, 0, 1)


def _terms(J: Jacobian, K: Jacobian) -> list[tuple[CommonFactor, CommonFactor]]:
    """Return the groups of blocks whose products add up."""
    mine, others = (B.blocks if isinstance(B, BlockRow) else (B,) for B in (J, K))
    if [block.shape[1] for block in mine] != [block.shape[1] for block in others]:
        return [_alone(J, K)]
    pairs = list(zip(common_factors(mine), common_factors(others), strict=False))
    if all(_match(first, second) for first, second in pairs) and sum(len(f.places) for f, _ in pairs) == len(
        mine
    ):
        return pairs
    return [_alone(first, second) for first, second in zip(mine, others, strict=True)]


def _match(first: CommonFactor, second: CommonFactor) -> bool:
    """Return whether the rows of K of both sides meet: the same blocks, in the same form."""
    return first.places == second.places and all(
        (a is None and b is None) or (a is not None and b is not None and a.shape == b.shape)
        for a, b in zip(first.rows, second.rows, strict=True)
    )


def _alone(first: Jacobian, second: Jacobian) -> tuple[CommonFactor, CommonFactor]:
    """Return two blocks, each as a group of its own."""
    (one,), (other,) = common_factors([first]), common_factors([second])
    if _match(one, other):
        return one, other
    return CommonFactor(first, (0,), (None,)), CommonFactor(second, (0,), (None,))


def _gram(first: CommonFactor, second: CommonFactor, points: tuple[int, int]) -> Array | None:
    """Return Σ d_p·d_q over the blocks of a group, shape (N, N'); None where all of it is 1."""
    ones = 0
    total: Any = None
    for a, b in zip(first.rows, second.rows, strict=True):
        if a is not None and b is not None:
            rows, others = (
                spread_to(d.expand()[..., 0, :], (n, d.shape[1])) for d, n in zip((a, b), points, strict=True)
            )
            gram = product(rows, others.T)
            total = gram if total is None else np.add(total, gram, out=total)
        else:
            ones += 1
    if total is not None and ones:
        total += ones
    if total is None and ones > 1:
        total = np.full(points, float(ones))
    return total
