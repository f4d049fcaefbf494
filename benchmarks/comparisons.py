"""From times to ratios: each goal of a case becomes one comparison."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Ratio(NamedTuple):
    """Medians and quartiles of theirs / ours over the rounds in which both took part."""

    median: float
    low: float
    high: float
    rounds: int


class Comparison(NamedTuple):
    """A line of the table. `reason` says why there are no numbers, and is "" where there are."""

    case: str
    dtype: str
    role: str
    ours: str
    our_seconds: float | None
    theirs: str
    their_seconds: float | None
    ratio: Ratio | None
    goal: str
    met: bool | None
    reason: str

    @property
    def they_win(self) -> bool:
        """Whether a peer is faster."""
        return self.role == "peer" and self.ratio is not None and self.ratio.median < 1


def ratio(theirs: Sequence[float | None], ours: Sequence[float | None]) -> Ratio | None:
    """Return the median of the ratios of the rounds, and their quartiles; None without a common round.

    >>> ratio([2.0, 6.0, None, 8.0], [1.0, 2.0, 1.0, 2.0])
    Ratio(median=3.0, low=2.5, high=3.5, rounds=3)
    """
    ratios = [
        other / own for other, own in zip(theirs, ours, strict=True) if other is not None and own is not None
    ]
    if not ratios:
        return None
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0], 1)
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(statistics.median(ratios), low, high, len(ratios))


def median(seconds: Sequence[float | None]) -> float:
    """Return the median of the rounds that were measured."""
    return statistics.median(found for found in seconds if found is not None)


def fastest(contestants: Mapping[str, Any], wanted: str) -> str | None:
    """Return the fastest contestant of a name, a role or a runtime; peers only, for a runtime."""
    found = [
        name
        for name, known in contestants.items()
        if known.get("seconds")
        and (wanted in (name, known["role"]) or (wanted == known["runtime"] and known["role"] == "peer"))
    ]
    return min(found, key=lambda name: median(contestants[name]["seconds"]), default=None)


def compare_case(record: Mapping[str, Any]) -> list[Comparison]:
    """Return a comparison for each goal of a measured case; one without a goal only if no other says the same."""
    found = [_compare(record, goal) for goal in record["goals"]]
    said = {(line.ours, line.theirs) for line in found if line.goal}
    kept = []
    for line in found:
        if line.goal or (line.ours, line.theirs) not in said:
            kept.append(line)
            said.add((line.ours, line.theirs))
    return kept


def _compare(record: Mapping[str, Any], goal: Mapping[str, Any]) -> Comparison:
    contestants = record["contestants"]
    wanted = goal["ours"] or "ours"
    ours = fastest(contestants, wanted)
    alone = goal["seconds"] is not None
    theirs = None if alone else fastest(contestants, goal["against"])
    role = contestants[theirs]["role"] if theirs else "ours" if alone else "peer"
    own = median(contestants[ours]["seconds"]) if ours else None
    other = median(contestants[theirs]["seconds"]) if theirs else None
    between = ratio(contestants[theirs]["seconds"], contestants[ours]["seconds"]) if ours and theirs else None
    reason, met = "", None
    if "wrong" in record:
        reason, met = f"a wrong answer, nothing is timed: {record['wrong']}", False
    elif ours is None:
        reason = _absent(record, wanted)
    elif not alone and theirs is None:
        reason = _absent(record, goal["against"])
    elif alone and own is not None:
        met = own <= goal["seconds"]
    elif goal["ratio"] is not None and between is not None:
        met = between.median >= goal["ratio"]
    text = (
        f"≤ {seconds_text(goal['seconds'])}"
        if alone
        else ""
        if goal["ratio"] is None
        else f"≥ {goal['ratio']:.3g}"
    )
    return Comparison(
        record["name"], record["dtype"], role, ours or wanted, own, theirs or ("" if alone else goal["against"]), other,
        between, text, met, reason,
    )  # fmt: skip


def _absent(record: Mapping[str, Any], wanted: str) -> str:
    """Return why none of the contestants that are meant was measured."""
    skipped = record["skipped"]
    meant = [name for name, (role, runtime) in record["entrants"].items() if wanted in (name, role, runtime)]
    reasons = [f"{name}: {skipped[name]}" for name in meant if name in skipped]
    return "; ".join(["not measured", *reasons]) if reasons else "not installed"


def seconds_text(seconds: float) -> str:
    """Return a time in a unit that suits it.

    >>> seconds_text(0.00123), seconds_text(2.5e-07), seconds_text(75.0)
    ('1.23 ms', '0.25 µs', '75 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def bytes_text(count: float) -> str:
    """Return a number of bytes in a unit that suits it.

    >>> bytes_text(80), bytes_text(123456), bytes_text(3.2e8)
    ('80 B', '123 kB', '320 MB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"
