"""What people have, made into a question: a batch, a Hessian, expressions of sympy."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.structures import Jacobian
from verification.candidate import Form
from verification.judgement import Question, fault_of
from verification.problem import EvaluationError, Problem

Batched = bool | Literal["sum", "mean"]


class Way(NamedTuple):
    """How a candidate stands for what is asked: the options of :func:`verification.check` of the same names."""

    form: Form
    batched: Any
    order: Any
    symbols: Any


def question_of(f: Any, x: Any, jacobian: Any, wrt: str, way: Way) -> Question:
    """Return the question about a function of one array.

    Raises
    ------
    TypeError, ValueError
        If the options make no sense, together or alone.
    """
    if not isinstance(way.batched, bool) and not (
        isinstance(way.batched, str) and way.batched in ("sum", "mean")
    ):
        raise ValueError(f"batched: found {shown(way.batched)}, expected True, False, 'sum' or 'mean'")
    if type(way.order) is not int or way.order not in (1, 2):
        raise ValueError(f"order: found {shown(way.order)}, expected 1 for Jacobians or 2 for Hessians")
    if way.batched and (
        way.order == 2 or way.form.layout or way.form.vec == "column" or way.form.differential
    ):
        raise ValueError(
            "batched: found another form beside it, expected Jacobians of points, (N, m, n), of order 1"
        )
    if _is_of_sympy(f) or way.symbols is not None:
        return _of_symbols(f, x, jacobian, wrt, way)
    question = Question(f, real_array(x, "x"), jacobian, wrt, way.form)
    if way.batched:
        return _of_batch(question, way.batched)
    return _of_second_order(question) if way.order == 2 else question


# --- batches -------------------------------------------------------------------------------------------------


def _of_batch(question: Question, batched: Any) -> Question:
    f, X, wrt = question.f, question.x, question.wrt
    if X.ndim == 0:
        raise ValueError("x: found a scalar with batched=True, expected points along a first axis")
    jacobian, count, by_input = question.jacobian, len(X), wrt == INPUT
    if isinstance(f, Function):
        f(X, batched=True)  # its doors
        if jacobian is None:
            jacobian = f.jacobian(X, wrt, batched=True)
            if batched in ("sum", "mean"):
                jacobian = getattr(np.asarray(jacobian.dense()), batched)(axis=0)
        function: Any = f
        if by_input:
            code: Callable[[Any], Any] = lambda points: function._forward(points, 1)  # noqa: E731
        else:
            Problem(f, X[0], wrt)  # refuses a name that is none
            code = lambda value: function.bind({wrt: value})._forward(X, 1)  # noqa: E731
    elif by_input:
        code = f
    else:
        raise ValueError(f"wrt: found {wrt!r}, expected 'input': only a Function has parameters")
    point = X if by_input else np.asarray(f.parameters[wrt], dtype=X.dtype)
    if callable(jacobian) and not isinstance(jacobian, Jacobian) and not by_input:
        given = jacobian
        jacobian = lambda _: given(X.copy())  # noqa: E731
    value = _value_of_all(code, point, by_input and not isinstance(f, Function))
    if value.shape[:1] != (count,):
        raise ValueError(
            f"batched: found f(x) of shape {value.shape} for {count} points, expected a value for each along the first "
            f"axis; f that adds the points up itself is checked without batched"
        )
    label = "" if by_input else wrt
    if batched is True:
        form = question.form._replace(points=count, own_inputs=by_input)
        return Question(code, point, jacobian, INPUT, form, label, f", for {count} points")
    fold = np.sum if batched == "sum" else np.mean
    note = f", for the {batched} over {count} points"
    if not by_input:
        total: Callable[[Any], Any] = lambda value: fold(code(value), axis=0)  # noqa: E731
        return Question(total, point, jacobian, INPUT, question.form._replace(tensor=True), label, note)
    if callable(jacobian) and not isinstance(jacobian, Jacobian):
        own = jacobian
        jacobian = lambda _: own(X.copy())  # noqa: E731
    moved: Callable[[Any], Any] = lambda step: fold(code(X + step), axis=0)  # noqa: E731  # all points by one step
    start = np.zeros(X.shape[1:], dtype=X.dtype)
    return Question(moved, start, jacobian, INPUT, question.form._replace(tensor=True), label, note)


# --- Hessians ------------------------------------------------------------------------------------------------


def _of_second_order(question: Question) -> Question:
    from verification.tracing.second import gradient_of

    if question.jacobian is None:
        raise TypeError(
            "jacobian: found None with order=2, expected a Hessian: no Function has one of its own"
        )
    problem = Problem(question.f, question.x, question.wrt, dtype=np.float64)
    if (fault := fault_of(problem)) is not None:  # its gradient may not show it
        raise EvaluationError(fault[1])
    gradient = gradient_of(problem)
    label = "" if question.wrt == INPUT else question.wrt
    note = ", for the gradient of f"
    if gradient.__name__ == "measured":
        note += ", which differences found: its code can't be followed"
    point = question.x if question.wrt == INPUT else problem.point.astype(question.x.dtype)
    candidate, x = question.jacobian, question.x
    if label and callable(candidate) and not isinstance(candidate, Jacobian):
        given = candidate
        candidate = lambda _: given(x.copy())  # noqa: E731
    form = question.form._replace(tensor=True)
    return Question(gradient, point, candidate, INPUT, form, label, note)


# --- expressions ---------------------------------------------------------------------------------------------


def _is_of_sympy(f: Any) -> bool:
    """Say whether f is an expression, or a matrix or list of them; sympy's functions and classes are none."""
    if isinstance(f, list | tuple) and f:
        return any(_is_of_sympy(part) for part in f)
    if type(f).__module__.split(".")[0] != "sympy" or isinstance(f, type):
        return False
    import sympy

    found = isinstance(f, sympy.Expr | sympy.MatrixBase | sympy.MatrixExpr | sympy.NDimArray)
    return found and not isinstance(f, sympy.Lambda)


