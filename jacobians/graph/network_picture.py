"""Functions as diagrams: the graph of what they are made of, down the page."""

from __future__ import annotations

from typing import Any

from jacobians.function import INPUT, Function
from jacobians.graph.tracing import trace
from jacobians.planning.picture import network_svg


def draw(function: Function, x: Any) -> str:
    """Return the diagram of a function at a point as SVG.

    Examples
    --------
    >>> from jacobians import Residual, Tanh
    >>> "Residual" in draw(Residual(Tanh()), [0.0, 1.0])
    True
    """
    return network_svg(trace(function, x, wrt=[INPUT]))
