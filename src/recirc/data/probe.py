"""A first look at a doubtful file: a script that `safe_open` runs within limits; it imports nothing of this package."""

import contextlib
import json
import math
import resource
import runpy
import signal
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5r, h5t  # pyright: ignore[reportAttributeAccessIssue]

BUILT_IN_FILTERS = {1, 2, 3, 4, 5, 6, 32000}  # deflate, shuffle, fletcher32, szip, nbit, scaleoffset, lzf
HARMLESS_BYTES = 64 * 2**20
READ_WHOLE_BYTES, READ_AT_MOST_BYTES = 16 * 2**20, 256 * 2**20
MAX_ENTRIES, MAX_DEPTH, BLOCK = 200_000, 64, 65_536
ONLY_ZEROS = "the file holds only zeros, as after an interrupted copy; copy it again."
_BUILT_IN = OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, EOFError
DAMAGE = (*_BUILT_IN, SyntaxError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error)


class DataFileError(ValueError):
    """A data file is refused; the message names file, entry and mend; `opened` if it is what it holds that is wrong.

    Example:
        >>> issubclass(DataFileError, ValueError)
        True
    """

    def __init__(self, message: str, *, opened: bool = False):
        super().__init__(message)
        self.opened = opened


class DataWarning(UserWarning):
    """Something in the data was left out or assumed; the message lists it.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("ignore", DataWarning)  # once you have read what it says
    """


def open_hdf5(path: Path) -> h5py.File:
    """The open file, not yet looked at; DataFileError if it is not HDF5, is cut off, or its start is damaged."""
    head = head_of(path)
    if not h5py.is_hdf5(path):
        old = "this is netCDF-3; convert it: xarray.load_dataset(path).to_netcdf(new, engine='h5netcdf')."
        foreign = "this is not an HDF5 file, or its start is damaged; give netCDF-4 or NWB."
        raise DataFileError(ONLY_ZEROS if not any(head) else old if head.startswith(b"CDF") else foreign)
    try:
        return h5py.File(path, "r", rdcc_nbytes=32 * 2**20)
    except DAMAGE as error:
        busy, unclosed = "unable to lock" in str(error).lower(), "open for write" in str(error)
        reason = "is truncated" if "truncated" in str(error) else f"cannot be opened ({error})"
        reason = "is open in another program that writes it" if busy else reason
        reason = "was not closed by the program that wrote it, or is being written" if unclosed else reason
        mend = "close it there" + " (or mend it with `h5clear -s`)" * unclosed if busy or unclosed else ""
        raise DataFileError(f"the file {reason}; {mend or 'copy or export it again'}.") from error


def head_of(path: Path) -> bytes:
    """The first mebibyte; DataFileError if there is none to be read."""
    if not path.exists():
        annexed = "this is a link to a file that is not here; get it, as with `git annex get` or `datalad get`."
        raise DataFileError(annexed if path.is_symlink() else "there is no such file; check the path.")
    if not path.is_file():
        raise DataFileError("this is not a regular file; give the path of one file.")
    try:
        with path.open("rb") as stream:
            head = stream.read(2**20)
    except OSError as error:
        raise DataFileError(f"the file cannot be read ({error.strerror}); check its permissions.") from error
    if not head:
        raise DataFileError("the file is empty; copy or export it again.")
    return head


