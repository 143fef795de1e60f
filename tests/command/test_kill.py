"""add is killed, or asked to stop, in the middle of its work: what is stored is sound, and the next run goes on."""
import os
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest

from harness import RECSYS, UNTRAINED, Case

PICTURES = 700  # nearly three commits


class Kill(Case):
    def setUp(self):
        super().setUp()
        shop = self.catalogue(100)
        self.images = self.path("many")
        os.mkdir(self.images)
        names = sorted(os.listdir(f"{shop}/images"))
        for i in range(PICTURES):
            source = names[i % len(names)]
            shutil.copyfile(f"{shop}/images/{source}", f"{self.images}/p{i:04d}{os.path.splitext(source)[1]}")
        self.store = self.path("s.recsys")
        self.words = ["add", self.store, "--images", self.images, "--model", UNTRAINED]

    def rows(self):
        if not os.path.exists(self.store):
            return 0
        database = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)
        try:
            return database.execute("SELECT count(*) FROM embedding").fetchone()[0]
        except sqlite3.OperationalError:  # the schema is not there yet
            return 0
        finally:
            database.close()

    def start_and_wait_for_rows(self):
        process = subprocess.Popen([RECSYS, *self.words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 100
        while not self.rows():
            self.assertIsNone(process.poll(), "it ended before it could be stopped")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        return process

    def finish(self, before):
        self.assertTrue(self.json("check", self.store)["sound"])
        out = self.json(*self.words)
        self.assertEqual((out["stored"], out["already_there"], out["broken"]), (PICTURES - before, before, 0))
        self.assertEqual(self.rows(), PICTURES)
        self.assertTrue(self.json("check", self.store)["sound"])
        self.assertEqual(self.json("info", self.store)["items"], PICTURES)

    def test_sigkill(self):
        process = self.start_and_wait_for_rows()
        process.kill()
        process.communicate()
        before = self.rows()
        self.assertGreater(before, 0)
        self.assertLess(before, PICTURES)
        self.finish(before)

    def test_ctrl_c_keeps_what_was_done(self):
        process = self.start_and_wait_for_rows()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn(b"Stopped", out)
        self.assertLess(self.rows(), PICTURES)
        self.finish(self.rows())


if __name__ == "__main__":
    unittest.main()
