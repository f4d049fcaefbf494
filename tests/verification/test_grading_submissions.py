"""What is handed in: files, notebooks, folders and archives; and drivers that open them."""

import gzip
import io
import json
import os
import stat
import struct
import tarfile
import zipfile

import pytest

from verification.grading import AssignmentError, grade, load_assignment, to_gradescope, to_table
from verification.grading import submissions as reading
from verification.grading.answers import Fault
from verification.grading.containment.loading import python_of
from verification.grading.submissions import read_submissions

ASSIGNMENT = """
[assignment]
reference = "reference.py"

[[function]]
name = "double"
arguments = ["x"]
reference = "double"
form = "value"

[[function.point]]
values = { x = [1.0, 2.0] }
"""
RIGHT = "def double(x):\n    return 2 * x\n"
PACKAGE = {
    "hw.py": "from nets.layers import times\ndef double(x):\n    return times(x)\n",
    "nets/__init__.py": "",
    "nets/layers.py": "def times(x):\n    return 2 * x\n",
}


@pytest.fixture
def assigned(tmp_path):
    def assigned(changes=""):
        (tmp_path / "reference.py").write_text(RIGHT, encoding="utf-8")
        text = ASSIGNMENT.replace("[assignment]", f"[assignment]\n{changes}")
        (tmp_path / "a.toml").write_text(text, encoding="utf-8")
        return tmp_path / "a.toml"

    return assigned


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def tarred(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def unpacked(path, files):
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def sentence_of(path, entry=""):
    (found,) = read_submissions([path], [], entry).values()
    assert isinstance(found, Fault), found
    return found.sentence


# --- packages ----------------------------------------------------------------------------------------------


def test_a_package_is_marked_as_folder_zip_and_tar(assigned, tmp_path):
    inside = {f"hw1-main/{name}": text for name, text in PACKAGE.items()}
    paths = [
        unpacked(tmp_path / "ann", PACKAGE),
        zipped(tmp_path / "bob.zip", PACKAGE),
        tarred(tmp_path / "eve.tar.gz", PACKAGE),
        zipped(tmp_path / "github.zip", inside | {"__MACOSX/._hw.py": "", "hw1-main/.git/config": ""}),
    ]
    results = grade(assigned('entry = "hw.py"'), paths)
    assert [result.marks for result in results] == [1.0] * 4, to_table(results)
    alone = grade(assigned(), paths[:1])
    assert alone[0].passed


def test_an_entry_inside_a_package_is_imported_as_its_part(assigned, tmp_path):
    files = {
        "nets/__init__.py": "",
        "nets/a.py": "from .b import two\ndef double(x): return two * x",
        "nets/b.py": "two = 2",
    }
    (result,) = grade(assigned('entry = "nets/a.py"'), [zipped(tmp_path / "a.zip", files)])
    assert result.passed, result.items


def test_an_error_in_a_package_names_file_and_line(assigned, tmp_path):
    files = PACKAGE | {"nets/layers.py": "def times(x):\n    return x.nothing\n"}
    (result,) = grade(assigned('entry = "hw.py"'), [zipped(tmp_path / "a.zip", files)])
    assert "it raised AttributeError in line 2 of nets/layers.py: " in result.items[0].feedback


def test_an_entry_that_is_missing_or_not_the_only_one_is_told(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.py": "", "b.py": ""})
    assert sentence_of(path, "hw.py") == (
        "not marked: found no hw.py in it, expected that file; it holds a.py, b.py"
    )
    assert "found 2 files of code at its top, expected one" in sentence_of(path)
    assert "found no ordinary file, expected Python code" in sentence_of(zipped(tmp_path / "b.zip", {}))
    assert "found 0 files of code" in sentence_of(zipped(tmp_path / "c.zip", {"a.txt": ""}))


def test_a_zip_that_is_packed_in_a_rare_way_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("hw.py", RIGHT)
    assert "found 'hw.py' packed in a rare way, expected an ordinary zip" in sentence_of(tmp_path / "a.zip")


# --- hostile archives --------------------------------------------------------------------------------------


def test_links_are_refused_wherever_they_are(tmp_path):
    folder = unpacked(tmp_path / "f", {"hw.py": RIGHT})
    (folder / "data").symlink_to("/etc")
    assert sentence_of(folder) == "not marked: found the link 'data', expected files alone"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("hw.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "found 'hw.py', a link or a device" in sentence_of(tmp_path / "a.zip")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
            entry = tarfile.TarInfo("hw.py")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        assert "found 'hw.py', a link or a device" in sentence_of(tmp_path / "a.tar.gz")


@pytest.mark.parametrize("name", ["../hw.py", "/hw.py", "a/../../hw.py", "a\\..\\hw.py"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_path_that_leaves_the_submission_is_refused(tmp_path, name, make):
    path = make(tmp_path / ("a.zip" if make is zipped else "a.tar.gz"), {name: RIGHT})
    assert "expected one inside the submission" in sentence_of(path)


def test_what_is_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST_PACKAGE", 1 << 16)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw.py", b"#" * (1 << 24))
    assert "found more than 65,536 bytes in it" in sentence_of(tmp_path / "bomb.zip")
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(b"\0" * (1 << 24)))
    assert "found more than 131,072 bytes in it" in sentence_of(tmp_path / "bomb.tar.gz")
    folder = unpacked(tmp_path / "f", {"hw.py": "#" * (1 << 17)})
    assert "found more than 65,536 bytes in it" in sentence_of(folder)


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path):
    path = tmp_path / "lie.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hw.py", b"#" * 100_000)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2")
    struct.pack_into("<I", data, place + 24, 10)  # the size in the directory
    path.write_bytes(data)
    assert sentence_of(path).startswith("not marked: ")


def test_more_files_than_anybody_needs_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {f"{k}.py": "" for k in range(1001)})
    assert "found more than 1000 files" in sentence_of(path)
    assert "found the path" in sentence_of(zipped(tmp_path / "b.zip", {"a": "", "a/b.py": ""}))


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tgz"])
def test_bytes_that_are_no_archive_touch_nobody_else(assigned, tmp_path, name):
    (tmp_path / name).write_bytes(os.urandom(5000))
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    broken, right = grade(assigned(), [tmp_path / name, tmp_path / "right.py"])
    assert right.passed
    assert broken.items[0].feedback.startswith("no answer: not marked: the ")


