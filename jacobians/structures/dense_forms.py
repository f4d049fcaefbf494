"""Dense forms of a Jacobian, under a byte budget, and its diagonal, which takes none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from jacobians.numerics.arrays import Array, format_bytes, read_only, require_budget
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.layouts import MatrixLayout, TensorLayout, VecOrder, to_matrix, to_tensor
from jacobians.numerics.ledger import UNCOUNTED, Uncounted
from jacobians.numerics.libraries import NUMPY, owned
from jacobians.structures.agreement import require_on_diagonal
from jacobians.structures.euclidean import euclidean
from jacobians.structures.linear_map import Shape
from jacobians.structures.storage import Stored

_ENTRIES = 2**20  # of what is multiplied by columns of the identity at a time


class DenseForms(Stored):
    """A linear map that can be written out."""

    def _at(self, rows: Array, columns: Array) -> Array:
        """Return the entries at places, shape (…, places), batch axes of the stored arrays leading.

        Here by columns of J·I, some at a time.
        """
        if self._on_diagonal and type(self)._diagonal is not DenseForms._diagonal:
            return np.where(rows == columns, self._diagonal()[..., rows], np.zeros((), self.dtype))
        found = np.zeros((*self.spec.batch, len(rows)), self.dtype)
        needed, which = np.unique(columns, return_inverse=True)
        order = np.argsort(which, kind="stable")
        for start, product in _by_columns(self, needed):
            some = order[slice(*np.searchsorted(which[order], (start, start + product.shape[-1])))]
            found[..., some] = product[..., rows[some], which[some] - start]
        return found

    def _diagonal(self) -> Array:
        """Return the diagonal of a square map, batch axes of the stored arrays leading."""
        places = np.arange(self.shape[0])
        found = self._at(places, places)
        if self._outside and self._on_diagonal:
            require_on_diagonal(self, found)
        return found

    def _row_norms(self) -> Array:
        """Return the norms of the rows: here of I·J, some rows at a time."""
        if self._on_diagonal:
            return np.abs(self._diagonal())
        rows = _by_columns(self._transpose(), np.arange(self.shape[0]))
        return np.concatenate([euclidean(some.mT) for _, some in rows], axis=-1)

    # --- diagonal and trace ----------------------------------------------------------------------------

    @without_float_errors
    def diagonal(self) -> Array:
        """Return the diagonal of a square Jacobian, shape batch_shape + (n,), without expanding it.

        Raises
        ------
        ValueError
            If the Jacobian is not square.
        TypeError
            For arrays of another library than NumPy.

        Examples
        --------
        >>> from jacobians.structures import Diagonal, Kronecker
        >>> Kronecker(Diagonal([1.0, 2.0]), [[3.0, 0.0], [1.0, 4.0]]).diagonal()
        array([3., 4., 6., 8.])
        """
        self._require_numpy("diagonal")
        m, n = self.shape
        if m != n:
            raise ValueError(
                f"diagonal: found {self.spec.label} of shape {(m, n)}, expected as many outputs as inputs"
            )
        return cast(Array, owned(self._diagonal(), (*self.batch_shape, n)))

    @without_float_errors
    def trace(self) -> Any:
        """Return the trace of a square Jacobian, shape batch_shape: see :meth:`diagonal`.

        Examples
        --------
        >>> from jacobians.structures import Identity
        >>> Identity(3).trace()
        np.float64(3.0)
        """
        return self.diagonal().sum(axis=-1)

    # --- dense forms -----------------------------------------------------------------------------------

    @without_float_errors
    def dense(self, max_bytes: int | None = None, *, out: Array | None = None) -> Array:
        """Return the matrix as an array of shape batch_shape + (m, n), freshly allocated.

        Parameters
        ----------
        max_bytes : int, optional
            The most that the answer may take; 2 GiB by default.
        out : numpy.ndarray, optional
            An array of that shape and of the Jacobian's dtype, to write into; it spares the allocation, and the
            budget does not count.

        Raises
        ------
        MemoryBudgetError
            If it would take more; nothing is allocated.
        TypeError, ValueError
            If `out` is no such array.

        Examples
        --------
        >>> from jacobians.structures import Diagonal
        >>> Diagonal([1.0, 2.0]).dense()
        array([[1., 0.],
               [0., 2.]])
        """
        return self._dense(max_bytes, out, UNCOUNTED)

    def _dense(self, max_bytes: int | None, out: Array | None, ledger: Uncounted) -> Array:
        """Return the dense form as :meth:`dense`, by what multiplies and writes."""
        if out is not None:
            self._check_out(out)
        else:
            self._require_budget(self.batch_shape, max_bytes)
            if self.home is not NUMPY:
                return cast(Array, owned(self._expand(ledger), self.batch_shape + self.shape))
            out = np.empty(self.batch_shape + self.shape, self.dtype)
        found = self._expand(ledger, out)
        if found is not out:
            out[...] = found
        return out

    def expand(self) -> Array:
        """Return the dense form, read-only, not repeated over points that share it; within the 2 GiB budget."""
        self._require_budget(self.spec.batch, None)
        return read_only(self._expand(UNCOUNTED))

    @without_float_errors
    def matrix(
        self, vec: VecOrder = "row", layout: MatrixLayout = "numerator", max_bytes: int | None = None
    ) -> Array:
        """Return the dense matrix in a vec order and layout named by the caller.

        Parameters
        ----------
        vec : {"row", "column"}
            How matrix-valued output and input are stacked into vectors.
        layout : {"numerator", "denominator"}
            (outputs × inputs), or its transpose.
        max_bytes : int, optional
            As in :meth:`dense`.

        Examples
        --------
        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 2.0], [3.0, 4.0]], None).jacobian([5.0, 6.0], wrt="W")
        >>> J.matrix()
        array([[5., 6., 0., 0.],
               [0., 0., 5., 6.]])
        >>> J.matrix(vec="column")
        array([[5., 0., 6., 0.],
               [0., 5., 0., 6.]])
        """
        return to_matrix(self.dense(max_bytes), self.out_shape, self.in_shape, vec, layout)

    @without_float_errors
    def tensor(self, layout: TensorLayout = "numerator", max_bytes: int | None = None) -> Array:
        """Return the full tensor: no axis of length 1 is added or dropped.

        Parameters
        ----------
        layout : {"numerator", "denominator", "mixed"}
            out_shape + reversed(in_shape), in_shape + reversed(out_shape), or out_shape + in_shape.
        max_bytes : int, optional
            As in :meth:`dense`.

        Examples
        --------
        >>> from jacobians import Affine
        >>> J = Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], None).jacobian([5.0, 6.0], wrt="W")
        >>> J.tensor().shape, J.tensor("mixed").shape
        ((3, 2, 3), (3, 3, 2))
        """
        return to_tensor(self.dense(max_bytes), self.out_shape, self.in_shape, layout)

    @without_float_errors
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.home is not NUMPY:
            raise TypeError(
                f"{self.spec.label}: its arrays belong to {self.home.name}; convert those of .dense()"
            )
        if copy is False:
            raise ValueError(
                f"{self.structure}: the dense form is made on request, so copy=False can't be met"
            )
        return self.dense().astype(dtype or self.dtype, copy=False)

    def _check_out(self, out: Any) -> None:
        expected = self.batch_shape + self.shape
        self._require_numpy("out")
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: found {type(out).__name__}, expected an array of shape {expected}")
        if out.shape != expected or out.dtype != self.dtype:
            raise ValueError(
                f"out: found shape {out.shape} and dtype {out.dtype}, expected {expected} and {self.dtype}; "
                f"make it by np.empty({expected}, np.{self.dtype})"
            )
        if not out.flags.writeable:
            raise ValueError("out: found a read-only array, expected one to write into; pass a copy of it")

    def _require_budget(self, batch: Shape, max_bytes: int | None) -> None:
        require_budget(
            (*batch, *self.shape),
            self.dtype.itemsize,
            f"the dense form of {self.spec.label}",
            f"use matvec, rmatvec or @, which work on the {format_bytes(self.nbytes)} that are stored, "
            f"or pass a larger max_bytes",
            max_bytes,
        )


def _by_columns(jacobian: DenseForms, needed: Array) -> Iterator[tuple[int, Array]]:
    """Yield columns of J, some at a time, and which of those that are needed come first."""
    m, n = jacobian.shape
    size = max(1, _ENTRIES // (max(m, n) * jacobian.spec.batch_size))
    for start in range(0, len(needed), size):
        some = needed[start : start + size]
        columns = np.zeros((n, len(some)), jacobian.dtype)
        columns[some, np.arange(len(some))] = 1
        yield start, jacobian._apply(columns, UNCOUNTED)
