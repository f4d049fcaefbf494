"""Rows of contractions: einsum, matmul, tensordot and their kin are one formula, linear in each operand.

For one operand the others are contracted first, to W. What is left maps the operand, with its axes in a fitting
order, by I ⊗ W, by W ⊗ I, or by a block of these for each value of the indices that all share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jacobians.graph.operations.axes import steps, summing
from jacobians.graph.operations.elementwise import BINARY, numbering, ufunc_row
from jacobians.graph.operations.moves import chosen
from jacobians.graph.operations.table import TABLE, Operation, Steps, linear
from jacobians.numerics.arrays import Array, as_array
from jacobians.structures import BlockDiagonal, Dense, Diagonal, Identity, Jacobian, Kronecker, ScaledIdentity

Indices = tuple[int, ...]


def pair(A: Any, B: Any) -> Jacobian:
    """Return A ⊗ B, without a factor that is the number 1."""
    for one, other in ((A, B), (B, A)):
        if isinstance(one, Identity) and one.shape == (1, 1):
            return other if isinstance(other, Jacobian) else Dense(other)
    return Kronecker(A, B)


def contraction(arrays: Sequence[Array], indices: Sequence[Indices], out: Indices, place: int) -> Steps:
    """Return the Jacobian of a product of arrays, summed over the indices that `out` hasn't, by one of them."""
    # numpy.einsum takes the numbers of letters
    letters = {name: k for k, name in enumerate(dict.fromkeys(i for names in indices for i in names))}
    indices = [tuple(letters[i] for i in names) for names in indices]
    out = tuple(letters[i] for i in out)
    x, own = arrays[place], indices[place]
    sizes = {
        i: n
        for one, names in zip(arrays, indices, strict=True)
        for i, n in zip(names, one.shape, strict=True)
    }
    entries = numbering(x.shape)
    kept = tuple(dict.fromkeys(own))
    if len(kept) < len(own):  # a diagonal
        entries = np.einsum(entries, list(own), list(kept))
    others = [(one, names) for k, (one, names) in enumerate(zip(arrays, indices, strict=True)) if k != place]
    met = {i for _, names in others for i in names}
    batch = [i for i in kept if i in met and i in out]
    inner = [i for i in kept if i in met and i not in out]
    free = [i for i in kept if i not in met and i in out]
    lost = [i for i in kept if i not in met and i not in out]
    new = [i for i in out if i not in kept]
    count = {name: math.prod(sizes[i] for i in names)
             for name, names in (("batch", batch), ("inner", inner), ("free", free), ("new", new))}  # fmt: skip
    maps, before, after = None, [*batch, *free, *inner], [*batch, *free, *new]
    if others:
        W = _product(others, [*batch, *new, *inner]).reshape(count["batch"], count["new"], count["inner"])
        # the order of axes that moves the fewest entries
        turned = [*batch, *inner, *free], [*batch, *new, *free]
        plain = _moved(kept, lost, before, after, out) <= _moved(kept, lost, *turned, out)
        before, after = (before, after) if plain else turned
        maps = _maps(W, count["free"], plain)
    entries = entries.transpose([kept.index(i) for i in (*before, *lost)])
    sums = summing(entries.shape, tuple(range(len(before), entries.ndim)))
    made = tuple(sizes[i] for i in after)
    back = numbering(made).transpose([after.index(i) for i in out])
    parts = (chosen(back, math.prod(made)), *(() if maps is None else (maps,)), sums, chosen(entries, x.size))
    return steps(*parts, size=x.size)


def _product(arrays: Sequence[tuple[Array, Indices]], out: list[int]) -> Array:
    """Return the sum of products over the indices that `out` hasn't; one array is only turned."""
    (first, names), *rest = arrays
    if not rest and sorted(names) == sorted(out):
        order = [names.index(i) for i in out]
        return first if order == list(range(len(order))) else first.transpose(order)
    operands: list[Any] = [part for one, own in arrays for part in (one, list(own))]
    found: Array = np.einsum(*operands, out, optimize=True)
    return found


def _moved(kept: Indices, lost: list[int], before: list[int], after: list[int], out: Indices) -> int:
    return ((*before, *lost) != kept) + (tuple(after) != out)


def _maps(W: Array, free: int, plain: bool) -> Jacobian:
    """Return the sum of W_b ⊗ I over b, or I ⊗ W_b."""
    if W.size == 1:
        return ScaledIdentity.unchecked(W.reshape(()), free)
    if W.shape[1:] == (1, 1):
        return pair(Diagonal(W.reshape(-1)), Identity(free))
    blocks = [pair(Identity(free), one) if plain else pair(one, Identity(free)) for one in W]
    return blocks[0] if len(blocks) == 1 else BlockDiagonal(blocks)


def _contracted(
    value: Any, arrays: Sequence[Any], indices: Sequence[Indices], out: Indices, first: int = 0
) -> Any:
    operands = [as_array(one, float) for one in arrays]
    return value, lambda place: contraction(operands, indices, out, place[0] - first)


