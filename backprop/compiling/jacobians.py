"""Networks compiled to one straight-line function of x for repeated evaluation of a Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy import ndarray  # looking it up in np is a few percent of a small call

from backprop.compiling.answers import shares_memory
from backprop.compiling.arguments import (
    check_out,
    check_steady,
    checked_precision,
    checked_sizes,
    short_array,
    short_name,
    takes_all_values,
)
from backprop.compiling.blocks import by_blocks
from backprop.compiling.engines import (
    Engine,
    Work,
    engine_module,
    engine_text,
    fastest,
    installed,
    random_arguments,
)
from backprop.compiling.entrywise import NotScalarError
from backprop.compiling.memory import maker
from backprop.compiling.networks import Trace, array_form, trace_jacobian
from backprop.compiling.nodes import Node, fixed_nodes
from backprop.compiling.scalar_form import is_small, scalar_form
from backprop.plan import Plan
from jacobians import Cost, Function
from jacobians.cost import ZERO_COST
from jacobians.equality import ByValue
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_flag, checked_option
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.planning.plan import GraphPlan

Form = Literal["auto", "arrays", "scalars"]

_PROBE = 4  # points, from which what one takes is found out
_CACHE = 2**20  # bytes: about half of the second-level cache that a core has today
_WORTH_LOOKING = (
    4e6  # operations a point: from there on dropping dead units gains more than points together do
)


class CompiledJacobian(ByValue):
    """A Jacobian as a function of x alone: ``compiled(x)`` is a dense array (m, n), or (N, m, n) for N points.

    Made by :func:`compile`. The parameters are those of the network when it was compiled, copied: later updates of
    the network do not reach it.

    Attributes
    ----------
    source : str
        The generated code for x of dtype float64 (or float32, if it was compiled for that).
    form : str
        "arrays" for NumPy code, "scalars" for code entry by entry, "loops" for an engine's loops over entries.
    plan : Plan
        How the factors are multiplied, those of one block of points: made from specs, without numbers of x.
    cost : Cost
        Multiplications and additions of the products in one call. Products of parameters alone are formed once, and
        those that the answer does not need, never: then it is less than ``plan.cost``. The forward pass and the
        layers' own formulas are not counted, as in a plan.
    constants : dict of str to numpy.ndarray
        The arrays that the code takes.
    block : int
        How many points of a batch the code takes at once, so that what it works on fits into a core's cache. Larger
        batches are worked through block by block, by threads where that gains time; `source` is for one block.
    workspace : int
        The bytes that are kept between calls for intermediate results, for each thread that computes.
    engine : str
        What runs the code. On JAX `source` is NumPy's code of the same recording, and arrays of JAX, which are not
        looked at for the network's domain, give arrays of JAX.
    """

    source: str
    form: str
    plan: Plan | GraphPlan
    cost: Cost
    constants: dict[str, Array]
    block: int
    workspace: int

    def __init__(
        self,
        network: Function,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        by: str,
        loss: Function | None,
        batched: bool,
        form: Form,
        block: int | None = None,
        engine: Engine = "numpy",
    ) -> None:
        for name, value in (("network", network), ("loss", loss)):
            if not isinstance(value, Function) and (name == "network" or value is not None):
                raise TypeError(
                    f"{name}: found {class_name(value)}, expected a Function; see backprop.compile"
                )
        checked_flag(batched, "batched")
        checked_option(form, "form", get_args(Form))
        checked_option(by, "by", ["input", *network.parameters])
        shape, dtype = checked_sizes(network, shape, batched), checked_precision(dtype)
        self.shape, self.dtype, self.by = shape, dtype, by
        self._network = network
        self._loss, self._batched, self._form = loss, batched, form
        # x of this shape goes straight to the code, unless numbers of x are looked at first
        self._limited = loss is not None and loss.has_domain
        self._straight = shape if takes_all_values(network) and not self._limited else None
        self._others: dict[np.dtype[Any], CompiledJacobian] = {}
        self._own: Any = _none_is
        self._entry: Any = None  # what writes into an array without any look at it
        self._engine, self.engine, self._candidates = engine, engine, ""
        if engine == "auto":
            self._take_the_fastest(block)
            return
        if engine != "numpy" and self._runs_on(engine_module(engine)):
            return
        self.block = block or (self._points_at_once() if batched else 1)
        if batched and self.block < shape[0]:
            self._work_in_blocks()
            return
        trace = self._take(self._trace(shape, batched))
        title = self._title()
        if engine != "numpy":
            nodes = engine_module(engine).rewritten(trace.nodes, trace.returned, trace.once)
            trace = replace(trace, nodes=nodes, once=fixed_nodes(nodes))
        written = array_form(trace, title)
        self.source, self.constants, self.workspace = written.source, written.constants, written.workspace
        self._writes_out = written.writes_out
        arrays = written.made()
        self._arrays, self._call, self.form = arrays, arrays, "arrays"
        self._writes_anywhere = False
        if form == "scalars" or (form == "auto" and is_small(trace)):
            try:
                source = scalar_form(trace, title)
            except NotScalarError as error:
                if form == "scalars":
                    raise ValueError(
                        f"form: found 'scalars' for a Jacobian without that form ({error}), expected 'arrays' or 'auto'"
                    ) from None
            else:
                self._call = maker(source)(arrays)
                self._writes_out = False  # floats are copied faster than arrays are computed
                self.source, self.form = source, "scalars"

    def _trace(self, shape: tuple[int, ...], batched: bool, keep_units: bool = False) -> Trace:
        return trace_jacobian(
            self._network,
            shape,
            self.dtype,
            by=self.by,
            loss=self._loss,
            batched=batched,
            keep_units=keep_units,
        )

    def _take(self, trace: Trace) -> Trace:
        self.plan, self.cost = trace.plan, trace.cost
        self._take_sizes(trace.result.shape[-2:], trace.result.dtype)
        return trace

    def _take_sizes(self, sizes: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._sizes, self._answer = sizes, dtype
        self._shape_of_out = (*self.shape[:1], *sizes) if self._batched else sizes

    def _title(self) -> str:
        target = "the loss" if self._loss is not None else "F"
        return (
            f"∂{target}/∂{self.by} of {short_name(self._network)} at x of shape {self.shape}, {self.dtype}."
        )

    # --- engines ---------------------------------------------------------------------------------------

    def _runs_on(self, module: Any) -> bool:
        """Take what an engine makes of the whole function; False where NumPy's products are better."""
        if self._form == "arrays" and not module.KEEPS_UNITS:
            return False
        trace = self._trace(self.shape, self._batched, module.KEEPS_UNITS)
        point = None
        if self._batched and self._loss is None:
            one = self._trace(self.shape[1:], False, module.KEEPS_UNITS)
            point = Work(one.nodes, ["x"], one.returned, one.once)
        call = None
        if self._loss is None or not self._batched or module.KEEPS_UNITS:
            call = module.made(Work(trace.nodes, ["x"], trace.returned, trace.once, point))
        if call is None:
            if self._form == "scalars":
                raise ValueError(
                    f"form: found 'scalars' for a Jacobian without that form on {self.engine}, expected 'auto'"
                )
            return False
        self._take(trace)
        written = array_form(trace, self._title())
        self.source, self.constants = getattr(call, "source", written.source), written.constants
        self.workspace, self.block = 0, self.shape[0] if self._batched else 1
        self.form = getattr(call, "form", "arrays")
        self._writes_out, self._writes_anywhere = hasattr(call, "writes_out"), False
        self._own = module.own

        def arrays(x: Array, out: Array | None = None) -> Array:
            return call(x)[0] if out is None else call(x, out=(out,))[0]

        self._arrays = self._call = getattr(call, "one", arrays)
        self._entry = getattr(call, "into", None)
        return True

    def _take_the_fastest(self, block: int | None) -> None:
        """Be what takes the least time on random points."""
        given = (self._network, self.shape, self.dtype, self.by, self._loss, self._batched, self._form, block)
        made = {name: CompiledJacobian(*given, name) for name in installed()}
        x = random_arguments([Node("input", "x", (), {}, self.shape, self.dtype, {})])
        name = fastest({name: call._call for name, call in made.items()}, x)
        vars(self).update(vars(made[name]))
        self._engine, self._candidates = "auto", ", ".join(made)

    # --- batches in blocks -----------------------------------------------------------------------------

    def _points_at_once(self) -> int:
        """Return how many points one call of the code takes: those whose products fit into a core's cache."""
        points = self.shape[0]
        if self._form == "scalars" or self._loss is not None:
            return points  # a loss may have a target a point
        some = min(points, _PROBE)
        fitting = _CACHE * some // max(self._trace((some, *self.shape[1:]), True).working_set, 1)
        if fitting >= points:
            return points
        if fitting <= 1:
            return 1
        one = self._trace(self.shape[1:], False)
        if one.drops_dead_units and one.cost.flops >= _WORTH_LOOKING:
            return 1
        blocks = -(-points // fitting)
        return -(-points // blocks)  # of nearly equal length

    def _work_in_blocks(self) -> None:
        points, block = self.shape[0], self.block
        whole = self._of_points(block)
        rest = self._of_points(points % block) if points % block else whole
        self.source, self.constants, self.form = whole.source, whole.constants, whole.form
        self.plan = whole.plan
        self._take_sizes(whole._sizes, whole._answer)
        self.workspace = whole.workspace + (rest.workspace if points % block else 0)
        self.cost = points // block * whole.cost + (rest.cost if points % block else ZERO_COST)
        self._writes_out = self._writes_anywhere = True
        answer = (points, *self._sizes)
        self._arrays = self._call = by_blocks(
            whole, rest, points, block, answer, self._answer, self.cost.flops
        )

    def _of_points(self, points: int) -> CompiledJacobian:
        """Return the same for fewer points; for one as a point."""
        batched = points > 1
        shape = (points, *self.shape[1:]) if batched else self.shape[1:]
        given = (self._network, shape, self.dtype, self.by, None, batched)
        return CompiledJacobian(*given, "arrays" if self.engine == "numpy" else "auto", None, self._engine)

    # --- calls -----------------------------------------------------------------------------------------

    def __call__(self, x: Any, out: Array | None = None) -> Array:
        """Return the dense Jacobian at x.

        Parameters
        ----------
        x : array_like
            Of the shape that was compiled for; float64, float32, or what becomes float64.
        out : numpy.ndarray, optional
            Where the answer goes; it spares the allocation of a large one.

        Raises
        ------
        TypeError, ValueError
            If x or out is refused.
        """
        # the generated code has the error state of these packages: the usual way needs none around it
        if type(x) is not ndarray or x.dtype is not self.dtype or x.shape != self._straight:
            if self._own(x):
                usual = x.dtype is self.dtype and x.shape == self.shape and out is None
                return self._call(x) if usual else self._at_own(x, out)
            x = self._door(x)
            if x.dtype != self.dtype:
                return self._for_dtype(x.dtype)(x, out)
        if out is None:
            return self._call(x)
        usual = type(out) is ndarray and out.dtype is self._answer and out.shape == self._shape_of_out
        if not usual or not out.flags.writeable:
            check_out(out, self._shape_of_out, self._answer)
        if self._batched and shares_memory(out, (x,)):  # points would be written to before they are read
            np.copyto(out, self._call(x))
        elif self._entry is not None and out.flags.carray:
            self._entry(x, out)
        elif self._writes_anywhere or (self._writes_out and out.flags.c_contiguous):
            self._arrays(x, out)
        else:
            np.copyto(out, self._call(x))
        return out

    def into(self, x: Array, out: Array) -> Callable[[], Any]:
        """Return a function without arguments that writes the Jacobian at what x holds then into `out`.

        Both are looked at here, once: their shapes, and whether they can be written to, have to stay what they are.

        Parameters
        ----------
        x : numpy.ndarray
            Of the shape and precision that was compiled for.
        out : numpy.ndarray
            A writeable C-contiguous array for the answer.

        Raises
        ------
        TypeError, ValueError
            If x or out is refused.

        Examples
        --------
        >>> from backprop import MLP, compile
        >>> jacobian = compile(MLP.initialize([2, 3, 1], seed=0, loss="squared-error"))
        >>> x, out = np.zeros(2), np.empty((1, 2))
        >>> write = jacobian.into(x, out)
        >>> x += 1.0
        >>> _ = write()
        >>> np.array_equal(out, jacobian(np.ones(2)))
        True
        """
        if type(x) is not ndarray or x.dtype != self.dtype or x.shape != self.shape:
            raise ValueError(
                f"x: found {short_array(x)}, expected an array of shape {self.shape} and dtype {self.dtype}, which is "
                f"read at each call; make it by np.asarray(x, np.{self.dtype})"
            )
        check_steady(out, self._shape_of_out, self._answer, [x])
        return partial(self if self._entry is None or self._straight is None else self._entry, x, out)

    def _at_own(self, x: Any, out: Any) -> Any:
        """Return the Jacobian at an array of the engine's library, or at what stands for one while it is traced."""
        if tuple(x.shape) != self.shape or out is not None:
            found = f"shape {tuple(x.shape)}" if out is None else "out beside an array of another library"
            raise ValueError(f"x: found {found}, expected shape {self.shape} and no out")
        if np.dtype(x.dtype) != self.dtype:
            return self._for_dtype(checked_precision(x.dtype))._at_own(x, None)
        return self._call(x)

    @without_float_errors
    def _door(self, x: Any) -> Array:
        point = real_array(x, "x", foreign="refuse")
        if point.shape != self.shape:
            expected = f"{self.shape}, the shape that was compiled for"
            raise ValueError(
                f"x: found shape {point.shape}, expected {expected}; compile again with shape={point.shape}"
            )
        self._network.check_values(point)
        if self._loss is not None and self._limited:
            # its domain are outputs that the code keeps to itself
            self._loss.check_values(self._network._forward(point, int(self._batched)))
        return point

    def _for_dtype(self, dtype: np.dtype[Any]) -> CompiledJacobian:
        if dtype not in self._others:
            form: Form = "auto" if self._form == "scalars" else self._form
            given = (self._network, self.shape, dtype, self.by, self._loss, self._batched, form, self.block)
            self._others[dtype] = CompiledJacobian(*given, self.engine)
        return self._others[dtype]

    def __reduce__(self) -> Any:
        # compiled again: code that is run is never read from a pickle
        given = (self._network, self.shape, self.dtype.name, self.by, self._loss, self._batched)
        return _restored, (*given, self._form, self.block, self._engine)

    def __repr__(self) -> str:
        sizes, where = "×".join(map(str, self._sizes)), engine_text(self.form, self.engine, self._candidates)
        return f"<CompiledJacobian ∂/∂{self.by}: x {self.shape} ↦ {sizes}, {where}, {self.cost}>"


def _none_is(array: Any) -> bool:
    return False


def _restored(network: Function, shape: tuple[int, ...], dtype: str, *others: Any) -> CompiledJacobian:
    # NumPy's own object for the dtype, which calls look for; a pickled one is another
    return CompiledJacobian(network, shape, np.dtype(dtype), *others)
