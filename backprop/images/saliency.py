"""Derivatives by the input with all weights fixed: class scores, their saliency, and the input that maximises one.

After Simonyan, Vedaldi and Zisserman, "Deep inside convolutional networks", 2013. A score S_c is the output c of a
network: the logit where the last layer is affine only, which is what they recommend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backprop.images.drawing import as_image, picture
from backprop.images.gradient_descent import Descent, follow, gradient
from backprop.learning.network import MLP
from backprop.learning.not_finite import is_finite, told
from jacobians import Function, Jacobian, SquaredNorm
from jacobians.layers.recording import Record, _Recorded
from jacobians.markup import html_table
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_integer, real_number
from jacobians.numerics.arrays import Array, read_only, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import require_numpy_function
from jacobians.pickling import Pickled
from jacobians.structures import Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ClassScore(_Recorded):
    """S_c(I) − λ‖I‖² as a function of the input I, with S_c the output c of a network.

    The Jacobian is the row (e_cᵀ · DF) − 2λIᵀ, with e_cᵀ a selection.

    Parameters
    ----------
    network : Function
        With outputs (k,).
    class_ : int
        c, from 0.
    penalty : float
        λ, at least 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or, at a point, the network has no output c.

    Examples
    --------
    >>> from jacobians import Affine
    >>> score = ClassScore(Affine([[1.0, 2.0], [3.0, 4.0]]), 1, penalty=0.5)
    >>> score([1.0, 1.0]), score.jacobian([1.0, 1.0]).dense()
    (array(6.), array([[2., 3.]]))
    """

    def __init__(self, network: Function, class_: int, penalty: float = 0.0) -> None:
        if not isinstance(network, Function):
            raise TypeError(f"network: found {class_name(network)}, expected a Function such as an MLP")
        require_numpy_function(network, "scores are computed with NumPy's functions")
        self.network = network
        self.class_ = checked_integer(class_, "class_", least=0)
        self.penalty = real_number(penalty, "penalty", least=0)

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the network takes `shape`."""
        self.network.check_input(shape)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return S_c(I) − λ‖I‖²."""
        return self._score(x, self.network._forward(x, batch_ndim), batch_ndim)

    def _score(self, x: Any, outputs: Any, batch_ndim: int) -> Any:
        if outputs.ndim != batch_ndim + 1 or self.class_ >= outputs.shape[-1]:
            raise ValueError(
                f"class_: found {self.class_}, expected the number of an output of a network whose outputs "
                f"have the shape {outputs.shape[batch_ndim:]}; classes are numbered from 0"
            )
        score = outputs[..., self.class_]
        return score - self.penalty * SquaredNorm().forward(x, batch_ndim) if self.penalty else score

    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add the network, and e_cᵀ − 2λIᵀ behind it."""
        x, batch_ndim = record.steps[source].value, record.batch_ndim
        outputs = self.network._record(record, source, f"{prefix}network.")
        reached = record.steps[outputs]
        place, dtype = np.array([self.class_]), reached.value.dtype
        (k,) = reached.shape
        ways: list[tuple[int, list[Jacobian]]] = [
            (outputs, [Selection.unchecked(place, k, repeats=False, out_shape=(), dtype=dtype)])
        ]
        if self.penalty:
            ways.append((source, [SquaredNorm().derivative(x, batch_ndim=batch_ndim) * -self.penalty]))
        return record.join(f"{prefix}ClassScore", self, self._score(x, reached.value, batch_ndim), ways)

    def smooth_piece(self, x: Any) -> Array | None:
        """Return the pieces of the network."""
        return self.network.smooth_piece(x)

    def __repr__(self) -> str:
        penalty = f", penalty={self.penalty:g}" if self.penalty else ""
        return f"ClassScore({self.network!r}, class {self.class_}{penalty})"


# --- saliency --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Saliency(Pickled):
    """The linear approximation S_c(I) ≈ wI + b of a class score at an input I₀.

    Attributes
    ----------
    class_ : int
        c.
    x : numpy.ndarray
        I₀, read-only.
    w : numpy.ndarray
        ∂S_c/∂I at I₀, in the shape of I₀ (denominator layout), read-only.
    b : float
        S_c(I₀) − wI₀.
    score : float
        S_c(I₀).

    Examples
    --------
    >>> net = MLP([([[1.0, 2.0], [3.0, 4.0]], [0.5, 0.5])])
    >>> found = saliency(net, [1.0, 1.0], 1)
    >>> found.w, found.b, found.score, found([2.0, 0.0])
    (array([3., 4.]), 0.5, 7.5, 6.5)
    """

    class_: int
    x: Array
    w: Array
    b: float
    score: float

    @without_float_errors
    def __call__(self, x: Any) -> float:
        """Return wI + b at an input of I₀'s shape.

        Raises
        ------
        ValueError
            If x has another shape.
        """
        point = real_array(x, "x", foreign="refuse")
        if point.shape != self.w.shape:
            raise ValueError(f"x: found shape {point.shape}, expected {self.w.shape}")
        return float((self.w * point).sum()) + self.b

    def image(self, shape: tuple[int, int]) -> Array:
        """Return |w| as an image, row by row: how much each pixel can change the score.

        Raises
        ------
        ValueError
            If `shape` has another number of entries.
        """
        return as_image(np.abs(self.w), shape)

    def figure(self, shape: tuple[int, int]) -> Figure:
        """Return a matplotlib Figure of I₀, of w with its signs and of |w|.

        Raises
        ------
        ValueError, ImportError
            If `shape` has another number of entries, or matplotlib is not installed.
        """
        signed = f"∂S{self.class_}/∂I"
        images = {"I₀": as_image(self.x, shape), signed: as_image(self.w, shape), "|w|": self.image(shape)}
        return picture(images, signed={signed})

    def __repr__(self) -> str:
        return (
            f"<Saliency of class {self.class_}: score {self.score:.4g}, b {self.b:.4g}, "
            f"largest |w| {np.abs(self.w).max():.4g} of {self.w.size}>"
        )

    def _repr_html_(self) -> str:
        return html_table(
            [],
            [
                ["saliency of class", str(self.class_)],
                ["S_c(I₀)", f"{self.score:.6g}"],
                ["b", f"{self.b:.6g}"],
                ["shape of w", str(self.w.shape)],
                ["largest |w|", f"{np.abs(self.w).max():.6g}, at entry {int(np.abs(self.w).argmax())}"],
            ],
        )


