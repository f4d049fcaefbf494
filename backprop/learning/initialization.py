"""The start of a network: its sizes, and random first weights of a variance that fits the activation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from jacobians import Elementwise, Function
from jacobians.numerics.arguments import checked_integer, checked_names
from jacobians.numerics.arrays import Array, require_budget


def layer_sizes(sizes: Any) -> list[int]:
    """Return the sizes of a network as Python integers: at least two, each at least 1.

    Raises
    ------
    TypeError, ValueError
        If they are anything else.

    Examples
    --------
    >>> layer_sizes((2, 3, 1))
    [2, 3, 1]
    """
    listed = checked_names(sizes, "sizes", "integers such as [2, 3, 1]")
    counts = [checked_integer(size, f"sizes[{place}]") for place, size in enumerate(listed)]
    if len(counts) < 2:
        raise ValueError(f"sizes: found {counts}, expected at least two: inputs and outputs")
    return counts


def first_layers(
    counts: Sequence[int], between: Function, last: Function | None, seed: int, dtype: Any
) -> list[tuple[Array, Array]]:
    """Return the first weights (h, n) and biases (h,) of all layers, once each is known to be within the budget.

    Raises
    ------
    MemoryBudgetError
        If the weights of one layer, drawn in float64, would take more than 2 GiB.

    Examples
    --------
    >>> from jacobians import Tanh
    >>> [(W.shape, b) for W, b in first_layers([3, 1], Tanh(), None, 0, np.float32)]
    [((1, 3), array([0.], dtype=float32))]
    """
    for place, (n, h) in enumerate(pairwise(counts)):
        require_budget(
            (h, n), 8, f"the weights of layer {place}", f"take smaller sizes[{place}] or sizes[{place + 1}]"
        )
    random = np.random.default_rng(seed)
    following = [*(between for _ in counts[2:]), last]
    return [
        (first_weights(random, n, h, activation).astype(dtype), np.zeros(h, dtype=dtype))
        for (n, h), activation in zip(pairwise(counts), following, strict=True)
    ]


def first_weights(random: np.random.Generator, n: int, h: int, following: Function | None) -> Array:
    """Return the first weights (h, n) of a layer from n to h units.

    Before a rectifier (ReLU and its smooth kin) they are normal with variance 2/n (He et al., "Delving deep into
    rectifiers", 2015; 2/(n(1 + slope²)) for the leaky one), else uniform in ±√(6/(n + h)) (Glorot and Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", 2010).

    Parameters
    ----------
    random : numpy.random.Generator
        Where the numbers come from.
    n, h : int
        The numbers of inputs and of units.
    following : Function or None
        The activation of the layer, None if it is affine only.

    Examples
    --------
    >>> W = first_weights(np.random.default_rng(0), 3, 2, None)
    >>> W.shape, bool(abs(W).max() <= (6 / 5) ** 0.5)
    ((2, 3), True)
    """
    if isinstance(following, Elementwise) and following.rectifier:
        return random.standard_normal((h, n)) * math.sqrt(2 / (n * (1 + following.leak**2)))
    bound = math.sqrt(6 / (n + h))
    return random.uniform(-bound, bound, (h, n))
