"""How people write: products without a sign, other signs for transposes and norms, names for what is repeated."""

import numpy as np
import pytest
from formula_judge import judge, read_back

from jacobians.formulas import FormulaError, ShapeError, derive
from jacobians.formulas.latex import text_of_latex
from jacobians.formulas.parser import parse
from verification import check_formula
from verification.formulas import written_alike

SAME = [
    ("x'A x", "x'*A*x"), ("x^T A x", "x'*A*x"), ("x.T @ A @ x", "x'*A*x"), ("X.mT @ X", "X'*X"),
    ("a' X^-T b", "a'*X⁻ᵀ*b"),
    ("tr(X' B X C)", "tr(X'*B*X*C)"), ("2x", "2*x"),
    ("2 (x + y)", "2*(x + y)"), ("(a + b)'(c + d)", "(a + b)'*(c + d)"),
    ("1/2 x'x", "(1/2)*x'*x"), ("-y' log(p)", "-y'*log(p)"), ("A x ⊙ y", "(A*x).*y"), ("A B ⊗ C", "(A*B) ⊗ C"),
    ("||x||", "norm2(x)"), ("‖A x - b‖²", "norm2(A*x - b)^2"), ("||x||_2^2", "norm2(x)^2"), ("||x||_1", "norm1(x)"),
    ("||X||_F^2", "normF(X)^2"), ("2||x||", "2*norm2(x)"), ("x/||x||", "x/norm2(x)"), ("norm(X, 'fro')", "normF(X)"),
    ("norm(x, 1)", "norm1(x)"), ("norm(x, 2)", "norm2(x)"), ("2|x|", "2*abs(x)"), ("det(X)^T", "det(X)'"),
    ("det(X)^T*T", "det(X)^(T)*T"), ("X^-1 y", "X^-1*y"), ("2 𝟏_n", "2*𝟏_n"), ("A I_n", "A*I_n"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), SAME)
def test_people_s_signs_are_read_as_what_they_mean(written, meant):
    assert written_alike(written, meant)


@pytest.mark.parametrize(("formula", "expected"), [
    ("A*x/b x", "formula: found 'x' at letter 7 after 'A*x/b', expected a sign or brackets: a/b c may be (a/b)*c or "
                "a/(b*c), and so with .* and ./"),
    ("1/2x'x", "formula: found 'x' at letter 4 after '1/2', expected a sign or brackets: a/b c may be (a/b)*c or "
               "a/(b*c), and so with .* and ./"),
    ("[A B]", "formula: found 'B' at letter 4 after '[A', expected a comma between parts beside one another, "
              "as in [A, B]"),
    ("1'*x", "formula: found \"'\" at letter 2 after '1', expected ones(n)' for a row of ones; the transpose of a "
             "number is the number"),
    ("x**2", "formula: found '**' at letter 2 after 'x', expected ^ for powers of numbers and matrices, or .^ "
             "entry by entry"),
    ("norm(x, 3)", "formula: found '3' at letter 9 after 'norm(x,', expected norm(…, 'fro'), norm(…, 1) or norm(…, 2)"),
])  # fmt: skip
def test_what_may_mean_two_things_is_refused(formula, expected):
    with pytest.raises(FormulaError) as caught:
        derive(formula, "x")
    assert str(caught.value) == expected


def test_bars_around_a_matrix_are_refused():
    with pytest.raises(ShapeError) as caught:
        derive("log(|X|)", "X")
    assert str(caught.value) == (
        "|X|: found bars around a matrix, X is m×n, expected det(X), or abs(X) for entry by entry"
    )


def test_a_quotient_by_a_column_says_how_to_declare_a_number():
    with pytest.raises(ShapeError, match=r"\./n for entry by entry; if n is a number, declare it 'scalar'$"):
        derive("norm2(x)/n", "x")


