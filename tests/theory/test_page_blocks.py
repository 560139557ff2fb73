"""Blocks that no page runs: commands parse, signatures are those of the code, and no block is told by its indent."""

import ast
import inspect
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import recirc
from recirc.cli import app

ROOT = Path(__file__).parents[2]
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))}
LANGUAGES = {"python", "sh", "toml", "console", "text"}  # the first two are run, commands of `console` take too long
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
OUTPUT = re.compile(r"^<!-- output -->\n.*?^<!-- end -->$", re.M | re.S)
OTHERS = {"python3 -m venv", ".venv/bin/python -m pytest", ". .venv/bin/activate"}  # run by `.ci/run`


def indented(text: str) -> list[str]:
    """First lines of blocks that are code to Markdown by their indent alone."""
    return re.findall(r"(?:\A|\n[ \t]*\n)((?: {4}|\t).*)", FENCE.sub("", text))


def commands(text: str) -> list[str]:
    """Every command in blocks of `console` and `sh`, however they are joined; what a here-document holds is none."""
    code = "\n".join(each[1] for each in FENCE.findall(OUTPUT.sub("", text)) if each[0] in ("console", "sh"))
    code = re.sub(r"<<'END'\n.*?^END$", "", code, flags=re.M | re.S).replace("\\\n", " ")
    lines = (line.split("  #")[0] for line in code.splitlines() if line.strip())
    return [part.strip() for line in lines for part in re.split(r" && | \| ", line)]


def inline(text: str) -> list[str]:
    """Commands inside of sentences, which may have an ellipsis for what does not matter."""
    return re.findall(r"`(recirc [^`.…]*(?:\.\w[^`.…]*)*)`", FENCE.sub("", text))


def signatures(text: str) -> list[tuple[str, str]]:
    """Name and parameters of every call that a block of text shows."""
    code = "\n".join(each[1] for each in FENCE.findall(OUTPUT.sub("", text)) if each[0] == "text")
    return re.findall(r"^([\w.]+)\((.*?)\)(?: ->.*)?$", code, re.M)


@pytest.fixture
def parsed(monkeypatch):
    """Runs the command line with stand-ins for all that computes, and gives its exit code and what it said."""

    def make(given, *_, **__):
        if isinstance(given, str) and given not in recirc.studies.STUDIES:
            raise ValueError(f"{given} is no study.")

    for place in ("studies.experiment", "studies.fit.experiment", "studies.compare.experiment"):
        monkeypatch.setattr(f"recirc.{place}", make)
    monkeypatch.setattr("recirc.cli.experiments.run", lambda make, *_, **__: make())

    def end(*_, **__):
        raise typer.Exit

    for place in ("files.run_into", "files.run_plain", "sweeps.run", "sweeps.run_plain"):
        monkeypatch.setattr(f"recirc.cli.{place}", end)

    def parsed(line: str) -> tuple[int, str]:
        outcome = CliRunner().invoke(app, shlex.split(line)[1:])
        return outcome.exit_code, outcome.output + str(outcome.exception or "")

    return parsed


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page):
    assert indented(PAGES[page]) == []
    assert {language for language, _ in FENCE.findall(PAGES[page])} <= LANGUAGES
    assert PAGES[page].count("```") == 2 * len(FENCE.findall(PAGES[page])), "a block is within another, or not closed"
    assert "~~~" not in PAGES[page]


def test_a_block_by_indent_is_found():
    fenced = "A line:\n\n```text\n\n    not this\n```\n"
    assert indented(fenced) == []
    assert indented(fenced + "\n    this = 1\n    and\n\nmore\n \n\tthat") == ["    this = 1", "\tthat"]


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if commands(text) or inline(text)])
def test_every_command_parses(page, parsed, monkeypatch):
    monkeypatch.chdir(ROOT)
    own = [line for line in commands(PAGES[page]) if re.match(r"(\.venv/bin/)?recirc ", line)]
    assert {line: said for line in own for code, said in [parsed(line)] if code != 0} == {}
    for line in inline(PAGES[page]):
        code, said = parsed(re.sub(r"\b[A-Z]\b", "2", line))  # `--subsets K`
        is_known = code == 0 or "Missing argument" in said or "robust_readouts is no study" in said  # that of a page
        assert is_known, f"{line}: {said}"


@pytest.mark.parametrize("line", ["recirc fit a.nwb --subset 3", "recirc fit a.nwb --set n_seed=1", "recirc fot a.nwb",
                                  "recirc reproduce kao2018", "recirc reproduce kao2019 --preset small"])  # fmt: skip
def test_a_command_that_is_wrong_does_not_parse(line, parsed):
    assert parsed(line)[0] != 0


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "```console\n" in text])
def test_other_commands_that_are_not_run_here_are_those_of_the_set_up(page):
    shown = "\n".join(re.findall(r"^```console\n.*?^```$", PAGES[page], re.M | re.S))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line in commands(shown):
        if line.split()[1:2] == ["install"]:
            assert set(re.findall(r"\[(\w+)\]", line)) <= set(extras)
        else:
            assert re.match(r"(\.venv/bin/)?recirc ", line) or any(line.startswith(other) for other in OTHERS), line


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if signatures(text)])
def test_signatures_are_those_of_the_code(page):
    for name, given in signatures(PAGES[page]):
        shown = ast.parse(f"def shown({re.sub(r': [A-Z][a-z]+', '', given)}): ...").body[0]
        assert isinstance(shown, ast.FunctionDef)
        parameters = [each for each in inspect.signature(_named(name)).parameters.values() if each.name != "self"]
        keywords = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
        assert [each.arg for each in shown.args.args] == [each.name for each in parameters if each not in keywords]
        assert [each.arg for each in shown.args.kwonlyargs] == [each.name for each in keywords]
        defaults = [ast.literal_eval(each) if each else inspect.Parameter.empty for each in shown.args.kw_defaults]
        assert defaults == [each.default for each in keywords]


def _named(name: str) -> Any:
    """What a page calls by this name: of a kind of measure, its call."""
    if name in ("Similarity", "Portrait", "Probe"):
        return getattr(recirc.compare, f"Abstract{name}").__call__
    for home in (recirc, recirc.circuits, recirc.tasks):
        try:
            item = home
            for part in name.removeprefix("recirc.").split("."):
                item = getattr(item, part)
        except AttributeError:
            continue
        return item
    raise AssertionError(f"{name} is nowhere")
