"""Growth: every size is measured in a process of its own, with real models, and drawn."""

import pandas as pd
import pytest

from game24lab.cli import bench_scaling as growth
from game24lab.cli.bench_scaling import measure_growth
from game24lab.views.charts.critics import draw_growth


def test_sizes_are_measured_and_drawn(tmp_path, monkeypatch, capsys):
    table = measure_growth([(2, 2), (6, 2)])
    assert table[["puzzles", "simulations"]].values.tolist() == [[2, 2], [6, 2]]
    assert table["sampled_tokens"].is_monotonic_increasing
    assert (table["seconds"] > table["model_seconds"]).all()
    assert (table["model_seconds"] > 0).all()
    assert table["overhead"].between(0, 1, inclusive="neither").all()
    assert (table["memory"] >= 0).all()
    monkeypatch.setattr(growth, "measure_growth", lambda: table.assign(memory=1.0))
    drawn = growth.write_growth(tmp_path)
    assert drawn.read_text().lstrip().startswith("<?xml")
    assert "puzzles x simulations" in drawn.read_text()
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "growth.parquet"), table.assign(memory=1.0))
    assert "%" in capsys.readouterr().out


def test_lines_are_for_more_puzzles_and_for_more_simulations():
    sizes = [(10, 4), (20, 4), (40, 4), (20, 2), (20, 8)]
    table = pd.DataFrame(sizes, columns=["puzzles", "simulations"]).assign(seconds=1.0, memory=2.0)
    lines = [(list(trace.x), trace.name) for trace in draw_growth(table).data]
    assert lines[0] == ([40, 80, 160], "more puzzles, 4 simulations")
    assert lines[2] == ([40, 80, 160], "more simulations, 20 puzzles")
    with pytest.raises(ValueError, match="lacks the column 'memory'"):
        draw_growth(table.drop(columns="memory"))
