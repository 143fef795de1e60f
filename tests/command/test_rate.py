"""Ratings from CSV files, against Python's own CSV reader."""
import csv
import io
import os
import random
import unittest

from harness import Case


class Rate(Case):
    def stored(self, store):
        """Every rating that the store holds, as {user: {item: rating}}."""
        users = [u["key"] for u in self.json("list", store, "--users")["entries"]]
        if not users:
            return {}
        lists = self.json("recommend", store, *users, "--ranker", "popular", "-k", "1")["lists"]
        return {l["for"]["key"]: {h["key"]: h["rating"] for h in l["history"]} for l in lists}

    def test_any_column_order_and_quoting(self):
        store = self.path("s.recsys")
        text = '\ufefftimestamp,"Rating",note,userId,movieId\r\n5,4.5,"a ""quoted"", note",ann,"i,1"\r\n,3,"two\r\nlines",\u00e9va,i2\r\n'
        rows = list(csv.DictReader(io.StringIO(text[1:], newline="")))
        out = self.json("rate", store, self.write("r.csv", text))
        self.assertEqual((out["ratings"], out["users"], out["items"], out["bad_lines"]), (2, 2, 2, 0))
        self.assertEqual(out["ratings_of_unknown_items"], 2)
        expected = {}
        for row in rows:
            expected.setdefault(row["userId"], {})[row["movieId"]] = float(row["Rating"])
        self.assertEqual(self.stored(store), expected)

    def test_random_files_read_as_python_reads_them(self):
        dice = random.Random(5)
        pieces = ["a", "b", '"', ",", "\n", "\r\n", "\u00e9", "\u6f22", " ", ";", "'"]
        store = self.path("s.recsys")
        rows = [["".join(dice.choices(pieces, k=dice.randint(1, 6))), "i" + "".join(dice.choices(pieces, k=3)),
                 str(dice.randint(1, 9))] for _ in range(60)]
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, quoting=csv.QUOTE_MINIMAL)
        writer.writerow(["user", "item", "rating"])
        writer.writerows(rows)
        expected = {}
        for user, item, rating in csv.reader(io.StringIO(buffer.getvalue().split("\r\n", 1)[1], newline="")):
            expected.setdefault(user, {})[item] = float(rating)
        self.json("rate", store, self.write("r.csv", buffer.getvalue()))
        self.assertEqual(self.stored(store), expected)

    def test_a_later_rating_replaces(self):
        store = self.path("s.recsys")
        self.run_it("rate", store, self.write("r.csv", "user,item,rating\nann,a,1\nann,a,2\nann,b,3\n"))
        self.run_it("rate", store, self.write("q.csv", "user,item,rating\nann,b,5\n"))
        self.assertEqual(self.stored(store), {"ann": {"a": 2, "b": 5}})

    def test_events(self):
        store = self.path("s.recsys")
        text = "time,kind,user,item\n100,view,ann,a\n160,view,ann,b\n100,purchase,bob,a\n150,view,bob,b\n170,view,bob,c\n"
        out = self.json("rate", store, self.write("e.csv", text))
        self.assertEqual((out["events"], out["users"], out["items"]), (5, 2, 3))
        self.assertIn("2 events", self.run_it("rate", store, self.write("f.csv", "what,at,user,item\nwish,5,cy,c\nwish,9,cy,a\n"),
                                              "--kind-column", "what", "--time-column", "at")[0])
        self.assertIn("events      7", self.run_it("info", store)[0])
        after = self.json("recommend", store, "--history", "b", "--ranker", "next half_life=0", "-k", "1")["lists"][0]
        self.assertEqual([(e["key"], e["score"]) for e in after["entries"]], [("c", 1)])
        out = self.run_it("recommend", store, "ann", "--ranker", "item-knn weight=none", "-k", "1")[0]
        self.assertIn("with 2 events", out)
        self.assertIn("(seen)", out)

    def test_events_need_times(self):
        store = self.path("s.recsys")
        _, err = self.run_it("rate", store, self.write("e.csv", "kind,user,item\nview,ann,a\n"), code=1)
        self.assertIn("time", err)
        _, err = self.run_it("rate", store, self.write("f.csv", "kind,user,item,time\nview,ann,a,\n"), code=1)
        self.assertIn("line 2:", err)
        _, err = self.run_it("rate", store, self.write("g.csv", "user,item,time\nann,a,5\n"), "--kind-column", "what", code=1)
        self.assertIn("kind", err)

    BAD = "user,item,rating,time\nann,a,5,1\nann,b\nann,c,five,1\nann,d,4,soon\n,e,4,1\nann,f,nan,1\nann,g,inf,1\nann,h,3,\n"

    def test_a_bad_line_stores_nothing(self):
        store = self.path("s.recsys")
        _, err = self.run_it("rate", store, self.write("r.csv", self.BAD), code=1)
        for line in [3, 4, 5, 6, 7, 8]:
            self.assertIn(f"line {line}:", err)
        self.assertNotIn("line 2:", err)
        self.assertNotIn("line 9:", err)
        self.assertIn("--skip-bad-lines", err)
        self.assertFalse(os.path.exists(store))

    def test_bad_lines_are_skipped_when_asked(self):
        store = self.path("s.recsys")
        out = self.json("rate", store, self.write("r.csv", self.BAD), "--skip-bad-lines")
        self.assertEqual((out["ratings"], out["bad_lines"]), (2, 6))
        self.assertEqual(self.stored(store), {"ann": {"a": 5, "h": 3}})

    def test_chosen_columns_ids_and_standard_input(self):
        store = self.path("s.recsys")
        self.run_it("rate", store, self.write("r.csv", "who,what,how\n1,2,3\n"), code=1)
        self.run_it("rate", store, "-", "--user-column", "who", "--item-column", "what", "--rating-column", "how", "--ids",
                    stdin=b"who,what,how\n11,22,3\n")
        self.assertEqual(self.json("list", store, "--users")["entries"], [{"id": 11, "key": "11"}])
        self.assertEqual(self.json("list", store)["entries"], [{"id": 22, "key": "22"}])
        _, err = self.run_it("rate", store, self.write("q.csv", "user,item,rating\nann,2,3\n"), "--ids", code=1)
        self.assertIn("line 2", err)
        _, err = self.run_it("rate", store, self.path("q.csv"), "--time-column", "at", code=1)
        self.assertIn("time", err)

    def test_headers_that_are_none(self):
        for content in ["", "\n", "a,b,c\n1,2,3\n", b"us\xffer,item,rating\n"]:
            self.run_it("rate", self.path("s.recsys"), self.write("r.csv", content), code=1)
        self.run_it("rate", self.path("s.recsys"), self.folder, code=1)


if __name__ == "__main__":
    unittest.main()
