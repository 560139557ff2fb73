"""Sizes of studies by name."""

from collections.abc import Mapping
from typing import TypeVar

_Preset = TypeVar("_Preset")


def preset_of(presets: Mapping[str, _Preset], name: str) -> _Preset:
    """The preset of this name; a ValueError if there is none."""
    if name not in presets:
        raise ValueError(f"preset {name!r} is unknown; choose one of {', '.join(presets)}.")
    return presets[name]
