"""Closed forms with sizes as letters: text to tree, index form, derivative, matrix notation, and text again.

``parser`` and ``tree`` hold what is written, ``sizes`` what fits, ``nodes`` and ``normal`` the index form, ``derive``
the rules, ``matrix_form`` the way back, ``text`` what is printed, ``values`` and ``contraction`` numbers of both. The
functions are rows of ``functions``.
"""

from jacobians.formulas.derivation import derive
from jacobians.formulas.formula import Derivative
from jacobians.formulas.tree import FormulaError, ShapeError

__all__ = ["Derivative", "FormulaError", "ShapeError", "derive"]
