"""The sizes of a whole formula: its lines in order, then what is derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jacobians.formulas.declarations import Declaration
from jacobians.formulas.functions import ELEMENTWISE, WHOLE
from jacobians.formulas.shape_rules import shape_of
from jacobians.formulas.size_sums import index_letters, letters_of
from jacobians.formulas.sizes import Shapes, Unknown
from jacobians.formulas.tree import FormulaError, Node, Program


def infer(program: Program, declared: Mapping[str, Declaration], extra: Iterable[Node] = ()) -> Shapes:
    """Return the sizes of all parts of a formula.

    Raises
    ------
    ShapeError, FormulaError
        If sizes do not match; the sentence names the part, both sizes and the way out.
    """
    nodes = [*(node for _, node in program.lets), program.body, *extra]
    names = {name for name, _ in program.lets}
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node.op == "name":
            names.add(node.value)
        elif node.op in ("eye", "ones"):
            names |= letters_of(node.value)
        elif node.op == "index":
            names |= index_letters(node.value)
        stack += node.args
    shapes = Shapes(program.source, declared, names)
    sizes = shapes.size_letters()
    for name, node in program.lets:
        if name in declared:
            raise FormulaError(
                f"declare[{name!r}]: found a name that a line defines, expected names of the inputs only"
            )
        if name in sizes:
            raise FormulaError(
                f"formula: found {name} as a name and as a size, expected two letters; rename the size"
            )
        if (name in ELEMENTWISE or name in WHOLE) and len(name) > 1:  # K is a matrix, K(m, n) a function
            raise FormulaError(
                f"formula: found {name} = …, the name of a function, expected a name of your own"
            )
        shape = shape_of(node, shapes)
        if name in shapes.names:  # by a line before, or by itself
            raise FormulaError(
                f"formula: found {name} used before its line ends, expected its definition first; give one of the two "
                f"a name of its own"
            )
        shapes.names[name] = shape
    for node in nodes[len(program.lets) :]:
        shape_of(node, shapes)
    unknown = {
        atom
        for name in shapes.variables
        for size in shapes.names[name]
        for atom in shapes.resolve(size)
        if isinstance(atom, Unknown)
    }
    if len(unknown) == 1 and "n" not in shapes.taken:  # the one size is n
        shapes.letters[unknown.pop()] = "n"
        shapes.taken.add("n")
    for name in shapes.variables:
        for size in shapes.names[name]:
            shapes.final(size)
    return shapes
