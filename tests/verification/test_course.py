"""The functions with the signatures of course code, without the faults of their originals."""

import numpy as np
import pytest

from verification.course import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    grad_check_sparse,
    gradient_check_n,
    rel_error,
)

RNG = np.random.default_rng(11)


def test_it_is_the_product_of_the_transposed_jacobian_with_df():
    W, x, df = RNG.standard_normal((3, 4)), RNG.standard_normal(4), RNG.standard_normal(3)
    found = eval_numerical_gradient_array(lambda x: np.tanh(W @ x), x, df)
    assert rel_error(found, W.T @ (df * (1 - np.tanh(W @ x) ** 2))) < 1e-9


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 2)])
def test_the_gradient_has_the_shape_of_x(shape):
    x, df = RNG.standard_normal(shape), RNG.standard_normal(shape)
    found = eval_numerical_gradient_array(lambda x: x**3, x, df)
    assert found.shape == shape
    assert rel_error(found, 3 * x**2 * df) < 1e-6


def test_integers_and_lists_are_points():
    assert (
        rel_error(eval_numerical_gradient_array(lambda x: x**2, np.array([1, 2]), [1, 1]), [2.0, 4.0]) < 1e-9
    )


def test_nothing_is_written_to_x_and_df():
    def writes(x):
        x *= 2
        return x

    x, df = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    x.flags.writeable = df.flags.writeable = False
    assert rel_error(eval_numerical_gradient_array(writes, x, df), [2.0, 2.0]) < 1e-9
    assert x.tolist() == [1.0, 2.0]


def test_a_function_that_returns_the_same_array_again_and_again():
    buffer = np.empty(2)

    def into_buffer(x):
        buffer[:] = x**2
        return buffer

    assert rel_error(eval_numerical_gradient_array(into_buffer, [1.0, 3.0], [1.0, 1.0]), [2.0, 6.0]) < 1e-9


def test_the_step_that_is_divided_by_is_the_true_one():
    # 1e8 + 1e-5 rounds to a neighbour that is not 1e-5 away
    assert eval_numerical_gradient_array(lambda x: x - 1e8, [1e8], [1.0]) == [1.0]


def test_nan_stays_nan():
    found = eval_numerical_gradient_array(lambda x: np.where(x > 1, np.nan, x), [0.0, 2.0], [1.0, 1.0])
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (
            (np.sin, [1.0, 2.0], [[1.0], [1.0]]),
            ValueError,
            "df: found shape (2, 1), expected (2,), the shape of f(x)",
        ),
        ((np.sin, [1.0], [1.0], 0.0), ValueError, "h: found 0.0, expected a finite number above 0"),
        ((np.sin, [1.0], [1.0], float("nan")), ValueError, "h: found nan, expected a finite number above 0"),
        (
            (np.sin, [1e20], [1.0]),
            ValueError,
            "h: found 1e-05, expected a step that x[0] = 1e+20 can take; enlarge it",
        ),
        ((lambda x: None, [1.0], [1.0]), TypeError, "f(x): found None, expected an array of real numbers"),
        (
            (np.sin, [1j], [1.0]),
            TypeError,
            "x: found dtype complex128, expected real numbers; pass .real and .imag separately",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, kind, sentence):
    with pytest.raises(kind) as caught:
        eval_numerical_gradient_array(*arguments)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_the_relative_error_does_not_depend_on_the_scale(scale):
    x = np.array([1.0, -2.0, 0.0])
    assert rel_error(scale * x, scale * x) == 0.0
    assert rel_error(scale * x, scale * x * (1 + 2e-3)) == pytest.approx(1e-3, rel=1e-2)
    assert rel_error(scale * x, 0 * x) == 1.0


def test_rounding_of_an_entry_that_cancels_is_small_and_zeros_are_equal():
    assert rel_error([1.0, 0.0], [1.0, 1e-17]) == pytest.approx(1e-9)
    assert rel_error([0.0, 0], [0.0, 0]) == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_nan_on_either_side(value):
    assert np.isnan(rel_error([1.0, value], [1.0, 1.0]))
    assert np.isnan(rel_error([1.0, 1.0], [1.0, value]))
    assert np.isnan(rel_error([value], [value]))


def test_unsigned_integers_do_not_wrap_around():
    assert rel_error(np.array([1], dtype=np.uint8), np.array([2], dtype=np.uint8)) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ([1.0, 2.0], [[1.0], [2.0]], "x, y: found the shapes (2,) and (2, 1), expected the same shape"),
        ([], [], "x: found shape (0,) with an empty axis, expected at least one entry"),
    ],
)
def test_shapes_that_differ_and_nothing_at_all_are_refused(x, y, sentence):
    with pytest.raises(ValueError, match=r"x") as caught:
        rel_error(x, y)
    assert str(caught.value) == sentence


# --- gradients of losses -----------------------------------------------------------------------------------------


def loss(x):
    return np.sum(np.tanh(x) ** 2)


def slope(x):
    return 2 * np.tanh(x) * (1 - np.tanh(x) ** 2)


def test_the_gradient_of_a_loss_and_what_is_printed(capsys):
    x = RNG.standard_normal((2, 2))
    found = eval_numerical_gradient(loss, x)
    assert rel_error(found, slope(x)) < 1e-8
    assert capsys.readouterr().out.splitlines()[0].startswith("(0, 0) ")
    assert eval_numerical_gradient(loss, x, verbose=False).shape == (2, 2)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"f\(x\): found shape \(2, 2\), expected one number"):
        eval_numerical_gradient(np.tanh, x)


def test_sampled_entries_show_a_wrong_gradient(capsys):
    x = RNG.standard_normal((30, 40))
    assert grad_check_sparse(loss, x, slope(x), 5) < 1e-6
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert grad_check_sparse(loss, x, 1.1 * slope(x), 3) > 0.01
    assert np.isnan(grad_check_sparse(loss, x, np.nan * x, 1))
    with pytest.raises(ValueError, match="analytic_grad: found shape"):
        grad_check_sparse(loss, x, slope(x).T)
    with pytest.raises(ValueError, match="num_checks: found 0, expected an integer of at least 1"):
        grad_check_sparse(loss, x, slope(x), 0)


def test_all_parameters_of_a_net_at_once(capsys):
    X, Y = RNG.standard_normal((3, 5)), RNG.standard_normal((2, 5))
    parameters = {"W1": RNG.standard_normal((2, 3)), "b1": RNG.standard_normal((2, 1))}

    def forward(X, Y, parameters):
        A = np.tanh(parameters["W1"] @ X + parameters["b1"])
        return np.sum((A - Y) ** 2) / 5, A

    A = forward(X, Y, parameters)[1]
    d = 2 * (A - Y) * (1 - A**2) / 5
    gradients = {"dW1": d @ X.T, "db1": d.sum(axis=1, keepdims=True), "dA": d}
    assert gradient_check_n(parameters, gradients, X, Y, 1e-5, True, forward=forward) < 2e-7
    assert "works" in capsys.readouterr().out
    wrong = gradients | {"db1": 2 * gradients["db1"]}
    assert gradient_check_n(parameters, wrong, X, Y, print_msg=True, forward=forward) > 0.01
    assert "has a mistake" in capsys.readouterr().out
    with pytest.raises(ValueError, match="gradients: found dA, expected dW1 for W1"):
        gradient_check_n(parameters, {"dA": d}, X, Y, forward=forward)
    with pytest.raises(ValueError, match=r"db1: found shape \(2,\), expected \(2, 1\), that of b1"):
        gradient_check_n(parameters, gradients | {"db1": d.sum(axis=1)}, X, Y, forward=forward)
