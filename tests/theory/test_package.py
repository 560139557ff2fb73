"""The package as a whole: what importing it does, what it exports, its examples, its size, its papers."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import warnings
from importlib import metadata
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest

import recirc

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = ("jax", "equinox", "numpy", "scipy", "sklearn", "xarray", "h5py", "matplotlib", "diffrax", "dask")


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _named(paths):
    return pytest.mark.parametrize("path", paths, ids=_module_name)


def _python(code: str, *, folder: Path | None = None) -> str:
    """What a new Python process prints."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "NPROC": "1"}
    if folder is not None:
        environment |= {"RECIRC_CACHE": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _blocks(name: str, language: str = "python") -> str:
    """All blocks of a page in one language, one after the other."""
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", (ROOT / name).read_text(), re.M | re.S))


def _line_below(marker: str, name: str = "README.md") -> str:
    """The one command in the block below a marker."""
    (command,) = re.findall(rf"^<!-- {marker} -->\n+```\w*\n(.+)\n```$", (ROOT / name).read_text(), re.M)
    return command


def test_import_loads_nothing_heavy_and_is_fast():
    code = (
        "import sys, time; began = time.process_time(); import recirc; took = time.process_time() - began\n"
        f"import json; print(json.dumps([took, [name for name in {HEAVY} if name in sys.modules]]))"
    )
    runs = [json.loads(_python(code)) for _ in range(3)]
    assert [loaded for _, loaded in runs] == [[], [], []]
    assert min(took for took, _ in runs) < 0.05  # seconds of the processor, about 0.005


def test_importing_every_module_changes_no_setting_of_jax():
    modules = [_module_name(path) for path in FILES if path.stem != "__main__"]
    code = (
        "import importlib, jax\nbefore = dict(jax.config.values)\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "print(dict(jax.config.values) == before, jax.config.jax_enable_x64)"
    )
    assert _python(code).split() == ["True", "False"]


def test_public_names_resolve():
    for name in recirc.__all__:
        assert getattr(recirc, name) is not None
        assert name in dir(recirc)
    for layer in set(recirc._SUBMODULES) - {"studies", "types"}:
        origins = {name: getattr(item, "__module__", "recirc") for name, item in vars(getattr(recirc, layer)).items()}
        strange = [name for name, origin in origins.items() if name[0] != "_" and not origin.startswith("recirc")]
        assert strange == [], f"recirc.{layer} exports what is not its own"


def test_signatures_promotion_and_warnings_are_checked_while_tests_run():
    network = recirc.circuits.RateNetwork.random(n_units=4, key=jax.random.key(0))
    with pytest.raises(jaxtyping.TypeCheckError, match="unit=4"):
        dataclasses.replace(network, bias=network.bias[1:])
    with pytest.raises(jax.dtypes.TypePromotionError):
        network.bias + network.bias.astype("float32")
    with pytest.raises(UserWarning, match="any"):
        warnings.warn("any", stacklevel=1)


def test_a_network_of_another_kind_is_not_trained():
    """Outside of tests no signature is checked, and a sentence says what is wrong."""
    code = (
        "import recirc, jax, numpy as np; recirc.enable_x64()\n"
        "gru = recirc.circuits.from_arrays(W=np.zeros((9, 3)), W_in=np.zeros((9, 2)), form='gru', dt=0.01)\n"
        "trials = recirc.tasks.CenterOutReach().trials(4, key=jax.random.key(0))\n"
        "try: recirc.fit(recirc.train.Ridge(), gru, trials, key=jax.random.key(0))\n"
        "except ValueError as error: print(error)"
    )
    assert _python(code) == "a StepCircuit cannot be trained here; give a RateNetwork.\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="circuit"):
        _ = recirc.circuit


@_named(FILES)
def test_everything_public_says_what_it_is(path):
    module = importlib.import_module(_module_name(path))
    own = [
        item
        for name, item in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(item) or inspect.isroutine(item))
        and getattr(item, "__module__", None) == module.__name__
    ]
    made_up = tuple(f"{item.__name__}(" for item in own if inspect.isclass(item))  # by `dataclass`
    silent = [item.__name__ for item in own if not item.__doc__ or (made_up and item.__doc__.startswith(made_up))]
    assert (module.__doc__ or "").strip(), "the file has no docstring"
    assert silent == []


