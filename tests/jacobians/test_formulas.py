"""Closed forms: right tensors and right lines, judged by differences of the forward text and by reading lines "
"back."""

from dataclasses import replace

import formula_values as witness
import numpy as np
import pytest
from formula_judge import flat, judge, judge_random, permuted, point, read_back, same, shapes_of
from identities import IDENTITIES

from jacobians.formulas import FormulaError, derive, differentiation, normal
from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.latex import text_of_latex
from jacobians.formulas.parser import parse
from jacobians.formulas.tree import count


@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: f"{row.formula} by {row.by} {row.form}")
def test_an_identity_is_derived_and_printed_right(row):
    judge(row.formula, row.by, row.declare)


@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: f"{row.formula} by {row.by} {row.form}")
def test_the_textbook_says_the_same(row):
    d = derive(row.formula, row.by, declare=row.declare)
    values, sizes, slope = point(d, row.formula, row.by, 1)
    laid_out = {
        "gradient": lambda: slope.reshape(values[row.by].shape),
        "row": lambda: slope,
        "denominator": lambda: slope.T,
        "column": lambda: permuted(slope, *shapes_of(d, sizes), "column"),
    }
    expected = laid_out[row.form]()
    assert same(witness.value(row.textbook, values, sizes), expected)


@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: f"{row.formula} by {row.by} {row.form}")
def test_a_line_is_about_as_long_as_the_textbook_s(row):
    d = derive(row.formula, row.by, declare=row.declare)
    layout = "denominator" if row.form == "denominator" else "numerator"
    tree = (
        d.gradient.tree
        if row.form == "gradient"
        else d._matrix_tree("column" if row.form == "column" else "row", layout)
    )
    assert count(tree) <= 1.5 * count(parse(row.textbook).body) + 1


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_each_function_of_the_table_has_its_slope_in_both_signs(name):
    inner = "sin(x)/2" if name.startswith("arc") else "1 + sin(x)/2" if name == "log" else "2*x"
    judge(f"{name}({inner})", "x", {}, seeds=(1, 2, 3))


EVERY_FUNCTION = """
inv(A)*x by A
det(A)*x by A
logdet(A)*x by A
tr(A)*x by A
sum(A) by A
sum(A, axis=0) by A
sum(A, axis=1) by A
mean(A) by A
mean(A, axis=0)*y by A
logsumexp(x) by x
softmax(x) by x
logsoftmax(x) by x
softmax(A, axis=1) by A
softmax(A, axis=0)*x by A
logsoftmax(A, axis=1)*x by A
logsumexp(A, axis=1) by A
logsumexp(A, axis=0)*y by A
norm2(x) by x
norm1(x) by x
normF(A) by A
diag(A) by A
diag(x)*A by x
vec(A) by A
kron(A, x) by x
kron(A, B) by A
transpose(A)*x by A
dot(x, B*y) by x
outer(x, y) by y
max(x, A*y) by y
min(x, A*y) by x
sqrt(exp(x)) by x
square(x) by x
exp(x).^y by x
exp(x).^y by y
x.^-2 by x
A^3 by A
A^-2 by A
A^0*x by x
(x'*y)^-3 by x
1/(1+exp(-x'*y)) by x
x'*vec(A) by A
pi*x by x
tr(A*A')*x by A
(x'*A*x)^(3/2) by x
sum(softmax(A, axis=1).*B) by A
tr(kron(A, B)) by A
h = tanh(A*x); sum(h.*h) by A
A*kron(x, y) by x
A*vec(X) by X
kron(A, B)*x by A
inv(kron(A, B)) by B
logdet(kron(A, A)) by A
softmax(vec(X)) by X
logsumexp(vec(X)) by X
sum(X, axis=0)*X' by X
diag(diag(A))*x by A
diag(x)*diag(y) by x
diag(A*B) by A
kron(x', A) by x
np.*x by np
α.*β_1 by β_1
"""


@pytest.mark.parametrize("line", EVERY_FUNCTION.strip().splitlines())
def test_each_function_and_kind_of_power_is_derived_and_printed_right(line):
    formula, by = line.rsplit(" by ", 1)
    judge(formula, by, {}, seeds=(1,))


