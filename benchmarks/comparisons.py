"""From times to ratios: each goal of a case becomes one comparison."""

from __future__ import annotations

import re
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
    our_least: float | None = None
    their_least: float | None = None
    best: bool = True  # whether nothing of ours is faster
    bounded: bool = False  # whether the floor is nearly all of their time

    @property
    def least_ratio(self) -> float | None:
        """Their least time divided by ours: what a machine that others share disturbs least."""
        return self.their_least / self.our_least if self.our_least and self.their_least else None

    @property
    def level(self) -> bool:
        """Whether a peer is a little faster where more can't be bought."""
        return self.behind and self.bounded and self.ratio is not None and self.ratio.median >= LEVEL

    @property
    def they_win(self) -> bool:
        """Whether a peer is faster than everything of ours, and more than a little where more can't be bought."""
        return self.behind and self.best and not self.level

    @property
    def behind(self) -> bool:
        """Whether a peer is faster than this one of ours."""
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


def least(seconds: Sequence[float | None]) -> float:
    """Return the least of the rounds that were measured."""
    return min(found for found in seconds if found is not None)


INTO = re.compile(r"\bout\)|\bout=")  # the call of a contestant that writes into a given array


def fastest(contestants: Mapping[str, Any], wanted: str) -> str | None:
    """Return the fastest contestant of a name, a role or a runtime; peers only, for a runtime.

    "alone" are ours without an engine beside NumPy, "fresh" ours into an array of their own.
    """
    found = [
        name
        for name, known in contestants.items()
        if known.get("seconds")
        and (
            wanted in (name, known["role"])
            or (wanted == known["runtime"] and known["role"] == "peer")
            or (wanted == "alone" and known["role"] == "ours" and "engine=" not in name)
            or (wanted == "fresh" and known["role"] == "ours" and not INTO.search(name))
        )
    ]
    return min(found, key=lambda name: median(contestants[name]["seconds"]), default=None)


def compare_case(record: Mapping[str, Any]) -> list[Comparison]:
    """Return a comparison for each goal of a measured case; one without a goal only if no other says the same.

    Where the floor takes more than 85 % of the fastest peer's time more than level can't be bought: that is the goal
    then, and 0.9 of the floor, whether the case asks for it or not.
    """
    goals = list(record["goals"])
    about_peers = any(goal["ratio"] is not None and _about_peers(goal) for goal in goals)
    bounded = about_peers and share_of_floor(record, fastest(record["contestants"], "peer")) > ALL
    if bounded and not any(goal["against"] == "floor" for goal in goals):
        goals.append({"against": "floor", "ratio": None, "seconds": None, "ours": None, "loaded": False})
    found = [_compare(record, goal, bounded) for goal in goals]
    said = {(line.case, line.ours, line.theirs) for line in found if line.goal}
    kept = []
    for line in found:
        if line.goal or (line.case, line.ours, line.theirs) not in said:
            kept.append(line)
            said.add((line.case, line.ours, line.theirs))
    return kept


def head_to_head(record: Mapping[str, Any]) -> Comparison | None:
    """Return the fastest of ours beside the fastest peer, whatever the goals are; None where one of them is missing."""
    goal = {"against": "peer", "ratio": None, "seconds": None, "ours": None, "loaded": False}
    line = _compare(record, goal, False)
    return None if line.ratio is None else line


LEVEL, OF_THE_FLOOR, ALL = 0.97, 0.9, 0.85


def share_of_floor(record: Mapping[str, Any], peer: str | None) -> float:
    """Return what the least products, ours or another library's, take of a peer's time; 0 where they do not bound us.

    They do not where something of ours is clearly faster than they are, or asked to be, as without dead units.
    """
    known = record["contestants"]
    least_products = [fastest(known, "floor"), fastest(known, "products")]
    seconds = [median(known[name]["seconds"]) for name in least_products if name is not None]
    ours = fastest(known, "ours")
    if not seconds or peer is None or ours is None:
        return 0.0
    asked_more = any(goal["against"] == "floor" and (goal["ratio"] or 0) > 1 for goal in record["goals"])
    if asked_more or median(known[ours]["seconds"]) < OF_THE_FLOOR * min(seconds):
        return 0.0
    return min(seconds) / median(known[peer]["seconds"])


def _about_peers(goal: Mapping[str, Any]) -> bool:
    return goal["seconds"] is None and goal["against"] not in ("floor", "loaded") and not goal["loaded"]


def _compare(record: Mapping[str, Any], goal: Mapping[str, Any], bounded: bool) -> Comparison:
    contestants = record["contestants"]
    wanted = goal["ours"] or "ours"
    ours = fastest(contestants, wanted)
    alone, loaded, with_itself = goal["seconds"] is not None, goal["loaded"], goal["against"] == "loaded"
    theirs = None if alone else ours if with_itself else fastest(contestants, goal["against"])
    role = contestants[theirs]["role"] if theirs else "ours" if alone else "peer"
    key = "loaded" if loaded else "seconds"
    mine = contestants[ours].get(key) if ours else None
    others = contestants[theirs].get("seconds" if with_itself else key) if theirs else None
    own, other = (median(found) if found else None for found in (mine, others))
    if with_itself and own and other:  # rounds of other minutes
        between: Ratio | None = Ratio(other / own, other / own, other / own, len(mine))
    else:
        between = ratio(others, mine) if mine and others else None
    asked, said = goal["ratio"], ""
    share = share_of_floor(record, theirs) if role == "peer" and not loaded else 0.0
    if bounded and goal["against"] == "floor":
        asked, said = OF_THE_FLOOR, " (level)"
    elif share > ALL and asked is not None and asked > LEVEL:
        asked, said = LEVEL, f" (level: the floor is {100 * share:.0f} % of theirs)"
    reason, met = "", None
    if "wrong" in record:
        reason, met = f"a wrong answer, nothing is timed: {record['wrong']}", False
    elif ours is None:
        reason = _absent(record, wanted)
    elif not alone and theirs is None:
        reason = _absent(record, goal["against"])
    elif loaded and between is None:
        reason = "not measured under load"
    elif alone and own is not None:
        met = own <= goal["seconds"]
    elif asked is not None and between is not None:
        met = between.median >= asked
    text = f"≤ {seconds_text(goal['seconds'])}" if alone else "" if asked is None else f"≥ {asked:.3g}{said}"
    name = "the same, calm" if with_itself else theirs or ("" if alone else goal["against"])
    case = f"{record['name']}{', under load' if loaded else ''}"
    return Comparison(
        case, record["dtype"], role, ours or wanted, own, name, other, between, text, met, reason,
        our_least=least(mine) if mine else None,
        their_least=least(others) if others else None,
        best=ours == fastest(contestants, "ours"),
        bounded=share > ALL,
    )  # fmt: skip


def _absent(record: Mapping[str, Any], wanted: str) -> str:
    """Return why none of the contestants that are meant was measured."""
    skipped = record["skipped"]
    role_of = {"alone": "ours", "fresh": "ours"}.get(wanted, wanted)
    meant = [name for name, (role, runtime) in record["entrants"].items() if role_of in (name, role, runtime)]
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
