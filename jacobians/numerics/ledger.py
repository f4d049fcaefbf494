"""Counted arithmetic: the operations that product rows are made of, and the ledger that counts them.

Each operation is counted from the shapes of the arrays that it really works on, not from what a row states; that the
two agree is tested for every row.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from jacobians.cost import Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import product
from jacobians.numerics.libraries import is_foreign, namespace_of
from jacobians.numerics.threads import halves, spread

_LEAST_BLOCK = 2048
"""Entries of a product of a point, from which a call for each point pays."""
_LEAST_SHARED = 2**25
"""Bytes to write, from which threads share the points: some milliseconds."""
_PIECE = 2**22
"""Bytes of what a thread writes before it takes the next points."""


def matrix_product(a: Array, b: Array) -> Array:
    """Return a @ b, in one product of two matrices where one of the two is the same for all points.

    Parameters
    ----------
    a : numpy.ndarray, shape (…, m, k)
    b : numpy.ndarray, shape (…, k, n)
        Leading axes broadcast.

    Examples
    --------
    >>> matrix_product(np.ones((5, 2, 3)), np.ones((3, 4))).shape
    (5, 2, 4)
    """
    if is_foreign(a):
        return cast(Array, namespace_of(a).matmul(a, b))
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        # one product for the rows of all points, where NumPy would make one a point
        return product(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    if type(b) is np.ndarray and b.ndim > 2 and a.ndim == 2 and b.shape[-1] == 1:
        return product(b[..., 0], a.T)[..., None]
    return product(a, b)


def outer_products(left: Array, right: Array, blocks: Array) -> None:
    """Write A_pr·B_qs for matrices A and B of each point into an array of shape (…, p, q, r, s).

    Parameters
    ----------
    left, right : numpy.ndarray, shapes (…, p, r) and (…, q, s)
        Their leading axes broadcast to those of `blocks`.
    blocks : numpy.ndarray

    Examples
    --------
    >>> blocks = np.empty((1, 1, 2, 2))
    >>> outer_products(np.array([[2.0, 3.0]]), np.array([[1.0, 10.0]]), blocks)
    >>> blocks[0, 0]
    array([[ 2., 20.],
           [ 3., 30.]])
    """
    lead = blocks.shape[:-4]
    if math.prod(blocks.shape[-4:]) < _LEAST_BLOCK:
        np.multiply(left[..., :, None, :, None], right[..., None, :, None, :], out=blocks)
        return
    # a point at a time, which stays in the cache
    left, right = (np.broadcast_to(part, (*lead, *part.shape[-2:])) for part in (left, right))

    def work(first: slice) -> None:
        for point in np.ndindex(blocks[first].shape[: len(lead)]):
            here = (point[0] + first.start, *point[1:])
            np.einsum("pr,qs->pqrs", left[here], right[here], out=blocks[here])

    if not lead:
        np.einsum("pr,qs->pqrs", left, right, out=blocks)
        return
    spread(work, pieces_of(blocks))


def pieces_of(blocks: Array) -> list[slice]:
    """Return slices of the points of an array that threads write: one where it isn't worth two threads."""
    points, nbytes = len(blocks), blocks.nbytes
    return halves(points, min(points, nbytes // _PIECE) if nbytes >= _LEAST_SHARED else 1)


def summed_over(array: Array, batch: tuple[int, ...]) -> Array:
    """Return an array (…, n) summed over the leading axes that `batch` does not have, or has with size 1.

    Parameters
    ----------
    array : numpy.ndarray, shape (…, n)
    batch : tuple of int
        Axes that broadcast to the leading ones of `array`.

    Returns
    -------
    numpy.ndarray, shape batch + (n,)

    Examples
    --------
    >>> summed_over(np.ones((2, 3, 4)), (3,)).shape
    (3, 4)
    """
    lead = array.ndim - 1
    if array.shape[:-1] == batch:
        return array
    if not batch:
        return array.reshape(-1, array.shape[-1]).sum(axis=0)
    new = lead - len(batch)
    axes = [axis for axis in range(lead) if axis < new or batch[axis - new] == 1]
    return array.sum(axis=tuple(axes), keepdims=True).reshape(*batch, array.shape[-1])


class Ledger:
    """Runs multiplications and additions on arrays, and counts them.

    Attributes
    ----------
    cost : Cost
        What has been executed so far.
    planned : bool
        Whether what is executed has to be what specs say: then only shapes may decide how a product is formed.

    Examples
    --------
    >>> ledger = Ledger()
    >>> _ = ledger.matmul(np.ones((2, 3)), np.ones((3, 4)))
    >>> ledger.cost
    Cost(multiplications=24, additions=16)
    """

    planned: bool = True
    _spare: Array | None = None

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
        found = matrix_product(a, b)
        size = math.prod(found.shape)
        self.multiplications += size * inner
        self.additions += size * (inner - 1)
        return found

    def rescale(self, a: Array, b: Array) -> Array:
        """Return a * b as :meth:`scale`, for who doesn't need `a` any more: into its memory where nobody does."""
        if a is self._spare and b.dtype == a.dtype and np.broadcast_shapes(a.shape, b.shape) == a.shape:
            self.multiplications += a.size
            return np.multiply(a, b, out=a)  # fresh memory takes longer than the multiplications
        return self.scale(a, b)

    def spare(self, array: Array | None) -> None:
        """Let :meth:`rescale` take the memory of `array`, which nobody else holds."""
        if type(self) is Ledger:  # others record, replay, or are everybody's
            self._spare = array

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

    def outer(self, left: Array, right: Array, blocks: Array) -> None:
        """Write :func:`outer_products` into an array: one multiplication an entry."""
        outer_products(left, right, blocks)
        self.multiplications += math.prod(blocks.shape)

    def add_at(self, target: Array, index: Any, values: Array) -> None:
        """Add values to the entries of `target` at `index`, one by one: one addition for each value."""
        np.add.at(target, index, values)
        self.additions += values.size

    def add_points(self, array: Array, batch: tuple[int, ...]) -> Array:
        """Return :func:`summed_over`: n − 1 additions for each sum of n numbers."""
        total = summed_over(array, batch)
        self.additions += math.prod(array.shape) - math.prod(total.shape)
        return total


class Uncounted(Ledger):
    """A ledger that only computes; other engines have their own for what takes the most time."""

    planned = False

    def matmul(self, a: Array, b: Array) -> Array:
        """Return a @ b."""
        return matrix_product(a, b)

    def scale(self, a: Array, b: Array) -> Array:
        """Return a * b, broadcast."""
        return a * b

    def add(self, a: Array, b: Array) -> Array:
        """Return a + b, broadcast."""
        return a + b

    def outer(self, left: Array, right: Array, blocks: Array) -> None:
        """Write the products into an array."""
        outer_products(left, right, blocks)

    def matmul_into(self, a: Array, b: Array, out: Array) -> None:
        """Write the product of two matrices into a third."""
        product(a, b, out)

    def add_at(self, target: Array, index: Any, values: Array) -> None:
        """Add values to the entries of `target` at `index`, one by one."""
        np.add.at(target, index, values)

    def add_points(self, array: Array, batch: tuple[int, ...]) -> Array:
        """Return :func:`summed_over`."""
        return summed_over(array, batch)


UNCOUNTED = Uncounted()
"""The ledger of who doesn't ask what it costs: the same formulas, without the counting."""


class ShapeLedger(Ledger):
    """A ledger that counts and computes nothing: each result is a zero that is repeated.

    Examples
    --------
    >>> ledger = ShapeLedger()
    >>> ledger.matmul(np.ones((2, 3)), np.ones((3, 4))).strides, ledger.cost
    ((0, 0), Cost(multiplications=24, additions=16))
    """

    def matmul(self, a: Array, b: Array) -> Array:
        """Count a @ b."""
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        product = np.broadcast_to(0.0, (*lead, a.shape[-2], b.shape[-1]))
        self.multiplications += product.size * a.shape[-1]
        self.additions += product.size * (a.shape[-1] - 1)
        return product

    def scale(self, a: Array, b: Array) -> Array:
        """Count a * b."""
        product = np.broadcast_to(0.0, np.broadcast_shapes(np.shape(a), np.shape(b)))
        self.multiplications += product.size
        return product

    def add(self, a: Array, b: Array) -> Array:
        """Count a + b."""
        total = np.broadcast_to(0.0, np.broadcast_shapes(np.shape(a), np.shape(b)))
        self.additions += total.size
        return total

    def add_at(self, target: Array, index: Any, values: Array) -> None:
        """Count one addition for each value."""
        self.additions += values.size
