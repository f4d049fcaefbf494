"""Derivatives by the input: saliency, maximised class scores, style; against differences and by hand."""

import builtins
import math

import numpy as np
import pytest

import verification
from backprop import (
    MLP,
    ClassScore,
    DivergenceError,
    fit,
    gradient_descent,
    load_digits,
    match_style,
    maximize_input,
    saliency,
    style_gradient,
)
from jacobians import Affine, Gram, QuadraticForm, Sequential, SoftmaxCrossEntropy, SquaredError, Tanh


def differences(f, x, step=1e-6):
    """Central differences of a plain function of an array, entry by entry."""
    slopes = np.empty(x.size)
    for place in range(x.size):
        moved = np.zeros(x.size)
        moved[place] = step
        moved = moved.reshape(x.shape)
        slopes[place] = (f(x + moved) - f(x - moved)) / (2 * step)
    return slopes.reshape(x.shape)


@pytest.fixture(scope="module")
def digits_network():
    digits = load_digits()
    net = MLP.initialize([64, 16, 10], seed=0)
    fit(
        net,
        digits.scaled[:1000],
        digits.labels[:1000],
        epochs=5,
        learning_rate=0.1,
        batch_size=20,
        momentum=0.9,
    )
    return net, digits


# --- saliency --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_saliency_is_the_slope_of_the_class_score(activation):
    net = MLP.initialize([5, 7, 3], activation=activation, seed=2)
    net.update({"0.b": np.linspace(-0.3, 0.3, 7), "2.b": [1.0, 2.0, 3.0]})
    x = np.random.default_rng(1).standard_normal(5)
    for class_ in range(3):
        found = saliency(net, x, class_)
        expected = differences(lambda point, c=class_: net(point)[c], x)
        np.testing.assert_allclose(found.w, expected, rtol=1e-6, atol=1e-9)
        assert found.score == net(x)[class_]
        assert found.b == pytest.approx(net(x)[class_] - expected @ x, rel=1e-6, abs=1e-8)
        assert found(x) == pytest.approx(found.score, rel=1e-12)


