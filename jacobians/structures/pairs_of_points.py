"""Matrix products of all pairs of points, an entry of the result at a time."""

from __future__ import annotations

import numpy as np

from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import product
from jacobians.numerics.libraries import spread_to
from jacobians.numerics.threads import LEAST_FLOPS, halves, spread

_WORKSPACE = 2**17  # entries of the products that are formed at a time: they stay in a core's cache


def add_dense(products: Array, S: Array, T: Array, weight: Array, symmetric: bool) -> None:
    """Add (S_p T_qᵀ)·weight[p, q] to `products` (m, m', N, N'); if symmetric, where i ≥ j.

    Parameters
    ----------
    products : numpy.ndarray, shape (m, m', N, N')
    S, T : numpy.ndarray, shapes (…, m, k) and (…, m', k)
        Of one point or of all.
    weight : numpy.ndarray, shape (N, N') or (1, 1)
    symmetric : bool
        Whether T is S, and only half is wanted.
    """
    m, others, count, other_count = products.shape
    # outputs first, so that the products with one output of the other side are one matrix, an entry a pair of points
    rows = _outputs_first(S, count)
    columns = rows if symmetric else _outputs_first(T, other_count)
    together = max(1, _WORKSPACE // (count * other_count))
    step = count if together > 1 else min(count, max(1, _WORKSPACE // other_count))

    def with_outputs(of_other: slice) -> None:
        workspace = np.empty((min(together, m) * step, other_count), products.dtype)
        for k in range(of_other.start, of_other.stop):
            for first in range(k if symmetric else 0, m, together):
                for start in range(0, count, step):
                    outputs, some = slice(first, first + together), slice(start, start + step)
                    part = rows[outputs, some]
                    found = workspace[: part.shape[0] * part.shape[1]]
                    product(part.reshape(len(found), -1), columns[k].T, found)
                    blocks = found.reshape(*part.shape[:2], other_count)
                    blocks *= weight[some] if len(weight) > 1 else weight
                    products[outputs, k, some] += blocks

    # threads pay for what takes several milliseconds
    worth = 2 * products.size * S.shape[-1] >= LEAST_FLOPS
    pieces = halves(others, others) if worth else [slice(0, others)]
    spread(with_outputs, pieces)


def _outputs_first(S: Array, count: int) -> Array:
    """Return a matrix a point (…, m, h) as an array (m, count, h)."""
    return np.ascontiguousarray(np.moveaxis(spread_to(S, (count, *S.shape[-2:])), 1, 0))
