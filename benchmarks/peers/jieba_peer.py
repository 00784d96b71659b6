"""jieba's Chinese words as a peer.

    python benchmarks/peers/jieba_peer.py TEXTS.json

TEXTS.json holds `texts`. For each line on standard input jieba cuts all of them once, the seconds
are printed, and the words of each text are written to the file named by `found`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import jieba


def main() -> None:
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("peer: jieba", jieba.__version__, flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        words = [jieba.lcut(text) for text in told["texts"]]
        passed = time.perf_counter() - began
        Path(told["found"]).write_text(json.dumps([words, []]), encoding="utf-8")
        print("peer:", passed, flush=True)


if __name__ == "__main__":
    main()
