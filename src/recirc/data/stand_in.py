"""Files that stand in for the data: pointers, web pages, archives; each told for what it is."""

from pathlib import Path

from recirc.data import probe
from recirc.data.probe import DataFileError


def head_of(path: Path) -> bytes:
    """The first mebibyte; DataFileError if there is none to be read, or it is of something else than data."""
    head = probe.head_of(path)
    if told := _stand_in(head):
        raise DataFileError(told)
    return head


def _stand_in(head: bytes) -> str:
    """What a file is that stands in for the data, and the mend; empty if it is nothing of that kind."""
    text = head[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        return "this is a Git LFS pointer, not the file it stands for; get that with `git lfs pull`."
    if text.startswith((b"/annex/objects/", b"../")) or b".git/annex/objects/" in text[:512]:
        return "this is a git-annex pointer, not the file it stands for; get that with `git annex get`."
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<!--")):
        return "this is a web page (HTML), such as a login or an error, not the file; download it again, signed in."
    if text.startswith((b"<?xml", b"<error")) or (text.startswith(b"{") and b"error" in text[:512]):
        return "this is what a server answered instead of the file (XML or JSON); open it as text, download again."
    for start, name in ((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"), (b"7z\xbc\xaf", "7-zip"),
                        (b"\x28\xb5\x2f\xfd", "zstd"), (b"Rar!", "RAR")):  # fmt: skip
        if head.startswith(start):
            return f"this is compressed as a whole ({name}); unpack it first."
    return "this is text in UTF-16; save it as UTF-8." if head.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
