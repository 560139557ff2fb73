"""Configuration in, folder out: what runs the work and keeps its results.

Submodules load on first use, so that the command line can set threads before NumPy and JAX are there.
"""

import importlib

_NAMES = {
    **dict.fromkeys(("ConfigError", "load_config"), "config"),
    "dump_config": "config_text",
    **dict.fromkeys(("FinishedError", "FolderError", "Unfinished"), "locks"),
    "RunFolder": "store",
    **dict.fromkeys(("is_done", "verify"), "seal"),
    "Experiment": "experiment",
    "FolderMap": "folder_map",
    "read_metrics": "metrics",
}


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(f"recirc.runs.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'recirc.runs' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_NAMES])
