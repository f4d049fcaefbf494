"""Tensors in index notation: ``T[i,j,k] = δ[i,k]·x[j]``, and as einsum code."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from jacobians.formulas.effort import spend
from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.naming import Named
from jacobians.formulas.nodes import Choice, Delta, Factor, Fn, Sym, Tensor, Term
from jacobians.formulas.text import text
from jacobians.formulas.tree import Node

_LETTERS = (*"ijklmnpqrstuvwabcdefgh", *(f"i{number}" for number in range(1, 400)))


class IndexText:
    """Writes tensors entry by entry.

    Parameters
    ----------
    form : MatrixForm
        A writer of the parts that have matrix notation.
    names : callable
        Names the repeated parts of a tree.
    """

    def __init__(self, form: MatrixForm, names: Callable[[Node], Named]) -> None:
        self.form, self.names = form, names
        self.parts: list[tuple[Node, str]] = []

    def tensor(self, tensor: Tensor, order: Sequence[int]) -> str:
        """Return ``T[…] = …`` with the axes in an order, and behind it what its names stand for."""
        names = {label: _LETTERS[place] for place, label in enumerate(order)}
        head = f"[{','.join(names[label] for label in order)}]" if order else ""
        line = f"T{head} = {self._sum(tensor, names)}"  # with a mark for each part
        if not self.parts:
            return line
        together, meanings = self.names(Node("stack", tuple(tree for tree, _ in self.parts), "rows"))
        written = []
        for tree, (_, at) in zip(together.args, self.parts, strict=True):
            bare = not at or tree.op == "name" or (tree.op == "call" and text(tree).endswith(")"))
            written.append(f"{text(tree)}{at}" if bare else f"({text(tree)}){at}")
        line = re.sub("\0(\\d+)\0", lambda mark: written[int(mark[1])], line)
        said = ", ".join(f"{name} = {text(meaning)}" for name, meaning in meanings)
        return f"{line} where {said}" if said else line

    def _sum(self, tensor: Tensor, names: dict[int, str]) -> str:
        parts: list[str] = []
        for term in tensor.terms:
            size = -term.number if term.number < 0 else term.number
            line = self._term(term._replace(number=size), dict(names))
            sign = "−" if term.number < 0 else "+"
            parts.append(f" {sign} {line}" if parts else line if sign == "+" else f"−{line}")
        return "".join(parts) or "0"

    def _term(self, term: Term, names: dict[int, str]) -> str:
        spend(5 * len(term.factors))
        summed = []
        for _, labels, _ in term.factors:
            for label in labels:
                if label not in names:
                    names[label] = next(letter for letter in _LETTERS if letter not in names.values())
                    summed.append(names[label])
        parts = [] if term.number == 1 and (term.factors or term.monomial) else [str(term.number)]
        parts += [s if e == 1 else f"{s}^{e}" if e > 0 else f"{s}^({e})" for s, e in term.monomial]
        deltas_first = sorted(term.factors, key=lambda factor: not isinstance(factor.node, Delta))
        parts += [self._factor(factor, names) for factor in deltas_first]
        over = "Σ_{" + ",".join(summed) + "} " if summed else ""
        return over + "·".join(parts)

    def _factor(self, factor: Factor, names: dict[int, str]) -> str:
        node, labels, exponent = factor
        at = f"[{','.join(names[label] for label in labels)}]" if labels else ""
        if isinstance(node, Delta):
            made = f"δ{at}"
        elif isinstance(node, Choice):
            first = names[labels[0]]
            if node.stop is None:
                return f"δ[{first},{str(node.start).strip('()')}]"
            shift = f"{names[labels[1]]}+{str(node.start).strip('()')}" if node.start else names[labels[1]]
            made = f"δ[{first},{shift}]"
        elif isinstance(node, Sym):
            made = f"{node.name}{at}"
        else:
            made = self._compound(node, labels, at, names)
        if exponent == 1:
            return made
        power = str(exponent) if isinstance(exponent, int) and exponent > 0 else f"({Fraction(exponent)})"
        return f"{made}^{power}"

    def _compound(self, node: Fn | Tensor, labels: Sequence[int], at: str, names: dict[int, str]) -> str:
        try:
            self.parts.append((self.form.node(Factor(node, tuple(labels))), at))
            return f"\0{len(self.parts) - 1}\0"
        except NoFormError:
            pass
        inside = dict(zip(range(len(labels)), (names[label] for label in labels), strict=True))
        if isinstance(node, Tensor):
            return f"({self._sum(node, inside)})"
        if node.name in ELEMENTWISE:
            return f"{node.name}({self._sum(node.args[0], inside)})"
        letters = {place: _LETTERS[place] for place in range(len(node.args[0].sizes))}
        return f"{node.name}({self._sum(node.args[0], letters)}){at}"
