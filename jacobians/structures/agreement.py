"""What a structure from outside states about itself, held to what it stores and computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arguments import shown
from jacobians.numerics.ledger import UNCOUNTED
from jacobians.numerics.libraries import numpy_dtype
from jacobians.spec import Spec, owner


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
    if kind._turned:
        try:
            owner(kind._turned)
        except LookupError as error:
            raise ValueError(f"{kind.structure}._turned: {error}") from None
    if kind._on_diagonal and spec.shape[0] != spec.shape[1]:
        raise ValueError(
            f"{kind.structure}._on_diagonal: found True for the shape {spec.shape}, expected as many outputs as inputs"
        )
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
            f"{kind.structure}._init: found a spec with the parts {_all_in_full(spec.parts)}, expected "
            f"{_all_in_full(parts)}, as they are stored"
        )


def taken_as_they_are(made: Any, spec: Spec, arrays: Mapping[str, Any], parts: Sequence[Any]) -> None:
    """Refuse what was made of arrays and parts, but stores others.

    Raises
    ------
    ValueError
        If one differs.
    """
    for name, array in arrays.items():
        found = made.arrays.get(name)
        if found is not array and not _same(found, array):
            raise ValueError(
                f"{spec.structure}._unflatten: found another {name} stored than it was given, expected the same array; "
                f"_unflatten and _init take what is stored as it is, what changes it belongs into the constructor"
            )
    for place, (found, part) in enumerate(zip(made.parts, parts, strict=True)):
        if found is not part and found != part:
            raise ValueError(
                f"{spec.structure}._unflatten: found another part {place} stored than it was given, expected the same"
            )


def _same(found: Any, array: Any) -> bool:
    if type(found) is not np.ndarray or type(array) is not np.ndarray:
        # copies of other libraries' arrays are not looked into: that would wait for the device
        return type(found) is type(array) and numpy_dtype(found) == numpy_dtype(array)
    if found.dtype != array.dtype or found.shape != array.shape:
        return False
    return bool(np.array_equal(found, array, equal_nan=array.dtype.kind == "f"))


def require_on_diagonal(jacobian: Any, diagonal: Any) -> None:
    """Refuse a diagonal that is not all there is, of a class that states it: by one product with a vector.

    Raises
    ------
    ValueError
        If J·v is another than the diagonal times v.
    """
    v = _probe(jacobian)
    if v is not None and not _close(jacobian._apply(v[:, None], UNCOUNTED)[..., 0], diagonal * v):
        raise ValueError(
            f"{jacobian.structure}._on_diagonal: found True, but J·X takes more than the diagonal, expected a class "
            f"with nothing off the diagonal; state False"
        )


def require_entries(jacobian: Any, total: Any) -> None:
    """Refuse a sum over points by the stored arrays where it is none of the matrices, by one product with a vector.

    Raises
    ------
    ValueError
        If (Σ J_p)·v is another than Σ J_p·v.
    """
    v = _probe(jacobian)
    if v is None:
        return
    axes = tuple(range(len(jacobian.spec.batch)))
    summed = jacobian._apply(v[:, None], UNCOUNTED)[..., 0].sum(axis=axes)
    if not _close(total._apply(v[:, None], UNCOUNTED)[..., 0], summed):
        raise ValueError(
            f"{jacobian.structure}._entries: found True, but the sum of its arrays is not that of the matrices, "
            f"expected a class whose entries are linear in what it stores; state False"
        )


def _probe(jacobian: Any) -> Any:
    """Return a vector to multiply with, or None where the numbers are none of NumPy's."""
    arrays = jacobian.flatten().values()
    if jacobian.dtype.kind != "f" or any(type(array) is not np.ndarray for array in arrays):
        return None
    return (1.5 + np.sin(np.arange(1, jacobian.shape[1] + 1))).astype(jacobian.dtype)


def _close(found: Any, expected: Any) -> bool:
    sizes = np.abs(found) + np.abs(expected)
    return bool(np.all((np.abs(found - expected) <= 1e-3 * sizes.max()) | ~np.isfinite(sizes)))


def in_full(spec: Spec) -> str:
    """Return a spec as text that two specs share only if they are equal: with what its label leaves out.

    Examples
    --------
    >>> in_full(Spec.of("Dense", 2, 3))
    'Spec(Dense 2×3)'
    """
    return ", ".join([repr(spec), *_unsaid(spec, "")])


def _unsaid(spec: Spec, where: str) -> Iterator[str]:
    if spec.structure not in spec.label and owner(spec.structure)._outside:
        yield f"{where}structure={spec.structure}"
    flags = ((name, True) for name in ("weighted", "repeats") if getattr(spec, name))
    for name, value in (*flags, *spec.facts):
        yield f"{where}{name}={shown(value)}"
    for place, part in enumerate(spec.parts):
        yield from _unsaid(part, f"{where}parts[{place}].")


def _all_in_full(parts: Sequence[Spec]) -> str:
    return " and ".join(map(in_full, parts)) or "()"
