"""Graphs drawn as SVG, without any library: edges coloured by structure, vertices numbered by a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from jacobians.picture import PAGE_STYLE
from jacobians.planning.layers import Layout, layout
from jacobians.spec import Spec, owner
from jacobians.structures.stored import apply_cost

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph, Vertex

_LETTER, _SMALL = 6.8, 5.8  # the width of a letter, in pixels, of names and of what stands below them
_LONGEST = 18  # letters
_HIGH, _BOX, _GAP, _EDGE = 74, 34, 56, 24
_INPUT, _OUTPUT, _INNER = "#e0a8004d", "#2e9e6b4d", "#8080801f"  # of the boxes, over the ground of the page
ORDER = "place in the order, multiplications + additions {where}"
MOST_DRAWN = 400
"""Vertices; larger graphs are only named."""


def graph_svg(
    graph: Graph,
    notes: Mapping[int, tuple[int, str]] | None = None,
    *,
    down: bool = False,
    legend: str = ORDER,
) -> str:
    """Return a graph as SVG: inputs first, a column for each length of the longest path from there.

    Parameters
    ----------
    graph : Graph
    notes : mapping of int to (int, str), optional
        By vertex: its number in the order of elimination, 0 for none, and what that costs.
    down : bool
        Whether paths lead down the page instead of to the right; arrows then have the structure written beside them.
    legend : str
        What the notes are.

    Notes
    -----
    Graphs of more than 400 vertices are only named. The colours are those of the text around the picture.

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
    x, y, width, high = (_downwards if down else _across)(graph, found, notes)
    kinds = sorted({(edge.spec.structure, *_line(edge.spec)) for edge in graph.edges})
    numbered = any(number for number, _ in notes.values())
    told = legend.format(where="beside" if down else "below") if notes else ""
    shown, wide, end = _legend(kinds, told, numbered, high, max(width, 420))
    parts = [*_edges(graph, found, x, y, down), *_vertices(graph, x, y, notes, down), *shown]
    return _svg(max(width, wide), end, parts)


Places = dict[int, float]


def _across(
    graph: Graph, found: Layout, notes: Mapping[int, tuple[int, str]]
) -> tuple[Places, Places, float, float]:
    """Return the middles of vertices and bends, width and height, where paths lead to the right."""
    x: Places = {}
    left = float(_EDGE)
    for column in found.columns:
        own = [vertex for vertex in column if vertex < len(graph.vertices)]
        boxes = [_width(graph.vertices[vertex]) for vertex in own]
        costs = [_SMALL * len(notes[vertex][1]) for vertex in own if vertex in notes]
        wide = max([*boxes, *costs], default=10.0)
        x |= dict.fromkeys(column, left + wide / 2)
        left += wide + _GAP
    y = {vertex: _EDGE + 18 + height * _HIGH for vertex, height in found.heights.items()}
    return x, y, left - _GAP + _EDGE, max(y.values(), default=0) + _BOX + 26


def _downwards(
    graph: Graph, found: Layout, notes: Mapping[int, tuple[int, str]]
) -> tuple[Places, Places, float, float]:
    """Return the middles of vertices and bends, width and height, where paths lead down; notes stand beside boxes."""
    wide = max(_width(vertex) for vertex in graph.vertices)
    beside = max([_SMALL * len(text) for _, text in notes.values()], default=0.0) + 10
    labels = max([_SMALL * len(edge.spec.label) - wide / 2 for edge in graph.edges], default=0.0) + 10
    x = {vertex: _EDGE + wide / 2 + height * (wide + beside + 12) for vertex, height in found.heights.items()}
    y = {vertex: 28.0 + place * _HIGH for place, column in enumerate(found.columns) for vertex in column}
    width = max(x.values()) + wide / 2 + max(beside, labels) + 4
    return x, y, width, max(y.values()) + _BOX + 26


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


