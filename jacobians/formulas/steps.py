"""A derivation as it is written by hand: the differential by one rule after another, then the identification."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from jacobians.formulas.differentiation import slope_of
from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.latex import latex
from jacobians.formulas.latex_words import words_in_latex
from jacobians.formulas.parser import parse
from jacobians.formulas.shape_rules import shape_of
from jacobians.formulas.sizes import Shapes
from jacobians.formulas.text import text
from jacobians.formulas.tree import (
    Node,
    add,
    call,
    diagonal,
    had,
    is_number,
    mul,
    name,
    negated,
    num,
    transposed,
)


class Step(NamedTuple):
    """A line of a derivation, and the rule by which it follows."""

    rule: str
    line: str
    tree: Node | None = None

    def __str__(self) -> str:
        return f"{self.line}    ({self.rule})"


class Steps(tuple[Step, ...]):
    """The lines of a derivation, in order."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(f"{step.line}\n    {step.rule}" for step in self)

    __repr__ = __str__

    def _repr_latex_(self) -> str:
        """Return the lines as LaTeX, one under another, each with its rule."""
        lines = [rf"{words_in_latex(step.line)} && {words_in_latex(step.rule)}" if step.tree is None
                 else rf"{step.line.partition(' = ')[0]} &= {latex(step.tree)} && {words_in_latex(step.rule)}"
                 for step in self]  # fmt: skip
        return r"$\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$"


class Differential:
    """Differentials of trees by one variable, by the rules of Magnus and Neudecker, *Matrix Differential Calculus*."""

    def __init__(self, shapes: Shapes, by: str) -> None:
        self.shapes, self.by = shapes, by
        self.moving = {by}
        self.rules: dict[str, None] = {}

    def name_of(self, variable: str) -> str:
        """Return what the differential of a name is called."""
        own = f"d{variable}"
        while own in self.shapes.names:
            own = f"d{own}"
        return own

    def depends(self, node: Node) -> bool:
        """Return whether a part moves with the variable."""
        return node.value in self.moving if node.op == "name" else any(map(self.depends, node.args))

    def number(self, node: Node) -> bool:
        """Return whether a part is a number."""
        return self.shapes.scalar(shape_of(node, self.shapes))

    def of(self, node: Node) -> Node:
        """Return the differential of a part."""
        if not self.depends(node):
            return num(0)
        key = node.op if node.op != "call" else node.value if isinstance(node.value, str) else node.value[0]
        if node.op == "call" and key in ELEMENTWISE:
            return self._elementwise(node)
        return _RULES[key](self, node)

    def uses(self, rule: str) -> None:
        """Note a rule."""
        self.rules[rule] = None

    def _elementwise(self, node: Node) -> Node:
        (arg,) = node.args
        number = self.number(node)
        slope = _put(slope_of(node.value), arg, number)
        sign = "·" if number else " ⊙ "
        shown = _put(slope_of(node.value), name("u"), number)
        self.uses(f"d {node.value}(u) = {text(shown) if shown.op != 'add' else f'({text(shown)})'}{sign}du")
        return _times(slope, self.of(arg), entrywise=not number)


_OF_NUMBERS = {"had": "mul", "hdiv": "div", "epow": "pow"}


def _put(slope: Node, arg: Node, number: bool) -> Node:
    """Return a slope at an argument; that of a number has no signs of arrays."""
    if slope.op == "name":
        return arg if slope.value == "z" else slope
    op = _OF_NUMBERS.get(slope.op, slope.op) if number else slope.op
    return Node(op, tuple(_put(part, arg, number) for part in slope.args), slope.value)


def _times(a: Node, b: Node, *, entrywise: bool) -> Node:
    if is_number(a, 0) or is_number(b, 0):
        return num(0)
    return b if is_number(a, 1) else had(a, b) if entrywise else mul(a, b)


def _sum(terms: list[Node]) -> Node:
    kept = [term for term in terms if not is_number(term, 0)]
    return add(*kept) if kept else num(0)


def _product(at: Differential, node: Node, join: Callable[..., Node], rule: str) -> Node:
    moving = [place for place, arg in enumerate(node.args) if at.depends(arg)]
    if len(moving) > 1:
        at.uses(rule)
    return _sum([
        join(*node.args[:place], at.of(node.args[place]), *node.args[place + 1 :])
        for place in moving if not is_number(at.of(node.args[place]), 0)
    ])  # fmt: skip


def _name(at: Differential, node: Node) -> Node:
    return name(at.name_of(node.value))


def _transpose(at: Differential, node: Node) -> Node:
    at.uses("d(Aᵀ) = (dA)ᵀ")
    return transposed(at.of(node.args[0]))


def _quotient(at: Differential, node: Node) -> Node:
    above, below = node.args
    entrywise = node.op == "hdiv"
    terms = [Node(node.op, (at.of(above), below))] if at.depends(above) else []
    if at.depends(below):
        at.uses("d(u/v) = du/v − u·dv/v²")
        square = Node("epow" if entrywise else "pow", (below, num(2)))
        product = had(above, at.of(below)) if entrywise else mul(above, at.of(below))
        terms.append(negated(Node(node.op, (product, square))))
    return _sum(terms)


