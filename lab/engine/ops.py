"""The kinds of step, and how each is spelled: as the Pulumi CLI prints them without a terminal."""

import enum


class Op(enum.Enum):
    """(sign, while it runs, when it is done, in a preview, what it counts as in the summary)."""

    SAME = ("  ", "", "", "", "same")
    CREATE = ("+ ", "creating", "created", "create", "create")
    UPDATE = ("~ ", "updating", "updated", "update", "update")
    DELETE = ("- ", "deleting", "deleted", "delete", "delete")
    REPLACE = ("+-", "replacing", "replaced", "replace", "replace")
    CREATE_REPLACEMENT = ("++", "creating replacement", "created replacement", "create replacement", "")
    DELETE_REPLACED = ("--", "deleting original", "deleted original", "delete original", "")
    IMPORT = ("= ", "importing", "imported", "import", "import")
    READ = ("> ", "reading", "read", "read", "")
    REFRESH = ("~ ", "refreshing", "refreshed", "refresh", "")

    def __init__(self, sign: str, doing: str, done: str, plan: str, counts_as: str) -> None:
        self.sign = sign
        self.doing = doing
        self.done = done
        self.plan = plan
        self.counts_as = counts_as
