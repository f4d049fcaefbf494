"""Everything that a report says, computed: network, layers, checks, chains; drawn and written elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backprop.chain import Chain
from backprop.compare import Comparison, compare
from backprop.datasets import Digits, load_digits
from backprop.network import MLP
from backprop.report.settings import HELD_OUT, Settings
from backprop.state import Epoch
from backprop.training import fit
from jacobians import Function, Jacobian
from jacobians import __version__ as version
from jacobians.arrays import Array

if TYPE_CHECKING:
    from verification import CheckReport

BATCH_SIZE = 32
TOLERANCE = 1e-9
"""How much products of one chain in different orders may differ, as a fraction of their size."""

WITNESSES = ("finite-difference", "complex-step", "certified")
"""Those that take whole networks in seconds; a layer is shown to all that there are."""

LARGEST_CHECKED = 8 * 1024**2
"""Jacobians whose dense form takes more bytes are checked along random directions."""

Verdict = Literal["right", "wrong", "undecided"]
Tick = Callable[[str, int, int], object]
"""Told of progress: what is done, how much of it is done, how much there is."""


@dataclass(frozen=True, eq=False)
class LayerJacobian:
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
class Layer:
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
class Derivative:
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
    """

    of: str
    by: str
    points: int
    comparison: Comparison
    disagreement: float
    check: CheckReport

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
        if not (self.counted and self.disagreement <= TOLERANCE):
            return "wrong"
        return self.check.verdict


@dataclass(frozen=True, eq=False)
class Report:
    """All that is shown of one network at one point.

    Attributes
    ----------
    settings : Settings
    digits : Digits
        The data.
    network : MLP
        After training.
    history : tuple of Epoch
        Before the first and after every epoch.
    accuracy : float
        The share of right classes among the digits that training did not see.
    index, label, prediction : int
        The digit that the report is about: its place in the data, what was written, what the network says.
    pixels : numpy.ndarray, shape (64,)
    loss : float
        At this digit.
    layers : tuple of Layer
        Input side first, the loss last.
    derivatives : tuple of Derivative
        At one point, and then for several points at once where this was asked for.
    """

    settings: Settings
    digits: Digits
    network: MLP
    history: tuple[Epoch, ...]
    accuracy: float
    index: int
    label: int
    prediction: int
    pixels: Array
    loss: float
    layers: tuple[Layer, ...]
    derivatives: tuple[Derivative, ...]

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


def collect(settings: Settings, tick: Tick | None = None) -> Report:
    """Train the network on the digits, check every layer's Jacobian, and compare the orders of its chains.

    Parameters
    ----------
    settings : Settings
    tick : callable, optional
        Called with a stage, how much of it is done and how much there is.

    Raises
    ------
    DivergenceError
        If training diverges.
    MemoryBudgetError
        If a product would take more than 2 GiB.
    """
    tick = tick or (lambda stage, done, total: None)
    digits = load_digits()
    images, labels = digits.scaled, digits.labels
    network = MLP.initialize(
        settings.layers, activation=settings.activation, loss=settings.loss, seed=settings.seed
    )
    held = slice(-HELD_OUT, None)
    history: tuple[Epoch, ...] = ()
    if settings.epochs:
        history = fit(
            network,
            images[:-HELD_OUT],
            labels[:-HELD_OUT],
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            batch_size=BATCH_SIZE,
            seed=settings.seed,
            progress=lambda epoch: tick("training", epoch.number, settings.epochs),
        ).history
    index = len(images) - HELD_OUT
    x, label = images[index], int(labels[index])
    loss = network.loss_function(label)
    layers = collect_layers(network, loss, x, tick)
    derivatives = collect_derivatives(network, x, label, settings, tick)
    if settings.batch > 1:
        points = slice(index, index + settings.batch)
        derivatives += collect_derivatives(network, images[points], labels[points], settings, tick)
    return Report(
        settings, digits, network, history, network.accuracy(images[held], labels[held]),
        index, label, int(network.predict(x)), x, float(loss(network(x))), layers, derivatives,
    )  # fmt: skip


def collect_layers(network: MLP, loss: Function, x: Array, tick: Tick) -> tuple[Layer, ...]:
    """Return every layer and the loss with their Jacobians at a point, each checked at the layer's own input.

    Parameters
    ----------
    network : MLP
    loss : Function
        Of the network's output.
    x : numpy.ndarray, shape (d,)
    tick : callable
    """
    functions = [*network.layers, loss]
    values = network.linearize(x).values
    total = sum(1 + len(function.parameters) for function in functions)
    done = 0
    layers = []
    for place, (function, value) in enumerate(zip(functions, values, strict=True)):
        kind = type(function).__name__
        name = kind if function is loss else f"{place}.{kind}"
        jacobians = []
        for wrt in ("input", *function.parameters):
            jacobian, check = check_jacobian(function, value, wrt)
            jacobians.append(LayerJacobian(name, wrt, jacobian, check))
            done += 1
            tick("checks", done, total)
        out_shape = function(value).shape
        layers.append(Layer(name, value.shape, out_shape, function.parameter_count, tuple(jacobians)))
    return tuple(layers)


