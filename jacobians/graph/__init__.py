"""Functions as graphs: vertices are arrays, edges are structured Jacobians."""

from jacobians.graph.graph import Edge, Graph, Vertex

__all__ = ["Edge", "Graph", "Vertex"]
