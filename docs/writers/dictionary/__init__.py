"""The dictionary as Markdown: one page per op in `docs/dictionary/`.

`python -m docs.writers.dictionary` (`make dictionary`) writes it. What a page says is a function of the source and of
`handgrad/dictionary/measured.json`: what the judge measured, which is measured anew for every op whose code changed.
"""
