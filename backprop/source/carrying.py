"""Products of a long chain, written so that threads carry their own rows (or columns) from end to end.

In ((A·B)·C)·D each row of A goes through the chain by itself; in A·(B·(C·D)) each column of D does. What is recorded is
the same rows of the table of products, on an operand that stands for some of these rows or columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backprop.source.nodes import Node
from backprop.source.printing import needed
from backprop.source.recording import Recorded, RecordingLedger
from backprop.threads import LEAST_FLOPS
from jacobians.association import Tree
from jacobians.cost import ZERO_COST
from jacobians.products import multiply, product_cost, product_spec
from jacobians.structures import Dense, Jacobian

_LEAST_LINES = 64  # rows or columns: half of them still make a product that BLAS is good at


def carried_product(
    tree: Tree, factors: Sequence[Jacobian], ledger: RecordingLedger, ends: Sequence[Any]
) -> Jacobian:
    """Return the product of recorded factors as bracketed, long runs of it carried by threads.

    Parameters
    ----------
    tree : Tree
    factors : sequence of Jacobian
        Of recorded arrays.
    ledger : RecordingLedger
    ends : sequence
        For each place between factors, both ends included: its size, or the node of the indices that stay there.
    """
    if isinstance(tree, int):
        return factors[tree]
    by_rows = len(_spine(tree, 0)[1]) >= len(_spine(tree, 1)[1])
    leaf, others = _spine(tree, 0 if by_rows else 1)
    product = factors[leaf]
    parts = [carried_product(part, factors, ledger, ends) for part in others]
    if _is_long(product, parts, by_rows=by_rows):
        sizes = (ends[_end(tree, 0)], ends[_end(tree, 1) + 1])
        return _carried(product, parts, ledger, sizes, by_rows=by_rows)
    for part in parts:
        product = multiply(product, part, ledger) if by_rows else multiply(part, product, ledger)
    return product


def _spine(tree: Tree, side: int) -> tuple[int, list[Tree]]:
    """Return the first (or last) factor, and what it is multiplied by, one after the other."""
    others: list[Tree] = []
    while not isinstance(tree, int):
        others.append(tree[1 - side])
        tree = tree[side]
    return tree, others[::-1]


def _end(tree: Tree, side: int) -> int:
    while not isinstance(tree, int):
        tree = tree[side]
    return tree


def _is_long(first: Jacobian, parts: Sequence[Jacobian], *, by_rows: bool) -> bool:
    if not isinstance(first, Dense) or first.A.ndim != 2 or len(parts) < 2:
        return False
    spec, flops = first.spec, 0
    for part in parts:
        pair = (spec, part.spec) if by_rows else (part.spec, spec)
        spec, flops = product_spec(*pair), flops + product_cost(*pair).flops
        if spec.structure != "Dense":
            return False
    return spec.shape[0 if by_rows else 1] >= _LEAST_LINES and flops >= LEAST_FLOPS


def _carried(
    first: Jacobian,
    parts: Sequence[Jacobian],
    ledger: RecordingLedger,
    sizes: tuple[Any, Any],
    *,
    by_rows: bool,
) -> Jacobian:
    recording = ledger.recording
    start = len(recording.nodes)
    part = recording.input("lines", first.A.shape, first.A.dtype)  # type: ignore[attr-defined]  # a Dense
    product: Jacobian = Dense.unchecked(part)
    for other in parts:
        product = multiply(product, other, ledger) if by_rows else multiply(other, product, ledger)
    result: Any = product.A  # type: ignore[attr-defined]  # as is asked before
    inside = {id(part.node)}
    body, outside = [], []
    for node in recording.nodes[start + 1 :]:
        if any(id(operand) in inside for operand in node.operands()):
            inside.add(id(node))
            body.append(node)
        else:
            outside.append(node)
    body = needed(body, [result.node], everything_counted=False)
    used = [operand for node in body for operand in node.operands() if id(operand) not in inside]
    node = Node(
        "carried",
        "rows" if by_rows else "columns",
        (first.A.node, *used),  # type: ignore[attr-defined]  # a Dense of a recorded array
        {"sizes": sizes},
        result.shape,
        result.dtype,
        {},
        cost=sum((inner.cost for inner in body), ZERO_COST),
        body=[part.node, *body],
    )
    recording.nodes[start:] = [*outside, node]
    return Dense.unchecked(Recorded(recording, node))
