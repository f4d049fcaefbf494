"""What an import takes, in a fresh process each."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

from .family import Case, Family, Goal, OwnClock, Unsuitable


@dataclasses.dataclass(frozen=True)
class Import:
    """Nothing but an interpreter."""

    dtype: str = "float64"


IMPORTS = Family("import", lambda problem: np.asarray(1.0))


def with_bytecode() -> dict[str, str]:
    """Return an environment in which bytecode is kept, as in an installation."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": _bytecode()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@functools.cache
def _bytecode() -> str:
    # a directory of our own, in case that the interpreter is told not to write bytecode, or may not
    directory = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _seconds(module: str) -> float:
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=with_bytecode(), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


@IMPORTS.contestant("import jacobians", role="ours")
def jacobians(problem: Import) -> OwnClock:
    """NumPy is a part of it."""
    return OwnClock(lambda: _seconds("jacobians"), lambda: float(_seconds("jacobians") > 0))


@IMPORTS.contestant("import numpy", role="floor")
def numpy(problem: Import) -> OwnClock:
    """The least that it can take."""
    return OwnClock(lambda: _seconds("numpy"), lambda: float(_seconds("numpy") > 0))


LIBRARIES = Family("import", lambda problem: np.asarray(1.0))


def _library(module: str, role: Any = "beside") -> None:
    def make(problem: Import) -> OwnClock:
        if importlib.util.find_spec(module) is None:
            raise Unsuitable("not installed")
        return OwnClock(lambda: _seconds(module), lambda: float(_seconds(module) > 0))

    LIBRARIES.contestant(f"import {module}", role=role)(make)


_library("backprop", "ours")
for _name in ("numba", "jax", "torch", "casadi"):
    _library(_name)

# 1.15 times NumPy's time at most: NumPy's time is 1/1.15 of ours at least
CASES = (
    Case(IMPORTS, "jacobians and numpy", Import(), (Goal("import numpy", 1 / 1.15),)),
    Case(
        LIBRARIES,
        "backprop and what engines and peers bring",
        Import(),
        tuple(Goal(f"import {name}") for name in ("numba", "jax", "torch", "casadi")),
    ),
)
