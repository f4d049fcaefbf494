"""`backprop sweep`: the costs of a family of networks, in one table."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from backprop.commands import option_sentence, unwritten
from backprop.families import FAMILIES, sweep
from backprop.report.write import require_writable, write_files
from jacobians.layers.activations import ACTIVATIONS
from verification.commands.running import CallError

_RANGE = re.compile(r"([0-9]{1,9})\.\.([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")
_MOST = 10_000


def run(
    family: Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(FAMILIES)}.")] = "mlp",
    widths: Annotated[
        str, typer.Option(metavar="SIZES", help="With commas between, or 8..64, or 8..64..8 with a step.")
    ] = "8,16,32,64",
    depths: Annotated[str, typer.Option(metavar="SIZES", help="Numbers of affine layers.")] = "2..4",
    batches: Annotated[str, typer.Option(metavar="SIZES", help="Numbers of points at once.")] = "1",
    activations: Annotated[
        str, typer.Option(metavar="NAMES", help=f"With commas between: {', '.join(ACTIVATIONS)}, none.")
    ] = "tanh",
    inputs: Annotated[str, typer.Option(metavar="N", help="Inputs; the width by default.")] = "",
    outputs: Annotated[str, typer.Option(metavar="N", help="Outputs; the width by default.")] = "",
    by: Annotated[str, typer.Option(metavar="NAMES", help="input or parameters such as 0.W.")] = "input",
    loss: Annotated[bool, typer.Option("--loss", help="A scalar loss behind the outputs.")] = False,
    jobs: Annotated[str, typer.Option(metavar="N", help="Processes (the extra sweep).")] = "1",
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            help="Count on the workers of this Dask scheduler.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            show_default=False,
            help="Write sweep.html, .csv, .md, .tex there, .parquet with pyarrow.",
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with all columns.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_latex: Annotated[
        bool, typer.Option("--latex", help="Print LaTeX, with the rules of booktabs.")
    ] = False,
) -> int:
    """Compare left, right and optimal for every network of a family, from shapes alone.

    Example: backprop sweep --family bottleneck --widths 8..64..8 --depths 2..6 --batches 1,32 --output sweep
    """
    if as_csv + as_markdown + as_latex > 1:
        raise CallError("--csv, --markdown, --latex: found more than one, expected at most one; choose one")
    number = _number(jobs, "--jobs")
    processes = 1 if number is None else number  # 0 is refused as any other wrong number is
    if dask is not None and (processes > 1 or not dask.strip()):
        raise CallError(
            f"--dask: found {dask!r} with --jobs {processes}, expected the address of a scheduler such as "
            f"tcp://10.0.0.1:8786, and no --jobs"
        )
    try:
        found = sweep(
            family,
            widths=_numbers(widths, "--widths"),
            depths=_numbers(depths, "--depths"),
            batches=_numbers(batches, "--batches"),
            activations=_names(activations),
            inputs=_number(inputs, "--inputs"),
            outputs=_number(outputs, "--outputs"),
            by=_names(by),
            loss=loss,
            jobs=processes,
            scheduler=dask,
        )
    except (TypeError, ValueError) as error:
        raise CallError(option_sentence(str(error))) from None
    except ImportError as error:
        raise CallError(str(error)) from None
    if output is not None:
        texts = {"sweep.html": found.to_html(), "sweep.csv": found.to_csv(), "sweep.md": f"{found.to_markdown()}\n",
                 "sweep.tex": f"{found.to_latex()}\n"}  # fmt: skip
        try:
            require_writable(output, tuple(texts))
            paths = write_files(output, texts)
            if find_spec("pyarrow") is not None:
                paths.append(found.to_parquet(output / "sweep.parquet"))
        except OSError as error:
            raise CallError(f"--output: {unwritten(error, output)}") from None
        typer.echo("\n".join(map(str, paths)), err=True)
    text = (
        found.to_csv().rstrip("\n")
        if as_csv
        else found.to_markdown()
        if as_markdown
        else found.to_latex()
        if as_latex
        else str(found)
    )
    if output is None or as_csv or as_markdown or as_latex:
        typer.echo(text)
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str, option: str) -> int | None:
    if not text:
        return None
    numbers = _numbers(text, option)
    if len(numbers) != 1:
        raise CallError(f"{option}: found {text!r}, expected one integer")
    return numbers[0]


def _numbers(text: str, option: str) -> list[int]:
    found: list[int] = []
    for part in _names(text):
        match = _RANGE.fullmatch(part)
        if match is None and not re.fullmatch(r"[0-9]{1,9}", part):
            raise CallError(
                f"{option}: found {part!r}, expected integers such as 8,16,32 or a range such as 8..64..8"
            )
        first, last, step = (
            (int(n) for n in (match[1], match[2], match[3] or 1)) if match else (int(part),) * 2 + (1,)
        )
        if step == 0 or last < first or (last - first) // step > _MOST:
            raise CallError(f"{option}: found the range {part!r}, expected at most {_MOST:,} sizes that grow")
        found += range(first, last + 1, step)
    return found
