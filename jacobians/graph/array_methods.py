"""The attributes and methods that followed arrays share with NumPy's: each is a function of NumPy's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, NoReturn

import numpy as np

from jacobians.graph.recorder import refuse, refuse_rounding
from jacobians.numerics.arrays import Array

_ravel: Any = np.ravel  # which is told of arrays of its own only


class Followed(np.lib.mixins.NDArrayOperatorsMixin):
    """What looks like an array of NumPy, and knows of itself the value only."""

    _array: Array

    def _current(self) -> Array:
        raise NotImplementedError

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: Any, new: Any) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        if not self._array.shape:
            raise TypeError("len() of a scalar")
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self._array.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._array.size

    @property
    def dtype(self) -> Any:
        """The dtype of the array."""
        return self._array.dtype

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:  # noqa: N802  # NumPy's name
        """The transpose of the last two axes."""
        return np.swapaxes(self, -1, -2)

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """Return the array in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes in another order."""
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    @property
    def real(self) -> Any:
        """The array itself: all values are real."""
        return self

    @property
    def imag(self) -> Any:
        """Zeros."""
        return np.zeros_like(self)

    def ravel(self, order: Literal["K", "A", "C", "F"] = "C") -> Any:
        """Return the entries along one axis."""
        return _ravel(self, order)

    def flatten(self, order: Literal["K", "A", "C", "F"] = "C") -> Any:
        """Return a copy with one axis."""
        return np.copy(_ravel(self, order))

    @property
    def flat(self) -> Any:
        """Refused but for writes of all entries."""
        return refuse("the attribute flat", "is not followed; use numpy.ravel")

    @flat.setter
    def flat(self, new: Any) -> None:
        self[...] = np.resize(np.stack(new) if isinstance(new, list | tuple) else new, self.shape)

    def sort(self, axis: int = -1, **options: Any) -> None:
        """Sort the entries in their place."""
        self[...] = np.sort(self, axis, **options)

    def resize(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: it changes the array itself."""
        refuse("the method resize", "is not followed; use numpy.resize")

    def clip(self, min: Any = None, max: Any = None, **options: Any) -> Any:  # noqa: A002  # NumPy's names
        """Return the entries, no less and no more than bounds."""
        return np.clip(self, min, max, **options)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Return a copy; only real floating types keep the derivative."""
        refuse_rounding("astype", np.dtype(dtype))
        return np.copy(self)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(name)
        function = getattr(np, name, None)
        if function is None:
            refuse(f"the method {name}", "is not followed")
        return lambda *args, **options: function(self, *args, **options)


def written(name: str, out: Any, result: Any) -> Any:
    """Return the array that was given as `out`, with the result in it."""
    if not isinstance(out, Followed):
        refuse(name, "writes into an array that isn't followed; make it by numpy.zeros in the function")
    out[...] = result
    return out


def without_out(function: Any, args: tuple[Any, ...], kwargs: Any) -> tuple[tuple[Any, ...], Any, Any]:
    """Return the arguments of a function of NumPy's without `out`, and `out`, given by name or by position."""
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    if any(isinstance(one, Followed) for one in args[2:]):
        try:
            known = inspect.signature(function).parameters
        except (TypeError, ValueError):  # not all functions tell theirs
            return args, kwargs, out
        names = [name for name, one in known.items() if one.kind <= one.POSITIONAL_OR_KEYWORD][: len(args)]
        if "out" in names:
            place = names.index("out")
            after = dict(zip(names[place + 1 :], args[place + 1 :], strict=True))
            return args[:place], kwargs | after, args[place]
    return args, kwargs, out
