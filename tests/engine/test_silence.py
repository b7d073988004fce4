"""Nothing is waited for without a word: who does not answer, what does not end and on whom is said,
and a stop is one sentence.
"""

import asyncio
import gc
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext

import pytest
import yaml
from contracts import check_cluster
from places import TESTS as HERE

from lenscal.clusters import Local, Running
from lenscal.engine import events
from lenscal.engine.errors import BlockError
from lenscal.engine.executors import Job
from lenscal.engine.executors.on_dask import OnDask

pytestmark = pytest.mark.filterwarnings("ignore")
SENTENCE = "stopped; what is complete stays complete: run the same command again to go on\n"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(events, "PATIENCE", 2.0)


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def silent():
    there = socket.socket()
    there.bind(("127.0.0.1", 0))
    there.listen(5)
    return there, there.getsockname()[1]


def web():
    there = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=there.serve_forever, daemon=True).start()
    return there.socket, there.server_address[1]


def closed():
    there, port = silent()
    there.close()
    return there, port


@pytest.mark.parametrize("what", [silent, web, closed])
def test_an_address_where_no_scheduler_answers_is_one_sentence(impatient, what):
    there, port = what()
    with (
        there,
        pytest.raises(
            BlockError,
            match=(
                rf"no Dask scheduler answers at 'tcp://127.0.0.1:{port}' \(.+\); start "
                rf"it, or leave cluster.address out"
            ),
        ),
        Running(f"tcp://127.0.0.1:{port}").client(),
    ):
        pass


