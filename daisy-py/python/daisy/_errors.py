"""What goes wrong in functions of the user, as text."""

from __future__ import annotations

import logging
import traceback
from typing import Any

logger = logging.getLogger("daisy")

#: Longer texts are cut at their beginning: the end of a traceback says what happened.
MAX_TEXT = 3_800


def describe(error: BaseException, trace: Any, block: Any) -> str:
    """The traceback of an exception; one that a block function raised is logged too."""
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    if block is not None:
        logger.error("block %s failed:\n%s", _name(block), text)
    if len(text.encode()) > MAX_TEXT:
        text = "..." + text.encode()[-MAX_TEXT:].decode(errors="ignore")
    return text


def _name(block: Any) -> str:
    try:
        return "{}/{}".format(*block.block_id)
    except OverflowError:
        return repr(block)
