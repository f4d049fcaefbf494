"""What a printed derivative multiplies: the specs of its factors, with letters or numbers for sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from jacobians.formulas.formula import Derivative
from jacobians.formulas.matrix_notation import Form
from jacobians.formulas.shape_rules import shape_of
from jacobians.formulas.size_sums import is_sum, letters_of, linear
from jacobians.formulas.sizes import Shapes
from jacobians.formulas.text import binding, text
from jacobians.formulas.tree import FormulaError, Node
from jacobians.spec import Spec, owner


class Part(NamedTuple):
    """A factor of a chain: what it is called, and its spec."""

    name: str
    spec: Spec


def chains_of(d: Derivative, vec: str = "row", sizes: Mapping[str, int] | None = None) -> list[list[Part]]:
    """Return the factors of each term of the Jacobian matrix, output side first; numbers before it are left out.

    Parameters
    ----------
    d : Derivative
    vec : str
        "row" or "column".
    sizes : mapping, optional
        Numbers for the letters; those that are not named stay letters, as sympy's symbols.

    Raises
    ------
    FormulaError
        If the derivative has no matrix notation, or a name in `sizes` is none of its letters.
    """
    form: Form = d.matrix(vec)
    letters = {letter for name in d.sizes for size in d.axes(name) for letter in letters_of(size)}
    for name, value in (sizes or {}).items():
        if name not in letters:
            raise FormulaError(
                f"sizes: found {name!r}, expected letters of the formula, {', '.join(sorted(letters))}"
            )
        if type(value) is not int or value < 1:
            raise FormulaError(f"sizes: found {name} = {value!r}, expected a positive integer")
    writer = _Specs(form.shapes.with_vec(vec), dict(sizes or {}))
    terms = form.tree.args if form.tree.op == "add" else (form.tree,)
    return [writer.chain(term) for term in terms]


class _Specs:
    def __init__(self, shapes: Shapes, sizes: dict[str, int]) -> None:
        self.shapes, self.sizes = shapes, sizes

    def size(self, size: Sequence[Any]) -> Any:
        """Return a size as a number or a product of symbols."""
        return prod((self._atom(atom) for atom in self.shapes.final(tuple(size))), start=1)

    def _atom(self, atom: Any) -> Any:
        if isinstance(atom, int):
            return atom
        if is_sum(atom):
            return sum(
                c * prod((self._atom(a) for a in letters), start=1) for letters, c in linear((atom,)).items()
            )
        if atom in self.sizes:
            return self.sizes[atom]
        import sympy  # only for those who ask for letters

        return sympy.Symbol(atom, integer=True, positive=True)

    def shape(self, node: Node) -> tuple[Any, Any]:
        """Return the sizes of a part."""
        rows, columns = shape_of(node, self.shapes)
        return self.size(rows), self.size(columns)

    def chain(self, node: Node) -> list[Part]:
        """Return the factors of a term."""
        if node.op == "neg":
            return self.chain(node.args[0])
        if node.op == "div":
            return self.chain(node.args[0])
        whole = self.shape(node)
        factors = [arg for arg in (node.args if node.op == "mul" else (node,)) if self.shape(arg) != (1, 1)]
        if not factors:
            return [Part(text(node), Spec.dense(*whole))]
        return [part for arg in factors for part in self._factor(arg)]

    def _factor(self, node: Node) -> list[Part]:
        if node.op in ("mul", "neg", "div"):
            return self.chain(node)
        if (
            node.op == "kron"
            and len(node.args) == 2
            and node.args[0].op == "mul"
            and self.shape(node.args[1])[0] == 1
        ):
            *before, last = node.args[
                0
            ].args  # (A·B) ⊗ xᵀ = A·(B ⊗ xᵀ): what a weight's Jacobian is multiplied from
            parts = [part for arg in before if self.shape(arg) != (1, 1) for part in self._factor(arg)]
            return [*parts, *self._factor(Node("kron", (last, node.args[1])))]
        shown = text(node)
        return [Part(shown if binding(node) >= 4 else f"({shown})", self.spec(node))]

    def spec(self, node: Node) -> Spec:
        """Return what a part is known to be; Dense where nothing else is."""
        rows, columns = self.shape(node)
        rule = _STRUCTURES.get(node.value if node.op == "call" and isinstance(node.value, str) else node.op)
        made = None if rule is None else rule(self, node)
        return Spec.dense(rows, columns) if made is None else made


def _eye(at: _Specs, node: Node) -> Spec:
    return Spec.identity(at.size(node.value))


def _diag(at: _Specs, node: Node) -> Spec | None:
    rows, columns = at.shape(node)
    return Spec.diagonal(rows) if rows == columns != 1 else None


def _kron(at: _Specs, node: Node) -> Spec:
    *before, last = (at.spec(arg) for arg in node.args)
    for spec in reversed(before):
        last = Spec.kronecker(spec, last)
    return last


def _transposed(at: _Specs, node: Node) -> Spec:
    return at.spec(node.args[0]).T


def _zeros(at: _Specs, node: Node) -> Spec:
    return Spec.zero(*at.shape(node))


def _commutation(at: _Specs, node: Node) -> Spec:
    return Spec.selection(*at.shape(node))


def _index(at: _Specs, node: Node) -> Spec | None:
    """Return that of columns of the identity: a choice of entries."""
    if node.args[0].op != "eye":
        return None
    rows, columns = at.shape(node)
    return Spec.selection(columns, rows).T


def _scaled(at: _Specs, node: Node) -> Spec | None:
    """Return that of one matrix with numbers before or below it; of a product of several, none."""
    parts = [arg for arg in node.args if at.shape(arg) != (1, 1)]
    return at.spec(parts[0]) if len(parts) == 1 else None


def _sum(at: _Specs, node: Node) -> Spec | None:
    """Return that of a diagonal plus products u·vᵀ: their rank; of diagonals, a diagonal."""
    rows, columns = at.shape(node)
    terms = [arg.args[0] if arg.op == "neg" else arg for arg in node.args]
    specs = [at.spec(arg) for arg in terms]
    diagonal = [owner(spec.structure)._on_diagonal for spec in specs]
    if all(diagonal):
        return Spec.diagonal(rows)
    rest = [term for term, known in zip(terms, diagonal, strict=True) if not known]
    if rows == columns and any(diagonal) and all(_rank_one(at, term) for term in rest):
        return Spec.low_rank(rows, len(rest))
    return None


def _rank_one(at: _Specs, node: Node) -> bool:
    node = node.args[0] if node.op == "div" else node
    if node.op != "mul":
        return False
    shapes = [shape for arg in node.args if (shape := at.shape(arg)) != (1, 1)]
    return any(left[1] == 1 and right[0] == 1 for left, right in pairwise(shapes))


_STRUCTURES: dict[Any, Callable[[_Specs, Node], Spec | None]] = {
    "eye": _eye,
    "diag": _diag,
    "kron": _kron,
    "T": _transposed,
    "zeros": _zeros,
    "comm": _commutation,
    "index": _index,
    "neg": lambda at, node: at.spec(node.args[0]),
    "mul": _scaled,
    "div": _scaled,
    "add": _sum,
}
"""What a part is known to be, by its operation or function."""
