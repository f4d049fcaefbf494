"""Rows of functions that only move entries: run once more on the entries' numbers, they say where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.graph.operations.elementwise import numbering, spread
from jacobians.graph.operations.table import TABLE, Operation, Place, at
from jacobians.numerics.arrays import Array, alongside, as_array, is_recorded
from jacobians.structures import Identity, Repeat, Scatter, Selection, Zero

_VIEWS = "reshape ravel transpose swapaxes moveaxis rollaxis expand_dims squeeze flip fliplr flipud rot90 "
_VIEWS += "diagonal atleast_1d atleast_2d atleast_3d split array_split hsplit vsplit"
_COPIES = "roll repeat tile resize take take_along_axis diag diagflat tril triu delete copy"
_JOINS = "concatenate stack hstack vstack dstack column_stack append insert block where"


def chosen(indices: Any, n: int, repeats: bool = True) -> Any:
    """Return the Jacobian of y_i = x[indices_i]; −1 stands for an entry that no x reaches, None is that of no y.

    `repeats` says of recorded indices, which can't be looked at, whether one may stand there twice.
    """
    indices = as_array(indices).reshape(-1)
    m = indices.size
    if m == 0:
        return None
    if is_recorded(indices):
        return Selection.unchecked(indices, n, repeats=repeats)
    present = indices[indices >= 0]
    if not present.size:
        return Zero(m, n)
    if m == n and np.array_equal(indices, numbering((n,))):
        return Identity(n)
    if present.size == m > n and m % n == 0:
        q = int(np.argmax(indices != np.arange(m))) if indices[0] == 0 else 0
        if q and n % q == 0:
            repeated = np.broadcast_to(np.arange(n).reshape(n // q, 1, q), (n // q, m // n, q))
            if np.array_equal(indices, repeated.reshape(-1)):
                return Repeat(m // n, p=n // q, q=q)
    counts = np.bincount(present, minlength=n)
    if counts.max() > 1:
        return Selection.unchecked(indices, n, repeats=True)
    if present.size == n < m:  # an entry a column, which stores fewer numbers
        places = np.empty(n, dtype=np.intp)
        places[present] = np.flatnonzero(indices >= 0)
        return Scatter.unchecked(places, m, repeats=False)
    return Selection.unchecked(indices, n, repeats=False)


def moves(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the row of a function that moves entries of its operands, or puts constants between them."""
    if function is np.where and len(args) < 3:
        raise TypeError("of one operand gives places, which have no derivative; pass it a comparison")
    # nothing is written into a recorded array, so that a copy is the array
    value = args[0] if function is np.copy and is_recorded(args[0]) else function(*args, **kwargs)

    def jacobian(place: Place) -> Any:
        x = at(args, kwargs, place)

        def numbers(node: Any, here: Place) -> Any:
            if here == place:
                return numbering(x.shape) + 1
            if place[: len(here)] == here and isinstance(node, list | tuple):
                return type(node)(numbers(item, (*here, k)) for k, item in enumerate(node))
            return node

        def others(node: Any, here: Place) -> Any:
            # beside a numbered operand other arrays of the same list count as nothing
            if here == place:
                return numbers(node, here)
            if isinstance(node, list | tuple):
                return type(node)(others(item, (*here, k)) for k, item in enumerate(node))
            return np.zeros(np.shape(node), dtype=int)

        joins = function.__name__ in _JOINS.split()
        its_args = []
        for k, argument in enumerate(args):
            data = joins and (k == place[0] or (function is np.where and k > 0) or
                              (function in (np.append, np.insert) and k in _DATA[function]))  # fmt: skip
            its_args.append(others(argument, (k,)) if data else numbers(argument, (k,)))
        its_kwargs = {name: numbers(node, (name,)) for name, node in kwargs.items()}
        found = function(*its_args, **its_kwargs)
        if isinstance(found, list | tuple):
            return [chosen(as_array(part) - 1, x.size) for part in found]
        broadcast = function is not np.where or np.size(found) != x.size
        return chosen(as_array(found) - 1, x.size, repeats=broadcast)

    return value, jacobian


_DATA = {np.append: (0, 1), np.insert: (0, 2)}


def indexed(x: Array, index: Any) -> Any:
    """Return the row of x[index]."""
    recorded = [part for part in (index if isinstance(index, tuple) else (index,)) if is_recorded(part)]
    numbers = alongside(numbering(x.shape), recorded[0]) if recorded else numbering(x.shape)
    values = alongside(x, recorded[0]) if recorded and not is_recorded(x) else x
    return values[index], lambda place: chosen(numbers[index], x.size)


def _pad(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    value = function(*args, **kwargs)
    mode = args[2] if len(args) > 2 else kwargs.get("mode", "constant")
    if mode not in ("constant", "edge", "wrap", "reflect", "symmetric"):
        raise TypeError(f"mode {mode!r} is not followed; use constant, edge, wrap, reflect or symmetric")
    x = as_array(args[0])
    plain = {name: option for name, option in kwargs.items() if name != "constant_values"}
    found = function(numbering(x.shape) + 1, *args[1:], **plain)
    return value, lambda place: chosen(found - 1, x.size)


def _broadcast_to(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x, value = as_array(args[0]), function(*args, **kwargs)
    return value, lambda place: spread(None, value.shape, x.shape)


def _sort(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = as_array(args[0])
    order = np.argsort(x, *args[1:], **{"kind": "stable", **kwargs})
    axis = args[1] if len(args) > 1 else kwargs.get("axis", -1)
    numbers = numbering((x.size,)) if axis is None else numbering(x.shape)
    found = np.take_along_axis(numbers, order, 0 if axis is None else axis)
    return function(*args, **kwargs), lambda place: chosen(found, x.size, repeats=False)


for _name in (_VIEWS + " " + _COPIES + " " + _JOINS).split():
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", moves, view=_name in _VIEWS.split())
TABLE[np.broadcast_to] = Operation("numpy.broadcast_to", _broadcast_to, view=True)
TABLE[np.lib.stride_tricks.sliding_window_view] = Operation(
    "numpy.lib.stride_tricks.sliding_window_view", moves, view=True
)
TABLE[np.pad] = Operation("numpy.pad", _pad)
TABLE[np.sort] = Operation("numpy.sort", _sort)
