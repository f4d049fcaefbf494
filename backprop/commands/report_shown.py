"""What `backprop report` prints: a short table a model, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Console

from backprop.network_graph import NetworkGraph
from backprop.plan import MODES
from backprop.report.result import Report, Verdict
from backprop.tables import text_table
from jacobians.names import printable

_COLOURS = {"right": "green", "wrong": "red", "undecided": "yellow"}


def show(report: Report) -> None:
    """Print the short table, and what is not right."""
    meet = any(isinstance(own.comparison.chain, NetworkGraph) for own in report.derivatives)
    found = [
        {
            MODES.get(item.strategy, item.strategy) if meet else item.strategy: item
            for item in own.comparison.alternatives
        }
        for own in report.derivatives
    ]
    orders = list(dict.fromkeys(name for items in found for name in items))
    rows = []
    for own, items in zip(report.derivatives, found, strict=True):
        worst = f"{max(item.ratio for item in items.values()):.3g}×"
        counts = [f"{items[name].multiplications:,}" if name in items else "–" for name in orders]
        rows.append([own.title, str(own.points), *counts, worst, own.verdict])
    header = ["derivative", "points", *orders, "ratio", "verdict"]
    console = Console(highlight=False)
    typer.echo(f"Multiplications: {printable(report.title)}\n")
    typer.echo(text_table(header, rows, numeric=range(1, len(orders) + 3), width=console.width) + "\n")
    right = sum(layer.check.passed for layer in report.checked)
    counted = sum(own.counted for own in report.derivatives)
    console.print(
        f"{right} of {len(report.checked)} Jacobians of layers are right; the counted cost equals the predicted "
        f"cost in {counted} of {len(report.derivatives)} comparisons.",
        markup=False,
    )
    for layer in report.checked:
        if not layer.check.passed:
            console.print(f"{layer.title}: {layer.check.verdict}: {layer.check.reason}", markup=False)
    for own in report.derivatives:
        if own.verdict != "right":
            reason = own.check.reason if own.check.verdict == own.verdict else "its products or costs differ"
            console.print(f"{own.title}, {own.points} points: {own.verdict}: {reason}", markup=False)


def show_end(verdict: Verdict, paths: Sequence[Path]) -> None:
    """Print the verdict about all of it, and what was written."""
    console = Console(highlight=False)
    console.print(f"verdict: [bold {_COLOURS[verdict]}]{verdict}[/]")
    console.print(f"written: {', '.join(str(path) for path in paths)}", markup=False, soft_wrap=True)
