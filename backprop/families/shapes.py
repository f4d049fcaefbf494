"""A multilayer network as sizes alone: its chains as specs, its forward cost, its parameters, and families of such."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from backprop.chain import Chain
from jacobians import Cost, Spec
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics.arguments import checked_flag, checked_integer, checked_list, checked_option

NONE = "none"
"""In the place of an activation: the layers follow each other."""


@dataclass(frozen=True)
class NetworkShape:
    """A network of affine layers with an activation between them.

    Parameters
    ----------
    sizes : tuple of int
        Inputs, units of each layer, outputs.
    activation : str
        A name out of :data:`jacobians.layers.activations.ACTIVATIONS`, whose Jacobian is diagonal, or "none".
    batch : int
        Points at once; of one point there is no batch axis.
    loss : bool
        Whether a scalar loss of the outputs stands behind them, of which the Jacobian is one row.

    Raises
    ------
    TypeError, ValueError
        If there are fewer than two sizes, or an argument is refused.

    Examples
    --------
    >>> shape = NetworkShape((64, 32, 10))
    >>> shape.chain("input")
    Chain(2.Affine: Dense 10×32 · 1.tanh: Diagonal 32×32 · 0.Affine: Dense 32×64)
    >>> shape.parameters, shape.forward
    (2410, Cost(multiplications=2368, additions=2368))
    """

    sizes: tuple[int, ...]
    activation: str = "tanh"
    batch: int = 1
    loss: bool = False

    def __post_init__(self) -> None:
        listed = checked_list(self.sizes, "sizes", "sizes such as (64, 32, 10)")
        sizes = tuple(checked_integer(size, f"sizes[{place}]") for place, size in enumerate(listed))
        if len(sizes) < 2:
            raise ValueError(f"sizes: found {len(sizes)}, expected at least two: inputs and outputs")
        object.__setattr__(self, "sizes", sizes)
        checked_option(self.activation, "activation", (*ACTIVATIONS, NONE))
        checked_integer(self.batch, "batch")
        checked_flag(self.loss, "loss")

    @property
    def points(self) -> tuple[int, ...]:
        """The batch axes."""
        return (self.batch,) if self.batch > 1 else ()

    def layer_names(self) -> tuple[str, ...]:
        """The names of the affine layers, as a network that counts its activations has them: "0", "2" and so on."""
        between = 1 if self.activation == NONE else 2
        return tuple(str(between * place) for place in range(len(self.sizes) - 1))

    @property
    def targets(self) -> tuple[str, ...]:
        """What a chain can be by."""
        return ("input", *(f"{name}.{own}" for name in self.layer_names() for own in ("W", "b")))

    def chain(self, by: str = "input") -> Chain:
        """Return the chain of specs from the outputs, or the loss, down to the input or a parameter such as "0.W".

        Raises
        ------
        TypeError, ValueError
            If there is no such parameter.
        """
        checked_option(by, "by", self.targets)
        names, specs = [], []
        if self.loss:
            names.append("loss")
            specs.append(Spec.dense(1, self.sizes[-1], self.points))
        layer, _, own = by.partition(".")
        for name, (d, h) in reversed([*zip(self.layer_names(), pairwise(self.sizes), strict=True)]):
            if name == layer:
                names.append(f"{name}.Affine/{own}")
                weight = Spec.kronecker(Spec.identity(h), Spec.dense(1, d, self.points))
                specs.append(weight if own == "W" else Spec.identity(h))
                break
            names.append(f"{name}.Affine")
            specs.append(Spec.dense(h, d))
            if self.activation != NONE and name != "0":
                names.append(f"{int(name) - 1}.{self.activation}")
                specs.append(Spec.diagonal(d, self.points))
        return Chain.from_specs(specs, names=names)

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return sum(h * (d + 1) for d, h in pairwise(self.sizes))

    @property
    def forward(self) -> Cost:
        """What the affine layers cost on the way forward: Wx takes hd and h(d − 1), the bias h additions more.

        The values of the activations and of the loss are not counted: what one takes depends on the library.
        """
        total = Cost()
        for d, h in pairwise(self.sizes):
            total = total + self.batch * Cost(h * d, h * d)
        return total

    @property
    def activation_elements(self) -> int:
        """The numbers that a backward pass keeps: the input of every layer and activation, for all points."""
        hidden = sum(self.sizes[1:-1])
        return self.batch * (self.sizes[0] + hidden * (1 if self.activation == NONE else 2))


Family = Callable[[int, int, int, int], tuple[int, ...]]


def mlp(width: int, depth: int, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return the sizes of `depth` layers that are all `width` wide between inputs and outputs."""
    return (inputs, *[width] * (depth - 1), outputs)


def bottleneck(width: int, depth: int, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return layers with an eighth of the width in their middle."""
    hidden = [width] * (depth - 1)
    if hidden:
        hidden[len(hidden) // 2] = max(1, width // 8)
    return (inputs, *hidden, outputs)


def funnel(width: int, depth: int, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return layers that narrow, each by the same factor, from the width to the outputs."""
    steps = max(depth - 1, 1)
    return (inputs, *(round(width * (outputs / width) ** (k / steps)) for k in range(depth - 1)), outputs)


def fan(width: int, depth: int, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return layers that widen, each by the same factor, from the inputs to the width."""
    steps = max(depth - 1, 1)
    return (
        inputs,
        *(round(inputs * (width / inputs) ** (k / steps)) for k in range(1, depth)),
        outputs,
    )


FAMILIES: dict[str, Family] = {"mlp": mlp, "bottleneck": bottleneck, "funnel": funnel, "fan": fan}
"""From width, depth, inputs and outputs to the sizes of a network."""
