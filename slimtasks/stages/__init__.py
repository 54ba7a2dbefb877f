"""The stages: one module each, a function `run` from files to files; `report` alone is of all images."""
