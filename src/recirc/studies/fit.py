"""`recirc fit`: networks trained on a recording, with the words of its report."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from recirc.analyses import AnalysisResult, FitConfig, Row, fit_recording
from recirc.analyses.fit_trials import prepare, with_go_cue
from recirc.analyses.table import number
from recirc.data import read_prepared
from recirc.runs import dump_config
from recirc.runs.experiment import Experiment
from recirc.runs.report import Picture, ReportText, Section, Table
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
    found = read_prepared(
        data, config.preprocessing, assume_equal_spacing=config.assume_equal_spacing, n_folds=config.n_folds,
        recorded_fraction=config.recorded_fraction, seed=seed,
    )  # fmt: skip
    activity = found.averages
    config = with_go_cue(dataclasses.replace(config, preprocessing=found.chain), activity)
    prepare(activity, config)  # what cannot be fitted is refused before a folder is made
    for note in activity.notes:
        _log.info(printable(note))
    return Experiment(
        "fit",
        specification={"config": config, "seed": seed},
        analyse=lambda map: fit_recording(activity, config, key=jax.random.key(seed), map=map),
        words=lambda result: words(result, config, name=Path(data).name),
        config=lambda: dump_config(config),
        seed=seed,
        inputs=[Path(data).absolute()],
    )


def words(result: AnalysisResult, config: FitConfig, *, name: str) -> ReportText:
    """The words of the report, written by the result."""
    is_modeled = bool(result.arrays.attrs["outputs_are_modeled"])
    return ReportText(
        title=f"Fit of {name}",
        verdict=result.sentences["verdict"],
        sections=[
            Section(
                "Unseen units in left-out directions",
                _SCORE,
                [
                    Picture(
                        "r2_by_direction",
                        "R² per left-out direction. Networks no higher than interpolations have explained nothing.",
                    )
                ],
                [_table(result)],
            ),
            Section(
                "What was predicted",
                "Every line is the mean prediction of networks that saw neither the unit nor the direction.",
                [
                    Picture("example_units", "Example units at evenly spread ranks of R², good and bad."),
                    Picture("principal_components", "The predicted population on the recording's components."),
                ],
            ),
            Section("Task output", _OUTPUT[is_modeled], [Picture("outputs", _OUTPUT_CAPTION[is_modeled])]),
            Section("How it was judged", "\n\n".join([_method(result, config), *result.about["notes"]])),
        ],
    )


def _table(result: AnalysisResult) -> Table:
    rows = [row for row in result.rows if row.metric == "heldout_neuron_r2" and row.arm == "ensemble"]
    by_direction = [row for row in rows if "direction" in row.condition]
    lines = [_line(result, row, choice) for row, choice in zip(by_direction, result.about["choices"])]
    for row in rows:
        if row.condition["set"] == "heldout_directions":
            lines.append([row.condition["statistic"], row.value, "", *_beside(row), "", ""])
    columns = ["left out", "mean of networks", "single networks", "ceiling", *SHORT, "settings", "map penalty"]
    return Table(columns, lines, "R² of unseen units per left-out direction, and the regime chosen without it")


def _line(result: AnalysisResult, row: Row, choice: dict) -> list:
    table = result.table
    same = (table["arm"] == "network") & (table["direction"] == row.condition["direction"])
    single = table.loc[same & np.isfinite(table["value"]), "value"]
    spread = f"{number(single.min())} to {number(single.max())}" if len(single) else "–"
    factors = [f"{name} × {choice[name]:g}" for name in ("gain", "drive", "noise") if choice[name] != 1]
    settings = ", ".join([f"bias {choice['bias_scale']:g}", *factors])
    return [f"{row.condition['direction']}°", row.value, spread, *_beside(row), settings, choice["penalty"]]


def _beside(row: Row) -> Sequence[float | None]:
    return [row.ceiling, *(row.baselines[name] for name in BASELINES)]


_SCORE = (
    "R² = 1 - squared error / variance over the times and all units of the left-out direction, the mean taken per "
    "unit over the time of that direction: knowing a unit's usual rate earns nothing. Units are divided by their "
    "range in the other directions plus a constant.\n\n"
    "A Gaussian process (GP) over directions, with fixed length 1 and noise 0.1, cosine tuning and the mean over "
    "directions interpolate between the recorded directions and need no network. The joint GP, over directions and "
    "time, is tuned inside each training set. The untrained networks are driven like the trained ones, with bias "
    "and map chosen for them in the same way, and averaged alike. The direct map sees the recorded units in the "
    "left-out direction itself, which nothing else does; it says what they tell about the others by a linear map."
)
_OUTPUT_CAPTION = {
    is_modeled: f"Output of the networks in each direction while it was left out, against the {what}."
    for is_modeled, what in ((True, "modeled hand velocity"), (False, "recorded behavior"))
}
_OUTPUT = {
    True: "The file holds no behavior. The output that the networks were trained on is modeled: a hand velocity "
    "toward the target with a bell-shaped speed after the go cue. Its error says that the networks perform "
    "that task, not that they move as the animal did.",
    False: "The networks were trained to give the behavior that the file holds.",
}


def _method(result: AnalysisResult, config: FitConfig) -> str:
    sizes, time = result.arrays.sizes, result.arrays["time"].values
    return (
        f"{sizes['condition']} directions, {sizes['time']} bins of {1000 * (time[1] - time[0]):g} ms, {sizes['unit']} "
        f"units. Units fall into {config.n_folds} folds; those of a fold are never hints, so every unit is judged "
        f"unseen once. {100 * config.fraction:g} % of all units are hints. Directions are left out one at a time. For "
        "each, the bias of the units, one change of gain, drives or noise, and the penalty of the map are chosen by "
        "leaving further directions out of its training set, with unit fold 1 and networks of their own; the left-out "
        "direction has no part in these choices, nor in any scale or weight. The candidates (config.toml) are the same "
        "for every recording, and lie around settings that were found on one recording.\n\n"
        f"{config.n_seeds} networks per fold and direction; all networks of a fold have the same recorded units.\n\n"
        "Null per direction: the predictions for the other directions, scored on this one. Null over directions: "
        "predictions change places among directions. Networks are not retrained for it.\n\n"
        "Tests and intervals are over directions. These share their training data, are few, and come from one "
        "recording: the tests do not speak about other animals or sessions.\n\n"
        f"{_CEILING[all(row.ceiling is not None for row in result.rows if 'direction' in row.condition)]}"
    )


_CEILING = {
    False: "No noise ceiling is given: it needs single trials, and these are averages per direction.",
    True: "The ceiling is the R² that the true rates would reach, given the spread among trials: one minus the squared "
    "standard errors over the variance in the left-out direction. It is what halves of the trials, predicting "
    "each other, give by Spearman and Brown's formula, averaged over all halvings.",
}
