"""Functions from forward code alone: the Jacobians come from the graph of the code at the point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jacobians.function import INPUT, Function
from jacobians.graph.tracing import fitting, followed, trace
from jacobians.layers.recording import Record, _Recorded
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_callable, checked_mapping
from jacobians.numerics.arrays import as_array, is_recorded
from jacobians.structures import Jacobian


class _Code(Function):
    """Forward code of one array and named parameters."""

    def __init__(self, code: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
        self._code = code
        self.parameter_names = tuple(parameters)  # type: ignore[misc]  # each has its own
        for name, value in parameters.items():
            setattr(self, name, self.parameter(value, name))

    def forward(self, x: Any) -> Any:
        """Return the value of the code."""
        return self._code(x, **{name: getattr(self, name) for name in self.parameter_names})


class _WrittenCode(_Code):
    """Forward code with a Jacobian that somebody wrote."""

    def __init__(
        self, code: Callable[..., Any], parameters: Mapping[str, Any], written: Callable[..., Any]
    ) -> None:
        super().__init__(code, parameters)
        self._written = written

    def derivative(self, x: Any, wrt: str = INPUT) -> Jacobian:
        """Return the written Jacobian."""
        return self._as_jacobian(self._written(x, wrt), x, wrt, 0, None)


class _NumpyFunction(_Code, _Recorded):
    """Forward code alone: its graph at a point has the Jacobians."""

    vectorized = False

    def _record(self, record: Record, source: int, prefix: str) -> int:
        """Add the vertices of the code; of a batch, which is followed point by point, one vertex."""
        if record.batch_ndim:
            return super(_Recorded, self)._record(record, source, prefix)
        named = {name: getattr(self, name) for name in self.parameter_names}
        x = as_array(record.steps[source].value)
        recorded = any(map(is_recorded, (x, *named.values())))
        graph = followed(self._code, [x], named) if recorded else trace(self._code, x, **named)
        if len(graph.outputs) != 1:
            raise ValueError(f"forward: found {len(graph.outputs)} results, expected one array")
        known = (INPUT, *self.parameter_names)
        places = {known.index(name): place for name, place in record.owned(self)}
        return record.embed(graph, {0: source, **places}, prefix)


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
        If `forward` is not callable or doesn't take the parameters, or a name of a parameter can't be one.

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
        raise TypeError(f"forward: found {class_name(forward)}, expected a callable in plain NumPy")
    if derivative is not None:
        checked_callable(derivative, "derivative", "a function of x and a name", 2)
    given = {} if parameters is None else checked_mapping(parameters, "parameters", "arrays by name")
    for name in given:
        if not (isinstance(name, str) and name.isidentifier()) or name == INPUT or hasattr(Function, name):
            raise ValueError(
                f"parameters: found the name {name!r}, expected an identifier that no Function has already"
            )
    fitting(forward, "forward", [None], given)
    return _NumpyFunction(forward, given) if derivative is None else _WrittenCode(forward, given, derivative)
