"""The exit status and the channels are ours: no code of a user's, no pipe, no full disk says right or wrong."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import backprop
import jacobians
import verification
from verification.cli import main as verify_main
from verification.commands.running import is_ours

ROOT = Path(__file__).resolve().parents[2]
VERIFY = [sys.executable, "-c", "import sys; from verification.cli import main; sys.exit(main())"]
BACKPROP = [sys.executable, "-c", "import sys; from backprop.cli import main; sys.exit(main())"]
LAYER = """
import os, sys
import numpy as np
from jacobians import Function
from jacobians.structures import Dense

def f(x):
    return np.sin(x)

def J(x):
    return np.diag(np.cos(x))

def leaves(x):
    {leave}

class Layer(Function):
    def forward(self, x):
        {leave}
        return x
    def derivative(self, x, wrt="input"):
        return Dense(np.eye(len(x)))

net = Layer()
"""
ASSIGNMENT = """
[assignment]
reference = "s.py"
[[function]]
name = "leaves"
arguments = ["x"]
reference = "leaves"
form = "value"
[[function.point]]
values = {{ x = [1.0] }}
"""


def run(command, *arguments, cwd, stdout=subprocess.PIPE):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=environment,
    )


@pytest.fixture
def layer(tmp_path):
    def layer(leave):
        (tmp_path / "s.py").write_text(LAYER.format(leave=leave), encoding="utf-8")
        (tmp_path / "a.toml").write_text(ASSIGNMENT.format(), encoding="utf-8")
        return tmp_path

    return layer


CALLS = {
    "f": (VERIFY, ["jacobian", "s.py:leaves", "s.py:J", "--at", "[0.5, 1.0]"]),
    "J": (VERIFY, ["jacobian", "s.py:f", "s.py:leaves", "--at", "[0.5, 1.0]"]),
    "reference": (VERIFY, ["grade", "a.toml", "s.py"]),
    "network": (BACKPROP, ["report", "--network", "s.py:net", "--at", "[0.5, 1.0]", "--output", "r"]),
}


@pytest.mark.parametrize(
    "leave", ["sys.exit(0)", "raise SystemExit", "os._exit(0)", "raise GeneratorExit('x')"]
)
@pytest.mark.parametrize("call", CALLS)
def test_code_of_a_users_cannot_choose_the_status(layer, call, leave):
    command, arguments = CALLS[call]
    done = run(command, *arguments, cwd=layer(leave))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "raised GeneratorExit: x" in done.stderr if "Gen" in leave else "raised SystemExit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("leave", ["sys.exit(0)", "os._exit(0)"])
def test_nor_can_it_while_it_is_imported(tmp_path, leave):
    (tmp_path / "s.py").write_text(f"import os, sys\n{leave}\n", encoding="utf-8")
    done = run(VERIFY, "jacobian", "s.py:f", "s.py:J", "--at", "0.5", cwd=tmp_path)
    assert done.returncode == 2
    assert "MODULE:f: importing s.py raised SystemExit: 0" in done.stderr


@pytest.mark.parametrize("arguments", [CALLS["f"][1], CALLS["network"][1]], ids=["jacobian", "report"])
def test_what_code_of_a_users_prints_is_no_json(layer, arguments):
    command = VERIFY if arguments[0] == "jacobian" else BACKPROP
    place = layer("print('hello'); os.write(1, b'there'); os.system('echo child'); return np.sin(x)")
    done = run(command, *arguments, "--json", cwd=place)
    assert json.loads(done.stdout)
    for word in ("hello", "there", "child"):
        assert word in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize(
    ("command", "arguments"), [(BACKPROP, ["cost", "1x2", "2x3"]), CALLS["f"]], ids=["cost", "jacobian"]
)
def test_a_full_disk_is_one_line_and_no_verdict(layer, command, arguments):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = run(command, *arguments, cwd=layer("return np.sin(x)"), stdout=full)
    assert done.returncode == 2
    assert done.stderr.endswith("standard output can't be written: No space left on device\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (BACKPROP, ["cost", "1x2", "2x3"]),
        (BACKPROP, ["report", "--layers", "64,10", "--epochs", "1", "--output", "r"]),
        (BACKPROP, ["train", "--layers", "64,10", "--epochs", "1"]),
        (BACKPROP, ["notes", "--id", "b12"]),
        CALLS["f"],
        (BACKPROP, ["--help"]),
    ],
    ids=["cost", "report", "train", "notes", "jacobian", "help"],
)
def test_a_reader_that_has_seen_enough_says_nothing_of_right_or_wrong(layer, command, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = run(command, *arguments, cwd=layer("return 0 * x"), stdout=closed)
    assert done.returncode == 0
    assert done.stderr == ""


def test_the_version_is_that_of_the_package(tmp_path):
    assert jacobians.__version__ == verification.__version__ == backprop.__version__
    for name, command in (("verify", VERIFY), ("backprop", BACKPROP)):
        done = run(command, "--version", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (
            0,
            f"{name} of explicit-jacobians {jacobians.__version__}\n",
        )


def test_words_are_completed_in_shells(tmp_path):
    environment = os.environ | {
        "_BACKPROP_COMPLETE": "complete_bash",
        "COMP_WORDS": "backprop co",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(BACKPROP, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["cost"]


def test_an_error_of_our_own_is_no_verdict(tmp_path):
    code = (
        "import sys, backprop.commands.cost as cost; from backprop.cli import main\n"
        "def broken(*a): raise ZeroDivisionError('planted')\n"
        "cost.compare = broken\nsys.exit(main(['cost', '1x2']))"
    )
    done = run([sys.executable, "-c", code], cwd=tmp_path)
    assert done.returncode == 2
    assert "ZeroDivisionError: planted" in done.stderr


def test_an_exception_is_known_by_where_it_was_raised():
    def caught(act):
        try:
            act()
        except Exception as error:
            return error
        raise AssertionError

    refused = caught(lambda: jacobians.Affine([[1.0]], None)([1.0, 2.0]))
    assert not is_ours(refused)  # a frame of this file stands in it
    refused.__traceback__ = refused.__traceback__.tb_next.tb_next
    assert is_ours(refused)


def test_several_factors_may_stand_in_one_argument(tmp_path):
    expected = run(BACKPROP, "cost", "1x100", "100x100", "100x3", "--json", cwd=tmp_path)
    for arguments in (
        ["1x100 100x100 100x3"],
        ["1*100", "100,100", "100 x 3"],
        ["1X100  100 × 100", "100x3"],
    ):
        done = run(BACKPROP, "cost", *arguments, "--json", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, expected.stdout)


@pytest.mark.parametrize(
    ("command", "name"), [(BACKPROP, "cost"), (BACKPROP, "report"), (VERIFY, "grade"), (VERIFY, "jacobian")]
)
def test_help_pages_name_values_and_no_types(tmp_path, command, name):
    page = run(command, name, "--help", cwd=tmp_path).stdout
    assert "--help" in page
    assert not re.search("<(bool|int|str|Path|list)", page)


def test_exceptions_of_a_kind_of_the_users_own_choose_no_status(tmp_path):
    leave = "raise type('Over', (BaseException,), {})('that\\nis all')"
    (tmp_path / "s.py").write_text(LAYER.format(leave=leave), encoding="utf-8")
    done = run(VERIFY, "jacobian", "s.py:leaves", "s.py:J", "--at", "[0.5]", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "verify jacobian: s.py:leaves or s.py:J raised Over: that is all\n"


@pytest.mark.parametrize("handler", ["os._exit(0)", "sys.exit(0)", "1 / 0"])
def test_what_is_left_for_the_end_of_the_process_chooses_no_status(tmp_path, handler):
    leave = f"__import__('atexit').register(lambda: {handler}); return np.cos(x)"
    (tmp_path / "s.py").write_text(LAYER.format(leave=leave), encoding="utf-8")
    done = run(VERIFY, "jacobian", "s.py:leaves", "s.py:J", "--at", "[0.5]", cwd=tmp_path)
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "wrong")


def test_what_is_left_for_the_end_of_the_process_prints_to_standard_error(tmp_path):
    leave = "__import__('atexit').register(lambda: print('bye')); return np.sin(x)"
    (tmp_path / "s.py").write_text(LAYER.format(leave=leave), encoding="utf-8")
    done = run(VERIFY, "jacobian", "s.py:leaves", "s.py:J", "--at", "[0.5]", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["verdict"] == "right"
    assert "bye" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes descriptors")
def test_a_closed_channel_is_no_verdict(tmp_path):
    (tmp_path / "s.py").write_text(LAYER.format(leave="print('hi'); return np.sin(x)"), encoding="utf-8")

    def with_closed(descriptor):
        call = [*VERIFY, "jacobian", "s.py:leaves", "s.py:J", "--shape", "2", "--json"]
        return run(["sh", "-c", f'exec "$@" {descriptor}>&-', "sh"], *call, cwd=tmp_path)

    done = with_closed(1)
    assert (done.returncode, done.stderr) == (2, "verify: standard output can't be written: it is closed\n")
    done = with_closed(2)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "right")


# --- wrong combinations of targets ---------------------------------------------------------------------------

TARGETS = """
import numpy as np
from jacobians import Tanh

