"""NumPy code as a formula: it runs once on arrays with letters for sizes, and its tree becomes text of the language."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jacobians.formulas.declarations import Declaration, declarations
from jacobians.formulas.numpy_operations import matrix_formulas, special_formulas
from jacobians.formulas.shape_rules import shape_of
from jacobians.formulas.sizes import Shapes, Unknown
from jacobians.formulas.text import text
from jacobians.formulas.tree import FormulaError, Node, name
from jacobians.formulas.written import Lengths, Written, unknown_size, written, written_call
from jacobians.graph.creators import following


def read_code(f: Callable[..., Any], declare: Mapping[str, Any] | None) -> tuple[str, dict[str, Declaration]]:
    """Return the formula that NumPy code computes, as text, and what is known of its variables.

    Parameters
    ----------
    f : callable
        Of named arrays; it returns one array.
    declare : mapping, optional
        Sizes and assumptions, as for `derive`; an argument that is not declared is a column, or a matrix for a capital.

    Raises
    ------
    FormulaError
        If the code does what has no closed form; the sentence names the function and the way out.
    """
    said = declarations(declare)
    names = _names(f)
    for one in said:
        if one not in names:
            raise FormulaError(f"declare: found {one!r}, expected names of the arguments, {', '.join(names)}")
    shapes = Shapes("", said)
    run: dict[int, tuple[Any, ...]] = {}
    before, Lengths.known = (Lengths.known, Lengths.sums), run
    Lengths.sums = {}
    try:
        arrays = _arguments(names, shapes)
        made = _run(f, arrays)
    finally:
        Lengths.known, Lengths.sums = before
    if isinstance(made, tuple):
        raise FormulaError(f"formula: found code with {len(made)} results, expected one array")
    result = written(made)
    shapes.of.clear()
    shape_of(result.node, shapes)
    _letters(shapes)
    found = {
        one: replace(said.get(one, Declaration()), **_declared(shapes, one))
        for one in names
        if one in shapes.names
    }
    return _text(result.node, shapes), {one: row for one, row in found.items() if _occurs(one, result.node)}


def _names(f: Any) -> list[str]:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        raise FormulaError(
            "formula: found code whose arguments have no names, expected a function of named arrays"
        ) from None
    if not parameters or any(
        p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters
    ):
        raise FormulaError(
            "formula: found code without named arguments, expected one such as lambda A, x: x @ A @ x"
        )
    return [p.name for p in parameters if p.default is p.empty]


def _arguments(names: list[str], shapes: Shapes) -> dict[str, Written]:
    known: dict[Any, Any] = {}
    arrays = {}
    for one in names:
        rows, columns = shapes.variable(one)
        axes = []
        for size in (rows, columns):
            if size == ():
                continue
            (atom,) = size
            if atom not in known:
                known[atom] = atom if isinstance(atom, int) else unknown_size(len(known), atom)
            axes.append(known[atom])
        if not rows and columns:
            axes.insert(0, 1)
        arrays[one] = Written(name(one), axes)
    return arrays


def _run(f: Callable[..., Any], arrays: dict[str, Written]) -> Any:
    def dispatch(original: Any) -> Any:
        def apply(*args: Any, **kwargs: Any) -> Any:
            held = any(isinstance(one, Written) for one in (*args, *kwargs.values()))
            return written_call(original, args, kwargs) if held else original(*args, **kwargs)

        return apply

    if "scipy.special" in sys.modules:
        special_formulas()
    if "scipy.linalg" in sys.modules:
        matrix_formulas()
    kinds = {p.name: p.kind for p in inspect.signature(f).parameters.values()}
    given = [array for one, array in arrays.items() if kinds[one] is not inspect.Parameter.KEYWORD_ONLY]
    named = {one: array for one, array in arrays.items() if kinds[one] is inspect.Parameter.KEYWORD_ONLY}
    with following(_kept, _holds, dispatch, getattr(f, "__globals__", {})):
        return f(*given, **named)


def _holds(nested: Any) -> bool:
    return any(
        isinstance(item, Written) or (isinstance(item, list | tuple) and _holds(item)) for item in nested
    )


def _kept(made: Any) -> Any:
    return written(made) if isinstance(made, Written | list | tuple) else made


def _letters(shapes: Shapes) -> None:
    unknown = {
        atom for one in shapes.variables for size in shapes.names[one] for atom in shapes.resolve(size)
        if isinstance(atom, Unknown)
    }  # fmt: skip
    shapes.taken |= set(shapes.names)
    if len(unknown) == 1 and "n" not in shapes.taken:
        shapes.letters[unknown.pop()] = "n"
    for one in shapes.variables:
        for size in shapes.names[one]:
            shapes.final(size)


def _declared(shapes: Shapes, one: str) -> dict[str, Any]:
    rows, columns = (shapes.final(size) for size in shapes.names[one])
    sides = []
    for size in (rows, columns):
        sides.append(str(size[0]) if size else "1")
    kind = "matrix" if rows and columns else "column" if rows else "row" if columns else "scalar"
    product = len(rows) > 1 or len(columns) > 1  # found again from the text
    return {"kind": kind, "sizes": None if product else tuple(sides)}


def _occurs(one: str, node: Node) -> bool:
    seen: set[int] = set()
    stack = [node]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if part.op == "name" and part.value == one:
            return True
        stack += part.args
    return False


# --- text ----------------------------------------------------------------------------------------------------------

_SIZED_OPS = {"eye", "ones", "zeros", "size", "comm"}


def _text(body: Node, shapes: Shapes) -> str:
    """Return the text of a tree; parts that it holds twice are lines of their own."""
    uses: Counter[int] = Counter()
    order: list[Node] = []
    _count(body, uses, order)
    lines: list[str] = []
    known: dict[int, Node] = {}
    taken = {*shapes.names, *shapes.taken}
    for part in order:
        inner = tuple(known[id(arg)] for arg in part.args)
        value = part.value
        if part.op in _SIZED_OPS:
            value = (
                tuple(shapes.final(size) for size in value)
                if part.op in ("zeros", "comm")
                else shapes.final(value)
            )
        if part.op == "index":
            value = tuple(
                tuple(shapes.final(place) if isinstance(place, tuple) else place for place in spec)
                if isinstance(spec, tuple)
                else spec
                for spec in value
            )
        made = Node(part.op, inner, value)
        if uses[id(part)] > 1 and part.args and part.op not in ("T", "neg") and part is not body:
            own = next(f"v{k}" for k in range(1, 10**6) if f"v{k}" not in taken)
            taken.add(own)
            lines.append(f"{own} = {text(made)}")
            made = name(own)
        known[id(part)] = made
    return "; ".join([*lines, text(known[id(body)])])


def _count(body: Node, uses: Counter[int], order: list[Node]) -> None:
    """Count how often each part stands in a tree, and put parts before what holds them."""
    stack: list[tuple[Node, bool]] = [(body, False)]
    done: set[int] = set()
    while stack:
        part, ready = stack.pop()
        if ready:
            order.append(part)
            continue
        uses[id(part)] += 1
        if id(part) in done:
            continue
        done.add(id(part))
        stack.append((part, True))
        stack += [(arg, False) for arg in reversed(part.args)]
