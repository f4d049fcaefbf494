"""Graphs drawn as SVG in layers, without any library: edges coloured by structure, vertices numbered by a plan."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

_COLOURS = {
    "Identity": "#2a9d8f", "Diagonal": "#3a86c8", "Dense": "#c1440e", "Kronecker": "#8338ec",
    "DiagonalPlusLowRank": "#b5179e", "Selection": "#6a994e", "Scatter": "#6a994e", "Zero": "#bbbbbb",
}  # fmt: skip
_OTHER = "#555555"
_WIDE, _HIGH, _RADIUS = 110, 56, 13


def graph_svg(graph: Graph, notes: Mapping[int, str] | None = None) -> str:
    """Return a graph as SVG: inputs at the left, a layer for each length of the longest path from there.

    Parameters
    ----------
    graph : Graph
    notes : mapping of int to str, optional
        What stands below a vertex: the place in the order and the cost of its elimination.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> svg = graph_svg(Graph.from_edges(["<x>"], ["<x>", "y"], ["y"], [("<x>", "y", 1)]))
    >>> svg.startswith("<svg"), "&lt;x&gt;" in svg, "#2a9d8f" in svg
    (True, True, True)
    """
    notes = notes or {}
    layer = [0] * len(graph.vertices)
    for edge in sorted(graph.edges, key=lambda edge: edge.source):
        layer[edge.target] = max(layer[edge.target], layer[edge.source] + 1)
    filled: dict[int, int] = {}
    where = []
    for column in layer:
        row = filled.get(column, 0)
        filled[column] = row + 1
        where.append((40 + column * _WIDE, 30 + row * _HIGH + (column % 2) * _HIGH // 3))
    width = 80 + max(layer, default=0) * _WIDE
    height = 60 + max(filled.values(), default=1) * _HIGH
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="10">'
    ]
    for edge in graph.edges:
        (x, y), (u, v) = where[edge.source], where[edge.target]
        colour = _COLOURS.get(edge.spec.structure, _OTHER)
        parts.append(
            f'<line x1="{x}" y1="{y}" x2="{u}" y2="{v}" stroke="{colour}" stroke-width="1.5">'
            f"<title>{escape(edge.spec.label)}</title></line>"
        )
    ends = {*graph.inputs, *graph.outputs}
    for place, (vertex, (x, y)) in enumerate(zip(graph.vertices, where, strict=True)):
        fill = "#ffe8b0" if place in ends else "#ffffff"
        title = escape(
            " ".join(filter(None, [vertex.name, str(vertex.shape), vertex.operation, vertex.line]))
        )
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="{fill}" stroke="#333333"><title>{title}</title></circle>'
            f'<text x="{x}" y="{y + 4}" text-anchor="middle">{escape(vertex.name[:8])}</text>'
        )
        if place in notes:
            parts.append(f'<text x="{x}" y="{y + 25}" text-anchor="middle">{escape(notes[place])}</text>')
    return "".join([*parts, "</svg>"])
