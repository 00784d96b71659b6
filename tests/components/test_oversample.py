"""The setting `oversample`: what an epoch of `seqpipe train` holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small import make_nlp, stage_of

from seqpipe.errors import SettingError
from seqpipe.text.rows import Rows, RowsWriter

ANSWERS = [[1.0, 0.0]] * 9 + [[0.4, 0.6], [0.0, 1.0], [0.0, 1.0]]


@pytest.mark.parametrize(("share", "expected"), [(0.0, [9, 3]), (0.5, [9, 5]), (1.0, [9, 9])])
def test_rare_labels_come_more_often(share: float, expected: list[int], tmp_path: Path) -> None:
    with RowsWriter(tmp_path, dtype="<f4") as writer:
        for answer in ANSWERS:
            writer.add(np.array(answer))
    rows = Rows.of([np.ones(n + 1, np.int32) for n in range(len(ANSWERS))])
    stage = stage_of(make_nlp(oversample=share))
    course = stage.course(rows, Rows.open(tmp_path), side_by_side=4, budget=100, seed=0)
    at = np.concatenate([part.at for part in course.parts(0)])
    assert np.bincount(np.argmax(ANSWERS, axis=1)[at]).tolist() == expected


@pytest.mark.parametrize("how", [{"oversample": 1.5}, {"oversample": 0.5, "multi_label": True}])
def test_what_makes_no_sense_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="from 0 to 1, and 0 where multi_label"):
        make_nlp(**how)
