"""Steps: each differential is one (its value is J·dx), and each line says by which rule."""

import numpy as np
import pytest
from identities import IDENTITIES

from jacobians import FormulaError, derive
from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.values import Values

MORE = [
    *[(f"{name}(x)", "x", {}) for name in ELEMENTWISE if name not in ("sign", "step")],
    *[(f"{name}(s)", "s", {"s": "scalar"}) for name in ("exp", "tanh", "log", "sigmoid")],
    ("max(x)", "x", {}),
    ("min(x)", "x", {}),
    ("max(x, y)", "x", {}),
    ("min(x, y)", "y", {}),
    ("max(X, axis=0)", "X", {}),
    ("where(x > y, x.^2, y)", "x", {}),
    ("softmax(X, axis=0)", "X", {}),
    ("softmax(X, axis=1)", "X", {}),
    ("logsumexp(X, axis=1)", "X", {}),
    ("logsoftmax(x)", "x", {}),
    ("softmax(x')", "x", {}),
    ("x.^y", "y", {}),
    ("x.^y", "x", {}),
    ("s^3", "s", {"s": "scalar"}),
    ("X^3", "X", {}),
    ("X^-2", "X", {}),
    ("x./y", "y", {}),
    ("kron(A, X)", "X", {}),
    ("khatri(A, X)", "X", {}),
    ("[x, 2*x]", "x", {}),
    ("(X*X)[0,:]", "X", {}),
    ("outer(x, x)", "x", {}),
    ("dot(x, x)", "x", {}),
    ("norm1(x)", "x", {}),
    ("specnorm(X)", "X", {}),
    ("nuclear(X)", "X", {}),
    ("eigmax(X)", "X", {"X": "positive definite"}),
    ("tr(expm(X))", "X", {}),
    ("tr(cosm(X))", "X", {}),
    ("h = W*x; g = tanh(h); g'*g + h'*y", "x", {}),
    ("sqrt(x)", "x", {}),
    ("square(X)", "X", {}),
    ("mean(X, axis=1)", "X", {}),
    ("det(X)*tr(X)", "X", {}),
    ("A*x", "A", {}),
    ("y", "y", {}),
]


def moved(d, seed):
    rng = np.random.default_rng(seed)
    letters = sorted(
        {s for shape in d.sizes.values() for side in shape for s in side.split("·") if not s.isdigit()}
    )
    sizes = {letter: 1 + len(letters) - k for k, letter in enumerate(letters)}  # tall matrices have full rank
    values = {}
    for name in d.sizes:
        rows, columns = (int(np.prod([sizes.get(a, a) for a in side], dtype=int)) for side in d.axes(name))
        a = np.exp(rng.normal(size=(rows, columns)) / 2) / 4
        tags = d.assumptions(name)
        if "positive definite" in tags:
            a = a @ a.T + np.eye(rows)
        elif "orthogonal" in tags:
            a = np.linalg.qr(a)[0]
        elif "diagonal" in tags:
            a = np.diag(np.diag(a))
        elif "symmetric" in tags:
            a = a + a.T
        elif "probability" in tags:
            a = a / a.sum()
        elif "invertible" in tags or "square" in tags:
            a = a + 2 * np.eye(rows)
        values[name] = a
    return values, sizes, rng.normal(size=values[d.by].shape)


ROWS = [(row.formula, row.by, row.declare) for row in IDENTITIES]


@pytest.mark.parametrize(("formula", "by", "declare"), [*MORE], ids=[f"{row[0]} by {row[1]}" for row in MORE])
def test_the_differential_is_the_jacobian_times_the_move(formula, by, declare):
    judge(formula, by, declare)


def judge(formula, by, declare):
    d = derive(formula, by, declare=declare)
    values, sizes, dx = moved(d, 3)
    arrays = {k: v.reshape([n for n in v.shape if n > 1]) for k, v in values.items()}
    jacobian = d.evaluate(**arrays)
    wanted = jacobian.reshape(-1, dx.size) @ dx.ravel()
    at = Values(values, sizes)
    for line, node in d.program.lets:
        at.values[line] = at.of(node)
    at.values[f"d{by}"] = dx
    found = None
    for step in d.steps:
        if step.tree is not None:
            found = at.of(step.tree)
            at.values[step.line.partition(" = ")[0]] = found
    assert np.allclose(
        np.broadcast_to(found.ravel(), wanted.shape),
        wanted,
        rtol=1e-8,
        atol=1e-9 * (1 + np.abs(wanted).max()),
    )


def test_every_identity_of_the_collection_has_steps_that_are_right():
    count = 0
    for formula, by, declare in ROWS:
        try:
            d = derive(formula, by, declare=declare or {})
        except FormulaError:
            continue
        if d.half:
            continue
        with np.errstate(all="ignore"):
            values, _, _ = moved(d, 3)
            arrays = {k: v.reshape([n for n in v.shape if n > 1]) for k, v in values.items()}
            try:
                finite = np.abs(d.evaluate(**arrays)).max() < 1e6  # no NaN, and no singular matrix
            except np.linalg.LinAlgError:
                finite = False
        if finite:
            judge(formula, by, declare)
            count += 1
    assert count > 250


def test_steps_read_as_a_student_writes_them():
    assert str(derive("x'*A*x", "x").steps).splitlines() == [
        "df = dxᵀ·A·x + xᵀ·A·dx",
        "    d(A·B) = dA·B + A·dB; d(Aᵀ) = (dA)ᵀ",
        "df = ((A + Aᵀ)·x)ᵀ·dx",
        "    a number is its own transpose",
        "∂f/∂x = g = (A + Aᵀ)·x",
        "    identification: df = gᵀ·dx",
    ]
    assert "d(A⁻¹) = −A⁻¹·dA·A⁻¹" in str(derive("tr(A*inv(X))", "X").steps)
    assert str(derive("W*x", "W").steps).splitlines()[2] == "vec df = (I_m ⊗ xᵀ)·vec dW"
    assert derive("x'*A*x", "x").steps._repr_latex_().startswith(r"$\begin{aligned}df &= ")


def test_a_second_derivative_has_no_steps_of_its_own():
    with pytest.raises(FormulaError, match="steps: found a derivative of order 2, expected one of the first"):
        _ = derive("x'*A*x", "x").derive("x").steps


def test_names_stand_at_the_end_of_a_step():
    lines = str(derive("softmax(A*x)", "x").steps).splitlines()
    assert lines[2] == "df = ((diag(p) − p·pᵀ)·A)·dx where p = softmax(A·x)"
    assert lines[4] == "J = ∂f/∂x = (diag(p) − p·pᵀ)·A where p = softmax(A·x)"


def test_a_squared_norm_is_a_product_of_vectors():
    assert str(derive("norm2(X*w - y)^2", "w").steps).startswith(
        "df = 2·(X·w − y)ᵀ·X·dw\n    d‖u‖² = 2·uᵀ·du"
    )
    assert str(derive("normF(X*B)^2", "X").steps).startswith("df = 2·tr(Bᵀ·Xᵀ·dX·B)")
    assert str(derive("norm2(r*W)^2", "r", declare={"r": "1×n"}).steps).startswith("df = 2·r·W·Wᵀ·drᵀ")


def test_a_transpose_is_stacked_by_the_commutation_matrix():
    assert "vec(Xᵀ) = K·vec X" in str(derive("X'", "X").steps)
    assert "vec(Xᵀ)" not in str(derive("A*X", "X").steps)
