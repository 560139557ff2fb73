"""`recirc compare`: two recordings, runs or networks scored on every similarity, with the words of its report."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from recirc.analyses import AnalysisResult, likeness
from recirc.analyses.likeness import in_order_of
from recirc.analyses.table import OF_NULLS
from recirc.analyses.verdict import movement_begins, on_the_reference_clock
from recirc.circuits import AbstractCircuit, from_arrays, simulate
from recirc.circuits.named_weights import holds_weights
from recirc.compare import mechanism_of
from recirc.compare.normalization import average_repeats
from recirc.compare.samples import check_same_samples
from recirc.data import DataFileError, Preprocessing, read_dataset, read_prepared, read_trials
from recirc.data.array_files import is_array_file, read_array_file
from recirc.data.safe_open import named
from recirc.figures.style import label
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.runs.report import ReportText, Section, Table
from recirc.types import Activity, Trials

UNDRIVEN = (
    "is a network, and nothing says what drives it; give --trials FILE, with its inputs, dt and one condition label "
    "per trial (recirc.data.read_trials says how)."
)


@dataclasses.dataclass(frozen=True)
class CompareConfig:
    """What decides a comparison but the two activities.

    Args:
        n_draws: surrogates per similarity and null.
        seed: of the surrogates.
        exchangeable: whether any order of the conditions is as good as another.
    """

    n_draws: int = 250
    seed: int = 0
    exchangeable: bool = False


def experiment(a: Path, b: Path, config: CompareConfig = CompareConfig(), *, trials: Path | None = None) -> Experiment:
    """The comparison of two recordings, run folders or networks; all files are read here.

    Args:
        a, b: recordings, sessions, run folders, or files of a network (`read_network`); nulls are made of a.
        config: number of draws, and the seed.
        trials: file of what drives the networks (`read_trials`), a delayed reach if their mechanism is to be told.
            Networks whose files name no time step make that of the trials.
            Against a recording, its conditions are compared, at its times, counted from where the trials' epoch
            "movement" begins, or from their start without one.

    Raises:
        ValueError: if one cannot be read, a network is given without trials, or trials without a network.
    """
    paths = [Path(a), Path(b)]
    networks = _networks(paths, trials)
    (first, single_trials), (second, _) = _sides(paths, networks, config.seed)
    check_same_samples(first, in_order_of(first, second))  # refused before a folder is made
    files = [path / "activity.nc" if path.is_dir() else path for path in (*paths, *([trials] if trials else []))]
    given = {"key": jax.random.key(config.seed), "n_draws": config.n_draws, "single_trials": single_trials}
    given["exchangeable"] = config.exchangeable
    return Experiment(
        "compare", {"config": config, "files": [str(path.absolute()) for path in files]}, inputs=files,
        analyse=lambda _: _with_mechanisms(
            likeness(first, second, arm=Path(b).stem, **given), networks, key=given["key"]
        ),
        config=lambda: dump_config(config),
        words=lambda found: words(found, Path(a).name, Path(b).name, [*first.notes, *second.notes]), seed=config.seed,
    )  # fmt: skip


class _Driven(NamedTuple):
    """A network, what drives it, and the name of the file that says so."""

    network: AbstractCircuit
    trials: Trials
    file: str


def _with_mechanisms(result: AnalysisResult, networks: Mapping[Path, _Driven], *, key) -> AnalysisResult:
    """The result, and a sentence on how each network makes its movements, or why that cannot be told."""
    said = {}
    for path, driven in networks.items():
        try:
            if not driven.trials.targets.shape[2]:
                raise ValueError(f"{driven.file} has no targets; give a delayed reach, with the velocity asked for.")
            told = mechanism_of(driven.network, driven.trials, key=key).sentence
        except ValueError as error:
            told = f"not judged, since {error}"
        said[f"mechanism of {path.name}"] = f"Mechanism of {path.name}: {told}"
    return dataclasses.replace(result, sentences={**result.sentences, **said})


def _networks(paths: Sequence[Path], trials: Path | None) -> dict[Path, _Driven]:
    """The networks among the files, with what drives them."""
    files = [path for path in paths if not path.is_dir()]
    found = [path for path in files if is_array_file(path) or (trials is not None and _is_matlab_network(path))]
    if found and trials is None:
        raise ValueError(f"{found[0]} {UNDRIVEN}")
    if trials is None:
        return {}
    if not found:
        raise ValueError(
            f"{trials} has nothing to drive: neither {paths[0]} nor {paths[1]} is a network, which is a file of arrays "
            "(.npz, safetensors, MATLAB; no pickle) with recurrent weights by a name that circuits.from_arrays knows."
        )
    given = read_trials(trials)
    return {path: _Driven(_network(path, given.dt), given, trials.name) for path in found}


def _is_matlab_network(path: Path) -> bool:
    """Whether a MATLAB file holds recurrent weights, under a name that no recording has."""
    try:
        return path.suffix == ".mat" and holds_weights(read_array_file(path))
    except DataFileError:
        return False


def _network(path: Path, dt: float) -> AbstractCircuit:
    """A network from its file; where that names no time step, as those of PyTorch do not, it makes the trials'."""
    arrays = read_array_file(path)
    with named(path):
        return from_arrays(arrays if arrays.get("dt") is not None else arrays | {"dt": dt})