def test_the_linear_approximation_is_wrong_by_the_square_of_the_step():
    net = MLP.initialize([5, 7, 3], activation="tanh", seed=2)
    rng = np.random.default_rng(1)
    x, direction = rng.standard_normal(5), rng.standard_normal(5)
    found = saliency(net, x, 1)
    errors = [abs(net(x + h * direction)[1] - found(x + h * direction)) for h in (1e-2, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_saliency_of_an_affine_network_is_its_row_and_its_bias():
    W, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([5.0, 6.0])
    found = saliency(MLP([(W, b)]), [7.0, 8.0], 1)
    np.testing.assert_array_equal(found.w, [3.0, 4.0])
    assert (found.b, found.score) == (6.0, 3.0 * 7 + 4.0 * 8 + 6)


def test_saliency_of_logits_is_not_that_of_probabilities():
    net = MLP.initialize([4, 3], output_activation="softmax", loss="cross-entropy", seed=1)
    x = np.array([1.0, -1.0, 0.5, 0.0])
    logits = Sequential(*net.layers[:-1])
    np.testing.assert_array_equal(saliency(logits, x, 2).w, net.parameters["0.W"][2])
    p = net(x)
    expected = p[2] * (net.parameters["0.W"][2] - p @ net.parameters["0.W"])
    np.testing.assert_allclose(saliency(net, x, 2).w, expected, rtol=1e-12)


def test_a_saliency_image_has_the_sizes_of_w_and_finds_the_pixels_that_matter(digits_network):
    net, digits = digits_network
    x, label = digits.scaled[1500], int(digits.labels[1500])
    found = saliency(net, x, label)
    image = found.image((8, 8))
    np.testing.assert_array_equal(image, np.abs(found.w).reshape(8, 8))
    most, least = image.argmax(), image.argmin()

    def change(pixel):
        moved = x.copy()
        moved[pixel] += 1e-3
        return abs(net(moved)[label] - net(x)[label])

    assert change(most) > 10 * change(least)


def test_what_is_returned_can_be_written_or_not():
    x = np.array([7.0, 8.0])
    found = saliency(MLP([(np.eye(2), None)]), x, 0)
    x[0] = 0.0
    assert found.x[0] == 7.0
    with pytest.raises(ValueError, match="read-only"):
        found.w[0] = 1.0
    found.image((1, 2))[0, 0] = 5.0  # an image is a copy
    assert found.w[0] == 1.0


def test_saliency_shows_itself_without_a_picture():
    found = saliency(MLP([(np.array([[3.0, -4.0], [1.0, 1.0]]), None)]), [1.0, 1.0], 0)
    assert repr(found) == "<Saliency of class 0: score -1, b 0, largest |w| 4 of 2>"
    html = found._repr_html_()
    assert "4, at entry 1" in html
    assert "<img" not in html


def test_figures_hold_the_images(digits_network):
    pytest.importorskip("matplotlib")
    net, digits = digits_network
    found = saliency(net, digits.scaled[3], 3)
    figure = found.figure((8, 8))
    assert [axes.get_title() for axes in figure.axes] == ["I₀", "∂S3/∂I", "|w|"]
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    np.testing.assert_array_equal(drawn[1].ravel(), found.w)
    np.testing.assert_array_equal(drawn[2], found.image((8, 8)))
    limits = figure.axes[1].images[0].get_clim()
    assert limits == (-np.abs(found.w).max(), np.abs(found.w).max())  # 0 is white
    grown = maximize_input(net, 3, steps=2, penalty=0.1)
    drawn = [np.asarray(axes.images[0].get_array()) for axes in grown.figure((8, 8)).axes]
    np.testing.assert_array_equal(drawn[1], grown.image((8, 8)))


def test_without_matplotlib_a_figure_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"matplotlib is not installed.*explicit-jacobians\[report\]"):
        saliency(MLP([(np.eye(2), None)]), [1.0, 1.0], 0).figure((1, 2))


# --- the class score as a Function -----------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_a_class_score_is_a_function_with_batches(penalty):
    net = MLP.initialize([4, 5, 3], seed=3)
    score = ClassScore(net, 2, penalty)
    X = np.random.default_rng(4).standard_normal((6, 4))

    def by_hand(x):
        return net(x)[2] - penalty * (x @ x)

    np.testing.assert_allclose(score(X, batched=True), [by_hand(x) for x in X], rtol=1e-13)
    rows = score.jacobian(X, batched=True).dense()
    assert rows.shape == (6, 1, 4)
    for x, row in zip(X, rows, strict=True):
        np.testing.assert_allclose(row[0], differences(by_hand, x), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(row, score.jacobian(x).dense(), rtol=1e-13)
    assert verification.check(score, X[0]).passed
    assert score.parameters == {}
    assert len(score.chain(X[0])) == (1 if penalty else 4)


# --- maximised inputs ------------------------------------------------------------------------------------


def test_each_step_follows_the_gradient_of_the_penalised_score():
    net = MLP.initialize([4, 5, 3], seed=3)
    x = start = np.array([0.1, -0.2, 0.3, 0.4])
    weights = {name: value.copy() for name, value in net.parameters.items()}
    found = maximize_input(net, 1, start, steps=3, step_size=0.2, penalty=0.05)
    values = [net(x)[1] - 0.05 * x @ x]
    for _ in range(3):
        x = x + 0.2 * (differences(lambda point: net(point)[1], x) - 2 * 0.05 * x)
        values.append(net(x)[1] - 0.05 * x @ x)
    np.testing.assert_allclose(found.x, x, rtol=1e-7)
    np.testing.assert_allclose(found.values, values, rtol=1e-7)
    assert found.score == net(found.x)[1]
    np.testing.assert_array_equal(found.start, start)
    for name, value in net.parameters.items():  # all weights are fixed
        np.testing.assert_array_equal(value, weights[name])


def test_the_maximum_of_an_affine_score_with_penalty_is_known():
    W = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])
    found = maximize_input(MLP([(W, [0.3, 0.1])]), 0, penalty=0.25, step_size=1.0, steps=200)
    np.testing.assert_allclose(found.x, W[0] / (2 * 0.25), rtol=1e-12)
    assert found.values[-1] == pytest.approx(W[0] @ W[0] / (4 * 0.25) + 0.3, rel=1e-12)


def test_a_maximised_digit_is_that_digit_for_the_network(digits_network):
    net, _ = digits_network
    for class_ in range(10):
        found = maximize_input(net, class_, steps=50, step_size=0.05, penalty=0.01, bounds=(0.0, 1.0))
        assert net.predict(found.x) == class_
        assert found.values[-1] > found.values[0]
        assert found.x.min() >= 0.0
        assert found.x.max() <= 1.0
        assert found.image((8, 8)).shape == (8, 8)


