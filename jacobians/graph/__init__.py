"""Functions as graphs: vertices are arrays, edges are structured Jacobians."""

from jacobians.graph.graph import Edge, Graph, Vertex
from jacobians.graph.numpy_function import from_numpy
from jacobians.graph.operations import operation
from jacobians.graph.recorder import TracingError
from jacobians.graph.tracing import trace

__all__ = ["Edge", "Graph", "TracingError", "Vertex", "from_numpy", "operation", "trace"]
