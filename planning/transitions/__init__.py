"""From one plan to the next: ordered steps, or the reasons against them.

`record` keeps a plan small, `reading` reads it back, `judge` compares two of them, `words` tells
people, `answers` is the table of every key (docs/decisions/transitions.md).
"""
