"""JSON with bytes and with dicts in order, as tests/peer.py reads and writes it."""

import base64


def to_json(value):
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {"items": [[name, to_json(item)] for name, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(value):
    if isinstance(value, dict):
        if "bytes" in value:
            return base64.b64decode(value["bytes"])
        return {name: from_json(item) for name, item in value["items"]}
    if isinstance(value, list):
        return [from_json(item) for item in value]
    return value
