"""A tree as text that the parser reads back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.size_sums import place_text
from jacobians.formulas.tree import Node, is_number

_BINDING = {
    "add": 0,
    "kron": 1,
    "khatri": 1,
    "had": 2,
    "hdiv": 2,
    "mul": 3,
    "div": 3,
    "neg": 4,
    "pow": 6,
    "epow": 6,
    "T": 6,
}
_TIGHT = 9
_SUPER = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def size_text(size: Any) -> str:
    """Return a size as text."""
    return "·".join(str(atom) for atom in size) or "1"


def text(node: Node) -> str:
    """Return a tree as text.

    Examples
    --------
    >>> from jacobians.formulas.parser import parse
    >>> text(parse("(A+A')*x").body)
    '(A + Aᵀ)·x'
    """
    return _WRITERS[node.op](node)


def binding(node: Node) -> int:
    """Return how tightly the outermost sign of a tree binds."""
    if node.op == "num":
        return 3 if node.value.denominator != 1 else 4 if node.value < 0 else _TIGHT
    if node.op == "neg":
        return min(4, binding(node.args[0]))
    if node.op in ("eye", "ones", "zeros", "size") and _product_of_sizes(node):
        return 1 if node.op in ("eye", "ones") else 3
    return _BINDING.get(node.op, _TIGHT)


def _product_of_sizes(node: Node) -> bool:
    return node.op != "zeros" and len(node.value) > 1


def _in(node: Node, least: int) -> str:
    return text(node) if binding(node) >= least else f"({text(node)})"


def _add(node: Node) -> str:
    out = _in(node.args[0], 1)
    for arg in node.args[1:]:
        negative = arg.op == "neg" or (arg.op == "num" and arg.value < 0)
        if arg.op == "neg":
            out += f" − {_in(arg.args[0], 1)}"
        elif negative:
            out += f" − {_number(-arg.value)}"
        else:
            out += f" + {_in(arg, 1)}"
    return out


def _number(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}" if value.denominator != 1 else str(value.numerator)


def _num(node: Node) -> str:
    return ("−" if node.value < 0 else "") + _number(abs(node.value))


def _mul(node: Node) -> str:
    first, *rest = node.args
    return "·".join(
        [
            _in(first, 4 if first.op == "mul" else 3),
            *(_in(arg, 5 if arg.op == "div" or arg.op == "mul" else 4) for arg in rest),
        ]
    )


def _div(node: Node) -> str:
    return f"{_in(node.args[0], 3)}/{_in(node.args[1], 5)}"


def _had(node: Node) -> str:
    sign = " ⊙ " if node.op == "had" else " ⊘ "
    first, *rest = node.args
    return sign.join([_in(first, 2 if first.op == node.op == "had" else 3), *(_in(arg, 3) for arg in rest)])


def _superscript(exponent: Node) -> str:
    if exponent.op == "num" and exponent.value.denominator == 1:
        return str(exponent.value.numerator).translate(_SUPER)
    return f"^{text(exponent)}" if exponent.op == "name" else f"^({text(exponent)})"


def _pow(node: Node) -> str:
    base = node.args[0]
    # a transpose or a power below another one is put in brackets: a reader should not have to know who is first
    inner = _in(base, 7)
    dot = "∘" if node.op == "epow" else ""
    return f"{inner}{dot}{_superscript(node.args[1])}"


def _transpose(node: Node) -> str:
    base = node.args[0]
    if base.op == "pow" and is_number(base.args[1], -1):
        return f"{_in(base.args[0], 7)}⁻ᵀ"
    return f"{_in(base, 7)}ᵀ"


def _call(node: Node) -> str:
    if not isinstance(node.value, str):
        function, (option, value) = node.value
        return f"{function}({', '.join(map(text, node.args))}, {option}={value})"
    inner = ", ".join(text(arg) for arg in node.args)
    if node.value in ("norm2", "normF") and "‖" not in inner:
        return f"‖{inner}‖_F" if node.value == "normF" else f"‖{inner}‖"
    row = ELEMENTWISE.get(node.value)
    return f"{row.text if row is not None and row.text else node.value}({inner})"


def _zeros(node: Node) -> str:
    rows, columns = node.value
    if len(rows) > 1 or len(columns) > 1:
        return f"zeros({', '.join('*'.join(map(str, size)) or '1' for size in node.value)})"
    if not columns:
        return _sized("0", "zeros", size_text(rows))
    made = _sized("0", "zeros", size_text(rows), size_text(columns))
    return made if "(" in made else made.replace(",", "×")


def _sized(sign: str, function: str, *sizes: Any) -> str:
    """Return I_n, or eye(n_1) for a size that has an underscore of its own."""
    if any("_" in str(size) for size in sizes):
        return f"{function}({', '.join(map(str, sizes))})"
    return f"{sign}_{','.join(map(str, sizes))}"


def index_text(spec: Any) -> str:
    """Return an index or a slice as Python writes it."""
    if not isinstance(spec, tuple):
        return ":" if spec is None else str(spec)
    start, stop = spec
    return f"{'' if start == 0 and not (isinstance(stop, int) and stop > 0) else place_text(start)}:{place_text(stop)}"


def bounds(node: Node) -> str:
    """Return what stands in the brackets of an index."""
    shown = [index_text(spec) for spec in node.value]
    return ",".join(shown if node.value[1] is not None else shown[:1])


_WRITERS = {
    "index": lambda node: f"{_in(node.args[0], 7)}[{bounds(node)}]",
    "stack": lambda node: f"[{('; ' if node.value == 'rows' else ', ').join(map(text, node.args))}]",
    "num": _num,
    "name": lambda node: node.value,
    "size": lambda node: size_text(node.value),
    "eye": lambda node: " ⊗ ".join(_sized("I", "eye", atom) for atom in node.value) or "1",
    "ones": lambda node: " ⊗ ".join(_sized("𝟏", "ones", atom) for atom in node.value) or "1",
    "zeros": _zeros,
    "comm": lambda node: _sized("K", "K", *(size_text(size) for size in node.value)),
    "add": _add,
    "neg": lambda node: f"−{_in(node.args[0], 3)}",
    "mul": _mul,
    "div": _div,
    "had": _had,
    "hdiv": _had,
    "kron": lambda node: " ⊗ ".join(_in(arg, 3) for arg in node.args),
    "khatri": lambda node: " ∗ ".join(_in(arg, 3) for arg in node.args),
    "T": _transpose,
    "pow": _pow,
    "epow": _pow,
    "call": _call,
}
