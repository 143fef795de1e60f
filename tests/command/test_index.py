"""recsys index and similar --approximate, on a store whose lists are told exactly beside."""
import os
import random
import sqlite3
import struct
import unittest

from harness import Case

LONG, ITEMS = 16, 3000


class Index(Case):
    def setUp(self):
        super().setUp()
        self.store = self.hand_made()
        centres = [[random.Random(c).gauss(0, 1) for _ in range(LONG)] for c in range(40)]
        dice = random.Random(5)
        # Any SQLite writer may add rows: docs/formats.md says how.
        with sqlite3.connect(self.store) as db:
            db.execute("INSERT INTO space(fingerprint, dim, is_default) VALUES('made', ?, 0)", (LONG,))
            space = db.execute("SELECT id FROM space WHERE fingerprint = 'made'").fetchone()[0]
            db.execute("UPDATE space SET is_default = (id = ?)", (space,))
            db.executemany("INSERT INTO item(id, key) VALUES(?, ?)", [(i, f"item{i}") for i in range(100, 100 + ITEMS)])
            db.executemany("INSERT INTO embedding(item, space, picture, vector) VALUES(?, ?, 0, ?)", [
                (100 + i, space, struct.pack(f"<{LONG}f", *[c + dice.gauss(0, .6) for c in centres[i % 40]]))
                for i in range(ITEMS)])
        db.close()
        self.index = f"{self.store}-index-{space}"

    def lists(self, *words):
        return [entry["key"] for entry in self.json("similar", self.store, "item200", "-k", "5", *words)["lists"][0]["entries"]]

    def test_build_use_remove(self):
        table = self.json("index", self.store)
        self.assertEqual(table["pictures"], ITEMS)  # not those of the other space
        self.assertEqual([point["effort"] for point in table["points"]], [32, 64, 128, 256])
        recalls = [point["recall"] for point in table["points"]]
        self.assertTrue(.8 < recalls[0] < 1 and recalls[1] > recalls[0], recalls)
        self.assertTrue(os.path.exists(self.index))
        exact = self.lists()
        self.assertGreaterEqual(len(set(exact) & set(self.lists("--approximate", "--effort", "90"))), 4)
        out, _ = self.run_it("index", self.store, "--links", "8")
        self.assertIn("found of the nearest", out)
        with open(self.index, "r+b") as file:  # damaged: told, and not used
            file.seek(-40, os.SEEK_END)
            file.write(b"xxxx")
        self.assertEqual(self.lists("--approximate"), exact)
        self.assertIn("warning: the index", self.run_it("similar", self.store, "item200", "--approximate")[1])
        self.run_it("index", self.store)
        self.assertEqual(self.json("index", self.store, "--remove"), {"command": "index", "store": self.store, "removed": True})
        self.assertFalse(os.path.exists(self.index))
        self.assertIn("no index", self.run_it("index", self.store, "--remove", code=1)[1])

    def test_wrong_words(self):
        for words in (("--links", "1"), ("--metric", "manhattan"), ("--effort", "0"), ("-k", "0")):
            self.run_it("index", self.store, *words, code=2)


if __name__ == "__main__":
    unittest.main()
