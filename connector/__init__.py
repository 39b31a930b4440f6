"""How pyinfra reaches a host: its SSH connector, faster, and with a lock. The one part of workbench/ that is pyinfra's.

- `ssh`: the connector that pyproject.toml registers with pyinfra as `workbench`
- `remembering`: which facts may be answered from one batch, for a connector of any kind
- `batch`: the questions asked at once, and their answers as they come
- `session` and `agent`: the two ends of the conversation about lock and batch; the agent runs on the host
- `memory`: which facts were asked last time
- `together`: facts of one kind, read by one command
- `process` and `prefetch`: pyinfra, and the agent, begun before it is known what there is to do
- `quick`, and `__main__`: shorter ways for what pyinfra itself takes long for
"""
