"""Closed forms against what others document, Hessians, random expressions, and texts that mean harm."""

import random
import re

import formula_values as witness
import numpy as np
import pytest
from formula_judge import flat, judge, judge_random

from jacobians import derive
from jacobians.formulas import FormulaError

# --- the nine documented examples of matrixcalculus.org, and what it says it can't display ---------------------

DOCUMENTED = [
    ("x'*A*x", "x", {}, "(A + Aᵀ)·x"),
    ("x'*A*x + c*sin(y)'*x", "x", {"c": "scalar"}, "(A + Aᵀ)·x + c·sin(y)"),
    ("a^b", "a", {"a": "scalar", "b": "scalar"}, None),
    ("norm2(A*x - y)^2", "x", {}, "2·Aᵀ·(A·x − y)"),
    ("log(det(inv(X)))", "X", {}, "−X⁻ᵀ"),
    ("tr(A*X'*B*X*C)", "X", {}, None),
    ("sum(log(exp(-y.*(X*w)) + ones(m)))", "w", {"X": "m×n"}, None),
    ("norm1(A*x - y)", "x", {}, "Aᵀ·sign(A·x − y)"),
    ("exp(-norm2(x - m)^2/2)", "x", {}, "−exp(−‖x − m‖²/2)·(x − m)"),
]
NOT_SHOWN = [
    ("A*X*B", "X", {}, "A ⊗ Bᵀ"),
    ("inv(X)", "X", {}, "−(X⁻¹ ⊗ X⁻ᵀ)"),
    ("X'*A*X", "X", {}, None),
    ("x'", "x", {}, "I_n"),
    ("W*x + b", "W", {"W": "h×d"}, "I_h ⊗ xᵀ"),
    ("softmax(x)", "x", {}, "diag(softmax(x)) − softmax(x)·softmax(x)ᵀ"),
    ("diag(x)*A", "x", {}, None),
    ("kron(A, X)", "X", {}, None),
    ("max(X, axis=1)", "X", {}, "(I_m ∗ hardmax(X, axis=1)ᵀ)ᵀ"),
    ("A*diag(x)*B", "x", {}, "A ∗ Bᵀ"),
    ("X[:,0]", "X", {}, "I_m ⊗ I_n[:,0]ᵀ"),
]


@pytest.mark.parametrize(("formula", "by", "declare", "line"), [*DOCUMENTED, *NOT_SHOWN])
def test_what_matrixcalculus_documents_and_what_it_cannot_show(formula, by, declare, line):
    judge(formula, by, declare)
    d = derive(formula, by, declare=declare)
    assert not d.text.startswith("T["), "in matrix notation"
    assert line is None or d.text == line


# --- Hessians ----------------------------------------------------------------------------------------------------

HESSIANS = [
    ("x'*A*x", "x"),
    ("norm2(A*x - b)^2", "x"),
    ("logsumexp(A*x)", "x"),
    ("exp(a'*x)", "x"),
    ("log(a'*x)", "x"),
    ("norm2(x)", "x"),
    ("norm2(x)^4", "x"),
    ("sum(x.^3)", "x"),
    ("-y'*log(softmax(A*x))", "x"),
    ("(x'*A*x)/(x'*x)", "x"),
    ("sum(log(1 + exp(-(y.*(A*x)))))", "x"),
    ("sum(tanh(A*x))", "x"),
    ("y'*sigmoid(A*x)", "x"),
    ("exp(-(x'*A*x)/2)", "x"),
    ("sqrt(1 + x'*x)", "x"),
    ("a'*x*(b'*x)", "x"),
    ("cos(a'*x)", "x"),
    ("y'*softmax(x)", "x"),
    ("sum(softplus(A*x))", "x"),
    ("(a'*x)^3 + x'*x", "x"),
    ("tr(X'*A*X)", "X"),
    ("tr(X'*X)", "X"),
    ("tr(X*A*X*B)", "X"),
    ("tr(X^3)", "X"),
    ("logdet(X)", "X"),
    ("det(X)", "X"),
    ("tr(inv(X))", "X"),
    ("tr(A*inv(X))", "X"),
    ("a'*inv(X)*b", "X"),
    ("a'*X'*X*b", "X"),
    ("normF(X)^2", "X"),
    ("normF(A*X - B)^2", "X"),
    ("normF(X)", "X"),
    ("y'*tanh(W*x)", "W"),
    ("norm2(W*x - y)^2", "W"),
    ("-y'*log(softmax(W*x))", "W"),
    ("logsumexp(W*x)", "W"),
    ("sum(X.^4)", "X"),
    ("sum(exp(X))", "X"),
    ("tr(X)^2", "X"),
    ("(a'*X*b)^2", "X"),
    ("exp(a'*X*b)", "X"),
    ("normF(X*X' - G)^2", "X"),
    ("u'*tanh(V*tanh(W*x))", "V"),
]


