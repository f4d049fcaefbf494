"""Do the tests notice? Random small changes of the product, each against the tests that cover its line.

    python benchmarks/mutation_testing.py cover --directory DIR    # once: which test runs which line, for how long
    python benchmarks/mutation_testing.py run --directory DIR --mutants 100 --seed 0
    python benchmarks/mutation_testing.py show --directory DIR     # the score, and the change of each survivor

The changes are those of cosmic-ray (operators, comparisons, numbers, branches, decorators, loops). Left as they are:
texts (strings, annotations, what stands in a `raise`), the numbers by which pictures are laid out, and what can't be
noticed: a cache's decorator, and `strict` of zip, which only guards against ourselves. A mutant is killed if one of at
most 60 s of tests fails, or if they don't end while they do unchanged; where they don't either, the machine is too slow
to tell, the mutant isn't counted, and `--again` runs it once more. What is done is kept in DIR, and a run that was
stopped goes on there. The checkout is copied before anything is changed. The group `mutation` has what it needs: pip
install --group mutation.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import queue
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("jacobians", "verification", "backprop")
SECONDS = 60.0  # a mutant
SHARE = 0.5  # of them, as the tests take unchanged: what is left is for start-up and a loaded machine
LAYOUT = ("pictures.py", "picture.py", "drawing.py")  # files that draw
LAID_OUT_BY = ("core/NumberReplacer", "core/ReplaceBinaryOperator", "core/ReplaceUnaryOperator")
SPEED_ONLY = ("cache", "lru_cache", "wraps")  # decorators that change no result
LEFT_OUT = ("benchmark", "test_packaging", "test_docs_scripts")  # tests of what isn't in the packages
COMMAND = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly"]


# --- which test runs which line --------------------------------------------------------------------------


class Durations:
    """A pytest plugin that writes how long each test took, in seconds, by its id."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up setup, call and teardown; a test that fails unchanged can notice nothing."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write them."""
        passed = {test: seconds for test, seconds in self.seconds.items() if test not in self.failed}
        self.path.write_text(json.dumps(passed), encoding="utf-8")


def pytest_configure(config: Any) -> None:
    """Take part in the run that `cover` begins, in the process that reports."""
    path = os.environ.get("MUTATION_DURATIONS")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(Path(path)))


def cover(directory: Path, workers: int) -> int:
    """Run the suite once under coverage, with the test as the context of each line."""
    directory.mkdir(parents=True, exist_ok=True)
    sources = [option for package in PACKAGES for option in ("--cov", package)]
    command = [
        *COMMAND,
        "-p",
        "mutation_testing",
        *sources,
        "--cov-context=test",
        "--cov-report=",
        "-n",
        str(workers),
    ]
    command.remove("-x")
    command += [f"--ignore-glob=*{name}*" for name in LEFT_OUT]
    environment = _environment(ROOT) | {
        "COVERAGE_FILE": str(directory / "coverage"),
        "MUTATION_DURATIONS": str(directory / "durations.json"),
    }
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _environment(root: Path) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    paths = os.pathsep.join((str(root), str(Path(__file__).parent)))
    return os.environ | threads | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}


def tests_by_line(directory: Path, name: str) -> dict[int, set[str]]:
    """Return, for each line of a file, the ids of the tests that run it."""
    from coverage.numbits import numbits_to_nums

    found: dict[int, set[str]] = {}
    with sqlite3.connect(directory / "coverage") as data:
        rows = data.execute(
            "SELECT context.context, line_bits.numbits FROM line_bits JOIN file ON file.id = line_bits.file_id "
            "JOIN context ON context.id = line_bits.context_id WHERE file.path LIKE ?",
            (f"%/{name}",),
        ).fetchall()
    for context, bits in rows:
        test = context.partition("|")[0]
        if test:
            for line in numbits_to_nums(bits):
                found.setdefault(line, set()).add(test)
    return found


# --- the mutants -----------------------------------------------------------------------------------------


def texts(source: str) -> set[int]:
    """Return the lines that say something and compute nothing: annotations, errors, names that are exported."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Raise):
            parts = [node]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns, *(a.annotation for a in (*node.args.args, *node.args.kwonlyargs))]
            parts += [a.annotation for a in (node.args.vararg, node.args.kwarg) if a is not None]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If | ast.Assign) and re.match(
            r"if TYPE_CHECKING|__all__ =", ast.unparse(node)
        ):
            parts = [node]
        for part in parts:
            if part is not None:
                lines |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    return lines


