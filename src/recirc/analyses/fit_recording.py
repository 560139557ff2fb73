"""Networks trained on a recording, judged on units and directions that they never saw."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from recirc.analyses.arrays import weights_dataset
from recirc.analyses.fit_choice import Choice, best_choice, inner_directions, inner_pairs
from recirc.analyses.fit_config import FitConfig
from recirc.analyses.fit_network import Piece, train_piece
from recirc.analyses.fit_table import ensemble_mean, make_claims, make_rows, sentence
from recirc.analyses.fit_trials import (
    angles_of,
    go_event,
    judged_alone,
    judging_scales,
    prepare,
    recorded_units,
    unit_folds,
    with_go_cue,
)
from recirc.analyses.pieces import Failure, Map, results, seed_of
from recirc.analyses.result import AnalysisResult
from recirc.analyses.table import frame
from recirc.arguments import check_key, check_kind
from recirc.compare.interpolation import direct_map, interpolated
from recirc.compare.left_out import left_out_r2
from recirc.data import check_activity
from recirc.data.screening import listed
from recirc.types import Activity

INNER_SEED, INNER_FOLD = -1, 0
KEPT_FOLD = 0  # whose networks' own rates and outputs are kept
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
    regimes = fitting.choose_regimes()
    made, arrays, failures = fitting.train(regimes)
    baselines = fitting.baselines() | {"untrained": ensemble_mean(made[False])}
    errors = fitting.output_errors(arrays)
    rows = make_rows(fitting.activity, config, made[True], baselines, errors, failures, key=key)
    claims = make_claims(frame(rows), key=key)
    cue = go_event(activity)
    said = [] if cue is None else [f"The networks' go input switches on at {config.go_cue:.3f} s, the median of {cue}."]
    about = {
        "choices": [{**choice.candidate._asdict(), "penalty": choice.penalty} for choice in regimes[True]],
        "notes": [*activity.notes, *said, *fitting.unreliable(), *judged_alone(config), *fitting.failed],
        "soft_normalization": config.soft_normalization,
    }
    return AnalysisResult(
        "fit", tuple(rows), tuple(claims),
        fitting.dataset(made[True], baselines, arrays, is_modeled=activity.outputs is None),
        _networks(arrays), fitting.history, {"verdict": sentence(rows, claims)}, FIGURES, about,
    )  # fmt: skip


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
        self.scales = judging_scales(self.activity, self.config)
        self.folds = unit_folds(self.activity, self.config, seed=self.seed)
        counts = np.isfinite(self.scales)
        if not all(counts[:, members].any(axis=1).all() for members in self.folds):
            least = f"the reliability of {self.config.preprocessing.minimum_reliability:g}"
            mend = "Give fewer folds (--set n_folds=2), or lower preprocessing.minimum_reliability."
            raise ValueError(f"a unit fold has no unit with {least} that is asked for in every direction. {mend}")

    def unreliable(self) -> list[str]:
        """Which units do not count in some direction, in a sentence."""
        least = self.config.preprocessing.minimum_reliability
        judged = self.config.held_out or self.activity.units
        worst = zip(self.activity.units, self.scales.max(axis=0))
        names = [unit for unit, scale in worst if np.isinf(scale) and unit in judged]
        said = f"Reliability below {least:g} as other directions tell, so that they are no hints and do not count in"
        return [f"{said} one or more directions: {listed(names)}."] if names else []

    def choose_regimes(self) -> dict[bool, list[Choice]]:
        """For every direction, the settings and penalty that predict best among the others.

        The networks that tell saw neither direction. Untrained networks (False) get a regime of their own.

        Raises:
            ValueError: if every network failed that could have told.
        """
        config, n_directions = self.config, self.activity.n_trials
        if len(config.candidates) == len(config.penalties) == 1:
            only = Choice(config.candidates[0], config.penalties[0], np.nan)
            return dict.fromkeys((True, False), [only] * n_directions)
        pieces = [
            Piece(pair, INNER_FOLD, INNER_SEED, candidate, config.penalties, is_trained)
            for is_trained in (True, False)
            for pair in inner_pairs(n_directions)
            for candidate in config.candidates
            if is_trained or candidate.drive == candidate.noise == 1  # an untrained network has neither
        ]
        members = self.folds[INNER_FOLD]
        shape = (n_directions, len(config.candidates), len(config.penalties), n_directions)
        scores, why = {is_trained: np.full(shape, np.nan) for is_trained in (True, False)}, ""
        for piece, arrays in self.run(pieces):
            if isinstance(arrays, str):
                why = arrays
                continue
            candidate = config.candidates.index(piece.candidate)
            for place, test in enumerate(piece.left_out):
                left_out = sum(piece.left_out) - test
                truth, scale = self.rates[test][:, members], self.scales[left_out][members]
                found = [left_out_r2(truth, made, scale) for made in arrays["prediction"][:, place]]
                scores[piece.is_trained][left_out, candidate, :, test] = found
        return {
            is_trained: [
                best_choice(own, inner_directions(i, n_directions), config, why) for i, own in enumerate(numbers)
            ]
            for is_trained, numbers in scores.items()
        }

    def train(self, regimes: Mapping[bool, Sequence[Choice]]):
        """Trained and untrained networks of every seed, fold and left-out direction, in the regimes chosen for them.

        Returns:
            Predictions (seed, direction, time, unit) of trained (True) and untrained networks, nan where one failed;
            arrays of the trained ones by (fold, left-out direction, seed); (arm, seed, direction) -> why one failed.
        """
        config = self.config
        pieces = [
            Piece((left_out,), fold, index, choice.candidate, (choice.penalty,), is_trained)
            for is_trained, choices in regimes.items()
            for left_out, choice in enumerate(choices)
            for fold in range(config.n_folds)
            for index in range(config.n_seeds)
        ]
        made = {is_trained: np.full((config.n_seeds, *self.rates.shape), np.nan) for is_trained in regimes}
        for predictions in made.values():
            predictions[..., np.setdiff1d(np.arange(len(self.activity.units)), np.concatenate(self.folds))] = 0.0
        kept: dict[tuple[int, int, int], Arrays] = {}
        failures: dict[tuple[str, int, int], str] = {}
        for piece, arrays in self.run(pieces):
            left_out = piece.left_out[0]
            if isinstance(arrays, str):
                failures["network" if piece.is_trained else "untrained", piece.seed, left_out] = arrays
                continue
            made[piece.is_trained][piece.seed, left_out][:, self.folds[piece.fold]] = arrays["prediction"][0, 0]
            if piece.is_trained:
                kept[piece.fold, left_out, piece.seed] = arrays
        return made, kept, failures

    def baselines(self) -> dict[str, np.ndarray]:
        """What interpolations and the direct map make of every direction while it is left out."""
        activity = self.activity
        tests = {i: inner_directions(i, activity.n_trials) for i in range(activity.n_trials)}
        found = interpolated(angles_of(activity), self.rates, dt=activity.dt, scales=self.scales, tests=tests)
        seen = [recorded_units(activity, i, self.config, seed=self.seed) for i in range(len(self.folds))]
        scales = judging_scales(activity, dataclasses.replace(self.config, held_out=()))
        return found | {"direct_map": direct_map(activity, list(zip(seen, self.folds)), scales)}

    def output_errors(self, arrays: Mapping) -> dict[tuple[str, int], float]:
        """(set, seed) -> nMSE of outputs, over folds and left-out directions together."""
        targets = np.asarray(self.activity.outputs)
        sums: dict[tuple[str, int], np.ndarray] = {}
        for (_, left_out, seed), found in arrays.items():
            is_left_out = np.arange(len(targets)) == left_out
            for name, members in (("train", ~is_left_out), ("heldout_direction", is_left_out)):
                error = ((found["outputs"][members] - targets[members]) ** 2).sum()
                both = np.array([error, (targets[members] ** 2).sum()])
                sums[name, seed] = sums.get((name, seed), 0.0) + both
        return {place: float(error / power) for place, (error, power) in sums.items() if power > 0}

    def dataset(self, networks: np.ndarray, baselines: Mapping, arrays: Mapping, *, is_modeled: bool) -> xr.Dataset:
        """The recording and what was made of it.

        `target_rates` is the recording, `prediction` what every seed's networks made of each direction while it was
        left out, `baseline` the same without networks. `rates` and `outputs` are the networks' own, in all directions,
        of the networks that judge the first unit fold.
        """
        activity, here = self.activity, ("condition", "time", "unit")
        fold = np.zeros(len(activity.units), np.int32)
        for index, members in enumerate(self.folds):
            fold[members] = index
        single = lambda values: np.asarray(values, np.float32)  # noqa: E731
        variables: dict[str, tuple] = {
            "target_rates": (here, single(activity.rates), {"units": "spikes/s"}),
            "prediction": (("seed", *here), single(networks), {"units": "spikes/s"}),
            "baseline": (("method", *here), single(np.stack(list(baselines.values()))), {"units": "spikes/s"}),
            "fold": (("unit",), fold, {"units": "1"}),
            "target_outputs": (("condition", "time", "output"), np.asarray(activity.outputs), {"units": "1"}),
        }
        for name, axis in (("rates", "network_unit"), ("outputs", "output")):
            kept = {place: found[name] for place, found in arrays.items() if place[0] == KEPT_FOLD}
            if kept:
                shape = (self.config.n_seeds, activity.n_trials, *next(iter(kept.values())).shape)
                values = np.full(shape, np.nan, np.float32)
                for (_, left_out, seed), value in kept.items():
                    values[seed, left_out] = value
                variables[name] = (("seed", "left_out", "condition", "time", axis), values, {"units": "1"})
        labels = np.array(activity.conditions, object)
        coordinates = {
            "condition": ("condition", labels, {"long_name": "direction in degrees"}),
            "left_out": ("left_out", labels),
            "time": ("time", activity.time, {"units": "s"}),
            "unit": ("unit", np.array(activity.units, object)),
            "seed": ("seed", np.arange(len(networks))),
            "method": ("method", np.array(list(baselines), object)),
        }
        used = {name for dims, *_ in variables.values() for name in dims}
        coordinates = {name: value for name, value in coordinates.items() if name in used}
        return xr.Dataset(variables, coordinates, {"outputs_are_modeled": int(is_modeled)})


def _networks(arrays: Mapping) -> xr.Dataset:
    """Weights of every trained network in single precision, and what each did not see."""
    places = np.array(list(arrays), np.int32).reshape(-1, 3)
    labels = {name: ("network", places[:, i]) for i, name in enumerate(("fold", "left_out", "seed"))}
    return weights_dataset(list(arrays.values()), labels)
