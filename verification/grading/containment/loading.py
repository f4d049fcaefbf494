"""Loading what was handed in, in the submission's own process: a module, one of a package, or a notebook."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

SINGLE = "submission.py"
_ASSIGNED = re.compile(r"(\s*[\w.]+\s*=)\s*[%!]")
_KEEPING_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # the rest of the cell is Python


def load_submission(entry: str, told: Callable[[int, BaseException], None]) -> types.ModuleType:
    """Return the module of a submission, which lies in the working directory.

    Parameters
    ----------
    entry : str
        Its file, with the path from there; those beside it can be imported.
    told : callable
        Called with the number of each cell of a notebook that raised, and with what.
    """
    directory = Path.cwd()
    if entry.endswith(".ipynb"):
        sys.path.insert(0, str((directory / entry).parent))
        return _notebook(directory / entry, told)
    if entry != SINGLE:
        sys.path.insert(0, str(directory))
        return importlib.import_module(entry.removesuffix(".py").replace("/", "."))
    spec = importlib.util.spec_from_file_location("submission", directory / entry)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module
    spec.loader.exec_module(module)
    return module


def _notebook(path: Path, told: Callable[[int, BaseException], None]) -> types.ModuleType:
    """Run the code cells in order; what one that raises had defined by then stays."""
    cells = _cells(path.read_bytes())
    module = types.ModuleType("submission")
    sys.modules["submission"] = module
    module.__dict__["display"] = lambda *_, **__: None  # IPython gives it to every cell
    number = 0
    for cell in cells:
        if cell.get("cell_type") != "code":
            continue
        number += 1
        try:
            code = compile(python_of(source_of(cell)), f"cell {number}", "exec")
            exec(code, module.__dict__)
        except BaseException as error:  # sys.exit() too
            told(number, error)
    return module


def _cells(data: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise ValueError(
            "found no list of cells, expected a notebook of nbformat 4; save it anew from Jupyter"
        )
    return cells


def source_of(cell: dict[str, Any]) -> str:
    """Return the text of a cell, which is a text or a list of lines."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def python_of(source: str) -> str:
    r"""Return a cell without IPython's magics; line numbers stay.

    Examples
    --------
    >>> python_of("%matplotlib inline\nx = 7 \\\n % 4\n!ls\nx?")
    '\nx = 7 \\\n % 4\n\n'
    >>> python_of("%%bash\nrm -r x"), python_of("%%time\nx = 1")
    ('', '\nx = 1')
    >>> python_of("files = !ls\nif files:\n    !rm x")
    'files = None\nif files:\n    pass'
    """
    lines = source.split("\n")
    first = next((k for k, line in enumerate(lines) if line.strip()), 0)
    if lines[first].lstrip().startswith("%%"):
        if lines[first].split()[0] not in _KEEPING_MAGICS:
            return ""
        lines[first] = ""
    kept, continued = [], False
    for line in lines:
        word, indent, assigned = line.strip(), line[: -len(line.lstrip()) or None], _ASSIGNED.match(line)
        magic = (
            assigned or word.startswith(("%", "!", "?")) or (word.endswith("?") and not word.startswith("#"))
        )
        left = f"{assigned[1]} None" if assigned else f"{indent}pass" if indent.isspace() else ""
        kept.append(left if magic and not continued and not _is_python("\n".join(lines)) else line)
        continued = line.rstrip().endswith(("\\", "(", "[", "{", ","))
    return "\n".join(kept)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True
