"""The central comparison: baseline, in-context learning and task vector (section 3)."""

from tvsight.protocol.options import NAME, Options

__all__ = ["NAME", "Options"]
