"""The candidate of a check: from a structured Jacobian, an array, a tensor in a named layout, or a callable."""

from __future__ import annotations

import inspect
import math
from typing import Any, NamedTuple, get_args

import numpy as np

from jacobians.function import Function
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array, MemoryBudgetError, real_array, refuse_sparse
from jacobians.numerics.layouts import TensorLayout, VecOrder, column_major_order, from_tensor
from jacobians.numerics.libraries import NUMPY
from jacobians.structures import Dense, Jacobian
from jacobians.structures.block_diagonal import BlockDiagonal
from verification.callables import require_arguments
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


class Form(NamedTuple):
    """In which form a candidate stands for a Jacobian.

    Attributes
    ----------
    layout : {"numerator", "mixed", "denominator"} or None
        Of a tensor.
    vec : {"row", "column"}
        The order of rows and columns.
    points : int
        Of a batch whose Jacobians are given one by one, (N, m, n); 0 for none.
    own_inputs : bool
        Whether each point of the batch has its own part of x: no other part has a share in its value.
    tensor : bool
        Whether an array of shape out_shape + in_shape is taken too, as of a Hessian by a matrix.
    differential : bool
        Whether it is the map dx ↦ df.
    """

    layout: TensorLayout | None = None
    vec: VecOrder = "row"
    points: int = 0
    own_inputs: bool = True
    tensor: bool = False
    differential: bool = False


ROW_MAJOR = Form()


def candidate_of(jacobian: Any, problem: Problem, x: Array, form: Form = ROW_MAJOR) -> Any:
    """Return what is to be checked: `jacobian`, called if it is a function; by default that of the Function.

    Parameters
    ----------
    jacobian : Jacobian, array_like, callable or None
        None stands for the Function's own.
    problem : Problem
        The function and the point.
    x : numpy.ndarray
        The input in its own precision; a callable gets a copy.
    form : Form
        Of the candidate. A function of two arguments is the map (x, dx) ↦ df.

    Raises
    ------
    TypeError
        If f is plain code and no Jacobian is given.
    CandidateError
        If a callable returns None or writes to its input, or a map dx ↦ df is none.
    """
    if jacobian is None:
        if isinstance(problem.f, Function):
            try:
                return problem.f.jacobian(x, problem.wrt)
            except ValueError as error:  # 0·∞ in its product, which was NaN
                raise CandidateError(str(error)) from None
        raise TypeError(
            "jacobian: found None, expected a Jacobian or an array: plain code has none of its own"
        )
    if not isinstance(jacobian, type) and (form.differential or _takes_two(jacobian)):
        return _matrix_of_map(jacobian, problem, x)
    if isinstance(jacobian, type):
        raise TypeError(
            f"jacobian: found the class {class_name(jacobian)}, expected a function of x, an array or a Jacobian"
        )
    if callable(jacobian) and not isinstance(jacobian, Jacobian):
        require_arguments(jacobian, "jacobian", 1)
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


def _takes_two(jacobian: Any) -> bool:
    """Say whether a candidate is a function that needs two arguments, the point and a step from it."""
    if not callable(jacobian) or isinstance(jacobian, Jacobian):
        return False
    try:
        parameters = inspect.signature(jacobian).parameters.values()
    except (TypeError, ValueError):
        return False
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in plain and one.default is inspect.Parameter.empty for one in parameters) == 2


def _matrix_of_map(jacobian: Any, problem: Problem, x: Array) -> Array:
    """Return the matrix of a map dx ↦ df, or (x, dx) ↦ df, from what it makes of the unit directions."""
    if not callable(jacobian) or isinstance(jacobian, Jacobian):
        raise TypeError(
            f"jacobian: found {class_name(jacobian)} with differential=True, expected a function of dx"
        )
    two, shape = _takes_two(jacobian), problem.value.shape

    def image(step: Array) -> Array:
        given = x.copy()
        found = jacobian(given, step) if two else jacobian(step)
        if not np.array_equal(given, x, equal_nan=True):
            raise CandidateError("the map dx ↦ df writes to x; expected it to leave x as it was")
        try:
            array = real_array(found, "the map dx ↦ df").astype(np.float64)
        except (TypeError, ValueError) as error:
            raise CandidateError(str(error)) from None
        if array.shape != shape:
            raise CandidateError(
                f"the map dx ↦ df returned shape {array.shape}, expected {shape}, that of f(x)"
            )
        return array.reshape(-1)

    matrix = np.stack([image(problem.unit(k)) for k in range(problem.point.size)], axis=1)
    step = np.asarray(np.random.default_rng(0).normal(size=problem.point.shape))
    whole, parts = image(3 * step), 3 * (matrix @ step.reshape(-1))
    terms = 3 * np.abs(matrix) @ np.abs(step.reshape(-1))
    if np.isfinite(matrix).all() and not np.all(np.abs(whole - parts) <= 1e-9 * terms):
        raise CandidateError("the map dx ↦ df is not linear in dx, expected one that is")
    return matrix


