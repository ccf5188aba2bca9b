"""The command line: `optical-hf VERB`. Each verb is a file; nothing here computes."""

from optical_hf.cli.ending import main

__all__ = ["main"]
