"""Everything that a report says of a network at a point, computed; drawn and written elsewhere."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from backprop.chain import Chain
from backprop.compare import compare
from backprop.network_graph import NetworkGraph
from backprop.numpy_code import network_of
from backprop.plan import MODES, ORDERS
from backprop.report.asked import Asked
from backprop.report.machine import measured_product
from backprop.report.result import Derivative, Layer, LayerJacobian, Report, tolerance_of
from backprop.report.settings import MOST_PARAMETERS
from jacobians import Function, Jacobian, Sequential
from jacobians import __version__ as version
from jacobians.function import INPUT
from jacobians.names import class_name, class_said, printable
from jacobians.numerics.arguments import checked_callable, checked_instance, checked_integer, near, shown
from jacobians.numerics.arrays import Array, real_array

if TYPE_CHECKING:
    from verification import CheckReport

WITNESSES = ("finite-difference", "complex-step", "certified")
"""Those that take whole networks in seconds; a layer is shown to all that there are."""

LARGEST_CHECKED = 8 * 1024**2
"""Jacobians whose dense form takes more bytes are checked along random directions."""

LONGEST_TITLE = 200
"""Letters of a title that is made from the network's own words."""

Tick = Callable[[str, int, int], object]
"""Told of progress: what is done, how much of it is done, how much there is."""


def checked_tick(tick: Any) -> Tick:
    """Return what is told of progress: nobody for None.

    Raises
    ------
    TypeError
        If it can't be called.
    """
    if tick is None:
        return lambda stage, done, total: None
    return cast(Tick, checked_callable(tick, "tick", "a function of a stage and two numbers", 3))


class Points(NamedTuple):
    """Several points, with the loss of all of them and that of each alone; None where there is no loss."""

    x: Array
    loss: Function | None
    alone: Sequence[Function | None]


def collect_network(
    network: Function | Callable[..., Any],
    x: Any,
    loss: Function | None = None,
    *,
    title: str | None = None,
    output: str = "output",
    seed: int = 0,
    asked: Asked | None = None,
    several: Callable[[int], Points] | None = None,
    tick: Tick | None = None,
) -> Report:
    """Check every layer's Jacobian at a point, and compare the orders of the network's chains there.

    Parameters
    ----------
    network : Function or callable
        A Sequential, whose layers are shown one by one, or any other function, which is one layer; or plain NumPy code
        of one or several arrays, which is followed by :func:`jacobians.from_numpy`.
    x : array_like or mapping of str to array_like
        One point; of code of several arrays all of its arguments by name: the first is the input, the others are
        parameters.
    loss : Function, optional
        Of the prediction, made for its target, such as ``SquaredError(y)``; its value is a scalar.
    title : str, optional
        What the network is called; by default its own words.
    output : str
        What its output is called.
    seed : int
        Of the random directions along which products are compared.
    asked : Asked, optional
        Which derivatives and orders, for how many points at once, and the words of the title.
    several : callable, optional
        Gives so many points; by default they are drawn near x, and there is no loss.
    tick : callable, optional
        Called with a stage, how much of it is done and how much there is.

    Raises
    ------
    TypeError, ValueError
        If network, x or loss is refused, or a layer's Jacobian has not the shape of the layer.
    MemoryBudgetError
        If a product would take more than 2 GiB.
    """
    tick, seed = checked_tick(tick), checked_integer(seed, "seed", least=0, most=None)
    asked = Asked() if asked is None else checked_instance(asked, "asked", Asked)
    if title is not None:
        checked_instance(title, "title", str)
    if inspect.isroutine(network):
        title = title or printable(network.__name__)
        network, x = network_of(network, x if isinstance(x, Mapping) else [x])
    for name, given in (("network", network), ("loss", loss)):
        if not isinstance(given, Function) and (name == "network" or given is not None):
            found = class_said(given)
            raise TypeError(f"{name}: found {found}, expected an instance of jacobians.Function")
    assert isinstance(network, Function)  # looked at above
    point = real_array(x, "x")
    if point.size == 0:
        raise ValueError(f"x: found a point of shape {point.shape}, expected at least one number")
    if network.parameter_count > MOST_PARAMETERS:
        raise ValueError(
            f"network: found {network.parameter_count:,} parameters, expected at most {MOST_PARAMETERS:,}, for each "
            f"is checked; choose a smaller network"
        )
    prediction = network(point)
    value = None if loss is None else loss(prediction)
    if value is not None and value.size != 1:
        raise ValueError(f"loss: found a value of shape {value.shape}, expected a scalar")
    counts = asked.points or (1,)
    if several is None and loss is not None and counts != (1,):
        raise ValueError(
            f"points: found {max(counts)} with a loss that is made for one target, expected 1; leave the loss out"
        )
    for name in asked.by:
        if name != INPUT and name not in network.parameters:
            raise ValueError(
                f"by: found {shown(name)}, expected input or a parameter, "
                f"{', '.join(network.parameters) or 'of which there are none'}{near(name, [*network.parameters])}"
            )
    layers = collect_layers(network, loss, point, tick)
    derivatives: list[Derivative] = []
    for count in counts:
        at = (
            Points(point, loss, [])
            if count == 1
            else several(count)
            if several
            else _near(point, count, seed)
        )
        derivatives += collect_derivatives(
            network, at.x, at.loss, alone=at.alone or None, output=output, seed=seed, asked=asked, tick=tick
        )
    if title is None:
        title = repr(network)
        title = title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"
    value = None if value is None else value.item()
    product = measured_product(point.dtype if point.dtype.kind == "f" else None)
    return Report(title, network, point, value, layers, tuple(derivatives), asked=asked, product=product)


