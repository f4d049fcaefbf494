"""How much rounding a right Jacobian may carry: the traced code run on numbers that know the size of their derivatives.

The chain rule adds products of partial derivatives over all paths from x_j to f_i; where they cancel, what is left
is rounding of the size of eps·S_ij, S_ij = Σ over paths of |products|; rounding errors of the values on the way
count too, by what they do to later derivatives. Only forward code is run, so that no rule
that is checked sets its own tolerance. A partial derivative counts with the size of the terms of its usual formula
where that cancels: 1 for tanh (1 − tanh²), and y for y = 1/(1 + e^−z), whose usual formula is y(1 − y), so that a
formula that loses digits in a saturated unit is not called wrong. That is an allowance of the step that cancels, never
of e^z itself: what follows would multiply it up. Where nothing else is left of a Jacobian, it is judged by the slopes
themselves (`usual=False`): 1/cosh² loses nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jacobians.numerics.arrays import Array
from verification.tracing.arrays import entries_of
from verification.tracing.derivative_sizes import FUNCTIONS, SINGULAR, SLOPES
from verification.tracing.scalars import Primitive, Scalars

if TYPE_CHECKING:
    from verification.problem import Problem


class Sized:
    """A float with its own rounding error, the sizes of its derivatives, and the errors of these.

    Parameters
    ----------
    value : float
        The value.
    size : numpy.ndarray, shape (n,), or float
        By every entry of the point, the sums of absolute products over paths; 0 for a constant.
    error : float
        The rounding error of the value, in units of eps.
    drift : numpy.ndarray, shape (n,), or float
        What the errors of the values on the way do to the derivatives, in units of eps.

    Attributes
    ----------
    exponent : numpy.ndarray, float or None
        The size of z, where the number is c·e^z with a constant c.
    shifted : numpy.ndarray, float or None
        The size of z, where the number is c + d·e^z with constants: the derivative of its reciprocal y is usually
        written as y(1 − y), which cancels.
    """

    __slots__ = ("drift", "error", "exponent", "shifted", "size", "value")

    def __init__(self, value: float, size: Any = 0.0, error: float = 0.0, drift: Any = 0.0) -> None:
        self.value, self.size, self.error, self.drift = value, size, error, drift
        self.exponent: Any = None
        self.shifted: Any = None

    @property
    def constant(self) -> bool:
        """Whether it depends on no entry of the point."""
        return type(self.size) is float and self.size == 0

    def _scaled(self, result: Sized, by: Sized) -> Sized:
        """Return the result, a multiple of self, with what is known of self if the factor is a constant."""
        if by.constant:
            result.exponent, result.shifted = self.exponent, self.shifted
        return result

    def through(self, value: float, slope: float, bend: float, terms: float | None = None) -> Sized:
        """Return f(self) for a function with this value, |f′| and |f″|, and the terms of the usual formula of f′."""
        drift = slope * self.drift + bend * self.error * self.size
        size = (slope if terms is None else terms) * self.size
        return Sized(value, size, slope * self.error + abs(value), drift)

    def __add__(self, other: Any) -> Sized:
        b = _sized(other)
        value = self.value + b.value
        result = Sized(value, self.size + b.size, self.error + b.error + abs(value), self.drift + b.drift)
        for one, other in ((self, b), (b, self)):
            if one.constant and other.exponent is not None:
                result.shifted = other.exponent
        return result

    def __sub__(self, other: Any) -> Sized:
        return self + -_sized(other)

    def __mul__(self, other: Any) -> Sized:
        b = _sized(other)
        value, left, right = self.value * b.value, abs(self.value), abs(b.value)
        drift = left * b.drift + self.error * b.size + right * self.drift + b.error * self.size
        error = left * b.error + right * self.error + abs(value)
        result = Sized(value, left * b.size + right * self.size, error, drift)
        return b._scaled(self._scaled(result, b), self)

    def __truediv__(self, other: Any) -> Sized:
        b = _sized(other)
        if b.value == 0:
            return Sized(math.nan, self.size * math.inf, math.inf)
        y = 1 / abs(b.value)
        return self * b._with_usual_terms(b.through(1 / b.value, y * y, 2 * y**3), 1.0)

    def __pow__(self, other: Any) -> Sized:
        b = _sized(other)
        exponent, base = b.value, abs(self.value)
        with np.errstate(all="ignore"):
            value = float(np.power(self.value, exponent))
            slope = abs(exponent) * float(np.power(base, exponent - 1)) if exponent else 0.0
            factor = abs(exponent * (exponent - 1))
            bend = factor * float(np.power(base, exponent - 2)) if factor else 0.0
        result = self.through(value, slope, bend)
        if b.constant and exponent < 0:
            return self._with_usual_terms(result, abs(exponent))
        if np.any(b.size):
            result.size = result.size + abs(value * math.log(base)) * b.size if base else math.inf
        return result

    def _with_usual_terms(self, power: Sized, exponent: float) -> Sized:
        """Return a negative power y of self with the terms of y(1 − y), if self is c + d·e^z."""
        if self.shifted is not None:
            power.size = np.maximum(power.size, exponent * abs(power.value) * self.shifted)
        return power

    def __neg__(self) -> Sized:
        return self._scaled(Sized(-self.value, self.size, self.error, self.drift), _sized(-1.0))

    def __radd__(self, other: Any) -> Sized:
        return self + other

    def __rmul__(self, other: Any) -> Sized:
        return self * other

    def __rsub__(self, other: Any) -> Sized:
        return _sized(other) - self

    def __rtruediv__(self, other: Any) -> Sized:
        return _sized(other) / self


def _sized(value: Any) -> Sized:
    return value if isinstance(value, Sized) else Sized(float(value))


class _Parts(NamedTuple):
    """The parts of many sized numbers: arrays of the shape of theirs; sizes and drifts have one more axis."""

    value: Array
    size: Array
    error: Array
    drift: Array

    @classmethod
    def of(cls, entries: NDArray[Any]) -> _Parts:
        items = [_sized(item) for item in entries.ravel().tolist()]
        n = next((len(item.size) for item in items if isinstance(item.size, np.ndarray)), 1)
        numbers, sizes, drifts = (
            np.empty((2, len(items))),
            np.zeros((len(items), n)),
            np.zeros((len(items), n)),
        )
        for k, item in enumerate(items):
            numbers[:, k] = item.value, item.error
            if type(item.size) is not float or item.size or item.drift:  # most are constants
                sizes[k], drifts[k] = item.size, item.drift
        value, error = numbers.reshape(2, *entries.shape)
        size, drift = (part.reshape(*entries.shape, n) for part in (sizes, drifts))
        return cls(value, size, error, drift)

    def joined(self) -> NDArray[Any]:
        """Return the sized numbers."""
        n = self.size.shape[-1]
        items = map(
            Sized,
            self.value.ravel().tolist(),
            self.size.reshape(-1, n),
            self.error.ravel().tolist(),
            self.drift.reshape(-1, n),
        )
        return np.fromiter(items, dtype=object, count=self.value.size).reshape(self.value.shape)


class SizedScalars(Scalars):
    """The table of :class:`Sized`: floats that carry the sizes of their derivatives.

    Parameters
    ----------
    usual : bool
        Whether a partial derivative counts with the size of the terms of its usual formula, or with its own.
    """

    name: ClassVar[str] = "sized"

    def __init__(self, usual: bool = True) -> None:
        self.usual = usual
        super().__init__()

    def constant(self, value: Any) -> Any:
        """Return a constant, of derivative 0; bools stay bools."""
        return bool(value) if isinstance(value, bool | np.bool_) else Sized(float(value))

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a sized number or a decided comparison."""
        return isinstance(value, Sized | bool)

    def decide(self, condition: Any) -> bool:
        """Return the truth value of the float."""
        return bool(condition.value if isinstance(condition, Sized) else condition)

    def magnitude(self, value: Any) -> float | None:
        """Return |value|, for pivoting."""
        return abs(value.value)

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix product: what products and sums of :class:`Sized` would give, all entries at once."""
        left, right = _Parts.of(a[None] if a.ndim == 1 else a), _Parts.of(b[:, None] if b.ndim == 1 else b)
        value = left.value[..., :, :, None] * right.value[..., None, :, :]
        sizes_left, sizes_right = np.abs(left.value), np.abs(right.value)
        # of each product, of its factors, and of each partial sum but the first, which is no sum
        error = np.abs(value).sum(-2) + np.abs(value.cumsum(-2)[..., 1:, :]).sum(-2)
        error += sizes_left @ right.error + left.error @ sizes_right
        from_right = partial(np.einsum, "...ij,...jkn->...ikn")
        from_left = partial(np.einsum, "...ijn,...jk->...ikn")
        size = from_right(sizes_left, right.size) + from_left(left.size, sizes_right)
        drift = from_right(sizes_left, right.drift) + from_left(left.drift, sizes_right)
        drift += from_right(left.error, right.size) + from_left(left.size, right.error)
        product = _Parts(value.sum(-2), size, error, drift).joined()
        product = product[..., 0] if b.ndim == 1 else product
        return product[..., 0, :] if a.ndim == 1 and b.ndim > 1 else product[0] if a.ndim == 1 else product

    def norm(self, items: Sequence[Any]) -> Any:
        """Return √Σx², whose derivative by each x is at most 1: at 0 too, where that of the root alone is infinite."""
        numbers = [_sized(item) for item in items]
        value = math.hypot(*(number.value for number in numbers))
        error = math.fsum(number.error for number in numbers)
        size = sum((number.size for number in numbers), 0.0)
        drift = sum((number.drift for number in numbers), 0.0)
        return Sized(value, size, error + value, drift + (error / value * size if value else 0.0))

    def table(self) -> dict[str, Primitive]:
        """Return the functions with the sizes of their derivatives, and comparisons of the floats."""

        def function(name: str) -> Primitive:
            f, terms = FUNCTIONS[name]
            slope, curvature = SLOPES.get(name, (terms, None))
            singular = name in SINGULAR

            def call(a: Any) -> Sized:
                a = _sized(a)
                with np.errstate(all="ignore"):
                    value = float(f(a.value))
                    try:
                        size = float((terms if self.usual else slope)(a.value, value))
                        steep = float(slope(a.value, value))
                        bend = steep / abs(a.value) if singular else steep
                        if curvature is not None:
                            bend = float(curvature(a.value, value))
                    except ZeroDivisionError:
                        size = steep = bend = math.inf
                result = a.through(value, steep, bend, size)
                if name == "exp" and self.usual:
                    result.exponent = a.size
                return result

            return call

        def compare(ufunc: np.ufunc) -> Primitive:
            return lambda a, b: bool(ufunc(_sized(a).value, _sized(b).value))

        def logaddexp(a: Any, b: Any) -> Sized:
            value, error = float(np.logaddexp(a.value, b.value)), a.error + b.error
            left, right = np.exp(a.value - value), np.exp(b.value - value)
            size = a.size + b.size if self.usual else left * a.size + right * b.size
            drift = left * a.drift + right * b.drift + left * right * error * (a.size + b.size)
            return Sized(value, size, left * a.error + right * b.error + abs(value), drift)

        orders = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
        return {
            "pi": lambda: Sized(math.pi),
            **{name: function(name) for name in FUNCTIONS},
            **{ufunc.__name__: compare(ufunc) for ufunc in orders},
            "logaddexp": logaddexp,
            "hypot": lambda a, b: self.norm([a, b]),
            "divide": lambda a, b: _sized(a) / b,
            "sign": lambda a: Sized(float(np.sign(a.value))),
            "isnan": lambda a: math.isnan(a.value),
            "isinf": lambda a: math.isinf(a.value),
        }


class Sizes(NamedTuple):
    """What rounding may do to a right answer, in units of eps.

    Attributes
    ----------
    derivatives : numpy.ndarray, shape (m, n)
        The terms in each entry of the Jacobian.
    values : numpy.ndarray, shape (m,)
        The rounding errors of f itself.
    """

    derivatives: Array
    values: Array


def sizes(problem: Problem, *, usual: bool = True) -> Sizes:
    """Return eps⁻¹ times the rounding that right values and a right Jacobian may carry.

    Parameters
    ----------
    problem : Problem
        The function and the point.
    usual : bool
        False allows for what cancels in the chain rule, and not for what cancels in the usual formula of a φ′.

    Raises
    ------
    TracingError
        If the forward code can't be traced.

    Examples
    --------
    sin x − x cancels to 0 at 0, and its derivative cos x − 1 too: of terms of size 1 each.

    >>> from verification.problem import Problem
    >>> sizes(Problem(lambda x: np.sin(x) - x, 0.0)).derivatives
    array([[2.]])

    1 − tanh² is 0 at 30, where 1/cosh² is right.

    >>> problem = Problem(np.tanh, 30.0)
    >>> sizes(problem).derivatives, sizes(problem, usual=False).derivatives < 1e-24
    (array([[1.]]), array([[ True]]))
    """
    m, n = problem.shape
    scalars = SizedScalars(usual)
    entries = entries_of(problem.point, scalars).copy().reshape(-1)
    for j in range(n):
        size = np.zeros(n)
        size[j] = 1.0
        entries[j] = Sized(float(problem.point.reshape(-1)[j]), size)
    with np.errstate(all="ignore"):
        traced = problem.trace(scalars, entries.reshape(problem.point.shape), entries_of(problem.x, scalars))
        values = [_sized(value) for value in traced]
        derivatives = np.array([np.broadcast_to(value.size + value.drift, n) for value in values]).reshape(
            m, n
        )
    return Sizes(derivatives, np.array([value.error for value in values]))
