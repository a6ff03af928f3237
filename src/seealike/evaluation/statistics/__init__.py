"""From rankings to figures of the field and how sure they are: arithmetic of arrays alone."""
