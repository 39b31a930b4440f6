"""A host is made into an image that other servers start from: with its packages, and without all that is its own."""

# A server that was started from an image has it until pending security fixes are installed (deploy/updates.py).
BAKED = "/var/lib/workbench/baked"
