"""A recording on JAX: the nodes run on tracers under ``jax.jit``, each by the function of the same name.

What is called with JAX's arrays returns JAX's arrays, on their device; ``jit``, ``vmap`` and ``grad`` go through it.
NumPy's arrays give NumPy's, in their own precision whatever ``jax_enable_x64`` says. Small functions without matrix
products run entry by entry, which XLA makes one loop of: stacking and picking entries keeps it from that. XLA takes
subnormal numbers for 0 on some devices, the CPU among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from backprop.compiling.array_functions import Argument, columns_function
from backprop.compiling.engines import Running, Work, computed_once, not_installed
from backprop.compiling.entrywise import FUNCTIONS, TEMPLATES, NotScalarError
from backprop.compiling.nodes import Node
from backprop.compiling.points import COLUMNS
from backprop.compiling.scalar_form import scalar_lines
from jacobians.cost import ZERO_COST
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import UNCOUNTED

try:
    import jax
    from jax import lax
    from jax import numpy as jnp
    from jax.scipy import special
except ImportError as error:
    raise not_installed("jax", error, extra="jax") from None

KEEPS_UNITS = True
HAS_THREADS = True  # XLA's own
LEDGER = UNCOUNTED  # into NumPy's arrays NumPy writes

_MOST = 600  # lines and entries of results of a function entry by entry, beyond which XLA takes seconds
_IN_CODE = 64  # entries of a constant that is copied into the code; as an argument it costs every call
_CALLED = {
    operation
    for operation, template in TEMPLATES.items()
    if any(f"{name}(" in template for name in FUNCTIONS if name != "sqrt")
}
"""What takes many instructions."""


def own(array: Any) -> bool:
    """Return whether an array, or what stands for one while it is traced, is JAX's."""
    return isinstance(array, jax.Array)


def _euclidean(rows: Any) -> Any:
    scale = jnp.abs(rows).max(axis=-1, keepdims=True)
    usual = jnp.isfinite(scale) & (scale > 0)
    norms = jnp.linalg.norm(rows / jnp.where(usual, scale, 1), axis=-1)
    return jnp.where(usual[..., 0], norms * scale[..., 0], scale[..., 0])


def _windows(x: Any, shape: Any, axis: Any = None, **options: Any) -> Any:
    """Return what NumPy's sliding_window_view does, as a copy."""
    axes = range(x.ndim) if axis is None else [place % x.ndim for place in np.atleast_1d(axis).tolist()]
    for size, place in zip(np.atleast_1d(shape).tolist(), axes, strict=True):
        starts = np.arange(x.shape[place] - size + 1)
        taken = jnp.take(x, starts[:, None] + np.arange(size), axis=place)
        x = jnp.moveaxis(taken, place + 1, -1)
    return x


def _elsewhere(name: str) -> Any:
    """Return a function that is not one of NumPy's."""
    return {"euclidean": _euclidean, "sliding_window_view": _windows}.get(name) or getattr(special, name)


def _argsort(x: Any, axis: Any = -1, kind: Any = None) -> Any:
    return jnp.argsort(x, axis=axis)  # which is stable


def _take(x: Any, places: Any, *rest: Any, **options: Any) -> Any:
    return jnp.take(x, np.asarray(places) if isinstance(places, list) else places, *rest, **options)


_OTHERWISE = {"argsort": _argsort, "take": _take}
"""What takes other options or arguments than NumPy's."""


class _Running(Running):
    """The nodes on tracers, in precisions that JAX has, and with reductions that its functions of two arrays lack."""

    def read(self, value: Any) -> Any:
        if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            return jax.dtypes.canonicalize_dtype(value)  # float32 where jax_enable_x64 is off
        return super().read(value)

    def method(self, function: Any, name: str) -> Any:
        if name == "__call__" and function.__name__ in _OTHERWISE:
            return _OTHERWISE[function.__name__]
        ours = super().method(function, "__call__")
        if name == "__call__":
            return ours
        if not hasattr(ours, name):
            ours = jnp.frompyfunc(ours, 2, 1, identity=function.identity)
        return getattr(ours, name)


def _keeping(fresh: Any) -> Callable[..., Any]:
    """Return a function that hands arrays on, by a branch that is always taken where XLA computes on the CPU.

    There XLA forms a number again in each loop that reads it, be it a sine: what stands behind a branch is formed once.
    """

    def through(*arrays: Any) -> Any:
        return lax.cond(fresh, lambda *some: some, lambda *some: tuple(part + 1 for part in some), *arrays)

    return lambda *arrays: lax.platform_dependent(*arrays, cpu=through, default=lambda *some: some)


