"""What a submission's process sent: taken apart as the bytes of a stranger, into arrays and faults."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

from jacobians.numerics.arrays import Array
from verification.grading.containment.returned import LONGEST_TEXT
from verification.grading.limits import Limits
from verification.grading.processes import Ending

LONGEST_HEADER = 1 << 16
MOST_AXES = 32
LONGEST_MESSAGE = 300
MOST_CELLS, MOST_REMARKS = 10_000, 20
_DTYPES = ("<f8", "<f4")

FAULTS = {
    "none": "it returned None, expected an array; is a return missing?",
    "masked": "it returned a masked array, expected a plain array; fill it first (.filled(…))",
    "matrix": "it returned np.matrix, expected a plain array; convert it with np.asarray",
    "list": "it returned a list or tuple, expected an array; convert it with np.array",
    "ragged": "it returned a sequence with rows of different lengths, expected an array",
    "no text": "it returned no text, expected one",
    "string": "it returned text, expected an array of numbers",
    "object": "it returned an array of dtype object, expected one of numbers",
    "complex": "it returned complex numbers, expected real ones",
    "large": "it returned an array that is much larger than the answer",
    "cache": "the function whose result is passed on returned nothing that the cache could be taken from",
}
"""A sentence for each word of the runner's."""


@dataclass(frozen=True)
class Fault:
    """Why there is no array to compare.

    Attributes
    ----------
    code : str
        A key of :data:`FAULTS`; "missing", "count", "type", "raised", or how the process ended: "exit", "time", …
    sentence : str
        For the student.
    """

    code: str
    sentence: str


@dataclass(frozen=True)
class Answer:
    """An array, and the places of the arguments that the submission wrote to; or a text in its place."""

    array: Array
    written: tuple[int, ...] = ()
    text: str | None = None


@dataclass
class Transcript:
    """All that one process sent.

    Attributes
    ----------
    answers : dict
        By the number of the call and that of the value that it returned; the first for each counts.
    faults : dict
        By the number of the call: why it returned nothing.
    imported : bool
        Whether the submission could be imported.
    refusal : Fault or None
        Why it could not.
    begun : int
        The last call that was begun, -1 for none.
    remarks : list of str
        The cells of a notebook that raised.
    """

    answers: dict[tuple[int, int], Answer | Fault] = field(default_factory=dict)
    faults: dict[int, Fault] = field(default_factory=dict)
    imported: bool = False
    refusal: Fault | None = None
    begun: int = -1
    remarks: list[str] = field(default_factory=list)

    def answer(self, call: int, output: int) -> Answer | Fault | None:
        """Return what is known of one value that one call should return, None for nothing."""
        return self.answers.get((call, output)) or self.faults.get(call)

    def is_whole(self, call: int, outputs: int) -> bool:
        """Return whether there is an answer, or a reason for none, for every value of a call."""
        return all(self.answer(call, output) is not None for output in range(outputs))


def read_answers(data: bytes, calls: Sequence[Sequence[str]]) -> Transcript:
    r"""Take apart what a process sent; reading ends where the bytes make no sense.

    Parameters
    ----------
    data : bytes
        Frames: see :mod:`verification.grading.containment.runner`.
    calls : sequence of sequences of str
        The names of what each call that it was asked for should return; none where that is the answer itself.

    Examples
    --------
    >>> read_answers(b"\xff" * 100, [()])
    Transcript(answers={}, faults={}, imported=False, refusal=None, begun=-1, remarks=[])
    """
    transcript, place = Transcript(), 0
    while place + 4 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        if length > LONGEST_HEADER or place + 4 + length > len(data):
            break
        try:
            header = json.loads(data[place + 4 : place + 4 + length])
        except (ValueError, RecursionError):
            break
        place += 4 + length
        if not isinstance(header, dict) or not _is_count(header.get("nbytes"), len(data) - place):
            break
        payload = data[place : place + header["nbytes"]]
        place += header["nbytes"]
        _note(transcript, header, payload, calls)
    return transcript


def _note(
    transcript: Transcript, header: dict[str, Any], payload: bytes, calls: Sequence[Sequence[str]]
) -> None:
    event, call, output = header.get("event"), header.get("call"), header.get("output")
    if event == "imported":
        transcript.imported = True
    elif event == "raised" and call is None and not transcript.imported:
        transcript.refusal = Fault("import", f"the submission can't be imported: {_raised(header)}")
    elif event == "cell":
        if _is_count(call, MOST_CELLS) and len(transcript.remarks) < MOST_REMARKS:
            transcript.remarks.append(f"cell {call} raised {_raised(header)}")
    elif not _is_count(call, len(calls) - 1):
        return
    elif event == "begin":
        transcript.begun = max(transcript.begun, call)
    elif event in ("raised", "refused") and output is None:
        fault = (
            raised_fault(_raised(header))
            if event == "raised"
            else refused_fault(str(header.get("word")), calls[call])
        )
        transcript.faults.setdefault(call, fault)
    elif event == "answer" and output is None:
        transcript.answers.setdefault((call, 0), _array(header, payload))
    elif _is_count(output, max(0, len(calls[call]) - 1)) and (call, output) not in transcript.answers:
        if event == "answer":
            transcript.answers[call, output] = _array(header, payload)
        elif event == "text":
            text = clean(payload[: 4 * LONGEST_TEXT].decode("utf-8", "replace"), LONGEST_TEXT)
            transcript.answers[call, output] = Answer(np.empty(0), text=text)
        elif event == "refused":
            transcript.answers[call, output] = refused_fault(str(header.get("word")), calls[call])


