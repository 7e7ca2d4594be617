"""Analysers: each is one function, pure, from what was collected to the causes that it sees. `../analysis.py` lists and
orders all of them. A new analyser is a function here, and its name in that list."""
