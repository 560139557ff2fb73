"""A fit of a recording, with what its mechanism owes to which units were recorded."""

import dataclasses

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.analyses.fit_config import FitConfig
from recirc.analyses.result import AnalysisResult
from recirc.analyses.sources import stated_sources
from recirc.analyses.subset_verdict import NO_VERDICT, subset_rows, subset_verdicts
from recirc.analyses.unit_subsets import check_subsets, fit_to_subsets, unit_subsets
from recirc.analyses.which_next import which_next
from recirc.train import LinearDynamics, OneStepRidge
from recirc.types import Activity

LISTED = 5  # units to record next that are named


def student_of(config: FitConfig) -> OneStepRidge | LinearDynamics:
    """What fits the subsets."""
    return LinearDynamics(n_components=config.subset_components) if config.subset_components else OneStepRidge()


def check(activity: Activity, config: FitConfig) -> None:
    """Raise ValueError if subsets are asked for and cannot be fitted; `activity` is made ready by `prepare`."""
    if config.subsets:
        check_subsets(activity, smoothing=config.preprocessing.smoothing, student=student_of(config))


def with_subsets(result: AnalysisResult, activity: Activity, config: FitConfig, *, key: PRNGKeyArray) -> AnalysisResult:
    """The result with numbers, sentences and a figure of fits to subsets.

    Args:
        result: of the fit.
        activity: made ready by `prepare`; rates are divided by their range and a constant, as in the fit.
        config: of the fit.
        key: decides the subsets.
    """
    rates, smoothing = np.asarray(activity.rates, np.float64), config.preprocessing.smoothing
    scaled = activity.replace(
        rates=rates / (np.ptp(rates, axis=(0, 1)) + config.soft_normalization), standard_error=None
    )
    found = fit_to_subsets(scaled, n_subsets=config.subsets, key=key, smoothing=smoothing, student=student_of(config))
    ranked = which_next(scaled, key=key)
    share = f"{100 * found.constrained:.0f} %"
    sentences = [
        *(verdict.sentence() for verdict in subset_verdicts(found)),
        NO_VERDICT,
        f"The recording determines {share} of the directions of weights between recorded units. Averages hold one "
        "trajectory per condition, which constrains weights less than single trials would.",
        f"Units that the others predict worst: {', '.join(each.kind for each in ranked[:LISTED])}. Of 60 teachers, in "
        "single trials, such units told more of the rest than any in 50; on averages of spikes this was not tried.",
    ]
    names = list(found.refits)
    sizes, n_most = found.refits[names[0]].sizes, max(len(each) for each in found.refits[names[0]].values)
    values = np.full((len(names), len(sizes), n_most), np.nan)
    for i, name in enumerate(names):
        for j, each in enumerate(found.refits[name].values):
            values[i, j, : len(each)] = np.exp(each) if name == "slowest_mode_s" else each
    arrays = result.arrays.assign(
        subset_numbers=(("number", "subset_size", "subset"), values, {"units": "s, Hz and 1"})
    ).assign_coords(number=names, subset_size=("subset_size", list(sizes), {"units": "1"}))
    about = {**result.about, "sources": sorted({*result.about["sources"], *stated_sources(unit_subsets, which_next)})}
    return dataclasses.replace(
        result, rows=(*result.rows, *subset_rows(found)), arrays=arrays, figures=(*result.figures, "subsets"),
        sentences={**result.sentences, "subsets": " ".join(sentences)}, about={**about, "trial_s": found.trial},
    )  # fmt: skip
