"""The command `verify`: what it prints, what it writes, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from verification.cli import main
from verification.commands.grade import _progress
from verification.commands.jacobian import load_object, parse_point, parse_shape
from verification.commands.running import CallError
from verification.grading import SubmissionResult

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "assignment"
MODULE = """
import numpy as np
from jacobians import Affine, Softmax

soft = Softmax()
layer = Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))

class Layer:
    pass

def square(x):
    return x**2

def right(x):
    return np.diag(2 * x)

wrong = np.diag([2.0, 5.0])
nothing = None

def kink(x):
    return np.abs(x)

def signs(x):
    return np.diag(np.sign(x))

def broken(x):
    raise RuntimeError("by\\nitself")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    return tmp_path / "mine.py"


@pytest.fixture
def verify(capsys):
    def verify(*arguments):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return verify


# --- verify jacobian -------------------------------------------------------------------------------------


def test_a_right_one_ends_with_0(verify, module):
    status, out, err = verify("jacobian", "mine.py:square", "mine.py:right", "--at", "[1.0, 2.0]")
    assert (status, err) == (0, "")
    assert out.startswith("right: ")
    assert "numerator layout, row-major vec" in out


def test_a_wrong_one_ends_with_1_and_is_explained(verify, module):
    status, out, _ = verify("jacobian", "mine.py:square", "mine.py:wrong", "--at", "[1, 2]")
    assert status == 1
    assert out.startswith("wrong: ")
    assert "worst entry [1, 1] (output [1], input [1]): found 5.0, expected 4.0" in out


def test_column_major_candidates_and_sets_of_inputs(verify, module):
    with module.open("a", encoding="utf-8") as file:
        file.write(
            "\ndef log_det(M):\n    return 2 * np.sum(np.log(np.diag(np.linalg.cholesky(M))))\n"
            "\ninverse = np.linalg.inv(np.array([[2.0, 1.0], [1.0, 3.0]]))\n"
            "def turned(M):\n    return M.T\n"
            "columns = np.eye(4)[[0, 2, 1, 3]]\nlines = [np.eye(2)]\n"
        )
    asked = ("jacobian", "mine.py:log_det", "mine.py:inverse", "--at", "[[2, 1], [1, 3]]")
    assert verify(*asked)[0] == 1
    assert verify(*asked, "--on", "symmetric")[0] == 0
    assert verify(*asked, "--on", "mine.py:lines")[0] == 0
    status, _, err = verify(*asked, "--on", "upper")
    assert (status, "on: found 'upper', expected one of 'symmetric', 'lower', or directions" in err) == (
        2,
        True,
    )
    asked = ("jacobian", "mine.py:turned", "mine.py:columns", "--at", "[[2, 1], [1, 3]]")
    assert verify(*asked, "--vec", "column")[0] == 0
    status, _, err = verify(*asked, "--vec", "fortran")
    assert (status, "vec: found 'fortran', expected one of 'row', 'column'" in err) == (2, True)


def test_one_at_a_kink_is_undecided_and_ends_with_1(verify, module):
    status, out, _ = verify("jacobian", "mine.py:kink", "mine.py:signs", "--at", "[0.0, 1.0]")
    assert status == 1
    assert out.startswith("undecided: kink within the step")


def test_a_function_of_the_toolkit_has_its_own(verify, module):
    assert verify("jacobian", "mine.py:soft", "--shape", "4", "--seed", "3")[0] == 0
    assert verify("jacobian", "mine.py:layer", "--at", "[1, 2]", "--wrt", "W")[0] == 0
    assert verify("jacobian", "mine:layer", "--at", "(1, 2)", "--wrt", "b")[0] == 0


def test_json_comes_alone(verify, module):
    status, out, err = verify("jacobian", "mine.py:square", "mine.py:wrong", "--at", "[1, 2]", "--json")
    data = json.loads(out)
    assert (status, err) == (1, "")
    assert (data["verdict"], data["worst"]["index"], data["passed"]) == ("wrong", [1, 1], False)


