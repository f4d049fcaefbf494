"""Gradient descent follows its update rule, is the same for the same seed, and stops with a reason."""

import builtins
import io
import math
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest

from backprop import MLP, DivergenceError, Epoch, fit, load_digits


def network(**options):
    return MLP.initialize([3, 4, 2], seed=1, **options)


def data(count=10, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((count, 3))
    return X, (X.sum(axis=1) > 0).astype(int)


def same(found, expected):
    return list(found) == list(expected) and all(
        found[name].dtype == expected[name].dtype and found[name].tobytes() == expected[name].tobytes()
        for name in expected
    )


# --- the update rule -------------------------------------------------------------------------------------


def test_an_epoch_over_all_points_is_one_gradient_step():
    net, (X, Y) = network(), data()
    start, gradients = net.parameters, net.gradients(X, Y)
    result = fit(net, X, Y, epochs=1, learning_rate=0.5)
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, start[name] - 0.5 * gradients[name], rtol=1e-14)
    assert result.network is net
    assert same(result.parameters, net.parameters)


def test_gradient_descent_on_one_weight_follows_the_formula_by_hand():
    # L = ½(wx − y)², so w ← w − ε(wx − y)x
    net = MLP([([[1.0]], None)], loss="squared-error")
    fit(net, [[2.0]], [[10.0]], epochs=2, learning_rate=0.1)
    w = 1.0 - 0.1 * (2.0 * 1.0 - 10.0) * 2.0
    w = w - 0.1 * (2.0 * w - 10.0) * 2.0
    assert net.parameters["0.W"][0, 0] == pytest.approx(w, rel=1e-15)


@pytest.mark.parametrize("sampling", ["shuffle", "uniform"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_mini_batches_are_steps_by_the_mean_gradient_of_their_points(sampling, batch_size):
    net, (X, Y) = network(), data()
    expected = network()
    fit(net, X, Y, epochs=2, learning_rate=0.2, batch_size=batch_size, sampling=sampling, seed=3)
    for epoch in (1, 2):
        random = np.random.default_rng([3, epoch])
        order = random.permutation(10) if sampling == "shuffle" else random.integers(10, size=10)
        for start in range(0, 10, batch_size):  # the last of three batches of 4 has 2 points
            chosen = order[start : start + batch_size]
            gradients = expected.gradients(X[chosen], Y[chosen])
            expected.update({n: v - 0.2 * gradients[n] for n, v in expected.parameters.items()})
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, expected.parameters[name], rtol=1e-12)


def test_stochastic_gradient_descent_is_the_rule_theta_minus_eta_delta_a():
    net = MLP([([[0.5, -0.5]], [0.1])], loss="squared-error", output_activation="tanh")
    W, b = net.parameters["0.W"], net.parameters["0.b"]
    X, Y = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([[1.0], [0.0]])
    fit(net, X, Y, epochs=1, learning_rate=0.3, batch_size=1, seed=0)
    for place in np.random.default_rng([0, 1]).permutation(2):
        a = np.tanh(W @ X[place] + b)
        delta = (a - Y[place]) * (1 - a**2)
        W, b = W - 0.3 * np.outer(delta, X[place]), b - 0.3 * delta
    np.testing.assert_allclose(net.parameters["0.W"], W, rtol=1e-14)
    np.testing.assert_allclose(net.parameters["0.b"], b, rtol=1e-14)


def test_momentum_carries_the_last_step_on():
    net, (X, Y) = network(), data()
    expected, velocity = network(), dict.fromkeys(net.parameters, 0.0)
    fit(net, X, Y, epochs=3, learning_rate=0.1, momentum=0.9)
    for _ in range(3):
        gradients = expected.gradients(X, Y)
        velocity = {name: 0.9 * velocity[name] - 0.1 * gradients[name] for name in gradients}
        expected.update({name: value + velocity[name] for name, value in expected.parameters.items()})
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, expected.parameters[name], rtol=1e-12)


# --- what is recorded, and what is left alone ------------------------------------------------------------


