"""Values that are wrong before any derivative is taken: the steps after them follow from the wrong ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jacobians.graph.operations.table import replaced
from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import SYMBOLS, name_of, operand, value_name
from verification.diagnosis.tape import Tape

LEAST = 1.5
"""The cost of the simplest of them."""
SMALL_TERM = 1e-2
"""What is added to a value to keep it from 0 is smaller than this."""


def other_values(tape: Tape) -> Iterator[tuple[float, str, str, Tape]]:
    """Yield (cost, slip, sentence, tape): a spread with ddof = 1, an ε, a target or a constant factor left out."""
    found: dict[tuple[Any, ...], dict[int, Array | Call]] = {}
    for vertex, call in tape.calls.items():
        if call.operands:
            frames = call.frames
            where = f" ({frames[0].function}, line {frames[0].line})" if frames else ""
            position = tuple((frame.file, frame.position) for frame in frames)
            for cost, slip, said, changed in _changes(tape, vertex, call):
                found.setdefault((cost, slip, said + where, position), {})[vertex] = changed
    for (cost, slip, said, _), changes in found.items():
        if (made := with_values(tape, changes)) is not None:
            yield cost, slip, said, made


def _changes(tape: Tape, vertex: int, call: Call) -> Iterator[tuple[float, str, str, Array | Call]]:
    """Yield another value for a vertex, whose own Jacobian stays, or another call of it."""
    name, value = name_of(call), tape.values[vertex]
    if name in ("mean", "var", "std"):
        count = np.size(tape.values[call.operands[0][1]]) // max(np.size(value), 1)
        if count > 2:
            ratio = count / (count - 1)
            said = f"{name} divides by {count - 1} (ddof = 1), expected {count}"
            yield 2.0, Slip.WRONG_VALUE, said, value * (np.sqrt(ratio) if name == "std" else ratio)
    if call.function in (np.maximum, np.minimum) and vertex in tape.active:
        bound = -np.inf if call.function is np.maximum else np.inf
        for k, (place, source, _) in itertools.product((0, 1), call.operands):
            if source in tape.active and place == (1 - k,) and np.size(call.args[k]) == 1:
                said = f"{name} is left out: {value_name(tape, source)} stands for it in all that follows"
                yield 1.6, Slip.MASK, said, _with(call, k, bound)
        return
    if call.function not in (np.add, np.subtract, np.multiply, np.divide):
        return
    if vertex not in tape.active:
        for k, other in enumerate(call.args if name == "*" else ()):
            said = f"the factor {operand(tape, call, (k,))} is left out in all that follows from it"
            yield 1.6, Slip.MISSING_FACTOR, said, _with(call, k, np.ones_like(other))
        return
    active = [place for place, source, _ in call.operands if source in tape.active]
    for k, other in enumerate(call.args):
        if active != [(1 - k,)]:
            continue
        what = operand(tape, call, (k,))
        if name == "+" and np.ndim(other) == 0 and 0 < abs(other) <= SMALL_TERM:
            yield 2.0, Slip.WRONG_VALUE, f"the {what} that is added is left out", _with(call, k, 0.0)
        elif name in ("+", SYMBOLS["subtract"]) and (np.size(other) > 1 or _is_named(tape, call, k)):
            yield (
                1.5,
                Slip.MISSING_CONSTANT,
                f"{what} is left out at {name}",
                _with(call, k, np.zeros_like(other)),
            )
        elif name == "*" or (name == "/" and k == 1):
            said = (
                f"the {'factor' if name == '*' else 'divisor'} {what} is left out in all that follows from it"
            )
            yield 1.6, Slip.MISSING_FACTOR, said, _with(call, k, np.ones_like(other))


def _is_named(tape: Tape, call: Call, k: int) -> bool:
    return any(place == (k,) and source in tape.names for place, source, _ in call.operands)


def without_a_term(tape: Tape) -> Iterator[tuple[str, Tape]]:
    """Yield the tape where a term or a factor is left out in what is no function of what is differentiated by."""
    for vertex, call in tape.calls.items():
        if vertex in tape.active or vertex not in tape.needed:
            continue
        if call.function in (np.add, np.subtract, np.multiply):
            for k, other in enumerate(call.args):
                whole = np.shape(call.args[1 - k]) == np.shape(tape.values[vertex])
                neutral = np.ones_like(other) if call.function is np.multiply else np.zeros_like(other)
                if whole and (made := with_values(tape, {vertex: _with(call, k, neutral)})) is not None:
                    line = f" (line {call.frames[0].line})" if call.frames else ""
                    yield f"{operand(tape, call, (k,))} is left out at {name_of(call)}{line}", made


def _with(call: Call, k: int, value: Any) -> Call:
    return replace(call, args=(*call.args[:k], value, *call.args[k + 1 :]))


def with_values(tape: Tape, changes: Mapping[int, Array | Call]) -> Tape | None:
    """Return the tape of the same code with some values replaced, and what follows from them; None where it fails."""
    values: list[Any] = list(tape.values)
    calls: dict[int, Call] = {}
    new: set[int] = set()
    for vertex, value in changes.items():
        if vertex not in tape.calls and not isinstance(value, Call):
            values[vertex] = value
            new.add(vertex)
    try:
        for vertex, call in tape.calls.items():
            changed = changes.get(vertex)
            if changed is not None and not isinstance(changed, Call):
                values[vertex] = changed
                new.add(vertex)
                continue
            fed = [(place, source) for place, source, _ in call.operands if source in new]
            if not fed and changed is None:
                continue
            call = call if changed is None else changed
            args, kwargs = call.args, call.kwargs
            for place, source in fed:
                args, kwargs = replaced(args, kwargs, place, values[source])
            result, jacobian = call.rule(call.function, args, kwargs)
            part = call.part
            values[vertex] = np.asarray(result if part is None else result[part])
            operands = tuple(
                (place, source, jacobian(place) if part is None else jacobian(place)[part])
                for place, source, _ in call.operands
            )
            calls[vertex] = replace(call, args=args, kwargs=kwargs, operands=operands)
            new.add(vertex)
    except Exception:  # the code's own: a value outside of a domain
        return None
    made = Tape(values, calls, tape.names, tape.output)
    made.spent = 4 * len(calls)  # an operation again costs more than to pass its edge
    for target, edges in enumerate(tape.edges):
        if target not in calls:
            made.edges[target] = edges
    return made
