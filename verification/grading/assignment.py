"""What an assignment says: functions, points, marks, tolerances, limits, and what it reveals."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from jacobians.numerics.arguments import checked_path
from verification.grading.fields import AssignmentError, Fields
from verification.grading.limits import Limits
from verification.grading.points import Point, read_point

Reveal = Literal["nothing", "verdict", "diagnosis", "worst"]
REVEALS = ("nothing", "verdict", "diagnosis", "worst")
Form = Literal["matrix", "numerator", "mixed", "denominator", "gradient", "value"]
FORMS = ("matrix", "numerator", "mixed", "denominator", "gradient", "value")
VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")
TOOLKIT = ["jacobians", "verification", "backprop"]
LARGEST_RELATIVE = 1e-2


@dataclass(frozen=True)
class Tolerance:
    """How far an entry may be off.

    Attributes
    ----------
    relative : float
        As a part of the expected entry; a thousandth of it, as a part of the largest expected entry, is allowed
        everywhere, for entries that cancel.
    absolute : float
        Added to it.
    """

    relative: float = 1e-6
    absolute: float = 0.0


@dataclass(frozen=True)
class Item:
    """A point of a function, for which there are marks.

    Attributes
    ----------
    point : Point
        Where the function is called: once, or at several random places.
    marks : float
        For all of it.
    partial : bool
        Whether a part of the random places gives a part of the marks.
    reveal : {"nothing", "verdict", "diagnosis", "worst"}
        What the student is told.
    visibility : {"visible", "after_due_date", "after_published", "hidden"}
        When the student sees the item at all: the words are Gradescope's.
    """

    point: Point
    marks: float
    partial: bool
    reveal: Reveal
    visibility: str

    @property
    def name(self) -> str:
        """The name of the point."""
        return self.point.name


@dataclass(frozen=True)
class Task:
    """A function that a submission must define.

    Attributes
    ----------
    name : str
        Its name.
    arguments : tuple of str
        The names of its arguments, which are passed by place.
    reference, forward, toolkit : str
        Where the expected answers come from; see docs/grading.md. An empty one is absent.
    wrt : str
        The argument by which is differentiated.
    input : str
        The argument of which `toolkit` is a function; the others are its parameters.
    form : {"matrix", "numerator", "mixed", "denominator", "gradient", "value"}
        What the answer is.
    tolerance : Tolerance
        How far it may be off.
    items : tuple of Item
        The points.
    """

    name: str
    arguments: tuple[str, ...]
    reference: str
    forward: str
    toolkit: str
    wrt: str
    input: str
    form: Form
    tolerance: Tolerance
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Assignment:
    """All that an assignment says.

    Attributes
    ----------
    title : str
        For the reports.
    reference : Path or None
        The module with the functions that tasks name as `reference` and `forward`.
    forbidden_imports : tuple of str
        Packages that a submission is refused.
    accept_lists : bool
        Whether a list of numbers is taken for an array.
    limits : Limits
        What a submission may take.
    tasks : tuple of Task
        The functions.
    """

    title: str
    reference: Path | None
    forbidden_imports: tuple[str, ...]
    accept_lists: bool
    limits: Limits
    tasks: tuple[Task, ...]

    @property
    def marks(self) -> float:
        """The most that a submission can get."""
        return sum(item.marks for task in self.tasks for item in task.items)


def load_assignment(path: str | Path) -> Assignment:
    """Read an assignment from a TOML file; expected answers are not computed yet.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    AssignmentError
        If it can't be read, or a field of it is not what it should be.

    Examples
    --------
    >>> load_assignment("no-such-file.toml")
    Traceback (most recent call last):
    ...
    verification.grading.fields.AssignmentError: no-such-file.toml: found no such file, expected an assignment in TOML
    """
    path = checked_path(path, "assignment")
    try:
        with path.open("rb") as stream:
            table = tomllib.load(stream)
    except FileNotFoundError:
        raise AssignmentError(f"{path}: found no such file, expected an assignment in TOML") from None
    except OSError as error:
        raise AssignmentError(
            f"{path}: found what can't be read ({error.strerror}), expected an assignment in TOML"
        ) from None
    except RecursionError:
        raise AssignmentError(
            f"{path.name}: found hundreds of nested tables or lists, expected a few"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{path.name}: is no TOML: {error}") from None
    except ValueError:  # of Python, which limits the digits of an integer
        raise AssignmentError(
            f"{path.name}: found an integer of thousands of digits, expected 64 bits"
        ) from None
    whole = Fields(table, path.name)
    for key in ("assignment", "limits", "function"):
        whole.has(key)
    whole.finish()  # before anything is missed that stands under a name with a slip
    head = Fields(whole.table_of("assignment", {}), f"{path.name}: [assignment]")
    title = head.text("title", path.stem)
    reveal = _reveal(head, "diagnosis")
    reference = path.parent / head.text("reference") if head.has("reference") else None
    if reference is not None and not reference.is_file():
        raise head.refuse("reference", "the name of a Python file beside the assignment")
    forbidden = head.names("forbidden_imports", TOOLKIT)
    accept_lists = head.flag("accept_lists", False)
    head.finish()
    limits = _limits(Fields(whole.table_of("limits", {}), f"{path.name}: [limits]"))
    tasks = tuple(
        _task(entry, f"{path.name}: function {number}", reveal, reference is not None)
        for number, entry in enumerate(whole.tables("function"), 1)
    )
    names = [task.name for task in tasks]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise AssignmentError(
            f"{path.name}: found two functions {twice!r}, expected one; give it several points"
        )
    assignment = Assignment(title, reference, forbidden, accept_lists, limits, tasks)
    if assignment.marks <= 0:
        raise AssignmentError(f"{path.name}: found no marks at all, expected a point with marks above 0")
    return assignment


def _limits(fields: Fields) -> Limits:
    usual = Limits()
    limits = Limits(
        seconds=fields.number("seconds", usual.seconds, least=0, above=True, most=86400),
        cpu_seconds=fields.integer("cpu_seconds", usual.cpu_seconds, least=1, most=86400),
        memory_mib=fields.integer("memory_mib", usual.memory_mib, least=256, most=1 << 20),
        output_kib=fields.integer("output_kib", usual.output_kib, least=1, most=1 << 20),
        file_mib=fields.integer("file_mib", usual.file_mib, least=0, most=1 << 20),
        processes=fields.integer("processes", usual.processes, least=1, most=1 << 16),
    )
    fields.finish()
    return limits


def _reveal(fields: Fields, default: str) -> Reveal:
    return cast(Reveal, fields.text("reveal", default, REVEALS))


def _task(entry: object, place: str, reveal: Reveal, has_reference: bool) -> Task:
    fields = Fields(entry, place)
    name = fields.name("name")
    fields.place = place = f"{place} ({name})"
    arguments = fields.names("arguments")
    reference, forward = fields.name("reference", ""), fields.name("forward", "")
    toolkit = fields.name("toolkit", "")
    form = cast(Form, fields.text("form", "matrix", FORMS))
    if not arguments:
        raise fields.refuse("arguments", "at least one name")
    if not (reference or forward or toolkit):
        raise AssignmentError(
            f"{place}: found no source of the expected answers, expected reference, forward or toolkit"
        )
    if toolkit and (reference or forward):
        raise fields.refuse("toolkit", "it alone", "; leave out reference and forward")
    for key in ("reference", "forward"):
        if fields.table.get(key) and not has_reference:
            raise fields.refuse(
                key, "a function of the reference module", "; name its file as reference in [assignment]"
            )
    wrt = fields.text("wrt", "", arguments) if form != "value" else ""
    if not wrt and form != "value" and (forward or toolkit):
        raise fields.refuse("wrt", f"one of {', '.join(map(repr, arguments))}")
    taken = fields.text("input", arguments[-1], arguments) if toolkit else ""
    tolerance = Tolerance(
        fields.number("relative", 1e-6, least=0, above=True, most=LARGEST_RELATIVE),
        fields.number("absolute", 0.0, least=0),
    )
    own_reveal = _reveal(fields, reveal)
    items = tuple(
        _item(point, f"{place}, point {number}", number, arguments, own_reveal)
        for number, point in enumerate(fields.tables("point"), 1)
    )
    fields.finish()
    return Task(name, arguments, reference, forward, toolkit, wrt, taken, form, tolerance, items)


def _item(entry: object, place: str, number: int, arguments: tuple[str, ...], reveal: Reveal) -> Item:
    fields = Fields(entry, place)
    point = read_point(fields, f"point {number}", arguments)
    item = Item(
        point,
        fields.number("marks", 1.0, least=0),
        fields.flag("partial", True),
        _reveal(fields, reveal),
        fields.text("visibility", "visible", VISIBILITIES),
    )
    fields.finish()
    return item
