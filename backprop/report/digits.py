"""The report on a network that learns the digits: what `backprop report` makes when no network is given."""

from __future__ import annotations

from dataclasses import replace

from backprop.learning.datasets import load_digits
from backprop.learning.network import MLP
from backprop.learning.state import Epoch
from backprop.learning.training import fit
from backprop.report.collect import Points, Tick, checked_tick, collect_network
from backprop.report.result import Report, Training
from backprop.report.settings import BATCH_SIZE, HELD_OUT, Settings
from jacobians.numerics.arguments import checked_instance


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
    checked_instance(settings, "settings", Settings)
    tick = checked_tick(tick)
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
    output = "logits" if settings.loss == "softmax-cross-entropy" else "output"
    asked = settings.asked
    if not asked.points:
        asked = replace(asked, points=tuple(dict.fromkeys((1, settings.batch))))

    def several(count: int) -> Points:
        chosen = slice(index, index + count)
        whole = network.loss_function(labels[chosen], batched=True)
        return Points(images[chosen], whole, [network.loss_function(one) for one in labels[chosen]])

    report = collect_network(
        network, x, network.loss_function(label), seed=settings.seed, output=output, asked=asked, several=several,
        tick=tick,
    )  # fmt: skip
    training = Training(
        settings, digits, history, network.accuracy(images[held], labels[held]),
        index, label, int(network.predict(x)),
    )  # fmt: skip
    return replace(report, training=training)
