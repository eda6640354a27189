"""What the README shows is so."""

import doctest
import importlib
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent.parent


def test_the_readme():
    assert doctest.testfile(str(FOLDER / "README.md"), module_relative=False).failed == 0


@pytest.mark.parametrize("name", ["daisy._coordinate", "daisy._daisy"])
def test_the_docstrings(name):
    module = importlib.import_module(name)
    names = {"Block", "Coordinate", "Roi"}
    import daisy

    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    globs = {key: getattr(daisy, key) for key in daisy.__all__}
    for value in {getattr(module, key) for key in names if hasattr(module, key)}:
        for test in finder.find(value, globs=globs):
            runner.run(test)
    assert runner.failures == 0
