"""Traced arrays: plain NumPy code run on sympy symbols, complex steps, many digits or balls.

A :class:`TracedArray` looks like an array of numbers to the code that it is passed to; its entries are scalars
of any type, and what is done to them is read from the table of that type (:mod:`verification.tracing.scalars`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from verification.tracing.scalars import Scalars, TracingError

Entries = NDArray[Any]

# A table that leaves these to Python's operators leaves them to NumPy's loops on objects, which are faster.
_NATIVE = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "negative": operator.neg}
_WORTH_KEEPING, _MOST_KEPT = 64, 256  # entries of an array that is kept when wrapped, and how many arrays
_REFUSED_KEYWORDS = {"where": True}  # where=True is the default, anything else leaves entries undefined

RULES: dict[str, Callable[..., Any]] = {}
"""What NumPy's functions, the methods of its ufuncs, and np.where do: registered by the modules that write them."""
GENERALIZED: dict[str, Callable[..., Entries]] = {}
METHODS: dict[str, Callable[..., Any]] = {}
"""Ufuncs on whole axes, and ndarray's methods, by name; registered likewise."""

_asarray = (
    np.asarray
)  # while code is followed, NumPy's own name stands for one that lets traced arrays through


class TracedArray(NDArrayOperatorsMixin):
    """An array whose entries are scalars of any type; NumPy's functions and operators work on it.

    Parameters
    ----------
    entries : numpy.ndarray of dtype object
        The scalars; not copied.
    scalars : Scalars
        The table of their type.

    Raises
    ------
    TracingError
        By every operation that can't be followed; the message names it.

    Examples
    --------
    >>> from verification.tracing.scalars import MpmathScalars
    >>> x = traced([1.0, 2.0], MpmathScalars(20))
    >>> print(np.exp(x @ x).entries)
    148.41315910257660342
    """

    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]  # as for ndarray: == is entry by entry

    def __init__(self, entries: Entries, scalars: Scalars) -> None:
        self.entries = entries
        self.scalars = scalars

    # --- what NumPy calls ------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        for keyword, default in _REFUSED_KEYWORDS.items():
            if kwargs.pop(keyword, default) is not default:
                raise TracingError(f"{ufunc.__name__}: {keyword}= is not traced; use np.where on the result")
        operands = [entries_of(value, self.scalars) for value in inputs[: ufunc.nin]]
        refuse_whole_numbers(ufunc.__name__, kwargs.pop("dtype", None), *operands)
        for ignored in ("casting", "order", "subok", "signature"):
            kwargs.pop(ignored, None)
        if method == "__call__":
            result = apply_ufunc(self.scalars, ufunc.__name__, *operands, **kwargs)
        else:
            result = RULES["ufunc method"](self.scalars, ufunc, method, operands[0], *inputs[1:], **kwargs)
        return self._store(result, out[0] if isinstance(out, tuple) else out)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        result = RULES["function"](self.scalars, func, args, kwargs)
        return result if out is None else self._store(entries_of(result, self.scalars), out)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Entries:
        if dtype is not None and np.dtype(dtype) != np.dtype(object):
            raise TracingError(
                f"conversion to dtype {np.dtype(dtype)}: a traced array can't become numbers; build the result with "
                f"np.zeros_like(x), np.stack or np.concatenate, and leave out dtype= in np.asarray"
            )
        # Cells, traced arrays of no axes: NumPy's loops on objects call their operators and methods.
        cells = np.empty(self.shape, dtype=object)
        for index in np.ndindex(*self.shape):
            cell = np.empty((), dtype=object)
            cell[()] = self.entries[index]
            cells[index] = TracedArray(cell, self.scalars)
        return cells

    def _store(self, result: Entries, out: Any) -> Any:
        if out is None:
            return TracedArray(result, self.scalars)
        if not isinstance(out, TracedArray):
            raise TracingError("out=: found an array of numbers, expected a traced one; use np.zeros_like(x)")
        out.entries[...] = result
        return out

    # --- attributes ------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.entries.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.entries.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.entries.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Object, so that ``np.zeros(n, dtype=x.dtype)`` can hold the entries."""
        return np.dtype(object)

    @property
    def T(self) -> TracedArray:
        """The transpose."""
        return TracedArray(self.entries.T, self.scalars)

    @property
    def mT(self) -> TracedArray:  # noqa: N802  # NumPy's name
        """The transpose of the last two axes."""
        return TracedArray(self.entries.mT, self.scalars)

    @property
    def flat(self) -> Iterator[TracedArray]:
        """The entries in row-major order."""
        return iter(self.ravel())

    @property
    def real(self) -> TracedArray:
        """The array itself where scalars are real; refused for complex steps."""
        self._refuse_unless_real("real")
        return self

    @property
    def imag(self) -> TracedArray:
        """Zeros where scalars are real; refused for complex steps."""
        self._refuse_unless_real("imag")
        return self * 0

    def _refuse_unless_real(self, name: str) -> None:
        refusal = self.scalars.primitives.get(name)
        if refusal is not None:
            refusal()

    def __getattr__(self, name: str) -> Any:
        # NumPy's loops on objects call cell.exp() and the like, and ndarray's methods are NumPy's functions.
        if not name.startswith("_"):
            if self.entries.ndim == 0 and name in self.scalars.primitives:
                return lambda *others: getattr_ufunc(self.scalars, name, self, *others)
            if name in METHODS:
                function = METHODS[name]
                return lambda *args, **kwargs: function(self, *args, **kwargs)
            raise TracingError(f"ndarray.{name}: not traced; write it with NumPy functions that are")
        raise AttributeError(name)

    # --- methods whose arguments differ from the function's --------------------------------------------

    def copy(self, order: str = "C") -> TracedArray:
        """Return a copy."""
        return TracedArray(self.entries.copy(), self.scalars)

    def astype(self, dtype: Any, **_: Any) -> TracedArray:
        """Return a copy: scalars have no dtype, so none is changed to; whole numbers are refused."""
        refuse_whole_numbers("ndarray.astype", dtype, self.entries)
        return self.copy()

    def reshape(self, *shape: Any, **kwargs: Any) -> TracedArray:
        """Return the entries in another shape."""
        return TracedArray(self.entries.reshape(*shape, **kwargs), self.scalars)

    def transpose(self, *axes: Any) -> TracedArray:
        """Return the array with its axes permuted."""
        return TracedArray(self.entries.transpose(*axes), self.scalars)

    def ravel(self, order: Any = "C") -> TracedArray:
        """Return the entries along one axis."""
        return TracedArray(self.entries.ravel(order), self.scalars)

    flatten = ravel

    def item(self, *index: Any) -> TracedArray:
        """Return one entry, as a traced array of no axes."""
        return self[index] if index else self.reshape(())

    def tolist(self) -> list[Any]:
        """Return nested lists of traced entries."""
        return [entry if entry.ndim == 0 else entry.tolist() for entry in self]

    # --- indexing --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[TracedArray]:
        if self.ndim == 0:
            raise TypeError("iteration over a traced array of no axes")
        return (self[index] for index in range(len(self)))

    def __getitem__(self, key: Any) -> TracedArray:
        picked = self.entries[_index(key)]
        if not isinstance(picked, np.ndarray):
            cell = np.empty((), dtype=object)
            cell[()] = picked
            picked = cell
        return TracedArray(picked, self.scalars)

    def __setitem__(self, key: Any, value: Any) -> None:
        new = entries_of(value, self.scalars)
        if _is_mask(key) and key.shape == self.shape and new.ndim == 0:
            self.entries[...] = RULES["select"](
                self.scalars, key.entries, new, self.entries
            )  # exact in both branches
        else:
            self.entries[_index(key)] = new[()] if new.ndim == 0 else new

    # --- conversions to Python -------------------------------------------------------------------------

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("truth value of a traced array of several entries: use .any() or .all()")
        return self.scalars.decide(self.entries.reshape(-1)[0])

    def _refuse_conversion(self, name: str) -> NoReturn:
        raise TracingError(
            f"{name}() of a traced array: it holds no number; use NumPy's functions (np.exp, not math.exp), and "
            f"np.zeros_like(x) for an array that is filled entry by entry"
        )

    def __float__(self) -> float:
        self._refuse_conversion("float")

    def __int__(self) -> int:
        self._refuse_conversion("int")

    def __complex__(self) -> complex:
        self._refuse_conversion("complex")

    def __repr__(self) -> str:
        return f"TracedArray({self.entries.tolist()}, {self.scalars.name})"


