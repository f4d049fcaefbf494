"""What the derivatives of one formula share: its text, sizes, assumptions and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jacobians.formulas.contraction import Numbers
from jacobians.formulas.declarations import Declaration, declarations
from jacobians.formulas.differentiation import Differentiation, substituted
from jacobians.formulas.inference import infer
from jacobians.formulas.lowering import Lowering
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.naming import Named, named
from jacobians.formulas.nodes import Factor, Sym, Tensor, fresh
from jacobians.formulas.normal import close
from jacobians.formulas.parser import parse
from jacobians.formulas.shape_rules import SIZED, shape_of
from jacobians.formulas.size_sums import atom_number, index_letters, is_sum, last_letter, letters_of
from jacobians.formulas.sizes import CONSTANTS, SCALAR
from jacobians.formulas.tree import FormulaError, Node, Program, parts_of
from jacobians.numerics.arguments import checked_integer, near, shown
from jacobians.numerics.arrays import real_array

Axes = tuple[tuple[int, ...], ...]


MOST_UNFOLDED = 40
"""Up to how many parts a formula's lines are put into one another; beyond, their names stand in the answer."""


def _unfolded(program: Program) -> int:
    """Return how many parts a formula has with all lines put in."""
    sizes: dict[str, int] = {}

    def size(node: Node) -> int:
        if node.op == "name":
            return sizes.get(node.value, 1)
        return 1 + sum(map(size, node.args))

    for name, node in program.lets:
        sizes[name] = size(node)
    return size(program.body)


def names_in(node: Node) -> set[str]:
    """Return the names in a tree."""
    return {part.value for part in parts_of(node) if part.op == "name"}


def _sizes_in(program: Program) -> set[str]:
    """Return the letters of sizes that stand in a formula's text."""
    found: set[str] = set()
    stack = [program.body, *(node for _, node in program.lets)]
    while stack:
        node = stack.pop()
        stack += node.args
        if node.op == "name":
            found.add(node.value)
        elif node.op in ("eye", "ones", "size"):
            found |= letters_of(node.value)
        elif node.op in ("zeros", "comm"):
            found |= {letter for size in node.value for letter in letters_of(size)}
        elif node.op == "index":
            found |= index_letters(node.value)
    return found


def half_of(by: Any) -> str:
    """Return the X of ``"vech(X)"``, or nothing."""
    said = "".join(by.split()) if isinstance(by, str) else ""
    return said[5:-1] if said.startswith("vech(") and said.endswith(")") else ""


