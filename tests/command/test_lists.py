"""Lists over the store of make_store.c. Its rows, by hand (unit length, so a product is the cosine):

a = (1, 0, 0, 0)   b = (.8, .6, 0, 0)   c = (.6, .8, 0, 0)   d = (0, 0, 1, 0)   e,f and g have none
a.b = .8   a.c = .6   b.c = .48 + .48 = .96   d is at right angles to all; |a - b| = sqrt(.04 + .36) = sqrt(.4)
"""
import html.parser
import json
import os
import re
import unittest

from harness import Case


class Page(html.parser.HTMLParser):
    """Reads a page: its words, its tags, and whether they are closed in order."""

    VOID = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.open, self.images = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append(data)


def keys(one_list):
    return [entry["key"] for entry in one_list["entries"]]


class Similar(Case):
    def setUp(self):
        super().setUp()
        self.store = self.hand_made()

    def similar(self, *words):
        return self.json("similar", self.store, *words)["lists"][0]

    def test_cosine(self):
        l = self.similar("a")
        self.assertEqual(keys(l), ["b", "c", "d"])
        for entry, expected in zip(l["entries"], [.8, .6, 0]):
            self.assertAlmostEqual(entry["similarity"], expected, 6)
        self.assertEqual(l["for"]["key"], "a")
        self.assertEqual(l["for"]["kind"], "item")
        self.assertAlmostEqual(self.similar("b")["entries"][0]["similarity"], .96, 6)

    def test_euclidean(self):
        l = self.similar("a", "--metric", "euclidean", "--max-distance", "0.7")
        self.assertEqual(keys(l), ["b"])
        self.assertAlmostEqual(l["entries"][0]["distance"], .4 ** .5, 6)

    def test_k_and_limits(self):
        self.assertEqual(keys(self.similar("a", "-k", "1")), ["b"])
        self.assertEqual(keys(self.similar("a", "--min-similarity", "0.7")), ["b"])
        self.assertEqual(keys(self.similar("a", "-k", "1000000")), ["b", "c", "d"])
        self.assertEqual(keys(self.similar("a", "--without", "b,d")), ["c"])

    def test_where(self):
        for conditions, expected in [
                (["kind=shoe"], ["c", "d"]),
                (["kind=shirt,shoe"], ["b", "c", "d"]),
                (["kind!=shirt"], ["c", "d"]),
                (["kind!=shirt,shoe"], []),
                (["kind=shoe", "colour=red"], ["c"]),
                (["colour=green\\, dark"], ["d"]),
                (["price=20..30"], ["b", "c"]),
                (["price=..20"], ["b"]),
                (["price=30.."], ["c", "d"]),
                (["price=30"], ["c"]),
                (["price=20..", "kind!=shirt", "colour=red,blue"], ["c"]),
                (["price=1e1..2.5e1"], ["b"])]:
            words = [word for c in conditions for word in ("--where", c)]
            self.assertEqual(keys(self.similar("a", *words)), expected, conditions)

    def test_wrong_conditions(self):
        for condition in ["kind", "=x", "!=x", "kind=", "price=30..20", "price=cheap", "price!=30"]:
            self.run_it("similar", self.store, "a", "--where", condition, code=2)
        _, err = self.run_it("similar", self.store, "a", "--where", "knid=shoe", code=1)
        self.assertIn("kind", err)

    def test_several_items_and_unknown_ones(self):
        lists = self.json("similar", self.store, "a", "d")["lists"]
        self.assertEqual([l["for"]["key"] for l in lists], ["a", "d"])
        self.assertIn('"z"', self.run_it("similar", self.store, "a", "z", code=1)[1])
        done = self.json("similar", self.store, "a", "g", code=1)["lists"]
        self.assertEqual((keys(done[0]), keys(done[1]), done[1]["note"]), (["b", "c", "d"], [], "no_embedding"))

    def test_ids(self):
        first = self.json("list", self.store)["entries"][0]
        self.assertEqual(first["key"], "a")
        self.assertEqual(keys(self.similar(str(first["id"]), "--ids")), ["b", "c", "d"])
        self.run_it("similar", self.store, "a", "--ids", code=1)
        self.run_it("similar", self.store, "4711", "--ids", code=1)

    def test_tables_line_up_by_display_width(self):
        out, _ = self.run_it("similar", self.store, "a")
        lines = out.split("\n")
        self.assertEqual(lines[0], 'Most like Alpha <b>&" (a)')
        self.assertEqual(lines[1], "#  similarity  item  title")
        self.assertEqual(lines[2], "1       0.800  b     Beta")
        self.assertEqual(lines[3], "2       0.600  c     \u6f22\u5b57 gamma")
        self.assertIn("UNTRAINED", out)

    def test_a_picture_needs_the_store_s_model(self):
        _, err = self.run_it("similar", self.store, "--image", "x.jpg", code=1)
        self.assertIn("by hand", err)


