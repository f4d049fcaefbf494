"""What a case is made of: a family of contestants for one task, a problem with numbers, and goals.

A new contestant is one function under ``@FAMILY.contestant(…)``; a new case is one row of a module here.
This module and the problems need NumPy alone: every runtime is imported inside of the contestants that use it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

Role = Literal["ours", "peer", "floor"]
Call = Callable[[], Any]


class Unsuitable(Exception):  # noqa: N818  # it is a reason, no mistake
    """Raised by a contestant that can't or needn't take part in a case; the text says why."""


class OwnClock(NamedTuple):
    """A contestant that times itself: what has to be undone before each call is not measured."""

    seconds: Callable[[], float]
    answer: Call


class Contestant(NamedTuple):
    """One way to do a task.

    `make` gets the problem and returns the call that is timed, or an :class:`OwnClock`. `answer` turns what the call
    returns into the array that is compared; it is None for a floor, which answers another question. `slow` says for
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
    """

    def __init__(
        self, title: str, expected: Callable[[Any], Any], tolerance: dict[str, float] | None = None
    ) -> None:
        self.title, self.expected = title, expected
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
            compared = None if role == "floor" else answer
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
        beside NumPy.
    level : bool
        Whether the products may be all that there is to gain: where the floor takes more than 85 % of the fastest
        peer's time, the goal is 0.97 of a peer, and 0.9 of the floor.
    loaded : bool
        Whether both sides are measured with a busy process on each core.
    """

    against: str = "peer"
    ratio: float | None = None
    seconds: float | None = None
    ours: str | None = None
    level: bool = False
    loaded: bool = False


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
    def loaded(self) -> bool:
        """Whether the case is measured under load, too."""
        return any(goal.loaded for goal in self.goals)

    @property
    def name(self) -> str:
        """The case in words: what ``--only`` looks at."""
        return f"{self.family.title}: {self.title}"

    def in_dtype(self, dtype: str) -> Any:
        """Return the problem in a precision."""
        return dataclasses.replace(self.problem, dtype=dtype)
