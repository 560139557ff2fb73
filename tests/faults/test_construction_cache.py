"""A cache that cannot be trusted or written is a warning, and the result is the same."""

import os

import numpy as np
import pytest

from recirc.circuits.cache import cache_folder, cached_arrays

SPECIFICATION = {"key": [0, 1], "rate": 0.1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "cache é"))
    return tmp_path / "cache é"


def counted():
    calls = []

    def compute():
        calls.append(1)
        return {"weights": np.arange(6.0).reshape(2, 3)}

    return compute, calls


def test_computed_once_then_read_with_the_same_bits(folder):
    compute, calls = counted()
    first = cached_arrays("thing", SPECIFICATION, compute)
    second = cached_arrays("thing", dict(reversed(SPECIFICATION.items())), compute)
    assert len(calls) == 1
    assert second["weights"].tobytes() == first["weights"].tobytes()
    assert second["weights"].dtype == first["weights"].dtype
    cached_arrays("thing", SPECIFICATION | {"rate": 0.2}, compute)
    assert len(calls) == 2
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "zeros", "text"])
def test_a_damaged_file_is_computed_again_with_a_warning(folder, damage):
    compute, calls = counted()
    cached_arrays("thing", SPECIFICATION, compute)
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {
        "truncate": bytes(content[: len(content) // 2]),
        "empty": b"",
        "flip": bytes(content),
        "zeros": bytes(len(content)),
        "text": b"not an archive" * 10,
    }[damage]
    path.write_bytes(changed)
    with pytest.warns(UserWarning, match="damaged"):
        again = cached_arrays("thing", SPECIFICATION, compute)
    assert len(calls) == 2
    assert np.array_equal(again["weights"], np.arange(6.0).reshape(2, 3))
    cached_arrays("thing", SPECIFICATION, compute)
    assert len(calls) == 2


def test_an_unwritable_cache_is_a_warning(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path / "file" / "cache"))
    compute, calls = counted()
    with pytest.warns(UserWarning, match="is not kept.* cannot write .*: Not a directory"):
        assert cached_arrays("thing", SPECIFICATION, compute)["weights"].shape == (2, 3)
    assert calls == [1]


def test_a_failed_rename_leaves_no_temporary(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    compute, _ = counted()
    with pytest.warns(UserWarning, match="is not kept.* no space left"):
        cached_arrays("thing", SPECIFICATION, compute)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("bad", [np.array([np.nan]), np.array([None]), np.array(["a"])])
def test_what_is_not_a_finite_number_is_not_kept(folder, bad):
    with pytest.raises(ValueError, match="finite numbers"):
        cached_arrays("thing", SPECIFICATION, lambda: {"weights": bad})
    assert not folder.exists()


def test_a_name_cannot_leave_the_folder(folder):
    with pytest.raises(ValueError, match="identifier"):
        cached_arrays("../thing", SPECIFICATION, counted()[0])
    assert not folder.exists()


def test_the_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("RECIRC_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "recirc"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "recirc"
