"""Shapes, indices and stacks of written arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from jacobians.formulas.numpy_arithmetic import turned
from jacobians.formulas.size_sums import linear_sum, place_in, plus, size_of
from jacobians.formulas.tree import Node, call
from jacobians.formulas.written import Size, Written, atoms_of, refused, size_node, sum_size, written

np: Any = numpy  # whose functions give written arrays here


# --- moves -------------------------------------------------------------------------------------------------------


def transpose(a: Any, axes: Any = None) -> Written:
    """Return the transpose."""
    array = written(a)
    return array if axes is not None and tuple(axes) == tuple(range(array.ndim)) else array.T


def swapaxes(a: Any, one: int, two: int) -> Written:
    """Return the array with two axes exchanged."""
    array = written(a)
    return array if one % array.ndim == two % array.ndim else array.T


def ravel(a: Any, order: str = "C") -> Written:
    """Return the array as one axis."""
    array = written(a)
    if array.ndim < 2:
        return array if array.ndim else Written(array.node, (1,))
    made = array.T if order == "F" else array
    if 1 in made.shape:
        size = made.shape[0] if made.shape[1] == 1 else made.shape[1]
        return Written(made.node if made.shape[1] == 1 else turned(made.node), (size,))
    return Written(call("vec", made.node), (made.shape[0] * made.shape[1],))


def _same(a: Any, b: Any) -> bool:
    return a is b or sorted(map(str, map(_key, atoms_of(a)))) == sorted(map(str, map(_key, atoms_of(b))))


def _key(atom: Any) -> Any:
    return id(atom) if not isinstance(atom, str | int) else atom


def reshape(a: Any, *args: Any, order: str = "C", **options: Any) -> Written:
    """Return the array in another shape."""
    array = written(a)
    shape = args[0] if args else options.get("shape", options.get("newshape"))
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if order == "F":
        return reshape(array.T, shape[::-1]).T
    bare = [size for size in shape if size != 1]
    own = [size for size in array.shape if size != 1]
    if len(bare) == 1 and (bare[0] == -1 or len(own) != 1):
        flat = np.ravel(array)
        return Written(flat.node if shape[0] != 1 or len(shape) == 1 else turned(flat.node),
                       tuple(flat.shape[0] if size == bare[0] else 1 for size in shape))  # fmt: skip
    if len(bare) == 1 == len(own):
        flat = np.ravel(array)
        across = len(shape) == 2 and shape[0] == 1
        return Written(
            turned(flat.node) if across else flat.node, tuple(own[0] if s != 1 else 1 for s in shape)
        )
    if len(bare) == 2 == len(own) and all(s == -1 or _same(s, o) for s, o in zip(bare, own, strict=True)):
        return array
    if not bare and not own:
        return Written(array.node, shape)
    if len(bare) == 2 and -1 not in bare:  # rows of a column of m·n entries
        made = Node(
            "call",
            (np.ravel(array).node, size_node(atoms_of(bare[0])), size_node(atoms_of(bare[1]))),
            "unvec",
        )
        return Written(made, shape)
    raise refused(
        "numpy.reshape to this shape", "one axis of all entries, or the sizes of the rows and columns"
    )


def diag(a: Any) -> Written:
    """Return a diagonal, or a diagonal matrix."""
    array = written(a)
    if array.ndim == 1:
        return Written(call("diag", array.node), (*array.shape, *array.shape))
    return Written(call("diag", array.node), array.shape[:1])


def expand(a: Any, axis: Any) -> Written:
    """Return the array with a new axis."""
    array = written(a)
    if array.ndim == 2:
        raise refused("numpy.expand_dims of a matrix", "arrays of at most two axes")
    if array.ndim == 0:
        return Written(array.node, (1,))
    column = axis in (1, -1)
    shape = (array.shape[0], 1) if column else (1, array.shape[0])
    return Written(array.node if column else turned(array.node), shape)


def squeeze(a: Any, axis: Any = None) -> Written:
    """Return the array without axes of length 1."""
    array = written(a)
    own = tuple(size for size in array.shape if size != 1)
    across = array.ndim == 2 and len(own) == 1 and array.shape[0] == 1
    return Written(turned(array.node) if across else array.node, own)


def indexed(array: Written, index: Any) -> Written:
    """Return array[index]: whole numbers, slices between them, None for a new axis."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if any(part is Ellipsis for part in parts):
        at = next(k for k, part in enumerate(parts) if part is Ellipsis)
        missing = array.ndim - sum(part is not None for part in parts) + 1
        parts[at : at + 1] = [slice(None)] * missing
    parts += [slice(None)] * (array.ndim - sum(part is not None for part in parts))
    if array.ndim == 1 and sum(part is None for part in parts) == 1 and len(parts) == 2:
        made = _one_axis(array, next(part for part in parts if part is not None))
        return expand(made, parts.index(None)) if made.ndim else Written(made.node, (1,))
    if None in parts or len(parts) != array.ndim:
        raise refused("indexing of this kind", "whole numbers, slices and one None for each new axis")
    if array.ndim == 1:
        return _one_axis(array, parts[0])
    specs = [_spec(part, size) for part, size in zip(parts, array.shape, strict=True)]
    rows, columns = specs
    if rows is None and columns is None:
        return array
    chosen = Node("index", (array.node,), (rows, columns))
    shape = [
        _length(spec, size)
        for spec, size in zip(specs, array.shape, strict=True)
        if not isinstance(spec, int)
    ]
    across = isinstance(rows, int) and not isinstance(columns, int)
    return Written(turned(chosen) if across else chosen, shape)


