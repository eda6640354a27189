"""What goes wrong in functions of the user, as text."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Any, NoReturn, Optional

logger = logging.getLogger("daisy")

#: Longer texts are cut at their beginning: the end of a traceback says what happened.
MAX_TEXT = 3_800


def describe(error: BaseException, trace: Any, block: Any) -> str:
    """The traceback of an exception; one that a block function raised is logged too, unless that is Ctrl-C."""
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    if block is not None and not isinstance(error, KeyboardInterrupt):
        logger.error("block %s failed:\n%s", _name(block), text)
    if len(text.encode()) > MAX_TEXT:
        text = "..." + text.encode()[-MAX_TEXT:].decode(errors="ignore")
    return text


def end_fork(error: Optional[BaseException]) -> NoReturn:
    """Ends a process that a function of the user has forked and in which that returned or raised: what comes next is its
    parent's."""
    code = 0
    try:
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = error.code or 0
        elif error is not None:
            code = 1
            traceback.print_exception(type(error), error, error.__traceback__)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code & 0xFF)


def _name(block: Any) -> str:
    try:
        return "{}/{}".format(*block.block_id)
    except OverflowError:
        return repr(block)
