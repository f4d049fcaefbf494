"""The certified witness: the forward code run on power series of balls, which enclose every derivative.

A ball is a midpoint with a radius that holds every rounding error (Arb, through python-flint, which is optional).
f(x + t·e_j) as a series in t has the derivatives ∂f_i/∂x_j as its coefficients of t. A comparison that a ball
doesn't decide is refused, so that what is enclosed is a derivative and not one side of a kink.
"""

from __future__ import annotations

import operator
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jacobians.arrays import Array
from jacobians.function import INPUT
from verification.problem import Problem
from verification.scalars import Primitive, Scalars, UndecidedError
from verification.tracing import entries_of

BITS = 200


class Enclosure(NamedTuple):
    """Every entry of the Jacobian lies within `radius` of `middle`; that is proven, not estimated.

    Attributes
    ----------
    middle : numpy.ndarray of float64, shape (m, n)
        The midpoints, rounded; NaN where no finite derivative is enclosed.
    radius : numpy.ndarray of float64, shape (m, n)
        The radii, with the rounding of the midpoints.
    """

    middle: Array
    radius: Array


class BallScalars(Scalars):
    """Power series of order 1 with balls as coefficients, and plain balls for constants.

    Raises
    ------
    ImportError
        If python-flint is not installed.
    """

    name: ClassVar[str] = "ball"

    def __init__(self) -> None:
        import flint

        self.arb, self.series = flint.arb, flint.arb_series
        super().__init__()

    def constant(self, value: Any) -> Any:
        """Return the number as an exact ball; bools stay bools."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        return self.arb(int(value) if isinstance(value, int | np.integer) else float(value))

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a series, a ball or a decided comparison."""
        return isinstance(value, self.series | self.arb | bool)

    def decide(self, condition: Any) -> bool:
        """Return a decided comparison; a number is true unless it is 0."""
        if isinstance(condition, bool):
            return condition
        return not self._equal(condition, self.arb(0))

    def magnitude(self, value: Any) -> float | None:
        """Return a lower bound of the size, for pivoting."""
        size = abs(self.coefficients(value)[0])
        return max(0.0, float(size.lower()))

    def coefficients(self, value: Any) -> tuple[Any, Any]:
        """Return the value and the first derivative of a scalar."""
        if isinstance(value, self.series):
            return value[0], value[1]
        return self.arb(value), self.arb(0)

    def _sign(self, a: Any, b: Any) -> int:
        """Return the sign of a − b, 0 only where they are equal along the whole direction."""
        gap, slope = self.coefficients(a - b)
        if gap > 0:
            return 1
        if gap < 0:
            return -1
        if gap.is_zero() and slope.is_zero():
            return 0
        raise UndecidedError(
            "kink at the point, or too near to it for the precision: a comparison is left open by the balls"
        )

    def _equal(self, a: Any, b: Any) -> bool:
        return self._sign(a, b) == 0

    def _power(self, a: Any, b: Any) -> Any:
        exponent, slope = self.coefficients(b)
        if exponent.is_integer() and slope.is_zero() and abs(exponent) < 2**31:
            return a ** int(exponent.unique_fmpz())
        return a**b

    def table(self) -> dict[str, Primitive]:
        """Return Arb's functions under NumPy's names."""
        names = {name: name for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "erf", "erfc")}
        names |= {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}
        zero = self.arb(0)

        def function(own: str) -> Primitive:
            return lambda a: getattr(a, own)()

        def cbrt(a: Any) -> Any:
            third = self.arb(1) / 3
            return a**third if self._sign(a, zero) >= 0 else -((-a) ** third)

        return {
            "pi": self.arb.pi,
            **{name: function(own) for name, own in names.items()},
            "power": self._power,
            "cbrt": cbrt,
            "xlogy": lambda a, b: zero if self._is_zero(a) else a * b.log(),
            "less": lambda a, b: self._sign(a, b) < 0,
            "less_equal": lambda a, b: self._sign(a, b) <= 0,
            "greater": lambda a, b: self._sign(a, b) > 0,
            "greater_equal": lambda a, b: self._sign(a, b) >= 0,
            "equal": self._equal,
            "not_equal": lambda a, b: not self._equal(a, b),
            "logical_not": operator.not_,
            "isnan": lambda a: self.coefficients(a)[0].is_nan(),
            "isinf": lambda a: (
                not self.coefficients(a)[0].is_finite() and not self.coefficients(a)[0].is_nan()
            ),
        }

    def _is_zero(self, a: Any) -> bool:
        value, slope = self.coefficients(a)
        return bool(value.is_zero() and slope.is_zero())


def certified_jacobian(f: Any, x: Any, wrt: str = INPUT) -> Enclosure:
    """Return balls that enclose every entry ∂f_i/∂x_j, shape (m, n): numerator layout, row-major vec.

    Parameters
    ----------
    f : Function or callable
        Plain NumPy code from one array to one array, which can be traced.
    x : array_like
        The point, taken as exact.
    wrt : str
        "input", or the name of a parameter of a Function.

    Raises
    ------
    ImportError
        If python-flint is not installed (``pip install python-flint``).
    TracingError
        If f calls something that isn't traced; the message names it.
    UndecidedError
        If a comparison is left open: x lies on a kink.

    Examples
    --------
    >>> enclosure = certified_jacobian(lambda x: x[0] / x[1], [1.0, 3.0])
    >>> enclosure.middle
    array([[ 0.33333333, -0.11111111]])
    >>> bool((enclosure.radius < 1e-16).all())
    True
    """
    return enclose(Problem(f, x, wrt, dtype=np.float64))


def enclose(problem: Problem) -> Enclosure:
    """Return the enclosure of a problem; see :func:`certified_jacobian`."""
    try:
        import flint
    except ImportError:
        raise ImportError("python-flint is not installed (pip install python-flint)") from None
    m, n = problem.shape
    middle, radius = np.empty((m, n)), np.empty((m, n))
    with flint.ctx.workprec(BITS):
        for j in range(n):
            scalars = BallScalars()
            point = entries_of(problem.point, scalars).copy().reshape(-1)
            point[j] = scalars.series([point[j], 1], prec=2)
            values = problem.trace(scalars, point.reshape(problem.point.shape))
            for i, value in enumerate(values):
                middle[i, j], radius[i, j] = _rounded(scalars.coefficients(value)[1])
    return Enclosure(middle, radius)


def _rounded(ball: Any) -> tuple[float, float]:
    if not ball.is_finite():
        return float("nan"), float("inf")
    middle = float(ball.mid())
    # the radius of ball − middle encloses both its own radius and the rounding of the midpoint
    return middle, float(np.nextafter(float(abs(ball - middle).upper()), np.inf))
