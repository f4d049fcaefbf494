"""From a tree to index form: each part becomes rows, columns and terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jacobians.formulas import lowering_moves as moves
from jacobians.formulas.effort import spend
from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.functions_of import WHOLE_RULES, applied, normalized_exponential, rewritten_power
from jacobians.formulas.nodes import (
    Atom,
    Delta,
    Factor,
    Labels,
    Number,
    Sym,
    Tensor,
    Term,
    fresh,
    plain,
    relabel,
    times_size,
)
from jacobians.formulas.normal import power
from jacobians.formulas.open_values import Value, number_value, value_of
from jacobians.formulas.shape_rules import SIZED, size_argument
from jacobians.formulas.sizes import CONSTANTS, Shapes
from jacobians.formulas.tree import FormulaError, Node

MOST_EXPONENT = 1_000_000
"""How large an exponent that is a number may be."""

MOST_BITS = 4_000
"""How many bits a number of a formula may have."""


def checked_number(number: Number, exponent: Number = 1) -> Number:
    """Return a number whose power is no giant, or refuse it."""
    bits = max(abs(number.numerator).bit_length() - 1, number.denominator.bit_length() - 1)
    if bits * exponent > MOST_BITS:
        raise FormulaError(
            f"formula: found a number of more than {MOST_BITS:,} bits, expected a smaller one; give it a name"
        )
    return number


class Lowering:
    """Turns the trees of one formula into index form; names stand for variables or for values of `let` lines."""

    def __init__(self, shapes: Shapes | None, tags: Mapping[str, frozenset[str]]) -> None:
        self.shapes, self.tags = shapes, tags
        self.values: dict[str, tuple[Tensor, int]] = {}

    def define(self, name: str, value: Value) -> None:
        """Let a name stand for a value."""
        self.values[name] = (value.closed(), len(value.rows))

    def lower(self, node: Node) -> Value:
        """Return a tree as a value."""
        return _RULES[node.op](self, node)

    # --- leaves ----------------------------------------------------------------------------------------------

    def _name(self, node: Node) -> Value:
        name = node.value
        if name in self.values:
            return value_of(*self.values[name])
        if name in CONSTANTS and (self.shapes is None or name not in self.shapes.names):
            return number_value(1, Factor(Sym("π", ()), ()))
        assert self.shapes is not None
        if name not in self.shapes.names:
            number, monomial = times_size((), name)
            return Value((), (), {}, (Term(number, monomial, ()),))
        rows, columns = (self.shapes.final(size) for size in self.shapes.names[name])
        sym = Sym(name, (*rows, *columns), self.tags.get(name, frozenset()))
        labels = fresh(len(sym.sizes))
        split = labels[: len(rows)], labels[len(rows) :]
        sizes = dict(zip(labels, sym.sizes, strict=True))
        return Value(*split, sizes, (Term(1, (), (Factor(sym, labels),)),))

    def _size(self, size: Any) -> tuple[Labels, dict[int, Atom]]:
        assert self.shapes is not None
        atoms = self.shapes.final(size)
        labels = fresh(len(atoms))
        return labels, dict(zip(labels, atoms, strict=True))

    def _eye(self, size: Any) -> Value:
        rows, sizes = self._size(size)
        columns = fresh(len(rows))
        factors = tuple(Factor(Delta(sizes[a]), (a, b)) for a, b in zip(rows, columns, strict=True))
        more = {b: sizes[a] for a, b in zip(rows, columns, strict=True)}
        return Value(rows, columns, {**sizes, **more}, (Term(1, (), factors),))

    def _ones(self, rows: Any, columns: Any, number: int = 1) -> Value:
        (r, sizes), (c, more) = self._size(rows), self._size(columns)
        return Value(r, c, {**sizes, **more}, (Term(number, (), ()),) if number else ())

    def _comm(self, m: Any, n: Any) -> Value:
        left, right = self._eye(m), self._eye(n)
        factors = left.terms[0].factors + right.terms[0].factors
        labels = (*left.rows, *right.rows), (*right.columns, *left.columns)
        return Value(*labels, {**left.sizes, **right.sizes}, (Term(1, (), factors),))

    # --- sums and products -------------------------------------------------------------------------------------

    def _onto(self, value: Value, rows: Labels, columns: Labels) -> Value:
        """Return a value with other labels; a number stays as it is, a broadcast."""
        if value.scalar:
            return value
        names = dict(zip(value.labels, (*rows, *columns), strict=True))
        terms = tuple(relabel(term, names) for term in value.terms)
        return Value(rows, columns, {names[la]: size for la, size in value.sizes.items()}, terms)

    def _aligned(self, node: Node) -> list[Value]:
        values = [self.lower(arg) for arg in node.args]
        shape = next((value for value in values if not value.scalar), values[0])
        moved = [self._onto(value, shape.rows, shape.columns) for value in values]
        return [Value(shape.rows, shape.columns, shape.sizes, value.terms) for value in moved]

    def _add(self, node: Node) -> Value:
        values = self._aligned(node)
        return Value(
            values[0].rows, values[0].columns, values[0].sizes, tuple(t for v in values for t in v.terms)
        )

    def scaled(self, value: Value, number: Number) -> Value:
        """Return a number times a value."""
        terms = tuple(term._replace(number=plain(term.number * number)) for term in value.terms)
        return Value(value.rows, value.columns, value.sizes, terms)

    def _single(self, value: Value) -> Term:
        """Return one term: a sum becomes one factor."""
        if len(value.terms) == 1:
            return value.terms[0]
        return Term(1, (), (Factor(value.closed(), value.labels),))

    def times(self, values: list[Value], rows: Labels, columns: Labels, sizes: Mapping[int, Atom]) -> Value:
        """Return the product of values whose labels already fit."""
        number: Number = 1
        monomial: tuple[tuple[str, int], ...] = ()
        factors: list[Factor] = []
        for value in values:
            term = self._single(value)
            number = checked_number(number * term.number)
            for size, exponent in term.monomial:
                by, monomial = times_size(monomial, size, exponent)
                number = number * by
            factors += term.factors
        spend(len(factors))
        return Value(rows, columns, sizes, (Term(plain(number), monomial, tuple(factors)),))

    def _mul(self, node: Node) -> Value:
        made = self.lower(node.args[0])
        for arg in node.args[1:]:
            right = self.lower(arg)
            if made.scalar or right.scalar:
                shape = right if made.scalar else made
                made = self.times([made, right], shape.rows, shape.columns, shape.sizes)
                continue
            right = self._onto(right, made.columns, right.columns)
            summed = {*made.columns}
            sizes = {la: s for la, s in {**made.sizes, **right.sizes}.items() if la not in summed}
            product = self.times([made, right], made.rows, right.columns, sizes)
            made = self.summed(product, {la: made.sizes[la] for la in made.columns})
        return made

    def summed(self, value: Value, over: Mapping[int, Atom]) -> Value:
        """Return a value summed over labels: one that no factor carries gives its size."""
        terms = []
        for term in value.terms:
            seen = {label for _, labels, _ in term.factors for label in labels}
            number, monomial = term.number, term.monomial
            for label, size in over.items():
                if label not in seen:
                    by, monomial = times_size(monomial, size)
                    number = number * by
            terms.append(Term(plain(number), monomial, term.factors))
        return Value(value.rows, value.columns, value.sizes, tuple(terms))

    def _had(self, node: Node) -> Value:
        values = self._aligned(node)
        return self.times(values, values[0].rows, values[0].columns, values[0].sizes)

    def raised(self, value: Value, exponent: Number) -> Value:
        """Return value^exponent, entry by entry."""
        tensor = value.closed()
        size = exponent if exponent >= 0 else -exponent
        if size > MOST_EXPONENT:
            raise FormulaError(
                f"formula: found an exponent above {MOST_EXPONENT:,}, expected a smaller one; name it"
            )
        for inner in tensor.terms if len(tensor.terms) == 1 else ():
            checked_number(inner.number, size)
        term = rewritten_power(tensor, exponent) or power(tensor, exponent)
        names = dict(enumerate(value.labels))
        return Value(value.rows, value.columns, value.sizes, (relabel(term, names),))

    def _div(self, node: Node) -> Value:
        left, right = self.lower(node.args[0]), self.lower(node.args[1])
        self._not_zero(node, right)
        shares = normalized_exponential(left, right)
        if shares is not None:
            return shares
        return self.times([left, self.raised(right, -1)], left.rows, left.columns, left.sizes)

    def _not_zero(self, node: Node, below: Value) -> None:
        if below.closed().zero:
            raise FormulaError(
                f"{self.part(node)}: found a division by 0, expected a number that is not 0 below the line"
            )

    def _hdiv(self, node: Node) -> Value:
        left, right = self._aligned(node)
        self._not_zero(node, right)
        shares = normalized_exponential(left, self.lower(node.args[1]))
        if shares is not None:
            return shares
        below = self.raised(Value(right.rows, right.columns, right.sizes, right.terms), -1)
        return self.times([left, below], left.rows, left.columns, left.sizes)

    def _kron(self, node: Node) -> Value:
        values = [self.lower(arg) for arg in node.args]
        sizes = {la: s for value in values for la, s in value.sizes.items()}
        rows = tuple(la for value in values for la in value.rows)
        return self.times(values, rows, tuple(la for value in values for la in value.columns), sizes)

    def _khatri(self, node: Node) -> Value:
        values = [self.lower(arg) for arg in node.args]
        first = values[0]
        values = [first, *(self._onto(value, value.rows, first.columns) for value in values[1:])]
        sizes = {la: s for value in values for la, s in value.sizes.items()}
        return self.times(values, tuple(la for value in values for la in value.rows), first.columns, sizes)

    def _transpose(self, node: Node) -> Value:
        inner = self.lower(node.args[0])
        return Value(inner.columns, inner.rows, inner.sizes, inner.terms)

    # --- powers ------------------------------------------------------------------------------------------------

    def _exponent(self, node: Node) -> Number | Value:
        value = self.lower(node)
        if value.scalar:
            closed = value.closed()
            if closed.zero:
                return 0
            only = closed.terms[0]
            if len(closed.terms) == 1 and not only.factors and not only.monomial:
                return only.number
        return value

    def _pow(self, node: Node) -> Value:
        base = self.lower(node.args[0])
        if base.scalar:
            return self._epow(node)
        exponent = self._exponent(node.args[1])
        if not isinstance(exponent, int) or abs(exponent) > 20:
            raise FormulaError(
                f"{self.part(node)}: found an exponent that is no integer from -20 to 20, expected one for a matrix; "
                f".^ is entry by entry"
            )
        if exponent == 0:
            one = tuple(
                Factor(Delta(base.sizes[a]), (a, b)) for a, b in zip(base.rows, base.columns, strict=True)
            )
            return Value(base.rows, base.columns, base.sizes, (Term(1, (), one),))
        if exponent < 0:
            base = self.whole("inv", base)
        made = base
        for _ in range(abs(exponent) - 1):
            right = value_of(base.closed(), len(base.rows))
            right = self._onto(right, made.columns, right.columns)
            sizes = {
                **{la: made.sizes[la] for la in made.rows},
                **{la: right.sizes[la] for la in right.columns},
            }
            inner = self.times([made, right], made.rows, right.columns, sizes)
            made = self.summed(inner, {la: made.sizes[la] for la in made.columns})
        return made

    def _epow(self, node: Node) -> Value:
        exponent = self._exponent(node.args[1])
        if not isinstance(exponent, Value):
            return self.raised(self.lower(node.args[0]), exponent)
        base, exponent = self._aligned(node)
        return applied("power", [base, exponent])

    # --- functions ---------------------------------------------------------------------------------------------

    def part(self, node: Node) -> str:
        """Return the text of a part."""
        return self.shapes.part(node) if self.shapes is not None else node.op

    def whole(self, name: str, value: Value, axis: int | None = None) -> Value:
        """Return a function of a whole array."""
        return WHOLE_RULES[name](self, value, axis)

    def _call(self, node: Node) -> Value:
        name, axis = (node.value, None) if isinstance(node.value, str) else (node.value[0], node.value[1][1])
        if name in SIZED:
            assert self.shapes is not None
            sizes = [size_argument(node, arg, self.shapes) for arg in node.args]
            if name == "K":
                return self._comm(*sizes)
            if name == "eye":
                return self._eye(sizes[0])
            return self._ones(sizes[0], sizes[1] if len(sizes) > 1 else (), 1 if name == "ones" else 0)
        if name in ELEMENTWISE:
            return applied(name, [self.lower(node.args[0])])
        if name == "where":
            mask, a, b = self._aligned(node)
            other = self.scaled(self.times([mask, b], b.rows, b.columns, b.sizes), -1)
            first = self.times([mask, a], a.rows, a.columns, a.sizes)
            return Value(a.rows, a.columns, a.sizes, first.terms + b.terms + other.terms)
        if name == "unvec":
            return moves.unvec(self, node)
        if name in ("max", "min") and len(node.args) == 2:  # the tie belongs to the first
            a, b = self._aligned(node)
            sign = 1 if name == "max" else -1
            more = self.scaled(b, sign).terms + self.scaled(a, -sign).terms
            rest = applied("relu", [Value(a.rows, a.columns, a.sizes, more)])
            return Value(a.rows, a.columns, a.sizes, a.terms + self.scaled(rest, sign).terms)
        if name in ("kron", "khatri"):
            return self._kron(node) if name == "kron" else self._khatri(node)
        if name in ("dot", "outer"):
            left = node.args[0] if name == "outer" else Node("T", (node.args[0],))
            right = node.args[1] if name == "dot" else Node("T", (node.args[1],))
            return self._mul(Node("mul", (left, right)))
        return self.whole(name, self.lower(node.args[0]), axis)


_RULES: dict[str, Callable[[Lowering, Node], Value]] = {
    "index": moves.index,
    "stack": moves.stack,
    "num": lambda low, node: number_value(node.value),
    "size": lambda low, node: low._mul(Node("mul", tuple(Node("name", value=s) for s in node.value))),
    "name": Lowering._name,
    "eye": lambda low, node: low._eye(node.value),
    "ones": lambda low, node: low._ones(node.value, ()),
    "zeros": lambda low, node: low._ones(node.value[0], node.value[1], 0),
    "comm": lambda low, node: low._comm(*node.value),
    "add": Lowering._add,
    "neg": lambda low, node: low.scaled(low.lower(node.args[0]), -1),
    "mul": Lowering._mul,
    "div": Lowering._div,
    "had": Lowering._had,
    "hdiv": Lowering._hdiv,
    "kron": Lowering._kron,
    "khatri": Lowering._khatri,
    "T": Lowering._transpose,
    "pow": Lowering._pow,
    "epow": Lowering._epow,
    "call": Lowering._call,
}
