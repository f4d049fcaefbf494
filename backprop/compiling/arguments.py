"""What compiled networks are given: shapes and precision of x, looked at before anything is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from jacobians import Affine, Function, Sequential
from jacobians.layers.composition import Composition
from jacobians.numerics.arguments import checked_shape


def checked_precision(dtype: Any) -> np.dtype[Any]:
    """Return float64 or float32; TypeError for anything else."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in (np.float64, np.float32):
        raise TypeError(f"dtype: found {kind or repr(dtype)}, expected float64 or float32")
    return kind


def checked_sizes(network: Function, shape: Any, batched: bool) -> tuple[int, ...]:
    """Return the shape of x, that of a first affine layer's vectors by default."""
    if shape is None:
        first = network
        while isinstance(first, Sequential):
            first = first.layers[0]
        if not isinstance(first, Affine) or batched:
            reason = "the number of points" if batched else f"what {short_name(network)} takes"
            raise ValueError(f"shape: found None, expected the shape of x, which says {reason}")
        return (first.W.shape[1],)
    sizes = checked_shape(shape, "shape")
    if batched and not sizes:
        raise ValueError("shape: found () with batched=True, expected the number of points first")
    return sizes


def takes_all_values(network: Function) -> bool:
    """Return whether every real number is in the domain, so that a call need not look at x."""
    if isinstance(network, Sequential):
        return takes_all_values(network.layers[0])
    if isinstance(network, Composition):
        return all(takes_all_values(layer) for layer in network.layers)
    return not network.has_domain


def short_name(network: Function) -> str:
    """Return a representation of at most 60 characters."""
    text = repr(network).replace("\\", " ").replace('"', "'")
    return text if len(text) <= 60 else f"{text[:57]}…"
