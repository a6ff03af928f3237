"""The same items under another encoder, beside the catalogue or in its place."""