def test_history_holds_the_loss_over_all_points_after_every_epoch():
    net, (X, Y) = network(), data()
    losses, accuracies = [net.loss(X, Y)], [net.accuracy(X, Y)]

    def watch(epoch):
        losses.append(net.loss(X, Y))
        accuracies.append(net.accuracy(X, Y))

    result = fit(net, X, Y, epochs=4, learning_rate=0.3, batch_size=3, callback=watch)
    assert [epoch.loss for epoch in result.history] == losses
    assert [epoch.accuracy for epoch in result.history] == accuracies
    assert [epoch.number for epoch in result.history] == [0, 1, 2, 3, 4]
    assert result.losses == tuple(losses[1:])
    assert result.accuracies == tuple(accuracies[1:])
    assert result.validation_losses == result.validation_accuracies == ()
    assert (result.epochs, result.stopped) == (4, "epochs")


def test_targets_that_are_no_classes_have_no_accuracy():
    net, (X, _) = network(loss="squared-error"), data()
    result = fit(net, X, X[:, :2], epochs=2, learning_rate=0.1)
    assert result.accuracies == ()
    assert result.losses[1] < result.losses[0] < result.history[0].loss


def test_validation_points_are_measured_and_never_trained_on():
    (X, Y), (V, U) = data(), data(6, seed=1)
    plain, watched = network(), network()
    fit(plain, X, Y, epochs=3, learning_rate=0.3, batch_size=2)
    result = fit(watched, X, Y, epochs=3, learning_rate=0.3, batch_size=2, validation=(V, U))
    assert same(watched.parameters, plain.parameters)
    assert result.validation_losses[-1] == watched.loss(V, U)
    assert result.validation_accuracies[-1] == watched.accuracy(V, U)
    assert "validation loss" in str(result)


def test_arrays_that_earlier_jacobians_hold_are_never_written():
    net, (X, Y) = network(), data()
    before, start = net.jacobian(X[0]), net.parameters
    J, values = before.dense(), {name: value.copy() for name, value in start.items()}
    given = X.copy()
    fit(net, X, Y, epochs=2, learning_rate=0.5, batch_size=2, momentum=0.5)
    np.testing.assert_array_equal(before.dense(), J)
    assert same(start, values)
    assert not same(net.parameters, start)
    np.testing.assert_array_equal(X, given)
    with pytest.raises(ValueError, match="read-only"):
        net.parameters["0.W"][0, 0] = 1.0


def test_the_same_seed_gives_the_same_bits_and_another_one_others():
    X, Y = data()
    nets = [network() for _ in range(3)]
    for net, seed in zip(nets, (5, 5, 6), strict=True):
        fit(net, X, Y, epochs=3, learning_rate=0.3, batch_size=2, seed=seed)
    assert same(nets[0].parameters, nets[1].parameters)
    assert not same(nets[0].parameters, nets[2].parameters)


def test_float32_networks_train_in_float32():
    net, (X, Y) = network(dtype=np.float32), data()
    result = fit(net, X, Y, epochs=3, learning_rate=0.3, batch_size=3, momentum=0.9)
    assert {value.dtype for value in net.parameters.values()} == {np.dtype(np.float32)}
    assert result.losses[-1] < result.history[0].loss


def test_a_network_learns_the_digits():
    digits = load_digits()
    net = MLP.initialize([64, 16, 10], seed=0)
    X, Y = digits.scaled, digits.labels
    result = fit(
        net,
        X[:1200],
        Y[:1200],
        epochs=6,
        learning_rate=0.1,
        batch_size=20,
        momentum=0.9,
        validation=(X[1200:], Y[1200:]),
    )
    assert result.accuracies[-1] > 0.95
    assert result.validation_accuracies[-1] > 0.85


# --- how a run ends --------------------------------------------------------------------------------------


def test_patience_stops_and_keeps_the_parameters_of_the_best_epoch():
    (X, Y), (V, U) = data(8), data(8, seed=3)
    seen = []
    net = network()
    result = fit(
        net, X, Y, epochs=500, learning_rate=2.0, batch_size=1, validation=(V, U), patience=5,
        callback=lambda epoch: seen.append((epoch.validation_loss, net.parameters)) and False,
    )  # fmt: skip
    watched = [result.history[0].validation_loss, *(loss for loss, _ in seen)]
    best = int(np.argmin(watched))
    assert result.stopped == "patience"
    assert result.epochs == best + 5 < 500
    assert result.best.number == best
    assert best > 0
    assert same(net.parameters, seen[best - 1][1])
    assert same(result.parameters, net.parameters)


def test_without_validation_patience_watches_the_loss():
    net, (X, Y) = network(), data()
    result = fit(net, X, Y, epochs=5, learning_rate=0.1, patience=3)
    assert (result.stopped, result.epochs, result.best.number) == ("epochs", 5, 5)


