"""The certified witness: the forward code run on balls, which enclose every value and every derivative.

A ball is a midpoint with a radius that holds every rounding error (Arb, through python-flint, which is optional).
A step g of the code at x + t as a power series in t has the derivative g'(x) as its coefficient of t; the steps'
derivatives are multiplied along the graph. A comparison that a ball doesn't decide is refused, so that what is
enclosed is a derivative and not one side of a kink.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jacobians.equality import by_value
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import Problem
from verification.tracing.graph import GraphScalars, Step, accumulate
from verification.tracing.scalars import Primitive, UndecidedError
from verification.witnesses.steps import PROJECT_INSTEAD

BITS = (200, 1000, 4000)  # tried one after the other, until the enclosure is sharp
SHARP = 1e-12  # of an entry
_EXACT = float(np.finfo(np.float64).smallest_subnormal)  # the radius of a number that is known, rounded up


@by_value
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


class BallScalars(GraphScalars):
    """Steps of balls, whose derivatives are coefficients of power series of order 1.

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

    def number(self, value: Any) -> Any:
        """Return the number as an exact ball."""
        if type(value) is float or type(value) is self.arb:  # nearly all
            return self.arb(value)
        return self.arb(int(value) if isinstance(value, int | np.integer) else float(value))

    def functions(self) -> Sequence[str]:
        """Return Arb's functions under NumPy's names."""
        return ["divide", "power", *_UNARY]

    def magnitude(self, value: Any) -> float | None:
        """Return a lower bound of the size, for pivoting."""
        return max(0.0, float(abs(self.as_step(value).value).lower()))

    def differentiate(self, name: str, operands: Sequence[Step]) -> tuple[Any, list[Any]]:
        """Return the balls of the value and of the derivatives."""
        values = [operand.value for operand in operands]
        function: Callable[..., Any]
        if name == "divide":
            function = operator.truediv
        elif name == "power":
            exponent = values[1]
            if operands[1].place < 0 and exponent.is_integer() and abs(exponent) < 2**31:
                values, function = values[:1], functools.partial(_power, int(exponent.unique_fmpz()))
            else:
                function = operator.pow
        else:
            function = operator.methodcaller(_UNARY[name])
        varying = [k for k in range(len(values)) if operands[k].place >= 0]
        if not varying:
            return function(*values), []
        slopes = []
        for k in varying:
            along = [self.series([v, 1], prec=2) if i == k else v for i, v in enumerate(values)]
            value, slope = self._coefficients(function(*along))
            slopes.append(slope)
        return value, slopes

    def _coefficients(self, value: Any) -> tuple[Any, Any]:
        """Return the value and the first derivative of what may be a series."""
        return (value[0], value[1]) if isinstance(value, self.series) else (self.arb(value), self.arb(0))

    def compare(self, relation: Callable[[Any, Any], bool], a: Step, b: Step) -> bool:
        """Return a comparison that the balls decide; what is equal must be so along every direction."""
        gap = a.value - b.value
        if gap > 0:
            return relation(1, 0)
        if gap < 0:
            return relation(-1, 0)
        if a is b or (a.place < 0 and b.place < 0 and gap.is_zero()):
            return relation(0, 0)
        raise UndecidedError(
            "kink at the point, or too near to it for the precision: a comparison is left open by the balls"
        )

    def table(self) -> dict[str, Primitive]:
        """Return the functions, π, and what is not finite."""
        return {
            **super().table(),
            "pi": lambda: Step(self, self.arb.pi()),
            "isnan": lambda a: bool(self.as_step(a).value.is_nan()),
            "isinf": lambda a: not (self.as_step(a).value.is_finite() or self.as_step(a).value.is_nan()),
        }


_UNARY = {
    **{name: name for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "erf", "erfc")},
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}


def _power(exponent: int, base: Any) -> Any:
    return base**exponent


@without_float_errors
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
        If python-flint is not installed (the extra ``certified``).
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
        raise ImportError(
            "python-flint is not installed (pip install 'explicit-jacobians[certified]')"
        ) from None
    require_budget(problem.shape, 8, "a Jacobian of balls", PROJECT_INSTEAD)
    middle, radius = np.empty(problem.shape), np.empty(problem.shape)
    for bits in BITS:
        with flint.ctx.workprec(bits):
            values, variables = BallScalars().run(problem)
            no_path = flint.arb(0)  # this very object is most entries of a layer's derivative by its weights
            middle[...], radius[...] = _rounded(no_path)
            for i, row in enumerate(accumulate(values, variables, no_path, flint.arb(1))):
                for j, ball in enumerate(row):
                    if ball is not no_path:
                        middle[i, j], radius[i, j] = _rounded(ball)
        # where 1 − tanh² is 1e-200, so many digits have cancelled; a 0 that is exact is sharp
        if (radius <= np.maximum(SHARP * np.abs(middle), _EXACT)).all():
            break
    return Enclosure(middle, radius)


def _rounded(ball: Any) -> tuple[float, float]:
    if not ball.is_finite():
        return float("nan"), float("inf")
    middle = float(ball.mid())
    # the radius of ball − middle encloses both its own radius and the rounding of the midpoint
    return middle, float(np.nextafter(float(abs(ball - middle).upper()), np.inf))
