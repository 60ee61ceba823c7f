"""The debugger's end of the socket: one connection for each process of the debuggee."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backprop_tui.debugger.leftovers import PREFIX, SOCKET
from backprop_tui.protocol import HEADER, decode, encode

Message = dict[str, Any]


class Peer(asyncio.Protocol):
    """One process of the debuggee: the root, a checkpoint, or the live one.

    The event loop hands over what arrives right where it reads it: a stream, with a task that waits for it,
    would cost every step two more turns of the loop.
    """

    def __init__(self, on_hello: Callable[[Peer], None], peers: set[Peer]) -> None:
        self.hello: Message = {}
        self.closed = False
        self.on_message: Callable[[Peer, Message], None] = lambda peer, message: None
        self.on_close: Callable[[Peer], None] = lambda peer: None
        self._on_hello = on_hello
        self._peers = peers
        self._greeted = False
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    @property
    def pid(self) -> int:
        return int(self.hello["pid"])

    def send(self, message: Message) -> None:
        """Send one message; a process that is gone is not an error here, `on_close` tells."""
        if not self.closed and self._transport is not None:
            self._transport.write(encode(message))

    def close(self) -> None:
        """Hang up: the process ends itself."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    # what the event loop calls
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A process has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.closed:
            transport.close()
        self._peers.add(self)

    def data_received(self, data: bytes) -> None:
        """Part of a message, or several."""
        received = self._received
        received += data
        begin, end = 0, len(received)
        while not self.closed and end - begin >= HEADER.size:
            (size,) = HEADER.unpack_from(received, begin)
            after = begin + HEADER.size + size
            if after > end:
                break
            message = decode(received[begin + HEADER.size : after]) if size else {}
            begin = after
            self._take(message)
        del received[:begin]

    def _take(self, message: Message) -> None:
        if self._greeted:
            self.on_message(self, message)
            return
        self._greeted = True
        if message:  # an empty frame is the greeting of a life line, on which nothing more will come
            self.hello = message
            self._on_hello(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process is gone, or we have hung up."""
        self.closed = True
        self._peers.discard(self)
        self.on_close(self)


class Hub:
    """Listens on a Unix socket in a folder of its own, where the output files are too."""

    def __init__(self, on_hello: Callable[[Peer], None]) -> None:
        self.on_hello = on_hello
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.address = str(self.folder / SOCKET)
        self._server: asyncio.AbstractServer | None = None
        self._peers: set[Peer] = set()
        self._closed = False

    async def open(self) -> None:
        """Start to listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._connects, self.address)
        os.chmod(self.address, 0o600)

    def _connects(self) -> Peer:
        peer = Peer(self.on_hello, self._peers)
        peer.closed = self._closed  # it is accepted in the last moment
        return peer

    async def close(self) -> None:
        """Hang up on every process, which ends them all, and remove the folder."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for peer in list(self._peers):
            peer.close()
        with contextlib.suppress(asyncio.TimeoutError):
            if self._server is not None:
                await asyncio.wait_for(self._server.wait_closed(), 1)
        self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
