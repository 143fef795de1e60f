"""Load on the shop's product page: requests that come at a fixed rate, whether or not the earlier ones are answered, and
then as many as there can be.

  python3 tests/bench/shop.py BUILD [--items 10000] [--rate 200] [--seconds 30]

Latency is counted from when a request was due, so that a stall is charged to every request that it delays. A third of
the requests look at a product with a session of their own, so that views are written; all go over connections that are
kept. The store has the drawn catalogue's rows with noise, again and again, to the number of items."""
import argparse
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bindings/python"))


def fill(store_path, folder, items, build, model):
    import numpy as np
    import recsys
    drawn = 300
    subprocess.run([build + "/examples/catalogue/catalogue", folder + "/catalogue", "--items", str(drawn)], check=True)
    subprocess.run([build + "/examples/recsys/recsys", "add", store_path, "--images", folder + "/catalogue/images", "--labels",
                    folder + "/catalogue/items.csv", "--fields", "kind,colour,pattern", "--numbers", "price", "--texts", "title",
                    "--model", model], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([build + "/examples/recsys/recsys", "rate", store_path, folder + "/catalogue/ratings.csv"], check=True, stdout=subprocess.DEVNULL)
    rng = np.random.default_rng(1)
    with recsys.Store(store_path) as store:
        ids = store.list()
        rows = store.embeddings(ids)
        fields = {field: [store.labels(int(i), field)[0][0] for i in ids] for field in ("kind", "colour", "pattern")}
        texts = {field: [store.text(int(i), field) for i in ids] for field in ("title", "image")}
        fingerprint = store.info.fingerprint
        for first in range(drawn, items, 1000):
            n = min(1000, items - first)
            source = rng.integers(0, drawn, n)
            new = store.resolve(["MORE-%05d" % (first + i) for i in range(n)], create=True)
            for field, values in fields.items():
                store.put_labels(new, field, [values[s] for s in source])
            for field, values in texts.items():
                store.put_texts(new, field, [values[s] for s in source])
            noise = rng.standard_normal((n, rows.shape[1])).astype(np.float32) * rows.std() * 0.4
            store.put_embeddings(new, np.maximum(rows[source] + noise, 0), fingerprint=fingerprint)


class Visitor(threading.Thread):
    def __init__(self, port, due, requests, first, step, items, remembered):
        super().__init__()
        self.port, self.due, self.requests, self.step, self.items, self.remembered = port, due, requests, step, items, remembered
        self.first, self.latencies, self.wrong = first, [], 0

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/shop.css")
        connection.getresponse().read()
        headers = {}
        if self.remembered:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            headers = {"Cookie": answer.getheader("Set-Cookie").split(";")[0]}
        for i in range(self.first, self.requests, self.step):
            due = self.due[0] + i * self.due[1]
            while time.perf_counter() < due:
                time.sleep(max(0, due - time.perf_counter()))
            connection.request("GET", "/product/%d" % (1 + (i * 7919) % self.items), headers=headers)
            answer = connection.getresponse()
            self.wrong += answer.status != 200 or len(answer.read()) < 1000
            self.latencies.append(time.perf_counter() - due)


def at_a_rate(port, items, rate, seconds, threads=24):
    due = (time.perf_counter() + 1, 1 / rate)
    visitors = [Visitor(port, due, int(rate * seconds), i, threads, items, i % 3 == 0) for i in range(threads)]
    for v in visitors:
        v.start()
    for v in visitors:
        v.join()
    latencies = sorted(x for v in visitors for x in v.latencies)
    assert sum(v.wrong for v in visitors) == 0 and len(latencies) == int(rate * seconds)
    return [1000 * latencies[min(len(latencies) - 1, int(len(latencies) * share))] for share in (0.5, 0.9, 0.99, 1)]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("build")
    a.add_argument("--items", type=int, default=10000)
    a.add_argument("--rate", type=float, default=200)
    a.add_argument("--seconds", type=float, default=30)
    a = a.parse_args()
    build, model = os.path.abspath(a.build), ROOT + "/examples/data/mini.safetensors"
    os.environ.setdefault("RECSYS_LIBRARY", build + "/lib/librecsys.so")
    os.environ.setdefault("RECSYS_ENGINE_PATH", build + "/lib")
    folder = tempfile.mkdtemp()
    shop = None
    try:
        fill(folder + "/s.recsys", folder, a.items, build, model)
        port = 18080
        shop = subprocess.Popen([build + "/examples/shop/shop", "--store", folder + "/s.recsys", "--model", model, "--folder", folder + "/own",
                                 "--fields", "kind,colour,pattern", "--port", str(port)], stdout=subprocess.PIPE)
        assert b"open" in shop.stdout.readline()
        for rate in (a.rate, 2 * a.rate):
            print("%d products, %g requests/s: median %.2f ms, 90 %% %.2f ms, 99 %% %.2f ms, longest %.2f ms" %
                  (a.items, rate, *at_a_rate(port, a.items, rate, a.seconds)), flush=True)
        if shutil.which("wrk"):
            with open(folder + "/products.lua", "w") as script:
                script.write("local i = 0\nrequest = function() i = (i * 7919 + 1) %% %d; return wrk.format('GET', '/product/' .. 1 + i) end\n" % a.items)
            out = subprocess.run(["wrk", "-t1", "-c8", "-d%ds" % a.seconds, "--latency", "-s", folder + "/products.lua", "http://127.0.0.1:%d" % port],
                                 capture_output=True, text=True, check=True).stdout
            found = dict(re.findall(r"(99%|Requests/sec:)\s+(\S+)", out))
            print("as many as there can be over 8 connections (wrk): %s requests/s, 99 %% %s" % (found["Requests/sec:"], found["99%"]))
        with open("/proc/%d/status" % shop.pid) as status:
            print("the shop's memory: " + re.search(r"VmRSS:\s+(.*)", status.read()).group(1))
    finally:
        if shop:
            shop.terminate()
            shop.wait(30)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
