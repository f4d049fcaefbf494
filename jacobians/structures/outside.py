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
from jacobians.spec import Spec, broadcast, owner
from jacobians.structures.linear_map import LinearMap

_NEEDED = {
    "_apply": "_apply(columns, ledger), which returns J·X",
    "_expand": "_expand(ledger, out=None), which returns the dense form",
    "_scale": "_scale(factor), which returns factor·J",
    "_latex": "_latex(), which returns text",
}
_RAISE = dis.opmap["RAISE_VARARGS"]


def hold(kind: type) -> None:
    """Have what a class from outside writes checked: its names, each method of its own, and what it forgot."""
    _well_named(kind)
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


def _of_classes(kind: type) -> None:
    """Refuse a method of objects in the place of one of classes."""
    for name, written in vars(kind).items():
        known = (vars(base).get(name) for base in kind.__mro__ if not is_outside(base.__module__))
        if any(isinstance(method, classmethod) for method in known) and not isinstance(written, classmethod):
            raise TypeError(
                f"{kind.__name__}.{name}: found {class_name(written)}, expected a class method; write "
                f"@classmethod before it"
            )


def is_outside(module: Any) -> bool:
    """Return whether a module is none of the library's."""
    return not str(module).startswith("jacobians.")


def agree(jacobian: Any, spec: Any) -> None:
    """Refuse a spec that says something else than what a Jacobian stores.

    Raises
    ------
    TypeError, ValueError
        If it is no spec, an array or part is missing, or shapes or parts differ.
    """
    kind = type(jacobian)
    if not isinstance(getattr(kind, "structure", None), str):
        raise TypeError(
            f"{kind.__name__}: found no structure, expected its name as an attribute of the class"
        )
    if not isinstance(spec, Spec):
        raise TypeError(f"{kind.structure}._set: found {shown(spec)}, expected a Spec, made by Spec.of(…)")
    of_spec = owner(spec.structure)
    if not is_outside(of_spec.__module__) and of_spec not in kind.__mro__:
        raise TypeError(
            f"{class_name(kind)}: found a spec of the structure {spec.structure!r}, expected its own, "
            f"{kind.structure!r}, by which products are looked up"
        )
    for name in kind._indices + kind._fields + kind._children:
        if not hasattr(jacobian, name):
            raise TypeError(
                f"{kind.structure}._init: found no {name}, which the class names among what it stores; "
                f"set it before _set is called"
            )
    stored = {name: tuple(getattr(array, "shape", ("no array",))) for name, array in jacobian.arrays.items()}
    stated = {name: (*spec.batch, *shape) for name, shape in of_spec._arrays(spec).items()}
    for name in stored.keys() | stated.keys():
        if stored.get(name) != stated.get(name):
            raise ValueError(
                f"{kind.structure}._arrays: found {name} of shape {stated.get(name, 'None')} for {spec.structure} of "
                f"shape {spec.shape} and batch {spec.batch}, expected {stored.get(name, 'None')}, as it is stored"
            )
    parts = tuple(part.spec for part in jacobian.parts)
    if parts != spec.parts:
        raise ValueError(
            f"{kind.structure}._init: found a spec with the parts {spec.parts}, expected {parts}, as they are stored"
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
        except (TypeError, ValueError, LookupError) as error:
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
        return f"{found.spec!r} of {found.dtype}, of shape {found.spec.shape}"
    if isinstance(found, Spec):
        return f"{found!r} of shape {found.shape}"
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
    states = getattr(type(self)._transposed, "_held", False)
    if not states:
        return words, fits
    spec = type(self)._transposed(self.spec)
    return f"{words} and, by its _transposed, {spec!r}", lambda found: fits(found) and found.spec == spec


def _taken(self: Any, args: Any) -> Held:
    m, n = (size if places is None else len(places) for size, places in zip(self.shape, args, strict=True))
    return _jacobian("the rows and columns", (m, n), self.dtype)


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
    "_diagonal": lambda self, args: _array("the diagonal", self.spec.batch, self.shape[:1], self.dtype),
    "_at": lambda self, args: _array("entries", self.spec.batch, (len(args[0]),), self.dtype),
    "_apply_cost": _cost("J·X"),
    "_expansion_cost": _cost("the dense form"),
    "_label": _text,
    "_latex": _text,
}
