"""Processes that a program forks while a run listens for signals."""

import multiprocessing
import signal
import time

import daisy


def test_what_a_block_forks_is_ended_by_signals():
    codes = []

    def process(block):
        children = [
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)) for _ in range(4)
        ]
        for child in children:
            child.start()
            child.terminate()
        for child in children:
            child.join(60)
            codes.append(child.exitcode)
            child.kill()

    roi = daisy.Roi((0,), (50,))
    block = daisy.Roi((0,), (10,))
    task = daisy.Task("forks", roi, block, block, process, read_write_conflict=False, max_retries=0)
    assert daisy.run_blockwise([task], multiprocessing=False)
    assert codes == [-signal.SIGTERM] * 20
