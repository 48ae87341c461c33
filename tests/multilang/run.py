"""Two real MultiLangDaemons share a stream that reshards; a processor panics, a
daemon is killed. Checks the logs of the processors, and prints the result as one JSON
line. `run.sh` installs the dependencies.
"""

import argparse
import concurrent.futures
import contextlib
import glob
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time

import boto3

from judge import judge, read_sessions

STREAM = "stream"
# Records that the KCL cannot deaggregate: one lacks its data, one has a wrong digest.
MESSAGE = b"\x1a\x02\x08\x00"
UNDECODED = {
    "malformed": b"\xf3\x89\x9a\xc2" + MESSAGE + hashlib.md5(MESSAGE).digest(),
    "digest mismatch": b"\xf3\x89\x9a\xc2" + MESSAGE + bytes(16),
}
# Keys, user records a key, and seconds to write them in.
WRITTEN = (40, 600, 150)
SHARDS = 4
# The control reads a stream of one shard that does not change.
CONTROL = "control"
CONTROL_WRITTEN = (20, 50, 2)
# Time until the first records, in seconds; a daemon needs most of a minute.
START = 180
# The leader of the workers keeps its lock for two minutes after its death.
TAKEOVER = 240
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}

started = time.monotonic()


def say(text):
    print(f"{time.monotonic() - started:6.1f} s  {text}", file=sys.stderr, flush=True)