def unnoticeable(source: str) -> set[tuple[str, int]]:
    """Return the (operator, line) pairs whose change no test can see: caches, and guards that never apply."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if re.split(r"[.(]", ast.unparse(decorator).partition("(")[0])[-1] in SPEED_ONLY:
                    found.add(("core/RemoveDecorator", decorator.lineno))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":
            found |= {
                ("core/ReplaceTrueWithFalse", k.value.lineno) for k in node.keywords if k.arg == "strict"
            }
    return found


def mutants(name: str, lines: set[int]) -> Iterator[tuple[int, int, list[tuple[str, int]]]]:
    """Yield line, column and the (operator, occurrence) pairs that change a file there."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    source = (ROOT / name).read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(source)))
    places: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for operator_name in sorted(plugins.operator_names()):
        operator = plugins.get_operator(operator_name)
        if operator.arguments():
            continue
        occurrence = 0
        for node in nodes:
            for start, _ in operator().mutation_positions(node):
                if start[0] in lines:
                    places.setdefault(start, []).append((operator_name, occurrence))
                occurrence += 1
    skipped, unseen = texts(source), unnoticeable(source)
    drawing = Path(name).name in LAYOUT
    for (line, column), changes in sorted(places.items()):
        kept = [
            (operator, occurrence)
            for operator, occurrence in changes
            if (operator, line) not in unseen and not (drawing and operator.startswith(LAID_OUT_BY))
        ]
        if kept and line not in skipped:
            yield line, column, kept


