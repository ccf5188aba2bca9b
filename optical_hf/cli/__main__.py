"""`python -m optical_hf.cli`, so that `accelerate launch -m optical_hf.cli train ...` works."""

from optical_hf.cli.command_line import main

main()
