"""What commands take, in processor time of a fresh process each, the threads of libraries included."""

from __future__ import annotations

import dataclasses
import os
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from profiles import largest, own_shares

from .family import Case, Family, Goal, OwnClock
from .imports import with_bytecode

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of ``backprop``; {} stands for an empty directory."""

    words: tuple[str, ...]
    dtype: str = "float64"


COMMANDS = Family("command, processor time", lambda problem: np.asarray(1.0))


RUNS = 5


@COMMANDS.contestant(f"backprop, least of {RUNS}", role="ours")
def backprop(problem: Command) -> OwnClock:
    """As from a shell."""

    def once(code: str = "import sys; from backprop.cli import main; sys.exit(main())") -> float:
        before = os.times()
        with tempfile.TemporaryDirectory() as directory:
            words = [word.format(directory) for word in problem.words]
            environment = {**with_bytecode(), "PYTHONPATH": str(ROOT)}
            subprocess.run(
                [sys.executable, "-c", code, *words], env=environment, capture_output=True, check=True
            )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    def profile() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "stats"
            once(PROFILED.format(str(path)))
            return largest(own_shares(pstats.Stats(str(path))))

    return OwnClock(lambda: min(once() for _ in range(RUNS)), lambda: float(once() > 0), profile)


PROFILED = """
import cProfile
with cProfile.Profile() as profile:
    try:
        from backprop.cli import main
        main()
    finally:
        profile.dump_stats({!r})
"""


CASES = (
    Case(COMMANDS, "notes", Command(("notes",)), (Goal(seconds=2),)),
    Case(COMMANDS, "report", Command(("report", "--output", "{}")), (Goal(seconds=3),)),
)
