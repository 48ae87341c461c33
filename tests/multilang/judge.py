"""Compares the logs of the processors with what was written and with what the
daemon guarantees.
"""

import json
import pathlib
from collections import defaultdict


class Session:
    """The log of one process, which reads one shard from its checkpoint on."""

    def __init__(self, worker, lines):
        self.worker = worker
        self.shard, self.resumed_at = None, None
        self.begun_at, self.ended_at = None, None
        # The process ended normally, not with a crash.
        self.shut_down_at, self.is_over = None, False
        self.processed, self.checkpoints, self.undecoded = [], [], set()
        for line in lines:
            position = line.get("position")
            line["position"] = position and (number(position[0]), position[1])
            match line["event"]:
                case "initialized":
                    self.shard, self.begun_at = line["shard"], line["at"]
                    self.resumed_at = line["position"]
                case "processed":
                    self.processed.append(line)
                case "checkpointed":
                    self.checkpoints.append(line)
                case "undecoded":
                    self.undecoded.add(line["undecoded"])
                case "shard ended":
                    self.ended_at, self.is_over = line["at"], True
                case "shutdown requested":
                    # This also happens when the lease is handed over to another worker.
                    self.is_over = True
                    if line["error"] is None:
                        self.shut_down_at = line["at"]
                case "lease lost":
                    self.is_over = True

    def stored(self):
        return [one for one in self.checkpoints if one["error"] is None]


def number(text):
    """Returns a sequence number as an integer; the KCL's sentinel words are lower than all."""
    return int(text) if text.isdecimal() else -1


def read_sessions(folder, workers):
    sessions = []
    for worker in workers:
        for log in pathlib.Path(folder).glob(f"{worker}.*.ndjson"):
            # The last line may be incomplete.
            lines = log.read_text().splitlines(keepends=True)
            lines = [json.loads(line) for line in lines if line.endswith("\n")]
            session = Session(worker, lines)
            if session.shard:
                sessions.append(session)
    return sorted(sessions, key=lambda session: session.begun_at)


def judge(sessions, expected):
    """Returns the result and the faults."""
    faults = []
    processed = [one for session in sessions for one in session.processed]
    processed.sort(key=lambda one: one["at"])

    # The records of each key must be in order when they are first seen.
    seen, latest, disorder = set(), {}, 0
    for one in processed:
        if one["record"] not in seen:
            seen.add(one["record"])
            key, place = one["record"].split("/")
            disorder += int(place) < latest.get(key, -1)
            latest[key] = max(int(place), latest.get(key, -1))
            if one["key"] != key:
                faults.append(f"{one['record']} was delivered under the key {one['key']}")
    if seen - expected:
        faults.append(f"{len(seen - expected)} records that were never written")
    if disorder:
        faults.append(f"{disorder} records out of order")

    # The last place in each aggregate.
    ends = defaultdict(int)
    for one in processed:
        sequence_number, place = one["position"]
        ends[sequence_number] = max(ends[sequence_number], place)
    is_inside = lambda position: position[0] >= 0 and position[1] < ends[position[0]]

    # Each process begins right after the last checkpoint of its shard.
    owners = {}
    takeovers = resumed_inside = inside = 0
    for session in sessions:
        # A checkpoint whose answer never arrived may be stored, but is not in a log.
        known = [
            one["position"]
            for other in sessions
            if other.shard == session.shard and other is not session
            for one in other.stored()
            if one["at"] <= session.begun_at
        ]
        resumed_at = session.resumed_at
        if known and resumed_at < max(known):
            faults.append(f"{session.shard} resumed at {resumed_at}, before {max(known)}")
        positions = [one["position"] for one in session.processed]
        if positions and min(positions) <= resumed_at:
            faults.append(f"{session.shard} repeated records before its checkpoint")
        if positions != sorted(set(positions)):
            faults.append(f"{session.shard}: a process moved backwards or stood still")
        owner = owners.get(session.shard, session.worker)
        takeovers += owner != session.worker
        owners[session.shard] = session.worker
        resumed_inside += is_inside(resumed_at)
        inside += sum(is_inside(one["position"]) for one in session.stored())

    ended = {session.shard for session in sessions if session.ended_at}
    lost = len(expected - seen)
    result = {
        "records": len(expected),
        "lost": lost,
        "duplicates": len(processed) - len(seen),
        "workers": len({session.worker for session in sessions}),
        "takeovers": takeovers,
        "shards_ended": len(ended),
        "checkpoints_inside_aggregates": inside,
        "resumed_inside_aggregates": resumed_inside,
    }
    if lost:
        faults.append(f"{lost} records lost, such as {sorted(expected - seen)[:3]}")
    # If one of these never happened, the run proves nothing.
    for name in list(result)[3:]:
        if not result[name]:
            faults.append(f"{name} is 0")
    return result, faults
