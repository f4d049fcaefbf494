"""The candidate of a check: from a structured Jacobian, an array, a tensor in a named layout, or a callable."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from jacobians.function import Function
from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array, MemoryBudgetError, real_array, refuse_sparse
from jacobians.numerics.layouts import TensorLayout, VecOrder, column_major_order, from_tensor
from jacobians.numerics.libraries import NUMPY
from jacobians.structures import Jacobian
from verification.problem import Problem


class CandidateError(ValueError):
    """The candidate can't be right, whatever its numbers: its form is wrong. The message is the reason.

    Attributes
    ----------
    array : numpy.ndarray or None
        The candidate, where it is an array of another shape.
    """

    def __init__(self, reason: str, array: Array | None = None) -> None:
        super().__init__(reason)
        self.array = array


def candidate_of(jacobian: Any, problem: Problem, x: Array) -> Any:
    """Return what is to be checked: `jacobian`, called if it is a function; by default that of the Function.

    Parameters
    ----------
    jacobian : Jacobian, array_like, callable or None
        None stands for the Function's own.
    problem : Problem
        The function and the point.
    x : numpy.ndarray
        The input in its own precision; a callable gets a copy.

    Raises
    ------
    TypeError
        If f is plain code and no Jacobian is given.
    CandidateError
        If a callable returns None or writes to its input.
    """
    if jacobian is None:
        if isinstance(problem.f, Function):
            return problem.f.jacobian(x, problem.wrt)
        raise TypeError(
            "jacobian: found None, expected a Jacobian or an array: plain code has none of its own"
        )
    if callable(jacobian) and not isinstance(jacobian, Jacobian):
        given = x.copy()
        jacobian = jacobian(given)
        if not np.array_equal(given, x, equal_nan=True):
            raise CandidateError(
                "the callable jacobian writes to its input; expected it to leave x as it was"
            )
        if jacobian is None:
            raise CandidateError(
                "the callable jacobian returned None, expected an array; is a return missing?"
            )
    return jacobian


def matrix_of(
    candidate: Any,
    problem: Problem,
    layout: TensorLayout | None,
    max_bytes: int | None,
    vec: VecOrder = "row",
) -> Array | None:
    """Return the candidate as an (m, n) matrix; None for a structured one that is too large to form.

    Shapes must be equal: (3,), (3, 1) and (1, 3) are three things.

    Raises
    ------
    ValueError
        If `layout` is no name of one.
    TypeError
        If a structured candidate has arrays of another library.
    CandidateError
        If the candidate has another shape, or is not an array of real numbers.
    """
    m, n = problem.shape
    if layout is not None:
        checked_option(layout, "layout", get_args(TensorLayout))
    checked_option(vec, "vec", get_args(VecOrder))
    if vec == "column" and (layout is not None or isinstance(candidate, Jacobian)):
        raise ValueError(
            "vec: found 'column' for a Jacobian or a tensor, expected it for an array of shape (m, n)"
        )
    if isinstance(candidate, Jacobian):
        if candidate.home is not NUMPY:
            raise TypeError(
                f"jacobian: found arrays of {candidate.home.name}, expected NumPy's: with these the witnesses compute; "
                f"pass np.asarray(J.dense())"
            )
        found = (*candidate.batch_shape, *candidate.shape)
        if found != (m, n):
            raise CandidateError(f"the Jacobian has shape {found}, expected ({m}, {n})")
        _same_shapes(candidate, problem)
        try:
            return candidate.dense(max_bytes=max_bytes)
        except MemoryBudgetError:
            return None
    try:
        refuse_sparse(candidate, "jacobian")
        array = real_array(_of_sympy(candidate), "jacobian")
    except (TypeError, ValueError) as error:
        raise CandidateError(str(error)) from None
    if layout is not None:
        try:
            matrix = from_tensor(array, problem.value.shape, problem.point.shape, layout)
        except ValueError as error:
            raise CandidateError(str(error)) from None
        if matrix.shape != (m, n):
            raise CandidateError(
                f"the tensor has shape {array.shape}, with axes left over for a batch; expected none"
            )
        return matrix
    if array.shape != (m, n):
        hint = "" if array.size != m * n else _hint(array.shape, (m, n), problem.point.shape)
        raise CandidateError(
            f"the candidate has shape {array.shape}, expected ({m}, {n}), the sizes of f(x) and of {problem.wrt}{hint}",
            array,
        )
    if vec == "column":
        rows, columns = (column_major_order(shape) for shape in (problem.value.shape, problem.point.shape))
        ordered = np.empty_like(array)
        ordered[np.ix_(rows, columns)] = array
        return ordered
    return array


def _of_sympy(candidate: Any) -> Any:
    """Return a matrix of sympy's, or nested lists of its numbers, as an array of float64; anything else as it is."""
    if isinstance(candidate, np.ndarray) and candidate.dtype.kind != "O":
        return candidate
    try:
        entries = np.asarray(candidate)
    except ValueError:  # ragged: the door of arrays says so
        return candidate
    if entries.dtype.kind != "O" or not any(_is_of_sympy(entry) for entry in (candidate, *entries.flat)):
        return candidate
    symbols = {str(s) for entry in entries.flat for s in getattr(entry, "free_symbols", ())}
    if symbols:
        raise ValueError(
            f"jacobian: found the symbols {', '.join(sorted(symbols))} of sympy, expected numbers: .subs(…) them, or "
            f"make a function by sympy.lambdify"
        )
    return entries.astype(np.float64)


def _is_of_sympy(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "sympy"


def _hint(found: tuple[int, ...], expected: tuple[int, int], in_shape: tuple[int, ...]) -> str:
    if expected[0] == 1 and found == in_shape and found != (expected[1], 1):
        return "; for a gradient in the shape of x use assert_gradient, or layout='denominator'"
    if found == expected[::-1]:
        return "; it may be transposed (denominator layout: pass its .T)"
    if len(found) > 2:
        return "; for a tensor name its layout=: 'numerator', 'mixed' or 'denominator'"
    return f"; reshape it to {expected} if that is what is meant"


def _same_shapes(candidate: Jacobian, problem: Problem) -> None:
    m, n = problem.shape
    for name, found, expected, flat in (
        ("out_shape", candidate.out_shape, problem.value.shape, (m,)),
        ("in_shape", candidate.in_shape, problem.point.shape, (n,)),
    ):
        if tuple(found) not in (expected, flat):  # flat is what a bare matrix gets: it claims nothing
            raise CandidateError(
                f"the Jacobian has {name} {tuple(found)}, expected {expected}; .reshaped({name}={expected}) "
                f"if that is what is meant"
            )
