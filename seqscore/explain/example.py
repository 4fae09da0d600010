"""A text to explain with where none is given: long enough for a product of float64 numbers to end in it."""

from __future__ import annotations

EXAMPLE_TEXTS = (
    "The clock in the station hall had been five minutes slow for as long as anyone could remember.",
    "Nobody minded, because the trains were six minutes late.",
    "A stranger with a small suitcase came in one evening, looked up at it, and laughed out loud.",
    "He asked the woman at the ticket window whether she knew that it was wrong.",
    "She said that a clock which everybody understands is more use than one which is right.",
    "The stranger thought about this over a cup of very bad coffee.",
    "Then he opened the suitcase, which was full of springs, wheels and tiny screwdrivers.",
    "He was, it turned out, the man who had made the clock forty years before.",
    "He had travelled two days to mend it, and now he was no longer sure that he should.",
    "Outside it began to rain, first gently and then as if somebody had turned on a tap.",
    "A boy ran in from the platform to say that the bridge was under water.",
    "There would be no train before the morning, early or late.",
    "So the stranger stayed, and the woman found him a blanket and half a loaf of bread.",
    "In the night he climbed the ladder and cleaned every wheel of the clock without changing its time.",
    "When the sun came up it still told the wrong hour, but it did so without a sound.",
    "The train arrived at eight, six minutes late, and he left his smallest screwdriver on the counter.",
)
