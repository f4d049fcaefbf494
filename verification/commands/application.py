"""What the command lines of `verify` and `backprop` have in common: version, completion, help pages."""

from __future__ import annotations

from typing import Annotated, Any

import typer

import jacobians


def new_app(name: str, about: str) -> typer.Typer:
    """Return a command line without commands; it knows `--version` and completes words in shells."""
    app = typer.Typer(
        name=name,
        help=about,
        epilog="Exit status: 0 right, 1 something is wrong or undecided, 2 the call was wrong.",
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    app.callback(help=about)(_options)
    return app


def _show_version(context: typer.Context, shown: bool) -> None:
    if shown:
        typer.echo(f"{context.find_root().info_name} of explicit-jacobians {jacobians.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None: ...


def hide_types(command: Any) -> None:
    """Leave out of the help pages what Typer says of types: ``<bool>`` of a flag, ``<str>`` of an argument."""
    for own in (command, *getattr(command, "commands", {}).values()):
        own_help = own.get_help_option(own.context_class(own))  # the command makes it once, and keeps it
        for parameter in (*own.params, *(() if own_help is None else (own_help,))):
            if parameter.metavar is None:
                is_flag = getattr(parameter, "is_flag", False)
                parameter.metavar = "" if is_flag else str(parameter.name).upper()
            if parameter.param_type_name == "argument" and hasattr(parameter, "display_type_rich"):
                parameter.display_type_rich = lambda ctx: None  # its name stands in another column