@_named([path for path in FILES if ">>> " in path.read_text()])
def test_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.setenv("RECIRC_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(_module_name(path))
    found = doctest.DocTestFinder(exclude_empty=True).find(module, extraglobs={"recirc": recirc, "jax": jax})
    written = len(re.findall(r"^\s*>>> ", path.read_text(), re.M))
    assert sum(len(test.examples) for test in found) == written, "an example is where doctest cannot find it"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said: list[str] = []
    for test in found:
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@_named(FILES)
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    long = {f.name: n for f in functions if (n := _body_length(f)) > 50}
    assert long == {}


def _body_length(function: ast.FunctionDef) -> int:
    """Lines from the first statement to the last, the docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_imports_point_one_way(monkeypatch):
    from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS


def test_one_version_everywhere():
    assert metadata.version("recirc") == recirc.__version__
    assert f"\nversion: {recirc.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## \[{re.escape(recirc.__version__)}\]", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_every_check_of_the_house_runs_the_command_of_the_readme():
    command = _line_below("tests")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == command
    assert _line_below("tests", "CONTRIBUTING.md") == command


def test_the_main_job_is_one_line_from_nothing():
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(script) == {"recirc"}
    assert _line_below("main job").startswith("python3 -m venv .venv && .venv/bin/pip install -q . && ")


TINY = (
    "recirc.analyses.FitConfig(n_seeds=1, n_folds=2, bias_scales=(0.5,), gain_factors=(), drive_factors=(), "
    "noise_factors=(), penalties=(0.01,), trainer=recirc.train.Ridge((1e-4,)), "
    "network=recirc.analyses.NetworkConfig(n_units=20))"
)
BRIEF = "config=recirc.analyses.VerdictConfig(n_draws=5, n_resamples=5, n_splits=9, n_twins=1)"


def _smaller(code: str, **changes: str) -> str:
    """Calls with further arguments, by the function called."""
    for name, arguments in changes.items():
        assert f"recirc.analyses.{name}(" in code
        code = re.sub(rf"(recirc\.analyses\.{name}\(.*?)key=", rf"\1{arguments}, key=", code)
    return code


def test_the_readme_runs(tmp_path):
    code = _smaller(_blocks("README.md"), fit_recording=f"config={TINY}", likeness="n_draws=2", verdict=BRIEF)
    for full, small in (
        ("stability_optimized(key", "stability_optimized(n_units=60, key"),
        ("FullForce()", "FullForce(n_passes=2)"),
        ("RateNetwork.random(key", "RateNetwork.random(n_units=50, key"),
    ):
        assert full in code
        code = code.replace(full, small)
    assert _python(code, folder=tmp_path) is not None


def test_calls_on_data_in_memory_run(tmp_path):
    code = _smaller(_blocks("docs/analyses.md"), fit_recording=f"config={TINY}", likeness="n_draws=2", verdict=BRIEF)
    for full, small in (("Pool(4)", "Pool(1)"), ('"n_units": 100', '"n_units": 20')):
        assert full in code
        code = code.replace(full, small)
    assert _python(code, folder=tmp_path).startswith("More alike than unrelated populations by")


@pytest.mark.parametrize("page", ["docs/circuits.md", "docs/data.md", "docs/studies/salatiello2020.md"])
def test_blocks_of_the_pages_run(page, tmp_path):
    assert _python(_blocks(page), folder=tmp_path) == ""


def test_a_figure_is_drawn_from_a_folder_as_the_page_says(tmp_path):
    random = np.random.default_rng(0)
    rows = [
        recirc.analyses.Row(
            *("heldout_direction_r2", "unit", arm, random.normal(0.6, 0.1)),
            condition={"set": "heldout_direction", "direction": f"{angle}", "seed": seed},
        )
        for angle in range(0, 360, 90)
        for arm, seed in (("network", 0), ("ensemble", None))
    ]
    with recirc.runs.RunFolder.open(tmp_path / "recirc-fit", specification={}) as folder:
        folder.write_metrics("fit", "", rows)
    assert _python(_blocks("docs/figures.md"), folder=tmp_path) == ""
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"r2_by_direction.svg", "r2_by_direction.png"}


def test_units_to_record_next_are_ranked_on_the_page(tmp_path):
    assert "deep" in _python(_blocks("docs/subsets.md"), folder=tmp_path)


def test_the_file_that_names_axes_is_one(tmp_path):
    np.savez(tmp_path / "rates.npz", rates=np.random.default_rng(0).uniform(0, 20, (4, 30, 5)))
    (tmp_path / "rates.toml").write_text(_blocks("docs/data.md", "toml"))
    assert recirc.read(tmp_path / "rates.toml").conditions == ("0", "90", "180", "270")


@pytest.mark.parametrize("page", ["docs/extend.md"])
def test_examples_of_the_pages_run(page, tmp_path):
    (tmp_path / "robust_readouts.py").write_text(_blocks(page))
    run = "if __name__ == '__main__': recirc.runs.experiment.run(robust_readouts.experiment(), 'folder', jobs=1)"
    assert _python(f"import recirc, robust_readouts\n{run}", folder=tmp_path) is not None
    assert (tmp_path / "folder" / "DONE").exists()
    listed = re.findall(r"^([\w.]+)/? {3,}\w", _blocks("README.md", "text"), re.M)
    assert set(os.listdir(tmp_path / "folder")) - {"report.json"} <= set(listed)
    written = json.loads((tmp_path / "folder" / "metrics.json").read_text())
    assert list(written) == re.findall(r'"(\w+)":', _blocks("docs/runs.md", "text"))


def test_the_configuration_shown_is_one(tmp_path):
    from recirc.analyses import FitConfig
    from recirc.runs.cluster import ClusterConfig

    (tmp_path / "fit.toml").write_text(_blocks("docs/runs.md", "toml"))
    config = recirc.runs.load_config(FitConfig, tmp_path / "fit.toml")
    (tmp_path / "chain.toml").write_text(_blocks("docs/tutorial.md", "toml").replace("[preprocessing]\n", ""))
    chain = recirc.runs.load_config(recirc.data.Preprocessing, tmp_path / "chain.toml")
    assert chain.align == "move_onset_time"
    (tmp_path / "cluster.toml").write_text(_blocks("docs/sweep.md", "toml"))
    assert recirc.runs.load_config(ClusterConfig, tmp_path / "cluster.toml").scheduler_file == "scheduler.json"
    assert (config.network.n_units, config.trainer.n_passes, config.trainer.drive) == (400, 20, 0.05)


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
