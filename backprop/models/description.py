"""Networks written down in TOML or JSON, with weights in a file .npz: nothing is run, and nothing unpickled."""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from backprop.learning.archive import ArchiveError, Header, read_arrays
from backprop.models.verified import unsupported, verified
from jacobians import (
    Affine,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Convolution,
    Flatten,
    Function,
    LayerNorm,
    LogSoftmax,
    Reshape,
    Residual,
    Sequential,
    Softmax,
)
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics.arguments import checked_path, checked_shape, near, shown
from jacobians.numerics.arrays import Array, require_budget

MOST_BYTES = 16 * 1024**2
"""Of a description: weights of any size are in the file .npz."""

Kind = tuple[Callable[..., Function], tuple[str, ...], tuple[str, ...]]
"""What makes a layer, which of its fields are arrays, and which are options."""

_KINDS: dict[str, Kind] = {
    "affine": (Affine, ("W", "b"), ()),
    "convolution": (Convolution, ("W", "b"), ("stride", "padding", "dilation", "groups")),
    "max-pool": (ChannelMaxPool, (), ("window", "stride", "padding")),
    "mean-pool": (ChannelMeanPool, (), ("window", "stride", "padding", "count_padding")),
    "scale": (ChannelScale, ("scale", "shift"), ()),
    "layer-norm": (LayerNorm, ("gamma", "beta"), ("eps",)),
    "softmax": (Softmax, (), ()),
    "log-softmax": (LogSoftmax, (), ()),
    "flatten": (Flatten, (), ()),
    "reshape": (Reshape, (), ("shape",)),
}


def _kinds() -> dict[str, Kind]:
    """Return what is known by the kinds of layers, with the rows of the table of activations as it is now."""
    return _KINDS | {name.replace("_", "-"): (make, (), ()) for name, make in ACTIVATIONS.items()}


def from_description(path: str | os.PathLike[str]) -> Function:
    """Return the network that a file .toml or .json describes; it is checked by central differences.

    The file has ``input``, the shape of one point; ``layers``, a list of tables with a ``kind`` and its fields; and
    ``weights``, a file .npz beside it, of which a layer's arrays are named: ``W = "conv1.W"``. Arrays may be written
    out, too. A layer of the kind "residual" has ``layers`` of its own. W of an affine layer is (outputs, inputs).

    Raises
    ------
    ValueError
        If a file is missing, no description, or an array of it is missing or doesn't fit.
    UnsupportedError
        If a kind of layer is unknown: each is named.
    """
    source = checked_path(path, "path")
    data = _read(source)
    unknown = sorted({*data} - {"input", "layers", "weights"})
    if unknown or "input" not in data or not isinstance(data.get("layers"), list) or not data["layers"]:
        raise ValueError(
            f"{source.name}: found the fields {sorted(data)}, expected input, layers (at least one) and, for "
            f"arrays in a file, weights"
        )
    shape = checked_shape(data["input"], f"{source.name}: input")
    arrays = _weights(source, data.get("weights"))
    missing: list[str] = []
    layers = _layers(data["layers"], arrays, missing, f"{source.name}: layers")
    if missing:
        raise unsupported(source.name, missing, [*_kinds(), "residual"])
    network = Sequential(*layers)
    require_budget(
        shape, 8, f"{source.name}: one point of shape {shape}", "take a network of a smaller input"
    )
    try:
        network(np.zeros(shape))
    except ValueError as error:
        raise ValueError(f"{source.name}: {error}") from None
    return verified(network, source.name, network, shape)


def _read(source: Path) -> dict[str, Any]:
    kind = source.suffix.lower()
    if kind not in (".toml", ".json"):
        raise ValueError(f"path: found {shown(str(source))}, expected a name that ends in .toml or .json")
    try:
        if not source.is_file():
            raise FileNotFoundError(2, "No such file")
        with source.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"path: found no file {source.name} that can be read ({error.strerror})") from None
    if len(text) > MOST_BYTES:
        raise ValueError(f"path: found {source.name} of more than 16 MiB; put its arrays into a file .npz")
    try:
        own = text.decode("utf-8")
        data = tomllib.loads(own) if kind == ".toml" else json.loads(own, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # of both readers, of the text's bytes, of numbers too long
        raise ValueError(f"path: found {source.name}, which is no {kind[1:].upper()} ({error})") from None
    if not isinstance(data, dict):
        raise ValueError(f"{source.name}: found {shown(data)}, expected a table with input and layers")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a table of JSON, in which each name stands once."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"{name!r} stands {count} times in a table")
    return dict(pairs)


def _weights(source: Path, name: Any) -> dict[str, Array]:
    if name is None:
        return {}
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".npz"):
        raise ValueError(
            f"{source.name}: weights: found {shown(name)}, expected the name of a file .npz beside it"
        )
    try:
        with source.with_name(name).open("rb") as file:
            return read_arrays(file, _numbers_alone)
    except OSError as error:
        raise ValueError(
            f"{source.name}: weights: found no file {name} that can be read ({error.strerror})"
        ) from None
    except ArchiveError as error:
        raise ValueError(f"{name}: found no file of arrays, or a damaged one ({error})") from None


def _numbers_alone(headers: Mapping[str, Header]) -> None:
    for name, header in headers.items():
        if header.dtype.kind not in "fiub":
            raise ArchiveError(f"{name!r} has {header}, no real numbers")


def _layers(listed: Any, arrays: dict[str, Array], missing: list[str], place: str) -> list[Function]:
    made: list[Function] = []
    for number, layer in enumerate(listed):
        where = f"{place}[{number}]"
        kind = layer.get("kind") if isinstance(layer, dict) else None
        if not isinstance(kind, str):
            raise ValueError(f'{where}: found {shown(layer)}, expected a table with a kind such as "affine"')
        fields = {name: value for name, value in layer.items() if name != "kind"}
        if (
            kind == "residual"
            and isinstance(fields.get("layers"), list)
            and len(fields) == 1
            and fields["layers"]
        ):
            inner = _layers(fields["layers"], arrays, missing, f"{where}.layers")
            made += [Residual(Sequential(*inner))] if inner else []
            continue
        kinds = _kinds()
        if kind not in kinds:
            missing.append(f"{kind}{near(kind, kinds)}")
            continue
        make, stored, options = kinds[kind]
        wrong = sorted({*fields} - {*stored, *options})
        if wrong:
            raise ValueError(
                f"{where}: found {wrong} for {kind}, expected only {sorted((*stored, *options))}"
            )
        given = {
            name: _array(value, arrays, f"{where}.{name}") if name in stored else _option(value)
            for name, value in fields.items()
        }
        needed = [own.name for own in signature(make).parameters.values() if own.default is own.empty]
        left_out = [name for name in needed if name in (*stored, *options) and name not in given]
        if left_out:
            raise ValueError(
                f"{where}: found {kind} without {', '.join(left_out)}, expected it among its fields"
            )
        try:
            made.append(make(**given))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {kind}: {error}") from None
    return made


def _array(value: Any, arrays: dict[str, Array], where: str) -> Any:
    if not isinstance(value, str):
        return value
    if value not in arrays:
        raise ValueError(
            f"{where}: found {value!r}, expected one of {sorted(arrays)}, the arrays of the file .npz"
        )
    return arrays[value]


def _option(value: Any) -> Any:
    return tuple(map(_option, value)) if isinstance(value, list) else value
