"""The report on a network of one's own, with layers of one's own in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from backprop.report.asked import Asked
from backprop.report.collect import Tick, collect_network
from backprop.report.render import FILES, report_texts
from backprop.report.result import Report
from backprop.report.write import require_writable, write_files
from jacobians import Function
from jacobians.numerics.arguments import checked_path
from verification.optional_packages import require_extras


def report_network(
    network: Function | Callable[..., Any],
    x: Any,
    loss: Function | None = None,
    *,
    title: str | None = None,
    seed: int = 0,
    asked: Asked | None = None,
    output: str | os.PathLike[str] | None = None,
    tick: Tick | None = None,
) -> Report:
    """Report on any network at a point: what each layer's Jacobian is, whether it is right, what chains of them cost.

    It is the report of the command `backprop report`, without digits and training.

    Parameters
    ----------
    network : Function or callable
        A :class:`jacobians.Sequential`, whose layers are shown one by one, or any other function, which is one layer;
        layers of one's own are checked and shown like those of the package. A callable is plain NumPy code.
    x : array_like or mapping of str to array_like
        One point; of code of several arrays all of its arguments by name: the first is the input, the others are
        parameters.
    loss : Function, optional
        Of the prediction, made for its target, such as ``SquaredError(y)``; its value is a scalar. Without one the
        derivatives are those of the output.
    title : str, optional
        What the network is called; by default its own words.
    seed : int
        Of the random directions along which products are compared.
    asked : Asked, optional
        For how many points at once, by what, in which orders, with which objective, title and author:
        ``Asked(by=("input",), author="Ann")``.
    output : path-like, optional
        A directory, made if it is not there, for report.html, report.md, report.json and report.csv. Without one
        nothing is written, and neither jinja2 nor matplotlib is needed.
    tick : callable, optional
        Called with a stage, how much of it is done and how much there is.

    Returns
    -------
    Report
        Its ``passed`` is True for the verdict "right" alone.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or a layer's Jacobian has not the shape of the layer.
    ImportError
        If jinja2 or matplotlib is missing where files are to be written.
    OSError
        If the files can't be written.
    MemoryBudgetError
        If a product would take more than 2 GiB.

    Examples
    --------
    >>> from jacobians import Affine, Elementwise, Sequential, SquaredError, Tanh
    >>> network = Sequential(Affine([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]]), Tanh())
    >>> report = report_network(network, [0.3, -0.2], SquaredError([0.0, 1.0, 0.0]))
    >>> report.verdict, [own.title for own in report.checked]
    ('right', ['∂(0.Affine)/∂input', '∂(0.Affine)/∂W', '∂(1.Tanh)/∂input', '∂(SquaredError)/∂input'])
    >>> [(own.title, own.comparison["right"].multiplications) for own in report.derivatives][:2]
    [('∂loss/∂input', 12), ('∂output/∂input', 6)]
    """
    directory = None if output is None else checked_path(output, "output")
    if directory is not None:
        # hours of work are not lost to a missing package or a place that is taken
        require_extras("report,cli", "jinja2", "matplotlib")
        require_writable(directory, FILES)
    report = collect_network(network, x, loss, title=title, seed=seed, asked=asked, tick=tick)
    if directory is not None:
        write_files(directory, report_texts(report))
    return report
