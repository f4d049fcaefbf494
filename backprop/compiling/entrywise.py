"""A small trace, entry by entry: straight-line Python on floats, without the overhead of NumPy's calls."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from backprop.compiling.nodes import Node
from jacobians.cost import Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors

_BINARY = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}",
    "greater": "{} > {}", "greater_equal": "{} >= {}", "less": "{} < {}", "less_equal": "{} <= {}",
    "equal": "{} == {}", "not_equal": "{} != {}",
    # of numbers too, of which Python's own words return one
    "logical_and": "({} != 0.0) and ({} != 0.0)", "logical_or": "({} != 0.0) or ({} != 0.0)",
}  # fmt: skip
TEMPLATES = {
    **_BINARY,
    "negative": "-{}", "logical_not": "not {}", "isnan": "{0} != {0}", "square": "{0} * {0}",
    "isfinite": "{0} - {0} == 0.0",
    "reciprocal": "1.0 / {}", "cosh": "cosh({})",
    "heaviside": "1.0 if {0} > 0.0 else {1} if {0} == 0.0 else 0.0 if {0} < 0.0 else {0}",
    "where": "{1} if {0} else {2}",
    # the comparison lets NaN through, as NumPy's does
    "maximum": "{0} if {0} >= {1} or {0} != {0} else {1}",
    "minimum": "{0} if {0} <= {1} or {0} != {0} else {1}",
    "exp": "exp({})", "tanh": "tanh({})", "log": "log({})", "log1p": "log1p({})", "expm1": "expm1({})",
    "sqrt": "sqrt({})", "absolute": "abs({})", "sin": "sin({})", "cos": "cos({})", "power": "pow({}, {})",
    "hypot": "hypot({}, {})", "tan": "tan({})", "sinh": "sinh({})",
    "arcsin": "asin({})", "arccos": "acos({})", "arctan": "atan({})", "arctan2": "atan2({}, {})",
    "sign": "1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else {0} * 0.0",
    "erfc": "erfc({})", "erf": "erf({})",
    "ndtr": "0.5 * erfc(-0.7071067811865476 * {})",
}  # fmt: skip
_TRUTHS = {
    "greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "isnan", "isfinite",
}  # fmt: skip
_OF_TRUTHS = {
    "add": "logical_or", "maximum": "logical_or", "bitwise_or": "logical_or",
    "multiply": "logical_and", "minimum": "logical_and", "bitwise_and": "logical_and",
}  # fmt: skip
"""What NumPy's functions do where all are truth values."""
FUNCTIONS = (
    "acos",
    "asin",
    "atan",
    "atan2",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "hypot",
    "log",
    "log1p",
    "pow",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
)
_MOVES = {
    "reshape", "ravel", "swapaxes", "transpose", "moveaxis", "expand_dims", "squeeze", "broadcast_to", "concatenate",
    "stack", "take", "take_along_axis", "sum", "mean",
}  # fmt: skip
MOST_OPERATIONS = 4000  # Python compiles longer functions slowly, and NumPy is faster there
MOST_ENTRIES = 40_000  # of all arrays, most of which may be numbers that are known: a second to go through


def operation_of(node: Node) -> str:
    """Return the name of what is done to entries; of truth values a sum is "or", a product "and".

    Examples
    --------
    >>> operation_of(Node("ufunc", np.add, (), {}, (2,), np.dtype(bool), {}))
    'logical_or'
    """
    name = node.function if isinstance(node.function, str) else node.function.__name__
    return _OF_TRUTHS.get(name, name) if node.dtype == np.bool_ else name


class NotScalarError(Exception):
    """A trace that has no form entry by entry: too large, or with a function that is not in the table."""


