"""What the README and the docstrings show is so."""

import doctest
import pathlib

import pytest

import daisy

FOLDER = pathlib.Path(__file__).parent.parent


def test_the_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(FOLDER / "README.md"), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize("name", daisy.__all__)
def test_the_docstrings(name):
    value = getattr(daisy, name)
    assert value.__doc__
    row = daisy.Roi((0,), (10,))
    names = {key: getattr(daisy, key) for key in daisy.__all__}
    names["task"] = daisy.Task("t", daisy.Roi((0,), (30,)), row, row, print)
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(value, name, globs=names):
        assert runner.run(test).failed == 0
