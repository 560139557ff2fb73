"""Stopping on request."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

INTERRUPTED, RESUMABLE = 130, 75
PATIENCE = 5.0  # seconds in which Python hears of a signal, which it does not while it compiles


class Stopped(BaseException):
    """A signal asked the process to stop; what is finished is kept, to go on from there."""


@contextlib.contextmanager
def stop_on_signals(at_last: Callable[[int], object] = lambda number: None) -> Iterator[None]:
    """Raise `KeyboardInterrupt` on the first Ctrl-C and `Stopped` on the first SIGTERM or SIGUSR1.

    A thread waits for signals, too: where Python does not hear of the first within `PATIENCE`, as in a long
    compilation, and at the second one, the process ends at once, as if it were killed. Use it in the main thread.

    Args:
        at_last: is given the first signal's number before the process ends for want of a hearing.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]
    raised = []

    def stop(number, _frame):
        if not raised:
            raised.append(number)
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise Stopped(signal.Signals(number).name)

    receive, send = socket.socketpair()
    send.setblocking(False)
    threading.Thread(target=_watch, args=(receive, numbers, raised, at_last), daemon=True).start()
    old_wakeup = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
    old = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        send.close()


def _watch(
    receive: socket.socket, numbers: list[signal.Signals], raised: list[int], at_last: Callable[[int], object]
) -> None:
    first = None
    with receive:
        while True:
            try:
                received = receive.recv(1)
            except TimeoutError:
                receive.settimeout(None)
                if not raised:
                    at_last(first or 0)
                    os._exit(_code(first))
                continue
            if not received:
                return
            if received[0] in numbers and first is not None:
                os._exit(_code(received[0]))
            if received[0] in numbers:
                first = received[0]
                receive.settimeout(PATIENCE)


def _code(number: int | None) -> int:
    return INTERRUPTED if number == signal.SIGINT else RESUMABLE
