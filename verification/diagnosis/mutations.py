"""What is done wrong at one vertex: a row says what an edge carries in place of its Jacobian, and the sentence.

Each row is a function of the tape, the vertex and how it was computed; :data:`LOCAL` lists them. They yield variants
of single edges. Those of one place in the code that say the same are one hypothesis: a loop runs over it many times.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from jacobians.function import Function
from jacobians.graph.operations.elementwise import spread
from jacobians.graph.operations.table import at, replaced
from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.tape import Edge, Pull, Tape, pull_of

SYMBOLS = {"add": "+", "subtract": "−", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}
PRODUCTS = ("multiply", "divide", "matmul", "dot", "einsum", "outer", "inner", "tensordot", "kron", "convolve",
            "correlate", "solve", "vdot")  # fmt: skip
REDUCTIONS = ("mean", "sum", "max", "min", "amax", "amin", "var", "std", "prod", "norm", "logsumexp")
POOL = 24
"""The most values of one shape that are tried in place of another."""


class Variant(NamedTuple):
    """One edge with something else on it.

    Attributes
    ----------
    cost : float
        How far it is from what people do: 1 for the simplest.
    name : Slip
    said : str
        The sentence, without the place in the code.
    edges : tuple of (Edge, Pull or None)
        What edges carry; None leaves them out.
    added : tuple of (target, source, Pull)
        Edges that there are not.
    """

    cost: float
    name: Slip
    said: str
    edges: tuple[tuple[Edge, Pull | None], ...]
    added: tuple[tuple[int, int, Pull], ...] = ()


Row = Callable[[Tape, int, Call], Iterator[Variant]]
LOCAL: list[Row] = []


def mutation(row: Row) -> Row:
    """Add a row: what it yields is tried on every vertex that a call made."""
    LOCAL.append(row)
    return row


# --- words -------------------------------------------------------------------------------------------------


def name_of(call: Call) -> str:
    """Return what the code calls it: "*", "tanh", "indexing", or the layer."""
    if isinstance(call.function, Function):
        return call.name
    name = call.name.rpartition(".")[2]
    return SYMBOLS.get(name, name)


def operand(tape: Tape, call: Call, place: tuple[Any, ...]) -> str:
    """Return what to call an operand: the name of an input, a number, or what made it."""
    for where, source, _ in call.operands:
        if where == place:
            return value_name(tape, source)
    value = at(call.args, call.kwargs, place)
    if value.ndim == 0:
        return f"{value.item():.6g}"
    return f"the array of shape {value.shape}"


def value_name(tape: Tape, vertex: int) -> str:
    """Return what to call a value: the name of an input, or what made it and where."""
    if vertex in tape.names:
        return tape.names[vertex]
    if vertex not in tape.calls:
        return "an array of the code"
    call = tape.calls[vertex]
    line = f" in line {call.frames[0].line}" if call.frames else ""
    return f"the result of {name_of(call)}{line}"


def others(call: Call, place: tuple[Any, ...]) -> Iterator[tuple[tuple[int], Array]]:
    """Yield the other operands of a product that are arrays of floats."""
    for k, value in enumerate(call.args):
        if (k,) != place and isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim:
            yield (k,), value


def again(call: Call, place: tuple[Any, ...], where: tuple[Any, ...], value: Any) -> Pull | None:
    """Return the Jacobian by one operand when another has another value; None where the code refuses it."""
    try:
        args, kwargs = replaced(call.args, call.kwargs, where, value)
        _, jacobian = call.rule(call.function, args, kwargs)
        steps = jacobian(place)
        return pull_of(steps if call.part is None else steps[call.part])
    except Exception:  # it doesn't fit there
        return None


def weighted(tape: Tape, edge: Edge, weight: Any) -> Pull:
    """Return the pull of weight·(operand broadcast to the result)."""
    target, source = np.shape(tape.values[edge.target]), np.shape(tape.values[edge.source])
    return pull_of(spread(weight, target, source))


def scaled(edge: Edge, factor: float) -> Pull:
    """Return the pull of an edge times a number."""
    return lambda rows: factor * edge.pull(rows)


ELEMENTWISE = frozenset(
    one for one in vars(np).values() if isinstance(one, np.ufunc) and one.signature is None
)


def pool(tape: Tape, value: Array) -> Iterator[tuple[str, Array]]:
    """Yield other values of the same shape, those of the inputs first, and arrays of the code."""
    found: list[Array] = [value]
    known = (
        (value_name(tape, vertex), other)
        for vertex, other in enumerate(tape.values)
        if other is not None and (vertex in tape.names or vertex in tape.needed)
    )
    constants = (
        (f"an array of shape {one.shape}", one)
        for vertex, call in tape.calls.items()
        for one in call.args
        if vertex in tape.needed and isinstance(one, np.ndarray) and one.dtype.kind == "f"
    )
    for name, other in itertools.chain(known, constants):
        if np.shape(other) == value.shape and not any(np.array_equal(other, one) for one in found):
            yield name, np.asarray(other)
            found.append(np.asarray(other))
            if len(found) > POOL:
                return


# --- paths and signs ---------------------------------------------------------------------------------------


@mutation
def left_out(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """An edge is dropped: a term, one path of several, a statistic held constant."""
    function = call.function
    for edge in tape.edges[vertex]:
        what = operand(tape, call, edge.place)
        if function in (np.add, np.subtract):
            said = f"the term {what} is left out at {name_of(call)}"
        elif len(tape.edges[vertex]) > 1 and name_of(call) in ("*", "/", "@", "dot"):
            said = f"a term of the product rule is left out: by {what}, at {name_of(call)}"
        else:
            said = f"the path by {what} through {name_of(call)} is left out"
        meets = len({one.source for one in tape.edges[vertex] if one.source in tape.active}) > 1
        cost = 0.88 if name_of(call) in REDUCTIONS else 0.9 if meets else 1.1
        if meets and call.function is np.multiply:
            cost = 0.89  # where a product and a sum say the same, the product is what people forget
        yield Variant(cost, Slip.MISSING_PATH, said, ((edge, None),))


@mutation
def signs(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """A sign at + and −, or that of a derivative which has one."""
    for edge in tape.edges[vertex]:
        what = operand(tape, call, edge.place)
        cost = {np.subtract: 1.05, np.negative: 1.1, np.add: 1.25}.get(call.function, 2.2)
        said = f"the sign of {what} is wrong at {name_of(call)}"
        yield Variant(cost, Slip.SIGN, said, ((edge, scaled(edge, -1.0)),))


# --- factors -----------------------------------------------------------------------------------------------


def _partials(function: Any, position: int, a: Any, b: Any, y: Any) -> Iterator[tuple[float, str, str, Any]]:
    """Yield (cost, slip, sentence, weight) for the operand of a ufunc of two: {a}, {b} are the operands' names."""
    left, twice = Slip.MISSING_FACTOR, Slip.FACTOR
    if function is np.multiply:
        other, name = (b, "{b}") if position == 0 else (a, "{a}")
        yield 1.0, left, f"the factor {name} is left out", np.ones_like(y)
        yield 2.0, twice, f"the factor {name} is there twice", other * other
        yield 2.0, twice, f"the factor {name} is inverted", 1 / other
        shown = np.unique(other)
        if shown.size == 2 and shown[0] == 0 and np.size(other) > 1:
            yield 1.1, left, f"the mask {name} is not applied, its scale is", np.full_like(y, shown[1])
            if shown[1] != 1:
                yield (
                    1.1,
                    left,
                    f"the scale {shown[1]:.6g} of the mask {name} is left out",
                    1.0 * (other != 0),
                )
    elif function is np.divide and position == 0:
        yield 1.0, left, "the divisor {b} is left out", np.ones_like(y)
        yield 1.9, twice, "it is divided by {b} twice", 1 / (b * b)
        yield 1.9, twice, "it is multiplied by {b}, not divided", b + 0 * y
    elif function is np.divide:
        yield 1.2, Slip.SIGN, "the minus of the quotient rule is missing, by {b}", a / (b * b)
        yield 1.2, left, "the square of the divisor {b} in the quotient rule is missing", -a / b
        yield 1.2, left, "the numerator {a} in the quotient rule is left out", -1 / (b * b) + 0 * y
        yield 1.9, left, "the divisor in the quotient rule is left out, by {b}", -a + 0 * y
    elif function in (np.power, np.float_power) and position == 0:
        yield 1.0, left, "the exponent {b} is left out as a factor", a ** (b - 1)
        yield 1.3, Slip.FUNCTION_FOR_DERIVATIVE, "the exponent {b} is not lowered", b * y
        yield 1.5, left, "the power of {a} is left out, the exponent {b} stays", b + 0 * y
        yield 1.9, twice, "the exponent {b} is there twice as a factor", b * b * a ** (b - 1)
    elif function in (np.maximum, np.minimum):
        chosen = (a >= b) if (function is np.maximum) == (position == 0) else (b >= a)
        yield 1.5, Slip.WRONG_POINT, "the mask is that of the other operand", 1.0 * ~chosen


