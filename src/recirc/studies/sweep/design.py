"""The experiment that a sweep is: runs to one table, to pictures, to a folder."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recirc.analyses import AnalysisResult, Failure, Result, Row, results
from recirc.analyses.arrays import weights_dataset
from recirc.analyses.pieces import Map, piece_key
from recirc.analyses.result import VERDICTS
from recirc.analyses.table import number
from recirc.analyses.wide import OUTCOME, column, measures_of, text, to_csv, to_dataset, wide
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.runs.locks import NOTHING, WHOLE
from recirc.runs.progress import WholeProgress
from recirc.runs.provenance import hash_file
from recirc.runs.report import ReportText, Table
from recirc.studies.sweep.bases import AbstractBase, AbstractExperiment
from recirc.studies.sweep.config import SweepConfig, settings
from recirc.studies.sweep.training import Piece, Training, train_many

N_BEST, N_FAILED = 10, 100  # lines of a table of the report
Run = tuple[dict[str, Any], AbstractBase, int]


def experiment(config: SweepConfig) -> Experiment:
    """A sweep, ready to be run into a folder.

    Raises:
        ConfigError: if an axis does not fit the base, or a setting is refused by it.
    """
    runs, specification = runs_of(config), dataclasses.replace(config, base=config.base.specification())
    return Experiment(
        "sweep", specification, functools.partial(analyse, config, runs),
        words=functools.partial(words, config, len(runs)), config=lambda: dump_config(config),
        seed=config.seeds[0], seeds=tuple(dict.fromkeys(config.seeds)), inputs=_inputs(config, runs),
        files=functools.partial(files, config), foretold=f"A sweep of {len(runs)} runs.",
    )  # fmt: skip


def runs_of(config: SweepConfig) -> list[Run]:
    """Every run of a sweep, each once: values by field, the base with them, and the seed."""
    found: dict[tuple, Run] = {}
    for values, base in settings(config):
        for seed in config.seeds:
            found.setdefault((*values.values(), seed), (values, base, seed))
    return list(found.values())


def _inputs(config: SweepConfig, runs: Iterable[Run]) -> list[Path]:
    """Files that decide the results of any setting; one that cannot be made has a row that says why."""
    found = dict.fromkeys(config.base.inputs)
    for _, base, seed in runs:
        if seed == config.seeds[0]:
            with contextlib.suppress(ValueError):
                found |= dict.fromkeys(base.inputs)
    return list(found)


def keys_of_runs(config: SweepConfig) -> list[str]:
    """What says which run a row is of: fields of axes, and the seed."""
    return [*(axis.field for axis in config.axes), "seed"]


def pieces_of(config: SweepConfig, runs: Iterable[Run]) -> list[Piece]:
    """The networks of a sweep of trainings."""
    return [Piece(base, seed, tuple(config.keep)) for _, base, seed in runs if isinstance(base, Training)]


def analyse(config: SweepConfig, runs: list[Run], map: Map = map) -> AnalysisResult:
    """Do every run and collect its numbers; one that failed has a row that says why.

    Args:
        config, runs: the sweep, and what `runs_of` makes of it.
        map: does the pieces of work.
    """
    if isinstance(config.base, Training):
        found = [result for _, result in results(train_many, pieces_of(config, runs), map)]
    else:
        found = _experiments(runs, map)
    rows, history, claims = [], [], []
    for (values, _, seed), result in zip(runs, found):
        place = values | {"seed": seed}
        rows += _rows(result, place)
        if isinstance(result, Result):
            claims += [place | claim for claim in result.metadata.get("claims", ())]
            history += [
                {name: text(value) for name, value in place.items()} | e for e in result.metadata.get("history", ())
            ]
    kept = [(run, result.arrays) for run, result in zip(runs, found) if isinstance(result, Result) and result.arrays]
    about = {"axes": {axis.field: axis.spacing for axis in config.axes}, "keys": keys_of_runs(config)}
    about |= {"claims": claims} if claims else {}
    return AnalysisResult(
        "sweep", tuple(rows), networks=_weights(kept) if kept else None, history=history,
        sentences={"verdict": _outcome(rows, len(runs))}, figures=("measures_by_axis", "heat_maps"), about=about,
    )  # fmt: skip


def _outcome(rows: list[Row], n_runs: int) -> str:
    """How many runs gave no numbers, and what the first of them said."""
    said = [row.condition["outcome"] for row in rows if "outcome" in row.condition]
    return f"{len(said)} of {n_runs} runs failed" + (f", the first: {said[0]}" if said else ".")


def _experiments(runs: list[Run], map: Map) -> list[Result | Failure]:
    """Experiments one after the other, the work in each shared out; shards take whole ones."""
    share = getattr(map, "share", WHOLE)
    within = getattr(map, "within", lambda share, of, progress=None: map)
    digest = functools.cache(hash_file)
    of = [experiment_identity(base, seed, digest) for _, base, seed in runs]
    own, found = [i for i in range(len(runs)) if share.has(i)], []
    with WholeProgress(len(own)) as progress:
        for i in own:
            found.append(_one(runs[i], within(WHOLE, of[i], progress)))
            progress.ended()
    return found if share.is_whole else [_one(run, within(NOTHING, of[i])) for i, run in enumerate(runs)]


def experiment_identity(base: AbstractBase, seed: int, digest: Callable[[Path], str]) -> str:
    """Whose the pieces of an experiment are: a fit's do not say of which fit, nor of which of two files of one name."""
    try:
        files = [digest(path) for path in base.inputs]
    except (ValueError, OSError):  # which `_one` says
        files = []
    return piece_key([base.specification(), files, seed])


