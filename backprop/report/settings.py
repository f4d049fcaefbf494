"""What a report is made of: the options of the command, checked before anything is computed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Self

from backprop.learning.targets import ELSEWHERE
from backprop.report.asked import Asked
from jacobians.layers.activations import activation
from jacobians.numerics.arguments import (
    checked_instance,
    checked_integer,
    checked_list,
    checked_option,
    real_number,
)
from jacobians.numerics.keywords import checked_keywords

PIXELS = 64
CLASSES = 10
HELD_OUT = 360
"""Digits at the end of the data that training does not see; the report is about the first of them."""

BATCH_SIZE = 32
"""Points of a step of training."""

LOSSES = ("softmax-cross-entropy", "squared-error", "mean-squared-error")
"""The losses that take the outputs of an affine layer."""

_BEYOND = 10**18
"""More than any option: what is out of range has a sentence of its own."""

MOST_PARAMETERS = 2**24
"""Every parameter is checked by differences, so a larger network would take hours."""


@dataclass(frozen=True)
class Settings:
    """The options of a report.

    Parameters
    ----------
    layers : tuple of int
        Sizes, the input first: 64 pixels in, 10 classes out.
    activation : str
        A name out of :data:`jacobians.layers.activations.ACTIVATIONS`, between the layers.
    loss : str
        "softmax-cross-entropy" of logits, or "squared-error" or "mean-squared-error" to the one-hot target.
    seed : int
        Makes everything reproducible but the times.
    batch : int
        With more than 1, the chains for so many points at once are compared too.
    epochs : int
        Passes of training through the data; 0 leaves the network as it was initialised.
    learning_rate : float
        The step of training.
    asked : Asked
        What every report can be asked for.

    Raises
    ------
    ValueError
        If an option is out of range; the sentence begins with its name.

    Examples
    --------
    >>> Settings(layers=(64, 10)).layers
    (64, 10)
    >>> Settings(layers=(63, 10))
    Traceback (most recent call last):
    ...
    ValueError: layers: found a first layer of 63, expected 64, the pixels of a digit; begin with 64
    """

    layers: tuple[int, ...] = (64, 32, 16, 10)
    activation: str = "tanh"
    loss: str = "softmax-cross-entropy"
    seed: int = 0
    batch: int = 1
    epochs: int = 10
    learning_rate: float = 0.1
    asked: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        sizes = checked_list(self.layers, "layers", "sizes such as (64, 32, 16, 10)")
        for place, size in enumerate(sizes):
            checked_integer(size, f"layers[{place}]", least=-_BEYOND, most=_BEYOND)
        object.__setattr__(self, "layers", tuple(map(int, sizes)))
        first, last = self.layers[0] if self.layers else None, self.layers[-1] if self.layers else None
        if len(self.layers) < 2:
            raise ValueError(
                f"layers: found {_joined(self.layers) or 'nothing'}, expected at least two sizes; "
                f"write {PIXELS},{CLASSES} for a network of one layer"
            )
        if min(self.layers) < 1:
            raise ValueError(
                f"layers: found a size of {min(self.layers)} in {_joined(self.layers)}, expected at least 1; "
                f"leave the layer out"
            )
        if first != PIXELS:
            raise ValueError(
                f"layers: found a first layer of {first}, expected {PIXELS}, the pixels of a digit; "
                f"begin with {PIXELS}"
            )
        if last != CLASSES:
            raise ValueError(
                f"layers: found a last layer of {last}, expected {CLASSES}, one output a digit; "
                f"end with {CLASSES}"
            )
        count = sum((d + 1) * h for d, h in pairwise(self.layers))
        if count > MOST_PARAMETERS:
            raise ValueError(
                f"layers: found {count:,} parameters in {_joined(self.layers)}, expected at most "
                f"{MOST_PARAMETERS:,}, for each is checked; choose smaller layers, or plan without numbers "
                f"by `backprop cost`"
            )
        object.__setattr__(self, "activation", activation(self.activation).name)
        loss = self.loss.replace("_", "-").lower() if isinstance(self.loss, str) else self.loss
        object.__setattr__(self, "loss", checked_option(loss, "loss", LOSSES, ELSEWHERE))
        for name in ("seed", "batch", "epochs"):
            checked_integer(getattr(self, name), name, least=-_BEYOND, most=_BEYOND)
        if self.seed < 0:
            raise ValueError(f"seed: found {self.seed}, expected a whole number of at least 0; write 0")
        if not 1 <= self.batch <= HELD_OUT:
            raise ValueError(
                f"batch: found {self.batch}, expected 1 to {HELD_OUT}, the digits that training does not see; "
                f"choose a number of points in this range"
            )
        checked_instance(self.asked, "asked", Asked)
        if self.asked.points and self.batch != 1:
            raise ValueError("points: found with batch, expected one of them; write points alone")
        if max(self.asked.points, default=1) > HELD_OUT:
            raise ValueError(
                f"points: found {max(self.asked.points)}, expected at most {HELD_OUT}, the digits that training does "
                f"not see"
            )
        if self.epochs < 0:
            raise ValueError(
                f"epochs: found {self.epochs}, expected at least 0; write 0 for a network without training"
            )
        try:
            real_number(self.learning_rate, "learning_rate", above=0)
        except ValueError as error:
            raise ValueError(f"{error}; write 0.1, say") from None

    @classmethod
    def parse(cls, *, asked: Asked | None = None, **texts: str) -> Self:
        """Return the settings written as texts, as on a command line.

        Raises
        ------
        ValueError
            If a text is not what its option takes, or a value is out of range.

        Examples
        --------
        >>> Settings.parse(layers="64,32,10", seed="1").layers
        (64, 32, 10)
        """
        checked_keywords(texts, "Settings.parse", [one.name for one in fields(cls) if one.name != "asked"])
        values: dict[str, Any] = dict(texts)
        for name in ("seed", "batch", "epochs"):
            if name in values:
                values[name] = whole_number(name, values[name])
        if "learning_rate" in values:
            values["learning_rate"] = number("learning_rate", values["learning_rate"])
        if "layers" in values:
            values["layers"] = _sizes(values["layers"])
        return cls(**values, asked=Asked() if asked is None else asked)


def _joined(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))


def whole_number(name: str, text: str) -> int:
    """Return the whole number that is written as a text, or raise ValueError by the option's name."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()):
        raise ValueError(
            f"{name}: found {text!r}, expected a whole number of at most 18 digits; write 1, say"
        )
    return int(text)


def number(name: str, text: str) -> float:
    """Return the number that is written as a text, or raise ValueError by the option's name."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}: found {text!r}, expected a number; write 0.1, say") from None


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", part) for part in parts):
        raise ValueError(
            f"layers: found {text!r}, expected sizes with commas between; write 64,32,16,10, say"
        )
    return tuple(int(part) for part in parts)