@pytest.mark.parametrize(
    ("formula", "by", "declare"),
    [
        ("r*A*x", "r", {"r": "1×n"}),
        ("r'*x'", "r", {"r": "row"}),
        ("sum(tanh(r*A))", "r", {"r": "row"}),
        ("softmax(r)", "r", {"r": "row n"}),
        ("A*x", "A", {"A": "3×2"}),
        ("x'*y*x", "x", {"x": "3"}),
        ("n*x", "x", {"x": "n"}),
        ("x'*A*x", "A", {"A": "orthogonal"}),
        ("x'*A*A*x", "x", {"A": "symmetric"}),
        ("tr(A*X*A*X)", "X", {"A": "diagonal", "X": "symmetric"}),
        ("sum(p)*p", "p", {"p": "probability"}),
    ],
)
def test_declared_shapes_and_assumptions_are_kept(formula, by, declare):
    judge(formula, by, declare)


BAD = [
    ("x*y", "x", "x*y: sizes do not match: x is m×1, y is n×1; 1 columns meet n rows. Both are columns: x'*y is "
     "a number, x.*y is elementwise, x*y' is a matrix"),
    ("norm2(A, x)", "x", "norm2(A, x): found 2 arguments of norm2, expected 1"),
    ("1/x", "x", "1/x: sizes do not match: 1 is a number, x is m×1; / needs a number below; write 1./x for "
     "entry by entry; if x is a number, declare it 'scalar'"),
    ("x'*A*", "x", "formula: found the end of the text after \"x'*A*\", expected a name, a number or an opening "
     "bracket"),
    ("(x", "x", "formula: found the end of the text after '(x', expected ')', for '(' at letter 1 is not closed"),
    ("x)", "x", "formula: found ')' at letter 2 after 'x', expected no closing bracket here: none is open"),
    ("", "x", "formula: found an empty text, expected a formula such as \"x'*A*x\""),
    ("sigmiod(x)", "x", "formula: found 'sigmiod' at letter 1, expected a function that is known (nearest: "
     "sigmoid), or a "
     "sign such as * before the bracket"),
    ("A+x", "x", "A+x: sizes do not match: A is m×n, x is m×1; all must have one size; repeat the vector by a "
     "product with "
     "ones, b*ones(n)'"),
    ("x^2", "x", "x^2: sizes do not match: x is m×1, not square, and a square matrix was expected; x.^2 is "
     "entry by entry, "
     "x'*x a number"),
    ("softmax(X)", "X", "softmax(X): sizes do not match: X is m×n, a matrix, and a vector was expected; name "
     "axis=0 down the "
     "columns or axis=1 along the rows"),
    ("x'*x", "y", "by: found 'y', expected one of the formula's variables, x"),
    ("x/0", "x", "x/0: found a division by 0, expected a number that is not 0 below the line"),
    ("__import__('os')", "x", "formula: found '__import__' at letter 1, expected a function that is known, or a "
     "sign such as "
     "* before the bracket"),
    ("x.__class__", "x", "formula: found '.' at letter 2, expected names, numbers, brackets and + - * / ^ ' .* "
     "./ .^"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "by", "sentence"), BAD)
def test_bad_input_gets_one_sentence_with_the_part_and_the_way_out(formula, by, sentence):
    with pytest.raises(FormulaError) as caught:
        derive(formula, by)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "formula",
    ["(" * 500 + "x" + ")" * 500, "x" + "'" * 500, "x" * 30_000, "-(" * 300 + "x" + ")" * 300, "1e999*x",
     "9" * 99 + "*x", "x 2", "x y",
     "A*x/b x", "y .* A x", "[A B]", "1'*x", "x**2", "|A|", "log|A|",
     "X^2.5", "X^9999", "x = y = z", "x;y", "h = x;", "[x;y'*y;x*y']",
     "x[-]", "x[1", "x[:end]", "x(2:end-n)", "x(0:2)", "x(2:end+1)", "x[3:1]", "x[1:-]",
     "x[1:1]", "x(end:2)", "[x;", "x\x00", "sin",
     "x'*A*x where", "x = 3; x", "2^(10^9)*x", "(10^300)^300*x", "x.^(10^9)", "*".join(["9" * 50] * 99) + "*x"],
)  # fmt: skip
def test_hostile_text_is_refused_in_one_sentence(formula):
    with pytest.raises(FormulaError) as caught:
        derive(formula, "x")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_number_does_not_eat_the_dot_of_an_operator():
    assert derive("sum(1./x)", "x").text == derive("sum(1 ./ x)", "x").text == "−(1 ⊘ x∘²)"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"x": "foo bar"}, "declare['x']: found 'foo bar', expected sizes such as 'm×n'"),
        ({"y": "n"}, "declare: found 'y', expected names of the formula"),
        (
            {"x": "symmetric m×n"},
            "declare['x']: found 'symmetric m×n', expected a square size for such a matrix",
        ),
        ({"x": "0"}, "declare['x']: found a size of 0 in '0', expected at least 1"),
        ("x: n", "declare: found 'x: n', expected names with sizes"),
    ],
)
def test_a_declaration_that_is_not_understood_is_refused(said, sentence):
    with pytest.raises(FormulaError) as caught:
        derive("x'*x", "x", declare=said)
    assert str(caught.value).startswith(sentence)


