"""Processes of one runtime each, and what they are asked.

Two thread pools in one process stall each other for milliseconds, so every runtime has a process of its own, with as
many threads as all others. Requests and answers are a line of JSON each: make the contestants of a case, compare an
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
from collections import Counter
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
OWN_CORE = "OPENBLAS_CORETYPE"  # where it is set, OpenBLAS takes that processor's kernels


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
    openblas_core : str, optional
        Whose kernels OpenBLAS takes; by default those that it chooses.

    Attributes
    ----------
    versions : dict of str to str
        What it imported; empty if something is missing.
    missing : str
        Why it can't take part, or "".
    blas : dict
        Of our own: what :func:`kernels` says.
    spent : Counter
        The seconds that requests took, by their kind.
    """

    def __init__(self, runtime: str, python: str, threads: int, openblas_core: str | None = None) -> None:
        self.runtime, self._python, self._threads = runtime, python, threads
        self._openblas_core = openblas_core
        self.spent: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        runtime, threads = self.runtime, self._threads
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
        environment["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}"
        environment["PYTHONIOENCODING"] = "utf-8"
        # the library of this checkout, on each of its engines; other packages are the interpreter's own
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
        if self._openblas_core is not None:
            environment[OWN_CORE] = self._openblas_core
        self.process = subprocess.Popen(
            [self._python, __file__, runtime, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=environment,
        )  # fmt: skip
        hello = self._read()
        self.versions: dict[str, str] = hello.get("versions", {})
        self.blas: dict[str, Any] = hello.get("blas", {})
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
        start = time.perf_counter()
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise ContestantError(f"the process of {self.runtime} has ended") from None
        try:
            answer = self._read()
        finally:
            self.spent[do] += time.perf_counter() - start
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
        gc.unfreeze()
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
        gc.freeze()  # a collection before each block looks at what came later alone: with PyTorch 0.25 s otherwise
        return {"made": list(self.made), "skipped": skipped}

    def expected(self, path: str) -> dict[str, Any]:
        """Save the expected answer."""
        import numpy as np

        answer = np.asarray(self.family.expected(self.problem))
        np.save(path, answer)
        return {"bytes": answer.nbytes}

    def answer(self, contestant: str, path: str) -> dict[str, Any]:
        """Call once and compare the answer with the saved one; return its bytes in the form that the contestant keeps.

        Where it is wrong, `wrong` says how.
        """
        import numpy as np

        made = self.made[contestant]
        convert = self.family.contestants[contestant].answer
        start = time.perf_counter()
        result = made.answer() if hasattr(made, "answer") else made()
        found: dict[str, Any] = {"seconds": time.perf_counter() - start}
        size = int(getattr(result, "nbytes", 0))
        if convert is not None:
            array = np.asarray(result if hasattr(made, "answer") else convert(result))
            size = size or array.nbytes
            tolerance = self.family.tolerance[self.problem.dtype]
            try:
                compare(contestant, array, np.load(path, mmap_mode="r"), tolerance)
            except WrongAnswerError as error:
                found["wrong"] = str(error)
        return found | {"bytes": size}

    def predict(self, contestant: str) -> dict[str, Any]:
        """Return what the cost model says of a case of a series."""
        from cases.scaling import predicted

        return predicted(self.problem, contestant)

    def time(self, contestant: str, calls: int, warm: bool) -> dict[str, Any]:
        """Return the seconds of a call, the mean of a block, and whether other threads ran beside the calling one."""
        made = self.made[contestant]
        if hasattr(made, "seconds"):
            if warm:
                made.seconds()
            return {"seconds": sum(made.seconds() for _ in range(calls)) / calls, "threads": False}
        if warm:
            made()
        gc.collect()
        gc.disable()
        try:
            own, all_of_them = time.thread_time(), time.process_time()
            start = time.perf_counter()
            for _ in range(calls):
                made()
            seconds = time.perf_counter() - start
            own, all_of_them = time.thread_time() - own, time.process_time() - all_of_them
        finally:
            gc.enable()
        return {"seconds": seconds / calls, "threads": all_of_them > 1.05 * own}

    def profile(self, contestant: str) -> dict[str, float]:
        """Return where the time of a call goes: parts and their shares."""
        from profiles import shares

        made = self.made[contestant]
        if getattr(made, "profile", None) is not None:
            found: dict[str, float] = made.profile()
            return found
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


class WrongAnswerError(Exception):
    """A contestant gives another answer than expected: nothing is timed."""


AT_ONCE = 1 << 20  # numbers that are compared at a time: no second copy of a large answer


def compare(name: str, answer: Any, expected: Any, tolerance: float) -> float:
    """Return the largest difference as a share of the largest entry.

    Raises
    ------
    WrongAnswerError
        If the shapes differ, or an entry differs by more than the tolerance; NaN differs from everything.
    """
    import numpy as np

    if answer.shape != expected.shape:
        raise WrongAnswerError(f"{name}: an answer of shape {answer.shape}, expected {expected.shape}")
    found, right = answer.reshape(-1), expected.reshape(-1)
    pieces = [slice(start, start + AT_ONCE) for start in range(0, found.size, AT_ONCE)]
    scale = np.max([np.abs(right[piece]).max() for piece in pieces], initial=np.finfo(float).tiny)
    # np.max, not max: NaN is the largest
    difference = float(np.max([np.abs(found[piece] - right[piece]).max() for piece in pieces]) / scale)
    if not difference <= tolerance:
        raise WrongAnswerError(
            f"{name}: differs from the expected answer by {difference:.1e} of its largest entry"
        )
    return difference


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
        write({"versions": _versions(runtime, threads), "blas": kernels() if runtime == OURS else {}})
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


def kernels() -> dict[str, Any]:
    """Return which BLAS NumPy has loaded, whose kernels it took, and the processor's vectors, as far as can be told.

    `library` and `kernels` are those that threadpoolctl finds; `vector_bits` is the width that NumPy's own loops of
    exp use, which NumPy chose by asking the processor.
    """
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    found: dict[str, Any] = {}
    with contextlib.suppress(ImportError):
        import threadpoolctl

        for library in threadpoolctl.threadpool_info():
            if library["user_api"] == "blas":
                found["library"] = f"{library['internal_api']} {library['version']}"
                found["kernels"] = library.get("architecture")
    with contextlib.suppress(ImportError, LookupError):
        from numpy.lib.introspect import opt_func_info

        chosen = opt_func_info("^exp$", "float64")["exp"]["dd"]["current"]
        found["vector_bits"] = next((bits for name, bits in VECTOR_BITS.items() if name in chosen), None)
    return found


VECTOR_BITS = {"AVX512": 512, "X86_V4": 512, "AVX2": 256, "X86_V3": 256}
"""The width of vectors in the names of NumPy's targets."""


def _versions(runtime: str, threads: int) -> dict[str, str]:
    imported, *named = RUNTIMES[runtime]
    module = importlib.import_module(
        imported
    )  # the others are loaded where they are used: some bring thread pools
    if runtime == "jax":
        module.config.update("jax_enable_x64", True)
        # contestants on a GPU put their arrays there; without this all of JAX's would be
        module.config.update("jax_default_device", module.devices("cpu")[0])
    if runtime == "torch":
        module.set_num_threads(threads)
    found = {name: importlib.metadata.version(name) for name in (imported, *named)}
    return {"Python": platform.python_version(), **found}


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
