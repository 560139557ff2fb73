"""Studies: one file per published study says what it is; running one trains, measures, judges and reports."""

import difflib
import importlib
import inspect
import sys
from pathlib import Path

_STUDIES = {"kao2019": "kao2019_run", "salatiello2020": "salatiello2020_run"}
_DRAW = {"kao2019": "kao2019_report", "salatiello2020": "salatiello2020_report"}


def run(study: str, *, preset: str = "quick", seed: int = 0, jobs: int = 1, out: str | Path, **settings) -> bool:
    """Run a published study into a folder, or go on with it.

    Args:
        study: its name.
        preset: "quick" (minutes) or "full".
        seed: of everything random.
        jobs: worker processes; the numbers do not depend on it.
        out: the run folder.
        settings: what only some studies take; for kao2019 `reference`, the path of a recording, and
            `reference_onset`, movement onset on its clock in seconds.

    Returns:
        Whether no claim was contradicted by the numbers.

    Raises:
        ValueError: if the study or preset is unknown, the study has no such setting, or the folder cannot be used.
        StorageError: if results cannot be written.
    """
    if study not in _STUDIES:
        near = difflib.get_close_matches(study, _STUDIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(_STUDIES)}."
        raise ValueError(f"study {study!r} is unknown; {hint}")
    module = importlib.import_module(f"recirc.studies.{_STUDIES[study]}")
    argv = ["recirc", *sys.argv[1:]]
    taken = inspect.signature(module.run).parameters
    foreign = [name for name in settings if name not in taken]
    if foreign:
        raise ValueError(f"{study} has no setting {foreign[0]}; leave it out.")
    return module.run(preset=preset, seed=seed, jobs=jobs, out=Path(out), argv=argv, **settings)


def drawer(name: str):
    """The function that redraws a run folder's figures, for the study named in its `metrics.json`; None if unknown."""
    if name not in _DRAW:
        return None
    return importlib.import_module(f"recirc.studies.{_DRAW[name]}").draw


def __getattr__(name: str):
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"recirc.studies.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"recirc.studies.{name}":
            raise
        raise AttributeError(f"module 'recirc.studies' has no attribute {name!r}") from None
