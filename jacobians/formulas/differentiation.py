"""Derivatives in index form: the product rule, and one rule for each function.

The derivative of a tensor has its axes followed by those of the variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from jacobians.formulas.determinants import inverse
from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.functions_of import function
from jacobians.formulas.lowering import Lowering
from jacobians.formulas.nodes import Choice, Delta, Factor, Fn, Labels, Sym, Tensor, Term, fresh, plain, times
from jacobians.formulas.normal import close, power
from jacobians.formulas.parser import parse
from jacobians.formulas.tree import FormulaError, Node


@cache
def slope_of(name: str) -> Node:
    """Return f′ in z, as the function's row says."""
    return parse(ELEMENTWISE[name].slope).body


def slope(name: str, arg: Tensor) -> Tensor:
    """Return f′ at an argument, as the function's row says."""
    low = Lowering(None, {})
    low.values["z"] = (arg, len(arg.sizes))
    made = low.lower(slope_of(name))
    labels = made.labels or fresh(len(arg.sizes))  # a constant slope is a broadcast
    return close(made.terms, labels, arg.sizes)


class Differentiation:
    """Differentiates by one variable, and remembers what it has differentiated.

    Parameters
    ----------
    variable : Sym
        The variable.
    lines : mapping
        What names of lines stand for: their derivatives are named nodes, found once.
    """

    def __init__(self, variable: Sym, lines: Mapping[str, Tensor]) -> None:
        self.variable, self.lines = variable, lines
        self.known: dict[str, Tensor] = {}
        self.dependent: dict[str, bool] = {}

    def of(self, tensor: Tensor) -> Tensor:
        """Return the derivative of a tensor: its axes, then the variable's."""
        if tensor.digest not in self.known:
            free = fresh(len(tensor.sizes))
            by = fresh(len(self.variable.sizes))
            terms = [made for term in tensor.at(free) for made in self._term(term, by)]
            self.known[tensor.digest] = close(terms, (*free, *by), (*tensor.sizes, *self.variable.sizes))
        return self.known[tensor.digest]

    def depends(self, node: Sym | Delta | Choice | Fn | Tensor) -> bool:
        """Return whether the variable occurs in a node."""
        if isinstance(node, Delta | Choice):
            return False
        if isinstance(node, Sym):
            line = self.lines.get(node.name)
            return node.name == self.variable.name or (line is not None and self.depends(line))
        if node.digest not in self.dependent:
            if isinstance(node, Fn):
                found = any(self.depends(arg) for arg in node.args)
            else:
                found = any(self.depends(factor.node) for term in node.terms for factor in term.factors)
            self.dependent[node.digest] = found
        return self.dependent[node.digest]

    def _term(self, term: Term, by: Labels) -> list[Term]:
        made = []
        for place, (node, labels, exponent) in enumerate(term.factors):
            if not self.depends(node):
                continue
            rest = term.factors[:place] + term.factors[place + 1 :]
            if exponent != 1:
                rest = (*rest, Factor(node, labels, plain(exponent - 1)))
            for inner in self._node(node, labels, by):
                made.append(
                    Term(
                        plain(term.number * exponent * inner.number),
                        times(term.monomial, inner.monomial),
                        (*rest, *inner.factors),
                    )
                )
        return made

    def _node(self, node: Sym | Delta | Choice | Fn | Tensor, labels: Labels, by: Labels) -> list[Term]:
        if isinstance(node, Sym) and node.name != self.variable.name:
            return [Term(1, (), (Factor(self.of(self.lines[node.name]), (*labels, *by)),))]
        if isinstance(node, Sym):
            deltas = (Factor(Delta(s), (a, b)) for s, a, b in zip(node.sizes, labels, by, strict=True))
            return [Term(1, (), tuple(deltas))]
        if isinstance(node, Tensor):
            return [Term(1, (), (Factor(self.of(node), (*labels, *by)),))]
        assert isinstance(node, Fn)
        if node.name == "hardmax":  # constant where the largest entry is the only one
            return []
        if node.name in _RULES:
            return _RULES[node.name](self, node, labels, by)
        if node.name not in ELEMENTWISE:
            raise FormulaError(f"formula: found {node.name}(…), expected a function with a derivative here")
        (arg,) = node.args
        return [Term(1, (), (Factor(slope(node.name, arg), labels), Factor(self.of(arg), (*labels, *by))))]

    # --- functions of whole arrays, and of two arguments -----------------------------------------------------

    def _power(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        base, exponent = node.args
        made = []
        if any(self.depends(f.node) for t in base.terms for f in t.factors):
            less = Tensor(exponent.sizes, (*exponent.terms, Term(-1, (), ())))
            less = close(less.terms, range(len(less.sizes)), less.sizes)
            lower = Fn("power", (base, less), node.sizes)
            factors = (Factor(exponent, labels), Factor(lower, labels), Factor(self.of(base), (*labels, *by)))
            made.append(Term(1, (), factors))
        if any(self.depends(f.node) for t in exponent.terms for f in t.factors):
            factors = (
                Factor(function("log", base), labels),
                Factor(node, labels),
                Factor(self.of(exponent), (*labels, *by)),
            )
            made.append(Term(1, (), factors))
        return made

    def _softmax(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        inner = self.of(node.args[0])
        summed = list(labels)
        for place, label in zip(node.along, fresh(len(node.along)), strict=True):
            summed[place] = label
        here, there = Factor(node, labels), Factor(node, tuple(summed))
        return [
            Term(1, (), (here, Factor(inner, (*labels, *by)))),
            Term(-1, (), (here, there, Factor(inner, (*summed, *by)))),
        ]

    def _logsumexp(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (arg,) = node.args
        kept = iter(labels)
        at = tuple(fresh(1)[0] if place in node.along else next(kept) for place in range(len(arg.sizes)))
        softmax = Fn("softmax", (arg,), arg.sizes, node.along)
        return [Term(1, (), (Factor(softmax, at), Factor(self.of(arg), (*at, *by))))]

    def _inv(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        half = len(labels) // 2
        a, b = fresh(half), fresh(half)
        inner = Factor(self.of(node.args[0]), (*a, *b, *by))
        return [Term(-1, (), (Factor(node, (*labels[:half], *a)), inner, Factor(node, (*b, *labels[half:]))))]

    def _det(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (term,) = self._logdet(node, labels, by)
        return [term._replace(factors=(Factor(node, ()), *term.factors))]

    def _logdet(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (arg,) = node.args
        half = len(arg.sizes) // 2
        a, b = fresh(half), fresh(half)
        return [Term(1, (), (Factor(inverse(arg), (*b, *a)), Factor(self.of(arg), (*a, *b, *by))))]

    def _max(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (arg,) = node.args
        kept = iter(labels)
        at = tuple(fresh(1)[0] if place in node.along else next(kept) for place in range(len(arg.sizes)))
        chosen = Fn("hardmax", (arg,), arg.sizes, node.along)
        return [Term(1, (), (Factor(chosen, at), Factor(self.of(arg), (*at, *by))))]

    def _number_of_matrix(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (arg,) = node.args
        at = fresh(2)
        gradient = Fn(_GRADIENTS[node.name], (arg,), arg.sizes)
        return [Term(1, (), (Factor(gradient, at), Factor(self.of(arg), (*at, *by))))]

    def _trace_of(self, node: Fn, labels: Labels, by: Labels) -> list[Term]:
        (arg,) = node.args
        a, b = fresh(2)
        low = Lowering(None, {})
        low.values["Z"] = (arg, 1)
        slope = low.lower(parse(MATRIX_SLOPES[node.name[3:]]).body).closed()
        return [Term(1, (), (Factor(slope, (b, a)), Factor(self.of(arg), (a, b, *by))))]


_GRADIENTS = {"specnorm": "specpair", "nuclear": "polar", "eigmax": "eigpair"}
"""What the gradient of a number of a matrix is called."""

_RULES: dict[str, Callable[[Differentiation, Fn, Labels, Labels], list[Term]]] = {
    "power": Differentiation._power,
    "softmax": Differentiation._softmax,
    "logsumexp": Differentiation._logsumexp,
    "inv": Differentiation._inv,
    "det": Differentiation._det,
    "logdet": Differentiation._logdet,
    "max": Differentiation._max,
    **dict.fromkeys(_GRADIENTS, Differentiation._number_of_matrix),
    **{f"tr_{name}": Differentiation._trace_of for name in MATRIX_SLOPES},
}


def expanded(tensor: Tensor, axes: int = 0) -> Tensor:
    """Return a tensor with all brackets multiplied out that have at least so many axes."""
    free = fresh(len(tensor.sizes))
    return close(tensor.at(free), free, tensor.sizes, spread=axes)


def spread_terms(tensor: Tensor, axes: int = 0, known: dict[str, int] | None = None) -> int:
    """Return at most how many terms `expanded` makes."""
    known = {} if known is None else known
    if tensor.digest not in known:
        total = 0
        for term in tensor.terms:
            number = 1
            for node, labels, exponent in term.factors:
                if isinstance(node, Tensor) and exponent == 1 and len(labels) >= axes:
                    number *= spread_terms(node, axes, known)
            total += number
        known[tensor.digest] = total
    return known[tensor.digest]


def substituted(
    tensor: Tensor, change: Callable[[Sym], Sym], known: dict[str, Tensor] | None = None
) -> Tensor:
    """Return a tensor with variables exchanged for others of the same sizes, in normal form again."""
    known = {} if known is None else known
    if tensor.digest in known:
        return known[tensor.digest]

    def node_of(node: Sym | Delta | Choice | Fn | Tensor) -> Sym | Delta | Choice | Fn | Tensor:
        if isinstance(node, Sym):
            return change(node)
        if isinstance(node, Tensor):
            return substituted(node, change, known)
        if isinstance(node, Fn):
            return Fn(
                node.name, tuple(substituted(arg, change, known) for arg in node.args), node.sizes, node.along
            )
        return node

    free = fresh(len(tensor.sizes))
    terms = [
        t._replace(factors=tuple(f._replace(node=node_of(f.node)) for f in t.factors))
        for t in tensor.at(free)
    ]
    known[tensor.digest] = close(terms, free, tensor.sizes)
    return known[tensor.digest]


__all__ = ["Differentiation", "expanded", "power", "slope", "slope_of", "substituted"]
