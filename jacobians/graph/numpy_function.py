"""Functions from forward code alone: the Jacobians come from the graph of the code at the point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jacobians.function import INPUT, Function
from jacobians.graph.graph import Graph
from jacobians.graph.tracing import followed, trace
from jacobians.numerics.arguments import checked_mapping
from jacobians.numerics.arrays import Array, is_recorded
from jacobians.structures import Jacobian


class _NumpyFunction(Function):
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
            return self._as_jacobian(self._written(x, wrt), x, wrt, 0, None)
        return self._by(x, [wrt])[0]

    def _jacobians_by(self, x: Any, names: Any, batch_ndim: int) -> list[Jacobian]:
        if self._written is not None or batch_ndim:
            return super()._jacobians_by(x, names, batch_ndim)
        return self._by(x, names)

    def _by(self, x: Any, names: Any) -> list[Jacobian]:
        """Return the Jacobians by what is named, of one graph by one plan."""
        graph, known = self._graph(x), (INPUT, *self.parameter_names)
        places = {name: known.index(name) for name in names}
        found = _planned(from_inputs(graph, tuple(sorted(places.values()))))
        return [found[places[name]] for name in names]

    def _graph(self, x: Array) -> Graph:
        named = {name: getattr(self, name) for name in self.parameter_names}
        recorded = any(map(is_recorded, (x, *named.values())))
        graph = followed(self._code, [x], named) if recorded else trace(self._code, x, **named)
        if len(graph.outputs) != 1:
            raise ValueError(f"forward: found {len(graph.outputs)} results, expected one array")
        return graph


def from_inputs(graph: Graph, inputs: tuple[int, ...]) -> Graph:
    """Return the graph by some of its inputs; what hangs on the others only is constant."""
    reached, edges = set(inputs), []
    for edge in sorted(graph.edges, key=lambda edge: edge.target):
        if edge.source in reached:
            reached.add(edge.target)
            edges.append(edge)
    return Graph(graph.vertices, inputs, graph.outputs, tuple(edges), graph.control_flow)


def _planned(graph: Graph) -> dict[int, Jacobian]:
    """Return the Jacobian of the only output by each input, by the cheapest of three plans that take no search."""
    plans = [graph.plan(strategy) for strategy in ("reverse", "forward", "markowitz")]
    found = min(plans, key=lambda plan: plan.cost.multiplications).execute().jacobians
    (output,) = graph.outputs
    return {place: found[output, place] for place in graph.inputs}


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

    Notes
    -----
    At each point the code is followed once for all Jacobians that are asked for together; they come from the cheapest
    of the reverse, the forward and the Markowitz plan of that graph. A search for a better one would be made at each
    point anew. A batch is followed point by point.

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
    given = {} if parameters is None else checked_mapping(parameters, "parameters", "arrays by name")
    for name in given:
        if not (isinstance(name, str) and name.isidentifier()) or name == INPUT or hasattr(Function, name):
            raise ValueError(
                f"parameters: found the name {name!r}, expected an identifier that no Function has already"
            )
    return _NumpyFunction(forward, given, derivative)