@pytest.fixture
def local():
    """A scheduler with one worker process under a nanny, and the address of the worker."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as made:
        yield made


def test_the_address_of_a_worker_is_no_scheduler(impatient, local):
    worker = local.workers[0].worker_address
    with (
        pytest.raises(BlockError, match=r"no Dask scheduler answers at .* \(a Worker is there\)"),
        Running(worker).client(),
    ):
        pass


class Given:
    """A cluster whose client is there already."""

    def __init__(self, connected):
        self.client = lambda: nullcontext(connected)


def sweep(connected, work, arguments, names, done, say=lambda text: None, timeout=None, workers_timeout=None):
    """Calls on a cluster, with a listener that hears what is waited for."""
    with OnDask(Given(connected), timeout, workers_timeout) as executor:
        executor.do(
            Job("objects", work, arguments, names, done, "silence", events.Events([lambda event: say(event.text)]))
        )


def swept(connected, seconds, heard, timeout=None, then=lambda: None, workers_timeout=None):
    """Blocks of some seconds each, swept while `then` is done to the cluster after the first line."""
    acted = []

    def say(text):
        heard.append(text)
        if not acted:
            acted.append(then())

    ended = []
    sweep(
        connected,
        time.sleep,
        [(s,) for s in seconds],
        [f"objects leaf{i}" for i in range(len(seconds))],
        lambda i, _: ended.append(i),
        say,
        timeout,
        workers_timeout,
    )
    return sorted(ended)


def test_a_cluster_without_workers_is_said_and_goes_on_when_one_comes(impatient):
    from distributed import LocalCluster

    heard = []
    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as made:
        address = made.scheduler_address
        with Running(address).client() as connected:
            assert swept(connected, [0.01] * 3, heard, then=lambda: made.scale(1)) == [0, 1, 2]
    assert heard[0] == f"waits for workers: none is at {address}; start some (dask worker {address})"


def test_a_worker_that_stands_still_is_named_with_its_block_and_what_it_does_counts_when_it_goes_on(impatient, local):
    heard, ended, process = [], [], local.workers[0].pid

    def say(text):
        heard.append(text)
        os.kill(process, signal.SIGCONT)

    with Running(local.scheduler_address).client() as connected:
        sweep(connected, signal.raise_signal, [(signal.SIGSTOP,)], ["objects leaf0"], lambda i, _: ended.append(i), say)
    assert ended == [0]
    assert heard[0].startswith(
        ("waits for objects leaf0, at work for ", "waits for a worker to take up a block, for ")
    )  # it may stand before it has said what it began
    assert local.workers[0].worker_address in heard[0]


def test_a_block_that_does_not_end_is_said_again_and_again_and_stops_the_run_where_it_has_a_limit(impatient, local):
    heard = []
    with Running(local.scheduler_address).client() as connected:
        with pytest.raises(
            BlockError,
            match=(
                r"objects leaf1: not at its end after \d+ s on tcp://.*, for the second time "
                r"\(cluster.block_timeout is 8\)"
            ),
        ):
            swept(connected, [0.1, 60], heard, timeout=8)
        again = [
            i
            for i, text in enumerate(heard)
            if text.endswith("(cluster.block_timeout is 8): the worker is started anew, and the block done again")
        ]
        assert again[0] >= 2
        assert all(
            text.startswith("waits for objects leaf1, at work for ") and "the longest that ended took" in text
            for text in heard[: again[0]]
        )


def test_a_block_whose_worker_stands_still_is_done_again_by_a_worker_that_is_started_anew(impatient, local, tmp_path):
    heard, ended = [], []
    with Running(local.scheduler_address).client() as connected:
        sweep(
            connected,
            stand_still_once,
            [(str(tmp_path / "been"),), (str(tmp_path),)],
            ["objects a", "objects b"],
            lambda i, gave: ended.append((i, gave)),
            heard.append,
            4,
        )
    assert sorted(ended) == [(0, "again"), (1, "again")]
    assert any(
        "objects a: not at its end after " in text
        or "do not answer (cluster.block_timeout is 4): they are started anew" in text
        for text in heard
    )


def stand_still_once(path):
    """A call whose process is stopped, as a machine that hangs is, but for the second time."""
    if os.path.exists(path):
        return "again"
    open(path, "w").close()
    signal.raise_signal(signal.SIGSTOP)


def test_a_cluster_to_which_no_worker_comes_stops_the_run(impatient):
    from distributed import LocalCluster

    heard = []
    with (
        LocalCluster(
            n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as made,
        Running(made.scheduler_address).client() as connected,
        pytest.raises(
            BlockError,
            match=(
                rf"no worker came to {made.scheduler_address} within \d+ s \(cluster.workers_timeout is 4\); "
                rf"start some .* and run again"
            ),
        ),
    ):
        swept(connected, [0.01], heard, workers_timeout=4)
    assert heard[0].startswith("waits for workers: none is at ")


def test_blocks_of_an_earlier_run_are_said_to_be_waited_for(impatient, local):
    with Running(local.scheduler_address).client() as connected:
        left = connected.submit(time.sleep, 5, key="lenscal-silence-left", pure=False)
        heard = []
        time.sleep(0.5)
        assert swept(connected, [0.01], heard) == [0]
        assert left.done()
    assert heard[0] == "waits for 1 blocks that an earlier run left at work"


def test_blocks_that_end_in_time_are_not_talked_about(impatient, local):
    heard = []
    with Running(local.scheduler_address).client() as connected:
        assert swept(connected, [0.3] * 12, heard, timeout=30) == list(range(12))
    assert heard == []


@pytest.mark.parametrize("quiet", [False, True])
def test_what_is_long_at_work_in_the_driver_is_said_unless_something_else_was(quiet, capsys, monkeypatch):
    from rich.console import Console

    from lenscal.engine.terminal import Terminal

    console = Console(record=True, width=200)
    tell = events.Events([Terminal(["detector"], console, quiet=quiet)])
    monkeypatch.setattr(events, "PATIENCE", 0.3)
    with tell.watching("detector", "block whole"):
        time.sleep(1.5)
    said = capsys.readouterr().err if quiet else console.export_text()
    assert 1 <= said.count("block whole is at work for ") <= 2
    monkeypatch.setattr(events, "PATIENCE", 0.5)
    with tell.watching("detector", "block whole"):
        for _ in range(10):
            time.sleep(0.1)
            tell(events.Waiting("detector", "an epoch"))
    said = capsys.readouterr().err if quiet else console.export_text()
    assert "block whole" not in said


def test_workers_of_this_machine_speak_tls_with_a_key_that_others_do_not_have():
    from distributed.comm import connect

    with Local(1, 1).client() as connected:
        address = connected.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        assert all(worker.startswith("tls://") for worker in connected.nthreads())
        for other in (address, address.replace("tls", "tcp")):
            with pytest.raises((OSError, TypeError, ValueError)):
                asyncio.run(connect(other, timeout=2))


def test_a_client_that_does_not_connect_is_closed_at_once_and_not_whenever_it_is_collected():
    from distributed import Client

    from lenscal.clusters.connecting import connect

    address = "tls://127.0.0.1:9"
    with pytest.raises(TypeError, match="TLS expects") as refused:  # then distributed leaves it half open
        connect(address, timeout="1s", set_as_default=False)
    left = [one for one in gc.get_objects() if type(one) is Client and address in str(one._start_arg)]
    assert refused  # whose frames hold it
    assert [one.status for one in left] == ["closed"]


def test_clusters_keep_their_contract(local):
    check_cluster(Local(1, 2))
    check_cluster(Running(local.scheduler_address))


PROGRAM = """
import time
from lenscal.cli.refusal import refusals
import typer

