"""The tables of a report: numbers in print, and which numbers stand where."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from recirc.analyses.table import Claim, Row
from recirc.figures import rows as select_rows
from recirc.figures.style import label

_NO_NUMBER = "–"
_VERDICTS = {True: "supported", False: "not supported", None: "too small to say"}
_NOISE_SHOWN = 0.1
_KEY_NUMBERS = (
    ("training error", "output_nmse", "train"),
    ("held-out directions, error", "output_nmse", "heldout_direction"),
    ("private noise, error", "output_nmse", "private_noise"),
    ("unrecorded neurons, R²", "heldout_neuron_r2", "heldout_direction"),
    ("SVCCA₅, concatenated", "svcca5_concatenated", "train"),
)


def number(value: float | None, digits: int = 3) -> str:
    """A number with three significant digits, or a dash if it is none.

    >>> number(0.0123456), number(-12345.6), number(2.5e-7), number(None)
    ('0.0123', '−12,346', '2.5 × 10⁻⁷', '–')
    """
    if value is None or not math.isfinite(value):
        return _NO_NUMBER
    if value == 0 or isinstance(value, int):
        return f"{value:,}".replace("-", "−") if value else "0"
    power = math.floor(math.log10(abs(value)))
    if -5 < power < 6:
        return f"{value:,.{max(digits - 1 - power, 0)}f}".replace("-", "−")
    raised = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10.0**power:.{digits}g} × 10{raised}".replace("-", "−")


def cell(value) -> str:
    """A cell of a table as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if value is None or isinstance(value, (int, float)) else str(value)


def _interval(ci: Sequence[float]) -> str:
    return f"{number(ci[0])} to {number(ci[1])}" if all(map(math.isfinite, ci)) else _NO_NUMBER


def claim_line(claim: Claim) -> dict:
    """A claim and its verdict as text."""
    p = "< 0.001" if claim.p < 0.001 else number(claim.p, 2)
    return {
        "claim": claim.claim,
        "source": claim.source,
        "verdict": _VERDICTS.get(claim.supported, "too small to say"),
        "effect": number(claim.effect),
        "ci": _interval(claim.ci),
        "p": p,
        "n": claim.n,
    }


def _summary(rows: Sequence[Row]) -> dict[str, str]:
    """Median and range over networks; of a single summary, its value and interval."""
    values = sorted(value for value in select_rows.by_seed(rows).values() if math.isfinite(value))
    if not values:
        return {"value": _NO_NUMBER, "spread": ""}
    spread = f"{number(values[0])} to {number(values[-1])}" if len(values) > 1 else _interval(rows[0].ci)
    return {"value": number(select_rows.median(values)), "spread": spread.replace(_NO_NUMBER, "")}


def key_numbers(rows: Sequence[Row]) -> dict | None:
    """Per regime, arm and fraction: the numbers that decide; only columns that have any."""
    rows = [row for row in rows if "null" not in row.condition]  # the same numbers against further nulls
    columns = [(title, metric, _level(rows, metric, name)) for title, metric, name in _KEY_NUMBERS]
    columns = [column for column in columns if select_rows.select(rows, column[1], **column[2])]
    regimes = list(dict.fromkeys(row.condition.get("regime") for row in rows))
    groups = [(regime, _key_lines(rows, columns, regime)) for regime in regimes]
    titles = [
        title + (f" (σ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{level['sigma']:g})" if "sigma" in level else "")
        for title, _, level in columns
    ]
    groups = [
        {"title": f"{label(str(regime))} regime" if regime is not None else "", "lines": lines}
        for regime, lines in groups
        if lines
    ]
    return {"titles": titles, "groups": groups} if groups else None


def _key_lines(rows: Sequence[Row], columns: Sequence[tuple], regime) -> list[dict]:
    """Lines of one regime: arms in order of appearance, fractions from small to large.

    Of an arm's fractions only those with the most columns filled; the others are in the figures.
    """
    lines = []
    for arm in select_rows.arms(rows):
        fractions, of_arm = select_rows.levels([row for row in rows if row.arm == arm], "fraction"), []
        for fraction in [None, *fractions]:
            where = {"regime": regime, "fraction": fraction}
            found = [select_rows.select(rows, metric, arm, **level, **where) for _, metric, level in columns]
            members = [row for group in found for row in group]
            if not members:
                continue
            finite = [row for row in members if math.isfinite(row.value)]
            seeds = {row.condition["seed"] for row in finite if "seed" in row.condition}
            share = f", {select_rows.percent(fraction)} recorded" if fraction else ""
            of_arm.append(
                {
                    "arm": label(arm) + share,
                    "n": len(seeds) or max((row.n for row in finite), default=0),
                    "cells": [_summary(group) | {"bounds": _bounds(group)} for group in found],
                    "n_filled": sum(map(bool, found)),
                }
            )
        most = max((line["n_filled"] for line in of_arm), default=0)
        lines += [line for line in of_arm if line["n_filled"] == most]
    return lines


def _level(rows: Sequence[Row], metric: str, name: str) -> dict:
    """Condition of a key number: its set, and of several noise sizes the one nearest to 0.1."""
    sigmas = select_rows.levels([r for r in rows if r.metric == metric and r.condition.get("set") == name], "sigma")
    return {"set": name} | ({"sigma": min(sigmas, key=lambda s: abs(s - _NOISE_SHOWN))} if sigmas else {})


def _bounds(rows: Sequence[Row]) -> list[str]:
    """Null, ceiling and baselines of a number, in words."""
    found = {"null p95": select_rows.null_of(rows, "p95"), "ceiling": select_rows.ceiling_of(rows)}
    found |= {label(name): value for name, value in select_rows.baselines_of(rows).items()}
    return [f"{name} {number(value)}" for name, value in found.items() if math.isfinite(value)]


def metric_lines(rows: Sequence[Row]) -> list[dict]:
    """One line per number, networks of one kind together."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        kind = {name: value for name, value in row.condition.items() if name not in ("seed", "outcome")}
        place = (row.metric, row.arm, json.dumps(kind, sort_keys=True, default=str), "seed" in row.condition)
        groups.setdefault(place, []).append(row)
    return [
        {
            "metric": members[0].metric,
            "about": f"{members[0].level}, {members[0].direction} is better"
            + (f", in {members[0].unit}" if members[0].unit != "1" else ""),
            "arm": members[0].arm,
            "where": _where(members[0].condition),
            "n": sum(math.isfinite(row.value) for row in members) if "seed" in members[0].condition else members[0].n,
            "bounds": _bounds(members),
            **_summary(members),
        }
        for members in groups.values()
    ]


def _where(condition: Mapping[str, Any]) -> str:
    words = [select_rows.circumstance(condition)]
    if condition.get("fraction") is not None:
        words.append(f"{select_rows.percent(condition['fraction'])} recorded")
    return ", ".join(words + ([f"{condition['regime']} regime"] if "regime" in condition else []))


def failures(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Networks that have no number, once each, with the reason."""
    found = {}
    for row in rows:
        if not math.isfinite(row.value):
            words = [
                label(row.arm),
                *(f"{k} {row.condition[k]}" for k in ("regime", "fraction", "seed") if k in row.condition),
            ]
            found[", ".join(words)] = str(row.condition.get("outcome", "no value"))
    return list(found.items())
