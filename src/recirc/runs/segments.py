"""Finished pieces of work in files that only grow: one per writer, however many pieces there are."""

import contextlib
import errno
import hashlib
import os
import struct
import uuid
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from recirc.storage import Place, explained, head_bytes, layout, unpack

MAGIC = b"\x93recirc\n"
_HEAD = struct.Struct(
    "<8s32sQ32s"
)  # magic, key, length of the payload, SHA-256 of key and payload; then CRC-32 of these
_HEAD_BYTES = _HEAD.size + 4
_CHUNK = 1 << 20
_MERGED = 1 << 24  # bytes that are merged at a time
_HEAD_CHUNK = 1 << 14  # bytes in which the head of a payload usually is
MOST_OPEN = 200  # files that stay open to be read, of the 1,024 that a process may usually have


class Record(NamedTuple):
    """Where a record is: its file, the position of its payload, and the payload's length."""

    path: Path
    start: int
    length: int


class KeptArrays(Mapping[str, Any]):
    """Arrays of a record by name, each read from the disk whenever it is asked for: many records need no memory.

    Args:
        file: the record's.
        start: where its payload begins.
        places: of the arrays in it.
    """

    def __init__(self, file: "_Readable", start: int, places: Mapping[str, Place]):
        self._file, self._start, self._places = file, start, places

    def __getitem__(self, name: str) -> Any:
        place = self._places[name]
        return place.array(self._file.read(self._start + place.start, place.stop - place.start))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _Readable:
    """An open file, closed when nobody can read it any more; it can be read when its name is gone."""

    def __init__(self, path: Path):
        self.path = path
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self):
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def read(self, start: int, length: int) -> bytearray:
        data = bytearray()
        while len(data) < length:
            if not (more := os.pread(self.descriptor, length - len(data), start + len(data))):
                raise OSError(errno.EIO, "it ends before an array does", str(self.path))
            data += more
        return data


