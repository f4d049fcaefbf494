"""Engines that run a recording: NumPy, and a file ``with_NAME.py`` in this folder for each other library.

An engine prints or runs the nodes of one recording; plan, cost and results are those of the recording. Such a file has

- ``made(work)``, which returns a function of the arguments that returns a tuple of arrays, or None where the engine has
  nothing that could be faster than NumPy's code. It may have the attributes ``writes_out``, and of one argument and
  one result ``one(x, out=None)``, and ``into(x, out)``, which looks at neither;
- ``rewritten(nodes, results, once)``, which returns the nodes of NumPy's code with some fused, for what was not made;
- ``HAS_THREADS``, whether its library divides the points of a batch among threads of its own;
- ``KEEPS_UNITS``, whether dead units must stay, for shapes can't depend on numbers;
- ``own(array)``, whether an array is the library's, which then stays with it.
"""

from __future__ import annotations

import math
import pkgutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from backprop.compiling.nodes import Node
from jacobians.layers.activation_derivatives import SlopeByValue
from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array

Engine = str
"""The name of an engine, or "auto"."""


@dataclass(frozen=True)
class Work:
    """What an engine is given.

    Attributes
    ----------
    nodes : list of Node
        What the results depend on, in order.
    arguments : list of str
        The names of the input nodes, in the order of the function's arguments.
    results : list of Node
        What is returned.
    once : set of int
        The ids of the nodes that depend on constants only.
    point : Work, optional
        The same for one point, where the first axis of the argument and of the result counts points.
    summed : tuple of str
        Of one point: the arguments whose first axis counts points, where the results are sums over these. Its other
        arguments are the same for all points.
    many : bool
        Whether arguments and results have an axis of points before the ones that the nodes say, for any number of them.
    """

    nodes: list[Node]
    arguments: list[str]
    results: list[Node]
    once: set[int]
    point: Work | None = field(default=None)
    summed: tuple[str, ...] = ()
    many: bool = False


@cache
def engines() -> tuple[str, ...]:
    """Return the names of all engines, NumPy first: one look at the directory.

    Examples
    --------
    >>> engines()[0]
    'numpy'
    """
    return (
        "numpy",
        *sorted(m.name[5:] for m in pkgutil.iter_modules(__path__) if m.name.startswith("with_")),
    )


def engine_module(name: str) -> Any:
    """Return the file of an engine; ImportError if its library is not installed."""
    return import_module(f"{__name__}.with_{name}")


def not_installed(name: str, error: ImportError, *, extra: str) -> ImportError:
    """Return what an engine's file raises where its library is not installed."""
    return ImportError(
        f"engine: found {name!r}, but {error.name} is not installed; pip install 'explicit-jacobians[{extra}]'"
    )


def checked_engine(name: Any) -> Any:
    """Return the name of an engine that is installed, or "auto".

    Raises
    ------
    TypeError, ValueError, ImportError
        If it is the name of none, or its library is not installed.
    """
    known: str = checked_option(name, "engine", [*engines(), "auto"])
    if known not in ("numpy", "auto"):
        engine_module(known)
    return known


def installed() -> list[str]:
    """Return the engines that can be used here.

    Examples
    --------
    >>> "numpy" in installed()
    True
    """
    found = []
    for name in engines():
        try:
            if name != "numpy":
                engine_module(name)
        except ImportError:
            continue
        found.append(name)
    return found


def fastest(candidates: dict[str, Any], arguments: Sequence[Array], seconds: float = 0.01) -> str:
    """Return the name of the candidate that takes the least time for one call, by the least of several.

    Parameters
    ----------
    candidates : dict of str to callable
        A function each.
    arguments : sequence of numpy.ndarray
    seconds : float
        How long each is timed at least.
    """
    best: dict[str, float] = {}
    for name, call in candidates.items():
        call(*arguments)  # what is compiled at the first call is not timed
        best[name] = np.inf
        end = time.perf_counter() + seconds
        while True:
            start = time.perf_counter()
            call(*arguments)
            stop = time.perf_counter()
            best[name] = min(best[name], stop - start)
            if stop > end:
                break
    return min(best, key=best.__getitem__)


def engine_text(form: str, engine: str, candidates: str) -> str:
    """Return what a representation says of the form of code and its engine.

    Examples
    --------
    >>> engine_text("scalars", "numba", "numpy, numba")
    'scalars on numba, the fastest of numpy, numba'
    """
    where = form if engine == "numpy" else f"{form} on {engine}"
    return f"{where}, the fastest of {candidates}" if candidates else where


def random_arguments(nodes: Iterable[Node], points: int | None = None) -> list[Array]:
    """Return random arrays of the shapes of inputs, with a first axis of so many points; indices are 0."""
    rng = np.random.default_rng(0)
    lead = () if points is None else (points,)
    return [
        rng.standard_normal((*lead, *node.shape)).astype(node.dtype)
        if node.dtype.kind == "f"
        else np.zeros((*lead, *node.shape), node.dtype)
        for node in nodes
    ]


