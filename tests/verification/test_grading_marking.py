"""From bytes to marks: what a process sent, what it is worth, what is said about it, and the files that say it."""

import json
import struct
from xml.etree import ElementTree

import numpy as np
import pytest

from verification.cli import main
from verification.grading import to_gradescope, to_json, to_junit, to_table
from verification.grading.answers import Answer, Fault, ending_fault, read_answers
from verification.grading.comparison import judge
from verification.grading.containment.returned import RefusalError, numbers_of
from verification.grading.expected import Derivative, Expected
from verification.grading.limits import Limits
from verification.grading.outcome import Outcome
from verification.grading.outputs import require_writable, write_text
from verification.grading.points import Point
from verification.grading.processes import Ending
from verification.grading.results import SubmissionResult, item_result
from verification.grading.tasks import Task, Tolerance

J = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]])


def task_of(tolerance=None, form="matrix"):
    tolerance = tolerance or Tolerance()
    return Task(
        name="f",
        arguments=["x"],
        reference="f",
        wrt="" if form == "value" else "x",
        form=form,
        relative=tolerance.relative,
        absolute=tolerance.absolute,
        point=[{"values": {"x": 1.0}}],
    )


def trial_of(answer=J, form="matrix"):
    derivative = Derivative(lambda x: answer @ x, np.ones(3), "input", (2,), (3,), answer)
    return Expected(task_of(form=form).outputs[0], answer, derivative)


def judged(array, **options):
    return judge(Answer(np.asarray(array)), trial_of(form=options.get("form", "matrix")), task_of(**options))


# --- what is an array ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "none"),
        (np.ma.masked_array([1.0], [True]), "masked"),
        (np.ma.masked, "masked"),
        ([1.0], "list"),
        ((1.0,), "list"),
        ("1.0", "string"),
        (b"1.0", "string"),
        (np.array(["1.0"]), "string"),
        (np.array([1.0, None]), "object"),
        (np.array([1j]), "complex"),
        (1j, "complex"),
        ({}, "type dict"),
        (np.array(["2020-01-01"], dtype="datetime64"), "type datetime64"),
        (10**400, "object"),
    ],
)
def test_what_is_no_array_is_refused_by_a_word(value, word):
    with pytest.raises(RefusalError) as caught:
        numbers_of(value)
    assert str(caught.value).startswith(word)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_a_matrix_is_refused():
    with pytest.raises(RefusalError, match=r"^matrix$"):
        numbers_of(np.matrix([[1.0]]))


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        (np.float32([1, 2]), "<f4", (2,)),
        (np.float16([1, 2]), "<f4", (2,)),
        (np.longdouble([1, 2]), "<f8", (2,)),
        (np.array([[True]]), "<f8", (1, 1)),
        (np.arange(6, dtype=">i2").reshape(2, 3).T, "<f8", (3, 2)),
        (np.float64(1), "<f8", ()),
        (1, "<f8", ()),
        (np.empty((0, 3)), "<f8", (0, 3)),
    ],
)
def test_numbers_of_all_kinds_are_arrays_of_two(value, dtype, shape):
    found = numbers_of(value)
    assert (found.dtype.str, found.shape) == (dtype, shape)
    assert np.array_equal(found, np.asarray(value, dtype=np.float64))


def test_a_list_is_taken_where_the_assignment_says_so():
    assert numbers_of([[1, 2], [3, 4]], accept_lists=True).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(RefusalError, match=r"^ragged$"):
        numbers_of([[1, 2], [3]], accept_lists=True)


# --- what a process sent ---------------------------------------------------------------------------------


def frame(payload=b"", **header):
    text = json.dumps({"nbytes": len(payload), **header}).encode()
    return struct.pack(">I", len(text)) + text + payload


def answer_frame(call, array, **changes):
    array = np.asarray(array, dtype="<f8")
    header = {
        "event": "answer",
        "call": call,
        "output": 0,
        "dtype": "<f8",
        "shape": list(array.shape),
        "written": [False],
    }
    return frame(array.tobytes(), **{**header, **changes})


def test_the_first_answer_of_each_call_counts():
    data = (
        frame(event="imported") + answer_frame(1, [2.0]) + answer_frame(1, [3.0]) + answer_frame(0, [[1.0]])
    )
    transcript = read_answers(data, [(), ()])
    assert transcript.imported
    assert {call: answer.array.tolist() for call, answer in transcript.answers.items()} == {
        (1, 0): [2.0],
        (0, 0): [[1.0]],
    }