class Scalar:
    """One number that is not known yet: an operation and its operands."""

    __slots__ = ("code", "name", "operands", "operation")

    def __init__(self, code: Code, operation: str, operands: tuple[Any, ...]) -> None:
        self.code, self.operation, self.operands = code, operation, operands
        self.name = ""

    def __add__(self, other: Any) -> Any:
        return self.code.apply("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self.code.apply("add", other, self)

    def __mul__(self, other: Any) -> Any:
        return self.code.apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.code.apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.code.apply("divide", self, other)

    def __bool__(self) -> bool:
        raise NotScalarError("a comparison inside one of NumPy's reductions")


class Code:
    """The numbers of a function, each distinct one once, in the order in which they are computed."""

    def __init__(self) -> None:
        self.scalars: list[Scalar] = []
        self._known: dict[Any, Scalar] = {}

    def apply(self, operation: str, *operands: Any) -> Any:
        """Return a number; known ones are computed at once, and a factor 1 drops out."""
        if not any(isinstance(value, Scalar) for value in operands):
            return _known_number(operation, operands)
        if operation == "multiply" and 1.0 in [v for v in operands if not isinstance(v, Scalar)]:
            return self.number(operands[1] if isinstance(operands[1], Scalar) else operands[0])
        if operation == "power" and operands[1] in (1, 2):
            return operands[0] if operands[1] == 1 else self.apply("multiply", operands[0], operands[0])
        if operation == "where" and not isinstance(operands[0], Scalar):
            return operands[1] if operands[0] else operands[2]
        if operation == "logaddexp":
            return self._logaddexp(*operands)
        if operation not in TEMPLATES:
            raise NotScalarError(operation)
        # 0.0 and −0.0 are equal, but not the same
        key = (operation, *(id(v) if isinstance(v, Scalar) else repr(v) for v in operands))
        if key not in self._known:
            if len(self.scalars) >= MOST_OPERATIONS:
                raise NotScalarError("too many operations")
            self._known[key] = Scalar(self, operation, operands)
            self.scalars.append(self._known[key])
        return self._known[key]

    def number(self, value: Any) -> Any:
        """Return 1 or 0 for a truth value, any other number as it is."""
        if isinstance(value, Scalar):
            return self.apply("where", value, 1.0, 0.0) if value.operation in _TRUTHS else value
        return float(value)

    def _logaddexp(self, a: Any, b: Any) -> Any:
        # as NumPy does it: max + log1p(e^−|a − b|)
        distance = self.apply("absolute", self.apply("subtract", a, b))
        rest = self.apply("log1p", self.apply("exp", self.apply("negative", distance)))
        return self.apply("add", self.apply("maximum", a, b), rest)


def _known_number(operation: str, operands: tuple[Any, ...]) -> Any:
    if operation == "where":
        return operands[1] if operands[0] else operands[2]
    function = getattr(np, operation, None)
    if function is None:
        raise NotScalarError(operation)
    with np.errstate(all="ignore"):
        return function(*operands).item()


# --- a trace on arrays of scalars ------------------------------------------------------------------------


class Straight(Protocol):
    """Recorded operations of some results: of one argument, or of several."""

    @property
    def nodes(self) -> list[Node]:
        """What the results depend on, in order."""

    @property
    def once(self) -> set[int]:
        """The ids of the nodes that depend on constants only."""

    @property
    def returned(self) -> list[Node]:
        """The results."""

    @property
    def cost(self) -> Cost:
        """What the products of one call cost."""


@without_float_errors
def entries(
    trace: Straight, code: Code, *, single: bool = False
) -> tuple[dict[str, list[Scalar]], list[Array]]:
    """Return the entries of the arguments by name, and the dense results as arrays of scalars and floats.

    Of float64; with `single` of float32 too, for code that computes in the precision of its arguments.
    """
    kinds = (np.float64, np.float32, np.intp, np.bool_) if single else (np.float64, np.intp, np.bool_)
    values: dict[int, Any] = {}
    inputs: dict[str, list[Scalar]] = {}

    def value(argument: Any) -> Any:
        if isinstance(argument, Node):
            return values[id(argument)]
        if isinstance(argument, tuple | list):
            return type(argument)(value(part) for part in argument)
        return argument

    for node in trace.nodes:
        if node.dtype not in kinds:
            raise NotScalarError(f"numbers of dtype {node.dtype}")
        if node.kind == "input":
            own = inputs[node.function] = [Scalar(code, "x", ()) for _ in range(math.prod(node.shape))]
            made = np.empty(len(own), dtype=object)
            made[:] = own
            values[id(node)] = made.reshape(node.shape)
        elif node.kind == "constant":
            assert node.value is not None
            values[id(node)] = node.value.astype(object) if node.dtype.kind == "f" else node.value
        else:
            result = _evaluated(node, value(node.args), {k: value(v) for k, v in node.options.items()}, code)
            if node.kind != "write":
                made = np.empty((), dtype=object)
                made[()] = result
                values[id(node)] = result if isinstance(result, np.ndarray) else made
    return inputs, [values[id(node)] for node in trace.returned]


def _evaluated(node: Node, args: tuple[Any, ...], options: dict[str, Any], code: Code) -> Any:
    name = operation_of(node)
    try:
        match node.kind:
            case "item":
                return args[0][args[1]]
            case "attribute":
                return getattr(args[0], name)
            case "method" if name == "astype":
                return np.frompyfunc(code.number, 1, 1)(args[0]) if node.dtype.kind == "f" else _refuse(name)
            case "method" if name == "copy":
                return args[0].copy()
            case "write" if node.method == "setitem":
                args[0][args[1]] = args[2]
                return None
            case "write" if node.method == "at":
                return np.add.at(*args) if name == "add" else _refuse(name)
            case "write" if node.method == "put_along_axis":
                return np.put_along_axis(*args, **options)
            case "ufunc" if name == "matmul":
                return np.matmul(*(np.asarray(part, dtype=object) for part in args))
            case "ufunc":
                loop: Any = np.frompyfunc(lambda *numbers: code.apply(name, *numbers), node.function.nin, 1)
                run: Any = loop if node.method == "__call__" else getattr(loop, node.method)
                return run(*args, **options)
            case "function" if name == "where":
                return np.frompyfunc(lambda *numbers: code.apply("where", *numbers), 3, 1)(*args)
            case "function" if name in ("zeros", "zeros_like", "ones", "ones_like"):
                return np.full(node.shape, float(name.startswith("ones")), dtype=object)
            case "function" if name in _MOVES:
                return node.function(*args, **options)
    except (TypeError, ValueError, IndexError) as error:
        raise NotScalarError(f"{name}: {error}") from None
    return _refuse(name)


def _refuse(name: str) -> Any:
    raise NotScalarError(name)
