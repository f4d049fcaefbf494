"""The picture of what can be drawn: a Jacobian, a network, a plan, a graph; for notebooks and files."""

from __future__ import annotations

from typing import Any

from backprop.network_graph import NetworkGraph, NetworkPlan
from backprop.plan import Plan
from jacobians import Function, Graph, Jacobian
from jacobians.names import class_name
from jacobians.picture import Picture
from jacobians.planning.plan import GraphPlan

__all__ = ["Picture", "picture"]

_DRAWN = (Plan, NetworkPlan, NetworkGraph, GraphPlan, Graph)


def picture(jacobian: Any, x: Any = None) -> Picture:
    """Return the heat map of a Jacobian, the diagram of a network, or what a plan or a graph draws of itself.

    Of a Jacobian red is positive, blue negative, grey exactly 0. Rows are outputs, columns are inputs (numerator
    layout, row-major vec). Of a large one evenly spaced rows are drawn and columns that share a pixel show their entry
    of largest magnitude; it is never expanded as a whole.

    Parameters
    ----------
    jacobian : Jacobian, Function, Plan, Graph, …
        A Jacobian of one point, or what has a method `picture`.
    x : array_like, optional
        The point of a network whose parameters don't tell its inputs.

    Raises
    ------
    TypeError, ValueError
        If it can't be drawn, or is a batch.
    ImportError
        If matplotlib is missing where a Jacobian is to be drawn: it comes with the extra ``report``.

    Examples
    --------
    >>> from jacobians import Affine
    >>> from jacobians.structures import Diagonal
    >>> picture(Diagonal([1.0, -2.0])).svg[:4], picture(Affine([[1.0, 2.0]])).svg[:4]
    ('<svg', '<svg')
    """
    from verification.optional_packages import require_extras

    if isinstance(jacobian, Function):
        return jacobian.picture(x)
    if x is not None:
        raise TypeError(
            f"x: found a point beside {class_name(jacobian)}, expected one beside a network alone"
        )
    if isinstance(jacobian, _DRAWN):
        return jacobian.picture()
    if not isinstance(jacobian, Jacobian):
        raise TypeError(
            f"jacobian: found {class_name(jacobian)}, expected a Jacobian; wrap a matrix in Dense, or give a network, "
            f"a plan or a graph"
        )
    if jacobian.batch_shape:
        raise ValueError(f"jacobian: found batch_shape {jacobian.batch_shape}, expected one point")
    require_extras("report,cli", "matplotlib")
    from backprop.report.pictures import draw_jacobian  # matplotlib only where something is drawn

    return Picture(draw_jacobian(jacobian))
