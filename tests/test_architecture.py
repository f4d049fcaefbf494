"""The shape of the house: who imports whom, how large a file is, what an import loads, what is documented.

Each rule is a function that returns sentences about what breaks it; each is shown to fail on bad input.
"""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

import jacobians

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("jacobians", "verification", "backprop")  # each may import itself and what stands before it
SAYS_NOTHING = {
    *("util", "utils", "helper", "helpers", "common", "misc"),
    # words of this house that are none of the field's
    *(
        "homes",
        "doors",
        "placing",
        "forms",
        "own",
        "extras",
        "live",
        "slopes",
        "prefixes",
        "interval_programme",
    ),
}
MOST_LINES = 400
OPTIONAL = {
    "matplotlib",
    "typer",
    "rich",
    "jinja2",
    "pydantic",
    "numba",
    "llvmlite",
    "jax",
    "jaxlib",
}  # these come with extras only
NOT_LOADED = {
    "jacobians": {"sympy", "scipy", *OPTIONAL},
    "verification": {"sympy", *OPTIONAL},
    "backprop": {"sympy", *OPTIONAL},
}
# The directories are put together here, so that this file does not break its own rule.
MACHINE_PATH = re.compile(
    rf"(?:^|[\s\"'`(=<\[])/(?:{'|'.join(('home', 'root', 'Users', 'work'))})/", re.MULTILINE
)
OUTSIDE = "../" + "shared"


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def built_rooms() -> list[str]:
    return [room for room in ROOMS if (ROOT / room / "__init__.py").exists()]


# --- imports run one way -------------------------------------------------------------------------------


