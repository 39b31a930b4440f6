"""How pyinfra is started, and how it reaches a host fast.

- `configure` runs a deploy: pyinfra begins as a `process` before it is known what there is to do; `prefetch` asks the
  host meanwhile
- `ssh` is the connector: pyinfra's own SSH connector over a `link`, with the host's lock
- `remembering`, `batch`, `batched` and `memory`: facts asked all at once, of which an answer counts, and until when
- `session` and `agent`: both ends of the conversation with the host
- `quick`: all that replaces something inside pyinfra or paramiko
"""
