"""What all tests have in common."""

import pytest


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """Runs leave what their workers print in the current folder."""
    monkeypatch.chdir(tmp_path)
