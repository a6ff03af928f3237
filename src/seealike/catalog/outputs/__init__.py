"""Files that are written where a caller says: of which kinds, whether they may be, and what is in them."""
