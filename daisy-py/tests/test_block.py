"""Blocks and what becomes of them."""

import copy
import pickle

import pytest

from daisy import Block, BlockStatus, Roi

TOTAL, READ, WRITE = Roi((0,), (40,)), Roi((10,), (14,)), Roi((12,), (10,))


def test_a_block_is_numbered_by_where_it_writes():
    block = Block(TOTAL, READ, WRITE, task_id="smooth")
    assert block.block_id == ("smooth", 1) and block.task_id == "smooth"
    assert (block.read_roi, block.write_roi) == (READ, WRITE)
    assert repr(block) == "smooth/1 with read ROI [10:24] (14) and write ROI [12:22] (10)"
    assert Block(TOTAL, READ, WRITE).block_id == (None, 1)


@pytest.mark.parametrize(
    "index, number",
    [
        ((5,), 5), ((2, 2), 12), ((2, 4), 23), ((4, 2), 25), ((1, 0, 0), 3), ((0, 1, 0), 2), ((0, 0, 1), 1),
        ((1, 2, 3), 63), ((3, 2, 1), 74), ((1, 2, 3, 4), 778), ((2**60,), 2**60),
        ((2**61, 2**61), 2**62 * (2**62 + 1) // 2 + 2**61),
    ],
)  # fmt: skip
def test_numbers_are_cantor_numbers_and_exact(index, number):
    unit = (1,) * len(index)
    block = Block(Roi((0,) * len(index), unit), Roi(index, unit), Roi(index, unit))
    assert block.block_id == (None, number)


def test_a_number_beyond_128_bits_is_an_error_and_the_rest_works():
    roi = Roi((2**61,) * 6, (1,) * 6)
    block = Block(Roi((0,) * 6, (1,) * 6), roi, roi, task_id="t")
    with pytest.raises(OverflowError):
        block.block_id
    assert block.write_roi == roi and block == block.copy() and hash(block) == hash(block.copy())
    assert repr(block).startswith("t/? ") and pickle.loads(pickle.dumps(block)) == block


def test_an_id_can_be_given():
    assert Block(TOTAL, READ, WRITE, 7, "a").block_id == ("a", 7)
    assert Block(TOTAL, READ, WRITE, block_id=("a", 7)).block_id == ("a", 7)
    assert Block(TOTAL, READ, WRITE, 10**40).block_id == (None, 10**40)
    with pytest.raises(TypeError):
        Block(TOTAL, READ, WRITE, "seven")


def test_equal_are_blocks_with_equal_ids():
    block = Block(TOTAL, READ, WRITE, task_id="a")
    assert block == Block(TOTAL, READ, WRITE, 1, "a") and hash(block) == hash(Block(TOTAL, READ, WRITE, 1, "a"))
    assert block != Block(TOTAL, READ, WRITE, task_id="b") and block != Block(TOTAL, READ, WRITE, 2, "a")
    assert block != 3 and len({block, block.copy()}) == 1


def test_the_status_can_be_set_and_state_is_another_name_for_it():
    block = Block(TOTAL, READ, WRITE)
    assert block.status is block.state is BlockStatus.CREATED
    for status in BlockStatus:
        block.status = status
        assert block.state is status
    block.state = BlockStatus.FAILED
    assert block.status is BlockStatus.FAILED
    for wrong in ("success", 2, None):
        with pytest.raises(TypeError, match="BlockStatus"):
            block.status = wrong
    assert [(status.name, status.value) for status in BlockStatus] == [
        ("CREATED", 0), ("PROCESSING", 1), ("SUCCESS", 2), ("FAILED", 3)
    ]  # fmt: skip


def test_the_rois_can_be_set_and_changed_in_place():
    block = Block(TOTAL, READ, WRITE)
    block.read_roi = block.read_roi.grow(1, 1)
    assert block.read_roi == Roi((9,), (16,))
    block.write_roi.offset = (13,)
    assert block.write_roi == Roi((13,), (10,)) and WRITE == Roi((12,), (10,))
    with pytest.raises(AttributeError):
        block.reed_roi = READ


def test_copies_keep_everything():
    block = Block(TOTAL, READ, WRITE, task_id="a")
    block.status = BlockStatus.PROCESSING
    for other in (block.copy(), copy.copy(block), copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert other == block and other.status is BlockStatus.PROCESSING
        assert (other.read_roi, other.write_roi, other.block_id) == (READ, WRITE, ("a", 1))
    other = block.copy()
    other.status = BlockStatus.FAILED
    other.read_roi.offset = (0,)
    assert block.status is BlockStatus.PROCESSING and block.read_roi == READ


def test_nonsense_is_refused():
    with pytest.raises(TypeError, match="total_roi"):
        Block((0,), READ, WRITE)
    with pytest.raises(ValueError, match="1 axes, total_roi has 2"):
        Block(Roi((0, 0), (9, 9)), READ, WRITE)
    with pytest.raises(ValueError, match="write_roi"):
        Block(TOTAL, READ, Roi((None,), (None,)))
    with pytest.raises(ValueError, match="index -2 along axis 0"):
        Block(TOTAL, READ, Roi((-5,), (3,)))


def test_rois_of_funlib_are_taken():
    funlib = pytest.importorskip("funlib.geometry")
    rois = [funlib.Roi(roi.offset, roi.shape) for roi in (TOTAL, READ, WRITE)]
    assert Block(*rois, task_id="a") == Block(TOTAL, READ, WRITE, task_id="a")
