"""The tables, as Markdown, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comparisons import (
    LEVEL,
    Comparison,
    bytes_text,
    compare_case,
    fastest,
    head_to_head,
    least,
    median,
    ratio,
    seconds_text,
)
from profiles import text

LARGE = 1_000_000  # bytes: answers whose memory is worth a line


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> str:
    """Return a Markdown table; the columns in `numeric` are aligned to the right."""
    rule = ["---:" if column in numeric else "---" for column in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    """Return what is compared with what, the ratio, the goal, and whether it is met."""
    return markdown(
        [
            "case",
            "ours",
            "time (least)",
            "compared with",
            "time (least)",
            "theirs / ours",
            "of the least",
            "goal",
            "",
        ],
        [_row(comparison) for comparison in comparisons],
        numeric=(2, 4, 5, 6, 7),
    )


def _row(line: Comparison) -> list[str]:
    verdict = [] if line.met is None else ["met" if line.met else "**missed**"]
    if line.they_win:
        verdict.append("the peer wins")
    elif line.level:
        verdict.append("level")
    elif line.behind:
        verdict.append("another of ours is faster")
    if line.reason:
        verdict.append(line.reason)
    between = ""
    if line.ratio is not None:
        between = f"{line.ratio.median:.3g} ({line.ratio.low:.3g} to {line.ratio.high:.3g})"
        if line.ratio.rounds == 1:
            between = f"{line.ratio.median:.3g} (once)"
    return [
        line.case,
        f"`{line.ours}`" if line.ours != "ours" else "ours",
        _times(line.our_seconds, line.our_least),
        line.theirs,
        _times(line.their_seconds, line.their_least),
        between,
        "" if line.least_ratio is None else f"{line.least_ratio:.3g}",
        line.goal,
        "; ".join(verdict),
    ]


def _times(median: float | None, least: float | None) -> str:
    if median is None:
        return ""
    return seconds_text(median) if least is None else f"{seconds_text(median)} ({seconds_text(least)})"


def memory_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return peaks of memory and bytes of the answer a second, for answers of a megabyte and more."""
    rows = []
    for record in records:
        known = record["contestants"]
        ours, peer, floor = (fastest(known, role) for role in ("ours", "peer", "floor"))
        if ours is None or known[ours]["bytes"] < LARGE or known[ours].get("peak") is None:
            continue
        size, peak = known[ours]["bytes"], known[ours]["peak"]
        speeds = [
            f"{bytes_text(known[name]['bytes'] / median(known[name]['seconds']))}/s"
            if name and known[name]["bytes"] else ""
            for name in (ours, floor)
        ]  # fmt: skip
        theirs = known[peer].get("peak") if peer else None
        rows.append(
            [
                record["name"],
                f"`{ours}`",
                bytes_text(size),
                bytes_text(peak),
                f"{peak / size:.2f}",
                "" if theirs is None else f"{bytes_text(theirs)}, {peer}",
                *speeds,
            ]
        )
    header = [
        "case", "ours", "bytes of the answer", "peak of a call", "peak / answer", "peak of the fastest peer",
        "written a second", "by the floor",
    ]  # fmt: skip
    return markdown(header, rows, numeric=(2, 3, 4, 6, 7))


def profile_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return where the time of ours goes in each case of which a goal is missed."""
    rows = [
        [record["name"], f"`{name}`", text(parts)]
        for record in records
        for name, parts in record.get("profiles", {}).items()
    ]
    return markdown(["case", "ours", "shares of the time"], rows)


def everyone_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the time of every contestant of every case, the fastest first, and who could not take part."""
    rows = []
    for record in records:
        known = {name: entry for name, entry in record["contestants"].items() if entry.get("seconds")}
        ours = fastest(known, "ours")
        for name in sorted(known, key=lambda name: median(known[name]["seconds"])):
            between = ratio(known[name]["seconds"], known[ours]["seconds"]) if ours else None
            peak = known[name].get("peak")
            rows.append(
                [
                    record["name"],
                    name,
                    f"{known[name]['role']}, {known[name]['runtime']}",
                    _times(median(known[name]["seconds"]), least(known[name]["seconds"])),
                    "" if between is None else f"{between.median:.3g}",
                    "" if peak is None else bytes_text(peak),
                ]
            )
        rows += [[record["name"], name, reason, "", "", ""] for name, reason in record["skipped"].items()]
    return markdown(["case", "contestant", "", "time (least)", "/ ours", "peak"], rows, numeric=(3, 4, 5))


