"""Matrix products of all pairs of points, an entry of the result at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import UNCOUNTED, Uncounted
from jacobians.numerics.libraries import spread_to
from jacobians.numerics.threads import LEAST_FLOPS, halves, spread

_WORKSPACE = 2**17  # entries of the products that are formed at a time: they stay in a core's cache


class Term(NamedTuple):
    """A summand (S_p T_qᵀ)·weight[p, q].

    Attributes
    ----------
    S, T : numpy.ndarray, shapes (…, m, k) and (…, m', k)
        Of one point or of all.
    weight : numpy.ndarray, shape (N, N') or (1, 1)
    """

    S: Array
    T: Array
    weight: Array


def add_dense(
    products: Array,
    terms: Sequence[Term],
    symmetric: bool,
    *,
    fresh: bool = False,
    ledger: Uncounted = UNCOUNTED,
) -> None:
    """Add the sum of some terms to `products`; if symmetric, where i ≥ j.

    Parameters
    ----------
    products : numpy.ndarray, shape (m, m', N, N')
    terms : sequence of Term
    symmetric : bool
        Whether T is S in each of them, and only half is wanted.
    fresh : bool
        Whether nothing stands in `products` yet, so that it is written and not added to.
    ledger : Uncounted, optional
        What multiplies matrices.
    """
    m, others, count, other_count = products.shape
    # outputs first, so that the products with one output of the other side are one matrix, an entry a pair of points
    sides = []
    for S, T, weight in terms:
        rows = _outputs_first(S, count)
        sides.append((rows, rows if symmetric else _outputs_first(T, other_count), weight))
    together = max(1, _WORKSPACE // (count * other_count))
    step = count if together > 1 else min(count, max(1, _WORKSPACE // other_count))

    def with_outputs(of_other: slice) -> None:
        workspace = np.empty((min(together, m) * step, other_count), products.dtype)
        for k in range(of_other.start, of_other.stop):
            for first in range(k if symmetric else 0, m, together):
                for start in range(0, count, step):
                    outputs, some = slice(first, first + together), slice(start, start + step)
                    total = products[outputs, k, some]  # stays in the cache until all terms are there
                    for number, (rows, columns, weight) in enumerate(sides):
                        part = rows[outputs, some]
                        found = workspace[: part.shape[0] * part.shape[1]]
                        ledger.matmul_into(part.reshape(len(found), -1), columns[k].T, found)
                        blocks = found.reshape(*part.shape[:2], other_count)
                        of_pairs = weight[some] if len(weight) > 1 else weight
                        if fresh and number == 0:
                            np.multiply(blocks, of_pairs, out=total)
                        else:
                            blocks *= of_pairs
                            total += blocks

    # threads pay for what takes several milliseconds
    work = 2 * products.size * sum(term.S.shape[-1] for term in terms)
    spread(with_outputs, halves(others, others if work >= LEAST_FLOPS else 1))


def _outputs_first(S: Array, count: int) -> Array:
    """Return a matrix a point (…, m, h) as an array (m, count, h)."""
    return np.ascontiguousarray(np.moveaxis(spread_to(S, (count, *S.shape[-2:])), 1, 0))
