"""The doors for what is no array: numbers, sizes, shapes, flags, options and names, each refused by name.

Every sentence begins with the argument's name, and says what was found and what was expected.
"""

from __future__ import annotations

import inspect
import math
import operator
import os
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from jacobians.names import class_name, printable

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def shown(value: object, length: int = 80) -> str:
    """Return what was found as one line of bounded length, whatever it is.

    Examples
    --------
    >>> shown("3"), shown([1, [2, 3]]), shown(10**5000)
    ("'3'", '[1, [2, 3]]', 'an integer of 16610 bits')
    """
    if isinstance(value, int) and abs(value) >= 1 << 1024:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"an array of shape {value.shape}"
    try:
        text = printable(" ".join(repr(value).split()))
    except Exception:  # a repr may raise anything; what is refused must be named all the same
        return f"an object of type {class_name(value)}"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def checked_integer(value: Any, name: str, *, least: int = 1, most: int | None = sys.maxsize) -> int:
    """Return `value` as a Python integer from `least` to `most` (None: no bound), or refuse it by name.

    True is no integer here, and neither is 3.0.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, too small or too large: no size is above ``sys.maxsize``.

    Examples
    --------
    >>> checked_integer(np.int64(3), "epochs")
    3
    >>> checked_integer(True, "epochs")
    Traceback (most recent call last):
    ...
    TypeError: epochs: found True, expected an integer of at least 1
    """
    expected = f"expected an integer of at least {least}"
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name}: found {shown(value)}, {expected}")
    if number < least:
        raise ValueError(f"{name}: found {shown(number)}, {expected}")
    if most is not None and number > most:
        raise ValueError(f"{name}: found {shown(number)}, expected an integer of at most {most}")
    return number


def real_number(
    value: Any, name: str, *, least: float | None = None, above: float | None = None, infinite: bool = False
) -> float:
    """Return `value` as a Python float, or refuse it by name.

    Parameters
    ----------
    value : float
    name : str
        What the caller calls this argument; every error begins with it.
    least, above : float, optional
        The smallest number that is let in, or one that it has to be above.
    infinite : bool
        Whether ±∞ is let in.

    Raises
    ------
    TypeError, ValueError
        If it is no real number, or NaN, or infinite where it must not be, or too small.

    Examples
    --------
    >>> real_number(2, "slope")
    2.0
    >>> real_number(0, "learning_rate", above=0)
    Traceback (most recent call last):
    ...
    ValueError: learning_rate: found 0, expected a finite number above 0
    """
    kind = "a number or ∞" if infinite else "a finite number"
    if above is not None:
        kind = f"{kind} above {above:g}"
    elif least is not None:
        kind = f"{kind} of at least {least:g}"
    number = _float(value)
    if number is None:
        bounded = least is not None or above is not None
        raise TypeError(f"{name}: found {shown(value)}, expected {kind if bounded else 'a real number'}")
    if math.isinf(number) and isinstance(value, int):
        raise ValueError(f"{name}: found {shown(value)}, beyond the range of float64, expected {kind}")
    if (
        math.isnan(number)
        or (math.isinf(number) and not infinite)
        or (least is not None and number < least)
        or (above is not None and number <= above)
    ):
        raise ValueError(f"{name}: found {shown(value)}, expected {kind}")
    return number


def _float(value: Any) -> float | None:
    """Return a real number as a float, ∞ where an integer is beyond its range, None for what is none."""
    if isinstance(value, str | bytes | bytearray | bool | np.bool_ | Sequence | Mapping | Set):
        return None
    if isinstance(value, np.ma.MaskedArray | np.matrix) or getattr(value, "shape", ()) != ():
        return None
    if getattr(getattr(value, "dtype", None), "kind", "f") not in "fiu":
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except Exception:  # whatever an object of somebody's says: it is no number
        return None


def checked_pair(value: Any, name: str, *, infinite: bool = False) -> tuple[float, float]:
    """Return two real numbers, the smaller one first.

    Raises
    ------
    TypeError, ValueError
        If it is no pair of real numbers, or the first is not below the second.

    Examples
    --------
    >>> checked_pair([0, 1], "bounds")
    (0.0, 1.0)
    """
    expected = "a pair of numbers such as (0, 1)"
    found = checked_list(value, name, expected)
    if len(found) != 2 or isinstance(value, Set | Mapping):
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}")
    low, high = (
        real_number(bound, f"{name}[{place}]", infinite=infinite) for place, bound in enumerate(found)
    )
    if not low < high:
        raise ValueError(f"{name}: found {shown(value)}, expected the smaller one first")
    return low, high


def checked_shape(
    shape: Any, name: str, *, axes: int | None = None, expected: str = "a tuple of integers such as (2, 3)"
) -> tuple[int, ...]:
    """Return a shape as a tuple of Python integers, each at least 1; with `axes`, so many of them.

    Raises
    ------
    TypeError, ValueError
        If it is no tuple or list of integers, one is less than 1, or there are more or fewer than `axes`.

    Examples
    --------
    >>> checked_shape([2, np.int64(3)], "out_shape")
    (2, 3)
    """
    sizes = tuple(shape) if isinstance(shape, tuple | list) else None
    if sizes is None or not all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) for size in sizes
    ):
        raise TypeError(f"{name}: found {shown(shape)}, expected {expected}")
    if any(size < 1 or size > sys.maxsize for size in sizes) or (axes is not None and len(sizes) != axes):
        number = "sizes" if axes is None else f"{axes} sizes"
        raise ValueError(f"{name}: found {shown(shape)}, expected {number} of at least 1")
    return tuple(int(size) for size in sizes)