def test_the_seed_fixes_the_point(verify, module):
    def witnesses(*options):
        out = verify("jacobian", "mine.py:square", "mine.py:wrong", "--shape", "2", "--json", *options)[1]
        return json.loads(out)["worst"]

    assert witnesses() == witnesses("--seed", "0")
    assert witnesses("--seed", "1") != witnesses()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["square", "mine.py:right", "--at", "1"],
            "MODULE:f: found 'square', expected a module and a name in it, such as ",
        ),
        (
            ["none.py:f", "mine.py:right", "--at", "1"],
            "MODULE:f: found no file none.py, expected a Python file",
        ),
        (
            ["none_such:f", "mine.py:right", "--at", "1"],
            "MODULE:f: found no module 'none_such', expected one that can be imported, or the path of a .py file",
        ),
        (
            ["mine.py:square", "mine.py:cube", "--at", "1"],
            "MODULE:J: found no 'cube' in mine.py, expected a name that is defined there",
        ),
        (
            ["mine.py:square", "--at", "[1]"],
            "MODULE:J: found nothing, expected a Jacobian: mine.py:square is no jacobians.Function, which has its own",
        ),
        (
            ["mine.py:square", "mine.py:nothing", "--at", "[1]"],
            "MODULE:J: found None, expected a function of x, an array or a Jacobian",
        ),
        (
            ["mine.py:Layer", "--at", "[1]"],
            "MODULE:f: found the class Layer, expected a function or an instance of jacobians.Function",
        ),
        (
            ["mine.py:wrong", "--at", "[1]"],
            "MODULE:f: found ndarray, expected a function or an instance of jacobians.F",
        ),
        (
            ["mine.py:square", "mine.py:right"],
            '--at, --shape: found neither, expected one: --at "[1.0, 2.0]", or ',
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "1", "--shape", "2"],
            "--at, --shape: found both, expected one: ",
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "__import__('os').getcwd()"],
            '--at: found "__import__(\'os\').getcwd()", expected numbers such as "[1.0, 2.0]" or "0.5"',
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "[1, [2]]"],
            "--at: found a ragged sequence, expected rows of equal",
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "'a'"],
            "--at: found str of dtype <U1, expected an array of real",
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "[]"],
            "--at: found shape (0,) with an empty axis, expected at least",
        ),
        (
            ["mine.py:square", "mine.py:right", "--shape", "a"],
            "--shape: found 'a', expected sizes such as 3, 2x3, or ()",
        ),
        (
            ["mine.py:square", "mine.py:right", "--shape", "0"],
            "--shape: found '0', expected from 1 to 1,000,000 entries",
        ),
        (
            ["mine.py:square", "mine.py:right", "--shape", "2", "--seed", "-1"],
            "--seed: found -1, expected a number of at",
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "[1]", "--wrt", "W"],
            "wrt: found 'W', expected 'input': only a ",
        ),
        (
            ["mine.py:layer", "--at", "[1, 2]", "--wrt", "c"],
            "wrt: found 'c', expected one of 'input', 'W', 'b'",
        ),
        (["mine.py:layer", "--at", "[1]"], "x: found shape (1,), expected (2,) or "),
        (
            ["mine.py:broken", "mine.py:right", "--at", "[1]"],
            "mine.py:broken or mine.py:right raised RuntimeError: by ",
        ),
        (
            ["mine.py:square", "mine.py:right", "--at", "[1]", "--layout", "row"],
            "layout: found 'row', expected one of ",
        ),
        ([], "missing argument 'MODULE:f'; see `verify jacobian --help`"),
        (["mine.py:square", "--att", "1"], "no such option: --att"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_ends_with_2(verify, module, arguments, sentence):
    status, out, err = verify("jacobian", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"verify jacobian: {sentence}")
    assert err.count("\n") == 1


def test_a_module_that_cannot_be_imported_is_named(verify, module):
    module.with_name("bad.py").write_text("1 / 0", encoding="utf-8")
    module.with_name("absent.py").write_text("import none_such_package", encoding="utf-8")
    expected = "verify jacobian: MODULE:f: importing bad.py raised ZeroDivisionError: division by zero\n"
    assert verify("jacobian", "bad.py:f", "--at", "1") == (2, "", expected)
    status, _, err = verify("jacobian", "absent:f", "--at", "1")
    assert status == 2
    assert err.endswith("importing absent raised ModuleNotFoundError: No module named 'none_such_package'\n")


@pytest.mark.parametrize("text", ["1.5", "[1.5]", "[[1, 2], [3, 4]]", " (1, 2) ", "-1e-3", "[+1]"])
def test_points_are_numbers_and_lists(text):
    assert parse_point(text).tolist() is not None
    assert parse_point(text).dtype == "float64"


@pytest.mark.parametrize(
    "text", ["x", "1 + 1 if True else 2", "[x for x in ()]", "{}", "None", "(" * 500, "1j", "[1j]"]
)
def test_points_are_never_evaluated(text):
    with pytest.raises(CallError, match=r"^--at: found "):
        parse_point(text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("3", (3,)), ("2x3", (2, 3)), ("2×3", (2, 3)), ("2, 3", (2, 3)), ("(4,)", (4,)), ("()", ())],
)
def test_shapes(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["", "x", "-1", "2xx3", "1e3", "9999999", "1000x1001", "1.5"])
def test_what_is_no_shape(text):
    with pytest.raises(CallError, match=r"^--shape: found "):
        parse_shape(text)


def test_two_names_of_one_file_come_from_one_module(module):
    one, two = load_object("mine.py:soft", "f"), load_object("mine.py:soft", "f")
    assert one is two


# --- verify grade ----------------------------------------------------------------------------------------

