"""The picture of a terminal shows what a terminal would."""

import re

from docs.pictures import Screen

BAR = "\r\x1b[K"


def test_bar_is_drawn_over_what_it_was() -> None:
    screen = Screen(80)
    screen.feed("started\r\n10 %  a long one\x1b[0m")
    screen.feed(f"{BAR}20 %")
    assert screen.text == "started\n20 %"
    screen.feed(f"{BAR}a note\r\n30 %")
    assert screen.text == "started\na note\n30 %"


def test_long_lines_are_wrapped_and_wiped_as_such() -> None:
    screen = Screen(10)
    screen.feed("0123456789abc")
    assert screen.text == "0123456789\nabc"
    screen.feed("\x1b[1A\r\x1b[Jdone")
    assert screen.text == "done"


def test_colours_and_what_html_means_otherwise() -> None:
    screen = Screen(80)
    screen.feed("\x1b[32;1m<b>\x1b[0m & ")
    shown = screen.as_html(2)
    assert len(re.findall('<span style="color:#7ee787">', shown)) == 3
    assert "&lt;" in shown
    assert "<b>" not in shown
    assert "&amp;" in shown
    assert shown.count("\n") == 1
