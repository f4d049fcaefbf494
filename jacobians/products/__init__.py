"""Products of structured Jacobians: one row per pair of structures, in :mod:`jacobians.products.table`."""

from jacobians.products.core import Row, find_row, multiply, operand, product_cost, product_spec

__all__ = ["Row", "find_row", "multiply", "operand", "product_cost", "product_spec"]
