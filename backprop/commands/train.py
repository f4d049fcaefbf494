"""`backprop train`: gradient descent on the digits, epoch by epoch, with a state that can be continued."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from backprop.commands import option_sentence, unwritten
from backprop.commands.progress import progress
from backprop.learning.datasets import load_digits
from backprop.learning.network import MLP
from backprop.learning.state import TrainingState, load_state
from backprop.learning.training import DivergenceError, TrainingResult, fit
from backprop.report.settings import BATCH_SIZE, HELD_OUT, LOSSES, Settings, number, whole_number
from backprop.report.write import require_writable, to_json
from backprop.tables import text_table
from jacobians.layers.activations import ACTIVATIONS
from verification.commands.running import CallError


def run(
    layers: Annotated[
        str, typer.Option(metavar="SIZES", help="Sizes with commas between: 64 pixels in, 10 classes out.")
    ] = "64,32,16,10",
    activation: Annotated[
        str, typer.Option(metavar="NAME", help=f"Between the layers: {', '.join(ACTIVATIONS)}.")
    ] = "tanh",
    loss: Annotated[
        str, typer.Option(metavar="NAME", help=f"{', '.join(LOSSES)}.")
    ] = "softmax-cross-entropy",
    seed: Annotated[str, typer.Option(metavar="N", help="Of the weights and the order of the points.")] = "0",
    epochs: Annotated[
        str, typer.Option(metavar="N", help="Passes in the end, those before a resumption included.")
    ] = "10",
    learning_rate: Annotated[str, typer.Option(metavar="RATE", help="The step.")] = "0.1",
    batch_size: Annotated[str, typer.Option(metavar="N", help="Points of a step.")] = str(BATCH_SIZE),
    momentum: Annotated[
        str, typer.Option(metavar="NUMBER", help="From 0 to below 1: how much of a step the next one keeps.")
    ] = "0",
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Where the state goes, for --resume.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            show_default=False,
            help="A run to continue, with the same options but for --epochs and --learning-rate.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON alone on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> int:
    """Train a network on the UCI digits of the package, and print what each epoch brought.

    Exit status: 0 trained, 2 bad call. Example: backprop train --epochs 20 --output run.npz
    """
    try:
        settings = Settings.parse(
            layers=layers, activation=activation, loss=loss, seed=seed, epochs=epochs, learning_rate=learning_rate,
        )  # fmt: skip
        points, inertia = whole_number("batch_size", batch_size), number("momentum", momentum)
        if settings.epochs < 1:
            raise ValueError(f"epochs: found {settings.epochs}, expected at least 1; write 1, say")
    except ValueError as error:
        raise CallError(option_sentence(str(error))) from None
    state = None if resume is None else _state(resume)
    if output is not None:
        _require_place(output)
    with progress(quiet=quiet or as_json) as tick:
        try:
            result = _train(settings, points, inertia, state, tick)
        except DivergenceError as error:
            raise CallError(
                f"--learning-rate: found {learning_rate}, expected a step with which training does not diverge "
                f"({str(error).split(';')[0]}); choose a smaller one"
            ) from None
        except ValueError as error:
            raise CallError(option_sentence(str(error))) from None
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            result.save(output)
        except OSError as error:
            raise CallError(f"--output: {unwritten(error, output)}") from None
    if as_json:
        typer.echo(to_json(to_dict(settings, result, output), ascii_only=True), nl=False)
    elif not quiet:
        _show(result, output)
    return 0


def _state(path: Path) -> TrainingState:
    try:
        return load_state(path)
    except ValueError as error:
        raise CallError(f"--resume: {error}") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise CallError(
            f"--resume: found no file {path} that can be read ({reason}), expected one that --output wrote"
        ) from None


def _require_place(output: Path) -> None:
    """Refuse a place for the state before the work, not after it."""
    if output.suffix != ".npz":
        raise CallError(f"--output: found {output.name!r}, expected a name that ends in .npz")
    try:
        require_writable(output.parent, (output.name,))
    except OSError as error:
        raise CallError(f"--output: {unwritten(error, output)}") from None


def _train(
    settings: Settings, batch_size: int, momentum: float, state: TrainingState | None, tick: Any
) -> TrainingResult:
    digits = load_digits()
    images, labels = digits.scaled, digits.labels
    network = MLP.initialize(
        settings.layers, activation=settings.activation, loss=settings.loss, seed=settings.seed
    )
    return fit(
        network,
        images[:-HELD_OUT],
        labels[:-HELD_OUT],
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        batch_size=batch_size,
        momentum=momentum,
        seed=settings.seed,
        validation=(images[-HELD_OUT:], labels[-HELD_OUT:]),
        progress=lambda epoch: tick("training", epoch.number, settings.epochs),
        resume=state,
    )


def to_dict(settings: Settings, result: TrainingResult, output: Path | None) -> dict[str, Any]:
    """Return a run as plain data for JSON; epoch 0 is before the first step."""
    used = result.state.settings
    return {
        "schema": "explicit-jacobians/training",
        "schema_version": 1,
        "network": {"title": repr(result.network), "parameters": result.network.parameter_count},
        "settings": {
            "layers": list(settings.layers),
            "activation": settings.activation,
            "loss": settings.loss,
            "seed": settings.seed,
            "epochs": settings.epochs,
            "learning_rate": used.learning_rate,
            "batch_size": used.batch_size,
            "momentum": used.momentum,
        },
        "history": [
            {
                "epoch": epoch.number,
                "loss": epoch.loss,
                "accuracy": epoch.accuracy,
                "held_out_loss": epoch.validation_loss,
                "held_out_accuracy": epoch.validation_accuracy,
            }
            for epoch in result.history
        ],
        "output": None if output is None else str(output),
    }


def _show(result: TrainingResult, output: Path | None) -> None:
    """Print the table of epochs."""
    rows = []
    for epoch in result.history:
        shares = (epoch.accuracy, epoch.validation_accuracy)
        shown = ["–" if share is None else f"{100 * share:.1f} %" for share in shares]
        rows.append([str(epoch.number), f"{epoch.loss:.4f}", *shown])
    header = ["epoch", "loss", "accuracy", "held-out accuracy"]
    typer.echo(f"Training: {result.network!r}\n\n{text_table(header, rows, numeric=(0, 1, 2, 3))}\n")
    if output is not None:
        typer.echo(f"written: {output}")
