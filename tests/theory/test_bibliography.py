"""BibTeX of methods: every source that a docstring states becomes one entry, whoever asks and in whichever order."""

import inspect
import re
from pathlib import Path

import jax
import pytest

import recirc
from recirc.analyses import AnalysisResult, Claim, Row
from recirc.analyses.sources import cited

LAYERS = (recirc.train, recirc.compare, recirc.circuits, recirc.tasks)
PUBLIC = [
    item for layer in LAYERS for name, item in vars(layer).items()
    if name[0] != "_" and (inspect.isclass(item) or inspect.isfunction(item))
]  # fmt: skip
STATED = [item for item in PUBLIC if re.search(r"doi\s+10\.|arXiv \d", item.__doc__ or "")]


def entries(text):
    """Fields by key, of text that is nothing but entries with balanced braces."""
    depth = 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    found = re.findall(r"@misc\{(\w+),\n((?:  \w+ = \{.*\},\n)+)\}\n", text)
    assert len({key for key, _ in found}) == len(found) == text.count("@")
    return {key: dict(re.findall(r"  (\w+) = \{(.*)\},\n", fields)) for key, fields in found}


def test_there_are_sources_to_be_found():
    assert len(STATED) > 40


@pytest.mark.parametrize("item", STATED, ids=lambda item: item.__name__)
def test_every_doi_and_arxiv_number_of_a_docstring_is_in_an_entry(item):
    text = re.sub(r"\s+", " ", item.__doc__)
    numbers = re.findall(r"doi (10\.[^\s),:;]+)|arXiv (\d+\.\d+)", text)
    found = entries(recirc.bibliography(item))
    made = {fields.get("doi", fields.get("eprint")) for key, fields in found.items() if key != "recirc"}
    assert made >= {(doi or arxiv).rstrip(".") for doi, arxiv in numbers}
    assert all(fields["author"] and fields["year"] for key, fields in found.items() if key != "recirc")


def test_the_package_comes_first_and_is_cited_as_its_citation_file_says():
    citation = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    found = entries(recirc.bibliography(*STATED))
    own = found[next(iter(found))]
    assert next(iter(found)) == "recirc"
    assert f'\ntitle: "{own["title"][1:-1]}"\n' in citation
    for line in (f"  - name: {own['author'][1:-1]}", f"version: {own['version']}", f"repository-code: {own['url']}"):
        assert f"\n{line}\n" in citation


def test_the_order_of_what_is_asked_for_does_not_matter_and_no_paper_is_there_twice():
    forward, backward = recirc.bibliography(*STATED), recirc.bibliography(*reversed(STATED), *STATED)
    assert forward == backward
    dois = [fields["doi"] for fields in entries(forward).values() if "doi" in fields]
    assert len(set(dois)) == len(dois)
    keys = list(entries(forward))[1:]
    assert keys == sorted(keys)


def test_of_one_paper_the_most_authors_that_are_named_stand():
    found = entries(recirc.bibliography(recirc.compare.InputNoise, recirc.train.Bptt))
    assert found["song2016"]["author"] == "Song and Yang and Wang"
    assert entries(recirc.bibliography(recirc.compare.InputNoise))["song2016"]["author"] == "Song and others"


def test_two_papers_of_one_author_and_year_have_two_keys():
    a, b = cited("Kao 2019 (doi 10.1/b), Kao et al. 2019 (doi 10.1/a).")
    assert (a.doi, b.doi, a.key, b.key) == ("10.1/b", "10.1/a", "kao2019", "kao2019")
    result = AnalysisResult(
        "planted", (), (Claim("c", "Kao 2019, doi 10.1/b", None), Claim("d", "Kao 2019, doi 10.1/a", None))
    )
    found = entries(recirc.bibliography(result))
    assert [(key, fields.get("doi")) for key, fields in found.items()][1:] == [
        ("kao2019", "10.1/a"), ("kao2019b", "10.1/b"),
    ]  # fmt: skip


def test_a_trainer_cites_the_penalties_it_has():
    plain = recirc.bibliography(recirc.train.Bptt(penalties=()))
    penalized = recirc.bibliography(
        recirc.train.Bptt(penalties=(recirc.train.RatePenalty(), recirc.train.OmegaPenalty()))
    )
    assert set(entries(penalized)) - set(entries(plain)) >= {"pascanu2013"}


def test_a_result_cites_its_measures_nulls_claims_and_what_it_says_of_itself():
    null = {"kind": "tensor_maximum_entropy", "mean": 0.0, "p95": 0.1, "p": 0.5}
    rows = (
        Row("cca_mean7_distance", "population", "network", 0.5),
        Row("jpca_ratio", "population", "network", 0.5, null=null),
    )
    rows = (*rows, Row("made_up", "population", "network", 0.5))
    claims = (Claim("It is so.", "Kao 2019, doi 10.1152/jn.00467.2018", True),)
    about = {"sources": ["Qian et al. 2024 (NeurIPS 37), from their code."]}
    found = entries(recirc.bibliography(AnalysisResult("planted", rows, claims, about=about)))
    assert set(found) >= {"recirc", "gallego2020", "elsayed2017", "kao2019", "qian2024"}
    assert found["qian2024"] == {"author": "Qian and others", "year": "2024", "note": "NeurIPS 37"}
    assert set(entries(recirc.bibliography(AnalysisResult("planted", ())))) == {"recirc"}


def test_a_degeneracy_and_a_fit_say_what_they_rest_on():
    keys = jax.random.split(jax.random.key(0), 3)
    trials = recirc.tasks.CenterOutReach().trials(4, key=keys[0])
    networks = [recirc.circuits.RateNetwork.random(n_units=4, key=key) for key in keys[1:]]
    found = entries(recirc.bibliography(recirc.analyses.degeneracy(networks, trials, key=keys[0])))
    assert set(found) == {"recirc", "huang2024", "ostrow2023"}
    trained = recirc.fit(recirc.train.Bptt(n_passes=1), networks[0], trials, key=keys[0])
    assert "depasquale2018" in entries(recirc.bibliography(trained))  # of its network


def test_a_study_cites_its_paper_and_its_methods():
    assert {"kao2019", "song2016", "depasquale2018"} <= set(entries(recirc.bibliography("kao2019")))
    assert {"qian2024", "mikhaeil2022", "perich2020"} <= set(entries(recirc.bibliography("qian2024")))
    both = entries(recirc.bibliography("kao2019", "salatiello2020"))
    assert {"kao2019", "salatiello2020", "sussillo2009", "hennequin2014"} <= set(both)


def test_what_states_no_source_adds_nothing_and_what_can_have_none_is_refused():
    assert set(entries(recirc.bibliography(recirc.compare.ReachError))) == {"recirc"}
    with pytest.raises(ValueError, match="study 'kao' is unknown"):
        recirc.bibliography("kao")
    with pytest.raises(TypeError, match="a float has no source; give a result, a trainer"):
        recirc.bibliography(0.5)