def drawn(directory: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """Return `count` mutants: a place drawn evenly among all covered places, then a change among those of the place."""
    rng = random.Random(seed)
    places = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            covering = tests_by_line(directory, name)
            for line, column, changes in mutants(name, set(covering)):
                places.append((name, line, column, changes, sorted(covering[line])))
    chosen = rng.sample(places, min(count, len(places)))
    result = []
    for name, line, column, changes, tests in chosen:
        operator, occurrence = rng.choice(changes)
        result.append(
            {
                "file": name,
                "line": line,
                "column": column,
                "operator": operator,
                "occurrence": occurrence,
                "tests": tests,
            }
        )
    return result


def changed(source: str, mutant: dict[str, Any]) -> str | None:
    """Return the source of a mutant, or None where cosmic-ray makes none of it."""
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    operator = plugins.get_operator(mutant["operator"])()
    found: str | None = mutate_code(source, operator, mutant["occurrence"])
    return found


# --- running ---------------------------------------------------------------------------------------------


def run(directory: Path, count: int, seed: int, jobs: int, again: bool, also: list[str]) -> int:
    """Run what isn't done yet of the mutants of a seed; a line each."""
    plan, done = directory / f"mutants-{seed}-{count}.json", directory / f"done-{seed}-{count}.jsonl"
    if not plan.exists():
        plan.write_text(json.dumps(drawn(directory, count, seed)), encoding="utf-8")
    chosen = json.loads(plan.read_text(encoding="utf-8"))
    durations = json.loads((directory / "durations.json").read_text(encoding="utf-8"))
    lines = done.read_text("utf-8").splitlines() if done.exists() else []
    if again:
        lines = [line for line in lines if json.loads(line)["status"] not in ("survived", "untold")]
        done.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    past = {json.loads(line)["number"] for line in lines}
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    kept_out = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")

    def outcome_of(number: int) -> dict[str, Any]:
        copy = copies.get()
        try:
            return {"number": number} | _outcome(copy, chosen[number], durations, also)
        finally:
            copies.put(copy)

    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(jobs) as pool:
        for job in range(jobs):
            copies.put(Path(shutil.copytree(ROOT, Path(scratch) / str(job), ignore=kept_out)))
        tasks = [pool.submit(outcome_of, number) for number in range(len(chosen)) if number not in past]
        for task in as_completed(tasks):
            outcome = task.result()
            with done.open("a", encoding="utf-8") as file:
                file.write(json.dumps(outcome) + "\n")
            place = f"{outcome['file']}:{outcome['line']}"
            print(f"{outcome['number']:4d} {outcome['status']:9s} {place} {outcome['operator']}", flush=True)
    return show(directory)


def _outcome(
    copy: Path, mutant: dict[str, Any], durations: dict[str, float], also: list[str]
) -> dict[str, Any]:
    path = copy / mutant["file"]
    original = path.read_text(encoding="utf-8")
    source = changed(original, mutant)
    facts = {key: mutant[key] for key in ("file", "line", "operator")}
    if source is None or source == original:
        return facts | {"status": "none", "diff": ""}
    diff = "\n".join(difflib.unified_diff(original.splitlines(), source.splitlines(), lineterm="", n=1))
    tests = [*also, *_selected(mutant["tests"], durations)]
    path.write_text(source, encoding="utf-8")
    try:
        status = _status(copy, tests)
    finally:
        path.write_text(original, encoding="utf-8")
    if status == "endless" and _status(copy, tests) == "endless":
        status = "untold"
    return facts | {"status": status, "diff": diff}


def _selected(tests: list[str], durations: dict[str, float]) -> list[str]:
    """Return covering tests up to the share of the time: of each function the quickest case, then the next."""
    rounds: list[tuple[int, float, str]] = []
    cases: Counter[str] = Counter()
    for test in sorted((test for test in tests if test in durations), key=durations.__getitem__):
        function = test.partition("[")[0]
        rounds.append((cases[function], durations[test], test))
        cases[function] += 1
    chosen, seconds = [], 0.0
    for _, took, test in sorted(rounds):
        seconds += took
        if chosen and seconds > SHARE * SECONDS:
            break
        chosen.append(test)
    return chosen


def _status(copy: Path, tests: list[str]) -> str:
    listing = copy / "selected-tests"
    listing.write_text("\n".join(tests), encoding="utf-8")
    process = subprocess.Popen(
        [*COMMAND, f"@{listing}"], cwd=copy, env=_environment(copy), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return "endless"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return "survived" if code == 0 else "killed"


def show(directory: Path) -> int:
    """Print the score, and the change of each survivor; status 1 below 90 %."""
    score = 1.0
    for done in sorted(directory.glob("done-*.jsonl")):
        outcomes = [json.loads(line) for line in done.read_text(encoding="utf-8").splitlines()]
        counted = [outcome for outcome in outcomes if outcome["status"] not in ("none", "untold")]
        survivors = [outcome for outcome in counted if outcome["status"] == "survived"]
        share = 1 - len(survivors) / max(1, len(counted))
        score = min(score, share)
        for survivor in survivors:
            print(f"\n{survivor['file']}:{survivor['line']} {survivor['operator']}\n{survivor['diff']}")
        print(f"\n{done.stem}: {len(counted) - len(survivors)} of {len(counted)} noticed ({share:.0%})")
    return 0 if score >= 0.9 else 1


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["cover", "run", "show"])
    parser.add_argument("--directory", type=Path, required=True, help="where results are kept")
    parser.add_argument("--mutants", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument(
        "--again", action="store_true", help="run those that survived once more, as after new tests"
    )
    parser.add_argument(
        "--also",
        nargs="*",
        default=[],
        help="tests that are newer than `cover`: all mutants are asked of them too",
    )
    given = parser.parse_args()
    if given.what == "cover":
        return cover(given.directory, given.workers)
    if given.what == "run":
        return run(given.directory, given.mutants, given.seed, given.workers, given.again, given.also)
    return show(given.directory)


if __name__ == "__main__":
    sys.exit(main())
