"""The team's environments on the host: packages of Python or R for everybody, each installed from its lock.

/opt/environments/NAME-DIGEST holds one, and the link NAME beside it leads to the one in use. DIGEST is that of its
lock, so that another lock is another folder, built beside the one in use: what runs from that goes on. It counts only
with its marker, written last, which says what it is of. What builds packages runs as an account of its own
(builder.py), and all belongs to root afterwards.
"""
