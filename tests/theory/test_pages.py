"""The pages of the site: every block is run somewhere, outputs are those of the code above, nothing is left out."""

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

import recirc

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SHORT = {  # run by `test_package.py`
    *("analyses.md", "circuits.md", "data.md", "extend.md", "figures.md", "runs.md", "studies/salatiello2020.md"),
    "subsets.md",
}
LIMIT = 240  # seconds of processor time: two minutes on two cores


def _tool(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where `spawn` and dataclasses look
    spec.loader.exec_module(module)
    return module


run_pages = _tool("run_pages")
MADE = sorted({*run_pages.PAGES, "gallery.md"})


def _pages() -> dict[str, str]:
    return {str(path.relative_to(DOCS)): path.read_text() for path in sorted(DOCS.rglob("*.md"))}


def _navigation(entry) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in _navigation(each)]


def _configuration() -> dict:
    class Loader(yaml.SafeLoader):
        """Tags of MkDocs stand for Python names, which nothing here needs."""

    Loader.add_multi_constructor("tag:", lambda loader, suffix, node: None)
    return yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)  # noqa: S506


def test_every_page_is_in_the_navigation():
    assert sorted(_navigation(_configuration()["nav"])) == sorted(_pages())


def test_every_block_is_run_by_a_test_or_by_the_slow_job():
    with_blocks = {name for name, text in _pages().items() if re.search(r"^```(python|sh|toml)$", text, re.M)}
    assert with_blocks <= SHORT | set(MADE)


@pytest.mark.parametrize("name", run_pages.PAGES)
def test_outputs_are_those_of_the_code_above_them(name):
    text = (DOCS / name).read_text()
    (run,) = re.findall(
        r"^\*Run on \d{4}-\d\d-\d\d with .*, (\d+) s of processor time\.\*\n<!-- code (\w+) -->$", text, re.M
    )
    assert run[1] == run_pages.code_of(text), f"run it again: python tools/run_pages.py {name}"
    assert int(run[0]) <= LIMIT
    pictures = re.findall(r"^!\[\]\((.+)\)$", text, re.M)
    assert [each for each in pictures if not (DOCS / name).with_name(each).exists()] == []


def test_the_gallery_shows_every_figure_with_the_code_of_its_example():
    text = (DOCS / "gallery.md").read_text()
    drawn = run_pages.drawn()
    assert len(drawn) >= 17
    for name, _, code in drawn:
        assert f"## {name}\n" in text, name
        assert f"```python\n{code}```" in text, f"run it again: python tools/run_pages.py gallery.md ({name})"
        assert (DOCS / "gallery" / f"{name}.png").exists()


def test_the_gallery_names_what_studies_draw_and_shows_what_is_kept():
    text = (DOCS / "gallery.md").read_text()
    assert run_pages.drawn_by_studies() in text, "run it again: python tools/run_pages.py gallery.md"
    shown = set(re.findall(r"\]\(studies/([-\w]+\.png)\)", text))
    assert shown == {path.name for path in (DOCS / "studies").glob("*.png")}


def test_the_home_page_has_the_commands_of_the_readme():
    for marker in ("main job", "tests"):
        both = [re.findall(rf"^<!-- {marker} -->\n+```\w+\n(.+)\n```$", page, re.M)
                for page in ((ROOT / "README.md").read_text(), (DOCS / "index.md").read_text())]  # fmt: skip
        assert both[0] == both[1]
        assert both[0]


def test_every_study_has_a_page():
    for study in recirc.studies.STUDIES:
        assert f"<!-- unknowns {study} -->" in (DOCS / "studies" / f"{study}.md").read_text()


def test_what_a_study_chose_is_told_with_its_numbers():
    pytest.importorskip("latex2mathml")
    hooks = _tool("site_hooks")
    for study in recirc.studies.STUDIES:
        assert "{" not in hooks.unknowns(study)


def test_the_glossary_is_in_order_and_says_each_word_once():
    words = [word.lower() for word in re.findall(r"^\*\*(.+)\*\*$", (DOCS / "glossary.md").read_text(), re.M)]
    assert words == sorted(set(words))
    assert len(words) > 30


def test_every_public_name_is_in_the_reference():
    pytest.importorskip("mkdocs")
    pytest.importorskip("latex2mathml")
    hooks = _tool("site_hooks")
    for layer in hooks.LAYERS:
        page = hooks.reference(layer)
        path = "recirc" if layer == "recirc" else f"recirc.{layer}"
        missing = [name for name in hooks.public_names(layer) if f"      heading: {path}.{name}\n" not in page]
        assert missing == []
    assert set(recirc._NAMES) <= set(hooks.public_names("recirc"))


def test_examples_of_docstrings_become_blocks_of_code():
    pytest.importorskip("griffe")
    fenced = _tool("griffe_examples").fenced
    assert fenced("One line.\n\nExample:\n    >>> 1 + 1\n    2\n") == "One line.\n\n```pycon\n>>> 1 + 1\n2\n```\n"
    assert fenced("One line.\n\n>>> 1 + 1\n2\n\nMore.") == "One line.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore.\n"


LAYERS = ("tasks", "data", "circuits", "train", "compare", "analyses", "figures", "runs", "studies")


def _public():
    """Every class and function that a layer exports, once."""
    found = {id(item): (name, item) for name in recirc._NAMES for item in [getattr(recirc, name)]}
    for layer in LAYERS:
        module = getattr(recirc, layer)
        for name in getattr(module, "_NAMES", None) or vars(module):
            item = getattr(module, name)
            if name[0] != "_" and (inspect.isclass(item) or inspect.isroutine(item)):
                found.setdefault(id(item), (f"{layer}.{name}", item))
    return dict(found.values())


def _examples(item) -> bool:
    own = [item, *(vars(item).values() if inspect.isclass(item) else ())]
    docs = [inspect.getdoc(each) or "" for each in own if not isinstance(each, str | bytes | int | float | tuple)]
    return any(">>>" in doc for doc in docs)


def test_every_public_name_has_an_example_that_runs():
    assert [name for name, item in _public().items() if not _examples(item)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", run_pages.PAGES)
def test_tutorials_run(name, monkeypatch):
    if name == "tutorials/progress.md":
        pytest.importorskip("wandb")
        pytest.importorskip("tensorboardX")
    assert run_pages.run_page(name, keep=False) < LIMIT
