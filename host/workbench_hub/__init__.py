"""What JupyterHub runs of ours: its users, their passwords, their servers, its pages.

It lies beside `workbench_host` in the host's archive, and runs in the hub's own environment: unlike that package it
imports jupyterhub, and with it tornado and pamela. jupyterhub_config.py says who uses what.
"""

MESSAGE = "/etc/workbench/jupyterhub/message"  # the message of the day; what it says may change at any time
PRIVATE = "/run/jupyter"  # of root, made by the hub's unit: in it users' servers have a folder each
ENVIRONMENTS = (
    "/run/jupyterhub"  # of root, the hub's own: the environments of servers while they are being started
)
SERVERS = "/run/workbench-servers"  # of root, made by the hub's unit: where its proxy and itself reach users' servers
