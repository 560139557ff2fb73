"""Drawings and words of the study's report."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from recirc import figures
from recirc.analyses import AnalysisResult, by_seed, select
from recirc.analyses.table import BASELINE, baselines_of, having, levels_of, median, number
from recirc.compare import NeuronMap
from recirc.figures import array_of
from recirc.figures.labels import label
from recirc.runs.report import ReportText
from recirc.studies.salatiello2020.arms import EXAMPLE_SEED, PLACE, REFERENCE_FRACTION, SOURCE, Preset
from recirc.studies.salatiello2020.claims import HINTED, PLAIN, WHOLE
from recirc.studies.salatiello2020.kicks import CONTROLS, FLOW
from recirc.studies.salatiello2020.readings import ERROR, TRAINS, UNSEEN, outcomes, partial_r2
from recirc.types import Activity

ARMS = ("hints", "no_hints", "force")
KICKS, KICKED = "kicked_states_r2", {"hints": HINTED, "whole": WHOLE, "plain": PLAIN}
ABLATED = ("kind", "hint_gain", "normalization")
SETS = ("train", "heldout_direction", "private_noise", "perturbed_initial_state", "input_scale")
SIMILARITY: dict[str, Any] = {"metrics": ("svcca5_concatenated", "linear_cka")}
NEURONS = SIMILARITY | {"metrics": ("heldout_neuron_r2",), "condition_set": "heldout_direction"}


CHOICES = {  # what choices are called in print, where that is not their name
    "normalization": "hints divided by", "pulse": "direction is shown", "n_passes": "passes", "n_units": "units",
    "update_interval": "seconds between updates", "penalty": "penalty α", "conditions": "conditions by",
    "tail": "signals end", "kind": "only",
}  # fmt: skip
SAID = {
    ("normalization", "sd"): "s.d.", ("normalization", "maximum"): "largest rate", ("normalization", "none"): "nothing",
    ("conditions", "initial_state"): "initial states", ("pulse", True): "before go", ("pulse", False): "always",
    ("tail", True): "in a tail", ("tail", False): "as they are",
}  # fmt: skip


def ablations(result: AnalysisResult) -> Figure:
    """Errors of the ablations below those of the arm that they vary."""
    same = select(_main(result), arm="hints", fraction=REFERENCE_FRACTION)
    table = pd.concat([same, select(_varied(result, *ABLATED), arm="hints")])
    places = [{}] + [{name: level} for name in ABLATED for level in levels_of(table, name)]
    value = lambda name, at: SAID.get((name, at), at if isinstance(at, str) else f"{at:g}")  # noqa: E731
    said = [" ".join(f"{CHOICES.get(name, label(name))} {value(name, at)}" for name, at in p.items()) for p in places]
    bare = dict.fromkeys(ABLATED)
    of = lambda where, place: by_seed(table, ERROR, set=where, **bare | place).to_numpy()  # noqa: E731
    lines = {
        where: [(text or "hints", "hints", of(where, place)) for text, place in zip(said, places)]
        for where in ("train", UNSEEN)
    }
    return figures.strips({label(where): own for where, own in lines.items()}, metric=ERROR)


def readings(result: AnalysisResult) -> Figure:
    """Effect of hints in every reading of what the paper leaves open, sorted, above the choices of each."""
    found = outcomes(_varied(result, "reading")).dropna()
    effect, kept = found["effect"].to_numpy(float), found["trains"].to_numpy(bool)
    if not kept.any():
        raise figures.NothingToDraw("in no reading do both arms do the task.")
    asked: list[dict[str, Any]] = [result.about["readings"][seed] for seed in found.index]
    shares = partial_r2(effect[kept], [each for each, is_kept in zip(asked, kept) if is_kept])
    said = [{CHOICES.get(name, name): SAID.get((name, value), value) for name, value in each.items()} for each in asked]
    named = {CHOICES.get(name, name): share for name, share in shares.items()}
    return figures.specification_curve(np.exp(effect), kept, said, named)


def kicks(result: AnalysisResult) -> Figure:
    """What networks make of kicks of the circuit, above their twins and the controls."""
    table = select(_main(result), KICKS)
    if table.empty:
        raise figures.NothingToDraw("no network was kicked.")
    of = lambda name, column: select(table, **KICKED[name]).reindex(columns=[column])[column].dropna().to_numpy(float)  # noqa: E731
    arms = {"hints": "hints, 5 % recorded", "whole": "hints, all recorded", "plain": "no hints"}
    lines = [(said, KICKED[name]["arm"], of(name, "value")) for name, said in arms.items()]
    twins = {"hints": "twins of hints", "plain": "twins of no hints"}
    lines += [(said, "untrained", of(name, f"{BASELINE}untrained")) for name, said in twins.items()]
    lines += [(label(name), "reference", of("hints", f"{BASELINE}{name}")) for name in CONTROLS]
    return figures.strips({"": lines}, metric=KICKS)


def outputs(result: AnalysisResult) -> Figure:
    """Outputs of one network per arm in the directions that were trained."""
    trained = array_of(result, "set").values == "train"
    made = _by_arm(result, "outputs", ARMS).isel(condition=trained)
    return figures.target_against_output(array_of(result, "target_outputs").isel(condition=trained), made)


def components(result: AnalysisResult) -> Figure:
    """The circuit's principal components, and networks rotated onto them."""
    made = _by_arm(result, "rates", ("hints", "no_hints", "untrained")).rename(network_unit="unit")
    new = array_of(result, "condition").values[array_of(result, "set").values != "train"].tolist()
    return figures.principal_components(array_of(result, "target_rates"), made, heldout=new)


