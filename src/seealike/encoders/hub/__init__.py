"""Models of hubs: named presets, fetching their files when somebody asks for it, and where they are kept."""