def _by_entries(work: Work) -> Callable[..., tuple[Any, ...]] | None:
    """Return a function of constants and arrays entry by entry, with any axes before; None where it is too long."""
    of, moving = work.point or work, work.many or work.point is not None
    multiplied = any(node.function is np.matmul for node in of.nodes if id(node) not in of.once)
    if of.summed or multiplied:
        return None
    try:
        found = scalar_lines(
            SimpleNamespace(nodes=of.nodes, once=of.once, returned=of.results, cost=ZERO_COST),
            several=True,
            templates=COLUMNS,
            apart=_CALLED,
            single=True,
        )
    except NotScalarError:
        return None
    if len({node.dtype for node in of.nodes if node.dtype.kind == "f" and id(node) not in of.once}) > 1:
        return None
    count = len(found.lines) + sum(dense.size for dense in found.results)
    if count > _MOST or len(found.inputs) != len(work.arguments):
        return None
    shapes = {node.function: node.shape for node in of.nodes if node.kind == "input"}
    taken = [
        Argument(f"a{n}", found.inputs[name], shapes[name], moving) for n, name in enumerate(work.arguments)
    ]
    names = {COLUMNS[one].partition("(")[0] for one in found.operations if "(" in COLUMNS[one]}
    namespace: dict[str, Any] = {name: getattr(jnp, name, None) or getattr(special, name) for name in names}
    namespace |= {"keeping": _keeping, "joined": _joined}
    exec(
        columns_function(taken, found), namespace
    )  # code that this library has written from its own operations
    run: Callable[..., tuple[Any, ...]] = namespace["function"]
    return run


def _joined(entries: Sequence[Any], shape: tuple[int, ...], like: Any) -> Any:
    """Return an array with the axes of `like` and those of a shape, of entries that are arrays as `like` or numbers."""
    parts: list[Any] = []
    known: list[float] = []
    for entry in [*entries, None]:
        if isinstance(entry, float | int):
            known.append(entry)
            continue
        if known:
            parts.append(jnp.broadcast_to(jnp.array(known, like.dtype), (*like.shape, len(known))))
            known = []
        if entry is not None:
            parts.append(entry[..., None])
    return jnp.concatenate(parts, axis=-1).reshape(*like.shape, *shape)


def _by_nodes(work: Work) -> tuple[Callable[..., tuple[Any, ...]], list[Array]]:
    """Return a function of constants and arrays, and the constants."""
    known = computed_once(work)
    each = [node for node in work.nodes if id(node) not in work.once]
    inputs = {node.function: node for node in each if node.kind == "input"}
    read = {id(part) for node in each for part in node.operands()} | {id(node) for node in work.results}
    fixed = {key: np.asarray(value) for key, value in known.items() if key in read}
    # large ones are arguments of what is compiled: as constants they would be copied into its code
    given = {key: value for key, value in fixed.items() if value.size > _IN_CODE}

    def run(constants: list[Any], *arrays: Any) -> tuple[Any, ...]:
        running = _Running(jnp, jnp.linalg, _elsewhere)
        running.values.update(fixed)
        running.values.update(zip(given, constants, strict=True))
        for name, array in zip(work.arguments, arrays, strict=True):
            if name in inputs:
                running.values[id(inputs[name])] = array
        for node in each:
            if node.kind != "input":
                running.do(node)
        return tuple(jnp.broadcast_to(running.read(node), node.shape) for node in work.results)

    each_point = jax.vmap(run, in_axes=(None, *[0] * len(work.arguments))) if work.many else run
    return each_point, list(given.values())


def made(work: Work) -> Callable[..., Any]:
    """Return the recorded function, compiled at its first call."""
    by_entries = _by_entries(work)
    run, constants = (by_entries, [np.array(True)]) if by_entries is not None else _by_nodes(work)
    compiled = jax.jit(run)
    double = any(value.dtype == np.float64 for value in constants) or any(
        node.dtype == np.float64 for node in work.nodes
    )
    kept: dict[bool, Any] = {}  # constants on the device, in both precisions that they may be converted to

    def on_device(wide: bool) -> Any:
        with jax.ensure_compile_time_eval():  # no tracers, where the first call is traced
            kept[wide] = [jnp.asarray(value) for value in constants]
        return kept[wide]

    def call(*arrays: Any) -> tuple[Any, ...]:
        wide = jax.config.jax_enable_x64
        for array in arrays:
            if isinstance(array, jax.Array):
                return compiled(kept[wide] if wide in kept else on_device(wide), *arrays)
        if wide or not double:
            results = compiled(kept[wide] if wide in kept else on_device(wide), *arrays)
        else:
            with jax.enable_x64(True):
                results = compiled(kept[True] if True in kept else on_device(True), *arrays)
        return tuple([np.array(array) for array in results])  # writeable

    def one(x: Any) -> Any:  # of one argument and one result: the shortest way
        wide = jax.config.jax_enable_x64
        if isinstance(x, jax.Array):
            return compiled(kept[wide] if wide in kept else on_device(wide), x)[0]
        return call(x)[0]

    shortest: Any = call
    shortest.one = one
    return call


def dense_jacobian(function: Callable[[Any], Any], x: Array) -> Array:
    """Return the Jacobian (outputs, inputs) of a function of JAX's arrays, by JAX's own reverse mode."""
    return np.asarray(jax.jacrev(function)(jnp.asarray(x))).reshape(-1, x.size)


def rewritten(nodes: list[Node], results: list[Node], once: set[int]) -> list[Node]:
    """Return the nodes as they are: XLA fuses them."""
    return nodes
