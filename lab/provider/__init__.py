"""The lab's Pulumi provider for `aws`: the types that our program uses, done against the lab's AWS look-alike.

The engine uses it with PULUMI_DEBUG_PROVIDERS=aws:PORT.
"""

from lab.provider.server import serve

__all__ = ["serve"]
