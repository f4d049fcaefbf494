"""Rows of one-dimensional convolutions: Toeplitz matrices, and what "same" and "valid" leave of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.graph.operations.axes import steps
from jacobians.graph.operations.moves import chosen
from jacobians.graph.operations.table import TABLE, Operation, Place, Steps
from jacobians.numerics.arrays import Array, as_array
from jacobians.structures import Toeplitz


def _by(x: Array, kernel: Array, value: Array, mode: str) -> Steps:
    """Return the Jacobian of numpy.convolve(x, kernel, mode) by x."""
    full = x.size + kernel.size - 1
    if mode == "valid" and kernel.size <= x.size:
        return Toeplitz(kernel[::-1], x.size)
    # numpy keeps the middle of all n + k − 1 sums
    start = (full - value.size) // 2
    kept = np.arange(start, start + value.size)
    return steps(chosen(kept, full), Toeplitz(kernel, full).T, size=x.size)


def _convolve(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    options = dict(zip(("mode",), args[2:], strict=False)) | dict(kwargs)
    mode = options.pop("mode", "full" if function is np.convolve else "valid")
    if options or mode not in ("full", "same", "valid"):
        raise TypeError(
            f"takes the modes full, same and valid here, found {mode!r} {', '.join(options)}".rstrip()
        )
    a, v = (np.atleast_1d(as_array(one, float)) for one in args[:2])
    value = function(a, v, mode)
    turned = np.arange(v.size)[::-1]
    if function is np.correlate:
        if v.size > a.size:
            raise TypeError(
                "of a second operand that is longer is not followed; exchange the two, and turn the result"
            )
        v = v[turned]

    def jacobian(place: Place) -> Steps:
        if place == (0,):
            return _by(a, v, value, mode)
        turn = chosen(turned, v.size) if function is np.correlate else ()
        return steps(_by(v, a, value, mode), turn, size=v.size)

    return value, jacobian


for _name in ("convolve", "correlate"):
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", _convolve)
