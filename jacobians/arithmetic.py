"""Counted arithmetic: the operations that product rows are made of, and the ledger that counts them.

Each operation is counted from the shapes of the arrays that it really works on, not from what a row states; that the
two agree is tested for every row.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.arrays import Array
from jacobians.cost import Cost
from jacobians.namespaces import is_foreign, namespace_of


class Ledger:
    """Runs multiplications and additions on arrays, and counts them.

    Attributes
    ----------
    cost : Cost
        What has been executed so far.

    Examples
    --------
    >>> ledger = Ledger()
    >>> _ = ledger.matmul(np.ones((2, 3)), np.ones((3, 4)))
    >>> ledger.cost
    Cost(multiplications=24, additions=16)
    """

    def __init__(self) -> None:
        self.multiplications = 0
        self.additions = 0

    @property
    def cost(self) -> Cost:
        """What has been executed so far."""
        return Cost(self.multiplications, self.additions)

    def matmul(self, a: Array, b: Array) -> Array:
        """Return a @ b: k multiplications and k − 1 additions for each entry of the result."""
        inner = a.shape[-1]
        if is_foreign(a):
            product = namespace_of(a).matmul(a, b)
        elif a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
            # one product for the rows of all points, where NumPy would make one a point
            product = np.reshape(np.reshape(a, (-1, inner)) @ b, (*a.shape[:-1], b.shape[-1]))
        else:
            product = a @ b
        size = math.prod(product.shape)
        self.multiplications += size * inner
        self.additions += size * (inner - 1)
        return product

    def scale(self, a: Array, b: Array) -> Array:
        """Return a * b, broadcast: one multiplication for each entry of the result."""
        product = a * b
        self.multiplications += math.prod(product.shape)
        return product

    def add(self, a: Array, b: Array) -> Array:
        """Return a + b, broadcast: one addition for each entry of the result."""
        total = a + b
        self.additions += math.prod(total.shape)
        return total

    def add_at(self, target: Array, index: Any, values: Array) -> None:
        """Add values to the entries of `target` at `index`, one by one: one addition for each value."""
        np.add.at(target, index, values)
        self.additions += values.size