def traced(values: Any, scalars: Scalars) -> TracedArray:
    """Return numbers (or scalars of the type) as a traced array."""
    return TracedArray(entries_of(values, scalars).copy(), scalars)


def entries_of(value: Any, scalars: Scalars) -> Entries:
    """Return `value` (traced, an array, a number, nested lists of these) as an object array of scalars."""
    if isinstance(value, TracedArray):
        if value.scalars is not scalars:
            raise TracingError("two traces are mixed: a traced array was kept from an earlier call of f")
        return value.entries
    if scalars.is_own(value):
        entry = np.empty((), dtype=object)
        entry[()] = value
        return entry
    array = _asarray(value)
    if array.dtype.kind not in "biufO":
        raise TracingError(f"found an array of dtype {array.dtype} beside traced ones, expected real numbers")
    if array.dtype.kind == "O" or array.size < _WORTH_KEEPING:
        return _wrapped(array, scalars)
    # Parameters come back in every trace: what an array was wrapped to is kept, by its place and all of its bytes.
    key = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype.str)
    content = array.tobytes()
    known, entries = scalars.wrapped.get(key, (None, None))
    if known != content:
        entries = _wrapped(array, scalars)
        entries.flags.writeable = False
        if len(scalars.wrapped) >= _MOST_KEPT:
            scalars.wrapped.clear()
        scalars.wrapped[key] = (content, entries)
    return entries


