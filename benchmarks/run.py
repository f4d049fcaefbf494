"""One command for the whole comparison: measures, compares, and writes a table and pictures.

    python benchmarks/run.py [--quick | --thorough] [--only GLOB] [--output DIR]

Contestants: ours, JAX, PyTorch, HIPS autograd, CasADi, SciPy, numdifftools, SymPy, and the floor: the least matrix
products, or the least bytes. What is not installed is said so. See benchmarks/README.md and docs/speed.md.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cases import CASES
from cases.family import Case
from cases.scaling import SERIES
from comparisons import compare_case
from measuring import HURRIED, QUICK, THOROUGH, Effort, measure
from pictures import draw_growth, draw_ratios
from tables import comparison_table, document, everyone_table
from workers import OURS, RUNTIMES, Worker

DOCUMENTATION = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HURRY = 0.9  # the share of the time from which on blocks are short
MINUTES = 25.0
RESULTS = "results.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 if an answer was wrong."""
    options = parsed(arguments)
    output = Path(options.output)
    kept = output / RESULTS
    results = json.loads(kept.read_text(encoding="utf-8")) if options.redraw else measured(options, kept)
    write(results, output)
    if options.write_docs:
        write_docs(results)
    return int(any("wrong" in record for record in results["cases"]))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    efforts = parser.add_mutually_exclusive_group()
    efforts.add_argument("--quick", action="store_true", help="fewer and shorter blocks: a few minutes")
    efforts.add_argument("--thorough", action="store_true", help="more and longer blocks, without a limit")
    parser.add_argument(
        "--minutes",
        type=minutes,
        default=MINUTES,
        help="when they are nearly over, the rest gets short blocks, and when they are, it is left out: cases with "
        f"goals come first (default: {MINUTES:.0f})",
    )
    parser.add_argument(
        "--only", metavar="GLOB", action="append", help="cases whose name matches, such as '*1024*'"
    )
    parser.add_argument("--output", metavar="DIR", default="speed", help="where results go (default: speed/)")
    parser.add_argument(
        "--python", metavar="RUNTIME=PATH", action="append", default=[], type=interpreter,
        help=f"an interpreter that has a runtime ({', '.join(RUNTIMES)}); by default this one",
    )  # fmt: skip
    parser.add_argument(
        "--threads",
        type=threads,
        default=available_cores(),
        help="of everyone (default: the cores that there are)",
    )
    parser.add_argument(
        "--openblas-core", metavar="NAME",
        help="the processor whose kernels OpenBLAS takes in every process, such as SkylakeX (default: as it chooses)",
    )  # fmt: skip
    parser.add_argument("--no-scaling", action="store_true", help="without the pictures of growth")
    parser.add_argument("--write-docs", action="store_true", help="put table and pictures into docs/")
    parser.add_argument("--redraw", action="store_true", help="from DIR/results.json, without measuring")
    parser.add_argument(
        "--list", action="store_true", help="print the names of the cases, of those that --only takes"
    )
    options = parser.parse_args(arguments)
    options.cases = [
        case for case in CASES if not options.only or any(matches(case.name, glob) for glob in options.only)
    ]
    if not options.cases:
        parser.error(f"--only: found no case that matches {' or '.join(options.only)}; --list prints them")
    if options.list:
        print("\n".join(case.name for case in options.cases))
        raise SystemExit(0)
    kept = Path(options.output, RESULTS)
    if options.redraw and not kept.is_file():
        parser.error(f"--redraw: found no {kept}, expected what a run without --redraw has written there")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(
            f"--output: found {options.output!r}, expected a directory to write to ({error.strerror})"
        )
    return options


def minutes(text: str) -> float:
    """Return a time; of none everything is left out."""
    with suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(
        f"found {text!r}, expected a number of at least 0; --thorough has no limit"
    )


def threads(text: str) -> int:
    """Return a number of threads for which there are cores."""
    with suppress(ValueError):
        if 1 <= (value := int(text)) <= available_cores():
            return value
    raise argparse.ArgumentTypeError(f"found {text!r}, expected 1 to {available_cores()}")


def matches(name: str, glob: str) -> bool:
    """Return whether a glob, or a part of the name, fits a case."""
    return fnmatch.fnmatchcase(name, glob) or fnmatch.fnmatchcase(name, f"*{glob}*")


