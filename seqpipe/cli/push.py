"""`seqpipe push`: a pipeline to the hub, with a page that tells of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqpipe.hub.sharing import Pushed

_EXAMPLE = """examples:
  python -m seqpipe push stars/model-best me/stars --dry-run
  python -m seqpipe push stars/model-best me/stars --private --license cc-by-4.0
  python -m seqpipe push stars/model-best me/stars --revision v2 --message "More rows"

`hf auth login` keeps a token that may write; HF_TOKEN gives one for once."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Upload a pipeline to the hub, with a page that tells of it."
    parser.epilog = _EXAMPLE
    parser.add_argument("model", metavar="MODEL", help="folder or package, or user/name on the hub")
    parser.add_argument("repository", metavar="REPO", help="user/name; made where there is none")
    parser.add_argument("--private", action="store_true", help="a new one that you alone can see")
    parser.add_argument("--revision", metavar="BRANCH", help="to this branch, made if need be")
    parser.add_argument("--license", metavar="NAME", help="as the hub calls it, such as mit")
    parser.add_argument("--message", metavar="TEXT", help="of the commit")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be uploaded, and ask nobody"
    )


def run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from seqpipe.hub.sharing import push_to_hub

    pushed = push_to_hub(
        args.model,
        args.repository,
        private=args.private,
        revision=args.revision,
        license=args.license,
        message=args.message,
        dry_run=args.dry_run,
    )
    print(_told(pushed))


def _told(pushed: Pushed) -> str:
    from seqpipe.cli._table import table

    if pushed.url is not None:
        return f"{len(pushed.files)} files: {pushed.url}"
    kind = "the private repository" if pushed.private else "the repository"
    branch = f" (branch {pushed.revision})" if pushed.revision else ""
    rows = [(name, f"{size:,}") for name, size in pushed.files.items()]
    parts = [f"Nothing is uploaded. To {kind} {pushed.repository}{branch} would go:"]
    parts.append(table([("file", "bytes"), *rows], right=[1]))
    parts.append(f"README.md:\n\n{pushed.card.rstrip()}")
    return "\n\n".join(parts)
