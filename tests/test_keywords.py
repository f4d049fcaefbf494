"""An unknown keyword argument of a door that hands them on is refused in the door's name, with the nearest known."""

import numpy as np
import pytest

import backprop
import backprop.report
import jacobians
import verification
from jacobians.structures import Permutation

X = np.array([0.1, 0.2])
SLOPES = np.diag(1 - np.tanh(X) ** 2)


def _graph():
    return jacobians.trace(lambda x: np.tanh(x), X)


DOORS = {
    "network": ("compile", "form", "from", lambda **o: backprop.compile(jacobians.Tanh(), shape=(2,), **o)),
    "network by": ("compile", "loss", "los", lambda **o: backprop.compile(jacobians.Tanh(), shape=(2,), **o)),
    "code": ("compile", "engine", "engin", lambda **o: backprop.compile(lambda x: np.tanh(x), X, **o)),
    "code of two": (
        "compile",
        "weight",
        "wieght",
        lambda **o: backprop.compile(lambda x, weight: x * weight, X, **o),
    ),
    "graph": ("compile", "evaluations", "evaluation", lambda **o: backprop.compile(_graph(), **o)),
    "plan": ("compile", "batched", "batch", lambda **o: backprop.compile(_graph().plan(), **o)),
    "jacobian": (
        "assert_jacobian",
        "witnesses",
        "witness",
        lambda **o: verification.assert_jacobian(lambda x: np.tanh(x), SLOPES, at=X, **o),
    ),
    "gradient": (
        "assert_gradient",
        "rtol",
        "rtoll",
        lambda **o: verification.assert_gradient(lambda x: np.sum(x * x), 2 * X, at=X, **o),
    ),
    "permutation": ("Permutation", "out_shape", "outshape", lambda **o: Permutation([1, 0], **o)),
    "settings": ("Settings.parse", "epochs", "epoch", lambda **o: backprop.report.Settings.parse(**o)),
}


@pytest.mark.parametrize("which", DOORS)
def test_an_unknown_keyword_is_refused_in_the_name_of_the_door(which):
    door, meant, written, call = DOORS[which]
    with pytest.raises(TypeError) as refused:
        call(**{written: "3"})
    sentence = str(refused.value)
    assert sentence.startswith(f"{door}: found an argument named {written!r}, expected one of "), sentence
    assert sentence.endswith(f"; did you mean {meant!r}?"), sentence


def test_code_that_takes_any_keyword_is_handed_them():
    def code(x, **scales):
        return x * scales["first"]

    made = backprop.compile(code, X, first=np.array(2.0))
    assert np.allclose(made(X, 2.0)[0], 2 * np.eye(2))
