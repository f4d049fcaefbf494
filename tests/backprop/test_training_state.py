"""A run that was saved and resumed is, bit for bit, the run that never stopped."""

import json
import os
import zipfile
from dataclasses import asdict

import numpy as np
import pytest

from backprop import MLP, DivergenceError, fit
from backprop.learning.state import load_state, save_state
from jacobians import LeakyReLU

SETTINGS = {
    "all points": {},
    "one by one": {"batch_size": 1},
    "mini-batches with momentum": {"batch_size": 3, "momentum": 0.9, "seed": 4},
    "drawn with repetition": {"batch_size": 3, "sampling": "uniform"},
    "patience": {"batch_size": 2, "patience": 50},
}


def network(**options):
    return MLP.initialize([3, 4, 2], seed=1, **options)


def data(seed=0):
    X = np.random.default_rng(seed).standard_normal((10, 3))
    return X, (X.sum(axis=1) > 0).astype(int)


def bits(parameters):
    return {name: (value.dtype.str, value.shape, value.tobytes()) for name, value in parameters.items()}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_ten_epochs_are_four_saved_loaded_and_six_more(tmp_path, settings, dtype):
    X, Y = data()
    options = {"learning_rate": 0.3, "validation": data(1), **settings}
    whole, halves = network(dtype=dtype), network(dtype=dtype)
    expected = fit(whole, X, Y, epochs=10, **options)
    fit(halves, X, Y, epochs=4, **options).save(tmp_path / "run.npz")
    other = MLP.initialize([3, 4, 2], seed=77, dtype=dtype)  # its parameters are replaced
    result = fit(other, X, Y, epochs=10, resume=tmp_path / "run.npz", **options)
    assert bits(other.parameters) == bits(whole.parameters)
    assert result.history == expected.history
    for group in ("parameters", "velocity", "best_parameters"):
        assert bits(getattr(result.state, group)) == bits(getattr(expected.state, group))


def test_a_result_and_its_state_can_be_resumed_without_a_file():
    X, Y = data()
    whole = network()
    fit(whole, X, Y, epochs=10, learning_rate=0.3, batch_size=2)
    first = fit(network(), X, Y, epochs=4, learning_rate=0.3, batch_size=2)
    for resume in (first, first.state):
        net = network()
        fit(net, X, Y, epochs=10, learning_rate=0.3, batch_size=2, resume=resume)
        assert bits(net.parameters) == bits(whole.parameters)


def test_learning_rate_and_patience_may_change(tmp_path):
    X, Y = data()
    net = network()
    fit(net, X, Y, epochs=2, learning_rate=0.3).save(tmp_path / "run.npz")
    gradients, before = net.gradients(X, Y), net.parameters
    result = fit(net, X, Y, epochs=3, learning_rate=0.01, patience=5, resume=tmp_path / "run.npz")
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, before[name] - 0.01 * gradients[name], rtol=1e-14)
    assert result.state.settings.learning_rate == 0.01


def test_a_run_that_patience_ended_stays_ended():
    X, Y = data()
    options = {"learning_rate": 3.0, "batch_size": 1, "validation": data(3), "patience": 2}
    ended = fit(network(), X, Y, epochs=500, **options)
    assert ended.stopped == "patience"
    again = fit(network(), X, Y, epochs=500, resume=ended, **options)
    assert (again.epochs, again.stopped) == (ended.epochs, "patience")
    assert bits(again.network.parameters) == bits(ended.network.parameters)


def test_a_run_can_go_on_after_divergence_with_a_lower_learning_rate():
    net = MLP([([[1.0]], None)], loss="squared-error")
    good = fit(net, [[1.0]], [[0.0]], epochs=1, learning_rate=1e100)
    with pytest.raises(DivergenceError):
        fit(net, [[1.0]], [[0.0]], epochs=9, learning_rate=1e100, resume=good)
    result = fit(net, [[1.0]], [[0.0]], epochs=9, learning_rate=0.5, resume=good)
    assert result.losses[-1] < result.losses[0]


def test_the_file_holds_no_pickle_and_plain_facts(tmp_path):
    X, Y = data()
    fit(network(), X, Y, epochs=2, learning_rate=0.3).save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        facts = json.loads(str(file["facts"]))
        assert file["parameters:0.W"].shape == (4, 3)
    assert facts["settings"]["learning_rate"] == 0.3
    assert [epoch["number"] for epoch in facts["history"]] == [0, 1, 2]
    assert zipfile.is_zipfile(tmp_path / "run.npz")


