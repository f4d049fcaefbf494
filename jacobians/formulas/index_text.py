"""Tensors in index notation: ``T[i,j,k] = δ[i,k]·x[j]``, and as einsum code."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.nodes import Choice, Delta, Factor, Fn, Sym, Tensor, Term
from jacobians.formulas.text import text

_LETTERS = (*"ijklmnpqrstuvwabcdefgh", *(f"i{number}" for number in range(1, 400)))


class IndexText:
    """Writes tensors entry by entry."""

    def __init__(self, form: MatrixForm) -> None:
        self.form = form

    def tensor(self, tensor: Tensor, order: Sequence[int]) -> str:
        """Return ``T[…] = …`` with the axes in an order."""
        names = {label: _LETTERS[place] for place, label in enumerate(order)}
        head = f"[{','.join(names[label] for label in order)}]" if order else ""
        return f"T{head} = {self._sum(tensor, names)}"

    def _sum(self, tensor: Tensor, names: dict[int, str]) -> str:
        parts: list[str] = []
        for term in tensor.terms:
            size = -term.number if term.number < 0 else term.number
            line = self._term(term._replace(number=size), dict(names))
            sign = "−" if term.number < 0 else "+"
            parts.append(f" {sign} {line}" if parts else line if sign == "+" else f"−{line}")
        return "".join(parts) or "0"

    def _term(self, term: Term, names: dict[int, str]) -> str:
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
                return f"δ[{first},{node.start}]"
            shift = f"{names[labels[1]]}+{node.start}" if node.start else names[labels[1]]
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
            one = Factor(node, tuple(labels))
            inner = text(self.form.node(one))
            whole = isinstance(node, Fn) and inner.endswith(")") and self.form.node(one).op == "call"
            return f"{inner}{at}" if whole or not at else f"({inner}){at}"
        except NoFormError:
            pass
        inside = dict(zip(range(len(labels)), (names[label] for label in labels), strict=True))
        if isinstance(node, Tensor):
            return f"({self._sum(node, inside)})"
        if node.name in ELEMENTWISE:
            return f"{node.name}({self._sum(node.args[0], inside)})"
        letters = {place: _LETTERS[place] for place in range(len(node.args[0].sizes))}
        return f"{node.name}({self._sum(node.args[0], letters)}){at}"
