"""What the functions of NumPy write in a formula: the column `formula` of the rows of the table of operations.

Arrays are brought to one shape by products with 𝟏, as NumPy broadcasts them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from jacobians.formulas.functions import MATRIX_SLOPES
from jacobians.formulas.tree import Node, call, num
from jacobians.formulas.written import Size, Written, atoms_of, ones, refuse, size_node, written
from jacobians.graph.operations import TABLE, special_rows

UNROWED: dict[Any, Callable[..., Any]] = {}
"""Functions that the graphs of `jacobians.trace` take as constant or decided at a point, and formulas do not."""


def _rows(array: Written) -> tuple[Any, Any]:
    return (array.shape[0], 1) if array.ndim == 1 else (1, 1) if array.ndim == 0 else array.shape  # type: ignore[return-value]


def node(op: str, *args: Node) -> Node:
    """Return a node as it is called for: parts that are met again keep their identity."""
    return Node(op, args)


def _times(*factors: Node) -> Node:
    kept = tuple(f for f in factors if not (f.op == "num" and f.value == 1))
    return node("mul", *kept) if len(kept) > 1 else kept[0] if kept else num(1)


def _transposed(made: Node) -> Node:
    return made.args[0] if made.op == "T" else node("T", made)


# --- shapes ----------------------------------------------------------------------------------------------------


def common(*values: Any) -> tuple[list[Node], tuple[Any, ...]]:
    """Return the trees of arrays at their common shape; numbers stay numbers."""
    arrays = [written(value) for value in values]
    ndim = max(array.ndim for array in arrays)
    padded = [((1,) * (ndim - array.ndim)) + array.shape for array in arrays]
    shape = tuple(next((s[k] for s in padded if s[k] != 1), 1) for k in range(ndim))
    return [_onto(array, own, shape) for array, own in zip(arrays, padded, strict=True)], shape


def _onto(array: Written, own: Sequence[Any], shape: tuple[Any, ...]) -> Node:
    made = array.node
    if all(size == 1 for size in own) or not shape:
        return made
    if array.ndim == 1 and len(shape) == 2:
        made = _transposed(made)
    if len(shape) == 2:
        if own[0] == 1 != shape[0]:
            made = _times(ones(shape[:1]), made)
        if own[1] == 1 != shape[1]:
            made = _times(made, _transposed(ones(shape[1:])))
    return made


_WITH_NUMBERS = {"had": "mul", "hdiv": "div"}


def _ewise(op: str) -> Callable[..., Written]:
    def formula(a: Any, b: Any) -> Written:
        nodes, shape = common(a, b)
        number = not written(b).shape or (op == "had" and not written(a).shape)
        return Written(node(_WITH_NUMBERS.get(op, op) if number else op, *nodes), shape)

    return formula


def _subtract(a: Any, b: Any) -> Written:
    (left, right), shape = common(a, b)
    return Written(node("add", left, node("neg", right)), shape)


def _power(a: Any, b: Any) -> Written:
    (left, right), shape = common(a, b)
    return Written(node("epow" if shape else "pow", left, right), shape)


def function(name: str) -> Callable[..., Written]:
    """Return the formula of a function of the language, entry by entry."""

    def formula(a: Any) -> Written:
        array = written(a)
        return Written(call(name, array.node), array.shape)

    return formula


def _log_of_base(base: int) -> Callable[..., Written]:
    return lambda a: np.divide(np.log(written(a)), Written(call("log", num(base)), ()))


def _compared(sign: int, strict: bool) -> Callable[..., Written]:
    def formula(a: Any, b: Any) -> Written:  # step(z) is 1 where z > 0
        first = np.subtract(written(a), written(b)) if (sign > 0) == strict else np.subtract(written(b), written(a))
        step = function("step")(first)
        return step if strict else np.subtract(Written(num(1), ()), step)

    return formula


def _where(*args: Any) -> Any:
    if len(args) != 3:
        refuse("numpy.where with one argument", "three: a comparison and what it chooses")
    mask, a, b = (written(one) for one in args)
    return mask * a + (1 - mask) * b


def _larger(name: str) -> Callable[..., Written]:
    def formula(a: Any, b: Any) -> Written:
        nodes, shape = common(a, b)
        return Written(call(name, *nodes), shape)

    return formula


# --- products --------------------------------------------------------------------------------------------------


def _matmul(a: Any, b: Any) -> Written:
    a, b = written(a), written(b)
    if 0 in (a.ndim, b.ndim):
        refuse("numpy.matmul of a number", "arrays; * is the product with a number")
    left = _transposed(a.node) if a.ndim == 1 else a.node
    if a.ndim == 2 and b.ndim == 1 and a.shape[0] == 1:  # one row: the result has one entry and one axis
        return Written(_times(left, b.node), (1,))
    if a.ndim == 1 and b.ndim == 2:
        return Written(_times(_transposed(b.node), a.node), b.shape[1:])
    return Written(_product(left, b.node, a, b), (*a.shape[:-1], *b.shape[b.ndim - 1 :][: b.ndim - 1]))


def _product(left: Node, right: Node, a: Written, b: Written) -> Node:
    inner = a.shape[-1]
    if inner == 1 and b.shape[0] == 1:
        return _times(left, right)
    return _times(left, right)


def _dot(a: Any, b: Any) -> Written:
    a, b = written(a), written(b)
    return np.multiply(a, b) if 0 in (a.ndim, b.ndim) else _matmul(a, b)


def _outer(a: Any, b: Any) -> Written:
    a, b = (np.ravel(written(one)) for one in (a, b))
    return Written(_times(a.node, _transposed(b.node)), (*a.shape, *b.shape))


def _vdot(a: Any, b: Any) -> Written:
    return np.sum(np.multiply(written(a), written(b)))


def _inner(a: Any, b: Any) -> Written:
    a, b = written(a), written(b)
    return _dot(a, b.T if b.ndim == 2 else b)


def _kron(a: Any, b: Any) -> Written:
    a, b = written(a), written(b)
    if a.ndim != b.ndim:
        refuse("numpy.kron of arrays of different numbers of axes", "two vectors or two matrices")
    return Written(node("kron", a.node, b.node), tuple(x * y for x, y in zip(a.shape, b.shape, strict=True)))


def _trace(a: Any) -> Written:
    return Written(call("tr", written(a).node), ())


def _einsum(subscripts: Any, *operands: Any, optimize: Any = None) -> Written:
    if not isinstance(subscripts, str) or "." in subscripts:
        refuse("numpy.einsum with these subscripts", "letters such as 'ij,jk->ik'")
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    names = left.split(",")
    if not arrow:
        letters = left.replace(",", "")
        out = "".join(sorted(i for i in set(letters) if letters.count(i) == 1))
    arrays = [(name, written(one)) for name, one in zip(names, operands, strict=True)]
    while len(arrays) > 1:
        later = set("".join(name for name, _ in arrays[2:])) | set(out)
        (p, a), (q, b) = arrays[:2]
        kept = "".join(i for i in dict.fromkeys(p + q) if i in later)
        if len(kept) > 2 and len(arrays) > 2:  # another pair first
            arrays = [arrays[0], *arrays[2:], arrays[1]] if len(arrays) > 2 else arrays
            (p, a), (q, b) = arrays[:2]
            later = set("".join(name for name, _ in arrays[2:])) | set(out)
            kept = "".join(i for i in dict.fromkeys(p + q) if i in later)
        arrays = [(kept, _pair(p, a, q, b, kept)), *arrays[2:]]
    ((name, made),) = arrays
    return _single(name, made, out)


def _single(name: str, a: Written, out: str) -> Written:
    """Return one operand summed and turned: repeated letters are a diagonal."""
    if len(name) == 2 and name[0] == name[1]:
        a, name = np.diag(a), name[0]
    for letter in [i for i in name if i not in out]:
        a, name = np.sum(a, axis=name.index(letter)), name.replace(letter, "")
    return a.T if name != out else a


def _pair(p: str, a: Written, q: str, b: Written, out: str) -> Written:
    keep = set(q) | set(out)
    a, p = _single(p, a, "".join(i for i in dict.fromkeys(p) if i in keep)), "".join(
        i for i in dict.fromkeys(p) if i in keep)  # fmt: skip
    keep = set(p) | set(out)
    b, q = _single(q, b, "".join(i for i in dict.fromkeys(q) if i in keep)), "".join(
        i for i in dict.fromkeys(q) if i in keep)  # fmt: skip
    shared = [i for i in p if i in q]
    summed = [i for i in shared if i not in out]
    if not p or not q or (len(summed) == 0 and not shared):
        made = np.multiply(a, b) if not p or not q else None
        if made is not None:
            return _single(p + q, made, out)
        if len(p) == len(q) == 1:
            return _single(p + q, np.outer(a, b), out)
        refuse("numpy.einsum with more than two free letters", "results of at most two axes")
    if len(summed) == 1 and len(shared) == 1:  # a product of matrices
        (i,) = summed
        left = a.T if len(p) == 2 and p[0] == i else a
        right = b.T if len(q) == 2 and q[1] == i else b
        name = p.replace(i, "") + q.replace(i, "")
        return _single(name, _matmul(left, right), out)
    if set(q) <= set(p) or set(p) <= set(q):  # entry by entry, then summed
        if len(p) < len(q):
            p, a, q, b = q, b, p, a
        if len(q) == 2 and q != p:
            b = b.T
        if len(q) == 1 and len(p) == 2:
            b = b[:, None] if q == p[0] else b[None, :]
        return _single(p, np.multiply(a, b), out)
    refuse("numpy.einsum with more than two free letters", "results of at most two axes")


# --- reductions --------------------------------------------------------------------------------------------------


def _reduced(name: str, whole: bool = False) -> Callable[..., Written]:
    def formula(a: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Written:
        array = written(a)
        if any(value is not None and value is not np._NoValue for value in options.values()):
            refuse(f"{name} with {', '.join(options)}", "axis and keepdims only")
        if isinstance(axis, tuple) and len(axis) == array.ndim:
            axis = None
        if axis is None or (array.ndim == 1 and axis in (0, -1, (0,))):
            made = call(name, array.node)
            return Written(made, (1,) * array.ndim if keepdims else ())
        axis = axis[0] if isinstance(axis, tuple) else axis
        axis %= array.ndim
        if array.shape[axis] == 1:
            made, left = array.node, array.shape[:axis] + array.shape[axis + 1 :]
            return array if keepdims else Written(made if axis else _transposed(made), left)
        if array.shape[1 - axis] == 1:  # a column or a row of two axes
            return Written(call(name, array.node), (1, 1) if keepdims else (1,))
        made = Node("call", (array.node,), (name, ("axis", axis)))
        if keepdims:
            return Written(made, tuple(1 if k == axis else n for k, n in enumerate(array.shape)))
        return Written(_transposed(made) if axis == 0 else made, (array.shape[1 - axis],))

    return formula


def _soft(name: str) -> Callable[..., Written]:
    def formula(a: Any, axis: Any = None) -> Written:
        array = written(a)
        if axis is None and array.ndim == 2 and 1 not in array.shape:
            refuse(f"{name} of a matrix without axis", "axis=0 or axis=1")
        if axis is None or array.ndim == 1:
            return Written(call(name, array.node), array.shape)
        return Written(Node("call", (array.node,), (name, ("axis", axis % array.ndim))), array.shape)

    return formula


def _var(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, **_: Any) -> Any:
    array = written(a)
    rest = array - np.mean(array, axis=axis, keepdims=True)
    if not ddof:
        return np.mean(np.square(rest), axis=axis, keepdims=keepdims)
    n = array.size if axis is None else array.shape[axis]
    return np.sum(np.square(rest), axis=axis, keepdims=keepdims) / (n - ddof)


def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002  # NumPy's name
    array = written(a)
    if array.ndim == 2 and axis is None and 1 not in array.shape:
        names = {None: "normF", "fro": "normF", 2: "specnorm", "nuc": "nuclear"}
        if ord not in names:
            refuse(f"numpy.linalg.norm with ord={ord!r} of a matrix", "ord 'fro', 2 or 'nuc'")
        return Written(call(names[ord], array.node), ())
    if ord not in (None, 1, 2):
        refuse(f"numpy.linalg.norm with ord={ord!r} of a vector", "ord 1 or 2")
    inner = np.sum(np.abs(array) if ord == 1 else np.square(array), axis=axis, keepdims=keepdims)
    if axis is None and not keepdims:
        return Written(call("norm1" if ord == 1 else "norm2", array.node), ())
    return inner if ord == 1 else np.sqrt(inner)


# --- moves -------------------------------------------------------------------------------------------------------


def _transpose(a: Any, axes: Any = None) -> Written:
    array = written(a)
    return array if axes is not None and tuple(axes) == tuple(range(array.ndim)) else array.T


def _swapaxes(a: Any, one: int, two: int) -> Written:
    array = written(a)
    return array if one % array.ndim == two % array.ndim else array.T


def _ravel(a: Any, order: str = "C") -> Written:
    array = written(a)
    if array.ndim < 2:
        return array if array.ndim else Written(array.node, (1,))
    made = array.T if order == "F" else array
    if 1 in made.shape:
        size = made.shape[0] if made.shape[1] == 1 else made.shape[1]
        return Written(made.node if made.shape[1] == 1 else _transposed(made.node), (size,))
    return Written(call("vec", made.node), (made.shape[0] * made.shape[1],))


def _same(a: Any, b: Any) -> bool:
    return a is b or sorted(map(str, map(_key, atoms_of(a)))) == sorted(map(str, map(_key, atoms_of(b))))


def _key(atom: Any) -> Any:
    return id(atom) if not isinstance(atom, str | int) else atom


def _reshape(a: Any, *args: Any, order: str = "C", **options: Any) -> Written:
    array = written(a)
    shape = args[0] if args else options.get("shape", options.get("newshape"))
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if order == "F":
        return _reshape(array.T, shape[::-1]).T
    bare = [size for size in shape if size != 1]
    own = [size for size in array.shape if size != 1]
    if len(bare) == 1 and (bare[0] == -1 or len(own) != 1):
        flat = np.ravel(array)
        return Written(flat.node if shape[0] != 1 or len(shape) == 1 else _transposed(flat.node),
                       tuple(flat.shape[0] if size == bare[0] else 1 for size in shape))  # fmt: skip
    if len(bare) == 1 == len(own):
        flat = np.ravel(array)
        across = len(shape) == 2 and shape[0] == 1
        return Written(_transposed(flat.node) if across else flat.node, tuple(own[0] if s != 1 else 1 for s in shape))
    if len(bare) == 2 == len(own) and all(s == -1 or _same(s, o) for s, o in zip(bare, own, strict=True)):
        return array
    if not bare and not own:
        return Written(array.node, shape)
    if len(bare) == 2 and -1 not in bare:  # rows of a column of m·n entries
        made = Node("call", (np.ravel(array).node, size_node(atoms_of(bare[0])), size_node(atoms_of(bare[1]))), "unvec")
        return Written(made, shape)
    refuse("numpy.reshape to this shape", "one axis of all entries, or the sizes of the rows and columns")


def _diag(a: Any) -> Written:
    array = written(a)
    if array.ndim == 1:
        return Written(call("diag", array.node), (*array.shape, *array.shape))
    return Written(call("diag", array.node), array.shape[:1])


def _expand(a: Any, axis: Any) -> Written:
    array = written(a)
    if array.ndim == 1:
        column = axis in (1, -1)
        return Written(array.node if column else _transposed(array.node),
                       (array.shape[0], 1) if column else (1, array.shape[0]))  # fmt: skip
    return Written(array.node, (*array.shape, 1)) if array.ndim == 0 else refuse("this", "at most two axes")


def _squeeze(a: Any, axis: Any = None) -> Written:
    array = written(a)
    own = tuple(size for size in array.shape if size != 1)
    across = array.ndim == 2 and len(own) == 1 and array.shape[0] == 1
    return Written(_transposed(array.node) if across else array.node, own)


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
        return _expand(made, parts.index(None)) if made.ndim else Written(made.node, (1,))
    if None in parts or len(parts) != array.ndim:
        refuse("indexing of this kind", "whole numbers, slices and one None for each new axis")
    if array.ndim == 1:
        return _one_axis(array, parts[0])
    specs = [_spec(part, size) for part, size in zip(parts, array.shape, strict=True)]
    rows, columns = specs
    if rows is None and columns is None:
        return array
    made = Node("index", (array.node,), (rows, columns))
    shape = [_length(spec, size) for spec, size in zip(specs, array.shape, strict=True) if not isinstance(spec, int)]
    across = isinstance(rows, int) and not isinstance(columns, int)
    return Written(_transposed(made) if across else made, shape)


def _one_axis(array: Written, part: Any) -> Written:
    spec = _spec(part, array.shape[0])
    if spec is None:
        return array
    made = Node("index", (array.node,), (spec, None))
    return Written(made, () if isinstance(spec, int) else (_length(spec, array.shape[0]),))


def _length(spec: Any, size: Any) -> Any:
    return size if spec is None else spec[1] - spec[0]


def _spec(part: Any, size: Any) -> Any:
    """Return an index as the tree holds it: None for all, a number, or (start, stop)."""
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        if part < 0 and isinstance(size, Size):
            refuse("indexing from the end of an array with a letter for its size", "indices from the beginning")
        if part >= 64:
            refuse("indexing beyond 63, as a loop over a size with letters does", "code for whole arrays")
        return int(part) if part >= 0 else int(part) + int(size)
    if isinstance(part, slice) and part.step in (None, 1):
        if part.start in (None, 0) and part.stop is None:
            return None
        if isinstance(size, Size) and (part.stop is None or part.stop < 0 or (part.start or 0) < 0):
            refuse("slicing to the end of an array with a letter for its size", "a declared number, or slices such as x[0:3]")
        start, stop, _ = part.indices(int(part.stop) if isinstance(size, Size) else int(size))
        return start, stop
    refuse("indexing of this kind", "whole numbers, slices without steps and None")


def stacked(arrays: Sequence[Any], axis: int) -> Written:
    """Return numpy.stack of numbers, or of vectors as rows (axis 0) or columns (axis 1)."""
    parts = [written(one) for one in arrays]
    if all(part.ndim == 0 for part in parts):
        return Written(Node("stack", tuple(part.node for part in parts), "rows"), (len(parts),))
    if all(part.ndim == 1 for part in parts):
        rows = axis in (0, -2)
        nodes = tuple(_transposed(part.node) if rows else part.node for part in parts)
        size = parts[0].shape[0]
        return Written(Node("stack", nodes, "rows" if rows else "columns"),
                       (len(parts), size) if rows else (size, len(parts)))  # fmt: skip
    refuse("numpy.stack of matrices", "numbers or vectors")


def _total(sizes: Sequence[Any]) -> Any:
    if all(isinstance(size, int) for size in sizes):
        return sum(sizes)
    refuse("numpy.concatenate along sizes with letters", "declared numbers for these sizes")


def _concatenate(arrays: Any, axis: int = 0) -> Written:
    parts = [written(one) for one in arrays]
    if len({part.ndim for part in parts}) != 1:
        refuse("numpy.concatenate of different numbers of axes", "arrays of one number of axes")
    ndim = parts[0].ndim
    axis %= ndim
    shape = list(parts[0].shape)
    shape[axis] = _total([part.shape[axis] for part in parts])
    op = "rows" if axis == 0 else "columns"
    return Written(Node("stack", tuple(part.node for part in parts), op), shape)


def _hstack(arrays: Any) -> Written:
    parts = [_at_least_1d(one) for one in arrays]
    return _concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def _at_least_1d(value: Any) -> Written:
    array = written(value)
    return Written(array.node, (1,)) if array.ndim == 0 else array


def _vstack(arrays: Any) -> Written:
    parts = [written(one) for one in arrays]
    return stacked(parts, 0) if parts[0].ndim < 2 else _concatenate(parts, 0)


def _column_stack(arrays: Any) -> Written:
    parts = [written(one) for one in arrays]
    return stacked(parts, 1) if parts[0].ndim < 2 else _concatenate(parts, 1)


# --- numpy.linalg --------------------------------------------------------------------------------------------------


def _inv(a: Any) -> Written:
    array = written(a)
    return Written(node("pow", array.node, num(-1)), array.shape)


def _solve(a: Any, b: Any) -> Written:
    return np.matmul(_inv(a), written(b))


def _matrix_power(a: Any, n: int) -> Written:
    array = written(a)
    return Written(node("pow", array.node, num(int(n))), array.shape)


def _slogdet(a: Any) -> Any:
    array = written(a)
    made = type("SlogdetResult", (tuple,), {"sign": property(lambda s: s[0]), "logabsdet": property(lambda s: s[1])})
    return made((Written(call("sign", call("det", array.node)), ()), Written(call("logdet", array.node), ())))


class Spectrum:
    """Eigenvalues or singular values of a matrix, of which formulas know the largest, the least and the sum."""

    def __init__(self, matrix: Written, largest: str, total: str) -> None:
        self.matrix, self.largest, self.total = matrix, largest, total

    def __getitem__(self, index: Any) -> Written:
        if index == (-1 if self.largest == "eigmax" else 0):
            return self.max()
        if index == 0:
            return self.min()
        refuse("one of the eigenvalues or singular values in the middle", "the largest one")

    def max(self) -> Written:
        """Return the largest."""
        return Written(call(self.largest, self.matrix.node), ())

    def min(self) -> Written:
        """Return the least eigenvalue."""
        if self.largest != "eigmax":
            refuse("the least singular value", "the largest one")
        return -Written(call("eigmax", node("neg", self.matrix.node)), ())

    def sum(self) -> Written:
        """Return the sum."""
        return Written(call(self.total, self.matrix.node), ())

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        names = {np.max: "max", np.min: "min", np.sum: "sum", np.amax: "max"}
        if function not in names:
            refuse(f"numpy.{function.__name__} of eigenvalues or singular values", "max, min and sum of them")
        return getattr(self, names[function])()


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Spectrum:
    if compute_uv:
        refuse("numpy.linalg.svd with singular vectors", "compute_uv=False")
    return Spectrum(written(a), "specnorm", "nuclear")


def _like(number: int) -> Callable[..., Written]:
    def formula(a: Any, **_: Any) -> Written:
        array = written(a)
        made = num(number)
        return Written(_times(made, ones(array.shape)) if number != 1 else ones(array.shape), array.shape)

    return formula


def _product_of(values: Sequence[Any]) -> Written:
    return reduce(np.matmul, values)  # type: ignore[no-any-return]


_SAME = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh",
    "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan", "tanh": "tanh", "arcsinh": "arcsinh",
    "arctanh": "arctanh", "absolute": "abs", "fabs": "abs", "sqrt": "sqrt", "square": "square",
}  # fmt: skip

_FORMULAS: dict[Any, Callable[..., Any]] = {
    **{getattr(np, name): function(own) for name, own in _SAME.items()},
    np.positive: written,
    np.negative: lambda a: Written(node("neg", written(a).node), written(a).shape),
    np.reciprocal: lambda a: _ewise("hdiv")(1, a),
    np.expm1: lambda a: np.exp(written(a)) - 1,
    np.log1p: lambda a: np.log(1 + written(a)),
    np.exp2: lambda a: np.exp(Written(call("log", num(2)), ()) * written(a)),
    np.log2: _log_of_base(2),
    np.log10: _log_of_base(10),
    np.add: _ewise("add"), np.subtract: _subtract, np.multiply: _ewise("had"), np.divide: _ewise("hdiv"),
    np.power: _power, np.float_power: _power, np.maximum: _larger("max"), np.minimum: _larger("min"),
    np.fmax: _larger("max"), np.fmin: _larger("min"),
    np.logaddexp: lambda a, b: np.log(np.exp(written(a)) + np.exp(written(b))),
    np.hypot: lambda a, b: np.sqrt(np.square(written(a)) + np.square(written(b))),
    np.clip: lambda a, low, high: np.minimum(np.maximum(written(a), low), high),
    np.matmul: _matmul, np.dot: _dot, np.outer: _outer, np.vdot: _vdot, np.inner: _inner, np.kron: _kron,
    np.trace: _trace, np.einsum: _einsum,
    np.sum: _reduced("sum"), np.mean: _reduced("mean"), np.max: _reduced("max"), np.min: _reduced("min"),
    np.var: _var, np.std: lambda a, **options: np.sqrt(_var(a, **options)),
    np.transpose: _transpose, np.swapaxes: _swapaxes, np.ravel: _ravel, np.reshape: _reshape, np.diag: _diag,
    np.diagonal: _diag, np.expand_dims: _expand, np.squeeze: _squeeze, np.copy: written,
    np.concatenate: _concatenate, np.hstack: _hstack, np.vstack: _vstack, np.column_stack: _column_stack,
    np.stack: lambda arrays, axis=0: stacked(arrays, axis),
    np.where: _where,
    np.linalg.inv: _inv, np.linalg.det: lambda a: Written(call("det", written(a).node), ()),
    np.linalg.slogdet: _slogdet, np.linalg.solve: _solve, np.linalg.norm: _norm,
}  # fmt: skip

for _function, _formula in _FORMULAS.items():
    TABLE[_function] = TABLE[_function]._replace(formula=_formula)

UNROWED.update({
    np.sign: function("sign"),
    np.heaviside: lambda a, at: function("step")(a),
    np.greater: _compared(1, True), np.less: _compared(-1, True),
    np.greater_equal: _compared(1, False), np.less_equal: _compared(-1, False),
    np.zeros_like: _like(0), np.ones_like: _like(1),
    np.shape: lambda a: written(a).shape, np.ndim: lambda a: written(a).ndim, np.size: lambda a: written(a).size,
    np.linalg.eigvalsh: lambda a: Spectrum(written(a), "eigmax", "tr"), np.linalg.svd: _svd,
    np.linalg.svdvals: lambda a: _svd(a, compute_uv=False),
    np.linalg.matrix_power: _matrix_power, np.linalg.multi_dot: _product_of,
    np.linalg.pinv: lambda a: _inv(written(a).T @ written(a)) @ written(a).T,
})  # fmt: skip


def special_formulas() -> None:
    """Write the formulas of scipy.special, once it was loaded by whoever uses it."""
    import scipy.special as sp

    special_rows()
    root = Written(call("sqrt", num(2)), ())
    rows: dict[Any, Callable[..., Any]] = {
        sp.expit: function("sigmoid"), sp.erf: function("erf"),
        sp.erfc: lambda a: 1 - function("erf")(a),
        sp.logit: lambda a: np.log(written(a) / (1 - written(a))),
        sp.log_expit: lambda a: -function("softplus")(-written(a)),
        sp.ndtr: lambda a: (1 + function("erf")(written(a) / root)) / 2,
        sp.logsumexp: _reduced("logsumexp"), sp.softmax: _soft("softmax"), sp.log_softmax: _soft("logsoftmax"),
    }  # fmt: skip
    for one, formula in rows.items():
        TABLE[one] = TABLE[one]._replace(formula=formula)


def matrix_formulas() -> None:
    """Write the formulas of scipy.linalg's functions of matrices, once it was loaded by whoever uses it."""
    import scipy.linalg

    UNROWED.update({getattr(scipy.linalg, name): function(name) for name in MATRIX_SLOPES})
