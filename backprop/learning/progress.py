"""What a training run shows while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from backprop.learning.state import Epoch
from jacobians.numerics.arguments import checked_callable

Progress = bool | Callable[[Epoch], object] | None


@contextmanager
def reporting(progress: Progress, done: int, epochs: int) -> Iterator[Callable[[Epoch], object]]:
    """Give a function that is to be called after every epoch.

    Parameters
    ----------
    progress : bool, callable or None
        True shows a bar on standard error where rich is installed (extra ``cli``) and nothing else; a callable is
        itself what is called; None and False show nothing.
    done, epochs : int
        The epochs that are already done, and that will be done in the end.

    Raises
    ------
    TypeError
        If `progress` is anything else.

    Examples
    --------
    >>> with reporting(lambda epoch: print(epoch.number, epoch.loss), 0, 1) as report:
    ...     report(Epoch(1, 0.5))
    1 0.5
    """
    if progress is not None and not isinstance(progress, bool):
        yield checked_callable(progress, "progress", "None, True or a function of an Epoch", 1)
        return
    if progress:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar
        except ImportError:
            pass
        else:
            columns = (
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
            )
            # standard output is for results
            with Bar(*columns, console=Console(stderr=True)) as bar:
                task = bar.add_task("", total=epochs, completed=done)
                yield lambda epoch: bar.update(
                    task, completed=epoch.number, description=epoch_title(epoch, held=False)
                )
            return
    yield lambda epoch: None


def epoch_title(epoch: Epoch, *, held: bool = True) -> str:
    """Return the numbers of an epoch in a line; `held` for those of the validation points too.

    Examples
    --------
    >>> epoch_title(Epoch(3, 0.25, accuracy=0.9))
    'loss 0.25, accuracy 90.0 %'
    """
    parts = [f"loss {epoch.loss:.4g}"]
    if epoch.accuracy is not None:
        parts.append(f"accuracy {epoch.accuracy:.1%}".replace("%", " %"))
    if held and epoch.validation_loss is not None:
        parts.append(f"validation loss {epoch.validation_loss:.4g}")
    if held and epoch.validation_accuracy is not None:
        parts.append(f"validation accuracy {epoch.validation_accuracy:.1%}".replace("%", " %"))
    return ", ".join(parts)