# --- random expressions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_expressions_are_derived_and_printed_right(first):
    for seed in range(first, first + 20):
        judge_random(seed)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name not in ("sign", "step")])
def test_a_flipped_row_of_the_table_is_seen(name, monkeypatch):
    monkeypatch.setitem(ELEMENTWISE, name, replace(ELEMENTWISE[name], slope=f"-({ELEMENTWISE[name].slope})"))
    differentiation.slope_of.cache_clear()
    with pytest.raises(AssertionError, match="wrong tensor"):
        test_each_function_of_the_table_has_its_slope_in_both_signs(name)
    differentiation.slope_of.cache_clear()


RULES = {
    "power": ("exp(x).^y", "y"),
    "softmax": ("softmax(x)", "x"),
    "logsumexp": ("logsumexp(x)", "x"),
    "inv": ("inv(A)", "A"),
    "det": ("det(A)", "A"),
    "logdet": ("logdet(A)", "A"),
    "max": ("max(x)", "x"),
    "specnorm": ("specnorm(X)", "X"),
    "nuclear": ("nuclear(X)", "X"),
    "eigmax": ("eigmax(S)", "S", {"S": "positive definite"}),
    **{f"tr_{name}": (f"tr({name}(S))", "S", {"S": "positive definite"}) for name in MATRIX_SLOPES},
}


@pytest.mark.parametrize("name", differentiation._RULES)
@pytest.mark.parametrize("change", ["a sign", "a term"])
def test_a_flipped_sign_or_a_dropped_term_of_a_rule_is_seen(name, change, monkeypatch):
    right = differentiation._RULES[name]

    def wrong(*args):
        first, *rest = right(*args)
        return [first._replace(number=-first.number), *rest] if change == "a sign" else rest

    monkeypatch.setitem(differentiation._RULES, name, wrong)
    with pytest.raises(AssertionError, match="wrong tensor"):
        judge(*(*RULES[name], {})[:3])


@pytest.mark.parametrize(
    ("rule", "formula", "declare"),
    [
        ("_without_deltas", "A*x", {}),
        ("_merged", "x.*x.*x", {}),
        ("_alone", "-y'*log(softmax(x))", {"y": "probability"}),
        ("_cancelled", "tr(inv(A)*A*X)*x", {}),
    ],
)
def test_a_rule_of_the_normal_form_is_used(rule, formula, declare, monkeypatch):
    plain = derive(formula, "x", declare=declare).text
    off = {"_alone": lambda factors, bound: None, "_cancelled": lambda factors, bound: None}
    monkeypatch.setattr(normal, rule, off.get(rule, lambda factors, *bound: factors))
    assert derive(formula, "x", declare=declare).text != plain


def test_a_symmetric_variable_is_never_guessed():
    free = derive("logdet(X)", "X", declare={"X": "symmetric"})
    half = derive("logdet(X)", "vech(X)", declare={"X": "symmetric"})
    assert (free.text, half.text) == ("X⁻¹", "2·X⁻¹ − diag(diag(X⁻¹))")
    assert "X unconstrained" in str(free)
    assert "by vech(X)" in str(half)
    x = np.array([2.0, 0.5, -0.3, 3.0, 0.7, 4.0])

    def full(v):
        return np.array([[v[0], v[1], v[2]], [v[1], v[3], v[4]], [v[2], v[4], v[5]]])

    h = 1e-5
    slopes = [
        (np.linalg.slogdet(full(x + h * e))[1] - np.linalg.slogdet(full(x - h * e))[1]) / (2 * h)
        for e in np.eye(6)
    ]
    assert np.allclose(half.evaluate(X=full(x)), slopes, rtol=1e-6)


@pytest.mark.parametrize(
    ("formula", "by", "said"),
    [
        ("logdet(X)", "X", ["X is invertible"]),
        ("norm2(x)", "x", ["x ≠ 0"]),
        ("norm1(x)", "x", ["x ≠ 0"]),
        ("sum(log(A*x))", "x", ["A·x > 0"]),
        ("a'*x/(b'*x)", "x", ["bᵀ·x ≠ 0"]),
        ("relu(x)", "x", ["x ≠ 0"]),
        ("x'*A*x", "x", []),
    ],
)
def test_conditions_are_named(formula, by, said):
    assert derive(formula, by).conditions == said


