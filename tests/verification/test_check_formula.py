"""Formulas under check: right ones pass in every layout, wrong ones fail with what is wrong with them."""

import json

import pytest

from backprop.cli import main as backprop
from jacobians.formulas import FormulaError
from jacobians.formulas.functions import ELEMENTWISE
from verification import check_formula, same_formula
from verification.cli import main as verify


@pytest.mark.parametrize(
    ("formula", "by", "candidate", "layout"),
    [
        ("x'*A*x", "x", "(A + A')*x", "gradient, in the shape of x"),
        ("x'*A*x", "x", "x'*(A + A')", "Jacobian, numerator layout"),
        ("tr(A*X)", "X", "A'", "gradient, in the shape of X"),
        ("W*x", "W", "kron(eye(h), x')", "Jacobian, numerator layout, row-major vec"),
        ("W*x", "W", "kron(x', eye(h))", "Jacobian, numerator layout, column-major vec"),
        ("W*x", "W", "I_h ⊗ x", "Jacobian, denominator layout, row-major vec"),
        ("x'*A*x", "x", r"\left(A + A^{\top}\right) x", "gradient, in the shape of x"),
        ("sum(log(x))", "x", "1./x", "gradient, in the shape of x"),
        ("lambda*norm2(x)^2", "x", "2*lambda*x", "gradient, in the shape of x"),
    ],
)
def test_a_right_candidate_passes_and_its_layout_is_named(formula, by, candidate, layout):
    declare = {"W": "h×d"} if "W" in formula else {"lambda": "scalar"} if "lambda" in formula else None
    report = check_formula(formula, by, candidate, declare=declare)
    assert (report.verdict, report.layout, report.points) == ("right", layout, 2)


@pytest.mark.parametrize(
    ("formula", "by", "candidate", "diagnosis"),
    [
        ("x'*A*x", "x", "2*A*x", "right for symmetric A"),
        ("x'*A*x", "x", "A*x", "one term of 2 is missing: Aᵀ·x"),
        ("x'*A*x", "x", "-(A + A')*x", "the sign is wrong"),
        ("x'*A*x", "x", "(A + A')*x/2", "a constant factor is wrong: 0.5 times"),
        ("logdet(X)", "X", "X^-1", "right for symmetric X"),
        ("tr(A*X*B)", "X", "B*A", "transposed: gradient, in the shape of X"),
    ],
)
def test_a_wrong_candidate_is_diagnosed(formula, by, candidate, diagnosis):
    report = check_formula(formula, by, candidate)
    assert (report.verdict, report.diagnosis) == ("wrong", diagnosis)
    assert not report
    assert "wrong" in str(report)


TERMS = ["A*x", "A'*x", "3*y", "sin(x)"]  # of the gradient of x'Ax + 3x'y − Σ cos x


@pytest.mark.parametrize("left_out", range(4))
@pytest.mark.parametrize("written", ["{}", "({})*0.3/0.3", "(({}) + 7*y) - 7*y"])
def test_a_term_that_is_missing_is_told_however_the_others_are_rounded(left_out, written):
    rest = " + ".join(term for k, term in enumerate(TERMS) if k != left_out)
    options = {"declare": {"x": "n", "y": "n"}}
    report = check_formula("x'*A*x + 3*x'*y - sum(cos(x))", "x", written.format(rest), **options)
    assert report.verdict == "wrong"
    assert report.diagnosis.startswith("one term of 4 is missing: ")
    near = check_formula("x'*A*x + 3*x'*y - sum(cos(x))", "x", f"1.0001*({rest})", **options)
    assert (near.verdict, near.diagnosis) == ("wrong", "")


@pytest.mark.parametrize(
    "formula", ["x'*A*x", "softmax(A*x)", "norm1(x)", "sum(log(x))", "lambda*x", "tanh(A*x).*x"]
)
def test_every_printed_line_of_ours_is_judged(formula):
    declare = {"lambda": "scalar"} if "lambda" in formula else None
    report = check_formula(formula, "x", declare=declare)
    assert (report.verdict, report.points) == ("right", 2)
    assert report.worst < 1e-9


@pytest.mark.parametrize(
    ("formula", "by"),
    [
        ("tanh(W*[x; s] + b)", "W"),
        ("tanh(W*[x; s] + b)", "s"),
        ("norm2(W*[x; 1])^2", "x"),
        ("[A, B; C, D]", "C"),
        ("W*[x; x]", "x"),
        ("sum(abs(x(2:end) - x(1:end-1)))", "x"),
        ("X[1:,:-1]", "X"),
        ("x[-1]*x[2:-1]", "x"),
        ("z[:n].*x", "z"),
        ("f = sigmoid(W*[h; x] + b); sum(f.*c)", "W"),
    ],
)
def test_printed_slices_and_stacks_of_letter_sizes_are_read_back(formula, by):
    declare = {"x": "n"} if formula.startswith("z") else None
    report = check_formula(formula, by, declare=declare)
    assert (report.verdict, report.points) == ("right", 2)


@pytest.mark.parametrize(
    ("formula", "candidate", "verdict"),
    [
        ("W*[x; s]", "W[:,:n]", "right"),
        ("W*[x; s]", "W*[eye(n); zeros(m, n)]", "right"),
        ("W*[x; s]", "W[:,n:]", "wrong"),
        (
            "sum((x(2:end) - x(1:end-1)).^2)",
            "2*[x[0] - x[1]; 2*x[1:-1] - x[:-2] - x[2:]; x[-1] - x[-2]]",
            "right",
        ),
        (
            "sum((x(2:end) - x(1:end-1)).^2)",
            "2*[x[1] - x[0]; 2*x[1:-1] - x[:-2] - x[2:]; x[-1] - x[-2]]",
            "wrong",
        ),
    ],
)
def test_a_persons_own_slices_are_judged(formula, candidate, verdict):
    declare = {"W": "h×(n+m)", "x": "n", "s": "m"} if "W" in formula else {"x": "n"}
    assert check_formula(formula, "x", candidate, declare=declare).verdict == verdict


