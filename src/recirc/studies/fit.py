"""`recirc fit`: networks trained on a recording, with the words of its report."""

import dataclasses
import logging
from pathlib import Path

import jax
import numpy as np

from recirc.analyses import AnalysisResult, FitConfig, fit_recording, select
from recirc.analyses.fit_trials import prepare, with_go_cue
from recirc.analyses.table import BASELINE, NO_NUMBER, number
from recirc.data import Prepared, read_prepared
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.runs.report import ReportText, Table
from recirc.storage import printable

BASELINES = ("cosine_tuning", "gp_directions", "gp_joint", "condition_mean", "direct_map", "untrained")
SHORT = ("cosine", "GP", "joint GP", "mean", "direct map", "untrained")
_log = logging.getLogger(__name__)


def experiment(data: Path, config: FitConfig, *, seed: int) -> Experiment:
    """The fit of a recording; the file is read here, once.

    Args:
        data: a session of spikes, or average rates.
        config: of the fit; what it leaves open is settled by the recording.
        seed: of everything random.

    Raises:
        ValueError: if the recording cannot be fitted.
    """
    chain = dataclasses.replace(config.preprocessing, minimum_reliability=-1.0)  # the fit leaves out units itself
    found = read_prepared(
        data, chain, assume_equal_spacing=config.assume_equal_spacing, n_folds=config.n_folds,
        recorded_fraction=config.recorded_fraction, seed=seed,
    )  # fmt: skip
    activity = found.averages
    least = config.preprocessing.minimum_reliability
    config = with_held_out(config, found)
    settled = dataclasses.replace(found.chain, minimum_reliability=least)
    config = with_go_cue(dataclasses.replace(config, preprocessing=settled), activity)
    prepare(activity, config)  # what cannot be fitted is refused before a folder is made
    key = jax.random.key(seed)
    for note in activity.notes:
        _log.info(printable(note))
    return Experiment(
        "fit", {"config": config, "seed": seed}, lambda map: fit_recording(activity, config, key=key, map=map),
        seed=seed, words=lambda result: words(result, config, name=Path(data).name), config=lambda: dump_config(config),
        inputs=[Path(data).absolute()],
    )  # fmt: skip


def with_held_out(config: FitConfig, found: Prepared) -> FitConfig:
    """The configuration with names of units in the place of the column that marks them."""
    column = found.unit_columns.get(config.held_out[0]) if len(config.held_out) == 1 else None
    if column is None or config.held_out[0] in found.averages.units:
        return config
    marked = np.asarray([str(value).lower() in ("true", "1", "1.0") for value in column.tolist()])
    if not marked.any():
        raise ValueError(f"held_out is the column {config.held_out[0]!r}, which marks no unit that is used.")
    return dataclasses.replace(config, held_out=tuple(np.asarray(found.averages.units)[marked].tolist()))


def words(result: AnalysisResult, config: FitConfig, *, name: str) -> ReportText:
    """The words of the report, written by the result."""
    time, output = result.arrays["time"].values, "modeled" if result.arrays.attrs["outputs_are_modeled"] else "recorded"
    has_ceiling = all(row.ceiling is not None for row in result.rows if "direction" in row.condition)
    values = {
        "name": name, "verdict": result.sentences["verdict"], "config": config, "percent": 100 * config.fraction,
        "sizes": result.arrays.sizes, "bin": 1000 * (time[1] - time[0]), "output": output, "trained_on": output,
        "ceiling": "given" if has_ceiling else "missing", "notes": "\n\n".join(result.about["notes"]),
    }  # fmt: skip
    return ReportText.from_toml(Path(__file__).with_suffix(".toml"), values, r2=_table(result))


def _table(result: AnalysisResult) -> Table:
    """A line per left-out direction, with the regime chosen without it, and one per statistic over directions."""
    table, choices, lines = result.table, iter(result.about["choices"]), []
    for row in select(table, "heldout_direction_r2", "ensemble").to_dict("records"):
        beside = [row[name] for name in ("ceiling", *(f"{BASELINE}{name}" for name in BASELINES))]
        if row["direction"] is None:
            lines.append([row["statistic"], row["value"], "", *beside, "", ""])
            continue
        choice, single = next(choices), select(table, arm="network", direction=row["direction"])["value"].dropna()
        spread = f"{number(single.min())} to {number(single.max())}" if len(single) else NO_NUMBER
        factors = [f"{name} × {choice[name]:g}" for name in ("gain", "drive", "noise") if choice[name] != 1]
        settings = ", ".join([f"bias {choice['bias_scale']:g}", *factors])
        lines.append([f"{row['direction']}°", row["value"], spread, *beside, settings, choice["penalty"]])
    columns = ["left out", "mean of networks", "single networks", "ceiling", *SHORT, "settings", "map penalty"]
    return Table(columns, lines, "R² of unseen units per left-out direction, and the regime chosen without it")