def test_values_that_do_not_fit_are_refused():
    d = derive("x'*A*x", "x")
    with pytest.raises(FormulaError, match="A: found no value, expected one for each of x, A"):
        d.evaluate(x=[1.0, 2.0])
    with pytest.raises(FormulaError, match=r"A: found an array of shape \(2, 3\), expected n×n with n = 2"):
        d.evaluate(x=[1.0, 2.0], A=np.ones((2, 3)))
    with pytest.raises(FormulaError, match="q: found a value for it, expected values for x, A"):
        d.evaluate(q=1.0)


def test_layouts_are_those_of_the_conventions():
    d = derive("W*x + b", "W", declare={"W": "h×d", "b": "h"})
    assert [d.tensor(layout) for layout in ("numerator", "mixed", "denominator")] == [
        "T[i,j,k] = δ[i,k]·x[j]",
        "T[i,j,k] = δ[i,j]·x[k]",
        "T[i,j,k] = δ[k,i]·x[j]",
    ]
    assert repr(d.matrix(layout="denominator")) == "I_h ⊗ x"
    assert (d.sizes["W"], d.shape) == (("h", "d"), ("h", "h", "d"))


def residual(layers):
    names = ["x", *(f"h{k}" for k in range(1, layers + 1))]
    lines = [f"{names[k]} = {names[k - 1]} + tanh(W{k}*{names[k - 1]});" for k in range(1, layers + 1)]
    return " ".join([*lines, f"h{layers}"]), {f"W{k}": "n×n" for k in range(1, layers + 1)}


@pytest.mark.parametrize("by", ["x", "W1", "W3", "W5"])
@pytest.mark.parametrize("last", ["", "sum(h5.*h5)"])
def test_named_lines_stand_in_the_answer_and_it_is_right(by, last):
    formula, declare = residual(5)
    formula = formula.removesuffix("h5") + (last or "h5")
    d = judge(formula, by, declare, seeds=(1,))
    assert d._context.lines
    if by == "x" or last:
        assert " where h1 = " in d.text


def test_text_grows_linearly_with_named_lines():
    lengths = [len(derive(formula, "x", declare=said).text) for formula, said in map(residual, (4, 8, 12))]
    assert lengths[2] - lengths[1] < 1.2 * (lengths[1] - lengths[0]) + 20


HESSIANS = """
logsumexp(A*x) | x | x | Aᵀ·(diag(p) − p·pᵀ)·A where p = softmax(A·x)
y'*tanh(W*x) | W | W | −2·(diag(y ⊙ tanh(W·x) ⊙ (1 − tanh(W·x)∘²)) ⊗ x·xᵀ)
x'*A*x | x | x | A + Aᵀ
logdet(X) | X | X | −(X⁻ᵀ ⊗ X⁻¹)·K_n,n
tr(X'*A*X) | X | X | (A + Aᵀ) ⊗ I_n
norm2(x) | x | x | I_n/‖x‖ − x·xᵀ/‖x‖³
normF(A*X-B)^2 | X | X | 2·(Aᵀ·A ⊗ I_p)
tr(inv(X)) | X | X | (X⁻ᵀ ⊗ X⁻² + (X⁻²)ᵀ ⊗ X⁻¹)·K_n,n
norm2(W*x-y)^2 | W | W | 2·(I_m ⊗ x·xᵀ)
norm2(W*x-y)^2 | W | x | 2·(W ⊗ x + (W·x − y) ⊗ I_n)
det(X) | X | X | det(X)·(vec(X⁻ᵀ)·vec(X⁻ᵀ)ᵀ − (X⁻ᵀ ⊗ X⁻¹)·K_n,n)
tr(X^3) | X | X | 3·(Xᵀ ⊗ I_n + I_n ⊗ X)·K_n,n
sum(tanh(A*X)) | X | X | −2·(Aᵀ ⊗ I_p)·diag(vec(tanh(A·X) ⊙ (1 − tanh(A·X)∘²)))·(A ⊗ I_p)
tr(X*A*X'*B) | X | X | Bᵀ ⊗ A + B ⊗ Aᵀ
normF(X)^2 | X | X | 2·(I_m ⊗ I_n)
sum(exp(x)) | x | x | diag(exp(x))
normF(X'*X)^2 | X | X |
a'*inv(X)*b | X | X |
-y'*log(softmax(W*x)) | W | W |
norm2(U*tanh(W*x)-y)^2 | W | W |
norm2(U*tanh(W*x)-y)^2 | W | U |
x'*inv(S)*x | S | x |
x'*inv(S)*x | S | S |
exp(x'*A*x) | x | x |
x'*A*x/(x'*x) | x | x |
sum(log(1 + exp(-y.*(X*w)))) | w | w |
sum(A.*X.*X) | X | X |
tr(A*X*B*X) | X | X |
b'*X'*X*c | X | X |
logdet(X'*X) | X | X |
normF(U*V' - Y)^2 | U | V |
sum(sin(X*B)) | X | X |
tr(exp(X)) | X | X |
sum(X.^3) | X | X |
a'*X*X*b | X | X |
tr(X)^2 | X | X |
x'*A*y | x | A |
norm2(A*x-b) | x | x |
a'*softmax(x) | x | x |
sum(softmax(X, axis=1).*B) | X | X |
"""