def _array(header: dict[str, Any], payload: bytes) -> Answer | Fault:
    shape, dtype, written = header.get("shape"), header.get("dtype"), header.get("written")
    if (
        dtype not in _DTYPES
        or not isinstance(shape, list)
        or len(shape) > MOST_AXES
        or not all(_is_count(n, 1 << 40) for n in shape)
        or math.prod(shape) * np.dtype(dtype).itemsize != len(payload)
    ):
        return Fault("forged", "the answer does not hold what it announces")
    try:
        array = np.frombuffer(payload, dtype=dtype).reshape(shape)
    except ValueError:  # of no entries, and still too large in an axis
        return Fault("forged", "the answer does not hold what it announces")
    places = written if isinstance(written, list) else []
    return Answer(array, tuple(place for place, flag in enumerate(places) if flag is True))


def refused_fault(word: str, names: Sequence[str]) -> Fault:
    """Return the fault for a word of the runner's: the word alone, or with a name or number after it."""
    if word in FAULTS:
        return Fault(word, FAULTS[word])
    kind, _, rest = word.partition(" ")
    name, tops = clean(rest, 100), list(dict.fromkeys(name.partition(".")[0] for name in names))
    asked = f"expected {len(tops)}: {', '.join(tops)}"
    if kind in ("missing", "not"):
        return Fault(kind, f"the submission defines no function {name.removeprefix('callable ')}")
    if kind == "count":
        return Fault("count", f"it returned {name} value{'s' * (name != '1')}, {asked}")
    if kind == "single":
        return Fault("count", f"it returned one value, {asked}")
    if kind == "key":
        return Fault("count", f"it returned no {name}, {asked}")
    return Fault("type", f"it returned {clean(word.removeprefix('type '), 100)}, expected an array")


def raised_fault(name: str, message: str = "") -> Fault:
    """Return the fault for an exception.

    Examples
    --------
    >>> raised_fault("ValueError", "no").sentence
    'it raised ValueError: no'
    """
    return Fault("raised", f"it raised {name}" + (f": {clean(message, LONGEST_MESSAGE)}" if message else ""))


def _raised(header: dict[str, Any]) -> str:
    line = header.get("line")
    where = f" in line {line}" if _is_count(line, 10**9) else ""
    if where and isinstance(header.get("file"), str) and header["file"]:
        where += f" of {clean(header['file'], 100)}"
    name, message = clean(str(header.get("type")), 100), clean(str(header.get("message")), LONGEST_MESSAGE)
    return f"{name}{where}" + (f": {message}" if message else "")


def clean(text: str, longest: int) -> str:
    r"""Return a submission's text on one line, without what a terminal or XML would take for a command.

    Examples
    --------
    >>> clean("a\x1b[31m\nb", 10)
    'a [31m b'
    >>> clean("abcdef", 4)
    'abc…'
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 10 * longest])
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def ending_fault(ending: Ending, limits: Limits) -> Fault:
    """Return why a process that ended so did not answer.

    Examples
    --------
    >>> ending_fault(Ending("exit", 0), Limits()).sentence
    'the process ended (exit status 0) without an answer'
    >>> ending_fault(Ending("time"), Limits(seconds=2)).sentence
    'it was stopped after 2 s: it took too long'
    """
    status, end = ending.status or 0, ending.end
    if end == "exit":
        if status in (-24, -30) or (status == -9 and ending.cpu_seconds >= limits.cpu_seconds):  # SIGXCPU
            return Fault("cpu", f"it was stopped after {limits.cpu_seconds} s of computing: it took too long")
        if status < 0:
            return Fault("signal", f"the process was ended by signal {-status} ({_signal(-status)})")
        return Fault("exit", f"the process ended (exit status {status}) without an answer")
    return {
        "time": Fault("time", f"it was stopped after {limits.seconds:g} s: it took too long"),
        "memory": Fault("memory", f"it was stopped: it took more than {limits.memory_mib} MiB of memory"),
        "processes": Fault("processes", f"it was stopped: it started more than {limits.processes} processes"),
        "output": Fault("output", f"it was stopped: it printed more than {limits.output_kib} KiB"),
        "answers": Fault("answers", "it was stopped: it answered with far more data than was asked for"),
        "stopped": Fault("stopped", "the marking was interrupted"),
        "supervisor": Fault("supervisor", "it killed or stopped the process that supervises it"),
    }.get(end, Fault("forged", "the process ended in an unknown way"))


def _signal(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _is_count(value: object, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
