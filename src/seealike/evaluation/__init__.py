"""How well an encoder does on a catalogue of one's own: metrics, comparisons, pages."""
