"""Marking on a Dask cluster: equal marks, also where a worker dies in the middle, and nothing marked twice."""

import os
import signal
import sys

import pytest

from verification.grading import grade, load_assignment, prepare

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")

ASSIGNMENT = (
    '[assignment]\nreference = "reference.py"\n[[function]]\nname = "f"\narguments = ["x"]\nforward = "f"\n'
    'wrt = "x"\n[[function.point]]\nvalues = { x = [1.0, 2.0] }\n'
)
HOSTILE = (
    "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "import sys\nsys.exit(0)\n",
    "import os\nos.write(3, b'x' * 100)\n",
)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "reference.py").write_text(
        "import numpy as np\ndef f(x):\n    return np.sin(x)\n", encoding="utf-8"
    )
    (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    for number in range(30):
        code = "import numpy as np\ndef f(x):\n    return np.diag(np.cos(x))\n"
        if number % 3 == 1:
            code = code.replace("np.cos", "np.sin")
        if number % 10 == 9:
            code = HOSTILE[number // 10]
        (tmp_path / f"s{number}.py").write_text(code, encoding="utf-8")
    return tmp_path


@pytest.mark.filterwarnings("ignore")  # of dask's own: ports, shutting down, garbage collection
def test_marks_are_equal_though_a_worker_dies(place):
    distributed = pytest.importorskip("distributed")
    prepare(load_assignment(place / "a.toml"))
    paths = [place / f"s{number}.py" for number in range(30)]
    here = grade(place / "a.toml", paths, workers=2)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        seen = []

        def done(result):
            seen.append(result.name)
            if len(seen) == 5:
                os.kill(pids[0], signal.SIGKILL)

        there = grade(
            place / "a.toml",
            paths,
            scheduler=cluster.scheduler_address,
            resume=place / "r.jsonl",
            done=done,
        )
    assert sorted(seen) == sorted(path.name for path in paths)
    assert [result.items for result in there] == [result.items for result in here]
    assert {result.marks for result in here} == {0.0, 1.0}
    again = grade(place / "a.toml", paths, resume=place / "r.jsonl", workers=2)
    assert [result.items for result in again] == [result.items for result in here]


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there_is_named(place, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("verification.grading.cluster.PATIENCE", 1)
    with pytest.raises(ValueError, match=r"dask: found no scheduler at 'tcp://127.0.0.1:9', expected one"):
        grade(place / "a.toml", [place / "s0.py"], scheduler="tcp://127.0.0.1:9")


def test_without_the_extra_it_is_named(place, monkeypatch):
    monkeypatch.setattr("verification.optional_packages.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"found no distributed, .*explicit-jacobians\[cluster\]"):
        grade(place / "a.toml", [place / "s0.py"], scheduler="tcp://127.0.0.1:9")
