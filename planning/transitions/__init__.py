"""From one plan to the next: ordered steps, or the reasons against them.

`record` writes a plan in a small form, `reading` reads it back, `edits` compares two of them,
`words` describes the steps to people, `answers` is the table of every key
(docs/decisions/transitions.md).
"""
