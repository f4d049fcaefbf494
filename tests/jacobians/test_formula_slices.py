"""Slices and stacks of arrays whose sizes are letters, against differences of plain NumPy code."""

import re

import numpy as np
import pytest

from jacobians.formulas import FormulaError, derive
from jacobians.formulas.size_sums import atom_number, linear, size_of

c = np.concatenate
RNN = {"W": "h×(n+m)", "x": "n", "s": "m", "b": "h"}

# text in the small language, what is differentiated, declared sizes, and the same as NumPy code
CASES = [
    ("[x; s]", "x", RNN, lambda x, s: c([x, s])),
    ("[x; s]", "s", RNN, lambda x, s: c([x, s])),
    ("tanh(W*[x; s] + b)", "x", RNN, lambda W, x, s, b: np.tanh(W @ c([x, s]) + b)),
    ("tanh(W*[x; s] + b)", "s", RNN, lambda W, x, s, b: np.tanh(W @ c([x, s]) + b)),
    ("tanh(W*[x; s] + b)", "W", RNN, lambda W, x, s, b: np.tanh(W @ c([x, s]) + b)),
    ("[x; 1; s]", "s", RNN, lambda x, s: c([x, np.ones(1), s])),
    ("W*[x; x]", "x", {"W": "h×(2*n)", "x": "n"}, lambda W, x: W @ c([x, x])),
    ("[A, B]", "B", {"A": "m×n", "B": "m×p"}, lambda A, B: np.hstack([A, B])),
    ("[A; B]", "A", {"A": "m×n", "B": "p×n"}, lambda A, B: np.vstack([A, B])),
    ("[x', s']", "x", RNN, lambda x, s: np.hstack([x, s])[None, :]),
    ("[x, y]", "y", {"x": "n", "y": "n"}, lambda x, y: np.column_stack([x, y])),
    ("[x'; y']", "y", {"x": "n", "y": "n"}, lambda x, y: np.stack([x, y])),
    ("x(2:end)", "x", {"x": "n"}, lambda x: x[1:]),
    ("x(1:end-1)", "x", {"x": "n"}, lambda x: x[:-1]),
    ("x[-1]*x[1:-1]", "x", {"x": "n"}, lambda x: x[-1] * x[1:-1]),
    ("x(end)*x(2)", "x", {"x": "n"}, lambda x: x[-1] * x[1]),
    ("x[-3:]", "x", {"x": "n"}, lambda x: x[-3:]),
    ("x[:-2]", "x", {"x": "n"}, lambda x: x[:-2]),
    ("sum((x(2:end) - x(1:end-1)).^2)", "x", {"x": "n"}, lambda x: np.sum((x[1:] - x[:-1]) ** 2)),
    ("x[2:] - 2*x[1:-1] + x[:-2]", "x", {"x": "n"}, lambda x: x[2:] - 2 * x[1:-1] + x[:-2]),
    ("mean(x[1:])", "x", {"x": "n"}, lambda x: np.mean(x[1:])),
    ("X[:,1:] - X[:,:-1]", "X", {"X": "m×n"}, lambda X: X[:, 1:] - X[:, :-1]),
    ("X(end,:)", "X", {"X": "m×n"}, lambda X: X[-1][None, :]),
    ("D*x[1:]", "x", {"D": "m×(n-1)", "x": "n"}, lambda D, x: D @ x[1:]),
    ("z[:n].*x", "z", {"z": "(n+m)", "x": "n"}, lambda z, x: z[: x.shape[0]] * x),
    ("z[n:].*x", "z", {"z": "(n+m)", "x": "m"}, lambda z, x: z[z.shape[0] - x.shape[0] :] * x),
]  # fmt: skip
SIZES = [{"n": 5, "m": 4, "h": 3, "p": 2}, {"n": 4, "m": 6, "h": 2, "p": 7}]


def arrays(d, sizes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=[atom_number(s[0], sizes) for s in d.axes(name) if s]) for name in d.sizes}


def slope(f, by, values, step=1e-6):
    """Return out_shape + in_shape by central differences."""
    x = values[by]
    columns = []
    for place in np.ndindex(x.shape):
        more, less = x.copy(), x.copy()
        more[place] += step
        less[place] -= step
        columns.append((f(**{**values, by: more}) - f(**{**values, by: less})) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1)


