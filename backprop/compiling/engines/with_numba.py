"""A recording on Numba: scalars for small functions, loops over points, an activation and its slope in one loop.

LLVM makes vector instructions of plain loops. What pays is tanh z and 1/cosh² z from one polynomial, a nanosecond for
both; small functions as scalars, without any call of NumPy; and between NumPy's products the activation with its slope,
by kernels that are compiled once and kept on disk. Products stay NumPy's: those of compiled code would go through
SciPy's BLAS, a second pool of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from backprop.compiling.array_functions import Argument, looped_function, straight_function
from backprop.compiling.engines import Work, not_installed
from backprop.compiling.entrywise import FUNCTIONS, TEMPLATES, NotScalarError, Scalar
from backprop.compiling.nodes import Node
from backprop.compiling.patterns import activation_patterns, matched, without_bias
from backprop.compiling.printing import needed
from backprop.compiling.scalar_form import scalar_lines
from jacobians.cost import ZERO_COST

try:
    import numba
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic
except ImportError as error:
    raise not_installed("numba", error, extra="fast") from None

KEEPS_UNITS = False

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}  # divisions by 0 don't branch
_MOST = 1200  # numbers of a scalar function, beyond which LLVM takes seconds


def own(array: Any) -> bool:
    """Return False: Numba's arrays are NumPy's."""
    return False


# --- tanh and its slope ----------------------------------------------------------------------------------


def _real_of(context: Any, value: Any) -> Any:
    """Return the float of the same bits."""
    return types.float64(types.int64), lambda c, build, s, args: build.bitcast(args[0], ir.DoubleType())


def _integer_of(context: Any, value: Any) -> Any:
    """Return the integer of the same bits."""
    return types.int64(types.float64), lambda c, build, s, args: build.bitcast(args[0], ir.IntType(64))


_real64: Any = intrinsic(_real_of)
_integer64: Any = intrinsic(_integer_of)


def _powers(y: float) -> tuple[float, float]:
    """Return 2^k and e^r − 1 for y = k·log 2 + r from −708 to 0, by Taylor's polynomial."""
    t = y * 1.4426950408889634 + 6755399441055744.0  # the integer k stands in the last bits
    k = t - 6755399441055744.0
    r = (y - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    p = ((1.6059043836821613e-10 * r + 2.08767569878681e-09) * r + 2.505210838544172e-08) * r
    p = (((p + 2.755731922398589e-07) * r + 2.7557319223985893e-06) * r + 2.48015873015873e-05) * r
    p = (((p + 0.0001984126984126984) * r + 0.001388888888888889) * r + 0.008333333333333333) * r
    p = ((p + 0.041666666666666664) * r + 0.16666666666666666) * r + 0.5
    return _real64((_integer64(t) + 1023) << 52), r + r * r * p


_powers_of: Any = numba.njit(**_OPTIONS)(_powers)


def _tanh_pair(z: float) -> tuple[float, float]:
    """Return tanh z and 1/cosh² z, both right to a few units in the last place, in the tails too.

    With y = −2|z| and E = e^y − 1: tanh |z| = −E/(2 + E) and 1/cosh² z = 4(1 + E)/(2 + E)².
    """
    y = -2.0 * abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = s * q + (s - 1.0)
    d = 1.0 / (2.0 + e)
    return math.copysign(-e * d, z), 0.0 if y <= -708.0 else 4.0 * (s + s * q) * d * d


def _sigmoid_parts(z: float) -> tuple[float, float, float]:
    """Return e^−|z|, σ(z) and σ(−z), each right to a few units in the last place."""
    y = -abs(z)
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    d = 1.0 / (1.0 + e)
    return e, d if z >= 0.0 else e * d, e * d if z >= 0.0 else d


tanh_pair: Any = numba.njit(**_OPTIONS)(_tanh_pair)
sigmoid_parts: Any = numba.njit(**_OPTIONS)(_sigmoid_parts)


def _sigmoid_pair(z: float) -> tuple[float, float]:
    _, s, rest = sigmoid_parts(z)
    return s, s * rest


def _silu_pair(z: float) -> tuple[float, float]:
    _, s, rest = sigmoid_parts(z)
    return z * s, s * (1.0 + z * rest)


def _softplus_pair(z: float) -> tuple[float, float]:
    e, s, _ = sigmoid_parts(z)
    return (z if not z <= 0.0 else 0.0) + math.log1p(e), s


def _relu_pair(z: float) -> tuple[float, float]:
    return 0.0 if z <= 0.0 else z, 1.0 if z > 0.0 else 0.0 if z <= 0.0 else z


def _elu_pair(z: float) -> tuple[float, float]:
    y = 0.0 if z > 0.0 else z
    y = -708.0 if y < -708.0 else y
    s, q = _powers_of(y)
    e = 0.0 if y <= -708.0 else s + s * q
    return z if z > 0.0 else s * q + (s - 1.0), 1.0 if z > 0.0 else e


relu_pair: Any = numba.njit(**_OPTIONS)(_relu_pair)
elu_pair: Any = numba.njit(**_OPTIONS)(_elu_pair)
sigmoid_pair: Any = numba.njit(**_OPTIONS)(_sigmoid_pair)
silu_pair: Any = numba.njit(**_OPTIONS)(_silu_pair)
softplus_pair: Any = numba.njit(**_OPTIONS)(_softplus_pair)


# the loops stand there one by one, for Numba keeps on disk what a function of a module does, not what it is given


def _tanh_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = tanh_pair(z[i, j] + b[j])


def _sigmoid_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = sigmoid_pair(z[i, j] + b[j])


def _silu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = silu_pair(z[i, j] + b[j])


def _softplus_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = softplus_pair(z[i, j] + b[j])


def _relu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = relu_pair(z[i, j] + b[j])


def _elu_rows(z: Any, b: Any, out: Any) -> None:
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[0, i, j], out[1, i, j] = elu_pair(z[i, j] + b[j])


class FusedRows:
    """f(z + b) and f′(z + b) in one array (2, …), by one loop; for NumPy's code, which may hand it the array."""

    takes_out = True

    def __init__(self, name: str, loop: Any) -> None:
        self.__name__, self.__module__ = name, __name__
        self._loop = numba.njit(cache=True, **_OPTIONS)(loop)

    def __call__(self, z: Any, b: Any, out: Any = None) -> Any:
        """Return both for z (…, h) and b (h,), contiguous arrays of one precision."""
        if out is None:
            out = np.empty((2, *z.shape), z.dtype)
        width = z.shape[-1]
        self._loop(z.reshape(-1, width), b, out.reshape(2, -1, width))
        return out


tanh_and_slope = FusedRows("tanh_and_slope", _tanh_rows)
sigmoid_and_slope = FusedRows("sigmoid_and_slope", _sigmoid_rows)
silu_and_slope = FusedRows("silu_and_slope", _silu_rows)
softplus_and_slope = FusedRows("softplus_and_slope", _softplus_rows)
relu_and_slope = FusedRows("relu_and_slope", _relu_rows)
elu_and_slope = FusedRows("elu_and_slope", _elu_rows)
_FUSED = {
    "relu": relu_and_slope,
    "elu": elu_and_slope,
    "tanh": tanh_and_slope,
    "sigmoid": sigmoid_and_slope,
    "silu": silu_and_slope,
    "softplus": softplus_and_slope,
}
"""By the name of the activation. A leaky one has a slope of its own, and GELU waits for erfc."""


# --- functions of scalars --------------------------------------------------------------------------------

_SCALARS = {**TEMPLATES, "tanh": "tanh_pair({})[0]", "tanh_slope": "tanh_pair({})[1]"}
_CALLED = {
    operation
    for operation, template in _SCALARS.items()
    if any(f"{name}(" in template for name in FUNCTIONS if name not in ("sqrt", "tanh"))
}
"""What calls a function of the mathematical library, one number after the other."""


def _with_slopes(scalars: list[Scalar]) -> None:
    """Make one operation of 1/cosh z times itself, which is found together with tanh z."""
    for scalar in scalars:
        first = scalar.operands[0] if scalar.operands else None
        if (
            scalar.operation != "multiply"
            or first is not scalar.operands[1]
            or first.operation != "reciprocal"
        ):
            continue
        inner = first.operands[0]
        if isinstance(inner, Scalar) and inner.operation == "cosh":
            scalar.operation, scalar.operands = "tanh_slope", inner.operands


def made(work: Work) -> Callable[..., Any] | None:
    """Return a compiled function of scalars, or a loop over points of one; None where it would be too long."""
    of, loop = work.point or work, work.many or work.point is not None
    inputs = {node.function: node for node in work.nodes if node.kind == "input"}
    if any(node.dtype != np.float64 for node in [*work.results, *inputs.values()]):
        return None
    try:
        found = scalar_lines(
            SimpleNamespace(nodes=of.nodes, once=of.once, returned=of.results, cost=ZERO_COST),
            several=True,
            rewritten=_with_slopes,
            templates=_SCALARS,
            apart=_CALLED if loop else (),
        )
    except NotScalarError:
        return None
    count = len(found.lines) + sum(dense.size for dense in found.results)
    if count > _MOST or len(found.inputs) != len(work.arguments):
        return None
    moving = (of.summed or work.arguments) if loop else ()
    shapes = {node.function: node.shape for node in of.nodes if node.kind == "input"}
    lead = 1 if of.summed else 0  # a point of a sum is a batch of one
    taken = [
        Argument(f"a{n}", found.inputs[name], shapes[name][lead if name in moving else 0 :], name in moving)
        for n, name in enumerate(work.arguments)
    ]
    together = not loop and len(found.results) > 1
    dense = [np.concatenate([part.ravel() for part in found.results])] if together else found.results
    given = [(f"r{n}", part) for n, part in enumerate(dense)]
    text = (
        looped_function(taken, found, given, bool(of.summed))
        if loop
        else straight_function(taken, found, given)
    )
    namespace: dict[str, Any] = {name: getattr(math, name) for name in FUNCTIONS}
    known = [
        0.0 if isinstance(entry, Scalar) or of.summed else float(entry)
        for part in dense
        for entry in part.flat
    ]
    namespace |= {"tanh_pair": tanh_pair, "empty": np.empty, "known": np.array(known)}
    exec(text, namespace)  # code that this library has written from its own operations
    more = int(work.many)
    kinds = [
        types.Array(types.float64, len(inputs[name].shape) + more, "A", readonly=True, aligned=False)
        for name in work.arguments
    ]
    ends = [1] if together else [len(node.shape) + more for node in work.results]
    kinds += [types.Array(types.float64, ndim, "C") for ndim in ends]
    try:
        compiled = numba.njit([types.void(*kinds)], **_OPTIONS)(namespace["function"])
    except numba.core.errors.NumbaError:
        return None
    made_call: Any = _calling(work, compiled, dense[0].size if together else 0)
    made_call.source, made_call.compiled = text, compiled
    return made_call


def _calling(work: Work, compiled: Any, together: int) -> Callable[..., Any]:
    """Return the function that gives results to the compiled one: each its own, or all in one of so many entries."""
    # behind the look at the kinds of arguments, which are known: what is no such array is refused here too
    entry = next(iter(compiled.overloads.values())).entry_point
    shapes = [node.shape for node in work.results]
    empty = np.empty
    (shape, *others), ends = shapes, np.cumsum([0, *map(math.prod, shapes)]).tolist()
    whole = (len(shapes), *shape)

    def alike(*arrays: Any) -> tuple[Any, ...]:
        flat = empty(together)
        entry(*arrays, flat)
        return tuple(flat.reshape(whole))

    def parted(*arrays: Any) -> tuple[Any, ...]:
        flat = empty(together)
        entry(*arrays, flat)
        pieces = zip(ends, ends[1:], shapes, strict=False)
        return tuple([flat[start:stop].reshape(own) for start, stop, own in pieces])

    def several(*arrays: Any) -> tuple[Any, ...]:
        results = tuple([empty(own) for own in shapes])
        entry(*arrays, *results)
        return results

    def points(*arrays: Any) -> tuple[Any, ...]:
        results = tuple([empty((len(arrays[0]), *own)) for own in shapes])
        entry(*arrays, *results)
        return results

    def one(x: Any, out: Any = None) -> Any:  # of one argument and one result: the shortest way
        if out is None:
            out = empty(shape)
        entry(x, out)
        return out

    same = all(own == shape for own in others)
    call: Any = points if work.many else several if not together else alike if same else parted
    call.one, call.into, call.writes_out = one, entry, True
    return call


# --- between NumPy's products ----------------------------------------------------------------------------


def rewritten(nodes: list[Node], results: list[Node], once: set[int]) -> list[Node]:
    """Return the nodes with an activation and its slope as one operation, where both are asked for at one place.

    Which nodes are an activation's is found by what its own formulas record.
    """
    read = {id(node) for node in results}
    places = {id(node): place for place, node in enumerate(nodes)}
    found: dict[int, list[Node]] = {}  # new nodes by the place that they stand before
    for name, kernel in _FUSED.items():
        values: dict[int, tuple[Node, Node]] = {}
        slopes: dict[int, Node] = {}
        for node in nodes:
            if id(node) in once or not node.shape or node.dtype.kind != "f":
                continue
            for value, slope in activation_patterns(name):
                if (z := matched(value, node)) is not None and z.shape == node.shape:
                    values.setdefault(id(z), (z, node))
                if (z := matched(slope, node)) is not None and z.shape == node.shape:
                    slopes.setdefault(id(z), node)
        for key in values.keys() & slopes.keys():
            (z, value_node), slope_node = values[key], slopes[key]
            if value_node.dtype != z.dtype or slope_node.dtype != z.dtype or id(z) in once:
                continue
            u, b = without_bias(z) if id(z) not in read else (z, None)
            added = []
            if b is None:
                zeros = np.zeros(z.shape[-1:], z.dtype)
                b = Node("constant", f"zeros_{z.shape[-1]}", (), {}, zeros.shape, z.dtype, {}, value=zeros)
                added.append(b)
                once.add(id(b))
            pair = Node("function", kernel, (u, b), {}, (2, *z.shape), z.dtype, {})
            found.setdefault(min(places[id(value_node)], places[id(slope_node)]), []).extend([*added, pair])
            for place, node in enumerate((value_node, slope_node)):
                node.kind, node.function, node.args, node.base = "item", "getitem", (pair, place), pair
                node.options, node.errors, node.method = {}, {}, "__call__"
    made = [part for place, node in enumerate(nodes) for part in [*found.get(place, ()), node]]
    return needed(made, results, everything_counted=False) if found else nodes
