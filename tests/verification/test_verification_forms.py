"""Candidates as people have them: several arguments, batches, maps, Hessians, expressions."""

import numpy as np
import pytest
import sympy

from jacobians import Affine, Sequential, SquaredError, Tanh
from verification import assert_jacobian, check, richardson_jacobian

RNG = np.random.default_rng(7)
W, X, B = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=3)
POINTS = RNG.normal(size=(5, 4))
NET = Sequential(Affine(W, B), Tanh())


def layer(x, W, b):
    return np.tanh(W @ x + b)


def layer_jacobians(x, W, b):
    slope = np.diag(1 - np.tanh(W @ x + b) ** 2)
    return slope @ W, np.kron(slope, x[None]), slope


def of_points(X):
    return np.tanh(X @ W.T)


POINTWISE = (1 - np.tanh(POINTS @ W.T) ** 2)[:, :, None] * W

# --- several arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [tuple, list, lambda parts: dict(zip("xWb", parts, strict=True))])
def test_the_arguments_of_plain_code_are_judged_one_by_one(form):
    right = layer_jacobians(X, W, B)
    report = check(layer, (X, W, B), form(right))
    assert report.passed
    assert [part.wrt for part in report.parts] == ["x", "W", "b"]
    assert set(report["W"].agreeing) >= {"finite-difference", "complex-step", "symbolic", "certified"}
    wrong = check(layer, (X, W, B), form((right[0], 2 * right[1], right[2])))
    assert (wrong.verdict, wrong["W"].verdict, wrong["x"].verdict) == ("wrong", "wrong", "right")
    assert wrong.reason == "2 of 3 derivatives are right; wrong: W"
    assert wrong.diagnosis.name == "factor"


def test_a_function_of_all_arguments_returns_all_jacobians():
    assert check(layer, (X, W, B), layer_jacobians).passed
    assert check(layer, (X, W, B), lambda x, W, b: {"b": layer_jacobians(x, W, b)[2]}, wrt=["b"]).passed
    one = lambda x, labels: x[labels]  # noqa: E731  # whole numbers are no arguments to differentiate by
    assert check(one, (X, np.array([2, 0])), (np.eye(4)[[2, 0]],)).passed


def test_several_names_of_a_network_with_its_own_jacobian_and_a_block_row():
    names = ["input", "0.W", "0.b"]
    assert check(NET, X, wrt=names).passed
    row = NET.jacobian(X, wrt=names)
    assert check(NET, X, row, wrt=names).passed
    assert check(NET, X, row.dense(), wrt=names).passed
    assert check(NET, X, row.dense() * 2, wrt=names).verdict == "wrong"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((layer, (X, W, B), (W,)), "jacobian: found 1 candidates, expected 3, by x, W, b"),
        ((layer, (X, W, B), {"x": W}), "jacobian: found none by W, b, expected 3, by x, W, b"),
        ((layer, (X, W), (W, W)), "x: found 2 arguments, expected those that f takes: (x, W, b)"),
        (
            (layer, (X, W, B), W),
            "jacobian: found an array of shape (3, 4), expected a tuple, list or dict of 3",
        ),
        ((layer, (X, W, B), (W,), ["v"]), "wrt: found 'v', expected one of 'x', 'W', 'b'"),
        (
            (layer, X, (W,), ["W"]),
            "wrt: found ['W'], expected 'input' or the name of a parameter of a Function",
        ),
        ((layer, (X, W, B), (W, W), ["x", "x"]), "wrt: found ['x', 'x'], expected names, each once"),
    ],
)
def test_several_arguments_that_make_no_sense_are_refused(arguments, sentence):
    with pytest.raises((TypeError, ValueError)) as caught:
        check(*arguments)
    assert str(caught.value).startswith(sentence)


# --- batches -----------------------------------------------------------------------------------------------


