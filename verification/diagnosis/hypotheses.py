"""The hypotheses about a tape: variants of single edges that belong to one place in the code are one mistake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jacobians.function import Function
from jacobians.graph.recorder import Frame
from verification.causes import Slip
from verification.diagnosis import operands, reductions
from verification.diagnosis.mutations import LOCAL, Variant, value_name
from verification.diagnosis.recognised import recognised, variants_of
from verification.diagnosis.regions import regions, variants
from verification.diagnosis.steps import ROWS
from verification.diagnosis.tape import Edge, Pull, Tape
from verification.diagnosis.windows import windows

_ = operands, reductions  # loading them adds their rows
USES = 6
"""Of more uses of a value, or steps of a loop, only the first and the last are taken alone."""


class Hypothesis(NamedTuple):
    """A mutation of the graph: what edges carry, and the words for it."""

    cost: float
    name: str
    sentence: str
    edges: Mapping[Edge, Pull | None]
    added: Mapping[int, list[tuple[int, Pull]]]


def _place(frames: tuple[Frame, ...]) -> str:
    if not frames:
        return ""
    name = frames[0].function
    where = f"line {frames[0].line}"
    return where if name.startswith("<") else f"{name}, {where}"


def _merged(variants: Iterable[Variant], cost: float, sentence: str) -> Hypothesis:
    edges: dict[Edge, Pull | None] = {}
    added: dict[int, list[tuple[int, Pull]]] = {}
    name = ""
    for one in variants:
        name = name or one.name
        edges |= dict(one.edges)
        for target, source, pull in one.added:
            added.setdefault(target, []).append((source, pull))
    return Hypothesis(cost, name, sentence, edges, added)


def _meets(one: Variant, active: set[int]) -> bool:
    """Say whether a variant changes what follows from what is differentiated by."""
    return bool(one.added) or any(edge.source in active for edge, _ in one.edges)


def hypotheses(tape: Tape) -> list[Hypothesis]:
    """Return the mutations of a tape, the simplest first; those of one place in the code are one."""
    found: list[tuple[tuple[Frame, ...], Variant]] = []
    for vertex, call in tape.calls.items():
        if vertex in tape.active and not isinstance(call.function, Function):  # layers have rows of their own
            tried = (one for row in LOCAL for one in row(tape, vertex, call))
            found += [(call.frames, one) for one in tried if _meets(one, tape.active)]
    for region in regions(tape):
        found += [(region.frames, one) for one in variants(tape, region)]
    for known in recognised(tape):
        found += [(tape.calls[known.target].frames, one) for one in variants_of(tape, known)]
    groups: dict[Any, list[tuple[tuple[Frame, ...], Variant]]] = {}
    everywhere: dict[Any, set[Any]] = {}
    for frames, one in found:
        chain = tuple((frame.file, frame.position) for frame in frames)
        groups.setdefault((one.name, one.said, one.cost, chain), []).append((frames, one))
        everywhere.setdefault((one.name, one.said, one.cost), set()).add(chain)
    made = []
    for (_, said, cost, _), members in groups.items():
        where = _place(members[0][0])
        ending = f" ({where})" if where else ""
        made.append(_merged([one for _, one in members], cost, f"{said}{ending}"))
        if len(members) > 1:
            for k in sorted(
                {0, len(members) - 1} | (set(range(len(members))) if len(members) <= USES else set())
            ):
                told = f"{said} ({where + ', ' if where else ''}time {k + 1} of {len(members)})"
                made.append(_merged([members[k][1]], cost + 0.6, told))
            if len(members) > 2:
                for k, which in ((0, "first"), (len(members) - 1, "last")):
                    told = (
                        f"{said} ({where + ', ' if where else ''}but for the {which} of {len(members)} times)"
                    )
                    made.append(
                        _merged([one for j, (_, one) in enumerate(members) if j != k], cost + 0.4, told)
                    )
    for (name, said, cost), chains in everywhere.items():
        if len(chains) > 1:
            members = [one for chain in chains for one in groups[name, said, cost, chain]]
            made.append(_merged([one for _, one in members], cost + 0.2, f"{said}, everywhere"))
    made += _uses(tape)
    if not any(isinstance(call.function, Function) for call in tape.calls.values()):
        made += [Hypothesis(*one) for row in (*ROWS, windows) for one in row(tape)]
    return sorted(made, key=lambda one: one.cost)


def _uses(tape: Tape) -> Iterator[Hypothesis]:
    """Yield hypotheses by which one use of a shared value counts, and the others don't."""
    used: dict[int, list[Edge]] = {}
    for edges in tape.edges:
        for edge in edges:
            if edge.source in tape.active:
                used.setdefault(edge.source, []).append(edge)
    for source, uses in used.items():
        if len(uses) > 1:
            sites = {(call.name, call.frames[:1][0].position if call.frames else 0)
                     for call in (tape.calls.get(edge.target) for edge in uses) if call is not None}  # fmt: skip
            shared = len(uses) > 2 and len(sites) == 1  # of a loop
            places = range(len(uses)) if len(uses) <= USES else (0, len(uses) - 1)
            for k in places:
                changed: dict[Edge, Pull | None] = {edge: None for j, edge in enumerate(uses) if j != k}
                which = "first" if k == 0 else "last" if k == len(uses) - 1 else f"number {k + 1}"
                said = f"of the {len(uses)} uses of {value_name(tape, source)} only the {which} counts"
                yield Hypothesis(
                    0.85 if shared else 1.4, Slip.ONE_USE, f"{said}; expected their sum", changed, {}
                )
