"""How a verb does its work: its folder, its errors as sentences, its exit code."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import typer

DONE, CLAIM_FAILED, WRONG_USE = 0, 1, 2


def default_folder(*words: str) -> Path:
    """`recirc-...` in the current folder, however long the words are."""
    from recirc.storage import file_name

    return Path("-".join(["recirc", *(word if len(word.encode()) < 80 else file_name(word) for word in words)]))


def run_plain(work: Callable[[], int]) -> NoReturn:
    """Do the work of a verb that leaves no run folder and exit with its code."""
    from recirc.runs.environment import plain_messages
    from recirc.runs.provenance import describe_device
    from recirc.types import enable_x64

    enable_x64()
    try:
        with plain_messages():
            describe_device()
            code = work()
    except (ValueError, OSError) as error:
        code = _wrong(error)
    raise typer.Exit(code)


def run(make: Callable, folder: Path, jobs: int | None, require_claims: bool = False, **how) -> NoReturn:
    """Run the experiment that `make` makes into a folder, say its verdict and exit; `how` as in `experiment.run`."""

    def work():
        from recirc.runs.experiment import run

        return run(make(), folder, jobs=jobs or n_cores(), argv=["recirc", *sys.argv[1:]], **how)

    run_into(work, folder, require_claims)


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_into(work: Callable, folder: Path, require_claims: bool = False) -> NoReturn:
    """Do the work of a verb that leaves a run folder and exit with its code."""
    from recirc.runs.environment import environment
    from recirc.runs.signals import Stopped, stop_on_signals

    os.environ.update(environment())
    again = f"The same command goes on from what is in {folder}."
    try:
        with stop_on_signals(lambda number: _stopped(number, again)):
            code = _explain(work, folder, require_claims)
    except KeyboardInterrupt:
        code = _stopped(signal.SIGINT, again)
    except Stopped as stopped:
        code = _stopped(signal.Signals[str(stopped)], again)
    raise typer.Exit(code)


def _stopped(number: int, again: str) -> int:
    """Say what a signal left; its exit code."""
    from recirc.runs.signals import INTERRUPTED, RESUMABLE

    if number == signal.SIGINT:
        return _say(f"interrupted. {again}", INTERRUPTED)
    return _say(f"stopped by {signal.Signals(number).name}. {again}", RESUMABLE)


def _explain(work: Callable, folder: Path, require_claims: bool) -> int:
    """Exit code of the work, its verdict printed; faults that the user can mend become one sentence."""
    from recirc.runs import FinishedError, Unfinished
    from recirc.runs.environment import keep_compiled_programs, plain_messages
    from recirc.runs.provenance import describe_device
    from recirc.runs.report import read_result
    from recirc.storage import printable
    from recirc.types import enable_x64

    enable_x64()
    try:
        with plain_messages():
            keep_compiled_programs()
            describe_device()
            result = work()
    except FinishedError as error:
        if not error.same:
            return _say(str(error), WRONG_USE)
        typer.echo(f"{folder} is finished; for a new run give another --out.")
        result = read_result(folder)
    except Unfinished as rest:
        return _say(str(rest), DONE if rest.is_expected else WRONG_USE)
    except (ValueError, OSError) as error:
        return _wrong(error)
    for line in result.claim_lines() or result.sentences.values():
        typer.echo(printable(line))
    page = folder / "report.html"
    typer.echo(f"See {page if page.exists() else folder}.")
    return CLAIM_FAILED if require_claims and any(claim.supported is not True for claim in result.claims) else DONE


def _wrong(error: ValueError | OSError) -> int:
    """Say what the user can mend, as a sentence; raise it under RECIRC_DEBUG=1."""
    if os.environ.get("RECIRC_DEBUG"):
        raise error
    sentence = str(error)
    if isinstance(error, OSError) and error.strerror:  # the system's own, with its number
        where = f"cannot use {error.filename}: " if error.filename else "the system says: "
        sentence = f"{where}{error.strerror}. Mend that and run the same command."
    return _say(sentence, WRONG_USE)


def _say(sentence: str, code: int) -> int:
    from recirc.storage import printable

    typer.echo("\n".join(map(printable, f"recirc: {sentence}".split("\n"))), err=True)
    return code
