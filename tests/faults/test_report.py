"""The report: whatever a run folder holds, the page is static, whole and harmless."""

import base64
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from recirc import figures
from recirc.analyses import AnalysisResult, Claim, Row, frame
from recirc.data.netcdf import write_dataset
from recirc.runs import report, report_tables
from recirc.runs.metrics import metrics_text

HOSTILE = "<img src=x onerror=\"alert('1')\">{{ 7 * 7 }}"
LONG = "n" * 300
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 1"><script>alert(1)</script></svg>'
SCORE = Row("svcca5_concatenated", "population", "hints", 0.68, (0.6, 0.7), 5, {"set": "train", "seed": 1},
            null={"kind": "shuffled", "mean": 0.3, "p95": 0.38, "p": 0.01}, ceiling=0.82)  # fmt: skip


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.words.append(data)


def make(folder, rows=(SCORE,), claims=(), text=None, **files):
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(metrics_text(files.pop("study", "planted"), "quick", rows, claims))
    if text is not None:
        report.write_text(folder, text)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def assert_harmless(page):
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    links = [(tag, name, value) for tag, name, value in page.attributes if name in ("src", "href", "action", "srcset")]
    assert all(value.startswith(("data:image/", "#")) for _, _, value in links)
    assert "Content-Security-Policy" in page.source
    assert "default-src 'none'" in page.source
    assert not re.search(r"url\(|@import|https?://", page.source.split("</style>")[0])


def test_hostile_names_everywhere_are_text(tmp_path):
    bad = HOSTILE
    row = Row(bad, "unit", bad, 0.5, condition={"set": bad, "regime": bad, bad: bad}, unit=bad,
              baselines={bad: 0.1},
              null={"kind": bad, "mean": 0.0, "p95": 0.1, "p": 0.5})  # fmt: skip
    lost = Row("output_nmse", "unit", bad, math.nan, condition={"set": "train", "outcome": bad, "seed": bad})
    text = report.ReportText(
        bad, bad,
        [report.Section(bad, bad, [report.Picture("a", bad), report.Picture(f"../{bad}", bad)],
                        [report.Table([bad], [[bad]], bad)])],
        [(bad, bad, bad)], [(bad, bad)],
    )  # fmt: skip
    manifest = {"argv": [bad], "versions": {bad: bad}, "platform": bad, "seeds": [bad], "inputs": {bad: {"size": bad}}}
    folder = make(tmp_path / "run", [row, lost, SCORE], [Claim(bad, bad, None)], text, study=bad,
                  manifest__json=json.dumps(manifest), config__toml=bad)  # fmt: skip
    page = Page(report.build(folder))
    assert_harmless(page)
    assert "img" not in page.tags
    assert page.text.count(HOSTILE) > 15
    assert "49" not in page.text


def test_every_report_ends_with_the_bibtex_of_its_methods(tmp_path):
    plain = Page(report.build(make(tmp_path / "plain")))
    assert "@misc{recirc," in plain.text
    assert "raghu2017" in plain.text  # of SCORE
    said = report.ReportText(
        "t", about={"sources": [f"Doe 2001 (doi 10.1/{HOSTILE[:4]}) and Roe 2002 ({HOSTILE[:9]})"]}
    )
    claim = Claim("c", "Kao 2019, doi 10.1152/jn.00467.2018", True)
    page = Page(report.build(make(tmp_path / "run", claims=[claim], text=said)))
    assert_harmless(page)
    assert page.text.index("BibTeX of the methods used") > page.text.index("Provenance")
    assert [page.text.count(f"@misc{{{key},") for key in ("doe2001", "roe2002", "kao2019", "raghu2017")] == [1] * 4


def test_scripts_in_figures_stay_inside_images(tmp_path):
    text = report.ReportText("t", sections=[report.Section("s", figures=[report.Picture("spectrum", "Look here.")])])
    folder = make(tmp_path / "run", text=text)
    (folder / "figures").mkdir()
    (folder / "figures" / "spectrum.svg").write_bytes(SVG)
    page = Page(report.build(folder))
    assert_harmless(page)
    (source,) = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert base64.b64decode(source.partition(",")[2]) == SVG


