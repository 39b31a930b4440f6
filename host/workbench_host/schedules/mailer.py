"""schedule-mail: mails users what became of a run of their schedules, to the address that the settings have of each.

A service that owns nothing (DynamicUser): the password of the mail server and the addresses are handed over by systemd
and seen by nobody else. Everybody on the host may connect to its socket, and says what became of a run; whose it is the
kernel says (SO_PEERCRED). What a user can choose is the text below the first line, to the user's own address, and no
more of it than a day's number. One who connects and says nothing has a place of the own few, and no other's.
"""

import json
import os
import pwd
import queue
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench_host import alarms
from workbench_host.alarms import mail
from workbench_host.alarms.program import CREDENTIALS, secret
from workbench_host.processes import USER_UIDS
from workbench_host.schedules import MAIL_SOCKET, jobs, running
from workbench_host.session_scope import caller
from workbench_host.tools import FailureError, printable, reason, write

A_DAY, OF_ALL = 20, 500  # mails to one user, and to all together, within DAY_SECONDS
DAY_SECONDS = 86400.0
AT_A_TIME, CONNECTIONS, WAITING = 2, 64, 100  # connections of one user, of all; mails that wait to be sent
READ_SECONDS, MOST_BYTES = 3.0, 32768
LINES, LINE = 60, 300  # of what a run has said last
AGAIN_SECONDS = 60.0
ADDRESSES = "addresses"  # the credential


def request(data: bytes) -> dict[str, Any]:
    """What somebody says of a run, each part as it may be in a mail. Raises FailureError where it is none."""
    try:
        told = json.loads(data)
        name, result, seconds, last = (told[key] for key in ("name", "result", "seconds", "last"))
        if not (isinstance(result, str) and isinstance(last, str) and isinstance(seconds, int)):
            raise TypeError
        if not jobs.NAME.fullmatch(name):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise FailureError("that is no run of a schedule") from None
    lines = [line[:LINE] for line in printable(last).split("\n")[-LINES:]]
    return {
        "name": name,
        "result": " ".join(printable(result).split())[:200],
        "seconds": max(0, min(seconds, 10**7)),
        "lines": lines,
    }


