"""What an assignment says: functions, points, marks, tolerances, limits, and what it reveals."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PrivateAttr, Strict, ValidationError, model_validator

from jacobians.numerics.arguments import checked_instance, checked_path
from verification.grading.fields import AssignmentError, Names, Table, Text, refusal, sentence_of
from verification.grading.limits import Limits
from verification.grading.points import Point, Reveal
from verification.grading.tasks import Task

_ENTRY = r"^([^\W\d]\w*/)*([^\W\d]\w*\.py|[^/\\]+\.ipynb)$"
TOOLKIT = ("jacobians", "verification", "backprop")


class Settings(Table):
    """What holds for all functions."""

    title: Text | Literal[""] = Field("", description="For the reports; by default the name of the file.")
    reference: Text | Literal[""] = Field(
        "",
        description="The Python file beside the assignment with what functions name as reference and forward.",
    )
    entry: Annotated[str, Field(pattern=_ENTRY)] | Literal[""] = Field(
        "",
        description="The file of a folder or an archive that is imported; by default the only one at its top.",
    )
    drivers: Text | Literal[""] = Field(
        "", description="The Python file beside the assignment with drivers: they run beside the submission."
    )
    handout: Text | Literal[""] = Field(
        "",
        description="The Python file beside the assignment with forward functions that students have, too.",
    )
    seed_by: Literal["assignment", "student"] = Field(
        "assignment", description="Whether random points are the same for all, or each student's own."
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
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def title(self) -> str:
        """For the reports."""
        return self.settings.title or self._path.stem

    @property
    def reference(self) -> Path | None:
        """The module with the functions that tasks name as `reference` and `forward`."""
        return self._path.parent / self.settings.reference if self.settings.reference else None

    @property
    def drivers(self) -> Path | None:
        """The file of functions that open a submission, and run beside it."""
        return self._path.parent / self.settings.drivers if self.settings.drivers else None

    @property
    def handout(self) -> Path | None:
        """The file of forward functions that students have, too."""
        return self._path.parent / self.settings.handout if self.settings.handout else None

    @property
    def driver_code(self) -> str:
        """Its text, which a submission's process gets."""
        return "" if self.drivers is None else self.drivers.read_text(encoding="utf-8")

    @property
    def marks(self) -> float:
        """The most that a submission can get."""
        return sum(point.marks for task in self.tasks for point in task.points)

    def is_own(self, point: Point) -> bool:
        """Return whether a point is another one for every student."""
        return self.settings.seed_by == "student" and checked_instance(point, "point", Point).values is None

    def reveal_of(self, task: Task, point: Point) -> Reveal:
        """Return what students are told of a point: what it says itself, its function, or the assignment."""
        checked_instance(task, "task", Task)
        return checked_instance(point, "point", Point).reveal or task.reveal or self.settings.reveal

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for number, task in enumerate(self.tasks):
            for key, home in (("reference", "reference"), ("forward", "reference"), ("driver", "drivers")):
                handed_out = key == "forward" and self.settings.handout
                if getattr(task, key) and not getattr(self.settings, home) and not handed_out:
                    raise refusal(
                        f"a function of the {'reference module' if home == 'reference' else 'file of drivers'}; "
                        f"name its file as {home} in [assignment]",
                        "function",
                        number,
                        key,
                    )
            if task.answers_by_driver and not self.settings.reference:
                raise refusal(
                    "found no source of the expected answers, expected a reference in [assignment] that the driver "
                    "can open",
                    "function",
                    number,
                    whole=True,
                )
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise refusal(f"found two functions {twice!r}, expected one; give it several points", whole=True)
        if self.marks <= 0:
            raise refusal("found no marks at all, expected a point with marks above 0", whole=True)
        return self


def load_assignment(path: str | Path, *, handed_out: bool = False) -> Assignment:
    """Read an assignment from a TOML file; expected answers are not computed yet.

    Parameters
    ----------
    path : str or Path
        The file.
    handed_out : bool
        Whether it is a student's, who has no reference.

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
    table = _table(path)
    try:
        assignment = Assignment.model_validate(table)
    except ValidationError as error:
        raise AssignmentError(sentence_of(error, Assignment, table, path.name)) from None
    assignment._path = path
    prepared = path.with_suffix(".expected.npz").is_file()  # then no reference is needed
    for key in ("reference", "drivers", "handout"):
        file = getattr(assignment, key)
        if file is not None and not file.is_file() and not ((prepared or handed_out) and key == "reference"):
            raise AssignmentError(
                f"{path.name}: [assignment]: {key}: found {getattr(assignment.settings, key)!r}, expected the name "
                f"of a Python file beside the assignment"
            )
    if assignment.settings.drivers and assignment.settings.reference == assignment.settings.drivers:
        raise AssignmentError(
            f"{path.name}: [assignment]: drivers: found the reference, expected a file of its own: submissions "
            f"can read it"
        )
    return assignment


def _table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
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
