"""What training does when something is wrong (rows 18 and 20 to 23 of the list of faults)."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc.circuits import RateNetwork
from recirc.train import Force, FullForce, Ridge, TrainingDiverged
from recirc.train.checkpoint_folder import checkpoints_in

N_UNITS = 10
TRAINERS = [FullForce(n_passes=2), Force(n_passes=2), Ridge(penalties=(1e-3,))]
every_trainer = pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: type(trainer).__name__)


def make(n_hints=0, **changes):
    random = np.random.default_rng(0)
    network = RateNetwork.random(n_units=N_UNITS, key=jax.random.key(0), **changes)
    hints = random.normal(size=(3, 40, n_hints)) if n_hints else None
    trials = recirc.Trials(
        random.normal(size=(3, 40, 2)),
        random.normal(size=(3, 40, 2)),
        dt=0.001,
        conditions=["a", "b", "c"],
        hints=hints,
    )
    return network, trials


@pytest.fixture
def no_simulation(monkeypatch):
    """Fails a test that gets as far as running a network."""

    def refuse(*args, **kwargs):
        raise AssertionError("a network was run")

    for name in ("embedder.simulate", "ridge.simulate", "full_force.learn_pass"):
        monkeypatch.setattr(f"recirc.train.{name}", refuse)


@pytest.mark.usefixtures("no_simulation")
class TestBeforeCompilation:
    @every_trainer
    @pytest.mark.parametrize("dt", [0.006, 0.02])
    def test_time_steps_too_long_for_the_units(self, trainer, dt, key):
        network, trials = make()
        with pytest.raises(ValueError, match=r"half the network's time constant \(0.01 s\)"):
            recirc.fit(trainer, network, trials.replace(dt=dt), key=key)

    @pytest.mark.parametrize("trainer", [FullForce(), Ridge()], ids=["FullForce", "Ridge"])
    def test_more_hints_than_units(self, trainer, key):
        with pytest.raises(ValueError, match="11 hints cannot be embedded in 10 units"):
            recirc.fit(trainer, *make(n_hints=N_UNITS + 1), key=key)

    @pytest.mark.parametrize("kind", [FullForce, Ridge])
    def test_hints_without_weights(self, kind, key):
        with pytest.raises(ValueError, match="2 hints but hint_drive is 0"):
            recirc.fit(kind(hint_drive=0.0), *make(n_hints=2), key=key)

    @every_trainer
    @pytest.mark.parametrize("name", ["recurrent", "input_weights", "readout", "bias", "start", "feedback"])
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_weights_that_are_not_finite_are_named(self, trainer, name, value, key):
        network, trials = make()
        network = dataclasses.replace(network, feedback=jnp.zeros((N_UNITS, 2)))
        weights = getattr(network, name)
        place = (1,) * weights.ndim
        network = dataclasses.replace(network, **{name: weights.at[place].set(value)})
        with pytest.raises(ValueError, match=rf"network's {name} has 1 entries .* first at \(1,"):
            recirc.fit(trainer, network, trials, key=key)

    @pytest.mark.usefixtures("signatures_unchecked")
    @every_trainer
    @pytest.mark.parametrize("name", ["recurrent", "input_weights", "readout", "bias", "start", "connections"])
    def test_weights_of_the_wrong_shape_are_named(self, trainer, name, key):
        network, trials = make(density=0.5)
        wrong = jnp.ones((N_UNITS + 1,) * getattr(network, name).ndim)
        network = dataclasses.replace(network, **{name: wrong})
        with pytest.raises(ValueError, match=r"has shape|build the network"):
            recirc.fit(trainer, network, trials, key=key)

    @every_trainer
    def test_targets_that_ask_for_nothing(self, trainer, key):
        network, trials = make()
        for silent in (trials.replace(targets=trials.targets * 0), trials.replace(mask=trials.mask * 0)):
            with pytest.raises(ValueError, match="nothing to learn"):
                recirc.fit(trainer, network, silent, key=key)

    def test_an_interval_longer_than_a_trial(self, key):
        with pytest.raises(ValueError, match="nothing would be learned"):
            recirc.fit(Force(update_interval=0.1), *make(), key=key)

    def test_an_embedder_cannot_be_built_around_output_feedback(self, key):
        network, trials = make()
        fed = dataclasses.replace(network, feedback=jnp.ones((N_UNITS, 2)))
        for trainer in (FullForce(), Ridge()):
            with pytest.raises(ValueError, match="without feedback"):
                recirc.fit(trainer, fed, trials, key=key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_passes": 0},
        {"penalty": 0.0},
        {"penalty": float("nan")},
        {"update_interval": 0.0},
        {"noise": -0.1},
        {"lockstep": 0},
    ],
)
@pytest.mark.parametrize("kind", [FullForce, Force])
def test_impossible_settings(kind, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must"):
        kind(**wrong)


def test_impossible_settings_of_one_trainer():
    with pytest.raises(ValueError, match="warm_up must"):
        FullForce(warm_up=-1)
    with pytest.raises(ValueError, match='"feedback" or "internal"'):
        Force(learn="both")
    for penalties in ((), (0.0,), (1.0, -1.0)):
        with pytest.raises(ValueError, match="penalties must be positive"):
            Ridge(penalties=penalties)


def explosive(drive):
    """Linear units whose loop gain is far above 1: their activity leaves the finite range by itself."""
    network, trials = make(gain=200.0)
    network = dataclasses.replace(network, nonlinearity=_linear, readout=jnp.ones((2, N_UNITS)))
    return network, trials.replace(inputs=trials.inputs.at[1].multiply(drive))


def _linear(x):
    return x


def _cube(x):
    return x**3


class TestDivergence:
    def test_is_an_outcome_with_place_and_advice_and_keeps_the_last_good_network(self, key):
        network, trials = explosive(1e290)
        fit = recirc.fit(Force(n_passes=3, update_interval=0.04), network, trials, key=key)
        assert fit.outcome is recirc.Outcome.DIVERGED
        entry = fit.history[-1]
        assert len(fit.history) == 1
        assert f"Force diverged in pass 0, trial 1, step {entry['bad_step']}" in fit.message
        assert "larger penalty" in fit.message
        assert entry["bad_trial"] == 1
        assert 0 < entry["bad_step"] < trials.n_steps
        assert np.array_equal(fit.network.recurrent, network.recurrent)
        assert np.array_equal(fit.network.readout, network.readout)

    def test_raises_where_asked(self, key):
        with pytest.raises(TrainingDiverged, match=r"trial \d+, step \d+"):
            recirc.fit(Force(n_passes=3), *explosive(1e290), key=key, throw=True)

    @pytest.mark.parametrize("kind", [FullForce, Ridge])
    def test_in_the_last_update_of_a_pass_is_seen(self, kind, key):
        """A hint that overflows in the last step spoils the weights, and no output of that pass shows it."""
        network, trials = make(n_hints=2)
        wild = trials.replace(hints=trials.hints.at[:, -1].set(1e308))
        fit = recirc.fit(kind(hint_drive=100.0), network, wild, key=key)
        assert fit.outcome is recirc.Outcome.DIVERGED
        assert np.array_equal(fit.network.recurrent, network.recurrent)

    def test_of_one_penalty_leaves_the_others(self, key):
        """Cubic units hit by strong noise run away unless the penalty has made J small."""
        network, trials = make()
        network = dataclasses.replace(network, nonlinearity=_cube)
        one, both = (
            recirc.fit(Ridge(penalties=penalties, noise=100.0), network, trials, key=key)
            for penalties in ((1e-8,), (1e-8, 1e12))
        )
        assert one.outcome is recirc.Outcome.DIVERGED
        assert both.outcome is recirc.Outcome.FINISHED
        assert np.isfinite([entry["output_nmse"] for entry in both.history]).tolist() == [False, True]

    def test_does_not_stop_the_process(self, key):
        """A sweep goes on: the next training is sound."""
        recirc.fit(Force(n_passes=1), *explosive(1e290), key=key)
        assert recirc.fit(Force(n_passes=1), *make(), key=key).outcome is recirc.Outcome.FINISHED


class TestPrecision:
    def test_32_bits_are_refused_with_the_line_to_add(self):
        script = (
            "import jax, recirc\n"
            "network = recirc.circuits.RateNetwork.random(n_units=5, key=jax.random.key(0))\n"
            "trials = recirc.tasks.CenterOutReach().trials(8, key=jax.random.key(0))\n"
            "recirc.fit(recirc.train.FullForce(), network, trials, key=jax.random.key(0))\n"
        )
        single = os.environ | {"JAX_ENABLE_X64": "0"}
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=single)
        assert done.returncode == 1
        assert "RuntimeError: training needs 64-bit floats" in done.stderr
        assert "recirc.enable_x64()" in done.stderr

    def test_arrays_made_in_32_bits_are_trained_in_64(self, key):
        network, trials = make()
        single = jax.tree.map(lambda a: a.astype(jnp.float32), (network, trials))
        fit = recirc.fit(FullForce(n_passes=1), *single, key=key)
        assert fit.network.recurrent.dtype == fit.network.input_weights.dtype == jnp.float64
        assert single[0].recurrent.dtype == jnp.float32


class Killed(BaseException):
    """Stands for a signal that ends the process between two passes."""


class TestCheckpointsThatNobodyAskedFor:
    def test_a_stopped_training_goes_on_to_the_same_bits(self, tmp_path, key, monkeypatch):
        monkeypatch.setattr("recirc.train.base.EVERY", 0.0)
        network, trials = make()
        clean, passes = recirc.fit(FullForce(n_passes=4), network, trials, key=key), []

        def stop(index, _):
            passes.append(index)
            if index == 2:
                raise Killed

        with checkpoints_in(tmp_path), pytest.raises(Killed):
            recirc.fit(FullForce(n_passes=4), network, trials, key=key, progress=stop)
        assert len(list(tmp_path.glob("*.checkpoint"))) == 1
        with checkpoints_in(tmp_path):
            resumed = recirc.fit(
                FullForce(n_passes=4), network, trials, key=key, progress=lambda i, _: passes.append(i)
            )
        assert passes == [0, 1, 2, 2, 3]
        assert resumed.history == clean.history
        assert np.array_equal(resumed.network.recurrent, clean.network.recurrent)

    def test_short_trainings_leave_none_and_an_unwritable_place_is_a_warning(self, tmp_path, key, monkeypatch):
        network, trials = make()
        with checkpoints_in(tmp_path):
            recirc.fit(FullForce(n_passes=2), network, trials, key=key)
        assert not list(tmp_path.iterdir())
        monkeypatch.setattr("recirc.train.base.EVERY", 0.0)
        (tmp_path / "file").touch()
        with (
            checkpoints_in(tmp_path / "file"),
            pytest.warns(UserWarning, match="a checkpoint is not kept: cannot write"),
        ):
            recirc.fit(FullForce(n_passes=1), network, trials, key=key)
