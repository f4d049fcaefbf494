"""What runs in the submission's own process: it imports the submission, calls its functions, sends back arrays.

Nothing here knows an expected answer, and nothing that is sent is trusted: a submission can replace all of this
code, and gains no more by it than what it could have returned.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .loading import SINGLE, load_submission
from .returned import RefusalError, numbers_of, parts_of, text_of
from .transfer import fresh, is_changed, unpacked

ANSWERS = 3
LONGEST_TEXT = 2000


class ForbiddenImports:
    """An import hook that refuses some packages.

    Parameters
    ----------
    names : sequence of str
        Top-level packages.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a forbidden package, leave others to the usual way."""
        if name.partition(".")[0] in self.names:
            raise ImportError(f"the assignment does not allow importing {name.partition('.')[0]}")


class Channel:
    """Frames on a descriptor: a length, a header of JSON, and the bytes that the header announces."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Write one frame."""
        text = json.dumps({**header, "nbytes": len(payload)}).encode()
        data = memoryview(struct.pack(">I", len(text)) + text + payload)
        while data:
            data = data[os.write(self.descriptor, data) :]

    def send_error(self, call: int | None, error: BaseException, event: str = "raised") -> None:
        """Tell what a submission raised, and in which of its lines."""
        own = [
            (place, frame.lineno)
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.name != "call" and (place := _own_file(frame.filename)) is not None
        ]
        if not own and isinstance(error, SyntaxError):
            own = [(_own_file(str(error.filename)) or "", error.lineno)]
        try:
            text = str(error)
        except BaseException as second:  # a submission's own exception class
            text = f"its message raised {type(second).__name__}"
        self.send(
            {
                "event": event,
                "call": call,
                "type": type(error).__name__[:100],
                "message": text[:LONGEST_TEXT],
                "line": own[-1][1] if own else None,
                "file": own[-1][0] if own else "",
            }
        )


def _own_file(name: str) -> str | None:
    """Return how a file of the submission's is told: "" for the only one, its path, "cell 3"; None for others."""
    if name.startswith("cell "):
        return name
    here = f"{Path.cwd()}/"
    return name.removeprefix(here).removeprefix(SINGLE) if name.startswith(here) else None


def call(function: Any, arguments: list[Any]) -> Any:
    """Call a submission's function; a frame of its own, so that tracebacks can leave it out."""
    return function(*arguments)


class MissingError(Exception):
    """A function that the submission should define is not there; the argument is the word and the name."""


def function_of(module: Any, name: str) -> Callable[..., Any]:
    """Return a function of the submission.

    Raises
    ------
    MissingError
        If there is none of this name.
    """
    function = getattr(module, name, None)
    if not callable(function):
        raise MissingError(f"{'missing' if function is None else 'not callable'} {name}")
    return function


def driver_module(code: str) -> types.ModuleType:
    """Return the course's drivers, which run beside the submission."""
    module = types.ModuleType("drivers")
    exec(compile(code, "drivers.py", "exec"), module.__dict__)
    return module


def answered(
    module: Any, ask: dict[str, Any], inputs: dict[str, Any], drivers: Any = None
) -> tuple[Any, list[bool]]:
    """Call one function as it is written, and return what it returned, and which of its arguments it wrote to.

    Parameters
    ----------
    module : object
        What defines the function.
    ask : dict
        ``function`` and the names of its ``arguments``; and, where one of them is what another function of the
        submission's returned, ``cache``: its ``argument``, ``function``, ``arguments``, and what to ``take``.
    inputs : dict
        The arguments by name.
    drivers : object
        What defines the ``driver`` that `ask` may name: it is called with the module before the arguments.

    Raises
    ------
    MissingError, RefusalError
        If a function isn't there, or the other function returned nothing that could be taken.
    """
    cache, driver = ask.get("cache"), ask.get("driver")
    function = function_of(drivers, driver) if driver else function_of(module, ask["function"])
    copies = {name: fresh(value) for name, value in inputs.items()}
    if cache:
        forward = function_of(module, cache["function"])
        # copies of its own: what the function is given is what it would be given in the student's notebook
        value = call(forward, [fresh(inputs[name]) for name in cache["arguments"]])
        copies[cache["argument"]] = _taken(value, cache["take"])
    value = call(function, [*([module] if driver else []), *(copies[name] for name in ask["arguments"])])
    return value, [name in inputs and is_changed(copies[name], inputs[name]) for name in ask["arguments"]]


def _taken(value: Any, take: int | str | None) -> Any:
    if take is None:
        return value
    try:
        return value[take]
    except (TypeError, IndexError, KeyError):
        raise RefusalError("cache") from None


def main() -> None:
    """Answer the request on standard input, and end."""
    with open(0, "rb", closefd=False) as stream:
        (length,) = struct.unpack(">I", stream.read(4))
        request = json.loads(stream.read(length))
        inputs = [
            {name: unpacked(tree, stream) for name, tree in ask["inputs"].items()} for ask in request["calls"]
        ]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(ANSWERS, False)
    channel = Channel(ANSWERS)
    readable = [os.path.realpath(path) for path in request["readable"]]
    sys.path[:] = [path for path in sys.path if _below(path, readable)]
    sys.meta_path.insert(0, ForbiddenImports(request["forbidden"]))
    sys.argv = [request["entry"]]
    try:
        module = load_submission(
            request["entry"], lambda number, error: channel.send_error(number, error, "cell")
        )
        drivers = driver_module(request["drivers"])
    except BaseException as error:  # sys.exit() too
        channel.send_error(None, error)
        return
    channel.send({"event": "imported"})
    for number, ask in enumerate(request["calls"]):
        channel.send({"event": "begin", "call": number})
        try:
            value, written = answered(module, ask, inputs[number], drivers)
            for output, part in enumerate(parts_of(value, ask["returns"])):
                if output in ask["texts"]:
                    _send_text(channel, number, output, part)
                else:
                    lists = request["accept_lists"] or output in ask["lists"]
                    _send_part(channel, number, output, part, written, lists, request["largest"])
        except (MissingError, RefusalError) as refusal:
            channel.send({"event": "refused", "call": number, "word": str(refusal)})
        except BaseException as error:  # as above
            channel.send_error(number, error)
    channel.send({"event": "done"})
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of the submission have nothing more to say


def _send_text(channel: Channel, call: int, output: int, part: Any) -> None:
    try:
        channel.send({"event": "text", "call": call, "output": output}, text_of(part))
    except RefusalError as refusal:
        channel.send({"event": "refused", "call": call, "output": output, "word": str(refusal)})


def _send_part(
    channel: Channel, call: int, output: int, part: Any, written: list[bool], lists: bool, largest: int
) -> None:
    header: dict[str, Any] = {"call": call, "output": output}
    try:
        answer = numbers_of(part, lists)
        if answer.nbytes > largest:
            raise RefusalError("large")
    except RefusalError as refusal:
        channel.send({**header, "event": "refused", "word": str(refusal)})
        return
    header |= {"dtype": answer.dtype.str, "shape": list(answer.shape), "written": written}
    channel.send({**header, "event": "answer"}, answer.tobytes())


def _below(path: str, directories: Sequence[str]) -> bool:
    real = os.path.realpath(path)
    return any(real == directory or real.startswith(directory.rstrip("/") + "/") for directory in directories)
