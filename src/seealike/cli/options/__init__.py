"""The options that several commands share, each defined once, and what their values are put together to."""
