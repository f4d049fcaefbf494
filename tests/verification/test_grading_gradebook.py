"""After the marking: a gradebook that systems take back, feedback without what is hidden, and the class's mistakes."""

import csv
import io
import json

import pytest

from verification.cli import main
from verification.grading import (
    ItemResult,
    SubmissionResult,
    read_roster,
    to_gradebook,
    to_statistics,
    write_feedback,
)
from verification.grading.gradebook import to_statistics_page
from verification.grading.roster import Student

ITEM = ItemResult("f", "p", 1.0, 2.0, "wrong", "wrong", "wrong: the sign", "x", "visible", "sign")
SECRET = ItemResult(
    "f", "secret point", 0.0, 1.0, "wrong", "wrong", "wrong: hidden words", "x", "hidden", "sign"
)
RIGHT = ItemResult("f", "p", 2.0, 2.0, "right", "right", "right", "", "visible")
ANN = SubmissionResult("ann.py", "Homework", (ITEM, SECRET), student="7")
BOB = SubmissionResult("=cmd().py", "Homework", (RIGHT, SECRET), student="8")
ROSTER = [
    Student(
        "7", "ann", {"Student": "Ann", "ID": "70", "SIS Login ID": "ann1", "Section": "A", "email": "a@x"}
    ),
    Student(
        "9", "eve", {"Student": "Eve", "ID": "90", "SIS Login ID": "eve1", "Section": "A", "email": "e@x"}
    ),
]


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_plain_gradebook_has_a_column_for_each_point():
    first, second = rows(to_gradebook([ANN, BOB]))
    assert first == {
        "id": "7",
        "submission": "ann.py",
        "Homework": "1",
        "out of": "3",
        "f, p": "1",
        "f, secret point": "0",
    }
    assert second["submission"] == "'=cmd().py"


def test_canvas_gets_its_columns_back_also_for_who_handed_in_nothing():
    ann, eve = rows(to_gradebook([ANN], ROSTER, "canvas"))
    assert ann == {
        "Student": "Ann",
        "ID": "70",
        "SIS User ID": "7",
        "SIS Login ID": "ann1",
        "Section": "A",
        "Homework": "1",
    }
    assert eve["Homework"] == ""


def test_a_student_who_handed_in_twice_has_two_lines():
    twice = SubmissionResult("ann/second.py", "Homework", (RIGHT, SECRET), student="7")
    ann, again, _ = rows(to_gradebook([ANN, twice], ROSTER))
    assert [(row["id"], row["Homework"]) for row in (ann, again)] == [("7", "1"), ("7", "2")]


def test_moodle_and_gradescope_get_theirs():
    roster = [Student("7", "ann", {"Email address": "a@x", "Email": "a@x", "Name": "Ann"})]
    (ann,) = rows(to_gradebook([ANN], roster, "moodle"))
    assert (ann["ID number"], ann["Email address"], ann["Homework"]) == ("7", "a@x", "1")
    assert "the sign" in ann["Feedback comments"]
    assert "hidden words" not in ann["Feedback comments"]
    (ann,) = rows(to_gradebook([ANN], roster, "gradescope"))
    assert ann == {
        "Name": "Ann",
        "SID": "7",
        "Email": "a@x",
        "Total Score": "1",
        "Max Points": "3",
        "Status": "Graded",
    }
    assert rows(to_gradebook([], ROSTER, "gradescope"))[0]["Status"] == "Missing"


def test_a_layout_without_a_roster_is_refused():
    with pytest.raises(ValueError, match="found 'canvas' without a roster"):
        to_gradebook([ANN], layout="canvas")
    with pytest.raises(ValueError, match="found 'excel', expected one of 'plain', 'canvas'"):
        to_gradebook([ANN], layout="excel")


def test_feedback_holds_nothing_of_hidden_points(tmp_path):
    strange = SubmissionResult("../../x/y.py", "Homework", (RIGHT,))
    paths = write_feedback([ANN, strange, strange], tmp_path / "out")
    assert [path.name for path in paths] == ["7.txt", "x_y.py.txt", "x_y.py-2.txt"]
    text = paths[0].read_text(encoding="utf-8")
    assert "wrong: the sign" in text
    assert "secret" not in text
    assert "hidden words" not in text


def test_the_commonest_mistakes_are_counted():
    data = to_statistics([ANN, BOB, ANN])
    assert (data["submissions"], data["full_marks"], data["mean"]) == (3, 0, pytest.approx(4 / 3))
    point, hidden = data["points"]
    assert (point["right"], point["wrong"], point["mistakes"]) == (1, 2, [{"mistake": "sign", "count": 2}])
    assert hidden["mistakes"] == [{"mistake": "sign", "count": 3}]
    assert data["quartiles"] == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert to_statistics([])["points"] == []


def test_the_page_is_whole_and_escapes_what_it_shows():
    item = ItemResult("f", "<script>", 0.0, 1.0, "wrong", "wrong", "", "", "visible", "<b>")
    page = to_statistics_page([SubmissionResult("a", "A & B", (item,))])
    assert "&lt;script&gt;" in page
    assert "1 × &lt;b&gt;" in page
    assert "A &amp; B" in page
    assert "<script" not in page
    assert "http" not in page


def test_the_command_writes_all_of_it(tmp_path, capsys):
    (tmp_path / "reference.py").write_text("def f(x):\n    return 2 * x\n", encoding="utf-8")
    (tmp_path / "a.toml").write_text(
        '[assignment]\nreference = "reference.py"\n[[function]]\nname = "f"\narguments = ["x"]\nreference = "f"\n'
        'form = "value"\n[[function.point]]\nvalues = { x = [1.0, 2.0] }\n',
        encoding="utf-8",
    )
    (tmp_path / "ann.py").write_text("def f(x):\n    return -2 * x\n", encoding="utf-8")
    (tmp_path / "roster.csv").write_text("id,submission,Student\n7,ann,Ann\n8,bob,Bob\n", encoding="utf-8")
    call = [
        "grade",
        str(tmp_path / "a.toml"),
        str(tmp_path / "ann.py"),
        "--roster",
        str(tmp_path / "roster.csv"),
    ]
    call += ["--gradebook", str(tmp_path / "g.csv"), "--layout", "canvas", "--feedback", str(tmp_path / "f")]
    assert main([*call, "--statistics", str(tmp_path / "s.json")]) == 1
    assert [row["Student"] for row in rows((tmp_path / "g.csv").read_text(encoding="utf-8"))] == [
        "Ann",
        "Bob",
    ]
    assert "sign" in (tmp_path / "f" / "7.txt").read_text(encoding="utf-8")
    statistics = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    assert statistics["points"][0]["mistakes"] == [{"mistake": "sign", "count": 1}]
    assert len(read_roster(tmp_path / "roster.csv")) == 2
    capsys.readouterr()
    assert main([*call[:3], "--gradebook", str(tmp_path / "g.csv"), "--layout", "canvas"]) == 2
    assert "--layout: found 'canvas' without --roster" in capsys.readouterr().err