def of(f, values):
    names = f.__code__.co_varnames[: f.__code__.co_argcount]
    return lambda **given: np.asarray(f(*(given[name] for name in names)))


@pytest.mark.parametrize("sizes", SIZES, ids=["first sizes", "other sizes"])
@pytest.mark.parametrize(("formula", "by", "declare", "f"), CASES, ids=[f"{a} by {b}" for a, b, *_ in CASES])
def test_slices_and_stacks_of_letter_sizes_have_the_derivative_of_the_code(formula, by, declare, f, sizes):
    d = derive(formula, by, declare={k: v for k, v in declare.items() if k in formula})
    values = arrays(d, sizes)
    expected = slope(of(f, values), by, values)
    found = d.evaluate(**values).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    scope = {"np": np, **values, **sizes}
    code = np.asarray(eval(d.matrix().code(), scope))
    np.testing.assert_allclose(code.ravel(), expected.ravel(), atol=1e-7)
    np.testing.assert_allclose(np.ravel(eval(d.code(), scope)), expected.ravel(), atol=1e-7)


TRACED = [
    case for case in CASES if "z[n:]" not in case[0] and "', " not in case[0] and "(end,:)" not in case[0]
]


@pytest.mark.parametrize(
    ("formula", "by", "declare", "f"), TRACED, ids=[f"{a} by {b}" for a, b, *_ in TRACED]
)
def test_numpy_code_that_slices_and_stacks_is_read_as_the_formula(formula, by, declare, f):
    names = f.__code__.co_varnames[: f.__code__.co_argcount]
    d = derive(f, by, declare={name: declare[name] for name in names if declare[name] != "(n+m)"})
    text = derive(formula, by, declare={k: v for k, v in declare.items() if k in formula})
    values = arrays(text, SIZES[0], seed=1)
    expected = slope(of(f, values), by, values)
    np.testing.assert_allclose(d.evaluate(**values).reshape(expected.shape), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        ("x(0:2)", "an index from 1 to end in round brackets"),
        ("x[:end]", "end in round brackets"),
        ("x(2:end-n)", "numbers beside it, as in x\\(2:end-1\\)"),
        ("x[2:2]", "indices count from 0"),
        ("x[1:] + x", "\\(n-1\\)×1"),
        ("W*[x; x]", "k columns meet \\(2\\*n\\) rows"),
        ("kron(x, x)[1:]", "an axis of one size was expected"),
        ("[kron(x, x); x]", "not a product"),
        ("x[5]", "entries up to 5 were expected"),
        ("eye(n-n)*x", "found n-n, expected a size"),
        ("I_(n-n)*x", "expected a size of at least 1"),
        ("W*[x; 1]", "declare a size that is a sum as one, 'h×\\(n\\+1\\)'"),
    ],
)
def test_slices_that_cannot_be_are_refused_with_their_sizes(formula, sentence):
    declare = {"x": "3" if formula == "x[5]" else "n", "W": "h×k"}
    with pytest.raises(FormulaError, match=sentence):
        derive(formula, "x", declare={name: said for name, said in declare.items() if name in formula})


def test_a_size_that_is_a_sum_is_one_for_all_orders_of_its_terms():
    assert size_of(linear(("(p+n)",))) == size_of(linear(("(n + p)",))) == ("(n+p)",)
    assert size_of(linear(("(n+p-n)",))) == ("p",)
    assert size_of(linear(("(n-1)", 2))) == ("(2*n-2)",)
    assert atom_number("(2*n*m-3)", {"n": 4, "m": 5}) == 37


def test_a_size_that_a_stack_meets_is_its_sum_not_a_difference():
    d = derive("[x', y']*z", "z")
    assert d.sizes["z"][0].startswith("(")
    assert not d.sizes["x"][0].startswith("(")


