"""What a user's Jupyter server runs of ours, as that user: extensions of Jupyter Server.

It lies beside `workbench_host` in the host's archive, and runs in the hub's own environment, of which it imports
jupyter_server. jupyter_server_config.py says which extensions there are. A server may run for weeks: what it imports
late is of the archive in use by then, not of the one that it was started with, which may be gone.
"""

# Of one message of a websocket, between a browser and a server and between that and an app: Streamlit's own limit.
MESSAGE_BYTES = 200 * 1024**2
# Of Jupyter Server's settings: ports, as text, and when each was visited last.
VISITS = "workbench_webapps_visits"
