"""The arrays of structured Jacobians by name: what generated code takes, and what it returns."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from backprop.source.recording import Recording
from jacobians import Jacobian, Spec
from jacobians.arrays import Array
from jacobians.structures import (
    BlockColumn,
    BlockRow,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Kronecker,
    Scatter,
    Selection,
    Zero,
)

_TAKEN = {"np", "special", "out", "lines", "jacobian", "gradients", "product", "spare", "kept", "workspace"}
_OWN = re.compile(r"[tkwg]\d+\Z")  # what the printed lines call their results


def identifiers(names: Sequence[str]) -> list[str]:
    """Return one Python name for each name: different ones, and none that generated code uses itself.

    Examples
    --------
    >>> identifiers(["A", "1.Tanh", "0.Affine/W", "A", "np"])
    ['A', 'J1_Tanh', 'J0_Affine_W', 'A_2', 'np_']
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name)) or "J"  # as Python reads names
        plain = plain if plain.isidentifier() else f"J{plain}"
        plain = plain if plain.isidentifier() else re.sub(r"[^A-Za-z0-9_]", "_", plain)
        if keyword.iskeyword(plain) or plain in _TAKEN or _OWN.match(plain):
            plain += "_"
        unique, count = plain, 1
        while unique in found:
            count += 1
            unique = f"{plain}_{count}"
        found.append(unique)
    return found


def stored_arrays(jacobian: Jacobian, name: str) -> dict[str, Any]:
    """Return the arrays that a Jacobian stores, by name: ``A``; ``D_d, D_U, D_V``; parts of parts as ``K_A_d``.

    Examples
    --------
    >>> stored_arrays(Kronecker(Diagonal([1.0, 2.0]), [[3.0, 4.0]]), "K")
    {'K_A_d': array([1., 2.]), 'K_B': array([[3., 4.]])}
    """
    match jacobian:
        case Dense():
            return {name: jacobian.A}
        case Diagonal():
            return {f"{name}_d": jacobian.d}
        case DiagonalPlusLowRank():
            return {f"{name}_d": jacobian.d, f"{name}_U": jacobian.U, f"{name}_V": jacobian.V}
        case Selection() | Scatter():
            arrays = {f"{name}_indices": jacobian.indices}
            return arrays if jacobian.weights is None else {**arrays, f"{name}_weights": jacobian.weights}
        case Kronecker():
            return {**stored_arrays(jacobian.A, f"{name}_A"), **stored_arrays(jacobian.B, f"{name}_B")}
        case BlockRow() | BlockColumn():
            parts = (stored_arrays(block, f"{name}_{place}") for place, block in enumerate(jacobian.blocks))
            return {key: array for part in parts for key, array in part.items()}
    return {}


def recorded_factor(recording: Recording, spec: Spec, name: str, like: Jacobian | None = None) -> Jacobian:
    """Return a Jacobian of `spec` whose arrays are inputs of the recording, named as by :func:`stored_arrays`.

    Parameters
    ----------
    recording : Recording
    spec : Spec
    name : str
    like : Jacobian, optional
        Where dtype and shapes of output and input come from.

    Examples
    --------
    >>> recording = Recording()
    >>> recorded_factor(recording, Spec.low_rank(3, 1), "D")
    <Diagonal + rank 1 3×3: 3×3, out (3,), in (3,), 9 of 9 numbers stored>
    >>> [node.function for node in recording.nodes]
    ['D_d', 'D_U', 'D_V']
    """
    made = _recorded(recording, spec, name, like)
    if like is None:
        return made
    return made.reshaped(like.out_shape, like.in_shape).broadcast_batch(like.batch_shape)


def _recorded(recording: Recording, spec: Spec, name: str, like: Jacobian | None) -> Jacobian:
    dtype: Any = "float64" if like is None else like.dtype
    (m, n), batch = spec.shape, spec.batch

    def array(field: str, *shape: int, dtype: Any = dtype) -> Any:
        return recording.input(f"{name}{field}", (*batch, *shape), dtype)

    match spec.structure:
        case "Identity":
            return Identity(n, dtype=dtype)
        case "Zero":
            return Zero(m, n, dtype=dtype)
        case "Dense":
            return Dense.unchecked(array("", m, n))
        case "Diagonal":
            return Diagonal.unchecked(array("_d", n))
        case "DiagonalPlusLowRank":
            return DiagonalPlusLowRank.unchecked(
                array("_d", n), array("_U", n, spec.rank), array("_V", n, spec.rank)
            )
        case "Selection" | "Scatter":
            lines, size = (m, n) if spec.structure == "Selection" else (n, m)
            indices = array("_indices", lines, dtype="intp")
            weights = array("_weights", lines) if spec.weighted else None
            made: type[Selection] | type[Scatter] = Selection if spec.structure == "Selection" else Scatter
            return made.unchecked(indices, size, weights, repeats=spec.repeats, dtype=dtype)
        case "Kronecker":
            left, right = (getattr(like, side, None) for side in ("A", "B"))
            A, B = spec.parts
            return Kronecker.unchecked(
                recorded_factor(recording, A, f"{name}_A", left),
                recorded_factor(recording, B, f"{name}_B", right),
            )
        case "BlockRow" | "BlockColumn":
            given = getattr(like, "blocks", (None,) * len(spec.parts))
            blocks = [
                recorded_factor(recording, part, f"{name}_{place}", block)
                for place, (part, block) in enumerate(zip(spec.parts, given, strict=True))
            ]
            return BlockRow(blocks) if spec.structure == "BlockRow" else BlockColumn(blocks)
    raise TypeError(f"spec: found the structure {spec.structure}, expected one of the library's")


def arguments_of(factors: Sequence[Jacobian], names: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of several factors by the names that generated code has for them."""
    return {
        key: array
        for name, factor in zip(names, factors, strict=True)
        for key, array in stored_arrays(factor, name).items()
    }
