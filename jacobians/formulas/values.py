"""Numbers from a tree: NumPy on matrices, part by part; nothing of index form, so that it can judge what is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np

from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.size_sums import atom_number
from jacobians.formulas.sizes import CONSTANTS
from jacobians.formulas.tree import FormulaError, Node
from jacobians.numerics.arrays import require_budget

MOST_BYTES = 256 * 1024**2
"""What one part of a formula may take: a text of a stranger's is evaluated, and ⊗ grows with every sign."""
MOST_WORK = 5 * 10**7
"""How many multiplications one evaluation may take: an inverse of what ⊗ made is soon minutes, at sizes below ten."""
_CUBIC = frozenset(
    {"det", "logdet", "inv", "specnorm", "nuclear", "specpair", "polar", "eigmax", "eigpair", *MATRIX_SLOPES}
)


class Values:
    """Evaluates trees at values of names; everything is a matrix, numbers are 1×1 and vectors have one row or column.

    Parameters
    ----------
    values : mapping
        A 2-D array for each name.
    sizes : mapping
        An integer for each letter.
    vec : str
        "row" or "column": what vec means.
    """

    def __init__(self, values: Mapping[str, Any], sizes: Mapping[str, int], vec: str = "row") -> None:
        self.values, self.sizes, self.order = dict(values), sizes, "C" if vec == "row" else "F"
        self.work = 0

    def of(self, node: Node) -> Any:
        """Return a tree's value as a 2-D array.

        Raises
        ------
        FormulaError
            If it and those before it take more than 5·10⁷ multiplications.
        MemoryBudgetError
            If a part takes more than 256 MiB.
        """
        made = np.atleast_2d(_RULES[node.op](self, node))
        self.takes(made.size)
        return made

    def takes(self, work: int) -> None:
        """Count multiplications before they are done, and refuse too many."""
        self.work += work
        if self.work > MOST_WORK:
            raise FormulaError(
                f"formula: found one that takes more than {MOST_WORK:,} multiplications at sizes below ten, expected "
                f"fewer; write it without so large a matrix"
            )

    def times(self, a: Any, b: Any) -> Any:
        """Return a product, or what a number scales."""
        if a.size == 1 or b.size == 1:
            return a * b
        _require_room(a.shape[0], b.shape[1])
        self.takes(a.size * b.shape[1])
        return a @ b

    def all(self, nodes: tuple[Node, ...]) -> list[Any]:
        """Return the values of several trees."""
        return [self.of(node) for node in nodes]

    def size(self, size: Any) -> int:
        """Return a size as a number."""
        return int(np.prod([atom_number(atom, self.sizes) for atom in size], dtype=int))

    def _name(self, node: Node) -> Any:
        if node.value in self.values:
            return self.values[node.value]
        return CONSTANTS[node.value] if node.value in CONSTANTS else self.sizes[node.value]

    def _power(self, node: Node) -> Any:
        base, exponent = self.all(node.args)
        if base.size == 1 or node.op == "epow":
            power = exponent.item() if exponent.size == 1 else 0.5
            if np.imag(power) == 0 and float(np.real(power)).is_integer() and np.real(power) >= 0:
                return base ** int(np.real(power))
            return base**exponent
        number = int(exponent.item())
        self.takes(2 * base.size * len(base) * number.bit_length())
        return np.linalg.matrix_power(base, number)

    def _number(self, node: Node) -> int:
        """Return a size that is written as a part."""
        return round(float(self.of(node).item()))

    def _call(self, node: Node) -> Any:
        name, axis = (node.value, None) if isinstance(node.value, str) else (node.value[0], node.value[1][1])
        if name in ("eye", "ones", "zeros", "K"):
            numbers = [self._number(arg) for arg in node.args]
            if name == "K":
                return commutation(*numbers)
            _require_room(numbers[0], numbers[0] if name == "eye" else numbers[-1])
            return np.eye(numbers[0]) if name == "eye" else getattr(np, name)((*numbers, 1)[:2])
        if name == "unvec":
            return np.reshape(self.of(node.args[0]), [self._number(arg) for arg in node.args[1:]])
        args = self.all(node.args)
        if name in _CUBIC:
            self.takes(10 * args[0].size * min(args[0].shape))
        if name == "outer":
            return self.times(args[0], args[1].T)
        if name in ELEMENTWISE:
            return ELEMENTWISE[name].f(args[0])
        if name == "vec":
            return np.reshape(args[0], (-1, 1), order=self.order)  # type: ignore[call-overload]
        if axis is not None:
            return _ALONG[name](args[0], axis)
        if name in ("softmax", "logsoftmax", "hardmax"):
            return np.reshape(_ALONG[name](args[0].reshape(1, -1), 1), args[0].shape)
        if name in ("max", "min") and len(args) == 1:
            return getattr(np, name)(args[0])
        return _WHOLE[name](*args)


