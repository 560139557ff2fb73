"""What says how the package is installed and cited agrees with itself."""

import json
import re
import tomllib
from pathlib import Path

import recirc

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = {"dask": "dask-core", "matplotlib": "matplotlib-base"}  # what others call the part that is needed


def _conda_requirements() -> list[str]:
    recipe = (ROOT / "conda" / "meta.yaml").read_text()
    run = recipe.split("  run:\n")[1].split("\n\n")[0]
    return re.findall(r"- (.+)", run)


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    parts = [re.fullmatch(r"([\w-]+)(.*)", each).groups() for each in PROJECT["dependencies"]]
    wanted = [f"{CONDA.get(name, name)} {version}" for name, version in parts]
    assert _conda_requirements() == [f"python {PROJECT['requires-python']}", *wanted]


def test_recipe_and_archive_have_the_version():
    assert f'{{% set version = "{recirc.__version__}" %}}' in (ROOT / "conda" / "meta.yaml").read_text()
    archive = json.loads((ROOT / ".zenodo.json").read_text())
    assert archive["version"] == recirc.__version__
    assert f'title: "{archive["title"]}"\n' in (ROOT / "CITATION.cff").read_text()
    assert archive["license"] == PROJECT["license"]
    assert archive["keywords"] == PROJECT["keywords"]


def test_the_newest_release_is_dated_as_it_is_cited():
    version, date = re.findall(r"^## \[([\d.]+)\] - (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    assert version == recirc.__version__
    assert f"\ndate-released: {date}\n" in (ROOT / "CITATION.cff").read_text()


def test_classifiers_are_the_pythons_that_nox_asks_for():
    asked = re.search(r"^PYTHONS = \((.+)\)$", (ROOT / "noxfile.py").read_text(), re.M).group(1)
    named = [each.split(" :: ")[-1] for each in PROJECT["classifiers"] if "Python :: 3." in each]
    assert re.findall(r'"([\d.]+)"', asked) == named


def test_the_source_archive_has_all_that_the_tests_read():
    tests = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")))
    read = {name for name in re.findall(r'ROOT / "([^"/{]+)', tests) if (ROOT / name).exists()}
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    kept = {"pyproject.toml", *(each[1:] for each in include)}
    assert {".github", ".zenodo.json", "conda", "docs"} <= read
    assert {name for name in read if name not in kept and not name.endswith(".md")} == set()


def test_public_and_own_checks_run_the_same():
    public = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: bash .ci/run" in public
    sessions = re.search(r"session: \[(.+)\]", public).group(1).replace("tests-3", "tests 3").split(", ")
    written = re.findall(r"^def ([a-z]+)\(session", (ROOT / "noxfile.py").read_text(), re.M)
    assert {each.split()[0] for each in sessions} | {"pages"} == set(written)
