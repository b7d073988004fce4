"""Work on one folder is locked on every kind of file system, or the reason why it cannot be is said."""

import errno
import fcntl
import multiprocessing
import os
import stat

import pytest

from lenscal.io import folders, locks

NONE = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL]


def refusing(code):
    def lock(*_):
        raise OSError(code, os.strerror(code))

    return lock


@pytest.mark.parametrize("code", NONE)
def test_without_flock_another_lock_is_taken(monkeypatch, tmp_path, code):
    monkeypatch.setattr(fcntl, "flock", refusing(code))
    with locks.alone(tmp_path / "plan"):
        assert (tmp_path / "plan" / "lock").read_text() == str(os.getpid())


def _tries(folder, answers):
    fcntl.flock = refusing(errno.ENOSYS)
    try:
        with locks.alone(folder):
            answers.put("in")
    except folders.StoreError as error:
        answers.put(str(error))


def test_the_other_lock_keeps_other_processes_out(monkeypatch, tmp_path):
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOSYS))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    for expected in (f"another run (process {os.getpid()}) is at work", "in"):
        held = locks.alone(tmp_path / "plan")
        if expected != "in":
            held.__enter__()
        process = context.Process(target=_tries, args=(tmp_path / "plan", answers))
        process.start()
        assert expected in answers.get(timeout=60)
        process.join(60)
        if expected != "in":
            held.__exit__(None, None, None)


@pytest.fixture
def without_locks(monkeypatch):
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOSYS))
    monkeypatch.setattr(fcntl, "lockf", refusing(errno.ENOSYS))


@pytest.mark.parametrize("code", NONE)
def test_without_any_lock_the_owner_is_named_in_a_file_that_goes_at_the_end(monkeypatch, tmp_path, code):
    monkeypatch.setattr(fcntl, "flock", refusing(code))
    monkeypatch.setattr(fcntl, "lockf", refusing(code))
    owner = tmp_path / "plan" / "lock.owner"
    for _ in range(2):
        with locks.alone(tmp_path / "plan"):
            assert owner.read_text().split()[0] == str(os.getpid())
            with (
                pytest.raises(folders.StoreError, match=rf"process {os.getpid()} on .* is at work .*remove '{owner}'"),
                locks.alone(tmp_path / "plan"),
            ):
                pass
        assert not owner.exists()


def test_what_a_process_left_that_is_no_more_is_taken_over_and_what_another_machine_left_is_not(
    without_locks, tmp_path
):
    import socket

    ended = multiprocessing.get_context("fork").Process(target=int)
    ended.start()
    ended.join()
    owner = tmp_path / "plan" / "lock.owner"
    owner.parent.mkdir()
    for left in (f"{ended.pid} {socket.gethostname()}", ""):
        owner.write_text(left)
        with locks.alone(tmp_path / "plan"):
            assert owner.read_text().split()[0] == str(os.getpid())
    owner.write_text(f"{ended.pid} elsewhere")
    with (
        pytest.raises(folders.StoreError, match=rf"process {ended.pid} on elsewhere.*remove"),
        locks.alone(tmp_path / "plan"),
    ):
        pass
    assert owner.exists()


def test_a_sky_is_read_without_locks_unless_someone_replaces_it(without_locks, tmp_path):
    (tmp_path / ".mock").write_text("")
    with locks.reading(tmp_path / ".mock", "the sky"):
        pass
    with (
        locks.alone(tmp_path, ".mock"),
        pytest.raises(folders.StoreError, match=rf"the sky is being replaced by process {os.getpid()}"),
        locks.reading(tmp_path / ".mock", "the sky"),
    ):
        pass


@pytest.mark.parametrize("code", [errno.EIO])
def test_where_no_lock_can_be_had_one_sentence_names_the_folder_and_what_to_do(monkeypatch, tmp_path, code):
    monkeypatch.setattr(fcntl, "flock", refusing(code))
    monkeypatch.setattr(fcntl, "lockf", refusing(code))
    with (
        pytest.raises(
            folders.StoreError,
            match=rf"'{tmp_path}/plan/lock' cannot be locked .*file system.*put this folder .* on another",
        ),
        locks.alone(tmp_path / "plan"),
    ):
        pass


@pytest.mark.parametrize("code", NONE)
def test_what_does_no_harm_twice_goes_on_without_a_lock(monkeypatch, tmp_path, code):
    monkeypatch.setattr(fcntl, "flock", refusing(code))
    monkeypatch.setattr(fcntl, "lockf", refusing(code))
    with (tmp_path / "a").open("a+") as file, locks.locked(file):
        file.write("x")
    assert (tmp_path / "a").read_text() == "x"


def test_the_folder_that_processes_of_a_user_share_belongs_to_that_user_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = locks.own_temporary()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert locks.own_temporary() == path
    path.chmod(0o777)
    with pytest.raises(folders.StoreError, match="is not a folder of this user alone; set TMPDIR"):
        locks.own_temporary()
    path.rmdir()
    path.symlink_to(tmp_path)
    with pytest.raises(folders.StoreError, match="is not a folder of this user alone"):
        locks.own_temporary()