def _einsum(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if set(kwargs) - {"optimize"}:
        raise TypeError(f"takes optimize here, found {', '.join(kwargs)}")
    if not isinstance(args[0], str):
        raise TypeError("is followed with a text of subscripts, such as 'ij,jk->ik'")
    value = function(*args, **kwargs)
    terms, arrow, out = args[0].replace(" ", "").partition("->")
    arrays, rest = [as_array(one) for one in args[1:]], []
    names = terms.split(",")
    spread = [one.ndim - len(name.replace("...", "")) for one, name in zip(arrays, names, strict=True)]
    most = max(spread)
    for name, many in zip(names, spread, strict=True):
        dots = [-1 - k for k in range(most)][most - many :]
        at = name.find("...")
        rest.append(
            (*map(ord, name[:at]), *dots, *map(ord, name[at + 3 :])) if at >= 0 else tuple(map(ord, name))
        )
    if not arrow:
        letters = terms.replace(",", "").replace(".", "")
        out = ("..." if most else "") + "".join(sorted(i for i in set(letters) if letters.count(i) == 1))
    at = out.find("...")
    dots = [-1 - k for k in range(most)]
    last = (*map(ord, out[:at]), *dots, *map(ord, out[at + 3 :])) if at >= 0 else tuple(map(ord, out))
    return (
        _contracted(value, *_without_ones(arrays, rest), last, 1)
        if not _stretched(arrays, rest, last)
        else linear(function, args, kwargs)
    )


def _without_ones(arrays: Sequence[Any], indices: Sequence[Indices]) -> tuple[list[Array], list[Indices]]:
    """Return arrays without the axes of length 1 that broadcasting stretches."""
    sizes: dict[int, int] = {}
    for one, names in zip(arrays, indices, strict=True):
        for i, n in zip(names, np.shape(one), strict=True):
            sizes[i] = sizes.get(i, 1) if n == 1 else n
    shapes = [[(i, n) for i, n in zip(names, np.shape(one), strict=True) if n == sizes[i]]
              for one, names in zip(arrays, indices, strict=True)]  # fmt: skip
    return (
        [np.reshape(one, [n for _, n in shape]) for one, shape in zip(arrays, shapes, strict=True)],
        [tuple(i for i, _ in shape) for shape in shapes],
    )


def _stretched(arrays: Sequence[Any], indices: Sequence[Indices], out: Indices) -> bool:
    """Say whether an index of the result has no array of its length left: a broadcast of nothing."""
    _, left = _without_ones(arrays, indices)
    return bool(set(out) - {i for names in left for i in names})


def _matmul(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if kwargs:
        raise TypeError(f"takes no options here, found {', '.join(kwargs)}")
    A, B = (as_array(one) for one in args)
    if function is np.dot and 0 in (A.ndim, B.ndim):
        return ufunc_row(BINARY[np.multiply])(np.multiply, (A, B), {})
    value = function(A, B)
    lead = max(A.ndim, B.ndim) - 2
    # i, j, k are 100, 101, 102; the leading axes are numbered from the last
    left = (*(range(A.ndim - 2, 0, -1)), 100, 101) if A.ndim > 1 else (101,)
    behind = 50 if function is np.dot else 0
    right = (*(range(behind + B.ndim - 2, behind, -1)), 101, 102) if B.ndim > 1 else (101,)
    rows, columns = (100,) * (A.ndim > 1), (102,) * (B.ndim > 1)
    if function is np.dot:
        out: Indices = (*left[:-1], *right[:-2], *columns)
    else:
        out = (*range(lead, 0, -1), *rows, *columns)
    arrays, indices = _without_ones((A, B), (left, right))
    if set(out) - {i for names in indices for i in names}:
        return linear(function, args, kwargs)
    return _contracted(value, arrays, indices, out)


def _outer(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (np.ravel(one) for one in args)
    return _contracted(function(a, b), (a, b), ((0,), (1,)), (0, 1))


def _inner(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (as_array(one) for one in args)
    if 0 in (a.ndim, b.ndim):
        return ufunc_row(BINARY[np.multiply])(np.multiply, (a, b), {})
    left, right = (*range(a.ndim - 1), 100), (*range(50, 49 + b.ndim), 100)
    return _contracted(function(a, b), (a, b), (left, right), (*left[:-1], *right[:-1]))


def _vdot(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (np.ravel(one) for one in args)
    return _contracted(function(a, b), (a, b), ((0,), (0,)), ())


def _tensordot(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (as_array(one) for one in args[:2])
    axes = args[2] if len(args) > 2 else kwargs.get("axes", 2)
    value = function(a, b, axes)
    if isinstance(axes, int):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    first, second = ([one] if isinstance(one, int) else list(one) for one in axes)
    left, right = list(range(a.ndim)), list(range(50, 50 + b.ndim))
    for one, other in zip(first, second, strict=True):
        right[other] = left[one]
    summed = {left[one] for one in first}
    out = tuple(i for i in (*left, *right) if i not in summed)
    return _contracted(value, (a, b), (tuple(left), tuple(right)), out)


def _kron(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    a, b = (as_array(one) for one in args)
    ndim = max(a.ndim, b.ndim)
    a, b = (one.reshape((1,) * (ndim - one.ndim) + one.shape) for one in (a, b))
    left, right = tuple(range(ndim)), tuple(range(50, 50 + ndim))
    out = tuple(i for both in zip(left, right, strict=True) for i in both)
    return _contracted(function(*args), (a, b), (left, right), out)


def _trace(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if len(args) > 1 or kwargs or np.ndim(args[0]) != 2 or len(set(np.shape(args[0]))) > 1:
        return linear(function, args, kwargs)
    return _contracted(function(args[0]), (args[0],), ((0, 0),), ())


for _name, _rule in (("einsum", _einsum), ("matmul", _matmul), ("dot", _matmul), ("outer", _outer), ("inner", _inner),
                     ("vdot", _vdot), ("tensordot", _tensordot), ("kron", _kron), ("trace", _trace)):  # fmt: skip
    TABLE[getattr(np, _name)] = Operation(f"numpy.{_name}", _rule)
