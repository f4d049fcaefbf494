"""Where a recording computes an activation and its slope: nodes beside what the activation's own formulas record."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from backprop.compiling.nodes import Node
from backprop.compiling.recording import Recording
from jacobians.layers.activation_derivatives import LEAST_ENTRIES
from jacobians.layers.activations import ACTIVATIONS


def without_bias(z: Node) -> tuple[Node, Node | None]:
    """Return the two terms of z = u + b with b a row, or z and None."""
    if z.kind == "ufunc" and z.function is np.add and z.method == "__call__" and not z.options:
        for u, b in (z.args, z.args[::-1]):
            nodes = isinstance(u, Node) and isinstance(b, Node)
            if nodes and u.shape == z.shape and b.shape == z.shape[-1:] and u.dtype == b.dtype == z.dtype:
                return u, b
    return z, None


@cache
def activation_patterns(name: str) -> list[tuple[Node, Node]]:
    """Return what an activation and its slope record, for few entries and for many."""
    found = []
    activation = ACTIVATIONS[name]()
    for count in (2, LEAST_ENTRIES):
        for dtype in (np.float64, np.float32):
            recording = Recording(share=True)
            z = recording.input("z", (count,), dtype)
            value: Any = activation.f(z)
            by_value = activation.df_by_value
            slope: Any = activation.df(z) if by_value is None else by_value(z, value)
            found.append((value.node, slope.node))
    return found


def matched(pattern: Node, node: Node) -> Node | None:
    """Return the node that stands for the input of a pattern, None where a node is not what the pattern is."""
    known: dict[int, Node] = {}
    z: Node | None = None
    waiting: list[tuple[Any, Any]] = [(pattern, node)]
    while waiting:
        expected, got = waiting.pop()
        if not isinstance(expected, Node):
            if isinstance(got, Node) or type(expected) is not type(got) or repr(expected) != repr(got):
                return None
            continue
        if not isinstance(got, Node) or known.setdefault(id(expected), got) is not got:
            return None
        if expected.kind == "input":
            z = got
            continue
        same = (expected.kind, expected.method) == (
            got.kind,
            got.method,
        ) and expected.function == got.function
        if not same or len(expected.args) != len(got.args) or expected.options != got.options:
            return None
        if expected.kind == "constant" and not np.array_equal(
            np.asarray(expected.value), np.asarray(got.value)
        ):
            return None
        waiting += zip(expected.args, got.args, strict=True)
    return z
