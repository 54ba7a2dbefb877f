"""What the guests wrote, in a file."""

import json
from pathlib import Path


class Book:
    def __init__(self, path):
        self.path = Path(path)

    def entries(self):
        return json.loads(self.path.read_text()) if self.path.exists() else []

    def add(self, name):
        entry = {"number": len(self.entries()) + 1, "name": name}
        self.path.write_text(json.dumps([*self.entries(), entry]))
        return entry

    def clear(self):
        self.path.unlink(missing_ok=True)
