"""The files, figures and words of a fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from recirc import figures
from recirc.analyses import frame
from recirc.circuits.rate_network import WEIGHT_AXES
from recirc.runs import Claim, Row, RunFolder, read_dataset, read_metrics
from recirc.runs.report import Picture, ReportText, Section, Table, build, write_text
from recirc.runs.report_tables import number
from recirc.studies.fit_inputs import FitConfig, Recording
from recirc.studies.fit_scores import RIVALS, Scored

KEPT_FOLD = 0  # whose networks' own rates and outputs are kept
BASELINES = ("cosine_tuning", "gp_directions", "gp_joint", "condition_mean", "direct_map", "untrained")
SHORT = ("cosine", "GP", "joint GP", "mean", "direct map", "untrained")


def activity_dataset(recording: Recording, scored: Scored, arrays: Mapping) -> xr.Dataset:
    """The contents of `activity.nc`.

    `target_rates` is the recording, `prediction` what every seed's networks made of each direction while it was left
    out, `baseline` the same without networks. `rates` and `outputs` are the networks' own, in all directions,
    of the networks that judge the first unit fold.
    """
    n_seeds, shape = len(scored.networks), recording.rates.shape
    here = ("condition", "time", "unit")
    rates_per_s = {"units": "spikes/s"}
    variables = {
        "target_rates": (here, recording.rates.astype(np.float32), rates_per_s),
        "prediction": (("seed", *here), scored.networks.astype(np.float32), rates_per_s),
        "baseline": (("method", *here), _stacked(scored.baselines), rates_per_s),
        "fold": (("unit",), _fold_of(recording), {"units": "1"}),
        "target_outputs": (("condition", "time", "output"), np.asarray(recording.activity.outputs), {"units": "1"}),
    }
    for name, axis in (("rates", "network_unit"), ("outputs", "output")):
        kept = {place: a[name] for place, a in arrays.items() if place[0] == KEPT_FOLD}
        if kept:
            values = np.full((n_seeds, shape[0], *next(iter(kept.values())).shape), np.nan, np.float32)
            for (_, left_out, seed), value in kept.items():
                values[seed, left_out] = value
            variables[name] = (("seed", "left_out", "condition", "time", axis), values, {"units": "1"})
    labels = np.array(recording.activity.conditions, object)
    coordinates = {
        "condition": ("condition", labels, {"long_name": "direction in degrees"}),
        "left_out": ("left_out", labels),
        "time": ("time", recording.activity.time, {"units": "s"}),
        "unit": ("unit", np.array(recording.activity.units, object)),
        "seed": ("seed", np.arange(n_seeds)),
        "method": ("method", np.array(list(scored.baselines), object)),
    }
    used = {name for dims, *_ in variables.values() for name in dims}
    kept_coordinates = {name: value for name, value in coordinates.items() if name in used}
    return xr.Dataset(variables, kept_coordinates, {"outputs_are_modeled": int(recording.is_modeled)})


def _stacked(baselines: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.stack([np.asarray(values, np.float32) for values in baselines.values()])


def _fold_of(recording: Recording) -> np.ndarray:
    fold = np.zeros(recording.rates.shape[2], np.int32)
    for index, members in enumerate(recording.folds):
        fold[members] = index
    return fold


def networks_dataset(arrays: Mapping) -> xr.Dataset:
    """The contents of `networks.nc`: weights of every trained network in single precision, and what it did not see."""
    variables: dict[str, tuple] = {
        name: (("network",), np.array([place[i] for place in arrays], np.int32), {"units": "1"})
        for i, name in enumerate(("fold", "left_out", "seed"))
    }
    for name, axes in WEIGHT_AXES.items():
        values = [found[name] for found in arrays.values() if name in found]
        if values:
            variables[name] = (("network", *axes), np.stack(values), {"units": "1"})
    return xr.Dataset(variables)


def write(
    folder: RunFolder,
    recording: Recording,
    config: FitConfig,
    rows: Sequence[Row],
    claims: Sequence[Claim],
    choices: Sequence,
    notes: Sequence[str],
) -> None:
    """Write the words, the figures and the page."""
    text = ReportText(
        title=f"Fit of {Path(next(iter(folder.inputs))).name}",
        verdict=verdict(rows, claims),
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
                [_table(rows, choices, recording)],
            ),
            Section(
                "What was predicted",
                "Every line is the mean prediction of networks that saw neither the unit nor the direction.",
                [
                    Picture("example_units", "Example units at evenly spread ranks of R², good and bad."),
                    Picture("principal_components", "The predicted population on the recording's components."),
                ],
            ),
            Section("Task output", _output_words(recording), [Picture("outputs", _output_caption(recording))]),
            Section("How it was judged", "\n\n".join([_method(recording, config), *notes])),
        ],
    )
    write_text(folder, text)
    build(folder)


def draw(folder: Path) -> None:
    """Draw the figures of a run folder anew from its numbers."""
    folder = Path(folder)
    activity = read_dataset(folder / "activity.nc")
    _, rows, _ = read_metrics((folder / "metrics.json").read_text(encoding="utf-8"))
    place = folder / "figures"
    figures.save(figures.r2_by_direction(frame(rows)), place, "r2_by_direction")
    target, ensemble = activity["target_rates"], activity["prediction"].mean("seed", keep_attrs=True)
    if bool(np.isfinite(ensemble.values).all()):
        names = ("recorded", "predicted")
        figures.save(figures.example_units(target, ensemble, n_each=6, names=names), place, "example_units")
        scale = target.max(("condition", "time")) - target.min(("condition", "time")) + 5
        systems = xr.concat([ensemble / scale], xr.Variable("arm", np.array(["predicted"], object)))
        figures.save(
            figures.principal_components(target / scale, systems, name="recording"), place, "principal_components"
        )
    if "outputs" in activity:
        own = np.stack([activity["outputs"].values[:, i, i] for i in range(activity.sizes["condition"])], axis=1)
        made = activity["target_outputs"].expand_dims(arm=["network"]).copy(data=np.nanmean(own, 0)[None])
        target = activity["target_outputs"].drop_attrs()
        figures.save(figures.target_against_output(target, made), place, "outputs")


def verdict(rows: Sequence[Row], claims: Sequence[Claim]) -> str:
    """A paragraph that the numbers write."""
    found = {row.condition["statistic"]: row for row in rows if row.condition.get("set") == "heldout_directions"}
    if "median" not in found:
        return "No network gave a prediction, so nothing can be said; see the failures."
    median, mean = found["median"], found["mean"]
    interval = f" ({number(mean.ci[0], 2)} to {number(mean.ci[1], 2)})" if np.isfinite(mean.ci).all() else ""
    ceiling = "" if median.ceiling is None else f" The noise of the averages allows {number(median.ceiling, 2)}."
    sentences = [
        f"Predictions of unseen units in directions that no network had seen, averaged over networks, have R² "
        f"{number(median.value, 2)} in the median and {number(mean.value, 2)} in the mean{interval} of "
        f"{mean.n} directions; shuffled directions give {number((mean.null or {}).get('mean'), 2)}.{ceiling}"
    ]
    words = {True: "better than {}", False: "not better than {}", None: "not decided against {}"}
    for claim, (name, rival) in zip(claims, RIVALS.items()):
        value = mean.baselines[name]
        p = "" if not np.isfinite(claim.p) else f", p = {number(claim.p, 2)}"
        what = words[claim.supported].format(rival)
        sentences.append(f"They are {what} (mean R² {number(value, 2)}{p}).")
    if any(claim.supported is not True for claim in claims if "Gaussian" in claim.claim):
        sentences.append(
            "Where a Gaussian process predicts as well, the fit does not show that the networks' dynamics explain "
            "more than smooth tuning does."
        )
    return " ".join(sentences)


def _settings(choice) -> str:
    """The chosen settings: the bias, and what else is not the default."""
    factors = [f"{name} × {value:g}" for name, value in choice.candidate._asdict().items() if name != "bias_scale"]
    changed = [text for text in factors if not text.endswith("× 1")]
    return ", ".join([f"bias {choice.candidate.bias_scale:g}", *changed])


def _table(rows: Sequence[Row], choices: Sequence, recording: Recording) -> Table:
    lines = []
    for label, choice in zip(recording.activity.conditions, choices):
        here = [row for row in rows if row.condition.get("direction") == label]
        single = [row.value for row in here if row.arm == "network" and np.isfinite(row.value)]
        own = next(row for row in here if row.arm == "ensemble")
        spread = f"{number(min(single))} to {number(max(single))}" if single else "–"
        beside = [own.ceiling, *(own.baselines[name] for name in BASELINES)]
        lines.append([f"{label}°", own.value, spread, *beside, _settings(choice), choice.penalty])
    for row in rows:
        if row.condition.get("set") == "heldout_directions":
            beside = [row.ceiling, *(row.baselines[name] for name in BASELINES)]
            lines.append([row.condition["statistic"], row.value, "", *beside, "", ""])
    columns = ["left out", "mean of networks", "single networks", "ceiling", *SHORT, "settings", "map penalty"]
    return Table(columns, lines, "R² of unseen units per left-out direction, and the regime chosen without it")


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


def _output_caption(recording: Recording) -> str:
    return "Output of the networks in each direction while it was left out, against the " + (
        "modeled hand velocity." if recording.is_modeled else "recorded behavior."
    )


def _output_words(recording: Recording) -> str:
    if recording.is_modeled:
        return (
            "The file holds no behavior. The output that the networks were trained on is modeled: a hand velocity "
            "toward the target with a bell-shaped speed after the go cue. Its error says that the networks perform "
            "that task, not that they move as the animal did."
        )
    return "The networks were trained to give the behavior that the file holds."


def _method(recording: Recording, config: FitConfig) -> str:
    n_directions, n_steps, n_units = recording.rates.shape
    share = f"{100 * config.fraction:g} %"
    return (
        f"{n_directions} directions, {n_steps} bins of {1000 * recording.activity.dt:g} ms, {n_units} units. Units "
        f"fall into {config.n_folds} folds; those of a fold are never hints, so every unit is judged unseen once. "
        f"{share} of all units are hints. Directions are left out one at a time. For each, the bias of the units, "
        "one change of gain, drives or noise, and the penalty of the map are chosen by leaving further "
        "directions out of its training set, with unit "
        "fold 1 and networks of their own; the left-out direction has no part in these choices, nor in any "
        "scale or weight. The candidates (config.toml) are "
        "the same for every recording, and lie around settings that were found on one recording.\n\n"
        f"{config.n_seeds} networks per fold and direction; all networks of a fold have the same recorded units.\n\n"
        "Null per direction: the predictions for the other directions, scored on this one. Null over directions: "
        "predictions change places among directions. Networks are not retrained for it.\n\n"
        "Tests and intervals are over directions. These share their training data, are few, and come from one "
        "recording: the tests do not speak about other animals or sessions.\n\n"
        f"{_ceiling_words(recording)}"
    )


def _ceiling_words(recording: Recording) -> str:
    if recording.standard_error is None or not np.isfinite(recording.standard_error).all():
        return "No noise ceiling is given: it needs single trials, and these are averages per direction."
    return (
        "The ceiling is the R² that the true rates would reach, given the spread among trials: one minus the squared "
        "standard errors over the variance in the left-out direction. It is what halves of the trials, predicting "
        "each other, give by Spearman and Brown's formula, averaged over all halvings."
    )
