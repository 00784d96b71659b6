"""The command line as a function."""

from __future__ import annotations

import pytest
from commands import Command, Ran

from seqpipe.__main__ import main


@pytest.fixture
def seqpipe(capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """`python -m seqpipe ...` in this process."""

    def ran(*words: object) -> Ran:
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ran(code, out.decode(), err.decode())

    return ran
