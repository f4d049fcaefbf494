"""Pictures of a sweep as SVG: which strategy is the cheapest by width and depth, and the costs by width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from backprop.families.table import CHEAPEST, Row

COLOURS = {"left": "#3f87c8", "right": "#d9762f", "left = right": "#8a93a0", "another": "#2e9e6b"}
LETTERS = {"left": "L", "right": "R", "left = right": "=", "another": "O"}
"""What stands in a cell, so that nobody has to tell colours apart."""

_LINES = {"left": "#3f87c8", "right": "#d9762f", "optimal": "#2e9e6b"}
_DASHES = {"left": "", "right": "7 3", "optimal": "2 3"}
_CELL = 24
INK = "#0b1016"


def faster(row: Row) -> int:
    """Return −1 where left multiplies less than right, 1 where right does, 0 where they are equal."""
    left, right = row["left_multiplications"], row["right_multiplications"]
    return (left > right) - (left < right)


def grids(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each grid by its title; batches of which nothing changes places are one grid.

    Examples
    --------
    >>> from backprop.families import sweep
    >>> list(grids(sweep(widths=[4, 8], depths=[2], batches=[1, 2, 5]).rows))
    ['batch 1, 2, 5 (alike)']
    """
    found: dict[tuple[str, tuple[tuple[str, int], ...]], tuple[list[str], list[Row]]] = {}
    for title, own in groups(rows).items():
        prefix, batch, number = title.rpartition("batch ")
        key = (prefix if batch else title, tuple((row["cheapest"], faster(row)) for row in own))
        found.setdefault(key, ([], own))[0].append(number if batch else "")
    return {
        f"{prefix}batch {', '.join(numbers)}{' (alike)' if len(numbers) > 1 else ''}"
        if numbers[0]
        else prefix: own
        for (prefix, _), (numbers, own) in found.items()
    }


def groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each batch, activation and derivative by its title."""
    several = [name for name in ("activation", "by", "batch") if len({row[name] for row in rows}) > 1]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        title = ", ".join(f"batch {row[name]}" if name == "batch" else str(row[name]) for name in several)
        groups.setdefault(title, []).append(row)
    return groups


def label(x: float, y: float, text: str, *, anchor: str = "middle", size: int = 11, more: str = "") -> str:
    """Return a text of a drawing, in the colour of the page."""
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" {more}'
        f'fill="currentColor">{escape(text)}</text>'
    )


def drawing(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """Return the SVG of some parts."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" width="{width:g}" '
        f'height="{height:g}" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">'
        + "".join(parts)
        + "</svg>"
    )


def key_svg() -> str:
    """Return what the colours and letters of the grids mean."""
    parts, height = _key(6.0, 4.0)
    return drawing(360, height, "Key of the grids", parts)


def _key(left: float, y: float) -> tuple[list[str], float]:
    parts = []
    for name, words in CHEAPEST.items():
        parts.append(f'<rect x="{left:g}" y="{y:g}" width="13" height="13" fill="{COLOURS[name]}"/>')
        parts.append(label(left + 19, y + 11, f"{LETTERS[name]}  {words}", anchor="start"))
        y += 17
    for words, line in (("the cheapest order changes", boundary), ("left and right change places", _swaps)):
        parts.append(f'<rect x="{left:g}" y="{y:g}" width="26" height="13" fill="{COLOURS["left"]}"/>')
        parts.append(line(f"M{left + 13:g} {y:g}v13"))
        parts.append(label(left + 33, y + 11, words, anchor="start"))
        y += 17
    return parts, y


def boundary(path: str) -> str:
    """Return the line along which the cheapest order changes."""
    halo = f'<path d="{path}" stroke="#ffffff" stroke-width="6" fill="none"/>'  # it is seen in both themes
    return halo + f'<path d="{path}" stroke="{INK}" stroke-width="3" fill="none"/>'


def _swaps(path: str) -> str:
    return f'<path d="{path}" stroke="#d6006c" stroke-width="4" stroke-dasharray="5 4" fill="none"/>'


def _crossings(cells: dict[tuple[int, int], Row], left: float, y: float) -> list[str]:
    """Return the lines between cells where the cheapest order changes, and where left and right change places."""
    found: list[str] = []
    for draw, value in ((boundary, lambda row: row["cheapest"]), (_swaps, faster)):
        parts = []
        for (across, down), row in cells.items():
            x, top = left + _CELL * across - 0.5, y + _CELL * down - 0.5
            before = cells.get((across - 1, down))
            if before is not None and value(before) != value(row):
                parts.append(f"M{x:g} {top:g}v{_CELL}")
            above = cells.get((across, down - 1))
            if above is not None and value(above) != value(row):
                parts.append(f"M{x:g} {top:g}h{_CELL}")
        found += [draw("".join(parts))] if parts else []
    return found