def commutation(m: int, n: int) -> Any:
    """Return K_m,n, for which K_m,n vec X = vec Xᵀ with X of m×n and vec down the columns.

    Examples
    --------
    >>> commutation(1, 2)
    array([[1., 0.],
           [0., 1.]])
    """
    _require_room(m * n, m * n)
    return np.eye(m * n)[np.arange(m * n).reshape(n, m).T.ravel()]


def _require_room(rows: int, columns: int) -> None:
    require_budget(
        (rows, columns), 8, "a part of the formula", "write it without so large a matrix", MOST_BYTES
    )


def _kronecker(a: Any, b: Any) -> Any:
    _require_room(a.shape[0] * b.shape[0], a.shape[1] * b.shape[1])
    return np.kron(a, b)


def _logsumexp(a: Any, axis: int | None = None) -> Any:
    most = np.max(a, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(a - most), axis=axis, keepdims=True)) + most


def _diagonal(a: Any) -> Any:
    return np.diag(np.ravel(a)) if 1 in a.shape else np.diag(a)[:, None]


def khatri_rao(a: Any, b: Any) -> Any:
    """Return the Kronecker products of the columns of two matrices, side by side."""
    _require_room(a.shape[0] * b.shape[0], b.shape[1])
    return np.einsum("ik,jk->ijk", a, b).reshape(-1, b.shape[1])


def _eigmax(a: Any) -> Any:
    e = np.linalg.eigvals(a)
    return e[np.argmax(e.real)] if np.iscomplexobj(a) else e.real.max()


def _eigenpair(a: Any) -> Any:
    """Return u·vᵀ/(uᵀv) for the largest eigenvalue's left and right vectors."""
    pairs = [np.linalg.eig(m) for m in (a.T, a)]
    left, right = (pair.eigenvectors[:, np.argmax(pair.eigenvalues.real)].real for pair in pairs)
    return np.outer(left, right) / (left @ right)


def _decomposed(a: Any, most: int | None) -> Any:
    u, _, v = np.linalg.svd(a, full_matrices=False)
    return u[:, :most] @ v[:most]


def _matrix_function(name: str) -> Callable[..., Any]:
    def value(a: Any) -> Any:
        import scipy.linalg  # SciPy only for those who use it

        return getattr(scipy.linalg, name)(a)

    return value


_ALONG: dict[str, Callable[[Any, int], Any]] = {
    "sum": lambda a, axis: a.sum(axis=axis, keepdims=True),
    "mean": lambda a, axis: a.mean(axis=axis, keepdims=True),
    "logsumexp": _logsumexp,
    "softmax": lambda a, axis: np.exp(a - _logsumexp(a, axis)),
    "logsoftmax": lambda a, axis: a - _logsumexp(a, axis),
    "max": lambda a, axis: a.max(axis=axis, keepdims=True),
    "min": lambda a, axis: a.min(axis=axis, keepdims=True),
    "hardmax": lambda a, axis: (
        1.0
        * (
            np.arange(a.shape[axis]) == np.expand_dims(np.argmax(a, axis), -1)
            if axis == 1
            else (np.arange(a.shape[0])[:, None] == np.argmax(a, 0))
        )
    ),
}

