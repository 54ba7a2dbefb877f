"""Runs the steps of a spec against containers of an image: what each kind of step does, and how it is told."""
