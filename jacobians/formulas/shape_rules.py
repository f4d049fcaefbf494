"""The shape of each kind of part, from the shapes of its own parts; what does not fit is refused with a sentence."""

from __future__ import annotations

from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES, WHOLE
from jacobians.formulas.selection_shapes import index_shape, mismatch, stack_shape
from jacobians.formulas.size_sums import Linear, linear, plus, possible, size_of
from jacobians.formulas.sizes import CONSTANTS, SCALAR, Shape, Shapes, Size
from jacobians.formulas.tree import FormulaError, Node, ShapeError


def shape_of(node: Node, shapes: Shapes) -> Shape:
    """Return the shape of a node, and note it and those of all its parts."""
    if id(node) in shapes.of:
        return shapes.of[id(node)]
    parts = node.args[:1] if node.op == "call" and node.value == "unvec" else node.args
    inner = [] if node.op == "call" and node.value in SIZED else [shape_of(arg, shapes) for arg in parts]
    made = _RULES[node.op](node, inner, shapes)
    shapes.of[id(node)] = made
    shapes.kept.append(node)
    return made


def _name(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    name = node.value
    if name in shapes.names:
        return shapes.names[name]
    if name in CONSTANTS and name not in shapes.declared:
        return SCALAR
    if name in shapes.size_letters():
        if name in shapes.declared:
            raise FormulaError(
                f"formula: found {name} as a name and as a size, expected two letters; rename the size"
            )
        return SCALAR
    if (name in ELEMENTWISE or name in WHOLE) and name not in shapes.declared and len(name) > 1:
        raise FormulaError(f"formula: found the function {name} without brackets, expected {name}(…)")
    return shapes.variable(name)


def _same(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    """Return the one shape of a sum or an elementwise product; numbers go with all shapes."""
    made, first = inner[0], node.args[0]
    for arg, shape in zip(node.args[1:], inner[1:], strict=True):
        if shapes.scalar(made):
            made, first = shape, arg
        elif not shapes.scalar(shape) and not (
            shapes.unify(made[0], shape[0]) and shapes.unify(made[1], shape[1])
        ):
            out = "all must have one size"
            if shapes.vector(made) and shapes.vector(shape):
                out += "; transpose one with '"
            elif shapes.vector(made) != shapes.vector(shape):
                column = shapes.column(shape) if shapes.vector(shape) else shapes.column(made)
                out += "; repeat the vector by a product with ones, " + (
                    "b*ones(n)'" if column else "ones(m)*b"
                )
            raise mismatch(shapes, node, first, made, arg, shape, out)
    return made


def _closed(part: str) -> str:
    """Return a part of the text as it may be transposed: in brackets, unless it is one name or one call."""
    name = part.rstrip("'").partition("(")[0]
    return part if name.isidentifier() and (name == part.rstrip("'") or part.count("(") == 1) else f"({part})"


def _product(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    made, left = inner[0], node.args[0]
    for arg, shape in zip(node.args[1:], inner[1:], strict=True):
        if shapes.scalar(made) or shapes.scalar(shape):
            made = shape if shapes.scalar(made) else made
        elif shapes.unify(made[1], shape[0]):
            made = (made[0], shape[1])
        else:
            shapes.shown(made), shapes.shown(shape)  # letters in the order in which a reader meets them
            columns = shapes.shown((made[1], ())).removesuffix("×1").replace("a number", "1")
            rows = shapes.shown((shape[0], ())).removesuffix("×1").replace("a number", "1")
            a, b = shapes.part(left), shapes.part(arg)
            out = f"{columns} columns meet {rows} rows"
            if "(" in columns + rows:
                out += f"; declare a size that is a sum as one, 'h×{rows if '(' in rows else columns}'"
            if shapes.column(made) and shapes.column(shape):
                one, two = (_closed(part) for part in (a, b))
                out += f". Both are columns: {one}'*{b} is a number, {a}.*{b} is elementwise, {a}*{two}' is a matrix"
                plain = [part for part in (a, b) if part.isidentifier() and "α" <= part[0] <= "ω"]
                out += f"; if {' or '.join(plain)} is a number, declare it 'scalar'" if plain else ""
            elif shapes.column(shape) or shapes.column(made):
                out += "; transpose one with ', or declare a number as 'scalar'"
            else:
                out += "; transpose one with ', or use .* entry by entry"
            raise mismatch(shapes, node, left, made, arg, shape, out)
        left = (
            Node("mul", span=(node.args[0].span[0], arg.span[1])) if arg.span and node.args[0].span else arg
        )
    return made


def _quotient(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    if not shapes.scalar(inner[1]):
        a, b = (shapes.part(arg) for arg in node.args)
        out = f"{a}*inv({b}) for a product with the inverse, " if not shapes.vector(inner[1]) else ""
        last = f"; if {b} is a number, declare it 'scalar'" if node.args[1].op == "name" else ""
        raise ShapeError(
            f"{shapes.part(node)}: sizes do not match: {shapes.is_(node.args[0], inner[0])}, "
            f"{shapes.is_(node.args[1], inner[1])}; / needs a number below; write {out}{a}./{b} for entry by "
            f"entry{last}"
        )
    return inner[0]


def _kron(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    rows: Size = ()
    columns: Size = ()
    for shape in inner:
        rows, columns = (*rows, *shape[0]), (*columns, *shape[1])
    return rows, columns


def _khatri(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    rows, columns = inner[0]
    for arg, shape in zip(node.args[1:], inner[1:], strict=True):
        if not shapes.unify(columns, shape[1]):
            raise mismatch(
                shapes, node, node.args[0], inner[0], arg, shape, "∗ needs equal numbers of columns"
            )
        rows = (*rows, *shape[0])
    return rows, columns


def square(node: Node, of: Node, shape: Shape, shapes: Shapes) -> Shape:
    """Return a shape that is square, or refuse it."""
    if shapes.vector(shape) or not shapes.unify(shape[0], shape[1]):
        raise ShapeError(
            f"{shapes.part(node)}: sizes do not match: {shapes.is_(of, shape)}, not square, and a square matrix was "
            "expected"
            + ("; x.^2 is entry by entry, x'*x a number" if node.op == "pow" else "; A'*A or A*A' is square")
        )
    return shape


def _power(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    if not shapes.scalar(inner[1]):
        raise ShapeError(
            f"{shapes.part(node)}: sizes do not match: {shapes.is_(node.args[1], inner[1])}, and a number was expected "
            f"as exponent; .^ is entry by entry"
        )
    return inner[0] if shapes.scalar(inner[0]) else square(node, node.args[0], inner[0], shapes)


SIZED = {"eye", "ones", "zeros", "K"}
"""Functions whose arguments are sizes."""

MATRIX_FUNCTIONS = {*MATRIX_SLOPES, "eigmax", "eigpair"}
"""Functions of square matrices beside inv, det and tr."""


def size_argument(node: Node, arg: Node, shapes: Shapes) -> Size:
    """Return the size that an argument names: a letter, a number, or products and powers of them."""
    if arg.op == "num" and arg.value.denominator == 1 and arg.value >= 1:
        return () if arg.value == 1 else (int(arg.value),)
    if arg.op == "size":
        return shapes.resolve(arg.value)
    if arg.op == "name":
        if arg.value in shapes.names and arg.value not in shapes.size_letters():
            raise FormulaError(
                f"{shapes.part(node)}: found the variable {arg.value}, expected a size such as n or 3"
            )
        shapes.taken.add(arg.value)
        return (arg.value,)
    if arg.op == "mul":
        return tuple(atom for factor in arg.args for atom in size_argument(node, factor, shapes))
    if arg.op == "add":
        total: Linear = {}
        for term in arg.args:
            inner = term.args[0] if term.op == "neg" else term
            total = plus(total, linear(size_argument(node, inner, shapes)), -1 if term.op == "neg" else 1)
        if possible(size_of(total)):
            return size_of(total)
    if (
        arg.op == "pow"
        and arg.args[1].op == "num"
        and arg.args[1].value.denominator == 1
        and 0 < arg.args[1].value < 9
    ):
        return size_argument(node, arg.args[0], shapes) * int(arg.args[1].value)
    raise FormulaError(f"{shapes.part(node)}: found {shapes.part(arg)}, expected a size such as n or 3")


def _call(node: Node, inner: list[Shape], shapes: Shapes) -> Shape:
    name, options = (node.value, ()) if isinstance(node.value, str) else (node.value[0], node.value[1:])
    expected = WHOLE[name].arguments if name in WHOLE else (1,)
    if len(node.args) not in expected:
        raise FormulaError(
            f"{shapes.part(node)}: found {len(node.args)} arguments of {name}, expected "
            f"{' or '.join(str(number) for number in expected)}"
        )
    if options and not (name in WHOLE and WHOLE[name].axis and options[0][1] in (0, 1) and len(options) == 1):
        raise FormulaError(
            f"{shapes.part(node)}: found axis={options[0][1]} of {name}, expected "
            + ("axis=0 or axis=1" if name in WHOLE and WHOLE[name].axis else "no axis")
        )
    if name in ELEMENTWISE or name in ("sqrt", "square"):
        if name == "abs" and inner[0][0] and inner[0][1]:
            _no_bars(node, inner[0], shapes)
        return inner[0]
    if name in SIZED:
        sizes = [size_argument(node, arg, shapes) for arg in node.args]
        if name == "K":
            return (*sizes[0], *sizes[1]), (*sizes[1], *sizes[0])
        return (sizes[0], sizes[0]) if name == "eye" else (sizes[0], sizes[1] if len(sizes) > 1 else ())
    if name in ("max", "min") and len(node.args) == 2 and options:
        raise FormulaError(
            f"{shapes.part(node)}: found axis= with two arguments of {name}, expected one argument"
        )
    if name == "where" or (name in ("max", "min") and len(node.args) == 2):
        return _same(node, inner, shapes)
    if name == "unvec":
        sides = [size_argument(node, arg, shapes) for arg in node.args[1:]]
        if not (shapes.unify(inner[0][0], (*sides[0], *sides[1])) and shapes.unify(inner[0][1], ())):
            raise ShapeError(
                f"{shapes.part(node)}: sizes do not match: {shapes.is_(node.args[0], inner[0])}, and a column of "
                f"{shapes.shown(((*sides[0], *sides[1]), ()))} entries was expected"
            )
        return sides[0], sides[1]
    if name in ("kron", "khatri"):
        return (_kron if name == "kron" else _khatri)(node, inner, shapes)
    return _whole(node, name, options[0][1] if options else None, inner, shapes)


def _no_bars(node: Node, shape: Shape, shapes: Shapes) -> None:
    """Refuse |X|, which is a determinant in many books."""
    if node.span is not None and shapes.source[node.span[0] :].lstrip("( ").startswith("|"):
        a = shapes.part(node.args[0])
        raise ShapeError(
            f"{shapes.part(node)}: found bars around a matrix, {shapes.is_(node.args[0], shape)}, expected "
            f"det({a}), or abs({a}) for entry by entry"
        )


def _whole(node: Node, name: str, axis: int | None, inner: list[Shape], shapes: Shapes) -> Shape:
    shape, of = inner[0], node.args[0]
    if name in ("det", "logdet", "tr", "inv") or name in MATRIX_FUNCTIONS:
        if not shapes.scalar(shape):
            square(node, of, shape, shapes)
        return shape if name in {"inv", "eigpair", *MATRIX_SLOPES} else SCALAR
    if name in ("specnorm", "nuclear", "specpair", "polar"):
        if shapes.vector(shape) or shapes.scalar(shape):
            raise ShapeError(
                f"{shapes.part(node)}: sizes do not match: {shapes.is_(of, shape)}, and a matrix was expected; "
                f"norm2(…) is for vectors"
            )
        return shape if name in ("specpair", "polar") else SCALAR
    if name in ("sum", "mean", "norm1", "normF", "max", "min") and axis is None:
        return SCALAR
    if name == "hardmax" and axis is None:
        return shape
    if name in ("logsumexp", "softmax", "logsoftmax", "norm2") and axis is None:
        if not shapes.vector(shape) and not shapes.scalar(shape):
            out = (
                "normF(…) for Frobenius' norm"
                if name == "norm2"
                else "axis=0 down the columns or axis=1 along the rows"
            )
            raise ShapeError(
                f"{shapes.part(node)}: sizes do not match: {shapes.is_(of, shape)}, a matrix, and a vector was "
                f"expected; name {out}"
            )
        return shape if name in ("softmax", "logsoftmax") else SCALAR
    if axis is not None:
        if name in ("softmax", "logsoftmax", "hardmax"):
            return shape
        return ((), shape[1]) if axis == 0 else (shape[0], ())
    if name == "diag":
        if shapes.vector(shape):
            entries = shape[0] if shapes.column(shape) else shape[1]
            return entries, entries
        return square(node, of, shape, shapes)[0], ()
    if name in ("vec", "vech"):
        if name == "vech":
            square(node, of, shape, shapes)
            raise FormulaError(
                f'{shapes.part(node)}: found vech inside a formula, expected it in by="vech(X)" only'
            )
        first, second = shape if shapes.vec == "row" else shape[::-1]
        return (*shapes.resolve(first), *shapes.resolve(second)), ()
    if name == "transpose":
        return shape[1], shape[0]
    a, b = inner
    for arg, one in zip(node.args, inner, strict=True):
        if not shapes.column(one):
            raise ShapeError(
                f"{shapes.part(node)}: sizes do not match: {shapes.is_(arg, one)}, and {name} takes two columns; "
                f"{'tr(A*B)' if name == 'dot' else 'kron(A, B)'} is for matrices"
            )
    if name == "outer":
        return a[0], b[0]
    if not shapes.unify(a[0], b[0]):
        raise mismatch(shapes, node, node.args[0], a, node.args[1], b, "both must have one size")
    return SCALAR


_RULES = {
    "index": index_shape,
    "stack": stack_shape,
    "num": lambda node, inner, shapes: SCALAR,
    "size": lambda node, inner, shapes: SCALAR,
    "name": _name,
    "eye": lambda node, inner, shapes: (node.value, node.value),
    "ones": lambda node, inner, shapes: (node.value, ()),
    "zeros": lambda node, inner, shapes: node.value,
    "comm": lambda node, inner, shapes: ((*node.value[0], *node.value[1]), (*node.value[1], *node.value[0])),
    "add": _same,
    "had": _same,
    "hdiv": _same,
    "neg": lambda node, inner, shapes: inner[0],
    "mul": _product,
    "div": _quotient,
    "kron": _kron,
    "khatri": _khatri,
    "T": lambda node, inner, shapes: (inner[0][1], inner[0][0]),
    "pow": _power,
    "epow": _same,
    "call": _call,
}
