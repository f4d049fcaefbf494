"""Rows of reductions: each entry of the operand reaches one entry of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jacobians.graph.operations.axes import steps, summing
from jacobians.graph.operations.elementwise import numbering
from jacobians.graph.operations.moves import chosen
from jacobians.graph.operations.table import TABLE, Operation, Place, Steps, linear, size, sparse_or_dense
from jacobians.numerics.arrays import Array, as_array, is_recorded
from jacobians.structures import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Jacobian,
    ScaledIdentity,
)


def _others(x: Array, axes: tuple[int, ...]) -> Array:
    """Return, for each entry, the product of all others over the axes; no division, so zeros are right."""
    last = np.moveaxis(x, axes, range(-len(axes), 0)) if axes else x[..., None]
    rows = last.reshape(-1, int(np.prod([x.shape[a] for a in axes], dtype=int)))
    left = np.cumprod(np.hstack([np.ones((len(rows), 1)), rows[:, :-1]]), axis=1)
    right = np.cumprod(np.hstack([np.ones((len(rows), 1)), rows[:, :0:-1]]), axis=1)[:, ::-1]
    both = (left * right).reshape(last.shape)
    return np.moveaxis(both, range(-len(axes), 0), axes) if axes else both[..., 0]


def _first_best(x: Array, y: Array, axes: tuple[int, ...]) -> Array:
    """Return the number of the first entry that equals each extreme: a tie goes to the first."""
    trailing = tuple(range(x.ndim - len(axes), x.ndim)) == axes
    last = (x == y) if trailing else np.moveaxis(x == y, axes, range(-len(axes), 0))
    numbers = np.moveaxis(numbering(x.shape), axes, range(-len(axes), 0))
    count = int(np.prod([x.shape[a] for a in axes], dtype=int))
    best = last.reshape(-1, count).argmax(axis=1)
    return np.take_along_axis(numbers.reshape(-1, count), best[:, None], axis=1)[:, 0]


def _count(x: Array, axes: tuple[int, ...]) -> int:
    return int(np.prod([x.shape[axis] for axis in axes], dtype=int))


def _var(x: Array, y: Array, axes: tuple[int, ...], ddof: int = 0) -> Array:
    mean = x.mean(axis=axes, keepdims=True)
    found: Array = 2 * (x - mean) / (_count(x, axes) - ddof)
    return found


# the weight of each entry as a function of x, the value with axes kept, the axes, and options
WEIGHTS: dict[str, Callable[..., Any]] = {
    "sum": lambda x, y, axes: None,
    "mean": lambda x, y, axes: 1 / _count(x, axes),
    "prod": lambda x, y, axes: _others(x, axes),
    "var": _var,
    "std": lambda x, y, axes, ddof=0: _var(x, y, axes, ddof) / (2 * y),
}


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    return tuple(int(a) % ndim for a in axes)


def gathered(weights: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Steps:
    """Return the Jacobian of a weighted sum over axes; None stands for weights of 1, a float for one weight."""
    n, m = size(shape), size(tuple(d for axis, d in enumerate(shape) if axis not in axes))
    sums = summing(shape, axes)
    if weights is None:
        return steps(sums, size=n)
    if isinstance(weights, float):
        return steps(ScaledIdentity.unchecked(weights, m), sums, size=n)
    flat = as_array(weights, float).reshape(-1)
    return Dense(flat[None, :]) if m == 1 else steps(sums, Diagonal(flat), size=n)


def _reduction(weight: Callable[..., Any], function: Any) -> Any:
    def rule(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = as_array(args[0])
        axis = args[1] if len(args) > 1 else kwargs.get("axis")
        unknown = set(kwargs) - {"axis", "keepdims", "ddof", "dtype", "out"}
        if len(args) > 2 or unknown or kwargs.get("out") is not None:
            raise TypeError(f"takes axis, keepdims and ddof here, found {sorted(unknown) or args[2:]}")
        options = {name: kwargs[name] for name in ("ddof",) if name in kwargs}
        kept = function(x, axis=axis, keepdims=True, **options)
        axes = _axes(axis, x.ndim)
        value = function(*args, **kwargs)
        if weight is _first_best:
            return value, lambda place: chosen(_first_best(x, kept, axes), x.size, repeats=False)
        return value, lambda place: gathered(weight(x, kept, axes, **options), x.shape, axes)

    return rule


def _norm(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = as_array(args[0])
    value = function(*args, **kwargs)
    names = ("ord", "axis", "keepdims")
    options = dict(zip(names, args[1:], strict=False)) | dict(kwargs)
    order: Any = options.get("ord")
    axis = options.get("axis")
    axes = _axes(axis, x.ndim)
    of_matrix = len(axes) == 2 and (axis is None or isinstance(axis, tuple))
    if of_matrix and order in (2, -2, "nuc"):
        return value, lambda place: _of_singular_values(x, order, axes)
    if of_matrix and order in (1, -1, np.inf, -np.inf):
        return value, lambda place: _of_largest_sum(x, order, axes)
    if order in (np.inf, -np.inf) and not of_matrix:
        return value, lambda place: _of_best(np.abs(x), order > 0, axes, x)
    number = isinstance(order, int | float) and order != 0 and not of_matrix
    if order not in (None, "fro") and not number:
        raise TypeError(
            f"ord {order!r} of {len(axes)} axes is not followed; use a number other than 0 of one axis, or 1, 2, inf, "
            "fro and nuc of a matrix"
        )
    if order == 1:
        return value, lambda place: gathered(np.sign(x), x.shape, axes)
    if number and order != 2:
        sizes = np.abs(x)
        length = (sizes**order).sum(axis=axes, keepdims=True) ** (1 / order)
        weights = np.sign(x) * np.where(length == 0, 0.0, sizes / np.where(length == 0, 1.0, length)) ** (
            order - 1
        )
        return value, lambda place: gathered(weights, x.shape, axes)
    length = np.sqrt((x**2).sum(axis=axes, keepdims=True))
    weights = np.where(length == 0, 0.0, x / np.where(length == 0, 1.0, length))
    return value, lambda place: gathered(weights, x.shape, axes)


def _of_singular_values(x: Array, order: Any, axes: tuple[int, ...]) -> Steps:
    """Return the Jacobian of the largest, the smallest, or the sum of the singular values: u vᵀ of those."""
    last = np.moveaxis(x, axes, (-2, -1))
    U, _, Vt = np.linalg.svd(last, full_matrices=False)
    kept = {2: slice(0, 1), -2: slice(-1, None), "nuc": slice(None)}[order]
    weights = np.moveaxis(U[..., kept] @ Vt[..., kept, :], (-2, -1), axes)
    return gathered(weights, x.shape, axes)


def _of_largest_sum(x: Array, order: Any, axes: tuple[int, ...]) -> Steps:
    """Return the Jacobian of the largest or smallest sum of sizes of a column (±1) or row (±∞)."""
    added, kept = axes if abs(order) == 1 else axes[::-1]
    sums = np.abs(x).sum(axis=added)
    return _of_best(sums, order > 0, (kept - (added < kept),), x, summing(x.shape, (added,)))


def _of_best(
    y: Array, largest: bool, axes: tuple[int, ...], x: Array, sums: tuple[Jacobian, ...] = ()
) -> Steps:
    """Return the Jacobian of the first largest or smallest of y over axes, y sums of the sizes of x."""
    best = y.max(axis=axes, keepdims=True) if largest else y.min(axis=axes, keepdims=True)
    first = chosen(_first_best(y, best, axes), y.size, repeats=False)
    return steps(first, sums, Diagonal(np.sign(x).reshape(-1)), size=x.size)


def _shares(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return softmax over the axes, and the logarithm of the sum of exponentials, with the axes kept."""
    largest = x.max(axis=axes, keepdims=True)
    shifted = np.exp(x - largest)
    total = shifted.sum(axis=axes, keepdims=True)
    return shifted / total, largest + np.log(total)