def _edges(graph: Graph, found: Layout, x: Places, y: Places, down: bool) -> list[str]:
    parts = []
    seen: dict[tuple[int, int], int] = {}
    into = Counter(edge.target for edge in graph.edges)
    for edge in graph.edges:
        ends = edge.source, edge.target
        beside = 7.0 * seen.get(ends, 0)  # parallel edges
        seen[ends] = seen.get(ends, 0) + 1
        out, back = (
            (_BOX / 2, _BOX / 2 + 5)
            if down
            else (_width(graph.vertices[edge.source]) / 2, _width(graph.vertices[edge.target]) / 2 + 5)
        )
        along, across = (y, x) if down else (x, y)
        places = [
            (along[edge.source] + out, across[edge.source] + beside),
            *((along[bend], across[bend] + beside) for bend in found.ways[ends]),
            (along[edge.target] - back, across[edge.target] + beside),
        ]

        def point(place: float, aside: float) -> str:
            return f"{aside:.1f} {place:.1f}" if down else f"{place:.1f} {aside:.1f}"

        way = f"M{point(*places[0])}"
        for (a, b), (c, d) in pairwise(places):
            half = (a + c) / 2
            way += f" C{point(half, b)} {point(half, d)} {point(c, d)}"
        colour, dashes = _line(edge.spec)
        tip = f"M{point(places[-1][0] + 5, places[-1][1])} {'l-3.5 -7 h7 z' if down else 'l-7 -3.5 v7 z'}"
        label = ""
        if down and into[edge.target] == 1:
            label = _text(x[edge.target] + 7, y[edge.target] - _BOX / 2 - 9, edge.spec.label, "start", 9.5)
        parts.append(
            f'<g><path d="{way}" fill="none" stroke="{colour}" stroke-width="1.6"{dashes}/>'
            f'<path d="{tip}" fill="{colour}"/>{label}<title>{escape(edge.spec.label)}</title></g>'
        )
    return parts


def _vertices(
    graph: Graph, x: Places, y: Places, notes: Mapping[int, tuple[int, str]], down: bool
) -> list[str]:
    parts = []
    for place, vertex in enumerate(graph.vertices):
        wide, u, v = _width(vertex), x[place], y[place]
        fill = _INPUT if place in graph.inputs else _OUTPUT if place in graph.outputs else _INNER
        title = " ".join(
            part for part in (vertex.name, str(vertex.shape), vertex.operation, vertex.line) if part
        )
        parts.append(
            f'<g><rect x="{u - wide / 2:.1f}" y="{v - _BOX / 2:.1f}" width="{wide:.1f}" height="{_BOX}" rx="6" '
            f'fill="{fill}" stroke="#7d8694"/>{_text(u, v - 2, _short(vertex.name))}'
            f"{_text(u, v + 11, _below(vertex), size=9.5)}<title>{escape(title)}</title></g>"
        )
        if place in notes:
            number, cost = notes[place]
            if number:
                parts.append(_badge(u - wide / 2, v - _BOX / 2, str(number)))
            if down:
                parts.append(_text(u + wide / 2 + 7, v + 4, cost, "start", 9.5))
            else:
                parts.append(_text(u, v + _BOX / 2 + 12, cost, size=9.5))
    return parts


def _badge(u: float, v: float, number: str) -> str:
    wide = 14 + 6 * (len(number) - 1)
    return (
        f'<rect x="{u - wide / 2:.1f}" y="{v - 7:.1f}" width="{wide}" height="14" rx="7" fill="#4a5361"/>'
        f"{_text(u, v + 3.5, number, size=9.5, colour='#ffffff')}"
    )


def _legend(
    kinds: Sequence[tuple[str, str, str]], notes: str, numbered: bool, top: float, width: float
) -> tuple[list[str], float, float]:
    """Return the lines that explain colours and numbers, and where they end."""
    entries: list[tuple[str, str]] = []
    for kind, colour, dashes in kinds:
        entries.append(
            (f'<line x1="0" y1="0" x2="22" y2="0" stroke="{colour}" stroke-width="2.4"{dashes}/>', kind)
        )
    for fill, name in ((_INPUT, "input"), (_OUTPUT, "output")):
        entries.append(
            (f'<rect x="3" y="-6" width="16" height="12" rx="3" fill="{fill}" stroke="#7d8694"/>', name)
        )
    if notes:
        entries.append((_badge(11, 0, "1") if numbered else _text(11, 4, "n ×", size=9.5), notes))
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
    x: float, y: float, text: str, anchor: str = "middle", size: float = 11, colour: str = "currentColor"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="Helvetica, Arial, sans-serif">{PAGE_STYLE}{"".join(parts)}</svg>'
    )


def network_svg(graph: Graph) -> str:
    """Return the picture of a network down the page: layers with their shapes, structures and what each multiplies.

    Beside a layer stand the multiplications by which one row goes through its Jacobians, as in backpropagation.

    Examples
    --------
    >>> from jacobians import Affine, Sequential, Tanh, trace
    >>> network = Sequential(Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tanh())
    >>> svg = network_svg(trace(network, [1.0, 2.0], wrt=["input"]))
    >>> "6 ×" in svg, "Dense 3×2" in svg
    (True, True)
    """
    counts = Counter({place: 0 for place in range(len(graph.vertices)) if place not in graph.inputs})
    for edge in graph.edges:
        counts[edge.target] += apply_cost(edge.spec, 1, ()).multiplications
    notes = {place: (0, f"{count:,} ×") for place, count in counts.items()}
    return graph_svg(graph, notes, down=True, legend="multiplications of a row through the layer, beside it")
