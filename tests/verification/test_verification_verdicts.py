"""Verdicts on right Jacobians at points where a single witness once led astray."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import verification
from jacobians import ELU, Function, Gram, Inverse, Norm, ReLU, Sequential, SquaredError, Transpose


def cubic(v: np.ndarray) -> np.ndarray:
    return (v @ v) * v


@pytest.mark.parametrize("v", [[0.7, -0.4], [0.7, -0.4, 1.0]])
def test_a_product_of_two_vectors_is_one_scalar_for_every_witness(v: list[float]) -> None:
    x = np.array(v)
    report = verification.check(cubic, x, (x @ x) * np.eye(len(x)) + 2 * np.outer(x, x))
    assert report.verdict == "right"


def test_the_certified_inverse_encloses_the_truth() -> None:
    pytest.importorskip("flint", reason="python-flint is optional")
    A = np.array([[1.0, 2.0], [3.0, 4.0]])
    B = np.linalg.inv(A)
    # d(A⁻¹) = −A⁻¹ dA A⁻¹, row-major
    assert_allclose(verification.certified_jacobian(np.linalg.inv, A).middle, -np.kron(B, B.T), rtol=1e-12)
    assert verification.check(Inverse(), A).verdict == "right"


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (Transpose(), np.eye(2)),
        (Transpose(), np.zeros((2, 2))),
        (Gram(), np.eye(2)),
        (Gram(), [[0.3]]),
        (ReLU(), [[-0.5]]),
        (ELU(), [[-0.5]]),
        (Inverse(), 2 * np.eye(2)),
    ],
)
def test_multiples_of_the_identity_and_single_entries_are_right(f: Function, at: object) -> None:
    assert verification.check(f, at).verdict == "right"


@pytest.mark.parametrize("f", [Norm(), Norm("fro"), Sequential(Norm(), SquaredError(1.0))])
def test_the_norm_at_zero_is_a_kink(f: Function) -> None:
    report = verification.check(f, [0.0, 0.0])
    assert report.verdict == "undecided"
    assert "kink within the step" in report.reason