def _of_symbols(f: Any, x: Any, jacobian: Any, wrt: str, way: Way) -> Question:
    import sympy

    point = real_array(x, "x")
    expressions, out_shape = _entries(f) if _is_of_sympy(f) else ([], ())
    names = [] if way.symbols is None else _asked_symbols(way.symbols)
    matrices = sorted(
        {one for entry in expressions for one in entry.atoms(sympy.MatrixSymbol)},
        key=lambda one: str(one.name),
    )
    if matrices and not names:
        if len(matrices) > 1:
            raise ValueError(
                f"f: found the matrices {', '.join(map(str, matrices))}, expected one, or symbols=[…] in the order of x"
            )
        names = list(matrices[0].as_explicit())
    if not names:
        free = {symbol for entry in expressions for symbol in entry.free_symbols}
        names = sorted(free, key=lambda symbol: _natural(str(symbol)))
    if len(names) != point.size:
        who = "f" if way.symbols is None else "symbols"
        raise ValueError(
            f"{who}: found {len(names)} symbols ({', '.join(map(str, names))}) for {point.size} entries of x, expected "
            f"one for each: symbols=[…] in the order of x"
        )
    plain = [sympy.Symbol(f"entry_{k}", real=True) for k in range(len(names))]
    swap = dict(zip(names, plain, strict=True))
    if matrices and way.symbols is None:
        swap[matrices[0]] = sympy.ImmutableMatrix(*matrices[0].shape, plain)
    if callable(jacobian) and not isinstance(jacobian, Jacobian) and not _is_of_sympy(jacobian):
        candidate = jacobian
    else:
        candidate = _numbers(jacobian, swap, plain, point)
    code = f
    note = ""
    if expressions:
        code = _code(_replaced(expressions, swap, plain, "f"), plain, out_shape)
        note = f", for x = ({', '.join(map(str, names))})" if len(names) > 1 and not matrices else ""
    rest = question_of(code, point, candidate, wrt, way._replace(symbols=None))
    return replace(rest, note=rest.note + note)


