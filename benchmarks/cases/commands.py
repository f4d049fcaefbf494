"""What commands take, in processor time of a fresh process each, the threads of libraries included."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .family import Case, Family, Goal, OwnClock

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of ``backprop``; {} stands for an empty directory."""

    words: tuple[str, ...]
    dtype: str = "float64"


COMMANDS = Family("command, processor time", lambda problem: np.asarray(1.0))


@COMMANDS.contestant("backprop", role="ours")
def backprop(problem: Command) -> OwnClock:
    """As from a shell."""

    def seconds() -> float:
        before = os.times()
        with tempfile.TemporaryDirectory() as directory:
            words = [word.format(directory) for word in problem.words]
            code = "import sys; from backprop.cli import main; sys.exit(main())"
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run(
                [sys.executable, "-c", code, *words], env=environment, capture_output=True, check=True
            )
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return OwnClock(seconds, lambda: float(seconds() > 0))


CASES = (
    Case(COMMANDS, "notes", Command(("notes",)), (Goal(seconds=2),)),
    Case(COMMANDS, "report", Command(("report", "--output", "{}")), (Goal(seconds=3),)),
)
