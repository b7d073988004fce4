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


@pytest.mark.parametrize("code", [errno.EIO, *NONE])
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
