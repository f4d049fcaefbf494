"""A backward pass as courses write it, checked against its forward pass: a row for each input."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from jacobians.equality import ByValue
from jacobians.numerics.arguments import checked_integer, checked_option, real_number, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.backward_calls import (
    BackwardError,
    Calls,
    arguments_of,
    changed_arrays,
    gradients_by_name,
)
from verification.backward_watch import notes_of_precision
from verification.causes import Cause, Slip
from verification.check import check
from verification.options import require_absolute
from verification.problem import EvaluationError, Problem
from verification.report import CheckReport, Reveal, Verdict, told
from verification.witnesses.asking import Budget
from verification.witnesses.finite_difference import richardson_jacobian
from verification.witnesses.size import seconds_for_all

WITNESSES = ("finite-difference", "complex-step")
"""Which judge each gradient by default: the forward pass is called, or run on complex numbers."""


@dataclass(frozen=True, eq=False)
class GradientRow(ByValue):
    """What is said of the gradient by one input.

    Attributes
    ----------
    name : str
        Of the input.
    verdict : {"right", "wrong", "undecided"}
    reason : str
        One sentence.
    shape : tuple of int
        Of the input.
    report : CheckReport or None
        What it rests on; None where there are no numbers of the right shape.
    diagnosis : Diagnosis or None
        For a wrong one the most likely mistake.
    """

    name: str
    verdict: Verdict
    reason: str
    shape: tuple[int, ...]
    report: CheckReport | None = None
    diagnosis: Any = None

    def __bool__(self) -> bool:
        """Return whether the verdict is "right"."""
        return self.verdict == "right"

    @property
    def _worst(self) -> list[str]:
        worst = None if self.report is None else self.report.worst
        if worst is None or self.verdict == "right":
            return []
        place = f" {list(worst.in_index)}" if worst.in_index else ""
        return [f"  worst entry{place}: found {worst.found!r}, expected {worst.expected!r}"]

    def told(self, reveal: Reveal) -> str:
        """Return what is told of the row: see :meth:`CheckReport.told <verification.CheckReport.told>`."""
        said = told(self, reveal, self._worst)
        return said if reveal == "all" else f"{self.name} {self.shape}: {said}"

    def __str__(self) -> str:
        lines = [f"{self.name} {self.shape}: {self.verdict}: {self.reason}", *self._worst]
        if self.diagnosis is not None:
            lines.append(f"  diagnosis: {self.diagnosis}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class BackwardReport(ByValue):
    """The verdict on a backward pass.

    Attributes
    ----------
    rows : tuple of GradientRow
        One for each input that is an array of floats.
    writes : tuple of str
        What the passes write to and should not: "backward writes to dout".
    notes : tuple of str
        What else was noticed.
    upstream : tuple of numpy.ndarray
        The gradients from above that were used, one for each output.
    """

    rows: tuple[GradientRow, ...]
    writes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    upstream: tuple[Array, ...] = ()

    def __bool__(self) -> bool:
        """Return `passed`: a report is not true because it exists."""
        return self.passed

    @property
    def verdict(self) -> Verdict:
        """Wrong if a gradient is, or something is written to; right if all are."""
        found = {row.verdict for row in self.rows}
        if "wrong" in found or self.writes:
            return "wrong"
        return "right" if found == {"right"} else "undecided"

    @property
    def passed(self) -> bool:
        """True if the verdict is "right", and for no other."""
        return self.verdict == "right"

    def __getitem__(self, name: str) -> GradientRow:
        """Return the row of an input."""
        rows = {row.name: row for row in self.rows}
        if isinstance(name, str) and name in rows:
            return rows[name]
        raise KeyError(f"name: found {shown(name)}, expected one of {', '.join(rows)}")

    def told(self, reveal: Reveal) -> str:
        """Return what is told of the report: of each row the verdict, the diagnosis, the worst entry, or all."""
        checked_option(reveal, "reveal", get_args(Reveal))
        good = sum(row.verdict == "right" for row in self.rows)
        lines = [f"{self.verdict}: {good} of {len(self.rows)} gradients are right", *self.writes]
        notes = [f"note: {note}" for note in self.notes] if reveal != "verdict" else []
        return "\n".join([*lines, *(row.told(reveal) for row in self.rows), *notes])

    def __str__(self) -> str:
        return self.told("all")


@without_float_errors
def check_backward(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None = None,
    *arguments: Any,
    upstream: Any = None,
    gradients: Sequence[str] | None = None,
    cache: bool | None = None,
    witnesses: Iterable[str] | None = WITNESSES,
    rtol: float | None = None,
    atol: float = 0.0,
    seed: int = 0,
    **named: Any,
) -> BackwardReport:
    """Return a verdict on a backward pass: on the gradient by each input, and on what it writes to.

    With upstream gradients u_k of the outputs the gradient by an input is that of Σ_k ⟨u_k, out_k⟩. They are random,
    and symmetric in nothing: of ones, the gradient of a normalisation is 0 and many faults don't show.

    Parameters
    ----------
    forward : callable
        ``out = forward(x, w, b)``, ``(out, cache)``, or several outputs and a cache, ``(h, c, cache)``.
    backward : callable, optional
        ``backward(dout, cache)``, ``backward(dh, dc, cache)``, ``backward(dout)`` or ``backward(dout, x, w, b)``; it
        returns a tuple or list in the order of the inputs, a dict, or one array. None says that `forward` returns a
        loss and its gradients: ``(loss, grads)``.
    *arguments, **named : Any
        What forward is called with. Arrays of floats are inputs, by which is differentiated; labels, numbers,
        dictionaries of options and the like are handed on. Each call gets copies.
    upstream : array_like or sequence of array_like, optional
        The gradients from above in place of random ones; one for each output.
    gradients : sequence of str, optional
        Which inputs the gradients are by, in the order in which they are returned; all by default.
    cache : bool, optional
        Whether the last of a tuple that forward returns is a cache, and no output; True by default.
    witnesses, rtol, atol
        As for :func:`verification.check`.
    seed : int
        For the upstream gradients.

    Returns
    -------
    BackwardReport
        Its ``passed`` is True if all gradients are right and nothing is written to that the caller still needs.

    Raises
    ------
    TypeError, ValueError
        If the call makes no sense: no array of floats among the arguments, an unknown name in `gradients`, an upstream
        gradient of another shape.

    Examples
    --------
    >>> def forward(x, w, b):
    ...     return x @ w + b, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, x.T @ dout, dout
    >>> x, w = np.arange(6.0).reshape(2, 3), np.ones((3, 2))
    >>> report = check_backward(forward, backward, x=x, w=w, b=np.zeros(2))
    >>> [(row.name, row.verdict) for row in report.rows]
    [('x', 'right'), ('w', 'right'), ('b', 'wrong')]
    >>> report["b"].diagnosis.name
    'not-summed'
    """
    seed = checked_integer(seed, "seed", least=0, most=None)
    require_absolute(atol)
    if rtol is not None:
        real_number(rtol, "rtol")
    calls = Calls(forward, backward, arguments_of(forward, arguments, named), cache)
    wanted = calls.wanted(gradients)
    outputs, kept = calls.forward()
    notes: list[str] = []
    writes = [f"forward writes to {name}" for name in calls.written]
    fault = _fault_of(calls, outputs)
    if fault:
        return BackwardReport(tuple(_undecided(calls, wanted, fault)), tuple(writes))
    if backward is None:
        given: tuple[Array, ...] = (np.ones_like(outputs[0]),)
    else:
        given = _upstream(upstream, outputs, seed)
    try:
        found, also = _gradients(calls, wanted, given, kept)
        writes += also
    except BackwardError as error:
        rows = [GradientRow(name, "wrong", str(error), calls.inputs[name].shape) for name in wanted]
        return BackwardReport(tuple(rows), tuple(writes), tuple(notes), given)
    options = {"witnesses": witnesses, "rtol": rtol, "atol": atol, "seed": seed}
    notes += notes_of_precision(calls.inputs.values(), outputs, dict(found))
    rows = [_row(calls, name, found.get(name), given, options) for name in wanted]
    hidden = [
        row.name
        for row in rows
        if row.verdict == "wrong" and _hidden_by_ones(calls, row.name, wanted, outputs)
    ]
    if hidden and upstream is None:
        notes.append(f"an upstream gradient of ones would hide what is wrong by {', '.join(hidden)}")
    return BackwardReport(tuple(rows), tuple(writes), tuple(notes), given)


def assert_backward(
    forward: Any, backward: Any = None, *arguments: Any, reveal: Reveal = "all", **options: Any
) -> None:
    """Raise AssertionError, with the report, unless a backward pass is right; for tests.

    Parameters
    ----------
    forward, backward, *arguments, **options
        As for :func:`check_backward`.
    reveal : {"verdict", "diagnosis", "worst", "all"}
        What the message tells of each gradient; in a cell for students "all" would print the answer.

    Raises
    ------
    AssertionError
        If the verdict is "wrong" or "undecided".

    Examples
    --------
    >>> assert_backward(lambda x: (x**2, x), lambda dout, x: 2 * x * dout, x=np.array([1.0, 3.0]))
    """
    __tracebackhide__ = True  # pytest shows the line that called
    checked_option(reveal, "reveal", get_args(Reveal))
    report = check_backward(forward, backward, *arguments, **options)
    if not report.passed:
        raise AssertionError(report.told(reveal))


def _fault_of(calls: Calls, outputs: tuple[Array, ...]) -> str:
    """Return why nothing can be checked, "" if nothing is in the way."""
    again, _ = calls.forward()
    if not all(np.array_equal(one, two, equal_nan=True) for one, two in zip(outputs, again, strict=True)):
        return "forward is random: two calls give different values; fix its seed"
    for one in outputs:
        if not np.isfinite(one).all():
            return "forward returns values that are not finite"
        if one.size == 0:
            return "nothing to compare: forward returns an empty array"
    return ""


def _undecided(calls: Calls, wanted: Sequence[str], reason: str) -> list[GradientRow]:
    return [GradientRow(name, "undecided", reason, calls.inputs[name].shape) for name in wanted]


def _upstream(upstream: Any, outputs: tuple[Array, ...], seed: int) -> tuple[Array, ...]:
    if upstream is None:
        rng = np.random.default_rng(seed)
        return tuple(np.asarray(rng.normal(size=one.shape)).astype(one.dtype) for one in outputs)
    several = list(upstream) if len(outputs) > 1 and isinstance(upstream, list | tuple) else [upstream]
    given = tuple(real_array(one, "upstream") for one in several)
    if [one.shape for one in given] != [one.shape for one in outputs]:
        raise ValueError(
            f"upstream: found shapes {[one.shape for one in given]}, expected {[one.shape for one in outputs]}, "
            "those of the outputs"
        )
    return given


def _gradients(
    calls: Calls, wanted: Sequence[str], given: tuple[Array, ...], kept: Any
) -> tuple[Mapping[str, Any], list[str]]:
    """Return the gradients by name, and what backward wrote to."""
    if calls.backward is None:
        return gradients_by_name(kept, wanted), []
    handed = [one.copy() for one in given]
    names = ["dout"] if len(given) == 1 else [f"upstream gradient {k + 1}" for k in range(len(given))]
    before = copy.deepcopy(kept) if calls.has_cache else None
    result = calls.run_backward(handed, kept)
    found = {name: copy.copy(one) for name, one in gradients_by_name(result, wanted).items()}
    writes = [name for name, one, now in zip(names, given, handed, strict=True) if not _same(one, now)]
    if before is not None and (places := changed_arrays(before, kept)):
        writes.append(f"the cache ({', '.join(places)})")
    return found, [f"backward writes to {name}" for name in [*writes, *calls.written]]


def _same(one: Array, two: Array) -> bool:
    return bool(np.array_equal(one, two, equal_nan=True))


def _row(
    calls: Calls, name: str, found: Any, given: tuple[Array, ...], options: dict[str, Any]
) -> GradientRow:
    x = calls.inputs[name]
    if found is None:
        return GradientRow(name, "wrong", "there is no gradient by it; is a return missing?", x.shape)
    try:
        array = real_array(found, f"the gradient by {name}")
    except (TypeError, ValueError) as error:
        return GradientRow(name, "wrong", str(error), x.shape)
    loss = calls.loss(name, given)
    if array.shape != x.shape:
        reason = f"found shape {array.shape}, expected {x.shape}"
        return GradientRow(name, "wrong", reason, x.shape, None, _diagnosis(array, loss, x))
    try:
        if options["witnesses"] is WITNESSES:
            # where there are too many entries all witnesses go to projections
            options = options | {"witnesses": None if _too_many(loss, x) else WITNESSES}
        report = check(loss, x, array.reshape(1, -1), **options)
    except EvaluationError as error:
        return GradientRow(name, "undecided", str(error), x.shape)
    if report.cause == Cause.CANDIDATE_NOT_FINITE:
        return GradientRow(name, "wrong", report.reason, x.shape, report)
    return GradientRow(name, report.verdict, report.reason, x.shape, report, report.diagnosis)


def _too_many(loss: Any, x: Array) -> bool:
    """Say whether differences by each entry of x would take longer than a check may."""
    return seconds_for_all(Problem(loss, x)) > Budget().seconds


def _diagnosis(array: Array, loss: Any, x: Array) -> Any:
    from verification.diagnosis.diagnose import Diagnosis, diagnose

    try:
        if _too_many(loss, x):
            return None
        right = richardson_jacobian(loss, x).matrix
        found = diagnose(array, right, f=loss, x=x, in_shape=x.shape)
        if found.name == Slip.RIGHT:
            return Diagnosis(Slip.SHAPE, f"right entries, shape {array.shape} in place of {x.shape}", "")
        return found
    except Exception:  # the verdict stands without an explanation
        return None


def _hidden_by_ones(calls: Calls, name: str, wanted: Sequence[str], outputs: tuple[Array, ...]) -> bool:
    """Say whether the gradient that is wrong would look right under an upstream gradient of ones."""
    if calls.backward is None:
        return False
    try:
        ones = tuple(np.ones_like(one) for one in outputs)
        _, kept = calls.forward()
        result = calls.run_backward([one.copy() for one in ones], kept)
        found = real_array(gradients_by_name(result, wanted)[name], name)
        loss, x = calls.loss(name, ones), calls.inputs[name]
        if _too_many(loss, x):
            return found.shape == x.shape and _right_along(loss, x, found)
        right = richardson_jacobian(loss, x).matrix.reshape(found.shape)
        size = max(float(np.abs(right).max()), float(np.abs(x).max()) * 1e-6)
        return bool(np.abs(found - right).max() <= 1e-6 * size)
    except Exception:  # ones are no upstream gradient here: there is nothing to say
        return False


def _right_along(loss: Any, x: Array, gradient: Array) -> bool:
    """Say whether a gradient gives the slopes of a loss along three random directions."""
    least = 1e-6 * float(np.linalg.norm(gradient))
    for direction in np.random.default_rng(0).normal(size=(3, *x.shape)):
        slope = richardson_jacobian(lambda t, v=direction: loss(x + t[0] * v), np.zeros(1)).matrix.item()
        if abs(float(np.vdot(gradient, direction)) - slope) > max(least, 1e-6 * abs(slope)):
            return False
    return True
