"""Processes of one runtime each, and what they are asked.

Two thread pools in one process stall each other for milliseconds, so every runtime has a process of its own, with as
many threads as all others. Requests and answers are a line of JSON each: make the contestants of a case, save an
answer, take the time of a block of calls, measure the memory of a call.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import select
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
RUNTIMES = {
    "numpy": ("numpy", "sympy", "python-flint", "explicit-jacobians"),
    "scipy": ("scipy", "numpy"),
    "jax": ("jax", "jaxlib", "numpy"),
    "torch": ("torch", "numpy"),
    "autograd": ("autograd", "numpy"),
    "numdifftools": ("numdifftools", "numpy"),
    "casadi": ("casadi", "numpy"),
}
"""What each runtime imports first, and the distributions whose versions are named."""
PATIENCE = 240  # seconds for an answer
OURS = "numpy"  # the runtime of the library and of the floor


class Worker:
    """A process of one runtime.

    Parameters
    ----------
    runtime : str
        One of RUNTIMES.
    python : str
        The interpreter.
    threads : int
        Of BLAS, OpenMP, XLA and PyTorch; the process is bound to as many cores.

    Attributes
    ----------
    versions : dict of str to str
        What it imported; empty if something is missing.
    missing : str
        Why it can't take part, or "".
    """

    def __init__(self, runtime: str, python: str, threads: int) -> None:
        self.runtime, self._python, self._threads = runtime, python, threads
        self._start()

    def _start(self) -> None:
        runtime, threads = self.runtime, self._threads
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        environment["PYTHONIOENCODING"] = "utf-8"
        if runtime == OURS:
            environment["PYTHONPATH"] = str(Path(__file__).parents[1])  # the library of this checkout
        else:
            environment.pop("PYTHONPATH", None)  # another interpreter has its own packages
        self.process = subprocess.Popen(
            [self._python, __file__, runtime, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment,
        )  # fmt: skip
        hello = self._read()
        self.versions: dict[str, str] = hello.get("versions", {})
        self.missing: str = hello.get("missing", "")

    def ask(self, do: str, **request: Any) -> Any:
        """Return the answer to a request.

        Raises
        ------
        ContestantError
            If the contestant raised; its text is the error's. Or if the process ended, or gave no answer in time; a
            new one is started for the next case.
        """
        if do == "make" and self.process.poll() is not None:
            self.close()
            self._start()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise ContestantError(f"the process of {self.runtime} has ended") from None
        answer = self._read()
        if "error" in answer:
            raise ContestantError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):  # of a process that has ended
            self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        if os.name == "posix" and not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            self.process.wait()
            raise ContestantError(f"no answer in {PATIENCE} s")
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise ContestantError(f"the process of {self.runtime} ended; what it wrote last stands above")
        return json.loads(line)


class ContestantError(Exception):
    """A contestant could not be made or called."""


# --- inside of the process -------------------------------------------------------------------------------


class Server:
    """Answers requests about the contestants of one runtime, a case at a time."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.made: dict[str, Any] = {}

    def make(self, case: str, dtype: str) -> dict[str, Any]:
        """Make the contestants of a case; say which could not be made, and why."""
        from cases import BY_NAME
        from cases.family import Unsuitable

        self.made.clear()
        gc.collect()
        self.family, self.problem = BY_NAME[case].family, BY_NAME[case].in_dtype(dtype)
        skipped = {}
        for contestant in self.family.contestants.values():
            if contestant.runtime != self.runtime:
                continue
            try:
                self.made[contestant.name] = contestant.make(self.problem)
            except Unsuitable as reason:
                skipped[contestant.name] = str(reason)
            except Exception as error:  # any: that one can't take part is a result
                skipped[contestant.name] = describe(error)
        return {"made": list(self.made), "skipped": skipped}

    def expected(self, path: str) -> dict[str, Any]:
        """Save the expected answer."""
        import numpy as np

        answer = np.asarray(self.family.expected(self.problem))
        np.save(path, answer)
        return {"bytes": answer.nbytes}

    def answer(self, contestant: str, path: str) -> dict[str, Any]:
        """Call once and save the answer; return its bytes in the form that the contestant keeps."""
        import numpy as np

        made = self.made[contestant]
        convert = self.family.contestants[contestant].answer
        start = time.perf_counter()
        result = made.answer() if hasattr(made, "answer") else made()
        seconds = time.perf_counter() - start
        size = int(getattr(result, "nbytes", 0))
        if convert is not None:
            array = np.asarray(result if hasattr(made, "answer") else convert(result))
            size = size or array.nbytes
            np.save(path, array)
        return {"seconds": seconds, "bytes": size}

    def predict(self, contestant: str) -> dict[str, Any]:
        """Return what the cost model says of a case of a series."""
        from cases.scaling import predicted

        return predicted(self.problem, contestant)

    def time(self, contestant: str, calls: int, warm: bool) -> dict[str, Any]:
        """Return the seconds of a call, the mean of a block."""
        made = self.made[contestant]
        if hasattr(made, "seconds"):
            if warm:
                made.seconds()
            return {"seconds": sum(made.seconds() for _ in range(calls)) / calls}
        if warm:
            made()
        gc.collect()
        gc.disable()
        try:
            start = time.perf_counter()
            for _ in range(calls):
                made()
            return {"seconds": (time.perf_counter() - start) / calls}
        finally:
            gc.enable()

    def profile(self, contestant: str) -> dict[str, float]:
        """Return where the time of a call goes: parts and their shares."""
        from profiles import shares

        made = self.made[contestant]
        return shares(made.seconds if hasattr(made, "seconds") else made)

    def memory(self, contestant: str) -> dict[str, Any]:
        """Return the peak of the bytes that a call allocates, its answer included; None where it can't be told.

        What a contestant keeps between calls, its attribute `kept`, counts too.
        """
        made = self.made[contestant]
        call = made.answer if hasattr(made, "answer") else made
        gc.collect()
        if self.runtime in ("numpy", "autograd"):
            return {"bytes": traced_peak(call) + getattr(made, "kept", 0)}
        return {"bytes": resident_peak(call)}


def describe(error: Exception) -> str:
    """Return an error in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def traced_peak(call: Any) -> int:
    """Return the peak of what NumPy and Python allocate."""
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak


def resident_peak(call: Any) -> int | None:
    """Return by how much the resident memory of the process grows at most; Linux only, in pages."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts here
        before = _status("VmRSS")
        result = call()
        peak = _status("VmHWM") - before
        del result
    except (OSError, AttributeError):
        return None
    return peak


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


def serve(runtime: str, threads: int) -> None:
    """Answer requests from stdin until it ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a contestant prints is no answer

    def write(answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    try:
        write({"versions": _versions(runtime, threads)})
    except ImportError as error:  # PackageNotFoundError is one
        write({"missing": describe(error)})
        return
    server = Server(runtime)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            write(getattr(server, request.pop("do"))(**request))
        except Exception as error:  # any: the contestant is left out, and the table says why
            write({"error": describe(error)})


def _versions(runtime: str, threads: int) -> dict[str, str]:
    imported, *named = RUNTIMES[runtime]
    module = importlib.import_module(
        imported
    )  # the others are loaded where they are used: some bring thread pools
    if runtime == "jax":
        module.config.update("jax_enable_x64", True)
    if runtime == "torch":
        module.set_num_threads(threads)
    found = {name: importlib.metadata.version(name) for name in (imported, *named)}
    return {"Python": platform.python_version(), **found}


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