class Recommend(Case):
    def setUp(self):
        super().setUp()
        self.store = self.hand_made()

    def recommend(self, *words, code=0):
        """The lists; by visual, whose scores can be worked out by hand, where no ranker is named."""
        if "--ranker" not in words:
            words += ("--ranker", "visual")
        return self.json("recommend", self.store, *words, code=code)["lists"]

    def test_visual_by_hand(self):
        # ann's mean is 4, so only a (5 stars) counts: b gets .8 x 5. d has likeness 0, so it stands as a popular one.
        l = self.recommend("ann", "-k", "2")[0]
        self.assertEqual(keys(l), ["b", "d"])
        self.assertAlmostEqual(l["entries"][0]["score"], 4, 5)
        self.assertEqual(l["entries"][1]["score"], 0)
        self.assertEqual(l["note"], "fallback_popular")
        reason = l["entries"][0]["reasons"][0]
        self.assertEqual((reason["key"], reason["rating"]), ("a", 5))
        self.assertAlmostEqual(reason["similarity"], .8, 6)
        self.assertAlmostEqual(reason["contribution"], 4, 5)
        self.assertEqual([(h["key"], h["rating"]) for h in l["history"]], [("a", 5), ("c", 3)])
        self.assertEqual(l["rated"], 2)

    def test_guest_is_like_the_user_with_that_history(self):
        user = self.recommend("ann")[0]
        guest = self.recommend("--history", "a:5,c:3")[0]
        self.assertEqual(user["entries"], guest["entries"])
        self.assertEqual(guest["for"], {"kind": "guest", "key": None})
        both = self.recommend("ann", "bob", "--history", "a:5", "--history", "c:3")
        self.assertEqual([l["for"]["kind"] for l in both], ["user", "user", "guest"])
        self.assertEqual(both[2]["entries"], guest["entries"])

    def test_history_without_ratings(self):
        l = self.recommend("--history", "a,c", "-k", "1")[0]
        # Every rating is the largest one stored, 5, and so is the mean: b gets 5 (.8 + .96).
        self.assertEqual(keys(l), ["b"])
        self.assertAlmostEqual(l["entries"][0]["score"], 8.8, 5)
        self.assertEqual(len(l["entries"][0]["reasons"]), 2)

    def test_keys_with_commas_in_the_history(self):
        for words in [["--history", "e,f"], ["--history", "e\\,f:4"]]:
            self.assertEqual(self.recommend(*words)[0]["history"][0]["key"], "e,f")

    def test_wrong_histories(self):
        for history in ["a:5,c", "a:x", "a:"]:
            self.run_it("recommend", self.store, "--history", history, code=2)
        self.assertIn("zz", self.run_it("recommend", self.store, "--history", "zz:5", code=1)[1])

    def test_unknown_user_gets_the_popular_list(self):
        # By count: d has 3 ratings, all others 1, in the order of their ids.
        out, err = self.run_it("recommend", self.store, "nobody", "--json")
        l = json.loads(out)["lists"][0]
        self.assertEqual(keys(l), ["d", "a", "b", "c", "e,f", "g"])
        self.assertEqual((l["note"], l["rated"]), ("fallback_popular", 0))
        self.assertIn("nobody", err)

    def test_rankers(self):
        popular = self.recommend("dee", "--ranker", "popular")[0]
        self.assertEqual(keys(popular), ["a", "b", "c", "e,f", "g"])
        self.assertEqual(self.json("recommend", self.store, "ann", "--ranker", "category field=kind")["ranker"],
                         "category field=kind")
        rated = self.recommend("ann", "--ranker", "popular", "--rated")[0]
        self.assertEqual(keys(rated), ["d", "a", "b", "c", "e,f", "g"])
        for wrong in ["psychic", "visual neighbours=many", "category"]:
            self.run_it("recommend", self.store, "ann", "--ranker", wrong, code=1)

    def test_auto_is_the_default(self):
        # So few ratings: content, which the items' labels and pictures allow, for all but what ann rated.
        out = self.json("recommend", self.store, "ann")
        self.assertEqual(out["ranker"], "auto")
        self.assertEqual(sorted(keys(out["lists"][0])), ["b", "d", "e,f", "g"])
        self.assertEqual({e["source"] for e in out["lists"][0]["entries"]}, {"features"})
        both = {r["key"]: r.get("both") for e in out["lists"][0]["entries"] for r in e["reasons"] if e["key"] == "b"}
        self.assertEqual(both["a"], "shirt")

    def test_sources(self):
        entries = self.recommend("ann", "--ranker", "item-knn new_items=0.5", "-k", "4")[0]["entries"]
        self.assertTrue({e["source"] for e in entries} <= {"ratings", "features", "popular"})
        self.assertEqual({e["source"] for e in self.recommend("nobody", "--ranker", "ease")[0]["entries"]}, {"popular"})

    def test_targets(self):
        # cy rated no shirt, so a is everybody's mean for shirts: (5 + 2) / 2; b gets .8 x 3.5.
        l = self.recommend("cy", "--ranker", "category field=kind", "--target", "a", "-k", "1")[0]
        self.assertEqual(keys(l), ["b"])
        self.assertAlmostEqual(l["entries"][0]["score"], 2.8, 5)

    def test_filters(self):
        self.assertEqual(keys(self.recommend("ann", "--where", "kind=hat", "--without", "g")[0]), ["e,f"])
        self.assertEqual(keys(self.recommend("nobody", "--where", "price=45..")[0]), ["e,f"])

    def test_ids(self):
        user = self.json("list", self.store, "--users")["entries"][0]
        self.assertEqual(self.recommend(str(user["id"]), "--ids")[0]["entries"], self.recommend("ann")[0]["entries"])

    def test_reasons_in_the_table(self):
        out, _ = self.run_it("recommend", self.store, "ann", "-k", "1", "--ranker", "visual")
        self.assertIn('Alpha <b>&" (0.80 alike, rated 5)', out)
        self.assertNotIn("alike", self.run_it("recommend", self.store, "ann", "--reasons", "0", "--ranker", "visual")[0])


