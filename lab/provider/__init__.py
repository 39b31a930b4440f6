"""The lab's Pulumi provider for `aws`: the types that our program uses, done against the lab's AWS look-alike.

The real engine uses it with PULUMI_DEBUG_PROVIDERS=aws:PORT, the lab's stand-in engine likewise.
"""

from lab.provider.server import serve

__all__ = ["serve"]
