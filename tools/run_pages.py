"""The slow job: runs what stands on pages of the site, and keeps what it gives in them.

    python tools/run_pages.py [PAGE.md ...]           # all of them without a name
    python tools/run_pages.py --drawings-of FOLDER    # pictures of a study's page, from a run of it

A page is its own notebook (`jupytext --to ipynb PAGE.md` makes one to click through). Blocks of Python share a
namespace, blocks of sh the same empty folder; what either prints, and a value on the last line of a block, is written
below the block, figures and tables as a notebook shows them. The last line of a page says when it was run, and how long
that took.
The gallery is made here too: for every figure its docstring's example, and what that draws.
"""

import argparse
import ast
import contextlib
import datetime
import doctest
import hashlib
import inspect
import io
import json
import multiprocessing
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = (
    "start.md",
    "tutorial.md",
    "sweep.md",
    *sorted(f"tutorials/{path.name}" for path in (DOCS / "tutorials").glob("*.md")),
)
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n", re.M | re.S)
OUTPUT = re.compile(r"\n<!-- output -->\n.*?<!-- end -->\n", re.S)
RUN = re.compile(r"\n\*Run on [^\n]*\*\n<!-- code (\w+) -->\n")
WIDTH = 800  # pixels of a picture
UNWANTED = r"\n\s*|<style.*?</style>|</?div>| style=\"[^\"]*\"| border=\"1\" class=\"dataframe\""  # of tables


def code_of(text: str) -> str:
    """sha256 of all that a page runs, shortened."""
    return hashlib.sha256("\n".join(code for _, code in BLOCK.findall(OUTPUT.sub("", text))).encode()).hexdigest()[:12]