class Hdf5Walk:
    """All entries of an HDF5 file of `stored` bytes, each looked at before it is followed or read; as `safe_open` says.

    Soft links and references are resolved last: by then nothing in the file leads out of it.
    """

    def __init__(self, file: h5py.File, stored: int, max_ratio: float, spare: bool):
        self.file, self.stored, self.max_ratio, self.spare = file, stored, max_ratio, spare
        self.seen: set[int] = set()
        self.pointers: list[tuple[str, object]] = []  # soft links by their entry, and references
        self.declared = self.was_read = 0
        self.where = "entry /"

    def run(self) -> None:
        """Look at everything; DataFileError at the first entry that is not harmless."""
        try:
            root = self.file["/"]
            self.seen.add(h5o.get_info(root.id).addr)
            self._attributes(root)
            waiting = [(root.id, "", 0)]
            while waiting:
                waiting.extend(self._group(*waiting.pop()))
            self._resolve()
        except DataFileError:
            raise
        except DAMAGE as error:
            raise DataFileError(f"{self.where}: damaged ({error}); copy or export the file again.") from error
        self.where = "all entries together"
        self._check_size(self.declared, self.stored)

    def _group(self, group, path: str, depth: int) -> list[tuple]:
        """Look at what is in a group; the groups among it, to be gone through next."""
        below = []
        for name in list(group):
            entry = f"{path}/{name.decode(errors='backslashreplace')}"
            self.where = f"entry {entry}"
            kind = group.links.get_info(name).type
            if kind == h5l.TYPE_SOFT:
                self.pointers.append((self.where, entry))
                continue
            if kind != h5l.TYPE_HARD:
                what = "a link to another file" if kind == h5l.TYPE_EXTERNAL else "a user-defined link"
                self._refuse(f"{what}; copy the data into this file.")
            item = h5o.open(group, name)
            address = h5o.get_info(item).addr
            if address in self.seen:
                continue
            self.seen.add(address)
            if len(self.seen) > MAX_ENTRIES:
                raise DataFileError(f"more than {MAX_ENTRIES:,} entries; split the file.")
            if isinstance(item, h5d.DatasetID):
                self._dataset(h5py.Dataset(item))
            elif isinstance(item, h5g.GroupID):
                self._attributes(h5py.Group(item))
                below.append((item, entry, depth + 1))
                if depth >= MAX_DEPTH:
                    self._refuse(f"groups in groups, more than {MAX_DEPTH} deep; save it flatter.")
        return below

    def _attributes(self, item) -> None:
        """Read all attributes of any size, and remember the references among them."""
        for i in range(h5a.get_num_attrs(item.id)):
            attribute = h5a.open(item.id, index=i)
            if not attribute.get_space().get_simple_extent_npoints():
                continue  # without values, which has no size that could be asked for
            if attribute.get_storage_size() > HARMLESS_BYTES:
                self._refuse("an attribute of more than 64 MiB; store it as a dataset.")
            kind = attribute.get_type()
            is_text = isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str()
            if is_text or isinstance(kind, (h5t.TypeIntegerID, h5t.TypeFloatID)):
                continue  # part of the header that was just read
            try:
                value = item.attrs[attribute.name.decode()]
            except TypeError:  # a type without a NumPy equivalent: readers cannot and do not use it
                continue
            self.pointers.extend((self.where, found) for found in _references(value))

    def _dataset(self, dataset: h5py.Dataset) -> None:
        """Layout, filters and type first, then sizes, then attributes and data."""
        creation = dataset.id.get_create_plist()
        is_virtual = creation.get_layout() == h5d.VIRTUAL
        if is_virtual or creation.get_external_count() > 0:
            what = "virtual" if is_virtual else "external"
            self._refuse(f"{what} storage, the data lie in another file; copy the data into this file.")
        foreign = {creation.get_filter(i)[0] for i in range(creation.get_nfilters())} - BUILT_IN_FILTERS
        kind, stored = dataset.id.get_type(), dataset.id.get_storage_size()
        if self.spare and (foreign or isinstance(kind, (h5t.TypeOpaqueID, h5t.TypeVlenID))):
            return self._attributes(dataset)
        if foreign:
            self._refuse(f"compressed with filter {min(foreign)}, which needs a plugin; save it again with gzip.")
        holds_objects = self._check_type(kind)
        n_chunk = math.prod(dataset.chunks) if dataset.chunks and stored else 0
        declared = max(math.prod(dataset.shape or ()), n_chunk) * kind.get_size()
        self._check_size(declared, stored)
        self.declared += declared
        self._attributes(dataset)
        if dataset.shape is not None:
            self._read(dataset, declared, holds_objects)

    def _check_type(self, kind: h5t.TypeID) -> bool:
        """Let numbers, strings, object references and records of these pass; whether any are not numbers."""
        if isinstance(kind, h5t.TypeCompoundID):
            members = [self._check_type(kind.get_member_type(i)) for i in range(kind.get_nmembers())]
            return any(members)
        if isinstance(kind, h5t.TypeArrayID):
            return self._check_type(kind.get_super())
        if isinstance(kind, h5t.TypeReferenceID):
            if not (kind.equal(h5t.STD_REF_OBJ) or kind.equal(h5t.STD_REF_DSETREG)):
                self._refuse("references that can leave the file; store object references or copies.")
            return True
        if isinstance(kind, (h5t.TypeOpaqueID, h5t.TypeVlenID)):
            mend = "store numbers or strings (for ragged data one flat array and an index)."
            self._refuse(f"opaque or ragged objects, which may hold pickles; {mend}")
        return isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()

    def _check_size(self, declared: int, stored: int) -> None:
        if declared > max(HARMLESS_BYTES, self.max_ratio * stored):
            found = f"would take {declared:,} bytes but only {stored:,} are stored, more than {self.max_ratio:g} times"
            self._refuse(f"{found} as much; if the file is yours, save it without compression or raise max_ratio.")

    def _read(self, dataset: h5py.Dataset, n_bytes: int, holds_objects: bool) -> None:
        """Strings and references whole; chunked numbers whole if they are few, otherwise their index and ends."""
        if holds_objects:
            for block in _blocks(dataset):
                found = list(_references(block))
                self.pointers.extend((self.where, reference) for reference in found)
                self.declared += sum(map(len, block.flat)) if block.dtype == object and not found else 0
                self._check_size(self.declared, self.stored)
        elif dataset.chunks and n_bytes <= READ_WHOLE_BYTES and self.was_read + n_bytes <= READ_AT_MOST_BYTES:
            self.was_read += n_bytes
            dataset[()]
        elif dataset.chunks:
            dataset.id.get_num_chunks()
            extent = tuple(map(min, dataset.shape, dataset.chunks))
            dataset[tuple(slice(0, width) for width in extent)]
            dataset[tuple(slice(size - width, size) for size, width in zip(dataset.shape, extent))]

    def _resolve(self) -> None:
        """Soft links and references must lead to what was looked at."""
        for where, pointer in self.pointers:
            self.where, is_link = where, isinstance(pointer, str)
            try:
                found = self.file[pointer].id if is_link else h5r.dereference(pointer, self.file.id)
                address = h5o.get_info(found).addr
            except DAMAGE:
                address = None
            if address not in self.seen:
                what, mend = ("soft link", "remove it") if is_link else ("reference", "write the file again")
                self._refuse(f"a {what} to nothing in the file; {mend}.")

    def _refuse(self, why: str) -> NoReturn:
        raise DataFileError(f"{self.where}: {why}")


