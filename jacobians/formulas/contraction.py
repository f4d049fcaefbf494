"""Numbers from index form: each term by one einsum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.nodes import Delta, Fn, Sym, Tensor, Term


class Numbers:
    """Evaluates tensors at values of the variables and sizes."""

    def __init__(self, values: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.values, self.sizes = values, sizes
        self.known: dict[str, Any] = {}

    def size(self, atom: str | int) -> int:
        """Return a size as a number."""
        return atom if isinstance(atom, int) else self.sizes[atom]

    def of(self, node: Sym | Delta | Fn | Tensor) -> Any:
        """Return a node as an array, an axis for each of its sizes."""
        if node.digest not in self.known:
            self.known[node.digest] = self._compute(node)
        return self.known[node.digest]

    def _compute(self, node: Sym | Delta | Fn | Tensor) -> Any:
        shape = tuple(self.size(atom) for atom in node.sizes)
        if isinstance(node, Sym):
            return np.asarray(np.pi) if node.name == "π" else np.reshape(self.values[node.name], shape)
        if isinstance(node, Delta):
            return np.eye(shape[0])
        if isinstance(node, Fn):
            return self._function(node)
        total = np.zeros(shape)
        for term in node.terms:
            total = total + self._term(term, shape)
        return total

    def _term(self, term: Term, shape: tuple[int, ...]) -> Any:
        free = len(shape)
        number = float(term.number)
        for size, power in term.monomial:
            number *= float(self.size(size)) ** power
        names: dict[int, int] = {}
        operands: list[Any] = []
        for node, labels, exponent in term.factors:
            array = self.of(node)
            if exponent != 1:
                array = array ** (exponent if isinstance(exponent, int) and exponent > 0 else float(exponent))
            operands += [array, [names.setdefault(label, len(names)) for label in labels]]
        if not operands:
            return np.full(shape, number)
        out = [label for label in range(free) if label in names]
        made = np.einsum(*operands, [names[label] for label in out], optimize=len(operands) > 4)
        made = np.reshape(made, [shape[label] if label in names else 1 for label in range(free)])
        return np.broadcast_to(number * made, shape)

    def _function(self, node: Fn) -> Any:
        args = [self.of(arg) for arg in node.args]
        if node.name in ELEMENTWISE:
            return ELEMENTWISE[node.name].f(args[0])
        return _WHOLE[node.name](node, *args)


def _square(a: Any) -> Any:
    side = int(np.sqrt(a.size) + 0.5)
    return np.reshape(a, (side, side))


def _softmax(node: Fn, a: Any) -> Any:
    e = np.exp(a - a.max(axis=node.along, keepdims=True))
    return e / e.sum(axis=node.along, keepdims=True)


def _logsumexp(node: Fn, a: Any) -> Any:
    most = a.max(axis=node.along, keepdims=True)
    return np.log(np.exp(a - most).sum(axis=node.along)) + np.squeeze(most, axis=node.along)


_WHOLE: dict[str, Any] = {
    "power": lambda node, a, b: a**b,
    "inv": lambda node, a: np.linalg.inv(_square(a)).reshape(a.shape),
    "det": lambda node, a: np.linalg.det(_square(a)),
    "logdet": lambda node, a: np.linalg.slogdet(_square(a))[1],
    "softmax": _softmax,
    "logsumexp": _logsumexp,
}
