"""Products of matrices as loops of vector instructions: blocks of entries that stay in registers.

BLAS is written for large products and for the processors that it knows; it takes ten rows at a quarter of the speed,
and a processor that it does not know by the instructions of an older one. LLVM asks the processor. Entries are added up
in the same order whatever the number of rows and of threads, so that numbers don't depend on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types as untyped_types
from numba.extending import intrinsic

from jacobians.numerics.blas_threads import WORTH_TWO, blas_threads, one_blas_thread
from jacobians.numerics.threads import halves, spread

cgutils: Any = untyped_cgutils  # neither says what its functions take
types: Any = untyped_types
_FEATURES = llvmlite.binding.get_host_cpu_features()
_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
"""The bytes of a vector register."""
_MOST = 10 if _FEATURES.get("avx512f") else 6
"""Rows of a block: with two vectors a row, 32 or 16 registers hold it."""
_VECTORS = 2
_DEEP, _WIDE, _HIGH = 256, 512, 128
"""Inner indices, columns and rows of what is worked on at once: columns in the nearest cache, rows in the next."""
_FEW = 32
"""Rows below which laying the columns out anew takes longer than it gains."""
_LONG = 2**16
"""Entries of a right factor that stays in the cache as it is."""
_RUN = 2**14
"""Terms that are added up before their sum is: in one row of a million, a float32 would keep two digits."""
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}
_SUMS: dict[str, Any] = {**_OPTIONS, "fastmath": {"contract", "reassoc", "nsz"}}  # in any order, as BLAS does
_INTEGER, _INDEX = ir.IntType(64), ir.IntType(32)


def _block_of(rows: int) -> Any:
    """Return an operation: entries ci…, cj… of c, `rows` times two vectors, from rows of a and columns of b.

    Of a from row i and column p on, of b from row q and column j on, along `inner` places, at least one; `more` adds
    to what c holds. The columns of b and c lie side by side.
    """

    def block(
        context: Any, a: Any, i: Any, p: Any, b: Any, q: Any, j: Any, c: Any, ci: Any, cj: Any, inner: Any,
        more: Any,
    ) -> Any:  # fmt: skip
        n = types.intp
        return types.void(a, n, n, b, n, n, c, n, n, n, types.boolean), generated

    def generated(context: Any, build: Any, signature: Any, args: Any) -> Any:
        number = ir.FloatType() if signature.args[0].dtype == types.float32 else ir.DoubleType()
        size = 4 if signature.args[0].dtype == types.float32 else 8
        lanes = _BYTES // size
        vector = ir.VectorType(number, lanes)

        def start(place: int) -> tuple[Any, Any, Any]:
            """Return the address of an array's entry and the bytes from row to row and from column to column."""
            array = context.make_array(signature.args[place])(context, build, args[place])
            steps: Any = cgutils.unpack_tuple(build, array.strides)
            row, column = (
                build.mul(step, index) for step, index in zip(steps, args[place + 1 : place + 3], strict=True)
            )
            return build.add(build.ptrtoint(array.data, _INTEGER), build.add(row, column)), *steps

        def at(address: Any, kind: Any) -> Any:
            return build.inttoptr(address, kind.as_pointer())

        (left, a_row, a_column), (right, b_row, _), (into, c_row, _) = start(0), start(3), start(6)
        inner, more = args[9:]
        zero, unknown = ir.Constant(vector, [0.0] * lanes), ir.Constant(vector, ir.Undefined)
        first = ir.Constant(ir.VectorType(_INDEX, lanes), [0] * lanes)
        multiply_add = cgutils.get_or_insert_function(
            build.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{lanes}f{8 * size}"
        )
        before, loop = build.block, build.append_basic_block("along")
        build.branch(loop)
        build.position_at_end(loop)
        k = build.phi(_INTEGER)
        k.add_incoming(_INTEGER(0), before)
        sums = [[build.phi(vector) for _ in range(_VECTORS)] for _ in range(rows)]
        for known in (known for row in sums for known in row):
            known.add_incoming(zero, before)
        row_of_b, place_in_a = build.add(right, build.mul(k, b_row)), build.mul(k, a_column)
        columns = [
            build.load(at(build.add(row_of_b, _INTEGER(_BYTES * v)), vector), align=size)
            for v in range(_VECTORS)
        ]
        found = []
        for r in range(rows):
            address = build.add(build.add(left, build.mul(a_row, _INTEGER(r))), place_in_a)
            entry = build.insert_element(unknown, build.load(at(address, number), align=size), _INDEX(0))
            entries = build.shuffle_vector(entry, unknown, first)
            found.append(
                [build.call(multiply_add, [entries, columns[v], sums[r][v]]) for v in range(_VECTORS)]
            )
            for known, new in zip(sums[r], found[r], strict=True):
                known.add_incoming(new, loop)
        following = build.add(k, _INTEGER(1))
        k.add_incoming(following, loop)
        end = build.append_basic_block("end")
        build.cbranch(build.icmp_signed("<", following, inner), loop, end)
        build.position_at_end(end)
        targets = [
            (
                at(build.add(build.add(into, build.mul(c_row, _INTEGER(r))), _INTEGER(_BYTES * v)), vector),
                value,
            )
            for r, row in enumerate(found)
            for v, value in enumerate(row)
        ]
        with build.if_else(more) as (adding, writing):
            with adding:
                for target, value in targets:
                    build.store(build.fadd(build.load(target, align=size), value), target, align=size)
            with writing:
                for target, value in targets:
                    build.store(value, target, align=size)
        return context.get_dummy_value()

    return intrinsic(block)