@pytest.mark.parametrize(("formula", "by", "candidate", "declare"), [
    ("vec(X)", "X", "eye(m) ⊗ eye(n)", {}),
    ("mean(x.^2)", "x", "2*x/n", {}),
    ("X'", "X", "K(n, m)", {}),
    ("x - mean(x)", "x", "eye(n) - ones(n)*ones(n)'/n", {}),
    ("sum(X, axis=1)", "X", "eye(m) ⊗ ones(n)'", {"X": "m×n"}),
])  # fmt: skip
def test_a_person_s_formula_may_speak_of_the_sizes(formula, by, candidate, declare):
    assert check_formula(formula, by, candidate, declare=declare).verdict == "right"


NAMED = [
    ("softmax(A*x)", "x", "(diag(p) − p·pᵀ)·A where p = softmax(A·x)"),
    ("x/norm2(A*x + b)", "x", "I_m/‖u‖ − x·uᵀ·A/‖u‖³ where u = A·x + b"),
    ("softmax(X*W, axis=1)", "W", "diag(vec(M))·(X ⊗ I_p) − (I_m ∗ Mᵀ)·(Xᵀ ∗ Mᵀ)ᵀ where M = softmax(X·W, axis=1)"),
    ("h = softmax(A*x); h.*h", "x", None),
    ("p'*softmax(A*x)", "x", None),
    ("(x'*A*x + b'*x)*exp(x'*A*x + b'*x)*A*tanh(A*x + b)", "x", None),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "by", "expected"), NAMED)
def test_what_is_repeated_gets_a_name_and_is_read_back(formula, by, expected):
    d = derive(formula, by)
    assert " where " in d.text
    assert expected is None or d.text == expected
    judge(formula, by, {})


def test_a_name_that_is_taken_is_not_given():
    assert " where s = " in derive("p'*x*softmax(A*x)*s", "x", declare={"s": "scalar"}).text.replace(
        "u = ", "s = "
    )
    text = derive("p'*x*softmax(A*x)", "x").text
    assert "where p = " not in text
    assert " = softmax(A·x)" in text


def test_a_line_of_the_formula_keeps_its_name():
    assert derive("h = tanh(W*x); g = tanh(V*h); h'*g", "x").text.count("h = tanh(W·x)") == 1


def test_latex_says_what_names_stand_for():
    tex = derive("softmax(A*x)", "x").latex()
    assert tex == (
        r"\left(\operatorname{diag}\left(p\right) - p p^{\top}\right) A \quad\text{where}\quad "
        r"p = \operatorname{softmax}\left(A x\right)"
    )
    assert parse(text_of_latex(tex)).lets[0][0] == "p"


def test_code_names_a_part_where_it_is_first_read():
    d = derive("softmax(A*x)", "x")
    assert d.code() == (
        "np.einsum('i,ij->ij', (p := scipy.special.softmax(A @ x)), A) - np.einsum('i,k,kj->ij', p, p, A)"
    )
    assert d.matrix().code().count("softmax") == 1


def nested(depth):
    formula = "x"
    for _ in range(depth):
        formula = f"tanh(W*({formula}) + x)"
    return formula


@pytest.mark.parametrize("kind", ["text", "latex", "code", "tensor"])
def test_lines_grow_linearly_with_the_depth_of_a_formula_without_lines(kind):
    def length(depth):
        made = getattr(derive(nested(depth), "x"), kind)
        return len(made if isinstance(made, str) else made())

    assert length(24) - length(16) <= 1.3 * (length(16) - length(8)) + 40


def test_a_shared_weight_s_gradient_is_backpropagation_line_by_line():
    lines = "".join(f"h{k + 1} = tanh(W*{f'h{k}' if k else 'x'}); " for k in range(8))
    formula = f"{lines}norm2(h8 - y)^2"
    d = derive(formula, "W")
    assert "(h8 − y) ⊙ (1 − h8∘²)" in d.text
    assert len(d.text) < 700
    rng = np.random.default_rng(0)
    values = {"W": rng.normal(size=(3, 3)) / 2, "x": rng.normal(size=(3, 1)), "y": rng.normal(size=(3, 1))}
    found = read_back(d.text, values, {"n": 3})
    assert np.allclose(found, d.evaluate(W=values["W"], x=values["x"][:, 0], y=values["y"][:, 0]), rtol=1e-12)


