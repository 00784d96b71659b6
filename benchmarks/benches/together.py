"""Tokens, sentences and sentiment in one pipeline, beside stanza's."""

from __future__ import annotations

from typing import Any

import spacy

from benchmarks.bench import OURS, Bench
from benchmarks.benches.tokenizer import english_model, stanza_of
from benchmarks.scores import accuracy
from seqpipe.corpora.labelled import labelled_rows

LEAST = 30_000  # words that one turn reads at least


def together(bench: Bench) -> None:
    reviews = bench.source("sst2", "reviews_en", of="sentiment", text="sentence")
    treebank, tokenizer = english_model(bench)
    nlp = spacy.load(tokenizer.path)
    sentiment = spacy.load(bench.trained("sentiment", reviews, of="sentiment").path)
    nlp.add_pipe("sentiment", source=sentiment)
    columns: Any = reviews.columns
    rows = list(labelled_rows(reviews.path, split="validation", **columns))
    texts = [row.text for row in rows]
    words = sum(len(text.split()) for text in texts)
    times = max(1, -(-LEAST // words))
    said = [max(doc.cats, key=doc.cats.__getitem__) for doc in nlp.pipe(texts)]
    bench.figure(OURS, "accuracy", "share", accuracy(said, [row.labels[0] for row in rows]))
    bench.remark("Accuracy of stanza's is not told: the weights of its classifier are random.")
    stage: Any = nlp.get_pipe("sentiment")
    net = stage.shim.net
    table = sum(weight.numel() for weight in net.embedding.parameters())
    told = {
        "train": [row.text for row in labelled_rows(reviews.path, split="train", **columns)],
        "texts": texts * times,
        "embedding": net.embedding.width,
        "weights": sum(weight.numel() for weight in net.parameters()) - table,
    }
    runs: dict[str, Any] = {OURS: lambda: list(nlp.pipe(texts * times))}
    with stanza_of(bench, "stanza_sentiment_peer", treebank, tokenizer, told) as stanza:
        if stanza:
            runs["stanza"] = stanza
        bench.compare(runs, words * times, "words")
