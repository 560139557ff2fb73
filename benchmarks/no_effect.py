"""What the claims of the study are worth: the spread of their values, their power, and false alarms without an effect.

Networks without hints are trained on 60 circuits that the study never uses, and networks with hints (5 and 100 %) on 24
of them. The spreads over those 24 are what `claims.SPREADS` holds. Then every claim is judged in 400 studies of 12
circuits, of as many as `quick` has and of as many as `full` has, in which nothing is to be found: networks without
hints against others, twins too, and a sample that lacks as much as it may not. A study draws no network twice.

Run: python benchmarks/no_effect.py FOLDER [jobs] (goes on where it stopped)
"""

import sys

import jax
import numpy as np

import recirc

recirc.enable_x64()

from recirc.analyses import by_seed, frame, judged, results, select
from recirc.analyses.summaries import network_rows
from recirc.compare import seeds_needed
from recirc.runs.folder_map import FolderMap
from recirc.runs.store import RunFolder
from recirc.studies.salatiello2020.arms import PLACE, PRESETS, specification
from recirc.studies.salatiello2020.claims import (
    ERROR,
    HINTED,
    MAIN,
    PLAIN,
    SPREADS,
    SUFFICES,
    SVCCA,
    TWIN,
    UNSEEN,
    WHOLE,
    effects,
    powers,
    stated,
)
from recirc.studies.salatiello2020.network import train_network

STUDY_SEED, N_PLAIN, N_HINTED, N_STUDIES = 2000, 60, 24, 400
SIZES = 12, *(preset.n_seeds for preset in PRESETS.values())  # circuits of a study


def without_effect(similarity, twins, log_errors, n_circuits: int, random) -> dict[str, np.ndarray]:
    """Values of a study in which nothing is to be found, from numbers of twice as many networks or more."""
    one, other = random.permutation(len(similarity))[: 2 * n_circuits].reshape(2, -1)
    unlike = similarity[one] - similarity[other]
    nothing = {"similarity": unlike, "sample": unlike - SUFFICES}
    return nothing | {"trained": (twins[one] - twins[other]), "generalization": (log_errors[one] - log_errors[other])}


def main(out: str, jobs: int) -> None:
    arms = [(PLAIN, N_PLAIN), (HINTED, N_HINTED), (WHOLE, N_HINTED)]
    asked = [specification(arm, 1 + i, STUDY_SEED) for i in range(N_PLAIN) for arm, n in arms if i < n]
    with RunFolder.open(out, specification=asked) as folder:
        found = results(train_network, asked, FolderMap(folder, jobs=jobs))
        table = frame([row for piece, result in found for row in network_rows(piece, result, tuple(PLACE))])
    for name, values in effects(table).items():
        aim = stated({name: values})[0]
        needed = seeds_needed(values, aim.aim - aim.none, alpha=0.05 / len(SPREADS))
        found = f"mean {values.mean():.3f}, s.d. {values.std(ddof=1):.3f}, n = {len(values)}"
        print(f"{name:14s} {found}; {needed} circuits find {aim.aim - aim.none:.3f}")
    for name, preset in PRESETS.items():
        print(name, {claim: round(power, 3) for claim, power in powers(preset).items()})
    place = MAIN | PLAIN | {"set": UNSEEN}
    similarity, errors = (by_seed(table, metric, **place).to_numpy() for metric in (SVCCA, ERROR))
    twins = select(table, SVCCA, **place)[TWIN].to_numpy(float)
    for n_circuits in SIZES:
        random, alarms = np.random.default_rng(0), []
        for i in range(N_STUDIES):
            values = without_effect(similarity, twins, np.log(errors), n_circuits, random)
            alarms.append([claim.supported is True for claim in judged(stated(values), "", key=jax.random.key(i))])
        shares = dict(zip(values, np.mean(alarms, axis=0).tolist()))
        found = f"{shares}, any {np.any(alarms, axis=1).mean()}"
        print(f"falsely supported in {N_STUDIES} studies of {n_circuits} circuits without an effect: {found}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
