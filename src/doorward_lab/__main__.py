"""`python -m doorward_lab`: the same as the command `doorward-lab`."""

from doorward_lab.console.cli import main

main()
