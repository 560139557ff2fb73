"""Configuration: typed components to TOML text that `load_config` reads back."""

import dataclasses
import inspect
import json
import math
import typing
from collections.abc import Iterator

from recirc.runs.config import default_of, item_types, plain_type


def dump_config(config) -> str:
    """TOML text that `load_config` reads back to an equal component.

    Raises:
        ValueError: if a number is not finite or an optional string is the word "none".
        TypeError: if a field has a type that TOML cannot hold.

    Example:
        >>> print(dump_config(recirc.train.Ridge((0.01,))), end="")
        penalties = [0.01]
        embedder_gain = 1.0
        drive = 0.15
        hint_drive = 0.6
        noise = 0.01
    """
    return "\n".join(_dump_table(config, "", type(config))).strip() + "\n"


def _dump_table(config, place: str, declared) -> list[str]:
    lines, tables = [], []
    for name, value, hint in _written(config, declared):
        if dataclasses.is_dataclass(value):
            tables += ["", f"[{place}{name}]", *_dump_table(value, f"{place}{name}.", hint)]
        else:
            lines.append(f"{name} = {_dump_value(value, name, hint)}")
    return lines + tables


def _written(config, declared) -> Iterator[tuple[str, typing.Any, typing.Any]]:
    """Name, value and type of all that a table holds."""
    if inspect.isabstract(declared):
        yield "kind", type(config).__name__, str
    hints = typing.get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, hint = getattr(config, field.name), hints[field.name]
        if not field.init or (callable(value) and not dataclasses.is_dataclass(value) and value is default_of(field)):
            continue
        if isinstance(value, str) and value == "none" and type(None) in typing.get_args(hint):
            raise ValueError(f"{field.name} is the word 'none', which a configuration reads as no value.")
        yield field.name, value, plain_type(hint)


def _dump_value(value, name: str, hint) -> str:
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
        case dict():
            items = (f"{json.dumps(key)} = {_dump_value(each, key, tuple[None, ...])}" for key, each in value.items())
            return f"{{{', '.join(items)}}}"
        case tuple() | list():
            hints = item_types(typing.get_args(hint), len(value))
            return f"[{', '.join(_dump_value(item, name, kind) for item, kind in zip(value, hints))}]"
        case _ if dataclasses.is_dataclass(value):
            items = (f"{key} = {_dump_value(item, key, kind)}" for key, item, kind in _written(value, hint))
            return f"{{{', '.join(items)}}}"
    raise TypeError(f"{name} has type {type(value).__name__}, which a configuration cannot hold.")
