"""Where the vertices of a graph are drawn: in columns, with few crossings, and long edges around what they pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_SWEEPS = 12
_TOGETHER = 0.85


class Layout(NamedTuple):
    """The columns, each from the top down, and the height of every vertex; of places of vertices and of bends."""

    columns: list[list[int]]
    heights: dict[int, float]
    ways: dict[tuple[int, int], list[int]]
    """By edge: the bends on the way, which have numbers behind those of the vertices."""


def layout(count: int, inputs: Sequence[int], edges: Sequence[tuple[int, int]]) -> Layout:
    """Return columns by the longest path from an input, and heights in units of one vertex.

    An input stands right before the first that is made of it. An edge over several columns has a bend in each, which
    takes place as a vertex does. Columns are ordered by the mean places of their neighbours, to and fro.

    Examples
    --------
    >>> found = layout(4, [0, 1], [(0, 2), (1, 3), (2, 3)])
    >>> found.columns
    [[0], [2, 1], [3]]
    """
    pairs = sorted(set(edges))
    column = [0] * count
    for source, target in pairs:
        column[target] = max(column[target], column[source] + 1)
    given = set(inputs)
    for place in inputs:
        column[place] = min([column[target] for source, target in pairs if source == place], default=1) - 1
    columns: list[list[int]] = [[] for _ in range(max(column, default=0) + 1)]
    for place in sorted(range(count), key=lambda place: (place in given, place)):
        columns[column[place]].append(place)
    ways: dict[tuple[int, int], list[int]] = {}
    after: dict[int, list[int]] = defaultdict(list)
    before: dict[int, list[int]] = defaultdict(list)
    number = count
    for source, target in pairs:
        bends = []
        for between in range(column[source] + 1, column[target]):
            columns[between].append(number)
            bends.append(number)
            number += 1
        ways[source, target] = bends
        line = [source, *bends, target]
        for one, other in pairwise(line):
            after[one].append(other)
            before[other].append(one)
    rank = {vertex: float(k) for row in columns for k, vertex in enumerate(row)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in columns if down else columns[::-1]:
            near = before if down else after
            wanted = {v: sum(rank[n] for n in near[v]) / len(near[v]) if near[v] else rank[v] for v in row}
            row.sort(key=lambda v: (wanted[v], rank[v]))
            for k, vertex in enumerate(row):
                rank[vertex] = k - len(row) / 2
    heights: dict[int, float] = {}
    for row in columns:
        _spaced(row, dict.fromkeys(row, 0.0), heights, count)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in columns if down else columns[::-1]:
            wanted = {}
            for v in row:
                near_all = [heights[n] for n in (*before[v], *after[v])]
                # a little towards the middle, which keeps all together
                wanted[v] = _TOGETHER * sum(near_all) / len(near_all) if near_all else heights[v]
            _spaced(row, wanted, heights, count)
    least = min(heights.values(), default=0.0)
    return Layout(columns, {vertex: height - least for vertex, height in heights.items()}, ways)


def _spaced(row: list[int], wanted: dict[int, float], heights: dict[int, float], count: int) -> None:
    """Set the heights of a column to those wanted, as far as the distances allow; bends need less room."""
    placed: list[float] = []
    for k, vertex in enumerate(row):
        gap = 0.0 if k == 0 else (_room(vertex, count) + _room(row[k - 1], count)) / 2
        placed.append(wanted[vertex] if k == 0 else max(wanted[vertex], placed[-1] + gap))
    shift = sum(wanted[v] - height for v, height in zip(row, placed, strict=True)) / max(len(row), 1)
    for vertex, height in zip(row, placed, strict=True):
        heights[vertex] = height + shift


def _room(vertex: int, count: int) -> float:
    return 1.0 if vertex < count else 0.45
