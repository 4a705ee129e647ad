"""The crash harness: kills Fraisier on purpose and judges what is left."""
