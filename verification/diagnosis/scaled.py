"""The answer scaled by a value of the code, and steps that a parameter has taken before it was used."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import ELEMENTWISE, POOL, again, value_name
from verification.diagnosis.tape import Edge, Pull, Tape


def scaled(tape: Tape, right: Array) -> Iterator[tuple[float, str, str, Array]]:
    """Yield the answer divided or multiplied once more by a value that is there for each row or column."""
    shape = np.shape(tape.values[0])
    seen: list[Array] = []
    for vertex, value in enumerate(tape.values):
        if value is None or vertex not in tape.calls or not 1 < np.size(value) < math.prod(shape):
            continue
        one = np.asarray(value, dtype=float)
        if len(seen) >= POOL or any(np.array_equal(one, other) for other in seen):
            continue
        try:
            wide = np.broadcast_to(one, shape).reshape(-1)
        except ValueError:
            continue
        seen.append(one)
        name = value_name(tape, vertex)
        yield 2.0, Slip.FACTOR, f"the answer is multiplied by {name} once more", right * wide
        if (wide != 0).all():
            yield 2.0, Slip.FACTOR, f"the answer is divided by {name} once more", right / wide


def updated(
    tape: Tape, base: Mapping[int, Array], predicted: Callable[[Mapping[Edge, Pull | None]], Array]
) -> Iterator[tuple[Array, str, Call]]:
    """Yield by how much a step along the gradient by a parameter changes the answer, its name, and where it is used.

    Parameters
    ----------
    base : dict
        The adjoints of the function with one output.
    predicted : callable
        From what edges carry to what that gives.
    """
    for vertex, call in tape.calls.items():
        for place, source, _ in call.operands:
            if source not in tape.names or source == 0 or source not in base or call.function in ELEMENTWISE:
                continue
            step = base[source].reshape(np.shape(tape.values[source]))
            for edge in tape.edges[vertex]:
                pull = None if edge.place == place else again(call, edge.place, place, step)
                if pull is not None and edge.source in tape.active:
                    yield predicted({edge: pull}) - predicted({edge: None}), tape.names[source], call
