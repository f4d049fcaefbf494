"""Terms with vectors whose side is a product of sizes, such as x in (A ⊗ B)·x.

Such a vector has several labels and is no matrix of them. It stands at an end of what its labels hang on: a matrix from
its labels to the rows, from the columns to its labels, or to those of another such vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jacobians.formulas.nodes import Atom, Factor
from jacobians.formulas.reduction import Graph, NoFormError, entrywise
from jacobians.formulas.tree import Node, is_number, mul, transposed

Labels = tuple[int, ...]
Operator = Callable[[Graph, Labels, Labels], Node]


def stacked_term(
    rest: Sequence[Factor],
    vectors: Mapping[Labels, Sequence[Node]],
    rows: Labels,
    columns: Labels,
    sizes: Mapping[int, Atom],
    place: Callable[[Graph, Factor], None],
    operator: Operator,
) -> tuple[Node, list[Node], list[Node]]:
    """Return a term's matrix, and the numbers above and below its line.

    Parameters
    ----------
    rest : sequence of Factor
        All factors but the vectors.
    vectors : mapping
        The columns by their labels, entry by entry.
    rows, columns : tuple of int
        The labels that are left.
    sizes : mapping
        Of all labels.
    place, operator : callable
        What puts a factor into a graph, and what reads a matrix off one.

    Raises
    ------
    NoFormError
        If more than two ends hang together, or two of them overlap.
    """
    ends: list[tuple[Labels, Node | None]] = [(rows, None)] if rows else []
    ends += [(labels, entrywise(nodes)) for labels, nodes in vectors.items()]
    ends += [(columns, None)] if columns else []
    numbers, found = Graph(dict(sizes)), []
    for factor in rest:
        if not factor.labels:
            place(numbers, factor)
    for part in _parts([rows, columns, *vectors, *(factor.labels for factor in rest)]):
        inside = [factor for factor in rest if factor.labels and part.issuperset(factor.labels)]
        at = [end for end in ends if part.issuperset(end[0])]
        graph = Graph(dict(sizes))
        if len(at) == 1 and at[0][1] is not None and not inside:  # Σ of entries of vectors
            graph.vectors[at[0][0][0]] = list(vectors[at[0][0]])
            graph.contract(set())
        else:
            for factor in inside:
                place(graph, factor)
            whole = _between(graph, at, bool(inside), rows, operator)
            if any(node is None for _, node in at):
                found.append(whole)
            else:
                graph.up.append(whole)
        numbers.up += graph.up
        numbers.down += graph.down
    return mul(*found), numbers.up, numbers.down


def _parts(groups: Sequence[Labels]) -> list[set[int]]:
    """Return labels that hang together, those of the first groups first."""
    parts: list[set[int]] = []
    for group in filter(None, groups):
        joined = [part for part in parts if part & {*group}]
        parts = [part for part in parts if part not in joined] + [{*group}.union(*joined)]
    order = [label for group in groups for label in group]
    return sorted(parts, key=lambda part: min(order.index(label) for label in part))


def _between(
    graph: Graph, ends: Sequence[tuple[Labels, Node | None]], held: bool, rows: Labels, operator: Operator
) -> Node:
    """Return the matrix between two ends with the vectors that stand there."""
    if len(ends) > 2:
        raise NoFormError
    if len(ends) == 1:
        ends = [*ends, ((), None)] if ends[0][0] == rows else [((), None), *ends]
    (left, above), (right, behind) = ends
    if not held and left == right:  # the vector is the row or column itself
        if above is not None and behind is not None:
            raise NoFormError
        return transposed(above) if above is not None else mul(*filter(None, [behind]))
    if {*left} & {*right}:
        raise NoFormError
    graph.contract({*left, *right})
    made = operator(graph, left, right)
    before = [] if above is None else [transposed(above)]
    factors = [*before, made, *([] if behind is None else [behind])]
    return mul(*(factor for factor in factors if not is_number(factor, 1)))
