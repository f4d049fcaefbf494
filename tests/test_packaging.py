"""The distribution: its extras, and what its wheel contains."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("jacobians", "verification", "backprop")
PARTS = {"report", "cli", "certified", "arrays", "test"}
# threads of BLAS; engines; tables of families; importers; marking on several machines
ASIDE = {"speed", "fast", "jax", "sweep", "models", "keras", "torch", "cluster"}
GROUPS = {
    "dev",
    "foreign",
    "mutation",
    "peers",
}  # linters and type checker; changes of the product; what speed is compared with
NONE: dict = {extra: [] for extra in ASIDE}
NAMED = {
    *(f"{package}/py.typed" for package in PACKAGES),
    "backprop/data/README.md",
    "backprop/data/digits.csv.gz",
    "backprop/data/chains/matrix_free_chains.csv",
    "backprop/data/chains/p_500_500.1",
    "backprop/data/chains/problem_dense100",
}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# --- extras --------------------------------------------------------------------------------------------


def extras_problems(project: dict) -> list[str]:
    """Return sentences about extras other than the five parts, all, which is these, and those aside."""
    extras = project["project"].get("optional-dependencies", {})
    name = project["project"]["name"]
    problems = []
    if set(extras) != PARTS | ASIDE | {"all"}:
        problems.append(f"extras: found {sorted(extras)}, expected {sorted(PARTS | ASIDE | {'all'})}")
    chosen: set[str] = set()
    for requirement in extras.get("all", []):
        match = re.fullmatch(rf"{re.escape(name)}\[([\w, -]+)\]", requirement.replace(" ", ""))
        if match is None:
            problems.append(f"all: found {requirement!r}, expected nothing but {name}[…]")
        else:
            chosen |= set(match[1].split(","))
    if chosen != PARTS:
        problems.append(f"all: found {sorted(chosen)}, expected {sorted(PARTS)}")
    return problems


def test_the_extras_are_the_five_parts_all_which_is_these_and_those_aside(project):
    assert extras_problems(project) == []


EVERY = {part: [] for part in PARTS} | NONE
FIVE = "p[report,cli,certified,arrays,test]"


@pytest.mark.parametrize(
    ("extras", "problems"),
    [
        ({**EVERY, "all": ["p[test,certified,arrays]", "p[report, cli]"]}, 0),
        ({**EVERY, "all": ["p[test,report,certified,arrays]"]}, 1),
        ({**EVERY, "all": [FIVE, "torch"]}, 1),
        ({**EVERY, "gpu": [], "all": [FIVE]}, 1),
        ({**EVERY, "all": ["p[report,cli,certified,arrays,test,speed]"]}, 1),
        ({**{name: [] for name in EVERY if name != "cli"}, "all": [FIVE]}, 1),
        ({**{name: [] for name in PARTS}, "all": [FIVE]}, 1),
        ({}, 2),
    ],
)
def test_wrong_extras_are_found(extras, problems):
    planted = {"project": {"name": "p", "optional-dependencies": extras}}
    assert len(extras_problems(planted)) == problems


def test_the_suite_needs_the_extra_test_alone(project):
    """Of what the test files import, all comes with the core or with the extra `test` and the extras it names."""
    extras = project["project"]["optional-dependencies"]
    parts = {"test"} | set(re.findall(r"\w+", extras["test"][0].partition("[")[2]))
    given = [*project["project"]["dependencies"], *(r for part in parts for r in extras[part])]
    names = {re.match(r"[\w-]+", requirement)[0].replace("-", "_") for requirement in given}
    modules = {"python_flint": "flint", "scikit_learn": "sklearn"}
    known = {modules.get(name, name) for name in names} | set(sys.stdlib_module_names)
    known |= {"mpmath"}  # sympy brings it
    own = {*PACKAGES, "benchmarks", *(path.stem for path in ROOT.glob("tests/witnesses/*.py"))}
    own |= {path.stem for path in ROOT.glob("benchmarks/**/*.py")} | {"cases", "docs"}
    imported = set()
    for path in ROOT.glob("tests/**/*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:  # inside tests importorskip asks
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    assert imported - known - own == set()


def test_linters_and_peers_are_groups(project):
    assert set(project["dependency-groups"]) == GROUPS
    tools = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependency-groups"]["dev"]}
    assert {"mypy", "ruff"} <= tools
    extras = project["project"]["optional-dependencies"]
    assert [name for name, given in extras.items() if "torch" in str(given)] == ["torch"], (
        "it is large: alone"
    )
    assert "ruff" not in str(extras)


# --- contents of the wheel -----------------------------------------------------------------------------


def files_of(package: Path) -> set[str]:
    """Return the files of a package that a wheel must hold: all but caches and hidden ones."""
    return {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file()
        and not any(p == "__pycache__" or p[0] == "." for p in path.relative_to(package).parts)
    }


def absent(names: Collection[str], expected: Collection[str]) -> list[str]:
    return sorted(set(expected) - set(names))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> tuple[set[str], set[str]]:
    """Return the names in a wheel and those of the files that it was built from.

    The wheel is the one in EXPLICIT_JACOBIANS_WHEEL_DIR, or it is built here where hatchling is installed.
    """
    present = set().union(*(files_of(ROOT / package) for package in PACKAGES))
    given = os.environ.get("EXPLICIT_JACOBIANS_WHEEL_DIR")
    if given:
        directory = Path(given)
    else:
        if find_spec("hatchling") is None:
            pytest.skip("no wheel is named by EXPLICIT_JACOBIANS_WHEEL_DIR, and hatchling is not installed")
        directory = tmp_path_factory.mktemp("wheel")
        build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"]
        done = subprocess.run([*build, directory, ROOT], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    wheels = list(directory.glob("explicit_jacobians-*.whl"))
    assert len(wheels) == 1, f"found {wheels} in {directory}, expected one wheel"
    with zipfile.ZipFile(wheels[0]) as archive:
        return set(archive.namelist()), present


def test_the_wheel_holds_the_type_markers_and_the_data(wheel):
    names, _ = wheel
    assert absent(names, NAMED) == []


def test_the_wheel_holds_the_templates_of_the_report(wheel):
    templates = ROOT / "backprop" / "report" / "templates"
    if not templates.is_dir():
        pytest.skip("the report has no templates yet")
    found = {path.relative_to(ROOT).as_posix() for path in templates.rglob("*") if path.is_file()}
    assert found
    assert absent(wheel[0], found) == []


def test_the_wheel_holds_every_file_of_the_packages(wheel):
    names, present = wheel
    assert absent(names, present) == []


def test_the_wheel_holds_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel[0]}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_holds_the_licence(wheel):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel[0])


def test_a_file_that_the_wheel_lacks_is_found(tmp_path):
    package = tmp_path / "package"
    for name in ("__init__.py", "data/table.csv", "__pycache__/a.pyc", ".hidden/b.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    assert files_of(package) == {"package/__init__.py", "package/data/table.csv"}
    assert absent({"package/__init__.py"}, files_of(package)) == ["package/data/table.csv"]


# --- what git ignores ----------------------------------------------------------------------------------


def test_git_ignores_no_file_of_the_packages():
    # hatchling leaves out what .gitignore names: an unanchored "report/" there takes backprop/report with it
    planned = [*sorted(NAMED), "backprop/report/__init__.py", "backprop/report/templates/report.html"]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *planned], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode == 128:
        pytest.skip("this copy has no git")
    assert asked.stdout.split() == []
