"""What a structured Jacobian must not do: hold its dense form."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from jacobians import Affine


def test_weight_jacobian_of_a_large_layer_never_holds_more_than_a_few_copies_of_the_weights() -> None:
    n = 4096
    layer = Affine(np.ones((n, n)), None)
    x, row = np.arange(float(n)), np.arange(float(n))[None, :] + 1.0
    tracemalloc.start()
    try:
        jacobian = layer.jacobian(x, wrt="W")
        held_by_jacobian = tracemalloc.get_traced_memory()[1]
        product = row @ jacobian
        held_by_product = tracemalloc.get_traced_memory()[1]
        gradient = product.tensor("mixed")[0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    copy = n * n * 8
    assert jacobian.storage == n
    assert held_by_jacobian < copy / 20
    assert held_by_product < copy / 20
    assert peak < 3.5 * copy
    assert gradient.shape == (n, n)
    # ∂(uᵀWx)/∂W_jk = u_j x_k, entry by entry
    for j, k in ((0, 0), (3, 5), (n - 1, n - 2)):
        assert gradient[j, k] == row[0, j] * x[k]


def test_dense_form_of_a_4096_layer_is_refused_without_allocating() -> None:
    layer = Affine(np.zeros((4096, 4096)), None)
    jacobian = layer.jacobian(np.ones(4096), wrt="W")
    tracemalloc.start()
    try:
        with pytest.raises(MemoryError, match=r"512 GiB.*use matvec, rmatvec or @"):
            jacobian.dense()
        with pytest.raises(MemoryError, match="512 GiB"):
            jacobian.matrix(vec="column")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
