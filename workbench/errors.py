"""The one kind of error that is meant for a person."""


class WorkbenchError(Exception):
    """Something the user can put right: its text is one clear sentence, shown without a traceback."""
