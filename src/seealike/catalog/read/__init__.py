"""What is in a catalogue."""
