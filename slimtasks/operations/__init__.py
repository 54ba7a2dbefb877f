"""What the commands beside the tasks do: init, push, relayer, update, clean, verify-reproducible."""