def _near(x: Array, count: int, seed: int) -> Points:
    """Return a point and others near it, whose entries have the same signs."""
    moved = 1 + 0.1 * np.random.default_rng(seed).uniform(-1, 1, (count, *x.shape))
    moved[0] = 1
    return Points((x * moved).astype(x.dtype), None, [None] * count)


def collect_layers(network: Function, loss: Function | None, x: Array, tick: Tick) -> tuple[Layer, ...]:
    """Return every layer and the loss with their Jacobians at a point, each checked at the layer's own input.

    Parameters
    ----------
    network : Function
    loss : Function, optional
        Of the network's output.
    x : numpy.ndarray
    tick : callable

    Raises
    ------
    ValueError
        If a layer's Jacobian by its input has not the shape of the layer: no chain can be made of it.
    """
    named: list[tuple[str, Function]] = []
    if isinstance(network, Sequential):
        named += [(f"{place}.{class_name(own)}", own) for place, own in enumerate(network.layers)]
    else:
        named.append((class_name(network), network))
    if loss is not None:
        named.append((class_name(loss), loss))
    total = sum(1 + len(function.parameters) for _, function in named)
    done = 0
    layers = []
    value = x
    for name, function in named:
        following = function(value)
        jacobians = []
        for wrt in ("input", *function.parameters):
            try:
                jacobian, check = check_jacobian(function, value, wrt)
            except (TypeError, ValueError) as error:
                # code of an author's: without the layer's name nobody would know whose
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{name} by {wrt}: {error}") from error
            of = value if wrt == "input" else function.parameters[wrt]
            if jacobian.shape != (following.size, np.size(of)):
                raise ValueError(
                    f"{name} by {wrt}: found a Jacobian of shape {jacobian.shape}, expected "
                    f"{(following.size, np.size(of))}, outputs × inputs"
                )
            jacobians.append(LayerJacobian(name, wrt, jacobian, check))
            done += 1
            tick("checks", done, total)
        layers.append(Layer(name, value.shape, following.shape, function.parameter_count, tuple(jacobians)))
        value = following
    return tuple(layers)


def check_jacobian(function: Function, x: Array, wrt: str) -> tuple[Jacobian, CheckReport]:
    """Return a function's Jacobian at a point, and the verdict of the witnesses about it."""
    import verification

    return function.jacobian(x, wrt), verification.check(function, x, wrt=wrt, max_bytes=LARGEST_CHECKED)