def _asked_symbols(value: Any) -> list[Any]:
    """Return the symbols that somebody named in the order of x."""
    import sympy

    try:
        found = _entries(value)[0]
    except Exception:  # of sympy's, of whatever kind
        found = []
    if (
        not found
        or not all(
            isinstance(one, sympy.Symbol | sympy.matrices.expressions.matexpr.MatrixElement) for one in found
        )
        or len(set(found)) < len(found)
    ):
        raise TypeError(
            f"symbols: found {shown(value)}, expected distinct symbols of sympy, in the order of x"
        )
    return found


def _entries(value: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the entries of an expression, or of a list or matrix of them, and its shape; a column is one axis."""
    import sympy

    if isinstance(value, sympy.MatrixExpr):
        value = value.as_explicit()
    if isinstance(value, sympy.MatrixBase):
        shape = (value.rows,) if value.cols == 1 else value.shape
        return [sympy.sympify(entry) for entry in value], shape
    if isinstance(value, list | tuple | np.ndarray | sympy.NDimArray):
        array = np.array(value.tolist() if isinstance(value, sympy.NDimArray) else value, dtype=object)
        return [sympy.sympify(entry) for entry in array.ravel().tolist()], array.shape
    return [sympy.sympify(value)], ()


def _replaced(entries: Sequence[Any], swap: dict[Any, Any], plain: Sequence[Any], name: str) -> list[Any]:
    found = [entry.doit().xreplace(swap).doit() for entry in entries]
    left = {str(one) for entry in found for one in entry.free_symbols - set(plain)}
    if left:
        raise ValueError(
            f"{name}: found the symbols {', '.join(sorted(left))} beside those of x, expected numbers in their place"
        )
    return found


def _natural(name: str) -> list[Any]:
    """Return a key by which x2 comes before x10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _numbers(jacobian: Any, swap: dict[Any, Any], plain: Sequence[Any], point: Array) -> Any:
    """Return a candidate with the point in place of its symbols; anything that has none as it is."""
    nested = isinstance(jacobian, list | tuple) and _is_of_sympy(
        np.array(jacobian, dtype=object).ravel().tolist()
    )
    if not nested and not _is_of_sympy(jacobian):
        return jacobian
    import sympy

    matrix = isinstance(jacobian, sympy.MatrixBase | sympy.MatrixExpr)
    entries, shape = _entries(jacobian)
    if matrix:
        shape = tuple(int(n) for n in jacobian.shape)
    values = dict(
        zip(plain, (sympy.Float(float(value), 30) for value in point.ravel().tolist()), strict=True)
    )
    found = [float(entry.subs(values).evalf(30)) for entry in _replaced(entries, swap, plain, "jacobian")]
    return np.array(found).reshape(shape)


def _code(expressions: Sequence[Any], plain: Sequence[Any], shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return expressions as code of one array."""
    import sympy

    functions = sympy.lambdify([list(plain)], list(expressions), modules=["numpy", "scipy"], cse=True)

    def code(x: Any) -> Any:
        return np.reshape(np.stack(functions(np.reshape(x, (-1,)))), shape)

    return code


def _value_of_all(code: Callable[[Any], Any], points: Any, plain: bool) -> Any:
    """Return the value of all points at once; plain code that takes one point only is told so."""
    try:
        return Problem(code, points).value
    except Exception as error:
        if plain and len(points):
            try:
                Problem(code, points[0])
            except Exception:  # f's own: it is not the points that it doesn't take
                raise error from None
            raise ValueError(
                f"batched: f takes one point of shape {points.shape[1:]} but not all of shape {points.shape} at once, "
                f"expected a function of all points; pass lambda X: np.array([f(x) for x in X])"
            ) from None
        raise