MARKS = {
    "activation_for_slope.py": (6.0, "jacobian_by_input", "φ stands in place of φ′, in layer 1 (Tanh)"),
    "elementwise_softmax.py": (8.0, "jacobian_of_softmax", "softmax is treated as elementwise"),
    "endless.py": (
        6.0,
        "jacobian_by_input",
        "no answer: it was stopped after 2 s of computing: it took too long",
    ),
    "none_and_nan.py": (
        4.0,
        "jacobian_by_input",
        "wrong: NaN or infinity in 6 of 6 entries, first at [0, 0]",
    ),
    "right.py": (10.0, "", ""),
    "transposed.py": (6.0, "jacobian_by_input", "it is the transpose of the answer"),
}
needs_processes = pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")


@needs_processes
def test_the_example_is_marked_as_its_submissions_say(verify):
    submissions = sorted((EXAMPLE / "submissions").glob("*.py"))
    assert [path.name for path in submissions] == list(MARKS)
    status, out, err = verify("grade", EXAMPLE / "assignment.toml", *submissions, "--json")
    assert (status, err) == (1, "")
    for submission in json.loads(out)["submissions"]:
        marks, function, feedback = MARKS[submission["submission"]]
        assert (submission["submission"], submission["marks"], submission["most"]) == (
            submission["submission"],
            marks,
            10,
        )
        first = next((item for item in submission["items"] if item["verdict"] != "right"), None)
        assert (first is None) == (marks == 10)
        if first is not None:
            assert first["function"] == function
            assert feedback in first["feedback"]


@needs_processes
def test_full_marks_end_with_0_and_the_files_are_written(verify, tmp_path):
    junit, gradescope = tmp_path / "junit.xml", tmp_path / "results.json"
    right = EXAMPLE / "submissions" / "right.py"
    status, out, err = verify(
        "grade", EXAMPLE / "assignment.toml", right, "--items", "--junit", junit, "--gradescope", gradescope
    )
    assert (status, err) == (0, "")
    assert "  jacobian_by_weights, random layers    3/3  right\n" in out
    assert out.endswith("Jacobians of a layer: 1 submission, 1 with full marks\n")
    root = ElementTree.parse(junit).getroot()
    assert (root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == ("6", "0", "0")
    data = json.loads(gradescope.read_text(encoding="utf-8"))
    assert data["score"] == 10
    assert {test["visibility"] for test in data["tests"]} == {"visible", "hidden"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.toml", "mine.py"], "none.toml: found no such file, expected an assignment in TOML"),
        ([EXAMPLE / "assignment.toml"], "submissions: found none, expected at least one Python file"),
        (
            [EXAMPLE / "assignment.toml", "none.py"],
            "submissions: none.py can't be read: No such file or directory",
        ),
        (
            [EXAMPLE / "assignment.toml", "mine.py", "--workers", "0"],
            "workers: found 0, expected an integer of at least 1",
        ),
        (
            [EXAMPLE / "assignment.toml", "mine.py", "--junit", "no/a.xml"],
            "--junit: found no directory no, expected one",
        ),
        (
            [EXAMPLE / "assignment.toml", "mine.py", "mine.py", "--gradescope", "a.json"],
            "--gradescope: found 2 submissions, expected one: its results.json is that of one student",
        ),
        ([], "missing argument 'ASSIGNMENT.toml'; see `verify grade --help`"),
    ],
)
def test_a_wrong_call_of_grade_is_one_sentence_and_ends_with_2(verify, module, arguments, sentence):
    status, out, err = verify("grade", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"verify grade: {sentence}")
    assert err.count("\n") == 1


def test_the_progress_goes_to_standard_error_alone(capsys):
    result = SubmissionResult("ann.py", "Signs", ())
    with _progress(1, shown=True) as done:
        done(result)
    assert capsys.readouterr().out == ""
    with _progress(1, shown=False) as done:
        assert done is None


# --- the command itself ----------------------------------------------------------------------------------


def test_without_the_extra_it_names_the_extra(monkeypatch, verify):
    monkeypatch.setattr("verification.optional_packages.find_spec", lambda name: None)
    assert verify("grade", "a.toml") == (
        2,
        "",
        "verify grade: found no typer, no rich, no pydantic, expected installed packages; "
        'run pip install "explicit-jacobians[cli]"\n',
    )


def test_importing_the_command_loads_none_of_its_packages():
    code = (
        "import verification.cli, sys; print(sorted({'typer', 'rich', 'sympy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "verify: missing command; see `verify --help`\n"),
        (["juggle"], "verify: no such command 'juggle'; see `verify --help`\n"),
    ],
)
def test_no_command_is_a_wrong_call(verify, arguments, sentence):
    assert verify(*arguments) == (2, "", sentence)


@pytest.mark.parametrize("command", ["jacobian", "grade"])
def test_the_help_names_the_exit_status(verify, command):
    status, out, _ = verify(command, "--help")
    assert status == 0
    assert "Exit status: 0" in out
