"""`python -m turtlenet` is `turtlenet`."""

from turtlenet.cli import main

main()
