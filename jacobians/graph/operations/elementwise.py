"""Rows of ufuncs: the partial derivatives entry by entry. None is the number 1: such an edge costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from jacobians.graph.operations.axes import broadcasting, steps
from jacobians.graph.operations.table import TABLE, Operation, Place, Steps, at, size
from jacobians.numerics.arrays import Array, as_array, is_recorded
from jacobians.structures import Dense, Diagonal, ScaledIdentity

Partial = Callable[..., Any] | float | None

# f(x): f′ as a function of x and y = f(x)
UNARY: dict[Any, Partial] = {
    np.positive: None,
    np.negative: -1.0,
    np.conjugate: None,
    np.exp: lambda x, y: y,
    np.exp2: lambda x, y: np.log(2) * y,
    np.expm1: lambda x, y: np.exp(x),
    np.log: lambda x, y: 1 / x,
    np.log2: lambda x, y: 1 / (np.log(2) * x),
    np.log10: lambda x, y: 1 / (np.log(10) * x),
    np.log1p: lambda x, y: 1 / (1 + x),
    np.sqrt: lambda x, y: 0.5 / y,
    np.cbrt: lambda x, y: 1 / (3 * y**2),
    np.square: lambda x, y: 2 * x,
    np.reciprocal: lambda x, y: -(y**2),
    np.sin: lambda x, y: np.cos(x),
    np.cos: lambda x, y: -np.sin(x),
    np.tan: lambda x, y: 1 + y**2,
    np.arcsin: lambda x, y: 1 / np.sqrt(1 - x**2),
    np.arccos: lambda x, y: -1 / np.sqrt(1 - x**2),
    np.arctan: lambda x, y: 1 / (1 + x**2),
    np.sinh: lambda x, y: np.cosh(x),
    np.cosh: lambda x, y: np.sinh(x),
    np.tanh: lambda x, y: 1 - y**2,
    np.arcsinh: lambda x, y: 1 / np.sqrt(x**2 + 1),
    np.arccosh: lambda x, y: 1 / np.sqrt(x**2 - 1),
    np.arctanh: lambda x, y: 1 / (1 - x**2),
    np.absolute: lambda x, y: np.sign(x),
    np.fabs: lambda x, y: np.sign(x),
    np.deg2rad: np.pi / 180,
    np.radians: np.pi / 180,
    np.rad2deg: 180 / np.pi,
    np.degrees: 180 / np.pi,
    np.sinc: lambda x, y: np.where(x == 0, 0.0, (np.cos(np.pi * x) - y) / np.where(x == 0, 1.0, x)),
}


def _log_base(a: Any, b: Any, y: Any) -> Any:
    # 0·log 0 = 0, as the power of a constant 0 is constant
    return np.where(a == 0, 0.0, y * np.log(np.where(a == 0, 1.0, a)))


# f(a, b): both partial derivatives as functions of a, b and y = f(a, b)
BINARY: dict[Any, tuple[Partial, Partial]] = {
    np.add: (None, None),
    np.subtract: (None, -1.0),
    np.multiply: (lambda a, b, y: b, lambda a, b, y: a),
    np.divide: (lambda a, b, y: 1 / b, lambda a, b, y: -y / b),
    np.power: (lambda a, b, y: np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1)), _log_base),
    np.float_power: (lambda a, b, y: np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1)), _log_base),
    np.maximum: (lambda a, b, y: 1.0 * (a >= b), lambda a, b, y: 1.0 * (a < b)),
    np.minimum: (lambda a, b, y: 1.0 * (a <= b), lambda a, b, y: 1.0 * (a > b)),
    np.fmax: (lambda a, b, y: 1.0 * (a >= b), lambda a, b, y: 1.0 * (a < b)),
    np.fmin: (lambda a, b, y: 1.0 * (a <= b), lambda a, b, y: 1.0 * (a > b)),
    np.arctan2: (lambda a, b, y: b / (a**2 + b**2), lambda a, b, y: -a / (a**2 + b**2)),
    np.hypot: (lambda a, b, y: a / y, lambda a, b, y: b / y),
    np.logaddexp: (lambda a, b, y: np.exp(a - y), lambda a, b, y: np.exp(b - y)),
    np.logaddexp2: (lambda a, b, y: np.exp2(a - y), lambda a, b, y: np.exp2(b - y)),
    np.copysign: (lambda a, b, y: np.sign(a) * np.sign(b), lambda a, b, y: np.zeros(np.shape(y))),
    np.remainder: (None, lambda a, b, y: -np.floor(a / b)),
    np.fmod: (None, lambda a, b, y: -np.trunc(a / b)),
}


# of scipy.special, loaded by whoever uses it: the name, and f′ as a function of x and y
SPECIAL: dict[str, Callable[[Any, Any], Any]] = {
    "expit": lambda x, y: y * (1 - y),
    "logit": lambda x, y: 1 / (x * (1 - x)),
    "log_expit": lambda x, y: -np.expm1(y),
    "erf": lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
    "erfc": lambda x, y: -2 / np.sqrt(np.pi) * np.exp(-(x**2)),
    "ndtr": lambda x, y: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "gammaln": lambda x, y: _special().digamma(x),
    "gamma": lambda x, y: y * _special().digamma(x),
    "entr": lambda x, y: -np.log(x) - 1,
    "erfinv": lambda x, y: np.sqrt(np.pi) / 2 * np.exp(y**2),
    "erfcx": lambda x, y: 2 * x * y - 2 / np.sqrt(np.pi),
    "ndtri": lambda x, y: np.sqrt(2 * np.pi) * np.exp(y**2 / 2),
    "exp10": lambda x, y: np.log(10) * y,
    "log_ndtr": lambda x, y: np.exp(-(x**2) / 2 - y) / np.sqrt(2 * np.pi),
}


# of two operands, by both
SPECIAL_PAIRS: dict[str, tuple[Partial, Partial]] = {
    "xlogy": (lambda x, z, y: np.log(z), lambda x, z, y: x / z),
    "xlog1py": (lambda x, z, y: np.log1p(z), lambda x, z, y: x / (1 + z)),
    "rel_entr": (lambda x, z, y: np.log(x / z) + 1, lambda x, z, y: -x / z),
    "kl_div": (lambda x, z, y: np.log(x / z), lambda x, z, y: 1 - x / z),
    "beta": (
        lambda a, b, y: y * (_special().digamma(a) - _special().digamma(a + b)),
        lambda a, b, y: y * (_special().digamma(b) - _special().digamma(a + b)),
    ),
    "betaln": (
        lambda a, b, y: _special().digamma(a) - _special().digamma(a + b),
        lambda a, b, y: _special().digamma(b) - _special().digamma(a + b),
    ),
}


def _special() -> Any:
    import scipy.special

    return scipy.special


@lru_cache(maxsize=256)
def numbering(shape: tuple[int, ...]) -> Array:
    """Return 0, 1, … in row-major order, read-only."""
    numbers = np.arange(size(shape)).reshape(shape)
    numbers.flags.writeable = False
    return numbers


def spread(weight: Any, out_shape: tuple[int, ...], in_shape: tuple[int, ...]) -> Steps:
    """Return the Jacobian of weight·(operand broadcast to out_shape); None stands for 1, a float for a constant."""
    n, m = size(in_shape), size(out_shape)
    new = broadcasting(in_shape, out_shape)
    if type(weight) in (int, float) and weight == 1:
        weight = None
    if weight is None:
        return steps(new, size=n)
    if type(weight) in (int, float):  # a number in the code, not one of NumPy's that may depend on the point
        return steps(new, ScaledIdentity(weight, n), size=n)
    weights = as_array(weight, float)
    if weights.size == 1 and m > 1:
        # a number that depends on the point: that it is 1 here says nothing of elsewhere
        return steps(new, ScaledIdentity.unchecked(weights.reshape(()), n), size=n)
    weights = np.broadcast_to(weights, out_shape)
    weights = (weights if is_recorded(weights) else np.array(weights)).reshape(-1)
    if n == 1 < m:
        return Dense(weights[:, None])
    return steps(Diagonal(weights), new, size=n)


def ufunc_row(partials: tuple[Partial, ...]) -> Any:
    """Return the rule of a ufunc of one or two operands."""

    def rule(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if kwargs:
            raise TypeError(f"takes no options here but out, found {', '.join(kwargs)}; use numpy.where")
        y = function(*args, **kwargs)
        out_shape = np.shape(y)

        def jacobian(place: Place) -> Steps:
            partial = partials[place[0]]  # type: ignore[index]  # ufuncs have positions only
            weight = partial(*args, y) if callable(partial) else partial
            return spread(weight, out_shape, at(args, kwargs, place).shape)

        return y, jacobian

    return rule


def special_rows() -> None:
    """Add the rows of scipy.special; called when it was loaded."""
    rows: dict[str, tuple[Partial, ...]] = {name: (partial,) for name, partial in SPECIAL.items()}
    for name, partials in (rows | SPECIAL_PAIRS).items():
        function = getattr(_special(), name)
        if function not in TABLE:
            TABLE[function] = Operation(f"scipy.special.{name}", ufunc_row(partials))


def _clip(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    y = function(*args, **kwargs)
    x = as_array(args[0])

    def jacobian(place: Place) -> Steps:
        if place != (0,):
            raise TypeError("has a Jacobian by its first operand only; use numpy.minimum and numpy.maximum")
        return spread(1.0 * (x == y), np.shape(y), x.shape)

    return y, jacobian


for _function, _partial in UNARY.items():
    TABLE[_function] = Operation(f"numpy.{_function.__name__}", ufunc_row((_partial,)))
for _function, _partials in BINARY.items():
    TABLE[_function] = Operation(f"numpy.{_function.__name__}", ufunc_row(_partials))
TABLE[np.clip] = Operation("numpy.clip", _clip)