@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
def test_every_argument_that_was_written_to_is_known_by_its_place(count):
    flags = [k % 3 == 0 or k == count - 1 for k in range(count)]
    (answer,) = read_answers(answer_frame(0, [1.0], written=flags), [()]).answers.values()
    assert list(answer.written) == np.flatnonzero(flags).tolist()
    for forged in (None, "true", {"0": True}, [1, "true", [True]]):
        (answer,) = read_answers(answer_frame(0, [1.0], written=forged), [()]).answers.values()
        assert answer.written == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        b"\0\0\0\2{}",
        b"\0\0\0\2[]",
        b"\0\0\0\4null",
        b"\0\0\0\3\xff\xff\xff",
        struct.pack(">I", 1 << 31),
        frame(event="answer", call=0, nbytes=100),
        frame(event="answer", call=0, nbytes=-1),
        frame(event="answer", call=5),
        frame(event="answer", call=-1),
        frame(event="answer", call="0"),
        frame(event="answer", call=True),
        frame(event=["answer"], call=0),
        b"\0\0\xff\xff" + b"[" * 0xFFFF,
    ],
)
def test_bytes_that_make_no_sense_are_no_answer(data):
    assert read_answers(data, [()]).answers == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "|O"},
        {"dtype": "<c16"},
        {"dtype": None},
        {"shape": [2]},
        {"shape": [-1]},
        {"shape": [1.0]},
        {"shape": "1"},
        {"shape": [1] * 33},
        {"shape": [1 << 50, 0]},
    ],
)
def test_an_answer_that_is_not_what_it_says_is_a_fault(changes):
    (answer,) = read_answers(answer_frame(0, [1.0], **changes), [()]).answers.values()
    assert answer == Fault("forged", "the answer does not hold what it announces")


def test_what_a_submission_says_is_cleaned_and_cut():
    data = frame(event="raised", call=0, type="E\x1b[2J", message="x\n" * 1000, line=3)
    (fault,) = read_answers(data, [()]).faults.values()
    assert fault.code == "raised"
    assert fault.sentence.startswith("it raised E [2J in line 3: x x x")
    assert fault.sentence.isprintable()
    assert len(fault.sentence) < 350


@pytest.mark.parametrize(
    ("ending", "code", "sentence"),
    [
        (Ending("exit", 3), "exit", "the process ended (exit status 3) without an answer"),
        (Ending("exit", -11), "signal", "the process was ended by signal 11 (SIGSEGV)"),
        (Ending("exit", -24), "cpu", "it was stopped after 2 s of computing: it took too long"),
        (
            Ending("exit", -9, cpu_seconds=3.0),
            "cpu",
            "it was stopped after 2 s of computing: it took too long",
        ),
        (Ending("time"), "time", "it was stopped after 5 s: it took too long"),
        (Ending("output"), "output", "it was stopped: it printed more than 1024 KiB"),
        (Ending("memory"), "memory", "it was stopped: it took more than 1024 MiB of memory"),
        (Ending("processes"), "processes", "it was stopped: it started more than 32 processes"),
        (Ending("answers"), "answers", "it was stopped: it answered with far more data than was asked for"),
        (Ending("supervisor"), "supervisor", "it killed or stopped the process that supervises it"),
        (Ending("stopped"), "stopped", "the marking was interrupted"),
    ],
)
def test_every_way_to_end_has_a_sentence(ending, code, sentence):
    assert ending_fault(ending, Limits(seconds=5, cpu_seconds=2)) == Fault(code, sentence)


# --- right or wrong --------------------------------------------------------------------------------------


def test_the_answer_itself_is_right():
    assert judged(J).verdict == "right"
    assert judged(J * (1 + 1e-9)).verdict == "right"


@pytest.mark.parametrize("factor", [1 + 1e-3, 1 + 1e-5, 0.0, -1.0])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_relative_error_is_wrong_at_every_scale(factor, scale):
    found = judge(Answer(scale * J * factor), trial_of(scale * J), task_of())
    assert (found.verdict, found.code) == ("wrong", "wrong")


