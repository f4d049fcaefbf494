"""The tangent kernel against dense Jacobians, differences of the outputs, and closed forms."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backprop import MLP, tangent_kernel
from jacobians import Affine, Concatenate, LayerNorm, MemoryBudgetError, Residual, Sequential, Softmax, Tanh
from verification import finite_difference_jacobian

RANDOM = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


LAYER = Affine(normal(3, 3), normal(3))
NETWORKS = {
    "perceptron": (MLP.initialize([3, 5, 4, 2], seed=1), (3,)),
    "softmax": (Sequential(Affine(normal(4, 3), normal(4)), Tanh(), Affine(normal(3, 4)), Softmax()), (3,)),
    "shared weights": (Sequential(LAYER, Tanh(), LAYER), (3,)),
    "residual": (
        Sequential(Residual(Sequential(LAYER, Tanh())), LayerNorm(gamma=normal(3)), Affine(normal(1, 3))),
        (3,),
    ),
    "concatenated": (
        Sequential(Concatenate(LAYER, Affine(normal(1, 3), normal(1))), Tanh(), Affine(normal(2, 4))),
        (3,),
    ),
    "matrices": (Sequential(Affine(normal(4, 3), normal(4)), Tanh(), Affine(normal(2, 4), normal(2))), (3, 2)),
    "one layer": (LAYER, (3,)),
}  # fmt: skip
each_network = pytest.mark.parametrize("name", NETWORKS)


def jacobian_by_differences(network: object, x: np.ndarray) -> np.ndarray:
    """Return the Jacobian at a point by all parameters, (m, n), from values of the network alone."""
    blocks = []
    for name, value in network.parameters.items():

        def outputs(entries: np.ndarray, name: str = name) -> np.ndarray:
            return np.ravel(network.replace({name: entries})(x))

        blocks.append(finite_difference_jacobian(outputs, value))
    return np.concatenate([np.reshape(block, (len(block), -1)) for block in blocks], axis=-1)


@each_network
def test_is_the_product_of_differences(name: str) -> None:
    network, shape = NETWORKS[name]
    X, Y = normal(4, *shape), normal(3, *shape)
    J, K = (np.stack([jacobian_by_differences(network, x) for x in points]) for points in (X, Y))
    assert_allclose(tangent_kernel(network, X, Y), np.einsum("pin,qjn->pqij", J, K), rtol=1e-6, atol=1e-6)
    assert_allclose(tangent_kernel(network, X), np.einsum("pin,qjn->pqij", J, J), rtol=1e-6, atol=1e-6)


@each_network
def test_is_symmetric_and_positive(name: str) -> None:
    network, shape = NETWORKS[name]
    kernel = tangent_kernel(network, normal(5, *shape))
    m = kernel.shape[-1]
    assert_allclose(kernel, kernel.transpose(1, 0, 3, 2), rtol=1e-12, atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(kernel.transpose(0, 2, 1, 3).reshape(5 * m, 5 * m))
    assert eigenvalues.min() > -1e-10 * eigenvalues.max()


def test_its_diagonal_is_the_squared_norms_of_the_rows() -> None:
    network, shape = NETWORKS["perceptron"]
    X = normal(5, *shape)
    J = network.jacobian(X, wrt=list(network.parameters), batched=True)
    diagonal = np.einsum("ppii->pi", tangent_kernel(network, X))
    assert_allclose(np.sqrt(diagonal), J.row_norms(), rtol=1e-12)


def test_named_parameters_add_up_to_all() -> None:
    network, shape = NETWORKS["perceptron"]
    X = normal(4, *shape)
    parts = [tangent_kernel(network, X, wrt=name) for name in network.parameters]
    assert_allclose(sum(parts), tangent_kernel(network, X), rtol=1e-12)
    some = tangent_kernel(network, X, wrt=["0.W", "2.b"])
    names = list(network.parameters)
    assert_allclose(some, parts[names.index("0.W")] + parts[names.index("2.b")], rtol=1e-12)


def test_of_a_linear_function_it_is_the_gram_matrix_of_the_points() -> None:
    X, Y = normal(4, 3), normal(2, 3)
    found = tangent_kernel(LAYER, X, Y)
    expected = (1 + X @ Y.T)[..., None, None] * np.eye(3)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_outputs_first_it_is_one_contiguous_array() -> None:
    network, shape = NETWORKS["perceptron"]
    kernel = tangent_kernel(network, normal(4, *shape), normal(3, *shape))
    assert kernel.shape == (4, 3, 2, 2)
    assert kernel.transpose(2, 3, 0, 1).flags.c_contiguous


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: tangent_kernel(np.tanh, [[1.0]]), TypeError, "network: found ufunc, expected a Function with"),
        (lambda: tangent_kernel(Tanh(), [[1.0]]), ValueError, "network: found Tanh() without parameters, expected"),
        (lambda: tangent_kernel(LAYER, np.ones(3)), ValueError, "x: found shape (), expected (3,)"),
        (lambda: tangent_kernel(LAYER, np.ones((2, 3)), wrt="V"), ValueError, "wrt: found 'V', expected one of"),
        (lambda: tangent_kernel(LAYER, np.ones((2, 3)), wrt=[]), ValueError, "wrt: found no name"),
        (lambda: tangent_kernel(LAYER, np.ones((2, 3)), wrt=7), TypeError, "wrt: found 7, expected 'input', the name"),
        (
            lambda: tangent_kernel(LAYER, np.ones((2, 3)), max_bytes=100),
            MemoryBudgetError,
            "the products of all pairs of points (2×2×3×3) would take 288 bytes, more than max_bytes = 100 bytes",
        ),
    ],
)  # fmt: skip
def test_doors_say_what_was_found_and_expected(make: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        make()
