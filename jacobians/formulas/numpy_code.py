"""A tree as NumPy code, vectors as arrays of one axis; and index form as einsum code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Sequence

from jacobians.formulas.effort import spend
from jacobians.formulas.functions import ELEMENTWISE, WHOLE
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.naming import Named, with_parts
from jacobians.formulas.nodes import Choice, Delta, Factor, Fn, Sym, Tensor, Term
from jacobians.formulas.shape_rules import shape_of
from jacobians.formulas.size_sums import length, place_text
from jacobians.formulas.sizes import Shapes
from jacobians.formulas.text import index_text
from jacobians.formulas.tree import FormulaError, Node, is_number

_ATOMS = {"name", "call", "eye", "ones", "zeros", "comm", "size"}


def _product(size: Sequence[str | int]) -> str:
    return "*".join(map(str, size)) or "1"


def python_name(name: str) -> str:
    """Return a variable's name in Python code: words of Python's and names of modules get an underscore.

    Examples
    --------
    >>> python_name("lambda"), python_name("x")
    ('lambda_', 'x')
    """
    return f"{name}_" if keyword.iskeyword(name) or name in ("np", "scipy") else name


class NumpyCode:
    """Writes trees of one formula as expressions in np (and scipy), for one vec order."""

    def __init__(self, shapes: Shapes, vec: str = "row") -> None:
        self.shapes, self.vec = shapes.with_vec(vec), vec

    def of(self, node: Node, parts: Sequence[tuple[str, Node]] = ()) -> str:
        """Return the code of a tree; each of `parts`, names with what they stand for, is assigned where it is read."""
        codes = self.meanings(parts)
        shape_of(node, self.shapes)
        return with_parts(self._code(node), codes)

    def meanings(self, parts: Sequence[tuple[str, Node]]) -> tuple[tuple[str, str], ...]:
        """Return the code of what names stand for, and know these names from then on."""
        self.shapes.names = dict(self.shapes.names)
        codes = []
        for name, meaning in parts:
            self.shapes.names[name] = shape_of(meaning, self.shapes)
            codes.append((python_name(name), self._code(meaning)))
        return tuple(codes)

    def _kind(self, node: Node) -> str:
        """Return what a part is: number, column, row or matrix."""
        return self.shapes.kind(shape_of(node, self.shapes))

    def _in(self, node: Node) -> str:
        code = self._code(node)
        bare = node.op in _ATOMS or code.isidentifier() or code.isdigit()
        return code if bare else f"({code})"

    def _code(self, node: Node) -> str:
        op, args = node.op, node.args
        if op == "num":
            value = node.value
            return (
                str(value.numerator) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
            )
        if op == "name":
            return (
                "np.pi"
                if node.value in ("pi", "π") and node.value not in self.shapes.names
                else python_name(node.value)
            )
        if op == "size":
            return f"({_product(node.value)})" if len(node.value) > 1 else _product(node.value)
        if op in ("eye", "ones"):
            return f"np.{op}({_product(node.value)})"
        if op == "zeros":
            sizes = [_product(size) for size in node.value if size]
            return f"np.zeros(({', '.join(sizes)},))"
        if op == "comm":
            m, n = (_product(size) for size in node.value)
            return f"np.eye(({m})*({n}))[np.arange(({m})*({n})).reshape({n}, {m}).T.ravel()]"
        if op == "add":
            return " + ".join(map(self._in, args)).replace(" + -", " - ")
        if op == "neg":
            return f"-{self._in(args[0])}"
        if op in ("had", "hdiv", "div"):
            return (" * " if op == "had" else " / ").join(map(self._in, args))
        if op == "T":
            return f"{self._in(args[0])}.T" if self._kind(args[0]) == "matrix" else self._code(args[0])
        if op in ("pow", "epow"):
            return self._power(node)
        if op == "index":
            return self._index(node)
        if op == "stack":
            return self._stack(node)
        if op == "khatri":
            code = self._in(args[0])
            for arg in args[1:]:
                code = WHOLE["khatri"].code.format(code, self._in(arg))
            return code
        return {"mul": self._mul, "kron": self._kron, "call": self._call}[op](node)

    def _power(self, node: Node) -> str:
        base, exponent = node.args
        if node.op == "pow" and self._kind(base) == "matrix":
            if is_number(exponent, -1):
                return f"np.linalg.inv({self._code(base)})"
            return f"np.linalg.matrix_power({self._code(base)}, {self._code(exponent)})"
        code = self._in(exponent)
        if is_number(exponent) and exponent.value < 0:
            code = f"({float(exponent.value)})"  # integers know no negative powers
        return f"{self._in(base)}**{code}"

    def _mul(self, node: Node) -> str:
        kind, code = self._kind(node.args[0]), self._in(node.args[0])
        for arg in node.args[1:]:
            own, right = self._kind(arg), self._in(arg)
            if "number" in (kind, own):
                kind, code = own if kind == "number" else kind, f"{code} * {right}"
            elif kind == "column":  # a column has one column: a row follows
                kind, code = "matrix", f"np.outer({code}, {right})"
            else:
                left = {"matrix": "column", "row": "number"}[kind]
                kind = left if own == "column" else kind
                code = f"{f'({code})' if ' * ' in code else code} @ {right}"
        return code

    def _kron(self, node: Node) -> str:
        kinds = {self._kind(arg) for arg in node.args}
        flat = kinds in ({"column"}, {"row"})
        ends = {"column": "[:, None]", "row": "[None, :]"}
        parts = [
            self._code(arg) if flat or self._kind(arg) not in ends else self._in(arg) + ends[self._kind(arg)]
            for arg in node.args
        ]
        code = parts[0]
        for part in parts[1:]:
            code = f"np.kron({code}, {part})"
        return code

    def _index(self, node: Node) -> str:
        inner, specs = node.args[0], node.value
        kind = self._kind(inner)
        if kind != "matrix":
            specs = specs[:1] if kind == "column" else specs[1:]
        shape = self.shapes.of.get(id(inner)) or shape_of(inner, self.shapes)
        sides = shape if kind == "matrix" else shape[:1] if kind == "column" else shape[1:]
        parts = []
        for spec, side in zip(specs, sides, strict=True):
            one = (
                isinstance(spec, tuple) and self.shapes.resolve(length(self.shapes.resolve(side), spec)) == ()
            )
            parts.append(place_text(spec[0]) if one else index_text(spec))
        return f"{self._in(inner)}[{', '.join(parts)}]"

    def _stack(self, node: Node) -> str:
        along = 0 if node.value == "rows" else 1
        flat = {"column", "row"} - {self._kind(node)}
        parts = []
        for arg in node.args:
            kind, code = self._kind(arg), self._in(arg)
            if self._kind(node) == "matrix":
                code += {"column": "[:, None]", "row": "[None, :]"}.get(kind, "")
                parts.append(code)
            else:
                parts.append(f"[{code}]" if kind == "number" else code)
        axis = along if self._kind(node) == "matrix" and flat else 0
        return f"np.concatenate([{', '.join(parts)}], axis={axis})"

    def _call(self, node: Node) -> str:
        name, axis = (node.value, None) if isinstance(node.value, str) else (node.value[0], node.value[1][1])
        if name == "vec" and self.vec == "column":
            return f"np.ravel({self._code(node.args[0])}, order='F')"
        if name == "hardmax" and axis is not None:
            inner = self._in(node.args[0])
            made = f"np.eye({inner}.shape[{axis}])[np.argmax({inner}, axis={axis})]"
            return made if axis == 1 else f"{made}.T"
        if name in ("max", "min") and len(node.args) == 1:
            code = f"np.{name}({self._code(node.args[0])})"
            return code if axis is None else f"{code[:-1]}, axis={axis})"
        row = ELEMENTWISE[name] if name in ELEMENTWISE else WHOLE[name]
        code = row.code.format(*(self._code(arg) for arg in node.args))
        return code if axis is None else f"{code[:-1]}, axis={axis})"


_LETTERS = "ijklmnopqrstuvwxyzabcdefghABCDEFGHIJKLMNOPQRSTUVWXYZ"

# --- einsum ----------------------------------------------------------------------------------------------------


class EinsumCode:
    """Writes tensors as einsum code, every axis kept; ``(p := …)`` names a part that is repeated.

    Parameters
    ----------
    form : MatrixForm
        A writer of the parts that have matrix notation.
    shapes : Shapes
        The sizes.
    names : callable
        Names the repeated parts of a tree.
    """

    def __init__(self, form: MatrixForm, shapes: Shapes, names: Callable[[Node], Named]) -> None:
        self.form, self.numpy, self.names = form, NumpyCode(shapes), names
        self.trees: list[Node] = []

    def whole(self, tensor: Tensor) -> str:
        """Return the code of a tensor with its axes in order.

        Raises
        ------
        FormulaError
            If a function along one axis, or a power, has arguments of more than two axes.
        """
        code = self.of(tensor)  # with a mark for each tree
        if not self.trees:
            return code
        together, parts = self.names(Node("stack", tuple(self.trees), "rows"))
        meanings = self.numpy.meanings(parts)
        written = [self.numpy.of(tree) for tree in together.args]
        return with_parts(re.sub("\0(\\d+)\0", lambda mark: written[int(mark[1])], code), meanings)

    def of(self, tensor: Tensor) -> str:
        """Return the code of a tensor, with marks in place of its parts."""
        terms = [self._term(term, tensor) for term in tensor.terms]
        shape = ", ".join(map(str, tensor.sizes))
        return " + ".join(terms).replace(" + -", " - ") or f"np.zeros(({shape},))"

    def _term(self, term: Term, tensor: Tensor) -> str:
        spend(5 * len(term.factors))
        free = len(tensor.sizes)
        labels = {label: place for place, label in enumerate(range(free))}
        for factor in term.factors:
            for label in factor.labels:
                labels.setdefault(label, len(labels))
        if len(labels) > len(_LETTERS):
            raise FormulaError(
                f"code: found a product of {len(labels)} indices, expected at most {len(_LETTERS)}, NumPy's letters; "
                f"use d.matrix().code(), or d.evaluate(…)"
            )
        operands = [
            (self._factor(factor), "".join(_LETTERS[labels[la]] for la in factor.labels))
            for factor in term.factors
        ]
        seen = {la for factor in term.factors for la in factor.labels}
        operands += [
            (f"np.ones({tensor.sizes[la]})", _LETTERS[labels[la]]) for la in range(free) if la not in seen
        ]
        sizes = [f"{size}**{power}" if power != 1 else size for size, power in term.monomial]
        sign, number = ("-" if term.number < 0 else ""), abs(term.number)
        lead = [str(number) if isinstance(number, int) else f"({number})"] if number != 1 else []
        if not operands:
            return sign + ("*".join([*lead, *sizes]) or "1")
        result = "".join(_LETTERS[labels[la]] for la in range(free))
        inside = f"{','.join(letters for _, letters in operands)}->{result}"
        order = ", optimize=True" if len(operands) > 3 else ""  # else one loop over all indices
        made = f"np.einsum('{inside}', {', '.join(code for code, _ in operands)}{order})"
        return sign + "*".join([*lead, *sizes, made])

    def _factor(self, factor: Factor) -> str:
        code = self._node(factor.node)
        if factor.exponent == 1:
            return code
        power = (
            factor.exponent
            if isinstance(factor.exponent, int) and factor.exponent > 0
            else float(factor.exponent)
        )
        return f"({code})**{power}" if power > 0 else f"({code})**({power})"

    def _function(self, node: Fn, arg: Tensor) -> str:
        inner = self.of(arg)
        if node.name in ELEMENTWISE:
            return ELEMENTWISE[node.name].code.format(inner)
        if node.name in ("inv", "det", "logdet"):
            rows = _product(arg.sizes[: len(arg.sizes) // 2])
            code = WHOLE[node.name].code.format(f"np.reshape({inner}, ({rows}, {rows}))")
            return f"np.reshape({code}, ({', '.join(map(str, node.sizes))}))" if node.sizes else code
        if len(node.along) == len(arg.sizes):  # SciPy takes all axes by default
            return WHOLE[node.name].code.format(inner)
        raise FormulaError(
            "code: found a function along one of more than two axes, expected at most two; use d.evaluate(…)"
        )

    def _node(self, node: Sym | Delta | Choice | Fn | Tensor) -> str:
        if isinstance(node, Sym) and node.name != "π":
            said = python_name(node.name)
            shape = ", ".join(map(str, node.sizes))
            return f"np.reshape({said}, ({shape}))" if node.name in self.form.grouped else said
        try:
            self.trees.append(self.form.node(Factor(node, tuple(range(len(node.sizes))))))
            return f"\0{len(self.trees) - 1}\0"
        except NoFormError:
            if isinstance(node, Tensor):
                return self.of(node)
            if isinstance(node, Fn) and len(node.args) == 1:
                return self._function(node, node.args[0])
        raise FormulaError(
            "code: found a power of arrays of more than two axes, expected at most two; use d.evaluate(…)"
        )