def wait_for(what, condition, seconds):
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            say(what)
            return found
        time.sleep(0.5)
    raise TimeoutError(f"not within {seconds} s: {what}")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def accepts(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Daemon:
    """A MultiLangDaemon and its supervisor, which starts it again when it ends."""

    def __init__(self, world, stream, name):
        self.name, self.world = name, world
        self.starts, self.is_over = 0, False
        self.properties = world.folder / f"{name}.properties"
        # The application, and so its lease table, has the name of the stream.
        self.settings = f"""executableName = {world.programs / "worker"}
streamName = {stream}
applicationName = {stream}
AwsCredentialsProvider = DefaultCredentialsProvider
processingLanguage = rust
initialPositionInStream = TRIM_HORIZON
regionName = us-east-1
kinesisEndpoint = {world.kinesis_url}
dynamoDBEndpoint = {world.aws_url}
cloudWatchEndpoint = {world.aws_url}
metricsLevel = NONE
retrievalMode = POLLING
maxRecords = 100
idleTimeBetweenReadsInMillis = 200
failoverTimeMillis = 3000
shardSyncIntervalMillis = 2000
shutdownGraceMillis = 30000
"""
        jars = pathlib.Path(sysconfig.get_path("purelib")) / "amazon_kclpy" / "jars" / "*"
        self.command = [
            "java",
            "-Xmx512m",
            "-cp",
            str(jars),
            "software.amazon.kinesis.multilang.MultiLangDaemon",
            "--properties-file",
            str(self.properties),
        ]
        self.environment = os.environ | CREDENTIALS | {"WORKER": name, "LOGS": str(world.logs)}
        if stream == CONTROL:
            self.environment["CONTROL"] = "1"
        self.output = open(world.folder / f"{name}.log", "wb")
        self.thread = threading.Thread(target=self.supervise, daemon=True)
        self.start()
        self.thread.start()

    def start(self):
        self.starts += 1
        # A new worker name at each start, as by default. Otherwise, a lease that is being
        # handed over while its worker ends would wait for a worker with the old name.
        worker_id = f"workerId = {self.name}-{self.starts}\n"
        self.properties.write_text(self.settings + worker_id)
        # A separate session, so that all of its processes can be killed.
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def supervise(self):
        while True:
            code = self.process.wait()
            if self.is_over:
                return
            say(f"daemon {self.name} ended with {code}")
            self.start()

    def kill(self):
        self.is_over = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.thread.join()

    def terminate(self, seconds):
        self.is_over = True
        # Only the daemon: it ends its own processes.
        self.process.terminate()
        self.thread.join(seconds)


class World:
    def __init__(self, arguments, folder, stack):
        self.folder, self.programs = folder, arguments.programs
        self.logs = folder / "logs"
        self.logs.mkdir()
        plain, tls, aws = free_ports(3)
        self.kinesis_url, self.aws_url = (f"http://127.0.0.1:{port}" for port in (plain, aws))
        durations = ["CREATE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS"]
        self.run(
            stack,
            "kinesis",
            ["node", "main.js"],
            cwd=arguments.kinesis_local,
            env=os.environ
            | {"KINESIS_MOCK_PLAIN_PORT": str(plain), "KINESIS_MOCK_TLS_PORT": str(tls)}
            | {"SHARD_LIMIT": "100"}
            | {f"{one}_DURATION": "50ms" for one in durations},
        )
        moto = pathlib.Path(sys.executable).with_name("moto_server")
        self.run(stack, "moto", [str(moto), "-H", "127.0.0.1", "-p", str(aws)])
        wait_for("servers run", lambda: accepts(plain) and accepts(aws), 60)
        client = {
            "region_name": "us-east-1",
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
        }
        self.kinesis = boto3.client("kinesis", endpoint_url=self.kinesis_url, **client)
        self.dynamodb = boto3.client("dynamodb", endpoint_url=self.aws_url, **client)
        for stream, shards in ((STREAM, SHARDS), (CONTROL, 1)):
            self.kinesis.create_stream(StreamName=stream, ShardCount=shards)
            self.wait_until_active(stream)

        for data in UNDECODED.values():
            self.kinesis.put_record(StreamName=STREAM, PartitionKey="undecoded", Data=data)

    def run(self, stack, name, command, **options):
        output = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)
        stack.callback(process.wait)
        stack.callback(process.kill)

    def wait_until_active(self, stream=STREAM):
        waiter = self.kinesis.get_waiter("stream_exists")
        waiter.wait(StreamName=stream, WaiterConfig={"Delay": 1})

    def start_writer(self, stream, written):
        command = [self.programs / "writer", self.kinesis_url, stream]
        command += [str(number) for number in written]
        return subprocess.Popen(command)

    def open_shards(self):
        shards = self.kinesis.list_shards(StreamName=STREAM)["Shards"]
        shards = [one for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        return sorted(shards, key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))

    def split(self, place):
        shard = self.open_shards()[place]
        first, last = (int(shard["HashKeyRange"][f"{end}HashKey"]) for end in ("Starting", "Ending"))
        self.kinesis.split_shard(
            StreamName=STREAM,
            ShardToSplit=shard["ShardId"],
            NewStartingHashKey=str((first + last) // 2),
        )
        say(f"split {shard['ShardId']}")
        self.wait_until_active()

    def merge(self, place):
        one, other = (shard["ShardId"] for shard in self.open_shards()[place : place + 2])
        self.kinesis.merge_shards(
            StreamName=STREAM, ShardToMerge=one, AdjacentShardToMerge=other
        )
        say(f"merge {one}, {other}")
        self.wait_until_active()

    def items(self, table):
        with contextlib.suppress(self.dynamodb.exceptions.ResourceNotFoundException):
            return self.dynamodb.scan(TableName=table)["Items"]
        return []

    def owners(self):
        """Returns the daemons that hold a lease."""
        leases = self.items(STREAM)
        leases = [one for one in leases if one["checkpoint"]["S"] != "SHARD_END"]
        return {daemon(one.get("leaseOwner", {}).get("S", "")) for one in leases}

    def leader(self):
        items = self.items(f"{STREAM}-CoordinatorState")
        leaders = [one["ownerName"]["S"] for one in items if one["key"]["S"] == "Leader"]
        return daemon(leaders[0]) if leaders else None

    def sessions(self, *names):
        return read_sessions(self.logs, names)


def daemon(worker_id):
    return worker_id.rpartition("-")[0]


def records(keys, numbers, _):
    """Returns all records that a writer writes."""
    return {f"key-{key}/{number}" for key in range(keys) for number in range(numbers)}


def seen(sessions):
    return {one["record"] for session in sessions for one in session.processed}


def main(world, stack):
    names = ["one", "two"]
    daemons = {name: Daemon(world, STREAM, name) for name in names}
    for one in daemons.values():
        stack.callback(one.kill)
    sessions = lambda: world.sessions(*names)
    wait_for("both daemons have leases", lambda: world.owners() == set(names), START)
    wait_for("processors run", lambda: len(sessions()) >= SHARDS, START)
    writer = world.start_writer(STREAM, WRITTEN)
    stack.callback(writer.kill)
    time.sleep(5)
    world.split(0)

    leader = wait_for("there is a leader", world.leader, START)
    other = next(name for name in names if name != leader)
    time.sleep(5)
    panic(world, daemons[other])
    world.merge(2)
    time.sleep(5)
    world.split(1)
    time.sleep(5)

    say(f"daemon {leader}, the leader, is killed")
    killed_at = time.time()
    daemons[leader].kill()
    world.split(3)
    world.merge(0)
    pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
    control = pool.submit(run_control, world, stack)

    orphans = unfinished(world.sessions(leader))
    took_over = lambda: orphans <= {one.shard for one in world.sessions(other) if one.begun_at > killed_at}
    wait_for(f"daemon {other} has taken over {', '.join(sorted(orphans))}", took_over, TAKEOVER)
    say(f"the takeover took {time.time() - killed_at:.0f} s")
    if writer.wait(WRITTEN[2]):
        raise ChildProcessError("the writer failed")
    expected = records(*WRITTEN)
    with contextlib.suppress(TimeoutError):
        wait_for("all records are processed", lambda: expected <= seen(sessions()), TAKEOVER)
    terminated_at = time.time()
    daemons[other].terminate(60)
    say(f"daemon {other} has ended on request")

    result, faults = judge(sessions(), expected)
    if daemons[other].starts != 2 or daemons[leader].starts != 1:
        faults.append("a daemon was restarted more often than expected")
    if not any((one.shut_down_at or 0) > terminated_at for one in sessions()):
        faults.append("no processor checkpointed when its daemon was asked to end")
    undecoded = set().union(*(session.undecoded for session in sessions()))
    if undecoded != set(UNDECODED):
        faults.append(f"flagged as not deaggregated by the KCL: {undecoded}")
    return result, faults + control.result()


def unfinished(sessions):
    """Returns the shards, in order, whose last process neither read to the shard's end nor
    lost its lease.
    """
    last = {session.shard: session for session in sessions}
    return {shard for shard, session in last.items() if not session.is_over}


def panic(world, one):
    """Makes a processor panic, and waits until its daemon works again."""
    file = world.logs / f"panic-{one.name}"
    file.touch()
    wait_for(f"a processor of daemon {one.name} panics", lambda: not file.exists(), START)
    wait_for(f"daemon {one.name} is started again", lambda: one.starts == 2, 90)
    started_at = time.time()
    is_back = lambda: any(session.begun_at > started_at for session in world.sessions(one.name))
    wait_for(f"daemon {one.name} has processors again", is_back, START)


def run_control(world, stack):
    """Runs a processor that checkpoints before it processes and panics in between. It
    must lose records; otherwise, the checks detect nothing. Returns the faults.
    """
    if world.start_writer(CONTROL, CONTROL_WRITTEN).wait(60):
        raise ChildProcessError("the control's writer failed")
    control = Daemon(world, CONTROL, "control")
    stack.callback(control.kill)
    panic(world, control)
    # Time to process records after the checkpoint, if any are sent.
    time.sleep(5)
    control.kill()
    result, faults = judge(world.sessions("control"), records(*CONTROL_WRITTEN))
    say(f"control: {json.dumps(result)}")
    if result["lost"] == 0 or not any("lost" in fault for fault in faults):
        return ["the control, which checkpoints before it processes, lost nothing"]
    return []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=pathlib.Path, required=True)
    parser.add_argument("--kinesis-local", required=True)
    parser.add_argument("--keep", help="folder for logs, instead of one that is deleted")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if arguments.keep:
            folder = pathlib.Path(arguments.keep)
            folder.mkdir(parents=True)
        else:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            result, faults = main(World(arguments, folder.resolve(), stack), stack)
        except Exception as error:
            for log in sorted(glob.glob(f"{folder}/*.log")):
                tail = pathlib.Path(log).read_text(errors="replace").splitlines()[-5:]
                print(f"== {log}", *tail, sep="\n", file=sys.stderr)
            sys.exit(f"{type(error).__name__}: {error}")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    print(json.dumps(result, separators=(",", ":")))
    sys.exit(bool(faults))