def test_saving_replaces_the_file_whole_and_leaves_nothing_beside(tmp_path, monkeypatch):
    X, Y = data()
    path = tmp_path / "run.npz"
    first = fit(network(), X, Y, epochs=1, learning_rate=0.3)
    first.save(path)
    kept = path.read_bytes()

    def broken(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="disk full"):
        first.save(path)
    assert path.read_bytes() == kept
    assert os.listdir(tmp_path) == ["run.npz"]  # noqa: PTH208  # hidden files too


def test_what_is_loaded_equals_what_was_saved(tmp_path):
    X, Y = data()
    state = fit(network(), X, Y, epochs=3, learning_rate=0.3, momentum=0.5, validation=data(1)).state
    save_state(state, tmp_path / "run.npz")
    loaded = load_state(tmp_path / "run.npz")
    assert [asdict(epoch) for epoch in loaded.history] == [asdict(epoch) for epoch in state.history]
    assert asdict(loaded.settings) == asdict(state.settings)
    assert (loaded.network, loaded.data) == (state.network, state.data)
    for group in ("parameters", "velocity", "best_parameters"):
        assert bits(getattr(loaded, group)) == bits(getattr(state, group))


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and then nothing"),
        lambda path: path.write_text("not a state"),
        lambda path: np.savez(path, W=np.eye(2)),
        lambda path: np.savez(path, facts=np.array(json.dumps({"format": "of somebody else"}))),
        lambda path: np.savez(path, facts=np.array([{"pickled": True}], dtype=object)),
        lambda path: np.save(path.open("wb"), np.eye(2)),
    ],
    ids=["empty", "half a zip", "text", "other arrays", "other format", "pickle", "one array"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_that_is_no_state_is_refused(tmp_path, make):
    make(tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"run\.npz: found no state of a training run, or a damaged one"):
        load_state(tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network": MLP.initialize([3, 5, 2])}, r"resume: found a run with the network MLP\(3-4-2, tanh"),
        ({"network": MLP.initialize([3, 4, 2], activation="relu")}, r"expected MLP\(3-4-2, relu"),
        ({"network": MLP.initialize([3, 4, 2], dtype=np.float32)}, "of float64 .*expected .* of float32"),
        ({"seed": 5}, "^seed: found 5, expected 0, as in the run to resume; only learning_rate"),
        ({"batch_size": 2}, "^batch_size: found 2, expected None, as in the run"),
        ({"momentum": 0.5}, r"^momentum: found 0\.5, expected 0\.0, as in the run"),
        (
            {"X": data()[0] + 1e-9},
            "resume: found a run with the data [0-9a-f]{32}, expected [0-9a-f]{32}; only",
        ),
        ({"Y": 1 - data()[1]}, "resume: found a run with the data"),
        ({"validation": data(1)}, "resume: found a run with the data"),
        ({"epochs": 4}, "epochs: found 4, expected more than the 4 that the run to resume has done"),
    ],
)
def test_another_run_is_not_resumed(change, sentence):
    X, Y = data()
    run = fit(network(), X, Y, epochs=4, learning_rate=0.3)
    arguments = {"network": network(), "X": X, "Y": Y, "epochs": 9, "learning_rate": 0.3, **change}
    net = arguments.pop("network")
    start = bits(net.parameters)
    with pytest.raises(ValueError, match=sentence):
        fit(net, arguments.pop("X"), arguments.pop("Y"), resume=run, **arguments)
    assert bits(net.parameters) == start


def test_slopes_of_leaky_rectifiers_tell_networks_apart():
    X, Y = data()
    run = fit(network(activation=LeakyReLU(0.1)), X, Y, epochs=1, learning_rate=0.1)
    with pytest.raises(ValueError, match="resume: found a run with the network"):
        fit(network(activation=LeakyReLU(0.2)), X, Y, epochs=2, learning_rate=0.1, resume=run)


def test_names_and_folders_that_are_refused(tmp_path):
    X, Y = data()
    result = fit(network(), X, Y, epochs=1, learning_rate=0.1)
    with pytest.raises(ValueError, match=r"path: found 'run\.pkl', expected a name that ends in \.npz"):
        result.save(tmp_path / "run.pkl")
    with pytest.raises(FileNotFoundError):
        result.save(tmp_path / "nowhere" / "run.npz")
    with pytest.raises(FileNotFoundError):
        fit(network(), X, Y, epochs=2, learning_rate=0.1, resume=tmp_path / "nothing.npz")
