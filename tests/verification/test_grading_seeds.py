"""Points of each student's own: from the roster's id and a secret, the same whenever they are drawn."""

import json
from pathlib import Path

import numpy as np
import pytest

from verification.cli import main
from verification.grading import grade, load_assignment, prepare
from verification.grading.roster import Student, read_roster, read_secret, seed_of, students_of

SECRET = b"sixteen bytes or more"
ASSIGNMENT = """
[assignment]
reference = "reference.py"
seed_by = "student"

[[function]]
name = "f"
arguments = ["x"]
reference = "f"
form = "value"
[[function.point]]
seed = 3
shapes = { x = [2] }
[[function.point]]
values = { x = [1.0, 2.0] }
"""
CODE = "def f(x):\n    print(x[0])\n    return 2 * x\n"


@pytest.fixture
def assigned(tmp_path):
    (tmp_path / "reference.py").write_text("def f(x):\n    return 2 * x\n", encoding="utf-8")
    (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    for name in ("ann.py", "bob.py"):
        (tmp_path / name).write_text(CODE, encoding="utf-8")
    (tmp_path / "roster.csv").write_text("id,submission,email\n7,ann,a@x\n8,bob.py,b@x\n", encoding="utf-8")
    (tmp_path / "secret").write_bytes(SECRET)
    return tmp_path


def marked(place, *names, **options):
    return grade(place / "a.toml", [place / name for name in names], **options)


def test_each_student_has_points_of_their_own_and_always_the_same(assigned):
    options = {"roster": read_roster(assigned / "roster.csv"), "secret": SECRET}
    ann, bob = marked(assigned, "ann.py", "bob.py", **options)
    (again,) = marked(assigned, "ann.py", **options)
    assert ann.passed
    assert bob.passed
    drawn, fixed = zip(ann.output.split(), bob.output.split(), strict=True)
    assert drawn[0] != drawn[1]
    assert fixed == ("1.0", "1.0")
    assert again.output == ann.output
    assert (ann.student, ann.seed) == ("7", seed_of("7", SECRET))
    (by_seed,) = marked(assigned, "bob.py", seed=ann.seed)
    assert by_seed.output == ann.output


def test_points_that_one_student_alone_has_stop_nobody_else(assigned):
    options = {"roster": read_roster(assigned / "roster.csv"), "secret": SECRET}
    ann, _ = marked(assigned, "ann.py", "bob.py", **options)
    first = ann.output.split()[0]
    (assigned / "reference.py").write_text(
        f"def f(x):\n    if x[0] == {first}: raise ValueError('of this point')\n    return 2 * x\n",
        encoding="utf-8",
    )
    ann, bob = marked(assigned, "ann.py", "bob.py", **options)
    assert bob.passed
    assert ann.marks == 0
    assert "not marked: the expected answers: function 'f'" in ann.items[0].feedback


def test_another_secret_gives_other_points():
    assert seed_of("7", SECRET) != seed_of("7", SECRET + b"!")
    assert len({seed_of(str(k), SECRET) for k in range(1000)}) == 1000


def test_prepared_answers_hold_what_is_the_same_for_all(assigned):
    prepare(load_assignment(assigned / "a.toml"))
    (result,) = marked(assigned, "ann.py", seed=5)
    assert result.passed
    (assigned / "ann.py").write_text("def f(x):\n    return x\n", encoding="utf-8")
    (wrong,) = marked(assigned, "ann.py", seed=5)
    assert wrong.marks == 0


def test_the_command_takes_roster_and_secret_and_names_the_seed(assigned, capsys):
    call = ["grade", str(assigned / "a.toml"), str(assigned / "ann.py"), "--json"]
    named = ["--roster", str(assigned / "roster.csv"), "--secret", str(assigned / "secret")]
    assert main([*call, *named]) == 0
    (found,) = json.loads(capsys.readouterr().out)["submissions"]
    assert (found["student"], found["seed"]) == ("7", seed_of("7", SECRET))
    assert main([*call, "--seed", str(found["seed"])]) == 0
    (again,) = json.loads(capsys.readouterr().out)["submissions"]
    assert again["output"] == found["output"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "seed: found neither a seed nor a secret, expected one"),
        (
            {"secret": SECRET},
            "roster: found no student for ann.py, expected a line with its name as submission",
        ),
        ({"seed": -1}, "seed: found -1, expected an integer of at least 0"),
        ({"seed": True}, "seed: found True, expected an integer"),
    ],
)
def test_a_seed_that_is_missing_is_asked_for(assigned, options, sentence):
    with pytest.raises((TypeError, ValueError), match=r"^(seed|roster): ") as caught:
        marked(assigned, "ann.py", **options)
    assert str(caught.value).startswith(sentence)