class Pages(Case):
    # One white pixel.
    PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a4944415478da63f80f00"
                        "010101001bb6ee560000000049454e44ae426082")

    def test_page(self):
        store, page = self.hand_made(), self.path("lists.html")
        self.run_it("similar", store, "a", "--html", page, "--html-title", "T<i>tle")
        text = self.read("lists.html")
        read = Page(text)
        self.assertEqual(read.open, [])
        self.assertIn("T<i>tle", read.words)
        self.assertIn('Most like Alpha <b>&" (a)', read.words)
        self.assertNotIn("b", read.tags)
        self.assertTrue(any("UNTRAINED" in word for word in read.words))
        self.assertEqual(read.tags.count("section"), 1)
        self.assertIsNone(re.search(r"""(src|href)=["'](?!data:)""", text), "the page needs other files")
        self.run_it("recommend", store, "ann", "--history", "a", "--html-add", page)
        read = Page(self.read("lists.html"))
        self.assertEqual((read.open, read.tags.count("section"), read.tags.count("h1")), ([], 3, 1))
        self.run_it("similar", store, "a", "--html", page)
        self.assertEqual(Page(self.read("lists.html")).tags.count("section"), 1)
        self.assertEqual(sorted(os.listdir(self.folder))[-1], "lists.html", "a temporary file was left")

    def test_pages_that_cannot_be(self):
        store = self.hand_made()
        other = self.write("other.html", "<html>mine</html>")
        self.assertIn("no page that recsys wrote", self.run_it("similar", store, "a", "--html-add", other, code=1)[1])
        self.assertEqual(self.read("other.html"), "<html>mine</html>")
        self.run_it("similar", store, "a", "--html", self.path("no/such/folder.html"), code=1)


class Listing(Case):
    def test_list(self):
        store = self.hand_made()
        self.assertEqual(self.run_it("list", store)[0].split("\n"), ["a", "b", "c", "d", "e,f", "g", ""])
        self.assertEqual(self.run_it("list", store, "--embedded")[0].split(), ["a", "b", "c", "d"])
        self.assertEqual(self.run_it("list", store, "--users", "--min-ratings", "2")[0].split(), ["ann", "bob", "cy"])
        self.assertEqual(self.run_it("list", store, "--sample", "2")[0].split(), ["b", "e,f"])
        self.assertEqual(self.run_it("list", store, "--sample", "100")[0].count("\n"), 6)

    def test_info_and_check(self):
        store = self.hand_made()
        out, _ = self.run_it("info", store)
        for line in ["items       6", "users       4", "ratings     8", "fields      colour, kind", "numbers     price",
                     "texts       title"]:
            self.assertIn(line, out)
        self.assertIn("UNTRAINED", out)
        described = self.json("info", store)
        self.assertEqual((described["command"], described["store"]), ("info", store))
        self.assertIn("all is well", self.run_it("check", store)[0])
        self.assertEqual(self.json("check", store), {"command": "check", "store": store, "sound": True, "findings": []})


if __name__ == "__main__":
    unittest.main()
