"""The bill of materials of a slim image: its packages, each whole or in part, and what of them is gone."""
