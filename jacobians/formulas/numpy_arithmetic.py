"""Arithmetic and products of written arrays, brought to one shape by products with 𝟏 as NumPy broadcasts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from jacobians.formulas.tree import Node, call, num
from jacobians.formulas.written import Written, ones, refused, written

np: Any = numpy  # whose functions give written arrays here


def node(op: str, *args: Node) -> Node:
    """Return a node as it is called for: parts that are met again keep their identity."""
    return Node(op, args)


def times(*factors: Node) -> Node:
    """Return a product as it is called for."""
    kept = tuple(f for f in factors if not (f.op == "num" and f.value == 1))
    return node("mul", *kept) if len(kept) > 1 else kept[0] if kept else num(1)


def turned(made: Node) -> Node:
    """Return a transpose as it is called for."""
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
        made = turned(made)
    if len(shape) == 2:
        if own[0] == 1 != shape[0]:
            made = times(ones(shape[:1]), made)
        if own[1] == 1 != shape[1]:
            made = times(made, turned(ones(shape[1:])))
    return made


_WITH_NUMBERS = {"had": "mul", "hdiv": "div"}


def entrywise(op: str) -> Callable[..., Written]:
    """Return the formula of an operation entry by entry."""

    def formula(a: Any, b: Any) -> Written:
        nodes, shape = common(a, b)
        number = not written(b).shape or (op == "had" and not written(a).shape)
        return Written(node(_WITH_NUMBERS.get(op, op) if number else op, *nodes), shape)

    return formula


def subtract(a: Any, b: Any) -> Written:
    """Return a − b."""
    (left, right), shape = common(a, b)
    return Written(node("add", left, node("neg", right)), shape)


def power(a: Any, b: Any) -> Written:
    """Return a to the power b, entry by entry."""
    (left, right), shape = common(a, b)
    return Written(node("epow" if shape else "pow", left, right), shape)


def function(name: str) -> Callable[..., Written]:
    """Return the formula of a function of the language, entry by entry."""

    def formula(a: Any) -> Written:
        array = written(a)
        return Written(call(name, array.node), array.shape)

    return formula


def log_of_base(base: int) -> Callable[..., Written]:
    """Return the formula of a logarithm."""
    return lambda a: np.divide(np.log(written(a)), Written(call("log", num(base)), ()))


def compared(sign: int, strict: bool) -> Callable[..., Written]:
    """Return the formula of a comparison: 1 where it holds, 0 elsewhere."""

    def formula(a: Any, b: Any) -> Written:  # step(z) is 1 where z > 0
        first = (
            np.subtract(written(a), written(b))
            if (sign > 0) == strict
            else np.subtract(written(b), written(a))
        )
        step = function("step")(first)
        return step if strict else np.subtract(Written(num(1), ()), step)

    return formula


def where(*args: Any) -> Any:
    """Return what a comparison chooses."""
    if len(args) != 3:
        raise refused("numpy.where with one argument", "three: a comparison and what it chooses")
    mask, a, b = (written(one) for one in args)
    return mask * a + (1 - mask) * b


def larger(name: str) -> Callable[..., Written]:
    """Return the formula of the larger or smaller of two."""

    def formula(a: Any, b: Any) -> Written:
        nodes, shape = common(a, b)
        return Written(call(name, *nodes), shape)

    return formula


# --- products --------------------------------------------------------------------------------------------------


def matmul(a: Any, b: Any) -> Written:
    """Return a product of arrays."""
    a, b = written(a), written(b)
    if 0 in (a.ndim, b.ndim):
        raise refused("numpy.matmul of a number", "arrays; * is the product with a number")
    left = turned(a.node) if a.ndim == 1 else a.node
    if a.ndim == 2 and b.ndim == 1 and a.shape[0] == 1:  # one row: the result has one entry and one axis
        return Written(times(left, b.node), (1,))
    if a.ndim == 1 and b.ndim == 2:
        return Written(times(turned(b.node), a.node), b.shape[1:])
    return Written(_product(left, b.node, a, b), (*a.shape[:-1], *b.shape[b.ndim - 1 :][: b.ndim - 1]))


def _product(left: Node, right: Node, a: Written, b: Written) -> Node:
    inner = a.shape[-1]
    if inner == 1 and b.shape[0] == 1:
        return times(left, right)
    return times(left, right)


def dot(a: Any, b: Any) -> Written:
    """Return a product, also with a number."""
    a, b = written(a), written(b)
    return np.multiply(a, b) if 0 in (a.ndim, b.ndim) else matmul(a, b)


def outer(a: Any, b: Any) -> Written:
    """Return a·bᵀ."""
    a, b = (np.ravel(written(one)) for one in (a, b))
    return Written(times(a.node, turned(b.node)), (*a.shape, *b.shape))


def vdot(a: Any, b: Any) -> Written:
    """Return the sum of products of entries."""
    return np.sum(np.multiply(written(a), written(b)))


def inner(a: Any, b: Any) -> Written:
    """Return a·bᵀ of matrices, aᵀ·b of vectors."""
    a, b = written(a), written(b)
    return dot(a, b.T if b.ndim == 2 else b)


def kron(a: Any, b: Any) -> Written:
    """Return a Kronecker product."""
    a, b = written(a), written(b)
    if a.ndim != b.ndim:
        raise refused("numpy.kron of arrays of different numbers of axes", "two vectors or two matrices")
    return Written(node("kron", a.node, b.node), tuple(x * y for x, y in zip(a.shape, b.shape, strict=True)))


def trace(a: Any) -> Written:
    """Return a trace."""
    return Written(call("tr", written(a).node), ())


def einsum(subscripts: Any, *operands: Any, optimize: Any = None) -> Written:
    """Return a sum of products by letters, two operands at a time."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise refused("numpy.einsum with these subscripts", "letters such as 'ij,jk->ik'")
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
        raise refused("numpy.einsum with more than two free letters", "results of at most two axes")
    if len(summed) == 1 and len(shared) == 1:  # a product of matrices
        (i,) = summed
        left = a.T if len(p) == 2 and p[0] == i else a
        right = b.T if len(q) == 2 and q[1] == i else b
        name = p.replace(i, "") + q.replace(i, "")
        return _single(name, matmul(left, right), out)
    if set(q) <= set(p) or set(p) <= set(q):  # entry by entry, then summed
        if len(p) < len(q):
            p, a, q, b = q, b, p, a
        if len(q) == 2 and q != p:
            b = b.T
        if len(q) == 1 and len(p) == 2:
            b = b[:, None] if q == p[0] else b[None, :]
        return _single(p, np.multiply(a, b), out)
    raise refused("numpy.einsum with more than two free letters", "results of at most two axes")
