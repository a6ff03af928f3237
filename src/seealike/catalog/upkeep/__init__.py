"""Whether a catalogue is sound, and putting it right."""
