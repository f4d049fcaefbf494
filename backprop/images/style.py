"""Style as a Gram matrix: an input whose features correlate like those of another one.

With features F (c × n, a row a feature), G = F Fᵀ and a target G₀, the style loss is ‖G − G₀‖²_F. After Gatys, Ecker
and Bethge, "A neural algorithm of artistic style", 2015.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backprop.images.gradient_descent import Descent, follow, gradient
from jacobians import Function, Gram, GramLoss, Sequential
from jacobians.names import class_name
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors


@without_float_errors
def style_gradient(F: Any, target: Any) -> Array:
    """Return the derivative of ‖F Fᵀ − G₀‖²_F by F, in the shape of F (denominator layout).

    It comes out of the chain of :class:`~jacobians.GramLoss`: with D = F Fᵀ − G₀ it is 2(D + Dᵀ)F, and 4(F Fᵀ − G₀)F
    for a symmetric G₀.

    Parameters
    ----------
    F : array_like, shape (c, n)
    target : array_like, shape (c, c)
        G₀.

    Raises
    ------
    TypeError, ValueError
        If F or G₀ is refused, or their shapes don't fit.

    Examples
    --------
    >>> style_gradient([[1.0, 2.0]], [[3.0]])
    array([[ 8., 16.]])
    """
    return gradient(GramLoss(target), real_array(F, "F", ndim=2, foreign="refuse"))


@without_float_errors
def match_style(
    example: Any,
    start: Any,
    *,
    step_size: float,
    steps: int,
    features: Function | None = None,
    bounds: tuple[float, float] | None = None,
    callback: Callable[[Array, float], object] | None = None,
) -> Descent:
    """Change an input by gradient descent until the Gram matrix of its features is that of an example.

    Parameters
    ----------
    example : array_like
        The input whose style is wanted: G₀ is the Gram matrix of its features.
    start : array_like
        The first input; the example itself has nothing left to change, and so has 0.
    step_size : float
        α, above 0. The loss grows with the fourth power of the features: begin with a small one.
    steps : int
    features : Function, optional
        From an input to its features F (c, n); by default the input is F itself.
    bounds, callback
        As in :func:`backprop.gradient_descent`.

    Returns
    -------
    Descent
        With ``.x`` and the losses in ``.values``.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    DivergenceError
        If the loss stops being finite.

    Examples
    --------
    >>> import numpy as np
    >>> found = match_style([[1.0, 2.0], [0.0, 1.0]], np.eye(2), step_size=0.02, steps=200)
    >>> (found.x @ found.x.T).round(3)
    array([[5., 2.],
           [2., 1.]])
    """
    if features is not None and not isinstance(features, Function):
        raise TypeError(f"features: found {class_name(features)}, expected a Function with values (c, n)")
    wanted = real_array(example, "example", foreign="refuse")
    G0 = Gram()(wanted if features is None else features(wanted))
    loss = GramLoss(G0) if features is None else Sequential(features, GramLoss(G0))
    return Descent(*follow(loss, start, -1, step_size, steps, bounds, callback))
