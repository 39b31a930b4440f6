"""Facts asked all at once, for a pyinfra connector of any kind: what is safe to answer so, and until when.

pyinfra reads a fact by running a command on the host, one after the other. A run that changes nothing reads all its
facts from a host that stays as it is, so they may as well be read side by side: the first fact of a run that was
asked last time as well brings all others with it. An answer is used only

- for exactly the command that was run, under exactly the arguments (sudo, user, environment) of the whole batch;
- as long as this run has changed nothing on the host since it was given: whatever is not known to read a fact counts as
  a change, after which what is still to come is asked anew, all at once, when the first of it is needed;
- for half a minute, since others may change the host too.

Everything else, and every command without a whole answer, is run in the ordinary way.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import (
    CommandOutput,
    OutputLine,
    extract_control_arguments,
    make_unix_command_for_host,
)

from connector import memory, prefetch, quick
from connector.batch import Batch
from connector.batched import Reading, gathered, reading
from connector.session import (
    LOCK,
    AgentError,
    Answer,
    LockedError,
    Question,
    Session,
    Stream,
    command,
    me,
)

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

START_SECONDS = 20.0  # until the host has taken the lock
BEAT_SECONDS = 15.0
WORTH = 5  # facts that a batch has to answer to be worth its time
# The host's data: the memory's file, the part of the deploy that this run is about, the agent that was started ahead.
MEMORY, ONLY, AGENT = "workbench_memory", "only", "workbench_agent"


class _AfterOperations(BaseStateCallback):
    """Tells the connector of each operation that came to an end: a Python function may change a host unseen."""

    @staticmethod
    def operation_host_start(state: "State", host: "Host", op_hash: str) -> None:  # noqa: ARG004
        connector = host.connector
        if isinstance(connector, Remembering):
            connector.operation_begins(op_hash)


class Remembering(BaseConnector):
    """A connector that also holds the host's lock. A subclass says how to start the agent."""

    lock = LOCK

    def __init__(self, state: "State", host: "Host") -> None:
        super().__init__(state, host)
        self._session: Session | None = None
        self._own: dict[str, Any] = {}  # the arguments that the agent was started with
        self._batch = Batch([], "")
        self._asked: dict[str, Reading] = {}
        self._readings: list[Reading] = []  # a fact may read another one
        self._changed = False
        self._quiet = 0  # facts that were read since the last change
        self._patience = 1  # of how many it takes for a new batch: after a change there often comes the next
        self._met_agent = False
        self._operation: str | None = None
        # Operations read facts by `host.get_fact`: what is run meanwhile reads, all else may change something.
        self._get_fact = quick.watch_facts(host, self._read)
        if not any(isinstance(handler, _AfterOperations) for handler in state.callback_handlers):
            state.add_callback_handler(_AfterOperations())  # type: ignore[no-untyped-call]

    def _start_agent(self, line: str) -> Stream:
        """Runs a shell command on the host, its input and output at hand."""
        raise NotImplementedError

    def connect(self) -> None:
        self._changed, self._quiet, self._patience = False, 0, 1
        self._own = self._arguments()
        self._batch = Batch(self._load(), self.host.print_prefix)
        try:
            if not self._taken_over():
                super().connect()
                self._begin()
        except (LockedError, AgentError) as error:
            self.disconnect()
            raise ConnectError(_refusal(error)) from None

    def disconnect(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
            self._save()
        super().disconnect()

    def run_shell_command(
        self, command: StringCommand, print_output: bool = False, print_input: bool = False, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        if not self._readings:
            self._changes()
        elif not (print_output or print_input):  # who wants to see it sees it happen
            answer = self._remember(command, arguments)
            if answer is not None:
                lines = [OutputLine("stdout", line) for line in answer.out]
                return True, CommandOutput([*lines, *(OutputLine("stderr", line) for line in answer.err)])
        return super().run_shell_command(  # type: ignore[safe-super]
            command, print_output=print_output, print_input=print_input, **arguments
        )

    def put_file(self, *args: Any, **kwargs: Any) -> bool:
        self._changes()
        return super().put_file(*args, **kwargs)  # type: ignore[safe-super]

    def rsync(self, *args: Any, **kwargs: Any) -> bool:
        self._changes()
        return super().rsync(*args, **kwargs)

    def operation_begins(self, op_hash: str) -> None:
        """The operation before it is over: where it did something, the answers are too old from here on."""
        before, self._operation = self._operation, op_hash
        done = self.state.ops[self.host].get(before) if before else None
        if done is not None and done.operation_meta.is_complete() and done.operation_meta.executed:
            self._changes()

    # Reading

    def _read(self, fact: Any, *args: Any, **kwargs: Any) -> Any:
        self._readings.append(reading(fact, args, kwargs))
        try:
            return self._get_fact(fact, *args, **kwargs)
        finally:
            self._readings.pop()

    def _remember(self, command: StringCommand, arguments: Mapping[str, Any]) -> Answer | None:
        """Notes the command for the next run, and gives its answer where there is one that counts."""
        text = _plain(command)
        if text is None or _told(arguments) != self._own:
            return None
        now = self._readings[-1]
        counts = not self._changed or self._asked_again()
        self._asked[text] = now
        if not counts:
            return None
        answer = self._batch.answer(text, now.fact)
        if now.waits and (answer is None or not self._batch.came_first(text)):
            self._batch.too_early()
        return answer

    def _asked_again(self) -> bool:
        """Whether the batch was asked since the last change; with the first fact that is worth it, it is."""
        self._quiet += 1
        if self._quiet == self._patience and self._session is not None:
            self._batch.again(self._session, str(self._own.get("_shell_executable")), self._asked)
        return self._quiet >= self._patience

    # Changing

    def _changes(self) -> None:
        """Something is about to change on the host: no answer counts any more, and the lock has to be ours.

        Raises OSError, which pyinfra takes for a failed command, where it has become somebody else's meanwhile.
        """
        if self._changed and self._patience <= self._quiet < self._patience + WORTH:
            self._patience *= 2
        self._changed, self._quiet = True, 0
        self._batch.ignore()
        self._batch.finish()
        if self._session is not None and not self._session.alive():
            try:
                self._begin()
            except (LockedError, AgentError) as error:
                raise OSError(_refusal(error)) from None

    def _begin(self) -> None:
        """Takes the lock, and asks for what is remembered. Raises LockedError or AgentError."""
        session = Session(self._start_agent(self._agent_line()))
        session.open(me(), self.lock)
        if not self._changed:
            self._batch.ask(session, str(self._own.get("_shell_executable")))
        self._hold(session)

    def _taken_over(self) -> bool:
        """Whether an agent that was started ahead holds the lock, and has been asked. Raises LockedError."""
        given = self.host.data.get(AGENT)
        if not given or self._met_agent:
            return False
        self._met_agent = True
        stream = prefetch.AgentStream(given)
        session = Session(stream)
        if self._agent_line() != prefetch.LINE:
            session.close()
            return False
        self._batch.ask(session, prefetch.SHELL, stream.asked)
        with contextlib.suppress(AgentError):  # ssh may not get in where paramiko does
            self._hold(session)
            if session.alive():
                return True
            self._session = None
        self._batch.ignore()
        return False

    def _agent_line(self) -> str:
        """The shell command that starts the agent, as the user that the deploy's commands run as."""
        arguments: Any = dict(self._own)
        extract_control_arguments(arguments)
        line = make_unix_command_for_host(self.state, self.host, StringCommand(command()), **arguments)
        return str(line.get_raw_value())

    def _hold(self, session: Session) -> None:
        try:
            session.held(START_SECONDS)
        except (LockedError, AgentError):
            session.close()
            raise
        self._session = session
        gevent.spawn(_beat, session)

    def _arguments(self) -> dict[str, Any]:
        """How the host's commands are run as far as nothing else is said: as which user, with which shell."""
        arguments, _ = pop_global_arguments(self.state, self.host, {})
        return _told({key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS})

    # What is remembered

    def _load(self) -> list[Question]:
        path = self.host.data.get(MEMORY)
        # Without a shell in between, a command is for the login shell of whoever connects.
        shell = self._own.get("_shell_executable")
        return memory.load(Path(path)) if path and shell else []

    def _save(self) -> None:
        """Notes what this run asked; besides it what the one before did, where this one was cut short."""
        path = self.host.data.get(MEMORY)
        if not path or not self._asked:
            return
        ended = self.state.current_stage == StateStage.Disconnect and self.host not in self.state.failed_hosts
        whole = ended and not self.host.data.get(ONLY)
        questions = gathered(self._asked)
        if not whole:
            known = {text for one in self._batch.questions for text in one.answers}
            further = {text: Reading(one.fact) for text, one in self._asked.items() if text not in known}
            questions = [*self._batch.questions, *gathered(further)]
        if questions != self._batch.questions:
            memory.save(Path(path), questions)


def _told(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that say something: all the others are as if they were not there."""
    return {key: value for key, value in arguments.items() if value not in (None, False, "", 0, {}, [], ())}


def _plain(command: StringCommand | str) -> str | None:
    """The command's text; None where pyinfra would mask a part of it."""
    if isinstance(command, str):
        return command
    text = command.get_raw_value()
    return text if text == command.get_masked_value() else None


def _beat(session: Session) -> None:
    while True:
        gevent.sleep(BEAT_SECONDS)
        if not session.alive():
            return
        session.beat()


def _refusal(error: Exception) -> str:
    if isinstance(error, LockedError):
        return f"Another deploy is at work on this host, by {error}; try again once it is through."
    return f"The host cannot be deployed to, its lock cannot be taken: {error}."
