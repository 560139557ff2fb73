"""Networks trained on a recording, judged on units and directions that they never saw."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import PRNGKeyArray

from recirc.analyses.fit_arrays import dataset_of, networks_of
from recirc.analyses.fit_choice import Choice, best_choice, inner_groups, inner_pairs
from recirc.analyses.fit_claims import ensemble_mean, make_claims, sentence
from recirc.analyses.fit_conditions import (
    Completion,
    Tuning,
    choose_completion,
    known_of,
    left_out_groups,
    process_scales,
)
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_network import Piece, train_piece
from recirc.analyses.fit_prepare import prepare
from recirc.analyses.fit_subsets import with_subsets
from recirc.analyses.fit_table import make_rows
from recirc.analyses.fit_trials import go_event, judged_alone, judging_scales, recorded_units, unit_folds, with_go_cue
from recirc.analyses.pieces import Failure, Map, results, seed_of
from recirc.analyses.result import AnalysisResult
from recirc.analyses.sources import stated_sources
from recirc.arguments import check_key, check_kind
from recirc.circuits import RateNetwork
from recirc.compare.interpolation import direct_map, interpolated
from recirc.compare.left_out import left_out_r2
from recirc.data import check_activity
from recirc.data.screening import listed
from recirc.types import Activity

INNER_SEED, INNER_FOLD = -1, 0
FIGURES = ("r2_by_direction", "example_units", "principal_components", "outputs")
Arrays = Mapping[str, np.ndarray]


def fit_recording(
    activity: Activity, config: FitConfig | None = None, *, key: PRNGKeyArray, map: Map = map
) -> AnalysisResult:
    """Train networks on a recording, task and dynamics together, and judge them where they never were.

    Units are judged fold by fold: those of a fold are never hints, the others are. Directions are left out one
    at a time. For each, the regime is chosen among the other directions only.

    Args:
        activity: average rates in spikes/s, or single trials, of four or more directions; conditions are labelled by
            angles in degrees.
        config: all settings; the defaults if omitted.
        key: of everything random.
        map: does the pieces of work, networks to train: the built-in `map`, that of a pool of processes, or any other.

    Returns:
        Rows, claims and sentences of the fit; `arrays` holds the recording and what was predicted of it. A network that
        failed is a row without a value that says why; of those that choose the regime, a sentence in `about["notes"]`.

    Raises:
        ValueError: if the recording cannot be fitted, or every network failed that could have told which regime to use.

    Example:
        >>> import jax, numpy as np, recirc
        >>> recirc.enable_x64()
        >>> angles = np.arange(4) * 90.0
        >>> bump = np.exp(-((np.linspace(-2, 2, 20)[:, None] - np.linspace(-1, 1, 8)) ** 2))
        >>> tuned = np.cos(np.deg2rad(angles)[:, None] - np.arange(8))[:, None, :]
        >>> activity = recirc.Activity(9 + 5 * bump * tuned, dt=0.02, conditions=angles)
        >>> config = recirc.analyses.FitConfig(n_seeds=1, n_folds=2, bias_scales=(0.5,), gain_factors=(),
        ...     drive_factors=(), noise_factors=(), penalties=(1e-3,), trainer=recirc.train.FullForce(n_passes=1))
        >>> result = recirc.analyses.fit_recording(activity, config, key=jax.random.key(0))
        >>> len(result.claims), sorted(result.arrays.dims)[:3]
        (4, ['condition', 'left_out', 'method'])
    """
    check_key(key)
    check_kind((FitConfig, type(None)), "a FitConfig(...)", config=config)
    activity = check_activity(activity)
    config = with_go_cue(config or FitConfig(), activity)
    fitting = _Fitting(prepare(activity, config), config, seed_of(key), map)
    completions = fitting.complete()
    regimes = fitting.choose_regimes(completions)
    made, arrays, failures = fitting.train(regimes, completions)
    baselines = fitting.baselines(completions) | {"untrained": ensemble_mean(made[False])}
    errors = fitting.output_errors(arrays)
    rows = make_rows(fitting.activity, config, fitting.groups, made[True], baselines, errors, failures, key=key)
    claims = make_claims(fitting.rates, fitting.scales, made[True], baselines, key=key)
    cue = go_event(activity) if config.events is None and not config.inputs else None
    said = [] if cue is None else [f"The networks' go input switches on at {config.go_cue:.3f} s, the median of {cue}."]
    about = {
        "choices": [{**choice.candidate._asdict(), "penalty": choice.penalty} for choice in regimes[True]],
        "covariates": [f"{each.name}, {each.kind}" for each in known_of(fitting.activity, config).columns],
        "groups": [[fitting.activity.conditions[i] for i in group] for group in fitting.groups],
        "notes": [*activity.notes, *said, *fitting.unreliable(), *judged_alone(config), *fitting.failed],
        "soft_normalization": config.soft_normalization,
        "sources": stated_sources(config.trainer, RateNetwork),
    }
    result = AnalysisResult(
        "fit", tuple(rows), tuple(claims),
        dataset_of(fitting.activity, fitting.folds, fitting.groups, made[True], baselines, arrays,
                   is_modeled=activity.outputs is None),
        networks_of(arrays), fitting.history, {"verdict": sentence(rows, claims)}, FIGURES, about,
    )  # fmt: skip
    return with_subsets(result, fitting.activity, config, key=key) if config.subsets else result


@dataclasses.dataclass
class _Fitting:
    """One fit while it is made: the recording made ready, and the log of every training."""

    activity: Activity
    config: FitConfig
    seed: int
    map: Map
    history: list[dict] = dataclasses.field(default_factory=list)
    failed: list[str] = dataclasses.field(default_factory=list)  # a sentence for each that no row of a network tells

    def run(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Arrays | str]]:
        """Every piece with its arrays, or with the sentence that says why there are none."""
        work = functools.partial(train_piece, self.activity, self.config, self.seed)
        for piece, result in results(work, pieces, self.map):
            why = result.text if isinstance(result, Failure) else result.metadata.get("outcome")
            if why and (piece.is_inner or not piece.is_trained):
                self.failed.append(self._sentence(piece, why))
            if isinstance(result, Failure):
                yield piece, result.text
                continue
            about = {"left_out": list(piece.left_out), "fold": piece.fold, "seed": piece.seed}
            self.history += [about | piece.candidate._asdict() | entry for entry in result.metadata["history"]]
            yield piece, why or result.arrays

    def _sentence(self, piece: Piece, why: str) -> str:
        kind = f"{'A trained' if piece.is_trained else 'An untrained'} network{' that chooses' * piece.is_inner}"
        where = " and ".join(self.activity.conditions[i] for i in piece.left_out)
        return f"{kind} failed (left out {where}, seed {piece.seed}, {dict(piece.candidate._asdict())}): {why}"

    def __post_init__(self):
        self.rates = np.asarray(self.activity.rates, np.float64)
        self.groups = left_out_groups(self.activity, self.config, seed=self.seed)
        self.scales = judging_scales(self.activity, self.config, self.groups)
        self.folds = unit_folds(self.activity, self.config, seed=self.seed)
        counts = np.isfinite(self.scales)
        if not all(counts[:, members].any(axis=1).all() for members in self.folds):
            least = f"the reliability of {self.config.preprocessing.minimum_reliability:g}"
            mend = "Give fewer folds (--set n_folds=2), or lower preprocessing.minimum_reliability."
            raise ValueError(f"a unit fold has no unit with {least} that is asked for in every condition. {mend}")

    def unreliable(self) -> list[str]:
        """Which units do not count in some condition, in a sentence."""
        least = self.config.preprocessing.minimum_reliability
        judged = self.config.held_out or self.activity.units
        worst = zip(self.activity.units, self.scales.max(axis=0))
        names = [unit for unit, scale in worst if np.isinf(scale) and unit in judged]
        said = f"Reliability below {least:g} as other conditions tell, so that they are no hints and do not count in"
        return [f"{said} one or more conditions: {listed(names)}."] if names else []

    def pair(self, *groups: int) -> tuple[int, ...]:
        """Conditions of some groups."""
        return tuple(sorted(place for group in groups for place in self.groups[group]))

    def complete(self) -> dict[tuple[int, ...], Completion]:
        """Conditions that are left out -> smooth tuning as the others tell it; of every group, and of every inner pair.

        Raises:
            ValueError: if no process can be found for a group.
        """
        n, is_needed = len(self.groups), set(self.config.completions) != {"none"}
        asked = [(group,) for group in range(n)] + (inner_pairs(n) if is_needed and self.config.has_choice else [])
        work, found = functools.partial(choose_completion, self.activity, self.config), {}
        for piece, result in results(work, [Tuning(self.pair(*groups)) for groups in asked], self.map):
            if isinstance(result, Failure):
                raise ValueError(f"no Gaussian process could be fitted to the conditions that are seen: {result.text}")
            found[piece.left_out] = Completion.of(result.metadata["completion"])
        return found

    def choose_regimes(self, completions: Mapping[tuple[int, ...], Completion]) -> dict[bool, list[Choice]]:
        """For every group, the settings and penalty that predict best among the others.

        The networks that tell saw neither group. Untrained networks (False) get a regime of their own.

        Raises:
            ValueError: if every network failed that could have told.
        """
        config, n = self.config, len(self.groups)
        if not config.has_choice:
            only = Choice(config.candidates[0], config.penalties[0], np.nan)
            return dict.fromkeys((True, False), [only] * n)
        inner = {self.pair(*pair): pair for pair in inner_pairs(n)}
        pieces = [
            Piece(left_out, INNER_FOLD, INNER_SEED, candidate, config.penalties, is_trained, completions.get(left_out))
            for is_trained in (True, False)
            for left_out in inner
            for candidate in config.candidates
            if is_trained or not candidate.is_for_training
        ]
        members = self.folds[INNER_FOLD]
        shape = (n, len(config.candidates), len(config.penalties), n)
        scores, why = {is_trained: np.full(shape, np.nan) for is_trained in (True, False)}, ""
        for piece, arrays in self.run(pieces):
            if isinstance(arrays, str):
                why = arrays
                continue
            candidate = config.candidates.index(piece.candidate)
            for test, left_out in itertools.permutations(inner[piece.left_out]):
                scale = self.scales[self.groups[left_out][0]][members]
                r2 = [
                    [
                        left_out_r2(self.rates[i][:, members], made[piece.left_out.index(i)], scale)
                        for i in self.groups[test]
                    ]
                    for made in arrays["prediction"]
                ]
                scores[piece.is_trained][left_out, candidate, :, test] = np.mean(r2, axis=1)
        return {
            is_trained: [best_choice(own, inner_groups(i, n), config, why) for i, own in enumerate(numbers)]
            for is_trained, numbers in scores.items()
        }

    def train(self, regimes: Mapping[bool, Sequence[Choice]], completions: Mapping[tuple[int, ...], Completion]):
        """Trained and untrained networks of every seed, fold and left-out group, in the regimes chosen for them.

        Returns:
            Predictions (seed, condition, time, unit) of trained (True) and untrained networks, nan where one failed;
            arrays of the trained ones by (fold, group, seed); (arm, seed, group) -> why one failed.
        """
        config = self.config
        place = {self.pair(group): group for group in range(len(self.groups))}
        pieces = [
            Piece(left_out, fold, index, choices[group].candidate, (choices[group].penalty,), is_trained,
                  completions[left_out])
            for is_trained, choices in regimes.items()
            for left_out, group in place.items()
            for fold in range(config.n_folds)
            for index in range(config.n_seeds)
        ]  # fmt: skip
        made = {is_trained: np.full((config.n_seeds, *self.rates.shape), np.nan) for is_trained in regimes}
        for predictions in made.values():
            predictions[..., np.setdiff1d(np.arange(len(self.activity.units)), np.concatenate(self.folds))] = 0.0
        kept: dict[tuple[int, int, int], Arrays] = {}
        failures: dict[tuple[str, int, int], str] = {}
        for piece, arrays in self.run(pieces):
            group = place[piece.left_out]
            if isinstance(arrays, str):
                failures["network" if piece.is_trained else "untrained", piece.seed, group] = arrays
                continue
            for condition, predicted in zip(piece.left_out, arrays["prediction"][0]):
                made[piece.is_trained][piece.seed, condition][:, self.folds[piece.fold]] = predicted
            if piece.is_trained:
                kept[piece.fold, group, piece.seed] = arrays
        return made, kept, failures

    def baselines(self, completions: Mapping[tuple[int, ...], Completion]) -> dict[str, np.ndarray]:
        """What interpolations and the direct map make of every condition while it is left out."""
        activity, config, groups = self.activity, self.config, self.groups
        scales = np.stack([process_scales(activity, group, config) for group in groups])
        processes = [completions[self.pair(group)].process for group in range(len(groups))]
        known = known_of(activity, config)
        found = interpolated(known, self.rates, dt=activity.dt, scales=scales, groups=groups, processes=processes)
        seen = [recorded_units(activity, i, config, seed=self.seed) for i in range(len(self.folds))]
        return found | {"direct_map": direct_map(activity, list(zip(seen, self.folds)), scales, groups)}

    def output_errors(self, arrays: Mapping) -> dict[tuple[str, int], float]:
        """(set, seed) -> nMSE of outputs, over folds and left-out groups together."""
        targets = np.asarray(self.activity.outputs)
        sums: dict[tuple[str, int], np.ndarray] = {}
        for (_, group, seed), found in arrays.items():
            is_left_out = np.isin(np.arange(len(targets)), self.groups[group])
            for name, members in (("train", ~is_left_out), ("heldout_direction", is_left_out)):
                error = ((found["outputs"][members] - targets[members]) ** 2).sum()
                both = np.array([error, (targets[members] ** 2).sum()])
                sums[name, seed] = sums.get((name, seed), 0.0) + both
        return {place: float(error / power) for place, (error, power) in sums.items() if power > 0}