def test_a_missing_figure_is_named_and_the_rest_stands(tmp_path):
    text = report.ReportText("t", sections=[report.Section("s", figures=[report.Picture("gone", "What it showed.")])])
    page = Page(report.build(make(tmp_path / "run", text=text)))
    assert "Figure gone is not in this folder" in page.text
    assert "What it showed." in page.text


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret", "secret\x00", ""])
def test_figures_outside_the_folder_are_not_embedded(tmp_path, name):
    (tmp_path / "secret.svg").write_bytes(SVG)
    text = report.ReportText("t", sections=[report.Section("s", figures=[report.Picture(name)])])
    page = Page(report.build(make(tmp_path / "run", text=text)))
    assert "img" not in page.tags


def test_links_out_of_the_folder_are_not_embedded(tmp_path):
    (tmp_path / "secret.svg").write_bytes(SVG)
    text = report.ReportText("t", sections=[report.Section("s", figures=[report.Picture("link")])])
    folder = make(tmp_path / "run", text=text)
    (folder / "figures").mkdir()
    (folder / "figures" / "link.svg").symlink_to(tmp_path / "secret.svg")
    assert "img" not in Page(report.build(folder)).tags


def test_no_rows_no_claims_no_words(tmp_path):
    page = Page(report.build(make(tmp_path / "run", rows=())))
    assert_harmless(page)
    assert "0 lines from the 0 rows" in page.text
    assert "Key numbers" not in page.text


def test_null_values_are_dashes_and_failures_are_listed(tmp_path):
    where = {"set": "train", "seed": 7, "regime": "paper", "outcome": "diverged at trial 3"}
    lost = Row("output_nmse", "performance", "force", math.nan, condition=where)
    page = Page(report.build(make(tmp_path / "run", [lost, SCORE], [Claim("c", "s", None)])))
    assert not re.search(r"\bnan\b|\binf\b", page.text.lower())
    assert "diverged at trial 3" in page.text
    assert "seed 7" in page.text
    assert "Undecided" in page.text


def test_long_names_neither_break_nor_vanish(tmp_path):
    row = Row("heldout_neuron_r2", "unit", LONG, 0.5, condition={"set": LONG, "units": LONG})
    page = Page(report.build(make(tmp_path / "run", [row], [Claim(LONG, LONG, True, 0.1, (0, 0.2), 0.04, 5)])))
    assert LONG in page.text
    assert max(map(len, page.source.splitlines())) < 10_000


def test_rebuilding_changes_nothing_and_trains_nothing(tmp_path):
    folder = make(tmp_path / "run", claims=[Claim("c", "s", True, 0.2, (0.1, 0.3), 1e-5, 8)])
    first = report.build(folder).read_bytes()
    assert report.build(folder).read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "report.html"]
    assert b"&lt; 0.001" in first


@pytest.fixture
def toy_study(monkeypatch):
    """A study with a figure of its numbers and one of arrays that its folders lack."""
    ways = {
        "spectrum": lambda result: figures.eigenvalues({"hints": np.diag([result.table["value"][0]])}),
        "rates": lambda result: figures.eigenvalues({"hints": figures.array_of(result, "rates")}),
    }
    monkeypatch.setitem(figures.DRAWINGS, "toy", ways)


def test_figures_are_drawn_from_the_folder_and_those_without_numbers_stay(tmp_path, toy_study):
    pictures = [report.Picture(name) for name in ("spectrum", "rates", "photograph", "../spectrum")]
    text = report.ReportText("t", sections=[report.Section("s", figures=pictures)])
    folder = make(tmp_path / "run", text=text, study="toy")
    report.build(folder, redraw=False)
    assert not (folder / "figures").exists()
    (folder / "figures").mkdir()
    for name in ("spectrum", "rates", "photograph"):
        (folder / "figures" / f"{name}.svg").write_bytes(SVG)
    assert Page(report.build(folder)).tags.count("img") == 3
    changed = {path.stem for path in (folder / "figures").glob("*.*") if path.read_bytes() != SVG}
    assert changed == {"spectrum"}