_UNARY: dict[Any, tuple[tuple[str, Callable[[Any, Any], Any]], ...]] = {
    np.sqrt: (("the ½ is left out", lambda x, y: 1 / y), ("the root is not inverted", lambda x, y: y / 2),
              ("the division by the root is left out", lambda x, y: 0.5 + 0 * x)),
    np.square: (("the factor 2 is left out", lambda x, y: x), ("the base is left out", lambda x, y: 2 + 0 * x)),
    np.log: (("x stands for 1/x", lambda x, y: x),),
    np.log10: (("the factor 1/ln 10 is left out", lambda x, y: 1 / x),
               ("ln 10 is a factor, expected a divisor", lambda x, y: np.log(10) / x)),
    np.log2: (("the factor 1/ln 2 is left out", lambda x, y: 1 / x),
              ("ln 2 is a factor, expected a divisor", lambda x, y: np.log(2) / x)),
    np.exp2: (("the factor ln 2 is left out", lambda x, y: y),),
    np.reciprocal: (("the square is left out", lambda x, y: -y),),
    np.tan: (("1 − tan² stands for 1 + tan²", lambda x, y: 1 - y**2),),
    np.arctan: (("the square is left out", lambda x, y: 1 / (1 + x)),),
    np.sin: (("the sign of cos is wrong", lambda x, y: -np.cos(x)),),
    np.cos: (("the sign of sin is wrong", lambda x, y: np.sin(x)),),
    np.tanh: (("the square is left out: 1 − tanh", lambda x, y: 1 - y),),
}  # fmt: skip


