"""A result that is not finite names the first layer whose output isn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backprop import MLP, DivergenceError, fit, gradient_descent, saliency
from backprop.learning.not_finite import NotFiniteWarning
from jacobians import Affine, Sequential, SquaredError, Tanh


def broken() -> MLP:
    """Return a network whose layer 2 makes 0·∞ of tanh 0."""
    return MLP([(np.eye(2), None), ([[np.inf, 1.0], [1.0, 1.0]], None)], loss="squared-error")


X, Y = [[0.0, 1.0]], [[0.0, 0.0]]
LAYER = r"layer 2, Affine\(W: \(2, 2\)\), is the first whose output is not finite"


@pytest.mark.parametrize(
    "call",
    [
        lambda: broken().loss(X, Y),
        lambda: broken().predict(X),
        lambda: broken().gradients(X, Y),
        lambda: broken().gradients(X, Y, method="jacobians"),
        lambda: saliency(broken(), X[0], 0),
    ],
    ids=["loss", "predict", "delta", "jacobians", "saliency"],
)
def test_nan_is_traced_to_its_layer(call: Callable[[], Any]) -> None:
    with np.errstate(invalid="ignore"), pytest.warns(NotFiniteWarning, match=LAYER):
        call()


def test_a_run_that_can_not_start_names_the_layer() -> None:
    with pytest.raises(DivergenceError, match=LAYER):
        fit(broken(), X, Y, epochs=1, learning_rate=0.1)
    function = Sequential(Tanh(), Affine([[np.inf]]), SquaredError([0.0]))
    with pytest.raises(DivergenceError, match=r"layer 1, Affine\(W: \(1, 1\)\), is the first"):
        gradient_descent(function, [1.0], step_size=0.1, steps=1)


def test_an_input_that_is_not_finite_is_not_laid_at_a_layer() -> None:
    net = MLP([(np.eye(2), None)], loss="squared-error")
    assert np.isnan(net.loss([[np.nan, 1.0]], Y))
