"""Studies: one file or folder per published study says what it is; `runs.experiment` runs it.

A study's module has `experiment(preset=, seed=, ...)`, and adds its drawings to `figures.DRAWINGS` when it is imported.
"""

import collections.abc
import difflib
import importlib
import typing

STUDIES = ("kao2019", "qian2024", "salatiello2020")  # a further study is its file and its name here


def find(study: str):
    """The module of a published study.

    Raises:
        ValueError: if there is none of this name.

    Example:
        >>> find("kao2019").NAME
        'kao2019'
    """
    if study not in STUDIES:
        near = difflib.get_close_matches(study, STUDIES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(STUDIES)}."
        raise ValueError(f"study {study!r} is unknown; {hint}")
    return importlib.import_module(f"recirc.studies.{study}")


def experiment(study: str, *, preset: str = "quick", seed: int = 0, **settings):
    """What a published study runs; `recirc.runs.experiment.run` runs it into a folder.

    Args:
        study: its name.
        preset: "quick" (minutes) or "full".
        seed: of everything random.
        settings: those of `settings_of`: for kao2019 alone `reference`, a recording's path, and `reference_onset`, in
            seconds on its clock.

    Raises:
        ValueError: if the study or preset is unknown, or the study has no such setting.

    Example:
        >>> experiment("salatiello2020", preset="quick").preset
        'quick'
    """
    settings_of(study, settings)
    return find(study).experiment(preset=preset, seed=seed, **settings)


def settings_of(study: str, asked: collections.abc.Iterable[str] = ()) -> dict[str, typing.Any]:
    """What a published study can be given beside its preset and seed: name -> type.

    Args:
        study: its name.
        asked: settings that it must have.

    Raises:
        ValueError: if there is no study of this name, or it has no such setting.

    Example:
        >>> list(settings_of("kao2019"))
        ['reference', 'reference_onset']
    """
    hints = typing.get_type_hints(find(study).experiment)
    known = {name: hint for name, hint in hints.items() if name not in ("preset", "seed", "return")}
    if foreign := [name for name in asked if name not in known]:
        raise ValueError(f"{study} has no setting {foreign[0]!r}. There are: {', '.join(known) or 'none'}.")
    return known


def __getattr__(name: str):
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"recirc.studies.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"recirc.studies.{name}":
            raise
        raise AttributeError(f"module 'recirc.studies' has no attribute {name!r}") from None
