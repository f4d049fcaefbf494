"""Pictures as SVG texts, drawn by matplotlib: they stand inside the page and follow its colours, light or dark."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backprop.report.tree_picture import COLOURS
from jacobians import Jacobian, Spec
from jacobians.numerics.arrays import Array
from jacobians.planning.trees import Tree
from verification.pictures import ZERO_COLOUR, box, power_text, style, svg_of

if TYPE_CHECKING:
    from matplotlib.colors import Colormap


MOST_PIXELS = (256, 512)
"""Rows and columns of the largest picture of a Jacobian."""

LARGEST_EXPANDED = 2**22
"""Entries of a Jacobian of which a picture may be made from the dense form."""


# --- one Jacobian ----------------------------------------------------------------------------------------


def bounded_entries(jacobian: Jacobian, most: tuple[int, int] = MOST_PIXELS) -> Array:
    """Return a Jacobian's entries in at most so many rows and columns; a large one is never expanded.

    Parameters
    ----------
    jacobian : Jacobian
        Of one point: without batch axes.
    most : tuple of int
        Rows and columns of the answer, at most. Of more rows, evenly spaced ones are taken; of neighbouring
        columns that share a pixel, the entry of largest magnitude.

    Returns
    -------
    numpy.ndarray, shape (rows, columns)

    Raises
    ------
    ValueError
        If the Jacobian has batch axes.

    Examples
    --------
    >>> from jacobians.structures import Diagonal
    >>> bounded_entries(Diagonal([1.0, -2.0, 3.0, 4.0]), (4, 2))
    array([[ 1.,  0.],
           [-2.,  0.],
           [ 0.,  3.],
           [ 0.,  4.]])
    """
    if jacobian.batch_shape:
        raise ValueError(f"jacobian: found batch axes {jacobian.batch_shape}, expected one point; take one")
    m, n = jacobian.shape
    chosen = np.unique(np.linspace(0, m - 1, min(m, most[0])).round().astype(int))
    width = -(-n // most[1])  # columns that share a pixel
    together = max(1, 2**22 // max(m, n))
    small = jacobian.spec.dense_storage <= LARGEST_EXPANDED
    dense = jacobian.dense() if small else None
    pixels = []
    for first in range(0, len(chosen), together):
        rows = chosen[first : first + together]
        entries = _rows(jacobian, rows) if dense is None else dense[rows]
        padded = np.pad(entries, ((0, 0), (0, -n % width)))
        shared = padded.reshape(len(rows), -1, width)
        largest = np.abs(shared).argmax(axis=-1)[..., None]
        pixels.append(np.take_along_axis(shared, largest, axis=-1)[..., 0])
    return np.concatenate(pixels)


def _rows(jacobian: Jacobian, rows: Array) -> Array:
    """Return rows of a Jacobian without expanding it; one that is not finite spreads over its row."""
    unit = np.zeros((len(rows), jacobian.shape[0]))
    unit[np.arange(len(rows)), rows] = 1.0
    with np.errstate(invalid="ignore"):
        return jacobian.rmatvec(unit)


def draw_jacobian(jacobian: Jacobian) -> str:
    """Return a heat map of a Jacobian's values as SVG, counted from 0; entries that are exactly 0 are grey.

    Raises
    ------
    ValueError
        If the Jacobian has batch axes.
    """
    from matplotlib.figure import Figure

    entries = bounded_entries(jacobian)
    m, n = jacobian.shape
    finite = np.abs(entries[np.isfinite(entries)])
    bound = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    width = 3.3
    # wide ones are stretched, so that their rows can be told apart
    height = float(np.clip(2.4 * m / n, min(1.2, 0.22 + 0.035 * m), 2.4))
    with style():
        figure = Figure(figsize=(width + 0.9, height + 0.75))
        axes = figure.add_axes(box(figure, 0.55, 0.5, width - 0.55, height))
        shown = np.ma.masked_where(entries == 0, entries)
        picture = axes.imshow(
            shown, cmap=_colours(), vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest",
            extent=(-0.5, n - 0.5, m - 0.5, -0.5),
        )  # fmt: skip
        axes.set_facecolor(ZERO_COLOUR)
        axes.set_xticks(sorted({0, n - 1}))
        axes.set_yticks(sorted({0, m - 1}))
        axes.set_xlabel("inputs j", labelpad=-8 if n > 1 else None)
        along = height > 1.05  # on its side an i alone can't be read
        axes.set_ylabel(
            "outputs i" if along else "i",
            rotation=90 if along else 0,
            labelpad=-8 if m > 1 else None,
            va="center",
        )
        bar = figure.colorbar(picture, cax=figure.add_axes(box(figure, width + 0.12, 0.5, 0.1, height)))
        bar.set_ticks([-bound, 0.0, bound] if height > 0.6 else [-bound, bound])
        bar.ax.set_yticklabels([_short(float(tick)) for tick in bar.get_ticks()])
        bar.outline.set_visible(False)
        return svg_of(figure)


def draw_digit(pixels: Array) -> str:
    """Return the picture of a digit as SVG.

    Parameters
    ----------
    pixels : array_like, shape (64,)
        From 0, paper, to 1, ink.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(1.6, 1.6))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.imshow(np.reshape(pixels, (8, 8)), cmap="gray_r", vmin=0, vmax=1)
        axes.set_axis_off()
        return svg_of(figure)


