"""Graphs of arrays whose edges are structured Jacobians, and how plain NumPy code becomes one."""

from jacobians.graph.graph import Edge, Graph, Vertex
from jacobians.graph.operations import operation
from jacobians.graph.tracing import TracingError, trace

__all__ = ["Edge", "Graph", "TracingError", "Vertex", "operation", "trace"]
