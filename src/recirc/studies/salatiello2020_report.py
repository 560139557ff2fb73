"""Figures and words of the study's report, from what its run folder holds."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from recirc import figures
from recirc.analyses import frame
from recirc.compare import NeuronMap
from recirc.runs import Claim, Row, read_dataset, read_metrics
from recirc.runs.report import Picture, ReportText, Section
from recirc.studies.salatiello2020 import REFERENCE_FRACTION, SOURCE, Preset
from recirc.studies.salatiello2020_verdict import verdict
from recirc.types import Activity

ARMS = ("hints", "no_hints", "force")
ABLATED = ("kind", "hint_gain", "normalization")
EXAMPLE_SEED = 0  # the first, whatever it looks like


def draw(folder: Path) -> None:
    """Make every figure of the study from `metrics.json`, `activity.nc` and `networks.nc`."""
    rows = read_metrics((folder / "metrics.json").read_text(encoding="utf-8"))[1]
    rows = [row for row in rows if "seed" in row.condition and "null" not in row.condition]
    main = [row for row in rows if not {*ABLATED, "left_out"} & set(row.condition)]
    activity = read_dataset(folder / "activity.nc")
    weights = read_dataset(folder / "networks.nc")
    place = folder / "figures"
    similarity = figures.similarity_against_fraction(
        frame(main), metrics=("svcca5_concatenated", "linear_cka"), baselines=False
    )
    figures.save(similarity, place, "similarity", "Similarity against the fraction recorded")
    neurons = figures.similarity_against_fraction(
        frame(main), metrics=("heldout_neuron_r2",), condition_set="heldout_direction", baselines=False
    )
    figures.save(neurons, place, "neurons", "Unrecorded neurons against the fraction recorded")
    shown = [row for row in main if row.arm != "untrained"]
    sets = ("train", "heldout_direction", "private_noise", "perturbed_initial_state", "input_scale")
    figures.save(
        figures.generalization(frame(r for r in shown if r.condition.get("sigma", 0.1) == 0.1), sets=sets),
        place,
        "generalization",
        "Error under new circumstances",
    )
    figures.save(figures.noise_curve(frame(shown)), place, "noise", "Error against private noise")
    ablations = [row for row in rows if set(ABLATED) & set(row.condition)]
    if ablations:
        figures.save(figures.generalization(frame(_named(ablations, main))), place, "ablations", "Ablations")
    left_out = [_without(row, "left_out") for row in rows if "left_out" in row.condition]
    if left_out:
        figures.save(figures.generalization(frame(left_out)), place, "left_out", "Directions left out of training")
    if "rates" in activity:
        _draw_examples(activity, weights, place)


def _without(row: Row, name: str) -> Row:
    condition = {key: value for key, value in row.condition.items() if key != name}
    return dataclasses.replace(row, condition=condition)


def _named(ablations: list[Row], main: list[Row]) -> list[Row]:
    """Ablations as arms of their own, beside the arm that they vary."""
    same = [r for r in main if r.arm == "hints" and r.condition.get("fraction") == REFERENCE_FRACTION]
    named = []
    for row in [*same, *ablations]:
        if row.metric != "output_nmse" or row.condition["set"] not in ("train", "heldout_direction"):
            continue
        changed = [f"{name.replace('_', ' ')} {row.condition[name]}" for name in ABLATED if name in row.condition]
        named.append(dataclasses.replace(row, arm=", ".join(changed) or "hints"))
    return named


def _draw_examples(activity: xr.Dataset, weights: xr.Dataset, place: Path) -> None:
    """One network per arm: tuned regime, first seed, 5 % recorded."""
    chosen = {arm: _find(activity, arm) for arm in (*ARMS, "untrained")}
    chosen = {arm: index for arm, index in chosen.items() if index is not None}
    trained = activity["set"].values == "train"
    arms = [arm for arm in ARMS if arm in chosen]
    if arms:
        outputs = _by_arm(activity["outputs"], chosen, arms).isel(condition=trained)
        target = activity["target_outputs"].isel(condition=trained)
        figures.save(figures.target_against_output(target, outputs), place, "outputs", "Target against output")
    circuit = activity["target_rates"]
    heldout = activity["condition"].values[~trained].tolist()
    several = [arm for arm in ("hints", "no_hints", "untrained") if arm in chosen]
    networks = _by_arm(activity["rates"], chosen, several).rename(network_unit="unit")
    figures.save(
        figures.principal_components(circuit, networks, heldout=heldout),
        place,
        "components",
        "Principal components of circuit and networks",
    )
    if "hints" in chosen:
        recorded = activity["recorded"].isel(network=chosen["hints"]).values.astype(bool)
        prediction = _predicted(activity, chosen["hints"], trained)
        names = activity["unit"].values[recorded].tolist()
        units = figures.example_units(
            circuit.isel(condition=~trained), prediction.isel(condition=~trained), recorded=names
        )
        figures.save(units, place, "units", "Example units on held-out directions")
    spectra = {}
    for arm, index in chosen.items():
        own = weights.isel(network=index)
        spectra[arm] = own["recurrent"].values + own["feedback"].values @ own["readout"].values
    figures.save(figures.eigenvalues(spectra), place, "eigenvalues", "Eigenvalues of J")


def _by_arm(values: xr.DataArray, chosen: dict[str, int], arms: list[str]) -> xr.DataArray:
    """The chosen networks, with an axis of arms in place of that of networks."""
    picked = values.isel(network=[chosen[arm] for arm in arms])
    bare = picked.drop_vars([name for name, c in picked.coords.items() if "network" in c.dims])
    return bare.rename(network="arm").assign_coords(arm=arms)


def _find(activity: xr.Dataset, arm: str) -> int | None:
    fraction = REFERENCE_FRACTION if arm == "hints" else -1.0
    match = (activity["arm"] == arm) & (activity["regime"] == "tuned") & (activity["seed"] == EXAMPLE_SEED)
    match = match & np.isclose(activity["fraction"], fraction) & (activity["left_out"] == 0)
    match = match & (activity["hint_gain"] < 0) & (activity["kind"] == "") & (activity["normalization"] == "")
    found = np.flatnonzero(match.values)
    return int(found[0]) if len(found) else None


def _predicted(activity: xr.Dataset, network: int, trained: np.ndarray) -> xr.DataArray:
    """Every unit of the circuit as a linear map of the network's rates, fitted on trained directions."""
    conditions = [str(c) for c in activity["condition"].values]
    dt = float(activity["time"].values[1] - activity["time"].values[0])
    circuit = Activity(activity["target_rates"].values.astype(float), dt=dt, conditions=conditions)
    made = Activity(activity["rates"].isel(network=network).values.astype(float), dt=dt, conditions=conditions)
    fitted = NeuronMap.fit(made.select(trained), circuit.select(trained))
    return activity["target_rates"].copy(data=np.asarray(fitted.predict(made).rates))


