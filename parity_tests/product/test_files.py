"""Files are written as a whole or not at all, and what stands there already is respected."""

import os
import stat
import threading
from pathlib import Path

import pytest

from handgrad.files import output_folder, refuse_unwritable, write_text


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.txt"


def test_write_text_replaces_and_leaves_nothing_behind(path):
    for text in ("old", "µ"):
        write_text(path, text)
    assert path.read_bytes() == "µ".encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace", "KeyboardInterrupt"])
def test_write_text_that_fails_keeps_the_old_file(step, path, monkeypatch):
    write_text(path, "old")

    def fail(*args, **kwargs):
        raise KeyboardInterrupt if step == "KeyboardInterrupt" else OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace" if step == "replace" else "fsync", fail)
    with pytest.raises((OSError, KeyboardInterrupt)):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_half_a_surrogate_pair_is_written_as_its_escape(path):
    write_text(path, '"\ud800"')
    assert path.read_bytes() == b'"\\ud800"'


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o666, 0o4711])
def test_mode_and_owner_stay(mode, path):
    path.write_text("old")
    owner = (os.getuid(), os.getgid())
    if os.getuid() == 0:  # only root can give a file away
        owner = (12345, 54321)
        os.chown(path, *owner)
    path.chmod(mode)
    write_text(path, "new")
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, *owner)
    assert path.read_text() == "new"


def test_a_new_file_has_the_mode_that_the_umask_leaves(path):
    before = os.umask(0o027)
    try:
        write_text(path, "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("dangling", [False, True])
def test_of_a_symbolic_link_the_target_is_written(dangling, path, tmp_path):
    (tmp_path / "below").mkdir()
    target = tmp_path / "below" / "target.txt"
    if not dangling:
        target.write_text("old")
    path.symlink_to("below/target.txt")
    write_text(path, "new")
    assert path.is_symlink()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    assert sorted(tmp_path.iterdir()) == [path, target.parent]


def test_a_device_stays_a_device(tmp_path):
    write_text(Path(os.devnull), "nothing")
    (tmp_path / "null").symlink_to(os.devnull)
    write_text(tmp_path / "null", "nothing")
    refuse_unwritable(Path(os.devnull))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_text(Path("/dev/full"), "text")


def test_a_pipe_stays_a_pipe(path):
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    write_text(path, "through")
    reader.join()
    assert read == ["through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_what_is_open_already_is_written_and_not_replaced(path):
    with path.open("w") as file:
        write_text(Path(f"/dev/fd/{file.fileno()}"), "through")
        assert path.stat().st_ino == os.fstat(file.fileno()).st_ino
    assert path.read_text() == "through"


LONG = "x" * 250  # a name may have 255 bytes

# What is made below an empty folder, the path to be written, what the error says.
UNWRITABLE = {
    "folder": (lambda here: (here / "a").mkdir(), "a", "Is a directory"),
    "here": (lambda here: None, ".", "Is a directory"),
    "nothing": (lambda here: None, "", "Is a directory"),
    "no folder": (lambda here: None, "no/a", "No such file"),
    "below a file": (lambda here: (here / "file").touch(), "file/a", "Not a directory"),
    "link to a folder": (lambda here: (here / "a").symlink_to("/"), "a", "Is a directory"),
    "link to itself": (lambda here: (here / "a").symlink_to("a"), "a", "symbolic links"),
    "link into no folder": (lambda here: (here / "a").symlink_to("no/b"), "a", "No such file"),
    "too long": (lambda here: None, LONG * 2, "too long"),
}


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_what_cannot_be_written_is_refused_before_and_then(kind, tmp_path, monkeypatch):
    make, name, message = UNWRITABLE[kind]
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for call in (lambda: refuse_unwritable(Path(name)), lambda: write_text(Path(name), "text")):
        with pytest.raises(OSError, match=message):
            call()
        assert sorted(tmp_path.rglob("*")) == before


def test_a_file_without_permission_to_write_is_kept(path, monkeypatch):
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do everything
    for call in (lambda: refuse_unwritable(path), lambda: write_text(path, "new")):
        with pytest.raises(PermissionError):
            call()
    assert path.read_text() == "old"


def test_a_long_name_is_a_name(tmp_path):
    write_text(tmp_path / LONG, "text")
    assert [one.name for one in tmp_path.iterdir()] == [LONG]


def test_output_folder_refuses_what_is_in_the_way(tmp_path):
    output_folder(tmp_path / "a" / "b", ("report.html",))
    output_folder(tmp_path / "a" / "b", ("report.html",))
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "a" / "b" / "report.html").mkdir()
    with pytest.raises(IsADirectoryError):
        output_folder(tmp_path / "a" / "b", ("report.html",))
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        output_folder(tmp_path / "file", ("report.html",))
