"""The examples for otter and nbgrader, run with these packages: a right and a wrong student get the marks they should.

    .ci/graders

installs both beside this program and runs this file; alone it needs them installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ANSWERS = {
    "right": "    z = np.tanh(W @ x)\n    return np.outer((z - y) * (1 - z**2), x)",
    "wrong": "    z = np.tanh(W @ x)\n    return np.outer((z - y) * z, x)",  # φ for φ′
}
EXPECTED = {"right": 4.0, "wrong": 0.0}


def answered(notebook: Path, answer: str) -> dict[str, Any]:
    """Return a student's notebook with an answer written into the cell that asks for it."""
    found: dict[str, Any] = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in found["cells"]:
        text = "".join(cell["source"])
        if text.startswith("def gradient("):
            cell["source"] = "\n".join([*text.splitlines()[:2], answer])
            return found
    raise SystemExit(f"{notebook.name}: found no cell to answer in")


def run(*call: str, cwd: Path) -> None:
    """Run a command of this interpreter's environment, and show what it says if it fails."""
    program = Path(sys.executable).with_name(call[0])
    done = subprocess.run([str(program), *call[1:]], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(call)}: status {done.returncode}\n{done.stdout}{done.stderr}")


def by_otter(place: Path) -> dict[str, float]:
    """Return each student's marks by Otter: `otter assign`, then `otter run` on what was handed in."""
    shutil.copy(HERE / "otter.ipynb", place / "gradient.ipynb")
    run("otter", "assign", "gradient.ipynb", "dist", cwd=place)
    (autograder,) = (place / "dist" / "autograder").glob("*.zip")
    marks = {}
    for name, answer in ANSWERS.items():
        handed_in, results = place / name / "gradient.ipynb", place / f"{name}-results"
        handed_in.parent.mkdir()
        results.mkdir()
        handed_in.write_text(
            json.dumps(answered(place / "dist" / "student" / "gradient.ipynb", answer)), encoding="utf-8"
        )
        run("otter", "run", "-a", str(autograder), "-o", str(results), str(handed_in), cwd=place)
        found = json.loads((results / "results.json").read_text(encoding="utf-8"))
        marks[name] = float(sum(test.get("score", 0) for test in found["tests"]))
    return marks


def by_nbgrader(place: Path) -> dict[str, float]:
    """Return each student's marks by nbgrader: `generate_assignment`, then `autograde` on what was handed in."""
    from nbgrader.api import Gradebook

    (place / "source" / "homework").mkdir(parents=True)
    shutil.copy(HERE / "nbgrader.ipynb", place / "source" / "homework" / "gradient.ipynb")
    (place / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'course'\n")
    run("nbgrader", "generate_assignment", "homework", "--create", cwd=place)
    for name, answer in ANSWERS.items():
        handed_in = place / "submitted" / name / "homework"
        handed_in.mkdir(parents=True)
        notebook = answered(place / "release" / "homework" / "gradient.ipynb", answer)
        (handed_in / "gradient.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    run("nbgrader", "autograde", "homework", "--create", cwd=place)
    with Gradebook(f"sqlite:///{place / 'gradebook.db'}") as book:
        return {name: float(book.find_submission("homework", name).score) for name in ANSWERS}


def main() -> int:
    """Mark by both, print the marks, and return 1 if they are not those expected."""
    wrong = 0
    for name, grader in (("otter", by_otter), ("nbgrader", by_nbgrader)):
        with tempfile.TemporaryDirectory() as place:
            marks = grader(Path(place))
        wrong += marks != EXPECTED
        told = ", ".join(f"{student} {found:g} of 4" for student, found in marks.items())
        sys.stdout.write(f"{name}: {told}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