UNKNOWNS = (
    ("size and kind of the circuit", "a stability-optimized motor cortex model", "200 units, connection "
        "probability 0.1, "
     "optimized to a spectral abscissa of 0.15, as in Stroud et al. 2018, whose rate function it also uses"),
    ("conditions", "not known", "8 reach directions; initial states in the plane of the two states that evoke "
        "most energy"),
    ("preparation and movement", "a movement phase is mentioned", "preparation 1 s, of which the last 50 ms are in the "
     "trial; movement 500 ms at 1 ms steps"),
    ("muscles", "muscle-like outputs", "2, Gaussian-process targets tuned to the cosine of direction, read out from "
     "excitatory units by ridge regression (penalty 10)"),
    ("direction input", "not known", "(cos θ, sin θ) for 50 ms before go"),
    ("network", "not known", "300 tanh units, time constant 10 ms, same initial state in every trial"),
    ("embedder gain, drives, noise, updates", "not known; chaotic, says a footnote", "two regimes: “paper” (g "
        "1.5, unit "
     "drives, no noise, an update every 2 ms) and “tuned” (config.toml), found by "
     "one rule for the arms with and without hints, on another circuit: least held-out error among settings that "
     "train to .005 and stay below .03 under private noise 0.1. That bound costs the arm without hints half of its "
     "held-out performance. FORCE: the best of six settings; untrained: the settings of the hint arm"),
    ("private noise", "not known", "a current; sigma is its s.d. averaged over 1 ms, so that 0.1 alone gives a unit an "
     "s.d. of .022"),
    ("normalization of hints before the factor 5", "not known", "the largest rate of any unit; each unit's own s.d. "
     "(which saturates the embedder at a gain of 5) is an ablation of the full preset"),
    ("tail of hints", "the last 110 samples end in a spline to zero", "cubic Hermite spline over 110 ms, for "
        "targets too; "
     "comparisons use the activity with tails"),
    ("regularization", "L2 on J", "P(0) = I, which is a penalty of 1"),
    ("training length", "not known", "20 passes over 8 directions (paper), see config.toml (tuned)"),
    ("similarity", "SVCCA with five components", "the same over all directions at once; per direction it is "
        "high by chance"),
    ("generalization test", "not known", "directions halfway between the trained ones; also noise, a kick to "
        "the state, "
     "scaled input, and left-out directions in the full preset"),
    ("statistics", "“significantly”", "paired one-sided Wilcoxon test over seeds, every seed shown"),
)  # fmt: skip