# --- costs, bracketings, training ------------------------------------------------------------------------


def draw_costs(costs: Mapping[str, Mapping[str, int]]) -> str:
    """Return a bar chart of multiplications as SVG, on a logarithmic scale that begins with 0.

    Parameters
    ----------
    costs : mapping
        For each derivative by its title, the multiplications by strategy.

    Raises
    ------
    ValueError
        If there is no derivative.
    """
    from matplotlib.figure import Figure

    if not costs:
        raise ValueError("costs: found none, expected at least one derivative")
    strategies = list(dict.fromkeys(strategy for own in costs.values() for strategy in own))
    largest = max(max(own.values()) for own in costs.values())
    with style():
        left = max(1.15, 0.085 * max(map(len, costs)))  # inches for the longest title
        figure = Figure(figsize=(left + 3.85, 0.9 + 0.56 * len(costs)))
        axes = figure.add_axes(box(figure, left, 0.5, 3.15, 0.56 * len(costs)))
        thick = 0.81 / len(strategies)
        for place, strategy in enumerate(strategies):
            beside = (place - (len(strategies) - 1) / 2) * thick
            heights = [title_place + beside for title_place in range(len(costs))]
            # beyond 2⁵³ the length of a bar is rounded, its label is not
            lengths = [float(own.get(strategy, 0)) for own in costs.values()]
            axes.barh(heights, lengths, height=thick - 0.02, color=COLOURS[strategy], label=strategy)
            for height, own in zip(heights, costs.values(), strict=True):
                if strategy not in own:
                    continue
                axes.annotate(
                    f"{own[strategy]:,}", (max(float(own[strategy]), 0.0), height),
                    xytext=(3, 0), textcoords="offset points", va="center", fontsize=8,
                )  # fmt: skip
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.4)
        axes.xaxis.set_major_formatter(power_text)
        axes.set_xlim(0, max(10.0, float(largest)) * 1.6)
        axes.set_ylim(len(costs) - 0.45, -0.55)
        # a dollar would begin mathematics
        axes.set_yticks(range(len(costs)), [title.replace("$", r"\$") for title in costs])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("multiplications, predicted and counted")
        figure.legend(
            *axes.get_legend_handles_labels(),
            loc="upper left",
            ncols=3,
            bbox_to_anchor=(0.9 * left / (left + 3.85), 1.0),
        )
        return svg_of(figure)


def draw_training(losses: Sequence[float]) -> str:
    """Return the training curve as SVG.

    Parameters
    ----------
    losses : sequence of float
        The mean loss before the first and after each epoch.

    Raises
    ------
    ValueError
        If there is no loss.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not losses:
        raise ValueError("losses: found none, expected at least one epoch")
    with style():
        figure = Figure(figsize=(4.6, 2.4))
        axes = figure.add_axes(box(figure, 0.65, 0.5, 3.75, 1.75))
        axes.plot(range(len(losses)), losses, "o-", color=COLOURS["left"], ms=4)
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean loss")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return svg_of(figure)


# --- from figures to texts -------------------------------------------------------------------------------


def data_uri(svg: str) -> str:
    """Return an SVG text as the address of an image that needs no file.

    Examples
    --------
    >>> data_uri("<svg/>")
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")


def tree_text(tree: Tree, names: Sequence[str], specs: Sequence[Spec]) -> str:
    """Return a bracketing as lines of text, the last product first.

    Examples
    --------
    >>> print(tree_text(((0, 1), 2), "ABC", [Spec.dense(1, 2), Spec.dense(2, 3), Spec.diagonal(3)]))
    ·
    ├─ ·
    │  ├─ A  Dense 1×2
    │  └─ B  Dense 2×3
    └─ C  Diagonal 3×3
    """
    lines: list[str] = []

    def visit(part: Tree, lead: str, below: str) -> None:
        if isinstance(part, int):
            lines.append(f"{lead}{names[part]}  {specs[part].label}")
            return
        lines.append(f"{lead}·")
        visit(part[0], f"{below}├─ ", f"{below}│  ")
        visit(part[1], f"{below}└─ ", f"{below}   ")

    visit(tree, "", "")
    return "\n".join(lines)


def _colours() -> Colormap:
    """Return blue, white, red without the darkest ends, which vanish on a dark page."""
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", mpl.colormaps["RdBu_r"](np.linspace(0.1, 0.9, 129)))


def _short(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}"