def test_a_callback_that_returns_true_stops():
    net, (X, Y) = network(), data()
    result = fit(net, X, Y, epochs=9, learning_rate=0.1, callback=lambda epoch: epoch.number == 3)
    assert (result.stopped, result.epochs) == ("callback", 3)


def test_divergence_names_the_epoch_and_keeps_the_last_good_parameters():
    net = MLP([([[1.0]], None)], loss="squared-error")
    good = []
    with pytest.raises(
        DivergenceError,
        match=r"epoch 4: the loss is inf; the network keeps its parameters after epoch 3 \(loss .*\); "
        r"take a learning_rate below 1e\+50, or scale X to −1 … 1",
    ) as caught:
        fit(
            net,
            [[1.0]],
            [[0.0]],
            epochs=9,
            learning_rate=1e50,
            callback=lambda _: good.append(net.parameters),
        )
    assert len(good) == 3
    assert same(net.parameters, good[-1])
    assert [epoch.number for epoch in caught.value.history] == [0, 1, 2, 3]


def test_a_parameter_that_overflows_behind_a_finite_loss_is_divergence():
    net = MLP([([[0.0]], None), ([[1.0]], None)], activation="tanh", loss="squared-error")
    with pytest.raises(DivergenceError, match=r"epoch 1: 0\.W is not finite; the network keeps"):
        fit(net, [[1.0]], [[-2.0]], epochs=2, learning_rate=1.7e308)  # tanh(−∞) = −1
    assert net.parameters["0.W"][0, 0] == 0.0


def test_a_loss_that_is_not_finite_at_the_start_is_said_before_the_first_step():
    net, (X, Y) = network(), data()
    start = net.parameters
    X[3, 1] = math.nan
    with pytest.raises(
        DivergenceError, match="epoch 0: the loss is nan before the first step; expected finite X, Y"
    ):
        fit(net, X, Y, epochs=2, learning_rate=0.1)
    assert same(net.parameters, start)


def test_an_interruption_leaves_the_network_at_the_end_of_an_epoch():
    X, Y = data()
    net, other = network(), network()

    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(net, X, Y, epochs=5, learning_rate=0.3, batch_size=2, progress=interrupt)
    fit(other, X, Y, epochs=2, learning_rate=0.3, batch_size=2)
    assert same(net.parameters, other.parameters)


def test_a_validation_loss_that_is_not_a_number_is_never_the_best():
    net, (X, Y) = network(), data()
    hollow = np.full((2, 3), math.nan)
    result = fit(net, X, Y, epochs=9, learning_rate=0.1, validation=(hollow, [0, 1]), patience=3)
    assert (result.stopped, result.epochs, result.best.number) == ("patience", 3, 0)
    assert result.validation_accuracies == (0.0, 0.0, 0.0)


# --- progress --------------------------------------------------------------------------------------------


def test_progress_is_a_function_of_every_epoch():
    seen = []
    X, Y = data()
    result = fit(network(), X, Y, epochs=3, learning_rate=0.1, progress=seen.append)
    assert tuple(seen) == result.history[1:]
    assert isinstance(seen[0], Epoch)


def test_the_bar_is_on_standard_error_and_only_when_asked():
    pytest.importorskip("rich")
    X, Y = data()
    shown = {}
    for progress in (True, None):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            fit(network(), X, Y, epochs=3, learning_rate=0.1, progress=progress)
        shown[progress] = (out.getvalue(), err.getvalue())
    assert shown[None] == ("", "")
    assert shown[True][0] == ""
    assert "3/3" in shown[True][1]
    assert "loss" in shown[True][1]


def test_without_rich_there_is_no_bar(monkeypatch, capsys):
    real = builtins.__import__

    def without_rich(name, *args, **kwargs):
        if name.partition(".")[0] == "rich":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    X, Y = data()
    assert fit(network(), X, Y, epochs=2, learning_rate=0.1, progress=True).epochs == 2
    assert capsys.readouterr() == ("", "")


