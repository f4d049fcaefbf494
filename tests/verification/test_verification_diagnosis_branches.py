"""Mistakes inside of residual blocks, products and concatenations: each is named with the layer that it is made at."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jacobians import Affine, Concatenate, Product, Residual, Sequential, Tanh
from verification import check

RNG = np.random.default_rng(0)
N = 4
EYE = np.eye(N)


def affine():
    return Affine(RNG.normal(size=(N, N)) / 2, RNG.normal(size=N))


A, B, C, D = affine(), affine(), affine(), affine()
X = RNG.normal(size=N)


def slope(z):
    return np.diag(1 - np.tanh(z) ** 2)


Z0 = A.W @ X + A.b
Z1 = B.W @ Z0 + B.b
H = np.tanh(Z1)
OUT = Z0 + C.W @ H + C.b
ABOVE = D.W @ slope(OUT)
INNER = C.W @ slope(Z1) @ B.W
NET = Sequential(A, Residual(Sequential(B, Tanh(), C)), Tanh(), D)
NESTED = Sequential(A, Residual(Sequential(B, Residual(Sequential(Tanh(), C)))), D)
DEEP = C.W @ slope(Z1)  # of the inner block's f

RESIDUAL = {
    "identity missing": (ABOVE @ INNER @ A.W, "its identity is left out in layer 1 (Residual)"),
    "identity alone": (ABOVE @ A.W, "the way through f is left out in layer 1 (Residual)"),
    "subtracted": (ABOVE @ (EYE - INNER) @ A.W, "the sign of the way through f is wrong in layer 1 (Residual)"),
    "identity twice": (ABOVE @ (2 * EYE + INNER) @ A.W, "its identity has a factor 2 too much in layer 1 (Residual)"),
    "slope missing": (ABOVE @ (EYE + C.W @ B.W) @ A.W, "the factor φ′ is missing, in layer 1.0.1 (Tanh)"),
    "function for slope": (ABOVE @ (EYE + C.W @ np.diag(H) @ B.W) @ A.W, "φ stands in place of φ′, in layer 1.0.1"),
    "slope at output": (ABOVE @ (EYE + C.W @ slope(H) @ B.W) @ A.W, "φ′ is taken at φ(z), expected at z, in layer"),
    "transposed": (ABOVE @ (EYE + C.W.T @ slope(Z1) @ B.W) @ A.W, "the matrix of layer 1.0.2 (Affine) is transposed"),
    "reversed": (ABOVE @ (EYE + B.W @ slope(Z1) @ C.W) @ A.W, "the layers from layer 1.0.0 (Affine) to layer 1.0.2"),
    "outer slope missing": (D.W @ (EYE + INNER) @ A.W, "the factor φ′ is missing, in layer 2 (Tanh)"),
}  # fmt: skip


@pytest.mark.parametrize(("candidate", "says"), RESIDUAL.values(), ids=RESIDUAL.keys())
def test_a_mistake_inside_of_a_residual_block_is_named(candidate, says):
    report = check(NET, X, candidate)
    assert report.verdict == "wrong"
    assert says in report.diagnosis.sentence


@pytest.mark.parametrize(
    ("by", "candidate", "says"),
    [
        ("1.0.0.W", ABOVE @ C.W @ np.kron(EYE, Z0), "the factor φ′ is missing, in layer 1.0.1 (Tanh)"),
        (
            "1.0.0.W",
            ABOVE @ C.W @ slope(Z1) @ np.kron(EYE, X),
            "layer 1.0.0 (Affine) is fed with the input x",
        ),
        ("1.0.0.W", ABOVE @ C.W.T @ slope(Z1) @ np.kron(EYE, Z0), "the matrix of layer 1.0.2 (Affine) is"),
        (
            "1.0.2.W",
            np.kron(ABOVE, Z1),
            "layer 1.0.2 (Affine) is fed with the output of layer 1.0.0 (Affine)",
        ),
        ("0.W", ABOVE @ INNER @ np.kron(EYE, X), "its identity is left out in layer 1 (Residual)"),
        ("0.b", ABOVE, "the way through f is left out in layer 1 (Residual)"),
    ],
)
def test_a_mistake_inside_of_a_residual_block_is_named_by_a_parameter(by, candidate, says):
    assert says in check(NET, X, candidate, wrt=by).diagnosis.sentence


@pytest.mark.parametrize(
    ("inside", "says"),
    [
        (EYE + DEEP @ B.W, "its identity is left out in layer 1.0.1 (Residual)"),
        ((EYE + DEEP) @ B.W, "its identity is left out in layer 1 (Residual)"),
        (EYE + (EYE + C.W) @ B.W, "the factor φ′ is missing, in layer 1.0.1.0.0 (Tanh)"),
        (EYE + (EYE + C.W.T @ slope(Z1)) @ B.W, "the matrix of layer 1.0.1.0.1 (Affine) is transposed"),
    ],
)
def test_a_mistake_in_a_block_inside_of_a_block_is_named(inside, says):
    assert says in check(NESTED, X, D.W @ inside @ A.W).diagnosis.sentence


def test_right_answers_of_blocks_get_no_name():
    assert check(NET, X, ABOVE @ (EYE + INNER) @ A.W).diagnosis is None
    assert check(NESTED, X, D.W @ (EYE + (EYE + DEEP) @ B.W) @ A.W).diagnosis is None


@pytest.mark.parametrize(
    ("make", "candidate", "says"),
    [
        (Product, np.diag(Z0) @ slope(B.W @ X + B.b) @ B.W, "the way through part 0 is left out in Product"),
        (Product, np.diag(np.tanh(B.W @ X + B.b)) @ A.W + slope(B.W @ X + B.b) @ B.W,
         "the factor of the other parts is left out in Product, on the way through part 1"),
        (Product, np.diag(np.tanh(B.W @ X + B.b)) @ A.W + np.diag(Z0) @ B.W,
         "the factor φ′ is missing, in layer 1.1 (Tanh)"),
        (Concatenate, np.vstack([slope(B.W @ X + B.b) @ B.W, A.W]), "the parts of Concatenate are in the reversed"),
    ],
)  # fmt: skip
def test_a_mistake_where_ways_meet_is_named(make, candidate, says):
    assert says in check(make(A, Sequential(B, Tanh())), X, candidate).diagnosis.sentence


def test_lines_are_those_of_the_code_through_a_link_to_an_environment(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(Path(np.__file__).parents[1], target_is_directory=True)
    code = (
        "import jacobians\nf = lambda x: x * x\nprint([v.line for v in jacobians.trace(f, [1.0]).vertices])"
    )
    roots = os.pathsep.join([str(link), str(Path(__file__).parents[2])])
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": roots},
    )  # fmt: skip
    assert "'line 2'" in run.stdout
