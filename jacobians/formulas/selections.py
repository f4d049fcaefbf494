"""Columns of the identity in products: A·I[:,:n] is A[:,:n], I[:,1:]ᵀ·x is x[1:], I[:,:n]·x + I[:,n:]·y is [x; y]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from jacobians.formulas.size_sums import Linear, linear, place_in, plus, size_of
from jacobians.formulas.sums import Piece, collected
from jacobians.formulas.tree import Node, mul, transposed


def selection(node: Node) -> tuple[Any, Any] | None:
    """Return the size and the index of columns of an identity, or None."""
    if node.op != "index" or node.args[0].op != "eye" or node.value[0] is not None or node.value[1] is None:
        return None
    return node.args[0].value, node.value[1]


def product(left: Node, right: Node) -> Node:
    """Return a product of two matrices, or of a matrix and a column, with slices for columns of the identity."""
    before, after = (list(side.args) if side.op == "mul" else [side] for side in (left, right))
    met = _met(before[-1], after[0])
    return mul(left, right) if met is None else mul(*before[:-1], met, *after[1:])


def _met(left: Node, right: Node) -> Node | None:
    columns = selection(right)
    if columns is not None and isinstance(columns[1], tuple):
        if left.op == "name":
            return Node("index", (left,), (None, columns[1]))
        if left.op == "T" and left.args[0].op == "name":
            return transposed(Node("index", left.args, (columns[1], None)))
    rows = selection(left.args[0]) if left.op == "T" else None
    if rows is not None and isinstance(rows[1], tuple):
        if right.op == "name" or (right.op == "call" and right.value != "diag"):
            return Node("index", (right,), (rows[1], None))
        if right.op == "T" and right.args[0].op == "name":
            return transposed(Node("index", right.args, (None, rows[1])))
    return None


def stacked(pieces: Sequence[Piece], rows: tuple[Any, ...], columns: tuple[Any, ...]) -> Node:
    """Return a sum of terms, as a stack where each fills rows or columns of its own and nothing is left out."""
    if len(pieces) > 1:
        for along, size in enumerate((rows, columns)):
            made = _stack(pieces, along, rows, columns) if len(size) == 1 else None
            if made is not None:
                return made
    return collected(list(pieces), rows, columns)


def _stack(
    pieces: Sequence[Piece], along: int, rows: tuple[Any, ...], columns: tuple[Any, ...]
) -> Node | None:
    size = (rows, columns)[along]
    parts: dict[Any, list[Piece]] = {}
    for piece in pieces:
        if not piece.chain:
            return None
        end = transposed(piece.chain[-1]) if along else piece.chain[0]
        found = selection(end)
        if found is None or found[0] != size:
            return None
        rest = piece.chain[:-1] if along else piece.chain[1:]
        parts.setdefault(found[1], []).append(replace(piece, chain=rest))
    nodes: list[Node] = []
    at: Linear = {}
    while parts:
        spec = next((s for s in parts if place_in(size, s[0] if isinstance(s, tuple) else s) == at), None)
        if spec is None:
            return None
        own = parts.pop(spec)
        stop = place_in(size, spec[1]) if isinstance(spec, tuple) else plus(at, {(): 1})
        length = size_of(plus(stop, at, -1))
        if length and not all(
            piece.chain for piece in own
        ):  # an identity, which has no place in a stack of vectors
            return None
        sides = (rows, length) if along else (length, columns)
        nodes.append(collected(own, *sides))
        at = stop
    if at != linear(size):
        return None
    if all(node.op == "T" for node in nodes):
        return transposed(
            Node("stack", tuple(node.args[0] for node in nodes), "rows" if along else "columns")
        )
    return Node("stack", tuple(nodes), "columns" if along else "rows")
