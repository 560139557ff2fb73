"""Drawings and words of the study's report."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc import figures
from recirc.analyses import AnalysisResult, select
from recirc.analyses.table import having
from recirc.compare import NeuronMap
from recirc.runs.report import Picture, ReportText, Section
from recirc.studies.salatiello2020.arms import REFERENCE_FRACTION, SOURCE, Preset
from recirc.types import Activity

ARMS = ("hints", "no_hints", "force")
ABLATED = ("kind", "hint_gain", "normalization")
SETS = ("train", "heldout_direction", "private_noise", "perturbed_initial_state", "input_scale")
EXAMPLE_SEED = 0  # the first, whatever it looks like


def ablations(result: AnalysisResult) -> Figure:
    """Ablations, as arms of their own beside the arm that they vary."""
    same = select(_main(result), arm="hints", fraction=REFERENCE_FRACTION)
    table = select(pd.concat([same, _varied(result, *ABLATED)]), "output_nmse")
    table = table[table["set"].isin(["train", "heldout_direction"])]
    varied = table.reindex(columns=list(ABLATED)).rename(columns=lambda name: name.replace("_", " "))
    names = [", ".join(f"{name} {value}" for name, value in row.dropna().items()) for _, row in varied.iterrows()]
    return figures.generalization(table.assign(arm=[name or "hints" for name in names]))


def outputs(result: AnalysisResult) -> Figure:
    """Outputs of one network per arm in the directions that were trained."""
    trained = result.arrays["set"].values == "train"
    made = _by_arm(result, "outputs", ARMS).isel(condition=trained)
    return figures.target_against_output(result.arrays["target_outputs"].isel(condition=trained), made)


def components(result: AnalysisResult) -> Figure:
    """The circuit's principal components, and networks rotated onto them."""
    made = _by_arm(result, "rates", ("hints", "no_hints", "untrained")).rename(network_unit="unit")
    new = result.arrays["condition"].values[result.arrays["set"].values != "train"].tolist()
    return figures.principal_components(result.arrays["target_rates"], made, heldout=new)


def units(result: AnalysisResult) -> Figure:
    """Example units, and their prediction by a network with hints, in new directions."""
    network = result.arrays.isel(network=_examples(result, ["hints"])["hints"])
    names = network["unit"].values[network["recorded"].values.astype(bool)].tolist()
    new = network["set"].values != "train"
    circuit, prediction = (each.isel(condition=new) for each in (network["target_rates"], predicted(network)))
    return figures.example_units(circuit, prediction, recorded=names)


def eigenvalues(result: AnalysisResult) -> Figure:
    """Eigenvalues of J, with what runs through the feedback."""
    spectra = {}
    for arm, place in _examples(result, (*ARMS, "untrained")).items():
        own = {name: values.isel(network=place).values for name, values in (result.networks or {}).items()}
        spectra[arm] = own["recurrent"] + (own["feedback"] @ own["readout"] if "feedback" in own else 0)
    return figures.eigenvalues(spectra)


DRAWINGS = figures.DRAWINGS["salatiello2020"] = {
    "similarity": lambda result: figures.similarity_against_fraction(
        _main(result), metrics=("svcca5_concatenated", "linear_cka"), baselines=False
    ),
    "neurons": lambda result: figures.similarity_against_fraction(
        _main(result), metrics=("heldout_neuron_r2",), condition_set="heldout_direction", baselines=False
    ),
    "generalization": lambda result: figures.generalization(
        pd.concat([select(_trained(result), sigma=sigma) for sigma in (None, 0.1)]), sets=SETS
    ),
    "noise": lambda result: figures.noise_curve(_trained(result)),
    "ablations": ablations,
    "left_out": lambda result: figures.generalization(_varied(result, "left_out").drop(columns="left_out")),
    "outputs": outputs,
    "components": components,
    "units": units,
    "eigenvalues": eigenvalues,
}


