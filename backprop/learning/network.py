"""Multilayer perceptrons: affine layers and activations, with gradients by the δ recursion or by the explicit chain.

Points are vectors, so an array of one axis is a point and one of two axes is a batch, a row a point. Gradients have
the shape of their parameter (denominator layout) and are averaged over the points of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from backprop.learning.affine_layers import affine_layers, function_title, hidden_activation, last_activation
from backprop.learning.backpropagation import chain_gradients, delta_gradients, deltas
from backprop.learning.initialization import first_layers, layer_sizes
from backprop.learning.not_finite import told
from backprop.learning.targets import (
    NetworkLoss,
    chosen_classes,
    class_numbers,
    network_loss,
    target_count,
    target_rows,
)
from jacobians import Affine, Elementwise, Function, Sequential
from jacobians.numerics.arguments import checked_integer, checked_option
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import Home, home_of, namespace_of, numpy_dtype
from jacobians.structures.options import checked_dtype


class MLP(Sequential):
    """A network a^(l) = φ(W^(l) a^(l−1) + b^(l)) with a loss; the last layer is affine only unless asked otherwise.

    It is a :class:`~jacobians.Sequential`: ``jacobian``, ``linearize``, ``chain`` and every check work on it, its
    parameters are "0.W", "0.b", "2.W", … Where a batch has to be told from a point, as in :meth:`gradients` and
    :meth:`loss`, x of one axis is a point and x of two axes a batch, a row a point: the points of an MLP are
    vectors by definition. What comes from :class:`~jacobians.Function` (``net(x)``, ``net.jacobian(x)``, …) is
    asked for batches as everywhere, by ``batched=True``.

    Parameters
    ----------
    weights : sequence of pairs (W, b)
        One pair an affine layer, input side first: W (h, d) and b (h,), or None for no bias.
    activation : str or Elementwise
        Between the layers; names as in :func:`jacobians.layers.activations.activation`.
    output_activation : str or Function, optional
        On the last layer too: an activation or "softmax". By default the last layer is affine only, and its
        outputs are logits.
    loss : str or callable
        "softmax-cross-entropy", "sigmoid-binary-cross-entropy" (both of logits), "squared-error" (½‖a − y‖²), or
        another name of :data:`backprop.learning.targets.LOSSES`, or a callable that makes the loss of a target.

    Raises
    ------
    TypeError, ValueError
        If there is no layer, neighbours don't fit, or a name is unknown.

    Examples
    --------
    >>> net = MLP([([[1.0, -1.0]], [0.0])], loss="squared-error")
    >>> net([3.0, 1.0]), net.loss([3.0, 1.0], [0.0])
    (array([2.]), 2.0)
    >>> net.gradients([3.0, 1.0], [0.0])
    {'0.W': array([[6., 2.]]), '0.b': array([2.])}
    """

    def __init__(
        self,
        weights: Sequence[tuple[Any, Any]],
        *,
        activation: str | Elementwise = "tanh",
        output_activation: str | Function | None = None,
        loss: str | Callable[[Array], Function] = "softmax-cross-entropy",
    ) -> None:
        affine = affine_layers(weights)
        self.activation = hidden_activation(activation)
        self.output_activation = last_activation(output_activation)
        self.network_loss: NetworkLoss = network_loss(loss)
        layers = [function for layer in affine for function in (layer, self.activation)][:-1]
        super().__init__(*layers, *([self.output_activation] if self.output_activation else []))
        if self.sizes[-1] < self.network_loss.least_outputs:
            raise ValueError(
                f"weights: found {self.sizes[-1]} output with the loss {self.loss_name}, expected at least "
                f"{self.network_loss.least_outputs}; use another loss for one output"
            )

    @classmethod
    def initialize(
        cls,
        sizes: Sequence[int],
        *,
        activation: str | Elementwise = "tanh",
        output_activation: str | Function | None = None,
        loss: str | Callable[[Array], Function] = "softmax-cross-entropy",
        seed: int = 0,
        dtype: Any = np.float64,
    ) -> Self:
        """Make a network with random weights and zero biases, the same for the same seed.

        He's variance before a rectifier, Glorot's elsewhere: :func:`~backprop.learning.initialization.first_weights`.

        Parameters
        ----------
        sizes : sequence of int
            The numbers of inputs, of units of each layer, and of outputs: [2, 3, 4, 1].
        activation, output_activation, loss
            As in the constructor.
        seed : int
            At least 0.
        dtype : dtype
            float64 or float32: then the numbers of the float64 network are rounded.

        Raises
        ------
        TypeError, ValueError, MemoryBudgetError
            If there are fewer than two sizes, one is no positive integer, or a layer would take more than 2 GiB.

        Examples
        --------
        >>> MLP.initialize([2, 3, 4, 1], activation="relu", loss="squared-error").parameter_count
        30
        """
        counts = layer_sizes(sizes)
        dtype = checked_dtype(dtype)
        between = hidden_activation(activation)
        last = last_activation(output_activation)
        weights = first_layers(counts, between, last, checked_integer(seed, "seed", least=0), dtype)
        return cls(weights, activation=between, output_activation=last, loss=loss)

    # --- what it is ------------------------------------------------------------------------------------

    @property
    def affine_places(self) -> tuple[int, ...]:
        """The places of the affine layers: the numbers in the names of the parameters."""
        return tuple(place for place, layer in enumerate(self.layers) if isinstance(layer, Affine))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of inputs, of units of each layer, and of outputs."""
        affine = [layer for layer in self.layers if isinstance(layer, Affine)]
        return (affine[0].W.shape[1], *(layer.W.shape[0] for layer in affine))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of the parameters, as a NumPy dtype; targets are taken in it."""
        return np.result_type(*map(numpy_dtype, self.parameters.values()))

    @property
    def home(self) -> Home:
        """Where the parameters live: NumPy, or another library and its device; targets are taken there."""
        return home_of(self.parameters["0.W"])

    @property
    def loss_name(self) -> str:
        """What the loss is called."""
        return self.network_loss.name

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (d,): points are vectors."""
        if shape != (self.sizes[0],):
            hint = "; points along the first axis need batched=True" if len(shape) == 2 else ""
            raise ValueError(f"x: found a point of shape {shape}, expected ({self.sizes[0]},){hint}")

    def __repr__(self) -> str:
        functions = [function_title(self.activation)] if len(self.sizes) > 2 else []
        if self.output_activation is not None:
            functions.append(f"output {function_title(self.output_activation)}")
        return f"MLP({', '.join(['-'.join(map(str, self.sizes)), *functions, self.loss_name])})"

    def loss_function(self, y: Any, *, batched: bool = False) -> Function:
        """Return the loss of a target as a Function of the outputs, for chains and checks.

        Parameters
        ----------
        y : array_like
            A class number from 0 or a target (k,); with ``batched=True`` class numbers (N,), integers, or targets
            (N, k). It is taken in the dtype of the parameters.
        batched : bool
            Whether y is of one point or of a batch.

        Returns
        -------
        Function
            From outputs (k,) to a scalar; over a batch one value a point, not averaged.

        Raises
        ------
        TypeError, ValueError
            If y is refused.

        Examples
        --------
        >>> net = MLP.initialize([2, 3], loss="squared-error")
        >>> net.loss_function([1.0, 0.0, 0.0])([2.0, 0.0, 0.0])
        array(0.5)
        """
        rows = target_rows(y, target_count(y, batched), self.sizes[-1], self.dtype, self.home)
        return self.network_loss.of(rows if batched else rows[0, :])

    @without_float_errors
    def loss(self, x: Any, y: Any) -> float:
        """Return the loss, averaged over the points of a batch.

        Parameters
        ----------
        x : array_like, shape (d,) or (N, d)
            A point, or a batch.
        y : array_like
            Class numbers, shape () or (N,), or targets, shape (k,) or (N, k).

        Raises
        ------
        TypeError, ValueError
            If x or y is refused.

        Examples
        --------
        >>> net = MLP([([[1.0, 0.0], [0.0, 1.0]], None)])
        >>> round(net.loss([[0.0, 0.0], [0.0, 0.0]], [0, 1]), 6)
        0.693147
        """
        points, count = self._points(x)
        rows = target_rows(y, count, self.sizes[-1], self.dtype, self.home)
        return told(self.mean_loss(self(points, batched=True), rows), "the loss", self, points)

    @without_float_errors
    def mean_loss(self, outputs: Array, targets: Array) -> float:
        """Return the mean loss of outputs (N, k) with targets (N, k)."""
        return float(namespace_of(outputs).mean(self.network_loss.of(targets)(outputs, batched=True)))

    def predict(self, x: Any) -> Array:
        """Return the class that each point is given: the place of its largest output, the first of equals.

        With one output it is 1 where the output lies above ½, or above 0 where outputs are logits, else 0.

        Parameters
        ----------
        x : array_like, shape (d,) or (N, d)

        Returns
        -------
        numpy.ndarray of int, shape () or (N,)
            −1 where an output is not a number.

        Examples
        --------
        >>> MLP([([[1.0, 0.0], [0.0, 1.0]], None)]).predict([[2.0, 1.0], [0.0, 3.0]])
        array([0, 1])
        """
        points, count = self._points(x)
        classes = self.classes(told(self(points, batched=True), "an output", self, points))
        return classes[0] if count is None else classes

    def classes(self, outputs: Array) -> Array:
        """Return the class numbers (N,) that outputs (N, k) stand for; see :meth:`predict`."""
        return chosen_classes(outputs, self.network_loss.threshold)

    def accuracy(self, x: Any, y: Any) -> float:
        """Return the share of points that are given their class.

        Parameters
        ----------
        x : array_like, shape (d,) or (N, d)
        y : array_like of int, shape () or (N,)
            Class numbers from 0.

        Raises
        ------
        TypeError, ValueError
            If x is refused, or y does not hold one class number a point.

        Examples
        --------
        >>> MLP([([[1.0, 0.0], [0.0, 1.0]], None)]).accuracy([[2.0, 1.0], [0.0, 3.0]], [0, 0])
        0.5
        """
        points, count = self._points(x)
        target_rows(y, count, self.sizes[-1], self.dtype, self.home)  # refuses what is no class
        labels = class_numbers(y, count)
        if labels is None:
            raise TypeError(
                f"y: found targets of shape {np.shape(y)}, expected class numbers, integers of one a point; "
                f"rows of the identity become these by y.argmax(axis=-1)"
            )
        right = self.classes(self(points, batched=True)) == self.home.indices(labels)
        return int(namespace_of(right).count_nonzero(right)) / right.shape[0]

    # --- gradients -------------------------------------------------------------------------------------

    @without_float_errors
    def gradients(
        self, x: Any, y: Any, *, method: Literal["delta", "jacobians"] = "delta"
    ) -> dict[str, Array]:
        """Return ∂(mean loss)/∂parameter for every parameter, each in its parameter's shape (denominator layout).

        Parameters
        ----------
        x : array_like, shape (d,) or (N, d)
            A point, or a batch, over which the gradients are averaged.
        y : array_like
            Class numbers, shape () or (N,), or targets, shape (k,) or (N, k).
        method : {"delta", "jacobians"}
            "delta" is the δ recursion over the whole batch by matrix products: δ^(L) = ∇_a E ⊙ φ′(z^(L)),
            δ^(l) = (W^(l+1)ᵀ δ^(l+1)) ⊙ φ′(z^(l)), ∂E/∂W^(l) = δ^(l) a^(l−1)ᵀ, ∂E/∂b^(l) = δ^(l).
            "jacobians" multiplies the explicit chain DE · DF_L · … · ∂F_l/∂W^(l) of every point by its cheapest
            plan and averages the rows; it holds one gradient a point.

        Returns
        -------
        dict of str to numpy.ndarray

        Raises
        ------
        TypeError, ValueError
            If x, y or the method is refused.
        MemoryBudgetError
            If the rows of ``method="jacobians"`` would take more than 2 GiB.

        Examples
        --------
        >>> net = MLP.initialize([4, 3, 2], seed=1)
        >>> x, y = np.eye(4), [0, 1, 1, 0]
        >>> both = net.gradients(x, y), net.gradients(x, y, method="jacobians")
        >>> {name: gradient.shape for name, gradient in both[0].items()}
        {'0.W': (3, 4), '0.b': (3,), '2.W': (2, 3), '2.b': (2,)}
        >>> all(np.allclose(both[0][name], both[1][name]) for name in net.parameters)
        True
        """
        points, count = self._points(x)
        targets = target_rows(y, count, self.sizes[-1], self.dtype, self.home)
        if checked_option(method, "method", ("delta", "jacobians")) == "delta":
            return told(self._mean_gradients(points, targets), "the gradient", self, points)
        found = chain_gradients(self, points, self.network_loss.of(targets))
        return told(found, "the gradient", self, points)

    @without_float_errors
    def deltas(self, x: Any, y: Any) -> tuple[Array, ...]:
        """Return δ^(l) = ∂E/∂z^(l) of every affine layer, input side first, with E the loss of one point.

        δ^(l) says how much a change of z^(l) can influence the loss: E(z + Δz) ≈ E(z) + δᵀΔz.

        Parameters
        ----------
        x : array_like, shape (d,) or (N, d)
        y : array_like
            As in :meth:`gradients`.

        Returns
        -------
        tuple of numpy.ndarray
            One a layer, shape (h,) for a point, (N, h) for a batch, where each row is of its own point.

        Examples
        --------
        The δ of logits under softmax cross-entropy is p − r:

        >>> MLP([([[0.0], [0.0]], None)]).deltas([1.0], 0)
        (array([-0.5,  0.5]),)
        """
        points, count = self._points(x)
        targets = target_rows(y, count, self.sizes[-1], self.dtype, self.home)
        found = list(deltas(self, self._values(points, 1), self.network_loss.of(targets)))
        return tuple(delta[0] if count is None else delta for _, delta in found[::-1])

    @without_float_errors
    def _mean_gradients(self, points: Array, targets: Array) -> dict[str, Array]:
        """Return the gradients over points (N, d) with target rows (N, k) by the δ recursion."""
        return delta_gradients(self, self._values(points, 1), self.network_loss.of(targets))

    def update(self, parameters: Mapping[str, Any]) -> None:
        """Bind new parameters in place, each of the shape of the old one; old arrays are never written.

        Parameters
        ----------
        parameters : mapping of str to array_like
            Some or all parameters by name.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or an array is refused.

        Examples
        --------
        >>> net = MLP([([[1.0]], None)], loss="squared-error")
        >>> net.update({"0.W": [[2.0]]})
        >>> net([3.0])
        array([6.])
        """
        self.layers = self.replace(parameters).layers

    def _points(self, x: Any) -> tuple[Array, int | None]:
        """Return x as a batch (N, d), and N, or None where x is one point."""
        array = real_array(x, "x", ndim=(1, 2), foreign="keep")
        self.check_library(array)
        self.check_input(tuple(array.shape[-1:]))
        return (array[None, :], None) if array.ndim == 1 else (array, array.shape[0])