def imported(source: str) -> list[tuple[int, str]]:
    """Return line and full name of each absolute import, wherever in the file it stands."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append((node.lineno, node.module))
    return found


def upward_imports(name: str, source: str) -> list[str]:
    room = ROOMS.index(Path(name).parts[0])
    above = ROOMS[room + 1 :]
    return [
        f"{name}:{line}: imports {module}, which stands above {ROOMS[room]}"
        for line, module in imported(source)
        if module.partition(".")[0] in above
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room):
    problems = []
    for path in modules(room):
        problems += upward_imports(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    assert problems == []


@pytest.mark.parametrize(
    ("name", "source", "breaks"),
    [
        ("jacobians/layers/affine.py", "import verification", True),
        ("jacobians/deep/affine.py", "def f():\n    from backprop.chain import Chain", True),
        ("verification/check.py", "import numpy, backprop.plan as plan", True),
        ("verification/check.py", "from jacobians import Function", False),
        ("backprop/chain.py", "import jacobians, verification, backprop", False),
        ("jacobians/layers/affine.py", "import backpropagation_of_somebody_else", False),
        ("jacobians/layers/affine.py", "from . import structures", False),
    ],
)
def test_an_upward_import_is_found(name, source, breaks):
    assert bool(upward_imports(name, source)) is breaks


# --- names and sizes of files --------------------------------------------------------------------------


def empty_names(paths: Iterable[Path]) -> list[str]:
    return [
        f"{path}: {part} says nothing about what is inside"
        for path in paths
        for part in (*path.parts[:-1], path.stem)
        if part.lower().strip("_") in SAYS_NOTHING
    ]


def too_long(name: str, source: str) -> list[str]:
    lines = len(source.splitlines())
    return [f"{name}: {lines} lines, at most {MOST_LINES}"] if lines > MOST_LINES else []


def test_every_module_has_a_name_that_says_something():
    everywhere = [path.relative_to(ROOT) for room in (*ROOMS, "tests") for path in modules(room)]
    assert everywhere
    assert empty_names(everywhere) == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_is_too_long(room):
    problems = []
    for path in modules(room):
        problems += too_long(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    assert problems == []


def test_a_name_that_says_nothing_is_found():
    planted = [
        Path("jacobians/_utils.py"),
        Path("backprop/common/plan.py"),
        Path("jacobians/live.py"),
        Path("jacobians/communal.py"),
    ]
    assert [problem.partition(":")[0] for problem in empty_names(planted)] == [
        str(path) for path in planted[:3]
    ]


def test_a_file_that_is_too_long_is_found():
    assert too_long("a.py", "\n" * MOST_LINES) == []
    assert too_long("a.py", "\n" * MOST_LINES + "x = 1") == ["a.py: 401 lines, at most 400"]


# --- what an import loads ------------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that are loaded after `statement` in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ROOMS)
def test_an_import_loads_nothing_heavy_or_optional(room):
    if room not in built_rooms():
        pytest.skip(f"{room} has no __init__.py yet")
    assert loaded_by(f"import {room}") & NOT_LOADED[room] == set()


def test_the_core_loads_nothing_beside_numpy_that_few_calls_need():
    # a tenth of the time that NumPy takes
    assert loaded_by("import jacobians") & {"pathlib", "difflib", "urllib"} <= loaded_by("import numpy")


def test_a_loaded_package_is_seen():
    assert {"sympy", "scipy"} <= loaded_by("import sympy, scipy.special")


def names_loaded_later(source: str) -> dict[str, set[str]]:
    """Return, for each module that is imported for type checkers alone, the names that it gives."""
    blocks = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {str(node.module).partition(".")[2]: {alias.name for alias in node.names} for node in imports}


def test_names_that_are_loaded_later_are_those_that_type_checkers_see():
    seen = names_loaded_later((ROOT / "jacobians" / "__init__.py").read_text(encoding="utf-8"))
    assert {module: set(names.split()) for module, names in jacobians._LATER.items()} == seen
    for module, names in seen.items():
        for name in names:
            assert getattr(jacobians, name) is getattr(importlib.import_module(f"jacobians.{module}"), name)
    assert set(jacobians.__all__) <= set(dir(jacobians))


def test_names_of_the_package_load_with_their_first_use():
    use = "import jacobians; jacobians.Maximum; from jacobians import Softmax, MaxPool"
    code = f"import sys; {use}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[2] for name in done.stdout.split() if name.startswith("jacobians.")}
    assert {"layers.pooling", "layers.softmax"} <= loaded
    assert not {"layers.losses", "layers.matrix_functions", "layers.branches"} & loaded
    assert not hasattr(jacobians, "Sofmax")


# --- nothing of a machine in the repository ------------------------------------------------------------


def tracked_texts() -> dict[str, str]:
    """Return the text files by name: those that git tracks, or all of a copy without git."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        inside = (path for path in ROOT.rglob("*") if path.is_file())
        paths = [p for p in inside if not any(part[0] in "._" for part in p.relative_to(ROOT).parts[:-1])]
    texts = {}
    for path in paths:
        if path.is_file():
            try:
                texts[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # not a text
    return texts


def machine_paths(texts: Mapping[str, str]) -> list[str]:
    return [
        f"{name}:{number}: a path of one machine: {line.strip()[:80]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) or OUTSIDE in line
    ]


def test_no_tracked_file_names_a_path_of_a_machine():
    texts = tracked_texts()
    assert "pyproject.toml" in texts
    assert machine_paths(texts) == []


@pytest.mark.parametrize(
    ("line", "breaks"),
    [
        ("see /" + "home/ann/notes", True),
        ('open("/' + 'root/data.csv")', True),
        ("PATH=/" + "Users/ann/bin", True),
        ("`/" + "work/somewhere`", True),
        ("as in " + OUTSIDE + "/design", True),
        ("https://example.org/" + "home/page", False),
        ("the tree root/child and the home/page", False),
    ],
)
def test_a_path_of_a_machine_is_found(line, breaks):
    assert bool(machine_paths({"a.md": f"first\n{line}\n"})) is breaks


# --- public names are documented -----------------------------------------------------------------------


def undocumented(module: ModuleType) -> list[str]:
    """Return sentences about public names without a docstring; a constant can't have one."""
    problems = []
    public = getattr(module, "__all__", None)
    if public is None:
        return [f"{module.__name__}: has no __all__"]
    for name in public:
        if not hasattr(module, name):
            problems.append(f"{module.__name__}.{name}: in __all__, but not there")
            continue
        thing = getattr(module, name)
        if inspect.isclass(thing):
            own = vars(thing).get("__doc__") or ""
            missing = not own.strip() or own.startswith(f"{thing.__name__}(")  # a dataclass makes the latter
        elif callable(thing) or inspect.ismodule(thing):
            missing = not (thing.__doc__ or "").strip()
        else:
            missing = False
        if missing:
            problems.append(f"{module.__name__}.{name}: no docstring of its own")
    return problems


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_docstring(room):
    if room not in built_rooms():
        pytest.skip(f"{room} has no __init__.py yet")
    assert undocumented(importlib.import_module(room)) == []


def test_a_public_name_without_docstring_is_found():
    planted = ModuleType("planted")
    source = '''
from dataclasses import dataclass

class Documented:
    """Says what it is."""

class Inherits(Documented): ...

@dataclass
class Generated:
    x: int = 0

def silent(): ...

def speaks():
    """Say something."""

SIZE = 3
__all__ = ["Documented", "Inherits", "Generated", "silent", "speaks", "SIZE", "absent"]
'''
    exec(compile(source, "planted", "exec"), vars(planted))
    assert [problem.partition(":")[0] for problem in undocumented(planted)] == [
        "planted.Inherits",
        "planted.Generated",
        "planted.silent",
        "planted.absent",
    ]
    assert undocumented(ModuleType("bare")) == ["bare: has no __all__"]
