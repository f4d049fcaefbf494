"""The pictures, from what was measured: ratios beside their goals, and growth beside the cost model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from comparisons import Comparison, compare_case, median

COLOURS = {"peer": "#3f87c8", "floor": "#7a7a7a", "beside": "#7a7a7a", "ours": "#5a9a5a", "missed": "#c0392b"}
SERIES_COLOURS = ("#3f87c8", "#d9762f", "#5a9a5a")


def draw_ratios(results: Mapping[str, Any], path: Path) -> None:
    """Draw theirs / ours of every comparison in double precision, with quartiles and goals; nothing without any."""
    lines = [
        line
        for record in results["cases"]
        if record["dtype"] == "float64"
        for line in compare_case(record)
        if line.ratio is not None
    ]
    if lines:
        _save(ratio_figure(lines), path)


def ratio_figure(lines: Sequence[Comparison]) -> Any:
    """Return the figure: a row a comparison, a tick where its goal is."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 1.2 + 0.22 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for place, line in enumerate(lines):
        assert line.ratio is not None
        colour = COLOURS["missed" if line.met is False or line.they_win else line.role]
        axes.plot([line.ratio.low, line.ratio.high], [place, place], color=colour, linewidth=1.5)
        axes.plot([line.ratio.median], [place], "o", color=colour, markersize=4)
        if line.goal.startswith("≥"):
            axes.plot([float(line.goal.split()[1])], [place], "|", color="black", markersize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(lines)), [f"{line.case}  ·  {line.theirs}" for line in lines], fontsize=6.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlabel("their time / our time; | goal; grey: floor; red: missed, or a peer wins", fontsize=7)
    axes.grid(axis="x", linewidth=0.3)
    return figure


def draw_growth(results: Mapping[str, Any], path: Path) -> None:
    """Draw time and memory of each series beside what the cost model predicts.

    Predicted times are the planned multiplications at the speed of the series' largest case: where the measured line
    lies above, something else than multiplying takes the time. Predicted memory is the largest intermediate result of
    the plan or the answer, whichever is larger.
    """
    _save(growth_figure(results["scaling"]), path)


def growth_figure(scaling: Sequence[Mapping[str, Any]]) -> Any:
    """Return the figure: a column a series, times above memory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(scaling), 6.5), layout="constrained")
    panels = figure.subplots(2, len(scaling), squeeze=False)
    for (above, below), series in zip(panels.T, scaling, strict=False):
        for colour, (name, points) in zip(SERIES_COLOURS, by_contestant(series).items(), strict=False):
            values = [value for value, _, _ in points]
            seconds = [median(entry["seconds"]) for _, entry, _ in points]
            above.plot(values, seconds, "o-", color=colour, markersize=3, label=name)
            above.plot(values, predicted_seconds(points), "--", color=colour, linewidth=1)
            peaks = [entry["peak"] for _, entry, _ in points]
            below.plot(values, peaks, "o-", color=colour, markersize=3, label=name)
            model = [max(said["largest"], said["answer"]) for _, _, said in points]
            below.plot(values, model, "--", color=colour, linewidth=1)
            if colour == SERIES_COLOURS[0]:
                answers = [said["answer"] for _, _, said in points]
                below.plot(values, answers, ":", color="black", linewidth=1.2, label="bytes of the answer")
        for axes, label in ((above, "seconds a call"), (below, "peak bytes of a call")):
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.set_xlabel(series["axis"])
            axes.set_ylabel(label)
            axes.grid(linewidth=0.3)
            axes.legend(fontsize=6, frameon=False)
        above.set_title(f"{series['title']} (dashed: cost model)", fontsize=9)
    return figure


def by_contestant(series: Mapping[str, Any]) -> dict[str, list[tuple[int, Any, Any]]]:
    """Return the value on the axis, what was measured, and what was predicted, by contestant."""
    found: dict[str, list[tuple[int, Any, Any]]] = {}
    for value, record in zip(series["values"], series["cases"], strict=True):
        for name, entry in record["contestants"].items():
            if entry.get("seconds"):
                found.setdefault(name, []).append((value, entry, entry["predicted"]))
    return found


def predicted_seconds(points: Sequence[tuple[int, Any, Any]]) -> list[float]:
    """Return the planned multiplications in seconds, at the speed of the largest case."""
    _, entry, said = max(points, key=lambda point: point[2]["multiplications"])
    speed = median(entry["seconds"]) / max(said["multiplications"], 1)
    return [
        said["multiplications"] * speed or math.nan for _, _, said in points
    ]  # an axis of powers has no 0


def _save(figure: Any, path: Path) -> None:
    import matplotlib as mpl

    # letters, not outlines; the same numbers give the same file
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None}, facecolor="white")