def _single(result: AnalysisResult) -> pd.DataFrame:
    """Single networks, with the first of their nulls."""
    return select(having(result.table, "seed"), null=None)


def _main(result: AnalysisResult) -> pd.DataFrame:
    """Single networks that are no ablation, of all regimes and fractions."""
    return select(_single(result), **dict.fromkeys((*ABLATED, "left_out")))


def _varied(result: AnalysisResult, *keys: str) -> pd.DataFrame:
    """Single networks that differ from the others in one of these ways."""
    table = having(_single(result), *keys)
    if table.empty:
        raise figures.NothingToDraw(f"no network of this size of the study differs in {', '.join(keys)}.")
    return table


def _trained(result: AnalysisResult) -> pd.DataFrame:
    return _main(result)[_main(result)["arm"] != "untrained"]


def _examples(result: AnalysisResult, arms: Sequence[str]) -> dict[str, int]:
    """Place of one network per arm that has it: tuned regime, first seed, 5 % recorded.

    Raises:
        NothingToDraw: if none has it.
    """
    every, found = figures.array_of(result, "rates"), {}
    match = (every["regime"] == "tuned") & (every["seed"] == EXAMPLE_SEED) & (every["left_out"] == 0)
    match &= (every["hint_gain"] < 0) & (every["kind"] == "") & (every["normalization"] == "")
    for arm in arms:
        fraction = REFERENCE_FRACTION if arm == "hints" else -1.0
        own = np.flatnonzero(match & (every["arm"] == arm) & np.isclose(every["fraction"], fraction))
        found |= {arm: int(own[0])} if len(own) else {}
    if not found:
        raise figures.NothingToDraw(f"no network of {', '.join(arms)} was trained to the end with seed {EXAMPLE_SEED}.")
    return found


def _by_arm(result: AnalysisResult, name: str, arms: Sequence[str]) -> xr.DataArray:
    """An array of one network per arm, with an axis of arms in place of that of networks."""
    places = _examples(result, arms)
    picked = result.arrays[name].isel(network=list(places.values()))
    bare = picked.drop_vars([label for label, values in picked.coords.items() if "network" in values.dims])
    return bare.rename(network="arm").assign_coords(arm=list(places))


def predicted(network: xr.Dataset) -> xr.DataArray:
    """Every unit of the circuit as a linear map of one network's rates, fitted on trained directions."""
    conditions = [str(label) for label in network["condition"].values]
    dt, trained = float(network["time"][1] - network["time"][0]), network["set"].values == "train"
    circuit, made = (
        Activity(network[name].values.astype(float), dt=dt, conditions=conditions) for name in ("target_rates", "rates")
    )
    fitted = NeuronMap.fit(made.select(trained), circuit.select(trained))
    return network["target_rates"].copy(data=np.asarray(fitted.predict(made).rates))


