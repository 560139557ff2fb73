"""One setting for all tests: 64-bit floats, signatures checked, no silent promotion, one thread per library."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC"):  # NPROC: XLA
    os.environ.setdefault(_name, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402

# As type checkers have it, an int will do for a float. Beartype knows `Self` only where it sees whole classes, and
# files only by their class.
_OVERRIDES = "beartype.FrozenDict({beartype.typing.Self: object, beartype.typing.TextIO: object})"
_CONFIGURATION = f"beartype.BeartypeConf(is_pep484_tower=True, hint_overrides={_OVERRIDES})"
jaxtyping.install_import_hook("recirc", f"beartype.beartype(conf={_CONFIGURATION})")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

from recirc.runs.environment import keep_compiled_programs  # noqa: E402

# Tests compile more than they compute: programs, even small ones, are kept where the command line keeps its own, for
# all workers, processes and runs of the suite.
keep_compiled_programs()
if jax.config.jax_compilation_cache_dir is not None:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = jax.config.jax_compilation_cache_dir
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


@pytest.fixture(scope="session")
def key():
    """One random key; tests that need more split it."""
    return jax.random.key(0)


@pytest.fixture
def signatures_unchecked():
    """For tests of what our own checks say: only tests stop wrong types and shapes at the signature."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def _environment_stays():
    """The command line sets variables for its own process; here that process goes on with other tests."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
