"""Former names of fields: taken, said once, and known in what earlier versions have stored."""

from dataclasses import dataclass, field

import pytest

from game24lab.runs.former_names import accept_former, rename_stored


@accept_former(size="width")
@dataclass(frozen=True)
class Inner:
    """A part of a configuration."""

    width: int = 1


@accept_former(words="vocabulary", part="inner")
@dataclass(frozen=True)
class Config:
    """A configuration with a part."""

    vocabulary: str = "lines"
    inner: Inner = field(default_factory=Inner)


def test_a_keyword_by_its_former_name(capsys):
    assert Config(words="traces", part=Inner(size=3)) == Config("traces", Inner(3))
    assert "Config's words is called vocabulary now" in capsys.readouterr().err
    assert Config(words="traces").vocabulary == "traces"
    assert capsys.readouterr().err == "", "once is enough"
    with pytest.raises(ValueError, match="both are given: keep vocabulary"):
        Config(words="traces", vocabulary="lines")
    with pytest.raises(TypeError, match="wrods"):
        Config(wrods="traces")


def test_a_stored_configuration_is_read_with_the_names_of_today(capsys):
    stored = {"words": "traces", "part": {"size": 3}, "gone": {"size": 1}}
    assert rename_stored(stored, Config()) == {"vocabulary": "traces", "inner": {"width": 3}, "gone": {"size": 1}}
    assert rename_stored({"part": {}}, Config()) == {"vocabulary": "lines", "inner": {"width": Inner().width}}
    assert rename_stored({"vocabulary": "lines", "inner": {"width": 1}}, Config())["inner"] == {"width": 1}
    assert capsys.readouterr().err == "", "a stored file is no mistake"
