"""The 500 hostile cases, by number; the same each time."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from tests.hostile import links, names, odd, programs
from tests.hostile.case import Case

COUNT = 500


def all_cases() -> list[Case]:
    """Every case with its number."""
    every: Iterator[Case] = chain(names.cases(), links.cases(), programs.cases(), odd.cases())
    return [replace(case, number=number) for number, case in enumerate(islice(every, COUNT))]
