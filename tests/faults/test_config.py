"""Row 26: a typo, a wrong type or a NaN is refused with its line and the nearest valid name."""

import dataclasses
import re

import equinox as eqx
import pytest

from recirc.runs import ConfigError, dump_config, load_config
from recirc.train import AbstractTrainer, Bptt, Force, FullForce, RatePenalty, Ridge, WeightPenalty


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


@dataclasses.dataclass(frozen=True)
class Training:
    trainer: AbstractTrainer = dataclasses.field(default_factory=lambda: FullForce(n_passes=7, drive=0.2))


def test_any_trainer_can_be_set_with_its_own_fields():
    assert load_config(Training) == Training()
    assert load_config(Training, overrides=["trainer.noise=0"]).trainer == FullForce(n_passes=7, drive=0.2, noise=0.0)
    assert load_config(Training, overrides=["trainer.kind=FullForce"]) == Training()
    assert load_config(Training, overrides=["trainer.kind=Ridge"]).trainer == Ridge()
    assert load_config(Training, overrides=["trainer.kind=Force"]).trainer == Force()
    changed = ["trainer.feedback=2", "trainer.kind=Force", "trainer.n_passes=3", "trainer.lockstep=none"]
    assert load_config(Training, overrides=changed).trainer == Force(feedback=2.0, n_passes=3)


def test_a_kind_that_an_override_names_drops_what_the_file_gave_to_another(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(dump_config(Training()))
    assert load_config(Training, path, ["trainer.kind=Ridge", "trainer.noise=0.1"]).trainer == Ridge(noise=0.1)
    assert load_config(Training, path, ["trainer.kind=FullForce"]) == Training()
    path.write_text("[trainer]\ndrive = 0.4\n")
    assert load_config(Training, path, ["trainer.kind=FullForce"]).trainer == FullForce(n_passes=7, drive=0.4)
    path.write_text("[trainer]\nkind = 'Force'\nfeedback = 0.5\n")
    assert load_config(Training, path, ["trainer.kind=Force"]).trainer == Force(feedback=0.5)
    assert load_config(Training, path, ["trainer.kind=Ridge", "trainer.kind=FullForce"]) == Training()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.kind=Rigde", "kind of trainer is Rigde; did you mean 'Ridge'"),
        ("trainer.kind=3", "kind of trainer is 3; There are: "),
        ("trainer.penalties=[1.0]", "FullForce has no field 'penalties'; did you mean 'penalty'"),
    ],
)
def test_a_misspelt_kind_and_a_field_of_another_are_refused(override, message):
    with pytest.raises(ConfigError, match=re.escape(f"--set {override}: {message}")):
        load_config(Training, overrides=[override])


PENALTIES = (RatePenalty(0.1), WeightPenalty(weight=2.0, of="readout"))


def test_a_tuple_of_components_is_a_list_of_tables(tmp_path):
    given = 'trainer.penalties=[{kind="RatePenalty", weight=0.1}, {kind="WeightPenalty", weight=2, of="readout"}]'
    bptt = Bptt(penalties=PENALTIES, learns=("bias",), goal_r2=None)
    overrides = ["trainer.kind=Bptt", given, "trainer.learns=['bias']", "trainer.goal_r2=none"]
    assert load_config(Training, overrides=overrides).trainer == bptt
    path = tmp_path / "a.toml"
    path.write_text(dump_config(Training(bptt)))
    assert load_config(Training, path).trainer == bptt
    path.write_text("[trainer]\nkind = 'Bptt'\n[[trainer.penalties]]\nkind = 'RatePenalty'\nweight = 0.1\n")
    assert load_config(Training, path).trainer == Bptt(penalties=PENALTIES[:1])
    assert load_config(Training, path, ["trainer.penalties=[]"]).trainer == Bptt(penalties=())


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("kind = 'RatePenalty'\nweigth = 1", "line 7: RatePenalty has no field 'weigth'; did you mean 'weight'"),
        ("kind = 'Rate'", "line 6: kind of trainer.penalties.1 is Rate; did you mean 'RatePenalty'"),
        ("weight = 1", "line 5: kind of trainer.penalties.1 is missing; There are: "),
        ("kind = 'RatePenalty'\nweight = -1", "line 5: RatePenalty: weight must be at least 0"),
    ],
)
def test_faults_in_a_list_of_tables_are_named_with_their_line(item, message, tmp_path):
    path = tmp_path / "a.toml"
    first = "[trainer]\nkind = 'Bptt'\n[[trainer.penalties]]\nkind = 'OmegaPenalty'\n[[trainer.penalties]]\n"
    path.write_text(first + item)
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config(Training, path)
    with pytest.raises(ConfigError, match=r"penalties must be a table with the fields of AbstractPenalty, got 3"):
        load_config(Training, overrides=["trainer.kind=Bptt", "trainer.penalties=[3]"])
