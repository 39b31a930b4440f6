"""What a stack's servers are to it, by their tag Role: what infra declares and `workbench rebuild` moves.

At any moment one server at most is SERVER. A rebuild names the one that is there FORMER before anything else is done,
and makes another SERVER beside it; so that wherever it is cut off, the roles say how far it came.
"""

SERVER = "server"
FORMER = "former"  # comes back unless the new one is healthy; it is ended only then
REPLACED_BY = "ReplacedBy"  # a former server's tag, from the moment on in which the new one was found healthy
BUILDER = "builder"  # of a bake (workbench/images.py); it is none of the stack's own
FORMER_NAME = "former server of a rebuild that has not ended"  # what people are told

NAMES = {FORMER: FORMER_NAME, BUILDER: "builder"}

# Set by the command around its own runs of Pulumi, to the former server's id: any other run is refused meanwhile.
REBUILD_VARIABLE = "WORKBENCH_REBUILD"
# The same around a rebuild's preview: the image that a new server would start from is judged, though there is a server.
ANEW_VARIABLE = "WORKBENCH_REBUILD_PREVIEW"
STARTS_FROM = "The server starts from"  # what the program says of that image begins so
