"""What word problems are told with: openings, turns and questions of three kinds of stories, names, things.

A piece is a sentence or two with its calculation: `v` is what the story has come to, `a` and `b` are numbers of its
own, `@` is the result just before. It does not know how pieces are put together, nor of tasks and models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# How a piece's number is drawn: evenly from a range, or by what the story has come to
Choice = tuple[int, int] | str  # "below" v, "above" v, "divides" v


@dataclass(frozen=True)
class Piece:
    """A part of a story."""

    name: str
    formula: str  # calculations in order, such as "a * b; v - @"; "" for none, "a" for a number that is given
    numbers: Mapping[str, Choice]
    wordings: tuple[str, ...]
    unit: str = ""  # of its last result, where it is not the story's

    @property
    def operations(self) -> int:
        """Calculations that it takes."""
        return sum(" " in part.strip() for part in self.formula.split(";"))


@dataclass(frozen=True)
class Theme:
    """A kind of story: pieces that go together."""

    name: str
    openings: tuple[Piece, ...]
    turns: tuple[Piece, ...]
    endings: tuple[Piece, ...]


_FEW, _SOME, _MANY = (2, 9), (2, 12), (3, 60)

THINGS = Theme(
    "things",
    openings=(
        Piece("has", "a", {"a": (4, 90)}, (
            "{who} has {a} {items}.", "There are {a} {items} in {who}'s {box}.", "{who} begins with {a} {items}.")),
        Piece("packs", "a * b", {"a": _SOME, "b": _SOME}, (
            "{who} buys {a} {boxes} with {b} {items} in each {box}.",
            "{who} fills {a} {boxes}. Each {box} holds {b} {items}.")),
        Piece("daily", "a * b", {"a": _SOME, "b": _SOME}, (
            "{who} makes {a} {items} a day for {b} days.", "For {b} days, {who} collects {a} {items} each day.")),
        Piece("colours", "a + b", {"a": _MANY, "b": _MANY}, (
            "{who} has {a} red {items} and {b} blue {items}.", "{who} owns {a} old and {b} new {items}.")),
        Piece("twice", "a + b", {"a": _MANY, "b": _MANY}, (
            "{who} gets {a} {items} in the morning and {b} in the evening.",
            "{who} brings {a} {items} on Monday and {b} on Friday.")),
        Piece("more", "a + b", {"a": _MANY, "b": _MANY}, (
            "{other} has {a} {items}. {who} has {b} more than {other}.",
            "{who} has {b} more {items} than {other}, who has {a}.")),
        Piece("fewer", "a - b", {"a": (10, 90), "b": _MANY}, (
            "{other} has {a} {items}. {who} has {b} fewer than {other}.",
            "{who} has {b} fewer {items} than {other}, who has {a}.")),
        Piece("times", "a * b", {"a": _SOME, "b": (2, 6)}, (
            "{other} has {a} {items}. {who} has {b} times as many.",
            "{who} has {b} times as many {items} as {other}, who has {a}.")),
        Piece("share", "a / b", {"a": (6, 96), "b": _FEW}, (
            "{b} children share {a} {items} equally, and {who} is one of them.",
            "{who} gets one of {b} equal parts of {a} {items}.")),
    ),
    turns=(
        Piece("finds", "v + a", {"a": _MANY}, (
            "{who} finds {a} more.", "{other} gives {who} {a} {items}.", "Then {who} gets {a} more {items}.")),
        Piece("loses", "v - a", {"a": "below"}, (
            "{who} loses {a} of them.", "{who} gives {a} {items} to {other}.", "Then {a} of the {items} break.")),
        Piece("adds packs", "a * b; v + @", {"a": _FEW, "b": _FEW}, (
            "{other} brings {a} {boxes} with {b} {items} each.",
            "Then {who} gets {a} more {boxes}, each with {b} {items}.")),
        Piece("gives each", "a * b; v - @", {"a": _FEW, "b": _FEW}, (
            "{who} gives {b} {items} to each of {a} friends.", "Each of {a} friends takes {b} of the {items}.")),
        Piece("halves", "v / 2", {}, ("{who} gives half of the {items} away.", "{who} keeps only half of them.")),
        Piece("keeps part", "v / a", {"a": (3, 5)}, (
            "{who} puts them into {a} equal parts and keeps one part.",)),
        Piece("doubles", "v * 2", {}, (
            "{other} gives {who} as many {items} as {who} has already.", "Then {who} doubles the number of {items}.")),
        Piece("multiplies", "v * a", {"a": (3, 5)}, ("By the next year {who} has {a} times as many {items}.",)),
    ),
    endings=(
        Piece("now", "", {}, ("How many {items} does {who} have now?", "How many {items} has {who} in the end?")),
        Piece("sells", "v * a", {"a": _FEW}, (
            "{who} sells all of them for ${a} each. How many dollars does {who} get?",
            "If each is worth ${a}, how many dollars are all of them worth?"), "dollars"),
        Piece("packs up", "v / a", {"a": "divides"}, (
            "{who} puts {a} of them into each {box}. How many {boxes} does {who} need?",
            "How many {boxes} of {a} {items} can {who} fill?"), "{boxes}"),
        Piece("shares", "v / a", {"a": "divides"}, (
            "{who} shares them equally among {a} friends. How many {items} does each friend get?",)),
        Piece("together", "v + a", {"a": _MANY}, (
            "{third} has {a} {items}. How many {items} do {who} and {third} have together?",)),
        Piece("compares", "v - a", {"a": "below"}, (
            "{third} has {a} {items}. How many more {items} does {who} have than {third}?",)),
        Piece("wants", "a - v", {"a": "above"}, (
            "{who} wants to have {a} {items}. How many {items} are still missing?",)),
        Piece("sells and spends", "v * a; @ - b", {"a": _FEW, "b": _MANY}, (
            "{who} sells all of them for ${a} each and buys a book for ${b}. How many dollars are left?",), "dollars"),
    ),
)  # fmt: skip

MONEY = Theme(
    "money",
    openings=(
        Piece("saved", "a", {"a": (10, 99)}, ("{who} has saved ${a}.", "{who} has ${a} in a purse.")),
        Piece("works", "a * b", {"a": (4, 25), "b": _FEW}, (
            "{who} earns ${a} an hour and works {b} hours.", "{who} works {b} hours for ${a} an hour.")),
        Piece("gifts", "a + b", {"a": _MANY, "b": _MANY}, (
            "{who} gets ${a} from {other} and ${b} from {third}.",)),
        Piece("sells cakes", "a * b", {"a": _SOME, "b": _SOME}, (
            "{who} sells {a} cakes for ${b} each.", "At ${b} each, {who} sells {a} cakes.")),
        Piece("weeks", "a * b", {"a": (5, 30), "b": _FEW}, ("{who} saves ${a} a week for {b} weeks.",)),
    ),
    turns=(
        Piece("earns", "v + a", {"a": _MANY}, ("{other} gives {who} ${a}.", "Then {who} earns ${a} more.")),
        Piece("spends", "v - a", {"a": "below"}, ("{who} spends ${a} on food.", "{who} pays ${a} for a ticket.")),
        Piece("buys several", "a * b; v - @", {"a": _FEW, "b": _SOME}, (
            "{who} buys {a} books for ${b} each.", "{who} pays ${b} for each of {a} tickets.")),
        Piece("washes", "a * b; v + @", {"a": _FEW, "b": _FEW}, (
            "Then {who} washes {a} cars for ${b} each.", "{a} neighbours give {who} ${b} each.")),
        Piece("spends half", "v / 2", {}, ("{who} spends half of the money.", "Half of the money goes to {other}.")),
        Piece("matched", "v * 2", {}, ("{other} doubles the money.",)),
    ),
    endings=(
        Piece("money left", "", {}, ("How many dollars does {who} have now?", "How many dollars are left?")),
        Piece("affords", "v / a", {"a": "divides"}, (
            "A ticket costs ${a}. How many tickets can {who} buy with all the money?",), "tickets"),
        Piece("lacks", "a - v", {"a": "above"}, (
            "A bicycle costs ${a}. How many dollars are still missing?",)),
        Piece("splits", "v / a", {"a": "divides"}, (
            "{who} divides the money equally among {a} children. How many dollars does each child get?",)),
        Piece("with other", "v + a", {"a": _MANY}, (
            "{third} has ${a}. How many dollars do {who} and {third} have together?",)),
    ),
)  # fmt: skip

TRIP = Theme(
    "trip",
    openings=(
        Piece("rides", "a", {"a": (5, 90)}, ("{who} rides {a} miles on the first day.",)),
        Piece("pace", "a * b", {"a": (3, 40), "b": _FEW}, (
            "{who} rides {a} miles a day for {b} days.", "At {a} miles an hour, {who} drives for {b} hours.")),
        Piece("two days", "a + b", {"a": _MANY, "b": _MANY}, (
            "{who} walks {a} miles on Monday and {b} miles on Friday.",)),
        Piece("laps", "a * b", {"a": _SOME, "b": _FEW}, ("{who} runs {a} rounds of {b} miles each.",)),
    ),
    turns=(
        Piece("goes on", "v + a", {"a": _MANY}, ("Then {who} goes {a} miles more.", "{who} adds {a} miles.")),
        Piece("goes on daily", "a * b; v + @", {"a": _FEW, "b": _FEW}, (
            "On each of the next {a} days, {who} goes {b} miles more.",)),
        Piece("there and back", "v * 2", {}, ("Then {who} goes the whole way back.",)),
        Piece("by bus", "v - a", {"a": "below"}, ("But {a} miles of the way were by bus and do not count.",)),
    ),
    endings=(
        Piece("miles", "", {}, ("How many miles is that?", "How many miles has {who} gone in the end?")),
        Piece("hours", "v / a", {"a": "divides"}, (
            "At {a} miles an hour, how many hours does that take?",), "hours"),
        Piece("to go", "a - v", {"a": "above"}, (
            "The goal was {a} miles. How many miles are still missing?",)),
        Piece("ahead", "v - a", {"a": "below"}, (
            "{third} has gone {a} miles. How many miles more is that for {who}?",)),
        Piece("cost", "v * a", {"a": _FEW}, ("Each mile costs ${a}. How many dollars is that?",), "dollars"),
    ),
)  # fmt: skip

THEMES = (THINGS, MONEY, TRIP)
UNITS = {"things": "{items}", "money": "dollars", "trip": "miles"}  # of a result, where its piece says no other

# Sentences with a number that nothing depends on
ASIDES = (
    "{other} is {a} years old.", "The bus comes every {a} minutes.", "It is {a} degrees outside.",
    "{who}'s book has {a} pages.", "{who} lives at number {a}.", "{other}'s sister has {a} {extras}.",
)  # fmt: skip
NAMES = (
    "Ada", "Amir", "Ana", "Ben", "Carla", "Chen", "Dana", "David", "Elif", "Emma", "Farah", "Finn", "Grace", "Hugo",
    "Ines", "Ivan", "Jana", "Joel", "Kofi", "Lena", "Leo", "Luis", "Maya", "Mia", "Milan", "Nadia", "Noah", "Nora",
    "Omar", "Oscar", "Paula", "Priya", "Rosa", "Sam", "Sara", "Tom", "Uma", "Vera", "Yuki", "Zoe",
)  # fmt: skip
ITEMS = (
    "apples", "balls", "beads", "books", "buttons", "candles", "cards", "coins", "cookies", "eggs", "flowers", "lemons",
    "marbles", "nuts", "oranges", "pears", "pencils", "plums", "postcards", "roses", "seeds", "shells", "stamps",
    "stickers", "stones", "toys",
)  # fmt: skip
BOXES = (
    ("bag", "bags"), ("basket", "baskets"), ("bowl", "bowls"), ("box", "boxes"), ("crate", "crates"), ("jar", "jars"),
)  # fmt: skip


def list_words() -> tuple[str, ...]:
    """Every word that a story or its solution can hold, sorted; numbers and signs are not words."""
    pieces = [piece for theme in THEMES for piece in (*theme.openings, *theme.turns, *theme.endings)]
    texts = [text for piece in pieces for text in (*piece.wordings, piece.unit)]
    texts += [*ASIDES, *NAMES, *ITEMS, *UNITS.values(), *(name for pair in BOXES for name in pair)]
    plain = re.sub(r"\{\w+\}", " ", " ".join(texts))
    return tuple(sorted(set(re.findall(r"[A-Za-z]+", plain))))