def test_the_jacobians_of_points_one_by_one():
    report = check(of_points, POINTS, POINTWISE, batched=True)
    assert report.passed
    assert report.reason.endswith(", for 5 points")
    assert check(NET, POINTS, batched=True).passed
    assert check(NET, POINTS, wrt="0.W", batched=True).passed
    assert check(NET, POINTS, NET.jacobian(POINTS, batched=True), batched=True).passed
    assert (
        check(NET, POINTS, lambda X: 2 * NET.jacobian(X, batched=True).dense(), batched=True).verdict
        == "wrong"
    )


def test_the_worst_entry_is_told_in_the_shape_of_the_candidate():
    wrong = POINTWISE.copy()
    wrong[3, 1, 2] += 1
    report = check(of_points, POINTS, wrong, batched=True)
    assert report.verdict == "wrong"
    assert report.worst.place == (3, 1, 2)
    assert "worst entry [3, 1, 2]" in str(report)
    gradient = 2 * W
    gradient[2, 3] += 1
    assert check(lambda W: np.sum(W**2), W, gradient).worst.place == (2, 3)
    square = RNG.normal(size=(2, 2))
    tensor = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(2))
    tensor[1, 0, 0, 1] = 3
    assert check(lambda M: M, square, tensor, layout="mixed").worst.place == (1, 0, 0, 1)
    columns = np.eye(6)[:, [0, 2, 4, 1, 3, 5]]
    report = check(lambda M: M.T, RNG.normal(size=(2, 3)), columns, vec="column")
    assert columns[report.worst.place] == report.worst.found


def test_sums_and_means_over_points():
    assert check(of_points, POINTS, POINTWISE.sum(axis=0), batched="sum").passed
    assert check(of_points, POINTS, POINTWISE.mean(axis=0), batched="mean").passed
    assert check(of_points, POINTS, POINTWISE.sum(axis=0), batched="mean").verdict == "wrong"
    assert check(NET, POINTS, batched="sum").passed
    assert check(NET, POINTS, wrt="0.W", batched="mean").passed


def test_code_that_mixes_the_points_is_told_where_the_blocks_alone_are_right():
    centred = lambda X: (X - X.mean(axis=0)) / X.std(axis=0)  # noqa: E731
    J = richardson_jacobian(centred, POINTS).matrix.reshape(5, 4, 5, 4)
    report = check(centred, POINTS, np.stack([J[k, :, k] for k in range(5)]), batched=True)
    assert report.verdict == "wrong"
    assert report.diagnosis.sentence.startswith("the Jacobian of each point is right, and f mixes the points")