class Layer:
    def __init__(self): self.W = 3
class Needs:
    def __init__(self, a): pass
def f(x): return x * 2
def J(x): return 2 * np.eye(x.size)
def two(x, y): return x
def none(x): pass
def keywords(*, x): return x
def nothing(): return 1
def text(x): return "a"
async def waits(x): return x
def yields(x): yield 1
array, number, word, table, missing = 2 * np.eye(2), 3, "text", {"a": 1}, None
complex_array, instance, cls, module, few = 1j * np.eye(2), Layer(), Tanh, np, [[1], [1, 2]]
"""
NO_FUNCTIONS = [
    "array",
    "number",
    "word",
    "table",
    "missing",
    "complex_array",
    "instance",
    "cls",
    "module",
    "few",
    "Layer",
    "Needs",
]
OTHER_CALLS = ["two", "keywords", "nothing", "waits"]
NO_JACOBIANS = ["Layer", "Needs", "cls", "missing", "keywords", "nothing", "waits"]
WRONG_FORMS = [
    "none",
    "text",
    "yields",
    "number",
    "word",
    "table",
    "complex_array",
    "instance",
    "module",
    "few",
    "f",
]


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "targets.py"
    path.write_text(TARGETS)
    return lambda f, J: verify_main(["jacobian", f"{path}:{f}", f"{path}:{J}", "--at", "[1.0, 2.0]"])


@pytest.mark.parametrize("name", [*NO_FUNCTIONS, *OTHER_CALLS])
def test_what_is_no_function_of_one_array_is_refused_in_our_words(target, name, capsys):
    assert target(name, "J") == 2
    said = capsys.readouterr().err
    assert ": found" in said
    assert "expected" in said
    assert not re.search("positional|takes no|missing 1|NoneType. object", said)


@pytest.mark.parametrize("name", NO_JACOBIANS)
def test_what_is_no_jacobian_is_refused_in_our_words(target, name, capsys):
    assert target("f", name) == 2
    said = capsys.readouterr().err
    assert ": found" in said
    assert "expected" in said
    assert not re.search("positional|takes no|missing 1", said)


@pytest.mark.parametrize("name", WRONG_FORMS)
def test_a_candidate_in_no_form_of_a_jacobian_is_wrong(target, name, capsys):
    assert target("f", name) == 1
    said = capsys.readouterr().out
    assert said.startswith("wrong: ")
    assert "it failed" not in said


TALKING = """
import numpy as np
from jacobians import Affine, Function, Sequential
from jacobians.structures import Diagonal

