"""A state file from anywhere is loaded right, or refused by one ValueError with its name, within the budget."""

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest

from backprop import MLP, fit
from backprop.cli import main
from backprop.learning.state import load_state, save_state

X = np.random.default_rng(0).standard_normal((10, 3))
Y = (X.sum(axis=1) > 0).astype(int)
OPTIONS = {"learning_rate": 0.3, "momentum": 0.5, "batch_size": 4, "validation": (X[:4], Y[:4])}


def network() -> MLP:
    return MLP.initialize([3, 4, 2], seed=1)


STATE = fit(network(), X, Y, epochs=2, **OPTIONS).state


@pytest.fixture
def path(tmp_path):
    save_state(STATE, tmp_path / "run.npz")
    return tmp_path / "run.npz"


def parts(path):
    """Return the facts and arrays of a file as NumPy reads them."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("facts"))), arrays


def write(path, facts, arrays, *, compressed=False):
    text = facts if isinstance(facts, str) else json.dumps(facts)
    save = np.savez_compressed if compressed else np.savez
    save(path, **{"facts": np.array(text), **arrays})


def bits(state):
    arrays = [
        {name: (value.dtype.str, value.shape, value.tobytes()) for name, value in group.items()}
        for group in (state.parameters, state.velocity, state.best_parameters)
    ]
    return state.network, state.data, asdict(state.settings), [asdict(e) for e in state.history], arrays


def refusal(path) -> str:
    """Return the one sentence of a refusal, which allocates nearly nothing."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^run\.npz: found no state") as caught:
            load_state(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert sentence.startswith(f"{path.name}: found no state of a training run, or a damaged one (")
    assert sentence.endswith("), expected a file that TrainingResult.save wrote")
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert peak < 8 * 1024**2
    return sentence


def npy(shape: str, descr: str = "'<f8'", data: bytes = b"") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


# --- what is announced -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("(1000000, 1000000)", "announces shape (1000000, 1000000) and dtype float64, and has"),
        ("(12500000000,)", "announces shape (12500000000,)"),
        ("(4294967296, 4294967296)", "announces shape (4294967296, 4294967296)"),
        ("(-4, -3)", "announces shape (-4, -3)"),
        (f"({'9' * 5000},)", "the header of 'parameters:3.W' says no shape"),
        (f"{'(' * 3000}", "the header of 'parameters:3.W' says no shape"),
        (f"{'(' * 60000}", "the header of 'parameters:3.W' says no shape"),
        ("(4.0, 3)", "the header of 'parameters:3.W' says no shape"),
    ],
)
@pytest.mark.parametrize("compressed", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_that_a_header_announces_are_not_allocated(path, shape, reason, compressed):
    with zipfile.ZipFile(path, "a", compressed) as archive:
        archive.writestr("parameters:3.W.npy", npy(shape, data=bytes(96)))
    assert reason in refusal(path)


def test_a_bomb_is_not_unpacked(path):
    facts, arrays = parts(path)
    for group in ("parameters", "velocity", "best_parameters"):
        arrays[f"{group}:9.W"] = np.zeros((1000, 4000))
    write(path, facts, arrays, compressed=True)
    assert path.stat().st_size < 300_000
    assert "of arrays, more than the" in refusal(path)


def test_what_the_directory_announces_is_not_allocated(path):
    raw = bytearray(path.read_bytes())
    place = raw.rindex(b"PK\x01\x02")
    raw[place + 24 : place + 28] = struct.pack("<I", 0xF0000000)  # the size unpacked, of the last entry
    path.write_bytes(raw)
    assert "of arrays, more than the" in refusal(path)


def test_compressed_files_of_honest_sizes_are_read(path):
    facts, arrays = parts(path)
    write(path, facts, arrays, compressed=True)
    assert bits(load_state(path)) == bits(STATE)


def test_arrays_in_fortran_order_are_read(path):
    facts, arrays = parts(path)
    write(path, facts, {name: np.asfortranarray(value) for name, value in arrays.items()})
    loaded = load_state(path)
    for name, value in STATE.parameters.items():
        np.testing.assert_array_equal(loaded.parameters[name], value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("velocity:0.W.npy", archive.read("velocity:0.W.npy"))
    assert "'velocity:0.W' is in it twice" in refusal(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_compression_are_refused(path, method):
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    assert "compressed by a method other than deflate" in refusal(path)


# --- arrays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"velocity:0.W": None}, "velocity and parameters differ: 0.W is missing"),
        (
            {"parameters:0.b": None},
            "velocity and parameters differ: found '0.b', expected only 0.W, 2.W, 2.b",
        ),
        ({"velocity:9.W": np.eye(2)}, "velocity and parameters differ: found '9.W'"),
        ({"other": np.eye(2)}, "'other' is no array of a state"),
        ({"parameters:": np.eye(2)}, "'parameters:' is no array of a state"),
        (
            {"best_parameters:0.W": np.eye(3)},
            "best_parameters and parameters differ: 0.W: found shape (3, 3)",
        ),
        ({"velocity:0.b": np.zeros(4, "float32")}, "found shape (4,) and dtype float32, expected shape (4,)"),
        ({"parameters:0.W": np.zeros((4, 3), complex)}, "'parameters:0.W' has dtype complex128"),
        ({"parameters:0.W": np.full((4, 3), "text")}, "'parameters:0.W' has dtype <U4"),
        ({"parameters:0.W": np.full((4, 3), b"text")}, "'parameters:0.W' has dtype |S4"),
        ({"parameters:0.W": np.full((4, 3), None)}, "'parameters:0.W' holds pickled objects"),
        ({"parameters:0.W": np.zeros((4, 3), int)}, "'parameters:0.W' has dtype int64"),
        ({"parameters:0.W": np.zeros((4, 3), ">f8")}, "'parameters:0.W' has dtype >f8"),
        ({"velocity:0.W": np.full((4, 3), np.nan)}, "'velocity:0.W' is not finite"),
        ({"parameters:0.W": np.full((4, 3), np.inf)}, "'parameters:0.W' is not finite"),
        ({"facts": np.array(["a", "b"])}, "'facts' has shape (2,)"),
        ({"facts": np.array(b"{}")}, "'facts' has shape () and dtype |S2"),
        ({"facts": None}, "the text 'facts' is missing"),
    ],
)
def test_arrays_that_no_run_leaves_are_refused_by_name(path, change, reason):
    facts, arrays = parts(path)
    arrays = {"facts": np.array(json.dumps(facts)), **arrays, **change}
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    assert reason in refusal(path)


def test_a_state_without_parameters_is_refused(path):
    write(path, parts(path)[0], {})
    assert "it has no parameters" in refusal(path)


# --- facts -----------------------------------------------------------------------------------------------


def changed(facts, keys, value):
    """Return facts with another value at a place; `...` takes it out."""
    copy = json.loads(json.dumps(facts))
    inner = copy
    for key in keys[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (
            ["settings", "learning_rate"],
            "fast",
            "learning_rate: found 'fast', expected a finite number above 0",
        ),
        (["settings", "learning_rate"], "0.3", "learning_rate: found '0.3', expected a finite number"),
        (["settings", "learning_rate"], True, "learning_rate: found True, expected a finite number"),
        (["settings", "learning_rate"], -1.0, "learning_rate: found -1.0, expected a finite number above 0"),
        (["settings", "learning_rate"], [1.0], "learning_rate: found [1.0], expected"),
        (["settings", "momentum"], 1.5, "momentum: found 1.5, expected a number from 0 to below 1"),
        (["settings", "batch_size"], 0, "batch_size: found 0, expected an integer of at least 1"),
        (["settings", "batch_size"], 2.5, "batch_size: found 2.5, expected an integer of at least 1"),
        (
            ["settings", "sampling"],
            ["shuffle"],
            "sampling: found ['shuffle'], expected one of 'shuffle', 'uniform'",
        ),
        (["settings", "seed"], None, "seed: found None, expected an integer of at least 0"),
        (["settings", "patience"], "long", "patience: found 'long', expected an integer of at least 1"),
        (["settings", "seed"], ..., "settings: seed is missing"),
        (["settings", "rate"], 1, "settings: 'rate' is no fact of a run"),
        (["settings"], [], "settings: [] stands for named facts"),
        (["history"], [], "history is no list of epochs"),
        (["history"], {}, "history is no list of epochs"),
        (["history"], ..., "the facts: history is missing"),
        (["history", 1], 3, "history[1]: 3 stands for named facts"),
        (["history", 1, "number"], "zero", "history[1]: number is 'zero', and not 1"),
        (["history", 0, "number"], None, "history[0]: number is None, and not 0"),
        (["history", 2, "number"], [1, 2], "history[2]: number is [1, 2], and not 2"),
        (["history", 1, "number"], True, "history[1]: number is True, and not 1"),
        (["history", 1, "number"], 1.0, "history[1]: number is 1.0, and not 1"),
        (["history", 1, "loss"], float("nan"), "history[1]: loss is nan"),
        (["history", 1, "loss"], float("inf"), "history[1]: loss is inf"),
        (
            ["history", 1, "validation_loss"],
            float("nan"),
            "history[1]: validation_loss is nan, and not a finite",
        ),
        (
            ["history", 1, "validation_loss"],
            float("inf"),
            "history[1]: validation_loss is inf, and not a finite",
        ),
        (
            ["history", 0, "validation_loss"],
            -float("inf"),
            "history[0]: validation_loss is -inf, and not a fin",
        ),
        (["history", 1, "validation_loss"], "1.0", "history[1]: validation_loss is '1.0', and not a number"),
        (["history", 1, "validation_loss"], "infinity", "history[1]: validation_loss is 'infinity', and not"),
        (["history", 1, "validation_accuracy"], float("nan"), "history[1]: validation_accuracy is nan"),
        (["history", 1, "validation_accuracy"], "nan", "history[1]: validation_accuracy is 'nan', and not"),
        (["history", 1, "loss"], "inf", "history[1]: loss is 'inf', and not a number"),
        (["history", 1, "loss"], None, "history[1]: loss is missing"),
        (["history", 0, "loss"], None, "history[0]: loss is missing"),
        (["history", 1, "loss"], "1.0", "history[1]: loss is '1.0', and not a number"),
        (["history", 1, "accuracy"], 1.5, "history[1]: accuracy is 1.5, and not a share"),
        (["history", 1, "validation_loss"], None, "history[1]: validation_loss is missing"),
        (["history", 0, "validation_loss"], None, "history[1]: validation_loss is"),
        (["network"], 3, "network is no text"),
        (["data"], None, "data is no text"),
        (["format"], "explicit-jacobians training state 2", "the format is not"),
        (["more"], 1, "the facts: 'more' is no fact of a run"),
    ],
)
def test_facts_that_no_run_leaves_are_refused_by_name(path, keys, value, reason):
    facts, arrays = parts(path)
    write(path, changed(facts, keys, value), arrays)
    assert f"({reason}" in refusal(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"seed": 0', '"seed": 0, "seed": 1', "the key 'seed' is in it twice"),
        ('"seed": 0', f'"seed": {"9" * 5000}', "a number has 5,000 digits"),
        ('"momentum": 0.5', '"momentum": 1e999', "the number '1e999' is beyond the floats"),
        ('"seed": 0', f'"seed": {"[" * 200_000}', "its facts are nested too deeply"),
        ('"seed": 0', f'"seed": {"[" * 200_000 + "]" * 200_000}', "its facts are nested too deeply"),
        ('"seed": 0', '"seed": ', "its facts are no JSON"),
        ("{", "", "its facts are no JSON"),
    ],
)
def test_texts_that_no_run_leaves_are_refused(path, old, new, reason):
    facts, arrays = parts(path)
    write(path, json.dumps(facts).replace(old, new, 1), arrays)
    assert reason in refusal(path)


