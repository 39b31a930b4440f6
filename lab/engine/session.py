"""What a command works on: the project, the stack, its file and its state."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.engine.crypto import Crypter
from lab.engine.files import write_atomically
from lab.engine.lock import stack_lock
from lab.engine.project import Project, checked_stack_name, load_project
from lab.engine.stackfile import StackFile
from lab.engine.state import Checkpoint, Store
from workbench.errors import WorkbenchError


@dataclass
class Options:
    """What the flags that all commands share were set to."""

    folder: Path | None = None
    stack: str | None = None
    interactive: bool = True


@dataclass
class Workspace:
    """A project and the folder of its states, no stack chosen."""

    project: Project
    store: Store

    @classmethod
    def of(cls, options: Options) -> "Workspace":
        project = load_project(options.folder or Path.cwd())
        return cls(project, Store(project.backend, project.name))

    def selected(self) -> str | None:
        """The stack chosen by `stack select` or `stack init`."""
        try:
            return self.store.selection_path.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def select(self, stack: str | None) -> None:
        write_atomically(self.store.selection_path, f"{stack or ''}\n")

    def name_of(self, options: Options) -> str:
        """The stack that a command is about: --stack, PULUMI_STACK, else the selected one."""
        name = options.stack or os.environ.get("PULUMI_STACK") or self.selected()
        if name is None:
            raise WorkbenchError("no stack is selected: `pulumi stack select NAME`, or use --stack NAME")
        return checked_stack_name(name, self.project.name)

    def create(self, stack: str) -> None:
        """Make an empty stack, with the salt for its secrets in its file."""
        self.store.refuse_foreign(stack)
        if self.store.exists(stack):
            raise WorkbenchError(f"stack '{stack}' already exists")
        file = StackFile(self.project.stack_file(stack), self.project.name)
        file.ensure_salt()
        self.store.save(Checkpoint(stack, salt=file.salt or ""), file.crypter())


@dataclass
class Session:
    """An existing stack."""

    workspace: Workspace
    stack: str
    file: StackFile

    @classmethod
    def of(cls, options: Options) -> "Session":
        workspace = Workspace.of(options)
        stack = workspace.name_of(options)
        workspace.store.refuse_foreign(stack)
        if not workspace.store.exists(stack):
            raise WorkbenchError(f"no stack named '{stack}' found: `pulumi stack init {stack}` makes it")
        return cls(workspace, stack, StackFile(workspace.project.stack_file(stack), workspace.project.name))

    @property
    def project(self) -> Project:
        return self.workspace.project

    @property
    def store(self) -> Store:
        return self.workspace.store

    def crypter(self) -> Crypter:
        """The crypter of the stack's secrets; a stack file that lost its salt gets it back from the state."""
        if self.file.salt is None:
            self.file.ensure_salt(self.peek().salt or None)
        return self.file.crypter()

    def peek(self) -> Checkpoint:
        """The state with its secrets encrypted; nobody is asked for a passphrase."""
        return self.store.load(self.stack, None)

    def load(self) -> Checkpoint:
        """The state, decrypted."""
        checkpoint = self.store.load(self.stack, self.crypter())
        checkpoint.salt = self.file.salt or ""
        return checkpoint

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """While this holds nobody else changes the stack."""
        with stack_lock(self.store.lock_path(self.stack), self.stack):
            yield
