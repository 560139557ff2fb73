"""The tables of a report: numbers in print, and which numbers stand where."""

import math
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from recirc.analyses import Claim, select
from recirc.analyses.result import VERDICTS, interval
from recirc.analyses.table import BASELINE, baseline_columns, having, keys_of, levels_of, networks, number, per_network
from recirc.figures.labels import circumstance, label, percent
from recirc.types import Level

_RANGE: list[Any] = ["median", "min", "max", "count"]
_OWN = (*_RANGE, "low", "high")
_NOISE_SHOWN = 0.1
_NOT_VARIED = ("set", "sigma", "direction", "regime", "fraction", "seed", "outcome", "n_failed")
_MARKS = {True: "●", False: "✕", None: "○"}  # told apart without color
_QUARTERS = "○◔◑◕●"
_KEY_NUMBERS = (
    ("training error", "output_nmse", "train"),
    ("held-out directions, error", "output_nmse", "heldout_direction"),
    ("private noise, error", "output_nmse", "private_noise"),
    ("unrecorded neurons, R²", "heldout_neuron_r2", "heldout_direction"),
    ("left-out directions, R²", "heldout_direction_r2", "heldout_direction"),
    ("SVCCA₅, concatenated", "svcca5_concatenated", "train"),
)


def cell(value) -> str:
    """A cell of a table as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if value is None or isinstance(value, (int, float)) else str(value)


def claim_line(claim: Claim) -> dict:
    """A claim and its verdict as text, with the places of its interval for a bar."""
    numbers = {name: number(getattr(claim, name)) for name in ("effect", "smallest", "n", "needs", "power")}
    words = {"claim": claim.claim, "source": claim.source, "verdict": VERDICTS[claim.supported]}
    short = re.split(r" \(|: ", claim.claim)[0]
    words |= {
        "short": label(short) if short.isidentifier() else short,
        "mark": _MARKS[claim.supported],
        "bar": _bar(claim),
    }
    p = "< 0.001" if claim.p < 0.001 else number(claim.p, 2)
    return words | numbers | {"p": p, "ci": interval(claim.ci) or number(None)}


def _bar(claim: Claim) -> list[float] | None:
    """Effect and ends of the interval, from 0 to 100: the smallest effect that matters is at 50, twice that at 80."""
    values = [claim.effect, *claim.ci]
    if not (claim.smallest and math.isfinite(claim.smallest)) or any(map(math.isnan, values)):
        return None
    beyond = [(value - claim.smallest) / abs(claim.smallest) for value in values]
    return [50 + 30 * min(max(value, -1.6), 1.6) for value in beyond]


def level_grid(table: pd.DataFrame) -> dict | None:
    """Per arm and level, of the networks' numbers, how many are better than every simpler explanation beside them.

    Numbers of weights alone are left out, since they are no achievement. None if nothing has a baseline.
    """
    beside = baseline_columns(table)
    own = having(table, "seed").dropna(subset="value").dropna(subset=beside, how="all")
    own = own[own["set"] != "weights"] if "set" in own else own
    if own.empty:
        return None
    higher = own["better"] == "higher"
    best = own[beside].max(axis=1).where(higher, own[beside].min(axis=1))
    own = own.assign(beats=(own["value"] > best).where(higher, own["value"] < best))
    levels = [level for level in typing.get_args(Level) if level in set(own["level"])]
    lines = []
    for arm in (name for name in table["arm"].unique() if name in set(own["arm"])):
        of_arm = select(own, arm=arm)
        for fraction in sorted(levels_of(of_arm, "fraction")) or [None]:
            here = select(of_arm, fraction=fraction) if fraction else of_arm
            name = label(arm) + (f", {percent(fraction)} recorded" if fraction else "")
            lines.append({"arm": name, "cells": [_level_cell(here[here["level"] == level]) for level in levels]})
    return {"levels": levels, "lines": lines}


def _level_cell(own: pd.DataFrame) -> dict | None:
    if own.empty:
        return None
    places = own.groupby(["metric", *(name for name in ("set",) if name in own)], sort=False)["beats"].agg(
        ["sum", "count"]
    )
    said = [f"{label(place[0])}, {label(str(place[-1]))}: {n} of {of}" for place, n, of in places.itertuples()]
    return {
        "mark": _QUARTERS[round(4 * own["beats"].mean())],
        "n": int(own["beats"].sum()),
        "of": len(own),
        "said": said,
    }


def _cell(group: Mapping[Any, float]) -> dict[str, Any]:
    """Median and range over networks, or of a single number its interval; null, ceiling and baselines."""
    ends = (group["min"], group["max"]) if group["count"] > 1 else (group["low"], group["high"])
    bounds = {label(name.removeprefix(BASELINE)): value for name, value in group.items() if name not in _OWN}
    return {
        "value": number(group["median"]),
        "spread": interval(ends),
        "bounds": [f"{name} {number(value)}" for name, value in bounds.items() if math.isfinite(value)],
    }


def _beside(table: pd.DataFrame) -> list[str]:
    """Columns of the numbers that stand beside a value."""
    return ["low", "high", "null_p95", "null_p", "null_half_p", "ceiling", "teacher", *baseline_columns(table)]


def key_numbers(table: pd.DataFrame) -> dict | None:
    """Per regime, arm and fraction: the numbers that decide; only columns that have any."""
    varied = [
        name for name in keys_of(table) if name not in _NOT_VARIED
    ]  # and not the same numbers against other nulls
    table, columns = select(table, **dict.fromkeys(varied)), {}
    for title, metric, name in _KEY_NUMBERS:
        found = select(table, metric, set=name)
        if sigmas := levels_of(found, "sigma"):
            sigma = min(sigmas, key=lambda sigma: abs(sigma - _NOISE_SHOWN))
            found, title = select(found, sigma=sigma), f"{title} (σ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{sigma:g})"
        if len(found):
            columns[title] = found
    groups = []
    for regime in table["regime"].unique() if "regime" in table else [None]:
        here = [select(found, regime=regime) for found in columns.values()]
        lines = [line for arm in table["arm"].unique() for line in _lines_of(arm, [select(f, arm=arm) for f in here])]
        title = f"{label(str(regime))} regime" if regime is not None else ""
        groups += [{"title": title, "lines": lines}] if lines else []
    return {"titles": list(columns), "groups": groups} if groups else None


def _lines_of(arm: str, columns: Sequence[pd.DataFrame]) -> list[dict]:
    """Lines of an arm: of its fractions those with the most networks and enough numbers; the others are in figures."""
    lines = []
    for fraction in [None, *sorted({value for found in columns for value in levels_of(found, "fraction")})]:
        groups = [networks(select(found, fraction=fraction)) for found in columns]
        finite = [group.dropna(subset="value") for group in groups]
        seeds = {seed for group in finite for seed in levels_of(group, "seed")}
        line = {
            "arm": label(arm) + (f", {percent(fraction)} recorded" if fraction else ""),
            "n": len(seeds) or max((n for group in finite for n in group["n"]), default=0),
            "cells": [_cell({**per_network(own).dropna().agg(_RANGE), **own[_beside(own)].median()}) for own in groups],
        }
        lines.append((sum(len(group) > 0 for group in groups), line))
    most = max(line["n"] for _, line in lines)
    lines = [(n_filled, line) for n_filled, line in lines if line["n"] == most]
    fullest = max(n_filled for n_filled, _ in lines)
    return [line for n_filled, line in lines if n_filled > fullest / 2]


def metric_lines(table: pd.DataFrame) -> list[dict]:
    """One line per number, networks of one kind together."""
    keys = keys_of(table)
    kind = ["metric", "arm", *(name for name in keys if name not in ("seed", "outcome"))]
    single = table.index.isin(having(table, "seed").index)
    groups = table.groupby([*kind, single], sort=False, dropna=False)
    numbers = groups["value"].agg(_RANGE).join(groups[_beside(table)].median())
    lines = []
    for first, group in zip(groups.head(1).to_dict("records"), numbers.to_dict("records")):
        about = [f"{first['level']}, {first['better']} is better"]
        about += [f"in {first['unit']}"] if first["unit"] != "1" else []
        where = [circumstance({key: first[key] for key in keys})]
        where += [f"{percent(first['fraction'])} recorded"] if first.get("fraction") is not None else []
        where += [f"{first['regime']} regime"] if first.get("regime") is not None else []
        line = {"metric": first["metric"], "about": ", ".join(about), "arm": first["arm"], "where": ", ".join(where)}
        lines.append(line | {"n": first["n"] if first.get("seed") is None else group["count"]} | _cell(group))
    return lines


def failures(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Networks that have no number, once each, with the reason."""
    found = {}
    for row in table[table["value"].isna()].to_dict("records"):
        where = [f"{key} {row[key]}" for key in ("regime", "fraction", "seed") if row.get(key) is not None]
        found[", ".join([label(row["arm"]), *where])] = str(row["outcome"])
    return list(found.items())


def provenance_lines(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What `manifest.json` tells of where a run comes from."""
    cpu, device = manifest.get("cpu", {}), manifest.get("device", {})
    lines = {
        "versions": ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items()),
        "platform": manifest.get("platform"),
        "processor": f"{cpu.get('name', '')}, {cpu['cores']} cores" if cpu.get("cores") else cpu.get("name"),
        "device": " ".join(str(device[key]) for key in ("used", "kind") if key in device),
        "precision": manifest.get("dtype"),
        "seeds": ", ".join(str(seed) for seed in manifest.get("seeds", ())),
        "started": manifest.get("start"),
        "ended": manifest.get("end"),
        "specification": manifest.get("specification"),
    }
    return [(name, str(value)) for name, value in lines.items() if value]
