"""Arrays that write down what is done to them: plain NumPy code becomes a graph of arrays.

Whole arrays are followed, each operation a row of the table. Control flow is followed at the point.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jacobians.arrays import Array, real_array
from jacobians.function import Function
from jacobians.graph.creators import following
from jacobians.graph.graph import Graph
from jacobians.graph.layers import trace_function
from jacobians.graph.operations import TABLE, elementwise, special_rows
from jacobians.graph.operations.constants import CONSTANT, DECIDING, FILLED, SHAPES
from jacobians.graph.operations.moves import indexed, written
from jacobians.graph.recorder import Recorder, TracingError, refuse
from jacobians.structures import Identity, Jacobian, Scatter


def _operands(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Traced]]:
    if isinstance(node, Traced):
        yield here, node
    elif isinstance(node, list | tuple):
        for place, item in enumerate(node):
            yield from _operands(item, (*here, place))
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from _operands(item, (*here, name))


def _plain(node: Any) -> Any:
    if isinstance(node, Traced):
        return node._current()
    if isinstance(node, list | tuple):
        items = [_plain(item) for item in node]
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    if isinstance(node, dict):
        return {name: _plain(item) for name, item in node.items()}
    return node


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with the vertex that it is; None for a constant that may be written into."""

    __array_priority__ = 1000.0

    def __init__(
        self, recorder: Recorder, value: Any, vertex: int | None, base: Traced | None = None
    ) -> None:
        self._recorder, self._value, self._vertex = recorder, np.asarray(value), vertex
        self._base, self._version, self._seen = base, 0, 0 if base is None else base._version
        self._input = False

    def _current(self) -> Array:
        base: Traced | None = self
        while base is not None:
            if base._base is not None and base._base._version != base._seen:
                refuse(
                    "a view",
                    "is used after a write into the array that it shows, which can't be followed; take a copy",
                )
            base = base._base
        return self._value  # fmt: skip

    def _call(
        self, name: str, rule: Any, args: Any, kwargs: Any, view: bool = False, function: Any = None
    ) -> Any:
        operands = list(_operands(args)) + list(_operands(kwargs))
        try:
            value, jacobian = rule(function, _plain(args), _plain(kwargs))
        except TracingError:
            raise
        except TypeError as error:
            refuse(name, str(error))
        active = [(place, one._vertex) for place, one in operands if one._vertex is not None]
        base = operands[0][1] if view else None
        if not active:
            return _wrap(self._recorder, value, base)
        for part in value if isinstance(value, list | tuple) else (value,):
            if np.asarray(part).dtype.kind not in "fiub":
                refuse(name, f"gives {np.asarray(part).dtype} values, expected real numbers")
        try:
            found = [(vertex, jacobian(place)) for place, vertex in active]
        except TypeError as error:
            refuse(name, str(error))
        if not isinstance(value, list | tuple):
            return self._vertex_of(name, value, found, base)
        parts = []
        for k, part in enumerate(value):
            own = [(vertex, J[k]) for vertex, J in found if J[k] is not None]
            parts.append(self._vertex_of(name, part, own, base) if own else part)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

    def _vertex_of(self, name: str, value: Any, found: Any, base: Traced | None) -> Traced:
        recorder = self._recorder
        found = recorder.stepped(found, name)
        number = recorder.add(f"v{len(recorder.vertices)}", np.asarray(value), name)
        recorder.connect(number, found)
        return Traced(recorder, value, number, base)

    def _apply(self, function: Any, args: Any, kwargs: Any) -> Any:
        module = getattr(function, "__module__", None) or "numpy"
        name = f"{module}.{function.__name__}"
        if isinstance(function, np.ufunc) or module.startswith("scipy"):
            name = function.__name__ if module == "numpy" else name
        if function in SHAPES:
            return function(*_plain(args), **_plain(kwargs))
        if function in FILLED:
            return Traced(self._recorder, np.full(np.shape(_plain(args[0])), FILLED[function]), None)
        if function is np.full_like:
            return Traced(self._recorder, np.full_like(*_plain(args), **_plain(kwargs)), None)
        if function in DECIDING or function in CONSTANT:
            self._recorder.control_flow |= function in DECIDING
            return function(*_plain(args), **_plain(kwargs))
        if function not in TABLE and "scipy.special" in sys.modules:
            elementwise.special_rows()  # a function may load it while it is followed
        if function not in TABLE:
            refuse(name, "is not in the table of operations; add a row by jacobians.graph.operation")
        row = TABLE[function]
        return self._call(row.name, row.rule, args, kwargs, row.view, function)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        reductions = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
        if method == "reduce" and ufunc in reductions:
            axis = kwargs.pop("axis", 0)
            return self._apply(reductions[ufunc], inputs[:1], {"axis": axis, **kwargs})
        if method == "outer" and len(inputs) == 2:
            return ufunc(np.reshape(inputs[0], np.shape(inputs[0]) + (1,) * np.ndim(inputs[1])), inputs[1])
        if method != "__call__":
            refuse(f"{ufunc.__name__}.{method}", "is not in the table of operations")
        out = kwargs.pop("out", None)
        if out is None:
            return self._apply(ufunc, inputs, kwargs)
        result = self._apply(ufunc, inputs, kwargs)
        if not isinstance(out[0], Traced):
            refuse(
                ufunc.__name__,
                "writes into an array that isn't followed; make it by numpy.zeros in the function",
            )
        out[0][...] = result  # fmt: skip
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._apply(function, args, kwargs)

    # --- indexing and writes ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = _plain(index)
        basic = all(
            not isinstance(i, list | np.ndarray) for i in (index if isinstance(index, tuple) else (index,))
        )
        shown = basic and np.ndim(self._value[index]) > 0  # fmt: skip
        return self._call("indexing", lambda _, args, __: indexed(args[0], index), (self,), {}, shown)

    def __setitem__(self, index: Any, new: Any) -> None:
        if self._base is not None:
            refuse("a write", "into a view can't be followed; write into the array itself, or take a copy")
        if self._input:
            refuse("a write", "into an argument is not followed; take a copy")
        index = _plain(index)
        if isinstance(new, list | tuple):
            new = np.array(new) if not any(_operands(new)) else np.stack(new)
        if not isinstance(new, Traced):
            new = np.asarray(new)
        done = self._call(
            "a write", lambda _, args, __: written(args[0], index, np.asarray(args[1])), (self, new), {}
        )
        self._value, self._vertex = done._value, done._vertex  # fmt: skip
        self._version += 1

    def __len__(self) -> int:
        if not self._value.shape:
            raise TypeError("len() of a scalar")
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    # --- numbers ---------------------------------------------------------------------------------------

    def __bool__(self) -> bool:
        self._recorder.control_flow |= self._vertex is not None
        return bool(self._current())

    def _number(self) -> Any:
        if self._vertex is not None:
            refuse("a conversion to a number", "loses the derivative; compute with the array itself")
        return self._current().item()

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __index__(self) -> int:
        return int(self._number())

    # --- attributes and methods of arrays ----------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._value.size

    @property
    def dtype(self) -> Any:
        """The dtype of the array."""
        return self._value.dtype

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802  # NumPy's name
        """The transpose of the last two axes."""
        return np.swapaxes(self, -1, -2)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """Return the array in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes in another order."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self) -> Any:
        """Return a copy with one axis."""
        return np.copy(np.ravel(self))

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Return a copy; only real floating types keep the derivative."""
        if np.dtype(dtype).kind != "f":
            refuse("astype", f"to {np.dtype(dtype)} loses the derivative")
        return np.copy(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        function = getattr(np, name, None)
        if function is None:
            refuse(f"the method {name}", "is not followed")
        return lambda *args, **options: function(self, *args, **options)


def _wrap(recorder: Recorder, value: Any, base: Traced | None = None) -> Any:
    if isinstance(value, list | tuple):
        return value
    return Traced(recorder, value, None, base)


def assemble(recorder: Recorder, nested: Any) -> Any:
    """Return numpy.array of nested lists with traced arrays in them."""
    found = [one for _, one in _operands(nested)]
    if not found:
        return Traced(recorder, np.array(nested, dtype=float), None)
    if isinstance(nested, Traced):
        return np.copy(nested)
    offsets = np.cumsum([0, *(one.size for one in found)])
    count = iter(range(len(found)))

    def numbers(node: Any) -> Any:
        if isinstance(node, Traced):
            k = next(count)
            return np.arange(offsets[k] + 1, offsets[k + 1] + 1).reshape(node.shape)
        if isinstance(node, list | tuple):
            return [numbers(item) for item in node]
        return np.zeros(np.shape(node), dtype=int)

    try:
        value = np.array(_plain(nested), dtype=float)
    except (TypeError, ValueError):
        refuse("numpy.array", "is given what is no array of real numbers")
    origin = np.array(numbers(nested)).reshape(-1) - 1
    places = np.empty(offsets[-1], dtype=np.intp)
    places[origin[origin >= 0]] = np.flatnonzero(origin >= 0)

    def edge(k: int) -> Jacobian:
        own = places[offsets[k] : offsets[k + 1]]
        same = own.size == value.size and np.array_equal(own, np.arange(own.size))
        return Identity(own.size) if same else Scatter.unchecked(own, value.size, repeats=False)

    edges = [(one._vertex, edge(k)) for k, one in enumerate(found) if one._vertex is not None]
    return found[0]._vertex_of("numpy.array", value, edges, None) if edges else Traced(recorder, value, None)


def trace(f: Callable[..., Any], *points: Any, max_vertices: int = 10**5, **named: Any) -> Graph:
    """Return the graph of a NumPy callable at a point: vertices are arrays, edges structured Jacobians.

    Parameters
    ----------
    f : callable or Function
        Plain NumPy code of one or several arrays; it returns one array or several.
    *points, **named : array_like
        The arguments; vertices have the names of f's parameters. Of a Function: x, and ``wrt=[…]`` with the
        parameters that are inputs of the graph beside or in place of "input"; all by default.
    max_vertices : int
        The most vertices that are made.

    Raises
    ------
    TracingError
        If f does what can't be followed; the message names the operation and the line.

    Notes
    -----
    Control flow is followed at the point, as ``control_flow`` of the graph says: elsewhere the graph may differ.

    Examples
    --------
    >>> graph = trace(lambda W, x: np.tanh(W @ x), np.eye(2), [1.0, 2.0])
    >>> [(edge.source, edge.target, edge.jacobian.structure) for edge in graph.edges]
    [(0, 2, 'Kronecker'), (1, 2, 'Dense'), (2, 3, 'Diagonal')]
    """
    if isinstance(f, Function):
        unknown = [name for name in named if name != "wrt"]
        if len(points) != 1 or unknown:
            raise TypeError(
                f"f: found a Function with {len(points)} points and {unknown}, expected x and wrt=[…]"
            )
        return trace_function(f, points[0], named.get("wrt"), max_vertices)
    if not callable(f):
        raise TypeError(f"f: found {type(f).__name__}, expected a callable or a Function")
    recorder = Recorder(max_vertices)
    if not points and not named:
        raise TypeError("points: found none, expected an array for each argument of f")
    names = _names(f, len(points))

    def argument(value: Any, name: str) -> Traced:
        array = np.array(real_array(value, name, foreign="refuse"))
        made = Traced(recorder, array, recorder.add(name, array, "input"))
        made._input = True
        return made

    args = [argument(value, name) for name, value in zip(names, points, strict=True)]
    options = {name: argument(value, name) for name, value in named.items()}

    def dispatch(original: Any) -> Any:
        def apply(*args: Any, **kwargs: Any) -> Any:
            traced = next((one for _, one in _operands([args, kwargs])), None)
            return original(*args, **kwargs) if traced is None else traced._apply(original, args, kwargs)

        return apply

    followed = following(
        lambda nested: assemble(recorder, nested),
        lambda nested: next(_operands(nested), None) is not None,
        dispatch,
        getattr(f, "__globals__", {}),
    )
    if "scipy.special" in sys.modules:
        special_rows()
    with followed:
        result = f(*args, **options)
    outputs: list[int] = []
    for one in result if isinstance(result, tuple) else (result,):
        if not isinstance(one, Traced | np.ndarray | float | int):
            raise TracingError(f"f: found a result of type {type(one).__name__}, expected an array")
        value = one._current() if isinstance(one, Traced) else np.asarray(one)
        vertex = one._vertex if isinstance(one, Traced) else None
        if vertex is None:
            vertex = recorder.add("constant", value, "constant")
        elif vertex in outputs or vertex < len(args) + len(options):  # an output is a vertex of its own
            source, vertex = vertex, recorder.add("copy", value, "copy")
            recorder.connect(vertex, [(source, Identity(value.size))])
        outputs.append(vertex)
    inputs = tuple(range(len(args) + len(options)))
    return Graph(
        tuple(recorder.vertices), inputs, tuple(outputs), tuple(recorder.edges), recorder.control_flow
    )


def _names(f: Any, count: int) -> list[str]:
    try:
        known = [
            name for name, p in inspect.signature(f).parameters.items() if p.kind <= p.POSITIONAL_OR_KEYWORD
        ]
    except (TypeError, ValueError):
        known = []
    return (known + [f"x{place}" for place in range(len(known), count)])[:count]
