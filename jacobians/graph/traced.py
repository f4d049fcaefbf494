"""Arrays that write down what is done to them: whole arrays, each operation a row of the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians.graph.array_methods import Followed, without_out, written
from jacobians.graph.composed import COMPOSED, STACKS, add_at, compose, stacked
from jacobians.graph.composed_scipy import load_scipy
from jacobians.graph.creators import alike
from jacobians.graph.filled import Filled, Part, gather
from jacobians.graph.nested import operands_of, plain, zeroed
from jacobians.graph.operations import TABLE
from jacobians.graph.operations.constants import CHOOSING, CONSTANT, DECIDING, FILLED, SHAPES
from jacobians.graph.operations.elementwise import numbering
from jacobians.graph.operations.moves import indexed
from jacobians.graph.recorder import (
    Recorder,
    TracingError,
    called,
    refuse,
    user_line,
    writes_into_unfollowed,
)
from jacobians.graph.views import part_of, parts_of, shown
from jacobians.numerics.arrays import Array, as_array, is_recorded


class Traced(Followed):
    """An array with the vertex that it is; None for a constant that may be written into."""

    __array_priority__ = 1000.0

    def __init__(
        self,
        recorder: Recorder,
        value: Any,
        vertex: int | None,
        base: Traced | None = None,
        shows: Any = None,
    ) -> None:
        self._recorder, self._array, self._made = recorder, as_array(value), vertex
        # what it is a view of, and its numbers as a function of those there
        self._base, self._shows = base, shows
        self._filled: Filled | None = None
        self._positions: Array | None = None
        self._seen = 0
        self._input = False

    def _root(self) -> Traced:
        return self if self._base is None else self._base._root()

    def _window(self) -> tuple[Filled, Array] | None:
        """Return the entries that code writes into, here or through another view, and which of them these are."""
        root = self._root()
        if root._filled is None:
            return None
        if self._positions is None:
            self._positions = self._numbers()
        return root._filled, self._positions

    def _numbers(self) -> Array:
        """Return the numbers of the entries in the array that this is a view of."""
        if self._base is None:
            return np.array(
                numbering(self._array.shape)
            )  # writable, as views of it are where those of arrays are
        found: Array = self._shows(self._base._numbers())
        return found

    def _settled(self) -> Traced:
        """Return the array with its vertex and value as of now: entries that were written since make one vertex."""
        window = self._window()
        if window is not None and window[0].version != self._seen:
            filled, positions = window
            self._seen = filled.version
            made = self._read(filled, positions)
            self._array, self._made = made._array, made._made
            if self._base is None:
                filled.rebase(self._made, self._array)
        return self

    def _read(self, filled: Filled, positions: Array) -> Traced:
        """Return the entries at these positions: an array that is there, or a vertex of their own."""
        found = filled.whole(positions)
        if found is not None:
            return Traced(self._recorder, found[1], found[0])
        parts, sources, numbers = filled.gathered(positions)
        vertices = [filled.sources[part.source][0] for part in parts]
        return _gathered(self._recorder, "a write", parts, sources, vertices, numbers, filled.line)

    @property
    def _value(self) -> Array:
        return self._settled()._array

    @property
    def _vertex(self) -> int | None:
        return self._settled()._made

    def _current(self) -> Array:
        return self._value

    def _call(
        self, name: str, rule: Any, args: Any, kwargs: Any, view: bool = False, function: Any = None
    ) -> Any:
        operands = list(operands_of(args)) + list(operands_of(kwargs))
        base = operands[0][1] if view else None
        shows = shown(rule, function, args, kwargs) if view else None
        if base is not None and base._window() is not None:
            return base._views(shows)
        given = plain(args), plain(kwargs)
        try:
            value, jacobian = rule(function, *given)
        except TracingError:
            raise
        except TypeError as error:
            refuse(name, str(error))
        if base is not None and not isinstance(value, list | tuple) and not base._shares(value, shows):
            base = shows = None  # NumPy makes a copy
        active = [(place, one._vertex) for place, one in operands if one._vertex is not None]
        nothing = not isinstance(value, list | tuple) and np.size(value) == 0
        if not active or nothing:
            return _wrap(self._recorder, value, base, shows)
        for part in value if isinstance(value, list | tuple) else (value,):
            if as_array(part).dtype.kind not in "fiub":
                refuse(name, f"gives {as_array(part).dtype} values, expected real numbers")
        try:
            found = [(place, vertex, jacobian(place)) for place, vertex in active]
        except TypeError as error:
            refuse(name, str(error))
        row = name, function, rule
        if not isinstance(value, list | tuple):
            made = self._vertex_of(name, value, [one[1:] for one in found], base, shows)
            self._recorder.note(made._vertex, row, given, found, None)
            return made
        parts = []
        for k, part in enumerate(value):
            own = [(place, vertex, J[k]) for place, vertex, J in found if J[k] is not None]
            of_part = None if shows is None else part_of(shows, k)
            parts.append(
                self._vertex_of(name, part, [one[1:] for one in own], base, of_part) if own else part
            )
            if own:
                self._recorder.note(parts[-1]._vertex, row, given, own, k)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)

    def _vertex_of(
        self, name: str, value: Any, found: Any, base: Traced | None = None, shows: Any = None
    ) -> Traced:
        recorder = self._recorder
        found = recorder.stepped(found, name)
        number = recorder.add(f"v{len(recorder.vertices)}", as_array(value), name)
        recorder.connect(number, found)
        return Traced(recorder, value, number, base, shows)

    def _shares(self, value: Any, shows: Any) -> bool:
        """Say whether what was made of this array is a view of it; recorded arrays have no memory, their numbers do."""
        if not is_recorded(value):
            return np.may_share_memory(value, self._array)
        numbers = self._numbers()
        return shows is not None and np.may_share_memory(shows(numbers), numbers)

    def _views(self, shows: Any) -> Any:
        """Return views of an array that is written into: what they show is looked up when they are used."""
        numbers = self._numbers()
        found = shows(numbers)
        parts = [
            self._view(part, numbers, shows if part is found else part_of(shows, k))
            for k, part in enumerate(found if isinstance(found, list | tuple) else [found])
        ]
        return type(found)(parts) if isinstance(found, list | tuple) else parts[0]

    def _view(self, positions: Array, numbers: Array, shows: Any) -> Traced:
        window = self._window()
        assert window is not None  # asked by who calls
        if not np.may_share_memory(positions, numbers):  # NumPy makes a copy
            return self._read(window[0], np.asarray(positions))
        made = Traced(self._recorder, np.empty(positions.shape, self._array.dtype), None, self, shows)
        made._seen = -1
        return made

    def _apply(self, function: Any, args: Any, kwargs: Any) -> Any:
        module = ".".join(
            part for part in (getattr(function, "__module__", None) or "numpy").split(".") if part[0] != "_"
        )
        name = f"{module}.{function.__name__}"
        if isinstance(function, np.ufunc) or module.startswith("scipy"):
            name = function.__name__ if module == "numpy" else name
        if function in SHAPES:
            return function(*plain(args), **plain(kwargs))
        if function in FILLED:
            made = alike(function, name, args, kwargs)
            plainly = isinstance(made, Traced) or made.dtype.kind != "f"
            return made if plainly else Traced(self._recorder, made, None)
        if function in DECIDING or function in CONSTANT:
            self._decides(function in DECIDING, args)
            try:
                decided = function(*plain(args), **plain(kwargs))
            except TypeError as error:
                if not any(is_recorded(one._value) for _, one in operands_of([args, kwargs])):
                    raise
                refuse(name, f"can't be compiled: {error}")
            return Traced(self._recorder, decided, None) if is_recorded(decided) else decided
        load_scipy()  # a function may load it while it is followed
        if function in COMPOSED:
            return compose(function, name, args, kwargs)
        if function in STACKS and not kwargs and any(np.ndim(one) > 2 for one in args):
            return stacked(function, *args)
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
        if method == "at" and ufunc in (np.add, np.subtract):
            return add_at(ufunc, *inputs)
        if method != "__call__":
            refuse(f"{ufunc.__name__}.{method}", "is not in the table of operations")
        out = kwargs.pop("out", None)
        result = self._apply(ufunc, inputs, kwargs)
        return result if out is None else written(ufunc.__name__, out[0], result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs, out = without_out(function, args, kwargs)
        result = self._apply(function, args, kwargs)
        return result if out is None else written(function.__name__, out, result)

    # --- indexing and writes ---------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        index = plain(index)
        basic = not any(isinstance(i, list | np.ndarray) for i in parts_of(index))
        recorded = any(is_recorded(i) for i in parts_of(index))
        window = self._window()
        if window is not None and not recorded:
            filled, positions = window
            shown = positions[index]
            if basic and np.ndim(shown):
                return self._view(shown, positions, lambda numbers: numbers[index])
            return self._read(filled, np.asarray(shown))
        try:
            view = basic and np.ndim(self._value[index]) > 0
        except TypeError as error:
            if not is_recorded(self._value):
                raise
            refuse("indexing", f"can't be compiled: {error}")
        made = self._call("indexing", lambda _, args, __: indexed(args[0], index), (self,), {})
        if view and isinstance(made, Traced):
            made._base, made._shows = self, lambda numbers: numbers[index]
        return made

    def __setitem__(self, index: Any, new: Any) -> None:
        index, root = plain(index), self._root()
        if root._input:
            refuse("a write", "into an argument is not followed; take a copy")
        if isinstance(new, list | tuple):
            new = np.array(new) if not any(operands_of(new)) else np.stack(new)
        if not isinstance(new, Traced):
            new = Traced(self._recorder, as_array(new), None)
        if any(is_recorded(i) for i in parts_of(index)):
            self._write_by_mask(index, new)
            return
        value, vertex = new._value, new._vertex
        if root._filled is None:
            root._filled = Filled(root._array, root._made)
        window = self._window()
        assert window is not None  # the root has entries now
        filled, positions = window
        if not positions.flags.writeable:
            refuse(
                "a write",
                "into a view that NumPy makes read-only; write into the array itself, or take a copy",
            )
        at = positions[index]
        if np.shape(at) != value.shape:
            np.empty(np.shape(at))[...] = np.empty(value.shape)  # refused by NumPy, as the code itself is
        filled.write(at, value, vertex, user_line())

    def _write_by_mask(self, index: Any, new: Traced) -> None:
        """Write where a mask without numbers says: a choice between two arrays."""
        if not is_recorded(index) or index.dtype != bool:
            refuse("a write", "to places that depend on values can't be compiled; use numpy.where")
        rest = self._array.shape[index.ndim :]
        if np.broadcast_shapes(new.shape, rest) != rest:
            refuse(
                "a write",
                f"of {new.shape} by a mask that depends on values can't be compiled; write one number, or use "
                "numpy.where",
            )
        mask = Traced(self._recorder, np.reshape(index, index.shape + (1,) * len(rest)), None)
        self[...] = np.where(mask, new, self)

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
            refuse(
                f"{called()}a conversion to a number", "loses the derivative; compute with the array itself"
            )
        if is_recorded(self._value):
            refuse("a conversion to a number", "can't be compiled; compute with the array itself")
        return self._current().item()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._vertex is None and not is_recorded(self._value):
            return np.array(self._current(), dtype=dtype)
        if writes_into_unfollowed():
            refuse("a write", "into an array that isn't followed; make it by numpy.zeros in the function")
        return refuse(
            f"{called()}a conversion to a plain array",
            "loses the derivative; call functions of NumPy with the array itself, and with numpy.stack of a list",
        )

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __index__(self) -> int:
        return int(self._number())


def _wrap(recorder: Recorder, value: Any, base: Traced | None = None, shows: Any = None) -> Any:
    if isinstance(value, list | tuple):
        return value
    return Traced(recorder, value, None, base, shows)


def _gathered(
    recorder: Recorder, name: str, parts: Any, sources: Any, vertices: Any, numbers: Array, line: str | None
) -> Traced:
    """Return an array that is put together from entries of others."""
    rule = gather(parts, numbers)
    value, jacobian = rule(None, (sources,), {})
    active = [((0, k), vertex) for k, vertex in enumerate(vertices) if vertex is not None]
    if not active:
        return Traced(recorder, value, None)
    found = [(place, vertex, jacobian(place)) for place, vertex in active]
    number = recorder.add(f"v{len(recorder.vertices)}", as_array(value), name, line)
    recorder.connect(number, [one[1:] for one in found])
    recorder.note(number, (name, None, rule), ((sources,), {}), found, None)
    return Traced(recorder, value, number)


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

    try:
        value = np.array(zeroed(nested), dtype=float)
    except (TypeError, ValueError):
        refuse("numpy.array", "is given what is no array of real numbers")
    origin = np.array(numbers(nested)).reshape(-1) - 1
    places = np.empty(offsets[-1], dtype=np.intp)
    places[origin[origin >= 0]] = np.flatnonzero(origin >= 0)
    parts = [Part(k, places[offsets[k] : offsets[k + 1]], np.arange(one.size)) for k, one in enumerate(found)]
    sources, vertices = [one._current() for one in found], [one._vertex for one in found]
    return _gathered(recorder, "numpy.array", parts, sources, vertices, value, None)
