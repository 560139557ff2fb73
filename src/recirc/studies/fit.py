"""`recirc fit`: networks trained on a recording, with the words of its report."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from recirc.analyses import AnalysisResult, FitConfig, fit_cost, fit_recording, select
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_trials import with_go_cue
from recirc.analyses.sources import cited, stated_sources
from recirc.analyses.table import BASELINE, NO_NUMBER, number
from recirc.compare.covariates import covariates_of
from recirc.data import Prepared, condition_angles, read_prepared
from recirc.data.names import is_angular
from recirc.data.screening import listed
from recirc.data.side_by_side import side_by_side
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.runs.provenance import versions
from recirc.runs.report import ReportText, Table
from recirc.storage import printable
from recirc.types import Activity

BASELINES = (
    "cosine_tuning",
    "gp_directions",
    "gp_joint",
    "gp_coupled",
    "gp",
    "condition_mean",
    "direct_map",
    "untrained",
)
SHORT = ("linear tuning", "GP fixed", "GP apart", "GP coupled", "GP", "mean", "direct map", "untrained")
_log = logging.getLogger(__name__)


def experiment(data: Path | Sequence[Path], config: FitConfig, *, seed: int) -> Experiment:
    """The fit of a recording; the file is read here, once.

    Args:
        data: a session of spikes, or average rates; or several sessions of one experiment, fitted together.
        config: of the fit; what it leaves open is settled by the recording.
        seed: of everything random.

    Raises:
        ValueError: if the recording cannot be fitted.
    """
    chain = dataclasses.replace(config.preprocessing, minimum_reliability=-1.0, inputs=config.inputs)
    paths = [data] if isinstance(data, Path) else list(data)
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"files of several sessions need different names; got {', '.join(names)}.")
    found = _together({path.stem: read_prepared(
        path, chain, assume_equal_spacing=config.assume_equal_spacing, n_folds=config.n_folds,
        recorded_fraction=config.recorded_fraction, seed=seed,
    ) for path in paths})  # fmt: skip
    least = config.preprocessing.minimum_reliability
    config, activity = with_conditions(with_held_out(config, found), found)
    settled = dataclasses.replace(found.chain, minimum_reliability=least)
    config = with_go_cue(dataclasses.replace(config, preprocessing=settled), activity)
    ready = prepare(activity, config)  # what cannot be fitted is refused before a folder is made
    key = jax.random.key(seed)
    for note in activity.notes:
        _log.info(printable(note))
    return Experiment(
        "fit", {"config": config, "seed": seed}, lambda map: fit_recording(activity, config, key=key, map=map),
        seed=seed, words=lambda result: words(result, config, name=", ".join(path.name for path in paths), seed=seed),
        config=lambda: dump_config(config), inputs=[path.absolute() for path in paths],
        foretold=fit_cost.sentence(ready, config), n_networks=sum(fit_cost.work(ready, config)),
        n_seconds=fit_cost.seconds(ready, config),
    )  # fmt: skip


def _together(sessions: Mapping[str, Prepared]) -> Prepared:
    """One session as it is; averages of several, with their units side by side."""
    first, *others = sessions.values()
    if not others:
        return first
    return Prepared(side_by_side({name: each.averages for name, each in sessions.items()}), first.chain)


def with_held_out(config: FitConfig, found: Prepared) -> FitConfig:
    """The configuration with names of units in the place of the column that marks them."""
    column = found.unit_columns.get(config.held_out[0]) if len(config.held_out) == 1 else None
    if column is None or config.held_out[0] in found.averages.units:
        return config
    marked = np.asarray([str(value).lower() in ("true", "1", "1.0") for value in column.tolist()])
    if not marked.any():
        raise ValueError(f"held_out is the column {config.held_out[0]!r}, which marks no unit that is used.")
    return dataclasses.replace(config, held_out=tuple(np.asarray(found.averages.units)[marked].tolist()))


def with_conditions(config: FitConfig, found: Prepared) -> tuple[FitConfig, Activity]:
    """The configuration with the covariates that conditions were made of, and what is fitted.

    Averages; or single trials, if nothing but names is known of conditions.
    """
    averages, single = found.averages, found.single_trials
    names = [name for name in found.chain.conditions or () if name in averages.covariates]
    is_other = len(names) == 1 and not is_angular(names[0])  # coherences may look like angles
    is_open = config.covariates is None and not config.assume_equal_spacing
    if is_open and (is_other or condition_angles(averages.conditions) is None):
        known = covariates_of(averages, names or None)
        if single is not None and not known.can_interpolate:
            return config, single.replace(notes=averages.notes, events=averages.events)
        config = dataclasses.replace(config, covariates=tuple(names) or None)
    return config, averages


def words(result: AnalysisResult, config: FitConfig, *, name: str, seed: int) -> ReportText:
    """The words of the report, written by the result."""
    time, output = result.arrays["time"].values, "modeled" if result.arrays.attrs["outputs_are_modeled"] else "recorded"
    has_ceiling = all(row.ceiling is not None for row in result.rows if "direction" in row.condition)
    values = {
        "name": name, "verdict": result.sentences["verdict"], "config": config, "percent": 100 * config.fraction,
        "sizes": result.arrays.sizes, "bin": 1000 * (time[1] - time[0]), "output": output, "trained_on": output,
        "ceiling": "given" if has_ceiling else "missing", "notes": "\n\n".join(result.about["notes"]),
        "seed": seed, "version": versions()["recirc"], "tau": 1000 * config.network.time_constant,
        "trainer": _method(config), "covariates": ", ".join(result.about["covariates"]),
        "conditions": listed(result.arrays["condition"].values, 8), "n_candidates": len(config.candidates),
        "driven": _driven(config), "subsets": result.sentences.get("subsets", ""),
        "smoothing": config.preprocessing.smoothing,
    }  # fmt: skip
    return ReportText.from_toml(Path(__file__).with_suffix(".toml"), values, r2=_table(result))


def _driven(config: FitConfig) -> str:
    """What the networks' inputs are."""
    steady = f"the time courses of {listed(config.inputs)}" if config.inputs else "the encoded covariates throughout"
    if config.events is None:
        return steady if config.inputs else f"{steady} and a go cue that stays on"
    lasting = [
        f"{name} ({'a step' if seconds == np.inf else f'{seconds:g} s'})" for name, seconds in config.timed_events
    ]
    return f"{steady} and {listed(lasting)}" if lasting else steady