def test_a_seed_without_own_points_is_a_slip(assigned):
    text = ASSIGNMENT.replace('seed_by = "student"', "")
    (assigned / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="the assignment doesn't say seed_by = 'student'"):
        marked(assigned, "ann.py", seed=1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "found the columns nothing, expected id and submission among them"),
        ("id,name\n1,a\n", "found the columns id, name, expected id and submission among them"),
        ("id,submission\n1,\n", "line 2: found no id or no submission, expected both"),
        ("id,submission\n  ,a\n", "line 2: found no id or no submission, expected both"),
        ("id,submission\n1," + 200_000 * "a" + "\n", "line 2: can't be read (field larger than"),
        ("id,submission\n1,a\n1,b\n", "found the id '1' twice, expected every one once"),
        ("id,submission\n1,a\n2,a\n", "found the submission 'a' twice, expected every one once"),
    ],
)
def test_a_roster_that_is_none_is_refused(tmp_path, text, sentence):
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^roster: r\.csv: ") as caught:
        read_roster(tmp_path / "r.csv")
    assert sentence in str(caught.value)


def test_a_secret_that_is_short_or_missing_is_refused(tmp_path):
    (tmp_path / "s").write_bytes(b"short\n")
    with pytest.raises(ValueError, match="secret: found 5 bytes, expected at least 16"):
        read_secret(tmp_path / "s")
    with pytest.raises(ValueError, match="can't be read"):
        read_secret(tmp_path / "none")


def test_a_name_inside_another_is_nobody_elses():
    roster = [Student("1", "ann", {}), Student("2", "anna", {})]
    found = students_of({name: Path(name) for name in ("anna.zip", "ann/hw.py", "x/joann.py")}, roster)
    assert {name: student.id for name, student in found.items()} == {"anna.zip": "2", "ann/hw.py": "1"}


def test_a_file_named_after_another_student_is_still_of_the_folder_it_lies_in(assigned):
    (assigned / "roster.csv").write_text("id,submission\n7,ann\n8,bob\n", encoding="utf-8")
    for folder, name in (("ann", "bob.py"), ("bob", "homework.py")):
        (assigned / "all" / folder).mkdir(parents=True)
        (assigned / "all" / folder / name).write_text(CODE, encoding="utf-8")
    options = {"roster": read_roster(assigned / "roster.csv"), "secret": SECRET}
    both = marked(assigned, "all/ann/bob.py", "all/bob/homework.py", **options)
    assert [result.student for result in both] == ["7", "8"]
    (alone,) = marked(assigned, "all/ann/bob.py", **options)
    assert (alone.student, alone.seed) == ("7", seed_of("7", SECRET))


def test_a_folder_that_holds_the_whole_class_is_no_students():
    roster = [Student("1", "ann", {}), Student("2", "bob", {})]
    paths = {name: Path("/course/bob/hw", name) for name in ("ann.py", "bob.py")}
    assert {name: student.id for name, student in students_of(paths, roster).items()} == {
        "ann.py": "1",
        "bob.py": "2",
    }


def test_points_without_a_student_are_what_they_were(assigned):
    (point, _) = load_assignment(assigned / "a.toml").tasks[0].points
    plain = np.random.default_rng([3, 0]).standard_normal((2,))
    np.testing.assert_array_equal(point.places()[0]["x"], plain)