@pytest.mark.parametrize("text", ["", "null", "[]", "3", "NaN", '"text"', "{}", "\udcff"])
def test_facts_that_are_junk_are_refused(path, text):
    write(path, text, parts(path)[1])
    refusal(path)


@pytest.mark.parametrize("loss", [float("inf"), -float("inf"), float("nan")])
def test_a_validation_loss_that_overflowed_is_kept_and_is_json(path, loss):
    history = (*STATE.history[:-1], replace(STATE.history[-1], validation_loss=loss))
    save_state(replace(STATE, history=history), path)
    assert repr(load_state(path).history) == repr(history)
    with np.load(path) as file:
        json.loads(str(file["facts"]), parse_constant=pytest.fail)


# --- damage ----------------------------------------------------------------------------------------------


def outcome(path):
    """Return the state of a file, or the sentence of its refusal; any other error ends the test."""
    try:
        return load_state(path)
    except ValueError as error:
        return str(error)


def harmless(path) -> bool:
    """Return whether a damaged file is loaded as what it was; otherwise it is refused by name."""
    found = outcome(path)
    if isinstance(found, str):
        assert found.startswith("run.npz: found no state of a training run, or a damaged one (")
        return False
    assert bits(found) == bits(STATE)
    return True


@pytest.mark.parametrize("compressed", [False, True])
def test_flipped_bytes_are_refused_or_change_nothing(path, compressed):
    facts, arrays = parts(path)
    write(path, facts, arrays, compressed=compressed)
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    ends = range(len(whole) - 1400, len(whole))  # the directory, whose every byte counts
    loaded = []
    for place in [*random.integers(len(whole), size=300), *ends]:
        raw = bytearray(whole)
        raw[place] ^= 1 << random.integers(8)
        path.write_bytes(raw)
        loaded.append(harmless(path))
    assert 0 < sum(loaded) < len(loaded)


