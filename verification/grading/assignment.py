"""What an assignment says: functions, points, marks, tolerances, limits, and what it reveals."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, PrivateAttr, Strict, ValidationError, field_validator, model_validator

from verification.grading.fields import AssignmentError, Name, Names, Table, Text, refusal, sentence_of
from verification.grading.limits import Limits
from verification.grading.points import Point, Reveal

Form = Literal["matrix", "numerator", "mixed", "denominator", "gradient", "value"]
FORMS: tuple[Form, ...] = get_args(Form)
TOOLKIT = ("jacobians", "verification", "backprop")
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


class Task(Table):
    """A function that a submission must define."""

    name: Name = Field(description="Its name.")
    arguments: Names = Field(
        min_length=1, description="The names of its arguments, which are passed by place."
    )
    reference: Name | Literal[""] = Field("", description="A function of the reference file: the answer.")
    forward: Name | Literal[""] = Field(
        "", description="A function of the reference file, in plain NumPy, that the witnesses differentiate."
    )
    toolkit: Text | Literal[""] = Field(
        "",
        description="A class of jacobians, or a function of the reference file that returns one of its Functions.",
    )
    wrt: str = Field("", description="The argument by which is differentiated.")
    input: str = Field(
        "", description="With toolkit: the argument that the function is applied to; the last one by default."
    )
    form: Form = Field("matrix", description="What the answer is.")
    relative: float = Field(
        1e-6,
        gt=0,
        le=LARGEST_RELATIVE,
        description="The tolerance of an entry, as a part of the expected one.",
    )
    absolute: float = Field(0.0, ge=0, le=1e9, description="Added to it.")
    reveal: Reveal | None = Field(None, description="What the student is told.")
    points: Annotated[tuple[Point, ...], Strict(False)] = Field(alias="point", min_length=1)

    @property
    def tolerance(self) -> Tolerance:
        """How far an entry may be off."""
        return Tolerance(self.relative, self.absolute)

    @property
    def taken(self) -> str:
        """The argument of which `toolkit` is a function; the others are its parameters."""
        return self.input or self.arguments[-1]

    @field_validator("points", mode="after")
    @classmethod
    def _named(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(
            point if point.name else point.model_copy(update={"name": f"point {number}"})
            for number, point in enumerate(points, 1)
        )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not (self.reference or self.forward or self.toolkit):
            raise refusal(
                "found no source of the expected answers, expected reference, forward or toolkit", whole=True
            )
        if self.toolkit and (self.reference or self.forward):
            raise refusal("it alone; leave out reference and forward", "toolkit")
        choices = f"one of {', '.join(map(repr, self.arguments))}"
        derived = self.form != "value"
        if derived and self.wrt not in self.arguments and (self.wrt or self.forward or self.toolkit):
            raise refusal(choices, "wrt")
        if self.wrt and not derived:
            raise refusal("nothing beside form = 'value', which is no derivative", "wrt")
        if self.input and not self.toolkit:
            raise refusal("nothing without toolkit", "input")
        if self.input and self.input not in self.arguments:
            raise refusal(choices, "input")
        for number, point in enumerate(self.points):
            if set(point.given) != set(self.arguments):
                raise refusal(
                    f"found {', '.join(map(repr, point.given)) or 'nothing'}, expected every argument, "
                    f"{', '.join(map(repr, self.arguments))}, once",
                    "point",
                    number,
                    whole=True,
                )
        return self


class Settings(Table):
    """What holds for all functions."""

    title: Text | Literal[""] = Field("", description="For the reports; by default the name of the file.")
    reference: Text | Literal[""] = Field(
        "",
        description="The Python file beside the assignment with what functions name as reference and forward.",
    )
    reveal: Reveal = Field("diagnosis", description="What students are told.")
    forbidden_imports: Names = Field(TOOLKIT, description="Packages that a submission is refused.")
    accept_lists: bool = Field(False, description="Whether a list of numbers is taken for an array.")


class Assignment(Table):
    """All that an assignment says; its keys are those of the file."""

    settings: Settings = Field(Settings(), alias="assignment")
    limits: Limits = Limits()
    tasks: Annotated[tuple[Task, ...], Strict(False)] = Field(alias="function", min_length=1)
    _path: Path = PrivateAttr(default=Path("assignment.toml"))

    @property
    def title(self) -> str:
        """For the reports."""
        return self.settings.title or self._path.stem

    @property
    def reference(self) -> Path | None:
        """The module with the functions that tasks name as `reference` and `forward`."""
        return self._path.parent / self.settings.reference if self.settings.reference else None

    @property
    def marks(self) -> float:
        """The most that a submission can get."""
        return sum(point.marks for task in self.tasks for point in task.points)

    def reveal_of(self, task: Task, point: Point) -> Reveal:
        """Return what students are told of a point: what it says itself, its function, or the assignment."""
        return point.reveal or task.reveal or self.settings.reveal

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for number, task in enumerate(self.tasks):
            for key in ("reference", "forward"):
                if getattr(task, key) and not self.settings.reference:
                    raise refusal(
                        "a function of the reference module; name its file as reference in [assignment]",
                        "function",
                        number,
                        key,
                    )
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise refusal(f"found two functions {twice!r}, expected one; give it several points", whole=True)
        if self.marks <= 0:
            raise refusal("found no marks at all, expected a point with marks above 0", whole=True)
        return self


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
    path = Path(path)
    table = _table(path)
    try:
        assignment = Assignment.model_validate(table)
    except ValidationError as error:
        raise AssignmentError(sentence_of(error, Assignment, table, path.name)) from None
    assignment._path = path
    reference = assignment.reference
    if reference is not None and not reference.is_file():
        raise AssignmentError(
            f"{path.name}: [assignment]: reference: found {assignment.settings.reference!r}, expected the name of "
            f"a Python file beside the assignment"
        )
    return assignment


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise AssignmentError(f"{path}: found no such file, expected an assignment in TOML") from None
    except OSError as error:
        raise AssignmentError(f"{path}: can't be read: {error.strerror}") from None
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
