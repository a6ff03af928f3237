"""Engines that hold a copy of a catalogue and propose from it: databases that others run.

``store`` says what an engine must give, ``searcher`` ranks over it, ``facts`` says what is stored of an item,
``publishing`` copies a catalogue. Each engine is a sub-package that the others do not know.
"""
