"""Structures and rows from outside: what they return is held to what is asked of them, and told by name.

The library's own classes are held by its tests, and pay nothing here.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn

import numpy as np

from jacobians.cost import Cost, Count
from jacobians.names import class_name
from jacobians.numerics.arguments import shown
from jacobians.numerics.arrays import UnnumberedError
from jacobians.numerics.libraries import numpy_dtype
from jacobians.spec import Spec, broadcast
from jacobians.structures.agreement import in_full, is_outside, require_on_diagonal
from jacobians.structures.linear_map import LinearMap

_NEEDED = {
    "_apply": "_apply(columns, ledger), which returns J·X",
    "_expand": "_expand(ledger, out=None), which returns the dense form",
    "_scale": "_scale(factor), which returns factor·J",
    "_latex": "_latex(), which returns text",
}
FAULTS = (ArithmeticError, LookupError, TypeError, ValueError)
"""What code from outside may fail by in words that don't say where; a misspelt attribute says it."""
_RAISE = dis.opmap["RAISE_VARARGS"]


def hold(kind: type) -> None:
    """Have what a class from outside writes checked: its names, each method of its own, and what it forgot."""
    _well_named(kind)
    _well_stated(kind)
    _of_classes(kind)
    for name, check in _CHECKS.items():
        written = vars(kind).get(name)
        function = getattr(written, "__func__", written)  # of a class method
        if callable(function) and not hasattr(function, "_held"):
            held = _held(function, name, check)
            setattr(kind, name, classmethod(held) if isinstance(written, classmethod) else held)
    if _forgotten(kind):
        type.__setattr__(kind, "__new__", _refused)  # abc would refuse it in Python's own words


def _well_named(kind: Any) -> None:
    """Refuse names of what is stored that are none, or by which arrays and those of parts can't be told apart."""
    for stored in ("_indices", "_fields", "_children"):
        found = getattr(kind, stored)
        if not isinstance(found, tuple) or not all(isinstance(name, str) for name in found):
            raise TypeError(
                f"{kind.__name__}.{stored}: found {shown(found)}, expected a tuple of names such as ('v',)"
            )
    names = kind._indices + kind._fields + kind._children
    for place, name in enumerate(names):
        of_child = next((child for child in kind._children if name.startswith(f"{child}_")), None)
        if of_child is not None:
            raise TypeError(
                f"{kind.__name__}: found the name {name!r} beside the child {of_child!r}, expected another, for "
                f"flatten() calls what {of_child} stores {of_child}_…"
            )
        if name in names[:place]:
            raise TypeError(
                f"{kind.__name__}: found the name {name!r} twice among what it stores, expected once"
            )


def _well_stated(kind: type) -> None:
    """Refuse what a class states about itself in another type than that of the base class."""
    for name in ("_entries", "_on_diagonal", "_places", "_by_sizes", "_turned", "_colour"):
        found = vars(kind).get(name)
        expected = "text" if name in ("_turned", "_colour") else "True or False"
        if found is not None and not isinstance(found, str if expected == "text" else bool):
            raise TypeError(f"{kind.__name__}.{name}: found {shown(found)}, expected {expected}")


def _of_classes(kind: type) -> None:
    """Refuse a method of objects in the place of one of classes."""
    for name, written in vars(kind).items():
        known = (vars(base).get(name) for base in kind.__mro__ if not is_outside(base.__module__))
        if any(isinstance(method, classmethod) for method in known) and not isinstance(written, classmethod):
            raise TypeError(
                f"{kind.__name__}.{name}: found {class_name(written)}, expected a class method; write "
                f"@classmethod before it"
            )


def told(error: Exception, where: str, expected: str) -> NoReturn:
    """Raise an error of NumPy's or Python's own, or of recorded arrays, as one that says where; others as they are."""
    if isinstance(error, UnnumberedError):
        raise type(error)(f"{where}: {error}") from error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        raise error
    module = str(trace.tb_frame.f_globals.get("__name__"))
    raised = trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE
    if raised and not module.startswith("numpy"):
        raise error  # somebody's own sentence
    kind = TypeError if isinstance(error, TypeError) else ValueError
    raise kind(
        f"{where}: found an error of type {type(error).__name__} within, expected {expected}"
    ) from error