@pytest.mark.parametrize(("formula", "by", "declare", "expected"), [
    ("det(X)^k", "X", {"k": "scalar"}, "k·det(X)^k·X⁻ᵀ"),
    ("norm2(x)^p", "x", {"p": "scalar"}, "p·‖x‖^(p − 2)·x"),
    ("x.^a.*x", "x", {}, "diag((a + 1) ⊙ x∘^a)"),
    ("2.^x", "x", {}, "log(2)·diag(2∘^x)"),
    ("s.^x", "x", {"s": "scalar"}, "log(s)·diag(s∘^x)"),
    ("sum(x.^p)", "x", {"p": "scalar"}, "p·x∘^(p − 1)"),
    ("tr(X^3)", "X", {}, "3·(X²)ᵀ"),
    ("X^3", "X", {}, "I_n ⊗ (X²)ᵀ + X ⊗ Xᵀ + X² ⊗ I_n"),
    ("X^-2", "X", {}, "−(X⁻¹ ⊗ (X⁻²)ᵀ + X⁻² ⊗ X⁻ᵀ)"),
])  # fmt: skip
def test_equal_factors_are_a_power(formula, by, declare, expected):
    assert derive(formula, by, declare=declare).text == expected
    assert check_formula(formula, by, declare=declare).verdict == "right"


@pytest.mark.parametrize(("formula", "by", "declare"), [
    ("vec(X)", "X", {"X": "n1×n_2"}), ("X'", "X", {"X": "n1×n_2"}), ("0*x*x'", "x", {"x": "n_x"}),
    ("mean(x)*x", "x", {"x": "n_x"}), ("0_nx'*inv(S)*x", "S", {"S": "symmetric"}), ("sum(ones(k))*x", "x", {}),
])  # fmt: skip
def test_sizes_of_several_letters_and_without_a_variable_are_read_back(formula, by, declare):
    assert check_formula(formula, by, declare=declare).verdict == "right"


def test_a_size_without_a_variable_is_asked_for():
    d = derive("sum(ones(k))*x", "x")
    assert d.free_sizes == {"k"}
    assert np.array_equal(d.evaluate(x=[1.0, 2.0], k=3), 3 * np.eye(2))
    with pytest.raises(
        FormulaError, match=r"k: found no number for the size k, which no variable has, expected one"
    ):
        d.evaluate(x=[1.0])


def test_einsum_has_letters_for_fifty_two_indices():
    chain = "*".join("X" * 40)
    d = derive(f"tr({chain})", "X", declare={"X": "square"})
    a = np.eye(2) + 0.01
    assert np.allclose(eval(d.code(), {"np": np, "X": a}), d.evaluate(X=a))
    with pytest.raises(
        FormulaError, match="code: found a product of 60 indices, expected at most 52, NumPy's letters"
    ):
        derive(f"tr({'*'.join('X' * 60)})", "X", declare={"X": "square"}).code()


LAYERS = "".join(f"h{k + 1} = tanh(W*{f'h{k}' if k else 'x'}); " for k in range(300)) + "sum(h300)"


@pytest.mark.parametrize(("formula", "by"), [
    ("*".join("X" * 1000), "X"), ("tr((X^20)^20)", "X"), (LAYERS, "x"),
    ("*".join(f"(x'*A*x + b'*x + {k})" for k in range(200)), "x"),
    ("khatri(" * 20 + "X" + ",X)" * 20, "X"), ("+".join(f"tr(A{k}*X*B{k}*X')" for k in range(600)), "X"),
], ids=["a long product", "powers of powers", "deep lines", "sums in products", "nested ∗", "many terms"])  # fmt: skip
def test_what_would_take_minutes_is_refused_in_one_sentence(formula, by):
    with pytest.raises(
        FormulaError,
        match=r"found a derivative (that takes more .*, expected a shorter one; give its|of more levels than)",
    ):
        str(derive(formula, by, declare={"X": "square"} if "*".join("X" * 9) in formula else {}))


