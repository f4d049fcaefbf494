"""The rules of the verdict: they read the statuses and the causes of the witnesses, and never a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from verification.causes import Cause
from verification.report import SENTENCES, Verdict, Witness, sentence
from verification.witnesses.one_sided import NAME as ONE_SIDED

STEPLESS = ("symbolic", "certified")
"""Those that find a derivative without taking a step."""


class Decision(NamedTuple):
    """A verdict, why, and the same for people."""

    verdict: Verdict
    cause: Cause
    reason: str


class Heard(NamedTuple):
    """What the witnesses that make verdicts said, the least precise first, and those that support them.

    Attributes
    ----------
    witnesses : tuple of Witness
        All that were asked.
    answers : tuple of Witness
        Those that agree or disagree.
    supporting : tuple of Witness
        The Taylor test, say: it makes no verdict, and its disagreement leaves none "right".
    """

    witnesses: tuple[Witness, ...]
    answers: tuple[Witness, ...]
    supporting: tuple[Witness, ...]

    @property
    def ran(self) -> list[Witness]:
        """Those that were not unavailable."""
        return [witness for witness in self.witnesses if witness.status != "unavailable"]

    def named(self, status: str) -> list[str]:
        """Return the names of the answers of one status."""
        return [witness.name for witness in self.answers if witness.status == status]

    def has(self, *causes: Cause) -> bool:
        """Say whether a witness has one of the causes."""
        return any(witness.cause in causes for witness in self.witnesses)


def decide(witnesses: Sequence[Witness], supporting: Sequence[Witness] = ()) -> Decision:
    """Return the verdict: that of the first rule that applies.

    Parameters
    ----------
    witnesses : sequence of Witness
        Those that make verdicts, ordered from the least to the most precise.
    supporting : sequence of Witness
        Those that only support one.

    Examples
    --------
    >>> decide([Witness("symbolic", "agrees", cause=Cause.AGREES)])
    Decision(verdict='right', cause=<Cause.AGREES: 'agrees'>, reason='1 of 1 witness that ran agrees (symbolic)')
    """
    answers = tuple(witness for witness in witnesses if witness.status in ("agrees", "disagrees"))
    heard = Heard(tuple(witnesses), answers, tuple(supporting))
    if [witness.name for witness in answers] == ["complex-step"] and heard.has(Cause.KINK):
        heard = heard._replace(answers=())  # it sees one side of a kink at most
    decisions = (rule(heard) for rule in RULES)
    return next(decision for decision in decisions if decision is not None)


def _contradiction(heard: Heard) -> Decision | None:
    """Undecided, if one disagrees and the most precise one agrees."""
    agree, disagree = heard.named("agrees"), heard.named("disagrees")
    if not disagree or heard.answers[-1].status != "agrees":
        return None
    reason = (
        f"the witnesses contradict each other: {', '.join(agree)} {_says('agree', agree)}, "
        f"{', '.join(disagree)} {_says('disagree', disagree)}"
    )
    return Decision("undecided", Cause.CONTRADICTION, reason)


def _disagreement(heard: Heard) -> Decision | None:
    """Wrong, if the most precise one that answers disagrees."""
    agree, disagree = heard.named("agrees"), heard.named("disagrees")
    if not disagree:
        return None
    reason = f"{_count(disagree, heard)} {_says('disagree', disagree)} ({', '.join(disagree)})"
    if agree:
        reason += f"; {', '.join(agree)} can't see it at its precision"
    if heard.has(Cause.CANCELLED):
        return Decision("wrong", Cause.CANCELLED, f"{reason}; {SENTENCES[Cause.CANCELLED]}")
    return Decision("wrong", Cause.DIFFERS, reason)


def _rounding(heard: Heard) -> Decision | None:
    """Undecided, if the most precise one that can tell finds entries that only rounding could explain."""
    lost = (Cause.OFF_EVERYWHERE, Cause.ROUNDING)
    telling = [witness for witness in heard.witnesses if witness.status == "agrees" or witness.cause in lost]
    if not telling or telling[-1].cause not in lost:
        return None
    return _of(telling[-1])


def _unexplained(heard: Heard) -> Decision | None:
    """Undecided, if those that make verdicts agree and a supporting one disagrees."""
    differences = [w.cause for w in heard.witnesses if w.name == "finite-difference"]
    if differences == [Cause.IMPRECISE]:
        return None  # the Taylor test takes larger steps than they do
    against = [witness for witness in heard.supporting if witness.status == "disagrees"]
    agree = heard.named("agrees")
    if not (agree and against):
        return None
    reason = f"{', '.join(agree)} {_says('agree', agree)}, {against[0].name} disagrees: {against[0].reason}"
    return Decision("undecided", Cause.UNEXPLAINED, reason)


def _one_side(heard: Heard) -> Decision | None:
    """Undecided, if a derivative to one side is another one, whatever those that look to both sides agree on."""
    found = [witness for witness in heard.witnesses if witness.name == ONE_SIDED]
    if not (found and found[0].cause == Cause.KINK and heard.named("agrees")):
        return None
    return Decision("undecided", Cause.KINK, f"{SENTENCES[Cause.KINK]}: {found[0].reason}")


def _agreement(heard: Heard) -> Decision | None:
    """Right, if one agrees, and no rule above applies."""
    agree = heard.named("agrees")
    if not agree:
        return None
    reason = f"{_count(agree, heard)} {_says('agree', agree)} ({', '.join(agree)})"
    return Decision("right", Cause.AGREES, reason)


def _kink(heard: Heard) -> Decision | None:
    """Undecided, if there is a kink."""
    if not heard.has(Cause.KINK, Cause.BENDS):
        if not heard.has(Cause.STEP_KINK, Cause.OPEN):
            return None
        step = next((f" ({witness.step})" for witness in heard.witnesses if witness.step), "")
        reason = f"a step of the code has a kink at x{step}; f itself may have a derivative, and no witness confirms it"
        return Decision("undecided", Cause.STEP_KINK, reason)
    reason = f"{SENTENCES[Cause.KINK]}: f has no derivative at x that finite differences could confirm"
    return Decision("undecided", Cause.KINK, reason)


def _otherwise(heard: Heard) -> Decision:
    """Undecided, for the reason of the most precise one that ran."""
    if not heard.ran:
        return Decision("undecided", Cause.NO_WITNESS, "no witness could run")
    return _of(heard.ran[-1])


RULES: tuple[Callable[[Heard], Decision | None], ...] = (
    _contradiction,
    _disagreement,
    _rounding,
    _unexplained,
    _one_side,
    _agreement,
    _kink,
    _otherwise,
)
"""In the order in which they are asked; the last applies always."""


def needs_both_sides(decision: Decision, witnesses: Sequence[Witness]) -> bool:
    """Say whether the one-sided derivatives are to be asked: a step has a kink, and no symbols or balls pass it."""
    if decision.verdict == "wrong" or any(w.cause == Cause.BENDS for w in witnesses):
        return False
    kinks = any(witness.cause in (Cause.KINK, Cause.STEP_KINK, Cause.OPEN) for witness in witnesses)
    return kinks and not any(w.name in STEPLESS and w.status in ("agrees", "disagrees") for w in witnesses)


def with_adjoint(decision: Decision, adjoint: Witness) -> Decision:
    """Return the decision on a structured Jacobian: its dense form may be right, and its products wrong."""
    if decision.verdict != "right" or adjoint.status != "disagrees":
        return decision
    return Decision("wrong", Cause.NOT_TRANSPOSES, f"the dense form is right, but {adjoint.reason}")


def where_steps_are_too_large(
    witnesses: Sequence[Witness], supporting: Sequence[Witness]
) -> tuple[list[Witness], list[Witness]]:
    """Return the witnesses again; at what differences see as a kink, the remainder of the Taylor test says nothing.

    Where one that takes no step finds the derivative, it is no kink: f bends within the step, as beside a pole.
    """
    if not any(witness.cause == Cause.KINK for witness in witnesses):
        return list(witnesses), list(supporting)
    smooth = any(
        witness.name in STEPLESS and witness.status in ("agrees", "disagrees") for witness in witnesses
    )
    why = Cause.BENDS if smooth else Cause.KINK
    told = [_retold(witness, why) if witness.cause == Cause.KINK else witness for witness in witnesses]
    quiet = [
        replace(witness, status="undecided", cause=why, reason=f"{SENTENCES[why]}: {witness.reason}")
        for witness in supporting
    ]
    return told, quiet


def _retold(witness: Witness, cause: Cause) -> Witness:
    of = 0 if witness.matrix is None else witness.matrix.size
    return replace(witness, cause=cause, reason=sentence(cause, witness.entries, of))


def _of(witness: Witness) -> Decision:
    return Decision("undecided", witness.cause or Cause.IMPRECISE, f"{witness.name}: {witness.reason}")


def _says(verb: str, names: Sequence[str]) -> str:
    return verb + "s" * (len(names) == 1)


def _count(names: Sequence[str], heard: Heard) -> str:
    return f"{len(names)} of {len(heard.ran)} witness{'es' if len(heard.ran) != 1 else ''} that ran"
