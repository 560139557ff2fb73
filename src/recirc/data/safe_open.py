"""The only way a data file is opened."""

import contextlib
import math
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import h5py
from h5py import h5d, h5l, h5o, h5t  # pyright: ignore[reportAttributeAccessIssue]

BUILT_IN_FILTERS = {1, 2, 3, 4, 5, 6, 32000}  # deflate, shuffle, fletcher32, szip, nbit, scaleoffset, lzf
HARMLESS_BYTES = 64 * 2**20
MAX_ENTRIES = 100_000


class DataFileError(ValueError):
    """A data file is refused; the message names the file, the entry, and how to mend it."""


class DataWarning(UserWarning):
    """Something in the data was left out or assumed; the message lists it."""


@contextlib.contextmanager
def safe_open(path: str | PathLike, *, max_ratio: float = 200.0) -> Iterator[h5py.File]:
    """Open an HDF5 file (netCDF-4, NWB) for reading, once every entry has been found harmless.

    HDF5 files can point at other files, and libraries follow such pointers without asking; they can also
    declare far more data than they hold. This walks all entries first, without reading any data. Links within
    the file are fine, and so are strings and object references. Nothing is ever unpickled or fetched.

    Args:
        path: the file.
        max_ratio: how many times larger than what is stored an entry, or the whole file, may be once read.
            Looked at above 64 MiB only. Compressed recordings stay under 100; gzip cannot exceed about 1,000.

    Yields:
        The open file; it is closed on leaving the block.

    Raises:
        DataFileError: if the file is missing, empty, all zeros, not HDF5, truncated or damaged; or if an
            entry is an external, dangling or user-defined link, has external or virtual storage, needs a
            filter that is not built in, is of a type that cannot be read as numbers, strings or references,
            or is too large by `max_ratio`.

    Example:
        >>> safe_open("no_such_file.nwb").__enter__()
        Traceback (most recent call last):
        recirc.data.safe_open.DataFileError: no_such_file.nwb: there is no such file; check the path.
    """
    path = Path(path)
    _check_signature(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "is truncated" if "truncated" in str(error) else f"cannot be opened ({error})"
        raise DataFileError(f"{path}: the file {reason}; copy or export it again.") from error
    with file:
        _check_entries(file, path, max_ratio)
        yield file


def _check_signature(path: Path) -> None:
    if not path.exists():
        raise DataFileError(f"{path}: there is no such file; check the path.")
    if not path.is_file():
        raise DataFileError(f"{path}: this is not a regular file; give the path of one HDF5 file.")
    try:
        with path.open("rb") as stream:
            head = stream.read(2**20)
    except OSError as error:
        raise DataFileError(
            f"{path}: the file cannot be read ({error.strerror}); check its permissions."
        ) from error
    if not head:
        raise DataFileError(f"{path}: the file is empty; copy or export it again.")
    if h5py.is_hdf5(path):
        return
    if not any(head):
        raise DataFileError(
            f"{path}: the file holds only zeros, as after an interrupted copy; copy it again."
        )
    if head.startswith(b"CDF"):
        raise DataFileError(
            f"{path}: this is netCDF-3; convert it: xarray.load_dataset(path).to_netcdf(new, "
            "engine='h5netcdf')."
        )
    raise DataFileError(f"{path}: this is not an HDF5 file, or its start is damaged; give netCDF-4 or NWB.")


def _check_entries(file: h5py.File, path: Path, max_ratio: float) -> None:
    """Walk all hard links from the root, looking at every link before it is followed.

    Soft links are resolved last: by then no link leads out of the file.
    """
    seen: set[int] = set()
    soft: list[str] = []
    waiting: list[h5py.Group] = [file]
    total = 0
    where = f"{path}, entry /"
    try:
        while waiting:
            group = waiting.pop()
            for name in map(str, group):
                entry = f"{group.name}/{name}".replace("//", "/")
                where = f"{path}, entry {entry}"
                if _is_soft(group, name, where):
                    soft.append(entry)
                    continue
                item = group[name]
                address = h5o.get_info(item.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if len(seen) > MAX_ENTRIES:
                    raise DataFileError(f"{path}: more than {MAX_ENTRIES:,} entries; split the file.")
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                elif isinstance(item, h5py.Dataset):
                    total += _check_dataset(item, where, max_ratio)
    except DataFileError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise DataFileError(f"{where}: damaged ({error}); copy or export the file again.") from error
    for entry in soft:
        try:
            file[entry]
        except (KeyError, OSError, RuntimeError) as error:
            raise DataFileError(f"{path}, entry {entry}: a soft link to nothing; remove it.") from error
    _check_size(total, path.stat().st_size, f"{path}: all entries together", max_ratio)


def _is_soft(group: h5py.Group, name: str, where: str) -> bool:
    """Whether the link is soft; links that are neither soft nor hard are refused."""
    kind = group.id.links.get_info(name.encode()).type
    if kind == h5l.TYPE_EXTERNAL:
        raise DataFileError(f"{where}: a link to another file; copy the data into this file.")
    if kind not in (h5l.TYPE_SOFT, h5l.TYPE_HARD):
        raise DataFileError(f"{where}: a user-defined link; copy the data into this file.")
    return kind == h5l.TYPE_SOFT


def _check_dataset(dataset: h5py.Dataset, where: str, max_ratio: float) -> int:
    """Bytes that reading the whole dataset would take; its layout is looked at before its shape."""
    creation = dataset.id.get_create_plist()
    if creation.get_layout() == h5d.VIRTUAL:
        raise DataFileError(
            f"{where}: virtual storage, the data lie in other files; copy the data into this file."
        )
    if creation.get_external_count() > 0:
        raise DataFileError(
            f"{where}: external storage, the data lie in another file; copy the data into this file."
        )
    filters = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())}
    if not filters <= BUILT_IN_FILTERS:
        code = min(filters - BUILT_IN_FILTERS)
        raise DataFileError(
            f"{where}: compressed with filter {code}, which needs a plugin; save it again with gzip."
        )
    kind = dataset.id.get_type()
    _check_type(kind, where)
    stored = dataset.id.get_storage_size()
    n_items = math.prod(dataset.shape or ())
    if dataset.chunks and stored:
        n_items = max(n_items, math.prod(dataset.chunks))
    declared = n_items * kind.get_size()
    _check_size(declared, stored, where, max_ratio)
    return declared


def _check_type(kind: h5t.TypeID, where: str) -> None:
    """Let numbers, strings, object references and records of these pass."""
    if isinstance(kind, h5t.TypeCompoundID):
        for i in range(kind.get_nmembers()):
            _check_type(kind.get_member_type(i), where)
    elif isinstance(kind, h5t.TypeArrayID):
        _check_type(kind.get_super(), where)
    elif isinstance(kind, h5t.TypeReferenceID):
        if not (kind.equal(h5t.STD_REF_OBJ) or kind.equal(h5t.STD_REF_DSETREG)):
            raise DataFileError(
                f"{where}: references that can leave the file; store object references or copies."
            )
    elif isinstance(kind, (h5t.TypeOpaqueID, h5t.TypeVlenID)):
        raise DataFileError(
            f"{where}: opaque or ragged objects, which may hold pickles; store numbers or strings "
            "(for ragged data one flat array and an index)."
        )


def _check_size(declared: int, stored: int, where: str, max_ratio: float) -> None:
    if declared > HARMLESS_BYTES and declared > max_ratio * stored:
        raise DataFileError(
            f"{where}: would take {declared:,} bytes but only {stored:,} are stored, more than "
            f"{max_ratio:g} times "
            "as much; if the file is yours, save it without compression or raise max_ratio."
        )
