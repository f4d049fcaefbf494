"""What a formula of the notes is here: a claim that the toolkit makes, and witnesses that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jacobians.equality import ByValue
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_instance, checked_list, shown

Array = NDArray[Any]

TOLERANCE = 1e-6
"""The largest difference that passes, in proportion to the largest entry: what central differences resolve."""


@dataclass(frozen=True)
class Witness:
    """An independent way to the value that a formula claims.

    Attributes
    ----------
    name : str
        "finite differences", "symbolic", "entry by entry", …
    value : callable
        Without arguments; returns the expected array.
    tolerance : float
        The largest difference that passes, in proportion to the largest entry.
    """

    name: str
    value: Callable[[], Any]
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Slip:
    """A formula as it is printed, where the print is wrong.

    Attributes
    ----------
    printed : str
        The printed formula, as LaTeX.
    what : str
        What is wrong with it, in one sentence.
    value : callable
        Without arguments; returns what the printed formula gives, or raises ValueError where it can't be formed.
    """

    printed: str
    what: str
    value: Callable[[], Any]


@dataclass(frozen=True)
class Formula:
    """One row of the notes: a capability of the toolkit, with its witnesses.

    Attributes
    ----------
    id : str
        "A1" to "E9".
    title : str
        What it is about.
    latex : str
        The right formula.
    shapes, layout : str
        As a reader would write them.
    claim : callable
        Without arguments; returns the value that the toolkit gives through its public interface.
    witnesses : tuple of Witness
        At least two.
    slip : Slip, optional
    """

    id: str
    title: str
    latex: str
    shapes: str
    layout: str
    claim: Callable[[], Any]
    witnesses: tuple[Witness, ...]
    slip: Slip | None = None

    def __post_init__(self) -> None:
        witnesses = checked_list(self.witnesses, "witnesses", "at least two of Witness")
        for place, witness in enumerate(witnesses):
            checked_instance(witness, f"witnesses[{place}]", Witness)
        object.__setattr__(self, "witnesses", tuple(witnesses))
        if len(self.witnesses) < 2:
            raise ValueError(
                f"witnesses: found {len(self.witnesses)} of {shown(self.id)}, expected at least two"
            )


@dataclass(frozen=True, eq=False)
class Finding(ByValue):
    """What one witness, or the printed formula, says of a claim.

    Attributes
    ----------
    name : str
    agrees : bool
    difference : float
        The largest difference divided by the largest expected entry (by 1 if all are 0); inf
        where the shapes differ, NaN where a value is not finite or an error stopped it.
    remark : str
        Why it could not be compared; empty where it could.
    """

    name: str
    agrees: bool
    difference: float
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Result(ByValue):
    """The verdict of one formula.

    Attributes
    ----------
    formula : Formula
    witnesses : tuple of Finding
    slip : Finding or None
        How the printed formula compares with the first witness: it has to disagree.
    """

    formula: Formula
    witnesses: tuple[Finding, ...]
    slip: Finding | None

    @property
    def passed(self) -> bool:
        """Whether every witness agrees with the claim, and a printed slip with none of them."""
        right = len(self.witnesses) >= 2 and all(finding.agrees for finding in self.witnesses)
        return right and (self.slip is None or not self.slip.agrees)

    def __bool__(self) -> bool:
        """Return :attr:`passed`."""
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        formula = self.formula
        slip = None
        if formula.slip is not None and self.slip is not None:
            slip = {
                "printed": formula.slip.printed,
                "what": formula.slip.what,
                "fails": not self.slip.agrees,
                "difference": _number(self.slip.difference),
                "remark": self.slip.remark,
            }
        return {
            "id": formula.id,
            "title": formula.title,
            "latex": formula.latex,
            "shapes": formula.shapes,
            "layout": formula.layout,
            "passed": self.passed,
            "witnesses": [
                {
                    "name": finding.name,
                    "agrees": finding.agrees,
                    "difference": _number(finding.difference),
                    "remark": finding.remark,
                }
                for finding in self.witnesses
            ],
            "slip": slip,
        }


def _number(value: float) -> float | None:
    """JSON has neither infinity nor NaN."""
    return float(value) if np.isfinite(value) else None


def run(formula: Formula) -> Result:
    """Evaluate a formula's claim and compare it with its witnesses; a claim that raises passes nothing.

    Examples
    --------
    >>> def claim():
    ...     return np.array([2.0])
    >>> result = run(Formula("X1", "two", "1 + 1", "1", "–", claim,
    ...                      (Witness("by hand", lambda: [2.0]), Witness("sum", lambda: [1.0 + 1.0]))))
    >>> result.passed
    True
    """
    checked_instance(formula, "formula", Formula)
    try:
        claim = np.asarray(formula.claim(), dtype=float)
    except (
        Exception
    ) as error:  # a broken derivative may raise anything; the row must turn red, not stop the others
        remark = f"the claim raised {class_name(error)}: {error}"
        lost = tuple(Finding(witness.name, False, float("nan"), remark) for witness in formula.witnesses)
        return Result(
            formula, lost, None if formula.slip is None else Finding("printed", False, float("nan"), remark)
        )
    findings = tuple(_witnessed(claim, witness) for witness in formula.witnesses)
    return Result(formula, findings, _slipped(formula))


def _witnessed(claim: Array, witness: Witness) -> Finding:
    try:
        expected = np.asarray(witness.value(), dtype=float)
    except Exception as error:  # as above
        return Finding(witness.name, False, float("nan"), f"raised {class_name(error)}: {error}")
    return compare_values(witness.name, claim, expected, witness.tolerance)


def _slipped(formula: Formula) -> Finding | None:
    if formula.slip is None:
        return None
    witness = formula.witnesses[0]
    try:
        expected = np.asarray(witness.value(), dtype=float)
    except Exception as error:  # as above
        return Finding("printed", True, float("nan"), f"{witness.name} raised {class_name(error)}: {error}")
    try:
        printed = np.asarray(formula.slip.value(), dtype=float)
    except ValueError as error:
        return Finding("printed", False, float("inf"), f"can't be formed: {error}")
    return compare_values("printed", printed, expected, witness.tolerance)


def compare_values(name: str, found: Array, expected: Array, tolerance: float = TOLERANCE) -> Finding:
    """Compare two arrays of equal shape, scaled by the largest expected entry; NaN and emptiness never agree.

    Examples
    --------
    >>> compare_values("w", np.ones(2), np.ones((2, 1))).remark
    'shape (2,) against (2, 1)'
    """
    if found.shape != expected.shape:
        return Finding(name, False, float("inf"), f"shape {found.shape} against {expected.shape}")
    if found.size == 0:
        return Finding(name, False, float("nan"), "empty")
    scale = float(np.max(np.abs(expected)))
    difference = float(np.max(np.abs(found - expected))) / (scale if scale > 0 else 1.0)
    return Finding(name, bool(difference <= tolerance), difference)