def test_single_precision_has_the_tolerance_of_single_precision():
    third = J / 3
    assert judge(Answer(third.astype(np.float32)), trial_of(third), task_of()).verdict == "right"
    assert judge(Answer((third * 1.001).astype(np.float32)), trial_of(third), task_of()).verdict == "wrong"


def test_the_tolerance_is_the_task_s():
    assert judged(J * 1.001, tolerance=Tolerance(1e-2)).verdict == "right"
    assert judged(J + 0.5, tolerance=Tolerance(1e-6, 0.6)).verdict == "right"


def test_zeros_are_expected_exactly_and_nothing_overflows():
    zeros = trial_of(np.zeros((2, 3)))
    assert judge(Answer(np.zeros((2, 3))), zeros, task_of()).verdict == "right"
    assert judge(Answer(np.full((2, 3), 1e-300)), zeros, task_of()).verdict == "wrong"
    assert judged(np.full((2, 3), 1e308)).verdict == "wrong"
    assert judged(np.full((2, 3), -1e308)).verdict == "wrong"


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (J.T, "the shape is (3, 2), expected (2, 3); it is the transpose of the answer"),
        (J.reshape(3, 2), "the shape is (3, 2), expected (2, 3); the numbers are right"),
        (J[None], "the shape is (1, 2, 3), expected (2, 3); the numbers are right"),
        (J.ravel(), "the shape is (6,), expected (2, 3); the numbers are right"),
        (np.zeros((0, 3)), "the shape is (0, 3), expected (2, 3)"),
        (np.zeros(()), "the shape is (), expected (2, 3)"),
        (
            np.hstack([J, [[7.0], [8.0]]]),
            "the shape is (2, 4), expected (2, 3); the bias column is not dropped: without the last column "
            "the candidate is J",
        ),
    ],
)
def test_another_shape_is_wrong_and_its_numbers_are_looked_at(array, sentence):
    found = judged(array)
    assert (found.verdict, found.code, found.sentence) == ("wrong", "shape", sentence)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_wrong_under_any_tolerance(value):
    array = J.copy()
    array[1, 2] = value
    found = judged(array, tolerance=Tolerance(1e-2, 1e9))
    assert (found.verdict, found.code) == ("wrong", "not finite")
    assert found.sentence == "NaN or infinity in 1 of 6 entries, first at [1, 2]"


def test_the_diagnosis_is_the_feedback():
    assert judged(-J).sentence == "the sign is wrong: the candidate is −J"
    assert judged(J / 2).sentence == "a constant factor is wrong: the candidate is ½·J"


def test_a_single_wrong_entry_does_not_give_its_value_away():
    array = J.copy()
    array[1, 2] = 7.0
    found = judged(array)
    assert found.sentence == "a single entry is wrong, [1, 2]"
    assert found.worst == "worst entry [1, 2]: found 7.0, expected -6.0"
    assert "-6" not in found.feedback("diagnosis")
    assert "-6" in found.feedback("worst")


def test_an_argument_that_was_written_to_is_mentioned():
    found = judge(Answer(J, (0,)), trial_of(), task_of())
    assert (found.verdict, found.feedback("diagnosis")) == ("right", "right: it writes to its argument x")


def test_a_fault_is_no_answer():
    found = judge(Fault("none", "it returned None"), trial_of(), task_of())
    assert (found.verdict, found.code, found.feedback("diagnosis")) == (
        "no answer",
        "none",
        "no answer: it returned None",
    )


# --- marks and outputs -----------------------------------------------------------------------------------

RIGHT, WRONG = (
    Outcome("right", "right"),
    Outcome("wrong", "wrong", "the sign", "by 2", "worst entry [0]: found 1"),
)


def item_of(outcomes, **changes):
    options = {"marks": 3.0, "partial": True, "reveal": "diagnosis", "visibility": "visible"}
    options = {**options, **changes}
    reveal = options.pop("reveal")
    task = task_of()
    return item_result(task, Point(name="p", values={"x": 1.0}, **options), task.outputs[0], outcomes, reveal)


