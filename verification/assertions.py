"""Assertions about gradients, for tests; :func:`verification.assert_jacobian` is the one about Jacobians."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from jacobians.function import INPUT
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_option, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.keywords import checked_keywords, keywords_of
from verification.callables import require_arguments
from verification.causes import Slip
from verification.check import check
from verification.problem import EvaluationError, Problem
from verification.report import Reveal
from verification.witnesses.asking import Budget
from verification.witnesses.size import seconds_for_all


def assert_gradient(
    f: Any, gradient: Any, *, at: Any, wrt: str = INPUT, reveal: Reveal = "all", **options: Any
) -> None:
    """Raise AssertionError, with the report, unless the gradient of a scalar function is right; for tests.

    A gradient has the shape of what it is taken by (denominator layout), as ``MLP.gradients`` returns it. Its row-major
    vec is the row of the Jacobian, and that is what :func:`~verification.check` judges.

    Parameters
    ----------
    f : Function or callable
        Its value has one entry: a loss. A Function, or plain NumPy code.
    gradient : array_like or callable
        In the shape of x, or of the parameter; a callable is called with a copy of x.
    at : array_like
        The point x.
    wrt : str
        "input", or the name of a parameter of a Function.
    reveal : {"verdict", "diagnosis", "worst", "all"}
        What the message tells; in a cell for students "all" would print the answer.
    **options
        Further arguments of :func:`~verification.check`, such as ``rtol`` and ``witnesses``.

    Raises
    ------
    AssertionError
        If the gradient has another shape, (3,) is not (3, 1); or the verdict is "wrong" or "undecided".
    TypeError, ValueError
        If the call makes no sense: the value of f is no scalar, `wrt` is no parameter, an option is unknown.

    Examples
    --------
    >>> assert_gradient(lambda x: np.sum(x**2), [2.0, 6.0], at=[1.0, 3.0])
    >>> assert_gradient(lambda x: np.sum(x**2), [[2.0], [6.0]], at=[1.0, 3.0])
    Traceback (most recent call last):
    ...
    AssertionError: gradient by input: found shape (2, 1), expected (2,), the shape of the input; its entries are ...
    """
    __tracebackhide__ = True  # pytest shows the line that called
    checked_option(reveal, "reveal", get_args(Reveal))
    for name in ("layout", "jacobian"):
        if name in options:
            raise TypeError(
                f"{name}: found {shown(options[name])}, expected none: a gradient has the shape of x"
            )
    checked_keywords(options, "assert_gradient", ["reveal", *keywords_of(check)])
    x = real_array(at, "at")
    try:
        problem = Problem(f, x, wrt)
    except EvaluationError as error:
        raise AssertionError(f"gradient by {wrt}: undecided: {error}") from None
    if problem.value.size != 1:
        raise ValueError(
            f"f: found a value of shape {problem.value.shape}, expected a scalar; its derivative is a Jacobian: "
            "use assert_jacobian"
        )
    found = gradient
    if isinstance(gradient, type):
        raise TypeError(
            f"gradient: found the class {class_name(gradient)}, expected an array or a function of x"
        )
    if callable(gradient):
        require_arguments(gradient, "gradient", 1)
        given = x.copy()
        found = gradient(given)
        if not np.array_equal(given, x, equal_nan=True):
            raise AssertionError(f"gradient by {wrt}: the callable gradient writes to its input")
    if found is None:
        raise AssertionError(f"gradient by {wrt}: found None, expected an array; is a return missing?")
    try:
        array = real_array(found, f"gradient by {wrt}")
    except (TypeError, ValueError) as error:
        raise AssertionError(str(error)) from None
    shape = problem.point.shape
    if array.shape != shape:
        of = "the input" if wrt == INPUT else f"the parameter {wrt}"
        hint = "; it may be transposed" if array.shape == shape[::-1] and len(shape) > 1 else ""
        raise AssertionError(
            f"gradient by {wrt}: found shape {array.shape}, expected {shape}, the shape of {of}{hint}"
            f"{'' if reveal == 'verdict' else _form(array, problem)}"
        )
    report = check(f, x, array.reshape(1, -1), wrt, **options)
    if not report.passed:
        raise AssertionError(f"gradient by {wrt}, shape {shape}: {report.told(reveal)}")


def _form(array: Array, problem: Problem) -> str:
    """Return what a gradient of another shape is, measured by differences; "" where that isn't known."""
    transposed = array.ndim > 1 and array.shape == problem.point.shape[::-1]
    if transposed or seconds_for_all(problem) > Budget().seconds:
        return ""  # the shape says it, or it would take too long
    from verification.diagnosis.diagnose import diagnose
    from verification.witnesses.finite_difference import richardson

    try:
        right = richardson(problem).matrix
        if array.size == right.size:
            same = np.allclose(array.reshape(-1), right[0], rtol=1e-6, atol=1e-9 * float(np.abs(right).max()))
            return f"; its entries are right: reshape it to {problem.point.shape}" if same else ""
        found = diagnose(
            array, right, f=problem.f, x=problem.x, wrt=problem.wrt, in_shape=problem.point.shape
        )
    except Exception:  # the sentence about the shape stands without an explanation
        return ""
    return "" if found.name in (Slip.UNKNOWN, Slip.NOT_FINITE) else f"\ndiagnosis: {found.without_values}"
