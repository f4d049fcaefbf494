"""A first assignment, the schema that editors complete it by, and the zip that Gradescope runs."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path
from typing import Any

from verification.grading.assignment import Assignment
from verification.grading.outputs import write_text
from verification.grading.prepared import prepared_path
from verification.grading.wheel import own_wheel, read_wheel

SCHEMA_FILE = "assignment.schema.json"
_TOML = """\
#:schema ./assignment.schema.json
# verify grade assignment.toml submissions/*.py

[assignment]
title = "A first assignment"
handout = "handout.py"     # forward functions that students have, too: verify try assignment.toml hw.py

[[function]]               # what a submission must define
name = "jacobian"
arguments = ["W", "x"]
forward = "layer"          # a function of handout.py; the expected answer is its derivative
wrt = "x"                  # by this argument

[[function.point]]
name = "by hand"
marks = 1
reveal = "worst"           # nothing, verdict, diagnosis, worst
values = { W = [[1.0, 2.0], [0.5, -1.0]], x = [0.5, -0.5] }

[[function.point]]
name = "random"
marks = 2
count = 3
seed = 1
shapes = { W = ["h", "d"], x = ["d"] }
sizes = { h = [2, 4], d = [2, 4] }
"""
_HANDOUT = '''\
"""Forward functions: students have this file, too."""

import numpy as np


def layer(W, x):
    """Return tanh(Wx)."""
    return np.tanh(W @ x)
'''
_SUBMISSION = '''\
"""A submission; write yours beside it."""

import numpy as np


def jacobian(W, x):
    """Return the Jacobian of tanh(Wx) by x."""
    return {}
'''
_RIGHT = "(1 - np.tanh(W @ x) ** 2)[:, None] * W"
_WRONG = "np.tanh(W @ x)[:, None] * W"
_SETUP = """\
#!/usr/bin/env bash
set -e
apt-get update
apt-get install -y python3 python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install {wheel}
"""
_RUN = """\
#!/usr/bin/env bash
mkdir -p /autograder/results
cd /autograder
/autograder/venv/bin/verify grade {toml} submission --gradescope results/results.json{more}
test $? -lt 2   # status 1 says that marks are missing, which is no error of the autograder
"""


def to_schema() -> str:
    """Return the JSON schema of an assignment: what editors complete a TOML by, made from the models that read it.

    Examples
    --------
    >>> json.loads(to_schema())["title"]
    'Assignment'
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Assignment.model_json_schema(),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False)


def write_first_assignment(directory: str | Path) -> list[Path]:
    """Write an assignment that can be marked at once: TOML, handout, schema, and two submissions.

    Raises
    ------
    ValueError
        If one of the files is there already: nothing is written over.
    """
    directory = Path(directory)
    files = {
        "assignment.toml": _TOML,
        "handout.py": _HANDOUT,
        SCHEMA_FILE: to_schema(),
        "submissions/right.py": _SUBMISSION.format(_RIGHT),
        "submissions/wrong.py": _SUBMISSION.format(_WRONG),
    }
    for name in files:
        if (directory / name).exists():
            raise ValueError(f"init: found {directory / name} already, expected a new directory")
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(directory / name, text)
    return [directory / name for name in files]


def write_autograder(
    assignment: Assignment, path: str | Path, wheel: str | Path | None = None, *, more: str = ""
) -> list[str]:
    """Write the zip that Gradescope takes as an autograder, and return the names in it.

    It holds what the marking needs and no more: with `verify prepare`'s answers no reference.

    Parameters
    ----------
    assignment : Assignment
        What is asked for.
    path : str or Path
        The zip.
    wheel : str or Path, optional
        The wheel of this program that goes in; without it one is made of the program as it is installed here.
    more : str
        Options of `verify grade` to be added.

    Raises
    ------
    ValueError
        If the wheel isn't one of this program, a file of the course lies elsewhere, the zip would be written over one,
        or points are each student's own, which need a roster.
    """
    if assignment.settings.seed_by == "student":
        raise ValueError(
            "gradescope: found seed_by = 'student', expected points that are the same for all: the container has no "
            "roster"
        )
    settings, home = assignment.settings, assignment.path.parent
    prepared = prepared_path(assignment)
    course = {"assignment": assignment.path.name, "drivers": settings.drivers, "handout": settings.handout}
    course["reference"] = prepared.name if prepared.is_file() else settings.reference
    files: dict[str, bytes] = {}
    for key, file in course.items():
        if not file or not (home / file).is_file():
            continue
        if Path(file).is_absolute() or ".." in Path(file).parts:
            raise ValueError(
                f"gradescope: {key}: found {file!r}, expected a file beside the assignment or below: the zip holds "
                f"nothing else"
            )
        files[Path(file).as_posix()] = (home / file).read_bytes()
    for given in [*(home / file for file in files), *([] if wheel is None else [Path(wheel)])]:
        if Path(path).exists() and given.exists() and given.samefile(path):
            raise ValueError(
                f"gradescope: output: found {path}, which goes into the zip, expected another name"
            )
    name, data = own_wheel() if wheel is None else read_wheel(wheel)
    files[name] = data
    what = shlex.quote(f"/autograder/source/{name}[cli]")
    scripts = {
        "setup.sh": _SETUP.format(wheel=what),
        "run_autograder": _RUN.format(
            toml=shlex.quote(f"source/{assignment.path.name}"), more=more and f" {more}"
        ),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in scripts.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text)
        for name, data in files.items():
            archive.writestr(name, data)
    return [*scripts, *files]
