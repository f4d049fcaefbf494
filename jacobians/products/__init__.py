"""Products of structured Jacobians: one row per pair of structures, in :mod:`jacobians.products.table`."""

import jacobians.products.table  # noqa: F401  # fills the table
from jacobians import structures
from jacobians.products.core import (
    Row,
    count_products,
    find_row,
    multiply,
    points,
    product_cost,
    product_spec,
    row,
)

structures.row = row  # the public way in; structures don't know of products

__all__ = ["Row", "count_products", "find_row", "multiply", "points", "product_cost", "product_spec", "row"]
