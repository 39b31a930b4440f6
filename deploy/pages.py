"""Pages of services that the proxy itself shows: a service puts them into a folder, the proxy reads them there."""

FOLDER = "/usr/local/share/workbench"


def folder(name: str) -> str:
    """The folder, on the host, of the pages that the proxy shows for a service; in it they are at their addresses."""
    return f"{FOLDER}/{name}"
