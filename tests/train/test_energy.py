"""What is read of the counters of a processor."""

from __future__ import annotations

from pathlib import Path

from seqpipe.train.energy import Meter


def count(counters: Path, name: str, microjoules: int | str) -> None:
    folder = counters / name
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")


def test_whole_processors_count_and_their_parts_do_not(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        count(tmp_path, name, 500_000_000)
    meter = Meter(tmp_path)
    assert meter.read().joules == 0
    count(tmp_path, "intel-rapl:0", 502_000_000)
    count(tmp_path, "intel-rapl:1", 501_500_000)
    count(tmp_path, "intel-rapl:0:0", 900_000_000)
    assert meter.read().joules == 3.5
    assert meter.read().joules == 0


def test_a_counter_that_begins_anew(tmp_path: Path) -> None:
    count(tmp_path, "intel-rapl:0", 999_000_000)
    meter = Meter(tmp_path)
    count(tmp_path, "intel-rapl:0", 1_000_000)
    assert meter.read().joules == 2.0


def test_where_nothing_counts_there_is_the_time_alone(tmp_path: Path) -> None:
    for counters in (tmp_path / "nowhere", tmp_path):
        meter = Meter(counters)
        sum(range(100_000))
        spent = meter.read()
        assert spent.joules == 0 and spent.cpu_seconds > 0
    count(tmp_path, "intel-rapl:0", "what nobody may read")
    assert Meter(tmp_path).read().joules == 0