def test_a_stronger_penalty_gives_a_smaller_input(digits_network):
    net, _ = digits_network
    sizes = [
        np.linalg.norm(maximize_input(net, 3, steps=300, step_size=0.05, penalty=penalty).x)
        for penalty in (0.05, 0.2, 1.0)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_a_callback_sees_every_input_and_may_stop():
    net, seen = MLP.initialize([4, 3], seed=1), []

    def watch(x, value):
        seen.append((x, value))
        return len(seen) == 4

    found = maximize_input(net, 0, steps=50, step_size=0.1, callback=watch)
    assert found.steps == 4 == len(seen)
    assert [value for _, value in seen] == list(found.values[1:])
    np.testing.assert_array_equal(seen[-1][0], found.x)
    assert repr(found).startswith(
        "<MaximizedInput of ClassScore(MLP(4-3, softmax-cross-entropy), class 0): 4 steps, "
    )


def test_float32_inputs_stay_float32():
    net = MLP.initialize([4, 3, 2], seed=1, dtype=np.float32)
    x = np.ones(4, dtype=np.float32)
    assert saliency(net, x, 0).w.dtype == np.float32
    assert maximize_input(net, 0, steps=3, penalty=0.1).x.dtype == np.float32


# --- gradient descent on any function --------------------------------------------------------------------


def test_gradient_descent_is_its_rule():
    A = np.array([[2.0, 0.0], [1.0, 1.0]])
    x = np.array([1.0, -1.0])
    found = gradient_descent(QuadraticForm(A), x, step_size=0.1, steps=3)
    for _ in range(3):
        x = x - 0.1 * (A + A.T) @ x
    np.testing.assert_allclose(found.x, x, rtol=1e-14)
    assert found.values[-1] == pytest.approx(x @ A @ x, rel=1e-13)
    assert found.steps == 3


def test_an_input_can_follow_the_loss_of_a_network():
    net = MLP.initialize([3, 4, 2], seed=5)
    x = np.array([0.5, -0.5, 1.0])
    found = gradient_descent(Sequential(net, SoftmaxCrossEntropy(1)), x, step_size=0.3, steps=1)
    np.testing.assert_allclose(found.x, x - 0.3 * differences(lambda p: net.loss(p, 1), x), rtol=1e-7)


# --- style -----------------------------------------------------------------------------------------------


def style_loss(target):
    return lambda F: float(((F @ F.T - target) ** 2).sum())


def test_the_style_gradient_is_the_slope_of_the_style_loss():
    rng = np.random.default_rng(0)
    F, target = rng.standard_normal((3, 5)), rng.standard_normal((3, 3))
    symmetric = target + target.T
    for G0 in (target, symmetric):
        found = style_gradient(F, G0)
        D = F @ F.T - G0
        np.testing.assert_allclose(found, 2 * (D + D.T) @ F, rtol=1e-12)
        np.testing.assert_allclose(found, differences(style_loss(G0), F), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(style_gradient(F, symmetric), 4 * (F @ F.T - symmetric) @ F, rtol=1e-12)
    assert np.abs(style_gradient(F, target) - 4 * (F @ F.T - target) @ F).max() > 1.0  # needs symmetry


def test_matching_a_style_reaches_its_gram_matrix_and_not_its_input():
    rng = np.random.default_rng(2)
    example, start = rng.standard_normal((3, 6)), rng.standard_normal((3, 6))
    found = match_style(example, start, step_size=0.005, steps=1500)
    assert found.values[0] == pytest.approx(style_loss(example @ example.T)(start), rel=1e-12)
    assert found.values[-1] < 1e-9 * found.values[0]
    np.testing.assert_allclose(found.x @ found.x.T, example @ example.T, atol=1e-4)
    assert np.abs(found.x - example).max() > 0.1


def test_style_of_features_goes_back_to_the_input():
    rng = np.random.default_rng(3)
    features = Sequential(Affine(rng.standard_normal((4, 2)), rng.standard_normal(4)), Tanh())
    example, start = rng.standard_normal((2, 5)), rng.standard_normal((2, 5))
    found = match_style(example, start, features=features, step_size=0.01, steps=1)
    G0 = Gram()(features(example))
    slope = differences(lambda x: style_loss(G0)(features(x)), start)
    np.testing.assert_allclose(found.x, start - 0.01 * slope, rtol=1e-6, atol=1e-8)
    assert (
        match_style(example, start, features=features, step_size=0.01, steps=200).values[-1]
        < found.values[0] / 5
    )


def test_divergence_keeps_the_point_before():
    with pytest.raises(
        DivergenceError,
        match=r"step 2: the value is (inf|nan); .*take a step_size below 1e\+150, or give bounds",
    ) as caught:
        gradient_descent(SquaredError([0.0]), [1.0], step_size=1e150, steps=5)
    assert np.isfinite(caught.value.x).all()
    assert len(caught.value.history) == 2
    with pytest.raises(DivergenceError, match="start: the value is nan there, expected a finite one"):
        gradient_descent(SquaredError([0.0]), [math.nan], step_size=1.0, steps=5)
