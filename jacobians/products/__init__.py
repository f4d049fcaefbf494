"""Products of structured Jacobians: one row per pair of structures, in :mod:`jacobians.products.table`."""

from jacobians.products.core import (
    Row,
    count_products,
    find_row,
    multiply,
    operand,
    product_cost,
    product_spec,
)

__all__ = ["Row", "count_products", "find_row", "multiply", "operand", "product_cost", "product_spec"]
