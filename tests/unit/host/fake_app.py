"""An app for the tests of the dispatcher: FAKE_APP SOCKET. What it does at its start, the file `mode` beside it says."""

import hashlib
import os
import socket
import sys
import threading
import time
from pathlib import Path


def answer(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def receive(connection: socket.socket, said: bytes, head: bytes) -> bytes:
    """The digest of a body."""
    [size] = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    digest = hashlib.sha256(said)
    size -= len(said)
    while size and (data := connection.recv(65536)):
        digest.update(data)
        size -= len(data)
    return digest.hexdigest().encode()


def serve(connection: socket.socket) -> None:
    said = b""
    while b"\r\n\r\n" not in said:
        data = connection.recv(65536)
        if not data:
            return  # somebody looked whether this listens
        said += data
    head, _, body = said.partition(b"\r\n\r\n")
    path = head.split()[1].partition(b"?")[0]
    with connection:
        if path == b"/upload":
            answer(connection, receive(connection, body, head))
        elif path == b"/early":
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        elif path == b"/websocket":
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + body)
            while data := connection.recv(65536):
                connection.sendall(data)
        elif path == b"/stream":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for number in range(3):
                connection.sendall(b"%d\n" % number)
                time.sleep(0.2)
        elif path == b"/flood":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            sent = 0
            while sent < 64 * 1024**2:
                sent += connection.send(bytes(65536))
                Path("sent").write_text(str(sent))
        elif path == b"/die":
            print("dying as asked", flush=True)
            os._exit(1)
        elif path == b"/pid":
            answer(connection, b"%d" % os.getpid())
        else:
            answer(connection, head)


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
