"""The parts of a report: settings and their sentences, bounded pictures, files that are written whole."""

import json
from pathlib import Path

import numpy as np
import pytest

from backprop import Chain
from backprop.report import Settings, pictures, report_network, to_json, write_files
from backprop.report.render import render_html
from backprop.report.tree_picture import draw_tree
from backprop.report.write import require_writable
from jacobians import Affine, Jacobian, ReLU, Sequential, Tanh
from jacobians.layers.activations import ACTIVATIONS
from jacobians.structures import Dense, Diagonal, Identity, Kronecker
from verification.optional_packages import require_extras

# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (
            {"layers": "63,10"},
            "layers: found a first layer of 63, expected 64, the pixels of a digit; begin with 64",
        ),
        ({"layers": "64,9"}, "layers: found a last layer of 9, expected 10, one output a digit; end with 10"),
        (
            {"layers": "64"},
            "layers: found 64, expected at least two sizes; write 64,10 for a network of one layer",
        ),
        (
            {"layers": "64,0,10"},
            "layers: found a size of 0 in 64,0,10, expected at least 1; leave the layer out",
        ),
        (
            {"layers": "64;32;10"},
            "layers: found '64;32;10', expected sizes with commas between; write 64,32,16,10, say",
        ),
        (
            {"layers": ""},
            "layers: found '', expected sizes with commas between; write 64,32,16,10, say",
        ),
        (
            {"layers": "64,1000000,10"},
            "layers: found 75,000,010 parameters in 64,1000000,10, expected at most 16,777,216, for each is checked; "
            "choose smaller layers, or plan without numbers by `backprop cost`",
        ),
        (
            {"activation": "tan"},
            f"activation: found 'tan', expected one of {', '.join(ACTIVATIONS)}; did you mean 'tanh'?",
        ),
        (
            {"loss": "hinge"},
            "loss: found 'hinge', expected one of 'softmax-cross-entropy', 'squared-error', 'mean-squared-error'",
        ),
        ({"seed": "-1"}, "seed: found -1, expected a whole number of at least 0; write 0"),
        (
            {"seed": "1.5"},
            "seed: found '1.5', expected a whole number of at most 18 digits; write 1, say",
        ),
        (
            {"batch": "0"},
            "batch: found 0, expected 1 to 360, the digits that training does not see; "
            "choose a number of points in this range",
        ),
        (
            {"batch": "361"},
            "batch: found 361, expected 1 to 360, the digits that training does not see; "
            "choose a number of points in this range",
        ),
        (
            {"epochs": "-3"},
            "epochs: found -3, expected at least 0; write 0 for a network without training",
        ),
        (
            {"learning_rate": "fast"},
            "learning_rate: found 'fast', expected a number; write 0.1, say",
        ),
        (
            {"learning_rate": "nan"},
            "learning_rate: found nan, expected a finite number above 0; write 0.1, say",
        ),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(texts, sentence):
    with pytest.raises(ValueError, match="found") as error:
        Settings.parse(**texts)
    assert str(error.value) == sentence


def test_settings_are_read_from_texts():
    settings = Settings.parse(
        layers="64, 5 ,10", activation="leaky-relu", loss="Squared_Error", seed="7", batch="360", epochs="0",
        learning_rate="1e-2",
    )  # fmt: skip
    assert settings == Settings((64, 5, 10), "leaky_relu", "squared-error", 7, 360, 0, 0.01)


# --- pictures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "jacobian",
    [
        Dense(np.arange(1.0, 13.0).reshape(3, 4)),
        Diagonal([1.0, -2.0, 3.0]),
        Identity(4),
        Kronecker(Identity(3), Dense([[1.0, 0.0, -2.0]])),
    ],
    ids=lambda jacobian: jacobian.structure,
)
@pytest.mark.parametrize("expanded", [True, False])
def test_a_small_picture_has_every_entry(monkeypatch, jacobian, expanded):
    monkeypatch.setattr(pictures, "LARGEST_EXPANDED", 2**22 if expanded else 0)
    assert (pictures.bounded_entries(jacobian) == jacobian.dense()).all()


def test_a_large_picture_has_the_largest_entries_of_evenly_spaced_rows():
    matrix = np.random.default_rng(0).standard_normal((30, 50))
    shown = pictures.bounded_entries(Dense(matrix), (7, 10))
    rows = np.linspace(0, 29, 7).round().astype(int)
    blocks = matrix[rows].reshape(7, 10, 5)
    assert shown.shape == (7, 10)
    assert (np.abs(shown) == np.abs(blocks).max(axis=-1)).all()
    assert (blocks == shown[..., None]).any(axis=-1).all()


def test_a_huge_jacobian_is_drawn_without_being_expanded(monkeypatch):
    def refuse(self, max_bytes=None):
        raise AssertionError("expanded")

    monkeypatch.setattr(Jacobian, "dense", refuse)
    layer = Affine(np.ones((256, 256)))
    entries = pictures.bounded_entries(layer.jacobian(np.ones(256), "W"))  # 256×65536: 128 MiB
    assert entries.shape == (256, 512)
    assert (entries == np.repeat(np.eye(256), 2, axis=1)).all()  # two pixels for a block of I ⊗ xᵀ