SHOWN = [
    ("W*[x; s]", "x", "W[:,:n]"),
    ("tanh(W*[x; s] + b)", "s", "diag(1 − tanh(W·[x; s] + b)∘²)·W[:,n:]"),
    ("tanh(W*[x; s] + b)", "W", "diag(1 − tanh(W·[x; s] + b)∘²) ⊗ [x; s]ᵀ"),
    ("W*[x; 1]", "W", "I_h ⊗ [x; 1]ᵀ"),
    ("sum((x(2:end) - x(1:end-1)).^2)", "x", "2·(I_n[:,1:]ᵀ − I_n[:,:-1]ᵀ)ᵀ·(x[1:] − x[:-1])"),
    ("tr([A, B]'*[A, B])", "A", "2·[A, B]·I_(n+p)[:,:n]"),
    ("logsumexp([x; s])", "s", "softmax([x; s])[n:]"),
    ("y'*[a.*x; g.*s]", "x", "a ⊙ y[:n]"),
    ("c*[x; s]'*y", "x", "c·y[:n]"),
    ("[A; B]*x", "x", "[A; B]"),
    ("[A, C]*y", "y", "[A, C]"),
    ("[x; s; x]'*y", "x", "y[:n] + y[m+n:]"),
]  # fmt: skip
SHOWN_SIZES = {
    "W*[x; 1]": {"W": "h×(n+1)", "x": "n"},
    "tr([A, B]'*[A, B])": {"A": "m×n", "B": "m×p"},
    "[A; B]*x": {"A": "m×n", "B": "p×n", "x": "n"},
    "[A, C]*y": {"A": "m×n", "C": "m×p"},
    "c*[x; s]'*y": {"c": "scalar", "x": "n", "s": "m"},
}


@pytest.mark.parametrize(("formula", "by", "shown"), SHOWN, ids=[f"{a} by {b}" for a, b, _ in SHOWN])
def test_slices_and_stacks_are_printed_as_they_are_written(formula, by, shown):
    said = SHOWN_SIZES.get(formula) or {k: v for k, v in RNN.items() if re.search(rf"\b{k}\b", formula)}
    assert derive(formula, by, declare=said).text == shown


CODE = [
    (lambda x: np.diff(x), {"x": "n"}),
    (lambda x: np.diff(x, n=2), {"x": "n"}),
    (lambda x: np.diff(x, axis=0), {"x": "n×m"}),
    (lambda x: np.append(x, 1.0) * 2, {"x": "n"}),
    (lambda x, s: np.append(x, s) ** 2, {"x": "n", "s": "m"}),
    (lambda x, s: np.eye(x.shape[0] + s.shape[0]) @ c([x, s]), {"x": "n", "s": "m"}),
    (lambda x: x[: x.shape[0] - 1] * x[1:], {"x": "n"}),
    (lambda x: np.sum((x[1:] - x[:-1]) ** 2) / (x.shape[0] - 1), {"x": "n"}),
    (lambda x: x[1:].sum() / x[1:].shape[0], {"x": "n"}),
    (lambda x: np.var(x[1:]), {"x": "n"}),
    (lambda x: c([[0.0], x, [0.0]]), {"x": "n"}),
    (lambda x: c([x[1:], x[:1]]), {"x": "n"}),
    (lambda x: c([x, np.ones((x.shape[0], 1))], axis=1), {"x": "n×m"}),
    (lambda x, s: c([x, s])[: x.shape[0]] * x, {"x": "n", "s": "m"}),
]  # fmt: skip


@pytest.mark.parametrize(("f", "declare"), CODE)
def test_code_whose_sizes_are_sums_has_the_derivative_of_its_differences(f, declare):
    d = derive(f, "x", declare=declare)
    for sizes in SIZES:
        rng = np.random.default_rng(2)
        values = {
            k: rng.normal(size=[sizes[size] for size in said.split("×")]) for k, said in declare.items()
        }
        expected = slope(of(f, values), "x", values)
        found = d.evaluate(**{k: v for k, v in values.items() if k in d.sizes})
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-7)


def test_indices_in_round_brackets_count_from_one():
    assert derive("A(1,2)", "A").text == derive("A[0,1]", "A").text
    assert derive("2 x(3)", "x").text == derive("2*x[2]", "x").text


@pytest.mark.parametrize("size", ["(n-n)", "(3-5)", "(1-n)", "m×(2-n)"])
def test_a_declared_sum_that_is_below_one_is_refused(size):
    with pytest.raises(FormulaError, match="found a size below 1"):
        derive("x", "x", declare={"x": size})