def _one_axis(array: Written, part: Any) -> Written:
    spec = _spec(part, array.shape[0])
    if spec is None:
        return array
    made = Node("index", (array.node,), (spec, None))
    return Written(made, () if isinstance(spec, int) else (_length(spec, array.shape[0]),))


def _length(spec: Any, size: Any) -> Any:
    if not isinstance(spec, tuple):
        return size
    return sum_size(size_of(plus(place_in(atoms_of(size), spec[1]), place_in(atoms_of(size), spec[0]), -1)))


def _spec(part: Any, size: Any) -> Any:
    """Return an index as the tree holds it: None for all, a number, or (start, stop)."""
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        if abs(part) >= 64:
            raise refused(
                "indexing beyond 63, as a loop over a size with letters does", "code for whole arrays"
            )
        return int(part) if part >= 0 or isinstance(size, Size) else int(part) + int(size)
    if isinstance(part, slice) and part.step in (None, 1):
        if part.start in (None, 0) and part.stop is None:
            return None
        ends = (part.start or 0, part.stop)
        if isinstance(size, Size) or any(isinstance(end, Size) for end in ends):
            start, stop = (
                end.atoms if isinstance(end, Size) else end if end is None else int(end) for end in ends
            )
            return (
                (start, None if stop == atoms_of(size) else stop) if start or stop != atoms_of(size) else None
            )
        start, stop, _ = part.indices(int(size))
        return start, stop
    raise refused("indexing of this kind", "whole numbers, slices without steps and None")


def stacked(arrays: Sequence[Any], axis: int) -> Written:
    """Return numpy.stack of numbers, or of vectors as rows (axis 0) or columns (axis 1)."""
    parts = [written(one) for one in arrays]
    if all(part.ndim == 0 for part in parts):
        return Written(Node("stack", tuple(part.node for part in parts), "rows"), (len(parts),))
    if all(part.ndim == 1 for part in parts):
        rows = axis in (0, -2)
        nodes = tuple(turned(part.node) if rows else part.node for part in parts)
        size = parts[0].shape[0]
        return Written(Node("stack", nodes, "rows" if rows else "columns"),
                       (len(parts), size) if rows else (size, len(parts)))  # fmt: skip
    raise refused("numpy.stack of matrices", "numbers or vectors")


def _total(sizes: Sequence[Any]) -> Any:
    if all(isinstance(size, int) for size in sizes):
        return sum(sizes)
    return sum_size(size_of(linear_sum(map(atoms_of, sizes))))


def concatenate(arrays: Any, axis: int = 0) -> Written:
    """Return arrays one after another."""
    parts = [written(one) for one in arrays]
    if len({part.ndim for part in parts}) != 1:
        raise refused("numpy.concatenate of different numbers of axes", "arrays of one number of axes")
    ndim = parts[0].ndim
    axis %= ndim
    shape = list(parts[0].shape)
    shape[axis] = _total([part.shape[axis] for part in parts])
    op = "rows" if axis == 0 else "columns"
    return Written(Node("stack", tuple(part.node for part in parts), op), shape)


def append(a: Any, values: Any, axis: int | None = None) -> Written:
    """Return an array with others behind it."""
    return concatenate([a, values] if axis is not None else [ravel(a), ravel(values)], axis or 0)


def diff(a: Any, n: int = 1, axis: int = -1) -> Written:
    """Return differences of neighbours."""
    made = written(a)
    before = (slice(None),) * (axis % made.ndim)
    for _ in range(n):
        made = made[(*before, slice(1, None))] - made[(*before, slice(None, -1))]
    return made


def hstack(arrays: Any) -> Written:
    """Return arrays beside one another."""
    parts = [_at_least_1d(one) for one in arrays]
    return concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def _at_least_1d(value: Any) -> Written:
    array = written(value)
    return Written(array.node, (1,)) if array.ndim == 0 else array


def vstack(arrays: Any) -> Written:
    """Return arrays under one another."""
    parts = [written(one) for one in arrays]
    return stacked(parts, 0) if parts[0].ndim < 2 else concatenate(parts, 0)


def column_stack(arrays: Any) -> Written:
    """Return vectors as columns."""
    parts = [written(one) for one in arrays]
    return stacked(parts, 1) if parts[0].ndim < 2 else concatenate(parts, 1)
