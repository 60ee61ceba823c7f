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


class Peer:
    """One process of the debuggee: the root, a checkpoint, or the live one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.hello: Message = {}
        self.closed = False
        self.on_message: Callable[[Peer, Message], None] = lambda peer, message: None
        self.on_close: Callable[[Peer], None] = lambda peer: None

    @property
    def pid(self) -> int:
        return int(self.hello["pid"])

    def send(self, message: Message) -> None:
        """Send one message; a process that is gone is not an error here, `on_close` tells."""
        if not self.closed:
            self._writer.write(encode(message))

    async def read(self) -> Message | None:
        """The next message, None at the end. An empty frame is the greeting of a life line."""
        try:
            (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            return decode(await self._reader.readexactly(size)) if size else {}
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def attend(self) -> None:
        """Hand over messages until the process is gone."""
        while (message := await self.read()) is not None:
            self.on_message(self, message)
        self.closed = True
        self._writer.close()
        self.on_close(self)

    def close(self) -> None:
        """Hang up: the process ends itself."""
        self.closed = True
        self._writer.close()


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
        self._server = await asyncio.start_unix_server(self._connected, self.address)
        os.chmod(self.address, 0o600)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        if self._closed:  # it was accepted in the last moment
            peer.close()
            return
        self._peers.add(peer)
        try:
            hello = await peer.read()
            if hello is None:
                return
            if hello == {}:
                await peer.read()
                return
            peer.hello = hello
            self.on_hello(peer)
            await peer.attend()
        except asyncio.CancelledError:
            pass
        finally:
            self._peers.discard(peer)
            peer.close()

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
