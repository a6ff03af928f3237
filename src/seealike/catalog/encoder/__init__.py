"""The encoder of a catalogue: where it is, how pictures become vectors, how another takes its place."""
