"""The state of a training run, enough to continue as if it had never stopped; ``.npz`` files without pickle."""

from __future__ import annotations

import json
import math
import os
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jacobians.arrays import Array, read_only

FORMAT = "explicit-jacobians training state 1"

Sampling = Literal["shuffle", "uniform"]


@dataclass(frozen=True)
class Epoch:
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
class TrainingState:
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
    target = Path(path)
    if target.suffix != ".npz":
        raise ValueError(f"path: found {target.name!r}, expected a name that ends in .npz")
    arrays = {f"{group}:{name}": value for group in _ARRAYS for name, value in getattr(state, group).items()}
    facts = {
        "format": FORMAT,
        "network": state.network,
        "data": state.data,
        "settings": asdict(state.settings),
        "history": [asdict(epoch) for epoch in state.history],
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


def load_state(path: str | os.PathLike[str]) -> TrainingState:
    """Read a state that :func:`save_state` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no saved state, or damaged.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            arrays = {name: read_only(file[name]) for name in file.files}
        facts: dict[str, Any] = json.loads(str(arrays.pop("facts")))
        if facts["format"] != FORMAT:
            raise KeyError("format")
        groups: dict[str, dict[str, Array]] = {group: {} for group in _ARRAYS}
        for name, value in arrays.items():
            group, own = name.split(":", 1)
            groups[group][own] = value
        return TrainingState(
            network=facts["network"],
            data=facts["data"],
            settings=Settings(**facts["settings"]),
            history=tuple(Epoch(**epoch) for epoch in facts["history"]),
            parameters=groups["parameters"],
            velocity=groups["velocity"],
            best_parameters=groups["best_parameters"],
        )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{Path(path).name}: found no state of a training run, or a damaged one ({type(error).__name__}), "
            f"expected a file that TrainingResult.save wrote"
        ) from error
