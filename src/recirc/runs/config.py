"""Configuration: TOML text to typed components and back."""

import dataclasses
import difflib
import inspect
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Sequence
from pathlib import Path

_LARGEST = 65_536
_BARE_WORD = re.compile(r"[A-Za-z_./~][\w./:~+-]*")
_MISSING = object()
_Place = tuple[str, ...]
_Component = typing.TypeVar("_Component")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says where it is wrong and what would be right."""


def load_config(cls: type[_Component], path: str | Path | None = None, overrides: Sequence[str] = ()) -> _Component:
    """Read a component from a TOML file, then change single fields.

    A table holds the fields of a nested component; those it leaves out stay at their defaults. A field whose
    type is an abstract component also takes `kind`, the class to make. An optional field takes "none".

    Args:
        cls: a dataclass (Equinox modules are) with typed fields.
        path: TOML file; the defaults of `cls` if omitted.
        overrides: "dotted.key=value" with the value in TOML; a single bare word is a string.

    Raises:
        ConfigError: if the file is no TOML, or a key is unknown, missing, or of the wrong type, or a number
            is not finite, or the component refuses its values. It names the file and line, or the override.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Decoder:
        ...     penalty: float = 1.0
        >>> load_config(Decoder, overrides=["penalty=2"])
        Decoder(penalty=2.0)
    """
    source = _Source.read(path)
    for override in overrides:
        source.override(override)
    return source.build(cls, source.tree, ())


def dump_config(config) -> str:
    """TOML text that `load_config` reads back to an equal component.

    Raises:
        ValueError: if a number is not finite or an optional string is the word "none".
        TypeError: if a field has a type that TOML cannot hold.
    """
    return "\n".join(_dump_table(config, (), type(config))).strip() + "\n"


class _Source:
    """A parsed file, with the overrides laid over it, that can tell where each key came from."""

    def __init__(self, name: str, text: str, tree: dict):
        self.name, self.text, self.tree = name, text, tree
        self.overridden: dict[_Place, str] = {}

    @classmethod
    def read(cls, path: str | Path | None) -> "_Source":
        if path is None:
            return cls("configuration", "", {})
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from None
        if len(data) > _LARGEST:
            raise ConfigError(f"{path} has {len(data)} bytes; a configuration has at most {_LARGEST}.")
        try:
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
            return cls(str(path), text, tomllib.loads(text))
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise ConfigError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8.") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}.") from None
        except RecursionError:
            raise ConfigError(f"{path}: values are nested too deeply for a configuration.") from None

    def override(self, text: str) -> None:
        key, equals, value = text.partition("=")
        place = _parse_key(key) if equals else None
        if place is None:
            raise ConfigError(f"--set {text}: expected key=value with a dotted key, for example trainer.n_passes=10.")
        table = self.tree
        for name in place[:-1]:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"--set {text}: {name} is a value, not a table, so it has no key below it.")
        table[place[-1]] = _parse_value(value.strip(), text)
        self.overridden[place] = f"--set {text}"

    def where(self, place: _Place) -> str:
        """Place of a key, for a message."""
        for depth in range(len(place), 0, -1):
            if place[:depth] in self.overridden:
                return self.overridden[place[:depth]]
        line = _line_of(self.text, place)
        below = [text for key, text in self.overridden.items() if key[: len(place)] == place]
        return ", ".join([f"{self.name}, line {line}" if line else self.name, *below])

    def fail(self, place: _Place, problem: str) -> typing.NoReturn:
        raise ConfigError(f"{self.where(place)}: {problem}")

    def build(self, cls, table, place: _Place, default=None):
        """An instance of `cls` from a table, with the fields of `default` where the table has none."""
        if not isinstance(table, dict):
            self.fail(place, f"{'.'.join(place)} must be a table with the fields of {cls.__name__}, got {table!r}.")
        table = dict(table)
        cls = self._choose(cls, table, place, default)
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        values = {name: getattr(default, name) for name in fields} if type(default) is cls else {}
        for name, value in table.items():
            here = (*place, name)
            if name not in fields:
                self.fail(here, f"{cls.__name__} has no field {name!r}; {_nearest(name, fields)}")
            values[name] = self.convert(hints[name], value, here, _default(fields[name]))
        missing = [name for name, field in fields.items() if name not in values and _default(field) is _MISSING]
        if missing:
            self.fail(place, f"{cls.__name__} needs a value for {'.'.join((*place, missing[0]))}; add it.")
        try:
            return cls(**values)
        except ConfigError:
            raise
        except ValueError as error:
            self.fail(place, f"{cls.__name__}: {error}")

    def _choose(self, cls, table: dict, place: _Place, default) -> typing.Any:
        """The class itself, or for an abstract one the concrete subclass that `kind` names."""
        if not inspect.isabstract(cls):
            return cls
        if "kind" not in table and isinstance(default, cls):
            return type(default)
        kinds = {kind.__name__: kind for kind in _concrete(cls)}
        kind = str(table.pop("kind", "missing"))
        if kind not in kinds:
            self.fail((*place, "kind"), f"kind of {'.'.join(place)} is {kind}; {_nearest(kind, kinds)}")
        return kinds[kind]

    def convert(self, hint, value, place: _Place, default=None):
        """A value of the type `hint` from a TOML value."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if value == "none":
                return None
            return self.convert(_optional(arguments), value, place, default)
        if origin is typing.Literal:
            if not any(type(value) is type(choice) and value == choice for choice in arguments):
                self.fail(place, f"{place[-1]} is {value!r}; {_nearest(str(value), arguments)}")
            return value
        if origin is tuple:
            return self._convert_tuple(arguments, value, place)
        if dataclasses.is_dataclass(hint) or inspect.isabstract(hint):
            return self.build(hint, value, place, default)
        if isinstance(value, float) and not math.isfinite(value):
            self.fail(place, f"{place[-1]} is {value}; give a finite number.")
        if hint is float and type(value) is int:
            return float(value)
        if hint not in _WORDS:
            self.fail(place, f"{place[-1]} cannot be set from a configuration.")
        if type(value) is not hint:
            self.fail(place, f"{place[-1]} must be {_WORDS[hint]}, got {_describe(value)}.")
        return value

    def _convert_tuple(self, arguments, value, place: _Place):
        if not isinstance(value, list):
            self.fail(place, f"{place[-1]} must be a list such as [1, 2], got {_describe(value)}.")
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) != len(value):
            self.fail(place, f"{place[-1]} must have {len(arguments)} values, got {len(value)}.")
        return tuple(self.convert(hint, item, place) for hint, item in zip(arguments, value))


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}


