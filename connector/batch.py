"""The facts that are remembered, asked of the host all at once, and their answers as they come."""

import time
from collections.abc import Mapping, Sequence

from pyinfra import logger

from connector.batched import Reading, parted, remaining
from connector.session import BATCH_SECONDS, AgentError, Answer, Question, Session

FRESH = 30.0  # seconds
MOST = 3  # in a run: where a host takes so long, or a person, the rest may as well be read one by one
NEVER = float("-inf")


class Batch:
    """Asks `questions`, again where the answers have grown too old. What goes wrong costs answers, and is no error."""

    def __init__(self, questions: Sequence[Question], about: str) -> None:
        """`about` names the host in messages."""
        self.questions = questions
        self._left = questions  # those of them that this run has not come to yet
        self._about = about
        self._session: Session | None = None
        self._shell = ""
        self._times = 0
        self._sent = NEVER
        self._stale = False
        self._running = False  # the host is still at it
        self._answers: dict[str, Answer] = {}
        self._kinds: dict[str, object] = {}  # the fact class, of answers that came together with others
        self._whole: dict[str, Question] = {}
        self._awaited: set[str] = set()  # what was asked for and is not answered yet
        self._first: set[str] = set()  # and of that, what comes before all others

    def ask(self, session: Session, shell: str, asked: float | None = None) -> None:
        """Asks for all of them, where that was not done before, at `asked` (time.monotonic).

        The host reads while this machine goes on.
        """
        self._session, self._shell = session, shell
        self.ignore()
        if asked is None and (not self._left or self._times == MOST):
            return
        self._times += 1
        self._sent, self._stale = time.monotonic() if asked is None else asked, False
        try:
            if asked is None:
                session.ask(self._left, shell)
            else:
                session.expect(self._left)
        except AgentError as error:
            self._give_up(error)
            return
        self._running = True
        self._whole = {part.command: question for question in self._left for part in question.parts}
        self._awaited = {question.command for question in self._left}
        self._first = {question.command for question in self._left if question.first}

    def again(self, session: Session, shell: str, asked: Mapping[str, Reading]) -> None:
        """Asks anew for all but what this run has `asked`: the host has changed since."""
        if self._times != MOST:
            self._left, self._times = remaining(self.questions, asked), 0
            self.ask(session, shell)

    def answer(self, command: str, fact: object) -> Answer | None:
        """What the host said, once it has; None where the command of `fact` has to be run in the ordinary way."""
        if self._session is not None and (self._stale or time.monotonic() - self._sent > FRESH):
            self.ask(self._session, self._shell)
        whole = self._whole.get(command)
        asked = whole.command if whole else command
        while asked in self._awaited:
            self._take()
        if whole and (said := self._answers.pop(asked, None)):
            parts = parted(whole, said, fact)
            self._answers.update(parts)
            self._kinds.update(dict.fromkeys(parts, fact))
        return self._answers.get(command) if self._kinds.get(command, fact) is fact else None

    def came_first(self, command: str) -> bool:
        """Whether it was through before anything else of the batch began."""
        return [question.command for question in self.questions if question.first][:1] == [command]

    def too_early(self) -> None:
        """The host was not ready when it was asked: all is asked anew."""
        self.ignore()
        self._stale = True

    def ignore(self) -> None:
        """What was answered, and what still comes, counts no more."""
        self._answers, self._kinds, self._awaited, self._first = {}, {}, set(), set()

    def finish(self) -> None:
        """Returns when the host has read all: what reads is not to meet what changes."""
        while self._running:
            self._take()

    def _take(self) -> None:
        if self._session is None:
            return self._end()
        try:
            said = self._session.answer(self._sent + 2 * BATCH_SECONDS - time.monotonic())
        except AgentError as error:
            return self._give_up(error)
        if said is None:
            return self._end()
        command, answer = said
        if command not in self._awaited:
            return None
        first = command in self._first
        if (first and answer is None) or (self._first and not first):
            return self.ignore()  # the host is not ready, and what was read was read too early
        self._awaited.discard(command)
        self._first.discard(command)
        if answer is not None:
            self._answers[command] = answer
        return None

    def _end(self) -> None:
        self._running, self._awaited = False, set()

    def _give_up(self, error: AgentError) -> None:
        """No more batches, and no more of this one."""
        self._times = MOST
        self._end()
        logger.debug("%sfacts are read one by one: %s", self._about, error)
