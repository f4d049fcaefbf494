"""What saliency, input optimisation and style refuse, and in which words."""

import numpy as np
import pytest

from backprop import MLP, gradient_descent, match_style, maximize_input, saliency, style_gradient
from jacobians import Affine, SquaredError

NET = MLP.initialize([4, 3], seed=1)
POINT = np.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: saliency(NET, POINT, 3),
            ValueError,
            r"class_: found 3, expected the number of an output.*\(3,\)",
        ),
        (lambda: saliency(NET, POINT, -1), ValueError, "class_: found -1, expected an integer of at least 0"),
        (
            lambda: saliency(NET, POINT, 1.0),
            TypeError,
            "class_: found 1.0, expected an integer of at least 0",
        ),
        (
            lambda: saliency(NET, np.ones(5), 1),
            ValueError,
            r"x: found a point of shape \(5,\), expected \(4,\)",
        ),
        (
            lambda: saliency(NET, np.ones((2, 4)), 1),
            ValueError,
            r"x: found a point of shape \(2, 4\), expected \(4,\)",
        ),
        (lambda: saliency(NET, None, 1), TypeError, "x: found None, expected an array"),
        (
            lambda: saliency("net", POINT, 1),
            TypeError,
            "network: found str, expected a Function such as an MLP",
        ),
        (
            lambda: saliency(SquaredError(POINT), POINT, 0),
            ValueError,
            r"class_: found 0.*outputs have the shape \(\)",
        ),
        (lambda: saliency(NET, POINT, 1)(np.ones(3)), ValueError, r"x: found shape \(3,\), expected \(4,\)"),
        (
            lambda: saliency(NET, POINT, 1).image((8, 8)),
            ValueError,
            r"shape: found \(8, 8\), expected \(rows, columns\) with 4",
        ),
        (
            lambda: saliency(NET, POINT, 1).image((4,)),
            ValueError,
            r"shape: found \(4,\), expected \(rows, columns\)",
        ),
        (
            lambda: maximize_input(NET, 0, penalty=-1),
            ValueError,
            "penalty: found -1, expected a finite number of at least 0",
        ),
        (
            lambda: maximize_input(NET, 0, step_size=0),
            ValueError,
            "step_size: found 0, expected a finite number above 0",
        ),
        (
            lambda: maximize_input(NET, 0, steps=0),
            ValueError,
            "steps: found 0, expected an integer of at least 1",
        ),
        (
            lambda: maximize_input(NET, 0, bounds=(1, 0)),
            ValueError,
            r"bounds: found \(1, 0\), expected the smaller one first",
        ),
        (lambda: maximize_input(NET, 0, bounds=1), TypeError, "bounds: found 1, expected a pair of numbers"),
        (
            lambda: maximize_input(NET, 0, callback=1),
            TypeError,
            "callback: found 1, expected a function of a point",
        ),
        (
            lambda: maximize_input(Affine(np.eye(2)), 0),
            TypeError,
            "start: found None, expected the first input of a network that",
        ),
        (
            lambda: gradient_descent(NET, POINT, step_size=1, steps=1),
            ValueError,
            "function: found 3 values, expected one",
        ),
        (
            lambda: gradient_descent(np.sum, POINT, step_size=1, steps=1),
            TypeError,
            "function: found .*, expected a Function",
        ),
        (lambda: style_gradient(POINT, np.eye(4)), ValueError, r"F: found shape \(4,\), expected 2 axes"),
        (
            lambda: style_gradient(np.ones((2, 3)), np.eye(3)),
            ValueError,
            r"found .*\(2, 2\), expected \(3, 3\)",
        ),
        (
            lambda: style_gradient(np.ones((2, 3)), np.ones((2, 3))),
            ValueError,
            r"target: found shape \(2, 3\), expected a square",
        ),
        (
            lambda: match_style(np.eye(2), np.eye(2), features=np.tanh, step_size=1, steps=1),
            TypeError,
            "features: found ufunc",
        ),
        (
            lambda: match_style(np.eye(2), np.ones((3, 2)), step_size=1, steps=1),
            ValueError,
            r"\(3, 3\), expected \(2, 2\)",
        ),
    ],
)
def test_what_is_refused_is_named(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
