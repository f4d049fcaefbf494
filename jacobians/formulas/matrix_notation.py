"""Lines in matrix notation, as text, LaTeX and NumPy code."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jacobians.equality import ByValue
from jacobians.formulas.context import Context
from jacobians.formulas.effort import bounded
from jacobians.formulas.latex import latex
from jacobians.formulas.naming import Named, with_powers
from jacobians.formulas.numpy_code import NumpyCode
from jacobians.formulas.text import text
from jacobians.formulas.tree import Node


class Form(ByValue):
    """A formula in matrix notation, printed as text; a derivative makes it.

    Parameters
    ----------
    tree : Node
        What is written.
    context : Context
        The sizes of its names, and what names of lines stand for.
    vec : str
        What vec means in it.
    """

    def __init__(self, tree: Node, context: Context, vec: str) -> None:
        self.tree, self.shapes, self._context, self._vec = tree, context.shapes, context, vec

    @cached_property
    def printed(self) -> Named:
        """The tree with powers and with names for its repeated parts, and what they stand for."""
        return self._context.named(with_powers(self.tree), self._vec)

    @property
    def _compared(self) -> tuple[Any, ...]:
        return self.tree, self._vec, self._context.declared

    @bounded()
    def code(self) -> str:
        """Return the formula as an expression in NumPy, vectors as arrays of one axis; ``(p := …)`` names a part."""
        return NumpyCode(self.shapes, self._vec).of(self.printed.tree, self.printed.parts)

    @bounded()
    def __repr__(self) -> str:
        tree, parts = self.printed
        meanings = ", ".join(f"{name} = {text(node)}" for name, node in parts)
        return f"{text(tree)} where {meanings}" if parts else text(tree)

    @bounded()
    def latex(self) -> str:
        """Return the formula as LaTeX."""
        tree, parts = self.printed
        meanings = r",\quad ".join(
            f"{latex(Node('name', value=name))} = {latex(node)}" for name, node in parts
        )
        return rf"{latex(tree)} \quad\text{{where}}\quad {meanings}" if parts else latex(tree)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"