def test_a_part_of_the_places_is_a_part_of_the_marks():
    assert item_of([RIGHT, WRONG, WRONG]).marks == 1.0
    assert item_of([RIGHT, WRONG, WRONG]).feedback == "1 of 3 places right; wrong: the sign"
    assert item_of([RIGHT, RIGHT, RIGHT]).marks == 3.0
    assert item_of([RIGHT, RIGHT, WRONG], partial=False).marks == 0.0
    assert not item_of([RIGHT, RIGHT, WRONG]).passed


@pytest.mark.parametrize(
    ("reveal", "feedback"),
    [
        ("nothing", ""),
        ("verdict", "wrong"),
        ("diagnosis", "wrong: the sign"),
        ("worst", "wrong: the sign; worst entry [0]: found 1"),
    ],
)
def test_students_are_told_what_the_assignment_reveals_and_staff_all(reveal, feedback):
    found = item_of([WRONG], reveal=reveal)
    assert found.feedback == feedback
    assert found.detail == "the sign; by 2; worst entry [0]: found 1"


@pytest.fixture
def result():
    items = (
        item_of([RIGHT]),
        item_of([WRONG], visibility="hidden", reveal="worst"),
        item_of([Outcome("no answer", "none", "it returned <None> & \x00")]),
    )
    return SubmissionResult("ann/hw.py", "Signs", items, 1.25, "printed", 2, ("exit",))


def test_the_table_keeps_hidden_points_hidden(result):
    text = to_table([result], items=True)
    assert "ann/hw.py      3/9" in text
    assert "  f, hidden 1    0/3\n" in text
    assert "sign" not in text
    assert text.endswith("Signs: 1 submission, 0 with full marks")


def test_json_is_for_staff(result):
    data = json.loads(to_json([result]))
    assert (data["schema"], data["schema_version"], data["passed"]) == ("explicit-jacobians/grades", 1, False)
    (submission,) = data["submissions"]
    assert (submission["marks"], submission["most"], submission["left_behind"]) == (3.0, 9.0, 2)
    assert submission["items"][1]["detail"] == "the sign; by 2; worst entry [0]: found 1"
    assert submission["items"][1]["visibility"] == "hidden"


def test_junit_can_be_parsed_and_keeps_hidden_points_hidden(result):
    suites = ElementTree.fromstring(to_junit([result]))
    assert suites.attrib == {"name": "Signs", "tests": "3", "failures": "1", "errors": "1"}
    (suite,) = suites
    assert suite.attrib == {
        "name": "ann/hw.py",
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "time": "1.250",
    }
    right, hidden, broken = suite
    assert len(right) == 0
    assert hidden.attrib["name"] == "hidden 1"
    assert hidden[0].tag == "failure"
    assert hidden[0].attrib["message"] == ""
    assert broken[0].tag == "error"
    assert broken[0].attrib["message"] == "no answer: it returned <None> & �"
    assert broken[0].text == "0 of 3 marks"


def test_gradescope_gets_its_schema(result):
    data = to_gradescope(result)
    assert data["score"] == 3.0
    assert data["execution_time"] == 1.25
    assert data["stdout_visibility"] == "hidden"
    assert [test["score"] for test in data["tests"]] == [3.0, 0.0, 0.0]
    assert [test["max_score"] for test in data["tests"]] == [3.0, 3.0, 3.0]
    assert [test["visibility"] for test in data["tests"]] == ["visible", "hidden", "visible"]
    assert [test["status"] for test in data["tests"]] == ["passed", "failed", "failed"]
    assert data["tests"][1]["name"] == "f, p"
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "old\n"
    write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "new\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"^--junit: found the directory .*, expected the name of a file$"):
        require_writable(tmp_path, "--junit")
    with pytest.raises(
        ValueError, match=r"^--junit: found no directory .*none, expected one; make it first$"
    ):
        require_writable(tmp_path / "none" / "a.xml", "--junit")


@pytest.mark.parametrize("option", ["--junit", "--gradebook", "--statistics", "--gradescope"])
def test_no_output_is_written_over_what_is_read(tmp_path, capsys, option):
    main(["init", str(tmp_path / "hw")])
    toml, submission = tmp_path / "hw" / "assignment.toml", tmp_path / "hw" / "submissions" / "right.py"
    for path in (toml, submission):
        before = path.read_bytes()
        assert main(["grade", str(toml), str(submission), option, str(path)]) == 2
        assert f"{option}: found {path}, which is read here, expected another name" in capsys.readouterr().err
        assert path.read_bytes() == before