SECTIONS = (
    Section(
        "Does it do the task, and where training never went?",
        "Every point is one network; lines join networks that share their random numbers. Lower is better.",
        [
            Picture("outputs", "Muscles of the circuit (thick gray) and outputs of one network per arm "
                "(first seed)."),
            Picture("generalization", "Output error on trained and new directions, with private noise, "
                "after a kick to "
                    "the state at go, with scaled input. Crosses: networks that diverged."),
            Picture("noise", "Output error against private noise; thick lines are medians."),
        ],
    ),
    Section(
        "Are its dynamics those of the circuit?",
        "Read each similarity between its null (the circuit with its directions shuffled) and its ceiling "
        "(how similar "
        "the embedder is, from which the network learns). Nulls with flipped components and randomized phases are "
        "under “All numbers”.",
        [
            Picture("similarity", "Similarity to all units of the circuit against the share recorded."),
            Picture("neurons", "Neurons that were never recorded, on directions that were never trained: variance "
                    "explained by a linear map from the network, fitted on trained directions."),
            Picture("components", "Trajectories of circuit and networks on the circuit's principal "
                "components (first "
                    "seed); dashed directions were not trained."),
            Picture("units", "Units of the circuit (above) and the network's prediction (below) on new "
                "directions."),
        ],
    ),
    Section(
        "By what means?",
        "Eigenvalues of the recurrent weights, with what runs through the feedback of FORCE. Geometry alone "
        "does not show that mechanisms agree.",
        [Picture("eigenvalues", "One network per arm (first seed). Right of the dashed line a mode grows at "
            "rest.")],
    ),
)  # fmt: skip


def report_text(rows: Sequence[Row], judged: Sequence[Claim], preset: Preset, name: str) -> ReportText:
    """The words of the report."""
    sections = list(SECTIONS)
    if preset.hint_gains or preset.kinds or preset.normalizations:
        ablation = Picture(
            "ablations", "Other hint gains and normalizations, and hints from excitatory or inhibitory units only."
        )
        sections.append(Section("What matters?", "5 % of the units recorded.", [ablation]))
    if preset.left_out:
        picture = Picture("left_out", "Error on the directions that training left out: 1, 2 or 4 of the 8.")
        sections.append(Section("What if fewer directions are trained?", "5 % of the units recorded.", [picture]))
    return ReportText(
        title="Learning performance and intrinsic dynamics from sparse recordings",
        verdict=f"A reconstruction of {SOURCE}, preset {name}. " + verdict(rows, judged, preset),
        sections=sections,
        unknowns=UNKNOWNS,
    )
