"""Values by name that cannot be changed."""

import typing
from collections.abc import Iterator, Mapping

import numpy as np


class Named(Mapping):
    """Arrays or numbers by name, which cannot be changed and can be hashed, so that circuits may be compiled with them.

    >>> spans = Named({"movement": [(0.1, 0.5)]})
    >>> spans["movement"].shape, hash(spans) == hash(Named(spans))
    ((1, 2), True)

    Raises TypeError if `entries` are no mapping.
    """

    def __init__(self, entries: Mapping[str, object] | None = None):
        if entries is not None and not isinstance(entries, Mapping):
            raise TypeError(f"values by name are of type {type(entries).__name__}; give a mapping as {{'go': 0.1}}.")
        self._entries = {str(name): _frozen(value) for name, value in (entries or {}).items()}

    def __getitem__(self, name: str) -> typing.Any:
        value = self._entries[name]
        return np.array(value) if isinstance(value, tuple) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named) and self._entries == other._entries

    def __hash__(self) -> int:
        return hash(tuple(self._entries.items()))

    def __repr__(self) -> str:
        return f"Named({self._entries})"


def _frozen(value):
    value = np.asarray(value).tolist()
    return _tuples(value) if isinstance(value, list) else value


def _tuples(values: list) -> tuple:
    return tuple(_tuples(value) if isinstance(value, list) else value for value in values)
