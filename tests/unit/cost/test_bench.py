"""From pytest-benchmark's file to ratios by hand, their floors, the committed ones, and the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DamagedFileError, MissingInputError, RegressionError
from harness.core.markdown_table import markdown
from harness.cost import bench
from harness.cost.bench_figure import figure, points


def measured(
    path: Path, *, lean_s: float = 2.0, lean_mib: float = 100.0, steered: tuple[float, ...] = (2.1, 4.4, 3.15)
) -> Path:
    """The transcription takes 6 s and 400 MiB, the cached path 1.5 s and 80 MiB; three rounds each.
    The base is evaluated in 2, 4 and 3 s."""
    seconds = {"transcription": 6.0, "lean": lean_s, "cached": 1.5}
    above = {"transcription": 400.0, "lean": lean_mib, "cached": 80.0}
    rows: list[dict[str, Any]] = []
    for case in (bench.MAIN, "d_sae=4096,max_length=512", "d_sae=16384,max_length=128"):
        info = {
            "case": case,
            "tokens": 1200,
            "seconds": {variant: [s, s * 1.5, s * 2] for variant, s in seconds.items()},
            "peak": {variant: {"above_mib": mib} for variant, mib in above.items()},
        }
        info["seconds"]["transcription"] = [6.0, 6.0 * 1.5, 6.0 * 3]
        rows.append({"extra_info": info})
    rows.append({"extra_info": {"ranks": 2, "tokens_per_s": 500.0}})
    seconds_of = {"base": [2.0, 4.0, 3.0], "steered": list(steered)}
    rows.append({"extra_info": {"evaluation": bench.EVALUATION, "seconds": seconds_of}})
    path.write_text(json.dumps({"benchmarks": rows}), encoding="utf-8")
    return path


def test_ratios_by_hand(tmp_path: Path) -> None:
    found = bench.read_measured(measured(tmp_path / "m.json"))
    lean = found.ratio(bench.MAIN, "lean")
    assert lean is not None
    assert (lean.speed_low, lean.speed, lean.speed_high) == (3.0, 3.0, 4.5)
    assert lean.memory == 0.25
    assert (lean.tokens_per_s, lean.plain_tokens_per_s) == (600.0, 200.0)
    assert found.ranks == {"2": 500.0}
    assert "3.00x" in markdown(bench.sheet(found))
    (one,) = found.evaluations
    ratios = (one.low, one.ratio, one.high, one.base_s, one.steered_s)
    assert ratios == pytest.approx((1.05, 1.05, 1.1, 2.0, 2.1))
    assert "1.050 of the base's seconds [1.050, 1.100]" in markdown(bench.sheet(found))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lean_s": 3.5}, "1.71 times the tokens/s, 2 wanted"),
        ({"lean_mib": 200.0}, "0.50 of the memory, 0.4 allowed"),
        ({"steered": (2.4, 4.8, 3.6)}, "evaluation: 1.200 of the base's, 1.1 allowed"),
    ],
)
def test_below_a_floor_is_a_regression(tmp_path: Path, changes: dict[str, float], said: str) -> None:
    with pytest.raises(RegressionError, match=said):
        bench.run(update=False, measured=measured(tmp_path / "m.json", **changes), results=tmp_path)


def test_worse_than_committed_is_a_regression_and_better_is_not(tmp_path: Path) -> None:
    bench.run(update=True, measured=measured(tmp_path / "m.json"), results=tmp_path)
    written = bench.committed_path(bench.read_measured(tmp_path / "m.json"), tmp_path)
    assert {path.name for path in written.parent.iterdir()} == {
        "bench.json",
        "bench.md",
        "cost_curve.svg",
        "cost_curve.png",
    }
    bench.run(update=False, measured=measured(tmp_path / "n.json", lean_s=1.0), results=tmp_path)
    with pytest.raises(RegressionError, match=r"speed ratio 2\.14, committed 3\.00"):
        bench.run(update=False, measured=measured(tmp_path / "n.json", lean_s=2.8), results=tmp_path)
    with pytest.raises(RegressionError, match=r"memory ratio 0\.35, committed 0\.25"):
        bench.run(update=False, measured=measured(tmp_path / "n.json", lean_mib=140.0), results=tmp_path)


def test_a_slower_evaluation_is_a_regression_and_a_missing_one_too(tmp_path: Path) -> None:
    old = bench.read_measured(measured(tmp_path / "m.json", steered=(1.4, 2.8, 2.1)))
    new = bench.read_measured(measured(tmp_path / "n.json"))
    assert bench.faults(new, old) == [
        f"{bench.EVALUATION}, evaluation: ratio 1.050, committed 0.700",
    ]
    none = new.model_copy(update={"evaluations": ()})
    assert bench.faults(none, old) == [
        f"{bench.EVALUATION}, evaluation: committed, and not measured here",
        f"{bench.EVALUATION}, evaluation: was not measured",
    ]


def test_the_figure_is_the_same_twice(tmp_path: Path) -> None:
    found = bench.read_measured(measured(tmp_path / "m.json"))
    assert figure(found) == figure(found)


def test_an_axis_has_the_cases_that_differ_along_it_alone(tmp_path: Path) -> None:
    (one,) = (r for r in bench.read_measured(measured(tmp_path / "m.json")).ratios if r.case == bench.MAIN
              and r.variant == "lean")  # fmt: skip
    cases = {
        "d_sae=16384,max_length=512": 1.0,
        "d_sae=4096,max_length=512": 2.0,
        "d_sae=16384,max_length=256": 3.0,
        "d_sae=16384,max_length=256,pairs=4": 4.0,
    }
    ratios = tuple(one.model_copy(update={"case": case, "step_s": step}) for case, step in cases.items())
    found = bench.read_measured(measured(tmp_path / "m.json")).model_copy(update={"ratios": ratios})
    at = {axis: sorted(points(found, axis, "lean", "step_s")) for axis in ("d_sae", "max_length", "pairs")}
    assert at == {
        "d_sae": [(4096, 2.0), (16_384, 1.0)],
        "max_length": [(256, 3.0), (512, 1.0)],
        "pairs": [(2, 3.0), (4, 4.0)],
    }


def test_without_a_benchmark_the_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nox -s bench"):
        bench.read_measured(tmp_path / "nothing.json")


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"benchmarks": [{}]}', encoding="utf-8")
    with pytest.raises(DamagedFileError, match="KeyError"):
        bench.read_measured(tmp_path / "m.json")


def test_regress_watches_the_ratios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MEASURED", tmp_path / "m.json")
    assert bench.watch(tmp_path) == []
    bench.run(update=True, measured=measured(tmp_path / "m.json"), results=tmp_path)
    assert bench.watch(tmp_path) == []
    measured(tmp_path / "m.json", lean_s=2.8)
    assert len(bench.watch(tmp_path)) == 3