class Layer(Function):
    def forward(self, x):
        print("forward")
        return np.sin(x)
    def derivative(self, x, wrt="input"):
        print("derivative")
        return Diagonal(np.cos(x))

net = Layer()
deep = Sequential(Affine(np.eye(2)), Layer())
"""


@pytest.mark.parametrize("form", [["--json"], []], ids=["json", "text"])
@pytest.mark.parametrize("names", [["net"], ["deep"], ["net", "deep"]], ids=["layer", "network", "several"])
def test_a_right_network_whose_layers_print_leaves_the_channel_of_the_report_alone(tmp_path, names, form):
    (tmp_path / "q.py").write_text(TALKING, encoding="utf-8")
    networks = [word for name in names for word in ("--network", f"q.py:{name}")]
    done = run(BACKPROP, "report", *networks, "--at", "[0.5, 1.0]", "--output", "r", *form, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not re.search("^(forward|derivative)$", done.stdout, re.MULTILINE)
    assert {"forward", "derivative"} <= set(done.stderr.splitlines())
    if form:
        assert json.loads(done.stdout)
    else:
        assert "verdict: right" in done.stdout


def test_a_refused_method_of_a_layer_is_not_told_as_an_option(tmp_path):
    (tmp_path / "q.py").write_text(TALKING.replace('x, wrt="input"', "x"), encoding="utf-8")
    done = run(BACKPROP, "report", "--network", "q.py:net", "--at", "[0.5, 1.0]", cwd=tmp_path)
    assert done.returncode == 2
    assert "backprop report: --network: Layer by input: " in done.stderr
