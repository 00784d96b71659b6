"""What came of a training or a measurement: curves, mistakes and confidence on one page."""
