"""One question put to every witness: a function of one array at a point, whatever it was made from."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arguments import checked_flag, checked_option, shown
from jacobians.numerics.arrays import Array, read_only, real_array
from verification.callables import require_arguments, require_function
from verification.tracing.arithmetic import eps_of_values, last_bit
from verification.tracing.arrays import Entries, TracedArray, entries_of
from verification.tracing.floats import FloatScalars
from verification.tracing.following import trace
from verification.tracing.functions import register
from verification.tracing.rounding import Sizes, sizes
from verification.tracing.scalars import Scalars

BLOCK_BYTES = 4 * 1024**2  # the most that the points and values of one batched call take: what a cache holds
LARGEST_TRACE = 200_000
"""Numbers in the point and the parameters; one trace makes an object of each."""
FAR = 2.0**8  # of entries above it steps in proportion to x may be larger than what f is smooth on
TOO_FAR = 2.0**44  # and of those above it the machine has too few numbers for steps of the size 1
LEAST_PART = 2.0**-26  # of x, in units of which the noise is measured
MILD = 2.0**-40  # noise up to this part of a value may be what mild cancelling leaves
NOISE_STEP = 2.0**-22  # relative; sixth differences of smooth code are then far below its rounding

register()


class EvaluationError(ValueError):
    """f returned no array of real numbers, or arrays of different shapes."""


class Problem:
    """A function of one array at a point: by the input of f or by one of its parameters.

    Parameters
    ----------
    f : Function or callable
        A Function, or plain NumPy code from one array to one array.
    x : array_like
        The input. Never written to: f gets copies.
    wrt : str
        "input", or the name of a parameter of a Function.
    dtype : numpy dtype, optional
        What to compute in; by default what x is.
    vectorized : bool
        True says that plain code takes points along a first axis, as in ``f(X)[k] = g(X[k])``: it is called with
        many of them at once. A Function says it itself.
    value : numpy.ndarray, optional
        The value at x where it is known: f is then trusted and not called.
    tracing : int
        The scalar operations, times the entries of the point, that tracing the rounding may take; by default it is
        not traced.
    guessed : float, optional
        A rounding noise of all values that stands for the measured one.

    Attributes
    ----------
    point : numpy.ndarray
        Where the derivative is asked for: x, or the parameter.
    value : numpy.ndarray
        The value there.
    returned : float
        eps of the dtype that f returned.
    whole : str
        That dtype where it holds whole numbers or truth values only; otherwise "".

    Raises
    ------
    TypeError, ValueError
        If x is refused, f is not callable, `wrt` names no parameter, or `vectorized` is said of a Function.
    EvaluationError
        If the value of f is not an array of real numbers, or not as `vectorized` says.

    Examples
    --------
    >>> problem = Problem(lambda x: x**2, [1.0, 2.0])
    >>> problem.value
    array([1., 4.])
    >>> problem.shape
    (2, 2)
    """

    def __init__(
        self,
        f: Any,
        x: Any,
        wrt: str = INPUT,
        dtype: Any = None,
        *,
        vectorized: bool = False,
        value: Any = None,
        tracing: int = 0,
        guessed: float | None = None,
    ) -> None:
        require_function(f)
        require_arguments(f, "f", 1)
        if not isinstance(wrt, str):
            raise TypeError(
                f"wrt: found {shown(wrt)}, expected {INPUT!r} or the name of a parameter of a Function"
            )
        if checked_flag(vectorized, "vectorized") and isinstance(f, Function):
            raise ValueError(
                "vectorized: found True for a Function, which says it by its own attribute: leave it out"
            )
        self.f, self.wrt, self.vectorized, self.tracing, self.guessed = f, wrt, vectorized, tracing, guessed
        self.x = real_array(x, "x")
        if dtype is not None:
            self.x = self.x.astype(dtype)
        if wrt == INPUT:
            self.point = self.x
        elif isinstance(f, Function):
            if wrt not in f.parameters:
                checked_option(wrt, "wrt", [INPUT, *f.parameters])
            self.point = np.asarray(f.parameters[wrt], dtype=self.x.dtype)
        else:
            raise ValueError(
                f"wrt: found {wrt!r}, expected 'input': only a Function has parameters; for plain code pass "
                f"lambda {wrt}: f(x, {wrt}) and the point {wrt}"
            )
        if isinstance(f, Function):
            f._door(self.x, batched=False)  # the only time: neighbours of x may be outside the domain
        if value is None:
            self.value = self.evaluate(self.point)
        else:
            self.value, self.returned, self.whole = value, float(np.finfo(value.dtype).eps), ""
        if vectorized and value is None:
            self._refuse_mixed_points()

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n): the sizes of the value and of the point."""
        return self.value.size, self.point.size

    @property
    def number_count(self) -> int:
        """How many numbers a trace makes objects of: those of the point and of the parameters."""
        return self.point.size + (self.f.parameter_count if isinstance(self.f, Function) else 0)

    @functools.cached_property
    def sizes(self) -> Sizes | None:
        """The sizes of the terms in each entry; None where the code can't be traced, or not within `tracing`."""
        try:
            if self.tracing == 0 or self.number_count > LARGEST_TRACE:
                return None
            return sizes(self) if self.operations * self.point.size <= self.tracing else None
        except Exception:  # as for a witness: a tolerance that isn't known must not stop the check
            return None

    @functools.cached_property
    def rounding(self) -> Array:
        """The rounding errors of the value, shape (m,), as its code is traced for them; 0 where that isn't known."""
        if self.sizes is None:
            return np.zeros(self.value.size)
        return np.where(np.isfinite(self.sizes.values), self.eps * self.sizes.values, 0)

    @functools.cached_property
    def eps(self) -> Array:
        """The rounding unit of each value, shape (m,): of the dtype that f returns, or that it rounds to inside."""
        if self.guessed is not None:
            return np.full(self.value.size, self.returned)
        return eps_of_values(self.evaluate_many, self.point, self.value, self.returned)

    @functools.cached_property
    def largest(self) -> float:
        """The size of the largest entry of the point; of a part of another problem, that of the whole."""
        return float(np.abs(self.point).max(initial=0))

    @functools.cached_property
    def operations(self) -> int:
        """The scalar operations of the traced forward code, at least one an entry of the value.

        Raises
        ------
        TracingError
            If the code can't be traced.
        """
        scalars = FloatScalars()
        with np.errstate(all="ignore"):
            self.trace(scalars, entries_of(self.point, scalars))
        return max(scalars.operations, self.value.size)

    @functools.cached_property
    def noise(self) -> Array:
        """The rounding noise of each value, shape (m,): at least eps·|f|, and what is traced; or a guess.

        Sixth differences over a few tiny steps along one direction: what is smooth vanishes in them, rounding
        doesn't (Hamming; Moré and Wild, 2011).
        """
        if self.guessed is not None:
            return np.full(self.value.size, self.guessed)
        sizes = np.abs(self.point.reshape(-1))
        rms = self._sixth_differences(sizes)
        if np.any(sizes > FAR):  # f may bend within such steps; smaller ones tell, if f rounds within them
            near = self._sixth_differences(np.minimum(sizes, np.maximum(FAR, LEAST_PART * sizes)))
            rounds = near > self.eps * np.abs(self.value.reshape(-1)) / 64
            rms = np.where(rounds, np.fmin(rms, near), rms)
        floor = self.eps * np.abs(self.value.reshape(-1).astype(np.float64))
        return np.maximum(np.maximum(floor, self.rounding), np.where(np.isfinite(rms), rms, 0))

    def _sixth_differences(self, sizes: Array) -> Array:
        """Return the rounding noise of each value, as steps of 2⁻²² of some sizes of the entries of x show it."""
        x = self.point.reshape(-1)
        # odd multiples of the last bit of x: the points are exact, and all bits change that f may round
        step = NOISE_STEP * np.where(x == 0, 2.0**-10, sizes)
        unit = np.spacing(np.abs(x) + 16 * step)
        step = np.where(np.arange(x.size) % 2, -1.0, 1.0) * (2 * np.floor(step / unit / 2) + 1) * unit
        estimates, lattice = [], np.full(self.value.size, np.inf)
        for side in (np.arange(10.0), -np.arange(10.0)):
            points = (x + side[:, None] * step).astype(x.dtype)
            try:
                values = self.evaluate_many(points.reshape((-1, *self.point.shape))).astype(np.float64)
            except Exception:  # f's own; the witness that meets it says so, and the noise is rounding here
                break
            lattice = np.fmin(lattice, last_bit(values))
            with np.errstate(all="ignore"):
                mean = np.mean(np.diff(values, n=6, axis=0) ** 2, axis=0)
                estimates.append(3 * np.sqrt(mean / 924))  # 924 = 12!/(6!)²
        if not estimates:
            return np.zeros(self.value.size)
        least = functools.reduce(np.fmin, estimates)  # a kink that is near looks like noise, on its side
        fine = lattice <= MILD * np.abs(self.value.reshape(-1))  # steps may fall in with it, and hide it
        return np.where(fine, np.fmax(least, lattice), least)

    def evaluate(self, point: Array) -> Array:
        """Return f at one point, checked; non-finite values pass without a warning."""
        with np.errstate(all="ignore"):
            raw = self._call(point.copy())
            result = numbers(raw).copy()  # f may write to the same array again
        if not hasattr(self, "value"):
            self.returned = _eps(raw, result)
            dtype = np.asarray(raw).dtype
            self.whole = str(dtype) if dtype.kind in "biu" else ""
        elif result.shape != self.value.shape:
            raise EvaluationError(
                f"f: found shape {result.shape} at one point and {self.value.shape} at another, expected one shape"
            )
        return result

    def _call(self, point: Any) -> Any:
        """Return what f returns; a Function is called below its doors, which let points of its domain in only."""
        if self.wrt != INPUT:
            return self.f.bind({self.wrt: point})._forward(self.x, 0)
        if isinstance(self.f, Function):
            return self.f._forward(point, 0)
        return self._alone(point) if self.vectorized else self.f(point)

    def _alone(self, point: Any) -> Any:
        """Return what vectorized code returns for one point along the first axis."""
        values = self.f(point[None])
        if np.shape(values)[:1] != (1,):
            raise ValueError(
                f"f: found a result of shape {np.shape(values)} for 1 point with vectorized=True, expected the point "
                f"along its first axis; leave vectorized out for a function of one point"
            )
        return values[0]

    def _refuse_mixed_points(self) -> None:
        """Raise unless the value at x is the same beside another point, up to rounding."""
        beside = np.stack(
            [self.point + self.point.dtype.type(2.0**-20) * (1 + np.abs(self.point)), self.point]
        )
        said = "vectorized=True says that f(X)[k] depends on X[k] alone, the k-th point along the first axis"
        try:
            with np.errstate(all="ignore"):
                values = numbers(self.f(beside))
        except (ValueError, ArithmeticError) as error:
            raise EvaluationError(f"f: found {error} for points of shape {beside.shape}; {said}") from None
        if values.shape != (2, *self.value.shape):
            raise EvaluationError(
                f"f: found shape {values.shape} for points of shape {beside.shape}, expected "
                f"{(2, *self.value.shape)}; {said}"
            )
        scale = float(np.max(np.abs(self.value), initial=0))
        rounding = float(np.finfo(values.dtype).eps) ** 0.75 * scale
        if not np.allclose(values[1], self.value, rtol=0, atol=rounding, equal_nan=True):
            raise EvaluationError(f"f: found a value at x that changes with the point beside it; {said}")

    @property
    def batches(self) -> bool:
        """Whether many points are evaluated in one call."""
        return self.vectorized or (isinstance(self.f, Function) and self.wrt == INPUT)

    @property
    def block(self) -> int:
        """How many points go into one batched call."""
        return max(1, BLOCK_BYTES // (8 * sum(self.shape)))

    def evaluate_many(self, points: Array) -> Array:
        """Return f at several points, shape (count, m): in batched calls of bounded memory where f takes batches.

        A point outside of the domain of f, where f gives NaN or raises ValueError or ArithmeticError, is a row of NaN.
        """
        m = self.shape[0]
        if self.batches and len(points):
            try:
                with np.errstate(all="ignore"):
                    values = [
                        self._call_block(points[start : start + self.block])
                        for start in range(0, len(points), self.block)
                    ]
                return (values[0] if len(values) == 1 else np.concatenate(values)).reshape(len(points), m)
            except (ValueError, ArithmeticError):
                pass  # one of the points is outside: which one shows when they are taken one by one
        return np.stack([self._value_or_nan(point) for point in points])

    def _call_block(self, points: Array) -> Array:
        if self.vectorized:
            return np.asarray(self.f(points.copy()))  # plain code may write to its input
        # a Function must not: one that does meets a ValueError, and is called with copies, one by one
        return np.asarray(self.f._forward(read_only(points), 1))

    def _value_or_nan(self, point: Array) -> Array:
        try:
            return self.evaluate(point).reshape(self.value.size)
        except EvaluationError:
            raise
        except (ValueError, ArithmeticError):
            return np.full(self.value.size, np.nan)

    def trace(self, scalars: Scalars, entries: Entries, inputs: Entries | None = None) -> Entries:
        """Return the entries of the value, of m scalars along one axis, for a point of scalars.

        Parameters
        ----------
        scalars : Scalars
            Their table.
        entries : numpy.ndarray of dtype object
            The point, in its shape.
        inputs : numpy.ndarray of dtype object, optional
            The input too where the point is a parameter, so that what comes before the parameter is also traced.
        """
        code = self._call
        if inputs is not None and self.wrt != INPUT:
            code = lambda point: self.f.bind({self.wrt: point})._forward(TracedArray(inputs, scalars), 0)  # noqa: E731
        result = trace(code, TracedArray(entries, scalars))
        if result.shape != self.value.shape:
            raise EvaluationError(f"f: found shape {result.shape} when traced, expected {self.value.shape}")
        return result.reshape(-1)

    def smooth_piece(self, point: Array) -> Array | None:
        """Return the integers that say on which smooth piece a point lies; None if f doesn't say."""
        if not isinstance(self.f, Function):
            return None
        bound, x = (self.f, point) if self.wrt == INPUT else (self.f.bind({self.wrt: point}), self.x)
        piece = bound.smooth_piece(x)
        return None if piece is None else np.ravel(piece)

    def index(self, flat: int) -> tuple[int, ...]:
        """Return the place in the point's shape of an entry of its row-major vec."""
        return tuple(int(k) for k in np.unravel_index(flat, self.point.shape)) if self.point.ndim else ()

    def out_index(self, flat: int) -> tuple[int, ...]:
        """Return the place in the value's shape of an entry of its row-major vec."""
        return tuple(int(k) for k in np.unravel_index(flat, self.value.shape)) if self.value.ndim else ()

    def unit(self, flat: int) -> Array:
        """Return the unit vector of one entry, in the point's shape."""
        unit = np.arange(self.point.size) == flat
        return unit.astype(self.point.dtype).reshape(self.point.shape)


def _eps(raw: Any, result: Array) -> float:
    """Return eps of what f returned, float16 for what comes as that, though it is computed with as float32."""
    half = getattr(raw, "dtype", None) == np.float16
    return float(np.finfo(np.float16 if half else result.dtype).eps)


def numbers(result: Any) -> Array:
    """Return what f returned as an array of float32 or float64.

    Raises
    ------
    EvaluationError
        For None, complex, object, ragged and masked results.

    Examples
    --------
    >>> numbers([1, 2])
    array([1., 2.])
    """
    if result is None:
        raise EvaluationError("f returned None, expected an array of real numbers; is a return missing?")
    if isinstance(result, tuple):
        raise EvaluationError(
            f"f returned a tuple of {len(result)}; differentiate one of them: lambda x: f(x)[0]"
        )
    try:
        if isinstance(result, np.ndarray) and result.size == 0:
            return result.astype(np.float64)  # emptiness is named by those who compare
        return real_array(result, "f(x)")
    except (TypeError, ValueError) as error:
        raise EvaluationError(str(error)) from None
