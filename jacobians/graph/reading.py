"""Bare graphs from vertices and edges, checked, in the order of computation."""

from __future__ import annotations

import heapq
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import DEFAULT_MAX_BYTES, MemoryBudgetError, refuse_sparse
from jacobians.spec import Spec
from jacobians.structures import Jacobian

Shape = tuple[int, ...]


class ReadGraph(NamedTuple):
    """What a graph is made from: everything in the order of computation."""

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    edges: tuple[tuple[int, int, Jacobian | None, Spec], ...]


_MOST = DEFAULT_MAX_BYTES // 128  # vertices, of which each has a name


def read_edges(inputs: Any, vertices: Any, outputs: Any, edges: Any) -> ReadGraph:
    """Return a checked graph, its vertices sorted so that edges run forwards (ties by number).

    Raises
    ------
    TypeError, ValueError
        If something is no graph.
    """
    names = _names(vertices, "vertices")
    places: dict[Any, int] = {name: place for place, name in enumerate(names)}
    if len(places) != len(names):
        raise ValueError("vertices: found a name twice, expected each name once")
    numbered = not isinstance(vertices, Sequence)
    if isinstance(inputs, Sequence) and not isinstance(inputs, str):
        given = [_place(name, places, len(names), numbered, "inputs") for name in inputs]
    else:
        given = list(range(len(_names(inputs, "inputs"))))
    if not given:
        raise ValueError("inputs: found none, expected at least one vertex to differentiate by")
    if len(given) > len(names):
        raise ValueError(
            f"inputs: found {len(given)} of {len(names)} vertices, expected no more than there are"
        )
    ends = [_place(name, places, len(names), numbered, "outputs") for name in _iterated(outputs, "outputs")]
    if not ends:
        raise ValueError("outputs: found none, expected at least one vertex to differentiate")
    read = []
    shapes: dict[int, Shape] = {}
    for number, edge in enumerate(_iterated(edges, "edges")):
        where = f"edges[{number}]"
        if not isinstance(edge, Sequence) or isinstance(edge, str) or len(edge) != 3:
            raise TypeError(
                f"{where}: found {shown(edge)}, expected (from, to, unit) or (from, to, Jacobian or Spec)"
            )
        source, target = (_place(end, places, len(names), numbered, where) for end in edge[:2])
        jacobian, spec, out_shape, in_shape = _content(edge[2], where)
        for place, shape in ((source, in_shape), (target, out_shape)):
            known = shapes.setdefault(place, shape)
            if math.prod(known) != math.prod(shape):
                raise ValueError(
                    f"{where}: found {spec.label}, by which {names[place]} has {math.prod(shape)} entries, but by "
                    f"another edge it has {math.prod(known)}"
                )
        read.append((source, target, jacobian, spec))
    order = _sorted(len(names), [(edge[0], edge[1]) for edge in read], names)
    now = {old: new for new, old in enumerate(order)}
    return ReadGraph(
        tuple(names[old] for old in order),
        tuple(shapes.get(old, ()) for old in order),
        tuple(now[old] for old in given),
        tuple(now[old] for old in ends),
        tuple((now[source], now[target], jacobian, spec) for source, target, jacobian, spec in read),
    )


def _names(given: Any, name: str) -> list[str]:
    if isinstance(given, Sequence) and not isinstance(given, str):
        for found in given:
            if not isinstance(found, str):
                raise TypeError(
                    f"{name}: found {shown(found)} among the names, expected text; or pass their number"
                )
        return list(given)
    try:
        if isinstance(given, bool):
            raise TypeError
        count = operator.index(given)
    except TypeError:
        raise TypeError(
            f"{name}: found {shown(given)}, expected a number of vertices or their names"
        ) from None
    if count > _MOST:
        raise MemoryBudgetError(
            f"{name}: found {shown(count)}, expected at most {_MOST:,}: the names alone would take more than 2 GiB"
        )
    if count < 0:
        raise ValueError(f"{name}: found {count}, expected at least 0")
    return [str(place) for place in range(count)]


def _place(found: Any, places: dict[Any, int], count: int, numbered: bool, where: str) -> int:
    if not numbered:
        if isinstance(found, str) and found in places:
            return places[found]
        raise ValueError(f"{where}: found vertex {found!r}, expected one of the names in vertices")
    try:
        if isinstance(found, bool | np.bool_):
            raise TypeError
        place = operator.index(found)
    except TypeError:
        raise TypeError(f"{where}: found vertex {found!r}, expected a number from 0 to {count - 1}") from None
    if not 0 <= place < count:
        raise ValueError(f"{where}: found vertex {place}, expected a number from 0 to {count - 1}")
    return place


def _iterated(given: Any, name: str) -> Iterable[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"{name}: found {class_name(given)}, expected a list")
    return given


def _content(found: Any, where: str) -> tuple[Jacobian | None, Spec, Shape, Shape]:
    if isinstance(found, Jacobian):
        if found.batch_shape:
            raise ValueError(f"{where}: found a Jacobian of a batch {found.batch_shape}, expected one point")
        return found, found.spec, found.out_shape, found.in_shape
    if isinstance(found, Spec):
        return None, found, (found.shape[0],), (found.shape[1],)
    refuse_sparse(found, where)
    try:
        unit = -1 if isinstance(found, bool | np.bool_) else operator.index(found)
    except TypeError:
        unit = -1
    if unit not in (0, 1):
        raise TypeError(f"{where}: found {shown(found)}, expected unit 0 or 1, a Jacobian or a Spec")
    return None, Spec.identity(1) if unit else Spec.dense(1, 1), (), ()


def _sorted(count: int, pairs: list[tuple[int, int]], names: list[str]) -> list[int]:
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in pairs:
        after[source].append(target)
        waiting[target] += 1
    ready = [place for place in range(count) if not waiting[place]]
    order = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for target in after[place]:
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, target)
    if len(order) < count:
        left = next(place for place in range(count) if waiting[place])
        raise ValueError(
            f"edges: found a cycle that leads to vertex {names[left]}, expected a graph without cycles"
        )
    return order
