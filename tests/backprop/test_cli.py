"""The command `backprop`: what it prints where, its exit status, and one sentence for every bad call."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from backprop.cli import main
from backprop.report import Report, Settings, collect
from backprop.report.settings import LOSSES
from jacobians.layers.activations import ACTIVATIONS
from verification import CheckReport

TINY = ["report", "--layers", "64,10", "--epochs", "1"]
ROOT = Path(__file__).resolve().parents[2]


def refusal(capsys, *arguments: str) -> str:
    """Return the one sentence of a call that is refused."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.rstrip("\n")


@pytest.fixture(scope="module")
def report() -> Report:
    return collect(Settings(layers=(64, 10), epochs=1))


@pytest.fixture
def collected(monkeypatch, report) -> Report:
    """Spare a call the work: it gets the report that is already there."""
    monkeypatch.setattr("backprop.commands.report.collect", lambda settings, tick: report)
    return report


# --- report ----------------------------------------------------------------------------------------------


def test_a_report_is_written_and_a_short_table_printed(capsys, tmp_path):
    assert main(["report", "--layers", "64,2,10", "--epochs", "1", "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.csv", "report.html", "report.json", "report.md", "report.tex",
    ]  # fmt: skip
    assert err == ""  # bars only where somebody watches
    lines = out.splitlines()
    assert lines[0].strip() == "Multiplications: MLP(64-2-10, tanh, softmax-cross-entropy)"
    [row] = [line.split() for line in lines if line.strip().startswith("∂loss/∂input")]
    # (1×10)(10×2) diag(2) (2×64) from the left, and from the right
    assert row == ["∂loss/∂input", "1", "150", "2,048", "150", "13.7×", "right"]
    assert "8 of 8 Jacobians of layers are right" in out
    assert "verdict: right" in out


def test_json_is_alone_on_standard_output_and_equals_the_file(capsys, tmp_path, collected):
    assert main([*TINY, "--json", "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    assert json.loads(out) == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_quiet_prints_nothing(capsys, tmp_path, collected):
    assert main([*TINY, "--quiet", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_command_runs_in_a_process_of_its_own(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from backprop.cli import main; sys.exit(main())", *TINY, "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["verdict"] == "right"
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.parametrize("verdict", ["wrong", "undecided"])
def test_what_is_not_right_gives_exit_status_1_and_says_where(
    capsys, tmp_path, monkeypatch, collected, verdict
):
    planted = CheckReport(verdict, "so it was planted [here]")
    first, *others = collected.layers
    by_input, by_weights, by_bias = first.jacobians
    first = replace(first, jacobians=(by_input, replace(by_weights, check=planted), by_bias))
    wrong = replace(collected, layers=(first, *others))
    monkeypatch.setattr("backprop.commands.report.collect", lambda settings, tick: wrong)
    assert main([*TINY, "--output", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"∂(0.Affine)/∂W: {verdict}: so it was planted [here]" in out
    assert f"verdict: {verdict}" in out
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("command", ["report", "train"])
@pytest.mark.parametrize(
    ("option", "value", "meant"),
    [
        ("--activation", "logistic", "sigmoid"),
        ("--activation", "Swish", "silu"),
        ("--activation", "tahn", "tanh"),
        ("--activation", "leaky-rleu", "leaky_relu"),
        ("--loss", "mse", "mean-squared-error"),
        ("--loss", "MSE", "mean-squared-error"),
        ("--loss", "squared_eror", "squared-error"),
        ("--loss", "categorical-crossentropy", "softmax-cross-entropy"),
    ],
)
def test_a_choice_that_is_nearly_right_gets_the_list_and_the_nearest(capsys, command, option, value, meant):
    assert main([command, option, value]) == 2
    said = capsys.readouterr().err
    assert f"backprop {command}: {option}: found" in said
    assert said.rstrip().endswith(f"; did you mean {meant!r}?")
    for name in ACTIVATIONS if option == "--activation" else LOSSES:
        assert name in said


def test_a_loss_that_the_command_does_not_take_is_not_proposed(capsys):
    assert main(["train", "--loss", "bce"]) == 2
    assert "binary-cross-entropy" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"), [(["notes", "--id", "b12x"], "B12"), (["cost", "100:diag"], "diagonal")]
)
def test_names_of_formulas_and_structures_that_are_nearly_right_get_the_nearest(capsys, arguments, meant):
    assert main(arguments) == 2
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--layers", "32,10"],
            "--layers: found a first layer of 32, expected 64, the pixels of a digit; begin with 64",
        ),
        (["--epochs", "many"], "--epochs: found 'many', expected a whole number of at most 18 digits; write 1, say"),
        (["--learning-rate", "-1"], "--learning-rate: found -1.0, expected a finite number above 0; write 0.1, say"),
        (["--colour"], "no such option: --colour; see `backprop report --help`"),
        (["--seed"], "option '--seed' requires an argument; see `backprop report --help`"),
        (["extra"], "got unexpected extra argument(s) (extra); see `backprop report --help`"),
    ],
)  # fmt: skip
def test_a_bad_option_gets_one_sentence_and_exit_status_2(capsys, arguments, sentence):
    found = refusal(capsys, "report", *arguments)
    # click and Typer's copy of it word some sentences differently
    assert found.replace("argument (", "argument(s) (") == f"backprop report: {sentence}"


def test_an_output_that_is_a_file_is_refused_before_the_work(capsys, tmp_path):
    file = tmp_path / "taken"
    file.write_text("kept", encoding="utf-8")
    assert refusal(capsys, *TINY, "--output", str(file)) == (
        f"backprop report: --output: found the file {file}, expected a directory; choose another"
    )
    assert file.read_text(encoding="utf-8") == "kept"


def test_a_write_that_fails_leaves_the_old_report(capsys, tmp_path, monkeypatch, collected):
    (tmp_path / "report.html").write_text("old", encoding="utf-8")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backprop.report.write.os.fsync", full)
    sentence = refusal(capsys, *TINY, "--output", str(tmp_path))
    assert sentence == f"backprop report: --output: {tmp_path} can't be written: No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "old"


def test_training_that_diverges_is_refused_with_the_way_out(capsys, tmp_path):
    sentence = refusal(
        capsys, "report", "--layers", "64,4,10", "--loss", "squared-error", "--activation", "relu",
        "--learning-rate", "1e9", "--output", str(tmp_path / "out"),
    )  # fmt: skip
    assert sentence.startswith(
        "backprop report: --learning-rate: found 1e9, expected a step with which training does not diverge (epoch 1: "
    )
    assert sentence.endswith("; choose a smaller one")
    assert not (tmp_path / "out").exists()


# --- cost ------------------------------------------------------------------------------------------------


def test_cost_prints_comparison_convention_and_the_steps_of_the_optimum(capsys):
    assert main(["cost", "1x100", "100×100", "100X100"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in out.splitlines()[:5] if line}
    orders = {line.split()[0]: line.split() for line in out.splitlines()[6:11] if line}
    assert rows["left"][1:5] == ["20,000", "19,800", "39,800", "1×"]
    assert rows["right"][1:5] == ["1,010,000", "999,900", "2,009,900", "50.5×"]
    assert orders["optimal"][-1] == "(A·B)·C"
    assert max(map(len, out.splitlines())) <= 80
    assert "flops = multiplications + additions" in " ".join(out.split())
    assert "Plan (optimal): (A·B)·C" in out


def test_cost_as_json_is_exact_and_knows_no_infinity(capsys):
    size = 2**40
    assert main(["cost", f"1x{size}", f"{size}x{size}", f"{size}x1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["schema_version"]) == ("explicit-jacobians/cost", 1)
    assert data["alternatives"][0]["multiplications"] == size**2 + size
    assert [step["multiplications"] for step in data["steps"]] == [size**2, size]
    assert main(["cost", "2x2", "I2", "2:diagonal", "2x3", "--json"]) == 0
    json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_cost_as_csv_has_a_line_a_strategy(capsys):
    assert main(["cost", "30x35", "35x15", "15x5", "5x10", "10x20", "20x25", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["strategy"] for row in rows] == ["left", "right", "optimal"]
    assert rows[2]["multiplications"] == "15125"


def test_cost_as_markdown_has_the_steps(capsys):
    assert main(["cost", "1x3", "3:diagonal", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert "| left | 3 | 0 | 3 | 1× |" in out
    assert "Optimal: A·B" in out
    assert "| 1 | A · B | Dense 1×3 | 3 | 0 |" in out


def test_structures_are_read(capsys):
    assert main(["cost", "1x10", "I10(x)1x5", "50:identity", "--csv"]) == 0
    [left, *_] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (left["multiplications"], left["result"]) == ("0", "Dense 1×10 ⊗ Dense 1×5")


EXPECTED = (
    "expected rows x columns such as 1x100 (dense), 100:diagonal, 100:identity or I100, or I10(x)1x5 for a "
    "Kronecker product"
)


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        ([], f"SHAPES: found none, {EXPECTED}; see `backprop cost --help`"),
        (["1x2", "two"], f"SHAPES: found 'two', {EXPECTED}; see `backprop cost --help`"),
        (["1x2x3"], f"SHAPES: found '1x2x3', {EXPECTED}; see `backprop cost --help`"),
        (["1" * 200 + "x1"], f"SHAPES: found '{'1' * 57}…', {EXPECTED}; see `backprop cost --help`"),
        (["1x0", "0x2"], "SHAPES: found a size of 0 in '1x0', expected at least 1; leave the factor out"),
        (
            ["1x100", "99x100"],
            "SHAPES: found 1x100 before 99x100, expected 100 = 99, the columns of a factor to be the rows of the next; "
            "write the chain output side first",
        ),
        (["2x2"] * 201, "SHAPES: found 201 factors, expected at most 200; multiply the chain in parts"),
        (
            ["1x2", "--json", "--csv"],
            "--json, --markdown, --csv, --latex: found more than one, expected at most one; choose one",
        ),
    ],
)
def test_bad_shapes_get_one_sentence_and_exit_status_2(capsys, shapes, sentence):
    assert refusal(capsys, "cost", *shapes) == f"backprop cost: {sentence}"


# --- the command itself ----------------------------------------------------------------------------------


def test_no_command_or_an_unknown_one_is_refused(capsys):
    assert refusal(capsys) == "backprop: missing command; see `backprop --help`"
    # newer versions of Typer say more
    sentence = refusal(capsys, "reprot").replace(", did you mean 'report'", "")
    assert sentence == "backprop: no such command 'reprot'; see `backprop --help`"


@pytest.mark.parametrize("arguments", [["--help"], ["report", "--help"], ["cost", "--help"]])
def test_help_is_printed(capsys, arguments):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "Usage: backprop" in out
    assert err == ""


def test_the_entry_point_loads_no_extra():
    code = "import sys, backprop.cli; print({'typer', 'rich', 'jinja2', 'matplotlib', 'sympy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("missing", ["typer", "rich", "jinja2", "matplotlib"])
def test_a_missing_extra_is_named_with_the_way_to_get_it(capsys, monkeypatch, missing):
    monkeypatch.setattr(
        "verification.optional_packages.find_spec", lambda name: None if name == missing else find_spec(name)
    )
    extras = "report,cli" if missing in ("jinja2", "matplotlib") else "cli"
    assert refusal(capsys, *TINY) == (
        f"backprop report: found no {missing}, expected an installed package; "
        f'run pip install "explicit-jacobians[{extras}]"'
    )


def test_an_interruption_is_one_sentence(capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("backprop.commands.report.collect", interrupt)
    assert main(TINY) == 130
    assert capsys.readouterr().err.strip() == ("backprop report: interrupted; no file is left half-written")