def checked_flag(value: Any, name: str) -> bool:
    """Return True or False, or refuse what is neither.

    Raises
    ------
    TypeError
        If it is no bool: "no" and 1 are none.

    Examples
    --------
    >>> checked_flag(np.True_, "batched")
    True
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: found {shown(value)}, expected True or False")
    return bool(value)


def checked_option(
    value: Any, name: str, options: Iterable[str], aliases: Mapping[str, str] | None = None, more: str = ""
) -> str:
    """Return one of several option strings; others are refused, with the nearest one named.

    Parameters
    ----------
    value : str
    name : str
        What the caller calls this argument.
    options : iterable of str
        What is let in.
    aliases : mapping of str to str, optional
        Names by which others know an option: none is let in, but each leads to the option's own.
    more : str
        What else is let in, for the sentence.

    Raises
    ------
    TypeError, ValueError
        If it is no string, or none of the options.

    Examples
    --------
    >>> checked_option("rwo", "vec", ("row", "column"))
    Traceback (most recent call last):
    ...
    ValueError: vec: found 'rwo', expected one of 'row', 'column'; did you mean 'row'?
    """
    known = tuple(options)
    if isinstance(value, str) and value in known:
        return value
    expected = f"expected one of {', '.join(map(repr, known)) or 'none'}{more}"
    if not isinstance(value, str):
        raise TypeError(f"{name}: found {shown(value)}, {expected}")
    raise ValueError(f"{name}: found {shown(value)}, {expected}{near(value, known, aliases)}")


def near(value: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return "; did you mean …?" for a name that is nearly one of the known ones, else nothing.

    Examples
    --------
    >>> near("tahn", ["relu", "tanh"]), near("logistic", ["sigmoid"], {"logistic": "sigmoid"}), near("?", ["relu"])
    ("; did you mean 'tanh'?", "; did you mean 'sigmoid'?", '')
    """
    names = {name.lower(): name for name in known}
    written = value.lower().replace("_", "-")
    meant = (aliases or {}).get(written)
    if meant not in names.values():
        from difflib import get_close_matches as close_to  # for who has mistyped something

        close = close_to(value.lower(), names, n=1) or close_to(written, names, n=1)
        meant = names[close[0]] if close else None
    return "" if meant is None else f"; did you mean {meant!r}?"


def checked_names(value: Any, name: str, expected: str) -> list[Any]:
    """Return several names in the order in which they were given; sets have none, and are refused.

    Raises
    ------
    TypeError
        If it is no list, tuple or other ordered collection.

    Examples
    --------
    >>> checked_names(("0.W", "0.b"), "wrt", "a list of names")
    ['0.W', '0.b']
    """
    if isinstance(value, Set) and not isinstance(value, Mapping) and not hasattr(value, "mapping"):
        raise TypeError(f"{name}: found a set, which has no order, expected {expected}; take a list")
    return checked_list(value, name, expected)


def checked_list(value: Any, name: str, expected: str) -> list[Any]:
    """Return what is given as a list, or refuse what can't be gone through.

    Raises
    ------
    TypeError
        If it is no iterable, or text.

    Examples
    --------
    >>> checked_list(3, "blocks", "Jacobians")
    Traceback (most recent call last):
    ...
    TypeError: blocks: found 3, expected Jacobians
    """
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Iterable):
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}")
    try:
        return list(value)
    except Exception:  # such as an array without axes: what can't be gone through
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}") from None


def checked_mapping(value: Any, name: str, expected: str) -> dict[str, Any]:
    """Return a mapping of names to what they stand for as a dict, or refuse it.

    Raises
    ------
    TypeError
        If it is no mapping, or a key is no string.

    Examples
    --------
    >>> checked_mapping({"W": 1}, "parameters", "arrays by name")
    {'W': 1}
    """
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}")
    return dict(value)


def checked_callable(value: T, name: str, expected: str, count: int) -> T:
    """Return a function, or refuse a class, what can't be called, or says that it can't be with so many arguments.

    Raises
    ------
    TypeError
        If it is not callable, or its signature doesn't take them.

    Examples
    --------
    >>> checked_callable(abs, "f", "a function of an array", 1)
    <built-in function abs>
    """
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{name}: found {shown(value)}, expected {expected}")
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # of some built-in functions nothing is known
        return value
    try:
        signature.bind(*[None] * count)
    except TypeError:
        raise TypeError(
            f"{name}: found {shown(value)}, which takes {signature}, expected {expected}"
        ) from None
    return value


def checked_instance(value: Any, name: str, kind: type[T], more: str = "") -> T:
    """Return an object of a class, or refuse what is none.

    Raises
    ------
    TypeError
        If it is an object of another class, or the class itself.

    Examples
    --------
    >>> checked_instance("3", "cost", complex)
    Traceback (most recent call last):
    ...
    TypeError: cost: found '3', expected an instance of complex
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name}: found {shown(value)}, expected an instance of {kind.__name__}{more}")
    return value


def checked_path(value: Any, name: str) -> Path:
    """Return a path, or refuse what names no file.

    Raises
    ------
    TypeError, ValueError
        If it is neither text nor a path of text, or holds a NUL.

    Examples
    --------
    >>> checked_path("state.npz", "path").suffix
    '.npz'
    """
    text = value if isinstance(value, str | os.PathLike) else None
    if text is None or not isinstance(os.fspath(text), str):
        raise TypeError(f"{name}: found {shown(value)}, expected a path as text or pathlib.Path")
    if "\0" in os.fspath(text):
        raise ValueError(f"{name}: found {shown(value)}, expected a path without NUL")
    from pathlib import Path  # which takes a tenth of NumPy's time to load

    return Path(text)
