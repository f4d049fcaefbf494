"""Arrays that write down what is done to them: whole arrays, each operation a row of the table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jacobians.graph.operations import TABLE, elementwise
from jacobians.graph.operations.constants import CHOOSING, CONSTANT, DECIDING, FILLED, SHAPES
from jacobians.graph.operations.moves import indexed, written
from jacobians.graph.recorder import Recorder, TracingError, refuse, writes_into_unfollowed
from jacobians.numerics.arrays import Array, as_array, is_recorded
from jacobians.structures import Identity, Jacobian, Scatter


def operands_of(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Traced]]:
    """Yield the followed arrays in nested lists and dictionaries, with their places."""
    if isinstance(node, Traced):
        yield here, node
    elif isinstance(node, list | tuple):
        for place, item in enumerate(node):
            yield from operands_of(item, (*here, place))
    elif isinstance(node, dict):
        for name, item in node.items():
            yield from operands_of(item, (*here, name))


def _plain(node: Any) -> Any:
    if isinstance(node, Traced):
        return node._current()
    if isinstance(node, list | tuple):
        items = [_plain(item) for item in node]
        return type(node)(*items) if hasattr(node, "_fields") else type(node)(items)
    if isinstance(node, dict):
        return {name: _plain(item) for name, item in node.items()}
    return node


def _zeroed(node: Any) -> Any:
    """Return nested lists with zeros for followed arrays."""
    if isinstance(node, Traced):
        return np.zeros(node.shape)
    return [_zeroed(item) for item in node] if isinstance(node, list | tuple) else node


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with the vertex that it is; None for a constant that may be written into."""

    __array_priority__ = 1000.0

    def __init__(
        self, recorder: Recorder, value: Any, vertex: int | None, base: Traced | None = None
    ) -> None:
        self._recorder, self._value, self._vertex = recorder, as_array(value), vertex
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
        operands = list(operands_of(args)) + list(operands_of(kwargs))
        given = _plain(args), _plain(kwargs)
        try:
            value, jacobian = rule(function, *given)
        except TracingError:
            raise
        except TypeError as error:
            refuse(name, str(error))
        active = [(place, one._vertex) for place, one in operands if one._vertex is not None]
        base = operands[0][1] if view else None
        nothing = not isinstance(value, list | tuple) and np.size(value) == 0
        if not active or nothing:
            return _wrap(self._recorder, value, base)
        for part in value if isinstance(value, list | tuple) else (value,):
            if as_array(part).dtype.kind not in "fiub":
                refuse(name, f"gives {as_array(part).dtype} values, expected real numbers")
        try:
            found = [(place, vertex, jacobian(place)) for place, vertex in active]
        except TypeError as error:
            refuse(name, str(error))
        row = name, function, rule
        if not isinstance(value, list | tuple):
            made = self._vertex_of(name, value, [one[1:] for one in found], base)
            self._recorder.note(made._vertex, row, given, found, None)
            return made
        parts = []
        for k, part in enumerate(value):
            own = [(place, vertex, J[k]) for place, vertex, J in found if J[k] is not None]
            parts.append(self._vertex_of(name, part, [one[1:] for one in own], base) if own else part)
            if own:
                self._recorder.note(parts[-1]._vertex, row, given, own, k)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

    def _vertex_of(self, name: str, value: Any, found: Any, base: Traced | None) -> Traced:
        recorder = self._recorder
        found = recorder.stepped(found, name)
        number = recorder.add(f"v{len(recorder.vertices)}", as_array(value), name)
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
            given = dict(zip(("a", "fill_value"), args, strict=False)) | kwargs
            if next(operands_of([given["fill_value"]]), None) is not None:
                shape = kwargs.get("shape") or np.shape(_plain([given["a"]])[0])
                return np.zeros(shape) + given["fill_value"]
            return Traced(self._recorder, np.full_like(*_plain(args), **_plain(kwargs)), None)
        if function in DECIDING or function in CONSTANT:
            self._decides(function in DECIDING, args)
            try:
                decided = function(*_plain(args), **_plain(kwargs))
            except TypeError as error:
                if not any(is_recorded(one._value) for _, one in operands_of([args, kwargs])):
                    raise
                refuse(name, f"can't be compiled: {error}")
            return Traced(self._recorder, decided, None) if is_recorded(decided) else decided
        if function not in TABLE and "scipy.special" in sys.modules:
            elementwise.special_rows()  # a function may load it while it is followed
        if function not in TABLE:
            refuse(name, "is not in the table of operations; add a row by jacobians.graph.operation")
        self._decides(function in CHOOSING, args)
        row = TABLE[function]
        return self._call(row.name, row.rule, args, kwargs, row.view, function)

    def _decides(self, whether: bool, args: Any) -> None:
        active = whether and any(one._vertex is not None for _, one in operands_of(args))
        self._recorder.control_flow |= active

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        reductions = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
        if method == "reduce" and ufunc is np.hypot and kwargs.get("initial", 0) == 0:
            kwargs.pop("initial", None)  # of lengths the square root of a sum of squares
            return self._apply(np.linalg.norm, inputs[:1], {"axis": 0, **kwargs})
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
        try:
            shown = basic and np.ndim(self._value[index]) > 0
        except TypeError as error:
            if not is_recorded(self._value):
                raise
            refuse("indexing", f"can't be compiled: {error}")
        return self._call("indexing", lambda _, args, __: indexed(args[0], index), (self,), {}, shown)

    def __setitem__(self, index: Any, new: Any) -> None:
        if self._base is not None:
            refuse("a write", "into a view can't be followed; write into the array itself, or take a copy")
        if self._input:
            refuse("a write", "into an argument is not followed; take a copy")
        index = _plain(index)
        if isinstance(new, list | tuple):
            new = np.array(new) if not any(operands_of(new)) else np.stack(new)
        if not isinstance(new, Traced):
            new = as_array(new)
        done = self._call(
            "a write", lambda _, args, __: written(args[0], index, as_array(args[1])), (self, new), {}
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
        if is_recorded(self._value):
            refuse(
                "a branch on values", "is not the same at every point, and can't be compiled; use numpy.where"
            )
        return bool(self._current())

    def _number(self) -> Any:
        if self._vertex is not None:
            if writes_into_unfollowed():
                refuse("a write", "into an array that isn't followed; make it by numpy.zeros in the function")
            refuse("a conversion to a number", "loses the derivative; compute with the array itself")
        if is_recorded(self._value):
            refuse("a conversion to a number", "can't be compiled; compute with the array itself")
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
    found = [one for _, one in operands_of(nested)]
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

    recorded = any(is_recorded(one._value) for one in found)
    try:
        value = np.array(_zeroed(nested) if recorded else _plain(nested), dtype=float)
    except (TypeError, ValueError):
        refuse("numpy.array", "is given what is no array of real numbers")
    origin = np.array(numbers(nested)).reshape(-1) - 1
    places = np.empty(offsets[-1], dtype=np.intp)
    places[origin[origin >= 0]] = np.flatnonzero(origin >= 0)
    if recorded:
        pieces = np.concatenate([np.reshape(one._current(), (-1,)) for one in found])
        constant = value.reshape(-1)[origin < 0]
        order = np.where(origin < 0, offsets[-1] + np.cumsum(origin < 0) - 1, origin)
        joined = np.concatenate([pieces, constant]) if constant.size else pieces
        moved = joined if np.array_equal(order, np.arange(order.size)) else joined[order]
        value = moved.reshape(value.shape)

    def edge(k: int) -> Jacobian:
        own = places[offsets[k] : offsets[k + 1]]
        same = own.size == value.size and np.array_equal(own, np.arange(own.size))
        return Identity(own.size) if same else Scatter.unchecked(own, value.size, repeats=False)

    edges = [(one._vertex, edge(k)) for k, one in enumerate(found) if one._vertex is not None]
    return found[0]._vertex_of("numpy.array", value, edges, None) if edges else Traced(recorder, value, None)