UNKNOWNS = (
    ("size and kind of the circuit", "a stability-optimized motor cortex model", "200 units, connection probability "
     "0.1, optimized to a spectral abscissa of 0.15, as in Stroud et al. 2018, whose rate function it also uses"),
    ("conditions", "not known", "8 reach directions; initial states in the plane of the two states that evoke most "
     "energy"),
    ("preparation and movement", "a movement phase is mentioned", "preparation 1 s, of which the last 50 ms are in the "
     "trial; movement 500 ms at 1 ms steps"),
    ("muscles", "muscle-like outputs", "2, Gaussian-process targets tuned to the cosine of direction, read out from "
     "excitatory units by ridge regression (penalty 10)"),
    ("direction input", "not known", "(cos θ, sin θ) for 50 ms before go"),
    ("network", "not known", "300 tanh units, time constant 10 ms, same initial state in every trial"),
    ("embedder gain, drives, noise, updates", "not known; chaotic, says a footnote", "two regimes: “paper” (g 1.5, "
     "unit drives, no noise, an update every 2 ms) and “tuned” (config.toml), found by one rule for the arms with and "
     "without hints, on another circuit: least held-out error among settings that train to .005 and stay below .03 "
     "under private noise 0.1. That bound costs the arm without hints half of its held-out performance. FORCE: the "
     "best of six settings; untrained: the settings of the hint arm"),
    ("private noise", "not known", "a current; sigma is its s.d. averaged over 1 ms, so that 0.1 alone gives a unit an "
     "s.d. of .022"),
    ("normalization of hints before the factor 5", "not known", "the largest rate of any unit; each unit's own s.d. "
     "(which saturates the embedder at a gain of 5) is an ablation of the full preset"),
    ("tail of hints", "the last 110 samples end in a spline to zero", "cubic Hermite spline over 110 ms, for targets "
     "too; comparisons use the activity with tails"),
    ("regularization", "L2 on J", "P(0) = I, which is a penalty of 1"),
    ("training length", "not known", "20 passes over 8 directions (paper), see config.toml (tuned)"),
    ("similarity", "SVCCA with five components", "the same over all directions at once; per direction it is high by "
     "chance"),
    ("generalization test", "not known", "directions halfway between the trained ones; also noise, a kick to the "
     "state, scaled input, and left-out directions in the full preset"),
    ("statistics", "“significantly”", "paired one-sided Wilcoxon test over seeds, every seed shown"),
)  # fmt: skip

SECTIONS = (
    Section(
        "Does it do the task, and where training never went?",
        "Every point is one network; lines join networks that share their random numbers. Lower is better.", [
            Picture("outputs", "Muscles of the circuit (thick gray) and outputs of one network per arm (first seed)."),
            Picture("generalization", "Output error on trained and new directions, with private noise, after a kick to "
                    "the state at go, with scaled input. Crosses: networks that diverged."),
            Picture("noise", "Output error against private noise; thick lines are medians."),
        ]),
    Section(
        "Are its dynamics those of the circuit?",
        "Read each similarity between its null (the circuit with its directions shuffled) and its ceiling (how similar "
        "the embedder is, from which the network learns). Nulls with flipped components and randomized phases are "
        "under “All numbers”.", [
            Picture("similarity", "Similarity to all units of the circuit against the share recorded."),
            Picture("neurons", "Neurons that were never recorded, on directions that were never trained: variance "
                    "explained by a linear map from the network, fitted on trained directions."),
            Picture("components", "Trajectories of circuit and networks on the circuit's principal components (first "
                    "seed); dashed directions were not trained."),
            Picture("units", "Units of the circuit (above) and the network's prediction (below) on new directions."),
        ]),
    Section(
        "By what means?",
        "Eigenvalues of the recurrent weights, with what runs through the feedback of FORCE. Geometry alone does not "
        "show that mechanisms agree.",
        [Picture("eigenvalues", "One network per arm (first seed). Right of the dashed line a mode grows at rest.")]),
)  # fmt: skip
ABLATIONS = Section("What matters?", "5 % of the units recorded.", [
    Picture("ablations", "Other hint gains and normalizations, and hints from excitatory or inhibitory units only."),
])  # fmt: skip
LEFT_OUT = Section("What if fewer directions are trained?", "5 % of the units recorded.", [
    Picture("left_out", "Error on the directions that training left out: 1, 2 or 4 of the 8."),
])  # fmt: skip


def sections(size: Preset) -> list[Section]:
    """Parts of the report of a study of this size."""
    more = [ABLATIONS] if size.hint_gains or size.kinds or size.normalizations else []
    return [*SECTIONS, *more, *([LEFT_OUT] if size.left_out else [])]


def report_text(result: AnalysisResult, *, size: Preset, preset: str) -> ReportText:
    """The words of the report.

    Args:
        result: of the study, with its verdict.
        size, preset: of the study, and the name of that size.
    """
    return ReportText(
        title="Learning performance and intrinsic dynamics from sparse recordings",
        verdict=f"A reconstruction of {SOURCE}, preset {preset}. {result.sentences['verdict']}",
        sections=sections(size), unknowns=UNKNOWNS,
    )  # fmt: skip
