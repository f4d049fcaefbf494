"""Sympy's derivatives along the graph of a trace: each kind of step is differentiated once, in symbols.

A step is a function of its operands, such as tanh u or u/v; sympy differentiates it by u and v, and what it
finds is evaluated in 50 digits at every step of that kind. Imported only where symbols are used.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import mpmath
import sympy

from verification.problem import EvaluationError, Problem
from verification.tracing.following import calling_line
from verification.tracing.graph import GraphScalars, KinkError, OverTimeError, Step, accumulate
from verification.tracing.scalars import UndecidedError
from verification.tracing.symbols import BOUNDARY, DIGITS, SympyScalars

MOST_PATHS = 64
"""Ways to take the comparisons that lie on their boundary."""
AGREEMENT = 1e-20  # two pieces that meet, in 50 digits: closer than this, relatively, is the same
MORE_DIGITS = (400, 800)  # of terms of size 1 nothing is left after 400 that were a float above 0
FAINT = (
    1e-20  # an entry below it, or its row's largest times it, may be what is left of 50 digits that cancel
)
LEAST_FLOAT = 1e-330  # what is smaller is 0 as a float

Number = Callable[..., Any]
NO_PATH = mpmath.mpf(0)  # an entry on which its input has no influence: this very object


class Kind(NamedTuple):
    """A kind of step: its value and its derivatives as functions of the operands that are symbols."""

    value: Number
    slopes: tuple[Number, ...]


@functools.lru_cache(maxsize=1024)
def kind(name: str, exponent: Any = None) -> Kind:
    """Return a function by its ufunc's name, and sympy's derivatives of it, in mpmath.

    Parameters
    ----------
    name : str
        A function of :class:`SympyScalars`.
    exponent : mpmath.mpf, optional
        Of a power, where it is a constant: u^c has another derivative at 0 than u^v.

    Examples
    --------
    >>> print(kind("tanh").slopes[0](mpmath.mpf(0)))
    1.0
    """
    primitive = SympyScalars({}).primitives[name]
    operands = sympy.symbols("u v", real=True)[: 2 if name in ("divide", "power") else 1]
    if exponent is None:
        expression = primitive(*operands)
    else:
        operands = operands[:1]
        whole = mpmath.isint(exponent)
        expression = primitive(
            *operands, sympy.Integer(int(exponent)) if whole else sympy.Float(exponent, DIGITS)
        )
    functions = (expression, *(sympy.diff(expression, operand) for operand in operands))
    value, *slopes = (sympy.lambdify(operands, function, modules="mpmath") for function in functions)
    return Kind(value, tuple(slopes))


class SymbolicScalars(GraphScalars):
    """Steps whose derivatives sympy finds; numbers of 50 digits.

    Parameters
    ----------
    taken : sequence of bool
        The outcomes of the first comparisons that lie on their boundary; of further ones the outcome is True.
    until : float
        When to stop, by the clock that counts up.

    Attributes
    ----------
    touching : dict
        Every comparison that lies on its boundary, with the outcome that was taken.
    seconds : float
        What sympy took.
    kinked : str
        The function and the line of the first step without a finite derivative, or of the last comparison on its
        boundary; "" if there is none.
    """

    name: ClassVar[str] = "sympy"

    def __init__(self, taken: Sequence[bool] = (), until: float = math.inf) -> None:
        self.taken, self.until = taken, until
        self.touching: dict[Any, bool] = {}
        self.seconds = 0.0
        self.kinked = ""
        super().__init__()

    def number(self, value: Any) -> Any:
        """Return the number in 50 digits."""
        return mpmath.mpf(value if isinstance(value, mpmath.mpf | int) else float(value))

    def functions(self) -> Sequence[str]:
        """Return what sympy knows as one function."""
        trigonometric = ["sin", "cos", "tan", "sinh", "cosh", "tanh"]
        inverse = [f"arc{name}" for name in trigonometric]
        return ["divide", "power", "exp", "log", "sqrt", *trigonometric, *inverse, "erf"]

    def magnitude(self, value: Any) -> float | None:
        """Return the size, for pivoting."""
        return float(abs(self.as_step(value).value))

    def differentiate(self, name: str, operands: Sequence[Step]) -> tuple[Any, list[Any]]:
        """Return the value and the derivatives; infinite or NaN where there is none."""
        start = time.perf_counter()
        if start > self.until:
            raise OverTimeError("over its budget of time: pass a Budget of more seconds")
        if name == "power" and operands[1].place < 0:
            found = kind(name, operands[1].value)
            operands = operands[:1]
        else:
            found = kind(name)
        self.seconds += time.perf_counter() - start
        values = [operand.value for operand in operands]
        varying = [k for k, operand in enumerate(operands) if operand.place >= 0]
        slopes = [_real(found.slopes[k], values) for k in varying]
        if not self.kinked and not all(map(mpmath.isfinite, slopes)):
            self.kinked = calling_line()
        return _real(found.value, values), slopes

    def compare(self, relation: Callable[[Any, Any], bool], a: Step, b: Step) -> bool:
        """Return a comparison; the next outcome that is to be taken where it lies on its boundary."""
        if a is b or (a.place < 0 and b.place < 0) or not abs(a.value - b.value) < BOUNDARY:
            return bool(relation(a.value, b.value))
        key = (relation, *(step.place if step.place >= 0 else step.value for step in (a, b)))
        if key not in self.touching:
            place = len(self.touching)
            self.touching[key] = self.taken[place] if place < len(self.taken) else True
            self.kinked = calling_line()
        return self.touching[key]

    def pi(self) -> Step:
        """Return π."""
        return Step(self, +mpmath.pi)

    def table(self) -> dict[str, Any]:
        """Return the functions, π, and what is not finite."""
        return {
            **super().table(),
            "pi": self.pi,
            "isnan": lambda a: bool(mpmath.isnan(self.as_step(a).value)),
            "isinf": lambda a: bool(mpmath.isinf(self.as_step(a).value)),
        }


def _real(function: Number, values: Sequence[Any]) -> Any:
    """Return a real number; infinite for a division by zero, NaN outside of the domain."""
    try:
        number = function(*values)
    except ZeroDivisionError:
        return mpmath.inf
    except (ValueError, OverflowError):
        return mpmath.nan
    return number if isinstance(number, mpmath.mpf) else _without_imaginary_part(number)


def _without_imaginary_part(number: Any) -> Any:
    if isinstance(number, mpmath.mpc):
        return number.real if number.imag == 0 else mpmath.nan
    return mpmath.mpf(number)  # sympy prints integers as Python's


class Differentiated(NamedTuple):
    """The Jacobian in 50 digits or more, row by row, with what sympy took.

    Attributes
    ----------
    rows : list of lists of mpmath.mpf
        ∂f_i/∂x_j in place [i][j].
    seconds : float
        Of sympy.
    """

    rows: list[list[Any]]
    seconds: float


def differentiated(problem: Problem, allowed: float = math.inf) -> Differentiated:
    """Return the Jacobian of a problem by sympy's derivatives of the steps of its code.

    Where an entry is so small that it may be what is left of terms that cancel, as 1 − tanh² at 60, it is found in more
    digits, until more of them change nothing.

    Where comparisons lie on their boundary, the code is run for every way to take them: all must give the same
    value of the function and of its derivative; then the function is differentiable and the pieces fit.

    Raises
    ------
    TracingError
        If the code does something that isn't traced.
    UndecidedError
        If the point lies on a kink, or 800 digits cancel.
    OverTimeError
        If it takes longer than `allowed` seconds.
    """
    until = time.perf_counter() + allowed
    before: Differentiated | None = None
    kink: KinkError | None = None
    for digits in (DIGITS, *MORE_DIGITS):
        try:
            found = _with_digits(problem, digits, until)
        except KinkError as error:  # a difference that is 0 to all digits may be none in more
            if kink or before:
                raise
            kink = error
            continue
        if _agree(before.rows, found.rows) if before else not _faint(found.rows):
            return found
        before = found
    raise UndecidedError(f"an entry is what is left of terms that cancel to {MORE_DIGITS[-1]} digits")


def _faint(rows: list[list[Any]]) -> bool:
    """Say whether an entry may be what is left of terms that cancel: it is small, or 0 though a path leads to it."""
    for row in rows:
        sizes = [abs(entry) for entry in row if entry is not NO_PATH]
        if sizes and min(sizes) < FAINT * max(1, *sizes):
            return True
    return False


def _agree(one: list[list[Any]], two: list[list[Any]]) -> bool:
    """Say whether the entries are the same in fewer and in more digits, or 0 as floats."""
    return all(
        abs(a - b) <= AGREEMENT * abs(b) or max(abs(a), abs(b)) < LEAST_FLOAT
        for first, second in zip(one, two, strict=True)
        for a, b in zip(first, second, strict=True)
    )


def _with_digits(problem: Problem, digits: int, until: float) -> Differentiated:
    """Return the Jacobian as it comes out in some digits."""
    first: list[Any] | None = None
    rows: list[list[Any]] = []
    seconds, runs, kinked = 0.0, 0, ""
    waiting: list[list[bool]] = [[]]
    with mpmath.workdps(digits):
        while waiting:
            taken = waiting.pop()
            runs += 1
            if runs > MOST_PATHS:
                message = "kink at the point: too many comparisons lie exactly on their boundary"
                raise KinkError(message, kinked)
            scalars = SymbolicScalars(taken, until)
            values, found = _run(problem, scalars)
            kinked = scalars.kinked or kinked
            seconds += scalars.seconds
            outcomes = list(scalars.touching.values())
            waiting += [[*outcomes[:k], not outcomes[k]] for k in range(len(taken), len(outcomes))]
            flat = [*values, *(entry for row in found for entry in row)]
            if first is None:
                first, rows = flat, found
            elif not all(
                abs(one - two) <= AGREEMENT * max(1, abs(one)) for one, two in zip(first, flat, strict=True)
            ):
                raise KinkError(
                    "kink at the point: a comparison lies exactly on its boundary, and the pieces on its sides have "
                    "different derivatives",
                    kinked,
                )
    if any(entry is not NO_PATH and mpmath.isnan(entry) for row in rows for entry in row):
        raise KinkError("kink at the point: a step of f has no finite derivative there", kinked)
    return Differentiated(rows, seconds)


def _run(problem: Problem, scalars: SymbolicScalars) -> tuple[list[Any], list[list[Any]]]:
    """Return the values and the rows of the Jacobian for one way to take the comparisons."""
    try:
        values, variables = scalars.run(problem)
    except EvaluationError as error:
        if not scalars.touching:
            raise
        message = f"kink at the point: a comparison lies exactly on its boundary ({error})"
        raise KinkError(message, scalars.kinked) from None
    rows = accumulate(values, variables, NO_PATH, mpmath.mpf(1))
    return [value.value for value in values], rows