def machine_text(results: Mapping[str, Any]) -> str:
    """Return what was measured, on what, and with what."""
    machine, effort = results["machine"], results["effort"]
    versions = [
        f"{runtime}: {', '.join(f'{name} {version}' for name, version in found.items())}"
        for runtime, found in machine["versions"].items()
    ]
    absent = [f"{runtime} ({reason})" for runtime, reason in machine["missing"].items()]
    lines = [
        f"Measured {results['date']} on {machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"{machine['threads']} threads for everyone; {effort['rounds']} rounds of {effort['block']} s"
        + (f", {results['minutes']:.0f} minutes in all." if "minutes" in results else "."),
        *kernel_lines(machine),
        *(f"- {text}" for text in versions),
    ]
    if results.get("left_out"):
        lines.append(f"- left out, for time was up: {'; '.join(results['left_out'])}")
    if absent:
        lines.append(f"- not installed: {'; '.join(absent)}")
    return "\n".join([lines[0], "", *lines[1:]])


KERNEL_BITS = {
    "SapphireRapids": 512, "Cooperlake": 512, "SkylakeX": 512,
    "Haswell": 256, "Zen": 256, "Excavator": 256, "Steamroller": 256, "Piledriver": 256, "Bulldozer": 256,
    "Sandybridge": 256,
    "Nehalem": 128, "Penryn": 128, "Core2": 128, "Barcelona": 128, "Prescott": 128,
}  # fmt: skip
"""The width of the vectors in OpenBLAS's kernels, by the processor that they are named after."""


def kernel_lines(machine: Mapping[str, Any]) -> list[str]:
    """Return which kernels NumPy's BLAS took, and the way out where they leave half of the processor unused."""
    if "blas" not in machine:
        return []
    blas, asked = machine["blas"], machine.get("openblas_core")
    name, bits, library = blas.get("kernels"), blas.get("vector_bits"), blas.get("library", "")
    has = f"; the processor has vectors of {bits} bits" if bits else ""
    took = (
        f"{library} with kernels for {name or 'an unnamed processor'}"
        if library
        else "not known, without threadpoolctl"
    )
    lines = [f"- BLAS of NumPy: {took}{has}"]
    if asked:
        lines.append(f"- OPENBLAS_CORETYPE={asked} was set for every process (--openblas-core)")
    known = KERNEL_BITS.get(name or "")
    if known is not None and bits is not None and known < bits and library.startswith("openblas"):
        lines.append(
            f"- **These kernels use {known} of {bits} bits**: NumPy's products, the floors among them, take "
            f"longer than they need here. OPENBLAS_CORETYPE=SkylakeX, set before NumPy is imported, "
            f"takes wider ones"
        )
    return lines


def document(results: Mapping[str, Any]) -> str:
    """Return the section of the documentation: the machine, the goals, single precision, memory."""
    parts = [machine_text(results)]
    for dtype, title in (("float64", "Double precision"), ("float32", "Single precision")):
        records = [record for record in results["cases"] if record["dtype"] == dtype]
        lines = [line for record in records for line in compare_case(record)]
        if lines:
            parts += [f"### {title}", summary(lines, records), comparison_table(lines)]
        if any(record.get("profiles") for record in records):
            parts += ["### Where the time goes when a goal is missed", profile_table(records)]
        if dtype == "float64" and records:
            memory = memory_table(records)
            if memory.count("\n") > 1:
                parts += ["### Memory", memory]
    return "\n\n".join(parts)


def summary(lines: Sequence[Comparison], records: Sequence[Mapping[str, Any]]) -> str:
    """Return how many goals are met, and in which cases a peer beats the fastest of ours, in a few sentences."""
    judged = [line for line in lines if line.met is not None]
    sentences = []
    if judged:
        met = sum(bool(line.met) for line in judged)
        sentences.append(f"{met} of {len(judged)} goals are met.")
    unjudged = sum(bool(line.goal) and line.met is None for line in lines)
    if unjudged:
        sentences.append(f"{unjudged} goals could not be measured.")
    beside = [line for line in map(head_to_head, records) if line is not None]
    lost, level = [line for line in beside if line.they_win], [line for line in beside if line.level]
    if beside:
        sentences.append(
            f"In {len(lost)} of {len(beside)} cases a peer is faster than the fastest of ours: {_named(lost)}."
            if lost
            else f"In none of {len(beside)} cases a peer is faster than the fastest of ours."
        )
    if level:
        sentences.append(
            f"Level (at least {LEVEL}), where the floor is nearly all of the peer's time: {_named(level)}."
        )
    return " ".join(sentences)


def _named(lines: Sequence[Comparison]) -> str:
    return "; ".join(f"{line.case} ({line.theirs}, {line.ratio.median:.3g})" for line in lines if line.ratio)
