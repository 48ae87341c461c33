"""The fixtures of `tests/fixtures` as cases: their bytes come from real producers, their
outcome from `law.py`. Without that folder there are none."""

import json
import pathlib

import law
from parts import Random

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "fixtures"


def lines(name):
    """Returns the lines of a file of fixtures."""
    path = FOLDER / name
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def decode_cases():
    return [
        {
            "id": f"fixtures/{line['id']}",
            "rule": f"fixtures: {line['category']}",
            "hex": line["input_hex"],
            **law.decode(bytes.fromhex(line["input_hex"])),
        }
        for line in lines("decode.jsonl")
        if line["input_hex"]
    ]


def user_records(line):
    """Returns the user records of a line of encode.jsonl: key, hash key, data."""
    if "gen" in line:
        return list(generated(line["gen"]))
    return [
        (record["partition_key"], record["explicit_hash_key"], data_of(record))
        for record in line["records"]
    ]


def data_of(record):
    if "data_hex" in record:
        return bytes.fromhex(record["data_hex"])
    repeated = record["data_rep"]
    return bytes([repeated["byte"]]) * repeated["len"]


def generated(gen):
    """The generator sm64-v1 that the README of the fixtures describes."""
    random = Random()
    random.state = gen["seed"]
    for _ in range(gen["n"]):
        a, b, c, d = (random.below(1 << 64) for _ in range(4))
        hash_key = None
        if gen["nehk"] and b % 2:
            hash_key = str((b >> 1) % gen["nehk"] * 18446744073709551617)
        data = bytes((d + 31 * j) & 255 for j in range(c % (gen["maxlen"] + 1)))
        yield f"{gen['pk_prefix']}{a % gen['npk']}", hash_key, data
