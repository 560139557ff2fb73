"""Checks that need more than one environment; what a change is asked for is in `.ci/run`.

nox                        # all of them; interpreters that are not there are skipped
nox -s tests-3.12          # the wheel under one Python
"""

from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOWEST = (
    "theory/test_types.py", "theory/test_tasks.py", "theory/test_readers.py", "theory/test_one_column.py",
    "faults/test_report.py", "faults/test_cli.py", "contracts",
)  # fmt: skip
PROJECT = nox.project.load_toml("pyproject.toml")
TESTS = nox.project.dependency_groups(PROJECT, "test")

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ("tests", "lowest", "dist", "docs")


def _wheel(session: nox.Session) -> str:
    folder = Path(session.create_tmp()).absolute()
    session.run("uv", "build", "-q", "--wheel", "--clear", "-o", str(folder), external=True)
    return str(next(folder.glob("*.whl")))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The wheel, installed as users have it, under every Python: import, command line, and the tests."""
    session.install(f"{_wheel(session)}[nwb]", *TESTS)
    session.run("recirc", "--version")
    session.run("python", "-m", "pytest", *(session.posargs or ["-n", "2"]))


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml admits of what it names, and the quick part of the tests."""
    lowest = str(Path(session.create_tmp()) / "lowest.txt")
    line = ["--resolution", "lowest-direct", "--python-version", PYTHONS[0], "--extra", "nwb"]
    session.run("uv", "pip", "compile", "-q", *line, "pyproject.toml", "-o", lowest, external=True)
    own = [each for each in TESTS if not each.startswith("import-linter")]  # needs more than the lowest, and is not run
    session.install("-r", lowest, "-e", ".", *own)
    session.run("python", "-m", "pytest", "-n", "2", *(f"tests/{name}" for name in LOWEST))


@nox.session(python=PYTHONS[0])
def torch(session: nox.Session) -> None:
    """Networks from PyTorch beside PyTorch, and safetensors beside its own package."""
    session.install("-e", ".", *TESTS, *nox.project.dependency_groups(PROJECT, "torch"))
    session.run("python", "-c", "import torch, safetensors")  # without them these tests would be skipped
    session.run("python", "-m", "pytest", "tests/theory/test_imported_networks.py", *session.posargs)


@nox.session(python=PYTHONS[0])
def dist(session: nox.Session) -> None:
    """Wheel and sdist as they would be published, and how the package is cited."""
    folder = Path(session.create_tmp()).absolute()
    session.run("uv", "build", "-q", "--clear", "-o", str(folder), external=True)
    session.install("twine", "cffconvert")
    session.run("twine", "check", "--strict", *map(str, folder.glob("recirc-*")))
    session.run("cffconvert", "--validate", "-i", "CITATION.cff")


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """The site, with the outputs that its pages hold."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=PYTHONS[0])
def pages(session: nox.Session) -> None:
    """The slow job: every tutorial and figure of the gallery is run anew, and its page says when."""
    session.install("-e", ".[nwb]", "wandb", "tensorboardX")
    session.run("python", "tools/run_pages.py", *session.posargs)


@nox.session(python=PYTHONS[0])
def audit(session: nox.Session) -> None:
    """Known weaknesses of what gets installed; asks a public database, and fails where that does not know a package."""
    asked = str(Path(session.create_tmp()) / "asked.txt")
    line = ["--generate-hashes", "--python-version", PYTHONS[0], "--extra", "nwb", "pyproject.toml", "-o", asked]
    session.run("uv", "pip", "compile", "-q", *line, external=True)
    session.install("pip-audit")
    session.run("pip-audit", "--strict", "--disable-pip", "--require-hashes", "-r", asked)
