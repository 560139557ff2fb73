"""Pieces of work that any map can do: in this process, in a pool of processes, or kept in a run folder."""

import dataclasses
import functools
import hashlib
import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

Map = Callable[[Callable[[Any], "Done"], Iterable[Any]], Iterable["Done"]]
Piece = TypeVar("Piece")
_TEXT = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_PLAIN, _MOST_KNOWN = {int, float, str, bool, type(None)}, 1000


class Result(NamedTuple):
    """What one piece of work gives: named arrays, and anything that JSON can hold.

    Example:
        >>> Result({}, {"value": 1.0}).metadata["value"]
        1.0
    """

    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class Failure:
    """A piece of work that gave no result.

    Args:
        text: what happened, in one sentence.
        log: the traceback, or what the system said.

    Example:
        >>> Failure("the network diverged in pass 3").text
        'the network diverged in pass 3'
    """

    text: str
    log: str = ""


class Done(NamedTuple):
    """A piece that is finished, for better or worse; `key` says which, so that maps need not keep the order.

    Example:
        >>> done = Done("a key", Result({}, {"value": 1.0}))
        >>> done.result.metadata["value"]
        1.0
    """

    key: str
    result: Result | Failure


class Precision:
    """Number of bits of JAX's floats. A copy that is unpickled sets them there as they are here.

    In a tuple it stands before what needs it, since arrays of 64 bits unpickle as such only where they are on.
    """

    def __reduce__(self):
        import jax

        return _with_x64, (jax.config.jax_enable_x64,)  # pyright: ignore[reportAttributeAccessIssue]


def _with_x64(is_on: bool) -> Precision:
    import jax

    jax.config.update("jax_enable_x64", is_on)
    return Precision()


@dataclasses.dataclass(frozen=True)
class Batchable:
    """A function of one piece that can do many pieces as one program, for maps that ask for it.

    Args:
        one: of one piece; it alone names the work.
        many: of several; for each what `one` gives, to rounding, or a `Failure`. It may refuse all by raising.
        can: whether a piece is one of those that `many` takes.

    Example:
        >>> double = Batchable(lambda x: Result({}, {"x": 2 * x}), lambda xs: [Result({}, {"x": 2 * x}) for x in xs])
        >>> double(2) == double.many([2])[0]
        True
    """

    one: Callable[[Any], Result]
    many: Callable[[Sequence[Any]], Sequence[Result | Failure]]
    can: Callable[[Any], bool] = lambda piece: True

    def __call__(self, piece: Any) -> Result:
        return self.one(piece)


class Keyed(list):
    """Pieces of work in order, equal ones once; `by_key` has them by their keys, so that maps need not hash them again.

    Example:
        >>> Keyed([{"seed": 0}, {"seed": 0}])
        [{'seed': 0}]
    """

    def __init__(self, pieces: Iterable[Any]):
        if isinstance(pieces, Keyed):
            self.by_key: dict[str, Any] = pieces.by_key
        else:
            pieces, known = list(pieces), {}
            self.by_key = {_key(piece, known): piece for piece in pieces}
        super().__init__(self.by_key.values())


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives; an error becomes a `Failure`."""
    try:
        return function(*arguments)
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())


def compute(precision: Precision, function: Callable[[Piece], Result], piece: Piece) -> Done:
    """Do one piece of work, in other processes with the same precision; an error becomes a `Failure`."""
    return Done(piece_key(piece), attempt(function, piece))


def unwrapped(function: Callable) -> Callable:
    """A function of pieces without what `results` and callers have put around it."""
    while isinstance(function, functools.partial):
        function = function.args[1] if function.func is compute else function.func
    return function


def results(
    function: Callable[[Piece], Result], pieces: Sequence[Piece], map: Map = map
) -> Iterator[tuple[Piece, Result | Failure]]:
    """Every piece with its result, in the order given, however the map ordered them.

    Args:
        function: pure, at the top level of a module (or a `functools.partial` of such a one), for maps that use
            other processes.
        pieces: dataclasses or JSON; equal ones are computed once.
        map: the built-in one, that of a pool, or any other that applies a function to every piece.

    Raises:
        ValueError: if the map lost a piece.

    Example:
        >>> [result.metadata for _, result in results(lambda piece: Result({}, piece), [{"seed": 0}])]
        [{'seed': 0}]
    """
    keyed = Keyed(pieces)
    waiting: dict[str, Result | Failure] = {}
    order = iter(keyed.by_key.items())
    key, piece = next(order, (None, None))
    for done in map(functools.partial(compute, Precision(), function), keyed):
        waiting[done.key] = done.result
        while key in waiting:
            yield piece, waiting.pop(key)  # pyright: ignore[reportReturnType]
            key, piece = next(order, (None, None))
    if key is not None:
        raise ValueError(f"the map gave no result for {piece!r}; it must apply the function to every piece.")


def piece_key(piece: Any) -> str:
    """sha256 of `canonical`, in hexadecimal digits."""
    return _key(piece, {})


def _key(piece: Any, known: dict) -> str:
    return hashlib.sha256(_TEXT.encode(_jsonable(piece, known)).encode()).hexdigest()


def specification_key(specification: Any):
    """The random key of a specification: 64 bits of its sha256, the same on every machine and in any order.

    Example:
        >>> specification_key({"arm": "ridge", "seed": 0}).shape
        ()
    """
    import jax

    words = np.frombuffer(bytes.fromhex(piece_key(specification)[:16]), ">u4").astype(np.uint32)
    return jax.random.wrap_key_data(jax.numpy.asarray(words), impl="threefry2x32")


def seed_of(key) -> int:
    """The whole number that a random key stands for: `jax.random.key(seed)` gives the seed back.

    Example:
        >>> import jax
        >>> seed_of(jax.random.key(7))
        7
    """
    import jax

    high, low = (int(word) for word in np.asarray(jax.random.key_data(key)).ravel()[-2:])
    return high << 32 | low


def canonical(specification: Any) -> str:
    """JSON text of a specification, the same for equal specifications.

    Raises:
        TypeError: if it holds something other than numbers, text, lists, mappings and dataclasses of these.
        ValueError: if a number is not finite.
    """
    return _TEXT.encode(_jsonable(specification, {}))


def _jsonable(value, known: dict[int, tuple[Any, Any]]):
    """What JSON has for a value; `known` remembers components, which many pieces share, by identity."""
    if type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if id(value) not in known:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            known[id(value)] = value, _component(value, known)  # kept, so that no other gets its identity
        return known[id(value)][1]
    if isinstance(value, Mapping):
        return {str(name): _jsonable(item, known) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item, known) for item in value]
    if isinstance(value, Path):
        return str(value)
    if to_list := getattr(value, "tolist", None):  # NumPy's numbers and arrays
        return to_list()
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else value


def _component(value, known: dict) -> dict[str, Any]:
    own = getattr(value, "__dict__", {})  # modules of Equinox take long to give single fields
    fields = {name: own[name] if name in own else getattr(value, name) for name in _names_of(type(value))}
    return {name: _jsonable(item, known) for name, item in ({"kind": type(value).__name__} | fields).items()}


@functools.cache
def _names_of(component: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(component))