@pytest.mark.parametrize("compressed", [False, True])
def test_truncated_files_are_refused(path, compressed):
    facts, arrays = parts(path)
    write(path, facts, arrays, compressed=compressed)
    whole = path.read_bytes()
    for length in np.random.default_rng(4).integers(len(whole), size=150):
        path.write_bytes(whole[:length])
        assert not harmless(path)


def test_damaged_streams_with_the_right_checksums_are_refused(path):
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        name = random.choice(list(held))
        data = bytearray(held[name])
        data[random.integers(min(len(data), 130))] = random.integers(256)
        if data == held[name]:
            continue
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for own, value in {**held, name: bytes(data)}.items():
                archive.writestr(own, value)
        path.write_bytes(file.getvalue())
        found = outcome(path)  # numbers may be others: nothing tells
        if isinstance(found, str):
            refused += 1
            assert found.startswith("run.npz: found no state")
    assert refused > 100


def test_a_stream_that_is_no_deflate_is_refused(path):
    facts, arrays = parts(path)
    write(path, facts, arrays, compressed=True)
    raw = path.read_bytes()
    name = b"velocity:0.W.npy"
    place = raw.index(name) + len(name)
    path.write_bytes(raw[:place] + bytes(255 - byte for byte in raw[place : place + 60]) + raw[place + 60 :])
    with pytest.raises(ValueError, match=r"run\.npz: ") as caught:
        load_state(path)
    assert isinstance(caught.value.__cause__.__cause__, zlib.error | zipfile.BadZipFile)


