"""Chosen, stacked and reshaped values in index form."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from jacobians.formulas.nodes import Choice, Factor, Term, fresh, relabel
from jacobians.formulas.open_values import Value
from jacobians.formulas.shape_rules import size_argument
from jacobians.formulas.size_sums import atom_of, length, linear_sum, place_in, size_of
from jacobians.formulas.tree import FormulaError, Node

if TYPE_CHECKING:
    from jacobians.formulas.lowering import Lowering


def unvec(low: Lowering, node: Node) -> Value:
    """Return a column as rows and columns."""
    value = low.lower(node.args[0])
    assert low.shapes is not None
    rows = low.shapes.final(size_argument(node, node.args[1], low.shapes))
    return Value(value.rows[: len(rows)], value.rows[len(rows) :], value.sizes, value.terms)


def index(low: Lowering, node: Node) -> Value:
    """Return chosen rows and columns."""
    value = low.lower(node.args[0])
    sides = []
    factors: list[Factor] = []
    sizes, gone = dict(value.sizes), {}
    for spec, labels in zip(node.value, (value.rows, value.columns), strict=True):
        if spec is None or not labels:
            sides.append(labels)
            continue
        if len(labels) != 1:
            raise FormulaError(f"{low.part(node)}: found an index of a product of sizes, expected one size")
        size = (sizes[labels[0]],)
        first, last = spec if isinstance(spec, tuple) else (spec, None)
        if isinstance(spec, tuple) and first == 0 and length(size, spec) == size:
            sides.append(labels)
            continue
        stop = None if length(size, spec) == () else atom_of(place_in(size, last))
        choice = Choice(size[0], atom_of(place_in(size, first)), stop)
        made = fresh(len(choice.sizes) - 1)
        factors.append(Factor(choice, (*labels, *made)))
        gone[labels[0]] = sizes.pop(labels[0])
        sizes.update(dict(zip(made, choice.sizes[1:], strict=True)))
        sides.append(made)
    chosen = Value((), (), {}, (Term(1, (), tuple(factors)),))
    return low.summed(low.times([value, chosen], sides[0], sides[1], sizes), gone)


def stack(low: Lowering, node: Node) -> Value:
    """Return parts beside one another or under one another."""
    assert low.shapes is not None
    along = 0 if node.value == "rows" else 1
    values = [low.lower(arg) for arg in node.args]
    lengths = [tuple(v.sizes[la] for la in (v.rows, v.columns)[along]) for v in values]
    ends = [linear_sum(lengths[:k]) for k in range(len(values) + 1)]
    whole = size_of(ends[-1])
    if whole == () or (len(values) == 1 and len(lengths[0]) == 1):  # one part
        return values[0]
    total = atom_of(ends[-1])
    (label,) = fresh(1)
    across = (values[0].rows, values[0].columns)[1 - along]
    sizes = {la: values[0].sizes[la] for la in across} | {label: total}
    terms: list[Term] = []
    for value, size, (start, stop) in zip(values, lengths, pairwise(map(atom_of, ends)), strict=True):
        own = (value.rows, value.columns)[along]
        if len(own) > 1:
            raise FormulaError(f"{low.part(node)}: found a part with a product of sizes, expected one size")
        choice = Choice(total, start, None if size == () else stop)
        names = dict(zip((value.rows, value.columns)[1 - along], across, strict=True))
        terms += [
            relabel(term, names)._replace(
                factors=(Factor(choice, (label, *own)), *relabel(term, names).factors)
            )
            for term in value.terms
        ]
    rows, columns = ((label,), across) if along == 0 else (across, (label,))
    return Value(rows, columns, sizes, tuple(terms))
