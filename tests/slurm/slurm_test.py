#!/usr/bin/env python3
"""scripts/tune_slurm.sh on a real Slurm cluster: munged, slurmctld and two slurmd on this machine.

An array of shards runs on both nodes; one slurmd and what it started are killed in the middle, and Slurm gives their
task up (--no-requeue: started again by Slurm, it would go on in the same way); the array is submitted again. Every
shard must then be done and hold all of its candidates, what was measured before the kill must stand and not be measured
again, and `dwconv promote` must take the logs in any order.

    slurm_test.py --dwconv PROGRAM --work FOLDER    exit 77 with one sentence where Slurm is not installed
"""
import argparse
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(ROOT, "scripts", "tune_slurm.sh")
NEEDED = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo")
PROBLEMS = ["f32_nlc_n1_l%d_c64_k%d_m1_s1_d1_pl%d_pr0_bias_linear" % (length, k, k - 1)
            for length, k in ((96, 3), (128, 4), (160, 5), (192, 6))]


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """One controller and two nodes, all daemons children of this process, all files in one folder."""

    def __init__(self, work):
        self.work = os.path.join(work, "cluster")
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work, mode=0o755)
        self.children = {}
        self.environment = dict(os.environ, SLURM_CONF=os.path.join(self.work, "slurm.conf"),
                                PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
        host = socket.gethostname().split(".")[0]
        controller, first, second = free_ports(3)
        munge = os.path.join(self.work, "munge.socket")
        with open(self.environment["SLURM_CONF"], "w", encoding="utf-8") as out:
            out.write("\n".join([
                "ClusterName=dwconv_test", f"SlurmctldHost={host}(127.0.0.1)", "SlurmUser=root", "SlurmdUser=root",
                "AuthType=auth/munge", "CredType=cred/munge", f"AuthInfo=socket={munge}",
                f"SlurmctldPort={controller}", f"StateSaveLocation={self.work}/state",
                f"SlurmdSpoolDir={self.work}/spool-%n", f"SlurmctldPidFile={self.work}/slurmctld.pid",
                f"SlurmdPidFile={self.work}/slurmd-%n.pid", f"SlurmctldLogFile={self.work}/slurmctld.log",
                f"SlurmdLogFile={self.work}/slurmd-%n.log", "ProctrackType=proctrack/pgid", "TaskPlugin=task/none",
                "SwitchType=switch/none", "MpiDefault=none", "ReturnToService=2", "SlurmdTimeout=10",
                "SlurmctldTimeout=10", "InactiveLimit=0", "KillWait=2", "MinJobAge=300", "SchedulerType=sched/builtin",
                "SchedulerParameters=batch_sched_delay=1", "SelectType=select/cons_tres",
                "SelectTypeParameters=CR_CPU", "AccountingStorageType=accounting_storage/none",
                "JobAcctGatherType=jobacct_gather/none",
                f"NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=1",
                f"NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=1",
                "PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP", ""]))
        for folder in ("state", "spool-one", "spool-two"):
            os.makedirs(os.path.join(self.work, folder))
        key = os.path.join(self.work, "munge.key")
        self.run(["mungekey", "--create", "--keyfile", key])
        os.chmod(key, 0o600)
        self.start("munged", ["munged", "--foreground", "--force", "--key-file", key, "--socket", munge,
                              "--pid-file", self.work + "/munged.pid", "--log-file", self.work + "/munged.log",
                              "--seed-file", self.work + "/munged.seed"])
        self.wait_for("munged's socket", lambda: os.path.exists(munge), 20)
        self.start("slurmctld", ["slurmctld", "-D"])
        self.start_node("one")
        self.start_node("two")
        self.wait_for("two idle nodes", lambda: self.idle() == 2, 60)

    def start(self, name, words):
        with open(os.path.join(self.work, name + ".out"), "ab") as out:
            self.children[name] = subprocess.Popen(words, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                                                   stderr=out, start_new_session=True)

    def start_node(self, name):
        self.start(name, ["slurmd", "-D", "-N", name])

    def run(self, words, **more):
        return subprocess.run(words, env=self.environment, check=True, capture_output=True, text=True, timeout=120,
                              **more).stdout

    def idle(self):
        states = self.run(["sinfo", "--noheader", "--Node", "--format=%T"]).split()
        return sum(state == "idle" for state in states)

    def wait_for(self, what, condition, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except subprocess.CalledProcessError:
                pass  # the controller is not there yet
            time.sleep(0.2)
        raise RuntimeError(f"{what}: not within {seconds} s")

    def kill_node(self, name):
        """The node's daemon, its steps and all that they started, at once: what a power cut does."""
        spool, table = f"spool-{name}", {}
        for status in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(status, encoding="utf-8") as file:
                    text = file.read()
                pid, parent = int(text.split()[0]), int(text.rsplit(")", 1)[1].split()[1])
                with open(os.path.dirname(status) + "/environ", "rb") as file:
                    table[pid] = parent, file.read()
            except OSError:
                continue  # it ended meanwhile
        mark = b"SLURMD_NODENAME=" + name.encode()
        dead = {self.children[name].pid} | {pid for pid, (_, env) in table.items() if mark in env.split(b"\0")}
        # slurmstepd itself carries no such mark; its children do.
        dead |= {table[pid][0] for pid in list(dead) if pid in table and self.is_step(table[pid][0])}
        for pid in dead:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.children.pop(name).wait()
        shutil.rmtree(os.path.join(self.work, spool), ignore_errors=True)
        os.makedirs(os.path.join(self.work, spool))
        return len(dead)

    @staticmethod
    def is_step(pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                return file.read().startswith("slurmstepd")
        except OSError:
            return False

    def stop(self):
        for name in sorted(self.children, reverse=True):  # the controller before munged does not matter: all go
            child = self.children[name]
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def results(log):
    """The whole result lines of a log; a torn last line is none."""
    try:
        with open(log, encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [line for line in map(json.loads, lines) if line["type"] == "result"]


def test(cluster, dwconv, work, expect):
    logs = os.path.join(work, "logs")
    shutil.rmtree(logs, ignore_errors=True)
    problems = os.path.join(work, "problems.txt")
    with open(problems, "w", encoding="utf-8") as out:
        out.write("\n".join(PROBLEMS) + "\n")
    shards = len(PROBLEMS)
    words = [SCRIPT, "--problems", problems, "--shards", str(shards), "--logs", logs, "--dwconv", dwconv,
             "--sbatch", "--no-requeue", "--", "--candidates", "6", "--jobs", "1", "--rounds", "5", "--min-time", "20",
             "--families", "channels"]

    cluster.run(words)
    log_of = lambda i: os.path.join(logs, f"shard-{i}.jsonl")  # noqa: E731
    # Both nodes work; the second dies with some results of its task written.
    running = lambda: dict(line.split() for line in  # noqa: E731
                           cluster.run(["squeue", "--noheader", "--states=R", "--format=%N %K"]).splitlines())
    cluster.wait_for("results from the second node",
                     lambda: "two" in running() and len(results(log_of(running()["two"]))) >= 2, 120)
    victim = int(running()["two"])
    killed = cluster.kill_node("two")
    expect(killed >= 3, f"the node, its step and its task were killed: {killed} processes")
    time.sleep(0.5)
    before = results(log_of(victim))
    expect(not os.path.exists(os.path.join(logs, f"shard-{victim}.done")), "the shard is not done")

    # Slurm notices, and the first node does what it can. The second comes back.
    cluster.wait_for("Slurm to see the dead node",
                     lambda: "two" not in running() and "down" in cluster.run(["sinfo", "-N", "-h", "-o", "%T", "-n",
                                                                             "two"]), 90)
    cluster.start_node("two")
    done = lambda: len(glob.glob(os.path.join(logs, "shard-*.done")))  # noqa: E731
    cluster.wait_for("the array to end",
                     lambda: not cluster.run(["squeue", "--noheader", "--states=R,PD,CG"]).strip(), 240)
    again = done() < shards
    if again:  # Slurm gave the killed task up instead of starting it again
        cluster.run(words)
        cluster.wait_for("the resumed array to end",
                         lambda: not cluster.run(["squeue", "--noheader", "--states=R,PD,CG"]).strip(), 240)
    expect(done() == shards, f"every shard is done: {done()} of {shards}")
    print(f"killed shard {victim} on node two after {len(before)} results; "
          f"{'resumed by the script' if again else 'started again by Slurm'}")

    for i in range(1, shards + 1):
        found = results(log_of(i))
        keys = [(r["kernel"], r["samples"]) for r in found if r["outcome"] == "ok"]
        expect({r["problem"] for r in found} == {PROBLEMS[i - 1]}, f"shard {i} holds its problem alone")
        expect(len({r["kernel"] for r in found}) == 6, f"shard {i} holds 6 candidates: {len(found)} results")
        expect(len(keys) == len(set(keys)), f"shard {i}: nothing was measured twice: {keys}")
    after = results(log_of(victim))
    expect(len(after) > len(before) and after[:len(before)] == before, "the log went on where it ended")
    runs = sum('"type":"run"' in line for line in open(log_of(victim), encoding="utf-8"))
    expect(runs >= 2, f"a second run took the shard on: {runs}")
    expect("are done" in cluster.run(words), "a finished array is not submitted again")

    paths = [log_of(i) for i in range(1, shards + 1)]
    texts = []
    for order in (paths, paths[::-1]):
        tree = os.path.join(work, "tree")
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(os.path.join(ROOT, "schedules"), os.path.join(tree, "schedules"))
        subprocess.run([dwconv, "promote", *order, "--schedules", os.path.join(tree, "schedules")], check=True,
                       capture_output=True, text=True, cwd=tree)
        texts.append({path: open(path, "rb").read() for path in glob.glob(os.path.join(tree, "schedules/db/*"))})
    expect(texts[0] == texts[1], "promote takes the logs in any order")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dwconv", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        skip(f"Slurm is not installed here (Debian: packages slurm-wlm and munge): no {', '.join(missing)}")
    if os.geteuid() != 0:
        skip("slurmd must be root here")
    failures = []

    def expect(condition, what):
        if not condition:
            failures.append(what)

    os.makedirs(options.work, exist_ok=True)
    cluster = None
    try:
        cluster = Cluster(os.path.abspath(options.work))
        test(cluster, os.path.abspath(options.dwconv), os.path.abspath(options.work), expect)
    except (RuntimeError, subprocess.SubprocessError) as error:
        failures.append(str(error))
        if getattr(error, "stderr", None):
            failures.append(str(error.stderr))
    finally:
        if cluster:
            cluster.stop()
    for failure in failures:
        print(failure)
    print("failed" if failures else "passed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