def run_page(name: str, keep: bool = True) -> float:
    """Run one page in an empty folder, and write what it gives into it; seconds of processor time that it took.

    Raises:
        RuntimeError: with the block that failed, and why.
    """
    path, began = DOCS / name, _processor_time()
    text = RUN.sub("", OUTPUT.sub("", path.read_text(encoding="utf-8"))).rstrip("\n") + "\n"
    stem = path.with_suffix("")
    if keep:
        for old in path.parent.glob(f"{path.stem}-[0-9]*.png"):
            old.unlink()
    pictures: list[Path] = []
    parts, end, space = [], 0, {"__name__": "__page__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in BLOCK.finditer(text):
            picture = Path(f"{stem}-{len(pictures) + 1}.png") if keep else Path("picture.png")
            try:
                if block[1] == "sh":
                    given = _shell(block[2], picture, pictures)
                else:
                    given = _python(block[2], space, picture, pictures)
            except Exception as error:
                raise RuntimeError(f"{name}:\n{block[2]}\n{error}\n{traceback.format_exc(limit=-3)}") from None
            parts += [text[end : block.end()], f"\n<!-- output -->\n{given}<!-- end -->\n" if given else ""]
            end = block.end()
    took = _processor_time() - began
    import recirc

    about = f"recirc {recirc.__version__}, Python {platform.python_version()}, {took:.0f} s of processor time"
    said = f"\n*Run on {datetime.date.today().isoformat()} with {about}.*\n<!-- code {code_of(text)} -->\n"
    if keep:
        path.write_text("".join([*parts, text[end:], said]), encoding="utf-8")
    return took


def _processor_time() -> float:
    """Of this process and its children, seconds: other work on the machine does not count."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _shell(code: str, picture: Path, pictures: list[Path]) -> str:
    """What commands print, and the picture that they made; an exit code of 1 is how a command says no."""
    before, environment = set(Path().glob("*.png")), _environment()
    done = subprocess.run(["bash", "-ec", code], env=environment, capture_output=True, text=True)
    if done.returncode > 1 or "Warning" in done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    made = sorted(set(Path().glob("*.png")) - before)
    return _apart(_fence(done.stdout), *(_kept(each, picture, pictures) for each in made[:1]))


def _environment() -> dict[str, str]:
    """Programs of this Python come first; $CLONE is the repository."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "COLUMNS": "110", "CLONE": str(ROOT)}


def _kept(made: Path, picture: Path, pictures: list[Path]) -> str:
    """A picture that a command made, small enough for a page."""
    _shrunk(made, picture)
    pictures.append(picture)
    return f"![]({picture.name})\n"


def _python(code: str, space: dict, picture: Path, pictures: list[Path]) -> str:
    """What a block prints, and its last value as a notebook shows it."""
    tree, printed, value = ast.parse(code), io.StringIO(), None
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        exec(compile(tree, "<page>", "exec"), space)  # noqa: S102
        if last is not None:
            value = eval(compile(last, "<page>", "eval"), space)  # noqa: S307
    if "Warning" in printed.getvalue():
        raise RuntimeError(printed.getvalue())
    return _apart(_fence(printed.getvalue()), _shown(value, picture, pictures))


def _apart(*parts: str) -> str:
    """Paragraphs of their own: a picture next to a block of text would be part of no paragraph."""
    return "\n".join(part for part in parts if part)


def _shown(value, picture: Path, pictures: list[Path]) -> str:
    if hasattr(value, "savefig"):
        save_small(value, picture)
        pictures.append(picture)
        return f"![]({picture.name})\n"
    if hasattr(value, "_repr_html_"):
        html = re.sub(UNWANTED, "", value._repr_html_(), flags=re.S)
        return f'<div class="output">{html}</div>\n'
    return "" if value is None else _fence(repr(value))


def save_small(figure, path: Path) -> None:
    """A figure as a PNG of a few kilobytes: 64 colors are enough for lines and points."""
    import recirc

    path.parent.mkdir(exist_ok=True)
    path.write_bytes(recirc.figures.render(figure)["png"])
    _shrunk(path, path)


def _shrunk(source: Path, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    with Image.open(source) as image:
        image.thumbnail((WIDTH, 4 * WIDTH))
        image.convert("RGB").quantize(64).save(path, optimize=True)


def _fence(text: str) -> str:
    lines = text.rstrip().replace(str(Path.cwd()), "…").replace(tempfile.gettempdir(), "…").splitlines()
    return "```text\n" + "\n".join(lines) + "\n```\n" if lines else ""


def drawn() -> list[tuple[str, str, str]]:
    """Of every figure: its name, its first line of documentation, and the code of its example."""
    import recirc

    found = []
    for name, item in vars(recirc.figures).items():
        if inspect.isfunction(item) and "Figure" in str(inspect.signature(item).return_annotation):
            parts = doctest.DocTestParser().get_examples(item.__doc__)
            found.append((name, item.__doc__.split("\n")[0], "".join(part.source for part in parts)))
    return found


def run_gallery() -> float:
    """Draw every figure by its example into `gallery/`, and write the page."""
    import recirc

    began, lines = _processor_time(), []
    (DOCS / "gallery").mkdir(exist_ok=True)
    recirc.enable_x64()
    for name, summary, code in drawn():
        space = {"recirc": recirc}
        exec(code, space)  # noqa: S102
        save_small(space["figure"], DOCS / "gallery" / f"{name}.png")
        with recirc.figures.one_column():
            exec(code, narrow := {"recirc": recirc})  # noqa: S102
        save_small(narrow["figure"], DOCS / "gallery/one_column" / f"{name}.png")
        lines.append(f"## {name}\n\n{summary}\n\n![{name}](gallery/{name}.png)\n\n```python\n{code}```\n")
    took = _processor_time() - began
    about = f"recirc {recirc.__version__}, Python {platform.python_version()}, {took:.0f} s of processor time"
    said = f"\n*Run on {datetime.date.today().isoformat()} with {about}.*\n"
    head = (
        "# Gallery\n\nEvery figure of `recirc.figures` with the code that draws it, which is the example of its "
        "docstring: small\nmade-up numbers in the place of yours. [What each shows](figures.md). All need "
        "`import recirc`. At the end: [what studies draw](#what-studies-draw).\n\n"
    )
    (DOCS / "gallery.md").write_text(head + "\n".join([*lines, drawn_by_studies()]) + said, encoding="utf-8")
    return took


OF_STUDIES = """## What studies draw

Of its own run a study also draws the following, all of it in its report and in `figures/` of its folder. One of them by
itself: `recirc.studies.find("qian2024")`, which brings the study's drawings, then
`recirc.figures.draw(read_result("recirc-qian2024-quick"), "matched")`, with `read_result` from `recirc.runs.report`.
Those that are shown are of the runs on the studies' pages, which say the preset, or of the preset named below them;
a few are drawn by `full` alone, and no run with them is kept here.
"""
OF_PRESETS = {"": "", "quick-": ", quick preset"}  # in the names of pictures, and what is said below them


def drawn_by_studies() -> str:
    """Of every study its drawings: what each shows, as the report says it, and those that are kept for its page."""
    import recirc

    parts = [OF_STUDIES]
    for study in recirc.studies.STUDIES:
        recirc.studies.find(study)
        title = (DOCS / "studies" / f"{study}.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        words = tomllib.loads((ROOT / "src/recirc/studies" / study / "report.toml").read_text(encoding="utf-8"))
        said = {name: text for section in words["sections"] for name, text in section.get("figures", {}).items()}
        names = list(recirc.figures.DRAWINGS[study])
        files = {f"{study}-{prefix}{name}.png": (name, note) for name in names for prefix, note in OF_PRESETS.items()}
        lines = "\n".join(f"| `{name}` | {_plain(said[name])} |" for name in names)
        pictures = "\n\n".join(
            f"![{study}, {name}](studies/{file})\n\n*`{name}`{note}*"
            for file, (name, note) in files.items()
            if (DOCS / "studies" / file).exists()
        )
        head = f"### [{title}](studies/{study}.md)\n\n| drawing | shows |\n|---|---|\n"
        parts.append(f"{head}{lines}\n\n{pictures}\n")
    return "\n".join(parts)


def keep_drawings(folder: Path, prefix: str = "") -> list[str]:
    """Take the drawings that are shown on the site anew from the folder of a study's run, and say which."""
    study = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["study"]
    kept = []
    for drawing in sorted((folder / "figures").glob("*.png")):
        target = DOCS / "studies" / f"{study}-{prefix}{drawing.name}"
        if target.exists():
            _shrunk(drawing, target)
            _shrunk(drawing.parent / "one_column" / drawing.name, target.parent / "one_column" / target.name)
            kept.append(target.name)
    return kept


def _plain(caption: str) -> str:
    """A caption without the sentences that a run fills in."""
    return " ".join(each for each in re.split(r"(?<=\.) +", " ".join(caption.split())) if "{" not in each)


def _run(name: str) -> str:
    took = run_gallery() if name == "gallery.md" else run_page(name)
    return f"{name}: {took:.0f} s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pages", nargs="*", default=[*PAGES, "gallery.md"])
    parser.add_argument("--drawings-of", type=Path, help="folder of a study's run: take its drawings, and run nothing")
    parser.add_argument("--prefix", default="", help="of those drawings' names, such as 'quick-'")
    asked = parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "WANDB_SILENT": "true"}
    if asked.drawings_of:
        print(*keep_drawings(asked.drawings_of, asked.prefix), sep="\n")
        sys.exit()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:  # pages share no state
        for line in pool.imap(_run, asked.pages, chunksize=1):
            print(line, flush=True)
