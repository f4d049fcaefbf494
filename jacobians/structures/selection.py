"""Matrices with at most one entry a row (selections) or a column (scatters)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer, shown
from jacobians.numerics.arrays import Array, alongside, possible, read_only, real_array, zeros
from jacobians.numerics.keywords import checked_keywords
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, broadcast, points
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point, latex_vector
from jacobians.structures.euclidean import euclidean_at
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_dtype, checked_options


class _Choice(Jacobian):
    """What a selection and its transpose share: indices, one for each line, and weights, or None for ones.

    Line i (a row of a selection, a column of a scatter) has its entry at position ``indices[i]``; −1 stands
    for a line of zeros.
    """

    _fields = ("weights",)
    _places = True
    _indices = ("indices",)
    _line_axis: ClassVar[int]
    indices: Array
    weights: Array | None

    def _init(
        self,
        indices: Array,
        size: int,
        weights: Array | None = None,
        *options: Any,
        repeats: bool = True,
        **named: Any,
    ) -> None:
        batch = broadcast(indices.shape[:-1], () if weights is None else weights.shape[:-1])
        lines = indices.shape[-1]
        # one batch for both, so that the spec tells what each product costs
        self.indices = np.broadcast_to(indices, (*batch, lines))
        self.weights = None if weights is None else np.broadcast_to(weights, (*batch, lines))
        spec = self._of_lines(lines, size, batch, weights is not None, repeats)
        self._set(spec, *options, **named)

    @staticmethod
    @abstractmethod
    def _of_lines(lines: int, size: int, batch: Shape, weighted: bool, repeats: bool) -> Spec:
        """Return the spec of so many lines with an entry at one of `size` places each."""

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        lines = spec.shape[cls._line_axis]
        return {"indices": (lines,), "weights": (lines,)} if spec.weighted else {"indices": (lines,)}

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        return spec.turned(cls._turned if spec.repeats else Selection.structure)

    @classmethod
    def _unflatten(cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any) -> Self:
        size, weights = spec.shape[1 - cls._line_axis], arrays.get("weights")
        return cls.unchecked(arrays["indices"], size, weights, repeats=spec.repeats, dtype=dtype)

    def line_values(self) -> Array:
        """Return the entry of each line: its weight or 1, and 0 for a line of zeros."""
        values = np.ones((), dtype=self.dtype) if self.weights is None else self.weights
        return blank(np.broadcast_to(values, self.spec.batch + self.indices.shape[-1:]), self.indices)

    def _reweighted(self, weights: Array | None) -> Self:
        """Return the same choice with other weights."""
        size = self.spec.shape[1 - self._line_axis]
        return type(self).unchecked(self.indices, size, weights, repeats=self.spec.repeats)

    def _scale(self, factor: Any) -> Jacobian:
        ones = self.weights is None
        lines = self.indices.shape[-1]
        return self._reweighted(np.full(lines, factor, self.dtype) if ones else self.weights * factor)

    def _lines(self, size: int) -> Array:
        """Return the dense form with lines as rows."""
        batch = self.spec.batch
        count = self.indices.shape[-1]
        positions = np.broadcast_to(self.indices, (*batch, count))
        values = np.broadcast_to(self.line_values(), (*batch, count))
        dense = zeros((*batch, count, size), self.dtype, positions, values)
        np.put_along_axis(dense, np.maximum(positions, 0)[..., None], values[..., None], axis=-1)
        return dense

    def _gather(self, columns: Array, ledger: Ledger) -> Array:
        """Return, for each line, its row of `columns` times its value."""
        picked = take_rows(columns, np.maximum(self.indices, 0))
        if self.weights is not None:
            picked = ledger.scale(self.weights[..., None], picked)
        return blank(picked, self.indices[..., None])

    def _spread(self, columns: Array, size: int, ledger: Ledger) -> Array:
        """Add, for each line, its row of `columns` times its value at its position."""
        batch = np.broadcast_shapes(self.spec.batch, columns.shape[:-2])
        values = columns if self.weights is None else ledger.scale(self.weights[..., None], columns)
        values = np.broadcast_to(values, (*batch, *columns.shape[-2:]))
        # lines of zeros, whatever stands there, go to an extra last place
        positions = np.where(self.indices < 0, size, self.indices)
        positions = np.broadcast_to(positions, (*batch, self.indices.shape[-1]))
        result = zeros((*batch, size + 1, columns.shape[-1]), values.dtype, values, positions)
        for point in np.ndindex(*batch):
            if self.spec.repeats:
                ledger.add_at(result[point], positions[point], values[point])
            else:
                result[point][positions[point]] = values[point]
        return result[..., :size, :]

    def _at(self, rows: Array, columns: Array) -> Array:
        lines, places = (rows, columns)[:: 1 - 2 * self._line_axis]
        there = self.indices[..., lines] == places
        return np.where(there, self.line_values()[..., lines], np.zeros((), self.dtype))

    def _latex_choice(self) -> str:
        indices = latex_vector(first_point(self.indices, 1))
        weights = "" if self.weights is None else rf",\; w = ({latex_vector(first_point(self.weights, 1))})"
        return rf"j = ({indices}){weights}"


class Selection(_Choice):
    """A matrix with at most one entry in each row: y_i = w_i·x[indices_i]. Max pooling, permutations, ties.

    Parameters
    ----------
    indices : array_like of int, shape (…, m)
        The column of each row's entry; −1 for a row of zeros.
    n : int
        The number of columns.
    weights : array_like, shape (…, m), optional
        The entries; ones by default.
    out_shape, in_shape, batch_shape, dtype
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If an index is not an integer from −1 to n − 1.

    Examples
    --------
    >>> Selection([2, 0, -1], 3).dense()
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 0., 0.]])
    """

    structure = "Selection"
    _colour = "#3a9d4f"
    _by_sizes = True
    _line_axis, _turned = 0, "Scatter"

    def __init__(
        self,
        indices: Any,
        n: int,
        weights: Any = None,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = np.float64,
    ) -> None:
        chosen, size, entries, repeats = _doors(indices, n, weights)
        options = checked_options(out_shape, in_shape, batch_shape)
        self._init(chosen, size, entries, *options, checked_dtype(dtype), repeats=repeats)

    @staticmethod
    def _of_lines(lines: int, size: int, batch: Shape, weighted: bool, repeats: bool) -> Spec:
        return Spec.selection(lines, size, batch, weighted=weighted, repeats=repeats)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """mk multiplications by weights, none without."""
        entries = spec.shape[0] * columns if spec.weighted else 0
        return Count(points(spec.batch, batch) * entries, 0)

    @property
    def is_permutation(self) -> bool:
        """Whether every row and every column has one entry, and it is 1."""
        m, n = self.shape
        return m == n and self.weights is None and not self.spec.repeats and bool((self.indices >= 0).all())

    @property
    def label(self) -> str:
        """A short name of the structure with its sizes: a permutation is called so."""
        m, n = self.shape
        return f"{self.spec.points_label}Permutation {m}×{n}" if self.is_permutation else self.spec.label

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return self._lines(self.shape[1])

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return self._gather(columns, ledger)

    def _row_norms(self) -> Array:
        return np.abs(self.line_values())

    def _transpose(self) -> Jacobian:
        if self.spec.repeats:
            return Scatter.unchecked(
                self.indices, self.shape[1], self.weights, repeats=True, dtype=self.dtype
            )
        # without repeats each column has at most one entry, so that the transpose is a selection again
        m, n = self.shape
        batch = self.spec.batch
        positions = np.broadcast_to(self.indices, (*batch, m))
        inverse = zeros((*batch, n + 1), self.indices.dtype, positions) - 1
        rows = np.broadcast_to(np.arange(m), positions.shape)
        # rows of zeros write to the extra last place
        np.put_along_axis(inverse, np.where(positions < 0, n, positions), rows, axis=-1)
        inverse = inverse[..., :n]
        weights = self.weights
        if weights is not None:
            values = np.broadcast_to(weights, (*batch, m))
            weights = np.take_along_axis(values, np.maximum(inverse, 0), axis=-1)
        return Selection.unchecked(inverse, m, weights, repeats=False, dtype=self.dtype)

    def _latex(self) -> str:
        return rf"S\left({self._latex_choice()}\right)"


class Scatter(_Choice):
    """The transpose of a selection: at most one entry in each column; adds x_i·w_i at position indices_i.

    Parameters
    ----------
    indices : array_like of int, shape (…, n)
        The row of each column's entry; −1 for a column of zeros.
    m : int
        The number of rows.
    weights : array_like, shape (…, n), optional
        The entries; ones by default.
    out_shape, in_shape, batch_shape, dtype
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If an index is not an integer from −1 to m − 1.

    Examples
    --------
    >>> Scatter([1, 1], 2).matvec([3.0, 4.0])
    array([0., 7.])
    """

    structure = "Scatter"
    _colour = "#3a9d4f"
    _by_sizes = True
    _line_axis, _turned = 1, "Selection"

    def __init__(
        self,
        indices: Any,
        m: int,
        weights: Any = None,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
        dtype: Any = np.float64,
    ) -> None:
        chosen, size, entries, _ = _doors(indices, m, weights)
        options = checked_options(out_shape, in_shape, batch_shape)
        self._init(chosen, size, entries, *options, checked_dtype(dtype))

    @staticmethod
    def _of_lines(lines: int, size: int, batch: Shape, weighted: bool, repeats: bool) -> Spec:
        return Spec.scatter(size, lines, batch, weighted=weighted, repeats=repeats)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """nk multiplications by weights; nk additions where rows may meet."""
        entries = points(spec.batch, batch) * spec.shape[1] * columns
        return Count(entries if spec.weighted else 0, entries if spec.repeats else 0)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        return self._lines(self.shape[0]).mT

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        return self._spread(columns, self.shape[0], ledger)

    def _row_norms(self) -> Array:
        values, places = (part.reshape(-1, self.shape[1]) for part in (self.line_values(), self.indices))
        return euclidean_at(values, places, self.shape[0]).reshape(*self.spec.batch, self.shape[0])

    def _transpose(self) -> Jacobian:
        return Selection.unchecked(
            self.indices, self.shape[0], self.weights, repeats=self.spec.repeats, dtype=self.dtype
        )

    def _latex(self) -> str:
        return rf"S^{{\mathsf T}}\left({self._latex_choice()}\right)"


def Permutation(indices: Any, **options: Any) -> Selection:  # noqa: N802  # named as the matrix that it makes
    """Return the permutation matrix P with (P x)_i = x[indices_i], a :class:`Selection` without repeats.

    Parameters
    ----------
    indices : array_like of int, shape (n,)
        Each of 0, …, n − 1 once.
    **options
        out_shape, in_shape, batch_shape, dtype of :class:`Selection`.

    Raises
    ------
    ValueError
        If the indices are not a permutation.

    Examples
    --------
    >>> Permutation([2, 0, 1]).T.dense()
    array([[0., 1., 0.],
           [0., 0., 1.],
           [1., 0., 0.]])
    """
    checked_keywords(options, "Permutation", ("out_shape", "in_shape", "batch_shape", "dtype"))
    try:
        indices = np.asarray(indices)
    except (ValueError, OverflowError):
        raise TypeError(f"indices: found {shown(indices)}, expected each of 0, …, n − 1 once") from None
    size = np.shape(indices)[-1] if np.ndim(indices) and indices.dtype.kind in "iu" else 0
    if size == 0 or not np.array_equal(
        np.sort(np.asarray(indices), axis=-1), np.broadcast_to(np.arange(size), np.shape(indices))
    ):
        raise ValueError(f"indices: found {shown(indices)}, expected each of 0, …, n − 1 once")
    return Selection(indices, size, **options)


def blank(values: Array, indices: Array) -> Array:
    """Return `values` with exact zeros (whatever stood there, NaN too) where the index is −1."""
    empty = indices < 0
    return np.where(empty, np.zeros((), dtype=values.dtype), values) if possible(empty) else values


def take_rows(columns: Array, indices: Array) -> Array:
    """Return the rows of `columns` (…, n, k) at `indices` (…, m): an array (…, m, k)."""
    if indices.ndim == 1:
        return np.take(alongside(columns, indices), indices, axis=-2)
    batch = np.broadcast_shapes(indices.shape[:-1], columns.shape[:-2])
    columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
    positions = np.broadcast_to(indices, (*batch, indices.shape[-1]))
    return np.take_along_axis(columns, positions[..., None], axis=-2)


def _holds_flags(indices: Any) -> bool:
    """Return whether True or False stands among what was given as integers, which NumPy would make them."""
    if isinstance(indices, list | tuple):
        return any(_holds_flags(index) for index in indices)
    return isinstance(indices, bool | np.bool_)


def _doors(indices: Any, size: Any, weights: Any) -> tuple[Array, int, Array | None, bool]:
    count = checked_integer(size, "n")
    try:
        chosen = np.asarray(indices)
    except (ValueError, OverflowError):
        raise TypeError(f"indices: found {shown(indices)}, expected integers of shape (m,)") from None
    if _holds_flags(indices):
        raise TypeError(f"indices: found {shown(indices)}, expected integers of shape (m,): True is none")
    if chosen.dtype.kind not in "iu" or chosen.ndim == 0 or chosen.size == 0:
        raise TypeError(
            f"indices: found dtype {chosen.dtype} and shape {chosen.shape}, expected integers of shape (m,)"
        )
    chosen = read_only(chosen.astype(np.intp))
    if chosen.min() < -1 or chosen.max() >= count:
        raise ValueError(
            f"indices: found {int(chosen.min())} to {int(chosen.max())}, expected −1 (a line of zeros) to {count - 1}"
        )
    entries = None
    if weights is not None:
        entries = real_array(weights, "weights", foreign="refuse")
        if entries.ndim == 0 or entries.shape[-1] != chosen.shape[-1]:
            raise ValueError(f"weights: found shape {entries.shape}, expected one for each of {chosen.shape}")
    ordered = np.sort(chosen, axis=-1)
    repeats = bool(((ordered[..., 1:] == ordered[..., :-1]) & (ordered[..., 1:] >= 0)).any())
    return chosen, count, entries, repeats
