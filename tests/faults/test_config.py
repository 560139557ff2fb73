"""Row 26: a typo, a wrong type or a NaN is refused with its line and the nearest valid name."""

import dataclasses
import re

import equinox as eqx
import pytest

from recirc.runs import ConfigError, dump_config, load_config


class Trainer(eqx.Module):
    n_passes: int = 10
    penalty: float = 1.0
    scales: tuple[float, ...] = (1.0,)
    verbose: bool = False

    def __check_init__(self):
        if self.n_passes < 1:
            raise ValueError(f"n_passes must be positive, got {self.n_passes}.")


@dataclasses.dataclass(frozen=True)
class Study:
    name: str = "a"
    note: str | None = None
    trainer: Trainer = dataclasses.field(default_factory=Trainer)


TEXT = '''# a study
name = """
[trainer]
penalty = 3
"""

[trainer]  # how
{}
'''


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n_pases = 3", "line 8: Trainer has no field 'n_pases'; did you mean 'n_passes'?"),
        ("verbose = true\npenalty = nan", "line 9: penalty is nan; give a finite number"),
        ("penalty = -inf", "line 8: penalty is -inf"),
        ("scales = [\n  1.0,\n  inf,\n]", "line 8: scales is inf"),
        ("n_passes = 3.0", "line 8: n_passes must be a whole number, got float 3.0"),
        ("n_passes = true", "line 8: n_passes must be a whole number, got bool True"),
        ("penalty = '3'", "line 8: penalty must be a number, got text '3'"),
        ("verbose = 1", "line 8: verbose must be true or false"),
        ("scales = 1.0", "line 8: scales must be a list"),
        ("penalty = 2020-01-01", "line 8: penalty must be a number"),
        ("penalty = {a = 1}", "line 8: penalty must be a number"),
        ("n_passes = 0", "line 7: Trainer: n_passes must be positive"),
        ("penalty = ", "line 8"),
        ("penalty = 1\npenalty = 2", "line 9"),
    ],
)
def test_faults_in_a_file_are_named_with_their_line(line, message, tmp_path):
    path = tmp_path / "a study.toml"
    path.write_text(TEXT.format(line))
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        load_config(Study, path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.penalti=1", "did you mean 'penalty'"),
        ("trainer.penalty=nan", "finite"),
        ("trainer.penalty=1e999", "finite"),
        ("trainer.verbose=True", "true or false"),
        ("trainer.penalty", "key=value"),
        ("trainer.=3", "key=value"),
        ("name.first=a", "text in quotes"),
        ("name=a\nnote=3", "not a TOML value"),
        ("name=[1,", "not a TOML value"),
        ("trainer=5", "must be a table"),
        ("=5", "key=value"),
    ],
)
def test_faults_in_an_override_are_named_with_it(override, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(Study, overrides=["trainer.n_passes=4", override])
    assert f"--set {override}" in str(caught.value)


def test_an_override_below_a_value_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("name = 'b'\n")
    with pytest.raises(ConfigError, match="not a table"):
        load_config(Study, tmp_path / "a.toml", ["name.first=a"])


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"name = 'a'\nnote = '\xff'", "line 2: not UTF-8"), (b"x = " + 9999 * b"[", "deep"), (b" " * 70000, "bytes")],
)
def test_hostile_files_are_refused(data, message, tmp_path):
    (tmp_path / "a.toml").write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load_config(Study, tmp_path / "a.toml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml: No such file"):
        load_config(Study, tmp_path / "none.toml")


@pytest.mark.parametrize("study", [Study(trainer=Trainer(penalty=float("nan"))), Study(note="none")])
def test_what_cannot_be_read_back_is_not_written(study):
    with pytest.raises(ValueError, match=r"finite|no value"):
        dump_config(study)
