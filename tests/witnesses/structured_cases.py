"""The catalogue: structured Jacobians beside the dense matrices that they stand for.

The dense truth of each case is written down with plain NumPy from the definition, never by the structure's own code.
A new structure is one more case here, and inherits every test that runs over the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    Permutation,
    PointSum,
    Repeat,
    ScaledIdentity,
    Scatter,
    Selection,
    Sparse,
    Toeplitz,
    Zero,
    stack,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A structured Jacobian, its dense truth (batch axes leading) and the numbers that it may store."""

    name: str
    jacobian: Jacobian
    truth: Array
    storage: int


def _rows(indices: list[int], n: int, weights: Array | None = None) -> Array:
    truth = np.zeros((len(indices), n))
    for row, column in enumerate(indices):
        if column >= 0:
            truth[row, column] = 1.0 if weights is None else weights[row]
    return truth


def _points(matrices: list[Array]) -> Array:
    return np.stack(matrices)


def _along(blocks: list[Array]) -> Array:
    truth = np.zeros((sum(len(block) for block in blocks), sum(block.shape[1] for block in blocks)))
    row = column = 0
    for block in blocks:
        truth[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return truth


def make_cases(n: int = 6, seed: int = 0) -> list[Case]:
    """Return cases of every structure, all 6×6 so that any two can be multiplied."""
    r = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return r.standard_normal(shape)

    d, d5 = normal(n), normal(5, n)
    A, A5 = normal(n, n), normal(5, n, n)
    U, V, U5 = normal(n, 2), normal(n, 2), normal(5, n, 2)
    B, C = normal(2, 2), normal(n // 2, n // 2)
    B5 = normal(5, 2, 2)
    standing, lying = normal(n, 1), normal(1, n)
    permuted = r.permutation(n)
    chosen = [int(i) for i in r.integers(0, n, n - 1)] + [-1]
    chosen[1] = chosen[0]
    partial = [int(i) for i in permuted[: n - 2]] + [-1, -1]
    chosen5 = np.array([[int(i) for i in r.integers(-1, n, n)] for _ in range(5)])
    chosen5[:, 1] = chosen5[:, 0] = 0
    w, w5 = normal(n), normal(5, n)
    column, matrix = normal(2, 1), normal(3, 6)
    F, G = normal(n, 2), normal(n, n - 2)
    thin = normal(n, n) * (r.random((n, n)) < 0.3) + np.diag(d)
    C5, e53, f53 = normal(5, n // 2, n // 2), normal(5, 3, 2), normal(5, 3, n // 2, n // 2)
    normal5, normal3 = normal(5, 5), normal(3, n)
    return [
        Case("identity", Identity(n), np.eye(n), 0),
        Case("zero", Zero(n, n), np.zeros((n, n)), 0),
        Case("diagonal", Diagonal(d), np.diag(d), n),
        Case("diagonal of 5 points", Diagonal(d5), _points([np.diag(x) for x in d5]), 5 * n),
        Case("dense", Dense(A), A, n * n),
        Case("dense of 5 points", Dense(A5), A5, 5 * n * n),
        Case("low rank", DiagonalPlusLowRank(d, U, V), np.diag(d) + U @ V.T, 5 * n),
        Case(
            "low rank of 5 points",
            DiagonalPlusLowRank(d5, U5, V),
            _points([np.diag(x) + u @ V.T for x, u in zip(d5, U5, strict=True)]),
            25 * n,
        ),
        Case("identity ⊗ dense", Kronecker(Identity(2), C), np.kron(np.eye(2), C), (n // 2) ** 2),
        Case("dense ⊗ identity", Kronecker(C, Identity(2)), np.kron(C, np.eye(2)), (n // 2) ** 2),
        Case("dense ⊗ dense", Kronecker(B, C), np.kron(B, C), 4 + (n // 2) ** 2),
        Case(
            "dense ⊗ dense of 5 points",
            Kronecker(B5, C),
            _points([np.kron(b, C) for b in B5]),
            20 + (n // 2) ** 2,
        ),
        Case(
            "diagonal ⊗ low rank",
            Kronecker(Diagonal(d[:2]), DiagonalPlusLowRank(d[: n // 2], U[: n // 2], V[: n // 2])),
            np.kron(np.diag(d[:2]), np.diag(d[: n // 2]) + U[: n // 2] @ V[: n // 2].T),
            2 + 5 * (n // 2),
        ),
        Case("column ⊗ row", Kronecker(standing, lying), np.kron(standing, lying), 2 * n),
        Case("row ⊗ column", Kronecker(lying, standing), np.kron(lying, standing), 2 * n),
        Case(
            "matrix ⊗ column",
            Kronecker(matrix, column),
            np.kron(matrix, column),
            20,
        ),
        Case("column ⊗ matrix", Kronecker(column, matrix), np.kron(column, matrix), 20),
        Case("zero ⊗ dense", Kronecker(Zero(2, 2), C), np.zeros((n, n)), (n // 2) ** 2),
        Case("permutation", Permutation(permuted), _rows([int(i) for i in permuted], n), n),
        Case("selection with repeats", Selection(chosen, n), _rows(chosen, n), n),
        Case("selection without repeats", Selection(partial, n), _rows(partial, n), n),
        Case("weighted selection", Selection(chosen, n, w), _rows(chosen, n, w), 2 * n),
        Case("weighted selection without repeats", Selection(partial, n, w), _rows(partial, n, w), 2 * n),
        Case(
            "weighted selection of 5 points",
            Selection(chosen5, n, w5),
            _points([_rows(list(c), n, x) for c, x in zip(chosen5, w5, strict=True)]),
            10 * n,
        ),
        Case("scatter", Scatter(chosen, n), _rows(chosen, n).T, n),
        Case("weighted scatter", Scatter(chosen, n, w), _rows(chosen, n, w).T, 2 * n),
        Case("block row", BlockRow([Dense(F), Dense(G)]), np.hstack([F, G]), n * n),
        Case(
            "block row of structures",
            BlockRow([Kronecker(Identity(n), [[1.5]])]),
            1.5 * np.eye(n),
            1,
        ),
        Case(
            "block row of a selection and a matrix of 5 points",
            BlockRow([Selection([0, 1] * (n // 2), 2), Dense(A5[:, :, 2:])]),
            np.concatenate([np.broadcast_to(_rows([0, 1] * (n // 2), 2), (5, n, 2)), A5[:, :, 2:]], axis=-1),
            n + 5 * n * (n - 2),
        ),
        Case("scaled identity", ScaledIdentity(2.5, n), 2.5 * np.eye(n), 1),
        Case("minus identity", ScaledIdentity(-1.0, n), -np.eye(n), 1),
        Case("scaled identity of 5 points", ScaledIdentity(d5[:, 0], n), d5[:, 0, None, None] * np.eye(n), 5),
        Case(
            "block diagonal",
            BlockDiagonal([Dense(F[:3]), Diagonal(d[:2]), Dense(normal5[:1, :2])]),
            _along([F[:3], np.diag(d[:2]), normal5[:1, :2]]),
            10,
        ),
        Case("sparse", Sparse(thin), thin, int(np.count_nonzero(thin))),
        Case("toeplitz of one number", Toeplitz([1.5], n), 1.5 * np.eye(n), 1),
        Case(
            "block of toeplitz",
            BlockColumn([Toeplitz(d[:3], n), Dense(F.T)]),
            np.vstack([[np.concatenate([np.zeros(i), d[:3], np.zeros(3 - i)]) for i in range(4)], F.T]),
            3 + 2 * n,
        ),
        Case(
            "block of turned toeplitz",
            BlockRow([Toeplitz(d[:3], n).T, Dense(F)]),
            np.hstack(
                [np.array([np.concatenate([np.zeros(i), d[:3], np.zeros(3 - i)]) for i in range(4)]).T, F]
            ),
            3 + 2 * n,
        ),
        Case(
            "block of a repeat",
            BlockRow([Repeat(2, q=3), Repeat(3, p=2, q=1), Dense(lying.T)]),
            np.hstack([np.kron(np.ones((2, 1)), np.eye(3)), np.kron(np.eye(2), np.ones((3, 1))), lying.T]),
            n,
        ),
        Case(
            "block of a sum",
            BlockColumn([Repeat(2, q=3).T, Dense(normal3)]),
            np.vstack([np.kron(np.ones((1, 2)), np.eye(3)), normal3]),
            3 * n,
        ),
        Case(
            "sum of dense ⊗ dense over 5 points",
            PointSum(Kronecker(B5, C5)),
            sum(np.kron(b, c) for b, c in zip(B5, C5, strict=True)),
            5 * (4 + (n // 2) ** 2),
        ),
        Case(
            "sums of diagonal ⊗ dense over 3 points, for 5 points",
            stack([PointSum(Kronecker(Diagonal(e), f)) for e, f in zip(e53, f53, strict=True)]),
            _points(
                [
                    sum(np.kron(np.diag(e), f) for e, f in zip(some, others, strict=True))
                    for some, others in zip(e53, f53, strict=True)
                ]
            ),
            15 * (2 + (n // 2) ** 2),
        ),
        Case(
            "sum over points + multiple of the identity",
            PointSum(Kronecker(B5, C5)) + ScaledIdentity(0.5, n),
            sum(np.kron(b, c) for b, c in zip(B5, C5, strict=True)) + 0.5 * np.eye(n),
            5 * (4 + (n // 2) ** 2) + 1,
        ),
        Case(
            "sum over points + diagonal of 5 points",
            PointSum(Kronecker(B5, C5)) + Diagonal(d5),
            sum(np.kron(b, c) for b, c in zip(B5, C5, strict=True)) + _points([np.diag(d) for d in d5]),
            5 * (4 + (n // 2) ** 2) + 5 * n,
        ),
        Case("block column", BlockColumn([Dense(F.T), Dense(G.T)]), np.vstack([F.T, G.T]), n * n),
    ]


CASES: list[Case] = make_cases()
PAIRS: list[tuple[Case, Case]] = [(left, right) for left in CASES for right in CASES]
