"""The command line: `optical-hf VERB`. Each verb is a file; nothing here computes."""

from optical_hf.cli.app import app, main

__all__ = ["app", "main"]
