"""Progress: a line every ten seconds where nobody looks at a terminal, two bars where somebody does."""

import io
import itertools
import re

from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from game24lab.runs.progress import DEMO_SECONDS, Screen, Whole


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def work(screen, clock, seconds, steps=900):
    """A training of so many seconds that draws its bar ten times a second, as tqdm does."""
    for tenth in range(seconds * 10):
        clock.now += 0.1
        step = steps * tenth // (seconds * 10)
        left = seconds - tenth // 10
        screen.write(f"\r {100 * step // steps}%|███▌      | {step}/{steps} [{tenth // 600:02d}:{tenth // 10 % 60:02d}"
                     f"<{left // 60:02d}:{left % 60:02d},  1.50it/s, loss=1.234]")  # fmt: skip


def test_a_pipe_gets_a_line_every_ten_seconds():
    stream, clock = io.StringIO(), Clock()
    screen = Screen(stream, "03_sft", None, clock)
    work(screen, clock, 100)
    screen.close_bars()
    lines = stream.getvalue().splitlines()
    assert 9 <= len(lines) <= 10
    assert "\r" not in stream.getvalue()
    assert max(map(len, lines)) < 100
    assert re.fullmatch(r"03_sft 0:50  50% 45\d/900 \[00:50<00:50, 1.50it/s, loss=1.234\]", lines[4]), lines[4]


def test_silent_work_is_told_of_too():
    stream, clock = io.StringIO(), Clock()
    screen = Screen(stream, "04_critic", None, clock)
    for _ in range(75):
        clock.now += 1
        screen.tick()
    assert stream.getvalue().splitlines()[-1] == "04_critic 1:10  at work"


def test_other_lines_go_through_at_once_and_bars_do_not():
    stream, clock = io.StringIO(), Clock()
    screen = Screen(stream, "03_sft", None, clock)
    screen.write("\r 10%|█         | 90/900 [00:10<01:30]")
    screen.write("\r" + " " * 60 + "\rgame24lab: resume po")
    screen.write("int checkpoint-90 cannot be written\n\r 11%|█         | 99/900 [00:11<01:30]\n\x1b[A")
    screen.write("\nRuntimeWarning: overflow\nlast words")
    screen.close_bars()
    assert stream.getvalue() == ("game24lab: resume point checkpoint-90 cannot be written\n"
                                 "RuntimeWarning: overflow\nlast words\n")  # fmt: skip


@rules(deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=8))
def test_pieces_of_any_kind_are_the_same(cuts):
    text = "first\n\r 10%|█   | 1/9 [00:10<01:30]\r    \rsecond line\n\r 20%|█  | 2/9 [00:11<01:30]\nthird\n"
    stream = io.StringIO()
    screen = Screen(stream, "x", None, Clock())
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for begin, end in itertools.pairwise(places):
        screen.write(text[begin:end])
    screen.close_bars()
    assert stream.getvalue() == "first\nsecond line\nthird\n"


def test_a_terminal_gets_a_bar_for_the_stage_and_one_for_the_whole():
    stream, clock = Terminal(), Clock()
    whole = Whole([10.0, 100.0, 50.0])
    whole.spent.append(12.0)
    screen = Screen(stream, "03_sft", whole, clock)
    work(screen, clock, 100)
    shown = stream.getvalue().split("\x1b[1A\r")[-2]
    stage, of_all = shown.replace("\x1b[2K", "").strip("\r").split("\n")
    assert stage.startswith("03_sft 1:")
    assert "███▌" in stage
    assert re.fullmatch(r"whole, stage 2 of 3  \|█{13,14} {6,7}\| about 1 min left", of_all), of_all
    screen.close_bars()
    assert stream.getvalue().endswith("\r\x1b[2K\n\x1b[2K\x1b[1A\r")


def test_minutes_left_of_the_whole():
    whole = Whole([10.0, 100.0, 50.0])
    assert whole.estimate_left(0, None) == 160
    assert whole.estimate_left(4, None) == 156
    whole.spent.append(10.0)
    assert whole.estimate_left(30, None) == 120
    assert whole.estimate_left(50, 150) == 150 + 2 * 50, "a bar that tells of half the pace"
    assert whole.estimate_left(20, 3) == 80 + 50, "a bar of a small part of the stage"
    whole.spent.append(300.0)
    assert whole.estimate_left(0, None) == 50 * 310 / 110
    whole.spent[:] = [0.0, 0.0]
    assert whole.estimate_left(0, None) == 50, "what was already there tells nothing"
    assert Whole([0.0, 3.0]).estimate_left(0, 5) is None


def test_a_pipe_is_told_of_the_whole():
    stream, clock = io.StringIO(), Clock()
    screen = Screen(stream, "03_sft", Whole(list(DEMO_SECONDS.values())), clock)
    clock.now += 11
    screen.tick()
    assert re.fullmatch(r"03_sft 0:11  at work; about \d+ min left of the whole\n", stream.getvalue())