def _one(run: Run, map: Map) -> Result | Failure:
    _, base, seed = run
    assert isinstance(base, AbstractExperiment)  # noqa: S101 all of one sweep are of one kind
    try:
        found = base.experiment(seed).analyse(map)
    except (ValueError, ArithmeticError) as error:
        return Failure(f"{type(error).__name__}: {error}")
    own = [row for row in found.rows if not {"seed", "direction"} & set(row.condition)]
    claims = [dataclasses.asdict(claim) for claim in found.claims]
    return Result({}, {"rows": [dataclasses.asdict(row) for row in own], "claims": claims})


def _rows(result: Result | Failure, place: dict[str, Any]) -> list[Row]:
    outcome = result.text if isinstance(result, Failure) else result.metadata.get("outcome")
    if isinstance(result, Failure) or outcome is not None:
        condition = {"set": "train", "outcome": str(outcome)} | place
        return [Row("output_nmse", "performance", "network", np.nan, condition=condition, direction="lower")]
    return [
        Row(**entry | {"ci": tuple(entry["ci"]), "condition": entry["condition"] | place})
        for entry in result.metadata["rows"]
    ]


def _weights(kept: list[tuple[Run, Mapping[str, np.ndarray]]]):
    """Weights of every network, with its setting, seed and size."""
    names = [*kept[0][0][0], "seed"]
    places = [[*map(text, values.values()), seed] for (values, _, seed), _ in kept]
    coordinates = {name: ("network", np.array(column)) for name, column in zip(names, zip(*places))}
    coordinates["n_units"] = ("network", np.array([len(arrays["recurrent"]) for _, arrays in kept]))
    return weights_dataset([arrays for _, arrays in kept], coordinates)


def files(config: SweepConfig, result: AnalysisResult) -> dict[str, Any]:
    """The table: a line per run, as CSV and as labelled arrays; and the claims of every run, if it makes any."""
    table = wide(result.rows, keys_of_runs(config))
    units = {column(row, keys_of_runs(config)): row.unit for row in result.rows}
    found: dict[str, Any] = {"table.csv": to_csv(table), "table.nc": to_dataset(table, units)}
    if claims := result.about.get("claims"):
        found["claims.csv"] = to_csv(pd.DataFrame([_claim_line(claim) for claim in claims], dtype=object))
    return found


def _claim_line(claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim of a run as a line of a table: setting, seed, and the fields of `Claim`."""
    low, high = claim["ci"]
    line = dict(claim) | {"supported": VERDICTS[claim["supported"]], "needs": claim["needs"] or ""}
    return {name: value for name, value in line.items() if name != "ci"} | {"ci_low": low, "ci_high": high}


def words(config: SweepConfig, n_runs: int, result: AnalysisResult) -> ReportText:
    """The words of the report."""
    table = wide(result.rows, keys_of_runs(config))
    failed = table[table[OUTCOME] != ""]
    better = {column(row, keys_of_runs(config)): row.direction for row in result.rows}
    shown = [_best(table, name, better.get(name, "higher")) for name in measures_of(table)[:6]]
    values = {
        "title": config.title, "n_runs": n_runs, "n_seeds": len(set(config.seeds)), "n_failed": len(failed),
        "axes": "; ".join(_axis_line(table, axis.field) for axis in config.axes) or "nothing but the seed",
        "is_grid": len(config.axes) > 1, "failed": "some" if len(failed) else "none",
    }  # fmt: skip
    made = ReportText.from_toml(Path(__file__).with_name("words.toml"), values)
    first, *others = made.sections
    reasons = [(", ".join(f"{key} {text(line[key])}" for key in keys_of_runs(config)), line[OUTCOME])
               for line in failed.head(N_FAILED).to_dict("records")]  # fmt: skip
    return dataclasses.replace(made, sections=[dataclasses.replace(first, tables=shown), *others], failures=reasons)


def _axis_line(table, field: str) -> str:
    found = list(dict.fromkeys(table[field].tolist()))
    few = found if len(found) <= 6 else [*found[:3], "…", found[-1]]
    return f"{field}: {', '.join(number(v) if isinstance(v, float) else text(v) for v in few)}"


def _best(table, name: str, direction: str) -> Table:
    """The settings with the best medians over seeds."""
    axes = [str(key) for key in table.columns[: list(table.columns).index("seed")]]
    groups = table.groupby([table[axis].map(text) for axis in axes] or [0] * len(table), sort=False)[name]
    found = groups.agg(["median", "min", "max", "count"]).reset_index()
    found = found.sort_values("median", ascending=direction == "lower", kind="stable").head(N_BEST)
    lines = [
        [line[axis] for axis in axes] + [line[c] for c in ("median", "min", "max", "count")]
        for line in found.to_dict("records")
    ]
    return Table([*axes, "median", "lowest", "highest", "seeds"], lines, f"{name}: best settings", folded=True)