def grid_svg(rows: Sequence[Row], *, title: str | None = None) -> str:
    """Return grids of width × depth, one for each batch, activation and derivative that differ, below each other.

    With a title it is one grid, of rows that are one group. Lines between the cells are where something changes.
    """
    widths, depths = (sorted({row[name] for row in rows}) for name in ("width", "depth"))
    left, y = 46.0, 4.0
    parts: list[str] = []
    if title is None:
        parts, y = _key(left, 10.0)
        y += 14
    for heading, own in (grids(rows) if title is None else {title: rows}).items():
        if heading:
            parts.append(label(left, y + 11, heading, anchor="start", size=12, more='font-weight="600" '))
            y += 20
        cells = {(widths.index(row["width"]), depths.index(row["depth"])): row for row in own}
        for row in own:
            x, cell = left + _CELL * widths.index(row["width"]), y + _CELL * depths.index(row["depth"])
            name = row["cheapest"]
            tip = (
                f"width {row['width']}, depth {row['depth']}: left {row['left_multiplications']:,}, right "
                f"{row['right_multiplications']:,}, optimal {row['optimal_multiplications']:,} multiplications"
            )
            parts.append(
                f'<g><title>{tip}</title><rect x="{x:g}" y="{cell:g}" width="{_CELL - 1}" height="{_CELL - 1}" '
                f'fill="{COLOURS[name]}"/><text x="{x + _CELL / 2:g}" y="{cell + 17:g}" text-anchor="middle" '
                f'font-size="11" font-weight="600" fill="{INK}">{LETTERS[name]}</text></g>'
            )
        parts += _crossings(cells, left, y)
        for place, depth in enumerate(depths):
            parts.append(label(left - 6, y + _CELL * place + 17, str(depth), anchor="end"))
        bottom = y + _CELL * len(depths)
        for place, width in enumerate(widths):
            x = left + _CELL * (place + 0.5)
            parts.append(label(x + 4, bottom + 10, str(width), anchor="end", size=10,
                               more=f'transform="rotate(-45 {x + 4:g} {bottom + 10:g})" '))  # fmt: skip
        below = 14 + 5.5 * max(len(str(width)) for width in widths)
        parts.append(label(left, bottom + below + 8, "width →   (depth ↓)", anchor="start", size=10))
        y = bottom + below + 24
    right = max(left + _CELL * len(widths) + 12, 330.0 if title is None else 170.0)
    return drawing(right, y, "Which strategy is the cheapest, by width and depth", parts)


def lines_svg(rows: Sequence[Row]) -> str:
    """Return multiplications by width on log–log axes, for the first and the last of depths and batches."""
    drawn = []
    for title, own in groups(rows).items():
        depths = sorted({row["depth"] for row in own})
        for depth in dict.fromkeys((depths[0], depths[-1])):
            line = sorted((row for row in own if row["depth"] == depth), key=lambda row: row["width"])
            drawn.append((f"{title + ', ' if title else ''}depth {depth}", line))
    if len(drawn) > 4:
        drawn = [*drawn[:2], *drawn[-2:]]
    parts, across, high, y = [], 300.0, 170.0, 14.0
    for place, (name, colour) in enumerate(_LINES.items()):
        x = 62 + 90 * place
        parts.append(
            f'<path d="M{x} {y}h26" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{_DASHES[name]}"/>'
        )
        parts.append(label(x + 31, y + 4, name, anchor="start"))
    y += 16
    for title, line in drawn:
        parts.append(label(62, y + 12, title, anchor="start", size=12, more='font-weight="600" '))
        y += 20
        values = [max(row[f"{name}_multiplications"], 1) for row in line for name in _LINES]
        low, top = math.log10(min(values)), math.log10(max(values))
        first, last = (math.log2(line[place]["width"]) for place in (0, -1))
        base = y + high

        def at(width: int, value: int, base: float = base, low: float = low, top: float = top,
               first: float = first, last: float = last) -> tuple[float, float]:  # fmt: skip
            across_by = (math.log2(width) - first) / ((last - first) or 1)
            up_by = (math.log10(max(value, 1)) - low) / ((top - low) or 1)
            return 62 + across * across_by, base - high * up_by

        parts.append(f'<path d="M62 {y:g}v{high:g}h{across:g}" fill="none" stroke="currentColor"/>')
        for value in (min(values), max(values)):
            parts.append(label(56, at(line[0]["width"], value)[1] + 4, f"{value:.2g}", anchor="end", size=10))
        for row in (line[0], line[-1]):
            parts.append(label(at(row["width"], 1)[0], base + 13, str(row["width"]), size=10))
        parts.append(label(62 + across / 2, base + 26, "width", size=10))
        free = 0.0  # where the words before end
        for before, behind in pairwise(line):
            if faster(before) == faster(behind) and before["cheapest"] == behind["cheapest"]:
                continue
            middle = (at(before["width"], 1)[0] + at(behind["width"], 1)[0]) / 2
            swap = faster(before) != faster(behind)
            words = "left = right" if swap else "the cheapest changes"
            parts.append(
                f"<g><title>{words}, between {before['width']} and {behind['width']}</title>"
                f'<path d="M{middle:.1f} {y:g}v{high:g}" stroke="currentColor" '
                f'stroke-dasharray="{"4 3" if swap else "1 3"}"/></g>'
            )
            if middle >= free:
                parts.append(label(middle + 4, y + 9, words, anchor="start", size=9))
                free = middle + 4 + 5 * len(words)
        for name, colour in _LINES.items():
            points = " ".join(
                f"{x:.1f},{height:.1f}"
                for x, height in (at(row["width"], row[f"{name}_multiplications"]) for row in line)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5" '
                f'stroke-dasharray="{_DASHES[name]}"/>'
            )
        y = base + 36
    return drawing(390, y, "Multiplications by width, of left, right and optimal", parts)