def _power(at: Differential, node: Node) -> Node:
    base, exponent = node.args
    if exponent.op == "neg" and exponent.args[0].op == "num":  # as it is parsed
        exponent = negated(exponent.args[0])
        node = Node(node.op, (base, exponent))
    number = at.number(base)
    if is_number(exponent, 2) and base.op == "call" and base.value == "norm2":
        (u,) = base.args
        at.uses("d‖u‖² = 2·uᵀ·du")
        moved = at.of(u)
        row = at.shapes.kind(shape_of(u, at.shapes)) == "row"
        return mul(num(2), *((u, transposed(moved)) if row else (transposed(u), moved)))
    if is_number(exponent, 2) and base.op == "call" and base.value == "normF":
        (u,) = base.args
        at.uses("d‖A‖_F² = 2·tr(Aᵀ·dA)")
        return mul(num(2), call("tr", mul(transposed(u), at.of(u))))
    if node.op == "pow" and not number:
        if is_number(exponent, -1):
            at.uses("d(A⁻¹) = −A⁻¹·dA·A⁻¹")
            return negated(mul(node, at.of(base), node))
        times = exponent.value if exponent.op == "num" else 0
        at.uses("d(Aᵏ) = Σ Aⁱ·dA·Aᵏ⁻¹⁻ⁱ")
        factor = base if times > 0 else Node("pow", (base, num(-1)))
        return at.of(mul(*[factor] * abs(int(times))))
    entrywise = not number
    if at.depends(exponent):
        at.uses("uᵛ = e^(v·log u)")
        inner = call("log", base)
        made = had(exponent, inner) if entrywise else mul(exponent, inner)
        return _times(node, at.of(made), entrywise=entrywise)
    at.uses("d(uᵏ) = k·uᵏ⁻¹·du")
    less = num(exponent.value - 1) if exponent.op == "num" else add(exponent, num(-1))
    lower = base if is_number(less, 1) else Node(node.op, (base, less))
    rest = _times(lower, at.of(base), entrywise=entrywise)
    return mul(exponent, rest) if at.number(node.args[1]) else had(exponent, rest)


def _raised(at: Differential, node: Node, exponent: Node) -> Node:
    return at.of(Node("pow" if at.number(node) else "epow", (node.args[0], exponent)))


def _linear(rule: str) -> Callable[[Differential, Node], Node]:
    def made(at: Differential, node: Node) -> Node:
        at.uses(rule)
        return Node(node.op, (at.of(node.args[0]), *node.args[1:]), node.value)

    return made


def _inverse(at: Differential, node: Node) -> Node:
    return at.of(Node("pow", (node.args[0], num(-1))))


def _det(at: Differential, node: Node) -> Node:
    at.uses("d det A = det A·tr(A⁻¹·dA)")
    (arg,) = node.args
    return mul(node, call("tr", mul(Node("pow", (arg, num(-1))), at.of(arg))))


def _logdet(at: Differential, node: Node) -> Node:
    at.uses("d log det A = tr(A⁻¹·dA)")
    (arg,) = node.args
    return call("tr", mul(Node("pow", (arg, num(-1))), at.of(arg)))


def _trace(at: Differential, node: Node) -> Node:
    (arg,) = node.args
    if arg.op == "call" and arg.value in MATRIX_SLOPES:
        at.uses(f"d tr f(A) = tr(f′(A)·dA), here {arg.value}")
        inner = arg.args[0]
        slope = _in_place(parse(MATRIX_SLOPES[arg.value]).body, inner)
        return call("tr", mul(slope, at.of(inner)))
    at.uses("d tr A = tr dA")
    return call("tr", at.of(arg))


def _in_place(slope: Node, arg: Node) -> Node:
    if slope.op == "name":
        return arg
    return Node(slope.op, tuple(_in_place(part, arg) for part in slope.args), slope.value)


def _softmax(at: Differential, node: Node) -> Node:
    (arg,) = node.args
    if not isinstance(node.value, str):
        along = Node("call", (had(node, at.of(arg)),), ("sum", node.value[1]))
        ones = _repeated(at, node, along)
        at.uses("d softmax u = p ⊙ (du − (p ⊙ du) summed), p = softmax u, along the axis")
        return had(node, add(at.of(arg), negated(ones)))
    at.uses("d softmax u = (diag p − p·pᵀ)·du, p = softmax u")
    row = at.shapes.resolve(shape_of(node, at.shapes)[0]) == ()
    step = add(diagonal(node), negated(mul(node, transposed(node))))
    if row:
        step = add(diagonal(node), negated(mul(transposed(node), node)))
        return mul(at.of(arg), step)
    return mul(step, at.of(arg))


