"""What a traced array needs to know about its scalars: one table of primitives for each scalar type.

A table names its primitives as NumPy and ``scipy.special`` name their ufuncs. What one scalar type can't do
without a falsehood (the absolute value of a complex step, a comparison that a ball leaves open) raises.
"""

from __future__ import annotations

import cmath
import functools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Primitive = Callable[..., Any]


class TracingError(TypeError):
    """A function can't be followed on traced arrays; the message names the operation and the way out."""


class NotAnalyticError(TracingError):
    """An operation that is not complex analytic: a complex step through it would silently give 0."""


class UndecidedError(TracingError):
    """A branch lies on its boundary at the point, or the precision doesn't suffice to take it."""


class Scalars(ABC):
    """A scalar type: how constants enter, its primitives, and how a comparison is decided.

    Attributes
    ----------
    name : str
        What the errors call the scalar type.
    operations : int
        The scalar operations that traced arrays have done so far; cost estimates read it.
    wrapped : dict
        Arrays of numbers as they were wrapped; tables may share it where their constants are plain.

    Notes
    -----
    `primitives` is the table. A name that is missing there is unsupported, and the error says so.
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self.operations = 0
        self.wrapped: dict[Any, Any] = {}
        self.primitives: dict[str, Primitive] = {**_generic(self), **self.table()}

    @abstractmethod
    def table(self) -> dict[str, Primitive]:
        """Return the primitives of this type by the names of their ufuncs."""

    @abstractmethod
    def constant(self, value: Any) -> Any:
        """Return a Python or NumPy number as a scalar of this type, exactly."""

    @abstractmethod
    def is_own(self, value: Any) -> bool:
        """Say whether `value` is already a scalar of this type."""

    @abstractmethod
    def decide(self, condition: Any) -> bool:
        """Return the truth value of a comparison at the point.

        Raises
        ------
        UndecidedError
            If the point lies on the boundary, or precision doesn't suffice.
        """

    def select(self, condition: Any, if_true: Any, if_false: Any) -> Any:
        """Return one of two values by a condition, as ``np.where`` does."""
        return if_true if self.decide(condition) else if_false

    def sum(self, items: Sequence[Any]) -> Any:
        """Return the sum of scalars, 0 for none."""
        return functools.reduce(operator.add, items) if len(items) else self.constant(0)

    def norm(self, items: Sequence[Any]) -> Any:
        """Return the root of the sum of squares."""
        return self.primitives["sqrt"](self.sum([item * item for item in items]))

    def largest(self, items: Sequence[Any]) -> Any:
        """Return the largest of scalars; a tie goes to the first."""
        return functools.reduce(self.primitives["maximum"], items)

    def smallest(self, items: Sequence[Any]) -> Any:
        """Return the smallest of scalars; a tie goes to the first."""
        return functools.reduce(self.primitives["minimum"], items)

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix product of two object arrays."""
        return np.asarray(np.matmul(a, b), dtype=object)

    def magnitude(self, value: Any) -> float | None:
        """Return a size to choose pivots by, None if this type takes none (then no division is done)."""
        return None


