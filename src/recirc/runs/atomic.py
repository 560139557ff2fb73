"""Files written whole or not at all, and names for them."""

import contextlib
import errno
import hashlib
import os
import re
import unicodedata
import uuid
from collections.abc import Iterator
from pathlib import Path

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
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


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        StorageError: if the disk is full or the place cannot be written to; nothing is left behind.
    """
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    with explained(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