class Context:
    """What a formula's derivatives share: its text, sizes, assumptions and value."""

    def __init__(self, source: str, declare: Mapping[str, Any] | None, by: Any = None) -> None:
        declared = declarations(declare)
        program = parse(source)
        half = half_of(by)
        if half in _sizes_in(program) and half not in dict(program.lets):
            declared[half] = declared.get(half, Declaration()).as_symmetric(half)
        self.source, self.shapes = " ".join(source.split()), infer(program, declared)
        self.program = program
        self.tags = {name: said.tags for name, said in declared.items()}
        self.lets = {name for name, _ in program.lets}
        for name in declared:
            if name not in self.shapes.names:
                hint = near(name, self.shapes.variables)
                raise FormulaError(f"declare: found {name!r}, expected names of the formula{hint}")
        low = Lowering(self.shapes, {})
        self.lines: dict[str, Tensor] = {}
        named = _unfolded(program) > MOST_UNFOLDED
        for name, node in program.lets:
            line = low.lower(node)
            if named:  # the name stands for itself: text and time grow with the number of lines
                self.lines[name] = line.closed()
            else:
                low.define(name, line)
        self._values = low.values
        value = low.lower(program.body)
        self.read_sizes = _sizes_in(program)
        self.value = value.closed()
        rows = len(value.rows)
        labels = tuple(range(len(value.labels)))
        self.out: Axes = tuple(axis for axis in (labels[:rows], labels[rows:]) if axis)

    @property
    def declared(self) -> tuple[Any, ...]:
        """The text, the sizes of its names and what is assumed of them; named lines by their keys."""
        sizes = {name: self.shape(name) for name in self.shapes.names}
        return self.source, sizes, self.tags, {name: line.digest for name, line in self.lines.items()}

    def form(self, vec: str = "row") -> MatrixForm:
        """Return a writer of matrix notation."""
        shapes = {name: self.shape(name) for name in self.shapes.names}
        rows = frozenset(name for name, (r, c) in shapes.items() if not r and c)
        grouped = frozenset(n for n, (r, c) in shapes.items() if len(r) > 1 or len(c) > 1)
        stacked = frozenset(n for n in grouped if not all(shapes[n]))
        return MatrixForm(vec, rows, grouped, stacked)

    def named(self, tree: Node, vec: str = "row") -> Named:
        """Return a tree as it is printed: names for what is repeated, and what they and those of lines stand for."""
        shapes = self.shapes.with_vec(vec)

        def kind(node: Node) -> str:
            return shapes.kind(shape_of(node, shapes))

        taken = shapes.taken | shapes.names.keys() | {"I", "K", "T", "e"}
        made = named(tree, kind, taken, lambda: self._folded(vec))
        wanted, found = names_in(made.tree).union(*(names_in(node) for _, node in made.parts)), []
        for name, node in reversed(self.program.lets if self.lines else ()):
            if name in wanted:
                found.append((name, node))
                wanted |= names_in(node)
        return made._replace(parts=(*reversed(found), *made.parts))

    def _folded(self, vec: str) -> dict[Node, str]:
        """Return the trees of the lines that were put into the formula, with their names."""
        form, found = self.form(vec), {}
        for name, (tensor, rows) in self._values.items():
            labels = range(len(tensor.sizes))
            try:
                found[form.of(tensor, labels[:rows], labels[rows:])] = name
            except NoFormError:
                continue
        return found

    @property
    def free_sizes(self) -> set[str]:
        """The letters that are no size of a variable's, such as n in ``sum(ones(n))*x``."""
        atoms = {atom for name in self.shapes.variables for side in self.shape(name) for atom in side}
        own, before = {atom for atom in atoms if not is_sum(atom)}, -1
        while len(own) > before:  # a sum gives its last letter
            before = len(own)
            left = [letters_of((atom,)) - own for atom in atoms if is_sum(atom)]
            own |= {letter for letters in left if len(letters) == 1 for letter in letters}
        return (
            {letter for letter in self.shapes.taken if letter not in self.shapes.names}
            - own
            - CONSTANTS.keys()
        )

    def shape(self, name: str) -> tuple[tuple[str | int, ...], tuple[str | int, ...]]:
        """Return the sizes of a variable's rows and columns."""
        rows, columns = self.shapes.names[name]
        return self.shapes.final(rows), self.shapes.final(columns)

    def shape_text(self, name: str) -> str:
        """Return a variable's shape as text."""
        return self.shapes.shown(self.shapes.names[name])

    def sym(self, name: str) -> Sym:
        """Return a variable, without what is assumed of it."""
        rows, columns = self.shape(name)
        return Sym(name, (*rows, *columns))

    def differentiated(self, tensor: Tensor, name: str) -> Tensor:
        """Return the derivative of a tensor by a variable.

        With named lines it is a sum over those that hold the variable themselves: what the tensor owes to the line, as
        a chain from the outputs, times the line's own derivative.
        """
        variable = self.sym(name)
        direct = Differentiation(variable, {})
        free, by = fresh(len(tensor.sizes)), fresh(len(variable.sizes))
        terms = direct.of(tensor).at((*free, *by))
        for line, value in self.lines.items():
            own = direct.of(value)
            if own.zero:
                continue
            through = fresh(len(value.sizes))
            chain = Factor(self._through(line).of(tensor), (*free, *through))
            terms += [t._replace(factors=(chain, *t.factors)) for t in own.at((*through, *by))]
        return close(terms, (*free, *by), (*tensor.sizes, *variable.sizes))

    def _through(self, line: str) -> Differentiation:
        """Return what derives by a line, the lines done in their order: none waits for the one before it."""
        made = Differentiation(self.sym(line), self.lines)
        for value in self.lines.values():
            if made.depends(value):
                made.of(value)
        return made

    def assumed(self, tensor: Tensor) -> Tensor:
        """Return a tensor with all assumptions on its variables."""
        if not any(self.tags.values()):
            return tensor
        return substituted(tensor, lambda sym: Sym(sym.name, sym.sizes, self.tags.get(sym.name, frozenset())))

    def fits(self, program: Program) -> None:
        """Refuse a formula with names that this one has not, or whose sizes do not match."""
        shapes = self.shapes.with_vec("row")
        shapes.source, known, lets = program.source, set(self.shapes.variables), dict(program.lets)
        stack, sizes = [program.body, *lets.values()], set(self.shapes.taken) - self.shapes.names.keys()
        while stack:
            node = stack.pop()
            if node.op == "name" and node.value not in shapes.names.keys() | lets | sizes | CONSTANTS.keys():
                expected = f"expected the variables of {self.source!r}: {', '.join(sorted(known))}"
                raise FormulaError(f"candidate: found {node.value!r}, {expected}{near(node.value, known)}")
            stack += [arg for arg in node.args if not (node.op == "call" and node.value in SIZED)]
        shapes.read = sizes - set(lets)
        shapes.names = {**shapes.names, **dict.fromkeys(shapes.read, SCALAR)}
        for name, node in program.lets:
            shapes.names[name] = shape_of(node, shapes)
        shape_of(program.body, shapes)

    def variable(self, by: Any) -> tuple[str, bool]:
        """Return a variable's name, and whether its free entries alone are meant."""
        half = half_of(by)
        name = half or ("".join(by.split()) if isinstance(by, str) else by)
        names = ", ".join(name for name in self.shapes.variables) or "none"
        if isinstance(name, str) and name in self.lets:
            raise FormulaError(
                f"by: found {name!r}, which a line of the formula defines, expected one of {names}"
            )
        if not isinstance(name, str) or name not in self.shapes.variables:
            hint = near(name, self.shapes.variables) if isinstance(name, str) else ""
            raise FormulaError(
                f"by: found {shown(by)}, expected one of the formula's variables, {names}{hint}"
            )
        if half:
            rows, columns = self.shape(name)
            if rows != columns or not rows:
                raise FormulaError(
                    f"by: found vech({name}), and {name} is {self.shape_text(name)}, expected a square matrix; "
                    f"declare it 'symmetric'"
                )
        return name, bool(half)

    def numbers(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
        """Return arrays of the variables and numbers of the sizes, checked."""
        arrays: dict[str, Any] = {}
        sizes: dict[str, int] = {}
        for name in values:
            if name in self.free_sizes:
                sizes[name] = checked_integer(values[name], name)
            elif name not in self.shapes.variables:
                raise FormulaError(
                    f"{name}: found a value for it, expected values for {', '.join(self.shapes.variables)}"
                )
        for name in self.shapes.variables:
            if name not in values:
                raise FormulaError(
                    f"{name}: found no value, expected one for each of {', '.join(self.shapes.variables)}"
                )
            array = real_array(values[name], name)
            groups = [group for group in self.shape(name) if group]
            if array.ndim == 2 and len(groups) < 2 and 1 in array.shape:
                array = array.reshape(-1) if groups else array.reshape(())
            if array.ndim != len(groups):
                raise FormulaError(
                    f"{name}: found an array of shape {array.shape}, expected {self.shape_text(name)}"
                )
            arrays[name] = array
            for group, length in zip(groups, array.shape, strict=True):
                if len(group) == 1 and isinstance(group[0], str):
                    sizes.setdefault(group[0], length)
        while found := self._last_letters(arrays, sizes):
            sizes.update(found)
        for name in self.shapes.variables:
            for place, group in enumerate(group for group in self.shape(name) if group):
                if letters_of(group) <= sizes.keys() or all(atom in sizes for atom in group):
                    expected = int(np.prod([atom_number(atom, sizes) for atom in group]))
                    if arrays[name].shape[place] != expected:
                        raise FormulaError(
                            f"{name}: found an array of shape {arrays[name].shape}, expected "
                            f"{self.shape_text(name)} with "
                            + ", ".join(f"{letter} = {number}" for letter, number in sorted(sizes.items()))
                        )
        for name in sorted(self.free_sizes & self.read_sizes - sizes.keys()):
            raise FormulaError(
                f"{name}: found no number for the size {name}, which no variable has, expected one, as in evaluate(…, "
                f"{name}=3)"
            )
        for name, line in self.lines.items():
            arrays[name] = Numbers(arrays, sizes).of(line)
        return arrays, sizes

    def _last_letters(self, arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, int]:
        """Return letters that sums give of which all others are known."""
        found: dict[str, int] = {}
        for name, array in arrays.items():
            for group, length in zip((g for g in self.shape(name) if g), array.shape, strict=True):
                if len(group) == 1 and is_sum(group[0]):
                    found |= last_letter(str(group[0]), length, sizes)
        return found
