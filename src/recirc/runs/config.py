"""Configuration: TOML text to typed components; `config_text` is the way back."""

import dataclasses
import difflib
import inspect
import math
import re
import tomllib
import typing
from collections.abc import Sequence
from pathlib import Path

_LARGEST = 65_536
_BARE_WORD = re.compile(r"[A-Za-z_./~][\w./:~+-]*")
_DOTTED_KEY = re.compile(r"\s*[\w-]+(\.[\w-]+)*\s*")
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text in quotes",
    Path: "a path in quotes",
}
_Place = tuple[str, ...]
_Component = typing.TypeVar("_Component")


class ConfigError(ValueError):
    """A configuration that cannot be used; the message says where it is wrong and what would be right.

    Example:
        >>> load_config(recirc.analyses.VerdictConfig, overrides=["n_twin=3"])
        Traceback (most recent call last):
        recirc.runs.config.ConfigError: --set n_twin=3: VerdictConfig has no field 'n_twin'; did you mean 'n_twins'? ...
    """


def load_config(cls: type[_Component], path: str | Path | None = None, overrides: Sequence[str] = ()) -> _Component:
    """Read a component from a TOML file, then change single fields.

    A table holds the fields of a nested component; those it leaves out stay at their defaults. A field whose type is
    an abstract component also takes `kind`, the class to make: the default one keeps the fields that it has there, any
    other begins with its own defaults. A list of components is a list of tables. An optional field takes "none".

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


def changed(component: _Component, field: str, value, where: str) -> _Component:
    """A component with one field changed, checked as `load_config` checks a file.

    Args:
        component: a dataclass.
        field: dotted, as after `--set`.
        value: as TOML has it.
        where: the change was asked for, for the message.

    Raises:
        ConfigError: as `load_config`.
    """
    source, place = _Source("", "", {}), tuple(field.split("."))
    source.overridden[place] = where
    for name in reversed(place):
        value = {name: value}
    return source.build(type(component), value, (), component)


def converted(hint, value, field: str):
    """A value of a type from what TOML has, checked as `load_config` checks the fields of a component.

    Args:
        hint: the type.
        value: as TOML has it.
        field: its name, for the message.

    Raises:
        ConfigError: if it is of another type or not finite.
    """
    return _Source("settings", "", {}).convert(hint, value, (field,))


def place_in(path: str | Path, *place: str) -> str:
    """File and line where a key is set, for a message."""
    return _Source.read(path).where(place)


class _Source:
    """A parsed file, with the overrides laid over it, that can tell where each key came from."""

    def __init__(self, name: str, text: str, tree: dict):
        self.name, self.text, self.tree = name, text, tree
        self.overridden: dict[_Place, str] = {}
        self.kinds: dict[_Place, str] = {}  # of the file, where an override names another

    @classmethod
    def read(cls, path: str | Path | None) -> "_Source":
        if path is None:
            return cls("configuration", "", {})
        try:
            data = Path(path).read_bytes()
            if len(data) > _LARGEST:
                raise ConfigError(f"{path} has {len(data)} bytes; a configuration has at most {_LARGEST}.")
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
            return cls(str(path), text, tomllib.loads(text))
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {path}: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8.") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}.") from None
        except RecursionError:
            raise ConfigError(f"{path}: values are nested too deeply for a configuration.") from None

    def override(self, text: str) -> None:
        key, equals, value = text.partition("=")
        if not equals or not _DOTTED_KEY.fullmatch(key):
            raise ConfigError(f"--set {text}: expected key=value with a dotted key, for example trainer.n_passes=10.")
        *above, last = place = tuple(key.strip().split("."))
        table = self.tree
        for name in above:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"--set {text}: {name} is a value, not a table, so it has no key below it.")
        if last == "kind" and place not in self.overridden and "kind" in table:
            self.kinds[tuple(above)] = table["kind"]
        table[last] = _parse_value(value.strip(), text)
        self.overridden[place] = f"--set {text}"

    def where(self, place: _Place) -> str:
        """Place of a key, or of the innermost thing around it that was written, for a message."""
        outward = [place[:depth] for depth in range(len(place), 0, -1)]
        if override := next(filter(None, map(self.overridden.get, outward)), None):
            return override
        line = next(filter(None, (_line_of(self.text, outer) for outer in outward)), None)
        below = [text for key, text in self.overridden.items() if key[: len(place)] == place]
        return ", ".join(filter(None, [f"{self.name}, line {line}" if line else self.name, *below]))

    def fail(self, place: _Place, problem: str) -> typing.NoReturn:
        raise ConfigError(f"{self.where(place)}: {problem}")

    def build(self, cls, table, place: _Place, default=None):
        """An instance of `cls` from a table, with the fields of `default` where the table has none."""
        if not isinstance(table, dict):
            self.fail(place, f"{'.'.join(place)} must be a table with the fields of {cls.__name__}, got {table!r}.")
        if inspect.isabstract(cls):
            cls, table = self._choose(cls, table, place, default)
        hints = typing.get_type_hints(cls)
        fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
        values = {name: getattr(default, name) for name in fields} if type(default) is cls else {}
        for name, value in table.items():
            here = (*place, name)
            if name not in fields:
                self.fail(here, f"{cls.__name__} has no field {name!r}; {_nearest(name, fields)}")
            values[name] = self.convert(hints[name], value, here, values.get(name, default_of(fields[name])))
        for name in [name for name in fields if name not in values]:
            if default_of(fields[name]) is dataclasses.MISSING:
                self.fail(place, f"{cls.__name__} needs a value for {'.'.join((*place, name))}; add it.")
        try:
            return cls(**values)
        except ValueError as error:
            self.fail(place, f"{cls.__name__}: {error}")

    def _choose(self, cls, table: dict, place: _Place, default) -> tuple[typing.Any, dict]:
        """The concrete subclass that `kind` names, and its fields: not those that a file gives to another kind."""
        kinds = {kind.__name__: kind for kind in _concrete(cls)}
        usual = type(default).__name__ if isinstance(default, cls) else "missing"
        kind = table.get("kind", usual)
        if kind not in kinds:
            self.fail((*place, "kind"), f"kind of {'.'.join(place)} is {kind}; {_nearest(str(kind), kinds)}")
        fields = {name: value for name, value in table.items() if name != "kind"}
        if (*place, "kind") in self.overridden and kind != self.kinds.get(place, usual):
            given = {key[len(place)] for key in self.overridden if key[: len(place)] == place and key != place}
            fields = {name: value for name, value in fields.items() if name in given}
        return kinds[kind], fields

    def convert(self, hint, value, place: _Place, default=None):
        """A value of the type `hint` from a TOML value."""
        if type(None) in typing.get_args(hint) and value == "none":
            return None
        arguments = typing.get_args(hint := plain_type(hint))
        got = f"got {'text' if isinstance(value, str) else type(value).__name__} {value!r}."
        if typing.get_origin(hint) is typing.Literal:
            if not any(type(value) is type(choice) and value == choice for choice in arguments):
                self.fail(place, f"{place[-1]} is {value!r}; {_nearest(str(value), arguments)}")
            return value
        if typing.get_origin(hint) is tuple:
            if not isinstance(value, list):
                self.fail(place, f"{place[-1]} must be a list such as [1, 2], {got}")
            hints = item_types(arguments, len(value))
            if len(hints) != len(value):
                self.fail(place, f"{place[-1]} must have {len(hints)} values, got {len(value)}.")
            places = [(*place, str(i)) if isinstance(item, dict) else place for i, item in enumerate(value)]
            return tuple(map(self.convert, hints, value, places))
        if typing.get_origin(hint) is dict:
            if not isinstance(value, dict):
                self.fail(place, f'{place[-1]} must be a table such as {{column = "value"}}, {got}')
            return value
        if dataclasses.is_dataclass(hint) or inspect.isabstract(hint):
            return self.build(hint, value, place, default)
        if isinstance(value, float) and not math.isfinite(value):
            self.fail(place, f"{place[-1]} is {value}; give a finite number.")
        if hint is typing.Any:
            return tuple(self.convert(hint, item, place) for item in value) if isinstance(value, list) else value
        if hint is float and type(value) is int:
            return float(value)
        if hint is Path and isinstance(value, str):
            return Path(value)
        if hint not in _WORDS:
            self.fail(place, f"{place[-1]} cannot be set from a configuration.")
        if type(value) is not hint:
            self.fail(place, f"{place[-1]} must be {_WORDS[hint]}, {got}")
        return value


def default_of(field: dataclasses.Field):
    """Default of a field of a dataclass."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def plain_type(hint):
    """The type, where it may be None too; a configuration knows no other unions."""
    plain = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    return plain[0] if type(None) in typing.get_args(hint) else hint


def item_types(arguments: tuple, n_items: int) -> tuple:
    """Type of every item of a tuple, from the arguments of its type."""
    return (arguments[0],) * n_items if arguments[-1] is Ellipsis else arguments


def _concrete(cls) -> list[type]:
    below = [kind for subclass in cls.__subclasses__() for kind in _concrete(subclass)]
    return below if inspect.isabstract(cls) else [cls, *below]


def _nearest(word: str, words) -> str:
    names = [str(name) for name in words]
    close = difflib.get_close_matches(word, names, 1, 0.5)
    return (f"did you mean {close[0]!r}? " if close else "") + f"There are: {', '.join(names) or 'none'}."


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
        if _holds(tree, place):
            while not lines[start].strip() or lines[start].lstrip().startswith("#"):
                start += 1
            return start + 1
        start = end
    return None


def _holds(tree, place: _Place) -> bool:
    try:
        for name in place:
            tree = tree[int(name)] if isinstance(tree, list) else tree[name]
    except (LookupError, TypeError, ValueError):
        return False
    return True
