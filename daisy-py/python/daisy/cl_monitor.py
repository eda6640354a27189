"""Progress on the command line, where daisy 1.x has it."""

from __future__ import annotations

from .run import Server


class CLMonitor:
    """Makes a server show progress bars, which it does anyway unless told otherwise."""

    def __init__(self, server: Server) -> None:
        server.shows_progress = True
