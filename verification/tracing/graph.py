"""Graphs of traces: forward code run on steps, each with its value and its derivative by every operand.

What a step's number is (50 digits, a ball) and how its derivative is found (by sympy, from a series) is up to the
table; sums, products, branches and the chain rule along the graph are here.
"""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verification.problem import Problem
from verification.tracing.scalars import Primitive, Scalars, TracingError, UndecidedError

Parents = Sequence[tuple["Step", Any]]


class KinkError(UndecidedError):
    """A step of the code has no derivative where the point takes it, or its pieces don't meet smoothly.

    Attributes
    ----------
    step : str
        The function and the line of that step; "" if it isn't known.
    """

    def __init__(self, message: str, step: str = "") -> None:
        super().__init__(f"{message} ({step})" if step else message)
        self.step = step


class OverTimeError(TracingError):
    """What is traced takes longer than it may."""


class Step:
    """A number with the steps that it was computed from, and its derivatives by them.

    Parameters
    ----------
    scalars : GraphScalars
        The table that made it.
    value : number
        The value.
    parents : sequence of (Step, number)
        The operands that are no constants, and the derivative by each; one may occur twice.
    place : int
        −1 for a constant; later steps have larger numbers.
    """

    __slots__ = ("parents", "place", "scalars", "value")

    def __init__(self, scalars: GraphScalars, value: Any, parents: Parents = (), place: int = -1) -> None:
        self.scalars, self.value, self.parents, self.place = scalars, value, parents, place

    def __add__(self, other: Any) -> Step:
        return self.scalars.sum([self, other])

    def __neg__(self) -> Step:
        return self.scalars.step(-self.value, [(self, self.scalars.number(-1))])

    def __sub__(self, other: Any) -> Step:
        b = self.scalars.as_step(other)
        if b is self:  # as x_j − max x is: no variable is left in it
            return self.scalars.as_step(0)
        parents = [(self, self.scalars.number(1)), (b, self.scalars.number(-1))]
        return self.scalars.step(self.value - b.value, parents)

    def __mul__(self, other: Any) -> Step:
        return self.scalars.dot([self], [other])

    def __truediv__(self, other: Any) -> Step:
        return self.scalars.function("divide", self, other)

    def __pow__(self, other: Any) -> Step:
        return self.scalars.function("power", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Step:
        return self.scalars.as_step(other) - self

    def __rtruediv__(self, other: Any) -> Step:
        return self.scalars.as_step(other) / self

    def __rpow__(self, other: Any) -> Step:
        return self.scalars.as_step(other) ** self


class GraphScalars(Scalars):
    """The steps of a graph. A table says what numbers are and how functions of them are differentiated."""

    def __init__(self) -> None:
        self.count = 0
        super().__init__()

    # --- what a table writes -----------------------------------------------------------------------------

    @abstractmethod
    def number(self, value: Any) -> Any:
        """Return a Python or NumPy number as a number of this table, exactly."""

    @abstractmethod
    def functions(self) -> Sequence[str]:
        """Return the names of the ufuncs that :meth:`differentiate` knows, with "divide" and "power"."""

    @abstractmethod
    def differentiate(self, name: str, operands: Sequence[Step]) -> tuple[Any, list[Any]]:
        """Return the value of a function, and its derivatives by those operands that are no constants."""

    @abstractmethod
    def compare(self, relation: Callable[[Any, Any], bool], a: Step, b: Step) -> bool:
        """Return the truth value of a comparison, by ``operator.lt`` and its like, as it holds around the point.

        Raises
        ------
        UndecidedError
            If it doesn't hold around the point.
        """

    # --- steps ---------------------------------------------------------------------------------------------

    def constant(self, value: Any) -> Any:
        """Return a number as a step; bools stay bools."""
        return bool(value) if isinstance(value, bool | np.bool_) else Step(self, self.number(value))

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a step or a decided comparison."""
        return isinstance(value, Step | bool)

    def as_step(self, value: Any) -> Step:
        """Return a step, or a number or bool as a constant one."""
        return value if isinstance(value, Step) else Step(self, self.number(value))

    def variable(self, value: Any) -> Step:
        """Return an entry of the point."""
        self.count += 1
        return Step(self, self.number(value), (), self.count)

    def run(self, problem: Problem) -> tuple[list[Step], list[Step]]:
        """Return the values of the problem's code, one an entry, and the entries of its point."""
        variables = [self.variable(number) for number in problem.point.ravel().tolist()]
        entries = np.empty(len(variables), dtype=object)
        entries[:] = variables
        traced = problem.trace(self, entries.reshape(problem.point.shape))
        return [self.as_step(value) for value in traced], variables

    def step(self, value: Any, parents: Parents) -> Step:
        """Return what was computed from some steps: a constant if all of them are."""
        varying = [(parent, slope) for parent, slope in parents if parent.place >= 0]
        if not varying:
            return Step(self, value)
        self.count += 1
        return Step(self, value, varying, self.count)

    def function(self, name: str, *operands: Any) -> Step:
        """Return a function of steps."""
        steps = [self.as_step(operand) for operand in operands]
        value, slopes = self.differentiate(name, steps)
        return self.step(value, list(zip([s for s in steps if s.place >= 0], slopes, strict=True)))

    def decide(self, condition: Any) -> bool:
        """Return a decided comparison; a number is true unless it is 0."""
        if isinstance(condition, Step):
            return self.compare(operator.ne, condition, self.as_step(0))
        return bool(condition)

    def select(self, condition: Any, if_true: Any, if_false: Any) -> Any:
        """Return the branch that is taken; what the other is made of has no part in the derivative."""
        return if_true if self.decide(condition) else if_false

    # --- sums of products ----------------------------------------------------------------------------------

    def sum(self, items: Sequence[Any]) -> Any:
        """Return one flat sum."""
        one, steps = self.number(1), [self.as_step(item) for item in items]
        total = steps[0].value if steps else self.number(0)
        for step in steps[1:]:
            total = total + step.value
        return self.step(total, [(step, one) for step in steps])

    def dot(self, a: Sequence[Any], b: Sequence[Any]) -> Step:
        """Return Σ a_k·b_k as one step; a term with the constant 0 has no part in it."""
        total, parents = self.number(0), []
        for p, q in zip(map(self.as_step, a), map(self.as_step, b), strict=True):
            total = total + p.value * q.value
            if p.place >= 0 and not (q.place < 0 and q.value == 0):
                parents.append((p, q.value))
            if q.place >= 0 and not (p.place < 0 and p.value == 0):
                parents.append((q, p.value))
        return self.step(total, parents)

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix product with one step an entry."""
        return dots(self.dot, a, b)

    # --- the table -----------------------------------------------------------------------------------------

    def table(self) -> dict[str, Primitive]:
        """Return the functions of the table, and the comparisons."""

        def named(name: str) -> Primitive:
            return lambda *operands: self.function(name, *operands)

        def relation(name: str) -> Primitive:
            return lambda a, b: self.compare(getattr(operator, name), self.as_step(a), self.as_step(b))

        def unless_zero(name: str) -> Primitive:
            # 0·log 0 is 0 where the 0 is no variable
            def product(a: Any, b: Any) -> Any:
                a = self.as_step(a)
                return a if a.place < 0 and a.value == 0 else a * self.primitives[name](b)

            return product

        def cbrt(a: Any) -> Any:
            third = self.as_step(1) / 3
            return a**third if self.compare(operator.ge, a, self.as_step(0)) else -((-a) ** third)

        relations = {"less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq"}
        return {
            **{name: named(name) for name in self.functions()},
            **{name: relation(own) for name, own in {**relations, "not_equal": "ne"}.items()},
            "xlogy": unless_zero("log"),
            "xlog1py": unless_zero("log1p"),
            "cbrt": cbrt,
            "logical_not": operator.not_,
        }


def dots(dot: Callable[[Any, Any], Any], a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return the matrix product of two object arrays, one call of `dot` an entry, with two rows of scalars."""
    right = b.mT if b.ndim > 1 else b
    if a.ndim > 1 and b.ndim > 1:
        a, right = a[..., None, :], right[..., None, :, :]
    *shape, k = np.broadcast_shapes(a.shape, right.shape)
    rows, columns = (np.broadcast_to(part, (*shape, k)).reshape(-1, k).tolist() for part in (a, right))
    return np.fromiter(map(dot, rows, columns), dtype=object, count=len(rows)).reshape(shape)


def accumulate(outputs: Sequence[Step], inputs: Sequence[Step], zero: Any, one: Any) -> list[list[Any]]:
    """Return ∂outputs_i/∂inputs_j, row by row: the chain rule along the graph, from the side with fewer entries.

    Parameters
    ----------
    outputs, inputs : sequence of Step
        The inputs are variables.
    zero, one : number
        Of the type of their values.
    """
    steps: dict[int, Step] = {}
    waiting = list(outputs)
    while waiting:
        step = waiting.pop()
        if step.place >= 0 and step.place not in steps:
            steps[step.place] = step
            waiting.extend(parent for parent, _ in step.parents)
    places = sorted(steps)
    # a step's row: the derivatives by it of the outputs that depend on it, or its own by the inputs that it depends on
    rows: dict[int, dict[int, Any]] = {place: {} for place in places}
    if len(inputs) < len(outputs):
        for j, x in enumerate(inputs):
            rows.setdefault(x.place, {})[j] = one
        for place in places:
            for parent, slope in steps[place].parents:
                _add(rows[place], slope, rows[parent.place])
        return [[rows.get(y.place, {}).get(j, zero) for j in range(len(inputs))] for y in outputs]
    for i, y in enumerate(outputs):
        if y.place >= 0:
            rows[y.place][i] = one
    for place in reversed(places):
        for parent, slope in steps[place].parents:
            _add(rows[parent.place], slope, rows[place])
    return [[rows.get(x.place, {}).get(i, zero) for x in inputs] for i in range(len(outputs))]


def _add(row: dict[int, Any], factor: Any, other: dict[int, Any]) -> None:
    """Add a multiple of another row to a row."""
    for k, derivative in other.items():
        term = derivative * factor
        row[k] = row[k] + term if k in row else term
