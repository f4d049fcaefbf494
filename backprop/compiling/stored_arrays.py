"""The arrays of structured Jacobians by name: what generated code takes, and what it returns."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backprop.compiling.recording import Recording
from jacobians import Jacobian, Spec
from jacobians.numerics.arrays import Array
from jacobians.spec import owner
from jacobians.structures import Dense

_TAKEN = {"np", "special", "out", "lines", "jacobian", "gradients", "product", "spare", "kept", "workspace"}
_OWN = re.compile(r"[tkwg]\d+\Z")  # what the printed lines call their results


def identifiers(names: Sequence[str]) -> list[str]:
    """Return one Python name for each name: different ones, and none that generated code uses itself.

    Examples
    --------
    >>> identifiers(["A", "1.Tanh", "0.Affine/W", "A", "np"])
    ['A', 'J1_Tanh', 'J0_Affine_W', 'A_2', 'np_']
    """
    found: dict[str, int] = {}  # and how often each was asked for
    for name in names:
        plain = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name)) or "J"  # as Python reads names
        plain = plain if plain.isidentifier() else f"J{plain}"
        plain = plain if plain.isidentifier() else re.sub(r"[^A-Za-z0-9_]", "_", plain)
        if keyword.iskeyword(plain) or plain in _TAKEN or _OWN.match(plain):
            plain += "_"
        unique, count = plain, found.get(plain, 1)
        while unique in found:
            count += 1
            unique = f"{plain}_{count}"
        found[plain] = count
        found[unique] = 1
    return [*found]


def stored_arrays(jacobian: Jacobian, name: str) -> dict[str, Any]:
    """Return the arrays that a Jacobian stores, by name: ``A``; ``D_d, D_U, D_V``; parts of parts as ``K_A_d``.

    Examples
    --------
    >>> from jacobians.structures import Diagonal, Kronecker
    >>> stored_arrays(Kronecker(Diagonal([1.0, 2.0]), [[3.0, 4.0]]), "K")
    {'K_A_d': array([1., 2.]), 'K_B': array([[3., 4.]])}
    """
    found = {_argument(jacobian.structure, name, field): array for field, array in jacobian.arrays.items()}
    for key, part in zip(jacobian.part_names(jacobian.spec), jacobian.parts, strict=True):
        found |= stored_arrays(part, f"{name}_{key}")
    return found


def _argument(structure: str, name: str, field: str) -> str:
    """Return what an array is called: a matrix as its factor, all others with their own name behind."""
    return name if structure == Dense.structure else f"{name}_{field}"


def recorded_factor(
    recording: Recording,
    spec: Spec,
    name: str,
    like: Jacobian | None = None,
    same: Mapping[str, str] | None = None,
) -> Jacobian:
    """Return a Jacobian of `spec` whose arrays are inputs of the recording, named as by :func:`stored_arrays`.

    Parameters
    ----------
    recording : Recording
    spec : Spec
    name : str
    like : Jacobian, optional
        Where dtype and shapes of output and input come from.
    same : mapping of str to str, optional
        The name of the array that stands for another, by the name of this one: they are one input.

    Examples
    --------
    >>> recording = Recording()
    >>> recorded_factor(recording, Spec.low_rank(3, 1), "D")
    <Diagonal + rank 1 3×3: 3×3, out (3,), in (3,), 9 of 9 numbers stored>
    >>> [node.function for node in recording.nodes]
    ['D_d', 'D_U', 'D_V']
    """
    static = np.dtype(np.float64) if like is None else like.static
    arrays = _recorded(recording, spec, name, static, same or {}, {})
    return Jacobian.unflatten(spec, arrays, None if like is None else like.static)


def _recorded(
    recording: Recording, spec: Spec, name: str, static: Any, same: Mapping[str, str], made: dict[str, Any]
) -> dict[str, Any]:
    """Return recorded arrays by the names that :meth:`Jacobian.flatten` has for them."""
    kind = owner(spec.structure)
    found: dict[str, Any] = {}
    for field, shape in kind._arrays(spec).items():
        dtype = np.intp if field in kind._indices else getattr(static, "dtype", static)
        called = _argument(spec.structure, name, field)
        called = same.get(called, called)
        if called not in made:
            made[called] = recording.input(called, (*spec.batch, *shape), dtype)
        found[field] = made[called]
    for place, (key, part) in enumerate(zip(kind.part_names(spec), spec.parts, strict=True)):
        below = static.parts[place] if hasattr(static, "parts") else static
        inner = _recorded(recording, part, f"{name}_{key}", below, same, made)
        found |= {f"{key}_{field}": array for field, array in inner.items()}
    return found


def arguments_of(factors: Sequence[Jacobian], names: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of several factors by the names that generated code has for them."""
    return {
        key: array
        for name, factor in zip(names, factors, strict=True)
        for key, array in stored_arrays(factor, name).items()
    }
