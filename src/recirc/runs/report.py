"""The report of a run: one static page without scripts, rebuilt from what the run folder holds."""

import contextlib
import dataclasses
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import xarray as xr

from recirc import figures
from recirc.analyses.result import AnalysisResult
from recirc.analyses.sources import bibtex, sources_of_result
from recirc.analyses.table import Claim, Row, frame
from recirc.data.netcdf import read_dataset
from recirc.figures.labels import label
from recirc.runs import report_tables as tables
from recirc.runs.metrics import read_metrics, strict_json
from recirc.runs.report_pictures import NAME, embed, width
from recirc.storage import write_atomic

_ONE_COLUMN = "figures/one_column"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of the run folder: its file name in `figures/` without the ending, and a caption on what to look at."""

    name: str
    caption: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """Headings, a sequence of cells per line, and a title; numbers have three significant digits, None is a dash.

    One that is `folded` shows its title alone until it is opened.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    folded: bool = False


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the report; blank lines in `text` separate paragraphs."""

    title: str
    text: str = ""
    figures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


@dataclasses.dataclass(frozen=True)
class ReportText:
    """The words of a report.

    Args:
        title: of the page.
        verdict: a paragraph that the numbers have written.
        sections: in order.
        unknowns: (what, what the source says, what was chosen and why), for what a paper leaves open.
        failures: (which run, what happened), besides those that `metrics.json` tells of.
        command: the line that makes this run again; that of `manifest.json` if empty.
        key_numbers: whether the medians over all networks of an arm are worth a table.
        every_number: whether all lines of `metrics.json` are; a large sweep has its own table.
        about: that of the result, which figures may need.
    """

    title: str
    verdict: str = ""
    sections: Sequence[Section] = ()
    unknowns: Sequence[Sequence[str]] = ()
    failures: Sequence[Sequence[str]] = ()
    command: str = ""
    key_numbers: bool = True
    every_number: bool = True
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_toml(cls, path: Path, values: Mapping[str, Any], **tables: Table) -> "ReportText":
        """The words that a file holds, filled with what a run has found.

        Every text in it is for `str.format`. There are `title`, `verdict` and perhaps `key_numbers` and `every_number`;
        `sections`, each with a `title`, a `text`, captions of `figures` by name, names of `tables`, and in `needs` the
        name of a value that must be true for it to be there; `unknowns`, each with `what`, `paper` and `here`; and
        `choices`, the sentences that stand for the possible values of one name. `claims` are for `read_words`.

        Args:
            path: of the file.
            values: what the texts name in braces.
            tables: that the sections name.

        Raises:
            KeyError: if a text names a value, or a section a table, that is not given.
        """
        data, values = read_words(path), dict(values)
        for name, sentences in data.pop("choices", {}).items():
            values[name] = sentences.get(str(values[name]).lower(), "").format_map(values)
        data.pop("claims", None)
        data["sections"] = [part for part in data["sections"] if "needs" not in part or values[part["needs"]]]
        data, sections = _rewritten(data, lambda text: text.format_map(values)), []
        for part in data.pop("sections"):
            pictures = [Picture(*each) for each in part.get("figures", {}).items()]
            shown = [tables[name] for name in part.get("tables", ())]
            sections.append(Section(part["title"], part.get("text", "").strip(), pictures, shown))
        unknowns = [[entry[name] for name in ("what", "paper", "here")] for entry in data.pop("unknowns", ())]
        return cls(**data, sections=sections, unknowns=unknowns)

    @property
    def pictures(self) -> list[str]:
        """Names of the figures of all sections."""
        return [picture.name for section in self.sections for picture in section.figures]


def read_words(path: Path) -> dict[str, Any]:
    """What a TOML file of words holds; a single line break in a text is a space."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return _rewritten(data, lambda text: re.sub(r"(?<=\S)\n(?=\S)", " ", text.rstrip()))


def _rewritten(data, change: Callable[[str], str]) -> Any:
    """The data with every text in it changed."""
    if isinstance(data, dict):
        return {name: _rewritten(value, change) for name, value in data.items()}
    if isinstance(data, list):
        return [_rewritten(value, change) for value in data]
    return change(data) if isinstance(data, str) else data


def write_text(folder, text: ReportText) -> Path:
    """Keep the words of a report in the run folder, as `report.json`.

    Raises:
        StorageError: if it cannot be written.
    """
    path = Path(folder) / "report.json"
    write_atomic(path, strict_json(dataclasses.asdict(text)).encode())
    return path


def read_text(path: Path) -> ReportText:
    """The words of a report.

    Raises:
        ValueError: if the file is not what `write_text` writes.
    """
    kinds = {"figures": Picture, "tables": Table}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        sections = [
            Section(**part | {name: [kind(**each) for each in part.get(name, ())] for name, kind in kinds.items()})
            for part in data.get("sections", ())
        ]
        return ReportText(**data | {"sections": sections})
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the text of a report: {error}.") from None


