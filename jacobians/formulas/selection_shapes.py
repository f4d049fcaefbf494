"""The shapes of slices and stacks, whose sizes are sums and differences of the sizes of their parts."""

from __future__ import annotations

from typing import Any

from jacobians.formulas.size_sums import Linear, length, letters_of, linear, place_in, plus, size_of
from jacobians.formulas.sizes import Shape, Shapes, Size
from jacobians.formulas.tree import Node, ShapeError


def mismatch(shapes: Shapes, node: Node, left: Node, a: Shape, right: Node, b: Shape, why: str) -> ShapeError:
    """Return the error of two parts whose sizes do not match."""
    return ShapeError(
        f"{shapes.part(node)}: sizes do not match: {shapes.is_(left, a)}, {shapes.is_(right, b)}; {why}"
    )


def index_shape(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    """Return the shape of a slice or an entry."""
    (shape,) = inner
    made = []
    for spec, size in zip(node.value, shape, strict=True):
        known, ends = shapes.resolve(size), spec if isinstance(spec, tuple) else (spec,)
        for place in ends:
            shapes.taken |= letters_of(place) if isinstance(place, tuple) else set()
        if spec is not None:
            _within(node, shape, known, spec, shapes)
        made.append(length(known, spec))
    return made[0], made[1]


def _within(node: Node, shape: Shape, size: Size, spec: Any, shapes: Shapes) -> None:
    """Refuse indices that an axis of a size does not have, and empty slices."""
    if len(size) > 1:
        raise ShapeError(
            f"{shapes.part(node)}: sizes do not match: {shapes.is_(node.args[0], shape)}, and an axis of one size was "
            f"expected, not of a product"
        )
    start, stop = spec if isinstance(spec, tuple) else (spec, None)
    first = shapes.resolve(size_of(place_in(size, start)))
    last = shapes.resolve(size_of(place_in(size, stop)))
    past = shapes.resolve(size_of(plus(linear(size), linear(last if isinstance(spec, tuple) else first), -1)))
    taken = linear(shapes.resolve(length(size, spec)))
    empty = isinstance(spec, tuple) and not any(
        more > 0 for key, more in taken.items() if key or len(taken) == 1
    )
    if empty or _below(first, 0) or _below(past, 0 if isinstance(spec, tuple) else 1):
        numbers = isinstance(start, int) and (isinstance(stop, int) or not isinstance(spec, tuple))
        most = (stop - 1 if isinstance(stop, int) else start) if numbers else None
        what = f"entries up to {most} were" if most is not None and most >= 0 else "entries that it has were"
        raise ShapeError(
            f"{shapes.part(node)}: sizes do not match: {shapes.is_(node.args[0], shape)}, and {what} expected; indices "
            f"count from 0, x[0:2] are the first two and x[-1] is the last"
        )


def _below(size: Size, least: int) -> bool:
    """Return whether a size is a number below another."""
    return len(size) == 1 and isinstance(size[0], int) and size[0] < least


def stack_shape(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    """Return the shape of arrays side by side, or one above the other."""
    along = 0 if node.value == "rows" else 1
    across = inner[0][1 - along]
    total: Linear = {}
    for arg, shape in zip(node.args, inner, strict=True):
        if not shapes.unify(across, shape[1 - along]):
            raise mismatch(
                shapes,
                node,
                node.args[0],
                inner[0],
                arg,
                shape,
                "[A, B] needs equal rows, [A; B] equal columns",
            )
        size = shapes.resolve(shape[along])
        if len(size) > 1:
            raise ShapeError(
                f"{shapes.part(node)}: sizes do not match: {shapes.is_(arg, shape)}, and one size was expected for the "
                f"side along which it is stacked, not a product"
            )
        total = plus(total, linear(size))
    side = size_of(total)
    return (side, across) if along == 0 else (across, side)
