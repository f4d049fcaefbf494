"""Numbers from index form: each term by one einsum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.nodes import Choice, Delta, Fn, Sym, Tensor, Term
from jacobians.formulas.size_sums import atom_number


class Numbers:
    """Evaluates tensors at values of the variables and sizes."""

    def __init__(self, values: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.values, self.sizes = values, sizes
        self.known: dict[str, Any] = {}

    def size(self, atom: str | int) -> int:
        """Return a size as a number."""
        return atom_number(atom, self.sizes)

    def of(self, node: Sym | Delta | Choice | Fn | Tensor) -> Any:
        """Return a node as an array, an axis for each of its sizes."""
        if node.digest not in self.known:
            self.known[node.digest] = self._compute(node)
        return self.known[node.digest]

    def _compute(self, node: Sym | Delta | Choice | Fn | Tensor) -> Any:
        shape = tuple(self.size(atom) for atom in node.sizes)
        if isinstance(node, Sym):
            return np.asarray(np.pi) if node.name == "π" else np.reshape(self.values[node.name], shape)
        if isinstance(node, Delta):
            return np.eye(shape[0])
        if isinstance(node, Choice):
            start = self.size(node.start)
            columns = start if node.stop is None else slice(start, self.size(node.stop))
            return np.eye(shape[0])[:, columns]
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


def first_largest(a: Any, along: tuple[int, ...]) -> Any:
    """Return 1 at the first largest entry along axes, 0 elsewhere."""
    last = np.moveaxis(a, along, range(-len(along), 0))
    flat = last.reshape(*last.shape[: a.ndim - len(along)], -1)
    made = 1.0 * (np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None])
    return np.moveaxis(made.reshape(last.shape), range(-len(along), 0), along)


def polar(a: Any) -> Any:
    """Return U·Vᵀ of the singular values' decomposition U·S·Vᵀ."""
    u, _, v = np.linalg.svd(a, full_matrices=False)
    return u @ v


def singular_pair(a: Any) -> Any:
    """Return u·vᵀ for the largest singular value."""
    u, _, v = np.linalg.svd(a, full_matrices=False)
    return np.outer(u[:, 0], v[0])


def eigen_pair(a: Any) -> Any:
    """Return u·vᵀ/(uᵀv) for the largest eigenvalue, with its left and right vectors."""
    pairs = [np.linalg.eig(m) for m in (a.T, a)]
    left, right = (pair.eigenvectors[:, np.argmax(pair.eigenvalues.real)].real for pair in pairs)
    return np.outer(left, right) / (left @ right)


def _matrix_function(name: str, *, trace: bool = False) -> Any:
    def value(node: Fn, a: Any) -> Any:
        import scipy.linalg  # SciPy only for those who use it

        made = getattr(scipy.linalg, name)(a)
        return np.trace(made) if trace else made

    return value


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
    "max": lambda node, a: a.max(axis=node.along),
    "hardmax": lambda node, a: first_largest(a, node.along),
    "specnorm": lambda node, a: np.linalg.norm(a, 2),
    "nuclear": lambda node, a: np.linalg.norm(a, "nuc"),
    "polar": lambda node, a: polar(a),
    "specpair": lambda node, a: singular_pair(a),
    "eigmax": lambda node, a: np.linalg.eigvals(a).real.max(),
    "eigpair": lambda node, a: eigen_pair(a),
    **{name: _matrix_function(name) for name in MATRIX_SLOPES},
    **{f"tr_{name}": _matrix_function(name, trace=True) for name in MATRIX_SLOPES},
}
