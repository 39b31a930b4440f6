"""What is declared, what the data volume remembers and what is on the host as far as accounts go; a plan's steps."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

FIRST_UID = 2000
FIRST_GID = 20000  # of declared groups; a user's own group has the number of the user
ADMINS = "workbench-admins"
ADMIN_GROUPS = frozenset({"sudo", ADMINS})
EVERYBODY = "workbench-users"
SYSTEM_GROUPS = ADMIN_GROUPS | {EVERYBODY}
SHELL = "/bin/bash"
NO_SHELL = "/usr/sbin/nologin"
NO_PASSWORD = "*"  # noqa: S105 - no password matches it; keys still do
NEVER_SET = frozenset({"!", "!!", ""})  # what useradd leaves where nobody has set a password yet


class ConflictError(Exception):
    """The declared users cannot be had on this host; the text is one sentence for each reason."""


@dataclass(frozen=True)
class Wanted:
    """A user as declared."""

    name: str
    admin: bool = False
    ssh_keys: tuple[str, ...] = ()
    password_hash: str | None = None
    uid: int | None = None
    groups: tuple[str, ...] = ()
    change_password: bool = False
    removed: bool = False
    formerly: str | None = None

    @property
    def memberships(self) -> frozenset[str]:
        return frozenset({EVERYBODY, *self.groups}) | (ADMIN_GROUPS if self.admin else frozenset())

    @property
    def digest(self) -> str | None:
        """Tells a declared hash from the next one; None where no password is declared."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest() if self.password_hash else None

    @property
    def keys_text(self) -> str:
        return "".join(f"{key}\n" for key in self.ssh_keys)


@dataclass(frozen=True)
class Entry:
    """What the registry remembers of a name: the digest of the hash that was declared last, the hash last seen.

    `formerly` is the name that it had before, `moving` whether that is not over yet, `earlier` are those before it.
    """

    uid: int
    declared: str | None = None
    shadow: str | None = None
    locked: bool = False
    formerly: str | None = None
    moving: bool = False
    earlier: tuple[str, ...] = ()

    @property
    def former(self) -> tuple[str, ...]:
        """All names that it had."""
        return (*self.earlier, *([self.formerly] if self.formerly else []))


@dataclass(frozen=True)
class Account:
    """An account as it is on this host."""

    uid: int
    gid: int
    shadow: str
    shell: str
    expired: bool = False
    groups: frozenset[str] = frozenset()  # of those that are ours: SYSTEM_GROUPS and declared ones
    running: bool = False  # has processes, or will have a user manager from the next boot on (lingering)
    held: frozenset[str] = frozenset()  # of our groups, those that anything running is in
    must_change: bool = False  # the password is to be changed at the next login (shadow(5): last change is 0)

    @property
    def closed(self) -> bool:
        """Whether the program has closed it. One that is but expired may be about to be renamed (renaming.py)."""
        return self.expired and self.shell == NO_SHELL


@dataclass(frozen=True)
class System:
    """What plan has to know of the host: accounts and groups by name, owners of homes, texts of key files.

    `leaving` are names whose home is being archived, `gone` those whose home is in its archive and being deleted, and
    `apps` those whose apps are served.
    """

    accounts: Mapping[str, Account] = field(default_factory=dict)
    gids: Mapping[str, int] = field(default_factory=dict)
    homes: Mapping[str, int] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Registry:
    """What the data volume remembers: users, and the gids of groups.

    Neither ever goes to another name, and no name to another user.
    """

    users: Mapping[str, Entry] = field(default_factory=dict)
    gids: Mapping[str, int] = field(default_factory=dict)

    def opened(self) -> dict[str, int]:
        """The uids by name of those whose account is open."""
        return {name: entry.uid for name, entry in self.users.items() if not entry.locked}

    def former(self) -> dict[str, str]:
        """The names of today by those that their users had before and nobody has."""
        return {
            old: name for name, entry in self.users.items() for old in entry.former if old not in self.users
        }

    def all_ids(self) -> frozenset[int]:
        return frozenset({entry.uid for entry in self.users.values()} | set(self.gids.values()))


@dataclass(frozen=True)
class Step:
    """One thing to do: `verb` names a function of the program, which gets the name and `value`.

    `becomes` is the user's name where the account still has another one, which is then `name`.
    """

    verb: str
    name: str
    value: object = None
    becomes: str | None = None

    @property
    def user(self) -> str:
        """Whom it is about, by the name in the registry."""
        return self.becomes or self.name


@dataclass(frozen=True)
class Plan:
    """`first` is the registry to be written before the steps, `last` the one after them.

    The steps of `closing` shut somebody out, and each can be done whatever became of the others. Those of `renaming`
    give accounts another name, which the registry has to say before. Those of `rest`, like these, build on the ones
    before, and are for users of whom none has failed.
    """

    first: Registry
    closing: tuple[Step, ...]
    renaming: tuple[Step, ...]
    rest: tuple[Step, ...]
    last: Registry

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.closing + self.renaming + self.rest

    def renewed(self) -> dict[str, int]:
        """The uids by name of users whose account is open and of whom all that runs is ended."""
        ended = {step.user for step in self.closing if step.verb == "renew_sessions"}
        return {name: self.last.users[name].uid for name in sorted(ended)}

    def after(self, failed: Collection[str]) -> Registry:
        """The registry after the steps where one of each of these users has failed: they are as before it."""
        users = {
            name: self.first.users[name] if name in failed else entry
            for name, entry in self.last.users.items()
        }
        return Registry(users, self.last.gids)
