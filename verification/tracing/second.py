"""Gradients of code that are functions again: so a Hessian is judged as the Jacobian of one, by every witness.

The code runs on steps whose numbers are scalars of another table, and their derivatives are written with its functions:
what comes out are scalars of that table, or floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from jacobians.numerics.arrays import Array
from verification.problem import Problem
from verification.tracing.arrays import TracedArray, entries_of
from verification.tracing.floats import FloatScalars
from verification.tracing.following import trace
from verification.tracing.graph import GraphScalars, Step, accumulate
from verification.tracing.scalars import Scalars, TracingError

_NAMES = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}

Slope = Callable[[Any, Any, Any], Any]
"""The derivative of a function of one operand, from the primitives, the operand and the value."""

SLOPES: dict[str, Slope] = {
    "exp": lambda p, u, y: y,
    "log": lambda p, u, y: p["reciprocal"](u),
    "sqrt": lambda p, u, y: p["reciprocal"](y + y),
    "sin": lambda p, u, y: p["cos"](u),
    "cos": lambda p, u, y: -p["sin"](u),
    "tan": lambda p, u, y: y * y + 1,
    "sinh": lambda p, u, y: p["cosh"](u),
    "cosh": lambda p, u, y: p["sinh"](u),
    "tanh": lambda p, u, y: p["reciprocal"](p["cosh"](u) * p["cosh"](u)),
    "arcsin": lambda p, u, y: p["reciprocal"](p["sqrt"](1 - u * u)),
    "arccos": lambda p, u, y: -p["reciprocal"](p["sqrt"](1 - u * u)),
    "arctan": lambda p, u, y: p["reciprocal"](u * u + 1),
    "arcsinh": lambda p, u, y: p["reciprocal"](p["sqrt"](u * u + 1)),
    "arccosh": lambda p, u, y: p["reciprocal"](p["sqrt"](u - 1) * p["sqrt"](u + 1)),
    "arctanh": lambda p, u, y: p["reciprocal"](1 - u * u),
    "erf": lambda p, u, y: p["exp"](-(u * u)) * 2 * p["reciprocal"](p["sqrt"](p["pi"]())),
}


class NestedScalars(GraphScalars):
    """Steps whose numbers are scalars of another table.

    Parameters
    ----------
    base : Scalars
        That table.
    """

    name: ClassVar[str] = "nested"

    def __init__(self, base: Scalars) -> None:
        self.base = base
        super().__init__()

    def number(self, value: Any) -> Any:
        """Return a scalar of the other table."""
        own = self.base.is_own(value) and not isinstance(value, bool | np.bool_)
        return value if own else self.base.constant(_plain(value))

    def functions(self) -> Sequence[str]:
        """Return what has a slope here."""
        return ["divide", "power", *SLOPES]

    def differentiate(self, name: str, operands: Sequence[Step]) -> tuple[Any, list[Any]]:
        """Return the value, and the derivatives as scalars of the other table."""
        p = self.base.primitives
        values = [operand.value for operand in operands]
        y = p[name](*values)
        slopes: list[Callable[[], Any]]
        if name == "divide":
            a, b = values
            slopes = [lambda: p["reciprocal"](b), lambda: -p["divide"](a, b * b)]
        elif name == "power":
            u, v = values
            slopes = [lambda: v * p["power"](u, v - 1), lambda: y * p["log"](u)]
        else:
            slopes = [lambda: SLOPES[name](p, values[0], y)]
        return y, [slope() for slope, one in zip(slopes, operands, strict=True) if one.place >= 0]

    def compare(self, relation: Callable[[Any, Any], bool], a: Step, b: Step) -> bool:
        """Return what the other table says."""
        return self.base.decide(self.base.primitives[_NAMES[relation.__name__]](a.value, b.value))

    def magnitude(self, value: Any) -> float | None:
        """Return that of the number, for pivoting."""
        return self.base.magnitude(self.as_step(value).value)

    def table(self) -> dict[str, Any]:
        """Return the functions, and what the other table says of numbers that aren't finite."""
        p = self.base.primitives
        return {
            **super().table(),
            "pi": lambda: Step(self, p["pi"]()),
            "isnan": lambda a: p["isnan"](self.as_step(a).value),
            "isinf": lambda a: p["isinf"](self.as_step(a).value),
        }


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool | np.bool_) else value


