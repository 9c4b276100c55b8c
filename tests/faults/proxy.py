"""An HTTP proxy in front of the local AWS that breaks what it is told to, and counts it.

One process, many ports: each port is one client's way to AWS and has a fault of its own. A fault
strikes a role that a request plays in a job's life, so the client needs no knowledge of it: the
operation is read from the request, and from AWS's answer whether the job has ended. The process
that called is found from the other end of its socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from fault import KILLS, Fault, JobCalls, Port, Role, What, operation_of, refusal
from typing_extensions import Self
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

HOST = "127.0.0.1"
HOLD_SECONDS = 60.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "expect"})
_LINGER_0 = struct.pack("ii", 1, 0)


def client_of(peer: tuple[str, int], mine: tuple[str, int]) -> psutil.Process | None:
    """Find the process at the other end of a TCP connection on this machine."""
    for one in psutil.net_connections("tcp"):
        if one.pid and tuple(one.laddr) == peer and tuple(one.raddr) == mine:
            with suppress(psutil.NoSuchProcess):
                return psutil.Process(one.pid)
    return None


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Proxy:
    """The proxy for the length of a ``with`` block, in a thread of its own.

    ``is_victim`` tells whether a client may be killed; others get their answer as if nothing were.
    """

    def __init__(self, upstream: str, is_victim: Callable[[psutil.Process], bool]) -> None:
        self._upstream = upstream
        self._is_victim = is_victim
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listeners: list[_Listener] = []
        self._session: ClientSession | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, calls: JobCalls, fault: Fault | None = None) -> Port:
        """Listen on one more port."""
        port = Port(calls, fault)
        self._await(self._open(port))
        return port

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self, port: Port) -> None:
        if self._session is None:
            # Unlimited: a held request must not keep others from AWS.
            connector = TCPConnector(limit=0)
            self._session = ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=None),
            )
        listener = _Listener(port, self._upstream, self._session, self._is_victim)
        await listener.listen()
        self._listeners.append(listener)

    async def _close(self) -> None:
        for listener in self._listeners:
            await listener.close()
        work = asyncio.all_tasks() - {asyncio.current_task()}
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        if self._session:
            await self._session.close()


class _Listener:
    def __init__(
        self,
        port: Port,
        upstream: str,
        session: ClientSession,
        is_victim: Callable[[psutil.Process], bool],
    ) -> None:
        self._port = port
        self._upstream = upstream
        self._session = session
        self._is_victim = is_victim
        self._number = 0
        self._server = web.Server(self._handle, access_log=None)
        self._socket: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._socket = await loop.create_server(self._server, HOST, self._number)
        self._number = self._socket.sockets[0].getsockname()[1]
        self._port.url = f"http://{HOST}:{self._number}"

    async def close(self) -> None:
        """Take no more, and reset those that there are."""
        if self._socket:
            self._socket.close()
        for connection in self._server.connections:
            if connection.transport:
                _reset(connection.transport)

    async def _refuse(self, seconds: float) -> None:
        await self.close()
        await asyncio.sleep(seconds)
        await self.listen()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        port = self._port
        try:
            await request.read()
        except ConnectionError:  # its client was killed while it wrote
            return self._gone(request)
        service, operation = operation_of(request.method, request.path, request.headers)
        answer = None
        if operation != port.calls.submit:
            answer = await self._forward(request)
        body = answer.body if answer is not None and isinstance(answer.body, bytes) else b""
        role = port.role(operation, body)
        port.seen[role, operation] += 1
        port.ended = port.ended or (operation in port.calls.reads and role is Role.COLLECT)
        if port.fault is not None and port.strikes_at(role, operation):
            struck = await self._strike(request, port.fault, service, operation, answer)
            if struck is not None:
                return struck
        answer = answer or await self._forward(request)
        return answer if answer is not None else self._gone(request)

    async def _strike(
        self,
        request: web.BaseRequest,
        fault: Fault,
        service: str,
        operation: str,
        answer: web.Response | None,
    ) -> web.StreamResponse | None:
        port, what = self._port, fault.what
        if what in KILLS:
            victim = await self._client(request)
            if victim is None or not self._is_victim(victim):
                return None
            if what is not What.KILL_BEFORE:
                answer = answer or await self._forward(request)
            if what is What.KILL_DELIVERED and answer is not None:
                await answer.prepare(request)
                await answer.write_eof()
            self._kill(victim, operation)
            return self._gone(request)
        port.struck[operation] += 1
        if what is What.PAUSE:
            await self._hold(request)
        elif what is What.LOST:
            await self._forward(request)
        elif what is What.REFUSE:
            task = asyncio.ensure_future(self._refuse(fault.seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif what is not What.RESET:
            return refusal(service, what)
        return self._gone(request)

    def _kill(self, victim: psutil.Process, operation: str) -> None:
        port = self._port
        with suppress(psutil.NoSuchProcess):
            parents = [victim.parent()] if port.fault and port.fault.with_parent else []
            doomed = [*filter(None, parents), victim]
            if is_alive(victim):
                for process in doomed:
                    process.kill()
                port.struck[operation] += 1
                port.dead += [process.pid for process in doomed]

    async def _client(self, request: web.BaseRequest) -> psutil.Process | None:
        transport = request.transport
        if transport is None:
            return None
        peer, mine = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        return await asyncio.to_thread(client_of, peer, mine)

    async def _hold(self, request: web.BaseRequest) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + HOLD_SECONDS
        # A transport has no event of its end.
        while loop.time() < end and request.transport and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def _forward(self, request: web.BaseRequest) -> web.Response | None:
        """Ask AWS; ``None`` if it can't be reached."""
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        url = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as reply:
                content = await reply.read()
        except (ClientError, OSError):
            return None
        _, operation = operation_of(request.method, request.path, request.headers)
        if operation == self._port.calls.submit and reply.ok:
            self._port.submitted = True
        passed = {k: v for k, v in reply.headers.items() if k.lower() not in _HOP_BY_HOP}
        if request.method != "HEAD":
            passed.pop("Content-Length", None)
        return web.Response(status=reply.status, body=content, headers=passed)

    def _gone(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport:
            _reset(request.transport)
        return web.Response()  # never sent: the connection is gone


def _reset(transport: Any) -> None:
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()
