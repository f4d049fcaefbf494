"""The state of a training run, enough to continue as if it had never stopped; ``.npz`` files without pickle."""

from __future__ import annotations

import json
import math
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from backprop.learning.archive import ArchiveError, Header, read_arrays
from backprop.learning.facts import fields, read_facts
from jacobians.equality import ByValue
from jacobians.numerics.arguments import (
    checked_instance,
    checked_integer,
    checked_option,
    checked_path,
    real_number,
    shown,
)
from jacobians.numerics.arrays import Array
from jacobians.pickling import Pickled

FORMAT = "explicit-jacobians training state 1"

Sampling = Literal["shuffle", "uniform"]


@dataclass(frozen=True, eq=False)
class Epoch(ByValue):
    """What was measured after an epoch, over all points.

    Attributes
    ----------
    number : int
        0 before the first step.
    loss : float
    accuracy : float or None
        The share of right classes; None where targets are no class numbers.
    validation_loss, validation_accuracy : float or None
        The same over the validation points.
    """

    number: int
    loss: float
    accuracy: float | None = None
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    @property
    def watched(self) -> float:
        """The loss that early stopping watches: over the validation points where there are any, ∞ for NaN."""
        loss = self.loss if self.validation_loss is None else self.validation_loss
        return math.inf if math.isnan(loss) else loss


@dataclass(frozen=True)
class Settings:
    """How a run takes its steps; see :func:`backprop.fit`."""

    learning_rate: float
    batch_size: int | None
    momentum: float
    sampling: Sampling
    seed: int
    patience: int | None


@dataclass(frozen=True, eq=False)
class TrainingState(Pickled):
    """A run after a whole number of epochs.

    Attributes
    ----------
    network : str
        Which network is trained: sizes, activations, loss and dtype.
    data : str
        A checksum of the points and targets.
    settings : Settings
    history : tuple of Epoch
        From epoch 0 on.
    parameters, velocity : dict of str to numpy.ndarray
        After the last epoch; the velocity is the last step.
    best_parameters : dict of str to numpy.ndarray
        After the epoch with the least watched loss.
    """

    network: str
    data: str
    settings: Settings
    history: tuple[Epoch, ...]
    parameters: Mapping[str, Array]
    velocity: Mapping[str, Array]
    best_parameters: Mapping[str, Array]

    @property
    def best(self) -> Epoch:
        """The epoch with the least watched loss, the first of equals."""
        return min(self.history, key=lambda epoch: epoch.watched)

    @property
    def patience_ended(self) -> bool:
        """Whether the last `patience` epochs have brought no lower watched loss."""
        patience = self.settings.patience
        return patience is not None and self.history[-1].number - self.best.number >= patience


_ARRAYS = ("parameters", "velocity", "best_parameters")
NOT_FINITE = ("nan", "inf", "-inf")  # how a loss over validation points is saved that is no finite number


def save_state(state: TrainingState, path: str | os.PathLike[str]) -> None:
    """Write a state to a ``.npz`` file, beside it first and then renamed: a reader never sees half a file.

    Parameters
    ----------
    state : TrainingState
    path : path-like
        A name that ends in ``.npz``; a file of that name is replaced.

    Raises
    ------
    ValueError
        If the name has another ending.
    OSError
        If the folder can't be written to.
    """
    checked_instance(state, "state", TrainingState, ", such as TrainingResult.state")
    target = checked_path(path, "path")
    if target.suffix != ".npz":
        raise ValueError(f"path: found {target.name!r}, expected a name that ends in .npz")
    arrays = {f"{group}:{name}": value for group in _ARRAYS for name, value in getattr(state, group).items()}
    facts = {
        "format": FORMAT,
        "network": state.network,
        "data": state.data,
        "settings": asdict(state.settings),
        "history": [_facts(epoch) for epoch in state.history],
    }
    # not by tempfile, whose files only their owner may read
    beside = target.with_name(f".{target.stem}-{secrets.token_hex(8)}.npz")
    try:
        with beside.open("xb") as file:
            np.savez(file, **{"facts": np.array(json.dumps(facts)), **arrays})
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _facts(epoch: Epoch) -> dict[str, Any]:
    """Return what is saved of an epoch: JSON has no ∞ and no NaN, and a loss over validation points may be one."""
    facts = asdict(epoch)
    loss = epoch.validation_loss
    return facts if loss is None or math.isfinite(loss) else facts | {"validation_loss": str(loss)}


def load_state(path: str | os.PathLike[str]) -> TrainingState:
    """Read a state that :func:`save_state` wrote; the file may come from anywhere.

    What the file announces is checked before its data are read: see :func:`backprop.learning.archive.read_arrays`.

    Raises
    ------
    OSError
        If there is no such file, or it can't be read.
    ValueError
        If it is no saved state, or damaged, or holds what no run leaves: facts of another kind, numbers that are not
        finite, or parameters, velocity and best parameters of different names, shapes and dtypes.
    """
    source = checked_path(path, "path")
    try:
        opened = source.open("rb")
    except OSError as error:
        failure = type(error)(
            f"path: found no file {source} that can be read ({error.strerror}), expected one that "
            f"TrainingResult.save wrote"
        )
        failure.errno = error.errno
        raise failure from None
    with opened as file:
        try:
            arrays = read_arrays(file, _require_groups)
            return _state(read_facts(str(arrays.pop("facts"))), arrays)
        except ValueError as error:
            raise ValueError(
                f"{source.name}: found no state of a training run, or a damaged one ({error}), "
                f"expected a file that TrainingResult.save wrote"
            ) from error


