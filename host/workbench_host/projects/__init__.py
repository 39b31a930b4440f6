"""Projects: a small one, made by `workbench-project`, with data, code, an environment's lock, a report, README and git.

`command` makes it, `python` and `r` have what differs between the languages: files, and the environment with its lock.
"""