def letter(told: Mapping[str, Any], user: str, config: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of the mail. No words of a user's are in the subject: a header has a syntax of its own."""
    became = running.OK if told["result"].partition(";")[0] == running.OK else "failed"
    subject = f"[workbench {config['stack']}] schedule {told['name']}: {became}"
    lines = [
        f"The schedule {told['name']} of {user} on {config['url']}: {told['result']}, after {told['seconds']} s.",
        f"~/schedules/{told['name']} has what its runs have said. The last lines of this one:",
        "",
        *(f"    {line}" for line in told["lines"]),
        "",
    ]
    return subject, "\n".join(lines)


class Allowance:
    """How many mails there were within a day; kept in a file, so that a restart gives nobody more."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.Lock()
        try:
            self.sent: dict[str, list[float]] = json.loads(path.read_text())
        except (OSError, ValueError):
            self.sent = {}

    def take(self, user: str) -> None:
        """Counts one. Raises FailureError where there were too many."""
        with self.lock:
            since = time.time() - DAY_SECONDS
            recent = {name: [at for at in times if at > since] for name, times in self.sent.items()}
            self.sent = {name: times for name, times in recent.items() if times}
            if len(self.sent.get(user, [])) >= A_DAY:
                raise FailureError(f"{A_DAY} mails within a day is the most")
            if sum(map(len, self.sent.values())) >= OF_ALL:
                raise FailureError("too much was mailed from here today")
            self.sent.setdefault(user, []).append(time.time())
            write(self.path, json.dumps(self.sent), 0o600)


class Waiting:
    """Mails that wait to be sent, a file each: the service begins anew when an address changes, and loses none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.lock = folder, threading.Lock()
        self.paths: queue.Queue[Path] = queue.Queue()
        for path in sorted(folder.glob("*.json")):
            self.paths.put(path)

    def put(self, one: tuple[str, str, str]) -> None:
        """(user, subject, text). Raises FailureError where too many wait, and OSError where it cannot be kept."""
        with self.lock:
            if self.paths.qsize() >= WAITING:
                raise FailureError("too many mails wait to be sent")
            path = self.folder / f"{time.time_ns():020}.json"
            write(path, json.dumps(one), 0o600)
            self.paths.put(path)

    def next(self) -> Path:
        """The oldest one, for which it waits. Who has sent it deletes it."""
        return self.paths.get()


class Mailer:
    """Takes what users say, and sends it one after another."""

    def __init__(self, config: Mapping[str, Any], addresses: Mapping[str, str], state: Path) -> None:
        self.config, self.addresses, self.allowance = config, addresses, Allowance(state / "sent.json")
        self.waiting = Waiting(state / "waiting")
        self.connected: Counter[int] = Counter()
        self.lock = threading.Lock()

    def answer(self, uid: int, data: bytes) -> str:
        """What is said to who asks. Raises FailureError with why nothing is mailed."""
        user = pwd.getpwuid(uid).pw_name
        if user not in self.addresses:
            raise FailureError("the settings have no email of yours")
        told = request(data)
        self.allowance.take(user)
        self.waiting.put((user, *letter(told, user, self.config)))
        return "queued to be mailed"

    def serve(self, connection: socket.socket, uid: int) -> None:
        with connection:
            try:
                said = self.answer(uid, received(connection))
            except (FailureError, KeyError, OSError) as error:  # the latter where the disk is full, too
                said = f"not mailed: {reason(error)}"
            try:
                connection.sendall(said.encode())
            except OSError:
                pass
            finally:
                with self.lock:
                    self.connected[uid] -= 1

    def admit(self, connection: socket.socket) -> None:
        """Serves a connection beside the others, or closes it where its user, or everybody, has too many."""
        _, uid = caller(connection)
        with self.lock:
            full = self.connected[uid] >= AT_A_TIME or self.connected.total() >= CONNECTIONS
            if full or uid not in USER_UIDS:
                connection.close()
                return
            self.connected[uid] += 1
        threading.Thread(target=self.serve, args=(connection, uid), daemon=True).start()

    def send(self, path: Path) -> None:
        """Sends one, in a second try where the server was not to be had. Raises FailureError with why it could not."""
        user, subject, text = json.loads(path.read_text())
        if user not in self.addresses:
            raise FailureError(f"the settings have no email of {user} any more")
        config = {**self.config["mail"], "to": [self.addresses[user]]}
        try:
            mail.send(config, secret(alarms.PASSWORD), subject, text)
        except mail.RefusedError as error:  # for what is in it: again it would be refused, and others wait
            raise FailureError(f"{user}: {error}") from None
        except FailureError:
            time.sleep(AGAIN_SECONDS)
            mail.send(config, secret(alarms.PASSWORD), subject, text)

    def send_next(self) -> None:
        """Sends the next one, for which it waits; of what cannot be sent the journal has why."""
        path = self.waiting.next()
        try:
            self.send(path)
        except Exception as error:  # whatever is wrong with one, the others are sent
            print(f"A mail was not sent: {reason(error)}.", file=sys.stderr, flush=True)
        path.unlink(missing_ok=True)

    def send_all(self) -> None:
        while True:
            self.send_next()


def received(connection: socket.socket) -> bytes:
    """All that is said within READ_SECONDS. Raises FailureError where it is too much or takes too long."""
    data, deadline = b"", time.monotonic() + READ_SECONDS
    while True:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            more = connection.recv(65536)
        except TimeoutError:
            raise FailureError("it took too long to say") from None
        if not more:
            return data
        data += more
        if len(data) > MOST_BYTES:
            raise FailureError("it is too long")


def main(arguments: Sequence[str]) -> int:
    if arguments or CREDENTIALS not in os.environ:
        print("schedule-mail takes no arguments, and is started by systemd.", file=sys.stderr)
        return 2
    config = json.loads(Path(alarms.CONFIG).read_text())
    addresses = json.loads((Path(os.environ[CREDENTIALS]) / ADDRESSES).read_text())
    mailer = Mailer(config, addresses, Path(os.environ["STATE_DIRECTORY"]))
    threading.Thread(target=mailer.send_all, daemon=True).start()
    Path(MAIL_SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(MAIL_SOCKET)
        os.chmod(MAIL_SOCKET, 0o666)  # noqa: S103 - whoever asks is told by the kernel
        listener.listen(128)
        while True:
            mailer.admit(listener.accept()[0])