def test_a_batch_that_is_too_large_to_lay_out_is_checked_by_projections():
    X = RNG.normal(size=(300, 4))
    right = (1 - np.tanh(X @ W.T) ** 2)[:, :, None] * W
    assert check(of_points, X, right, batched=True, max_bytes=10**6).passed
    assert check(of_points, X, 1.01 * right, batched=True, max_bytes=10**6).verdict == "wrong"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batched": "all"}, "batched: found 'all', expected True, False, 'sum' or 'mean'"),
        ({"batched": True, "vec": "column"}, "batched: found another form beside it"),
        ({"order": 3}, "order: found 3, expected 1 for Jacobians or 2 for Hessians"),
        ({"differential": 1}, "differential: found 1, expected True or False"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises((TypeError, ValueError)) as caught:
        check(of_points, POINTS, POINTWISE, **options)
    assert str(caught.value).startswith(sentence)


def test_batches_of_another_shape_are_wrong_and_functions_without_points_are_refused():
    report = check(of_points, POINTS, POINTWISE[0], batched=True)
    assert report.reason.startswith(
        "the candidate has shape (3, 4), expected (5, 3, 4): a Jacobian for each of 5 points"
    )
    with pytest.raises(ValueError, match=r"^batched: found f\(x\) of shape \(\) for 5 points"):
        check(np.sum, POINTS, POINTWISE, batched=True)


# --- maps --------------------------------------------------------------------------------------------------


def test_a_map_of_differences_is_a_candidate():
    A = RNG.normal(size=(3, 3))
    square = lambda A: A @ A  # noqa: E731
    assert check(square, A, lambda dA: A @ dA + dA @ A, differential=True).passed
    assert check(square, A, lambda A, dA: A @ dA + dA @ A).passed
    assert check(np.linalg.inv, A, lambda A, dA: -np.linalg.inv(A) @ dA @ np.linalg.inv(A)).passed
    assert check(square, A, lambda A, dA: 2 * A @ dA).verdict == "wrong"


@pytest.mark.parametrize(
    ("differential", "reason"),
    [
        (lambda A, dA: dA @ dA, "the map dx ↦ df is not linear in dx, expected one that is"),
        (lambda A, dA: np.trace(dA), "the map dx ↦ df returned shape (), expected (3, 3), that of f(x)"),
        (lambda A, dA: None, "the map dx ↦ df: found None"),
    ],
)
def test_maps_that_are_none_are_wrong(differential, reason):
    report = check(lambda A: A @ A, RNG.normal(size=(3, 3)), differential)
    assert report.verdict == "wrong"
    assert report.reason.startswith(reason)


# --- Hessians ----------------------------------------------------------------------------------------------


def test_hessians_of_plain_code_are_judged_by_all_witnesses():
    f = lambda x: x[0] ** 2 * x[1] + np.exp(x[1]) * np.sqrt(x[0])  # noqa: E731
    a, b = 1.5, 0.5
    mixed = 2 * a + np.exp(b) / (2 * np.sqrt(a))
    H = np.array([[2 * b - np.exp(b) * a**-1.5 / 4, mixed], [mixed, np.exp(b) * np.sqrt(a)]])
    report = check(f, [a, b], H, order=2)
    assert report.passed
    assert {"finite-difference", "complex-step", "symbolic", "certified"} <= set(report.agreeing)
    assert check(f, [a, b], 1.001 * H, order=2).verdict == "wrong"
    assert_jacobian(f, lambda x: H, at=[a, b], order=2)


@pytest.mark.parametrize(
    "name", ["exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan",
             "arcsinh", "arccosh", "arctanh", "square", "reciprocal", "expm1", "log1p", "exp2", "log2"]
)  # fmt: skip
def test_the_second_derivative_of_every_function(name):
    x = sympy.Symbol("x")
    theirs = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh",
              "arctanh": "atanh"}  # fmt: skip
    own = {"square": x**2, "reciprocal": 1 / x, "expm1": sympy.exp(x), "log1p": sympy.log(1 + x), "exp2": 2**x,
           "log2": sympy.log(x) / sympy.log(2)}  # fmt: skip
    at = 1.7 if name == "arccosh" else 0.3
    expression = own[name] if name in own else getattr(sympy, theirs.get(name, name))(x)
    value = float(sympy.diff(expression, x, 2).subs(x, sympy.Rational(str(at))).evalf(30))
    report = check(lambda z: getattr(np, name)(z[0]), [at], [[value]], order=2)
    assert report.passed, str(report)
    assert len(report.agreeing) >= 4
    assert check(lambda z: getattr(np, name)(z[0]), [at], [[1.01 * value]], order=2).verdict == "wrong"


def test_hessians_by_input_and_by_a_matrix_of_parameters():
    loss = Sequential(Affine(W, B), Tanh(), SquaredError(np.ones(3)))
    a = np.tanh(W @ X + B)
    slope = 1 - a**2
    outer = slope**2 - 2 * (a - 1) * a * slope  # d/dz of (a − 1)(1 − a²), for ½‖a − 1‖²
    by_z = outer * float(SquaredError(np.zeros(1))(np.array([1.0]))) * 2
    H = np.einsum("i,ik,j,l->ijkl", by_z, np.eye(3), X, X)
    assert check(loss, X, W.T @ np.diag(by_z) @ W, order=2).passed
    assert check(loss, X, H, wrt="0.W", order=2).passed
    assert check(loss, X, H.reshape(12, 12), wrt="0.W", order=2).passed
    assert check(loss, X, 2 * H, wrt="0.W", order=2).verdict == "wrong"
    with pytest.raises(TypeError, match=r"^jacobian: found None with order=2, expected a Hessian"):
        check(loss, X, order=2)