def _generic(scalars: Scalars) -> dict[str, Primitive]:
    """Return the primitives that follow from others of the same table.

    Every right side is analytic and reads ``p`` when it is called, so that a table may override any of them.
    """

    class Lookup:
        def __getattr__(self, name: str) -> Primitive:
            return scalars.primitives[name]

    p = Lookup()
    one = scalars.constant(1)
    two = scalars.constant(2)
    return {
        # --- arithmetic ------------------------------------------------------------------------------------
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "divide": operator.truediv,
        "negative": operator.neg,
        "positive": lambda a: a,
        "power": operator.pow,
        "float_power": lambda a, b: p.power(a, b),
        "square": lambda a: a * a,
        "reciprocal": lambda a: one / a,
        "hypot": lambda a, b: scalars.norm([a, b]),
        "deg2rad": lambda a: a * p.pi() / 180,
        "rad2deg": lambda a: a * 180 / p.pi(),
        "radians": lambda a: p.deg2rad(a),
        "degrees": lambda a: p.rad2deg(a),
        # --- exponentials and logarithms -------------------------------------------------------------------
        "exp2": lambda a: p.exp(a * p.log(two)),
        "expm1": lambda a: p.exp(a) - one,
        "log1p": lambda a: p.log(one + a),
        "log2": lambda a: p.log(a) / p.log(two),
        "log10": lambda a: p.log(a) / p.log(scalars.constant(10)),
        "logaddexp": lambda a, b: p.log(p.exp(a) + p.exp(b)),
        "expit": lambda a: one / (one + p.exp(-a)),
        "log_expit": lambda a: -p.log(one + p.exp(-a)),
        "logit": lambda a: p.log(a) - p.log(one - a),
        "xlogy": lambda a, b: a * p.log(b),
        "xlog1py": lambda a, b: a * p.log1p(b),
        # --- trigonometric and hyperbolic ------------------------------------------------------------------
        "tan": lambda a: p.sin(a) / p.cos(a),
        "sinh": lambda a: (p.exp(a) - p.exp(-a)) / two,
        "cosh": lambda a: (p.exp(a) + p.exp(-a)) / two,
        "tanh": lambda a: one - two / (p.exp(a + a) + one),
        "arcsinh": lambda a: p.log(a + p.sqrt(a * a + one)),
        "arccosh": lambda a: p.log(a + p.sqrt(a * a - one)),
        "arctanh": lambda a: (p.log(one + a) - p.log(one - a)) / two,
        "erfc": lambda a: one - p.erf(a),
        "ndtr": lambda a: p.erfc(-a / p.sqrt(two)) / two,
        # --- order and branches ----------------------------------------------------------------------------
        "absolute": lambda a: p.maximum(a, -a),
        "fabs": lambda a: p.absolute(a),
        "fmax": lambda a, b: p.maximum(a, b),
        "fmin": lambda a, b: p.minimum(a, b),
        "maximum": lambda a, b: scalars.select(p.greater_equal(a, b), a, b),
        "minimum": lambda a, b: scalars.select(p.less_equal(a, b), a, b),
        "heaviside": lambda a, b: scalars.select(
            p.greater(a, 0), one, scalars.select(p.less(a, 0), scalars.constant(0), b)
        ),
        "sign": lambda a: p.heaviside(a, scalars.constant(0)) - p.heaviside(-a, scalars.constant(0)),
        "conjugate": lambda a: a,
        "isnan": lambda a: False,
        "isinf": lambda a: False,
        "isfinite": lambda a: not p.isnan(a) and not p.isinf(a),
        "logical_not": lambda a: not scalars.decide(a),
        "logical_and": lambda a, b: scalars.decide(a) and scalars.decide(b),
        "logical_or": lambda a, b: scalars.decide(a) or scalars.decide(b),
        "logical_xor": lambda a, b: scalars.decide(a) != scalars.decide(b),
        "invert": lambda a: p.logical_not(a),
        "bitwise_and": lambda a, b: p.logical_and(a, b),
        "bitwise_or": lambda a, b: p.logical_or(a, b),
        "bitwise_xor": lambda a, b: p.logical_xor(a, b),
    }


def _not_analytic(name: str) -> Primitive:
    def refuse(*_: Any) -> Any:
        raise NotAnalyticError(
            f"{name}: not complex analytic, a complex step through it would silently lose the derivative; "
            f"use method='central' or 'richardson'"
        )

    return refuse


def _larger_first(a: complex, b: complex) -> tuple[complex, complex]:
    # Only the order of two summands depends on this comparison, so the sum stays analytic.
    return (a, b) if a.real >= b.real else (b, a)


class ComplexScalars(Scalars):
    """Python's complex numbers: the complex step, in which only analytic operations are let through.

    Examples
    --------
    >>> ComplexScalars().primitives["absolute"](1j)
    Traceback (most recent call last):
    ...
    verification.tracing.scalars.NotAnalyticError: absolute: not complex analytic, a complex step ...
    """

    name: ClassVar[str] = "complex"

    def constant(self, value: Any) -> Any:
        """Return a float or complex; bools stay bools."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        return complex(value)

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a complex number or a decided comparison."""
        return type(value) in (complex, bool)

    def decide(self, condition: Any) -> bool:
        """Return a bool as it is, and refuse to turn a number into one."""
        if isinstance(condition, bool | np.bool_):
            return bool(condition)
        raise NotAnalyticError(
            "truth value of a number: not complex analytic; use method='central' or 'richardson'"
        )

    def magnitude(self, value: Any) -> float | None:
        """Return |value|, for pivoting only."""
        return float(abs(value))

    def norm(self, items: Sequence[Any]) -> Any:
        """Return the root of the sum of squares, of items in units of the largest so that none underflows."""
        unit, step = (max(map(abs, part), default=0.0) for part in (np.real(items), np.imag(items)))
        if unit <= 1e6 * step:  # at 0, or a product of steps away from it
            raise NotAnalyticError("norm: not analytic at 0; use method='central' or 'richardson'")
        return unit * super().norm([item / unit for item in items])

    def table(self) -> dict[str, Primitive]:
        """Return the analytic primitives of `cmath`, and refusals for the others."""

        def expit(a: complex) -> complex:
            return 1 / (1 + cmath.exp(-a)) if a.real >= 0 else cmath.exp(a) / (1 + cmath.exp(a))

        def special(name: str) -> Primitive:
            def call(a: complex) -> complex:
                import scipy.special

                return complex(getattr(scipy.special, name)(np.complex128(a)))

            return call

        log1p = special("log1p")  # NumPy's complex one loses small numbers

        def logaddexp(a: complex, b: complex) -> complex:
            large, small = _larger_first(a, b)
            return large + log1p(cmath.exp(small - large))

        refused = (
            "absolute fabs sign heaviside maximum minimum fmax fmin conjugate less less_equal greater greater_equal "
            "equal not_equal floor ceil rint trunc remainder fmod floor_divide angle arctan2 copysign real imag "
            "linalg.norm linalg.slogdet vdot sort argmax argmin max min"
        )
        return {
            "pi": lambda: cmath.pi,
            "exp": cmath.exp,
            "expm1": lambda a: complex(np.expm1(np.complex128(a))),
            "log": cmath.log,
            "log1p": log1p,
            "log10": cmath.log10,
            "logaddexp": logaddexp,
            # near 0 only h² is left of the step
            "sqrt": lambda a: cmath.sqrt(np.nan * (1 + 1j) if 0 < abs(a) < 1e-45 else a),
            "cbrt": lambda a: a ** (1 / 3) if a.real >= 0 else -((-a) ** (1 / 3)),
            "sin": cmath.sin,
            "cos": cmath.cos,
            "tan": cmath.tan,
            "arcsin": cmath.asin,
            "arccos": cmath.acos,
            "arctan": cmath.atan,
            "sinh": cmath.sinh,
            "cosh": cmath.cosh,
            "tanh": cmath.tanh,
            "arcsinh": cmath.asinh,
            "arccosh": cmath.acosh,
            "arctanh": cmath.atanh,
            "erf": special("erf"),
            "erfc": special("erfc"),
            "expit": expit,
            "log_expit": lambda a: -logaddexp(0j, -a),
            "xlogy": lambda a, b: 0j if a == 0 == b else a * cmath.log(b),
            "isnan": cmath.isnan,
            "isinf": cmath.isinf,
            **{name: _not_analytic(name) for name in refused.split()},
        }


