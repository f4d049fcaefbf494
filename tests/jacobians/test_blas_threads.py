"""How many threads BLAS has during a call, and that the caller's number is back after it."""

import contextvars
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import backprop
import jacobians
from backprop.compiling.nodes import matrix_products
from backprop.compiling.recording import Recording
from jacobians.numerics import blas_threads

SMALL, LARGE = (160, 160), (300, 300)  # 8 and 54 million operations of a product with itself


class Counted(np.ndarray):
    """Arrays of NumPy only are looked at; this is one of another class."""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers that a BLAS of four threads was given, the last one being in force."""
    numbers = [4]
    library = blas_threads._Library(lambda: numbers[-1], numbers.append)
    monkeypatch.setattr(blas_threads, "_libraries", lambda: (library,))
    yield numbers
    assert numbers[-1] == 4
    assert not blas_threads._setting.calls


def test_products_below_twenty_million_operations_take_one_thread(counts: list[int]) -> None:
    blas_threads.product(np.ones(SMALL), np.ones(SMALL))
    assert counts == [4, 1, 4]


@pytest.mark.parametrize("shapes", [(LARGE, LARGE), ((8, 8), (8, 8)), ((8,), (8,))])
def test_large_products_and_those_that_are_never_divided_are_left_alone(counts: list[int], shapes) -> None:
    blas_threads.product(np.ones(shapes[0]), np.ones(shapes[1]))
    assert counts == [4]


def test_the_number_is_back_after_an_exception(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="mismatch"):
        blas_threads.product(np.ones(SMALL), np.ones((161, 160)))
    assert counts == [4, 1, 4]


def test_calls_inside_calls_set_it_once(counts: list[int]) -> None:
    seen = []

    def inner() -> None:
        seen.append(counts[-1])

    def outer() -> None:
        blas_threads.on_one_thread(inner, [(10**5, 1)])()
        seen.append(counts[-1])

    blas_threads.on_one_thread(outer, [(10**5, 1)])()
    assert (seen, counts) == ([1, 1], [4, 1, 4])


def test_the_last_of_several_calls_at_once_gives_it_back(counts: list[int]) -> None:
    first_in, second_out = threading.Event(), threading.Event()

    def waiting() -> None:
        first_in.set()
        assert second_out.wait(20)
        assert counts[-1] == 1

    thread = threading.Thread(target=blas_threads.on_one_thread(waiting, [(10**5, 1)]))
    thread.start()
    assert first_in.wait(20)
    blas_threads.product(np.ones(SMALL), np.ones(SMALL))
    assert counts == [4, 1]
    assert blas_threads.blas_threads() == 4  # what the caller has
    second_out.set()
    thread.join()
    assert counts == [4, 1, 4]


@pytest.mark.parametrize(
    ("products", "one"),
    [([(10**6, 1)], True), ([(10**6, 9)], True), ([(3 * 10**6, 2)], True), ([(3 * 10**6, 4)], False),
     ([(10**7, 1)], False), ([(9000, 10**4)], False), ([], False), ([(10**7, 1), (10, 1)], False)],
)  # fmt: skip
def test_calls_are_bound_by_the_sum_of_their_larger_products(products, one: bool) -> None:
    def call() -> None: ...

    assert (blas_threads.on_one_thread(call, products) is not call) is one


def test_the_callers_number_is_kept_on_request(counts: list[int]) -> None:
    call = blas_threads.on_one_thread(lambda: counts[-1], [(10**5, 1)])
    with jacobians.keep_blas_threads():
        blas_threads.product(np.ones(SMALL), np.ones(SMALL))
        assert call() == 4
        inside = []
        thread = threading.Thread(target=lambda: inside.append(call()))
        thread.start()
        thread.join()
    assert inside == [1]  # another thread has not asked
    assert call() == 1


def test_blocks_that_end_in_another_order_or_context_keep_it_no_longer(counts: list[int]) -> None:
    def keeping() -> Iterator[None]:
        with jacobians.keep_blas_threads():
            yield

    call = blas_threads.on_one_thread(lambda: counts[-1], [(10**5, 1)])
    first, second = keeping(), keeping()
    next(first), next(second)
    first.close()  # type: ignore[attr-defined]
    assert call() == 4
    second.close()  # type: ignore[attr-defined]
    assert call() == 1
    elsewhere = keeping()
    contextvars.copy_context().run(next, elsewhere)
    assert call() == 1
    elsewhere.close()  # type: ignore[attr-defined]
    assert call() == 1


def test_threads_that_raise_at_once_leave_the_callers_number(counts: list[int]) -> None:
    together = threading.Barrier(8)

    def fails() -> None:
        together.wait(timeout=60)
        raise KeyError(counts[-1])

    call = blas_threads.on_one_thread(fails, [(10**5, 1)])
    inside: list[int] = []

    def run() -> None:
        try:
            call()
        except KeyError as error:
            inside.append(error.args[0])

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == [1] * 8


def test_generators_that_are_left_inside_a_call_give_it_back_when_they_are_closed(counts: list[int]) -> None:
    def inside() -> Iterator[int]:
        with blas_threads.one_blas_thread():
            yield counts[-1]

    one, two = inside(), inside()
    assert (next(one), next(two)) == (1, 1)
    one.close()  # type: ignore[attr-defined]
    assert counts[-1] == 1  # the other one is still there
    del two
    assert counts[-1] == 4


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_library_that_can_not_be_set_leaves_nobody_inside(monkeypatch: pytest.MonkeyPatch, error) -> None:
    first = [4]

    def refuse(count: int) -> None:
        if count == 1:
            raise error

    libraries = (
        blas_threads._Library(lambda: first[-1], first.append),
        blas_threads._Library(lambda: 2, refuse),
    )
    monkeypatch.setattr(blas_threads, "_libraries", lambda: libraries)
    with pytest.raises(error):
        blas_threads.product(np.ones(SMALL), np.ones(SMALL))
    assert first == [4, 1, 4]
    assert not blas_threads._setting.calls


def test_without_threadpoolctl_products_are_what_they_are() -> None:
    code = (
        "import sys; sys.modules['threadpoolctl'] = None\n"
        "import numpy as np\n"
        "from jacobians.numerics import blas_threads\n"
        "assert blas_threads.product(np.ones((160, 160)), np.ones((160, 160)))[0, 0] == 160\n"
        "assert blas_threads._libraries() == () and not blas_threads._setting.calls\n"
        "assert blas_threads.blas_threads() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize(
    "what", ["compiled", "gradients", "graph", "matvec", "rmatvec", "kernel", "execute", "delta"]
)
def test_every_kind_of_call_binds_and_gives_back(counts: list[int], what: str) -> None:
    net = backprop.MLP.initialize([100, 120, 100], activation="tanh", loss="squared-error", seed=0)
    x, X = np.ones(100), np.ones((40, 100))
    W = np.ones((100, 100))
    J = net.jacobian(X, "0.W", batched=True)
    calls = {
        "compiled": lambda: backprop.compile(net)(x),
        "gradients": lambda: backprop.compile_gradients(net, points=40)(X, X),
        "graph": lambda: backprop.compile(lambda W, x: np.tanh(W @ (W @ x)), W, x)(W, x),
        "matvec": lambda: J.matvec(np.ones(J.shape[1])),
        "rmatvec": lambda: J.rmatvec(np.ones((40, 100)), summed=True),
        "kernel": lambda: backprop.tangent_kernel(net, X),
        "execute": lambda: backprop.Chain([W, W, W]).plan("left").execute(),
        "delta": lambda: net.gradients(X, X),
    }
    del counts[1:]
    calls[what]()
    assert 1 in counts
    assert counts[-1] == 4


def test_arrays_of_other_kinds_are_multiplied_as_they_are(counts: list[int]) -> None:
    a = np.ones(SMALL).view(Counted)
    assert isinstance(blas_threads.product(a, a), Counted)
    assert counts == [4]


def test_real_libraries_are_set_and_given_back_from_any_thread() -> None:
    code = (
        "import threading, numpy as np\n"
        "from jacobians.numerics import blas_threads as b\n"
        "library, = b._libraries()[:1]\n"
        "library.set_threads(2)\n"
        "if library.threads() == 2:\n"
        "    seen = []\n"
        "    call = b.on_one_thread(lambda: seen.append(library.threads()), [(10**5, 1)])\n"
        "    call()\n"
        "    t = threading.Thread(target=call); t.start(); t.join()\n"
        "    assert seen == [1, 1] and library.threads() == 2, (seen, library.threads())\n"
    )
    pytest.importorskip("threadpoolctl", reason="the extra speed, which finds BLAS, is not installed")
    if not blas_threads._libraries():
        pytest.skip("NumPy's BLAS is none that threadpoolctl knows")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_forked_inside_a_call_has_the_callers_number(counts: list[int]) -> None:
    def forked() -> int:
        pid = os.fork()
        if not pid:  # the child leaves at once: no test goes on there
            os._exit(0 if counts[-1] == 4 and not blas_threads._setting.calls else 1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads, by Python and by JAX
        assert blas_threads.on_one_thread(forked, [(10**5, 1)])() == 0


def is_free(lock: Any) -> bool:
    """Return whether another thread can take a lock."""
    found: list[bool] = []

    def take() -> None:
        found.append(lock.acquire(blocking=False))
        if found[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: blas_threads.product(np.ones(SMALL), np.ones(SMALL)),
        blas_threads.on_one_thread(lambda: None, [(10**5, 1)]),
        blas_threads.on_one_thread(
            lambda: blas_threads.product(np.ones(SMALL), np.ones(SMALL)), [(10**5, 1)]
        ),
    ],
)
def test_an_interrupt_before_and_behind_any_call_inside_leaves_the_callers_number(
    counts: list[int], call
) -> None:
    # signals raise where Python looks for them: as a function begins, and as soon as one is called and back
    def interrupted(at: int) -> bool:
        events = 0

        def raises(frame: object, event: str, argument: object) -> None:
            nonlocal events
            if event == "c_call":  # such as that which ends a with: Python looks behind it
                return
            events += 1
            if events == at:
                sys.setprofile(None)
                raise KeyboardInterrupt

        before = sys.getprofile()
        try:
            sys.setprofile(raises)
            call()
            events = at  # over: what follows isn't asked
        except KeyboardInterrupt:
            return True
        finally:
            sys.setprofile(before)
        return False

    at = 1
    while interrupted(at):
        assert counts[-1] == 4, at
        assert not blas_threads._setting.calls, at
        assert is_free(blas_threads._setting.lock), at
        at += 1
    assert at > 15


def test_a_number_that_is_set_inside_a_call_stays(counts: list[int]) -> None:
    blas_threads.on_one_thread(lambda: counts.append(3), [(10**5, 1)])()
    assert counts[-1] == 3
    counts.append(4)


def test_a_call_in_a_task_that_is_cancelled_leaves_the_callers_number(counts: list[int]) -> None:
    import asyncio

    async def waits() -> None:
        with blas_threads.one_blas_thread():
            await asyncio.sleep(60)

    async def cancelled() -> None:
        tasks = [asyncio.create_task(waits()) for _ in range(3)]
        await asyncio.sleep(0)
        assert counts[-1] == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(cancelled())
    assert counts[-1] == 4


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("door", ["compiled", "graph", "gradients", "products", "kernel"])
def test_every_door_gives_it_back_whatever_is_raised_inside(counts: list[int], door: str, error) -> None:
    net = backprop.MLP.initialize([100, 120, 100], activation="tanh", loss="squared-error", seed=0)
    x, X, W = np.ones(100), np.ones((40, 100)), np.ones((100, 100))
    products = backprop.compile_products(net)
    compiled, graph = backprop.compile(net), backprop.compile(lambda W, x: np.tanh(W @ (W @ x)), W, x)
    gradients = backprop.compile_gradients(net, points=40)
    calls = {
        "compiled": lambda: compiled(x),
        "graph": lambda: graph(W, x),
        "gradients": lambda: gradients(X, X),
        "products": lambda: products.at(x).matvec(np.ones(products.spec.shape[1])),
        "kernel": lambda: backprop.tangent_kernel(net, X),
    }
    del counts[1:]
    bound = 0

    def raises(frame: object, event: str, argument: object) -> None:
        nonlocal bound
        bound += counts[-1] == 1 and event != "c_call"
        if bound == 3 and event != "c_call":  # well inside
            sys.setprofile(None)
            raise error

    before = sys.getprofile()
    try:
        sys.setprofile(raises)
        with pytest.raises(error):
            calls[door]()
    finally:
        sys.setprofile(before)
    assert counts[-1] == 4
    assert is_free(blas_threads._setting.lock)


_RNG = np.random.default_rng(0)
_A, _X = _RNG.standard_normal((50, 50)), _RNG.standard_normal((50, 60))


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (jacobians.LinearMap(_A, np.ones((60, 60))), _X),
        (jacobians.QuadraticForm(np.ones((200, 200))), np.ones(200)),
        (jacobians.Gram(), _X),
        (jacobians.Gram(columns=True), _X),
        (jacobians.Convolution(np.ones((16, 8, 3, 3))), np.ones((8, 20, 20))),
        (jacobians.Affine(np.ones((200, 200))), np.ones(200)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_layers_multiply_on_one_thread(counts: list[int], layer: jacobians.Function, x: np.ndarray) -> None:
    layer(x)
    assert counts == [4, *[1, 4] * (len(counts) // 2)]
    assert len(counts) > 1


@pytest.mark.parametrize("wrt", ["input", "A", "B"])
def test_derivatives_of_linear_maps_multiply_on_one_thread(counts: list[int], wrt: str) -> None:
    layer = jacobians.LinearMap(_A, np.ones((60, 60)))
    layer.jacobian(_X, wrt)
    assert (1 in counts) is (wrt != "input")  # A ⊗ Bᵀ is there


def test_cofactors_are_multiplied_on_one_thread(counts: list[int]) -> None:
    jacobians.Determinant().jacobian(_A)
    assert 1 in counts


@pytest.mark.parametrize(
    "code",
    [
        lambda x: np.tanh(x @ _A),
        lambda x: np.tanh(np.dot(x, _A)),
        lambda x: np.tanh(np.inner(_A, x)),
        lambda x: np.tanh(np.tensordot(x, _A, 1)),
        lambda x: np.tanh(np.einsum("i,ij->j", x, _A, optimize=True)),
    ],
    ids=["matmul", "dot", "inner", "tensordot", "einsum"],
)
def test_compiled_code_multiplies_on_one_thread_by_whatever_function(
    monkeypatch: pytest.MonkeyPatch, counts: list[int], code
) -> None:
    monkeypatch.setattr(blas_threads, "LEAST_DIVIDED", 1000)  # a matrix of 50 × 50 is enough
    x = np.ones(50)
    compiled = backprop.compile(code, x, form="arrays")
    del counts[1:]
    compiled(x)
    assert counts == [4, 1, 4]


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (np.dot, [(40, 60), (60, 50)], (120_000, 1)),
        (np.inner, [(40, 60), (50, 60)], (120_000, 1)),
        (np.vdot, [(60,), (60,)], (60, 1)),
        (np.vecdot, [(40, 60), (40, 60)], (60, 40)),
        (np.matmul, [(7, 40, 60), (60, 50)], (120_000, 7)),
    ],
)
def test_multiplications_are_counted_by_product(function, shapes, expected: tuple[int, int]) -> None:
    recording = Recording()
    arrays = [recording.input(f"x{place}", shape) for place, shape in enumerate(shapes)]
    function(*arrays)
    assert matrix_products(recording.nodes, set()) == [expected]
