"""The command `backprop train`, and `backprop report --network`: what they print, and one sentence for a bad call."""

import json

import pytest

from backprop.cli import main
from backprop.learning.state import load_state

TINY = ["train", "--layers", "64,10"]
MODULE = """
import numpy as np
from jacobians import Affine, Function, Sequential
from jacobians.structures import Diagonal

class Cube(Function):
    def forward(self, x):
        return x**3
    def derivative(self, x, wrt="input"):
        return Diagonal(3 * x**2)

class Wrong(Cube):
    def derivative(self, x, wrt="input"):
        return Diagonal(2 * x**2)

class Broken(Cube):
    def forward(self, x):
        raise RuntimeError("no\\nforward")

right, wrong, broken = Sequential(Affine(np.ones((2, 2))), Cube()), Wrong(), Broken()
number = 3
"""


def refusal(capsys, *arguments: str) -> str:
    """Return the one sentence of a call that is refused."""
    assert main(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.rstrip("\n")


# --- train -----------------------------------------------------------------------------------------------


def test_a_table_of_epochs_is_printed(capsys):
    assert main([*TINY, "--epochs", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == ""  # bars only where somebody watches
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert out.startswith("Training: MLP(64-10, softmax-cross-entropy)")
    assert lines[1] == ["epoch", "loss", "accuracy", "held-out", "accuracy"]
    assert [line[0] for line in lines[3:]] == ["0", "1"]


def test_json_is_alone_on_standard_output(capsys):
    assert main([*TINY, "--epochs", "1", "--momentum", "0.5", "--batch-size", "100", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    data = json.loads(out)
    assert (data["schema"], data["schema_version"]) == ("explicit-jacobians/training", 1)
    assert data["settings"]["momentum"] == 0.5
    assert data["settings"]["batch_size"] == 100
    assert [epoch["epoch"] for epoch in data["history"]] == [0, 1]
    assert data["history"][1]["loss"] < data["history"][0]["loss"]
    assert data["history"][1]["held_out_accuracy"] > data["history"][0]["held_out_accuracy"]
    assert data["output"] is None


def test_a_run_is_continued_as_if_it_had_never_stopped(capsys, tmp_path):
    half, rest, whole = (str(tmp_path / "new" / f"{name}.npz") for name in ("half", "rest", "whole"))
    assert main([*TINY, "--epochs", "1", "--momentum", "0.5", "--output", half, "--quiet"]) == 0
    assert (
        main([*TINY, "--epochs", "2", "--momentum", "0.5", "--resume", half, "--output", rest, "--quiet"])
        == 0
    )
    assert main([*TINY, "--epochs", "2", "--momentum", "0.5", "--output", whole, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    continued, straight = load_state(rest), load_state(whole)
    assert continued.history == straight.history
    for name, value in straight.parameters.items():
        assert (continued.parameters[name] == value).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--layers", "32,10"],
            "--layers: found a first layer of 32, expected 64, the pixels of a digit; begin with 64",
        ),
        (["--epochs", "0"], "--epochs: found 0, expected at least 1; write 1, say"),
        (
            ["--batch-size", "many"],
            "--batch-size: found 'many', expected a whole number of at most 18 digits; write 1, say",
        ),
        (["--batch-size", "0"], "--batch-size: found 0, expected an integer of at least 1"),
        (
            ["--batch-size", "1438"],
            "--batch-size: found 1438, expected 1 to 1437, the number of points, or None for all",
        ),
        (["--momentum", "1"], "--momentum: found 1.0, expected a number from 0 to below 1"),
        (["--output", "run.txt"], "--output: found 'run.txt', expected a name that ends in .npz"),
        (
            ["--resume", "absent.npz"],
            "--resume: found no file absent.npz that can be read (No such file or directory), expected one that "
            "--output wrote",
        ),
        (["--colour"], "no such option: --colour; see `backprop train --help`"),
    ],
)
def test_a_bad_option_gets_one_sentence_and_exit_status_2(capsys, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert refusal(capsys, "train", *arguments) == f"backprop train: {sentence}"
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_network_or_no_run_is_not_continued(capsys, tmp_path):
    run, text = tmp_path / "run.npz", tmp_path / "text.npz"
    assert main([*TINY, "--epochs", "1", "--output", str(run), "--quiet"]) == 0
    sentence = refusal(capsys, "train", "--layers", "64,2,10", "--resume", str(run))
    assert sentence.startswith("backprop train: --resume: found a run with the network MLP(64-10, ")
    assert refusal(capsys, *TINY, "--epochs", "1", "--resume", str(run)).startswith(
        "backprop train: --epochs: found 1, expected more than the 1 that the run to resume has done"
    )
    text.write_text("no state", encoding="utf-8")
    assert refusal(capsys, *TINY, "--resume", str(text)).startswith(
        "backprop train: --resume: text.npz: found no state of a training run, or a damaged one"
    )


def test_training_that_diverges_is_refused_with_the_way_out(capsys, tmp_path):
    sentence = refusal(
        capsys,
        *TINY,
        "--loss",
        "squared-error",
        "--learning-rate",
        "1e9",
        "--output",
        str(tmp_path / "run.npz"),
    )
    assert sentence.startswith(
        "backprop train: --learning-rate: found 1e9, expected a step with which training does not diverge (epoch 1: "
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("returned", [True, False])
def test_an_interruption_is_one_sentence(capsys, monkeypatch, returned):
    def interrupt(*arguments, **options):
        if returned:  # some versions of Typer return this for Ctrl-C
            return 130
        raise KeyboardInterrupt

    place = "typer.core.TyperGroup.main" if returned else "backprop.commands.train.fit"
    monkeypatch.setattr(place, interrupt)
    assert main(TINY) == 130
    assert capsys.readouterr().err.strip() == "backprop train: interrupted; no file is left half-written"


# --- report --network ------------------------------------------------------------------------------------


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layers.py").write_text(MODULE, encoding="utf-8")
    return "layers.py"


@pytest.mark.parametrize(("name", "status"), [("right", 0), ("wrong", 1)])
def test_a_network_in_a_module_is_reported_on(capsys, tmp_path, module, name, status):
    call = ["report", "--network", f"{module}:{name}", "--at", "[1, 2]", "--output", "out", "--json"]
    assert main(call) == status
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == name
    assert data["point"] == {"shape": [2], "values": [1.0, 2.0], "loss": None}
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--network", "layers.py:right"],
            '--at: found nothing, expected the point of --network, such as --at "[1.0, 2.0]"',
        ),
        (
            ["--at", "[1]"],
            "--at: found a point without --network, expected both; give --network MODULE:NAME, too",
        ),
        (
            ["--network", "layers.py:right", "--at", "exit()"],
            '--at: found \'exit()\', expected numbers such as "[1.0, 2.0]" or "0.5"',
        ),
        (
            ["--network", "layers.py:number", "--at", "[1]"],
            "--network: found int, expected an instance of jacobians.Function",
        ),
        (
            ["--network", "layers.py:broken", "--at", "[1]"],
            "--network: layers.py:broken raised RuntimeError: no forward",
        ),
        (
            ["--network", "layers.py:none", "--at", "[1]"],
            "--network: found no 'none' in layers.py, expected a name that is defined there",
        ),
        (["--network", "no.py:f", "--at", "1"], "--network: found no file no.py, expected a Python file"),
        (
            ["--network", "layers.py:right", "--at", "[1, 2]", "--epochs", "3"],
            "--epochs: found with --network, expected one of them; it belongs to the network on the digits",
        ),
    ],
)
def test_a_bad_network_gets_one_sentence_and_exit_status_2(capsys, tmp_path, module, arguments, sentence):
    assert refusal(capsys, "report", *arguments) == f"backprop report: {sentence}"
    assert not (tmp_path / "report").exists()
