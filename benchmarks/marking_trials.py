"""Is a class of thousands marked right, by processes and by Dask, and at what cost? One command shows it.

    python benchmarks/marking_trials.py [--submissions N] [--ways workers dask] [--growth]

Half of the submissions to the assignment of `verify init` are right, 40 % wrong in a known way, and one in ten is
hostile: it loops, allocates, prints, forks, leaves, answers with what is none. Their marks are known beforehand. The
marking is killed (SIGKILL) once a third is there and goes on with `--resume`; of Dask's two worker processes one is
killed. Exit status 0 if the marks are those of every submission, once each, in every way.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from verification.grading import load_assignment

HEAD = "import numpy as np\n\n\n"
MODEL = "def layer(W, x):\n    return np.tanh(W @ x)\n\n\n"
JACOBIAN = "def jacobian(W, x):\n    z = np.tanh(W @ x)\n    return {answer}\n"
RIGHT = "(1 - z**2)[:, None] * W"
WRONG = (
    "W",
    "z[:, None] * W",
    "((1 - z**2)[:, None] * W).T",
    "-(1 - z**2)[:, None] * W",
    "2 * (1 - z**2)[:, None] * W",
)
HOSTILE = (
    "(_ for _ in ()).throw(ValueError('no'))",
    "__import__('os')._exit(0)",
    "__import__('sys').exit(0)",
    "[0 for _ in iter(int, 1)]",
    "np.ones((1 << 20, 1 << 14))",
    "print('x' * (1 << 26))",
    "[__import__('os').fork() for _ in range(99)]",
    "__import__('os').kill(__import__('os').getppid(), 9)",
    "np.full((2, 2), np.nan)",
    "None",
)
LIMITS = "\n[limits]\ncpu_seconds = 2\nseconds = 20\nmemory_mib = 512\n"


def class_of(directory: Path, number: int) -> tuple[Path, dict[str, bool]]:
    """Write a class's submissions, and return the assignment and whether each has full marks."""
    subprocess.run(["verify", "init", str(directory / "hw")], check=True, stdout=subprocess.DEVNULL)
    toml = directory / "hw" / "assignment.toml"
    toml.write_text(
        toml.read_text(encoding="utf-8").replace("\n[[function]]", f"{LIMITS}\n[[function]]", 1),
        encoding="utf-8",
    )
    subprocess.run(["verify", "prepare", str(toml)], check=True, stdout=subprocess.DEVNULL)
    (directory / "class").mkdir()
    full = {}
    for k in range(number):
        kind = k % 10
        answer = (
            HOSTILE[k // 10 % len(HOSTILE)] if kind == 9 else WRONG[k % len(WRONG)] if kind >= 5 else RIGHT
        )
        name = f"student{k:05}.py"
        (directory / "class" / name).write_text(
            HEAD + MODEL + JACOBIAN.format(answer=answer), encoding="utf-8"
        )
        full[name] = answer == RIGHT
    return toml, full


def marks_in(path: Path) -> dict[str, str]:
    """Return the marks in a gradebook, and refuse a name that is there twice."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {row["submission"]: row["A first assignment"] for row in rows}
    if len(found) != len(rows):
        raise SystemExit(f"{path.name}: {len(rows) - len(found)} submissions are marked twice")
    return found


def marked(
    directory: Path, toml: Path, way: str, more: list[str], halfway: Callable[[Any], None] | None
) -> tuple[dict[str, str], float]:
    """Mark the class by one call, or by two of which the first is disturbed; return the marks and the CPU seconds."""
    book, journal = directory / f"{way}.csv", directory / f"{way}.jsonl"
    submissions = sorted(map(str, (directory / "class").iterdir()))
    call = [
        "verify",
        "grade",
        str(toml),
        *submissions,
        "--gradebook",
        str(book),
        "--resume",
        str(journal),
        *more,
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    if halfway is not None:
        while process.poll() is None and _lines(journal) < len(submissions) // 3:
            time.sleep(0.2)
        halfway(process)
        if process.wait() < 0:  # it was the marking itself that was killed
            first = _lines(journal)
            process = subprocess.Popen(call, stdout=subprocess.DEVNULL)
            print(f"  killed with {first} of {len(submissions)} there; the same call goes on")
    if process.wait() not in (0, 1):
        raise SystemExit(f"{way}: verify grade ended with status {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return marks_in(book), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _lines(path: Path) -> int:
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0


def by_dask(directory: Path, toml: Path) -> tuple[dict[str, str], float]:
    """Mark the class on two worker processes, of which one is killed in the middle."""
    distributed: Any = import_module("distributed")  # an extra

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        more = ["--dask", cluster.scheduler_address]
        return marked(directory, toml, "dask", more, lambda _: os.kill(pids[0], signal.SIGKILL))


def main() -> int:
    """Mark a class in several ways, print what came of it, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--submissions", type=int, default=2000)
    parser.add_argument("--ways", nargs="+", choices=("workers", "dask"), default=["workers", "dask"])
    parser.add_argument(
        "--growth", action="store_true", help="the cost of a submission in classes of 20, 80 and 320, too"
    )
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        toml, full = class_of(directory, arguments.submissions)
        top = load_assignment(toml).marks
        for way in arguments.ways:
            start = time.perf_counter()
            if way == "dask":
                marks, _ = by_dask(directory, toml)
            else:
                marks, _ = marked(directory, toml, way, ["--workers", "2"], lambda process: process.kill())
            off = [
                student for student, right in full.items() if (float(marks.get(student, -1)) == top) != right
            ]
            wrong += len(off)
            took = time.perf_counter() - start
            print(
                f"{way}: {len(marks)} marked in {took:.0f} s, {len(off)} with other marks than known {off[:3]}"
            )
    if arguments.growth:
        for number in (20, 80, 320):
            with tempfile.TemporaryDirectory() as name:
                toml, _ = class_of(Path(name), number)
                start = time.perf_counter()
                _, cpu = marked(Path(name), toml, "workers", ["--workers", "2"], None)
                print(
                    f"{number} submissions: {cpu / number:.2f} s of CPU each, {time.perf_counter() - start:.0f} s"
                )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