def computed_once(work: Work) -> dict[int, Array]:
    """Return the values of the nodes that depend on constants only, by their ids."""
    run = Running(np, np.linalg)
    for node in work.nodes:
        if id(node) in work.once:
            run.do(node)
    return run.values


class Running:
    """Runs nodes, one after the other, on arrays of a library with NumPy's names.

    Parameters
    ----------
    namespace, linalg : module
        Where functions are looked up by NumPy's names.
    elsewhere : callable, optional
        From the name of a function of scipy.special to one of the library; by default SciPy's own.
    """

    def __init__(self, namespace: Any, linalg: Any, elsewhere: Callable[[str], Any] | None = None) -> None:
        self.namespace, self.linalg, self._elsewhere = namespace, linalg, elsewhere
        self.values: dict[int, Any] = {}
        self.written: set[int] = set()

    def read(self, value: Any) -> Any:
        """Return the value of an argument, at any depth."""
        if isinstance(value, Node):
            if value.base is not None and id(value.root) in self.written:
                return self._result(value)  # a view of what was written to since
            return self.values[id(value)]
        if isinstance(value, tuple | list):
            return type(value)(self.read(part) for part in value)
        if isinstance(value, slice):
            return slice(self.read(value.start), self.read(value.stop), self.read(value.step))
        return value

    def do(self, node: Node) -> None:
        """Run one node that is no input."""
        if node.kind == "constant":
            self.values[id(node)] = node.value
        elif node.kind == "write":
            target = node.args[0]
            root, changed = target.root, self._written(node)
            if target is not root:  # a view: its entries go where they are in the whole
                whole, places = self.values[id(root)], _places(target)
                changed = self._put(self.namespace.reshape(whole, -1), places, changed).reshape(root.shape)
            self.values[id(root)] = changed
            self.written.add(id(root))
        else:
            self.values[id(node)] = self._result(node)

    def _result(self, node: Node) -> Any:
        args, options = self.read(node.args), {key: self.read(value) for key, value in node.options.items()}
        match node.kind:
            case "item":
                return args[0][args[1]]
            case "attribute":
                return getattr(args[0], node.function)
            case "method":
                return getattr(args[0], node.function)(*args[1:])
        if isinstance(node.function, SlopeByValue):
            return self._slope(node.function, args[0])
        return self.method(node.function, node.method)(*args, **options)

    def method(self, function: Any, name: str) -> Any:
        """Return the library's function for one of NumPy's, or a method of it such as "reduce"."""
        own = self._function(function)
        return own if name == "__call__" else getattr(own, name)

    def _function(self, function: Any) -> Any:
        name, module = function.__name__, getattr(function, "__module__", None) or ""
        if self.namespace is np:
            return function
        if "linalg" in module:
            return getattr(self.linalg, name)
        if hasattr(self.namespace, name):
            return getattr(self.namespace, name)
        assert self._elsewhere is not None
        return self._elsewhere(name)

    def _slope(self, slope: SlopeByValue, z: Any) -> Any:
        """Return the exact formula, recorded on an array of the shape of z and run."""
        from backprop.compiling.recording import Recording

        recording = Recording(share=True)
        result = slope.exact(recording.input("z", tuple(z.shape), z.dtype))
        inner = type(self)(self.namespace, self.linalg, self._elsewhere)
        inner.values[id(recording.nodes[0])] = z
        for node in recording.nodes[1:]:
            inner.do(node)
        return inner.read(result.node)

    def _put(self, target: Any, places: Any, values: Any) -> Any:
        """Return a copy with other entries at some places."""
        if self.namespace is not np:
            return target.at[places].set(values)
        target = np.array(target)
        target[places] = values
        return target

    def _written(self, node: Node) -> Any:
        target, *rest = self.read(node.args)
        if node.method == "setitem":
            return self._put(target, *rest)
        if self.namespace is np:
            target = np.array(target)
            if node.method == "at":
                node.function.at(target, *rest)
            else:
                node.function(target, *rest, **{key: self.read(value) for key, value in node.options.items()})
            return target
        if node.method == "at":
            return getattr(
                target.at[rest[0]], {"add": "add", "multiply": "multiply"}[node.function.__name__]
            )(rest[1])
        if node.method == "copyto":
            return self.namespace.broadcast_to(rest[0], target.shape).astype(target.dtype)
        options = {key: self.read(value) for key, value in node.options.items()}
        return getattr(self.namespace, node.method)(target, *rest, **options, inplace=False)


def _places(view: Node) -> Array:
    """Return where the entries of a view stand among those of the array that it is a view of."""
    if view.base is None:
        return np.arange(math.prod(view.shape)).reshape(view.shape)
    run = Running(np, np.linalg)
    run.values[id(view.args[0])] = _places(view.args[0])
    run.do(view)
    places: Array = run.values[id(view)]
    return places