def units(result: AnalysisResult) -> Figure:
    """Example units, and their prediction by a network with hints, in new directions."""
    network = result.arrays.isel(network=_examples(array_of(result, "rates"), ["hints"])["hints"])
    names = network["unit"].values[network["recorded"].values.astype(bool)].tolist()
    new = network["set"].values != "train"
    circuit, prediction = (each.isel(condition=new) for each in (network["target_rates"], predicted(network)))
    return figures.example_units(circuit, prediction, recorded=names)


def eigenvalues(result: AnalysisResult) -> Figure:
    """Eigenvalues of J, with what runs through the feedback."""
    if result.networks is None or "recurrent" not in result.networks:
        raise figures.NothingToDraw("the result holds no weights.")
    spectra = {}
    for arm, place in _examples(result.networks, (*ARMS, "untrained")).items():
        own = {name: values.isel(network=place).values for name, values in result.networks.items()}
        spectra[arm] = own["recurrent"] + (own["feedback"] @ own["readout"] if "feedback" in own else 0)
    return figures.eigenvalues(spectra)


DRAWINGS = figures.DRAWINGS["salatiello2020"] = {
    "similarity": lambda result: figures.similarity_against_fraction(_trained(result), **SIMILARITY),
    "neurons": lambda result: figures.similarity_against_fraction(_trained(result), **NEURONS),
    "generalization": lambda result: figures.generalization(
        pd.concat([select(_trained(result), sigma=sigma) for sigma in (None, 0.1)]),
        sets=SETS,
        fraction=REFERENCE_FRACTION,
    ),
    "noise": lambda result: figures.noise_curve(_trained(result), fraction=REFERENCE_FRACTION),
    "ablations": ablations,
    "left_out": lambda result: figures.generalization(_varied(result, "left_out").drop(columns="left_out")),
    "readings": readings,
    "kicks": kicks,
    "outputs": outputs,
    "components": components,
    "units": units,
    "eigenvalues": eigenvalues,
}


def _single(result: AnalysisResult) -> pd.DataFrame:
    """Single networks."""
    return having(result.table, "seed")


def _main(result: AnalysisResult) -> pd.DataFrame:
    """Single networks that are no ablation and no reading, of all fractions."""
    return select(_single(result), **{name: None for name in PLACE if name != "fraction"})


def _varied(result: AnalysisResult, *keys: str) -> pd.DataFrame:
    """Single networks that differ from the others in one of these ways."""
    table = having(_single(result), *keys)
    if table.empty:
        raise figures.NothingToDraw(f"no network of this size of the study differs in {', '.join(keys)}.")
    return table


def _trained(result: AnalysisResult) -> pd.DataFrame:
    return _main(result)[_main(result)["arm"] != "untrained"]


def _examples(dataset: xr.Dataset | xr.DataArray, arms: Sequence[str]) -> dict[str, int]:
    """Place of the first circuit's network of each arm that has one, with 5 % of the units recorded."""
    found = {}
    for arm in arms:
        fraction = REFERENCE_FRACTION if arm == "hints" else PLACE["fraction"]
        is_own = (dataset["arm"] == arm) & (dataset["seed"] == EXAMPLE_SEED) & np.isclose(dataset["fraction"], fraction)
        if is_own.any():
            found[arm] = int(np.argmax(is_own.values))
    if not found:
        raise figures.NothingToDraw(f"no network of {', '.join(arms)} was trained to the end with seed {EXAMPLE_SEED}.")
    return found


def _by_arm(result: AnalysisResult, name: str, arms: Sequence[str]) -> xr.DataArray:
    """An array of one network per arm, with an axis of arms in place of that of networks."""
    places = _examples(array_of(result, name), arms)
    picked = array_of(result, name).isel(network=list(places.values()))
    bare = picked.drop_vars([label for label, values in picked.coords.items() if "network" in values.dims])
    return bare.rename(network="arm").assign_coords(arm=list(places))


def predicted(network: xr.Dataset) -> xr.DataArray:
    """Every unit of the circuit as a linear map of one network's rates, fitted on trained directions."""
    conditions, trained = network["condition"].values.astype(str).tolist(), network["set"].values == "train"
    dt, every = float(network["time"][1] - network["time"][0]), [network[name] for name in ("target_rates", "rates")]
    circuit, made = (Activity(rates.values.astype(float), dt=dt, conditions=conditions) for rates in every)
    fitted = NeuronMap.fit(made.select(trained), circuit.select(trained))
    return network["target_rates"].copy(data=np.asarray(fitted.predict(made).rates))


def report_text(result: AnalysisResult, *, size: Preset, preset: str) -> ReportText:
    """The words of the report of a study of one size, the name of which is `preset`."""
    arms = {name: select(_main(result), KICKS, **arm) for name, arm in KICKED.items()}
    kick = {name: median(found["value"]) for name, found in arms.items()} | baselines_of(arms["hints"])
    values = {"source": SOURCE, "preset": preset, "verdict": result.sentences["verdict"], **size.extras}
    values |= {"n_shown": size.n_shown, "n_readings": size.n_readings, "trains": TRAINS}
    values |= {"n_kicked": size.n_kicked, "flow": None if np.isnan(kick["hints"]) else kick["hints"] >= FLOW}
    values["kick"] = defaultdict(lambda: number(None), {name: number(value, 2) for name, value in kick.items()})
    return ReportText.from_toml(Path(__file__).with_suffix(".toml"), values)