def test_second_derivatives_of_several_outputs_and_of_code_that_cant_be_followed():
    f = lambda x: np.array([x[0] ** 2 * x[1], x[0] * x[1] ** 2])  # noqa: E731
    right = np.array([[6.0, 4.0], [4.0, 0.0], [0.0, 6.0], [6.0, 4.0]])
    assert check(f, [2.0, 3.0], right, order=2).passed
    M = W[:, :3] @ W[:, :3].T + np.eye(3)
    squares = lambda M: np.sum(np.linalg.svd(M)[1] ** 2)  # noqa: E731
    report = check(squares, M, 2 * np.eye(9), order=2)
    assert report.passed
    assert "which differences found" in report.reason


def test_a_random_function_has_no_hessian_and_a_kink_of_the_gradient_confirms_none():
    draws = np.random.default_rng(0)
    report = check(lambda x: 0 * np.sum(x) + draws.random(), [1.0, 2.0], np.zeros((2, 2)), order=2)
    assert report.verdict == "undecided"
    assert report.reason == "f is random: two calls at x give different values; fix its seed"
    halves = lambda x: np.sum(np.maximum(x, 0) ** 2)  # noqa: E731
    for slope in (0.0, 1.0, 2.0):
        assert check(halves, [0.0, 1.0], np.diag([slope, 2.0]), order=2).verdict == "undecided"


# --- expressions -------------------------------------------------------------------------------------------


def test_expressions_of_sympy_and_their_jacobians():
    x, y, z = symbols = sympy.symbols("x y z")
    F = sympy.Matrix([x * y, sympy.sin(z) * x])
    assert check(F, [1.0, 2.0, 3.0], F.jacobian(symbols)).passed
    assert check(F, [1.0, 2.0, 3.0], 2 * F.jacobian(symbols)).verdict == "wrong"
    expression = x * y + z**3
    report = check(expression, [1.0, 2.0, 3.0], [sympy.diff(expression, one) for one in symbols])
    assert report.passed
    assert report.reason.endswith(", for x = (x, y, z)")
    assert check(expression, [1.0, 2.0, 3.0], sympy.hessian(expression, symbols), order=2).passed
    turned = F.jacobian([z, x, y])
    assert check(F, [3.0, 1.0, 2.0], turned, symbols=[z, x, y]).passed


def test_a_candidate_in_symbols_for_plain_code_needs_their_order():
    x, y = sympy.symbols("x y")
    f = lambda v: np.stack([v[0] * v[1], np.sin(v[1])])  # noqa: E731
    J = sympy.Matrix([[y, x], [0, sympy.cos(y)]])
    assert check(f, [1.0, 2.0], J, symbols=[x, y]).passed
    assert check(f, [1.0, 2.0], J, symbols=[y, x]).verdict == "wrong"
    assert check(f, [1.0, 2.0], J).reason.startswith(
        "jacobian: found the symbols x, y of sympy, expected numbers"
    )


def test_symbols_are_counted_as_people_count():
    names = sympy.symbols("x1:12")
    expression = sum((k + 1) * name for k, name in enumerate(names))
    assert check(expression, np.arange(11.0), np.arange(1.0, 12.0)).passed


def test_expressions_of_a_matrix():
    A, M = RNG.normal(size=(3, 3)), sympy.MatrixSymbol("M", 3, 3)
    assert check(M * M, A, lambda A, dA: A @ dA + dA @ A).passed
    assert check(sympy.trace(M.T * M), A, 2 * A).passed
    assert check(sympy.trace(M.T * M), A, A).verdict == "wrong"
    with pytest.raises(
        ValueError, match=r"^f: found 1 symbols \(x\) for 2 entries of x, expected one for each"
    ):
        check(sympy.Symbol("x") ** 2, [1.0, 2.0], [[1.0, 2.0]])
