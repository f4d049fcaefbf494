"""The picture of one Jacobian."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import backprop
from jacobians.structures import Diagonal, Kronecker


def test_a_picture_is_svg_that_notebooks_show_and_files_keep(tmp_path: Path) -> None:
    drawn = backprop.picture(Diagonal([1.0, -2.0]))
    assert ElementTree.fromstring(drawn.svg).tag.endswith("svg")
    assert drawn._repr_svg_() == drawn.svg
    assert drawn.save(tmp_path / "one.svg").read_text(encoding="utf-8") == drawn.svg
    assert [path.name for path in tmp_path.iterdir()] == ["one.svg"]


def test_a_large_jacobian_is_drawn_without_expanding_it() -> None:
    drawn = backprop.picture(Kronecker(np.eye(300), np.ones((1, 3000))))
    assert len(drawn.svg) < 1_000_000


def test_what_is_no_jacobian_of_one_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match="jacobian: found ndarray, expected a Jacobian; wrap a matrix in Dense"
    ):
        backprop.picture(np.eye(2))
    with pytest.raises(ValueError, match=r"jacobian: found batch_shape \(2,\), expected one point"):
        backprop.picture(Diagonal([[1.0], [2.0]]))
    with pytest.raises(ValueError, match=r"path: found 'one\.png', expected a name that ends in \.svg"):
        backprop.picture(Diagonal([1.0])).save(tmp_path / "one.png")