@mutation
def factors(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """A factor of the derivative of a ufunc is left out, doubled or inverted."""
    if not isinstance(call.function, np.ufunc):
        return
    y = np.asarray(tape.values[vertex], dtype=float)
    for edge in tape.edges[vertex]:
        if len(call.args) == 1:
            for said, weight in _UNARY.get(call.function, ()):
                pull = weighted(tape, edge, weight(np.asarray(call.args[0]), y))
                yield Variant(
                    1.2, Slip.MISSING_FACTOR, f"in the derivative of {name_of(call)} {said}", ((edge, pull),)
                )
            continue
        a, b = (np.asarray(one, dtype=float) for one in call.args)
        names = {"a": operand(tape, call, (0,)), "b": operand(tape, call, (1,))}
        yield from _masks(tape, edge, b if edge.place == (0,) else a, call)
        for cost, name, said, value in _partials(call.function, edge.place[0], a, b, y):
            yield Variant(
                cost, Slip(name), said.format(**names), ((edge, weighted(tape, edge, np.array(value))),)
            )
        if call.function in (np.maximum, np.minimum):
            said = f"the mask of {name_of(call)} is that of the gradient from above, expected that of its operands"
            yield Variant(
                1.95, Slip.MASK, said, ((edge, _where_positive(weighted(tape, edge, np.ones_like(y)))),)
            )


def _where_positive(pull: Pull) -> Pull:
    return lambda rows: pull(rows * (rows > 0))


def _masks(tape: Tape, edge: Edge, mask: Array, call: Call) -> Iterator[Variant]:
    """Yield the masks of other values, for a product with what is 1 where a value is above 0, and 0 elsewhere."""
    if call.function is np.multiply and mask.size > 1 and np.isin(mask, (0, 1)).all():
        for label, value in pool(tape, np.asarray(tape.values[edge.source])):
            if mask.shape == value.shape and not np.array_equal(mask, value > 0):
                said = f"the mask is {label} > 0, expected that of the code"
                yield Variant(1.7, Slip.MASK, said, ((edge, weighted(tape, edge, 1.0 * (value > 0))),))