def test_narrow_screens_get_a_figure_drawn_for_one_column_if_there_is_one(tmp_path, toy_study):
    pictures = [report.Picture(name) for name in ("spectrum", "photograph", "broken", "linked")]
    text = report.ReportText("t", sections=[report.Section("s", figures=pictures)])
    folder = make(tmp_path / "run", text=text, study="toy")
    (folder / "figures/one_column").mkdir(parents=True)
    for name in ("photograph", "broken", "linked"):
        (folder / "figures" / f"{name}.svg").write_bytes(SVG)
    (folder / "figures/one_column/broken.png").write_bytes(b"no picture")
    (tmp_path / "outside.png").write_bytes(b"secret")
    (folder / "figures/one_column/linked.png").symlink_to(tmp_path / "outside.png")
    page = Page(report.build(folder))
    assert page.tags.count("img") == 4
    of_sources = {name: [value for tag, each, value in page.attributes if (tag, each) == ("source", name)]
                  for name in ("media", "srcset")}  # fmt: skip
    assert of_sources["media"] == ["screen and (max-width: 40rem)"] * 2
    small, broken = (base64.b64decode(value.partition(",")[2]) for value in of_sources["srcset"])
    assert broken == b"no picture"
    drawn = folder / "figures/one_column/spectrum.png"
    with Image.open(io.BytesIO(small)) as embedded, Image.open(drawn) as whole:
        assert embedded.size == whole.size
        assert embedded.size[0] == 720
    assert len(small) < drawn.stat().st_size / 2


def test_a_folder_without_words_gets_every_figure_of_its_study(tmp_path, toy_study):
    folder = make(tmp_path / "run", study="toy")
    assert report.read_result(folder).figures == ("spectrum", "rates")
    assert Page(report.build(folder)).tags.count("img") == 1


def test_a_result_is_read_back_from_its_folder(tmp_path):
    claim = Claim("c", "s", None, n=3)
    text = report.ReportText("t", sections=[report.Section("s", figures=[report.Picture("a")])], about={"soft": 2.5})
    folder = make(tmp_path / "run", claims=[claim], text=text)
    arrays = xr.Dataset({"rates": (("unit",), np.arange(3.0), {"units": "1"})})
    write_dataset(arrays, folder / "activity.nc")
    result = report.read_result(folder)
    assert (result.study, result.figures, result.about, result.networks) == ("planted", ("a",), {"soft": 2.5}, None)
    assert result.rows[0].baselines == SCORE.baselines
    assert result.table["ceiling"].tolist() == [0.82]
    assert result.claim_lines() == AnalysisResult("", (), (claim,)).claim_lines()
    assert result.arrays.equals(arrays)


def test_figures_of_a_folder_without_words_are_all_shown(tmp_path):
    folder = make(tmp_path / "run")
    (folder / "figures").mkdir()
    for name in ("b.svg", "a.svg", "a.png", "bad name.svg"):
        (folder / "figures" / name).write_bytes(SVG)
    page = Page(report.build(folder))
    assert page.tags.count("img") == 2