@pytest.mark.parametrize(("formula", "by", "expected"), [
    ("x'*(A ⊗ A ⊗ A ⊗ A ⊗ A)*x", "x", None),
    ("*".join(["(x'*A*x)"] * 20), "x", "20·(xᵀ·A·x)¹⁹·(A + Aᵀ)·x"),
    ("⊗".join("ABCDEFGHJLMN"), "A", None),
])  # fmt: skip
def test_symmetric_products_are_no_work(formula, by, expected):
    d = derive(formula, by)
    assert expected is None or d.text == expected


def test_a_part_that_is_too_large_to_check_is_refused_in_one_sentence():
    with pytest.raises(FormulaError, match="formula: found what is too large to check, expected less: "):
        check_formula("⊗".join("A" * 12), "A")


def test_trees_go_through_pickle_to_a_process_with_other_hashes():
    import pickle
    import subprocess
    import sys

    tree = parse("(A + A')*x").body
    code = (
        "import pickle, sys; from jacobians.formulas.parser import parse; "
        'tree = pickle.load(sys.stdin.buffer); made = parse("(A + A\')*x").body; '
        "print(tree == made, hash(tree) == hash(made))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(tree), capture_output=True, check=True
    )
    assert run.stdout.split() == [b"True", b"True"]


@pytest.mark.parametrize(
    ("formula", "by", "text"),
    [
        ("x'*(A.*B)*x", "x", "(A ⊙ B + (A ⊙ B)ᵀ)·x"),
        ("y'*(A.*B)*x", "x", "(A ⊙ B)ᵀ·y"),
        ("diag(A*B)'*x", "x", "diag(A·B)"),
        ("x'*kron(A,B)*x", "x", "(A ⊗ B + Aᵀ ⊗ Bᵀ)·x"),
        ("(x'*kron(A,B)*x)^2", "x", "2·(xᵀ·(A ⊗ B)·x)·(A ⊗ B + Aᵀ ⊗ Bᵀ)·x"),
        ("x'*kron(A,B)*x/(x'*x)", "x", "(A ⊗ B + Aᵀ ⊗ Bᵀ)·x/(xᵀ·x) − 2·(xᵀ·(A ⊗ B)·x)·x/(xᵀ·x)²"),
        ("norm2(kron(A,B)*x-y)^2", "x", "2·((Aᵀ·A ⊗ Bᵀ·B)·x − (Aᵀ ⊗ Bᵀ)·y)"),
        ("(kron(a,b)'*x)*(kron(A,B)*x)", "x", "(A ⊗ B)·x·(aᵀ ⊗ bᵀ) + ((aᵀ ⊗ bᵀ)·x)·(A ⊗ B)"),
        ("norm2(x-kron(a,b))^2", "x", "2·(x − a ⊗ b)"),
        ("vec(X)'*y", "y", "vec(X)"),
    ],
)
def test_entrywise_products_and_vectors_of_several_sides_have_matrix_notation(formula, by, text):
    assert derive(formula, by).text == text
    assert check_formula(formula, by).verdict == "right"


def test_hessians_of_kronecker_forms_keep_their_order():
    d = derive("(x'*kron(A,B)*x)^2", "x").derive("x")
    rng = np.random.default_rng(5)
    a, b, x = rng.normal(size=(2, 2)), rng.normal(size=(3, 3)), rng.normal(size=6)
    k = np.kron(a, b)
    s, g = x @ k @ x, (k + k.T) @ x
    right = 2 * np.outer(g, g) + 2 * s * (k + k.T)
    assert np.allclose(d.evaluate(A=a, B=b, x=x), right)
    assert np.allclose(eval(d.matrix().code(), {"np": np, "A": a, "B": b, "x": x, "m": 2, "n": 3}), right)


def test_what_has_no_norm_in_matrix_notation_is_still_printed():
    assert derive("norm2(kron(A,B)*x)", "x").text.startswith("T[i,j] = ")


