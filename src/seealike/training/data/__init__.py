"""What is learnt from: items with their classes, who is held out, and pixels."""
