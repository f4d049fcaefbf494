"""Gradient descent on the mean loss of a network: all points at once, one by one, or in mini-batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backprop.images.drawing import curves
from backprop.images.gradient_descent import (
    DivergenceError as DivergenceError,  # training raises it: to be had from here too
)
from backprop.learning.network import MLP
from backprop.learning.not_finite import first_not_finite
from backprop.learning.progress import Progress, epoch_title, reporting
from backprop.learning.state import (
    Epoch,
    Sampling,
    Settings,
    TrainingState,
    checked_settings,
    load_state,
    require_arrays_of,
    save_state,
)
from backprop.learning.targets import class_numbers, target_rows
from jacobians.equality import ByValue
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_callable, checked_integer
from jacobians.numerics.arrays import Array, read_only, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import require_numpy_function

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class TrainingResult(ByValue):
    """A trained network and how it came about; :meth:`save` keeps all that is needed to continue.

    Attributes
    ----------
    network : MLP
        The network that was trained, in place.
    state : TrainingState
        The run after its last epoch.
    stopped : {"epochs", "patience", "callback"}
        What ended the run.
    """

    network: MLP
    state: TrainingState
    stopped: Literal["epochs", "patience", "callback"]

    @property
    def history(self) -> tuple[Epoch, ...]:
        """One record an epoch, from epoch 0, before the first step, on."""
        return self.state.history

    @property
    def epochs(self) -> int:
        """The number of epochs that were done, those before a resumption included."""
        return self.history[-1].number

    @property
    def losses(self) -> tuple[float, ...]:
        """The loss over all points after each epoch."""
        return tuple(epoch.loss for epoch in self.history[1:])

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The share of right classes after each epoch; empty where targets are no class numbers."""
        return tuple(epoch.accuracy for epoch in self.history[1:] if epoch.accuracy is not None)

    @property
    def validation_losses(self) -> tuple[float, ...]:
        """The loss over the validation points after each epoch; empty without any."""
        return tuple(epoch.validation_loss for epoch in self.history[1:] if epoch.validation_loss is not None)

    @property
    def validation_accuracies(self) -> tuple[float, ...]:
        """The share of right classes among the validation points after each epoch; may be empty."""
        found = (epoch.validation_accuracy for epoch in self.history[1:])
        return tuple(accuracy for accuracy in found if accuracy is not None)

    @property
    def best(self) -> Epoch:
        """The epoch with the least validation loss, or the least loss without validation points."""
        return self.state.best

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters that the network was given in the end, read-only."""
        return dict(
            self.state.parameters if self.state.settings.patience is None else self.state.best_parameters
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run to a ``.npz`` file without pickle, for ``fit(…, resume=path)``.

        Raises
        ------
        ValueError, OSError
            As :func:`backprop.learning.state.save_state`.
        """
        save_state(self.state, path)

    def figure(self) -> Figure:
        """Return a matplotlib Figure of the loss after each epoch, over the validation points too.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return curves({"loss": self.losses, "validation loss": self.validation_losses}, "epoch", first=1)

    def __str__(self) -> str:
        lines = [f"epoch {epoch.number}: {epoch_title(epoch)}" for epoch in self.history]
        if len(lines) > 12:
            lines = [*lines[:3], f"… {len(lines) - 6} more …", *lines[-3:]]
        return "\n".join([f"{self.network!r}, stopped by {self.stopped}", *lines])

    def __repr__(self) -> str:
        return f"<TrainingResult of {self.network!r}: {self.epochs} epochs, {epoch_title(self.history[-1])}>"


@without_float_errors
def fit(
    network: MLP,
    X: Any,
    Y: Any,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int | None = None,
    momentum: float = 0.0,
    sampling: Sampling = "shuffle",
    seed: int = 0,
    validation: tuple[Any, Any] | None = None,
    patience: int | None = None,
    progress: Progress = None,
    callback: Callable[[Epoch], object] | None = None,
    resume: str | os.PathLike[str] | TrainingState | TrainingResult | None = None,
) -> TrainingResult:
    """Train a network in place: θ ← θ − ε ∂L/∂θ for every W and b, with L the mean loss of the points of a step.

    New arrays are bound to the network after each epoch; arrays that earlier Jacobians hold are never written.
    The same arguments give the same parameters, bit for bit.

    Parameters
    ----------
    network : MLP
    X : array_like, shape (N, d)
        The points, a row each; taken in the dtype of the parameters.
    Y : array_like
        Class numbers (N,), integers from 0, or targets (N, k).
    epochs : int
        The number of passes in the end, those before a resumption included.
    learning_rate : float
        ε, above 0.
    batch_size : int, optional
        The points of a step: all of them by default, 1 for stochastic gradient descent, m for mini-batches. The last
        batch of an epoch may be smaller; a step follows the mean of its own points.
    momentum : float
        μ in v ← μv − ε ∂L/∂θ, θ ← θ + v (Polyak, 1964, in the form of Sutskever et al., 2013); from 0 to below 1.
    sampling : {"shuffle", "uniform"}
        Each epoch takes every point once, in an order of its own, or draws as many points uniformly, with
        repetition. Without a batch size every step takes all points.
    seed : int
        Of the order of the points; epoch n has the generator ``numpy.random.default_rng([seed, n])``.
    validation : pair of array_like, optional
        Points and targets that are measured after every epoch and never trained on.
    patience : int, optional
        Stop after so many epochs without a lower validation loss (loss, without validation points); the network
        then has the parameters of the best epoch.
    progress : bool or callable, optional
        True shows a bar where rich is installed (extra ``cli``); a callable is given each :class:`Epoch`.
    callback : callable, optional
        Given each :class:`Epoch` when the network has its parameters; True as its result stops the run.
    resume : path, TrainingState or TrainingResult, optional
        A run to continue, of this network, these data and settings; only learning_rate and patience may differ. The
        parameters of `network` are replaced.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or the run to resume is another one or has no epochs left to do.
    DivergenceError
        If the loss or a parameter stops being finite.

    Examples
    --------
    >>> network = MLP.initialize([2, 3, 2], seed=1)
    >>> X, Y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    >>> result = fit(network, X, Y, epochs=200, learning_rate=1.0)
    >>> result.epochs, result.accuracies[-1], result.losses[-1] < 0.1
    (200, 1.0, True)
    """
    if not isinstance(network, MLP):
        raise TypeError(f"network: found {class_name(network)}, expected an MLP")
    train = _Points.checked(network, X, Y, "")
    held = None if validation is None else _Points.checked(network, *_pair(validation), "validation ")
    epochs = checked_integer(epochs, "epochs", least=1)
    settings = checked_settings(learning_rate, batch_size, momentum, sampling, seed, patience, len(train.x))
    if callback is not None:
        checked_callable(callback, "callback", "a function of an Epoch", 1)
    state = (
        _start(network, train, held, settings)
        if resume is None
        else _resumed(resume, network, train, held, settings, epochs)
    )
    _bind(network, state.parameters)
    stopped: Literal["epochs", "patience", "callback"] = "epochs"
    with reporting(progress, state.history[-1].number, epochs) as report:
        while state.history[-1].number < epochs:
            if state.patience_ended:
                stopped = "patience"
                break
            state = _epoch(network, state, train, held)
            _bind(network, state.parameters)
            report(state.history[-1])
            if callback is not None and callback(state.history[-1]) is True:
                stopped = "callback"
                break
    result = TrainingResult(network, state, stopped)
    _bind(network, result.parameters)
    return result


# --- arguments -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Points:
    """Points (N, d), target rows (N, k), and class numbers (N,) where the targets are such."""

    x: Array
    targets: Array
    labels: Array | None

    @classmethod
    def checked(cls, network: MLP, X: Any, Y: Any, which: str) -> _Points:
        require_numpy_function(network, "training updates NumPy's arrays")
        x = real_array(X, f"{which}X", ndim=2, foreign="refuse")
        if x.shape[1] != network.sizes[0]:
            raise ValueError(
                f"{which}X: found shape {x.shape}, expected (N, {network.sizes[0]}), a point a row, for {network!r}"
            )
        try:
            targets = target_rows(Y, len(x), network.sizes[-1], network.dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{which}Y{str(error).removeprefix('y')}") from None
        return cls(x.astype(network.dtype), targets, class_numbers(Y, len(x)))

    def measure(self, network: MLP) -> tuple[float, float | None]:
        outputs = network(self.x, batched=True)
        right = None if self.labels is None else float((network.classes(outputs) == self.labels).mean())
        return network.mean_loss(outputs, self.targets), right


def _pair(validation: Any) -> tuple[Any, Any]:
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation: found {class_name(validation)}, expected a pair (X, Y)")
    return validation[0], validation[1]


# --- the run ---------------------------------------------------------------------------------------------


def _start(network: MLP, train: _Points, held: _Points | None, settings: Settings) -> TrainingState:
    parameters = network.parameters
    velocity = {name: np.zeros_like(value) for name, value in parameters.items()}
    start = TrainingState(
        _description(network), _checksum(train, held), settings, (), parameters, velocity, parameters
    )
    return replace(start, history=(_measured(network, start, train, held),))


def _resumed(
    resume: Any, network: MLP, train: _Points, held: _Points | None, settings: Settings, epochs: int
) -> TrainingState:
    if isinstance(resume, TrainingResult):
        state = resume.state
    else:
        state = resume if isinstance(resume, TrainingState) else load_state(resume)
    _require_same("network", state.network, _description(network))
    saved, asked = asdict(state.settings), asdict(settings)
    different = [
        name for name in saved if saved[name] != asked[name] and name not in ("learning_rate", "patience")
    ]
    if different:
        each = "; ".join(f"{name}: found {asked[name]!r}, expected {saved[name]!r}" for name in different)
        raise ValueError(f"{each}, as in the run to resume; {_MAY_DIFFER}")
    _require_same("data", state.data, _checksum(train, held))
    require_arrays_of(state, network.parameters)
    if state.history[-1].number >= epochs:
        raise ValueError(
            f"epochs: found {epochs}, expected more than the {state.history[-1].number} that the run to resume "
            f"has done; epochs counts from the beginning"
        )
    return replace(state, settings=settings)


_MAY_DIFFER = "only learning_rate and patience may differ; start a new run without resume"


def _require_same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(f"resume: found a run with the {what} {found}, expected {expected}; {_MAY_DIFFER}")


def _epoch(network: MLP, state: TrainingState, train: _Points, held: _Points | None) -> TrainingState:
    """Return the state after one more epoch; `network` is left as it is until then."""
    settings, number = state.settings, state.history[-1].number + 1
    work, parameters, velocity = network, dict(state.parameters), dict(state.velocity)
    for batch in _batches(settings, number, len(train.x)):
        gradients = work._mean_gradients(train.x[batch], train.targets[batch])
        for name, gradient in gradients.items():
            velocity[name] = settings.momentum * velocity[name] - settings.learning_rate * gradient
            parameters[name] = read_only(parameters[name] + velocity[name])
        work = work.bind(parameters)
    after = replace(state, parameters=parameters, velocity=velocity)
    measured = _measured(work, after, train, held)
    better = measured.watched < state.best.watched
    best = parameters if better else state.best_parameters
    return replace(after, history=(*state.history, measured), best_parameters=best)


def _batches(settings: Settings, epoch: int, points: int) -> Iterator[Any]:
    size = settings.batch_size
    if size is None:
        yield slice(None)
        return
    # a generator for each epoch: nothing of it has to be saved to continue
    random = np.random.default_rng([settings.seed, epoch])
    order = (
        random.permutation(points) if settings.sampling == "shuffle" else random.integers(points, size=points)
    )
    for start in range(0, points, size):
        yield order[start : start + size]


def _measured(network: MLP, state: TrainingState, train: _Points, held: _Points | None) -> Epoch:
    loss, accuracy = train.measure(network)
    wrong = [name for name, value in state.parameters.items() if not np.isfinite(value).all()]
    number = len(state.history)
    if not np.isfinite(loss) or wrong:
        what = f"the loss is {loss}" if not np.isfinite(loss) else f"{wrong[0]} is not finite"
        if not number:
            where = first_not_finite(network, train.x, 1)
            raise DivergenceError(
                f"epoch 0: {what} before the first step; expected finite X, Y and parameters"
                f"{where and f': {where}'}",
                (),
            )
        last = state.history[-1]
        raise DivergenceError(
            f"epoch {number}: {what}; the network keeps its parameters after epoch {last.number} (loss "
            f"{last.loss:.4g}); take a learning_rate below {state.settings.learning_rate:g}, or scale X to −1 … 1",
            state.history,
        )
    return Epoch(number, loss, accuracy, *((None, None) if held is None else held.measure(network)))


def _bind(network: MLP, parameters: Mapping[str, Array]) -> None:
    network.layers = network.bind(parameters).layers


def _description(network: MLP) -> str:
    functions = [network.activation, network.output_activation]
    # the formulas tell apart what has one name: slopes of leaky rectifiers
    formulas = [getattr(function, "latex", "") for function in functions if function is not None]
    names = ", ".join(network.parameters)
    return f"{network!r} of {network.dtype} with {names}, {' and '.join(formulas)}"


def _checksum(train: _Points, held: _Points | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for points in (train, held):
        for array in (points.x, points.targets) if points else ():
            digest.update(f"{array.shape} {array.dtype};".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