def _forgotten(kind: type) -> list[str]:
    return [text for name, text in _NEEDED.items() if hasattr(getattr(kind, name), "__isabstractmethod__")]


def _refused(kind: type, *args: Any, **options: Any) -> Any:
    for text in _forgotten(kind):
        raise TypeError(f"{getattr(kind, 'structure', kind.__name__)}: found no method {text}; write one")
    return object.__new__(kind)


def _held(function: Callable[..., Any], name: str, check: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        where = f"{getattr(self, 'structure', class_name(self))}.{name}"
        expected, fits = check(self, args)
        try:
            found = function(self, *args, **options)
        except FAULTS as error:
            told(error, where, expected)
        if not fits(found):
            raise (TypeError if found is None else ValueError)(
                f"{where}: found {_named(found)}, expected {expected}"
            )
        return found

    vars(call)["_held"] = True  # the mark of what is held already
    return call


def _named(found: Any) -> str:
    if isinstance(found, LinearMap):
        return f"{in_full(found.spec)} of {found.dtype}, of shape {found.spec.shape}"
    if isinstance(found, Spec):
        return f"{in_full(found)} of shape {found.shape}"
    shape = getattr(found, "shape", None)
    if shape is None:
        return shown(found)
    return f"an array of {getattr(found, 'dtype', None)} of shape {tuple(shape)}"


# --- what each method is held to: in words, and as a question --------------------------------------------

Held = tuple[str, Callable[[Any], bool]]


def _array(what: str, batch: tuple[int, ...], sizes: tuple[int, ...], dtype: np.dtype[Any]) -> Held:
    def fits(found: Any) -> bool:
        shape = getattr(found, "shape", None)
        if shape is None or tuple(shape[len(shape) - len(sizes) :]) != sizes or not _precise(found, dtype):
            return False
        lead = tuple(shape[: len(shape) - len(sizes)])
        return lead in ((), batch) or _broadcasts(lead, batch)

    return f"{what}, an array of {dtype} of shape {(*batch, *sizes)}", fits


def _precise(found: Any, dtype: np.dtype[Any]) -> bool:
    """Return whether an array has a precision; scalars of other kinds, such as symbols, have none."""
    return dtype.kind not in "fc" or found.dtype == object or numpy_dtype(found) == dtype


def _broadcasts(lead: tuple[int, ...], batch: tuple[int, ...]) -> bool:
    return len(lead) <= len(batch) and all(
        size in (1, of_batch) for size, of_batch in zip(lead[::-1], batch[::-1], strict=False)
    )


def _jacobian(what: str, shape: tuple[int, int], dtype: Any = None) -> Held:
    def fits(found: Any) -> bool:
        right = isinstance(found, LinearMap) and found.spec.shape == shape
        return right and (dtype is None or _precise(found, dtype))

    return f"{what}, a Jacobian{'' if dtype is None else f' of {dtype}'} of shape {shape}", fits


def _applied(self: Any, args: Any) -> Held:
    columns = args[0]
    *batch, _, count = columns.shape
    dtype = np.result_type(self.dtype, numpy_dtype(columns))
    return _array("J·X", broadcast(self.spec.batch, tuple(batch)), (self.shape[0], count), dtype)


def _turned(self: Any, args: Any) -> Held:
    words, fits = _jacobian("Jᵀ", self.shape[::-1], self.dtype)
    kind = type(self)
    states = "_transposed" if hasattr(kind._transposed, "_held") else kind._turned and "_turned"
    if not states:
        return words, fits
    spec = kind._transposed(self.spec)
    return f"{words} and, by its {states}, {in_full(spec)}", lambda found: fits(found) and found.spec == spec


def _taken(self: Any, args: Any) -> Held:
    m, n = (size if places is None else len(places) for size, places in zip(self.shape, args, strict=True))
    words, fits = _jacobian("the rows and columns", (m, n), self.dtype)
    spec = type(self)._taken_spec(self.spec, *(None if places is None else len(places) for places in args))
    return (
        f"{words} and, by its _taken_spec, {in_full(spec)}",
        lambda found: fits(found) and found.spec == spec,
    )


def _spec_taken(kind: Any, args: Any) -> Held:
    spec, *counts = args
    shape = tuple(size if count is None else count for size, count in zip(spec.shape, counts, strict=True))
    return (
        f"the spec of what is taken, of shape {shape}",
        lambda found: isinstance(found, Spec) and found.shape == shape,
    )


def _idle_units(self: Any, args: Any) -> Held:
    size = self.shape[args[0]]

    def fits(found: Any) -> bool:
        return found is None or (
            isinstance(found, np.ndarray) and found.dtype.kind == "b" and found.shape == (size,)
        )

    return f"which units may leave, an array of bool of shape {(size,)}, or None", fits


def _batch_axes(kind: Any, args: Any) -> Held:
    return (
        "batch axes, a tuple of integers",
        lambda found: isinstance(found, tuple) and all(isinstance(size, int) for size in found),
    )


def _carried_part(kind: Any, args: Any) -> Held:
    def fits(found: Any) -> bool:
        pair = isinstance(found, tuple) and len(found) == 2
        return found is None or (pair and isinstance(found[0], Spec) and callable(found[1]))

    return "None, or the spec of a part and a function from a spec to one", fits


def _pulled(self: Any, args: Any) -> Held:
    return _array("Σ Jᵀu", (), self.shape[1:], np.result_type(self.dtype, numpy_dtype(args[0])))


def _along_diagonal(self: Any, args: Any) -> Held:
    words, fits = _array("the diagonal", self.spec.batch, self.shape[:1], self.dtype)

    def right(found: Any) -> bool:
        if fits(found) and self._on_diagonal:
            require_on_diagonal(self, found)
        return fits(found)

    return words, right


def _stored(kind: Any, args: Any) -> Held:
    names = {*kind._indices, *kind._fields}
    return (
        f"shapes without batch axes by the names {', '.join(sorted(names)) or 'of none'}",
        lambda found: (
            isinstance(found, Mapping)
            and found.keys() <= names
            and all(isinstance(s, tuple) for s in found.values())
        ),
    )


def _cost(what: str) -> Callable[[Any, Any], Held]:
    return lambda kind, args: (
        f"what {what} costs, a Cost or a Count",
        lambda found: isinstance(found, Cost | Count),
    )


def _spec_turned(kind: Any, args: Any) -> Held:
    shape = args[0].shape[::-1]
    return (
        f"the spec of the transpose, of shape {shape}",
        lambda found: isinstance(found, Spec) and found.shape == shape,
    )


def _text(self: Any, args: Any) -> Held:
    return "text", lambda found: isinstance(found, str)


def _set_up(self: Any, args: Any) -> Held:
    return (
        "a call of self._set(spec, out_shape, in_shape, batch_shape), and nothing returned",
        lambda found: found is None and "spec" in vars(self),
    )


_CHECKS: dict[str, Callable[[Any, Any], Held]] = {
    "__init__": _set_up,
    "_init": _set_up,
    "_arrays": _stored,
    "_apply": _applied,
    "_expand": lambda self, args: _array("the dense form", self.spec.batch, self.shape, self.dtype),
    "_transpose": _turned,
    "_transposed": _spec_turned,
    "_scale": lambda self, args: _jacobian("a multiple of J", self.shape, self.dtype),
    "_summed": lambda self, args: _jacobian("the sum over points", self.shape, self.dtype),
    "_take": _taken,
    "_unflatten": lambda kind, args: _jacobian("what is made again", args[0].shape),
    "_row_norms": lambda self, args: _array("the norms of rows", self.spec.batch, self.shape[:1], self.dtype),
    "_diagonal": _along_diagonal,
    "_taken_spec": _spec_taken,
    "_idle": _idle_units,
    "_batch_of_parts": _batch_axes,
    "_carried": _carried_part,
    "_pull": _pulled,
    "_at": lambda self, args: _array("entries", self.spec.batch, (len(args[0]),), self.dtype),
    "_apply_cost": _cost("J·X"),
    "_expansion_cost": _cost("the dense form"),
    "_label": _text,
    "_latex": _text,
}
