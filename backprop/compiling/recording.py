"""Recorded arrays: the library's own formulas and product rows, run without numbers and written down.

A :class:`Recorded` array knows shape and dtype only. NumPy's functions and operators work on it, and each one
becomes a :class:`Node` of a :class:`Recording`. What is printed from the nodes is therefore what is executed: there is
no second implementation that could differ from the first.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from backprop.compiling.broadcasting import without_unit_axes
from backprop.compiling.nodes import Node, RecordingError, error_state
from backprop.compiling.shapes import (
    STATIC,
    dummies,
    dummy,
    is_reshape,
    keeps_entries,
    pieces,
    result_like,
    ufunc_result,
)
from jacobians.graph.operations import TABLE
from jacobians.numerics.arrays import Array, Unnumbered

_VIEWS = {function.__name__ for function, row in TABLE.items() if row.view}
_FRESH = {
    "zeros",
    "ones",
    "full",
    "empty",
    "zeros_like",
    "ones_like",
    "full_like",
    "empty_like",
    "copy",
    "array",
}
_CUTS = {"split", "array_split", "hsplit", "vsplit", "dsplit"}
_WRITES = {"put_along_axis", "copyto", "fill_diagonal"}  # into their first argument
_METHODS = {"sum", "prod", "mean", "max", "min", "any", "all", "argmax", "argmin", "clip", "cumsum", "squeeze",
            "trace", "diagonal", "repeat", "take", "var", "std", "dot"}  # fmt: skip


def _outputs(options: dict[str, Any]) -> tuple[Any, ...]:
    out = options.get("out")
    return out if isinstance(out, tuple) else (out,)


class Recording:
    """What was done to recorded arrays, in order.

    Parameters
    ----------
    share : bool
        Whether an operation that was recorded before, on the same operands, is taken again. A plan is written down
        without, as it is executed; a compiled function with.

    Examples
    --------
    >>> recording = Recording()
    >>> x = recording.input("x", (3,))
    >>> y = np.tanh(x) * 2
    >>> [node.kind for node in recording.nodes], y.shape
    (['input', 'ufunc', 'ufunc'], (3,))
    """

    def __init__(self, *, share: bool = False) -> None:
        self.nodes: list[Node] = []
        self.share = share
        self._known: dict[Any, Node] = {}
        self._constants: dict[Any, list[Node]] = {}
        self._usual = error_state()

    def input(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> Recorded:
        """Return an array that is an argument of the code."""
        node = Node("input", name, (), {}, tuple(shape), np.dtype(dtype), {})
        self.nodes.append(node)
        return Recorded(self, node)

    def constant(self, value: Array, name: str = "") -> Recorded:
        """Return an array whose numbers are known; the same numbers under one name are one constant."""
        # a few entries tell most apart: all bytes are compared where these are the same
        alike = self._constants.setdefault((name, value.dtype.str, value.shape, value.flat[:4].tobytes()), [])
        for node in alike:
            if node.value is value or np.asarray(node.value).tobytes() == value.tobytes():
                return Recorded(self, node)
        node = Node("constant", name, (), {}, value.shape, value.dtype, {}, value=value)
        self.nodes.append(node)
        alike.append(node)
        return Recorded(self, node)

    def lift(self, value: Any) -> Any:
        """Return recorded arrays, and constants for arrays of numbers; anything else as it is."""
        if isinstance(value, np.ndarray):
            return self.constant(value)
        return value

    def add(
        self,
        kind: str,
        function: Any,
        args: tuple[Any, ...],
        options: dict[str, Any] | None = None,
        *,
        shape: tuple[int, ...],
        dtype: Any,
        method: str = "__call__",
        view_of: Any = None,
    ) -> Recorded:
        """Write an operation down and return its result."""
        arguments = tuple(self._node(part) for part in args)
        named = {key: self._node(part) for key, part in (options or {}).items()}
        errors = error_state() if kind in ("ufunc", "function") else {}
        if set(errors.values()) == {"ignore"}:
            errors = self._usual  # of a public call, such as J + K: not what the formula asks for
        node = Node(kind, function, arguments, named, tuple(shape), np.dtype(dtype), errors, method)
        node.base = view_of.node if isinstance(view_of, Recorded) else None
        name = getattr(function, "__name__", function)
        node.changing = (
            kind == "write"
            or (kind in ("function", "method") and name in _FRESH)
            or any(operand.changing for operand in node.operands())
        )
        if self.share and not node.changing:
            operation = function if isinstance(function, str) else id(function)
            key = (kind, operation, method, _key(arguments), _key(tuple(sorted(named.items()))), str(errors))
            if key in self._known:
                return Recorded(self, self._known[key])
            self._known[key] = node
        self.nodes.append(node)
        return Recorded(self, node)

    def write(self, function: Any, args: tuple[Any, ...], options: dict[str, Any], method: str) -> None:
        """Write down that the first argument is changed in place."""
        target = args[0]
        if not isinstance(target, Recorded):
            raise RecordingError("recorded values go into an array of numbers; make it by np.zeros_like(x)")
        if target.node.root.kind in ("input", "constant"):
            raise RecordingError(
                "writing into an argument: functions leave their inputs alone; write to a copy"
            )
        if self.share and not target.node.changing:
            if target.node.base is not None:
                raise RecordingError("writing through a view of a result: write to a copy")
            # the result may have been taken twice, so that a copy is changed
            target.node = target.copy().node
        self.add("write", function, args, options, shape=target.shape, dtype=target.dtype, method=method)

    def _node(self, value: Any) -> Any:
        if isinstance(value, Recorded):
            if value.recording is not self:
                raise RecordingError("two recordings are mixed: an array was kept from an earlier one")
            return value.node
        if isinstance(value, np.ndarray):
            return self.constant(value).node
        if isinstance(value, tuple):
            return tuple(self._node(part) for part in value)
        if isinstance(value, list):
            return [self._node(part) for part in value]
        if isinstance(value, slice):
            return slice(self._node(value.start), self._node(value.stop), self._node(value.step))
        return value


def _key(value: Any) -> Any:
    """Return what tells two arguments apart: 1, 1.0 and True differ."""
    if isinstance(value, Node):
        return ("node", id(value))
    if isinstance(value, tuple | list):
        return (type(value).__name__, *map(_key, value))
    if isinstance(value, slice):
        return ("slice", _key(value.start), _key(value.stop), _key(value.step))
    return (type(value).__name__, repr(value))


class Recorded(NDArrayOperatorsMixin, Unnumbered):
    """An array of which shape and dtype are known, and what is done to it is written down."""

    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # as for ndarray: == is entry by entry

    def __init__(self, recording: Recording, node: Node) -> None:
        self.recording, self.node = recording, node

    def beside(self, array: Array) -> Any:
        """Return an array of numbers as a constant of the same recording."""
        return self.recording.lift(array)

    # --- what NumPy calls ------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(value is not None for value in _outputs(options)):
            raise RecordingError(f"{ufunc.__name__}: out= can't be recorded; use the result")
        options.pop("out", None)
        if ufunc is np.multiply and 1.0 in [v for v in inputs if type(v) is float] and method == "__call__":
            other = inputs[0] if type(inputs[1]) is float else inputs[1]
            if other.dtype.kind == "f":  # of a comparison it makes numbers
                return other
        if method == "at":
            self.recording.write(ufunc, inputs, options, "at")
            return None
        if ufunc.nout != 1:
            raise RecordingError(f"{ufunc.__name__}: several results can't be recorded; use functions of one")
        shape, dtype = ufunc_result(ufunc, method, inputs, options)
        if method == "__call__" and not options and ufunc.signature is None:
            inputs = without_unit_axes(inputs, shape)
            inner = np.broadcast_shapes(*(np.shape(value) for value in inputs))
            result = self.recording.add("ufunc", ufunc, inputs, options, shape=inner, dtype=dtype)
            return result if inner == shape else result.reshape(shape)
        return self.recording.add("ufunc", ufunc, inputs, options, shape=shape, dtype=dtype, method=method)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        name = function.__name__
        known = STATIC.get(name)
        if known is not None:
            return known(*args, **options)
        if name in _WRITES:
            self.recording.write(function, args, options, name)
            return None
        if name in _CUTS:
            return [args[0][index] for index in pieces(function, *args, **options)]
        if name == "slogdet":  # two numbers, of one matrix
            both = self.recording.add("function", function, args, options, shape=(2,), dtype=args[0].dtype)
            return type(np.linalg.slogdet(np.eye(1)))(both[0], both[1])
        if name in _METHODS and "out" in options:
            options = {key: value for key, value in options.items() if key != "out" or value is not None}
        shape, dtype = result_like(function, args, options)
        if name == "reshape" and "F" in (
            options.get("order"),
            *args[2:],
        ):  # columns first: rows of the transpose
            return np.transpose(np.reshape(np.transpose(args[0]), shape[::-1]))
        if name == "reshape" and isinstance(args[0], Recorded):
            args = (args[0].same_entries(), shape)
        if name in ("broadcast_to", "reshape") and shape == np.shape(args[0]):
            return args[0]
        view = args[0] if name in _VIEWS and args else None
        return self.recording.add("function", function, args, options, shape=shape, dtype=dtype, view_of=view)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise RecordingError(
            "conversion to an array of numbers: a recorded array has none; leave out np.asarray and np.array, and "
            "make new arrays by np.zeros_like(x), np.stack or np.concatenate"
        )

    def same_entries(self) -> Recorded:
        """Return the array that this one is a reshape of, be it by axes of length 1, or itself."""
        node = self.node
        while not node.changing and is_reshape(node) and isinstance(node.args[0], Node):
            node = node.args[0]
        return Recorded(self.recording, node)

    # --- attributes and methods ------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.node.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(self.node.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the numbers would take."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Recorded:
        """The transpose."""
        return self._attribute("T", self.shape[::-1]) if self.ndim > 1 else self

    @property
    def mT(self) -> Recorded:  # noqa: N802  # NumPy's name
        """The transpose of the last two axes."""
        shape = (*self.shape[:-2], self.shape[-1], self.shape[-2])
        if 1 in shape[-2:]:  # the entries keep their order
            return self if shape == self.shape else self.reshape(shape)
        return self._attribute("mT", shape)

    @property
    def flags(self) -> SimpleNamespace:
        """Something to set `writeable` on; c_contiguous says that reshaping it takes no copy."""
        return SimpleNamespace(writeable=True, c_contiguous=self.same_entries().node.base is None)

    def _attribute(self, name: str, shape: tuple[int, ...]) -> Recorded:
        return self.recording.add("attribute", name, (self,), shape=shape, dtype=self.dtype, view_of=self)

    def view(self) -> Recorded:
        """Return the array itself."""
        return self

    def reshape(self, *shape: Any) -> Any:
        """Return the entries in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def swapaxes(self, first: int, second: int) -> Any:
        """Return the array with two axes exchanged."""
        return np.swapaxes(self, first, second)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes permuted."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def ravel(self) -> Any:
        """Return the entries along one axis."""
        return np.ravel(self)

    def astype(self, dtype: Any, *, copy: bool = True) -> Recorded:
        """Return a copy of another dtype."""
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return self.recording.add("method", "astype", (self, np.dtype(dtype)), shape=self.shape, dtype=dtype)

    def copy(self) -> Any:
        """Return a copy."""
        return self.recording.add("method", "copy", (self,), shape=self.shape, dtype=self.dtype)

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            function = getattr(np, name)
            return lambda *args, **options: function(self, *args, **options)
        if name.startswith("_"):
            raise AttributeError(name)
        raise RecordingError(f"ndarray.{name}: can't be recorded; write it with NumPy functions of arrays")

    # --- indexing --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a recorded array of no axes")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, key: Any) -> Recorded:
        if isinstance(key, tuple) and not key:
            return self
        result = dummy(self)[dummies(key)]
        picks = key if isinstance(key, tuple) else (key,)
        if keeps_entries(self.shape, picks):
            base = self.same_entries()
            if base.shape == np.shape(result):
                return base
        basic = all(
            part is None or part is ... or isinstance(part, int | np.integer | slice) for part in picks
        )
        return self.recording.add(
            "item", "getitem", (self, key), shape=np.shape(result), dtype=self.dtype,
            view_of=self if basic else None,
        )  # fmt: skip

    def __setitem__(self, key: Any, value: Any) -> None:
        self.recording.write("setitem", (self, key, value), {}, "setitem")

    # --- conversions to Python -------------------------------------------------------------------------

    def __bool__(self) -> bool:
        raise RecordingError(
            "a branch on numbers: straight-line code has none; use np.where, or np.maximum and its like"
        )

    def __float__(self) -> float:
        raise RecordingError(
            "float() of a recorded array: it has no number; use NumPy's functions, not math's"
        )

    def __int__(self) -> int:
        raise RecordingError("int() of a recorded array: it has no number; index with arrays of indices")

    __index__ = __int__

    def __repr__(self) -> str:
        return f"<Recorded {self.node.kind} of shape {self.shape}, {self.dtype}>"