def _sides(
    paths: Sequence[Path], networks: Mapping[Path, _Driven], seed: int
) -> list[tuple[Activity, Activity | None]]:
    """Both activities and their single trials; a network is run, and beside a recording seen on its clock."""
    sides = [_run(path, networks[path], seed) if path in networks else _read_side(path) for path in paths]
    for path, other, side in zip(paths, paths[::-1], (0, 1)):
        if path in networks and other not in networks:
            made, seen = sides[side][0], average_repeats(sides[1 - side][0])
            onset = movement_begins(networks[path].trials, seen)
            sides[side] = on_the_reference_clock(made, seen, onset).replace(notes=made.notes), None
    return sides


def _read_side(path: Path) -> tuple[Activity, Activity | None]:
    """As `read_activity`; of a MATLAB file that is no recording but a network, what is missing is said."""
    try:
        return read_activity(path)
    except DataFileError as error:
        if not path.is_dir() and _is_matlab_network(path):
            raise ValueError(f"{path} {UNDRIVEN}") from error
        raise


def _run(path: Path, driven: _Driven, seed: int) -> tuple[Activity, None]:
    made = simulate(driven.network, driven.trials, key=jax.random.key(seed)).replace(outputs=None)
    notes = [f"{path.name}: {len(made.units)} units of a network, driven by {driven.file}."]
    return average_repeats(made).replace(notes=notes), None


def read_activity(path: Path) -> tuple[Activity, Activity | None]:
    """An activity from a recording, with its single trials if there are any, or of the first network of a run folder.

    A session of spikes becomes averages as `recirc check` says it would. The activity's notes say what was taken.

    Raises:
        DataFileError: if there is no readable file, or a run folder without the rates of a network.
        ValueError: if something in a session blocks its use.
    """
    if path.is_dir():
        return _first_network(path), None
    found = read_prepared(path, Preprocessing(), for_fit=False, seed=0)
    notes = (f"{path.name}: {len(found.averages.units)} units.", *found.averages.notes)
    return found.averages.replace(outputs=None, notes=notes), found.single_trials


def _first_network(path: Path) -> Activity:
    file = path / "activity.nc"
    if not file.is_file():
        raise DataFileError(f"{path} is a folder without activity.nc; give a netCDF file or a run folder.")
    dataset = read_dataset(file)
    if "rates" not in dataset or not {"condition", "time"} <= set(dataset["rates"].dims):
        missing = f"{file} holds no rates of a network by condition and time"
        raise DataFileError(f"{missing}; give the folder of `recirc fit` or `recirc reproduce`.")
    rates = dataset["rates"]
    axis = next((str(name) for name in rates.dims if str(name).endswith("unit")), None)
    if axis is None or "time" not in rates.coords:
        raise DataFileError(f"{file}: its rates lack an axis of units or times; make the run again.")
    own = ("condition", "time", axis)
    leading = [name for name in rates.dims if name not in own]
    stack = rates.stack(member=leading, create_index=False) if leading else rates.expand_dims("member")
    networks = stack.transpose("member", *own)
    good = np.flatnonzero(np.isfinite(networks.values).all(axis=(1, 2, 3)))
    if not len(good):
        raise DataFileError(f"{file}: every network in it failed.")
    network, time = networks[good[0]], np.asarray(rates["time"].values, float)
    labels = [name for along in leading for name, values in rates.coords.items() if values.dims == (along,)]
    which = ", ".join(f"{name} {network[name].item()}" for name in labels)
    note = f"{path.name}: {network.sizes[axis]} units of one network of {len(networks)} in the folder"
    notes = [f"{note} ({which})." if which else f"{note}."]
    dt, conditions = float((time[-1] - time[0]) / (len(time) - 1)), [str(name) for name in dataset["condition"].values]
    return Activity(network.values, dt=dt, start=float(time[0]) - dt, conditions=conditions, notes=notes)


def words(result: AnalysisResult, a: str, b: str, notes: Sequence[str]) -> ReportText:
    """The words of the report, written by the result."""
    columns = [
        "similarity",
        "value",
        "from",
        "to",
        "ceiling",
        "null",
        "null mean",
        "null p95",
        "p",
        "half p",
        "certified",
    ]
    lines = []
    for row in result.rows:
        null = row.null or {}
        kind, certified = (label(null["kind"]), "yes" if null["certified"] else "no") if null else (None, None)
        numbers = [row.value, *row.ci, row.ceiling, kind or row.condition["outcome"]]
        lines.append([label(row.metric), *numbers, *(null.get(name) for name in OF_NULLS), certified])
    table = Table(columns, lines, "From, to: 95 % of the values over units drawn again on both sides")
    values = {"a": a, "b": b, "notes": " ".join(notes), "sizes": result.arrays.sizes}
    path = Path(__file__).with_suffix(".toml")
    made = ReportText.from_toml(path, values | {"verdict": result.sentences["verdict"]}, similarities=table)
    told = "\n\n".join(text for name, text in result.sentences.items() if name != "verdict")
    return dataclasses.replace(made, sections=[*made.sections, Section("Mechanisms", told)]) if told else made
