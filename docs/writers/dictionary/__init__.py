"""The dictionary: one page per op in `docs/dictionary/`, made from docstrings, source and measurement.

`python -m docs.writers.dictionary` (`make dictionary`) writes it. What a page says is a function of the source and of
`measured.json`, which holds what the judge measured and is written anew for every op whose code changed.
"""