@pytest.mark.parametrize("formula", ["||x||_7", "|x|_1", "||x||_inf", "(A*x)_1", "||X*x||_*"])
def test_an_index_is_no_factor(formula):
    with pytest.raises(FormulaError, match="expected no index here: norms are"):
        derive(formula, "x")


def test_conditions_that_follow_from_others_are_left_out():
    assert derive("sum(sqrt(x))", "x").conditions == ["x > 0"]


def test_the_way_out_is_in_brackets_and_speaks_of_numbers():
    with pytest.raises(FormulaError, match=r"\(A\^-1\*x\)'\*y is a number, A\^-1\*x\.\*y is"):
        derive("A^-1*x*y", "x")
    with pytest.raises(FormulaError, match="if λ is a number, declare it 'scalar'"):
        derive("λ*x", "x")


def test_two_hundred_lines_one_after_another_are_derived_by_value():
    depth = 200
    rng = np.random.default_rng(8)
    weights = {f"W{k}": rng.normal(size=(2, 2)) for k in range(1, depth + 1)}
    x = rng.normal(size=2)
    lines = [f"h{k} = tanh(W{k}*{f'h{k - 1}' if k > 1 else 'x'});" for k in range(1, depth + 1)]
    d = derive("\n".join(lines) + f"h{depth}", "x")
    h, right = x, np.eye(2)
    for w in weights.values():
        h = np.tanh(w @ h)
        right = np.diag(1 - h**2) @ w @ right
    found = eval(d.matrix().code(), {"np": np, **weights, "x": x})
    assert np.allclose(found, right, rtol=1e-9, atol=0)
    assert d.text.count("W200·h199") == 1


def test_more_levels_than_python_has_get_a_way_out_that_is_one(monkeypatch):
    def too_deep(*_):
        raise RecursionError

    monkeypatch.setattr("jacobians.formulas.derivation.Context", too_deep)
    with pytest.raises(
        FormulaError, match=r"more levels than Python has.*derive the last lines and the first ones by"
    ):
        derive("h = W*x; h'*h", "x")


@pytest.mark.parametrize("name", ["if", "lambda", "np", "scipy", "None"])
def test_einsum_code_avoids_the_words_of_python(name):
    d = derive(f"{name}*x", "x", declare={name: "scalar"})
    found = eval(d.code(), {"np": np, f"{name}_": 3.0, "n": 2})
    assert np.array_equal(found, 3 * np.eye(2))


@pytest.mark.parametrize(
    ("formula", "by", "text"),
    [
        ("2*sum(X) + tr(X)", "X", "2·𝟏_n·𝟏_nᵀ + I_n"),
        ("x'*A*x + sum(x)", "x", "(A + Aᵀ)·x + 𝟏_n"),
        ("sum(exp(x)) + sum(x)", "x", "exp(x) + 1"),
        ("sum(x.*log(x))", "x", "log(x) + 1"),
    ],
)
def test_ones_beside_products_and_identities_are_no_number(formula, by, text):
    assert derive(formula, by).text == text


def test_a_sentence_repeats_no_word_of_thousands_of_letters():
    with pytest.raises(FormulaError) as error:
        derive("9" * 3000 + "*x", "x")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("formula", "by"),
    [
        ("x'*A*x", "x"),
        ("norm1(x)", "x"),
        ("X^-1", "X"),
        ("λ*x'*x", "x"),
        ("tr(X^3)", "X"),
        ("W*tanh(V*x_1)", "x_1"),
    ],
)
def test_steps_in_latex_hold_no_sign_that_latex_has_not(formula, by):
    made = derive(formula, by, declare={"λ": "scalar"} if "λ" in formula else None).steps._repr_latex_()
    assert made.isascii()
    assert made.count("{") == made.count("}")


@pytest.mark.parametrize(
    ("formula", "plain"), [("‖A‖_F²", "normF(A)^2"), ("‖A‖_Fᵀ*x", "normF(A)*x"), ("‖x‖_1²", "norm1(x)^2")]
)
def test_a_raised_norm_keeps_its_index(formula, plain):
    by = "A" if "A" in formula else "x"
    assert derive(formula, by).text == derive(plain, by).text
