"""A TCP proxy on loopback that makes what is near far: whatever passes it arrives half a round trip later.

The first bytes wait for a whole round trip besides, which is what TCP's own handshake takes. Bandwidth is not limited,
nothing is lost. Netem would be the kernel's way; it is not in every kernel.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ROUND_TRIP = 0.080  # seconds


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Passes on what is read, each piece `delay` seconds after it came, and at last the end."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def listen() -> None:
        while True:
            try:
                piece = await reader.read(1 << 16)
            except ConnectionError:
                piece = b""
            await pieces.put((loop.time() + delay, piece))
            if not piece:
                return

    listening = asyncio.create_task(listen())
    try:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - loop.time())
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        listening.cancel()
        writer.close()


def _promptly(writer: asyncio.StreamWriter) -> None:
    """The proxy itself must not hold back small packets (Nagle), or it would add more than it says."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def far(address: str, port: int, round_trip: float = ROUND_TRIP) -> Iterator[int]:
    """The port of 127.0.0.1 at which `address`:`port` is reached, so many seconds there and back."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ports: list[int] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(round_trip)
        there = await asyncio.open_connection(address, port)
        for end in (writer, there[1]):
            _promptly(end)
        await asyncio.gather(
            _carry(reader, there[1], round_trip / 2), _carry(there[0], writer, round_trip / 2)
        )

    async def serve() -> None:
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
