"""Pictures of a check as SVG: the errors of finite differences by their step, and where a candidate is wrong.

They follow the colours of the page, light or dark. matplotlib, of the extra ``report``, is imported only to draw.
"""

from __future__ import annotations

import io
import math
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_integer, checked_list, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.picture import PAGE_STYLE, Picture
from verification.optional_packages import require_extras
from verification.witnesses.step_errors import StepErrors, step_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MOST_PIXELS = (256, 512)
"""Rows and columns of the largest error map; entries that share a pixel show their largest error."""
SMALLEST_SHOWN = 1e-16  # relative errors below are rounding

COLOURS = {"forward": "#d9762f", "central": "#3f87c8"}
ZERO_COLOUR = "#8080803a"
_INK = "#010203"  # stands for the colour of the page's text until the picture is written
_RC = {
    "svg.fonttype": "none",  # letters, not outlines: small, and set in the reader's font
    "svg.hashsalt": "explicit-jacobians",  # the same picture gives the same text
    "font.size": 10.0,
    "font.family": "sans-serif",
    "text.color": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


# --- the errors of finite differences by their step ------------------------------------------------------


@without_float_errors
def step_curve(f: Any, x: Any, wrt: str = INPUT, *, jacobian: Any = None) -> Picture:
    """Return the picture of the errors of finite differences by their step, on log–log axes.

    Each curve is a V: towards large steps the truncation, of order h (forward) or h² (central), towards small ones
    the rounding, of order 1/h. A ring marks the step that is taken by default. The parameters and errors are those
    of :func:`step_errors`.

    Raises
    ------
    ImportError
        If matplotlib is missing: it comes with the extra ``report``.

    Examples
    --------
    >>> step_curve(np.exp, 1.0).svg[:4]
    '<svg'
    """
    require_extras("report", "matplotlib")
    return _draw_curve(step_errors(f, x, wrt, jacobian=jacobian))


def _draw_curve(errors: StepErrors) -> Picture:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    with style():
        figure = Figure(figsize=(5.6, 3.5))
        axes = figure.add_axes(box(figure, 0.75, 0.75, 4.65, 2.4))
        axes.set_xscale("log")
        axes.set_yscale("log")
        for method, order, slope in (("forward", 1, "h"), ("central", 2, "h²")):
            values = getattr(errors, method)
            shown = np.where(np.isfinite(values), np.maximum(values, SMALLEST_SHOWN), np.nan)
            colour = COLOURS[method]
            axes.plot(errors.steps, shown, "-", color=colour, lw=1.5, label=f"{method}: truncation ~ {slope}")
            default = errors.defaults[method]
            place = int(np.argmin(np.abs(np.log(errors.steps / default))))
            axes.plot([default], shown[[place]], "o", ms=9, mfc="none", mec=colour, mew=1.8)
            # guides begin well inside of each branch, where one of the two errors is all there is
            _guide(axes, errors.steps, shown, place - 3, order, colour)
        ends = [np.flatnonzero(np.isfinite(errors.forward))[-1]] if np.isfinite(errors.forward).any() else []
        for last in ends:
            height = max(float(np.nanmax(errors.forward[last - 3 : last + 1])), SMALLEST_SHOWN)
            h = errors.steps[last]
            far = float(np.sqrt(errors.steps[-1] * errors.defaults["forward"]))
            axes.plot([h, far], [height * 3, height * 3 * h / far], ":", color=_INK, lw=1)
            axes.annotate(
                "rounding ~ 1/h", (far, height * 3 * h / far), xytext=(3, 3), textcoords="offset points", fontsize=8
            )  # fmt: skip
        if errors.resolution > SMALLEST_SHOWN:
            axes.axhspan(SMALLEST_SHOWN / 10, errors.resolution, color=ZERO_COLOUR, lw=0)
        finite = np.concatenate([errors.forward, errors.central])
        finite = np.maximum(finite[np.isfinite(finite)], SMALLEST_SHOWN)
        if finite.size:
            axes.set_ylim(finite.min() / 5, finite.max() * 20)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(numticks=9))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(power_text)
        axes.set_xlabel("step h, relative to max(1, |x|)")
        axes.set_ylabel("largest relative error")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper left", ncols=2, bbox_to_anchor=(0.1, 1.0), fontsize=9)
        figure.text(0.02, 0.03, f"ring: the default step; errors against {errors.reference}", fontsize=8)
        return Picture(svg_of(figure))


def _guide(axes: Axes, steps: Array, shown: Array, first: int, order: int, colour: str) -> None:
    """Draw the slope of the truncation below the branch of large steps, from steps[first] on."""
    middle = (first + 1) // 2
    if first > 1 and np.isfinite(shown[middle]):
        ends = steps[[1, first]]
        axes.plot(ends, shown[middle] / 6 * (ends / steps[middle]) ** order, ":", color=colour, lw=1)


# --- where a candidate is wrong --------------------------------------------------------------------------


