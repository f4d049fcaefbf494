"""Arrays of other libraries: which functions compute with them, where they live, and what is not done to them.

A library that follows the Python array API standard (data-apis.org/array-api) is known by the ``__array_namespace__``
of its arrays; torch and CuPy are reached through ``array_api_compat``, which gives their functions the standard's
names. Everything else, symbols and recorded arrays included, goes through NumPy's functions, as before.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

_THROUGH_COMPAT = ("torch", "cupy")


class Home(NamedTuple):
    """Where arrays live: the namespace of the functions that compute with them, and their device.

    Attributes
    ----------
    namespace : module
        ``numpy``, or a namespace of the array API standard.
    device : object
        What the library calls the device; None for NumPy.

    Examples
    --------
    >>> NUMPY.eye(2, np.float32)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    namespace: Any
    device: Any = None

    @property
    def name(self) -> str:
        """What the library is called."""
        name: str = self.namespace.__name__
        return name.removeprefix("array_api_compat.")

    def __reduce__(self) -> Any:
        # the same object again: who asks whether it is NUMPY asks by identity
        return _home_named, (self.namespace.__name__, self.device)

    def _options(self, dtype: Any) -> dict[str, Any]:
        if self.namespace is np:
            return {"dtype": dtype}
        return {"dtype": getattr(self.namespace, np.dtype(dtype).name), "device": self.device}

    def eye(self, n: int, dtype: Any) -> Any:
        """Return the n×n identity."""
        return self.namespace.eye(n, **self._options(dtype))

    def full(self, shape: tuple[int, ...], value: float, dtype: Any) -> Any:
        """Return an array of one number."""
        return self.namespace.full(shape, value, **self._options(dtype))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return zeros."""
        return self.namespace.zeros(shape, **self._options(dtype))

    def ones(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return ones."""
        return self.namespace.ones(shape, **self._options(dtype))

    def array(self, values: Any, dtype: Any) -> Any:
        """Return a copy of numbers, NumPy's or of this library, in a precision."""
        if self.namespace is np or is_foreign(values):
            return astype(values, dtype)
        return self.namespace.asarray(values, copy=True, **self._options(dtype))

    def arange(self, n: int) -> Any:
        """Return 0, …, n − 1."""
        return self.namespace.arange(n, **self._options(np.int64))

    def indices(self, places: Any) -> Any:
        """Return NumPy's integers as indices of the arrays here; those of this library as they are."""
        return (
            places
            if self.namespace is np or is_foreign(places)
            else self.namespace.asarray(places.tolist(), device=self.device)
        )


NUMPY = Home(np)
"""Where NumPy's arrays live, and all that goes through NumPy's functions."""


# --- which library ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _library(kind: type) -> str | None:
    """Return what the library of an array type is called, None for NumPy's and for what is no array."""
    if issubclass(kind, np.ndarray | np.generic):
        return None
    for base in kind.__mro__:
        root = base.__module__.partition(".")[0]
        if root in _THROUGH_COMPAT and base.__name__ in ("Tensor", "ndarray"):
            return root
    return kind.__module__.partition(".")[0] if hasattr(kind, "__array_namespace__") else None


def is_foreign(array: Any) -> bool:
    """Return whether an array belongs to another library than NumPy.

    Examples
    --------
    >>> is_foreign(np.ones(2)), is_foreign([1.0, 2.0])
    (False, False)
    """
    kind: Any = type(array)
    return kind is not np.ndarray and _library(kind) is not None


def kind_name(array: Any) -> str:
    """Return the name of an array's type with that of its library.

    Examples
    --------
    >>> kind_name(np.ones(2))
    'numpy.ndarray'
    """
    kind = type(array)
    return f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"


def namespace_of(array: Any) -> Any:
    """Return the module whose functions compute with `array`: NumPy, or one of the array API standard.

    Parameters
    ----------
    array : array of any kind
        Symbols, recorded arrays and plain numbers go through NumPy's functions.

    Raises
    ------
    ImportError
        For arrays of torch and CuPy where ``array_api_compat`` is not installed.

    Examples
    --------
    >>> namespace_of(np.ones(2)).__name__
    'numpy'
    """
    kind: Any = type(array)
    if kind is np.ndarray:
        return np
    library = _library(kind)
    if library is None:
        return np
    if library not in _THROUGH_COMPAT:
        return array.__array_namespace__()
    try:
        import array_api_compat  # imported here: only those need it who bring such arrays
    except ImportError:
        raise ImportError(
            f"array_api_compat is not installed; arrays of {library} need it: pip install 'explicit-jacobians[arrays]'"
        ) from None
    return array_api_compat.array_namespace(array)


_home = lru_cache(maxsize=64)(Home)


def _home_named(namespace: str, device: Any) -> Home:
    return NUMPY if namespace == "numpy" else _home(import_module(namespace), device)


def home_of(array: Any) -> Home:
    """Return where an array lives.

    Examples
    --------
    >>> home_of(np.ones(2)) is NUMPY
    True
    """
    if type(array) is np.ndarray or not is_foreign(array):
        return NUMPY
    return _home(namespace_of(array), array.device)


