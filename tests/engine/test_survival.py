"""What fails again and again is set aside by name and the rest goes on; the window follows the workers; a worker whose
machine is to be taken away ends what it is at and leaves.
"""

import json
import os
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from places import TESTS
from toys import opened
from typer.testing import CliRunner

from lenscal import engine
from lenscal.cli.refusal import ASIDE, refusals
from lenscal.clusters import Local
from lenscal.engine import InProcess, events
from lenscal.engine.errors import BlockError, PlanError, SetAside
from lenscal.engine.executors import sweeping
from lenscal.engine.executors.executor import Job
from lenscal.engine.executors.on_dask import OnDask


@pytest.fixture(autouse=True)
def support(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TESTS / "support"))


def toys(folder, kind):
    folder.parent.mkdir(parents=True, exist_ok=True)
    return opened(json.dumps([kind, str(folder)]))


@pytest.fixture(scope="module")
def cluster():
    """A worker process under a nanny, for several tests."""
    with Local(1, 1).client() as connected:
        yield Given(connected)


class Given:
    """A cluster whose client is there already."""

    def __init__(self, connected):
        self.connected = connected

    @contextmanager
    def client(self):
        yield self.connected


def test_a_poison_block_is_tried_a_number_of_times_and_set_aside_and_the_rest_is_done(cluster, tmp_path):
    run = tmp_path / "far" / "run"
    heard = []
    with pytest.raises(
        SetAside,
        match=(
            r"1 of 3 blocks were set aside after 3 attempts \(cluster.block_attempts\): a 001: block 001 has no disk; "
            r"the other 2 blocks of a are complete: mend what is said and run again to go on"
        ),
    ) as caught:
        engine.run(toys(run, "Failing"), executor=OnDask(cluster, block_attempts=3), listeners=[heard.append])
    assert caught.value.names == ("a 001",)
    said = [event.text for event in heard if isinstance(event, events.Waiting)]
    assert said == ["a 001 is set aside, the rest goes on: block 001 has no disk"]
    assert sorted(path.name for path in (run / "a").iterdir()) == ["000.json", "002.json"]
    (run / "mended").touch()
    again = engine.run(toys(run, "Failing"), executor=OnDask(cluster, block_attempts=3))
    calm = engine.run(toys(tmp_path / "near" / "run", "Toy"), executor=InProcess())
    assert again.stages[0].digest == calm.stages[0].digest


def failing(i, wrong):
    """A call of which some fail, each time."""
    if i in wrong:
        raise OSError(f"no disk for {i}")
    return i


def refusing(i):
    if i == 1:
        raise PlanError("other sources than the run")
    return i


def sweep(cluster, work, arguments, attempts):
    done, heard = {}, []
    names = [f"block {i}" for i in range(len(arguments))]
    job = Job("stage", work, arguments, names, done.__setitem__, "survival", events.Events([heard.append]))
    with OnDask(cluster, block_attempts=attempts) as executor:
        try:
            executor.do(job)
        except BlockError as error:
            return done, error
    return done, None


def test_where_too_many_blocks_fail_the_fault_lies_in_none_of_them_and_the_run_stops(cluster):
    done, error = sweep(cluster, failing, [(i, range(200)) for i in range(200)], 2)
    assert isinstance(error, SetAside)
    assert "too many blocks fail for the fault to lie in them" in str(error)
    assert len(error.names) == sweeping.ASIDE + 3
    assert done == {}


def test_some_of_many_are_set_aside_and_the_others_are_all_done_once(cluster):
    wrong = [3, 70, 199]
    done, error = sweep(cluster, failing, [(i, wrong) for i in range(200)], 2)
    assert error.names == tuple(f"block {i}" for i in wrong)
    assert sorted(done) == [i for i in range(200) if i not in wrong]


def test_what_no_attempt_can_mend_is_not_tried_again(cluster):
    _, error = sweep(cluster, refusing, [(0,), (1,)], 3)
    assert not isinstance(error, SetAside)
    assert "block 1: other sources than the run" in str(error)


