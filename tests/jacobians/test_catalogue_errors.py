"""One clear sentence for everything that is refused: the argument, what was found, what was expected, the way out."""

# ruff: noqa: E501  # a sentence is pinned as a whole

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jacobians import (
    AddUnit,
    Affine,
    AugmentedAffine,
    BinaryCrossEntropy,
    Concatenate,
    CrossEntropy,
    Determinant,
    Gram,
    GramLoss,
    Inverse,
    LayerNorm,
    LinearMap,
    Maximum,
    MaxPool,
    MeanSquaredError,
    Norm,
    PassUnit,
    Product,
    QuadraticForm,
    Reshape,
    Residual,
    Sequential,
    SigmoidBinaryCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    SquaredError,
    Sum,
    Tanh,
    Trace,
    Transpose,
)

REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: Affine(np.ones((3, 2)), np.ones((3, 1))),
        ValueError,
        "b: found shape (3, 1), expected (3,), one entry for each row of W; NumPy would broadcast another shape against Wx: reshape it",
    ),
    (
        lambda: Affine(np.ones((3, 2)))(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected (2,) or (2, k) for W of shape (3, 2)",
    ),
    (
        lambda: Affine(np.ones(3)),
        ValueError,
        "W: found shape (3,), expected 2 axes; (n,), (n, 1) and (1, n) are three different things: reshape it",
    ),
    (
        lambda: AugmentedAffine(np.ones((3, 1))),
        ValueError,
        "Theta: found shape (3, 1), expected (h, d + 1): the bias and at least one column more",
    ),
    (
        lambda: AugmentedAffine(np.ones((3, 2)), carry_unit=1),
        TypeError,
        "carry_unit: found 1, expected True or False",
    ),
    (
        lambda: AugmentedAffine(np.ones((3, 3)))(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected (2,) or (2, k) without the unit for Theta of shape (3, 3)",
    ),
    (
        lambda: AugmentedAffine(np.ones((3, 3)), carry_unit=True)(np.ones(2)),
        ValueError,
        "x: found shape (2,), expected (3,) or (3, k) with the unit as its first entry for Theta of shape (3, 3)",
    ),
    (
        lambda: AugmentedAffine.from_affine(np.ones((3, 2)), np.ones((3, 1))),
        ValueError,
        "b: found shape (3, 1), expected (3,), one entry for each row of A; NumPy would broadcast another shape against Ax: reshape it",
    ),
    (
        lambda: PassUnit(Tanh),
        TypeError,
        "activation: found <class 'jacobians.layers.activations.Tanh'>, expected an elementwise activation; it is an instance: Tanh(), not Tanh",
    ),
    (
        lambda: PassUnit(Softmax()),
        TypeError,
        "activation: found Softmax(), expected an elementwise activation; it is an instance: Tanh(), not Tanh",
    ),
    (
        lambda: PassUnit(Tanh())([1.0]),
        ValueError,
        "x: found shape (1,), expected a first axis of at least 2: the unit and what it stands above",
    ),
    (
        lambda: AddUnit()(1.0),
        ValueError,
        "x: found shape (), expected a first axis of at least 1",
    ),
    (
        lambda: Norm(0.5),
        ValueError,
        "ord: found 0.5, expected a number of at least 1: the triangle inequality fails below 1",
    ),
    (
        lambda: Norm("nuc"),
        ValueError,
        "ord: found 'nuc', expected 'fro', inf or a number of at least 1",
    ),
    (
        lambda: Norm(None),
        TypeError,
        "ord: found None, expected a real number",
    ),
    (
        lambda: Norm(np.nan),
        ValueError,
        "ord: found nan, expected a number or ∞",
    ),
    (
        lambda: Norm(-np.inf),
        ValueError,
        "ord: found -inf, expected a number of at least 1: the triangle inequality fails below 1",
    ),
    (
        lambda: Norm(True),
        TypeError,
        "ord: found True, expected a real number",
    ),
    (
        lambda: LayerNorm(eps=-1.0),
        ValueError,
        "eps: found -1, expected at least 0: it is added to a variance",
    ),
    (
        lambda: LayerNorm([1.0, 2.0], [1.0]),
        ValueError,
        "beta: found shape (1,), expected (2,), that of gamma",
    ),
    (
        lambda: LayerNorm([1.0, 2.0])(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected (2,), the shape of the parameters",
    ),
    (
        lambda: LayerNorm()(np.ones((2, 3))),
        ValueError,
        "x: found shape (2, 3), expected a vector (n,); points along the first axis need batched=True",
    ),
    (
        lambda: SquaredError([1.0, 2.0])([[1.0], [2.0]]),
        ValueError,
        "x: found a prediction of shape (2, 1), expected (2,), the shape of y; NumPy would broadcast the two: reshape one of them",
    ),
    (
        lambda: SquaredError([1.0, 2.0], scale="a"),
        TypeError,
        "scale: found 'a', expected a real number",
    ),
    (
        lambda: SquaredError(None),
        TypeError,
        "y: found None, expected an array of real numbers",
    ),
    (
        lambda: SoftmaxCrossEntropy(-1),
        ValueError,
        "target: found class -1, expected at least 0; classes are numbered from 0",
    ),
    (
        lambda: SoftmaxCrossEntropy(3)([1.0, 2.0]),
        ValueError,
        "target: found class 3, expected 0 to 1 for 2 logits",
    ),
    (
        lambda: SoftmaxCrossEntropy(1.5),
        TypeError,
        "target: found 1.5, expected a class number or the weights of all classes",
    ),
    (
        lambda: SoftmaxCrossEntropy(True),
        TypeError,
        "target: found True, expected a class number or the weights of all classes",
    ),
    (
        lambda: SoftmaxCrossEntropy([-1.0, 2.0]),
        ValueError,
        "target: found the weight -1.0, expected weights of at least 0",
    ),
    (
        lambda: SoftmaxCrossEntropy.from_labels([0, -1], 2),
        ValueError,
        "labels: found -1 at place 1, expected class numbers from 0 to 1",
    ),
    (
        lambda: SoftmaxCrossEntropy.from_labels([0, 2], 2),
        ValueError,
        "labels: found 2 at place 1, expected class numbers from 0 to 1",
    ),
    (
        lambda: SoftmaxCrossEntropy.from_labels([0.0, 1.0], 2),
        TypeError,
        "labels: found dtype float64 and shape (2,), expected integers of shape (N,)",
    ),
    (
        lambda: CrossEntropy.from_labels([], 2),
        TypeError,
        "labels: found dtype float64 and shape (0,), expected integers of shape (N,)",
    ),
    (
        lambda: SoftmaxCrossEntropy.from_labels([0, 1], 0),
        ValueError,
        "classes: found 0, expected an integer of at least 1",
    ),
    (
        lambda: SoftmaxCrossEntropy.from_labels([0, 1], 2.0),
        TypeError,
        "classes: found 2.0, expected an integer of at least 1",
    ),
    (
        lambda: CrossEntropy(-1),
        ValueError,
        "target: found class -1, expected at least 0; classes are numbered from 0",
    ),
    (
        lambda: CrossEntropy(0)([0.5, 1.5]),
        ValueError,
        "x: found 1.5, expected probabilities from 0 to 1; logits go to SoftmaxCrossEntropy",
    ),
    (
        lambda: CrossEntropy(2)([0.5, 0.5]),
        ValueError,
        "target: found class 2, expected 0 to 1 for 2 probabilities",
    ),
    (
        lambda: CrossEntropy(0)(np.full((2, 2), 0.5)),
        ValueError,
        "x: found shape (2, 2), expected probabilities (k,); several points need batched=True",
    ),
    (
        lambda: BinaryCrossEntropy([-1.0, 1.0]),
        ValueError,
        "y: found -1, expected probabilities from 0 to 1; labels −1 and 1 become 0 and 1 by (y + 1)/2",
    ),
    (
        lambda: BinaryCrossEntropy([0.0, 1.0])([-0.1, 0.5]),
        ValueError,
        "x: found -0.1, expected probabilities from 0 to 1; logits go to SigmoidBinaryCrossEntropy",
    ),
    (
        lambda: SigmoidBinaryCrossEntropy([2.0]),
        ValueError,
        "y: found 2, expected probabilities from 0 to 1; labels −1 and 1 become 0 and 1 by (y + 1)/2",
    ),
    (
        lambda: BinaryCrossEntropy([0.0, 1.0])([0.5]),
        ValueError,
        "x: found a prediction of shape (1,), expected (2,), the shape of y; NumPy would broadcast the two: reshape one of them",
    ),
    (
        lambda: LinearMap(),
        ValueError,
        "A: found None for A and for B, expected a matrix for at least one of them",
    ),
    (
        lambda: LinearMap(np.ones((2, 3)))(np.ones(2)),
        ValueError,
        "x: found shape (2,), expected (3,) or (3, n) for LinearMap(A: (2, 3))",
    ),
    (
        lambda: LinearMap(np.ones((2, 3)), np.ones((4, 5)))(np.ones((3, 5))),
        ValueError,
        "x: found shape (3, 5), expected (3, 4) for LinearMap(A: (2, 3), B: (4, 5)); points along the first axis need batched=True",
    ),
    (
        lambda: LinearMap(None, np.ones((4, 5)))(np.ones(4)),
        ValueError,
        "x: found shape (4,), expected (m, 4) for LinearMap(B: (4, 5))",
    ),
    (
        lambda: QuadraticForm(np.ones((2, 3))),
        ValueError,
        "A: found shape (2, 3), expected a square matrix (n, n)",
    ),
    (
        lambda: QuadraticForm(np.eye(2))(np.ones((2, 1))),
        ValueError,
        "x: found shape (2, 1), expected (2,) for A of shape (2, 2); points along the first axis need batched=True",
    ),
    (
        lambda: Trace(np.ones((2, 3)))(np.ones((2, 3))),
        ValueError,
        "x: found shape (2, 3), expected (3, 2), the shape of the transpose of A",
    ),
    (
        lambda: Trace()(np.ones((2, 3))),
        ValueError,
        "x: found shape (2, 3), expected a square matrix (n, n)",
    ),
    (
        lambda: Determinant()(np.ones((2, 3))),
        ValueError,
        "x: found shape (2, 3), expected a square matrix (n, n)",
    ),
    (
        lambda: Inverse()(np.ones((4, 2, 2))),
        ValueError,
        "x: found shape (4, 2, 2), expected a square matrix (n, n); points along the first axis need batched=True",
    ),
    (
        lambda: Gram()(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected a matrix (m, n)",
    ),
    (
        lambda: Transpose((2, 0, 1))(np.ones((3, 2))),
        ValueError,
        "x: found shape (3, 2), expected 3 axes for axes=(2, 0, 1)",
    ),
    (
        lambda: Transpose((0, 2)),
        ValueError,
        "axes: found (0, 2), expected each of 0, 1, … once, such as (2, 0, 1)",
    ),
    (
        lambda: Transpose(3),
        TypeError,
        "axes: found 3, expected a list of integers such as (2, 0, 1)",
    ),
    (
        lambda: Gram(columns=2),
        TypeError,
        "columns: found 2, expected True or False",
    ),
    (
        lambda: GramLoss(np.ones((2, 3))),
        ValueError,
        "target: found shape (2, 3), expected a square matrix (n, n)",
    ),
    (
        lambda: GramLoss(np.eye(2))(np.ones((3, 2))),
        ValueError,
        "layer 1 (SquaredError()): x: found a prediction of shape (3, 3), expected (2, 2), the shape of y; NumPy would broadcast the two: reshape one of them",
    ),
    (
        lambda: Transpose()(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected a matrix (m, n)",
    ),
    (
        lambda: Maximum([1.0, 2.0])([[1.0], [2.0]]),
        ValueError,
        "x: found shape (2, 1), expected (2,), the shape of y; NumPy would broadcast another one: reshape it, or pass batched=True for points along the first axis",
    ),
    (
        lambda: Maximum()(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected two halves along an even first axis (2n, …)",
    ),
    (
        lambda: MaxPool(0),
        ValueError,
        "window: found 0, expected an integer or a pair of them, each at least 1",
    ),
    (
        lambda: MaxPool(2.0),
        TypeError,
        "window: found 2.0, expected an integer or a pair of integers",
    ),
    (
        lambda: MaxPool((1, 2, 3)),
        ValueError,
        "window: found (1, 2, 3), expected an integer or a pair of them, each at least 1",
    ),
    (
        lambda: MaxPool(4)(np.ones(3)),
        ValueError,
        "x: found shape (3,), expected at least (4,), the size of one window",
    ),
    (
        lambda: MaxPool((2, 2))(np.ones(4)),
        ValueError,
        "x: found shape (4,), expected (h, w) for MaxPool((2, 2))",
    ),
    (
        lambda: MaxPool(2)(np.ones((2, 2, 2))),
        ValueError,
        "x: found shape (2, 2, 2), expected (n,) or (h, w) for MaxPool(2); points along the first axis need batched=True",
    ),
    (
        lambda: MaxPool(True),
        TypeError,
        "window: found True, expected an integer or a pair of integers",
    ),
    (
        lambda: MaxPool(2, stride=0),
        ValueError,
        "stride: found 0, expected an integer or a pair of them, each at least 1",
    ),
    (
        lambda: MaxPool("a"),
        TypeError,
        "window: found 'a', expected an integer or a pair of integers",
    ),
    (
        lambda: Sequential(),
        ValueError,
        "layers: found none, expected at least one Function",
    ),
    (
        lambda: Sequential(Tanh),
        TypeError,
        "layers: found Tanh at place 0, expected a Function; an activation is an instance: Tanh(), not Tanh",
    ),
    (
        lambda: Residual(np.tanh),
        TypeError,
        "layers: found tanh at place 0, expected a Function; an activation is an instance: Tanh(), not Tanh",
    ),
    (
        lambda: Residual(Affine(np.ones((3, 2))))(np.ones(2)),
        ValueError,
        "f (Affine(W: (3, 2))): found an output of shape (3,), expected (2,), the shape of x: x + f(x) adds the two",
    ),
    (
        lambda: Residual(Affine(np.ones((3, 2)))).jacobian(np.ones(2)),
        ValueError,
        "f (Affine(W: (3, 2))): found an output of shape (3,), expected (2,), the shape of x: x + f(x) adds the two",
    ),
    (
        lambda: Sum(Tanh(), Reshape((3, 1)))(np.ones(3)),
        ValueError,
        "part 1 (Reshape((3, 1))): found an output of shape (3, 1), expected (3,), the shape of part 0; NumPy would broadcast the two: put a Reshape behind one",
    ),
    (
        lambda: Sum(Tanh(), Reshape((3, 1))).jacobian(np.ones(3)),
        ValueError,
        "part 1 (Reshape((3, 1))): found an output of shape (3, 1), expected (3,), the shape of part 0; NumPy would broadcast the two: put a Reshape behind one",
    ),
    (
        lambda: Product(Tanh(), Affine(np.ones((1, 3))))(np.ones(3)),
        ValueError,
        "part 1 (Affine(W: (1, 3))): found an output of shape (1,), expected (3,), the shape of part 0; NumPy would broadcast the two: put a Reshape behind one",
    ),
    (
        lambda: Concatenate(Norm(), Tanh())(np.ones(3)),
        ValueError,
        "part 0 (Norm()): found a scalar output, expected one with a first axis; put Reshape((1,)) behind it",
    ),
    (
        lambda: Concatenate(Transpose(), Tanh())(np.ones((3, 2))),
        ValueError,
        "part 1 (Tanh()): found an output of shape (3, 2), expected (n, 3), as part 0 has (2, 3); put a Reshape behind one",
    ),
    (
        lambda: Sum(Affine(np.ones((3, 2))), Tanh())(np.ones(3)),
        ValueError,
        "part 0 (Affine(W: (3, 2))): x: found shape (3,), expected (2,) or (2, k) for W of shape (3, 2)",
    ),
    (
        lambda: Sequential(Tanh(), Affine(np.ones((3, 2))))(np.ones(3)),
        ValueError,
        "layer 1 (Affine(W: (3, 2))): x: found shape (3,), expected (2,) or (2, k) for W of shape (3, 2)",
    ),
    (
        lambda: Sequential(Affine(np.ones((2, 2))), MeanSquaredError([1.0, 2.0, 3.0]))(np.ones(2)),
        ValueError,
        "layer 1 (MeanSquaredError()): x: found a prediction of shape (2,), expected (3,), the shape of y; NumPy would broadcast the two: reshape one of them",
    ),
    (
        lambda: Reshape((2, 2))(np.ones(3)),
        ValueError,
        "x: found shape (3,) with 3 entries, expected 4 entries for the shape (2, 2)",
    ),
    (
        lambda: Reshape(4),
        TypeError,
        "shape: found 4, expected a tuple of integers",
    ),
    (
        lambda: Reshape((-1, 2)),
        ValueError,
        "shape: found (-1, 2), expected sizes of at least 1",
    ),
    (
        lambda: Reshape((2.0,)),
        TypeError,
        "shape: found (2.0,), expected a tuple of integers",
    ),
    (
        lambda: Sequential(Tanh())([]),
        ValueError,
        "x: found shape (0,) with an empty axis, expected at least one entry",
    ),
    (
        lambda: Sequential(CrossEntropy(0))([2.0, 0.0]),
        ValueError,
        "x: found 2, expected probabilities from 0 to 1; logits go to SoftmaxCrossEntropy",
    ),
    (
        lambda: Affine(np.ones((3, 2))).jacobian(np.ones(2), wrt=[]),
        ValueError,
        "wrt: found no name, expected 'input' or names out of ['W'] of Affine(W: (3, 2))",
    ),
    (
        lambda: Tanh()(np.float64(1), batched=True),
        ValueError,
        "x: found a scalar with batched=True, expected points along a first axis",
    ),
    (
        lambda: Tanh()([1.0], batched=1),
        TypeError,
        "batched: found 1, expected True or False",
    ),
    (
        lambda: Sequential(Affine(np.ones((3, 2)))).replace({"0.W": np.ones((2, 3))}),
        ValueError,
        "0.W: found shape (2, 3), expected (3, 2), the shape that it replaces",
    ),
    (
        lambda: Sequential(Affine(np.ones((3, 2)))).replace({"1.W": np.ones((2, 3))}),
        ValueError,
        "parameters: found '1.W', expected one of '0.W'; did you mean '0.W'?",
    ),
]


@pytest.mark.parametrize(
    ("call", "kind", "sentence"), REFUSALS, ids=[sentence for _, _, sentence in REFUSALS]
)
def test_refusal_is_one_clear_sentence(call: Callable[[], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as error:
        call()
    assert type(error.value) is kind
    assert str(error.value) == sentence


def test_every_sentence_says_what_was_found_and_what_was_expected() -> None:
    assert len(REFUSALS) > 80
    for _, _, sentence in REFUSALS:
        assert sentence.count("\n") == 0
        assert "expected" in sentence


def test_weights_beside_a_product_are_never_broadcast() -> None:
    # NumPy adds a bias (3, 1) to a product (3,) and makes a 3×3 matrix of them
    product, bias = np.ones(3), np.ones((3, 1))
    assert (product + bias).shape == (3, 3)
    with pytest.raises(ValueError, match="b: found shape"):
        Affine(np.ones((3, 2)), bias)


@pytest.mark.parametrize("attribute", ["weight", "get_weights", "coefs_"])
def test_a_layer_of_another_library_is_told_how_to_become_one(attribute: str) -> None:
    foreign = type("Linear", (), {attribute: None})()
    with pytest.raises(TypeError, match="; a layer of another library becomes one by its arrays: Affine"):
        Sequential(foreign)
    with pytest.raises(TypeError, match=r"expected a Function such as Affine\(W, b\) or Tanh\(\)$"):
        Sequential(type("Other", (), {})())
