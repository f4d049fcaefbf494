"""Doors of structures that used to answer in Python's or NumPy's own words."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from backprop import Chain
from jacobians import Cost, Function, Graph, Softmax, Spec
from jacobians.products import product_cost, product_spec
from jacobians.structures import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Permutation,
    PointSum,
    Repeat,
    ScaledIdentity,
    Selection,
    Sparse,
    Toeplitz,
    Zero,
    row,
    stack,
)

GIVEN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "Dense": (Dense, (np.arange(1.0, 10).reshape(3, 3),)),
    "Diagonal": (Diagonal, (np.arange(1.0, 4),)),
    "low rank": (DiagonalPlusLowRank, (np.arange(1.0, 4), np.ones((3, 1)), np.ones((3, 1)))),
    "Kronecker": (Kronecker, (np.arange(1.0, 4).reshape(1, 3), np.arange(1.0, 4).reshape(3, 1))),
    "Toeplitz": (lambda k: Toeplitz(k, 3), (np.array([2.0]),)),
    "Selection": (lambda w: Selection([0, 2, 1], 3, w), (np.arange(1.0, 4),)),
    "blocks": (lambda a, b: BlockDiagonal([Dense(a), Diagonal(b)]), (np.ones((1, 1)), np.ones(2))),
    "points": (lambda a, b: PointSum(Kronecker(a, b)), (np.ones((2, 3, 1)), np.ones((2, 1, 3)))),
}
COPIED: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "indices": (Permutation, (np.array([2, 0, 1]),)),
    "c": (lambda c: ScaledIdentity(c, 3), (np.array(1.0),)),
    "a sparse matrix": (lambda data: Sparse(csr_array((data, ([0, 1, 2], [1, 0, 2])))), (np.arange(1.0, 4),)),
    "entries": (Sparse, (np.eye(3),)),
    "integers": (Dense, (np.arange(9).reshape(3, 3),)),
}


def asked(J: Any) -> list[Any]:
    """Return products, the diagonal and an executed plan."""
    M = np.arange(9.0).reshape(3, 3) + 1
    planned = Chain([J, Dense(M), J.T]).plan().execute().jacobian
    forms = [J, J @ M, M @ J, J + Dense(M), J * 2.0, planned]
    return [*(form.dense() for form in forms), J.diagonal(), J.row_norms(), J.matvec(M[0])]


@pytest.mark.parametrize("name", [*GIVEN, *COPIED])
def test_what_is_written_into_given_arrays_later_is_what_is_held_or_nothing(name: str) -> None:
    make, arrays = (GIVEN | COPIED)[name]
    arrays = tuple(array.copy() for array in arrays)
    held = make(*arrays)
    asked(held)  # whatever is looked up once is looked up
    before, spec = asked(held), held.spec
    for array in arrays:
        assert array.flags.writeable
        array[...] = array[::-1].copy() if array.dtype.kind == "i" and array.ndim == 1 else array * -3 + 1
    expected = asked(make(*arrays)) if name in GIVEN else before
    for one, other in zip(asked(held), expected, strict=True):
        assert_array_equal(one, other)
    assert held.spec == spec
    for array in held.flatten().values():
        assert not array.flags.writeable


@pytest.mark.parametrize("name", [*GIVEN, "indices", "c", "a sparse matrix"])
@pytest.mark.parametrize("factor", [3, 3.0, np.float64(3), np.float32(3), np.int64(3)])
def test_a_scalar_factor_keeps_the_precision(name: str, factor: Any) -> None:
    make, arrays = (GIVEN | COPIED)[name]
    held = make(*arrays).astype("float32")
    for one, truth in ((held * factor, held.dense() * 3.0), (held / factor, held.dense() / 3.0)):
        assert one.dtype == one.dense().dtype == np.float32
        assert_allclose(one.dense(), truth, rtol=1e-6)


J = Diagonal([1.0, 2.0])
MANY = Diagonal([[1.0, 2.0]] * 3)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: J.reshaped(5), TypeError, "out_shape: found 5, expected a tuple of integers"),
        (lambda: J.broadcast_batch(3), TypeError, "batch_shape: found 3, expected a tuple of integers"),
        (
            lambda: MANY.broadcast_batch((2,)),
            ValueError,
            r"batch_shape: found \(2,\), expected axes that broadcast",
        ),
        (lambda: stack(3), TypeError, "jacobians: found 3, expected a list of Jacobians"),
        (lambda: stack([3]), TypeError, r"jacobians: found \[3\], expected a list of Jacobians"),
        (
            lambda: J * 10**400,
            ValueError,
            "factor: found an integer of 1329 bits, beyond the range of float64",
        ),
        (lambda: J / 0, ZeroDivisionError, "divisor: found 0, expected another number"),
        (lambda: J[0], TypeError, r"key: found 0, expected no index: Diagonal 2×2 .*take \.dense\(\)\[0\]"),
        (lambda: list(J), TypeError, "key: found 0, expected no index: Diagonal 2×2"),
        (
            lambda: MANY.matvec(np.ones((2, 2))),
            ValueError,
            r"v: found the batch axes \(2,\), expected axes that",
        ),
        (
            lambda: MANY.rmatvec(np.ones((2, 2))),
            ValueError,
            r"u: found the batch axes \(2,\), expected axes that",
        ),
        (
            lambda: MANY @ Dense(np.ones((2, 2, 2))),
            ValueError,
            r"batch axes: found \(3,\) and \(2,\), expected axes that broadcast",
        ),
        (lambda: Identity(True), TypeError, r"n: found True, expected an integer of at least 1"),
        (lambda: Zero(2, True), TypeError, r"n: found True, expected an integer of at least 1"),
        (
            lambda: Selection([1, [2]], 3),
            TypeError,
            r"indices: found \[1, \[2\]\], expected integers of shape",
        ),
        (lambda: Selection([10**400], 3), TypeError, "indices: found"),
        (
            lambda: Permutation([1, [2]]),
            TypeError,
            r"indices: found \[1, \[2\]\], expected each of 0, …, n − 1",
        ),
        (lambda: Toeplitz([1.0, 2.0], 1), ValueError, "n: found 1, expected an integer of at least 2"),
        (lambda: Toeplitz(3.0, 1), ValueError, r"kernel: found a scalar, expected an array of shape \(k,\)"),
        (lambda: Repeat(0, q=2), ValueError, "k: found 0, expected an integer of at least 1"),
        (lambda: ScaledIdentity("2", 3), TypeError, "c: found str"),
        (
            lambda: Sparse(np.zeros((2, 2))),
            ValueError,
            r"matrix: found no entry, expected at least one; .*Zero",
        ),
        (lambda: Dense(np.ones((2, 3))).trace(), ValueError, r"diagonal: found Dense 2×3 of shape \(2, 3\)"),
        (
            lambda: row("Dense", 3, "A", result=min, cost=min, execute=min),
            TypeError,
            "right: found 3, expected text",
        ),
        (
            lambda: row("Dense", "*", "A", result=min, cost=3, execute=min),  # type: ignore[arg-type]  # refused
            TypeError,
            "cost: found 3, expected a function",
        ),
    ],
)
def test_a_door_says_what_was_found_and_expected(call: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        call()


def test_division_by_a_number() -> None:
    np.testing.assert_array_equal((J / 2).dense(), [[0.5, 0.0], [0.0, 1.0]])


def test_the_latex_of_a_softmax_is_a_difference() -> None:
    text = Softmax().jacobian([0.0, 0.0])._repr_latex_()
    half = r"\begin{bmatrix}0.5 \\ 0.5\end{bmatrix}"
    assert rf"\operatorname{{diag}}(0.5, 0.5) - {half}{half}^{{\mathsf T}}" in text


def test_a_sign_costs_nothing_and_its_spec_says_unit() -> None:
    assert ScaledIdentity(-1.0, 3).spec.unit
    assert not ScaledIdentity(2.0, 3).spec.unit
    assert (-ScaledIdentity(1.0, 3)).spec.unit
    assert not (ScaledIdentity(1.0, 3) * 2.0).spec.unit


def test_a_sparse_matrix_of_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.random(30, 20, density=0.1, random_state=1, format="csr")
    S = Sparse(matrix)
    assert S.storage == matrix.nnz
    np.testing.assert_allclose(S.dense(), matrix.toarray())
    product = S.T @ S
    assert product.structure == "Sparse"
    np.testing.assert_allclose(product.dense(), (matrix.T @ matrix).toarray(), atol=1e-14)
    other = sparse.random(30, 20, density=0.1, random_state=2, format="csr")
    total = S + Sparse(other)
    assert (total.structure, total.storage) == ("Sparse", (matrix + other).nnz)
    np.testing.assert_allclose(total.dense(), (matrix + other).toarray())


class Handed(Function):
    """y = x, with what SciPy has for a derivative."""

    parameter_names = ()

    def __init__(self, derivative: Any) -> None:
        self.found = derivative

    def forward(self, x: Any) -> Any:
        return x

    def derivative(self, x: Any, wrt: str = "input") -> Any:
        return self.found


@pytest.mark.parametrize("kind", ["csr_array", "coo_matrix"])
@pytest.mark.parametrize(
    ("named", "call"),
    [
        ("right operand", lambda S: J @ S),
        ("other", lambda S: J + S),
        ("other", lambda S: J - S),
        (r"factors\[1\]: A", lambda S: Chain([J, S])),
        ("A", lambda S: Dense(S)),
        ("A", lambda S: Kronecker(S, J)),
        ("blocks", lambda S: BlockDiagonal([J, S])),
        ("jacobians", lambda S: stack([S])),
        (r"edges\[0\]", lambda S: Graph.from_edges(["x"], ["x", "y"], ["y"], [("x", "y", S)])),
        (r"Handed\.derivative", lambda S: Handed(S).jacobian([1.0, 2.0])),
    ],
)
def test_a_sparse_matrix_beside_jacobians_is_to_be_made_one(kind: str, named: str, call: Any) -> None:
    S = getattr(pytest.importorskip("scipy.sparse"), kind)(np.eye(2))
    with pytest.raises(TypeError, match=rf"^{named}: found a sparse {kind}, .* by Sparse\(matrix\)$"):
        call(S)


def test_a_sparse_matrix_on_the_left_is_told_what_it_meets() -> None:
    S = pytest.importorskip("scipy.sparse").csr_array(np.eye(2))
    with pytest.raises(AttributeError, match=r"^Diagonal 2×2: found no ndim, .* take Sparse\(matrix\)$"):
        S @ J
    assert not hasattr(J, "ndim")


def test_sparse_matrices_whose_entries_never_meet_give_zero_at_no_cost() -> None:
    A, B = Sparse([[0.0, 2.0], [0.0, 0.0]]), Sparse([[3.0, 1.0], [0.0, 0.0]])
    assert product_cost(A.spec, B.spec) == Cost(0, 0)
    assert (A @ B).structure == product_spec(A.spec, B.spec).structure == "Zero"
    np.testing.assert_array_equal((A @ B).dense(), np.zeros((2, 2)))
    done = Chain([A, B, A]).plan("left").execute()
    assert (done.jacobian.structure, done.cost) == ("Zero", Cost(0, 0))


def test_an_error_within_what_a_class_says_of_a_spec_is_its_own() -> None:
    class Misspelt(Diagonal):
        structure = "Misspelt"

        @classmethod
        def _arrays(cls, spec: Spec) -> Any:
            shape: Any = spec.shape
            return {"d": shape.first}

        @classmethod
        def _label(cls, spec: Spec) -> str:
            return str(spec.lenght)

    spec = Spec.of("Misspelt", 2, 2)
    with pytest.raises(AttributeError, match="'tuple' object has no attribute 'first'"):
        _ = spec.storage
    with pytest.raises(AttributeError, match="Spec: found no 'lenght' for the structure Misspelt"):
        _ = spec.label
    assert pickle.loads(pickle.dumps(spec)) == spec


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_toeplitz_is_the_convolution_of_numpy(k: int) -> None:
    r = np.random.default_rng(k)
    kernel, x, u = r.normal(size=k), r.normal(size=7), r.normal(size=8 - k)
    T = Toeplitz(kernel, 7)
    np.testing.assert_allclose(T.matvec(x), np.correlate(x, kernel, "valid"))
    np.testing.assert_allclose(T.rmatvec(u), np.convolve(u, kernel))
