"""Formulas under check: ours, as numbers and as they are printed, and a person's own in place of ours.

The judge is the forward text: NumPy on its tree, differentiated by the existing witnesses at random points of distinct
sizes. What is printed is read back and compared by value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jacobians.equality import ByValue
from jacobians.formulas import Derivative, FormulaError, derive
from jacobians.formulas.inference import infer
from jacobians.formulas.latex import text_of_latex
from jacobians.formulas.numpy_code import python_name
from jacobians.formulas.parser import parse
from jacobians.formulas.tree import Node, Program
from jacobians.numerics.arguments import checked_instance, checked_integer
from verification.causes import Slip
from verification.formula_diagnosis import diagnosis_of
from verification.formula_points import Point, confirmed_points, error_of, layouts_of, value_at, without_ones
from verification.report import Verdict

TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class FormulaReport(ByValue):
    """The verdict on a formula.

    Parameters
    ----------
    formula, by, candidate : str
        What was judged; `candidate` is the line.
    verdict : str
        "right", "wrong" or "undecided".
    layout : str
        As what the candidate is right, such as "gradient, in the shape of x"; empty if it is wrong.
    diagnosis : str
        What is wrong with it, as far as that is known.
    expected : str
        The derivative as it is printed here.
    points : int
        At how many points, each of sizes of its own, it was judged.
    worst : float
        The largest error relative to the largest entry.
    mistake : str
        The diagnosis without what it tells of the answer: neither the missing term nor the factor.
    slip : Slip
        The same as a word, where it is a slip that Jacobians know, too: sign, factor, transposed.
    """

    formula: str
    by: str
    candidate: str
    verdict: Verdict
    layout: str
    diagnosis: str
    expected: str
    points: int
    worst: float
    mistake: str = ""
    slip: Slip = Slip.UNKNOWN

    def __bool__(self) -> bool:
        """Return `passed`: a report is not true because it exists."""
        return self.passed

    @property
    def passed(self) -> bool:
        """Whether the candidate is right."""
        return self.verdict == "right"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**vars(self), "passed": self.passed}

    def __str__(self) -> str:
        line = f"{self.verdict}: ∂({self.formula})/∂{self.by} = {self.candidate}"
        more = [f"  {self.layout}" if self.layout else "", f"  {self.diagnosis}" if self.diagnosis else ""]
        more.append(f"  expected {self.expected}" if self.verdict == "wrong" else "")
        more.append(f"  {self.points} points of distinct sizes, largest relative error {self.worst:.1e}")
        return "\n".join([line, *filter(None, more)])


def check_formula(
    formula: str,
    by: str,
    candidate: str | None = None,
    *,
    declare: Mapping[str, Any] | None = None,
    points: int = 2,
    seed: int = 0,
) -> FormulaReport:
    """Return a verdict on the derivative of a formula: ours with every line that is printed, or a person's own.

    Parameters
    ----------
    formula, by, declare
        As for `jacobians.derive`; by ``"vech(X)"`` the witnesses move X and keep it symmetric.
    candidate : str, optional
        A person's own derivative, in the language or as it is printed here. It may be the gradient in the input's shape
        or the Jacobian matrix in either layout and vec order; the report says which it is.
    points : int
        How many random points, of sizes of their own.
    seed : int
        Of the random numbers.

    Returns
    -------
    FormulaReport

    Raises
    ------
    FormulaError
        If a text is not understood, or the candidate has names that the formula has not.

    Examples
    --------
    >>> print(check_formula("x'*A*x", "x", "2*A*x"))
    wrong: ∂(x'*A*x)/∂x = 2*A*x
      right for symmetric A
      expected (A + Aᵀ)·x
      2 points of distinct sizes, largest relative error ...
    """
    return asked(formula, by, declare=declare, points=points, seed=seed).judged(candidate)


@dataclass(frozen=True)
class Asked:
    """A derivative that is asked for, found once for all candidates.

    Attributes
    ----------
    d : Derivative
    points : list of Point
        Where the witnesses confirmed it.
    enough : bool
        Whether these are as many as were asked for.
    """

    d: Derivative
    points: list[Point]
    enough: bool

    def judged(self, candidate: str | None) -> FormulaReport:
        """Return the verdict on a person's own derivative, or for None on ours."""
        d, found = self.d, self.points
        by = f"vech({d.by})" if d.half else d.by
        own = None if candidate is None else _candidate(checked_instance(candidate, "candidate", str), d)
        said = " ".join((candidate or d.text).split())
        if not self.enough:
            reason = (
                "no points were found at which the witnesses confirm a derivative; declare what holds of the variables"
            )  # fmt: skip
            return FormulaReport(
                d.formula, by, said, "undecided", "", reason, d.text, len(found), float("nan")
            )
        if own is None:
            return _ours(d, by, said, found)
        errors = {name: error_of(own, expected, found, vec) for name, expected, vec in layouts_of(d)}
        layout = min(errors, key=lambda name: errors[name])
        if errors[layout] <= TOLERANCE:
            return FormulaReport(d.formula, by, said, "right", layout, "", d.text, len(found), errors[layout])
        wrong = diagnosis_of(own, d, found)
        return FormulaReport(
            d.formula, by, said, "wrong", "", str(wrong), d.text, len(found), errors[layout], wrong.name, wrong.slip
        )  # fmt: skip


def asked(
    formula: str, by: str, *, declare: Mapping[str, Any] | None = None, points: int = 2, seed: int = 0
) -> Asked:
    """Return what `check_formula` judges a candidate by.

    Raises
    ------
    FormulaError
        If a text is not understood.

    Examples
    --------
    >>> question = asked("x'*A*x", "x")
    >>> [question.judged(own).verdict for own in ("2*A*x", "A*x + A'*x")]
    ['wrong', 'right']
    """
    checked_integer(points, "points")
    d = derive(formula, by, declare=declare)
    found = confirmed_points(d, points, seed)
    return Asked(d, found, len(found) == points)


def same_formula(
    a: str, b: str, *, declare: Mapping[str, Any] | None = None, points: int = 3, seed: int = 0
) -> bool:
    """Return whether two formulas have the same values at random points of distinct sizes.

    Raises
    ------
    FormulaError
        If a text is not understood, or the two do not fit together.

    Examples
    --------
    >>> same_formula("tr(A*B)", "tr(B*A)"), same_formula("A*B", "B*A", declare={"A": "n×n", "B": "n×n"})
    (True, False)
    """
    names = [name for name in derive_names(a, declare) if name in derive_names(b, declare)]
    if not names:
        raise FormulaError("formulas: found no name in both, expected two formulas of the same variables")
    left = derive(a, names[0], declare=declare)
    program = _candidate(b, left)
    found = confirmed_points(left, points, seed)
    for point in found:
        one, two = (value_at(p, point) for p in (left.program, program))
        if one.shape != two.shape or not np.allclose(
            one, two, rtol=1e-9, atol=1e-9 * (1 + np.abs(one).max())
        ):
            return False
    return len(found) == points


def written_alike(a: str, b: str) -> bool:
    """Return whether two formulas are written in the same way, up to signs, spaces and the order of terms.

    Raises
    ------
    FormulaError
        If a text is not understood.

    Examples
    --------
    >>> written_alike("(A + A')*x", "(Aᵀ+A)·x"), written_alike("(A + A')*x", "A*x + A'*x")
    (True, False)
    """
    one, two = (_written(_read(text)) for text in (a, b))
    return one == two


def _read(text: str) -> Program:
    """Return the tree of a text or of LaTeX, which has a backslash or stands between dollars."""
    return parse(text_of_latex(text) if "\\" in text or "$" in text else text)


def _written(program: Program) -> tuple[Any, ...]:
    def form(node: Node) -> tuple[Any, ...]:
        parts = [form(arg) for arg in node.args]
        return (node.op, repr(node.value), *(sorted(parts, key=repr) if node.op in ("add", "had") else parts))

    return (*((name, form(node)) for name, node in program.lets), form(program.body))


def derive_names(formula: str, declare: Mapping[str, Any] | None = None) -> list[str]:
    """Return the variables of a formula, in order."""
    from jacobians.formulas.declarations import declarations

    said = declarations(declare)
    return infer(parse(formula), said).variables


# --- judging -----------------------------------------------------------------------------------------------------


def _candidate(text: str, d: Derivative) -> Program:
    """Return a candidate's tree; its names are those of the formula, its sizes fit."""
    program = _read(text)
    d.fits(program)
    return program


def _ours(d: Derivative, by: str, said: str, points: list[Point]) -> FormulaReport:
    """Judge every line that is printed of our derivative."""
    worst, wrong = 0.0, []
    layouts = {name: (expected, vec) for name, expected, vec in layouts_of(d)}
    for name, line, tex, code in d.lines():
        expected, vec = layouts[name]
        for text in (line, text_of_latex(tex)):
            error = error_of(parse(text), expected, points, vec)
            worst = max(worst, error)
            wrong += [f"the line {text!r} is not the derivative"] if error > TOLERANCE else []
        for point in points:
            values = {python_name(name): without_ones(a) for name, a in point.values.items()}
            scope = {"np": np, **point.sizes, **values}
            if "scipy" in code:
                import scipy.special

                scope["scipy"] = scipy
            found, right = np.asarray(eval(code, scope)), expected(point)  # our own code, from our own tree
            error = float(np.abs(np.broadcast_to(found.reshape(-1), right.size) - right.ravel()).max())
            error /= max(float(np.abs(right).max()), 1e-12)
            worst = max(worst, error)
            wrong += [f"the code {code!r} is not the derivative"] if error > TOLERANCE else []
    verdict: Verdict = "wrong" if wrong else "right"
    return FormulaReport(
        d.formula, by, said, verdict, "" if wrong else d.kind, "; ".join(wrong), d.text, len(points), worst
    )
