"""Graphs drawn as SVG in columns, without any library: edges coloured by structure, vertices numbered by a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from jacobians.planning.layers import Layout, layout
from jacobians.spec import Spec, owner
from jacobians.structures.stored import apply_cost

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph, Vertex

_LETTER, _SMALL = 6.8, 5.8  # the width of a letter, in pixels, of names and of what stands below them
_LONGEST = 18  # letters
_HIGH, _BOX, _GAP, _EDGE = 74, 34, 56, 24
MOST_DRAWN = 400
"""Vertices; larger graphs are only named."""


def graph_svg(graph: Graph, notes: Mapping[int, tuple[int, str]] | None = None) -> str:
    """Return a graph as SVG: inputs at the left, a column for each length of the longest path from there.

    Parameters
    ----------
    graph : Graph
    notes : mapping of int to (int, str), optional
        By vertex: its number in the order of elimination, and what that costs.

    Notes
    -----
    Graphs of more than 400 vertices are only named.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> svg = graph_svg(Graph.from_edges(["<x>"], ["<x>", "y"], ["y"], [("<x>", "y", 1)]))
    >>> svg.startswith("<svg"), "&lt;x&gt;" in svg, "Identity" in svg
    (True, True, True)
    """
    if len(graph.vertices) > MOST_DRAWN:
        text = f"{graph!r}: more than {MOST_DRAWN} vertices are not drawn"
        return _svg(20 + _SMALL * len(text), 40, [_text(10, 25, text, "start")])
    notes = notes or {}
    found = layout(len(graph.vertices), graph.inputs, [(edge.source, edge.target) for edge in graph.edges])
    x, width = _columns(graph, found, notes)
    y = {vertex: _EDGE + 18 + height * _HIGH for vertex, height in found.heights.items()}
    high = max(y.values(), default=0) + _BOX + 26
    kinds = sorted({(edge.spec.structure, *_line(edge.spec)) for edge in graph.edges})
    legend, wide, end = _legend(kinds, bool(notes), high, max(width, 420))
    parts = [*_edges(graph, found, x, y), *_vertices(graph, x, y, notes), *legend]
    return _svg(max(width, wide), end, parts)


def _columns(
    graph: Graph, found: Layout, notes: Mapping[int, tuple[int, str]]
) -> tuple[dict[int, float], float]:
    """Return the middle of each vertex and bend, and the width of all."""
    middle: dict[int, float] = {}
    left = float(_EDGE)
    for column in found.columns:
        own = [vertex for vertex in column if vertex < len(graph.vertices)]
        boxes = [_width(graph.vertices[vertex]) for vertex in own]
        costs = [_SMALL * len(notes[vertex][1]) for vertex in own if vertex in notes]
        wide = max([*boxes, *costs], default=10.0)
        middle |= dict.fromkeys(column, left + wide / 2)
        left += wide + _GAP
    return middle, left - _GAP + _EDGE


def _width(vertex: Vertex) -> float:
    return max(40.0, _LETTER * len(_short(vertex.name)) + 14, _SMALL * len(_below(vertex)) + 14)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _below(vertex: Vertex) -> str:
    """Return operation and shape, as they stand below the name."""
    operation = vertex.operation.removeprefix("numpy.").removeprefix("scipy.special.")
    shape = "×".join(map(str, vertex.shape)) or "1"
    return _short(f"{operation} {shape}".strip())


def _line(spec: Spec) -> tuple[str, str]:
    """Return the colour of an edge, and dashes for one that multiplies nothing."""
    dashes = "" if apply_cost(spec, 1, ()).multiplications else ' stroke-dasharray="5 3"'
    return escape(owner(spec.structure)._colour), dashes


def _edges(graph: Graph, found: Layout, x: Mapping[int, float], y: Mapping[int, float]) -> list[str]:
    parts = []
    seen: dict[tuple[int, int], int] = {}
    for edge in graph.edges:
        ends = edge.source, edge.target
        beside = 7.0 * seen.get(ends, 0)  # parallel edges
        seen[ends] = seen.get(ends, 0) + 1
        starts = x[edge.source] + _width(graph.vertices[edge.source]) / 2, y[edge.source] + beside
        stops = x[edge.target] - _width(graph.vertices[edge.target]) / 2 - 5, y[edge.target] + beside
        points = [starts, *((x[bend], y[bend] + beside) for bend in found.ways[ends]), stops]
        way = f"M{starts[0]:.1f} {starts[1]:.1f}"
        for (a, b), (c, d) in pairwise(points):
            half = (a + c) / 2
            way += f" C{half:.1f} {b:.1f} {half:.1f} {d:.1f} {c:.1f} {d:.1f}"
        colour, dashes = _line(edge.spec)
        tip = f"M{stops[0] + 5:.1f} {stops[1]:.1f} l-7 -3.5 v7 z"
        parts.append(
            f'<g><path d="{way}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>'
            f'<path d="{tip}" fill="{colour}"/><title>{escape(edge.spec.label)}</title></g>'
        )
    return parts


def _vertices(
    graph: Graph,
    x: Mapping[int, float],
    y: Mapping[int, float],
    notes: Mapping[int, tuple[int, str]],
) -> list[str]:
    parts = []
    for place, vertex in enumerate(graph.vertices):
        wide, u, v = _width(vertex), x[place], y[place]
        fill = "#fff3c4" if place in graph.inputs else "#dff2df" if place in graph.outputs else "#ffffff"
        title = " ".join(
            part for part in (vertex.name, str(vertex.shape), vertex.operation, vertex.line) if part
        )
        parts.append(
            f'<g><rect x="{u - wide / 2:.1f}" y="{v - _BOX / 2:.1f}" width="{wide:.1f}" height="{_BOX}" rx="6" '
            f'fill="{fill}" stroke="#444444"/>{_text(u, v - 2, _short(vertex.name))}'
            f"{_text(u, v + 11, _below(vertex), size=9.5, colour='#555555')}<title>{escape(title)}</title></g>"
        )
        if place in notes:
            number, cost = notes[place]
            parts.append(_badge(u - wide / 2, v - _BOX / 2, str(number)))
            parts.append(_text(u, v + _BOX / 2 + 12, cost, size=9.5, colour="#7a1f1f"))
    return parts


def _badge(u: float, v: float, number: str) -> str:
    wide = 14 + 6 * (len(number) - 1)
    return (
        f'<rect x="{u - wide / 2:.1f}" y="{v - 7:.1f}" width="{wide}" height="14" rx="7" fill="#333333"/>'
        f"{_text(u, v + 3.5, number, size=9.5, colour='#ffffff')}"
    )


def _legend(
    kinds: Sequence[tuple[str, str, str]], planned: bool, top: float, width: float
) -> tuple[list[str], float, float]:
    """Return the lines that explain colours and numbers, and where they end."""
    entries: list[tuple[str, str]] = []
    for kind, colour, dashes in kinds:
        entries.append(
            (f'<line x1="0" y1="0" x2="22" y2="0" stroke="{colour}" stroke-width="2.4"{dashes}/>', kind)
        )
    for fill, name in (("#fff3c4", "input"), ("#dff2df", "output")):
        entries.append(
            (f'<rect x="3" y="-6" width="16" height="12" rx="3" fill="{fill}" stroke="#444444"/>', name)
        )
    if planned:
        entries.append((_badge(11, 0, "1"), "place in the order, multiplications + additions below"))
    parts = []
    left, line, most = float(_EDGE), top, 0.0
    for drawn, name in entries:
        wide = 28 + _SMALL * len(name) + 16
        if left + wide > width and left > _EDGE:
            left, line = float(_EDGE), line + 20
        parts.append(
            f'<g transform="translate({left:.1f} {line:.1f})">{drawn}{_text(28, 4, name, "start")}</g>'
        )
        left += wide
        most = max(most, left)
    return parts, most, line + 20


def _text(
    x: float, y: float, text: str, anchor: str = "middle", size: float = 11, colour: str = "#111111"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>'
    )
