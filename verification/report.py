"""What a check found: a verdict with its reasons, for people, notebooks and machines."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from jacobians.equality import ByValue
from jacobians.markup import html_table
from jacobians.numerics.arguments import checked_option, shown
from jacobians.numerics.arrays import Array
from jacobians.pickling import Pickled
from verification.causes import Cause

if TYPE_CHECKING:
    from jacobians.picture import Picture

Reveal = Literal["verdict", "diagnosis", "worst", "all"]
"""What a failure tells: in a cell for students the whole report would be the answer."""
Verdict = Literal["right", "wrong", "undecided"]
Status = Literal["agrees", "disagrees", "undecided", "unavailable"]

SENTENCES: dict[Cause, str] = {
    Cause.DIFFERS: "{count} of {of} entries differ",
    Cause.CANCELLED: "no entry is right to 1e-3: a formula that cancels here, as 1 − tanh² does, or a wrong one",
    Cause.OFF_EVERYWHERE: "no entry is right to 1e-3, and rounding could explain that: its terms are so much larger",
    Cause.ROUNDING: "{count} of {of} entries can't be told from rounding",
    Cause.IMPRECISE: "not precise enough in {count} of {of} entries",
    Cause.KINK: "kink within the step",
    Cause.BENDS: "f bends too much within the step",
    Cause.NOT_FINITE: "no finite derivative in {count} of {of} entries",
}
"""What a witness says for a cause that it has about some of its entries."""

COLOURS: dict[Verdict, str] = {"right": "#1a7f37", "wrong": "#cf222e", "undecided": "#8a5d00"}
"""Of the ground behind the verdict in HTML, which white text is read on, with a contrast above 4.5."""


def sentence(cause: Cause, count: int, of: int) -> str:
    """Return what a witness says for a cause about `count` of `of` entries.

    Examples
    --------
    >>> sentence(Cause.KINK, 1, 4)
    'kink within the step in 1 of 4 entries'
    """
    where = " in {count} of {of} entries" if cause in (Cause.KINK, Cause.BENDS) else ""
    return (SENTENCES[cause] + where).format(count=count, of=of)


def told(report: Any, reveal: Reveal, worst: list[str]) -> str:
    """Return what is told of something with a verdict, a reason and a diagnosis; `worst` are lines with values."""
    checked_option(reveal, "reveal", get_args(Reveal))
    if reveal == "all":
        return str(report)
    if reveal == "verdict":
        return str(report.verdict)
    lines = [f"{report.verdict}: {report.reason}"]
    if report.diagnosis is not None:
        lines.append(f"diagnosis: {report.diagnosis.without_values}")
    return "\n".join([*lines, *(worst if reveal == "worst" else [])])


@dataclass(frozen=True, eq=False)
class Witness(ByValue):
    """What one independent witness says about a candidate.

    Attributes
    ----------
    name : str
        "finite-difference", "complex-step", "symbolic", …
    status : {"agrees", "disagrees", "undecided", "unavailable"}
        Undecided says that it ran and its precision, or a kink, allows no answer.
    error : float or None
        The largest deviation of the candidate from it, as a fraction of the size of the expected entry's row;
        None if it found no values.
    reason : str
        Why it is unavailable or undecided, or what it compared.
    seconds : float
        The time that it took; for the symbolic witness this is sympy's.
    matrix : numpy.ndarray or None, shape (m, n)
        The Jacobian that it found.
    cause : Cause or None
        Why it says so: what verdicts are made from. The reason is made from it, and from the words of others.
    entries : int
        About how many entries the cause is.
    step : str
        For a kink of a step of the code: the function and the line of it, "" where that isn't known.
    """

    name: str
    status: Status
    error: float | None = None
    reason: str = ""
    seconds: float = 0.0
    matrix: Array | None = field(default=None, repr=False, compare=False)
    cause: Cause | None = None
    entries: int = 0
    step: str = ""


@dataclass(frozen=True, eq=False)
class Worst(ByValue):
    """The entry that deviates most, measured by what would have been tolerated there.

    Attributes
    ----------
    index : tuple of int
        (i, j) in the (m, n) matrix.
    out_index, in_index : tuple of int
        The same entry in the shape of f(x) and in the shape of x: index of the mixed tensor, in two parts.
    found, expected : float
        The candidate's value and the most precise witness's.
    place : tuple of int
        The same entry in the candidate's own shape: of a gradient, a tensor, the Jacobians of a batch.
    """

    index: tuple[int, int]
    out_index: tuple[int, ...]
    in_index: tuple[int, ...]
    found: float
    expected: float
    place: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.place, tuple) and not self.place:
            object.__setattr__(self, "place", self.index)

    @property
    def tensor_index(self) -> tuple[int, ...]:
        """The index in the tensor of shape out_shape + in_shape."""
        return self.out_index + self.in_index


@dataclass(frozen=True, eq=False)
class CheckReport(Pickled):
    """The verdict of a check and everything that it rests on; printing it is the way to read it.

    Attributes
    ----------
    verdict : {"right", "wrong", "undecided"}
        The third is for a kink, and for witnesses that can't tell.
    reason : str
        One sentence.
    witnesses : tuple of Witness
        All of them, those that could not run too.
    worst : Worst or None
        The worst entry.
    diagnosis : Diagnosis or None
        For a wrong candidate the most likely mistake.
    shape, out_shape, in_shape : tuple of int
        (m, n), and the shapes of f(x) and of x.
    wrt : str
        By what was differentiated.
    dtype : str
        The precision that the tolerances follow.
    candidate : numpy.ndarray or None, shape (m, n)
        What was checked, for the picture of its errors.
    cause : Cause or None
        Why the verdict is what it is, for machines.
    parts : tuple of CheckReport
        One for each argument, where several were checked; ``report["W"]`` is that of one.

    Examples
    --------
    >>> import numpy as np
    >>> from verification import check
    >>> report = check(lambda x: x**2, [1.0, 2.0], np.diag([2.0, 5.0]))
    >>> report.verdict, report.worst.index, report.worst.found, round(report.worst.expected, 6)
    ('wrong', (1, 1), 5.0, 4.0)
    """

    verdict: Verdict
    reason: str
    witnesses: tuple[Witness, ...] = ()
    worst: Worst | None = None
    diagnosis: Any = None
    shape: tuple[int, int] | None = None
    out_shape: tuple[int, ...] = ()
    in_shape: tuple[int, ...] = ()
    wrt: str = "input"
    dtype: str = "float64"
    candidate: Array | None = field(default=None, repr=False, compare=False)
    cause: Cause | None = None
    parts: tuple[CheckReport, ...] = ()

    def __bool__(self) -> bool:
        """Return `passed`: a report is not true because it exists."""
        return self.passed

    def __getitem__(self, name: str) -> CheckReport:
        """Return the report on one of several arguments.

        Raises
        ------
        KeyError
            If none was checked by this name.
        """
        for part in self.parts:
            if isinstance(name, str) and part.wrt == name:
                return part
        known = ", ".join(part.wrt for part in self.parts) or "none: one argument was checked"
        raise KeyError(f"argument: found {shown(name)}, expected one of {known}")

    @property
    def passed(self) -> bool:
        """True if the verdict is "right", and for no other."""
        return self.verdict == "right"

    @property
    def agreeing(self) -> tuple[str, ...]:
        """The names of the witnesses that agree with the candidate."""
        return tuple(witness.name for witness in self.witnesses if witness.status == "agrees")

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """The names of the witnesses that contradict the candidate."""
        return tuple(witness.name for witness in self.witnesses if witness.status == "disagrees")

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}"]
        if self.parts:
            return "\n".join([*lines, *(f"{part.wrt}: {part}" for part in self.parts)])
        if self.shape is not None:
            lines.append(self._subject())
        if self.witnesses:
            width = max(len(witness.name) for witness in self.witnesses)
            lines.append(f"  {'witness':{width}}  {'says':11}  {'error':>8}  {'seconds':>7}  remark")
            for witness in self.witnesses:
                error = "" if witness.error is None else f"{witness.error:.1e}"
                row = f"  {witness.name:{width}}  {witness.status:11}  {error:>8}  {witness.seconds:7.2f}"
                lines.append(f"{row}  {witness.reason}".rstrip())
        if self.worst is not None:
            lines.append(f"worst entry {self._worst_entry()}")
        if self.diagnosis is not None:
            lines.append(f"diagnosis: {self.diagnosis}")
        return "\n".join(lines)

    def told(self, reveal: Reveal) -> str:
        """Return what is told of the report: the verdict, the diagnosis, the worst entry with both values, or all.

        Examples
        --------
        >>> import numpy as np
        >>> from verification import check
        >>> report = check(lambda x: x**2, [1.0, 2.0], -np.diag([2.0, 4.0]))
        >>> report.told("verdict")
        'wrong'
        >>> print(report.told("diagnosis"))
        wrong: ... witnesses that ran disagree (...)
        diagnosis: the sign is wrong: the candidate is −J
        """
        if self.parts and reveal not in ("verdict", "all"):
            lines = (f"{part.wrt}: {part.told(reveal)}" for part in self.parts if not part.passed)
            return "\n".join([f"{self.verdict}: {self.reason}", *lines])
        return told(self, reveal, [f"worst entry {self._worst_entry()}"] if self.worst is not None else [])

    def _subject(self) -> str:
        m, n = self.shape or (0, 0)
        return (
            f"Jacobian by {self.wrt}: {m}×{n}, f(x) {self.out_shape}, {self.wrt} {self.in_shape} "
            f"(numerator layout, row-major vec, {self.dtype})"
        )

    def _worst_entry(self) -> str:
        assert self.worst is not None
        worst = self.worst
        place = f"output {list(worst.out_index)}, {self.wrt} {list(worst.in_index)}"
        return f"{list(worst.place)} ({place}): found {worst.found!r}, expected {worst.expected!r}"

    def _repr_html_(self) -> str:
        """Return the report as a table, for notebooks; unless it is right with the picture of the errors."""
        style = f' style="color:#fff;background:{COLOURS[self.verdict]};padding:0 .4em"'
        parts = [
            f"<p><strong{style}>{self.verdict}</strong>: {html.escape(self.reason)}</p>",
            *(f"<p><em>{html.escape(part.wrt)}</em></p>{part._repr_html_()}" for part in self.parts),
        ]
        if self.shape is not None:
            parts.append(f"<p>{html.escape(self._subject())}</p>")
        if self.witnesses:
            rows = [
                [
                    witness.name,
                    witness.status,
                    "" if witness.error is None else f"{witness.error:.1e}",
                    f"{witness.seconds:.2f}",
                    witness.reason,
                ]
                for witness in self.witnesses
            ]
            names = ["witness", "says", "error", "seconds", "remark"]
            parts.append(html_table(names, rows, numeric=(2, 3)))
        if self.worst is not None:
            parts.append(f"<p>worst entry {html.escape(self._worst_entry())}</p>")
        if self.diagnosis is not None:
            parts.append(f"<p>diagnosis: {html.escape(str(self.diagnosis))}</p>")
        if not self.passed and self.expected is not None:
            from verification.pictures import matplotlib_is_there

            if matplotlib_is_there():
                parts.append(self.picture().inline)
        return "\n".join(parts)

    @property
    def expected(self) -> Array | None:
        """What the candidate is drawn against: of the last witness that contradicts it, or else agrees, or can't tell.

        None if no entries were compared.
        """
        if self.candidate is None:
            return None
        for status in ("disagrees", "agrees", "undecided"):
            found = [w.matrix for w in self.witnesses if w.status == status and w.matrix is not None]
            if found:
                return found[-1]
        return None

    @property
    def error(self) -> float:
        """The largest deviation from `expected`, as a fraction of the size of its row; 0 if nothing was compared."""
        return max((w.error or 0.0 for w in self.witnesses if w.matrix is self.expected), default=0.0)

    def picture(self) -> Picture:
        """Return the heat map of the candidate's errors, with the worst entry marked.

        Raises
        ------
        ValueError
            If there is nothing to draw: no candidate was kept, or no witness found values.
        ImportError
            If matplotlib is missing: it comes with the extra ``report``.
        """
        from verification.pictures import error_map

        expected = self.expected
        if expected is None or self.candidate is None:
            raise ValueError(
                "picture: found no matrix to compare with, expected a check that compared entries"
            )
        return error_map(self.candidate, expected, worst=None if self.worst is None else self.worst.index)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values for JSON; what isn't finite becomes a string."""
        worst = None
        if self.worst is not None:
            worst = {
                "index": list(self.worst.index),
                "place": list(self.worst.place),
                "out_index": list(self.worst.out_index),
                "in_index": list(self.worst.in_index),
                "found": _json_number(self.worst.found),
                "expected": _json_number(self.worst.expected),
            }
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "cause": None if self.cause is None else str(self.cause),
            "reason": self.reason,
            "wrt": self.wrt,
            "shape": None if self.shape is None else list(self.shape),
            "out_shape": list(self.out_shape),
            "in_shape": list(self.in_shape),
            "dtype": self.dtype,
            "witnesses": [
                {
                    "name": witness.name,
                    "status": witness.status,
                    "error": None if witness.error is None else _json_number(witness.error),
                    "cause": None if witness.cause is None else str(witness.cause),
                    "reason": witness.reason,
                    "seconds": witness.seconds,
                }
                for witness in self.witnesses
            ],
            "worst": worst,
            "diagnosis": None if self.diagnosis is None else str(self.diagnosis),
            **({"parts": [part.to_dict() for part in self.parts]} if self.parts else {}),
        }


def _json_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
