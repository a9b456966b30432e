"""The model card of a pipeline: what it finds, its data, its scores, how it was made, and its limits.

`records.py` finds the training that a pipeline is from, `stages.py` reads its stages and their data, `facts.py`
collects all that is known, `limits.py` derives the limits, `sections.py` and `making.py` write the Markdown, and
`make.py` fills `meta.json`. A figure is only given if a digest proves that it belongs to the pipeline. All others are
left out or called unknown.
"""