def test_what_is_not_a_run_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no metrics\.json"):
        report.build(tmp_path)
    folder = make(tmp_path / "run")
    (folder / "report.json").write_text('{"title": "a run", "titel": "typo"}')
    with pytest.raises(ValueError, match=r"report\.json is not the text of a report.*titel"):
        report.build(folder)
    (folder / "report.json").unlink()
    (folder / "manifest.json").write_text("[1]")
    with pytest.raises(ValueError, match="must hold a JSON object"):
        report.build(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        report.build(folder)
    assert not (folder / "report.html").exists()


def test_words_survive_being_kept(tmp_path):
    text = report.ReportText("t", "v", [report.Section("s", "p\n\nq", [report.Picture("a", "b")],
                                                       [report.Table(["x"], [[1.5], [None]], "y")])],
                             [["a", "b", "c"]], [["d", "e"]], "recirc reproduce")  # fmt: skip
    assert report.read_text(report.write_text(tmp_path, text)) == text


def test_numbers_keep_three_digits_at_every_size():
    for value in (3.14159e-9, -2.71828e-4, 0.0123456, 1.0, 98.7654, -12345.6, 6.02214e23):
        shown = report_tables.number(value).replace("−", "-").replace(",", "")
        mantissa, _, power = shown.partition(" × 10")
        power = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
        assert float(mantissa) * 10.0**power == pytest.approx(value, rel=5e-3)
    assert [report_tables.number(value) for value in (None, math.nan, math.inf, 0, 0.0, 1200)] == [
        "–", "–", "–", "0", "0", "1,200",
    ]  # fmt: skip


def test_key_numbers_are_medians_over_networks_with_null_and_ceiling():
    rows = [
        Row("svcca5_concatenated", "population", "hints", value, null=SCORE.null, ceiling=0.82,
            condition={"set": "train", "seed": i, "fraction": 0.05, "regime": "paper"})
        for i, value in enumerate([0.5, 0.6, 0.9])
    ]  # fmt: skip
    (group,) = report_tables.key_numbers(frame(rows))["groups"]
    (line,) = group["lines"]
    assert line["n"] == 3
    assert line["cells"][0]["value"] == "0.600"
    assert line["cells"][0]["spread"] == "0.500 to 0.900"
    assert line["cells"][0]["bounds"] == ["null p95 0.380", "null p 0.0100", "ceiling 0.820"]


WORDS = '''
title = "Fit of {name}"
verdict = "{kind}"
key_numbers = false
[choices.kind]
true = "It is {name},\\nand so on."
[[sections]]
title = "First"
text = """
One
line.

Another of {n:.1f}.
"""
tables = ["numbers"]
[sections.figures]
units = "Units\\nof {name}."
[[sections]]
needs = "is_large"
title = "Second"
[[unknowns]]
what = "a"
paper = "b"
here = "{n}"
'''


def test_words_of_a_file_are_filled_and_chosen(tmp_path):
    (tmp_path / "words.toml").write_text(WORDS)
    values, table = {"name": "{x}", "n": 2, "kind": True, "is_large": False}, report.Table(["x"], [[1]])
    text = report.ReportText.from_toml(tmp_path / "words.toml", values, numbers=table)
    assert (text.title, text.verdict, text.key_numbers) == ("Fit of {x}", "It is {x}, and so on.", False)
    picture = report.Picture("units", "Units of {x}.")
    assert text.sections == [report.Section("First", "One line.\n\nAnother of 2.0.", [picture], [table])]
    assert text.unknowns == [["a", "b", "2"]]
    other = values | {"kind": False, "is_large": True}
    text = report.ReportText.from_toml(tmp_path / "words.toml", other, numbers=table)
    assert (text.verdict, [section.title for section in text.sections]) == ("", ["First", "Second"])
    with pytest.raises(KeyError, match="numbers"):
        report.ReportText.from_toml(tmp_path / "words.toml", values)


def test_a_claim_is_a_mark_and_a_bar_around_the_smallest_effect_that_matters():
    claim = Claim("Hints help (SVCCA).", "here", True, 0.2, (0.1, 0.3), 0.01, 12, 0.1)
    line = report_tables.claim_line(claim)
    assert (line["short"], line["mark"]) == ("Hints help", "●")
    assert line["bar"] == pytest.approx([80, 50, 98])  # twice the smallest, the smallest, and beyond the edge
    missing = Claim("Little is missing.", "here", False, -0.15, (-0.2, -0.12), 0.5, 12, -0.1)
    assert max(report_tables.claim_line(missing)["bar"]) < 50  # less than what may be missing
    measure = Claim("linear_cka: the two are alike.", "here", True, 0.2)
    assert report_tables.claim_line(measure)["short"] == "linear CKA"
    assert report_tables.claim_line(Claim("Unknown.", "here", None, 0.2))["bar"] is None


def test_the_grid_counts_numbers_better_than_every_simpler_explanation(tmp_path):
    beside = {"untrained": 0.5, "gp": 0.6}
    rows = [Row("svcca5_concatenated", "population", "hints", value, condition={"set": "train", "seed": seed},
                baselines=beside) for seed, value in enumerate((0.55, 0.7, 0.8, 0.9))]  # fmt: skip
    rows.append(Row("output_nmse", "performance", "hints", 0.4, condition={"set": "train", "seed": 0},
                    direction="lower", baselines=beside))  # fmt: skip
    rows.append(Row("output_nmse", "robustness", "hints", 0.4, condition={"set": "train", "seed": 0}))
    grid = report_tables.level_grid(frame(rows))
    assert grid["levels"] == ["performance", "population"]
    (line,) = grid["lines"]
    assert [(cell["mark"], cell["n"], cell["of"]) for cell in line["cells"]] == [("●", 1, 1), ("◕", 3, 4)]
    assert report_tables.level_grid(frame(rows[-1:])) is None
    page = Page(report.build(make(tmp_path / "run", rows)))
    assert "3/4" in page.text
    assert_harmless(page)