class Segments:
    """Records by key (64 hexadecimal digits) in the `*.segment` files of a folder.

    A record is a head with its own checksum, and a payload whose SHA-256 is in the head. Each writer appends to a file
    of its own and waits for the disk, so that records are whole or not there at all. What is torn or damaged is left
    out, with a sentence. Of several records with one key the last found counts, unless it is `tentative`.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path):
        self.folder, self._index, self._tentative = folder, {}, set()
        self._read: dict[Path, int] = {}  # how far each file has been read
        self._own: BinaryIO | None = None
        self._files: dict[Path, _Readable] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._index

    def __len__(self) -> int:
        return len(self._index)

    def is_tentative(self, key: str) -> bool:
        """Whether a record stands only until there is another: what may go better when it is tried again."""
        return key in self._tentative

    def refresh(self, alone: bool = True) -> None:
        """Find the records that were added since the last time.

        Args:
            alone: whether nobody else is writing; otherwise a record that is not whole may still become so.

        Warns:
            UserWarning: of every record that is damaged, or torn while this process is alone.
        """
        for path in sorted(self.folder.glob("*.segment")):
            with contextlib.suppress(FileNotFoundError):
                self._scan(path, alone)

    def read(self, key: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Arrays and what they are of, of a record that is there.

        Arrays are read when they are asked for; at once where `MOST_OPEN` other files are open already.
        """
        path, start, length = self._index[key]
        if path not in self._files and len(self._files) >= MOST_OPEN:
            with open(path, "rb") as stream:
                stream.seek(start)
                return unpack(stream.read(length))
        file = self._files.get(path) or self._files.setdefault(path, _Readable(path))
        head = file.read(start, min(length, _HEAD_CHUNK))
        if head_bytes(head) > len(head):
            head = file.read(start, head_bytes(head))
        places, about = layout(head)
        return KeptArrays(file, start, places), about

    def size(self, key: str) -> int:
        """Bytes that a record takes."""
        return self._index[key].length + _HEAD_BYTES

    def write(self, records: Mapping[str, bytes], tentative: Iterable[str] = ()) -> None:
        """Append records and wait until the disk has them: all of them, or none.

        Args:
            records: payloads, as `recirc.storage.pack` makes them, by key.
            tentative: keys of those that a later record of the same key replaces.

        Raises:
            StorageError: if the disk is full or cannot be written to; what was there before is intact.
        """
        if self._own is None:
            path = self.folder / f"{uuid.uuid4().hex}.segment"
            with explained(path):
                self._own = open(path, "xb", buffering=0)  # noqa: SIM115 kept open
                _wait_for_folder(self.folder)
        path, start = Path(self._own.name), self._own.tell()
        with explained(path):
            try:
                for key, payload in records.items():
                    _write_all(self._own, _record(key, payload, key in tentative))
                os.fsync(self._own.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    self._own.truncate(start)
                self._own.seek(start)
                raise
        for key, payload in records.items():
            self._add(key, Record(path, start + _HEAD_BYTES, len(payload)), key in tentative)
            start += _HEAD_BYTES + len(payload)
        self._read[path] = start

    def merge(self, other: "Segments") -> int:
        """Copy the records that another folder has and this one lacks; returns how many."""
        new = [
            key for key in other._index if key not in self or (self.is_tentative(key) and not other.is_tentative(key))
        ]
        records, n_bytes = {}, 0
        for key in new:
            path, start, length = other._index[key]
            with open(path, "rb") as stream:
                stream.seek(start)
                records[key] = stream.read(length)
            n_bytes += length
            if n_bytes >= _MERGED or key == new[-1]:  # waiting for the disk after each would take long
                self.write(records, [name for name in records if other.is_tentative(name)])
                records, n_bytes = {}, 0
        return len(new)

    def close(self) -> None:
        """Stop writing."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _add(self, key: str, place: Record, tentative: bool) -> None:
        if not tentative:
            self._tentative.discard(key)
        elif key in self._index and key not in self._tentative:
            return
        else:
            self._tentative.add(key)
        self._index[key] = place

    def _scan(self, path: Path, alone: bool) -> None:
        """Read a file from where it was left; a place that is no record is searched for the next one."""
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            place = self._read.get(path, 0)
            while place < size:
                stream.seek(place)
                head = _head(stream.read(_HEAD_BYTES))
                if head is None or (end := place + _HEAD_BYTES + head[1]) > size:
                    after = _next_record(stream, place + 1)
                    if after is None and not alone:
                        return
                    what = "ends in a record that is not whole" if after is None else "has a damaged record"
                    warnings.warn(f"{path} {what}; what it held is computed again.", stacklevel=4)
                    place = size if after is None else after
                else:
                    key, length, digest, tentative = head
                    if _digest(bytes.fromhex(key), _chunks(stream, length)) == digest:
                        self._add(key, Record(path, end - length, length), tentative)
                    else:
                        warnings.warn(f"{path} has a damaged record; what it held is computed again.", stacklevel=4)
                    place = end
                self._read[path] = place


def _record(key: str, payload: bytes, tentative: bool) -> bytes:
    name = bytes.fromhex(key)
    head = _HEAD.pack(MAGIC, name, len(payload) | tentative << 63, _digest(name, [payload]))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def _head(data: bytes) -> tuple[str, int, bytes, bool] | None:
    """Key, length of the payload, digest, and whether it is tentative; None if this is no head."""
    if len(data) < _HEAD_BYTES or struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
        return None
    magic, key, length, digest = _HEAD.unpack(data[:-4])
    return (key.hex(), length & ~(1 << 63), digest, bool(length >> 63)) if magic == MAGIC else None


def _next_record(stream: BinaryIO, place: int) -> int | None:
    """Position of the next head that is whole."""
    overlap = len(MAGIC) - 1
    while True:
        stream.seek(place)
        chunk = stream.read(_CHUNK)
        found = chunk.find(MAGIC)
        if found >= 0:
            stream.seek(place + found)
            if _head(stream.read(_HEAD_BYTES)) is not None:
                return place + found
            place += found + 1
        elif len(chunk) <= overlap:
            return None
        else:
            place += len(chunk) - overlap


def _chunks(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0 and (chunk := stream.read(min(length, _CHUNK))):
        length -= len(chunk)
        yield chunk


def _digest(name: bytes, payload: Iterable[bytes]) -> bytes:
    found = hashlib.sha256(name)
    for part in payload:
        found.update(part)
    return found.digest()


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while len(view):
        view = view[stream.write(view) :]  # a disk may take a part only


def _wait_for_folder(folder: Path) -> None:
    """Let the disk have the new name of a file too."""
    with contextlib.suppress(OSError):  # disks that cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