def _repeated(at: Differential, node: Node, along: Node) -> Node:
    rows, columns = (at.shapes.final(size) for size in shape_of(node, at.shapes))
    if node.value[1][1] == 0:
        return mul(Node("ones", value=rows), along)
    return mul(along, transposed(Node("ones", value=columns)))


def _logsumexp(at: Differential, node: Node) -> Node:
    (arg,) = node.args
    axis = () if isinstance(node.value, str) else node.value[1:]
    at.uses("d logsumexp u = Σ softmax(u) ⊙ du")
    shares = Node("call", (arg,), ("softmax", *axis) if axis else "softmax")
    return Node("call", (had(shares, at.of(arg)),), ("sum", *axis) if axis else "sum")


def _norm(at: Differential, node: Node) -> Node:
    (arg,) = node.args
    at.uses("d‖u‖ = Σ u ⊙ du/‖u‖")
    return Node("div", (call("sum", had(arg, at.of(arg))), node))


def _norm1(at: Differential, node: Node) -> Node:
    (arg,) = node.args
    at.uses("d‖u‖₁ = Σ sign(u) ⊙ du")
    return call("sum", had(call("sign", arg), at.of(arg)))


def _largest(at: Differential, node: Node) -> Node:
    if len(node.args) == 2:
        a, b = node.args
        at.uses("max(u, v) = u + relu(v − u)" if node.value == "max" else "min(u, v) = u − relu(u − v)")
        if node.value == "max":
            return at.of(add(a, call("relu", add(b, negated(a)))))
        return at.of(add(a, negated(call("relu", add(a, negated(b))))))
    (arg,) = node.args
    kind = node.value if isinstance(node.value, str) else node.value[0]
    axis = () if isinstance(node.value, str) else node.value[1:]
    at.uses("d max u = du where u is largest")
    where = Node("call", (arg if kind == "max" else negated(arg),), ("hardmax", *axis) if axis else "hardmax")
    return Node("call", (had(where, at.of(arg)),), ("sum", *axis) if axis else "sum")


def _by_gradient(gradient: str) -> Callable[[Differential, Node], Node]:
    def made(at: Differential, node: Node) -> Node:
        (arg,) = node.args
        at.uses(f"d {node.value}(A) = tr({gradient}(A)ᵀ·dA)")
        return call("tr", mul(transposed(call(gradient, arg)), at.of(arg)))

    return made


def _where(at: Differential, node: Node) -> Node:
    mask, a, b = node.args
    at.uses("what is chosen moves as it does")
    moved = [at.of(part) if at.depends(part) else mul(num(0), part) for part in (a, b)]
    return Node("call", (mask, *moved), "where")


def _stack(at: Differential, node: Node) -> Node:
    parts = tuple(at.of(arg) if at.depends(arg) else mul(num(0), arg) for arg in node.args)
    return Node("stack", parts, node.value)


_RULES: dict[Any, Callable[[Differential, Node], Node]] = {
    "name": _name,
    "add": lambda at, node: _sum([at.of(arg) for arg in node.args]),
    "neg": lambda at, node: negated(at.of(node.args[0])),
    "mul": lambda at, node: _product(at, node, mul, "d(A·B) = dA·B + A·dB"),
    "had": lambda at, node: _product(at, node, had, "d(A ⊙ B) = dA ⊙ B + A ⊙ dB"),
    "kron": lambda at, node: _product(at, node, lambda *args: Node("kron", args), "d(A ⊗ B) = dA ⊗ B + A ⊗ dB"),
    "khatri": lambda at, node: _product(at, node, lambda *args: Node("khatri", args), "d(A ∗ B) = dA ∗ B + A ∗ dB"),
    "outer": lambda at, node: at.of(mul(node.args[0], transposed(node.args[1]))),
    "dot": lambda at, node: at.of(mul(transposed(node.args[0]), node.args[1])),
    "div": _quotient,
    "hdiv": _quotient,
    "T": _transpose,
    "transpose": _transpose,
    "pow": _power,
    "epow": _power,
    "sqrt": lambda at, node: _raised(at, node, num(Fraction(1, 2))),
    "square": lambda at, node: _raised(at, node, num(2)),
    "inv": _inverse,
    "det": _det,
    "logdet": _logdet,
    "tr": _trace,
    "softmax": _softmax,
    "logsoftmax": lambda at, node: at.of(call("log", call("softmax", *node.args))),
    "logsumexp": _logsumexp,
    "norm2": _norm,
    "normF": _norm,
    "norm1": _norm1,
    "max": _largest,
    "min": _largest,
    "where": _where,
    "stack": _stack,
    "specnorm": _by_gradient("specpair"),
    "nuclear": _by_gradient("polar"),
    "eigmax": _by_gradient("eigpair"),
    **{
        key: _linear("d of a linear function is the function of d")
        for key in ("sum", "mean", "diag", "vec", "index", "unvec")
    },
}  # fmt: skip
"""The differential of each operation and function; an elementwise one has the slope of its row."""