@without_float_errors
def error_map(candidate: Any, expected: Any, *, worst: tuple[int, int] | None = None) -> Picture:
    """Return the heat map of the errors of a candidate: |candidate − expected| by the largest expected entry.

    Rows are outputs i, columns inputs j, counted from 0 as in reports; the colours are logarithmic, an entry that is
    equal to the last bit is grey. A ring marks the worst entry, whose two values stand below. Of a large matrix,
    entries that share a pixel show their largest error.

    Parameters
    ----------
    candidate, expected : array_like, shape (m, n)
        Jacobians in numerator layout, row-major vec.
    worst : tuple of int, optional
        (i, j) of the entry to mark; by default that of the largest error.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or is no matrix of the other's shape.
    ImportError
        If matplotlib is missing: it comes with the extra ``report``.

    Examples
    --------
    >>> "worst [0, 1]: found 3, expected 2" in error_map([[1.0, 3.0]], [[1.0, 2.0]]).svg
    True
    """
    found, right = real_array(candidate, "candidate"), real_array(expected, "expected")
    if right.ndim != 2 or found.shape != right.shape:
        raise ValueError(
            f"candidate, expected: found the shapes {found.shape} and {right.shape}, expected two equal shapes (m, n)"
        )
    require_extras("report", "matplotlib")
    with np.errstate(all="ignore"):
        found, right = found.astype(np.float64), right.astype(np.float64)
        errors = np.abs(found - right)
        scale = np.abs(right).max(initial=0, where=np.isfinite(right)) or errors.max(
            initial=0, where=np.isfinite(errors)
        )
        errors = np.where(np.isfinite(errors), errors / (scale or 1.0), np.inf)
    if worst is None:
        i, j = (int(k) for k in np.unravel_index(int(np.argmax(errors)), errors.shape))
    else:
        place = checked_list(worst, "worst", "a row and a column")
        if len(place) != 2:
            raise ValueError(f"worst: found {shown(worst)}, expected a row and a column")
        i, j = (
            checked_integer(k, "worst", least=0, most=n - 1) for k, n in zip(place, errors.shape, strict=True)
        )
    return _draw_map(errors, (i, j), float(found[i, j]), float(right[i, j]))


def _draw_map(errors: Array, worst: tuple[int, int], found: float, expected: float) -> Picture:
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    m, n = errors.shape
    pixels = _pooled(errors)
    finite = pixels[np.isfinite(pixels) & (pixels > 0)]
    top = max(float(finite.max()) if finite.size else 1.0, 1e-15)
    low = max(float(finite.min()) if finite.size else 1.0, SMALLEST_SHOWN)
    low = min(low, top / 10)
    width, height = 3.6, float(np.clip(3.4 * m / n, min(1.2, 0.22 + 0.06 * m), 2.6))
    with style():
        figure = Figure(figsize=(width + 1.15, height + 1.0))
        axes = figure.add_axes(box(figure, 0.55, 0.7, width - 0.55, height))
        shown = np.ma.masked_where(pixels == 0, np.clip(pixels, low, top))
        image = axes.imshow(
            shown, cmap=_colours(), norm=LogNorm(low, top), aspect="auto", interpolation="nearest",
            extent=(-0.5, n - 0.5, m - 0.5, -0.5),
        )  # fmt: skip
        axes.set_facecolor(ZERO_COLOUR)
        i, j = worst
        ring = axes.plot([j], [i], "o", ms=11, mfc="none", mec=_INK, mew=2.0, clip_on=False)
        ring[0].set_gid("worst")
        axes.set_xticks(sorted({0, n - 1}))
        axes.set_yticks(sorted({0, m - 1}))
        axes.set_xlabel("inputs j", labelpad=-8 if n > 1 else None)
        axes.set_ylabel("outputs i" if height > 1.05 else "i", labelpad=-8 if m > 1 else None)
        bar = figure.colorbar(image, cax=figure.add_axes(box(figure, width + 0.12, 0.7, 0.1, height)))
        bar.locator = LogLocator(numticks=5 if height > 1 else 3)
        bar.update_ticks()
        bar.ax.yaxis.set_major_formatter(power_text)
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.outline.set_visible(False)
        figure.text(
            0.02, 0.1 / (height + 1.0), f"worst [{i}, {j}]: found {found:.6g}, expected {expected:.6g}", fontsize=9
        )  # fmt: skip
        figure.text(0.98, 1 - 0.13 / (height + 1.0), "relative error", ha="right", fontsize=8)
        return Picture(svg_of(figure))


def _pooled(errors: Array) -> Array:
    """Return the largest error of the entries that share a pixel."""
    for axis, most in enumerate(MOST_PIXELS):
        together = -(-errors.shape[axis] // most)
        starts = np.arange(0, errors.shape[axis], together)
        errors = np.maximum.reduceat(errors, starts, axis=axis)
    return errors


def _colours() -> Colormap:
    """Return blue, orange, red of a middling brightness: they are seen on a light and on a dark page."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("errors", ["#6f9fd0", "#e0a030", "#d1303a"])


# --- from figures to texts -------------------------------------------------------------------------------


def matplotlib_is_there() -> bool:
    """Say whether pictures can be drawn, without importing anything."""
    return find_spec("matplotlib") is not None


def style() -> Any:
    """Return the context in which figures are made."""
    import matplotlib as mpl

    return mpl.rc_context(_RC)  # type: ignore[arg-type]  # the stubs list keys as literals


def svg_of(figure: Figure) -> str:
    """Return a figure as SVG text in the colours of the page, the same text for the same figure."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r"(<svg[^>]*>)", rf"\1{PAGE_STYLE}", svg, count=1)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_text(value: float, place: object = None) -> str:
    """Return the label of a tick of a logarithmic axis, for ``axis.set_major_formatter``.

    Matplotlib's own labels are formulas, which it takes a hundred times as long to read.

    Examples
    --------
    >>> power_text(1e-12), power_text(0.0), power_text(1.0), power_text(-100.0)
    ('10⁻¹²', '0', '1', '−10²')
    """
    if value == 0:
        return "0"
    sign, exponent = "−" if value < 0 else "", round(math.log10(abs(value)))
    return f"{sign}1" if exponent == 0 else f"{sign}10{str(exponent).translate(_RAISED)}"


def box(
    figure: Figure, left: float, bottom: float, width: float, height: float
) -> tuple[float, float, float, float]:
    """Return a place in inches as fractions of the figure, for ``figure.add_axes``."""
    whole_width, whole_height = figure.get_size_inches()
    return left / whole_width, bottom / whole_height, width / whole_width, height / whole_height
