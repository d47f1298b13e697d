"""`castmine …`, and `python -m workflows …`: the command line, and an end of the process that keeps its exit status."""

import atexit
import os
import sys

from workflows.cli import main


def run() -> None:
    """Run the command line, then end without the interpreter's own end.

    There Arrow's threads now and then abort a process that has done all its work (apache/arrow#34314): status -6
    instead of 0, which a scheduler takes for a failure.
    """
    try:
        main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever read it is gone: castmine sql … | head
            status = status or 1
    os._exit(status)


if __name__ == "__main__":
    run()
