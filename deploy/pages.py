"""Pages of services that the proxy itself shows: a service puts them into a folder, the proxy reads them there."""

FOLDER = "/usr/local/share/workbench"
# The list of users' apps, which no deploy writes (deploy/apps.py); it is not there where no service has apps.
LISTED_APPS = "/run/workbench-listed-apps/apps.json"


def folder(name: str) -> str:
    """The folder, on the host, of the pages that the proxy shows for a service; in it they are at their addresses."""
    return f"{FOLDER}/{name}"
