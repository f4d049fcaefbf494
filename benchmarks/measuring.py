"""Measures a case: answers are compared, then blocks of calls are timed, interleaved in random order."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cases.family import Case, Family, Goal
from comparisons import compare_case, fastest, median
from workers import OURS, ContestantError, Worker, WrongAnswerError

LAGGARD, FEW_ROUNDS = 5, 3  # so many times slower than the fastest of its role: so many rounds
FAR, FEWEST_ROUNDS = 20, 1
SETTLE = 0.04  # seconds after a block of several threads, until they sleep: OpenBLAS's spin for 30 ms


class Effort(NamedTuple):
    """How much is measured.

    Attributes
    ----------
    rounds : int
        Blocks of each contestant.
    block : float
        Seconds of a block; a call that takes longer is a block of its own.
    most : float
        Seconds for all blocks of one contestant; the slow ones get fewer rounds.
    least : int
        Rounds of the slowest. Where it is 1, a call of more than `most` seconds isn't made again.
    slow : bool
        Whether contestants that are marked as slow are called, once.
    """

    rounds: int = 9
    block: float = 0.03
    most: float = 1.2
    least: int = 1
    slow: bool = True


THOROUGH = Effort(rounds=11, block=0.05, most=3.0, least=3)
QUICK = Effort(rounds=5, block=0.01, most=0.5, slow=False)
HURRIED = Effort(rounds=3, block=0.005, most=0.1, slow=False)  # when time is nearly up


def measure(case: Case, dtype: str, workers: Mapping[str, Worker], effort: Effort) -> dict[str, Any]:
    """Return what was measured of a case, ready for JSON.

    A contestant has `seconds`, the mean of a call in each round or None where it did not take part; `bytes` of its
    answer, and the `peak` of what a call allocates. Where a goal is missed, `profiles` say where the time of ours goes.
    `took` says where the time of measuring went, in seconds.
    """
    start, before = time.monotonic(), _spent(workers)
    record = _measured(case, dtype, workers, effort)
    took = _spent(workers) - before
    took["all"] = time.monotonic() - start
    return record | {"took": {part: round(seconds, 2) for part, seconds in took.most_common()}}


def _spent(workers: Mapping[str, Worker]) -> Counter[str]:
    return sum((worker.spent for worker in workers.values()), Counter())


def _measured(case: Case, dtype: str, workers: Mapping[str, Worker], effort: Effort) -> dict[str, Any]:
    family, problem = case.family, case.in_dtype(dtype)
    contestants: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    places: dict[str, Worker] = {}
    for runtime in dict.fromkeys(contestant.runtime for contestant in family.contestants.values()):
        if runtime not in workers:
            continue
        try:
            reply = workers[runtime].ask("make", case=case.name, dtype=dtype)
        except ContestantError as error:
            reply = {"made": [], "skipped": {runtime: str(error)}}
        skipped |= reply["skipped"]
        places |= dict.fromkeys(reply["made"], workers[runtime])
    record: dict[str, Any] = {
        "name": case.name,
        "dtype": dtype,
        "family": family.title,
        "title": case.title,
        "goals": [vars(goal) for goal in (case.compared if dtype == "float64" else _shown(case))],
        "entrants": {name: [known.role, known.runtime] for name, known in family.contestants.items()},
        "skipped": skipped,
        "contestants": contestants,
    }
    try:
        first = _answers(family, problem, places, effort, skipped, workers[OURS])
    except WrongAnswerError as error:
        return record | {"wrong": str(error)}
    for name, reply in first.items():
        known = family.contestants[name]
        contestants[name] = {"role": known.role, "runtime": known.runtime, "bytes": reply["bytes"]}
    times = _times(case, problem, {name: places[name] for name in first}, first, effort, skipped)
    for name, seconds in times.items():
        contestants[name]["seconds"] = seconds
    quickest = {fastest(contestants, role) for role in ("ours", "peer", "floor")}
    for name, seconds in times.items():
        contestants[name]["peak"] = None
        slow = family.contestants[name].slow(problem)
        if slow or (name not in quickest and median(seconds) > effort.most):
            continue
        with contextlib.suppress(ContestantError):
            contestants[name]["peak"] = places[name].ask("memory", contestant=name)["bytes"]
    under_load = [goal for goal in case.compared if goal.loaded] if dtype == "float64" else []
    if under_load:
        roles = {"ours" if goal.against == "loaded" else goal.against for goal in under_load}
        names = {fastest(contestants, role) for role in (*roles, "ours")} - {None}
        for name, seconds in _loaded({name: places[name] for name in names}, contestants, effort).items():
            contestants[name]["loaded"] = seconds
    missed = {line.ours for line in compare_case(record) if line.met is False}
    missed &= {name for name in contestants if contestants[name].get("seconds")}
    with contextlib.suppress(ContestantError):
        record["profiles"] = {name: places[name].ask("profile", contestant=name) for name in sorted(missed)}
    return record


def _shown(case: Case) -> list[Goal]:
    """Return the comparisons of a case without goals; each once."""
    shown = dict.fromkeys(
        (goal.against, goal.ours) for goal in case.goals if goal.seconds is None and not goal.loaded
    )
    return [Goal(against, ours=ours) for against, ours in shown]


def _answers(
    family: Family,
    problem: Any,
    places: Mapping[str, Worker],
    effort: Effort,
    skipped: dict[str, str],
    witness: Worker,
) -> dict[str, Any]:
    """Compare all answers with the expected one; return the replies of those that take part."""
    replies = {}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "expected.npy"
        witness.ask("expected", path=str(path))
        for name, worker in places.items():
            if family.contestants[name].slow(problem) and not effort.slow:
                skipped[name] = "a call takes long: measured once, in a full run only"
                continue
            try:
                replies[name] = worker.ask("answer", contestant=name, path=str(path))
            except ContestantError as error:
                skipped[name] = str(error)
                continue
            if "wrong" in replies[name]:
                raise WrongAnswerError(replies[name]["wrong"])
    return replies


def _times(
    case: Case,
    problem: Any,
    places: Mapping[str, Worker],
    first: Mapping[str, Any],
    effort: Effort,
    skipped: dict[str, str],
) -> dict[str, list[float | None]]:
    """Return the seconds of a call of each contestant, one a round; who fails on the way is skipped."""
    family = case.family
    times: dict[str, list[float | None]] = {name: [None] * effort.rounds for name in places}
    once: dict[str, float] = {}
    order = spread(effort.rounds)
    for name, worker in places.items():
        if family.contestants[name].slow(problem):  # the call for the answer stays the only one
            times[name][order[0]] = first[name]["seconds"]
            continue
        # the call for the answer was the first one: it compiled what is compiled
        try:
            seconds = worker.ask("time", contestant=name, calls=1, warm=False)["seconds"]
            if seconds > effort.most and effort.least == 1:
                times[name][order[0]] = seconds
                continue
            calls = max(1, min(1000, int(effort.block / 4 / max(seconds, 1e-7))))
            once[name] = seconds
            if calls > 1:
                again = worker.ask("time", contestant=name, calls=calls, warm=False)["seconds"]
                once[name] = min(seconds, again)
        except ContestantError as error:
            skipped[name] = str(error)
            del times[name]
    known = {
        name: {
            "role": family.contestants[name].role,
            "runtime": family.contestants[name].runtime,
            "seconds": [spent],
        }
        for name, spent in once.items()
    }
    named = {fastest(known, wanted) for goal in case.goals for wanted in (goal.against, goal.ours or "ours")}
    part = participation(once, {name: entry["role"] for name, entry in known.items()}, effort, named)
    for number in range(effort.rounds):
        for name in random.sample(sorted(once), len(once)):
            if number in part[name] and name in times:
                calls = max(1, int(effort.block / once[name]))
                # a call that fills a block needs none before it to be warm
                try:
                    reply = places[name].ask("time", contestant=name, calls=calls, warm=calls > 1)
                except ContestantError as error:
                    skipped[name] = str(error)
                    del times[name]
                    continue
                times[name][number] = reply["seconds"]
                if reply["threads"]:
                    time.sleep(SETTLE)
    return times


LOADED_ROUNDS, LOADED_BLOCK = 5, 0.06  # a block meets several turns of the other process


def _loaded(
    places: Mapping[str, Worker], contestants: Mapping[str, Any], effort: Effort
) -> dict[str, list[float | None]]:
    """Return the seconds of a call of each contestant with a busy process on each core, one a round."""
    rounds = min(LOADED_ROUNDS, effort.rounds)
    times: dict[str, list[float | None]] = {name: [None] * rounds for name in places}
    block = min(LOADED_BLOCK, 3 * effort.block)
    with busy_cores(), contextlib.suppress(ContestantError):
        for number in range(rounds):
            for name, worker in places.items():
                calm = median(contestants[name]["seconds"])
                if number and calm * rounds > effort.most:
                    continue
                calls = max(1, int(block / calm))
                reply = worker.ask("time", contestant=name, calls=calls, warm=calls > 1)
                times[name][number] = reply["seconds"]
    return {name: found for name, found in times.items() if found[0] is not None}


# not longer than the process that asked for it, however that one ends
BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(10_000))"


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    """Have a process on each core that never waits."""
    known = hasattr(os, "sched_getaffinity")
    cores: Iterable[int] = sorted(os.sched_getaffinity(0)) if known else range(os.cpu_count() or 1)
    started = []
    try:
        for core in cores:
            process = subprocess.Popen([sys.executable, "-c", BUSY, str(os.getpid())])
            started.append(process)
            if known:
                os.sched_setaffinity(process.pid, {core})
        time.sleep(0.1)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def participation(
    once: Mapping[str, float], roles: Mapping[str, str], effort: Effort, named: Collection[str | None] = ()
) -> dict[str, set[int]]:
    """Return the rounds in which each contestant takes part: fewer for the slow, which all the faster share.

    Parameters
    ----------
    once : mapping of str to float
        Seconds of one call.
    roles : mapping of str to str
    effort : Effort
    named : collection of str
        Those that a goal is about, which the fastest of their role don't stand for.
    """
    found = {}
    for name, seconds in once.items():
        rounds = effort.rounds
        behind = seconds / min(once[other] for other in once if roles[other] == roles[name])
        if behind > LAGGARD and name not in named:
            # what fills no block is cheap, and may have been disturbed when it was asked how long it takes
            rounds = min(rounds, FEWEST_ROUNDS if behind > FAR and seconds > effort.block else FEW_ROUNDS)
        rounds = max(
            min(effort.least, effort.rounds), min(rounds, int(effort.most / max(seconds, effort.block)))
        )
        found[name] = set(spread(effort.rounds)[:rounds])
    return found


def spread(rounds: int) -> list[int]:
    """Return the numbers of the rounds in an order whose beginnings are spread over all of them."""
    return random.Random(rounds).sample(range(rounds), rounds)
