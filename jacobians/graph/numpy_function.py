"""Functions from forward code alone: the Jacobians come from the graph of the code at the point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jacobians.arrays import Array
from jacobians.function import INPUT, Function
from jacobians.graph.graph import Graph
from jacobians.graph.layers import Walk
from jacobians.graph.tracing import trace
from jacobians.structures import Jacobian


class NumpyFunction(Function):
    """A function of forward code and named parameters; made by :func:`from_numpy`."""

    def __init__(
        self,
        code: Callable[..., Any],
        parameters: Mapping[str, Any],
        written: Callable[..., Any] | None,
    ) -> None:
        self._code, self._written = code, written
        self.parameter_names = tuple(parameters)  # type: ignore[misc]  # each has its own
        for name, value in parameters.items():
            setattr(self, name, self.parameter(value, name))

    def forward(self, x: Any) -> Any:
        """Return the value of the code."""
        return self._code(x, **{name: getattr(self, name) for name in self.parameter_names})

    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian:
        """Return the written Jacobian, or that of the graph."""
        if self._written is not None:
            return self._as_jacobian(self._written(x, wrt), x, wrt)
        place = 0 if wrt == INPUT else 1 + self.parameter_names.index(wrt)
        return _planned(self._graph(x))[place]

    def _jacobians_by(self, x: Any, names: Any, batch_ndim: int) -> list[Jacobian]:
        if self._written is not None or batch_ndim:
            return super()._jacobians_by(x, names, batch_ndim)
        found = dict(zip((INPUT, *self.parameter_names), _planned(self._graph(x)), strict=True))
        return [found[name] for name in names]

    def _record(self, walk: Walk, source: int, prefix: str) -> int:
        """Add the vertices of the code; of a written derivative or a batch, one vertex."""
        if self._written is not None or walk.batch_ndim:
            return super()._record(walk, source, prefix)
        graph = self._graph(np.asarray(walk.vertices[source].value))
        held = {name: place for owner, name, place in walk.owned if owner is self}
        places = {graph.inputs[0]: source}
        for name, place in zip(self.parameter_names, graph.inputs[1:], strict=True):
            if name in held:
                places[place] = held[name]
        return walk.embed(graph, places, prefix)

    def _graph(self, x: Array) -> Graph:
        graph = trace(self._code, x, **{name: getattr(self, name) for name in self.parameter_names})
        if len(graph.outputs) != 1:
            raise ValueError(f"forward: found {len(graph.outputs)} results, expected one array")
        return graph


def _planned(graph: Graph) -> list[Jacobian]:
    """Return the Jacobian of the only output by each input, by the cheaper of the reverse and the forward plan."""
    plans = [graph.plan(strategy) for strategy in ("reverse", "forward")]
    found = min(plans, key=lambda plan: plan.cost.multiplications).execute().jacobians
    (output,) = graph.outputs
    return [found[output, place] for place in graph.inputs]


def from_numpy(
    forward: Callable[..., Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    derivative: Callable[[Any, str], Any] | None = None,
) -> Function:
    """Return a Function of plain NumPy code; no derivative has to be written.

    Parameters
    ----------
    forward : callable
        ``forward(x, **parameters)``: one array of one array, and of the parameters by name.
    parameters : mapping of str to array_like, optional
        The parameters and their values.
    derivative : callable, optional
        ``derivative(x, wrt)``: a written Jacobian, which is taken in place of the graph's.

    Raises
    ------
    TypeError, ValueError
        If `forward` is not callable or a name of a parameter can't be one.

    Examples
    --------
    >>> import numpy as np
    >>> layer = from_numpy(lambda x, W: np.tanh(W @ x), parameters={"W": np.eye(2)})
    >>> layer.jacobian([0.0, 0.0]).dense()
    array([[1., 0.],
           [0., 1.]])
    >>> layer.jacobian([1.0, 2.0], wrt="W").shape
    (2, 4)
    """
    if not callable(forward):
        raise TypeError(f"forward: found {type(forward).__name__}, expected a callable in plain NumPy")
    given = dict(parameters or {})
    for name in given:
        if not (isinstance(name, str) and name.isidentifier()) or name == INPUT or hasattr(Function, name):
            raise ValueError(
                f"parameters: found the name {name!r}, expected an identifier that no Function has already"
            )
    return NumpyFunction(forward, given, derivative)
