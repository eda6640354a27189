"""What has become of a block."""

import enum


class BlockStatus(enum.Enum):
    """The status of a :class:`Block`, set by whoever holds it.

    ::

        CREATED --a worker takes it--> PROCESSING --release--> SUCCESS
                                                          '--> FAILED
    """

    CREATED = 0
    PROCESSING = 1
    SUCCESS = 2
    FAILED = 3


#: All of them, each at the place of its value.
MEMBERS = tuple(BlockStatus)
