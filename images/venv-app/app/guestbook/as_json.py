import json


def written(entries, indent="0"):
    return json.dumps(entries, indent=int(indent) or None)