def read_result(folder) -> AnalysisResult:
    """What the analysis in a run folder came to, but for its history and sentences.

    Args:
        folder: has `metrics.json`; `activity.nc`, `networks.nc` and `report.json` are read if they are there.

    Raises:
        ValueError: if there is no `metrics.json`, or a file is not what it should be.
    """
    folder = Path(folder)
    about, rows, claims = _metrics(folder)
    text, study = _text(folder), about["study"]
    places = {"activity.nc": False, "networks.nc": True}  # weights may be larger than the memory
    arrays, networks = (
        read_dataset(folder / name, lazily=lazily) if (folder / name).exists() else None
        for name, lazily in places.items()
    )
    return AnalysisResult(
        study, tuple(rows), tuple(claims), xr.Dataset() if arrays is None else arrays, networks,
        figures=tuple(text.pictures if text else figures.DRAWINGS.get(study, ())), about=text.about if text else {},
    )  # fmt: skip


def build(folder, redraw: bool = True, result: AnalysisResult | None = None) -> Path:
    """Make `report.html` anew from a run folder; nothing is trained and no number is changed.

    Args:
        folder: has `metrics.json`; `report.json`, `manifest.json`, `config.toml`, `figures/` and what `read_result`
            reads are used if they are there.
        redraw: whether to draw the report's figures that `figures.DRAWINGS` has for the study; those that it has not,
            or whose numbers are missing, stay as they are on disk.
        result: what the folder holds, if it is at hand; read from it otherwise.

    Returns:
        Path of the page.

    Raises:
        ValueError: if there is no `metrics.json`, or a file is not what it should be.
        StorageError: if the page cannot be written.
    """
    folder = Path(folder)
    about, rows, claims = _metrics(folder)
    if redraw and about["study"] in figures.DRAWINGS:
        _draw(result or read_result(folder), folder)
    text = _text(folder) or _plain_text(folder, about)
    found = AnalysisResult(about["study"], tuple(rows), tuple(claims), about=text.about)
    manifest, table = _read_json(folder / "manifest.json"), frame(rows)
    page = _environment().get_template("report.html.j2").render(
        about=about,
        text=text,
        pictures={name: embed(folder, "figures", name) for name in text.pictures},
        columns={name: embed(folder, _ONE_COLUMN, name, ("png",)) for name in text.pictures},
        widths={name: width(folder / "figures" / f"{name}.svg") for name in text.pictures},
        claims=[tables.claim_line(claim) for claim in claims],
        levels=tables.level_grid(table),
        key_numbers=tables.key_numbers(table) if text.key_numbers else None,
        metrics=tables.metric_lines(table) if text.every_number else [],
        n_rows=len(rows),
        failures=[*text.failures, *(tables.failures(table) if text.every_number else ())],
        log="failures.log" if (folder / "failures.log").is_file() else "",
        command=text.command or shlex.join(str(word) for word in manifest.get("argv", ())),
        provenance=tables.provenance_lines(manifest),
        inputs=manifest.get("inputs", {}),
        config=_read(folder / "config.toml"),
        bibliography=bibtex(sources_of_result(found)),
    )  # fmt: skip
    write_atomic(folder / "report.html", page.encode("utf-8", "replace"))
    return folder / "report.html"


def _metrics(folder: Path) -> tuple[dict[str, str], list[Row], list[Claim]]:
    try:
        return read_metrics((folder / "metrics.json").read_text(encoding="utf-8"))
    except OSError:
        raise ValueError(f"{folder} has no metrics.json to report on; give the folder of a run.") from None


def _text(folder: Path) -> ReportText | None:
    return read_text(folder / "report.json") if (folder / "report.json").exists() else None


def _draw(result: AnalysisResult, folder: Path) -> None:
    for name in [name for name in figures.DRAWINGS[result.study] if name in result.figures]:
        with contextlib.suppress(figures.NothingToDraw):
            figures.save(figures.draw(result, name), folder / "figures", name, label(name))
            with figures.one_column():
                figures.save(figures.draw(result, name), folder / _ONE_COLUMN, name, label(name))


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(autoescape=True, loader=loader, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    paragraphs = lambda text: [part for part in re.split(r"\n\s*\n", text.strip()) if part]  # noqa: E731
    environment.filters |= {"cell": tables.cell, "paragraphs": paragraphs}
    return environment


def _plain_text(folder: Path, about: Mapping[str, str]) -> ReportText:
    """Words for a folder that has none: its study, and all its figures."""
    names = sorted({path.stem for path in (folder / "figures").glob("*.*") if NAME.fullmatch(path.stem)})
    pictures = [Picture(name, name.replace("_", " ")) for name in names]
    return ReportText(about["study"], sections=[Section("Figures", figures=pictures)] if pictures else [])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(_read(path) or "{}")
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a JSON object.")
    return data
