"""`doit repair`: which lines of a spec make verify pass, found by trying them."""
