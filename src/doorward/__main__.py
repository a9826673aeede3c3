"""``python -m doorward``: the same as the command ``doorward``."""

from doorward.console.cli import main

main()
