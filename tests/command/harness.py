"""Runs the command for the tests beside this file. CMake passes the programs in the environment."""
import json
import os
import subprocess
import tempfile
import unittest

RECSYS = os.environ["RECSYS"]
CATALOGUE = os.environ["CATALOGUE"]
MAKE_STORE = os.environ["MAKE_STORE"]
UNTRAINED = "untrained:squeezenet1_1:7"


class Case(unittest.TestCase):
    """A test with a folder of its own and with ways to run the command."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="recsys-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def run_it(self, *words, code=0, stdin=b""):
        """Runs recsys with these words, expects the exit code, returns what it wrote: (stdout, stderr)."""
        done = subprocess.run([RECSYS, *words], input=stdin, capture_output=True, timeout=120, check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"recsys {' '.join(words)}\n{out}\n{err}")
        return out, err

    def json(self, *words, code=0, stdin=b""):
        """The same with --json: the one object on stdout."""
        return json.loads(self.run_it(*words, "--json", code=code, stdin=stdin)[0])

    def hand_made(self):
        """The store of make_store.c."""
        store = self.path("hand.recsys")
        subprocess.run([MAKE_STORE, store], check=True, timeout=60)
        return store

    def catalogue(self, items, shoppers=20):
        subprocess.run([CATALOGUE, self.path("shop"), "--items", str(items), "--shoppers", str(shoppers)],
                       check=True, capture_output=True, timeout=60)
        return self.path("shop")
