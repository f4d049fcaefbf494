"""A recording on Numba: scalars for small functions, loops over points, products and activations as vector loops.

LLVM makes vector instructions of plain loops. What pays is tanh z and 1/cosh² z from one polynomial, a nanosecond for
both; small functions as scalars, without any call of NumPy; and products of matrices by blocks that stay in registers.
Compiled code calls no BLAS: Numba's way to it goes through SciPy's, a second pool of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from backprop.compiling.array_functions import Argument, looped_function, straight_function
from backprop.compiling.engines import Work, computed_once, not_installed
from backprop.compiling.entrywise import FUNCTIONS, TEMPLATES, NotScalarError, Scalar
from backprop.compiling.loop_form import loop_form
from backprop.compiling.loop_places import NotLoopsError
from backprop.compiling.nodes import Node, copied, fixed_nodes, matrix_products
from backprop.compiling.patterns import activation_patterns, matched, without_bias
from backprop.compiling.printing import needed
from backprop.compiling.scalar_form import scalar_lines
from jacobians.cost import ZERO_COST
from jacobians.numerics.blas_threads import LEAST_PRODUCT, WORTH_TWO

try:
    import numba
    from numba import types
except ImportError as error:
    raise not_installed("numba", error, extra="fast") from None

from backprop.compiling.kernels import by_address, pairs
from backprop.compiling.kernels.outer_products import KernelLedger
from backprop.compiling.kernels.pairs import FUSED, OPTIONS, tanh_pair
from backprop.compiling.kernels.products import beats_blas, product

KEEPS_UNITS = False
HAS_THREADS = False
LEDGER = KernelLedger()

_MOST = 1200  # numbers of a scalar function, beyond which LLVM takes seconds
_READ = 2  # what an entry of an argument counts as: LLVM looks whether what is written changes it
_BRANCH = 10  # what a branch counts as: all that is known at one is looked at anew behind it
_MOST_LINES = 500  # of a function of loops: a hundred of them take a third of a second


def own(array: Any) -> bool:
    """Return False: Numba's arrays are NumPy's."""
    return False


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
    """Return a compiled function of scalars, a loop over points of one, or loops and products; None where none pays."""
    return _made_of_scalars(work) or _made_of_loops(work)


def _made_of_scalars(work: Work) -> Callable[..., Any] | None:
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
    read = sum(len(entries) for entries in found.inputs.values())
    written = sum(dense.size for dense in found.results)
    branches = sum(line.count(" if ") for line in found.lines)
    count = len(found.lines) + written + _READ * read + _BRANCH * branches
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
        compiled = numba.njit([types.void(*kinds)], **OPTIONS)(namespace["function"])
    except numba.core.errors.NumbaError:
        return None
    made_call: Any = _calling(work, _entry(compiled), dense[0].size if together else 0)
    made_call.source, made_call.compiled, made_call.form = text, compiled, "scalars"
    return made_call


def _entry(compiled: Any) -> Callable[..., Any]:
    """Return a compiled function behind the look at the kinds of its arguments, which are known."""
    overload = next(iter(compiled.overloads.values()))
    return overload.entry_point


def _calling(work: Work, entry: Callable[..., Any], together: int) -> Callable[..., Any]:
    """Return the function that gives results to the compiled one: each its own, or all in one of so many entries."""
    shapes, kind = [node.shape for node in work.results], work.results[0].dtype
    empty: Any = np.empty if kind == np.float64 else partial(np.empty, dtype=kind)  # 0.1 µs of a small call
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


# --- functions of loops ----------------------------------------------------------------------------------

_LOOPED = {name: text for name, text in TEMPLATES.items() if name not in _CALLED}
"""Operations that LLVM makes vectors of; a function of the library would keep a whole loop from them."""

_LAYOUTS = {"rows": "C", "columns": "F"}
_PAIRS = {kernel: f"{name}_pair" for name, kernel in FUSED.items()}


def _made_of_loops(work: Work) -> Callable[..., Any] | None:
    """Return a compiled function of loops and products; None where it would not be worth it, or has no such form."""
    if (
        work.many
        or 2 * sum(size * times for size, times in matrix_products(work.nodes, work.once)) > WORTH_TWO
    ):
        return None  # beside its products calls of NumPy take no time
    inputs = {node.function: node for node in work.nodes if node.kind == "input"}
    if not inputs.keys() >= set(work.arguments):
        return None  # a result of constants
    taken, kind = [inputs[name] for name in work.arguments], work.results[0].dtype
    if kind not in (np.float64, np.float32) or any(node.dtype != kind for node in [*work.results, *taken]):
        return None
    copies = copied(work.nodes)
    results = [copies[id(node)] for node in work.results]
    nodes = _fused(list(copies.values()), results, {id(copies[key]) for key in work.once}, alone=True)
    once = fixed_nodes(nodes)
    known = computed_once(Work(nodes, work.arguments, results, once))
    try:
        found = loop_form(nodes, work.arguments, results, known, _LOOPED, _PAIRS)
    except NotLoopsError:
        return None
    if len(found.lines) > _MOST_LINES:
        return None
    arrays = {
        **{f"a{n}": node for n, node in enumerate(taken)},
        **{f"r{n}": node for n, node in enumerate(results)},
    }
    body = [
        *(f"{name}_flat = {name}.reshape({math.prod(node.shape)})" for name, node in arrays.items()),
        *(f"{name} = numbers_at({name}_at, {value.size})" for name, value in found.constants.items()),
        f"memory = empty({found.memory}, number)",
        *found.lines,
    ]
    text = "\n    ".join([f"def function({', '.join(arrays)}):", *body]) + "\n"
    namespace: dict[str, Any] = {name: getattr(pairs, name) for name in _PAIRS.values()}
    namespace |= {"empty": np.empty, "number": numba.from_dtype(kind), "sqrt": math.sqrt}
    namespace |= {"inf": math.inf, "nan": math.nan}
    namespace |= {"multiply": by_address.multiply(kind), "numbers_at": by_address.numbers_at(kind)}
    namespace |= {
        f"multiply_{name}": by_address.multiply_vector(layout, kind) for name, layout in _LAYOUTS.items()
    }
    namespace |= {f"{name}_at": value.ctypes.data for name, value in found.constants.items()}
    exec(text, namespace)  # code that this library has written from its own operations
    kinds = [
        types.Array(numba.from_dtype(kind), len(node.shape), "C", readonly=name[0] == "a", aligned=False)
        for name, node in arrays.items()
    ]
    try:
        compiled = numba.njit([types.void(*kinds)], nogil=True, **OPTIONS)(namespace["function"])
    except numba.core.errors.NumbaError:
        return None
    entry: Any = _of_rows(_entry(compiled), len(taken))
    entry.kept = found.constants  # which the code knows by address
    call: Any = _calling(work, entry, 0)
    call.source, call.compiled, call.form = text, compiled, "loops"
    return call


def _of_rows(entry: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a function that takes so many arrays of any layout, and gives them on row by row."""

    def whole(*arrays: Any) -> None:
        taken = [array if array.flags.c_contiguous else array.copy() for array in arrays[:count]]
        entry(*taken, *arrays[count:])

    def one(x: Any, *results: Any) -> None:
        entry(x if x.flags.c_contiguous else x.copy(), *results)

    return one if count == 1 else whole


