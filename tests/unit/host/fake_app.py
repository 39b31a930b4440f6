"""An app for the tests of the dispatcher: FAKE_APP SOCKET. What it does at its start, the file `mode` says."""

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def answer(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def echo(connection: socket.socket, head: bytes, body: bytes) -> None:
    answer(connection, head)


def pid(connection: socket.socket, head: bytes, body: bytes) -> None:
    answer(connection, b"%d" % os.getpid())


def upload(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Answers with the digest of the body."""
    [size] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    digest = hashlib.sha256(body)
    size -= len(body)
    while size and (data := connection.recv(65536)):
        digest.update(data)
        size -= len(data)
    answer(connection, digest.hexdigest().encode())


def early(connection: socket.socket, head: bytes, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")


def websocket(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Says back what it hears."""
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + body)
    while data := connection.recv(65536):
        connection.sendall(data)


def stream(connection: socket.socket, head: bytes, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for number in range(3):
        connection.sendall(b"%d\n" % number)
        time.sleep(0.2)


def flood(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Sends much, and notes in a file how much it could send."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    sent = 0
    while sent < 64 * 1024**2:
        sent += connection.send(bytes(65536))
        Path("sent").write_text(str(sent))


def die(connection: socket.socket, head: bytes, body: bytes) -> None:
    print("dying as asked", flush=True)
    os._exit(1)


def child(connection: socket.socket, head: bytes, body: bytes) -> None:
    """Starts a process that does not end when it is asked to, and says which."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(1000)"
    started = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert started.stdout
    started.stdout.readline()
    answer(connection, b"%d" % started.pid)


def serve(connection: socket.socket) -> None:
    said = b""
    while b"\r\n\r\n" not in said:
        data = connection.recv(65536)
        if not data:
            return  # somebody looked whether this listens
        said += data
    head, _, body = said.partition(b"\r\n\r\n")
    path = head.split()[1].partition(b"?")[0].decode()
    what = {f"/{one.__name__}": one for one in (pid, upload, early, websocket, stream, flood, die, child)}
    with connection:
        what.get(path, echo)(connection, head, body)


def main() -> None:
    mode = Path("mode").read_text() if Path("mode").exists() else ""
    print(f"mode {mode!r} in {Path.cwd()}", flush=True)
    if mode == "die":
        sys.exit(1)
    if mode == "never":
        time.sleep(1000)
    if mode == "slow":
        time.sleep(1)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(100)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
