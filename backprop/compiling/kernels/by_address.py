"""What compiled code calls by address: kernels that are compiled once, and arrays that it knows by where they lie.

What compiled code is linked with is compiled again with it, for seconds, and an array among its names number by number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types as untyped_types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array as untyped_populate_array

from backprop.compiling.kernels.products import array_kind, overload

types: Any = untyped_types
populate_array: Any = untyped_populate_array
_INTEGER = ir.IntType(64)


def _array(context: Any, build: Any, kind: Any, data: Any, shape: Sequence[Any], steps: Sequence[Any]) -> Any:
    """Return an array of a kind from the address of its first entry; steps count entries."""
    found = context.make_array(kind)(context, build)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    pointer = build.inttoptr(data, context.get_data_type(kind.dtype).as_pointer())
    strides = [build.mul(step, _INTEGER(size)) for step in steps]
    populate_array(found, data=pointer, shape=shape, strides=strides, itemsize=_INTEGER(size), meminfo=None)
    return found._getvalue()


def _address(context: Any, build: Any, kind: Any, array: Any, start: Any) -> Any:
    """Return the address of an entry of a flat array."""
    data = context.make_array(kind)(context, build, array).data
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    return build.add(build.ptrtoint(data, _INTEGER), build.mul(start, _INTEGER(size)))


def _kernel(ndim: int, layout: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    """Return what calls the product of a matrix with a matrix or vector where it lies.

    It takes of each array its place among the arguments, the shape and the steps.
    """
    compiled = overload(ndim, layout, dtype)
    address = int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
    kinds = list(compiled.signature.args)

    def call(context: Any, build: Any, signature: Any, args: Any, parts: Sequence[Any]) -> Any:
        arrays = []
        for kind, (at, shape, steps) in zip(kinds, parts, strict=True):
            data = _address(context, build, signature.args[at], args[at], args[at + 1])
            arrays.append(_array(context, build, kind, data, shape, steps))
        kind = context.call_conv.get_function_type(types.none, kinds)
        function = build.inttoptr(_INTEGER(address), kind.as_pointer())
        context.call_conv.call_function(build, function, types.none, kinds, arrays)
        return context.get_dummy_value()

    return call


@cache
def multiply(dtype: np.dtype[Any]) -> Any:
    """Return the product of two matrices in flat arrays, for compiled code.

    It takes of each factor the array, the first entry and the steps from row to row and from column to column; the
    array and the first entry for the product, whose rows lie one behind the other; then rows, inner size and columns.
    """
    kernel = _kernel(2, "A", dtype)

    def called(
        context: Any, a: Any, a0: Any, a1: Any, a2: Any, b: Any, b0: Any, b1: Any, b2: Any, c: Any, c0: Any,
        m: Any, k: Any, n: Any,
    ) -> Any:  # fmt: skip
        def call(context: Any, build: Any, signature: Any, args: Any) -> Any:
            m, k, n = args[10:]
            parts = ((0, (m, k), args[2:4]), (4, (k, n), args[6:8]), (8, (m, n), (n, _INTEGER(1))))
            return kernel(context, build, signature, args, parts)

        i = types.intp
        return types.void(a, i, i, i, b, i, i, i, c, i, i, i, i), call

    return intrinsic(called)


@cache
def multiply_vector(layout: str, dtype: np.dtype[Any]) -> Any:
    """Return the product of a matrix and a vector in flat arrays, for compiled code.

    The matrix lies row by row ("C") or column by column ("F"). It takes of the matrix, the vector and the product the
    array and the first entry; then rows and columns.
    """
    kernel = _kernel(1, layout, dtype)

    def called(context: Any, a: Any, a0: Any, x: Any, x0: Any, y: Any, y0: Any, m: Any, k: Any) -> Any:
        def call(context: Any, build: Any, signature: Any, args: Any) -> Any:
            (m, k), one = args[6:], _INTEGER(1)
            steps = (k, one) if layout == "C" else (one, m)
            parts = ((0, (m, k), steps), (2, (k,), (one,)), (4, (m,), (one,)))
            return kernel(context, build, signature, args, parts)

        i = types.intp
        return types.void(a, i, x, i, y, i, i, i), call

    return intrinsic(called)


@cache
def numbers_at(dtype: np.dtype[Any]) -> Any:
    """Return for compiled code what makes a flat array from an address and a count."""
    kind = array_kind(dtype, 1, "C")

    def called(context: Any, address: Any, count: Any) -> Any:
        def call(context: Any, build: Any, signature: Any, args: Any) -> Any:
            return _array(context, build, kind, args[0], (args[1],), (_INTEGER(1),))

        return kind(types.intp, types.intp), call

    return intrinsic(called)