def _require_groups(headers: Mapping[str, Header]) -> None:
    """Refuse arrays that are not those of a state, from their headers."""
    facts = headers.get("facts")
    if facts is None or facts.shape != () or facts.dtype.kind != "U":
        raise ArchiveError("the text 'facts' is missing" if facts is None else f"'facts' has {facts}")
    groups: dict[str, dict[str, Header]] = {group: {} for group in _ARRAYS}
    for name, header in headers.items():
        if name == "facts":
            continue
        group, _, own = name.partition(":")
        if group not in groups or not own:
            raise ArchiveError(f"{name!r} is no array of a state")
        if header.dtype not in (np.float64, np.float32):
            raise ArchiveError(f"{name!r} has dtype {header.dtype}, and not float64 or float32")
        groups[group][own] = header
    parameters = groups["parameters"]
    if not parameters:
        raise ArchiveError("it has no parameters")
    for group in ("velocity", "best_parameters"):
        if difference := _difference(groups[group], parameters):
            raise ArchiveError(f"{group} and parameters differ: {difference}")


def _difference(found: Mapping[str, Header], expected: Mapping[str, Header]) -> str | None:
    """Return how the names, shapes and dtypes of arrays differ from those expected; None if they don't."""
    for name, header in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != header:
            return f"{name}: found {found[name]}, expected {header}"
    extra = [name for name in found if name not in expected]
    return f"found {extra[0]!r}, expected only {', '.join(expected)}" if extra else None


def require_arrays_of(state: TrainingState, parameters: Mapping[str, Array]) -> None:
    """Refuse a state whose arrays are not named, shaped and typed as the parameters of the network to train.

    Raises
    ------
    ValueError
        If one is missing, is one too many, or has another shape or dtype.
    """
    expected = {name: Header(value.shape, value.dtype) for name, value in parameters.items()}
    for group in _ARRAYS:
        arrays = {name: np.asarray(value) for name, value in getattr(state, group).items()}
        found = {name: Header(value.shape, value.dtype) for name, value in arrays.items()}
        if difference := _difference(found, expected):
            raise ValueError(f"resume: found {group} of another network: {difference}")


def _state(facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> TrainingState:
    groups: dict[str, dict[str, Array]] = {group: {} for group in _ARRAYS}
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name!r} is not finite")
        group, own = name.split(":", 1)
        groups[group][own] = value
    fields(facts, "the facts", ("format", "network", "data", "settings", "history"))
    if facts["format"] != FORMAT:
        raise ValueError(f"the format is not {FORMAT!r}")
    for name in ("network", "data"):
        if not isinstance(facts[name], str):
            raise ValueError(f"{name} is no text")
    settings = fields(facts["settings"], "settings", Settings.__dataclass_fields__)
    try:
        checked = checked_settings(**settings)
    except TypeError as error:
        raise ValueError(str(error)) from None
    return TrainingState(facts["network"], facts["data"], checked, _history(facts["history"]), **groups)


def _history(found: Any) -> tuple[Epoch, ...]:
    """Return the epochs of a history, which are numbered from 0 and measured all alike."""
    if not isinstance(found, list) or not found:
        raise ValueError("history is no list of epochs")
    epochs = []
    for number, facts in enumerate(found):
        epoch = fields(facts, f"history[{number}]", Epoch.__dataclass_fields__)
        for name, value in epoch.items():
            place = f"history[{number}]: {name}"
            # the loss over validation points stops no run: as what it isn't, it is said in words
            if name == "validation_loss" and value in NOT_FINITE and found[0][name] is not None:
                epoch[name] = float(value)
                continue
            if name == "number":
                if type(value) is not int or value != number:
                    raise ValueError(f"{place} is {shown(value)}, and not {number}")
            elif value is None:
                if name == "loss" or found[0][name] is not None:
                    raise ValueError(f"{place} is missing")
            elif type(value) is not float or found[0][name] is None:
                raise ValueError(f"{place} is {shown(value)}, and not a number as those of the other epochs")
            elif not math.isfinite(value):
                raise ValueError(f"{place} is {value}, and not a finite number")
            elif name.endswith("accuracy") and not 0 <= value <= 1:
                raise ValueError(f"{place} is {value}, and not a share")
        epochs.append(Epoch(**epoch))
    return tuple(epochs)


def checked_settings(
    learning_rate: Any,
    batch_size: Any,
    momentum: Any,
    sampling: Any,
    seed: Any,
    patience: Any,
    points: int | None = None,
) -> Settings:
    """Return settings after a look at each; `points` is the number of points where that is known.

    Raises
    ------
    TypeError, ValueError
        If one is refused.
    """
    rate = real_number(learning_rate, "learning_rate", above=0)
    if batch_size is not None:
        batch_size = checked_integer(batch_size, "batch_size", least=1)
        if points is not None and batch_size > points:
            raise ValueError(
                f"batch_size: found {batch_size}, expected 1 to {points}, the number of points, or None for all"
            )
    inertia = real_number(momentum, "momentum", least=0)
    if inertia >= 1:
        raise ValueError(f"momentum: found {momentum!r}, expected a number from 0 to below 1")
    checked_option(sampling, "sampling", get_args(Sampling))
    if patience is not None:
        patience = checked_integer(patience, "patience", least=1)
    seed = checked_integer(seed, "seed", least=0)
    return Settings(rate, batch_size, inertia, cast(Sampling, sampling), seed, patience)
