"""Matrix expressions of sympy as text of the language; sympy is not imported here, and its derivatives are not used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.tree import FormulaError


def read_expression(expression: Any, declare: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Return a sympy expression as text of the language, with the sizes of its symbols.

    Raises
    ------
    FormulaError
        If it holds what the language has not; the sentence names the class.
    """
    reader = _Reader()
    text = reader.of(expression)
    return text, {**reader.declared, **(declare or {})}


class _Reader:
    def __init__(self) -> None:
        self.declared: dict[str, Any] = {}

    def of(self, e: Any) -> str:
        """Return an expression's text, in brackets where it is compound."""
        kind = type(e).__name__
        if kind not in _KINDS:
            if kind.lower() in ELEMENTWISE or kind in _FUNCTIONS:
                return f"{_FUNCTIONS.get(kind, kind.lower())}({self.of(e.args[0])})"
            if e.is_Number:
                return f"({e})" if e.is_negative or (e.is_Rational and not e.is_Integer) else str(e)
            raise FormulaError(
                f"formula: found sympy's {kind}, expected matrix expressions of sums, products, powers, transposes, "
                "inverses, traces, determinants and functions of numbers"
            )
        return _KINDS[kind](self, e)

    def side(self, size: Any) -> str:
        """Return a size as a letter or a number."""
        if not (size.is_Integer or size.is_Symbol):
            raise FormulaError(
                f"formula: found the size {size} in sympy's expression, expected a symbol or a number"
            )
        return str(size)

    def symbol(self, e: Any) -> str:
        """Return a symbol's name, and note its sizes."""
        self.declared[e.name] = "×".join(map(self.side, e.shape))
        return str(e.name)

    def joined(self, e: Any, sign: str) -> str:
        """Return arguments with a sign between them."""
        return "(" + sign.join(map(self.of, e.args)) + ")"

    def scalar(self, e: Any) -> str:
        """Return a number's symbol."""
        self.declared.setdefault(e.name, "scalar")
        return str(e.name)

    def element(self, e: Any) -> str:
        """Return an entry of a matrix."""
        if not all(index.is_Integer for index in e.args[1:]):
            raise FormulaError(f"formula: found the entry {e}, expected whole numbers as indices")
        return f"{self.of(e.args[0])}[{e.args[1]},{e.args[2]}]"

    def applied(self, e: Any) -> str:
        """Return a function entry by entry."""
        inner = type(e.function.expr).__name__
        if inner.lower() not in ELEMENTWISE or e.function.expr.args != tuple(e.function.variables):
            raise FormulaError(f"formula: found {e.function} entry by entry, expected one known function")
        return f"{inner.lower()}({self.of(e.expr)})"


_FUNCTIONS = {
    "Abs": "abs",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "atanh": "arctanh",
}

_KINDS: dict[str, Callable[[_Reader, Any], str]] = {
    "MatrixSymbol": _Reader.symbol,
    "Symbol": _Reader.scalar,
    "Dummy": _Reader.scalar,
    "MatAdd": lambda r, e: r.joined(e, " + "),
    "Add": lambda r, e: r.joined(e, " + "),
    "MatMul": lambda r, e: r.joined(e, "*"),
    "Mul": lambda r, e: r.joined(e, "*"),
    "HadamardProduct": lambda r, e: r.joined(e, " .* "),
    "HadamardPower": lambda r, e: f"({r.of(e.args[0])}).^({r.of(e.args[1])})",
    "MatPow": lambda r, e: f"({r.of(e.args[0])})^({r.of(e.args[1])})",
    "Pow": lambda r, e: f"({r.of(e.args[0])})^({r.of(e.args[1])})",
    "Transpose": lambda r, e: f"({r.of(e.args[0])})'",
    "Inverse": lambda r, e: f"inv({r.of(e.args[0])})",
    "Trace": lambda r, e: f"tr({r.of(e.args[0])})",
    "Determinant": lambda r, e: f"det({r.of(e.args[0])})",
    "KroneckerProduct": lambda r, e: "(" + " ⊗ ".join(map(r.of, e.args)) + ")",
    "Identity": lambda r, e: f"eye({r.side(e.shape[0])})",
    "ZeroMatrix": lambda r, e: f"zeros({', '.join(map(r.side, e.shape))})",
    "OneMatrix": lambda r, e: f"ones({', '.join(map(r.side, e.shape))})",
    "DiagMatrix": lambda r, e: f"diag({r.of(e.args[0])})",
    "DiagonalMatrix": lambda r, e: f"diag(diag({r.of(e.args[0])}))",
    "MatrixElement": _Reader.element,
    "ElementwiseApplyFunction": _Reader.applied,
    "Pi": lambda r, e: "pi",
    "Half": lambda r, e: "(1/2)",
}
