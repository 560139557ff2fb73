"""Files written whole or not at all, arrays kept with a digest, and text made safe for names and terminals."""

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import unicodedata
import uuid
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DIGEST_BYTES = 32
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


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder is made if need be, and a link in its place is replaced.

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


def write_arrays(path: Path, arrays: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Keep arrays, with what they are of, for `read_arrays`: an npz archive followed by its SHA-256 digest.

    Args:
        path, arrays: the file (an older one is replaced), and numbers or strings by any names.
        about: anything that JSON can hold.

    Raises:
        TypeError: if an array holds Python objects, or `about` is not JSON.
        StorageError: as `write_atomic`.
    """
    import numpy as np

    named = {f"array {name}": np.asarray(value) for name, value in arrays.items()}
    for name, array in named.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects; a result holds numbers and strings.")
    text = json.dumps(dict(about)).encode()
    buffer = io.BytesIO()
    np.savez(buffer, about=np.frombuffer(text, np.uint8), **named)  # pyright: ignore[reportArgumentType]
    archive = buffer.getvalue()
    write_atomic(path, archive + hashlib.sha256(archive).digest())


def read_arrays(path: Path) -> "tuple[dict[str, np.ndarray], dict[str, Any]] | None":
    """What `write_arrays` kept, the same bits; None if there is no such file.

    The digest is checked before anything is parsed, and nothing in the file is executed.

    Warns:
        UserWarning: if the file cannot be read or is damaged; then, too, None is returned.
    """
    import numpy as np

    try:
        content = path.read_bytes()
        archive, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if hashlib.sha256(archive).digest() != digest:
            raise ValueError("its digest differs")
        with np.load(io.BytesIO(archive), allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            return {name[6:]: file[name] for name in file.files if name.startswith("array ")}, about
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        warnings.warn(f"{path} is damaged ({error}); what it held is computed again.", stacklevel=3)
        return None
