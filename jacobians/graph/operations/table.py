"""The table of operations: for each function of NumPy that is followed, its value and its Jacobian by each operand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from jacobians.numerics.arrays import Array, as_array
from jacobians.structures import Dense, Jacobian, Sparse
from jacobians.structures.sparse import sparse_spec

Place = tuple[int | str, ...]
"""Where an operand stands in a call: (0,), ("axis",), or (0, 2) for the third of a list."""

Steps = Jacobian | tuple[Jacobian, ...]
"""A Jacobian, or the factors of one, the last step first: between them the graph has a vertex without a value."""

Rule = Callable[..., tuple[Any, Callable[[Place], Any]]]
"""Takes the function, the arguments and the keywords as plain values; returns the value and, by place, the steps; a
list of them if there are several values."""


class Operation(NamedTuple):
    """A row: the name of the function as errors and vertices show it, and its rule."""

    name: str
    rule: Rule
    view: bool = False  # whether what NumPy returns may share memory with the operand
    formula: Callable[..., Any] | None = (
        None  # what it is in a formula, of written arrays (jacobians.formulas)
    )


TABLE: dict[Any, Operation] = {}
"""The rows, by the function or ufunc that they are for."""


def operation(function: Any, name: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a row to the table of operations; for functions that dispatch on their arguments as NumPy's do.

    Parameters
    ----------
    function : callable
        A ufunc, or a function that NumPy dispatches by ``__array_function__``.
    name : str, optional
        What vertices and errors call it; its own name by default.

    Returns
    -------
    callable
        A decorator of the rule: it takes the arguments as plain arrays, and returns the value and, by the position
        of each operand, a function of no argument that returns the Jacobian, or the matrix (outputs × inputs,
        numerator layout, row-major vec).

    Examples
    --------
    >>> import scipy.special
    >>> from jacobians import trace
    >>> from jacobians.structures import Diagonal
    >>> @operation(scipy.special.j0)
    ... def bessel(x):
    ...     return scipy.special.j0(x), {0: lambda: Diagonal(-scipy.special.j1(x))}
    >>> trace(scipy.special.j0, [1.0, 2.0]).edges[0].jacobian.structure
    'Diagonal'
    """

    def add(rule: Callable[..., Any]) -> Callable[..., Any]:
        def row(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            value, parts = rule(*args, **kwargs)

            def jacobian(place: Place) -> Jacobian | None:
                if place[0] not in parts:
                    raise TypeError(f"has no Jacobian by operand {place[0]}")
                found = parts[place[0]]()
                return found if isinstance(found, Jacobian) else Dense(found)

            return value, jacobian

        TABLE[function] = Operation(name or function.__name__, row)
        return rule

    return add


def at(args: tuple[Any, ...], kwargs: Mapping[str, Any], place: Place) -> Array:
    """Return the operand at a place."""
    found: Any = args if isinstance(place[0], int) else kwargs
    for step in place:
        found = found[step]
    return cast(Array, as_array(found))


def replaced(args: Any, kwargs: Any, place: Place, value: Any) -> tuple[Any, Any]:
    """Return arguments and keywords with another operand at a place."""

    def put(node: Any, steps: Place) -> Any:
        if not steps:
            return value
        if isinstance(node, dict):
            return node | {steps[0]: put(node[steps[0]], steps[1:])}
        items = list(node)
        items[steps[0]] = put(items[steps[0]], steps[1:])  # type: ignore[index]  # sequences have positions
        return type(node)(items)

    if isinstance(place[0], int):
        return put(args, place), kwargs
    return args, put(dict(kwargs), place)


def linear(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the row of a function that is linear in each operand: column j of the Jacobian is f(…, e_j, …)."""
    value = function(*args, **kwargs)

    def columns(x: Array, place: Place, args: Any) -> Array:
        found = []
        for j in range(x.size):
            unit = np.zeros(x.size)
            unit[j] = 1
            its_args, its_kwargs = replaced(args, kwargs, place, unit.reshape(x.shape))
            found.append(np.ravel(function(*its_args, **its_kwargs)))
        return np.stack(found, axis=1)

    def jacobian(place: Place) -> Jacobian:
        x = at(args, kwargs, place)
        # where entries can be other than zero must not hang on the numbers of the other operands
        random = np.random.default_rng(0)
        generic = tuple(
            random.uniform(1, 2, one.shape) if getattr(one, "dtype", None) == np.float64 else one
            for one in args
        )
        return sparse_or_dense(columns(x, place, args), columns(x, place, generic) != 0)

    return value, jacobian


def sparse_or_dense(matrix: Array, present: Array) -> Jacobian:
    """Return a matrix whose entries stand where `present` says: Sparse if a quarter of it or more is empty."""
    if not present.any() or 4 * np.count_nonzero(present) > 3 * present.size:
        return Dense(matrix)
    rows, columns = np.nonzero(present)
    return Sparse.unchecked(
        matrix[rows, columns], sparse_spec(matrix.shape[0], matrix.shape[1], (), rows, columns)
    )


def size(shape: tuple[int, ...]) -> int:
    """Return the number of entries."""
    return math.prod(shape)
