"""Files written whole or not at all, arrays kept with a digest, and text made safe for names and terminals."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import struct
import unicodedata
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    import numpy as np

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DIGEST_BYTES = 32
_KINDS = "biufcSUmM"  # of arrays that can be kept: numbers, text, times
TEMPORARY = "." + 32 * "[0-9a-f]" + ".tmp"


class StorageError(OSError):
    """Results cannot be written; what was there before is intact."""


def file_name(text: str) -> str:
    """A file name for any text: short, safe, and different for different texts on every disk.

    >>> file_name("unit-7"), file_name("../Ä")[:4]
    ('unit-7', '___a')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode().replace("?", "")
    plain = re.sub(r"[^a-z0-9_-]", "_", plain.lower())[:80]
    return plain if plain == text and plain else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def printable(text: str) -> str:
    r"""Text with what is no character to see written as its code, as names in a file may hold commands to a terminal.

    >>> print(printable("unit \x1b[2J é"))
    unit \x1b[2J é
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while writing `path` into a `StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in _SPACE:
            raise StorageError(f"no space left writing {path}; free some and run the same command again.") from error
        raise StorageError(f"cannot write {path}: {error.strerror or error}.") from error


def write_atomic(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all; its folder is made if need be, and a link in its place is replaced.

    Args:
        path: the file.
        data: what it holds, or what writes that into an empty file, which can be read and searched as well.

    Raises:
        StorageError: if the disk is full or the place cannot be written to; nothing is left behind.
    """
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    with explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "x+b") as stream:
                stream.write(data) if isinstance(data, bytes) else data(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def pack(arrays: Mapping[str, Any], about: Mapping[str, Any]) -> bytes:
    """Arrays, with what they are of, as bytes: the length of a JSON head, the head, the arrays one after the other.

    Args:
        arrays: numbers or text by any names.
        about: anything that JSON can hold.

    Raises:
        TypeError: if an array holds Python objects, or `about` is not JSON.

    Example:
        >>> unpack(pack({}, {"seed": 3}))
        ({}, {'seed': 3})
    """
    import numpy as np

    found = {name: np.ascontiguousarray(value).reshape(np.shape(value)) for name, value in arrays.items()}
    for name, array in found.items():
        if array.dtype.kind not in _KINDS:
            raise TypeError(f"array {name} holds Python objects; a result holds numbers and strings.")
    heads = [[name, array.dtype.str, array.shape] for name, array in found.items()]
    head = json.dumps({"about": dict(about), "arrays": heads}).encode()
    return b"".join([struct.pack("<Q", len(head)), head, *(array.tobytes() for array in found.values())])


def unpack(data: bytes | bytearray | memoryview) -> "tuple[dict[str, np.ndarray], dict[str, Any]]":
    """What `pack` was given, the same bits; nothing in the bytes is executed.

    Raises:
        ValueError, KeyError, TypeError, struct.error: if the bytes are not what `pack` makes.
    """
    places, about = layout(data)
    return {name: place.array(bytearray(data[place.start : place.stop])) for name, place in places.items()}, about


class Place(NamedTuple):
    """Where an array is in what `pack` made: its bytes, their type, and its shape."""

    start: int
    stop: int
    dtype: Any
    shape: tuple[int, ...]

    def array(self, data: bytearray) -> "np.ndarray":
        """The array of these bytes, which are its own."""
        import numpy as np

        return np.frombuffer(data, self.dtype).reshape(self.shape)


def layout(data: bytes | bytearray | memoryview) -> tuple[dict[str, Place], dict[str, Any]]:
    """Where the arrays are in what `pack` made, and what they are of; the first `head_bytes(data)` are enough.

    Raises:
        ValueError, KeyError, TypeError, struct.error: as `unpack`.
    """
    import numpy as np

    start = head_bytes(data)
    head, places = json.loads(bytes(data[8:start])), {}
    for name, kind, shape in head["arrays"]:
        dtype = np.dtype(kind)
        if dtype.kind not in _KINDS:
            raise ValueError(f"array {name} is of a kind that is not kept")
        stop = start + math.prod(shape) * dtype.itemsize
        places[name] = Place(start, stop, dtype, tuple(shape))
        start = stop
    return places, head["about"]


def head_bytes(data: bytes | bytearray | memoryview) -> int:
    """How many bytes stand before the arrays in what `pack` made, as its first eight bytes say."""
    return 8 + struct.unpack_from("<Q", data)[0]


def write_arrays(path: Path, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Keep arrays in a file for `read_arrays`: as `pack` makes them, followed by their SHA-256 digest.

    Args:
        path: the file; an older one is replaced.
        arrays, about: as for `pack`.

    Raises:
        TypeError: as `pack`.
        StorageError: as `write_atomic`.
    """
    packed = pack(arrays, about)
    write_atomic(path, packed + hashlib.sha256(packed).digest())


def read_arrays(path: Path) -> "tuple[dict[str, np.ndarray], dict[str, Any]] | None":
    """What `write_arrays` kept, the same bits; None if there is no such file.

    The digest is checked before anything is parsed, and nothing in the file is executed.

    Warns:
        UserWarning: if the file cannot be read or is damaged; then, too, None is returned.
    """
    try:
        content = path.read_bytes()
        packed, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if hashlib.sha256(packed).digest() != digest:
            raise ValueError("its digest differs")
        return unpack(packed)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        warnings.warn(f"{path} is damaged ({error}); what it held is computed again.", stacklevel=3)
        return None