@pytest.mark.parametrize(("formula", "by"), HESSIANS)
def test_a_hessian_is_the_difference_of_our_jacobians(formula, by):
    first = derive(formula, by)
    second = first.derive(by)
    shapes = {name: first._context.shape(name) for name in first._context.shapes.variables}
    values, _ = witness.points(shapes, {}, 4)
    values = {name: np.exp(a / 2) if name in ("a", "x") else a for name, a in values.items()}
    for name, a in values.items():
        if name == "X" and a.shape[0] == a.shape[1]:
            values[name] = a + 3 * np.eye(len(a))
    arrays = flat(values)
    base, h = np.array(arrays[by], dtype=float), 1e-4
    slopes = []
    for index in np.ndindex(base.shape):
        move = np.zeros(base.shape)
        move[index] = h
        ends = [first.evaluate(**{**arrays, by: base + s * move}) for s in (1, -1)]
        slopes.append((ends[0] - ends[1]) / (2 * h))
    right = np.stack(slopes, axis=-1).reshape((*base.shape, *base.shape))
    found = second.evaluate(**arrays)
    assert np.allclose(found, right, rtol=1e-5, atol=1e-6 * (1 + np.abs(right).max()))
    assert np.allclose(
        found, np.transpose(found, (*range(base.ndim, 2 * base.ndim), *range(base.ndim))), rtol=1e-9
    )


def test_there_are_forty_hessians_and_twenty_of_fourth_order():
    assert len(HESSIANS) >= 40
    fourth = [derive(formula, by).derive(by) for formula, by in HESSIANS if by.isupper()]
    assert len(fourth) >= 20
    assert sum(not d.text.startswith("T[") for d in fourth) >= 20


# --- random expressions ------------------------------------------------------------------------------------------


@pytest.mark.formulas
@pytest.mark.parametrize("first", range(10_000, 20_000, 100))
def test_ten_thousand_random_expressions_at_three_sets_of_sizes(first):
    for seed in range(first, first + 100):
        judge_random(seed, (1, 2, 3))


# --- hostile texts -----------------------------------------------------------------------------------------------

PIECES = [
    "x",
    "A",
    "X",
    "y",
    "(",
    ")",
    "[",
    "]",
    "'",
    "^",
    ".^",
    "*",
    ".*",
    "/",
    "./",
    "+",
    "-",
    ",",
    ";",
    "=",
    ":",
    ">",
    "<",
    "1",
    "0",
    "1e999",
    "9" * 80,
    ".5",
    "..",
    "__import__('os')",
    "lambda x: x",
    "import os",
    "\x00",
    "\\",
    '"',
    "{",
    "}",
    "sum",
    "inv(",
    "softmax(",
    "norm2(",
    "kron(",
    "max(",
    "where(",
    "axis=7",
    "axis=",
    "x[",
    "[0]",
    "[9:1]",
    "[:]",
    "eye(",
    "ones(-1)",
    "zeros(n, n, n)",
    "K(",
    "I_",
    "𝟏_",
    "K_m",
    "ᵀ",
    "⁻¹",
    "⊗",
    "⊙",
    "∘",
    "∗",
    "where",
    "\n",
    "\t",
    "é",
    "λ",
    "‖",
    "|",
    "√",
    "eval(",
    "x.__class__",
    "%s",
    "$(ls)",
    "DROP TABLE",
    "'" * 30,
    "(" * 40,
    "-" * 40,
    "exp(" * 30,
    "1./",
    "vech(",
]


def refusal(formula, by):
    """Return the sentence by which a text is refused, None if it is derived; another error is raised."""
    try:
        made = derive(formula, by)
        _ = made.text, made.conditions, made.tensor("mixed")
    except FormulaError as error:
        return str(error)
    return None


@pytest.mark.parametrize("first", range(0, 2000, 100))
def test_hostile_texts_are_derived_or_refused_in_one_sentence(first):
    for seed in range(first, first + 100):
        rng = random.Random(seed)
        formula = "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 12)))
        sentence = refusal(formula, rng.choice(["x", "A", "X", "vech(X)", ""]))
        assert sentence is None or (len(sentence) < 700 and len(sentence.splitlines()) == 1), formula


@pytest.mark.parametrize(
    ("formula", "by", "sentence"),
    [
        ("x*y", "x", "x*y: sizes do not match: x is m×1, y is n×1; 1 columns meet n rows"),
        ("norm2(A, x)", "x", "found 2 arguments of norm2, expected 1"),
        ("sofmax(x)", "x", "nearest: softmax"),
        ("(x", "x", "for '\\(' at letter 1 is not closed"),
        ("", "x", "found an empty text"),
        ("x[3]'*y", "y", None),
        ("[x, y']", "x", "sizes do not match"),
        ("x[0,1,2]", "x", "at most two indices"),
        ("max(x, axis=2)", "x", "axis=0 or axis=1"),
        ("where(x, y)", "x", "found 2 arguments of where, expected 3"),
        ("specnorm(x)", "x", "norm2\\(…\\) is for vectors"),
        ("expm(A*x)", "x", "not square"),
        ("expm(X)", "X", "expected a function with a derivative here"),
        ("A ∗ x*y'", "x", None),
    ],
)
def test_bad_input_names_the_part_and_the_way_out(formula, by, sentence):
    if sentence is None:
        derive(formula, by, declare={"x": "5"} if "[" in formula else None)
        return
    with pytest.raises(FormulaError) as caught:
        derive(formula, by)
    assert re.search(sentence, str(caught.value)), str(caught.value)
