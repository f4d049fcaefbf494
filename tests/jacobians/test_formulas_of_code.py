"""Closed forms of NumPy code, networks and sympy expressions, judged by differences of the code itself."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special as sp
import sympy

import jacobians
from jacobians import Function, Residual, Sequential, derive
from jacobians.formulas import FormulaError
from jacobians.formulas.reading_functions import FORMS

CODE = [
    ("quadratic form", lambda x, A: x @ A @ x, "x", {}),
    ("layer by W", lambda W, x, b: np.tanh(W @ x + b), "W", {"W": "h×d"}),
    ("layer by x", lambda W, x, b: np.tanh(W @ x + b), "x", {}),
    ("normalized", lambda x: x / np.linalg.norm(x), "x", {}),
    ("identity of a size", lambda x: np.eye(x.shape[0]) @ x + np.ones(x.shape[0]), "x", {}),
    ("layer norm", lambda x: (x - x.mean()) / np.sqrt(x.var() + 1e-2), "x", {}),
    ("least squares", lambda X, w, y: np.sum((X @ w - y) ** 2) / (2 * X.shape[0]), "w", {}),
    ("attention by V", lambda Q, K, V: sp.softmax(Q @ K.T / np.sqrt(Q.shape[1]), axis=1) @ V, "V", {}),
    ("attention by Q", lambda Q, K, V: sp.softmax(Q @ K.T / np.sqrt(Q.shape[1]), axis=1) @ V, "Q", {}),
    ("log det", lambda X: np.linalg.slogdet(X)[1], "X", {"X": "positive definite"}),
    ("inverse", lambda X: np.trace(np.linalg.inv(X)), "X", {"X": "positive definite"}),
    ("broadcast row", lambda X, b: X * b + b, "b", {}),
    ("broadcast column", lambda X, b: X - b[:, None], "b", {}),
    ("sums", lambda X: X.sum(axis=0), "X", {}),
    ("means kept", lambda X: X.mean(axis=1, keepdims=True) * X, "X", {}),
    ("means by axis 0", lambda X: X - X.mean(axis=0), "X", {}),
    ("entry", lambda x: x[0] * x[1], "x", {}),
    ("entry of a matrix", lambda X: X[0, 1] ** 2, "X", {}),
    ("column", lambda X: X[:, 0] * X[:, 1], "X", {}),
    ("row", lambda X: X[1], "X", {}),
    ("slice", lambda x: x[0:2] ** 2, "x", {}),
    ("slice of a matrix", lambda X: X[0:2, 1:2] @ X[1:2, :], "X", {}),
    ("last of known sizes", lambda x: x[1:] - x[:-1], "x", {"x": "4"}),
    ("max", lambda x: np.max(x), "x", {}),
    ("max along an axis", lambda X: np.max(X, axis=1), "X", {}),
    ("min along an axis", lambda X: X.min(axis=0), "X", {}),
    ("where", lambda x: np.where(x > 0, x**2, 0.1 * x), "x", {}),
    ("where not strict", lambda x, y: np.where(x <= y, x, 3 * y), "x", {}),
    ("relu", lambda x: np.maximum(x, 0), "x", {}),
    ("clip", lambda x: np.clip(x, -1, 1) * x, "x", {}),
    ("nuclear norm", lambda X: np.linalg.norm(X, "nuc"), "X", {}),
    ("spectral norm", lambda X: np.linalg.norm(X, 2), "X", {}),
    ("Frobenius norm", lambda X: np.linalg.norm(X), "X", {}),
    ("1-norm", lambda x: np.linalg.norm(x, 1), "x", {}),
    ("norms of rows", lambda X: np.linalg.norm(X, axis=1), "X", {}),
    ("trace of expm", lambda X: np.trace(scipy.linalg.expm(X)), "X", {}),
    ("einsum trace", lambda A, B: np.einsum("ij,ji->", A, B), "A", {}),
    ("einsum product", lambda A, B: np.einsum("ij,jk->ik", A, B), "B", {}),
    ("einsum three", lambda x, A, y: np.einsum("i,ij,j->", x, A, y), "A", {}),
    ("einsum rows", lambda A, x: np.einsum("ij,i->ij", A, x), "x", {}),
    ("einsum diagonal", lambda A: np.einsum("ii->i", A), "A", {}),
    ("ravel", lambda X: X.reshape(-1), "X", {}),
    ("ravel of the transpose", lambda X: X.T.ravel(), "X", {}),
    ("concatenate", lambda x, y: np.concatenate([x, y * x[0]]), "x", {"x": "3", "y": "2"}),
    ("hstack of matrices", lambda A, B: np.hstack([A, B @ A]), "A", {"A": "2×3"}),
    ("stack", lambda x: np.stack([x[0] * x[1], x[0] ** 2]), "x", {}),
    ("stack of vectors", lambda x, y: np.stack([x, x * y], axis=1), "x", {}),
    ("array of entries", lambda x: np.array([x[0] ** 2 * x[1], x[0] + x[1]]), "x", {"x": "2"}),
    ("outer by broadcasting", lambda x, y: x[:, None] * y[None, :], "x", {}),
    ("Kronecker", lambda A, B: np.kron(A, B), "B", {}),
    ("softmax by hand", lambda x: np.exp(x) / np.exp(x).sum(), "x", {}),
    ("cross entropy", lambda x, y: -y @ np.log(sp.softmax(x)), "x", {"y": "probability"}),
    ("logsumexp of rows", lambda X: sp.logsumexp(X, axis=1), "X", {}),
    ("scalar", lambda x, s: s * np.sin(s * x), "s", {"s": "scalar"}),
    ("diagonal in the middle", lambda A, x: A @ np.diag(x) @ A.T, "x", {}),
    ("row times matrix", lambda A, x: x @ A, "A", {}),
    ("sizes as numbers", lambda x: x @ np.ones(x.shape[0]) / x.size, "x", {}),
    ("largest eigenvalue", lambda X: np.linalg.eigvalsh(X @ X.T)[-1], "X", {}),
    ("largest singular value", lambda X: np.linalg.svd(X, compute_uv=False)[0], "X", {}),
    ("normal density", lambda x, y: np.exp(-np.sum((x - y) ** 2) / 2) / np.sqrt(2 * np.pi), "x", {}),
    ("logs of bases", lambda x: np.log2(1 + x**2) + np.log10(2 + x**2), "x", {}),
    (
        "other names",
        lambda x: np.expm1(x) + np.log1p(x**2) + sp.expit(x) + sp.erfc(x) + sp.log_expit(x),
        "x",
        {},
    ),
    ("standard deviation", lambda x: np.std(x, ddof=1), "x", {}),
    ("matrix power", lambda X: np.linalg.matrix_power(X, 3), "X", {}),
    ("solve", lambda A, b: np.linalg.solve(A, b), "A", {"A": "positive definite"}),
    ("pseudoinverse", lambda X, y: np.linalg.inv(X.T @ X) @ (X.T @ y), "y", {"X": "5×2"}),
    ("residual blocks", lambda W, x: (lambda h: h + np.tanh(W @ h))(x + np.tanh(W @ x)), "W", {}),
]


def numbers(d, seed):
    rng = np.random.default_rng(seed)
    letters = sorted({s for shape in d.sizes.values() for s in shape if not s.isdigit()})
    lengths = dict(zip(letters, rng.permutation(np.arange(2, 7)), strict=False))
    found = {}
    for name, shape in d.sizes.items():
        sizes = [int(s) if s.isdigit() else int(lengths[s]) for s in shape]
        a = rng.normal(size=sizes)
        if "positive definite" in d.assumptions(name):
            a = a @ a.T + np.eye(len(a))
        if "probability" in d.assumptions(name):
            a = np.exp(a) / np.exp(a).sum()
        found[name] = a
    return found


def differences(f, values, by, h=1e-3):
    def slope(index):
        total = 0.0
        for step, weight in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
            moved = values[by].copy()
            moved[index] += step * h
            total = total + weight * np.asarray(f(**{**values, by: moved}))
        return total / (12 * h)

    x = values[by]
    parts = [slope(index) for index in np.ndindex(x.shape)]
    return np.stack(parts, axis=-1).reshape((*np.shape(parts[0]), *x.shape))


@pytest.mark.parametrize(("f", "by", "declare"), [row[1:] for row in CODE], ids=[row[0] for row in CODE])
def test_code_is_derived_as_it_computes(f, by, declare):
    d = derive(f, by, declare=declare)
    for seed in (0, 1, 2):
        values = numbers(d, seed)
        right = differences(f, values, by)
        found = d.evaluate(**values)
        assert found.shape == right.shape
        assert np.allclose(found, right, rtol=1e-6, atol=1e-6 * (1 + np.abs(right).max()))


def test_shared_parts_become_lines_so_that_text_grows_with_depth_only():
    def residual(depth):
        def f(W, x):
            for _ in range(depth):
                x = x + np.tanh(W @ x)
            return x

        return derive(f, "x")

    lengths = [len(residual(depth).formula) for depth in (4, 8, 16)]
    assert lengths[2] - lengths[1] < 3 * (lengths[1] - lengths[0])
    assert len(residual(16).text) < 3 * len(residual(8).text)


def test_sizes_of_the_code_are_letters_of_the_formula():
    d = derive(lambda A, x: np.eye(A.shape[0]) @ A @ x / A.shape[1], "x")
    assert d.text == "A/n"
    assert d.sizes == {"A": ("m", "n"), "x": ("n",)}


@pytest.mark.parametrize(
    ("f", "part"),
    [
        (lambda x: np.fft.fft(x), "numpy.fft.fft"),
        (lambda x: float(x[0]), "a conversion to a number"),
        (lambda x: x if x[0] > 0 else -x, "a branch on values"),
        (lambda x: list(x), "a loop over an array"),
        (lambda x: x + np.arange(30.0), "an array of numbers of shape (30,)"),
        (lambda x: sum(x[i] for i in range(x.shape[0])), "indexing beyond 63"),
        (lambda x: x[:, None, None], "indexing of this kind"),
        (lambda x: x[::2], "indexing of this kind"),
        (lambda x: x[-100], "indexing beyond 63"),
        (lambda x: (x, x), "code with 2 results"),
        (lambda *xs: xs[0], "code without named arguments"),
        (lambda x: np.linalg.svd(x), "numpy.linalg.svd with singular vectors"),
        (lambda x: np.einsum("i,j,k->ijk", x, x, x), "numpy.einsum"),
        (lambda x: x.__setitem__(0, 1.0), "a write into an array"),
        (lambda x: x * "a", "of type str"),
        (lambda x: None, "of type NoneType"),
    ],
)  # fmt: skip
def test_code_without_a_closed_form_is_refused_by_what_it_does(f, part):
    with pytest.raises(FormulaError) as caught:
        derive(f, "x")
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", [3, None, ["x"], np.ones(2)])
def test_what_is_no_formula_is_refused_by_its_type(what):
    with pytest.raises(TypeError, match="formula: found an object of type"):
        derive(what, "x")


# --- networks ------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(5)
NETS = {
    "two layers": Sequential(
        jacobians.Affine(RNG.normal(size=(4, 3)), RNG.normal(size=4)),
        jacobians.Tanh(),
        jacobians.Affine(RNG.normal(size=(2, 4)), RNG.normal(size=2)),
        jacobians.Softmax(),
    ),
    "residual": Sequential(
        Residual(jacobians.Affine(RNG.normal(size=(3, 3)))), jacobians.Sigmoid(),
        jacobians.LayerNorm(RNG.normal(size=3)),
    ),
    "sum and product": jacobians.layers.branches.Product(
        jacobians.Affine(RNG.normal(size=(2, 3))), jacobians.Affine(RNG.normal(size=(2, 3)), RNG.normal(size=2))
    ),
    "slopes": Sequential(jacobians.LeakyReLU(0.3), jacobians.ELU(2.0), jacobians.GELU(), jacobians.Normalize()),
}  # fmt: skip


@pytest.mark.parametrize("net", NETS)
def test_a_network_by_every_parameter(net):
    net = NETS[net]
    x = RNG.normal(size=3)
    values = {
        key.split(".")[-1] + "_".join(key.split(".")[:-1]): value for key, value in net.parameters.items()
    }
    for by in ("input", *net.parameters):
        d = derive(net, by)
        wanted = net.jacobian(x, wrt=by).tensor(layout="mixed")
        found = d.evaluate(**{name: {**values, "x": x}[name] for name in d.sizes})
        assert np.allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", FORMS, ids=lambda kind: kind.__name__)
def test_each_layer_in_the_language_has_the_layers_own_jacobian(kind):
    y = np.array([0.2, 0.5, 0.3])
    arguments = {"Affine": (RNG.normal(size=(2, 3)),), "LayerNorm": (RNG.normal(size=3),), "SquaredError": (y,),
                 "MeanSquaredError": (y,), "SoftmaxCrossEntropy": (y,), "CrossEntropy": (y,)}  # fmt: skip
    layer = kind(*arguments.get(kind.__name__, ()))
    matrix = "Determinant" in kind.__name__
    x = y[::-1] if kind.__name__ == "CrossEntropy" else np.exp(RNG.normal(size=3))
    x = np.eye(3) * 2 + RNG.normal(size=(3, 3)) / 4 if matrix else x
    d = derive(layer, "input")
    known = {"y": y, "x": x, "X": x, "W": getattr(layer, "W", 0), "gamma": getattr(layer, "gamma", 0)}
    found = d.evaluate(**{name: known[name] for name in d.sizes})
    assert np.allclose(found, layer.jacobian(x).tensor(layout="mixed"), rtol=1e-9, atol=1e-12)


class Cubic(Function):
    parameter_names = ("a",)

    def __init__(self, a):
        self.a = self.parameter(a, "a")

    def forward(self, x):
        return self.a * x**3

    def derivative(self, x, wrt="input"):
        return np.diag(3 * self.a * x**2) if wrt == "input" else x[:, None] ** 3


def test_a_layer_of_ones_own_is_followed():
    assert derive(Cubic(2.0), "input").text == "3·a·diag(x∘²)"
    assert derive(Cubic(2.0), "a").text == "x∘³"
    with pytest.raises(FormulaError, match="by: found 'q', expected one of the function's input, a"):
        derive(Cubic(2.0), "q")


# --- sympy ---------------------------------------------------------------------------------------------------

n = sympy.Symbol("n", integer=True, positive=True)
A, X = (sympy.MatrixSymbol(name, n, n) for name in "AX")
x = sympy.MatrixSymbol("x", n, 1)


@pytest.mark.parametrize(
    ("expression", "by", "line"),
    [
        (x.T * A * x, x, "(A + Aᵀ)·x"),
        (sympy.Trace(A * X.inv()), X, "−X⁻ᵀ·Aᵀ·X⁻ᵀ"),
        (sympy.log(sympy.Determinant(X)), X, "X⁻ᵀ"),
        (sympy.Trace(A) + sympy.Trace(A**2), "A", "2·Aᵀ + I_n"),
        (sympy.hadamard_product(A, X), X, "diag(vec(A))"),
        (X[0, 1] ** 2 / 2, X, "X[0,1]·I_n[:,0]·I_n[:,1]ᵀ"),
        (sympy.Trace(sympy.KroneckerProduct(A, X)), X, "tr(A)·I_n"),
    ],
)
def test_sympy_expressions_are_read(expression, by, line):
    assert derive(expression, by).text == line


def test_sympy_functions_that_the_language_has_not_are_named():
    with pytest.raises(FormulaError, match="found sympy's besselj"):
        derive(sympy.besselj(0, sympy.Trace(X)), X)