def gradient_of(problem: Problem) -> Callable[[Any], Any]:
    """Return the gradient of a problem's function, of shape out_shape + in_shape, as a function that can be traced.

    Where the code can't be followed it is found by differences, and can't be traced either.

    Examples
    --------
    >>> gradient_of(Problem(lambda x: x[0] ** 2 * x[1], [3.0, 2.0]))(np.array([3.0, 2.0]))
    array([12.,  9.])
    """
    shape = (*problem.value.shape, *problem.point.shape)

    def followed(x: Any) -> Any:
        base = x.scalars if isinstance(x, TracedArray) else FloatScalars()
        entries = entries_of(x, base)
        scalars = NestedScalars(base)
        variables = [scalars.variable(entry) for entry in entries.ravel().tolist()]
        values = problem.trace(scalars, _filled(variables, entries.shape))
        return _gradient(values, variables, scalars, shape, isinstance(x, TracedArray))

    def measured(x: Array) -> Array:
        from verification.witnesses.finite_difference import richardson

        return richardson(Problem(problem._call, x)).matrix.reshape(shape)

    try:
        followed(problem.point)
    except (TracingError, TypeError):
        return measured
    return followed


def mixed_gradient_of(
    code: Callable[[Any, Any], Any], first: Array, second: Array, out_shape: tuple[int, ...]
) -> Callable[[Any], Any]:
    """Return the gradient of code of two arrays by the first, as a function of the second that can be traced.

    Where the code can't be followed it is found by differences, and can't be traced either.

    Examples
    --------
    >>> mixed = mixed_gradient_of(lambda x, w: np.sum(x * w**2), np.ones(2), np.array([1.0, 3.0]), ())
    >>> mixed(np.array([1.0, 3.0]))
    array([1., 9.])
    """
    shape = (*out_shape, *first.shape)

    def followed(x: Any) -> Any:
        base = x.scalars if isinstance(x, TracedArray) else FloatScalars()
        scalars = NestedScalars(base)
        variables = [scalars.variable(base.constant(value)) for value in first.ravel().tolist()]
        others = [Step(scalars, scalars.number(entry)) for entry in entries_of(x, base).ravel().tolist()]
        held = TracedArray(_filled(others, second.shape), scalars)
        steps = TracedArray(_filled(variables, first.shape), scalars)
        values = trace(lambda one: code(one, held.copy()), steps).reshape(-1)
        return _gradient(values, variables, scalars, shape, isinstance(x, TracedArray))

    def measured(x: Array) -> Array:
        from verification.witnesses.finite_difference import richardson

        return richardson(Problem(lambda one: code(one, x.copy()), first)).matrix.reshape(shape)

    try:
        followed(second)
    except (TracingError, TypeError):
        return measured
    return followed


def _filled(entries: list[Any], shape: tuple[int, ...]) -> Any:
    made = np.empty(len(entries), dtype=object)
    made[:] = entries
    return made.reshape(shape)


def _gradient(
    traced: Any, variables: list[Any], scalars: NestedScalars, shape: tuple[int, ...], keeps: bool
) -> Any:
    """Return the derivatives of traced values by variables: as floats, or as scalars of the other table."""
    base = scalars.base
    values = [scalars.as_step(value) for value in traced]
    rows = accumulate(values, variables, base.constant(0), base.constant(1))
    base.operations += 4 * scalars.count  # each with a slope, a product and a sum of its own
    found = _filled([entry for row in rows for entry in row], shape)
    return TracedArray(found, base) if keeps else found.astype(np.float64)