@pytest.mark.parametrize("line", HESSIANS.strip().splitlines())
def test_a_second_derivative_is_right_against_differences_of_the_first(line):
    formula, by, again, text_expected = (part.strip() for part in line.split("|"))
    first = derive(formula, by)
    second = first.derive(again)
    values, sizes, _ = point(first, formula, by, 1)

    def moved(step, place):
        a = np.array(values[again])
        a[place] += step
        return first.evaluate(**flat({**values, again: a})).ravel()

    h = 1e-4
    columns = [
        (8 * moved(h, p) - 8 * moved(-h, p) - moved(2 * h, p) + moved(-2 * h, p)) / (12 * h)
        for p in np.ndindex(*values[again].shape)
    ]
    expected = np.stack(columns, axis=1)
    found = second.evaluate(**flat(values))
    assert same(found.reshape(expected.shape), expected)
    for kind, line_of_text, tex, _ in second.lines():
        vec = "column" if "column" in kind else "row"
        wanted = permuted(expected, *shapes_of(second, sizes), vec)
        wanted = wanted.T if "denominator" in kind else wanted
        assert same(read_back(line_of_text, values, sizes, vec), wanted), line_of_text
        assert same(read_back(text_of_latex(tex), values, sizes, vec), wanted), tex
    if text_expected:
        assert second.text == text_expected


def test_equal_numbers_are_a_power():
    assert derive("(x'*x)*(x'*x)*(a'*x)", "x").text == "4·(xᵀ·x)·(aᵀ·x)·x + (xᵀ·x)²·a"


def test_vech_says_its_shape_everywhere():
    d = derive("a'*X*b", "vech(X)")
    rng = np.random.default_rng(3)
    values = {"a": rng.normal(size=3), "b": rng.normal(size=3), "X": np.eye(3)}
    right = np.array([values["a"] @ (e + e.T - np.diag(np.diag(e))) @ values["b"] for e in _free_entries(3)])
    assert d.shape == ("n·(n + 1)/2",)
    assert np.allclose(d.evaluate(**values), right)
    assert np.allclose(eval(d.code(), {"np": np, "n": 3, **values}), right)
    assert [kind for kind, *_ in d.lines()] == [
        "gradient by vech(X), X symmetric: the vech of this matrix, n×n"
    ]
    with pytest.raises(
        FormulaError, match=r"^matrix: found a derivative by vech\(X\), whose row has no matrix"
    ):
        d.matrix()


def _free_entries(n):
    units = []
    for column in range(n):
        for row in range(column, n):
            units.append(np.zeros((n, n)))
            units[-1][row, column] = 1
    return units


@pytest.mark.parametrize(
    ("formula", "by", "declare", "sentence"),
    [
        ("h = h + x; h", "x", None, "formula: found h used before its line ends"),
        ("y = h*2; h = x; y + h", "x", None, "formula: found h used before its line ends"),
        ("W*x", "x", {"W": "symetric"}, "found 'symetric', expected sizes .* did you mean 'symmetric'"),
        ("W*x", "x", {"W": "sym"}, "did you mean 'symmetric'"),
        ("h = A*x; h'*h", "vech(h)", None, "by: found 'h', which a line of the formula defines"),
        ("tr(A*X)", "vech(X)", {"X": "2×3"}, "by: found vech\\(X\\), and X is 2×3, expected a square matrix"),
    ],
)
def test_what_is_defined_twice_or_misspelt_is_refused(formula, by, declare, sentence):
    with pytest.raises(FormulaError, match=sentence):
        derive(formula, by, declare=declare)
