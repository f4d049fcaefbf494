"""What networks refuse, and in which words."""

import numpy as np
import pytest

from backprop import MLP
from jacobians import Affine, Elementwise, SquaredError
from jacobians.structures import Diagonal

NET = MLP.initialize([3, 4, 2])
X = np.ones((5, 3))


class Scaled(Elementwise):
    """An activation with a parameter."""

    parameter_names = ("a",)

    def __init__(self):
        super().__init__("scaled", lambda z: z, lambda z: z + 1 - z)
        self.a = self.parameter(1.0, "a", ndim=0)

    def derivative(self, x, wrt="input", batch_ndim=0):
        return Diagonal(x)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: NET.gradients(np.ones((5, 4)), [0] * 5),
            ValueError,
            r"x: found a point of shape \(4,\), expected \(3,\)",
        ),
        (
            lambda: NET.gradients(np.ones((2, 5, 3)), [0]),
            ValueError,
            r"x: found shape \(2, 5, 3\), expected 1 or 2 axes",
        ),
        (
            lambda: NET.gradients(np.ones((0, 3)), []),
            ValueError,
            r"x: found shape \(0, 3\) with an empty axis",
        ),
        (
            lambda: NET(X),
            ValueError,
            r"x: found a point of shape \(5, 3\), expected \(3,\); points along.*batched=True",
        ),
        (
            lambda: NET.loss(X, [0, 1, -1, 0, 0]),
            ValueError,
            "y: labels: found -1 at place 2, expected class numbers from 0 to 1",
        ),
        (
            lambda: NET.loss(X[0], -1),
            ValueError,
            "y: labels: found -1 at place 0, expected class numbers from 0 to 1",
        ),
        (
            lambda: NET.loss(X, [0, 1, 2, 0, 0]),
            ValueError,
            "y: labels: found 2 at place 2, expected class numbers from 0 to 1",
        ),
        (
            lambda: NET.loss(X, [0, 1]),
            ValueError,
            "y: found 2 class numbers, expected one for each of 5 points",
        ),
        (
            lambda: NET.loss(X, [0.0] * 5),
            ValueError,
            r"y: found shape \(5,\) of float64, expected \(5, 2\) or class numbers",
        ),
        (
            lambda: NET.loss(X, np.ones((1, 2))),
            ValueError,
            r"y: found shape \(1, 2\) of float64, expected \(5, 2\).*broadcast",
        ),
        (
            lambda: NET.loss(X[0], [[1.0, 0.0]]),
            ValueError,
            r"y: found shape \(1, 2\) of float64, expected \(2,\) or a class number",
        ),
        (
            lambda: NET.loss(X[0], [2.0, -1.0]),
            ValueError,
            "y: found the weight -1.0, expected weights of at least 0",
        ),
        (lambda: NET.loss(X[0], None), TypeError, "y: found None, expected an array of real numbers"),
        (lambda: NET.loss(X[0], [[1], [1, 2]]), TypeError, "y: found a ragged sequence"),
        (lambda: NET.loss(X * 1j, [0] * 5), TypeError, "x: found dtype complex128"),
        (
            lambda: NET.accuracy(X, np.ones((5, 2))),
            TypeError,
            r"y: found targets of shape \(5, 2\), expected class numbers.*argmax",
        ),
        (lambda: NET.loss_function(1, batched=True), ValueError, "y: found a scalar with batched=True"),
        (
            lambda: NET.gradients(X, [0] * 5, method="magic"),
            ValueError,
            "method: found 'magic', expected one of 'delta', 'jacobians'",
        ),
        (lambda: NET.update({"0.W": [[1.0]]}), ValueError, r"0.W: found shape \(1, 1\), expected \(4, 3\)"),
        (lambda: NET.update({"7.W": [[1.0]]}), ValueError, "parameters: found '7.W', expected one of '0.W'"),
        (
            lambda: MLP.initialize([3]),
            ValueError,
            r"sizes: found \[3\], expected at least two: inputs and outputs",
        ),
        (
            lambda: MLP.initialize([3, 0, 2]),
            ValueError,
            r"sizes\[1\]: found 0, expected an integer of at least 1",
        ),
        (
            lambda: MLP.initialize([3, 2.5]),
            TypeError,
            r"sizes\[1\]: found 2.5, expected an integer of at least 1",
        ),
        (lambda: MLP.initialize(3), TypeError, r"sizes: found 3, expected integers such as \[2, 3, 1\]"),
        (lambda: MLP.initialize("3-2"), TypeError, r"sizes: found '3-2', expected integers"),
        (
            lambda: MLP.initialize([3, 2], activation="swash"),
            ValueError,
            "activation: found 'swash', expected one of relu",
        ),
        (
            lambda: MLP.initialize([3, 2], output_activation="swash"),
            ValueError,
            "output_activation: found 'swash'.*softmax, or None",
        ),
        (
            lambda: MLP.initialize([3, 2], loss="hinge"),
            ValueError,
            "loss: found 'hinge', expected one of softmax-cross-entropy",
        ),
        (
            lambda: MLP.initialize([3, 2], loss=SquaredError([1.0, 1.0])),
            TypeError,
            "loss: found SquaredError.*a callable that makes a loss",
        ),
        (
            lambda: MLP.initialize([3, 1]),
            ValueError,
            "weights: found 1 output with the loss softmax-cross-entropy, expected at least 2",
        ),
        (
            lambda: MLP.initialize([3, 2], seed=-1),
            ValueError,
            "seed: found -1, expected an integer of at least 0",
        ),
        (lambda: MLP.initialize([3, 2], seed=None), TypeError, "seed: found None, expected an integer"),
        (
            lambda: MLP.initialize([3, 2], dtype=int),
            TypeError,
            "dtype: found <class 'int'>, expected float64 or float32",
        ),
        (lambda: MLP([]), ValueError, r"weights: found none, expected at least one pair \(W, b\)"),
        (lambda: MLP([np.eye(3)]), TypeError, r"weights\[0\]: found ndarray, expected a pair \(W, b\)"),
        (
            lambda: MLP([(np.eye(3), np.ones((3, 1)))]),
            ValueError,
            r"weights\[0\]: b: found shape \(3, 1\), expected \(3,\)",
        ),
        (
            lambda: MLP([(np.eye(3), None), (np.eye(2), None)]),
            ValueError,
            r"weights\[0\] and weights\[1\].*expected 3 columns in the second",
        ),
        (
            lambda: MLP.initialize([3, 4, 2], activation=Scaled()),
            ValueError,
            "activation: found Scaled.*has parameters",
        ),
        (
            lambda: MLP.initialize([3, 2], output_activation=Affine(np.eye(2))),
            ValueError,
            "output_activation: found Affine.*has parameters",
        ),
    ],
)
def test_what_is_refused_is_named(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize(
    "word", ["linear", "Identity", "none", "id", "purelin", "pass-through", "passthrough", ""]
)
def test_words_of_others_for_the_identity_lead_to_ours(word):
    with pytest.raises(
        ValueError, match=r"^activation: found .*affine layers with an identity between them are one"
    ):
        MLP.initialize([2, 3, 1], activation=word)
    with pytest.raises(
        ValueError, match=r"^output_activation: found .*, expected None for an affine last layer"
    ):
        MLP.initialize([2, 3, 1], output_activation=word)
