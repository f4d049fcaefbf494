"""Outer products of all points, written past the caches: what is written once and not read need not be fetched first.

A store reads the line of the cache that it changes, so that half of the traffic of a large result is reading what is
overwritten. Rows are formed in a buffer that stays in the nearest cache, and from there streamed out whole lines at a
time by stores that read nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

from backprop.compiling.kernels.products import beats_blas, product
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Uncounted, pieces_of
from jacobians.numerics.threads import spread

cgutils: Any = untyped_cgutils
_FEATURES = llvmlite.binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
"""The bytes of a vector register, of which a line of the cache holds a whole number."""
_BUFFER = 2**14
"""Bytes of the buffer: some rows, and a part of the nearest cache."""
_LEAST = 2**21
"""Bytes of a result that caches may hold, so that who reads it next finds it there."""


def _stream_of(context: Any, target: Any, source: Any, vectors: Any) -> Any:
    """Copy vectors from an address to one that is a multiple of a vector's bytes, past the caches."""

    def generated(context: Any, build: Any, signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), _BYTES).as_pointer()
        to, of = (build.inttoptr(address, vector) for address in args[:2])
        past = build.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        with cgutils.for_range(build, args[2]) as loop:
            value = build.load(build.gep(of, [loop.index]), align=1)
            build.store(value, build.gep(to, [loop.index]), align=_BYTES).set_metadata("nontemporal", past)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), generated


def _fence_of(context: Any) -> Any:
    """Have what was streamed seen by other cores before what is written next."""

    def generated(context: Any, build: Any, signature: Any, args: Any) -> Any:
        build.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generated


_stream: Any = intrinsic(_stream_of)
_fence: Any = intrinsic(_fence_of)


def _write(left: Any, right: Any, blocks: Any) -> None:
    """Write A_pr·B_qs of each point into blocks (N, p, q, rs), whose entries along the last axis lie side by side."""
    (N, p, r), (_, q, s) = left.shape, right.shape
    size = blocks.itemsize
    rows = max(1, min(r, _BUFFER // (size * s)))
    buffer = np.empty(rows * s, blocks.dtype)
    for n in range(N):
        for i in range(p):
            for k in range(q):
                block = blocks[n, i, k]
                for start in range(0, r, rows):
                    count = min(rows, r - start)
                    for j in range(count):
                        factor = left[n, i, start + j]
                        for e in range(s):
                            buffer[j * s + e] = factor * right[n, k, e]
                    target, number = block[start * s :], count * s
                    address = target.ctypes.data
                    head = min((_BYTES - address % _BYTES) % _BYTES // size, number)
                    vectors = (number - head) * size // _BYTES
                    for e in range(head):
                        target[e] = buffer[e]
                    _stream(address + head * size, buffer.ctypes.data + head * size, vectors)
                    for e in range(head + vectors * _BYTES // size, number):
                        target[e] = buffer[e]
    _fence()


@cache
def _compiled() -> Any:
    return numba.njit(cache=True, error_model="numpy", nogil=True)(_write)


class KernelLedger(Uncounted):
    """A ledger that writes large outer products past the caches, and multiplies matrices by blocks in registers."""

    def matmul_into(self, a: Array, b: Array, out: Array) -> None:
        """Write the product of two matrices into a third."""
        if a.dtype == b.dtype == out.dtype and out.flags.c_contiguous and beats_blas(out.dtype):
            product(a, b, out)
        else:
            super().matmul_into(a, b, out)

    def outer(self, left: Array, right: Array, blocks: Array) -> None:
        """Write A_pr·B_qs of each point."""
        dtype, itemsize = blocks.dtype, blocks.itemsize
        fits = (
            blocks.ndim == 5
            and blocks.nbytes >= _LEAST
            and dtype.kind == "f"
            and left.dtype == right.dtype == dtype
            and blocks.strides[-2:] == (blocks.shape[-1] * itemsize, itemsize)
            and all(place % itemsize == 0 for place in (blocks.ctypes.data, *blocks.strides))
        )
        if not fits:
            super().outer(left, right, blocks)
            return
        points = len(blocks)
        left, right = (
            np.ascontiguousarray(np.broadcast_to(part, (points, *part.shape[-2:]))) for part in (left, right)
        )
        blocks = blocks.reshape((*blocks.shape[:3], -1))  # axes that lie side by side: no copy
        write = _compiled()
        spread(lambda some: write(left[some], right[some], blocks[some]), pieces_of(blocks))
