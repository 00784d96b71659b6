"""`python -m spacy seqpipe COMMAND ...`: our commands among spaCy's, which imports this for it."""

from __future__ import annotations

import sys

from spacy.cli._util import app

from seqpipe.__main__ import main

_NAME = "seqpipe"


# All that is said behind it, --help too, is for the command.
@app.command(
    _NAME,
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def seqpipe() -> None:
    """Recurrent networks as pipeline stages: train, annotate, evaluate and more."""
    sys.exit(main(sys.argv[sys.argv.index(_NAME) + 1 :]))
