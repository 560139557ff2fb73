"""Stopping on request."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

INTERRUPTED, RESUMABLE = 130, 75


class Stopped(BaseException):
    """A signal asked the process to stop; what is finished is kept, to go on from there."""


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on the first Ctrl-C and `Stopped` on the first SIGTERM or SIGUSR1.

    A second one ends the process at once, even in a long compilation: a thread waits for it. Use it in the main thread.
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
    threading.Thread(target=_watch, args=(receive, numbers), daemon=True).start()
    old_wakeup = signal.set_wakeup_fd(send.fileno(), warn_on_full_buffer=False)
    old = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_wakeup)
        send.close()


def _watch(receive: socket.socket, numbers: list[signal.Signals]) -> None:
    with receive:
        n_signals = 0
        while received := receive.recv(1):
            n_signals += received[0] in numbers
            if n_signals > 1:
                os._exit(INTERRUPTED if received[0] == signal.SIGINT else RESUMABLE)