class MpmathScalars(Scalars):
    """Real numbers of `digits` decimal digits.

    Parameters
    ----------
    digits : int
        The working precision.

    Attributes
    ----------
    decisions : list of bool
        Every comparison decided so far: two runs whose lists differ have a branch between them.

    Examples
    --------
    >>> scalars = MpmathScalars(40)
    >>> print(scalars.primitives["sqrt"](scalars.constant(2)))
    1.41421356237309504880168872420969807857
    """

    name: ClassVar[str] = "mpmath"

    def __init__(self, digits: int = 50) -> None:
        import mpmath

        self.context = mpmath.mp.clone()
        self.context.dps = digits
        self.decisions: list[bool] = []
        super().__init__()

    def constant(self, value: Any) -> Any:
        """Return the number exactly; bools stay bools."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if isinstance(value, int | np.integer):
            return self.context.mpf(int(value))
        return self.context.mpf(float(value))

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a number of this precision or a decided comparison."""
        return isinstance(value, bool | self.context.mpf)

    def decide(self, condition: Any) -> bool:
        """Return the truth value; numbers are true unless 0, as in Python."""
        return bool(condition)

    def magnitude(self, value: Any) -> float | None:
        """Return |value|, for pivoting."""
        return float(abs(value))

    def table(self) -> dict[str, Primitive]:
        """Return the real functions of mpmath; where one leaves the real numbers the result is NaN."""
        c = self.context

        def real(function: Primitive) -> Primitive:
            def call(*args: Any) -> Any:
                try:
                    result = function(*args)
                except ZeroDivisionError:
                    return c.nan
                return result if isinstance(result, c.mpf) else c.nan

            return call

        def compare(operation: Primitive) -> Primitive:
            def call(a: Any, b: Any) -> bool:
                outcome = bool(operation(a, b))
                self.decisions.append(outcome)
                return outcome

            return call

        trigonometric = ["sin", "cos", "tan", "sinh", "cosh", "tanh"]
        names = ["exp", "expm1", "log", "log1p", "log10", "sqrt", *trigonometric, "erf", "erfc"]
        inverse = {f"arc{name}": f"a{name}" for name in trigonometric}
        orders = {
            "less": operator.lt,
            "less_equal": operator.le,
            "greater": operator.gt,
            "greater_equal": operator.ge,
            "equal": operator.eq,
            "not_equal": operator.ne,
        }
        return {
            "pi": lambda: c.mpf(c.pi),
            **{name: real(getattr(c, name)) for name in names},
            **{name: real(getattr(c, own)) for name, own in inverse.items()},
            **{name: compare(operation) for name, operation in orders.items()},
            "divide": real(operator.truediv),
            "power": real(operator.pow),
            "reciprocal": real(lambda a: 1 / a),
            "cbrt": lambda a: c.cbrt(a) if a >= 0 else -c.cbrt(-a),
            "xlogy": lambda a, b: a if a == 0 and b == 0 else a * real(c.log)(b),
            "isnan": c.isnan,
            "isinf": c.isinf,
        }
