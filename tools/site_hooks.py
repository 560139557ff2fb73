"""What MkDocs cannot do by itself: the pages of the reference, equations without scripts, links into the repository."""

import html
import inspect
import posixpath
import re
import sys
import tomllib
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
BLOB = "https://github.com/recirc/recirc/blob/main"
LAYERS = ("recirc", "tasks", "data", "circuits", "train", "compare", "analyses", "figures", "runs", "studies")
PAGES = {f"api/{layer}.md": layer for layer in LAYERS}


def public_names(layer: str) -> list[str]:
    """What a layer exports, in the order of its `__init__.py`; modules have pages of their own."""
    import recirc

    if layer == "recirc":
        return sorted(name for name in recirc._NAMES)
    module = getattr(recirc, layer)
    names = list(getattr(module, "_NAMES", ())) or [name for name in vars(module) if name[0] != "_"]
    return [name for name in dict.fromkeys(names) if not inspect.ismodule(getattr(module, name))]


def reference(layer: str) -> str:
    """The page of a layer: a heading and a directive per public name."""
    import recirc

    module = recirc if layer == "recirc" else getattr(recirc, layer)
    path = "recirc" if layer == "recirc" else f"recirc.{layer}"
    entries = [_entry(getattr(module, name), f"{path}.{name}") for name in public_names(layer)]
    return "\n\n".join([f"# {path}", str(module.__doc__).strip().split("\n\n")[0], *entries]) + "\n"


def _entry(item, name: str) -> str:
    """The directive of a name, from where it is defined, or, as data cannot say where that is, where it is exported."""
    home = f"{item.__module__}.{item.__qualname__}" if hasattr(item, "__qualname__") else name
    return f"::: {home}\n    options:\n      heading: {name}\n      toc_label: {name.rsplit('.')[-1]}"


def on_config(config):
    """The reference goes to the end of the navigation."""
    config.nav.append({"Reference": [{layer: page} for page, layer in PAGES.items()]})
    return config


def on_files(files, config):
    """Add the pages of the reference, which are made here."""
    for page, layer in PAGES.items():
        files.append(File.generated(config, page, content=reference(layer)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links that leave the folder of pages lead to the repository; what a study chose comes from its words."""
    depth = page.file.src_uri.count("/")
    outside = re.compile(rf"\]\({'../' * (depth + 1)}(?!\.\./)([^)]+)\)")
    markdown = outside.sub(rf"]({BLOB}/\1)", markdown)
    return re.sub(r"^<!-- unknowns (\w+) -->$", lambda found: unknowns(found[1]), markdown, flags=re.M)


def unknowns(study: str) -> str:
    """What the paper of a study leaves open and what was chosen in its full preset, as a table."""
    sizes = _sizes(study)
    words = tomllib.loads((ROOT / "src/recirc/studies" / study / "report.toml").read_text())
    lines = [
        [" ".join(each[key].format_map(sizes).split()) for key in ("what", "paper", "here")]
        for each in words["unknowns"]
    ]
    rows = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return f"| what | in the paper | here, and why |\n|---|---|---|\n{rows}"


def _sizes(study: str) -> dict:
    """What the choices of a study name."""
    if study == "kao2019":
        from recirc.studies.kao2019.design import PRESETS, WINDOWS

        training = PRESETS["full"].training
        return {"training": training, "n_updates": training["n_passes"] * training["n_updates"], "windows": WINDOWS}
    if study == "qian2024":
        from recirc.studies.qian2024.design import N_FORCE, N_HIDDEN

        return {"n_hidden": N_HIDDEN, "n_force": N_FORCE}
    return {}


def on_page_content(content, page, config, files):
    """Equations as MathML, which browsers draw by themselves; wide tables and pictures as narrow screens need them."""
    display = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.S)
    inline = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.S)
    content = display.sub(lambda found: f'<div class="equation">{_math(found[1], "block")}</div>', content)
    content = inline.sub(lambda found: f'<span class="inline">{_math(found[1], "inline")}</span>', content)
    content = re.sub(
        r"<table(?! class=\"highlight).*?</table>", r'<div class="scroll">\g<0></div>', content, flags=re.S
    )
    return re.sub(r'<img [^>]*?src="([^":]+)"[^>]*>', lambda found: _picture(found, page), content)


def _picture(found: re.Match, page) -> str:
    """An image, and for narrow screens the one that was drawn for one column, if there is one."""
    folder, _, name = found[1].rpartition("/")
    narrow = f"{folder}/one_column/{name}".lstrip("/")
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.dest_uri), narrow))
    if not (ROOT / "docs" / place).is_file():
        return found[0]
    return f'<picture><source media="(max-width: 600px)" srcset="{narrow}">{found[0]}</picture>'


def _math(latex: str, display: str) -> str:
    return convert(html.unescape(latex).strip(), display=display)
