"""What the Python peers share: the same requests as worker.cpp answers. A peer's own file defines NAME, version() and
forms(case), a list of (name, run) where run() computes the problem and returns something that numpy can read as y; a
form that cannot compute it raises Refused when it is made (see `form`).
"""
import json
import os
import sys
import time

import numpy as np

from problem import Problem


class Refused(Exception):
    """Why a form cannot compute a problem."""


class Case:
    """A problem with its arrays, as files of the driver hold them: x, w (K, C, M), b or None; y has shape y_shape."""

    def __init__(self, text, folder, threads):
        self.problem, self.threads = Problem.parse(text), threads
        read = lambda name, shape: np.fromfile(os.path.join(folder, name), np.float32).reshape(shape)  # noqa: E731
        p = self.problem
        self.x = read("x", p.x_shape)
        self.w = read("w", (p.K, p.C, p.M))
        self.b = read("b", (p.C * p.M,)) if p.bias else None
        self.zeros = np.zeros(p.C * p.M, np.float32)

    @property
    def by_channel(self):
        """Weights as PyTorch and ONNX have them, (C*M, 1, K)."""
        p = self.problem
        return np.ascontiguousarray(self.w.reshape(p.K, p.C * p.M).T[:, None, :])


class Form:
    def __init__(self, name, make):
        self.name, self.run, self.refusal = name, None, ""
        try:
            self.run = make()
        except Refused as failure:
            self.refusal = str(failure)
        except Exception as failure:  # whatever a library raises is why it does not compute this
            lines = str(failure).strip().splitlines()
            self.refusal = f"{type(failure).__name__}: {lines[0][:200]}" if lines else type(failure).__name__


EVICTED = None


def evict():
    """Reads and writes more than the last cache holds."""
    global EVICTED
    if EVICTED is None:
        EVICTED = np.zeros(96 << 20, np.uint8)
    EVICTED += 1


class Worker:
    def __init__(self, peer):
        self.peer, self.case, self.forms = peer, None, []

    def answer(self, request):
        what = request["do"]
        if what == "hello":
            return {"peer": self.peer.NAME, "version": self.peer.version()}
        if what == "release":
            self.case, self.forms = None, []
            return {}
        if what == "prepare":
            self.case = Case(request["problem"], request["folder"], request["threads"])
            self.forms = [Form(name, make) for name, make in self.peer.forms(self.case)]
            return {"forms": [{"form": f.name, "refused": f.refusal} for f in self.forms]}
        run = self.forms[request["form"]].run
        if what == "compute":
            np.ascontiguousarray(np.asarray(run()), np.float32).tofile(request["file"])
            return {}
        if what == "time":
            return {"us": self.time(run, request["samples"], request["calls"], request["cold"])}
        raise ValueError(f"do={what}: must be hello, prepare, compute, time or release")

    @staticmethod
    def time(run, samples, calls, cold):
        us = []
        # The peer before had the caches, and a last level that keeps what others evict takes many passes to fill.
        warm = time.perf_counter() + 10e-3
        while not cold:
            run()
            if time.perf_counter() > warm:
                break
        for _ in range(samples):
            if cold:
                evict()
            start = time.perf_counter()
            for _ in range(calls):
                run()
            us.append((time.perf_counter() - start) * 1e6 / calls)
        return us


def serve(peer):
    """Answers lines of JSON on stdin until it ends; what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(peer)
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except Exception as failure:
            reply = {"error": f"{type(failure).__name__}: {failure}"[:500]}
        print(json.dumps(reply), file=answers)