def test_batches_are_not_drawn():
    jacobian = Tanh().jacobian(np.zeros((2, 3)), batched=True)
    with pytest.raises(ValueError, match=r"jacobian: found batch axes \(2,\), expected one point; take one"):
        pictures.bounded_entries(jacobian)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: pictures.draw_jacobian(Diagonal([1.0, np.nan, -np.inf])),
        lambda: pictures.draw_jacobian(Dense(np.zeros((1, 1)))),
        lambda: pictures.draw_costs({"∂a/∂b": {"left": 0, "right": 10**40, "optimal": 0}}),
        lambda: draw_tree(Chain.from_shapes([(2, 3)]).plan()),
        lambda: draw_tree(Chain.from_shapes([(2, 2)] * 30).plan()),
        lambda: pictures.draw_training([2.0]),
    ],
    ids=["not finite", "zero", "huge cost", "one factor", "thirty factors", "one loss"],
)
def test_extremes_are_drawn(draw):
    svg = draw()
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "prefers-color-scheme" in svg


def test_nothing_is_not_drawn():
    with pytest.raises(ValueError, match="costs: found none, expected at least one derivative"):
        pictures.draw_costs({})
    with pytest.raises(ValueError, match="losses: found none, expected at least one epoch"):
        pictures.draw_training([])


# --- files -----------------------------------------------------------------------------------------------


def test_files_are_written_and_nothing_else_stays(tmp_path):
    place = tmp_path / "new" / "report"
    paths = write_files(place, {"a.txt": "α\n", "b.txt": "β\n"})
    assert [path.read_text(encoding="utf-8") for path in paths] == ["α\n", "β\n"]
    assert sorted(path.name for path in place.iterdir()) == ["a.txt", "b.txt"]


def test_a_failure_on_the_way_leaves_every_old_file_as_it_was(tmp_path):
    write_files(tmp_path, {"a.txt": "old a", "b.txt": "old b"})
    with pytest.raises(UnicodeEncodeError):
        write_files(tmp_path, {"a.txt": "new a", "b.txt": "\ud800"})
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {
        "a.txt": "old a",
        "b.txt": "old b",
    }


def test_a_full_disk_leaves_every_old_file_as_it_was(tmp_path, monkeypatch):
    write_files(tmp_path, {"a.txt": "old a", "b.txt": "old b"})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backprop.report.write.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_files(tmp_path, {"a.txt": "new a", "b.txt": "new b"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old a"


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("kept", encoding="utf-8")
    for place in (file, file / "below"):
        with pytest.raises(OSError, match=f"found the file {file}, expected a directory; choose another"):
            require_writable(place)
    (tmp_path / "report.md").mkdir()
    with pytest.raises(
        OSError, match=r"found a directory .*report\.md, expected a file or nothing; move it away"
    ):
        require_writable(tmp_path, ("report.html", "report.md"))
    monkeypatch.setattr("backprop.report.write.os.access", lambda path, mode: False)
    with pytest.raises(OSError, match="which may not be written to; choose another directory"):
        require_writable(tmp_path / "new" / "place")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.md"]


def test_json_refuses_what_json_has_no_word_for():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"ratio": float("inf")})
    assert json.loads(to_json({"ratio": "∞"}, ascii_only=True)) == {"ratio": "∞"}
    assert to_json({"ratio": "∞"}, ascii_only=True).isascii()


def test_a_missing_package_is_named_with_the_way_to_get_it():
    with pytest.raises(ImportError) as error:
        require_extras("report,cli", "numpy", "no_such_one", "no_such_two")
    assert str(error.value) == (
        "found no no_such_one, no no_such_two, expected installed packages; "
        'run pip install "explicit-jacobians[report,cli]"'
    )


def test_templates_are_inside_the_package():
    import backprop.report

    templates = Path(backprop.report.__file__).parent / "templates"
    assert sorted(path.name for path in templates.iterdir()) == [
        "document.tex.j2",
        "report.html.j2",
        "report.md.j2",
        "report.tex.j2",
    ]


# --- what checks look like -------------------------------------------------------------------------------


def test_a_network_without_relative_errors_has_no_curve():
    dead = Sequential(Affine(-np.eye(2), None), ReLU())  # its Jacobian is 0
    page = render_html(report_network(dead, [1.0, 2.0]))
    assert "Errors of forward and central differences" not in page
    assert "Heat map of the errors of" not in page  # nothing deviates


def test_a_kink_has_the_picture_of_its_errors():
    page = render_html(report_network(ReLU(), [0.0, 2.0]))
    assert "Heat map of the errors of ∂(ReLU)/∂input, which is undecided" in page
    assert "each Jacobian that is not right deviates" in page
