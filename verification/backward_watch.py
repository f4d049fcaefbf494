"""What is noticed of a backward pass beside its numbers: writes to what the forward pass reads, and float32 inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array


class Watch:
    """The arrays around a forward pass, of its closure and module, as they were.

    Examples
    --------
    >>> weights = {"w": np.ones(2)}
    >>> watch = Watch((lambda weights: lambda x: weights["w"] * x)(weights))
    >>> weights["w"] -= 1
    >>> watch.written(), weights["w"]
    (['w'], array([1., 1.]))
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._found = self._read()
        self._before = {name: one.copy() for name, one in self._found.items()}

    def _read(self) -> dict[str, Array]:
        from verification.diagnosis.tape import with_captured

        return with_captured(self._forward)[1]

    def written(self) -> list[str]:
        """Return the names of those that changed, which are put back where they were changed in place."""
        now = self._read()
        changed = []
        for name, before in self._before.items():
            same = name in now and np.array_equal(now[name], before, equal_nan=True)
            changed += [] if same else [name]
            if not same and self._found[name].flags.writeable:
                self._found[name][...] = before
        return changed


def holds_float32(array: Any) -> bool:
    """Say whether numbers of double precision are those of float32, as after a computation in it.

    Examples
    --------
    >>> thirds = np.array([1.0, 2.0]) / 3
    >>> holds_float32(thirds), holds_float32(thirds.astype(np.float32)), holds_float32(np.array([1.0, 0.5]))
    (False, True, False)
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return False
    values = array.reshape(-1).astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    exact = values.astype(np.float32).astype(np.float64) == values
    coarse = values.astype(np.float16).astype(np.float64) == values
    return bool(values.size and exact.all() and coarse.mean() < 0.5)


def notes_of_precision(
    inputs: Iterable[Array], outputs: tuple[Array, ...], found: dict[str, Any]
) -> list[str]:
    """Return the notes on float32 inside of the passes; none where inputs hold such numbers themselves."""
    dtypes = {one.dtype for one in outputs}
    if dtypes == {np.dtype(np.float32)}:
        return ["the forward pass computes in float32: tolerances follow it"]
    if any(holds_float32(one) for one in inputs):
        return []
    if any(holds_float32(one) for one in outputs):
        return ["the forward pass computes in float32 inside: what it returns are numbers of float32"]
    names = [name for name, one in found.items() if holds_float32(one)]
    return [f"backward computes in float32: the gradient by {', '.join(names)}"] if names else []
