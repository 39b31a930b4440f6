"""What `workbench doctor` asks of the host: facts, which the command judges. Nothing is changed.

A module for each kind of fact; `program` asks them all at once and prints JSON.
"""