def matrix_of(
    candidate: Any, problem: Problem, max_bytes: int | None, form: Form = ROW_MAJOR
) -> Array | Jacobian | None:
    """Return the candidate as an (m, n) matrix; None for a structured one that is too large to form.

    The Jacobians of a batch that are too large beside each other are returned as blocks.

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
    layout, vec = form.layout, form.vec
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
        if form.points and candidate.batch_shape:
            return _beside(
                _in_points(np.asarray(candidate.dense(max_bytes=None)), problem, form), form, max_bytes
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
    if form.points:
        return _beside(_in_points(array, problem, form), form, max_bytes)
    return arranged(array, problem, form)


def _in_points(array: Array, problem: Problem, form: Form) -> Array:
    """Return the Jacobians of a batch, (N, m, n), or of shape (N, …) with the shapes of output and input."""
    count, out, inner = form.points, problem.value.shape[1:], problem.point.shape[form.own_inputs :]
    expected = (count, math.prod(out), math.prod(inner))
    if array.shape not in (expected, (count, *out, *inner)):
        tensor = "" if (count, *out, *inner) == expected else f" or {(count, *out, *inner)}"
        hint = _hint_of_points(array.shape, expected, (*out, *inner))
        raise CandidateError(
            f"the candidate has shape {array.shape}, expected {expected}{tensor}: a Jacobian for each of {count} points"
            f"{hint}"
        )
    return array.reshape(expected)


def _hint_of_points(found: tuple[int, ...], expected: tuple[int, int, int], one: tuple[int, ...]) -> str:
    count, m, n = expected
    if found in ((m, n), one):
        return "; the sum or the mean over them is asked about by batched='sum' or 'mean'"
    if found == (count, n, m):
        return "; each may be transposed (denominator layout: pass .transpose(0, 2, 1))"
    if found == (count * m, count * n):
        return "; the Jacobian of all of them by all inputs is checked without batched"
    return ""


def _beside(blocks: Array, form: Form, max_bytes: int | None, between: float = 0.0) -> Array | Jacobian:
    """Return the Jacobian of all points by all inputs: blocks on the diagonal, or below each other."""
    count, m, n = blocks.shape
    if not form.own_inputs:
        return blocks.reshape(count * m, n)
    if max_bytes is not None and blocks.nbytes * count > max_bytes:
        return BlockDiagonal([Dense(block) for block in blocks])
    whole = np.full((count, m, count, n), between, dtype=blocks.dtype)
    whole[np.arange(count), :, np.arange(count)] = blocks
    return whole.reshape(count * m, count * n)


def arranged(array: Array, problem: Problem, form: Form) -> Array:
    """Return an array that stands for a Jacobian as the (m, n) matrix: a gradient of one output in its own shape too.

    Raises
    ------
    CandidateError
        If it has another shape.
    """
    m, n = problem.shape
    if form.layout is not None:
        try:
            matrix = from_tensor(array, problem.value.shape, problem.point.shape, form.layout)
        except ValueError as error:
            raise CandidateError(str(error)) from None
        if matrix.shape != (m, n):
            raise CandidateError(
                f"the tensor has shape {array.shape}, with axes left over for a batch; expected none"
            )
        return matrix
    if form.vec == "row" and problem.point.ndim and (m == 1 or form.tensor):
        gradient = problem.point.shape if m == 1 else (*problem.value.shape, *problem.point.shape)
        if array.shape == gradient:
            return array.reshape(m, n)
    if array.shape != (m, n):
        hint = "" if array.size != m * n else _hint(array.shape, (m, n))
        raise CandidateError(
            f"the candidate has shape {array.shape}, expected ({m}, {n}), the sizes of f(x) and of {problem.wrt}{hint}",
            array,
        )
    if form.vec == "column":
        rows, columns = (column_major_order(shape) for shape in (problem.value.shape, problem.point.shape))
        ordered = np.empty_like(array)
        ordered[np.ix_(rows, columns)] = array
        return ordered
    return array


def place_in(candidate: Any, problem: Problem, form: Form, index: tuple[int, int]) -> tuple[int, ...]:
    """Return where an entry of the (m, n) matrix stands in the candidate as it was given; `index` if it doesn't."""
    if isinstance(candidate, Jacobian) and not candidate.batch_shape:
        return index
    shape = (
        (*candidate.batch_shape, *candidate.shape) if isinstance(candidate, Jacobian) else np.shape(candidate)
    )
    flat = np.arange(math.prod(shape)).reshape(shape)
    blocks = form.points > 0
    whole = (
        _beside(_in_points(flat, problem, form), form, None, -1) if blocks else arranged(flat, problem, form)
    )
    assert isinstance(whole, np.ndarray)
    found = int(whole[index])
    return index if found < 0 else tuple(int(k) for k in np.unravel_index(found, shape))


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
            f"jacobian: found the symbols {', '.join(sorted(symbols))} of sympy, expected numbers: .subs(…) them, name "
            f"them in the order of x by symbols=[…], or make a function by sympy.lambdify"
        )
    return entries.astype(np.float64)


def _is_of_sympy(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "sympy"


def _hint(found: tuple[int, ...], expected: tuple[int, int]) -> str:
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