# --- kernels in NumPy's code -----------------------------------------------------------------------------


def rewritten(nodes: list[Node], results: list[Node], once: set[int]) -> list[Node]:
    """Return the nodes with this engine's kernels: for products, and for an activation with its slope."""
    for node in nodes:
        if id(node) not in once and _is_product(node):
            node.kind, node.function, node.options, node.errors = "function", product, {}, {}
    return _fused(nodes, results, once)


def _is_product(node: Node) -> bool:
    """Return whether a node is a product for the kernels: of a matrix and a matrix or vector, of one precision."""
    if node.kind != "ufunc" or node.function is not np.matmul or node.method != "__call__" or node.options:
        return False
    a, b = node.args
    if any(part.dtype != node.dtype for part in (a, b)) or node.dtype not in (np.float64, np.float32):
        return False
    if sorted((len(a.shape), len(b.shape))) not in ([1, 2], [2, 2]):
        return False
    return 2 * math.prod(node.shape) * a.shape[-1] < LEAST_PRODUCT or beats_blas(node.dtype)


def _fused(nodes: list[Node], results: list[Node], once: set[int], *, alone: bool = False) -> list[Node]:
    """Return the nodes with an activation and its slope as one operation, where both are asked for at one place.

    With `alone` also where only one of them is. Which nodes are an activation's is found by what its own formulas
    record.
    """
    read = {id(node) for node in results}
    places = {id(node): place for place, node in enumerate(nodes)}
    found: dict[int, list[Node]] = {}  # new nodes by the place that they stand before
    for name, kernel in FUSED.items():
        argument: dict[int, Node] = {}
        values: dict[int, Node] = {}
        slopes: dict[int, Node] = {}
        for node in nodes:
            if id(node) in once or not node.shape or node.dtype.kind != "f":
                continue
            for value, slope in activation_patterns(name):
                for pattern, kept in ((value, values), (slope, slopes)):
                    if (z := matched(pattern, node)) is not None and z.shape == node.shape:
                        argument[id(z)] = z
                        kept.setdefault(id(z), node)
        for key in places.keys() & (
            values.keys() | slopes.keys() if alone else values.keys() & slopes.keys()
        ):
            z, halves = argument[key], {0: values.get(key), 1: slopes.get(key)}
            outputs = {half: node for half, node in halves.items() if node is not None}
            if any(node.dtype != z.dtype for node in outputs.values()) or id(z) in once:
                continue
            u, b = without_bias(z) if id(z) not in read else (z, None)
            added = []
            if b is None:
                zeros = np.full(z.shape[-1:], -0.0, z.dtype)  # which keeps the sign of -0.0
                b = Node("constant", f"zeros_{z.shape[-1]}", (), {}, zeros.shape, z.dtype, {}, value=zeros)
                added.append(b)
                once.add(id(b))
            pair = Node("function", kernel, (u, b), {}, (2, *z.shape), z.dtype, {})
            first = min(places[id(node)] for node in outputs.values())
            found.setdefault(first, []).extend([*added, pair])
            for half, node in outputs.items():
                node.kind, node.function, node.base = "item", "getitem", pair
                node.options, node.errors, node.method = {}, {}, "__call__"
                node.rewire((pair, half))
    made = [part for place, node in enumerate(nodes) for part in [*found.get(place, ()), node]]
    return needed(made, results, everything_counted=False) if found else nodes