def numpy_dtype(array: Any) -> np.dtype[Any]:
    """Return the precision of an array as a NumPy dtype, whichever library it belongs to.

    Examples
    --------
    >>> numpy_dtype(np.ones(2, dtype=np.float32))
    dtype('float32')
    """
    found = array.dtype
    if isinstance(found, np.dtype):
        return found
    return np.dtype(np.float32 if found == namespace_of(array).float32 else np.float64)


def common_dtype(*values: Any) -> np.dtype[Any]:
    """Return the precision of what is computed from several arrays or Jacobians.

    Examples
    --------
    >>> common_dtype(np.ones(2), np.ones(2, dtype=np.float32))
    dtype('float64')
    """
    found = numpy_dtype(values[0])
    for value in values[1:]:
        other = numpy_dtype(value)
        if other is not found:  # which NumPy's function takes ten times as long to see
            found = np.result_type(found, other)
    return found


# --- what is done with arrays of every library -----------------------------------------------------------


def foreign_reals(array: Any, name: str) -> Any:
    """Return an array of another library if it holds float32 or float64, without its record of gradients.

    Raises
    ------
    TypeError
        For another dtype.
    """
    xp = namespace_of(array)
    if array.dtype not in (xp.float32, xp.float64):
        raise TypeError(
            f"{name}: found {kind_name(array)} of dtype {array.dtype}, expected float32 or float64; convert it first"
        )
    # the derivatives are taken here: torch's own record of them would only be kept alive
    return array.detach() if getattr(array, "requires_grad", False) else array


def sum_last(array: Any, *, keepdims: bool = False) -> Any:
    """Return the sum over the last axis.

    Examples
    --------
    >>> sum_last(np.array([1.0, 2.0]))
    np.float64(3.0)
    """
    if is_foreign(array):
        return namespace_of(array).sum(array, axis=-1, keepdims=keepdims)
    return array.sum(axis=-1, keepdims=keepdims)


def in_precision(values: Any, like: Any) -> Any:
    """Return numbers in the precision of another array; foreign ones have it, as the standard promotes.

    Examples
    --------
    >>> in_precision(np.ones(1), np.ones(1, dtype=np.float32)).dtype
    dtype('float32')
    """
    return values if is_foreign(values) else values.astype(like.dtype)


def astype(array: Any, dtype: Any) -> Any:
    """Return a copy of an array in a precision that NumPy's dtype names.

    Examples
    --------
    >>> astype(np.ones(1), np.float32).dtype
    dtype('float32')
    """
    if is_foreign(array):
        xp = namespace_of(array)
        return xp.astype(array, getattr(xp, np.dtype(dtype).name), copy=True)
    return array.astype(dtype)


def either(condition: Any, if_true: float, if_false: float, like: Any) -> Any:
    """Return one of two numbers for each entry, in the precision of another array.

    Examples
    --------
    >>> x = np.array([1.0, -1.0])
    >>> either(x > 0, 5.0, 6.0, x)
    array([5., 6.])
    """
    if is_foreign(like):
        xp = namespace_of(like)
        return xp.where(condition, xp.full_like(like, if_true), xp.full_like(like, if_false))
    return np.where(condition, if_true, if_false).astype(like.dtype)


def spread_to(array: Any, shape: tuple[int, ...]) -> Any:
    """Return an array broadcast to a shape, without a copy; itself where it has that shape.

    Examples
    --------
    >>> spread_to(np.ones(2), (3, 2)).shape
    (3, 2)
    """
    return array if array.shape == shape else namespace_of(array).broadcast_to(array, shape)


def owned(array: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Return a fresh copy of an array, broadcast to `shape` where one is given.

    Examples
    --------
    >>> owned(np.ones(2), (2, 2))
    array([[1., 1.],
           [1., 1.]])
    """
    xp = namespace_of(array)
    if shape is not None:
        array = spread_to(array, shape)
    return np.array(array) if xp is np else xp.asarray(array, copy=True)


def require_numpy(value: Any, name: str, reason: str) -> None:
    """Raise TypeError if `value` belongs to another library.

    Parameters
    ----------
    value : object
    name : str
        What the caller calls this argument.
    reason : str
        What computes with NumPy's arrays only, for the error.
    """
    if is_foreign(value):
        raise TypeError(
            f"{name}: found {kind_name(value)}, expected numpy.ndarray: {reason}; "
            f"bring it to the CPU and convert it with np.asarray"
        )


def require_numpy_function(function: Any, reason: str) -> None:
    """Raise TypeError if a parameter of a function belongs to another library.

    Parameters
    ----------
    function : Function
    reason : str
        What computes with NumPy's arrays only, for the error.
    """
    for name, value in function.parameters.items():
        require_numpy(value, name, reason)


def require_one_library(**arrays: Any) -> None:
    """Raise TypeError unless arrays, given by name, belong to one library; None is passed over.

    Examples
    --------
    >>> require_one_library(W=np.ones((2, 2)), b=None)
    """
    present = {name: array for name, array in arrays.items() if array is not None}
    first = next(iter(present))
    for name, array in present.items():
        if namespace_of(array) is not namespace_of(present[first]):
            raise TypeError(
                f"{name}: found {kind_name(array)} beside {first} of {kind_name(present[first])}, expected arrays of "
                f"one library; convert one of the two"
            )
