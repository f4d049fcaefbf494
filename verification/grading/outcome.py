"""What came of one answer: the verdict, and what there is to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from verification.grading.points import Reveal

Verdict = Literal["right", "wrong", "no answer"]


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes
    ----------
    verdict : {"right", "wrong", "no answer"}
        The third is for whatever is not an array.
    code : str
        "right", "shape", "not finite", "wrong", or the code of a fault.
    sentence : str
        What is wrong, without an expected value.
    evidence : str
        More of it, which may name expected values.
    worst : str
        The worst entry with both values.
    mistake : str
        What the diagnosis names, without what belongs to this answer alone: the same for the same slip of others.
    """

    verdict: Verdict
    code: str
    sentence: str = ""
    evidence: str = ""
    worst: str = ""
    mistake: str = ""

    def feedback(self, reveal: Reveal) -> str:
        """Return what a student is told.

        Examples
        --------
        >>> outcome = Outcome("wrong", "wrong", "the sign is wrong", worst="worst entry [0]: found 1.0, expected -1.0")
        >>> outcome.feedback("nothing"), outcome.feedback("verdict"), outcome.feedback("diagnosis")
        ('', 'wrong', 'wrong: the sign is wrong')
        """
        if reveal == "nothing":
            return ""
        if reveal == "verdict":
            return self.verdict
        parts = [self.sentence] if self.sentence else []
        if reveal == "worst" and self.worst:
            parts.append(self.worst)
        return ": ".join([self.verdict, "; ".join(parts)]) if parts else self.verdict

    def __bool__(self) -> bool:
        """Return whether the verdict is "right"."""
        return self.verdict == "right"

    @property
    def detail(self) -> str:
        """All of it, for staff."""
        return "; ".join(part for part in (self.sentence, self.evidence, self.worst) if part)
