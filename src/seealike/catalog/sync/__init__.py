"""Making a catalogue equal to its sources: which they are, what changed, what was moved; adding by hand."""