def collect_derivatives(
    network: Function,
    x: Array,
    loss: Function | None,
    *,
    alone: Sequence[Function | None] | None = None,
    output: str = "output",
    seed: int = 0,
    asked: Asked | None = None,
    tick: Tick = lambda stage, done, total: None,
) -> tuple[Derivative, ...]:
    """Return the derivatives of loss and output by the input, and of the loss by every parameter.

    Parameters
    ----------
    network : Function
    x : numpy.ndarray
        One point, or with `alone` the points along the first axis.
    loss : Function, optional
        Of the prediction; without one the output takes its place.
    alone : sequence of Function, optional
        The loss of every point alone, where `loss` is that of all of them.
    output : str
        What the output is called.
    seed : int
    asked : Asked, optional
    tick : callable
    """
    asked = Asked() if asked is None else asked
    batched = alone is not None
    points = len(x) if batched else 1
    random = np.random.default_rng(seed)
    of_whole = output if loss is None else "loss"
    pairs = [(of_whole, INPUT), (output, INPUT), *((of_whole, name) for name in network.parameters)]
    wanted = dict.fromkeys(pair for pair in pairs if not asked.by or pair[1] in asked.by)
    found = []
    stage = f"chains, {points} point{'s' if points > 1 else ''}"
    for done, (of, by) in enumerate(wanted, 1):
        own_loss = loss if of == "loss" else None
        chain = Chain.from_network(network, x, own_loss, by=by, batched=batched)
        strategies = _named(chain, asked.strategies)
        repeats = _repeats(chain, strategies, asked.objective)
        comparison = compare(
            chain, strategies=strategies, measure=True, repeats=repeats, objective=asked.objective
        )
        direction = random.standard_normal(chain.shape[1])
        products = [plan.execute().jacobian.matvec(direction) for plan in comparison.plans]
        first, product = x, products[0]
        if alone is not None:
            losses = list(alone) if of == "loss" else [None] * points
            products.append(_one_by_one(network, x, losses, by, direction))
            first, own_loss, product = x[0], losses[0], product[:1]
        size = float(np.abs(products[0]).max())
        difference = max(float(np.abs(other - products[0]).max()) for other in products)
        check = check_direction(network, first, own_loss, by, direction, product)
        disagreement = difference / size if size > 0 else difference
        # what float32 lost in the parameters or at the point does not come back in a float64 direction
        tolerance = tolerance_of(network(x, batched=batched))
        found.append(Derivative(of, by, points, comparison, disagreement, check, tolerance))
        tick(stage, done, len(wanted))
    return tuple(found)


def _one_by_one(
    network: Function, x: Array, losses: Sequence[Function | None], by: str, direction: Array
) -> Array:
    """Return J·v of every point by a chain of its own, shape (N, m)."""
    rows = []
    for point, loss in zip(x, losses, strict=True):
        chain = Chain.from_network(network, point, loss, by=by)
        rows.append(chain.plan().execute().jacobian.matvec(direction))
    return np.stack(rows)


def check_direction(
    network: Function, x: Array, loss: Function | None, by: str, direction: Array, product: Array
) -> CheckReport:
    """Return the verdict of the witnesses on J·v: the derivative of t ↦ f(x + t·v), or of f with θ + t·v, at 0.

    Parameters
    ----------
    network : Function
    x : numpy.ndarray
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
            point = x + t[0] * direction.reshape(x.shape)
        else:
            parameter = network.parameters[by]
            moved = network.bind({by: parameter + t[0] * direction.reshape(parameter.shape)})
        output = moved.forward(point)
        return output if loss is None else loss.forward(output)

    return verification.check(along, [0.0], product.reshape(-1, 1), witnesses=WITNESSES)


def _named(chain: Chain | NetworkGraph, strategies: Sequence[str]) -> list[Any]:
    """Return the orders by the names that a chain, or a graph, has for them, each once; a chain has no Markowitz's."""
    if isinstance(chain, NetworkGraph):
        return list(dict.fromkeys(MODES.get(name, name) for name in strategies))
    named = list(dict.fromkeys(ORDERS.get(name, name) for name in strategies if name != "markowitz"))
    if not named:
        raise ValueError(
            "strategies: found 'markowitz' alone for a chain, in which no paths meet, expected left, right or optimal"
        )
    return named


def _repeats(chain: Chain | NetworkGraph, strategies: Sequence[Any], objective: str) -> int:
    """Return how often to run: often for chains that take microseconds, seldom for dear ones."""
    flops = sum(chain.plan(strategy, objective=objective).cost.flops for strategy in strategies)
    return max(3, min(25, 10**9 // max(flops, 1)))


def environment() -> Iterator[tuple[str, str]]:
    """Yield what times depend on: names and versions, nothing that tells one machine from another of its kind."""
    yield "explicit-jacobians", version
    yield "Python", platform.python_version()
    yield "NumPy", np.__version__
    yield "machine", platform.machine() or "unknown"