_block1, _block2, _block3, _block4, _block5 = map(_block_of, range(1, 6))
_block6, _block7, _block8, _block9, _block10 = map(_block_of, range(6, 11))


@numba.njit(**_OPTIONS)
def _block(a, i, p, b, q, j, c, ci, cj, inner, more, rows):  # type: ignore[no-untyped-def]
    """Do the block of so many rows, which the compiled code knows by number."""
    if rows == 1:
        _block1(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 2:
        _block2(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 3:
        _block3(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 4:
        _block4(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 5:
        _block5(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 6:
        _block6(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 7:
        _block7(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 8:
        _block8(a, i, p, b, q, j, c, ci, cj, inner, more)
    elif rows == 9:
        _block9(a, i, p, b, q, j, c, ci, cj, inner, more)
    else:
        _block10(a, i, p, b, q, j, c, ci, cj, inner, more)


@numba.njit(**_OPTIONS)
def multiply(a, b, c):  # type: ignore[no-untyped-def]
    """Write the product of two matrices into a third one, whose rows lie one behind the other."""
    m, k = a.shape
    n = b.shape[1]
    if k == 0:
        c[:, :] = 0.0
        return
    width = _VECTORS * _BYTES // a.itemsize
    as_it_is = b.strides[1] == b.itemsize and (m <= _FEW or k * n <= _LONG)
    laid_out = 1 if as_it_is else (min(_WIDE, n) + width - 1) // width  # as it is, only what is left over is
    panels = np.empty((laid_out, min(_DEEP, k), width), a.dtype)
    ends = np.empty((_MOST, width), a.dtype)
    for start in range(0, n, _WIDE):
        stop = min(start + _WIDE, n)
        for p in range(0, k, _DEEP):
            inner = min(_DEEP, k - p)
            for panel in range((stop - start + width - 1) // width):
                first = start + panel * width
                count = min(width, stop - first)
                if as_it_is and count == width:
                    continue
                for row in range(inner):
                    for column in range(count):
                        panels[panel % laid_out, row, column] = b[p + row, first + column]
                    for column in range(count, width):
                        panels[panel % laid_out, row, column] = 0.0
            for top in range(0, m, _HIGH):
                bottom = min(top + _HIGH, m)
                for panel in range((stop - start + width - 1) // width):
                    first = start + panel * width
                    count = min(width, stop - first)
                    i = top
                    while i < bottom:
                        left = bottom - i
                        rows = -(-left // -(-left // _MOST))
                        if count < width:
                            _block(a, i, p, panels[panel % laid_out], 0, 0, ends, 0, 0, inner, False, rows)
                            for row in range(rows):
                                for column in range(count):
                                    before = c[i + row, first + column] if p else 0.0
                                    c[i + row, first + column] = before + ends[row, column]
                        elif as_it_is:
                            _block(a, i, p, b, p, first, c, i, first, inner, p > 0, rows)
                        else:
                            _block(a, i, p, panels[panel % laid_out], 0, 0, c, i, first, inner, p > 0, rows)
                        i += rows


@numba.njit(**_SUMS)
def _multiply_vector(a, x, y):  # type: ignore[no-untyped-def]
    m, k = a.shape
    if a.strides[1] <= a.strides[0]:
        for i in range(m):
            total = a.dtype.type(0.0)
            for p in range(k):
                total += a[i, p] * x[p]
            y[i] = total
    else:
        for i in range(m):
            y[i] = 0.0
        for p in range(k):
            factor = x[p]
            for i in range(m):
                y[i] += a[i, p] * factor


@numba.njit(**_SUMS)
def _dot(a, x):  # type: ignore[no-untyped-def]
    total = a.dtype.type(0.0)
    for p in range(len(a)):
        total += a[p] * x[p]
    return total


@numba.njit(**_OPTIONS)
def multiply_vector(a, x, y):  # type: ignore[no-untyped-def]
    """Write the product of a matrix and a vector into another one: by rows, or by columns where those lie together."""
    m, k = a.shape
    if k <= _RUN:
        _multiply_vector(a, x, y)
        return
    y[:] = 0.0
    if a.strides[1] <= a.strides[0]:
        for i in range(m):
            for start in range(0, k, _RUN):
                y[i] += _dot(a[i, start : start + _RUN], x[start : start + _RUN])
        return
    part, columns = np.empty_like(y), a.T  # whose parts lie one behind the other, which Numba knows of rows
    for start in range(0, k, _RUN):
        _multiply_vector(columns[start : start + _RUN].T, x[start : start + _RUN], part)
        for i in range(m):
            y[i] += part[i]


def array_kind(dtype: Any, ndim: int, layout: Any = "A", readonly: bool = True) -> Any:
    """Return what Numba calls arrays of a precision, a number of axes and a layout."""
    return types.Array(
        numba.from_dtype(np.dtype(dtype)), ndim, layout, readonly=readonly, aligned=not readonly
    )


@cache
def overload(ndim: int, layout: str, dtype: np.dtype[Any]) -> Any:
    """Return the compiled product with a right factor of so many axes."""
    function = multiply if ndim == 2 else multiply_vector
    signature = types.void(
        array_kind(dtype, 2, layout),
        array_kind(dtype, ndim, "A" if ndim == 2 else "C"),
        array_kind(dtype, ndim, "C", readonly=False),
    )
    compiled = numba.njit([signature], cache=True, **_OPTIONS)(function.py_func)
    return next(iter(compiled.overloads.values()))


@cache
def _compiled(ndim: int, layout: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    """Return the same as a function of arrays, behind the look at their kinds."""
    entry: Callable[..., Any] = overload(ndim, layout, dtype).entry_point
    return entry


@cache
def beats_blas(dtype: np.dtype[Any]) -> bool:
    """Return whether a large product takes less time than NumPy's, on one thread each: both are timed once.

    BLAS knows instructions for matrices that LLVM makes no use of, where a processor has some.
    """
    a, c = np.ones((192, 192), dtype), np.empty((192, 192), dtype)
    own = _compiled(2, "A", dtype)
    least: dict[str, float] = {}
    with one_blas_thread():
        for name, call in (("own", lambda: own(a, a, c)), ("blas", lambda: np.dot(a, a, out=c))) * 5:
            start = time.perf_counter()
            call()
            least[name] = min(least.get(name, np.inf), time.perf_counter() - start)
    return least["own"] < least["blas"]


class Product:
    """a @ b of matrices and vectors of one precision; for NumPy's code, which may hand it the array for the result."""

    takes_out = True
    __name__ = "product"

    def __init__(self) -> None:
        self.__module__ = __name__

    def __call__(self, a: Any, b: Any, out: Any = None) -> Any:
        """Return the product for a (m, k) or (k,), and b (k, n) or (k,), of which one is a matrix."""
        if a.ndim == 1:
            a, b = b.T, a
        if b.ndim == 1:
            b = b if b.flags.c_contiguous else b.copy()
            layout = "C" if a.flags.c_contiguous else "F" if a.flags.f_contiguous else "A"
            if out is None:
                out = np.empty(len(a), a.dtype)
            _compiled(1, layout, a.dtype)(a, b, out)
            return out
        (m, k), n = a.shape, b.shape[1]
        if out is None:
            out = np.empty((m, n), a.dtype)
        entry = _compiled(2, "A", a.dtype)
        if 2 * m * k * n < WORTH_TWO:
            entry(a, b, out)
        else:
            spread(lambda rows: entry(a[rows], b, out[rows]), halves(m, blas_threads()))
        return out


product = Product()