def _soft_block(shares: Array, of_shares: bool) -> Jacobian:
    """Return diag(s) − ssᵀ, the Jacobian of softmax, or I − 1sᵀ, of its logarithm."""
    if of_shares:
        return DiagonalPlusLowRank(shares, -shares[:, None], shares[:, None])
    return DiagonalPlusLowRank(np.ones(shares.size), -np.ones((shares.size, 1)), shares[:, None])


def special_rows() -> None:
    """Add the rows of scipy.special that reduce; called when it was loaded."""
    import scipy.special

    if scipy.special.softmax in TABLE:
        return
    softmax = scipy.special.softmax

    def log_sum(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = as_array(args[0])
        axis = args[1] if len(args) > 1 else kwargs.get("axis")
        if set(kwargs) - {"axis", "keepdims"} or len(args) > 2:
            raise TypeError("takes axis and keepdims here")
        shares, logarithm = _shares(x, _axes(axis, x.ndim))
        if is_recorded(x):
            kept = kwargs.get("keepdims", False)
            value = logarithm if kept else np.squeeze(logarithm, _axes(axis, x.ndim))
        else:
            value = scipy.special.logsumexp(*args, **kwargs)
        return value, lambda place: gathered(shares, x.shape, _axes(axis, x.ndim))

    def soft(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        x = as_array(args[0])
        axis = args[1] if len(args) > 1 else kwargs.get("axis")
        shares, logarithm = _shares(x, _axes(axis, x.ndim))
        made = shares if function is softmax else x - logarithm
        y = made if is_recorded(x) else function(*args, **kwargs)

        def jacobian(place: Place) -> Steps:
            # along the last axes a block for each place of the others; entries are moved there, and back
            axes = _axes(axis, x.ndim)
            order = [a for a in range(x.ndim) if a not in axes] + list(axes)
            numbers = numbering(x.shape).transpose(order).reshape(-1)
            groups = shares.transpose(order).reshape(-1, _count(x, axes))
            blocks = [_soft_block(group, function is softmax) for group in groups]
            inner = blocks[0] if len(blocks) == 1 else BlockDiagonal(blocks)
            return steps(chosen(np.argsort(numbers), x.size), inner, chosen(numbers, x.size), size=x.size)

        return y, jacobian

    for name, rule in (("logsumexp", log_sum), ("softmax", soft), ("log_softmax", soft)):
        function = getattr(scipy.special, name)
        if function not in TABLE:
            TABLE[function] = Operation(f"scipy.special.{name}", rule)


for _name, _weight in WEIGHTS.items():
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", _reduction(_weight, getattr(np, _name)))
for _name in ("max", "min", "amax", "amin"):
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", _reduction(_first_best, getattr(np, _name)))
TABLE[np.linalg.norm] = Operation("numpy.linalg.norm", _norm)


def _differences(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return the row of np.diff: linear in the array and what is put at its ends together, each with the others 0."""

    def blank(place: int | str, value: Any) -> Any:
        return np.zeros(np.shape(value)) if place in (0, "a", 3, "prepend", 4, "append") else value

    alone = tuple(blank(place, value) for place, value in enumerate(args))
    _, jacobian = linear(function, alone, {name: blank(name, value) for name, value in kwargs.items()})
    return function(*args, **kwargs), jacobian


def _cumprod(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x, value = as_array(args[0], float), function(*args, **kwargs)

    def jacobian(place: Place) -> Jacobian:
        columns, present = [], []
        for j in range(x.size):  # the others' product, by a 1 in the place of x_j: right for zeros too
            one, unit = x.copy(), np.zeros(x.shape)
            one.reshape(-1)[j] = unit.reshape(-1)[j] = 1
            reached = np.cumsum(unit, *args[1:], **kwargs) > 0
            columns.append(np.where(reached, function(one, *args[1:], **kwargs), 0.0).reshape(-1))
            present.append(reached.reshape(-1))
        return sparse_or_dense(np.stack(columns, axis=1), np.stack(present, axis=1))

    return value, jacobian


def _gradient(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    value = function(*args, **kwargs)
    if isinstance(value, list | tuple):
        raise TypeError("along several axes is not followed; pass one axis")
    _, by_values = linear(function, args, kwargs)

    def jacobian(place: Place) -> Any:
        if place != (0,):
            raise TypeError("has no Jacobian by the distances")
        return by_values(place)

    return value, jacobian


TABLE[np.cumprod] = Operation("numpy.cumprod", _cumprod)
TABLE[np.gradient] = Operation("numpy.gradient", _gradient)
TABLE[np.cumsum] = Operation("numpy.cumsum", linear)
TABLE[np.diff] = Operation("numpy.diff", _differences)