def check_jacobian(function: Function, x: Array, wrt: str) -> tuple[Jacobian, CheckReport]:
    """Return a function's Jacobian at a point, and the verdict of the witnesses about it."""
    import verification

    return function.jacobian(x, wrt), verification.check(function, x, wrt=wrt, max_bytes=LARGEST_CHECKED)


def collect_derivatives(
    network: MLP, x: Array, y: Any, settings: Settings, tick: Tick
) -> tuple[Derivative, ...]:
    """Return the derivatives of loss and output by the input, and of the loss by every parameter.

    Parameters
    ----------
    network : MLP
    x : numpy.ndarray, shape (d,) or (N, d)
    y : int or numpy.ndarray of int, shape (N,)
    settings : Settings
    tick : callable
    """
    batched = x.ndim == 2
    points = len(x) if batched else 1
    loss = network.loss_function(y, batched=batched)
    random = np.random.default_rng(settings.seed)
    output = "logits" if settings.loss == "softmax-cross-entropy" else "output"
    asked = [("loss", "input"), (output, "input"), *(("loss", name) for name in network.parameters)]
    found = []
    stage = f"chains, {points} point{'s' if points > 1 else ''}"
    for done, (of, by) in enumerate(asked, 1):
        chain = Chain.from_network(network, x, loss if of == "loss" else None, by=by, batched=batched)
        comparison = compare(chain, measure=True, repeats=_repeats(chain))
        direction = random.standard_normal(chain.shape[1])
        products = [plan.execute().jacobian.matvec(direction) for plan in comparison.plans]
        if batched:
            products.append(_one_by_one(network, x, y, of, by, direction))
        size = float(np.abs(products[0]).max())
        difference = max(float(np.abs(product - products[0]).max()) for product in products)
        first, own_loss = (x[0], network.loss_function(y[0])) if batched else (x, loss)
        check = check_direction(
            network,
            first,
            own_loss if of == "loss" else None,
            by,
            direction,
            products[0][:1] if batched else products[0],
        )
        disagreement = difference / size if size > 0 else difference
        found.append(Derivative(of, by, points, comparison, disagreement, check))
        tick(stage, done, len(asked))
    return tuple(found)


def _one_by_one(network: MLP, x: Array, y: Any, of: str, by: str, direction: Array) -> Array:
    """Return J·v of every point by a chain of its own, shape (N, m)."""
    rows = []
    for point, target in zip(x, y, strict=True):
        loss = network.loss_function(target) if of == "loss" else None
        rows.append(
            Chain.from_network(network, point, loss, by=by).plan().execute().jacobian.matvec(direction)
        )
    return np.stack(rows)


def check_direction(
    network: MLP, x: Array, loss: Function | None, by: str, direction: Array, product: Array
) -> CheckReport:
    """Return the verdict of the witnesses on J·v: the derivative of t ↦ f(x + t·v), or of f with θ + t·v, at 0.

    Parameters
    ----------
    network : MLP
    x : numpy.ndarray, shape (d,)
    loss : Function, optional
        Of the network's output; without one f is the output.
    by : str
        "input" or the name of a parameter.
    direction : numpy.ndarray, shape (n,)
        v.
    product : numpy.ndarray, m numbers
        J·v.
    """
    import verification

    def along(t: Any) -> Any:
        moved, point = network, x
        if by == "input":
            point = x + t[0] * direction
        else:
            parameter = network.parameters[by]
            moved = network.bind({by: parameter + t[0] * direction.reshape(parameter.shape)})
        output = moved.forward(point)
        return output if loss is None else loss.forward(output)

    return verification.check(along, [0.0], product.reshape(-1, 1), witnesses=WITNESSES)


def _repeats(chain: Chain) -> int:
    """Return how often to run: often for chains that take microseconds, seldom for dear ones."""
    flops = sum(chain.plan(strategy).cost.flops for strategy in ("left", "right", "optimal"))
    return max(3, min(25, 10**9 // max(flops, 1)))


def environment() -> Iterator[tuple[str, str]]:
    """Yield what times depend on: names and versions, nothing that tells one machine from another of its kind."""
    yield "explicit-jacobians", version
    yield "Python", platform.python_version()
    yield "NumPy", np.__version__
    yield "machine", platform.machine() or "unknown"
