"""The graph of a Function: each layer and each part of a composition a vertex, each parameter one vertex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jacobians.function import INPUT, Function
from jacobians.graph.graph import Graph
from jacobians.layers.recording import Record
from jacobians.numerics.arrays import is_recorded


def trace_function(
    function: Function,
    x: Any,
    wrt: Sequence[str] | None = None,
    max_vertices: int = 10**5,
    *,
    loss: Function | None = None,
    batched: bool = False,
) -> Graph:
    """Return the graph of a function at x, from the input and the parameters in `wrt` (all by default).

    A layer that occurs several times has one vertex a parameter, and an edge from it at each place. A `loss` of the
    output follows. Of a batch the vertices have the shapes of one point, and the Jacobians those of all points.

    Raises
    ------
    TypeError, ValueError
        If x is refused, or `wrt` names no parameter.
    """
    point = x if is_recorded(x) else function._door(x, batched)
    names = function._names(wrt) if wrt is not None else [INPUT, *function.parameters]
    record = Record.of(function, point, names, int(batched), max_vertices, loss)
    return record.graph(function if loss is None else None)