def test_a_block_that_hangs_again_and_again_is_set_aside_and_its_worker_is_free(tmp_path):
    with pytest.raises(SetAside, match=r"a 001: not at its end after \d+ s .*, for the second time"):
        engine.run(
            toys(tmp_path / "far" / "run", "Stuck"),
            executor=OnDask(Local(1, 1), block_timeout=10, workers_timeout=120, block_attempts=2),
        )
    assert sorted(path.name for path in (tmp_path / "far" / "run" / "a").iterdir()) == ["000.json", "002.json"]


def test_the_exit_code_says_that_blocks_were_set_aside():
    import typer

    app = typer.Typer()

    @app.command()
    def go() -> None:
        with refusals():
            raise SetAside("1 of 3 blocks were set aside", ("a 001",)) from ValueError("a fault of the code")

    result = CliRunner().invoke(app, [])
    assert result.exit_code == ASIDE == 3
    assert "1 of 3 blocks were set aside" in result.output


def here(**settings):
    """Scheduler and workers in this process."""
    from distributed import LocalCluster

    where = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    return LocalCluster(n_workers=1, threads_per_worker=1, processes=False, silence_logs=50, **where, **settings)


def napping(seconds):
    time.sleep(seconds)
    return os.getpid()


def test_the_window_grows_with_the_workers_that_come(monkeypatch):
    monkeypatch.setattr(sweeping, "LOOK_S", 0.2)
    from distributed import Client

    with (
        here() as made,
        Client(made) as connected,
    ):
        most, done = [], {}

        def ended(i, gave):
            done[i] = gave
            if i == 2:
                made.scale(4)
            most.append(connected.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))

        job = Job("stage", napping, [(0.05,)] * 120, [f"block {i}" for i in range(120)], ended, "window")
        with OnDask(Given(connected)) as executor:
            executor.do(job)
        assert len(done) == 120
        assert max(most[:2]) <= sweeping.AHEAD
        assert sweeping.AHEAD < max(most) <= 4 * sweeping.AHEAD + 4, "those that just ended count for a moment"


# --- machines that are taken away


class Notice(BaseHTTPRequestHandler):
    """What a machine asks about itself."""

    def do_PUT(self):
        self._answer(200, b"token")

    def do_GET(self):
        given = self.server.given and self.headers["X-aws-ec2-metadata-token"] == "token"
        self._answer(200 if given else 404, b'{"action": "terminate"}')

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def notices(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Notice)
    server.given = False
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()


def test_a_worker_whose_machine_is_to_be_taken_away_ends_its_block_and_leaves_and_none_is_done_twice(
    notices, tmp_path, monkeypatch
):
    from distributed import Client

    monkeypatch.setattr("lenscal.clusters.ec2.notice.LOOK_S", 0.1)
    with (
        here(preload=["lenscal.clusters.ec2.notice"]) as made,
        Client(made) as connected,
    ):
        first = made.workers[0].address
        done = {}

        def ended(i, gave):
            done[i] = gave
            if i == 1:
                notices.given = True
                time.sleep(0.5)
                notices.given = False
                made.scale(2)

        marks = tmp_path / "marks"
        job = Job(
            "stage", marking, [(str(marks), i) for i in range(12)], [f"block {i}" for i in range(12)], ended, "drain"
        )
        with OnDask(Given(connected), workers_timeout=30) as executor:
            executor.do(job)
        assert sorted(done) == list(range(12))
        assert first not in connected.scheduler_info(n_workers=-1)["workers"]
        assert sorted(marks.read_text().split()) == sorted(str(i) for i in range(12)), "no block was done twice"


def marking(file, i):
    time.sleep(0.3)
    with open(file, "a") as marks:
        marks.write(f"{i}\n")


def test_a_machine_that_asks_nobody_is_told_nothing(monkeypatch):
    from lenscal.clusters.ec2 import notice

    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
    assert not notice.noticed(notice._service())


def test_what_machines_cost_is_said_below_the_table_and_as_a_line_elsewhere():
    from io import StringIO

    from rich.console import Console

    from lenscal.engine.terminal import Terminal

    for live in (True, False):
        out = StringIO()
        display = Terminal(["a"], Console(file=out, force_terminal=live, width=120))
        with display:
            display(events.Started("a", 3, 0))
            display(events.Told("", "2 machines of workers, about 0.10 dollars so far [x]"))
        assert "dollars so far [x]" in out.getvalue()
