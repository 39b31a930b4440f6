"""Users' apps: what a person put into a folder of their home, run as that person, shown below one path of the proxy.

workbench-apps@UID.socket (root's, for the proxy alone) starts `apps` as the user at the first request. It reads the
head of each request, starts the app that it is for, and passes the bytes on. All of it is the user's own: neither the
proxy nor anything of root's believes what comes back.
"""