# --- notebooks ---------------------------------------------------------------------------------------------


def notebook(path, *cells):
    document = {"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "# no code ("}]}
    document["cells"] += [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_notebook_is_run_cell_by_cell(assigned, tmp_path):
    path = notebook(
        tmp_path / "hw.ipynb",
        "%matplotlib inline\nimport numpy as np\n!pip install nothing",
        "%%bash\nrm -r /",
        "factor = 2\n1 / 0",
        "files = !ls\nfor file in files or []:\n    !rm $file",
        "display(factor)\ndef double(x):\n    return factor * x\nnp.zeros?",
    )
    (result,) = grade(assigned(), [path])
    assert result.passed, result.items
    assert result.remarks == ("cell 3 raised ZeroDivisionError in line 2 of cell 3: division by zero",)
    assert result.remarks[0] in to_table([result], items=True)
    assert result.remarks[0] in to_gradescope(result)["output"]


def test_a_cell_that_raised_is_named_where_a_function_is_missing(assigned, tmp_path):
    path = notebook(tmp_path / "hw.ipynb", "undefined\ndef double(x): return 2 * x")
    table = to_table(grade(assigned(), [path]))
    assert "the submission defines no function double; cell 1 raised NameError in line 1 of cell 1" in table


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"cells": 3}', '{"cells": [3]}', "[" * 10000])
def test_a_notebook_that_is_none_cannot_be_imported(assigned, tmp_path, text):
    (tmp_path / "hw.ipynb").write_text(text, encoding="utf-8")
    (result,) = grade(assigned(), [tmp_path / "hw.ipynb"])
    assert "the submission can't be imported: ValueError" in result.items[0].feedback
    assert "found no list of cells, expected a notebook of nbformat 4" in result.items[0].feedback


def test_a_remainder_at_the_beginning_of_a_line_is_no_magic():
    assert python_of("x = (7\n  % 4)") == "x = (7\n  % 4)"
    assert python_of("s = '''\n%d ?\n'''") == "s = '''\n%d ?\n'''"
    assert python_of("x = 1\n%timeit f(x)\ny = 2") == "x = 1\n\ny = 2"


# --- drivers -----------------------------------------------------------------------------------------------

CLASSES = """
class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, A):
        self.A = A
        return A @ self.W.T + self.b
    def backward(self, dLdZ):
        self.dLdW, self.dLdb = dLdZ.T @ self.A, dLdZ.sum(axis=0)
        return dLdZ @ self.W
"""
DRIVERS = """
def linear(hw, W, b, A, dLdZ):
    layer = hw.Linear(W, b)
    layer.forward(A)
    return {"dLdA": layer.backward(dLdZ), "dLdW": layer.dLdW, "dLdb": layer.dLdb}
"""
DRIVEN = """
[assignment]
reference = "reference.py"
drivers = "drivers.py"

[[function]]
name = "linear"
driver = "linear"
arguments = ["W", "b", "A", "dLdZ"]
returns = ["dLdA", "dLdW", "dLdb"]
form = "value"

[[function.point]]
marks = 3
seed = 1
shapes = { W = [2, 3], b = [2], A = [4, 3], dLdZ = [4, 2] }
"""


def driven(tmp_path, code, changes=("", "")):
    (tmp_path / "reference.py").write_text(CLASSES, encoding="utf-8")
    (tmp_path / "drivers.py").write_text(DRIVERS, encoding="utf-8")
    (tmp_path / "a.toml").write_text(DRIVEN.replace(*changes), encoding="utf-8")
    (tmp_path / "s.py").write_text(code, encoding="utf-8")
    (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
    return result


def test_a_driver_opens_classes(tmp_path):
    assert driven(tmp_path, CLASSES).passed
    wrong = driven(tmp_path, CLASSES.replace("dLdZ.sum(axis=0)", "dLdZ.mean(axis=0)"))
    assert [item.marks for item in wrong.items] == [1.0, 1.0, 0.0]
    missing = driven(tmp_path, "x = 1")
    assert (
        "it raised AttributeError: module 'submission' has no attribute 'Linear'" in missing.items[0].feedback
    )


def test_the_reference_is_confirmed_through_the_driver_too(tmp_path):
    (tmp_path / "reference.py").write_text(
        CLASSES + "\ndef affine(W, b, A):\n    return A @ W.T + b\n", encoding="utf-8"
    )
    (tmp_path / "drivers.py").write_text(DRIVERS, encoding="utf-8")
    text = DRIVEN.replace('form = "value"', 'form = "vjp"\nupstream = "dLdZ"\nforward = "affine"').replace(
        '["dLdA", "dLdW", "dLdb"]',
        '[{ name = "dLdA", wrt = "A" }, { name = "dLdW", wrt = "W" }, { name = "dLdb", wrt = "b" }]',
    )
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    (tmp_path / "s.py").write_text(CLASSES, encoding="utf-8")
    (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
    assert result.passed


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('drivers = "drivers.py"', 'drivers = "none.py"', "drivers: found 'none.py', expected the name of"),
        ('drivers = "drivers.py"', 'drivers = "reference.py"', "drivers: found the reference, expected a file of"),
        ('drivers = "drivers.py"', "", "driver: found 'linear', expected a function of the file of drivers; name its"),
        ('reference = "reference.py"', "", "expected a reference in [assignment] that the driver can open"),
        ("[assignment]", '[assignment]\nentry = "../hw.py"', "entry: found '../hw.py', expected a text"),
    ],
)  # fmt: skip
def test_drivers_and_entries_that_make_no_sense_are_refused(tmp_path, old, new, sentence):
    (tmp_path / "reference.py").write_text(CLASSES, encoding="utf-8")
    (tmp_path / "drivers.py").write_text(DRIVERS, encoding="utf-8")
    (tmp_path / "a.toml").write_text(DRIVEN.replace(old, new), encoding="utf-8")
    with pytest.raises(AssignmentError) as caught:
        load_assignment(tmp_path / "a.toml")
    assert sentence in str(caught.value)
