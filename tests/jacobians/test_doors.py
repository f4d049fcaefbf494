"""What a function's doors promise: private points, shapes of plain arrays, logits with an offset."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jacobians import (
    Affine,
    Determinant,
    Function,
    LogSumExp,
    Softmax,
    SoftmaxCrossEntropy,
    SquaredError,
    Tanh,
)


def test_what_is_returned_does_not_change_with_the_callers_array() -> None:
    x = np.array([1.0, 2.0, 3.0])
    layer = Affine(np.ones((2, 3)))
    jacobian, linearized = layer.jacobian(x, wrt="W"), layer.linearize(x)
    x[:] = 0.0
    assert_array_equal(jacobian.dense()[0], [1.0, 2.0, 3.0, 0.0, 0.0, 0.0])
    assert_array_equal(linearized.values[0], [1.0, 2.0, 3.0])


class Outer(Function):
    """x ↦ x [1, 2], with its derivative as a plain array."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.outer(x, [1.0, 2.0])

    def derivative(self, x: np.ndarray, wrt: str = "input") -> np.ndarray:
        return np.kron(np.eye(len(x)), [[1.0], [2.0]])[: self.rows]


def test_a_derivative_given_as_a_plain_array_has_the_shape_of_the_output() -> None:
    J = Outer(6).jacobian([1.0, 2.0, 3.0])
    assert (J.out_shape, J.in_shape) == ((3, 2), (3,))
    # column-major vec of the output: first the column of ones, then the column of twos
    assert_array_equal(J.matrix(vec="column"), np.vstack([np.eye(3), 2 * np.eye(3)]))
    with pytest.raises(
        ValueError, match=r"Outer\.derivative by input: found shape \(5, 3\), expected \(6, 3\)"
    ):
        Outer(5).jacobian([1.0, 2.0, 3.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4, 1e6])
def test_an_offset_of_the_logits_costs_no_accuracy(offset: float, dtype: type) -> None:
    z = np.array([0.0, -1.0, 0.5], dtype=dtype) + dtype(offset)
    shifted = z.astype(np.float64) - float(z.max())
    p = np.exp(shifted) / np.exp(shifted).sum()
    tolerance = 8 * np.finfo(dtype).eps
    assert_allclose(Softmax()(z), p, rtol=tolerance)
    assert_allclose(Softmax().jacobian(z).dense(), np.diag(p) - np.outer(p, p), rtol=0, atol=tolerance)
    assert_allclose(SoftmaxCrossEntropy(1).jacobian(z).dense()[0], p - np.eye(3)[1], rtol=0, atol=tolerance)
    assert_allclose(LogSumExp().jacobian(z).dense()[0], p, rtol=tolerance)


def test_nan_in_a_matrix_is_nan_in_its_determinant() -> None:
    assert np.isnan(Determinant()([[np.nan, 1.0], [1.0, 1.0]]))
    found = Determinant()([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, np.nan]]], batched=True)
    assert_allclose(found[0], -2.0)
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda n: SquaredError(n)(1.0),
        lambda n: SquaredError([n, 1])([1.0, 2.0]),
        lambda n: Affine([[n, 1]], None)([1.0, 2.0]),
        lambda n: Tanh()(n),
        lambda n: Tanh()([[n, -n], [0.5, True]]),
    ],
)
def test_integers_beyond_64_bits_are_the_floats_that_they_are(make):
    for n in (10**19, 10**50, -(10**50), 2**1023):
        np.testing.assert_array_equal(make(n), make(float(n)))
    with pytest.raises(
        TypeError, match=r": found an integer of \d+ bits, expected numbers that a float64 can hold$"
    ):
        make(10**400)


@pytest.mark.parametrize(
    "found", [np.array([1.0], dtype=object), [10**50, None], [10**50, "1"], [10**50, 1j]]
)
def test_other_objects_beside_large_integers_are_refused(found):
    with pytest.raises(TypeError, match=r"^y: found"):
        SquaredError(found)