def interpreter(text: str) -> tuple[str, str]:
    """Return runtime and path of NAME=PATH."""
    runtime, _, path = text.partition("=")
    if runtime not in RUNTIMES or not path:
        raise argparse.ArgumentTypeError(
            f"found {text!r}, expected one of {', '.join(RUNTIMES)}, = and a path"
        )
    if shutil.which(path) is None:
        raise argparse.ArgumentTypeError(
            f"found {path!r} for {runtime}, expected an interpreter that can be run"
        )
    return runtime, path


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# --- measuring -------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace, kept: Path) -> dict[str, Any]:
    """Measure all cases; what is measured is kept after each."""
    effort = QUICK if options.quick else THOROUGH if options.thorough else Effort()
    start = time.monotonic()

    def spent() -> float:  # as a share
        return 0.0 if options.thorough else (time.monotonic() - start) / max(60 * options.minutes, 1e-9)

    pythons = dict(options.python)
    workers = {
        runtime: Worker(runtime, pythons.get(runtime, sys.executable), options.threads, options.openblas_core)
        for runtime in RUNTIMES
    }
    try:
        ready(workers, options.openblas_core)
        present = {runtime: worker for runtime, worker in workers.items() if not worker.missing}
        results: dict[str, Any] = {
            "date": datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d"),
            "effort": effort._asdict(),
            "machine": {
                "processor": processor(),
                "cores": available_cores(),
                "threads": options.threads,
                "system": f"{platform.system()} {platform.machine()}",
                "blas": workers[OURS].blas,
                "openblas_core": options.openblas_core,
                "versions": {runtime: worker.versions for runtime, worker in present.items()},
                "missing": {runtime: worker.missing for runtime, worker in workers.items() if worker.missing},
            },
            "cases": [],
            "scaling": [],
            "left_out": [],
        }
        for runtime, reason in results["machine"]["missing"].items():
            print(f"{runtime} is not installed: {reason}", flush=True)
        for part in schedule(options.cases, not options.no_scaling):
            if spent() > 1:
                results["left_out"].append(part if isinstance(part, str) else f"{part[0].name}, {part[1]}")
            elif isinstance(part, str):
                results["scaling"] = growth(present[OURS], effort if options.thorough else QUICK)
            else:
                record = measure(*part, present, HURRIED if spent() > HURRY else effort)
                results["cases"].append(record)
                print(comparison_table(compare_case(record)).split("\n", 2)[2], flush=True)
            keep(results, kept)
    finally:
        for worker in workers.values():
            worker.close()
    results["minutes"] = (time.monotonic() - start) / 60
    keep(in_order(results), kept)
    return results


GROWTH = "growth"


def schedule(cases: Sequence[Case], scaling: bool) -> list[tuple[Case, str] | str]:
    """Return what is measured, in order: cases with goals, then growth, then what has none and may be left out."""
    judged = [case for case in cases if any(goal.asks for goal in case.goals)]
    found: list[tuple[Case, str] | str] = [(case, "float64") for case in judged]
    found += [GROWTH] * scaling
    found += [(case, "float64") for case in cases if case not in judged]
    return [*found, *((case, "float32") for case in cases if case.single)]


def in_order(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results with the cases as they stand in the tables, not as they were measured."""
    places = {case.name: place for place, case in enumerate(CASES)}
    results["cases"].sort(key=lambda record: places.get(record["name"], len(places)))
    return results


def ready(workers: Mapping[str, Worker], openblas_core: str | None) -> None:
    """End the command where our own process can't take part, or has other kernels than asked for."""
    if workers[OURS].missing:
        raise SystemExit(f"the library itself can't be imported: {workers[OURS].missing}")
    taken = workers[OURS].blas.get("kernels")
    if openblas_core is not None and taken is not None and taken.lower() != openblas_core.lower():
        raise SystemExit(
            f"--openblas-core: found {openblas_core!r}, but NumPy's BLAS took the kernels for {taken}: it has no such "
            f"kernels, or is no OpenBLAS"
        )


def growth(worker: Worker, effort: Effort) -> list[dict[str, Any]]:
    """Measure the series of ours against width, depth, batch and chain length."""
    found = []
    for series in SERIES:
        records = []
        for case in series.cases:
            record = measure(case, "float64", {OURS: worker}, effort)
            for name, entry in record["contestants"].items():
                entry["predicted"] = worker.ask("predict", contestant=name)
            records.append(record)
        found.append(
            {"title": series.title, "axis": series.axis, "values": list(series.values), "cases": records}
        )
        print(f"growth with {series.title}: measured", flush=True)
    return found


def keep(results: Mapping[str, Any], path: Path) -> None:
    """Write what was measured, so that tables and pictures can be redrawn."""
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- writing ---------------------------------------------------------------------------------------------


def write(results: Mapping[str, Any], output: Path) -> None:
    """Write table and pictures."""
    parts = ["# Speed", document(results)]
    for dtype in ("float64", "float32"):
        records = [record for record in results["cases"] if record["dtype"] == dtype]
        if records:
            parts += [f"### Everyone, {dtype}", everyone_table(records)]
    (output / "speed.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"{output / 'speed.md'} is written")
    draw(results, output)


def draw(results: Mapping[str, Any], directory: Path) -> None:
    """Draw the pictures, where matplotlib is installed."""
    try:
        draw_ratios(results, directory / "speed.svg")
        if results["scaling"]:
            draw_growth(results, directory / "scaling.svg")
    except ImportError as error:
        print(f"no pictures: {error}; they need the extra report", file=sys.stderr)


def write_docs(results: Mapping[str, Any]) -> None:
    """Put table and pictures into the documentation, between the markers."""
    page, images = DOCUMENTATION / "speed.md", DOCUMENTATION / "images"
    draw(results, images)
    parts = [document(results)]
    for name, title in (("speed.svg", "Ratios and goals"), ("scaling.svg", "Growth")):
        if (images / name).exists():
            parts.append(f"### {title}\n\n![{title}](images/{name})")
    text = between_markers(page.read_text(encoding="utf-8"), "\n\n".join(parts))
    page.write_text(text, encoding="utf-8")
    print(f"{page.name} is written")


def between_markers(page: str, text: str) -> str:
    """Return the page with the text between its markers in place of what stood there."""
    head, found, rest = page.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not found or not ended:
        raise SystemExit(f"docs/speed.md: expected the markers {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


if __name__ == "__main__":
    sys.exit(main())
