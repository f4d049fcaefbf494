"""What is done wrong with several uses of a value, in loops above all: another step's value, parts that overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import ELEMENTWISE, again, name_of, operand, value_name
from verification.diagnosis.regions import BY_VALUE
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries, unchanged

Site = tuple[Any, ...]
Found = Iterator[tuple[float, str, str, dict[Edge, Pull | None], dict[int, list[tuple[int, Pull]]]]]
"""Cost, name, sentence, what edges carry, and edges that there are not."""

LONGEST = 64
"""The steps of a loop that is looked at."""
LONGEST_ARGUMENT = 8
"""The steps of an argument that is an elementwise function of one value."""


def site_of(call: Call) -> Site:
    """Return where in the code a call stands."""
    return (*((frame.file, frame.position) for frame in call.frames), call.name, call.part)


def _loops(tape: Tape) -> dict[Site, list[int]]:
    """Return the vertices that each place of the code made, in order."""
    found: dict[Site, list[int]] = {}
    for vertex, call in tape.calls.items():
        found.setdefault(site_of(call), []).append(vertex)
    return found


def _where(call: Call) -> str:
    return f" (line {call.frames[0].line})" if call.frames else ""


def _source(call: Call, place: Any) -> int | None:
    return next((source for where, source, _ in call.operands if where == place), None)


def _chains(
    tape: Tape, loops: dict[Site, list[int]]
) -> Iterator[tuple[list[int], Any, list[int], list[int]]]:
    """Yield (vertices of a loop, place, its operands there, the values made by each step) of what is carried on.

    The operand of a step is what the step before made, and the first is what came into the loop.
    """
    for vertices in loops.values():
        if not 2 <= len(vertices) <= LONGEST:
            continue
        for place, _, _ in tape.calls[vertices[0]].operands:
            taken = [_source(tape.calls[one], place) for one in vertices]
            if any(one is None for one in taken):
                continue
            sources = [one for one in taken if one is not None]
            for shown in (1, len(sources) - 1):  # in a loop that runs backwards the order is turned
                if sources[shown] in tape.calls:
                    made = loops[site_of(tape.calls[sources[shown]])]
                    same = len({np.shape(tape.values[one]) for one in (*made, *sources)}) == 1
                    if same and made[:-1] == sources[1:] and len(made) == len(sources):
                        yield vertices, place, sources, made
                        break


def other_steps(tape: Tape) -> Found:
    """Yield what it gives to take the value of the next step, h_t for h_{t−1}, or of the one before."""
    loops = _loops(tape)
    seen: set[Any] = set()
    for vertices, place, sources, made in _chains(tape, loops):
        first = tape.calls[vertices[0]]
        name = value_name(tape, made[0])
        for taken, which in (
            (made, "of the same step"),
            ([sources[0], *sources[:-1]], "of two steps before"),
        ):
            edges: dict[Edge, Pull | None] = {}
            for vertex, other in zip(vertices, taken, strict=True):
                call, value = tape.calls[vertex], np.asarray(tape.values[other])
                for edge in tape.edges[vertex]:
                    if edge.place != place and (pull := again(call, edge.place, place, value)):
                        edges[edge] = pull
            if edges:
                short = "h_t" if which == "of the same step" else "h_{t−2}"
                said = f"{name} {which} stands for that of the step before at {name_of(first)}{_where(first)}"
                yield 1.3, Slip.WRONG_VALUE, f"{said}: {short} for h_{{t−1}}", edges, {}
        key = tuple(made)
        if key in seen:
            continue
        seen.add(key)
        yield from _shifted_uses(tape, loops, made, sources[0], name)
        for formula, by_value in BY_VALUE:
            edges = {}
            for vertex, before in zip(made, sources, strict=True):
                call = tape.calls[vertex]
                own = np.asarray(tape.values[vertex], dtype=float)
                if call.function not in ELEMENTWISE or len(tape.edges[vertex]) != 1:
                    continue
                edge = tape.edges[vertex][0]
                slope = edge.pull(np.ones((1, own.size))).reshape(-1)
                if slope.size == own.size and np.allclose(
                    slope, by_value(own).reshape(-1), rtol=1e-9, atol=1e-12
                ):
                    edges[edge] = by_entries(by_value(np.asarray(tape.values[before], dtype=float)))
            if edges:
                said = (
                    f"{formula} is taken of the step before{_where(tape.calls[made[0]])}: h_{{t−1}} for h_t"
                )
                yield 1.3, Slip.WRONG_POINT, said, edges, {}


def _shifted_uses(
    tape: Tape, loops: dict[Site, list[int]], made: list[int], initial: int, name: str
) -> Found:
    """Yield what it gives where another place of the loop takes the value of the step before: h_{t−1} for h_t."""
    for vertices in loops.values():
        if len(vertices) != len(made):
            continue
        for place, _, _ in tape.calls[vertices[0]].operands:
            taken = [_source(tape.calls[one], place) for one in vertices]
            if taken not in (made, made[::-1]):
                continue
            before = dict(zip(made, [initial, *made[:-1]], strict=True))
            edges: dict[Edge, Pull | None] = {}
            for vertex, own in zip(vertices, made if taken == made else made[::-1], strict=True):
                value = np.asarray(tape.values[before[own]])
                for edge in tape.edges[vertex]:
                    if edge.place != place and (pull := again(tape.calls[vertex], edge.place, place, value)):
                        edges[edge] = pull
            if edges:
                first = tape.calls[vertices[0]]
                said = f"{name} of the step before stands for that of the step at {name_of(first)}{_where(first)}"
                yield 1.3, Slip.WRONG_VALUE, f"{said}: h_{{t−1}} for h_t", edges, {}


def overlapping_parts(tape: Tape) -> Found:
    """Yield what it gives to assign the parts of an array that overlap, where they should be added."""
    used: dict[int, list[Edge]] = {}
    for edges in tape.edges:
        for edge in edges:
            call = tape.calls.get(edge.target)
            if call is not None and name_of(call) in ("indexing", "take") and edge.source in tape.active:
                used.setdefault(edge.source, []).append(edge)
    by_source: dict[int, list[Edge]] = {}
    for edges in tape.edges:
        for edge in edges:
            by_source.setdefault(edge.source, []).append(edge)
    for source, uses in used.items():
        if len(uses) < 2:
            continue
        size = np.size(tape.values[source])
        covered = [
            edge.pull(np.ones((1, np.size(tape.values[edge.target])))).reshape(-1) != 0 for edge in uses
        ]
        if np.sum(covered, axis=0).max() < 2:
            continue
        for order, which in ((range(len(uses)), "last"), (range(len(uses) - 1, -1, -1), "first")):
            owner = np.full(size, -1)
            for k in order:
                owner[covered[k]] = k
            edges_: dict[Edge, Pull | None] = {edge: _masked(edge, owner == k) for k, edge in enumerate(uses)}
            said = f"the {len(uses)} parts of {value_name(tape, source)} that overlap are assigned, the {which} of them"
            yield 0.95, Slip.REPEATED_INDEX, f"{said} stays, expected added", edges_, {}
            inner = {
                one: None
                for vertex in dict.fromkeys(edge.target for edge in uses)
                for one in by_source.get(vertex, [])[:: 1 if which == "last" else -1][:-1]
            }
            if inner:
                yield (
                    1.0,
                    Slip.REPEATED_INDEX,
                    f"{said} and of the uses of each stays, expected added",
                    {**edges_, **inner},
                    {},
                )


def _masked(edge: Edge, mask: Array) -> Pull:
    return lambda rows: edge.pull(rows) * mask


def along_one_path(tape: Tape) -> Found:
    """Yield what it gives to leave the slope of an activation out on the way to one of the terms of its argument."""
    groups: dict[Any, list[tuple[Edge, int]]] = {}
    for vertex, call in tape.calls.items():
        if call.function not in ELEMENTWISE or len(tape.edges[vertex]) != 1 or len(call.args) != 1:
            continue
        argument = tape.edges[vertex][0].source
        terms, waiting = [], [argument]
        while waiting:
            here = waiting.pop()
            made = tape.calls.get(here)
            inner = [edge for edge in tape.edges[here] if edge.source in tape.active]
            if made is not None and made.function is np.add:
                waiting += [
                    edge.source
                    for edge in inner
                    if np.shape(tape.values[edge.source]) == np.shape(tape.values[here])
                ]
            elif made is not None and here != argument:
                terms += inner
        for edge in terms:
            inner_call = tape.calls[edge.target]
            groups.setdefault((site_of(call), site_of(inner_call), edge.place), []).append((edge, vertex))
    for members in groups.values():
        edges: dict[Edge, Pull | None] = {edge: None for edge, _ in members}
        added: dict[int, list[tuple[int, Pull]]] = {}
        for edge, vertex in members:
            added.setdefault(vertex, []).append((edge.source, edge.pull))
        edge, vertex = members[0]
        what = operand(tape, tape.calls[edge.target], edge.place)
        said = f"the derivative of {name_of(tape.calls[vertex])} is left out on the way to {what}"
        yield 1.35, Slip.MISSING_DERIVATIVE, f"{said}{_where(tape.calls[vertex])}", edges, added


def inner_derivatives(tape: Tape) -> Found:
    """Yield what it gives to leave out the derivative of an argument of several terms: f′(g) for f′(g) g′."""
    for vertex, call in tape.calls.items():
        if call.function not in ELEMENTWISE or vertex not in tape.active or vertex == tape.output:
            continue
        before = _last_common(tape, vertex)
        if before is not None:
            source, cut = before
            said = f"the derivative of {value_name(tape, vertex)} by {value_name(tape, source)} is left out"
            edges: dict[Edge, Pull | None] = dict.fromkeys(cut)
            yield (
                1.35,
                Slip.MISSING_DERIVATIVE,
                f"{said}: 1 stands for it",
                edges,
                {vertex: [(source, unchanged)]},
            )


def _last_common(tape: Tape, vertex: int) -> tuple[int, list[Edge]] | None:
    """Return what all ways into an elementwise value come from, and the edges into it; None for a single way."""
    shape, waiting, steps = np.shape(tape.values[vertex]), {vertex}, 0
    cut: list[Edge] = []
    several = False
    while steps < LONGEST_ARGUMENT:
        here = max(waiting)
        if here not in tape.calls or tape.calls[here].function not in ELEMENTWISE:
            return None
        edges = [edge for edge in tape.edges[here] if edge.source in tape.active]
        if not edges or any(np.shape(tape.values[edge.source]) != shape for edge in edges):
            return None
        several = several or len({edge.source for edge in edges}) > 1
        waiting = (waiting - {here}) | {edge.source for edge in edges}
        if here == vertex:
            cut = edges
        steps += 1
        if several and len(waiting) == 1:
            return next(iter(waiting)), cut
    return None


ROWS = (other_steps, overlapping_parts, along_one_path, inner_derivatives)