def _method(config: FitConfig) -> str:
    """What the trainer is called, with the first of its sources."""
    papers = cited(" ".join(stated_sources(config.trainer)))
    return ", ".join([type(config.trainer).__name__, *map(str, papers[:1])])


def _table(result: AnalysisResult) -> Table:
    """A line per left-out condition, with the regime chosen without it, and one per statistic over conditions."""
    table, choices, lines = result.table, {}, []
    for group, choice in zip(result.about["groups"], result.about["choices"]):
        choices |= dict.fromkeys(group, choice)
    alike = select(table, "heldout_direction_r2", "ensemble", set="process").set_index("direction")["value"]
    for row in select(table, "heldout_direction_r2", "ensemble").to_dict("records"):
        beside = [row[name] for name in ("ceiling", *(f"{BASELINE}{name}" for name in BASELINES))]
        if row["set"] == "process":
            continue
        if row["direction"] is None:
            lines.append([row["statistic"], row["value"], "", *beside, "", "", ""])
            continue
        single = select(table, arm="network", direction=row["direction"])["value"].dropna()
        spread = f"{number(single.min())} to {number(single.max())}" if len(single) else NO_NUMBER
        choice = choices[row["direction"]]
        factors = [f"{name} × {choice[name]:g}" for name in ("gain", "drive", "noise", "inputs") if choice[name] != 1]
        settings = ", ".join([f"bias {choice['bias_scale']:g}", *factors, choice["completion"]])
        lines.append([row["direction"], row["value"], spread, *beside, alike[row["direction"]], settings,
                      choice["penalty"]])  # fmt: skip
    columns = [
        "left out",
        "mean of networks",
        "single networks",
        "ceiling",
        *SHORT,
        "alike GP",
        "settings",
        "map penalty",
    ]
    return Table(columns, lines, "R² of unseen units per left-out condition, and the regime chosen without it")
