"""Arguments on their way into a submission's process: a tree of JSON, and the bytes of the arrays in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, Any]


def packed(value: Any) -> Any:
    """Return the tree of an argument: arrays are described, everything else stands for itself.

    Examples
    --------
    >>> packed({"x": np.array([1.0, 2.0]), "mode": "train"})
    {'table': {'x': {'shape': [2], 'dtype': '<f8'}, 'mode': {'plain': 'train'}}}
    """
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": value.dtype.newbyteorder("<").str}
    if isinstance(value, dict):
        return {"table": {key: packed(inner) for key, inner in value.items()}}
    return {"plain": value}


def array_bytes(value: Any) -> Iterator[bytes]:
    """Yield the bytes of the arrays of an argument, in the order of its tree."""
    if isinstance(value, np.ndarray):
        yield value.astype(value.dtype.newbyteorder("<")).tobytes()
    elif isinstance(value, dict):
        for inner in value.values():
            yield from array_bytes(inner)


def unpacked(tree: Any, stream: BinaryIO) -> Any:
    """Return an argument from its tree and the bytes that follow, in this machine's byte order."""
    if "shape" in tree:
        dtype = np.dtype(tree["dtype"])
        data = stream.read(dtype.itemsize * int(np.prod(tree["shape"])))
        return np.frombuffer(data, dtype).reshape(tree["shape"]).astype(dtype.newbyteorder("="))
    if "table" in tree:
        return {key: unpacked(inner, stream) for key, inner in tree["table"].items()}
    return tree["plain"]


def fresh(value: Any) -> Any:
    """Return a copy for one call: arrays are copied, and one without axes is a Python number.

    Examples
    --------
    >>> fresh({"stride": np.array(2), "mode": "same"})
    {'stride': 2, 'mode': 'same'}
    """
    if isinstance(value, np.ndarray):
        return value.copy() if value.ndim else value.item()
    if isinstance(value, dict):
        return {key: fresh(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list) else value


def is_changed(copy: Any, value: Any) -> bool:
    """Return whether a call wrote to its copy of an argument.

    Examples
    --------
    >>> is_changed({"x": np.zeros(2)}, {"x": np.array([0.0, 1.0])}), is_changed(np.zeros(2), np.zeros(2))
    (True, False)
    """
    if isinstance(value, np.ndarray):
        return not np.array_equal(copy, value, equal_nan=value.dtype.kind == "f")
    if isinstance(value, dict):
        return copy.keys() != value.keys() or any(is_changed(copy[key], value[key]) for key in value)
    return bool(copy != value)
