"""The digits that are shipped are scikit-learn's copy, bit by bit."""

import gzip
from dataclasses import FrozenInstanceError
from importlib.resources import files

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from backprop.learning.datasets import Digits, load_digits, parse_digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits()


@pytest.fixture(scope="module")
def text() -> str:
    return gzip.decompress((files("backprop") / "data" / "digits.csv.gz").read_bytes()).decode("ascii")


def test_images_and_labels_equal_the_copy_of_scikit_learn_bit_by_bit(digits):
    images, labels = sklearn_datasets.load_digits(return_X_y=True)
    assert digits.images.dtype == images.dtype == np.float64
    assert digits.images.shape == images.shape == (1797, 64)
    assert digits.images.tobytes() == images.tobytes()
    assert digits.labels.dtype == np.int64
    assert digits.labels.shape == labels.shape == (1797,)
    assert digits.labels.tobytes() == labels.astype(np.int64).tobytes()


def test_scaling_is_exact_and_reaches_both_ends(digits):
    scaled = digits.scaled
    assert (scaled.min(), scaled.max()) == (0.0, 1.0)
    assert (scaled * 16).tobytes() == digits.images.tobytes()


def test_every_digit_is_there(digits):
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_nothing_can_be_written_to(digits):
    for array in (digits.images, digits.labels, digits.scaled):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        digits.labels = None


def test_two_loads_share_nothing(digits):
    assert not np.shares_memory(digits.images, load_digits().images)


def test_source_and_licence_are_named_in_the_object_and_beside_the_file(digits):
    readme = (files("backprop") / "data" / "README.md").read_text(encoding="utf-8")
    for fact in ("10.24432/C50P49", "Alpaydin", "Kaynak", "1998"):
        assert fact in digits.source
        assert fact in readme
    assert digits.licence == "CC BY 4.0"
    assert digits.licence in readme


def test_repr_does_not_print_the_images(digits):
    assert repr(digits) == "Digits(images: (1797, 64), labels: (1797,), licence: CC BY 4.0)"


def test_the_file_holds_no_time_and_no_name(text):
    packed = (files("backprop") / "data" / "digits.csv.gz").read_bytes()
    assert packed[4:8] == bytes(4)  # the time of packing: 0
    assert not packed[3] & 0x08  # no file name
    assert text.count("\n") == 1797


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda text: text[: len(text) // 2], "found"),
        (
            lambda text: text + text.splitlines()[0],
            r"found an array of shape \(1798, 65\), expected \(1797, 65\)",
        ),
        (
            lambda text: text.replace("16", "17", 1),
            r"found pixels 0 … 17 and labels 0 … 9, expected pixels 0 … 16",
        ),
        (lambda text: text.replace("0", "x", 1), "found rows that are not whole numbers"),
    ],
)
def test_a_damaged_file_is_refused(text, damage, found):
    with pytest.raises(RuntimeError, match=rf"digits\.csv\.gz: {found}.*reinstall the package"):
        parse_digits(damage(text))


def test_digits_of_what_is_no_array_are_refused_by_name():
    with pytest.raises(TypeError, match=r"^images: found {}, expected an instance of ndarray$"):
        Digits({}, np.zeros(3, dtype=int))
