"""The connection to the debugger, and dying with it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
from time import perf_counter
from typing import Any

from backprop_tui.protocol import HEADER, decode, encode

_F_SETSIG = 10
"""fcntl command of Linux; Python's fcntl module does not name it."""


_FIRST_FD = 3
_AWAKE = 0.0003
"""Seconds: about what the debugger takes from a stop to the next command, if that comes by itself."""
_give_way = getattr(os, "sched_yield", lambda: None)


class Channel:
    """One Unix-socket connection of one process; messages as in `backprop_tui.protocol`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.reconnect()

    def reconnect(self) -> None:
        """Open connections of this process's own."""
        self._socket = _connect(self.address)
        self._life = _life_line(self.address)
        self._arrivals = select.poll()
        self._arrivals.register(self._socket, select.POLLIN)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; blocks while the debugger does not read (that bounds memory)."""
        try:
            self._socket.sendall(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)

    def receive(self) -> dict[str, Any]:
        """Wait for one message. A debugger that is gone ends the process."""
        (size,) = HEADER.unpack(self._read(HEADER.size))
        message: dict[str, Any] = decode(self._read(size))
        return message

    def stay_awake(self) -> None:
        """Before `receive`, where a message may come very soon: a process that has been put to sleep takes
        a fifth of a step to get going again."""
        until = perf_counter() + _AWAKE
        while not self._arrivals.poll(0) and perf_counter() < until:
            _give_way()

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                os._exit(0)
            data += part
        return data

    def close(self) -> None:
        """Close both connections, in a copy of the process that gets its own or needs none."""
        self._socket.close()
        self._life.close()


def _connect(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if connection.fileno() < _FIRST_FD:
        # The script has closed a standard stream, whose number must stay free for its return.
        with connection:
            high = fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_FD)
        connection = socket.socket(fileno=high)
    connection.connect(address)
    return connection


def _life_line(address: str) -> socket.socket:
    """A connection on which nothing is ever written: its hang-up kills this process.

    The kernel sends the signal, so it also ends a process that is busy in C or ignores signals.
    """
    line = _connect(address)
    line.sendall(HEADER.pack(0))
    fd = line.fileno()
    if hasattr(fcntl, "F_SETOWN"):
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, _F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | fcntl.FASYNC)
    return line
