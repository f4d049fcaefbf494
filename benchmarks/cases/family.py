"""What a case is made of: a family of contestants for one task, a problem with numbers, and goals.

A new contestant is one function under ``@FAMILY.contestant(…)``; a new case is one row of a module here.
This module and the problems need NumPy alone: every runtime is imported inside of the contestants that use it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

Role = Literal["ours", "peer", "floor", "products", "beside"]
"""Ours; what it is compared with; the least work of the task, by NumPy alone; the same matrix products by another
library, which says whether they are all of a peer's time; and what is shown beside without being a peer."""
Call = Callable[[], Any]


class Unsuitable(Exception):  # noqa: N818  # it is a reason, no mistake
    """Raised by a contestant that can't or needn't take part in a case; the text says why."""


class OwnClock(NamedTuple):
    """A contestant that times itself: what has to be undone before each call is not measured.

    `profile` returns the shares of its time, where another process takes it.
    """

    seconds: Callable[[], float]
    answer: Call
    profile: Callable[[], dict[str, float]] | None = None


class Contestant(NamedTuple):
    """One way to do a task.

    `make` gets the problem and returns the call that is timed, or an :class:`OwnClock`. `answer` turns what the call
    returns into the array that is compared; it is None for what answers another question, as floors do. `slow` says for
    which problems a call takes so long that it is made once.
    """

    name: str
    runtime: str
    role: Role
    make: Callable[[Any], Call | OwnClock]
    answer: Callable[[Any], Any] | None
    slow: Callable[[Any], bool]


class Family:
    """A task, who takes part in it, and the expected answer.

    Parameters
    ----------
    title : str
        What is computed.
    expected : callable
        From a problem to the answer as an array, by plain NumPy and none of the contestants.
    tolerance : dict of str to float
        By dtype: the largest allowed difference, as a share of the largest entry of the answer.
    flops : callable, optional
        From a problem to about how many floating-point operations ours needs. Cases of few are measured under load,
        too; those of a family without it aren't.
    """

    def __init__(
        self,
        title: str,
        expected: Callable[[Any], Any],
        tolerance: dict[str, float] | None = None,
        flops: Callable[[Any], float] | None = None,
    ) -> None:
        self.title, self.expected, self.flops = title, expected, flops
        self.tolerance = {"float64": 1e-10, "float32": 2e-4} | (tolerance or {})
        self.contestants: dict[str, Contestant] = {}

    def contestant(
        self,
        name: str,
        *,
        runtime: str = "numpy",
        role: Role = "peer",
        answer: Callable[[Any], Any] | None = np.asarray,
        slow: Callable[[Any], bool] = lambda problem: False,
    ) -> Callable[[Callable[[Any], Call | OwnClock]], Callable[[Any], Call | OwnClock]]:
        """Enter the function below as a contestant."""

        def enter(make: Callable[[Any], Call | OwnClock]) -> Callable[[Any], Call | OwnClock]:
            if name in self.contestants:
                raise ValueError(f"{name}: two contestants of this name in {self.title}")
            compared = None if role in ("floor", "products") else answer
            self.contestants[name] = Contestant(name, runtime, role, make, compared, slow)
            return make

        return enter


@dataclasses.dataclass(frozen=True)
class Goal:
    """One comparison: a line of the table.

    Attributes
    ----------
    against : str
        A role ("peer", "floor"), a runtime ("jax") or a contestant; the fastest of them is compared with. "loaded" is
        ours with a busy process on each core: the ratio is that of the calm time to it.
    ratio : float, optional
        At least so many times their time should be ours. None: shown without a goal.
    seconds : float, optional
        A call of ours should take at most so long; `against` has no meaning then.
    ours : str, optional
        The contestant that the goal is about; by default the fastest of ours. "alone": the fastest that needs no engine
        beside NumPy; "fresh": the fastest that isn't given an array to write into.
    loaded : bool
        Whether both sides are measured with a busy process on each core.

    Where matrix products are all of a peer's time, :func:`comparisons.compare_case` asks for another ratio.
    """

    against: str = "peer"
    ratio: float | None = None
    seconds: float | None = None
    ours: str | None = None
    loaded: bool = False

    @property
    def asks(self) -> bool:
        """Whether it is more than a comparison that is shown."""
        return self.ratio is not None or self.seconds is not None


SMALL = 20e6
CALM = Goal("loaded", 1 / 3, loaded=True)
"""What cases below 20 million operations are asked: a busy process on each core, and three times as long at most."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A family with numbers.

    Attributes
    ----------
    family : Family
    title : str
        The numbers, in a few words; with the family's title it names the case.
    problem : dataclass
        With a field `dtype`, "float64" unless the case is run in single precision.
    goals : tuple of Goal
        What is compared, in double precision.
    single : bool
        Whether the case is measured in float32, too, without goals.
    """

    family: Family
    title: str
    problem: Any
    goals: tuple[Goal, ...] = (Goal(),)
    single: bool = False

    @property
    def compared(self) -> tuple[Goal, ...]:
        """The goals, and that of small cases under load."""
        flops = None if self.family.flops is None else self.family.flops(self.problem)
        small = self.goals and flops is not None and flops < SMALL and CALM not in self.goals
        return (*self.goals, CALM) if small else self.goals

    @property
    def name(self) -> str:
        """The case in words: what ``--only`` looks at."""
        return f"{self.family.title}: {self.title}"

    def in_dtype(self, dtype: str) -> Any:
        """Return the problem in a precision."""
        return dataclasses.replace(self.problem, dtype=dtype)
