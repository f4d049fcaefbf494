"""Lines in matrix notation, as text, LaTeX and NumPy code."""

from __future__ import annotations

from typing import Any

from jacobians.equality import ByValue
from jacobians.formulas.context import Context
from jacobians.formulas.latex import latex
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
        self.tree, self.shapes, self._vec, self._where = tree, context.shapes, vec, context.where(tree)

    @property
    def _compared(self) -> tuple[Any, ...]:
        names = self.shapes.names
        sizes = {name: tuple(map(self.shapes.final, names[name])) for name in names}
        return self.tree, sizes, self._vec, self._where

    def code(self) -> str:
        """Return the formula as an expression in NumPy, vectors as arrays of one axis."""
        return NumpyCode(self.shapes, self._vec).of(self.tree)

    def __repr__(self) -> str:
        return text(self.tree) + self._where

    def latex(self) -> str:
        """Return the formula as LaTeX."""
        return latex(self.tree)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"
