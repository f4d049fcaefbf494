"""What the functions of NumPy write in a formula: the column `formula` of the rows of the table of operations.

Arrays are brought to one shape by products with 𝟏, as NumPy broadcasts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy

from jacobians.formulas import numpy_arithmetic as arithmetic
from jacobians.formulas import numpy_moves as moves
from jacobians.formulas.functions import MATRIX_SLOPES
from jacobians.formulas.tree import Node, call, num
from jacobians.formulas.written import UNROWED, Written, ones, refused, written
from jacobians.graph.operations import TABLE, special_rows

np: Any = numpy  # whose functions give written arrays here


# --- reductions --------------------------------------------------------------------------------------------------


def reduced(name: str) -> Callable[..., Written]:
    """Return the formula of a reduction, of all entries or along an axis."""

    def formula(a: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Written:
        array = written(a)
        if any(value is not None and value is not np._NoValue for value in options.values()):
            raise refused(f"{name} with {', '.join(options)}", "axis and keepdims only")
        if isinstance(axis, tuple) and len(axis) == array.ndim:
            axis = None
        if axis is None or (array.ndim == 1 and axis in (0, -1, (0,))):
            made = call(name, array.node)
            return Written(made, (1,) * array.ndim if keepdims else ())
        axis = axis[0] if isinstance(axis, tuple) else axis
        axis %= array.ndim
        if array.shape[axis] == 1:
            made, left = array.node, array.shape[:axis] + array.shape[axis + 1 :]
            return array if keepdims else Written(made if axis else arithmetic.turned(made), left)
        if array.shape[1 - axis] == 1:  # a column or a row of two axes
            return Written(call(name, array.node), (1, 1) if keepdims else (1,))
        made = Node("call", (array.node,), (name, ("axis", axis)))
        if keepdims:
            return Written(made, tuple(1 if k == axis else n for k, n in enumerate(array.shape)))
        return Written(arithmetic.turned(made) if axis == 0 else made, (array.shape[1 - axis],))

    return formula


def _soft(name: str) -> Callable[..., Written]:
    def formula(a: Any, axis: Any = None) -> Written:
        array = written(a)
        if axis is None and array.ndim == 2 and 1 not in array.shape:
            raise refused(f"{name} of a matrix without axis", "axis=0 or axis=1")
        if axis is None or array.ndim == 1:
            return Written(call(name, array.node), array.shape)
        return Written(Node("call", (array.node,), (name, ("axis", axis % array.ndim))), array.shape)

    return formula


def _var(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, **_: Any) -> Any:
    array = written(a)
    rest = array - np.mean(array, axis=axis, keepdims=True)
    if not ddof:
        return np.mean(np.square(rest), axis=axis, keepdims=keepdims)
    n = array.size if axis is None else array.shape[axis]
    return np.sum(np.square(rest), axis=axis, keepdims=keepdims) / (n - ddof)


def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002  # NumPy's name
    array = written(a)
    if array.ndim == 2 and axis is None and 1 not in array.shape:
        names = {None: "normF", "fro": "normF", 2: "specnorm", "nuc": "nuclear"}
        if ord not in names:
            raise refused(f"numpy.linalg.norm with ord={ord!r} of a matrix", "ord 'fro', 2 or 'nuc'")
        return Written(call(names[ord], array.node), ())
    if ord not in (None, 1, 2):
        raise refused(f"numpy.linalg.norm with ord={ord!r} of a vector", "ord 1 or 2")
    inner = np.sum(np.abs(array) if ord == 1 else np.square(array), axis=axis, keepdims=keepdims)
    if axis is None and not keepdims:
        return Written(call("norm1" if ord == 1 else "norm2", array.node), ())
    return inner if ord == 1 else np.sqrt(inner)


# --- numpy.linalg --------------------------------------------------------------------------------------------------


def _inv(a: Any) -> Written:
    array = written(a)
    return Written(arithmetic.node("pow", array.node, num(-1)), array.shape)


def _solve(a: Any, b: Any) -> Written:
    return np.matmul(_inv(a), written(b))


def _matrix_power(a: Any, n: int) -> Written:
    array = written(a)
    return Written(arithmetic.node("pow", array.node, num(int(n))), array.shape)


def _slogdet(a: Any) -> Any:
    array = written(a)
    made = type(
        "SlogdetResult", (tuple,), {"sign": property(lambda s: s[0]), "logabsdet": property(lambda s: s[1])}
    )
    return made((Written(call("sign", call("det", array.node)), ()), Written(call("logdet", array.node), ())))


class Spectrum:
    """Eigenvalues or singular values of a matrix, of which formulas know the largest, the least and the sum."""

    def __init__(self, matrix: Written, largest: str, total: str) -> None:
        self.matrix, self.largest, self.total = matrix, largest, total

    def __getitem__(self, index: Any) -> Written:
        if index == (-1 if self.largest == "eigmax" else 0):
            return self.max()
        if index == 0:
            return self.min()
        raise refused("one of the eigenvalues or singular values in the middle", "the largest one")

    def max(self) -> Written:
        """Return the largest."""
        return Written(call(self.largest, self.matrix.node), ())

    def min(self) -> Written:
        """Return the least eigenvalue."""
        if self.largest != "eigmax":
            raise refused("the least singular value", "the largest one")
        return -Written(call("eigmax", arithmetic.node("neg", self.matrix.node)), ())

    def sum(self) -> Written:
        """Return the sum."""
        return Written(call(self.total, self.matrix.node), ())

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        names = {np.max: "max", np.min: "min", np.sum: "sum", np.amax: "max"}
        if function not in names:
            raise refused(
                f"numpy.{function.__name__} of eigenvalues or singular values", "max, min and sum of them"
            )
        return getattr(self, names[function])()


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Spectrum:
    if compute_uv:
        raise refused("numpy.linalg.svd with singular vectors", "compute_uv=False")
    return Spectrum(written(a), "specnorm", "nuclear")


def _like(number: int) -> Callable[..., Written]:
    def formula(a: Any, **_: Any) -> Written:
        array = written(a)
        made = num(number)
        return Written(
            arithmetic.times(made, ones(array.shape)) if number != 1 else ones(array.shape), array.shape
        )

    return formula


def _product_of(values: Sequence[Any]) -> Written:
    return reduce(np.matmul, values)


_SAME = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh",
    "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan", "tanh": "tanh", "arcsinh": "arcsinh",
    "arctanh": "arctanh", "absolute": "abs", "fabs": "abs", "sqrt": "sqrt", "square": "square",
}  # fmt: skip

_FORMULAS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): arithmetic.function(own) for name, own in _SAME.items()},
    np.positive: written,
    np.negative: lambda a: Written(arithmetic.node("neg", written(a).node), written(a).shape),
    np.reciprocal: lambda a: arithmetic.entrywise("hdiv")(1, a),
    np.expm1: lambda a: np.exp(written(a)) - 1,
    np.log1p: lambda a: np.log(1 + written(a)),
    np.exp2: lambda a: np.exp(Written(call("log", num(2)), ()) * written(a)),
    np.log2: arithmetic.log_of_base(2),
    np.log10: arithmetic.log_of_base(10),
    np.add: arithmetic.entrywise("add"),
    np.subtract: arithmetic.subtract,
    np.multiply: arithmetic.entrywise("had"),
    np.divide: arithmetic.entrywise("hdiv"),
    np.power: arithmetic.power,
    np.float_power: arithmetic.power,
    np.maximum: arithmetic.larger("max"),
    np.minimum: arithmetic.larger("min"),
    np.fmax: arithmetic.larger("max"),
    np.fmin: arithmetic.larger("min"),
    np.logaddexp: lambda a, b: np.log(np.exp(written(a)) + np.exp(written(b))),
    np.hypot: lambda a, b: np.sqrt(np.square(written(a)) + np.square(written(b))),
    np.clip: lambda a, low, high: np.minimum(np.maximum(written(a), low), high),
    np.matmul: arithmetic.matmul,
    np.dot: arithmetic.dot,
    np.outer: arithmetic.outer,
    np.vdot: arithmetic.vdot,
    np.inner: arithmetic.inner,
    np.kron: arithmetic.kron,
    np.trace: arithmetic.trace,
    np.einsum: arithmetic.einsum,
    np.sum: reduced("sum"),
    np.mean: reduced("mean"),
    np.max: reduced("max"),
    np.min: reduced("min"),
    np.var: _var,
    np.std: lambda a, **options: np.sqrt(_var(a, **options)),
    np.transpose: moves.transpose,
    np.swapaxes: moves.swapaxes,
    np.ravel: moves.ravel,
    np.reshape: moves.reshape,
    np.diag: moves.diag,
    np.diagonal: moves.diag,
    np.expand_dims: moves.expand,
    np.squeeze: moves.squeeze,
    np.copy: written,
    np.concatenate: moves.concatenate,
    np.hstack: moves.hstack,
    np.vstack: moves.vstack,
    np.column_stack: moves.column_stack,
    np.append: moves.append,
    np.diff: moves.diff,
    np.stack: lambda arrays, axis=0: moves.stacked(arrays, axis),
    np.where: arithmetic.where,
    np.linalg.inv: _inv,
    np.linalg.det: lambda a: Written(call("det", written(a).node), ()),
    np.linalg.slogdet: _slogdet,
    np.linalg.solve: _solve,
    np.linalg.norm: _norm,
}

for _function, _formula in _FORMULAS.items():
    TABLE[_function] = TABLE[_function]._replace(formula=_formula)

UNROWED.update({
    "indexing": moves.indexed,
    np.sign: arithmetic.function("sign"),
    np.heaviside: lambda a, at: arithmetic.function("step")(a),
    np.greater: arithmetic.compared(1, True), np.less: arithmetic.compared(-1, True),
    np.greater_equal: arithmetic.compared(1, False), np.less_equal: arithmetic.compared(-1, False),
    np.zeros_like: _like(0), np.ones_like: _like(1),
    np.shape: lambda a: written(a).shape, np.ndim: lambda a: written(a).ndim, np.size: lambda a: written(a).size,
    np.linalg.eigvalsh: lambda a: Spectrum(written(a), "eigmax", "tr"), np.linalg.svd: _svd,
    np.linalg.svdvals: lambda a: _svd(a, compute_uv=False),
    np.linalg.matrix_power: _matrix_power, np.linalg.multi_dot: _product_of,
    np.linalg.pinv: lambda a: _inv(written(a).T @ written(a)) @ written(a).T,
})  # fmt: skip


def special_formulas() -> None:
    """Write the formulas of scipy.special, once it was loaded by whoever uses it."""
    import scipy.special as sp

    special_rows()
    root = Written(call("sqrt", num(2)), ())
    rows: dict[Any, Callable[..., Any]] = {
        sp.expit: arithmetic.function("sigmoid"), sp.erf: arithmetic.function("erf"),
        sp.erfc: lambda a: 1 - arithmetic.function("erf")(a),
        sp.logit: lambda a: np.log(written(a) / (1 - written(a))),
        sp.log_expit: lambda a: -arithmetic.function("softplus")(-written(a)),
        sp.ndtr: lambda a: (1 + arithmetic.function("erf")(written(a) / root)) / 2,
        sp.logsumexp: reduced("logsumexp"), sp.softmax: _soft("softmax"), sp.log_softmax: _soft("logsoftmax"),
    }  # fmt: skip
    for one, formula in rows.items():
        TABLE[one] = TABLE[one]._replace(formula=formula)


def matrix_formulas() -> None:
    """Write the formulas of scipy.linalg's functions of matrices, once it was loaded by whoever uses it."""
    import scipy.linalg

    UNROWED.update({getattr(scipy.linalg, name): arithmetic.function(name) for name in MATRIX_SLOPES})