# --- another network, another call -----------------------------------------------------------------------


@pytest.mark.parametrize("group", ["parameters", "velocity", "best_parameters"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"0.b": None}, "0.b is missing"),
        ({"9.W": np.eye(2)}, "found '9.W', expected only 0.W, 0.b, 2.W, 2.b"),
        ({"0.W": np.eye(3)}, "0.W: found shape (3, 3) and dtype float64, expected shape (4, 3)"),
        ({"0.b": np.zeros(4, "float32")}, "0.b: found shape (4,) and dtype float32, expected shape (4,)"),
        ({"0.b": "text"}, "0.b: found shape () and dtype <U4"),
    ],
)
def test_arrays_are_compared_with_those_of_the_network(group, change, sentence):
    arrays = {name: value for name, value in {**getattr(STATE, group), **change}.items() if value is not None}
    net = network()
    start = {name: value.tobytes() for name, value in net.parameters.items()}
    with pytest.raises(ValueError, match=f"^resume: found {group} of another network: ") as caught:
        fit(net, X, Y, epochs=9, resume=replace(STATE, **{group: arrays}), **OPTIONS)
    assert sentence in str(caught.value)
    assert {name: value.tobytes() for name, value in net.parameters.items()} == start


def test_a_file_whose_arrays_are_of_another_network_is_not_resumed(path):
    facts, arrays = parts(path)
    for group in ("parameters", "velocity", "best_parameters"):
        del arrays[f"{group}:2.b"]
    write(path, facts, arrays)
    with pytest.raises(ValueError, match=r"resume: found parameters of another network: 2\.b is missing"):
        fit(network(), X, Y, epochs=9, resume=path, **OPTIONS)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--seed", "7", "--seed: found 7, expected 0, as in the run to resume"),
        ("--momentum", "0.5", "--momentum: found 0.5, expected 0.0, as in the run to resume"),
        ("--batch-size", "99", "--batch-size: found 99, expected 32, as in the run to resume"),
    ],
)
def test_the_command_names_the_option_that_differs(capsys, tmp_path, option, value, sentence):
    run = str(tmp_path / "run.npz")
    call = ["train", "--layers", "64,10", "--quiet"]
    assert main([*call, "--epochs", "1", "--output", run]) == 0
    assert main([*call, "--epochs", "2", "--resume", run, option, value]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"backprop train: {sentence}; ")