@without_float_errors
def saliency(network: Function, x: Any, class_: int) -> Saliency:
    """Return w = ∂S_c/∂I at I₀ = x and b, so that S_c(I) ≈ wI + b near x.

    Parameters
    ----------
    network : Function
        With outputs (k,), such as an :class:`MLP`; of one that ends in a softmax better take the logits:
        ``Sequential(*network.layers[:-1])``.
    x : array_like
        One input, I₀.
    class_ : int
        c, from 0.

    Returns
    -------
    Saliency

    Raises
    ------
    TypeError, ValueError
        If x is refused, or the network has no such output.

    Examples
    --------
    >>> net = MLP.initialize([4, 3, 2], seed=0)
    >>> found = saliency(net, [0.0, 1.0, 0.0, 1.0], 0)
    >>> found.image((2, 2)).shape, bool(np.isclose(found(found.x), found.score))
    ((2, 2), True)
    """
    score = ClassScore(network, class_)
    point = read_only(real_array(x, "x", foreign="refuse").copy())
    value = float(score(point))
    w = read_only(gradient(score, point))
    told(value if is_finite(w) else w, "the saliency", network, point, 0)
    return Saliency(score.class_, point, w, value - float((w * point).sum()), value)


# --- the input that maximises a score --------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class MaximizedInput(Descent):
    """An input that was changed to make S_c(I) − λ‖I‖² larger; see :class:`Descent`.

    Attributes
    ----------
    class_ : int
        c.
    score : float
        S_c of the last input, without the penalty.
    """

    class_: int
    score: float

    def figure(self, shape: tuple[int, int]) -> Figure:
        """Return a matplotlib Figure of the first and the last input.

        Raises
        ------
        ValueError, ImportError
            If `shape` has another number of entries, or matplotlib is not installed.
        """
        images = {
            "start": as_image(self.start, shape),
            f"S{self.class_} = {self.score:.3g}": self.image(shape),
        }
        # without bounds most entries leave 0 in both directions
        return picture(images, signed=images if self.x.min() < 0 else ())


@without_float_errors
def maximize_input(
    network: Function,
    class_: int,
    start: Any = None,
    *,
    steps: int = 100,
    step_size: float = 0.1,
    penalty: float = 0.0,
    bounds: tuple[float, float] | None = None,
    callback: Callable[[Array, float], object] | None = None,
) -> MaximizedInput:
    """Change the input, all weights fixed, so that S_c(I) − λ‖I‖² grows: I ← I + μ(∂S_c/∂I − 2λI).

    Parameters
    ----------
    network : Function
        With outputs (k,); see :func:`saliency`.
    class_ : int
        c, from 0.
    start : array_like, optional
        The first input; zeros for an :class:`MLP` by default.
    steps : int
    step_size : float
        μ, above 0.
    penalty : float
        λ, at least 0; without one, a score that is unbounded grows as long as there are steps.
    bounds : pair of float, optional
        After every step each entry is brought back between these two.
    callback : callable, optional
        Given each input and its S_c(I) − λ‖I‖²; True as its result stops.

    Returns
    -------
    MaximizedInput
        With ``.x``, ``.values`` of S_c(I) − λ‖I‖², ``.score``, ``.image(shape)`` and ``.figure(shape)``.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    DivergenceError
        If the value stops being finite.

    Examples
    --------
    For an affine network the maximum is at I = w_c/(2λ):

    >>> net = MLP([([[1.0, 2.0], [3.0, 4.0]], None)])
    >>> found = maximize_input(net, 1, penalty=0.5, step_size=0.5)
    >>> found.x.round(6), round(found.score, 6)
    (array([3., 4.]), 25.0)
    """
    score = ClassScore(network, class_, penalty)
    if start is None:
        if not isinstance(network, MLP):
            raise TypeError("start: found None, expected the first input of a network that is no MLP")
        start = np.zeros(network.sizes[0], dtype=network.dtype)
    fields = follow(score, start, 1, step_size, steps, bounds, callback)
    return MaximizedInput(*fields, score.class_, float(ClassScore(network, class_)(fields[2])))
