"""The command line: `optical-hf VERB`. Each verb is a file; nothing here computes."""

from optical_hf.cli.command_line import main

__all__ = ["main"]
