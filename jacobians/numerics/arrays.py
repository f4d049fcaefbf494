"""The doors for arrays: what is let in, as what dtype, and how much memory an answer may take.

Every public constructor and call passes its arrays through :func:`real_array`. Behind the doors the formulas
are generic in the scalar type (symbols, balls and counting scalars run through the same code).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arguments import shown
from jacobians.numerics.libraries import foreign_reals, is_foreign, owned, require_numpy

Array = np.ndarray[Any, np.dtype[Any]]
Foreign = Literal["convert", "keep", "refuse"]

DEFAULT_MAX_BYTES = 2 * 1024**3
"""The most that one dense answer may take unless the caller says otherwise: 2 GiB."""


class MemoryBudgetError(MemoryError):
    """An answer would take more bytes than its budget; nothing was allocated."""


def real_array(
    value: Any, name: str, *, ndim: int | tuple[int, ...] | None = None, foreign: Foreign = "convert"
) -> Array:
    """Return `value` as a read-only real floating point array, or refuse it by name.

    Integers and bools become float64; float16 becomes float32; float32 and float64 stay what they are.

    Parameters
    ----------
    value : array_like
        Numbers. Never written to; the result may share its memory.
    name : str
        What the caller calls this argument; every error begins with it.
    ndim : int or tuple of int, optional
        The numbers of axes that are allowed.
    foreign : {"convert", "keep", "refuse"}
        What becomes of an array of another library (:mod:`jacobians.numerics.libraries`): an array of NumPy's where its
        numbers are only looked at; itself, if it is float32 or float64, where they are computed with; or it is
        refused where only NumPy computes.

    Returns
    -------
    numpy.ndarray
        A read-only array of dtype float32 or float64, without an empty axis.

    Raises
    ------
    TypeError
        For None, complex, object, string, ragged, masked and sparse input and ``np.matrix``.
    ValueError
        For a wrong number of axes or an axis of length 0.

    Examples
    --------
    >>> real_array([1, 2], "x")
    array([1., 2.])
    >>> real_array([1j], "x")
    Traceback (most recent call last):
    ...
    TypeError: x: found dtype complex128, expected real numbers; pass .real and .imag separately
    """
    if type(value) is np.ndarray:
        array = value
    elif is_recorded(value):
        return _with_axes(value, name, ndim)
    elif foreign == "keep" and is_foreign(value):
        return _with_axes(foreign_reals(value, name), name, ndim)
    else:
        if foreign == "refuse":
            require_numpy(value, name, "this is computed with NumPy's functions")
        array = array_of(value, name)
    if array.dtype == object and not hasattr(value, "dtype"):
        array = _of_large_integers(array, name)
    kind = array.dtype.kind
    if kind == "c":
        raise TypeError(
            f"{name}: found dtype {array.dtype}, expected real numbers; pass .real and .imag separately"
        )
    if kind in "biu":
        array = array.astype(np.float64)
    elif kind == "f":
        if array.dtype.itemsize == 2:
            array = array.astype(np.float32)
        elif array.dtype.itemsize > 8:
            raise TypeError(f"{name}: found dtype {array.dtype}, expected float32 or float64; use .astype")
        elif not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
    else:
        raise TypeError(
            f"{name}: found {class_name(value)} of dtype {array.dtype}, expected an array of real numbers"
        )
    return read_only(_with_axes(array, name, ndim))


def _of_large_integers(array: Array, name: str) -> Array:
    """Return floats of Python's numbers that are too large for NumPy's integers; other objects as they are."""
    if not all(isinstance(number, int | float | np.integer | np.floating) for number in array.flat):
        return array
    try:
        return array.astype(np.float64)
    except OverflowError:
        found = next(number for number in array.flat if abs(number) >= 1 << 1024)
        raise TypeError(f"{name}: found {shown(found)}, expected numbers that a float64 can hold") from None


def refuse_sparse(value: Any, name: str) -> None:
    """Refuse a sparse matrix of SciPy where a Jacobian is expected, which it may become.

    Raises
    ------
    TypeError
    """
    if hasattr(type(value), "tocsr"):  # of the class: a recorded array refuses names that it does not know
        raise TypeError(
            f"{name}: found a sparse {type(value).__name__}, expected a Jacobian or an array; make it a Jacobian by "
            f"Sparse(matrix)"
        )


def array_of(value: Any, name: str) -> Array:
    """Return an array of NumPy's of something that is array-like, or refuse it."""
    if value is None:
        raise TypeError(f"{name}: found None, expected an array of real numbers")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: found a masked array, expected a plain array; fill it first (.filled(…))")
    if isinstance(value, np.matrix):
        raise TypeError(f"{name}: found np.matrix, expected a plain array; convert it with np.asarray")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{name}: found a sparse {class_name(value)}; expected an array (.toarray())")
    try:
        return np.asarray(value)
    except Exception as error:  # whatever NumPy or an object of somebody's says
        found = "a ragged sequence" if isinstance(error, ValueError) else shown(value)
        raise TypeError(f"{name}: found {found}, expected rows of equal length") from None