def _references(value: object) -> Iterator[object]:
    """All object and region references in what h5py gave, null ones left out."""
    if isinstance(value, h5r.Reference) and value:
        yield value
    elif isinstance(value, (np.ndarray, np.void)) and (value.dtype.names or value.dtype == object):
        for part in [value[name] for name in value.dtype.names] if value.dtype.names else value.flat:
            yield from _references(part)


def _blocks(dataset: h5py.Dataset) -> Iterator[np.ndarray]:
    """The data, some rows at a time."""
    if not dataset.shape:
        yield np.asarray(dataset[()], dataset.dtype)
        return
    n_rows = max(1, BLOCK // max(1, math.prod(dataset.shape[1:])))
    for start in range(0, dataset.shape[0], n_rows):
        yield dataset[start : start + n_rows]


def look(kind: str, path: Path, max_ratio: float, spare: bool) -> tuple[dict, list[np.ndarray]]:
    """Why a file is refused, if it is, under "refused"; of a MATLAB 5 file its variables and their arrays too."""
    try:
        head_of(path)
        if kind == "hdf5":
            with open_hdf5(path) as file:
                Hdf5Walk(file, path.stat().st_size, max_ratio, spare).run()
            return {}, []
        variables, arrays = runpy.run_path(str(Path(__file__).with_name("matlab5.py")))["take_apart"](path)
        return {"variables": variables, "arrays": [(x.dtype.str, x.shape) for x in arrays]}, arrays
    except DataFileError as error:
        return {"refused": str(error)}, []
    except MemoryError:
        return {"refused": "to read it takes more memory than a file of this size should; export it again."}, []
    except Exception as error:
        return {"refused": f"damaged ({error}); save it again."}, []


def serve() -> None:
    """Answer requests, lines of JSON, with the same and the bytes of its arrays; a timer ends a look that hangs."""
    for line in sys.stdin:
        request = json.loads(line)
        with contextlib.suppress(ValueError, OSError):  # not every system limits memory
            resource.setrlimit(resource.RLIMIT_AS, (request["memory"], resource.getrlimit(resource.RLIMIT_AS)[1]))
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        answer, arrays = look(request["kind"], Path(request["path"]), request["max_ratio"], request["spare"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        for array in arrays:
            sys.stdout.buffer.write(array.data.cast("B") if array.size else b"")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
