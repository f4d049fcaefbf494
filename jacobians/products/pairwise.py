"""Products of the Jacobians of all pairs of points, J_p·K_qᵀ, from their structures.

By a weight matrix J_p = S_p ⊗ a_pᵀ, and (S_p ⊗ a_pᵀ)(S_q ⊗ a_qᵀ)ᵀ = (S_p S_qᵀ)(a_p·a_q): matrices of the size of a
layer and one Gram matrix of the points, in place of rows with one entry for every weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import spread_to
from jacobians.structures import BlockRow, Diagonal, Identity, Jacobian, Kronecker
from jacobians.structures.common_factors import CommonFactor, common_factors

_WORKSPACE = 2**17  # entries of the products that are formed at a time: they stay in a core's cache


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
    symmetric = K is None or K is J
    other = J if K is None else K
    for name, jacobian in (("J", J), ("K", other)):
        if not isinstance(jacobian, Jacobian):
            raise TypeError(f"{name}: found {type(jacobian).__name__}, expected a Jacobian of several points")
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
    products = np.zeros((shape[2], shape[3], shape[0], shape[1]), dtype)
    for first, second in _terms(J, other):
        gram = _gram(first, second, (shape[0], shape[1]))
        _add(products, first.left, second.left, gram, symmetric)
    if symmetric:
        for i in range(shape[2]):
            for j in range(i):
                products[j, i] = products[i, j].T
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
            gram = rows @ others.T
            total = gram if total is None else np.add(total, gram, out=total)
        else:
            ones += 1
    if total is not None and ones:
        total += ones
    if total is None and ones > 1:
        total = np.full(points, float(ones))
    return total


def _add(products: Array, S: Jacobian, T: Jacobian, gram: Array | None, symmetric: bool) -> None:
    """Add (S_p T_qᵀ)·gram[p, q] for all pairs of points to `products` (m, m', N, N'); if symmetric, where i ≥ j."""
    weight = np.ones((1, 1), products.dtype) if gram is None else gram
    if isinstance(S, Identity | Diagonal) and isinstance(T, Identity | Diagonal):
        for i in range(S.shape[0]):
            entries, others = (D.d[..., i] if isinstance(D, Diagonal) else np.ones(()) for D in (S, T))
            products[i, i] += weight * (entries[..., None] * others)
    elif isinstance(S, Kronecker) and isinstance(T, Kronecker) and _factors_meet(S, T):
        _add_kronecker(products, S, T, weight)
    else:
        _add_dense(products, S.expand(), T.expand(), weight, symmetric)


def _factors_meet(S: Kronecker, T: Kronecker) -> bool:
    return S.A.shape[1] == T.A.shape[1] and S.B.shape[1] == T.B.shape[1]


def _add_kronecker(products: Array, S: Kronecker, T: Kronecker, weight: Array) -> None:
    """(A ⊗ B)(C ⊗ D)ᵀ = ACᵀ ⊗ BDᵀ."""
    points = products.shape[2:]
    parts = []
    for left, right in ((S.A, T.A), (S.B, T.B)):
        part = np.zeros((left.shape[0], right.shape[0], *points), products.dtype)
        _add(part, left, right, None, False)
        parts.append(part)
    first, second = parts
    second *= weight
    (p, r), (q, s) = first.shape[:2], second.shape[:2]
    blocks = products.reshape((p, q, r, s, *points))
    for i in range(p):
        for k in range(q):
            blocks[i, k] += first[i][:, None] * second[k][None, :]


def _add_dense(products: Array, S: Array, T: Array, weight: Array, symmetric: bool) -> None:
    m, others, count, other_count = products.shape
    # outputs first, so that the products with one output of the other side are one matrix, an entry a pair of points
    rows = _outputs_first(S, count)
    columns = rows if symmetric else _outputs_first(T, other_count)
    together = max(1, _WORKSPACE // (count * other_count))
    step = count if together > 1 else min(count, max(1, _WORKSPACE // other_count))
    workspace = np.empty((min(together, m) * step, other_count), products.dtype)
    for k in range(others):
        for first in range(k if symmetric else 0, m, together):
            for start in range(0, count, step):
                outputs, some = slice(first, first + together), slice(start, start + step)
                part = rows[outputs, some]
                found = workspace[: part.shape[0] * part.shape[1]]
                np.matmul(part.reshape(len(found), -1), columns[k].T, out=found)
                blocks = found.reshape(*part.shape[:2], other_count)
                blocks *= weight[some] if len(weight) > 1 else weight
                products[outputs, k, some] += blocks


def _outputs_first(S: Array, count: int) -> Array:
    """Return a matrix a point (…, m, h) as an array (m, count, h)."""
    return np.ascontiguousarray(np.moveaxis(spread_to(S, (count, *S.shape[-2:])), 1, 0))