def main():
    with refusals():
        from lenscal.clusters import Local
        from lenscal.engine.events import Events
        from lenscal.engine.executors import Job
        from lenscal.engine.executors.on_dask import OnDask
        print("begun", flush=True)
        with OnDask(Local(2, 1)) as executor:
            executor.client(Events())
            print("up", flush=True)
            names = [str(i) for i in range(400)]
            executor.do(Job("stop", time.sleep, [(0.2,)] * 400, names, lambda i, _: print("done", flush=True), "stop"))

if __name__ == "__main__":
    typer.run(main)
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("line", "later"), [("begun", 0.3), ("begun", 2.0), ("up", 0.0), ("done", 0.5)])
def test_a_stop_at_any_moment_is_one_sentence_and_leaves_no_process(tmp_path, sign, line, later):
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for said in process.stdout:
            if said.strip() == line:
                break
        time.sleep(later)
        if sign == signal.SIGINT:
            os.killpg(process.pid, sign)  # a terminal sends it to all
        else:
            os.kill(process.pid, sign)  # a batch system to the process that it started
        _, errors = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, errors.replace("\n", " ").strip()) == (130, SENTENCE.strip())
    assert gone(process.pid)


DEAF = """
import signal, sys, time
from lenscal.clusters import Running
from lenscal.engine.events import Events
from lenscal.engine.executors import Job
from lenscal.engine.executors.on_dask import OnDask
from lenscal.io import stopping

sign = int(sys.argv[2])

class Deaf:
    def __del__(self):
        signal.raise_signal(sign)

if __name__ == "__main__":
    before, ended = signal.getsignal(sign), []
    job = Job("stop", time.sleep, [(0.1,)] * 400, [str(i) for i in range(400)], lambda i, _: ended.append(i), "stop")
    try:
        with stopping.heard(), OnDask(Running(sys.argv[1])) as executor:
            executor.client(Events())
            Deaf()
            executor.do(job)
    except KeyboardInterrupt:
        assert signal.getsignal(sign) is before
        stopping.check()  # the next run is none that was stopped
        print("stopped early" if len(ended) < 400 else "late")
"""


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_comes_where_nobody_hears_it_is_not_lost(local, tmp_path, sign):
    """In a process of its own: a signal is a matter of the whole process."""
    (tmp_path / "deaf.py").write_text(DEAF)
    done = subprocess.run(
        [sys.executable, "deaf.py", local.scheduler_address, str(int(sign))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.stdout == "stopped early\n", done.stderr
    assert "KeyboardInterrupt" not in done.stderr


@pytest.mark.parametrize("later", [0.1, 1.5, 4.0])
def test_ctrl_c_while_a_sky_is_drawn_is_one_sentence(tmp_path, later):
    raw = yaml.safe_load((HERE / "tiny.yaml").read_text())
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw | {"sky": raw["sky"] | {"bricks": 40, "brick_pixels": 900}}))
    process = subprocess.Popen(
        [sys.executable, "-m", "lenscal", "mock", "run.yaml"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        began = time.monotonic()
        while not (tmp_path / "stores" / "sky" / ".new").exists() and process.poll() is None:
            assert time.monotonic() - began < 100
            time.sleep(0.01)
        time.sleep(later)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, errors.replace("\n", " ").strip()) == (130, SENTENCE.strip())
    assert not (tmp_path / "stores" / "sky" / "sha256sums.txt").exists()


def gone(group):
    """Whether no process of a group is left, after some seconds at most."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