def _wrapped(array: NDArray[Any], scalars: Scalars) -> Entries:
    if array.dtype.kind != "O":
        constants = map(scalars.constant, array.ravel().tolist())
        return np.fromiter(constants, dtype=object, count=array.size).reshape(array.shape)
    entries = np.empty(array.shape, dtype=object)
    if array.size:
        entries[...] = np.frompyfunc(lambda entry: _scalar(entry, scalars), 1, 1)(array)
    return entries


def _scalar(entry: Any, scalars: Scalars) -> Any:
    if scalars.is_own(entry):
        return entry
    if isinstance(entry, TracedArray):
        return entries_of(entry, scalars)[()]
    if isinstance(entry, bool | int | float | np.generic):
        return scalars.constant(entry)
    raise TracingError(f"found {type(entry).__name__} beside traced entries, expected a number")


def refuse_whole_numbers(name: str, dtype: Any, *operands: Entries) -> None:
    """Raise if real numbers are made whole ones by a dtype: truth values are 0 and 1 in any."""
    if dtype is None or np.dtype(dtype).kind not in "biu":
        return
    if not all(_is_truth(entry) for entries in operands for entry in entries.flat):
        raise TracingError(
            f"{name}: dtype {np.dtype(dtype)} of traced entries, expected one of real numbers: whole ones are "
            f"piecewise constant"
        )


def _is_truth(entry: Any) -> bool:
    return isinstance(entry, bool | np.bool_) or bool(getattr(entry, "is_Boolean", False))  # sympy's


def apply_ufunc(scalars: Scalars, name: str, *operands: Entries, **kwargs: Any) -> Entries:
    """Return a ufunc, given by its name, of object arrays.

    Raises
    ------
    TracingError
        If the table of the scalar type has no such primitive.
    """
    if name in GENERALIZED:
        return GENERALIZED[name](scalars, *operands, **kwargs)
    primitive = scalars.primitives.get(name)
    if primitive is None:
        raise TracingError(f"{name}: not traced on {scalars.name} scalars; write it with ufuncs that are")
    native = primitive in _NATIVE.values()
    loop: Any = getattr(np, name) if native else np.frompyfunc(primitive, len(operands), 1)
    result = np.empty(np.broadcast_shapes(*(operand.shape for operand in operands)), dtype=object)
    if result.size:
        result[...] = loop(*operands)
    scalars.operations += result.size
    return result


def getattr_ufunc(scalars: Scalars, name: str, *values: Any) -> TracedArray:
    """Return a primitive of cells, as NumPy's loops on objects call it."""
    return TracedArray(apply_ufunc(scalars, name, *(entries_of(value, scalars) for value in values)), scalars)


def _is_mask(key: Any) -> bool:
    return isinstance(key, TracedArray)


def _index(key: Any) -> Any:
    """Return a key in which traced masks are decided at the point."""
    if isinstance(key, TracedArray):
        decided = np.frompyfunc(key.scalars.decide, 1, 1)(key.entries)
        return np.asarray(decided, dtype=bool)
    if isinstance(key, tuple):
        return tuple(_index(part) for part in key)
    return operator.index(key) if isinstance(key, np.integer) else key
