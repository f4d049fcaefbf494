"""Gradients of a network's mean loss, compiled to one straight-line function for batches of one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy import ndarray  # looking it up in np is a few percent of a small call

from backprop.compiling.arguments import short_array
from backprop.compiling.engines import Engine, Work, checked_engine, engine_module, fastest, installed
from backprop.compiling.entrywise import MOST_OPERATIONS
from backprop.compiling.gradient_source import GradientTrace, gradient_source, target_name, trace_gradients
from backprop.compiling.memory import Written
from backprop.compiling.nodes import fixed_nodes
from backprop.learning.network import MLP
from backprop.learning.targets import target_rows
from jacobians import Function
from jacobians.equality import ByValue
from jacobians.names import class_name, class_said
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.blas_threads import blas_threads
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.threads import LEAST_FLOPS, halves, spread

LEAST_POINTS = 128
"""Points of a thread, below which BLAS's own threads are faster: gradients of few points are not worth adding up."""


class CompiledGradients(ByValue):
    """The gradients of a network's mean loss by all parameters: ``compiled(x, y)`` is what ``net.gradients(x, y)`` is.

    Made by :func:`compile_gradients`. The parameters are those that the network has at each call, so that it can be
    trained.

    Attributes
    ----------
    source : str
        The generated code: a function of points, targets and parameters.
    constants : dict of str to numpy.ndarray
        The arrays that the code takes.
    points : int
        The number of points of a batch.
    threads : int
        How many threads the points of a batch are divided among.
    workspace : int
        The bytes that are kept between calls for intermediate results.
    """

    source: str
    constants: dict[str, Array]
    points: int
    threads: int
    workspace: int

    def __init__(self, network: MLP, points: int, engine: Engine = "numpy") -> None:
        if not isinstance(network, MLP):
            raise TypeError(f"network: found {class_said(network)}, expected an MLP; see compile_gradients")
        self.points = checked_integer(points, "points")
        self._network = network
        self._dtype = network.dtype
        require_budget(
            (self.points, sum(network.sizes)),
            network.dtype.itemsize,
            "the outputs of all layers at all points",
            "compile the gradients for fewer points, and add up what several calls give",
        )
        self._names = list(network.parameters)
        self._layers: tuple[Function, ...] = ()  # those whose affine ones are known
        self._affine: list[Any] = []
        self._sizes = [value.shape for value in network.parameters.values()]
        self._wanted = dict(zip(self._names, self._sizes, strict=True))
        self._fresh: list[Array | None] = [None] * len(self._names)
        self._spare: list[list[list[Array]]] = []  # where all pieces but the first leave their gradients
        self._shape, self._rows = (points, network.sizes[0]), (points, network.sizes[-1])
        rows = np.full(self._rows, 1 / network.sizes[-1], dtype=self._dtype)
        loss = network.network_loss.of(rows)
        self._target = target_name(loss, rows)
        self._limited, self._takes_all = loss.has_domain, network.network_loss.takes_all
        self._engine, self.engine, self._candidates = engine, engine, ""
        self._own: Any = engine_module(engine).own if engine not in ("numpy", "auto") else _none_is
        if engine == "auto":
            self._take_the_fastest()
            return
        self._parameters = sum(value.size for value in network.parameters.values())
        work = 6 * points * self._parameters
        worth = work >= LEAST_FLOPS and points >= LEAST_POINTS * blas_threads()
        whole = engine != "numpy" and engine_module(engine).HAS_THREADS
        self._pieces = halves(points, blas_threads() if worth and not whole else 1)
        self.threads = len(self._pieces)
        written: dict[int, Written] = {}
        made: dict[int, Callable[..., Any]] = {}
        for size in sorted({piece.stop - piece.start for piece in self._pieces}):
            written[size], made[size] = self._of_points(size)
        self.source, self.constants = written[size].source, written[size].constants
        self._codes = [made[piece.stop - piece.start] for piece in self._pieces]
        sums = sum(value.nbytes for value in network.parameters.values()) * (len(self._pieces) - 1)
        self.workspace = sum(written[piece.stop - piece.start].workspace for piece in self._pieces) + sums

    def _at_one_point(self, whole: GradientTrace) -> Work | None:
        """Return the terms of one point, whose sum are the gradients; None where one function can't hold them."""
        network, arguments = self._network, list(whole.arguments)
        if 2 * self._parameters > MOST_OPERATIONS:
            return None
        rows = np.full((1, network.sizes[-1]), 1 / network.sizes[-1], dtype=self._dtype)
        loss = network.network_loss.of(rows)
        one = trace_gradients(network, loss, rows, (1, network.sizes[0]), self._dtype, divisor=self.points)
        results = [one.results[name] for name in whole.results]
        return Work(one.nodes, arguments, results, fixed_nodes(one.nodes), summed=("x", "y"))

    def _take_the_fastest(self) -> None:
        """Be what takes the least time on random points."""
        made = {name: CompiledGradients(self._network, self.points, name) for name in installed()}
        rng = np.random.default_rng(0)
        x = rng.standard_normal(self._shape).astype(self._dtype)
        y = np.full(self._rows, 1 / self._rows[1], self._dtype)
        name = fastest(made, [x, y])
        vars(self).update(vars(made[name]))
        self._engine, self._candidates = "auto", ", ".join(made)

    def _of_points(self, size: int) -> tuple[Written, Callable[..., Any]]:
        network = self._network
        rows = np.full((size, network.sizes[-1]), 1 / network.sizes[-1], dtype=self._dtype)
        shape = (size, network.sizes[0])
        trace = trace_gradients(
            network, network.network_loss.of(rows), rows, shape, self._dtype, divisor=self.points
        )
        title = f"Gradients of {network!r} for {size} points, by {', '.join(trace.results)}."
        call: Callable[..., Any] | None = None
        if self.engine != "numpy":
            module, results, once = (
                engine_module(self.engine),
                list(trace.results.values()),
                fixed_nodes(trace.nodes),
            )
            call = module.made(
                Work(trace.nodes, list(trace.arguments), results, once, self._at_one_point(trace))
            )
            if call is None:
                trace = replace(trace, nodes=module.rewritten(trace.nodes, results, once))
        written = gradient_source(trace, title)
        if call is None:
            return written, written.made()
        engine, into = call, getattr(call, "into", None)

        def code(x: Array, y: Array, *others: Any) -> Any:
            *parameters, arrays = others
            if into is None or arrays[0] is None:
                return engine(x, y, *parameters)
            into(x, y, *parameters, *arrays)
            return arrays

        return written, code

    def __call__(self, x: Any, y: Any, out: dict[str, Array] | None = None) -> dict[str, Array]:
        """Return ∂(mean loss)/∂parameter for every parameter, each in its parameter's shape.

        Parameters
        ----------
        x : array_like, shape (N, d)
            On JAX also arrays of JAX, whose gradients are such, too.
        y : array_like
            Class numbers, shape (N,), or targets, shape (N, k).
        out : dict of str to numpy.ndarray, optional
            Arrays for the gradients, such as the answer of an earlier call, which is no longer needed: it spares
            fresh memory. They share none with x, y and each other.

        Raises
        ------
        TypeError, ValueError
            If x, y or out is refused, or N is not the number of points that was compiled for.
        """
        # the code has the error state of these packages: the usual way needs none around it
        network = self._network
        points, targets = self._looked_at(x, y)
        if self._layers is not network.layers:
            self._affine = [network[place] for place in network.affine_places]
            self._layers = network.layers  # last: another thread may ask
        parameters = [value for layer in self._affine for value in (layer.W, layer.b) if value is not None]
        if out is not None and type(points) is not ndarray and self._own(points):
            raise ValueError("out: found it beside an array of another library, expected no out")
        arrays = self._fresh if out is None else self._checked(out)
        if len(self._pieces) == 1:
            found = self._codes[0](points, targets, *parameters, arrays)
        else:
            found = self._by_threads(points, targets, parameters, arrays)
        if out is not None:
            if found is not arrays:
                for name, gradient in zip(self._names, found, strict=True):
                    if gradient is not out[name]:
                        np.copyto(out[name], gradient)
            return out
        return dict(zip(self._names, found, strict=True))

    @without_float_errors
    def _by_threads(
        self, points: Array, targets: Array, parameters: list[Array], arrays: Sequence[Array | None]
    ) -> Sequence[Array]:
        """Return the sums of the gradients of all pieces; those of the first go into `arrays`."""
        try:
            # fresh memory costs more than the sum; two calls at once have their own
            others = self._spare.pop()
        except IndexError:
            others = [[np.empty(shape, self._dtype) for shape in self._sizes] for _ in self._pieces[1:]]
        into: list[Any] = [arrays, *others]
        found: list[Any] = [None] * len(into)

        def work(piece: slice) -> None:
            place = self._pieces.index(piece)
            found[place] = self._codes[place](points[piece], targets[piece], *parameters, into[place])

        spread(work, self._pieces)
        first: Sequence[Array] = found[0]
        for other in found[1:]:
            for total, term in zip(first, other, strict=True):
                total += term
        self._spare.append(others)
        return first

    def _checked(self, out: Any) -> list[Array]:
        """Return the arrays of a mapping, in the order of the parameters, after a look at them."""
        if (type(out) is not dict and not isinstance(out, Mapping)) or out.keys() != self._wanted.keys():
            found = list(out) if isinstance(out, Mapping) else class_name(out)
            raise TypeError(f"out: found {found}, expected a dict with an array for each of {self._names}")
        arrays = []
        for name, shape in self._wanted.items():
            array = out[name]
            arrays.append(array)
            usual = type(array) is ndarray and array.shape == shape and array.dtype is self._dtype
            if not usual or not array.flags.carray:
                raise ValueError(
                    f"out: found {short_array(array)} for {name}, expected a writeable C-contiguous array of shape "
                    f"{shape} and dtype {self._dtype}; make it by np.empty({shape}, np.{self._dtype})"
                )
        return arrays

    def _looked_at(self, x: Any, y: Any) -> tuple[Array, Array]:
        """Return points and targets; arrays of the usual kind are let through without a closer look."""
        usual = type(x) is ndarray and x.dtype is self._dtype and x.shape == self._shape
        same = type(y) is ndarray and y.dtype is self._dtype and y.shape == self._rows
        if usual and same and self._takes_all and not self._limited:
            self._network.check_library(x)
            return x, y
        return self._at_own(x, y) if self._own(x) else self._door(x, y)

    def _at_own(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return points of the engine's library, or what stands for them while it is traced, and their targets."""
        if tuple(x.shape) != self._shape:
            raise ValueError(f"x: found shape {tuple(x.shape)}, expected {self._shape}")
        if not self._own(y):
            return x, self._targets(y)
        if tuple(y.shape) != self._rows:
            raise ValueError(
                f"y: found shape {tuple(y.shape)}, expected {self._rows}; class numbers go in as an array of NumPy's"
            )
        return x, y

    @without_float_errors
    def _door(self, x: Any, y: Any) -> tuple[Array, Array]:
        points, targets = self._points(x), self._targets(y)
        if self._limited:  # its domain are outputs that the code keeps to itself
            loss = self._network.network_loss.of(targets)
            loss.check_values(self._network._forward(points, 1))
        return points, targets

    def _points(self, x: Any) -> Array:
        """Return x as points."""
        network = self._network
        points, count = network._points(x)
        if count != self.points:
            raise ValueError(
                f"x: found shape {np.shape(x)}, expected {self._shape}, the number of points that was compiled for; "
                f"compile again for another one"
            )
        return points.astype(self._dtype, copy=False)

    def _targets(self, y: Any) -> Array:
        """Return what the loss keeps of the targets y."""
        loss, (points, outputs) = self._network.network_loss, self._rows
        if self._takes_all and type(y) is ndarray and y.dtype is self._dtype and y.shape == self._rows:
            return y
        targets: Array = getattr(loss.of(target_rows(y, points, outputs, self._dtype)), self._target)
        return targets

    def __reduce__(self) -> Any:
        # compiled again: code that is run is never read from a pickle
        return CompiledGradients, (self._network, self.points, self._engine)

    def __repr__(self) -> str:
        where = "" if self.engine == "numpy" and not self._candidates else f" on {self.engine}"
        chosen = f", the fastest of {self._candidates}" if self._candidates else ""
        return f"<CompiledGradients of {self._network!r} for {self.points} points{where}{chosen}>"


def _none_is(array: Any) -> bool:
    return False


def compile_gradients(network: MLP, points: int, *, engine: Engine = "numpy") -> CompiledGradients:
    """Return the gradients of a network as a fast function of (x, y) for batches of one size.

    The δ recursion of :meth:`MLP.gradients` is recorded on arrays without numbers and written down as straight-line
    NumPy; what occurs twice is computed once. The points of a large batch are divided among as many threads as BLAS
    has, each with one of them.

    Parameters
    ----------
    network : MLP
    points : int
        The number of points of a batch, at least 1.
    engine : {"numpy", "numba", "jax", "auto"}
        What runs the code, as in :func:`compile`.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    ImportError
        If the engine's library is not installed.
    RecordingError
        If a layer or a loss of one's own does what straight-line code can't.
    MemoryBudgetError
        If the outputs of all layers at so many points are more than 2 GiB.

    Examples
    --------
    >>> net = MLP.initialize([4, 3, 2], seed=1)
    >>> gradients = compile_gradients(net, points=4)
    >>> x, y = np.eye(4), [0, 1, 1, 0]
    >>> found, expected = gradients(x, y), net.gradients(x, y)
    >>> all(np.allclose(found[name], expected[name]) for name in expected)
    True
    """
    if not isinstance(network, MLP):
        raise TypeError(
            f"network: found {class_said(network)}, expected an MLP; for another network "
            f"compile(network, by=…, loss=…) gives one gradient"
        )
    return CompiledGradients(network, checked_integer(points, "points", least=1), checked_engine(engine))
