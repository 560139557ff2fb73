"""Recurrent circuits: train networks that perform a task and reproduce recorded dynamics, and judge how alike they are.

Importing the package is cheap and changes no setting: submodules load on first use.
"""

import importlib

__version__ = "0.2.0"

_SUBMODULES = ("analyses", "circuits", "compare", "data", "figures", "runs", "studies", "tasks", "train", "types")
_NAMES = {
    "Activity": "types",
    "Outcome": "types",
    "Score": "types",
    "Trials": "types",
    "bibliography": "studies.bibliography",
    "enable_x64": "types",
    "fit": "train",
    "read": "data.read",
    "simulate": "circuits",
}

__all__ = ["__version__", *_NAMES, *_SUBMODULES]


def __getattr__(name: str):
    if name in _SUBMODULES:
        return importlib.import_module(f"recirc.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"recirc.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'recirc' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