def test_a_wrong_printer_is_caught(monkeypatch):
    from jacobians.formulas import text

    monkeypatch.setitem(text._WRITERS, "T", lambda node: text.text(node.args[0]))
    report = check_formula("x'*A*x", "x")
    assert report.verdict == "wrong"
    assert "is not the derivative" in report.diagnosis


def test_a_wrong_row_of_the_table_is_caught(monkeypatch):
    from dataclasses import replace

    from jacobians.formulas import differentiation

    differentiation.slope_of.cache_clear()
    monkeypatch.setitem(ELEMENTWISE, "cos", replace(ELEMENTWISE["cos"], slope="sin(z)"))
    with pytest.raises(AssertionError, match="a fault of this package"):
        check_formula("cos(x)", "x")
    differentiation.slope_of.cache_clear()


def test_a_formula_without_points_is_undecided():
    assert check_formula("log(-x'*x)", "x").verdict == "undecided"


def test_names_that_the_formula_has_not_are_refused():
    with pytest.raises(FormulaError) as caught:
        check_formula("x'*A*x", "x", "2*B*x")
    assert str(caught.value) == "candidate: found 'B', expected the variables of \"x'*A*x\": A, x"


def test_two_formulas_are_compared():
    assert same_formula("tr(A*B*C)", "tr(C*A*B)")
    assert same_formula("logsumexp(x)", "log(sum(exp(x)))")
    assert not same_formula("tr(A*B*C)", "tr(B*A*C)", declare=dict.fromkeys("ABC", "n×n"))


@pytest.mark.parametrize(
    ("command", "words", "status"),
    [
        (verify, ["formula", "x'*A*x", "x", "2*A*x"], 1),
        (verify, ["formula", "x'*A*x", "x", "(A+A')*x"], 0),
        (verify, ["formula", "x'*A*x", "x", "2*q*x"], 2),
        (verify, ["formula", "W*x", "W", "kron(eye(h), x')", "--declare", "W: h×d", "--json"], 0),
        (backprop, ["derive", "x'*A*x", "x"], 0),
        (backprop, ["derive", "x*y", "x"], 2),
        (backprop, ["derive", "x'*A*x", "x", "--declare", "A"], 2),
        (backprop, ["derive", "x'*A*x", "x", "--latex", "--numpy"], 2),
        (backprop, ["derive", "x'*A*x", "x", "--check"], 0),
    ],
)
def test_the_commands_end_with_their_status(command, words, status, capsys):
    assert command(words) == status
    shown = capsys.readouterr()
    assert bool(shown.err) is (status == 2)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], "tanh(W·x + b)"),
        (["--vec", "column"], "xᵀ ⊗ diag(1 − tanh(W·x + b)∘²)"),
        (["--vec", "row", "--layout", "denominator"], "diag(1 − tanh(W·x + b)∘²) ⊗ x"),
        (["--tensor", "--layout", "mixed"], "T[i,j,k] = δ[i,j]"),
        (["--latex"], r"\operatorname{diag}"),
        (["--numpy"], "np.einsum('"),
    ],
)
def test_the_command_prints_what_is_asked(options, shown, capsys):
    assert backprop(["derive", "tanh(W*x+b)", "W", "--declare", "W: h×d", *options]) == 0
    assert shown in capsys.readouterr().out


def test_the_commands_print_json_alone(capsys):
    assert backprop(["derive", "x'*A*x", "x", "--json", "--hessian"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["derivative"], data["sizes"]) == ("A + Aᵀ", {"x": ["n"], "A": ["n", "n"]})
    assert verify(["formula", "x'*A*x", "x", "2*A*x", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["diagnosis"] == "right for symmetric A"


@pytest.mark.parametrize(
    ("formula", "candidate", "verdict", "diagnosis"),
    [
        ("logdet(X)", None, "right", ""),
        ("a'*X*b", None, "right", ""),
        ("tr(X*B*X*C)", None, "right", ""),
        ("h = X*a; h'*h", None, "right", ""),
        ("a'*X*a", "2*a*a' - diag(a.*a)", "right", ""),
        ("logdet(X)", "X^-1", "wrong", "right by all entries of X, G; by vech(X) it is G + Gᵀ − G ⊙ I"),
        ("tr(X^3)", "6*X^2", "wrong", "one term of 2 is missing: −3·diag(X∘²·𝟏_n)"),
        ("tr(A*X)", "2*A - diag(diag(A))", "wrong", "right for symmetric A"),
        ("logdet(X)", "diag(diag(X^-1)) - 2*X^-1", "wrong", "the sign is wrong"),
    ],
)
def test_free_entries_of_a_symmetric_matrix_are_judged(formula, candidate, verdict, diagnosis):
    report = check_formula(formula, "vech(X)", candidate)
    assert (report.verdict, report.diagnosis) == (verdict, diagnosis)
    assert f"∂({formula})/∂vech(X)" in str(report)


def test_free_entries_where_all_were_asked_are_named():
    report = check_formula("logdet(X)", "X", "2*X^-1 - diag(diag(X^-1))", declare={"X": "symmetric"})
    assert report.diagnosis == "right by vech(X), the free entries of X; by all of them no entry counts twice"


def test_a_false_vech_rule_would_be_seen(monkeypatch):
    monkeypatch.setattr("jacobians.formulas.derivation._by_free_entries", lambda tensor, *_: tensor)
    with pytest.raises(AssertionError, match="is wrong here"):
        check_formula("logdet(X)", "vech(X)")