def _with_axes(array: Array, name: str, ndim: int | tuple[int, ...] | None) -> Array:
    """Return an array that has as many axes as are allowed, none of them empty, or refuse it."""
    if ndim is not None:
        allowed = (ndim,) if isinstance(ndim, int) else ndim
        if array.ndim not in allowed:
            axes = " or ".join(str(n) for n in allowed)
            raise ValueError(
                f"{name}: found shape {tuple(array.shape)}, expected {axes} axes; "
                f"(n,), (n, 1) and (1, n) are three different things: reshape it"
            )
    if 0 in array.shape:
        raise ValueError(
            f"{name}: found shape {tuple(array.shape)} with an empty axis, expected at least one entry"
        )
    return array


class Unnumbered:
    """An array with a shape and a dtype, but no numbers: base of those that record what is done to them."""

    def beside(self, array: Array) -> Any:
        """Return an array of numbers as one of this kind."""
        raise NotImplementedError(f"{class_name(self)}: found no method beside(array)")


class UnnumberedError(TypeError):
    """Code asks numbers of an array that has none."""


def is_recorded(value: Any) -> bool:
    """Return whether an array is recorded: it has a shape and a dtype, but no numbers.

    Examples
    --------
    >>> is_recorded(np.ones(2))
    False
    """
    # asked of the class: arrays of other scalars refuse attributes that they don't know
    return issubclass(type(value), Unnumbered)


def as_array(value: Any, dtype: Any = None) -> Any:
    """Return ``np.asarray(value, dtype)``, and a recorded array as it is.

    Examples
    --------
    >>> as_array([1, 2], float)
    array([1., 2.])
    """
    return value if is_recorded(value) else np.asarray(value, dtype)


def possible(condition: Any) -> bool:
    """Return whether a condition holds somewhere; True for a recorded one, whose numbers are not known.

    Where a general formula has a shorter form for the usual case, this tells which of them to take.

    Examples
    --------
    >>> possible(np.array([1.0, 2.0]) < 0)
    False
    """
    return is_recorded(condition) or bool(condition.any())


def zeros(shape: tuple[int, ...], dtype: Any, *beside: Any) -> Array:
    """Return zeros to write into: recorded ones where something recorded will be written, or says where.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    *beside : numpy.ndarray
        The values that will be written, and the indices of their places.

    Examples
    --------
    >>> zeros((2,), np.float32, np.ones(2))
    array([0., 0.], dtype=float32)
    """
    like = next((array for array in beside if is_recorded(array)), None)
    return np.zeros(shape, dtype=dtype, like=like)


def alongside(array: Array, other: Any) -> Array:
    """Return an array as a recorded one if `other` is: numbers that recorded indices choose from.

    Examples
    --------
    >>> alongside(np.ones(2), np.arange(2))
    array([1., 1.])
    """
    beside: Array = other.beside(array) if is_recorded(other) else array
    return beside


def private(array: Array) -> Array:
    """Return a copy of `array` that nobody else can change: read-only where the library knows such arrays."""
    return owned(array) if is_foreign(array) else read_only(array.copy())


def read_only(array: Array) -> Array:
    """Return a view of `array` that can't be written through; an array of another library as it is."""
    if type(array) is not np.ndarray and is_foreign(array):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def format_bytes(count: int) -> str:
    """Return a number of bytes in the largest binary unit, exactly.

    Examples
    --------
    >>> format_bytes(8 * 4096**3)
    '512 GiB'
    >>> format_bytes(1000)
    '1000 bytes'
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        size = 1024**power
        if count >= size:
            if count % size == 0:
                return f"{count // size:,} {unit}"
            return f"{count / size:,.2f} {unit} ({count:,} bytes)"
    return f"{count} bytes"


def require_budget(
    shape: Sequence[int], itemsize: int, what: str, instead: str, max_bytes: int | None = None
) -> None:
    """Raise unless an array of `shape` fits in `max_bytes`; allocate nothing.

    Parameters
    ----------
    shape : sequence of int
        The shape of the array that would be made.
    itemsize : int
        Bytes of one entry.
    what, instead : str
        What would be made, and what to do instead: both go into the error.
    max_bytes : int or None
        The budget; None stands for 2 GiB.

    Raises
    ------
    MemoryBudgetError
        A MemoryError that names the exact size, the budget and the way out.
    TypeError
        If max_bytes is no integer.
    """
    budget = DEFAULT_MAX_BYTES if max_bytes is None else max_bytes
    if not isinstance(budget, int | np.integer) or isinstance(budget, bool):
        raise TypeError(
            f"max_bytes: found {shown(max_bytes)}, expected a number of bytes as an integer, such as 2 * 1024**3"
        )
    needed = math.prod(int(n) for n in shape) * int(itemsize)
    if needed > budget:
        dimensions = "×".join(str(n) for n in shape)
        raise MemoryBudgetError(
            f"{what} ({dimensions}) would take {format_bytes(needed)}, more than max_bytes = "
            f"{format_bytes(budget)}; {instead}"
        )


def at_every_point(truth: Array, axes: int) -> Array:
    """Return what is true at all points, of truth values with so many axes behind those of the batch."""
    return np.asarray(truth.all(axis=tuple(range(truth.ndim - axes))))


def finite_columns(matrix: Array) -> Array:
    """Return which columns are finite in all rows and at every point."""
    # a finite sum has finite terms, and one pass over the matrix tells; an overflow only costs the closer look
    with np.errstate(all="ignore"):
        if np.isfinite(matrix.sum()):
            return np.ones(matrix.shape[-1], dtype=bool)
    return at_every_point(np.isfinite(matrix), 1)
