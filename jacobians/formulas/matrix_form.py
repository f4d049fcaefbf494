"""Matrix notation read off the graph of a term.

Summed labels are contracted: two matrices at a label are a product, a vector between them a diag, a loop a trace or a
diagonal (``reduction``). What is left between rows and columns is a matrix, or, for more than one label, a Kronecker
product of the connected parts (``kronecker_form``), or has no matrix form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from jacobians.formulas.effort import spend
from jacobians.formulas.functions import ELEMENTWISE, WHOLE
from jacobians.formulas.functions_of import same_everywhere
from jacobians.formulas.kronecker_form import KroneckerForm
from jacobians.formulas.nodes import Atom, Choice, Delta, Factor, Fn, Sym, Tensor, Term
from jacobians.formulas.reduction import Graph, NoFormError, entrywise, raised
from jacobians.formulas.selections import stacked
from jacobians.formulas.size_sums import atom_of, linear, placed, plus, short_place
from jacobians.formulas.stacked_form import stacked_term
from jacobians.formulas.sums import Piece
from jacobians.formulas.tree import Node, call, is_number, name, num, transposed


class MatrixForm:
    """Writes tensors in matrix notation, in one vec order.

    Parameters
    ----------
    vec : str
        "row" or "column".
    rows_named, grouped, stacked : frozenset of str
        The variables that are rows, those with a side whose size is a product, and the vectors among these.
    """

    def __init__(
        self, vec: str, rows_named: frozenset[str], grouped: frozenset[str], stacked: frozenset[str]
    ) -> None:
        self.vec, self.rows_named, self.grouped, self.stacked = vec, rows_named, grouped, stacked
        self.known: dict[Any, Node] = {}

    # --- tensors -----------------------------------------------------------------------------------------------

    def of(self, tensor: Tensor, rows: Sequence[int], columns: Sequence[int]) -> Node:
        """Return a tensor with labels `rows` down and `columns` across, or raise NoFormError."""
        key = (tensor.digest, tuple(rows), tuple(columns))
        if key not in self.known:
            sizes = dict(enumerate(tensor.sizes))
            ends = tuple(sizes[r] for r in rows), tuple(sizes[c] for c in columns)
            pieces = [self.term(term, rows, columns, sizes) for term in tensor.terms]
            self.known[key] = stacked(pieces, *ends)
        return self.known[key]

    def node(self, factor: Factor) -> Node:
        """Return a factor's node without exponent: a number, a column, or a matrix in the order of its labels."""
        made = self._node(factor.node)
        return replace(made, symmetric=True) if len(factor.labels) == 2 and factor.node.symmetric else made

    def _node(self, node: Sym | Delta | Choice | Fn | Tensor) -> Node:
        if len(node.sizes) > 2:
            raise NoFormError
        if isinstance(node, Sym):
            if node.name in self.grouped:  # a column of m·n entries is no matrix of m×n
                raise NoFormError
            made = name(node.name)
            return transposed(made) if node.name in self.rows_named else made
        if isinstance(node, Delta):
            return Node("eye", value=(node.size,))
        if isinstance(node, Choice):
            size = (node.size,)
            start, stop = short_place(size, placed(node.start)), node.stop
            if stop is None and isinstance(start, tuple):  # a column between others is a slice of one
                stop = atom_of(plus(linear(start), {(): 1}))
            columns = start if stop is None else (start, short_place(size, placed(stop), stop=True))
            return Node("index", (Node("eye", value=(node.size,)),), (None, columns))
        if isinstance(node, Tensor):
            return self.of(node, *((0,), (1,))[: len(node.sizes)], *[()] * (2 - len(node.sizes)))
        return self._function(node)

    def _function(self, node: Fn) -> Node:
        def arg(place: int = 0) -> Node:
            inner = node.args[place]
            if len(inner.sizes) > 2:
                raise NoFormError
            return self.of(inner, *((0,), (1,))[: len(inner.sizes)], *[()] * (2 - len(inner.sizes)))

        if node.name in ELEMENTWISE or node.name in ("det", "logdet"):
            return call(node.name, arg())
        if node.name == "inv":
            return Node("pow", (arg(), num(-1)))
        if node.name.startswith("tr_"):
            return call("tr", call(node.name[3:], arg()))
        if node.name in WHOLE and not node.along:
            return call(node.name, arg())
        if node.name == "power":
            numbers = [same_everywhere(inner) for inner in node.args]
            base, exponent = (
                arg(k) if one is None else self.of(one, (), ()) for k, one in enumerate(numbers)
            )
            return Node("epow" if node.sizes else "pow", (base, exponent))
        inner = node.args[0]
        if len(node.along) == len(inner.sizes):
            if len(inner.sizes) < 2:
                return call(node.name, arg())
            if node.name in ("max", "hardmax"):
                return call(node.name, arg())
            if node.name == "logsumexp":
                return call(node.name, call("vec", arg()))
            raise NoFormError
        if len(inner.sizes) == 2:
            made = Node("call", (arg(),), (node.name, ("axis", node.along[0])))
            return transposed(made) if node.name in ("logsumexp", "max") and node.along == (0,) else made
        raise NoFormError

    def norm(self, tensor: Tensor) -> Node | None:
        """Return ‖v‖ for the tensor Σ v²."""
        if tensor.sizes or len(tensor.terms) != 1:
            return None
        (term,) = tensor.terms
        if term.number != 1 or term.monomial or not term.factors:
            return None
        labels = set(term.factors[0].labels)
        if not labels or len(labels) > 2 or any(set(f.labels) != labels for f in term.factors):
            return None
        if any(not isinstance(f.exponent, int) or f.exponent % 2 for f in term.factors):
            return None
        order = term.factors[0].labels
        halves = []
        for f in term.factors:
            made = raised(self.node(f), f.exponent // 2, "epow")
            halves.append(made if f.labels == order else transposed(made))
        return call("norm2" if len(labels) == 1 else "normF", entrywise(halves))

    # --- terms -------------------------------------------------------------------------------------------------

    def term(
        self, term: Term, rows: Sequence[int], columns: Sequence[int], sizes: Mapping[int, Atom]
    ) -> Piece:
        """Return one term as a piece of a sum."""
        spend(20 * (len(term.factors) + 1))
        operator = KroneckerForm(self.vec).operator
        found = [
            (factor, factor.node.name)
            for factor in term.factors
            if isinstance(factor.node, Sym) and factor.node.name in self.stacked
        ]
        graph = Graph(dict(sizes))
        if found:
            vectors: dict[tuple[int, ...], list[Node]] = {}
            for (node, labels, exponent), said in found:
                graph.sizes.update(zip(labels, node.sizes, strict=True))
                vectors.setdefault(tuple(labels), []).append(raised(name(said), exponent, "epow"))
            taken = [factor for factor, _ in found]
            rest = [factor for factor in term.factors if factor not in taken]
            chain, graph.up, graph.down = stacked_term(
                rest, vectors, tuple(rows), tuple(columns), graph.sizes, self._place, operator
            )
        else:
            for factor in term.factors:
                self._place(graph, factor)
            graph.contract({*rows, *columns})
            chain = operator(graph, tuple(rows), tuple(columns))
        up = [Node("size", value=(s,)) if e == 1 else Node("pow", (Node("size", value=(s,)), num(e)))
              for s, e in term.monomial if e > 0]  # fmt: skip
        down = [Node("size", value=(s,)) if e == -1 else Node("pow", (Node("size", value=(s,)), num(-e)))
                for s, e in term.monomial if e < 0]  # fmt: skip
        parts = chain.args if chain.op == "mul" else () if is_number(chain, 1) else (chain,)
        number = Fraction(term.number)
        if chain.op == "neg":
            number, parts = -number, chain.args[0].args if chain.args[0].op == "mul" else chain.args
        return Piece(number, (*up, *_powers(graph.up)), (*down, *_powers(graph.down)), tuple(parts))

    def _place(self, graph: Graph, factor: Factor) -> None:
        node, labels, exponent = factor
        graph.sizes.update(zip(labels, node.sizes, strict=True))
        if not labels:
            norm = (
                self.norm(node) if isinstance(node, Tensor) and Fraction(exponent).denominator == 2 else None
            )
            made, power = (norm, 2 * exponent) if norm is not None else (self.node(factor), exponent)
            if (made.op == "call" and made.value == "exp") or power > 0:
                graph.up.append(raised(made, power, "pow"))
            else:
                graph.down.append(raised(made, -power, "pow"))
            return
        made = raised(self.node(factor), exponent, "epow")
        made = replace(made, symmetric=len(labels) == 2 and node.symmetric)
        if len(labels) == 1:
            graph.vectors.setdefault(labels[0], []).append(made)
        else:
            graph.edges.append((labels[0], labels[1], made))


def _powers(numbers: list[Node]) -> list[Node]:
    """Return numbers with equal ones as a power."""
    counts = Counter(numbers)
    return [raised(node, times, "pow") if times > 1 else node for node, times in counts.items()]


__all__ = ["MatrixForm", "NoFormError"]
