"""Who may come in, how often, and how much they may bring: all before any route sees a request."""
