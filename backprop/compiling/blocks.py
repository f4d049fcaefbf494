"""A batch in blocks of points, whose products fit into a core's cache, by threads where that gains time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.threads import LEAST_FLOPS, spread


def by_blocks(
    whole: Callable[..., Array],
    rest: Callable[..., Array],
    points: int,
    block: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    flops: int,
) -> Callable[..., Array]:
    """Return a function of all points that gives the blocks to functions of fewer.

    Parameters
    ----------
    whole, rest : callable (x, out=None)
        Of `block` points, and of those that remain; of one point without an axis of points.
    points, block : int
    shape : tuple of int
        Of the answer, (points, m, n).
    dtype : dtype
    flops : int
        Of all blocks together.
    """
    pieces = [slice(first, min(first + block, points)) for first in range(0, points, block)]

    def call(x: Array, out: Array | None = None) -> Array:
        if out is None:
            require_budget(
                shape,
                dtype.itemsize,
                f"the Jacobians of {points:,} points",
                "pass an array out=, such as np.lib.format.open_memmap(…) for one on disk, or take fewer points",
            )
        result = np.empty(shape, dtype) if out is None else out

        def work(piece: slice) -> None:
            count = piece.stop - piece.start
            code = whole if count == block else rest
            at: Any = piece.start if count == 1 else piece
            part = np.asarray(result[at])
            if part.flags.c_contiguous:
                code(np.asarray(x[at]), part)
            else:
                part[...] = code(np.asarray(x[at]))

        if flops < LEAST_FLOPS:
            for piece in pieces:
                work(piece)
        else:
            spread(work, pieces)
        return result

    return call
