"""What a report is made of: layers, derivatives, verdicts; plain records that know how to judge themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from backprop.compare import Comparison
from backprop.learning.datasets import Digits
from backprop.learning.state import Epoch
from backprop.report.asked import Asked
from backprop.report.machine import MatrixProduct
from backprop.report.settings import Settings
from jacobians import Function, Jacobian
from jacobians.equality import ByValue
from jacobians.numerics.arrays import Array
from jacobians.pickling import Pickled

if TYPE_CHECKING:
    from verification import CheckReport

TOLERANCE = 1e-9
"""How much products of one chain in different orders may differ, as a fraction of their size."""

SINGLE_TOLERANCE = 1e-4
"""The same where the products are float32."""

Verdict = Literal["right", "wrong", "undecided"]


@dataclass(frozen=True, eq=False)
class LayerJacobian(ByValue):
    """A layer's Jacobian at the layer's own input, and what the witnesses say about it.

    Attributes
    ----------
    layer, wrt : str
        "0.Affine" and "input", "W" or "b".
    jacobian : Jacobian
    check : verification.CheckReport
    """

    layer: str
    wrt: str
    jacobian: Jacobian
    check: CheckReport

    @property
    def title(self) -> str:
        """What it is, in a formula."""
        return f"∂({self.layer})/∂{self.wrt}"


@dataclass(frozen=True, eq=False)
class Layer(ByValue):
    """A layer, or the loss, at the point of the report.

    Attributes
    ----------
    name : str
    in_shape, out_shape : tuple of int
    parameters : int
        Scalar parameters.
    jacobians : tuple of LayerJacobian
        By the input, then by each parameter.
    """

    name: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    jacobians: tuple[LayerJacobian, ...]


@dataclass(frozen=True, eq=False)
class Derivative(ByValue):
    """A derivative of the whole network: its chain, multiplied in three orders.

    Attributes
    ----------
    of, by : str
        "loss" and "0.W", say.
    points : int
        How many points at once.
    comparison : Comparison
        Predicted, counted and measured.
    disagreement : float
        The largest difference between the three products along one random direction, as a fraction of their size; for
        several points also between them and the products of every point alone.
    check : verification.CheckReport
        What witnesses that know nothing of chains say about the optimal product along this direction, at the first
        point.
    tolerance : float
        How large a disagreement may be: that of the precision of the products.
    """

    of: str
    by: str
    points: int
    comparison: Comparison
    disagreement: float
    check: CheckReport
    tolerance: float = TOLERANCE

    @property
    def title(self) -> str:
        """What it is, in a formula."""
        return f"∂{self.of}/∂{self.by}"

    @property
    def counted(self) -> bool:
        """Whether the counted cost is the predicted one for every strategy."""
        return all(
            (item.counted_multiplications, item.counted_additions) == (item.multiplications, item.additions)
            for item in self.comparison.alternatives
        )

    @property
    def verdict(self) -> Verdict:
        """Wrong if a cost is not as predicted or two products differ, else what the witnesses say."""
        # written so that NaN is no agreement
        if not (self.counted and self.disagreement <= self.tolerance):
            return "wrong"
        return self.check.verdict

    def __bool__(self) -> bool:
        """Return whether the verdict is "right"."""
        return self.verdict == "right"


@dataclass(frozen=True, eq=False)
class Training(ByValue):
    """How a network on the digits came about, and which digit the report is about.

    Attributes
    ----------
    settings : Settings
    digits : Digits
        The data.
    history : tuple of Epoch
        Before the first and after every epoch.
    accuracy : float
        The share of right classes among the digits that training did not see.
    index, label, prediction : int
        The digit: its place in the data, what was written, what the network says.
    """

    settings: Settings
    digits: Digits
    history: tuple[Epoch, ...]
    accuracy: float
    index: int
    label: int
    prediction: int


@dataclass(frozen=True, eq=False)
class Report(Pickled):
    """All that is shown of one network at one point.

    Attributes
    ----------
    title : str
        What the network is called.
    network : Function
    x : numpy.ndarray
        The point.
    loss : float or None
        At this point; None where no loss was given.
    layers : tuple of Layer
        Input side first, the loss last.
    derivatives : tuple of Derivative
        At one point, and then for several points at once where this was asked for.
    training : Training or None
        None for a network that was not trained here.
    asked : Asked
        What the report was asked for.
    product : MatrixProduct or None
        How fast the machine multiplied matrices when the times were measured.
    """

    title: str
    network: Function
    x: Array
    loss: float | None
    layers: tuple[Layer, ...]
    derivatives: tuple[Derivative, ...]
    training: Training | None = None
    asked: Asked = field(default_factory=Asked)
    product: MatrixProduct | None = None

    @cached_property
    def checked(self) -> tuple[LayerJacobian, ...]:
        """The Jacobians of all layers."""
        return tuple(own for layer in self.layers for own in layer.jacobians)

    @property
    def verdict(self) -> Verdict:
        """Right if every check and every product is, wrong if one is wrong, else undecided."""
        verdicts = {own.check.verdict for own in self.checked} | {own.verdict for own in self.derivatives}
        if "wrong" in verdicts:
            return "wrong"
        return "right" if verdicts == {"right"} else "undecided"

    @property
    def passed(self) -> bool:
        """True if the verdict is "right", and for no other."""
        return self.verdict == "right"

    def __bool__(self) -> bool:
        """Return :attr:`passed`: ``assert report`` fails unless all of it is right."""
        return self.passed


def tolerance_of(product: Array) -> float:
    """Return by how much products in different orders may differ: more in float32 than in float64.

    Examples
    --------
    >>> tolerance_of(np.zeros(2)), tolerance_of(np.zeros(2, np.float32))
    (1e-09, 0.0001)
    """
    return SINGLE_TOLERANCE if product.dtype == np.float32 else TOLERANCE