def _describe(value) -> str:
    kind = "text" if isinstance(value, str) else type(value).__name__
    return f"{kind} {value!r}"


def _default(field: dataclasses.Field):
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _MISSING


def _optional(arguments):
    rest = [argument for argument in arguments if argument is not type(None)]
    if len(rest) != 1:
        raise TypeError(f"a configuration field is one type or None, got a union of {rest}.")
    return rest[0]


def _concrete(cls) -> list[type]:
    below = [kind for subclass in cls.__subclasses__() for kind in _concrete(subclass)]
    return below if inspect.isabstract(cls) else [cls, *below]


def _nearest(word: str, words) -> str:
    names = [str(name) for name in words]
    close = difflib.get_close_matches(word, names, 1, 0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"There are: {', '.join(names) or 'none'}."


def _parse_key(key: str) -> _Place | None:
    try:
        tree = tomllib.loads(f"{key.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return None
    place = []
    while isinstance(tree, dict):
        if len(tree) != 1:
            return None
        ((name, tree),) = tree.items()
        place.append(name)
    return tuple(place)


def _parse_value(value: str, override: str):
    try:
        tree = tomllib.loads(f"value = {value}")
        if tree.keys() == {"value"}:
            return tree["value"]
    except tomllib.TOMLDecodeError:
        if _BARE_WORD.fullmatch(value):
            return value
    raise ConfigError(f"--set {override}: {value!r} is not a TOML value; put text in quotes, lists in brackets.")


def _line_of(text: str, place: _Place) -> int | None:
    """First line of the statement that makes the key, found by parsing ever longer beginnings of the text."""
    lines, start = text.split("\n"), 0
    for end in range(1, len(lines) + 1):
        try:
            tree = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if place and _holds(tree, place):
            while not lines[start].strip() or lines[start].lstrip().startswith("#"):
                start += 1
            return start + 1
        start = end
    return None


def _holds(tree, place: _Place) -> bool:
    for name in place:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _dump_table(config, place: _Place, declared) -> list[str]:
    lines, tables = [], []
    if inspect.isabstract(declared):
        lines.append(f"kind = {_dump_value(type(config).__name__, 'kind')}")
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, default = getattr(config, field.name), _default(field)
        if not field.init:
            continue
        optional = type(None) in typing.get_args(hints[field.name])
        if dataclasses.is_dataclass(value):
            hint = _optional(typing.get_args(hints[field.name])) if optional else hints[field.name]
            inner = (*place, field.name)
            tables += ["", f"[{'.'.join(inner)}]", *_dump_table(value, inner, hint)]
        elif callable(value) and value is default:
            continue
        elif optional and isinstance(value, str) and value == "none":
            raise ValueError(f"{field.name} is the word 'none', which a configuration reads as no value.")
        else:
            lines.append(f"{field.name} = {_dump_value(value, field.name)}")
    return lines + tables


def _dump_value(value, name: str) -> str:
    match value:
        case None:
            return '"none"'
        case bool():
            return str(value).lower()
        case float() if not math.isfinite(value):
            raise ValueError(f"{name} is {value}; a configuration holds finite numbers only.")
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple() | list():
            return f"[{', '.join(_dump_value(item, name) for item in value)}]"
    raise TypeError(f"{name} has type {type(value).__name__}, which a configuration cannot hold.")
