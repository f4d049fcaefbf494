"""From nothing to a first graded submission; the schema that says what the models read; Gradescope's zip."""

import base64
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest

from verification.cli import main
from verification.grading import load_assignment, prepare
from verification.grading.starting import to_schema, write_autograder, write_first_assignment
from verification.grading.wheel import own_wheel

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")
def test_init_gives_an_assignment_that_can_be_marked_and_tried(tmp_path, capsys):
    assert main(["init", str(tmp_path / "hw1")]) == 0
    assert "verify grade" in capsys.readouterr().out
    place = tmp_path / "hw1"
    submissions = [str(place / "submissions" / f"{name}.py") for name in ("right", "wrong")]
    assert main(["grade", str(place / "assignment.toml"), *submissions, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["submissions"]
    assert [entry["marks"] for entry in found] == [3.0, 0.0]
    assert main(["try", str(place / "assignment.toml"), submissions[0]]) == 0
    capsys.readouterr()
    assert main(["init", str(place)]) == 2
    assert "found " in capsys.readouterr().err


def test_what_the_schema_accepts_is_what_is_read(tmp_path, capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json.loads(to_schema())
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    for path in sorted(ROOT.glob("examples/**/*.toml")):
        assert list(check.iter_errors(tomllib.loads(path.read_text(encoding="utf-8")))) == [], path
    table = tomllib.loads((ROOT / "examples" / "assignment" / "assignment.toml").read_text(encoding="utf-8"))
    for place, key, value in (
        (table["assignment"], "titel", "x"),
        (table["assignment"], "reveal", "all"),
        (table["limits"], "seconds", 0),
        (table["function"][0], "relative", 0.5),
        (table["function"][0], "returns", ["d-x"]),
        (table["function"][0]["point"][0], "marks", -1),
    ):
        before = place.get(key)
        place[key] = value
        assert list(check.iter_errors(table)), key
        del place[key]
        if before is not None:
            place[key] = before
    assert list(check.iter_errors(table)) == []


def test_every_key_of_the_schema_says_what_it_means():
    schema = json.loads(to_schema())
    silent = [
        f"{name}.{key}"
        for name, table in schema["$defs"].items()
        for key, entry in table.get("properties", {}).items()
        if "description" not in json.dumps(entry) and key != "point"
    ]
    assert silent == []


@pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")
def test_the_autograder_marks_what_lies_in_its_folder(tmp_path, capsys):
    main(["init", str(tmp_path / "hw1")])
    toml = (tmp_path / "hw1" / "assignment.toml").rename(tmp_path / "hw1" / "it's hw 1.toml")
    (tmp_path / "hw1" / "course").mkdir()
    (tmp_path / "hw1" / "handout.py").rename(tmp_path / "hw1" / "course" / "handout.py")
    toml.write_text(toml.read_text(encoding="utf-8").replace('"handout.py"', '"course/handout.py"'), "utf-8")
    prepare(load_assignment(toml))
    wheel = tmp_path / "explicit_jacobians-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("explicit_jacobians-0.dist-info/METADATA", "")
    assert main(["gradescope", str(toml), "--output", str(tmp_path / "a.zip"), "--wheel", str(wheel)]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
        assert set(names) == {
            "setup.sh",
            "run_autograder",
            "it's hw 1.toml",
            "it's hw 1.expected.npz",
            "course/handout.py",
            wheel.name,
        }
        assert stat.S_IMODE(archive.getinfo("run_autograder").external_attr >> 16) == 0o755
        assert f"/autograder/source/{wheel.name}[cli]" in archive.read("setup.sh").decode()
        script = archive.read("run_autograder").decode()
        archive.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "hw.py").write_bytes((tmp_path / "hw1/submissions/right.py").read_bytes())
    verify = Path(sys.executable).with_name("verify")
    if not verify.exists():
        pytest.skip("the console command is not installed beside Python")
    script = script.replace("/autograder/venv/bin/verify", str(verify)).replace("/autograder", str(tmp_path))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results" / "results.json").read_text(encoding="utf-8"))
    assert results["score"] == 3.0
    capsys.readouterr()


def test_an_autograder_that_can_not_work_is_refused(tmp_path, capsys):
    main(["init", str(tmp_path / "hw1")])
    toml = tmp_path / "hw1" / "assignment.toml"
    (tmp_path / "no.whl").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("numpy-2.0.dist-info/METADATA", "")
    for name in ("no.whl", "other.whl", "none.whl"):
        with pytest.raises(
            ValueError,
            match=rf"^wheel: found {name}, expected a wheel of explicit-jacobians; without one this",
        ):
            write_autograder(load_assignment(toml), tmp_path / "a.zip", tmp_path / name)
    before = toml.read_bytes()
    with pytest.raises(
        ValueError, match=r"^gradescope: output: found .*toml, which goes into the zip, expected"
    ):
        write_autograder(load_assignment(toml), toml)
    assert toml.read_bytes() == before
    (tmp_path / "up.py").write_bytes((tmp_path / "hw1" / "handout.py").read_bytes())
    toml.write_bytes(before.replace(b'"handout.py"', b'"../up.py"'))
    with pytest.raises(
        ValueError, match=r"^gradescope: handout: found '\.\./up\.py', expected a file beside"
    ):
        write_autograder(load_assignment(toml), tmp_path / "a.zip")
    toml.write_bytes(before)
    toml.write_text(
        toml.read_text(encoding="utf-8").replace("[assignment]", '[assignment]\nseed_by = "student"'), "utf-8"
    )
    with pytest.raises(ValueError, match="the container has no roster"):
        write_autograder(load_assignment(toml), tmp_path / "a.zip")
    capsys.readouterr()


def test_the_wheel_of_what_is_installed_here_imports_by_itself(tmp_path):
    name, data = own_wheel()
    assert own_wheel()[1] == data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "site")
        (record,) = [file for file in archive.namelist() if file.endswith("RECORD")]
        for line in archive.read(record).decode().splitlines()[:-1]:
            file, digest, size = line.rsplit(",", 2)
            found = hashlib.sha256(archive.read(file)).digest()
            assert digest == "sha256=" + base64.urlsafe_b64encode(found).rstrip(b"=").decode()
            assert int(size) == len(archive.read(file))
    script = "import jacobians, verification, backprop.chain as b; print(jacobians.__file__, b.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=True,
    )
    assert all(file.startswith(str(tmp_path / "site")) for file in run.stdout.split())
    assert name == f"explicit_jacobians-{version('explicit-jacobians')}-py3-none-any.whl"


def test_an_autograder_brings_its_own_wheel(tmp_path):
    write_first_assignment(tmp_path / "hw")
    names = write_autograder(load_assignment(tmp_path / "hw" / "assignment.toml"), tmp_path / "a.zip")
    assert own_wheel()[0] in names