def test_a_long_history_prints_its_ends():
    X, Y = data()
    result = fit(network(), X, Y, epochs=30, learning_rate=0.1)
    lines = str(result).splitlines()
    assert lines[0] == "MLP(3-4-2, tanh, softmax-cross-entropy), stopped by epochs"
    assert "… 25 more …" in lines
    for epochs in (11, 12):  # the state before the first, too
        lines = str(fit(network(), X, Y, epochs=epochs, learning_rate=0.1)).splitlines()[1:]
        shown = [int(line.split()[1].rstrip(":")) for line in lines if line.startswith("epoch ")]
        assert shown == ([*range(12)] if epochs == 11 else [0, 1, 2, 10, 11, 12])
    lines = str(result).splitlines()
    assert lines[-1].startswith("epoch 30: loss ")
    assert repr(result).startswith(
        "<TrainingResult of MLP(3-4-2, tanh, softmax-cross-entropy): 30 epochs, loss "
    )


def test_a_figure_shows_the_losses():
    pytest.importorskip("matplotlib")
    X, Y = data()
    result = fit(network(), X, Y, epochs=4, learning_rate=0.1, validation=data(6, seed=1))
    lines = {line.get_label(): line for line in result.figure().axes[0].lines}
    np.testing.assert_array_equal(lines["loss"].get_ydata(), result.losses)
    np.testing.assert_array_equal(lines["validation loss"].get_ydata(), result.validation_losses)
    assert list(lines["loss"].get_xdata()) == [1, 2, 3, 4]


# --- the doors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"network": np.eye(2)}, TypeError, "network: found ndarray, expected an MLP"),
        ({"X": np.ones((10, 4))}, ValueError, r"X: found shape \(10, 4\), expected \(N, 3\), a point a row"),
        ({"X": np.ones(3)}, ValueError, r"X: found shape \(3,\), expected 2 axes"),
        ({"X": np.ones((0, 3)), "Y": []}, ValueError, r"X: found shape \(0, 3\) with an empty axis"),
        (
            {"Y": [0, 1, -1] + [0] * 7},
            ValueError,
            "Y: labels: found -1 at place 2, expected class numbers from 0",
        ),
        ({"Y": [0, 1]}, ValueError, "Y: found 2 class numbers, expected one for each of 10 points"),
        ({"epochs": 0}, ValueError, "epochs: found 0, expected an integer of at least 1"),
        ({"epochs": 1.5}, TypeError, "epochs: found 1.5, expected an integer of at least 1"),
        ({"epochs": True}, TypeError, "epochs: found True, expected an integer of at least 1"),
        ({"learning_rate": 0}, ValueError, "learning_rate: found 0, expected a finite number above 0"),
        ({"learning_rate": -0.1}, ValueError, "learning_rate: found -0.1, expected a finite number above 0"),
        (
            {"learning_rate": math.nan},
            ValueError,
            "learning_rate: found nan, expected a finite number above 0",
        ),
        (
            {"learning_rate": "fast"},
            TypeError,
            "learning_rate: found 'fast', expected a finite number above 0",
        ),
        ({"batch_size": 0}, ValueError, "batch_size: found 0, expected an integer of at least 1"),
        (
            {"batch_size": 11},
            ValueError,
            "batch_size: found 11, expected 1 to 10, the number of points, or None",
        ),
        ({"momentum": 1}, ValueError, "momentum: found 1, expected a number from 0 to below 1"),
        ({"momentum": -0.5}, ValueError, "momentum: found -0.5, expected a finite number of at least 0"),
        (
            {"sampling": "sorted"},
            ValueError,
            "sampling: found 'sorted', expected one of 'shuffle', 'uniform'",
        ),
        ({"seed": None}, TypeError, "seed: found None, expected an integer of at least 0"),
        ({"patience": 0}, ValueError, "patience: found 0, expected an integer of at least 1"),
        ({"validation": np.ones((2, 3))}, TypeError, r"validation: found ndarray, expected a pair \(X, Y\)"),
        ({"validation": (np.ones((2, 3)), [0, 5])}, ValueError, "validation Y: labels: found 5 at place 1"),
        ({"validation": (np.ones((2, 4)), [0, 1])}, ValueError, r"validation X: found shape \(2, 4\)"),
        ({"progress": 3}, TypeError, "progress: found 3, expected None, True or a function of an Epoch"),
        ({"callback": True}, TypeError, "callback: found True, expected a function of an Epoch"),
    ],
)
def test_what_is_refused_is_named_and_changes_nothing(change, error, sentence):
    net, (X, Y) = network(), data()
    start = net.parameters
    arguments = {"network": net, "X": X, "Y": Y, "epochs": 1, "learning_rate": 0.1, **change}
    with pytest.raises(error, match=sentence):
        fit(arguments.pop("network"), arguments.pop("X"), arguments.pop("Y"), **arguments)
    assert same(net.parameters, start)
