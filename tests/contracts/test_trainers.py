"""What every trainer must do, found by looking at what the package exports."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import recirc
from recirc import train
from recirc.circuits import RateNetwork

KINDS = [
    kind
    for kind in vars(train).values()
    if inspect.isclass(kind) and issubclass(kind, train.AbstractTrainer) and not inspect.isabstract(kind)
]


def short(kind, **changes):
    """A trainer of this kind that makes three passes, in batches, if it has any, of one trial."""
    fields = kind.__dataclass_fields__
    passes = {"n_passes": 3} if "n_passes" in fields else {"penalties": (1e-3, 1e-2, 1e-1)}
    batches = {"batch_size": 1} if "batch_size" in fields else {}
    return kind(**{**passes, **batches, **changes})


TRAINERS = [short(kind) for kind in KINDS] + [short(train.Force, learn="internal")]
every_trainer = pytest.mark.parametrize(
    "trainer", TRAINERS, ids=lambda trainer: type(trainer).__name__ + getattr(trainer, "learn", "")
)


def make(n_outputs=3, n_inputs=2, n_trials=2, n_steps=60, density=1.0, trainer=None):
    """A network and trials for it; for trainers whose units are the recorded ones, with rates of as many units."""
    random = np.random.default_rng(0)
    inputs = np.cumsum(random.normal(size=(n_trials, n_steps, n_inputs)), axis=1) / 5
    targets = np.cumsum(random.normal(size=(n_trials, n_steps, n_outputs)), axis=1) / 5
    network = RateNetwork.random(
        n_units=15, n_inputs=n_inputs, n_outputs=n_outputs, density=density, key=jax.random.key(3)
    )
    hints = None
    if trainer is not None and trainer.one_to_one:
        hints = np.tanh(np.cumsum(random.normal(size=(n_trials, n_steps, 15)), axis=1) / 5)
    return network, recirc.Trials(inputs, targets, dt=0.002, conditions=[str(i) for i in range(n_trials)], hints=hints)


def arrays(tree):
    return [np.array(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array))]


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(arrays(a), arrays(b), strict=True))


def test_trainers_are_found():
    assert len(KINDS) >= 3


@every_trainer
class TestTrainer:
    def test_returns_a_network_like_the_one_given_which_stays_as_it_was(self, trainer, key):
        for n_outputs in (1, 3):
            network, trials = make(n_outputs, trainer=trainer)
            before = arrays((network, trials))
            fit = recirc.fit(trainer, network, trials, key=key)
            assert equal((network, trials), before)
            for name in ("recurrent", "readout", "input_weights", "bias", "start"):
                given, returned = getattr(network, name), getattr(fit.network, name)
                assert (returned.shape, returned.dtype) == (given.shape, jnp.float64)
            if "input_weights" not in getattr(trainer, "learns", ()):
                assert np.array_equal(fit.network.input_weights, network.input_weights)
            assert fit.outcome in (recirc.Outcome.FINISHED, recirc.Outcome.MISSED)
            assert np.abs(fit.network.readout).max() > 0

    def test_every_pass_leaves_an_entry(self, trainer, key):
        fit = recirc.fit(trainer, *make(trainer=trainer), key=key)
        assert [entry["pass"] for entry in fit.history] == list(range(trainer.n_passes)) == [0, 1, 2]
        assert all(np.isfinite(entry["output_nmse"]) for entry in fit.history)
        assert fit.seconds > 0

    def test_the_key_decides_everything(self, trainer, key):
        first, again, other = (
            recirc.fit(trainer, *make(trainer=trainer), key=k) for k in (key, key, jax.random.key(1))
        )
        assert equal(first.network, again.network)
        assert first.history == again.history
        assert equal(first.network, other.network) == (not trainer.is_random)

    def test_connections_that_do_not_exist_are_never_made(self, trainer, key):
        network, trials = make(density=0.5, trainer=trainer)
        try:
            fit = recirc.fit(trainer, network, trials, key=key)
        except ValueError as error:
            assert "sparse" in str(error)  # noqa: PT017
            return
        absent = ~np.asarray(network.connections)
        assert np.array_equal(fit.network.connections, network.connections)
        assert not np.asarray(fit.network.recurrent)[absent].any()
        assert np.asarray(fit.network.recurrent)[~absent].all()

    def test_refuses_what_does_not_fit_together(self, trainer, key):
        network, trials = make(trainer=trainer)
        for other in (make(n_outputs=2)[0], make(n_inputs=1)[0]):
            with pytest.raises(ValueError, match="build the network with"):
                recirc.fit(trainer, other, trials, key=key)
        with pytest.raises(ValueError, match="time constant"):
            recirc.fit(trainer, network, trials.replace(dt=0.006), key=key)

    def test_asks_for_64_bits_if_it_needs_them(self, trainer, key):
        with jax.enable_x64(False):
            network, trials = make(trainer=trainer)
            if trainer.dtype is np.float32:
                assert recirc.fit(trainer, network, trials, key=jax.random.key(0)).network.recurrent.dtype == np.float32
                return
            with pytest.raises(RuntimeError, match="enable_x64"):
                recirc.fit(trainer, network, trials, key=key)

    def test_goes_on_from_a_checkpoint_to_the_same_bits(self, trainer, key, tmp_path):
        """Stopped after the second pass, as by a signal, and called again."""

        def stop(index, entry):
            if index == 2:
                raise KeyboardInterrupt

        place = tmp_path / "training.checkpoint"
        whole = recirc.fit(trainer, *make(trainer=trainer), key=key)
        with pytest.raises(KeyboardInterrupt):
            recirc.fit(trainer, *make(trainer=trainer), key=key, progress=stop, checkpoint=place)
        passes = []
        again = recirc.fit(
            trainer, *make(trainer=trainer), key=key, checkpoint=place, progress=lambda i, _: passes.append(i)
        )
        assert passes == [2]
        assert equal(again.network, whole.network)
        assert again.history == whole.history
        with pytest.raises(ValueError, match="another training"):
            recirc.fit(trainer, *make(trainer=trainer), key=jax.random.key(9), checkpoint=place)

    def test_falls_back_where_the_checkpoint_is_damaged(self, trainer, key, tmp_path):
        place = tmp_path / "training.checkpoint"
        whole = recirc.fit(trainer, *make(trainer=trainer), key=key, checkpoint=place)
        place.write_bytes(place.read_bytes()[:-7])
        passes = []
        with pytest.warns(UserWarning, match="damaged"):
            again = recirc.fit(
                trainer, *make(trainer=trainer), key=key, checkpoint=place, progress=lambda i, _: passes.append(i)
            )
        assert passes == [2]  # from the checkpoint before
        assert equal(again.network, whole.network)