_WHOLE: dict[str, Callable[..., Any]] = {
    "tr": lambda a: np.trace(a),
    "sum": lambda a: np.sum(a),
    "mean": lambda a: np.mean(a),
    "det": lambda a: np.linalg.det(a),
    "logdet": lambda a: np.linalg.slogdet(a)[1],
    "inv": lambda a: np.linalg.inv(a),
    "logsumexp": _logsumexp,
    "norm2": lambda a: np.sqrt(np.sum(a * a)),
    "normF": lambda a: np.sqrt(np.sum(a * a)),
    "norm1": lambda a: np.sum(np.abs(a)),
    "diag": _diagonal,
    "transpose": lambda a: a.T,
    "kron": _kronecker,
    "dot": lambda a, b: np.sum(a * b),
    "max": np.maximum,
    "min": np.minimum,
    "sqrt": np.sqrt,
    "square": lambda a: a * a,
    "where": lambda mask, a, b: np.where(mask, a, b),
    "specnorm": lambda a: np.linalg.norm(a, 2),
    "nuclear": lambda a: np.linalg.norm(a, "nuc"),
    "specpair": lambda a: _decomposed(a, 1),
    "polar": lambda a: _decomposed(a, None),
    "khatri": lambda a, b: khatri_rao(a, b),
    "eigmax": _eigmax,
    "eigpair": _eigenpair,
    **{name: _matrix_function(name) for name in MATRIX_SLOPES},
}


def _quotient(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return a / b


def _index(at: Values, node: Node) -> Any:
    made = at.of(node.args[0])
    for axis, spec in enumerate(node.value):
        if spec is not None:
            length = made.shape[axis]
            start, stop = spec if isinstance(spec, tuple) else (spec, None if spec == -1 else spec + 1)
            stop = length if stop is None else at.size(stop) if isinstance(stop, tuple) else stop
            start = at.size(start) if isinstance(start, tuple) else start
            start, stop = (place + length if place < 0 else place for place in (start, stop))
            if not 0 <= start < stop <= length:
                raise IndexError(f"{start}:{stop} of {length}")
            made = np.take(made, range(start, stop), axis=axis)
    return made


_RULES: dict[str, Callable[[Values, Node], Any]] = {
    "index": _index,
    "stack": lambda at, node: np.concatenate(at.all(node.args), axis=0 if node.value == "rows" else 1),
    "num": lambda at, node: float(node.value),
    "name": Values._name,
    "size": lambda at, node: float(at.size(node.value)),
    "eye": lambda at, node: np.eye(at.size(node.value)),
    "ones": lambda at, node: np.ones((at.size(node.value), 1)),
    "zeros": lambda at, node: np.zeros([at.size(size) for size in node.value]),
    "comm": lambda at, node: commutation(*(at.size(size) for size in node.value)),
    "add": lambda at, node: reduce(np.add, at.all(node.args)),
    "neg": lambda at, node: -at.of(node.args[0]),
    "mul": lambda at, node: reduce(at.times, at.all(node.args)),
    "div": lambda at, node: _quotient(*at.all(node.args)),
    "had": lambda at, node: reduce(np.multiply, at.all(node.args)),
    "hdiv": lambda at, node: reduce(_quotient, at.all(node.args)),
    "kron": lambda at, node: reduce(_kronecker, at.all(node.args)),
    "khatri": lambda at, node: reduce(khatri_rao, at.all(node.args)),
    "T": lambda at, node: at.of(node.args[0]).T,
    "pow": Values._power,
    "epow": Values._power,
    "call": Values._call,
}

__all__ = ["FormulaError", "Values", "commutation"]
