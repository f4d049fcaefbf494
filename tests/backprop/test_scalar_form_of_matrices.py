"""Code written out entry by entry takes an input of any shape."""

import numpy as np
from numpy.testing import assert_allclose

import backprop
from jacobians import Affine, Flatten, Sequential, Tanh

RNG = np.random.default_rng(0)


def test_the_entries_of_a_matrix_are_its_arguments():
    net = Sequential(Flatten(), Affine(RNG.normal(size=(3, 4)), RNG.normal(size=3)), Tanh())
    x = RNG.normal(size=(2, 2))
    compiled = backprop.compile(net, shape=(2, 2), form="scalars")
    assert compiled.form == "scalars"
    assert_allclose(compiled(x), net.jacobian(x).dense(), rtol=1e-12)
