"""Plain NumPy code where networks are taken: tables of costs, the report and its command."""

import json

import numpy as np
import pytest

from backprop import Chain, compare
from backprop.cli import main
from backprop.report import report_network
from jacobians import Affine, Sequential, Tanh, from_numpy, trace
from verification import finite_difference_jacobian

X, W, B = np.array([0.3, 0.4]), np.array([[1.0, 2.0], [0.5, -1.0], [0.2, 0.1]]), np.array([0.1, 0.2, 0.3])
CODE = """import numpy as np

def net(x, W, b):
    return np.tanh(W @ x + b) * b

def nothing():
    return np.ones(2)
"""


def net(x, W, b):
    return np.tanh(W @ x + b) * b


def twice(x):
    return np.tanh(x) * x.sum()


@pytest.mark.parametrize("by", ["input", "W", "b"])
def test_the_costs_of_code_are_compared_by_every_argument(by):
    found = compare(net, X, W, B, by=by)
    truth = {
        "input": (X, lambda x: net(x, W, B)),
        "W": (W, lambda w: net(X, w, B)),
        "b": (B, lambda b: net(X, W, b)),
    }
    point, f = truth[by]
    for plan in found.plans:
        execution = plan.execute()
        assert execution.cost == plan.cost
        expected = finite_difference_jacobian(f, point, method="richardson")
        np.testing.assert_allclose(execution.jacobian.dense(), expected, atol=1e-8)


def test_functions_of_code_and_networks_are_compared_at_a_point():
    graph = trace(twice, X)
    for function in (twice, from_numpy(twice)):
        found = compare(function, X)
        assert found["left"].multiplications == graph.plan("reverse").cost.multiplications
        assert found["right"].multiplications == graph.plan("forward").cost.multiplications
    layers = Sequential(Affine(W, None), Tanh())
    assert compare(layers, X).to_dict() == compare(Chain.from_network(layers, X)).to_dict()
    assert [item.strategy for item in compare(layers, X, strategies=["left"]).alternatives] == ["left"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compare(net, X), "x: found 1, expected an array for each of x, W, b, the arguments of net"),
        (lambda: compare(net, X, W, B, X), "x: found 4, expected an array for each of x, W, b"),
        (lambda: compare(lambda: X, X), "which takes no array, expected one or more"),
        (
            lambda: compare(Sequential(Tanh()), X, X),
            "arguments: found 2, expected the point of the network alone",
        ),
        (
            lambda: compare(Chain([W]), ["left"], 3),
            "arguments: found 2, expected the strategies alone behind a chain",
        ),
        (
            lambda: report_network(net, {"x": X, "V": W}),
            "x: found x, V, expected an array for each of x, W, b",
        ),
    ],
)
def test_arguments_that_are_none_of_the_code_are_refused(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_a_report_shows_the_derivative_by_every_argument_of_code():
    report = report_network(net, {"x": X, "W": W, "b": B})
    assert report.passed
    assert [own.title for own in report.derivatives] == ["∂output/∂input", "∂output/∂W", "∂output/∂b"]


def run(tmp_path, name, at):
    path = tmp_path / "code.py"
    path.write_text(CODE, encoding="utf-8")
    return main(
        ["report", "--network", f"{path}:{name}", "--at", at, "--output", str(tmp_path / "out"), "--json"]
    )


def test_the_command_takes_the_arguments_of_code_by_name(tmp_path, capsys):
    at = json.dumps({"x": X.tolist(), "W": W.tolist(), "b": B.tolist()})
    assert run(tmp_path, "net", at) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "right"


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("net", "[0.3, 0.4]", "--at: found 1, expected an array for each of x, W, b, the arguments of net"),
        ("net", '{"x": [0.3', "--at: found '{\"x\": [0.3', expected arrays of numbers by name"),
        ("net", '{"x": "a"}', "expected arrays of numbers by name"),
        ("nothing", "[1.0]", "--network: found nothing(), which takes no array, expected one or more"),
    ],
)
def test_the_command_names_what_is_wrong_with_the_arguments(tmp_path, capsys, name, at, words):
    assert run(tmp_path, name, at) == 2
    assert words in " ".join(capsys.readouterr().err.split())
