"""The search for a ranker's parameters, on the drawn catalogue's ratings."""
import os
import unittest

from harness import Case


class Tune(Case):
    def setUp(self):
        super().setUp()
        self.store = self.path("s.recsys")
        self.run_it("rate", self.store, os.path.join(self.catalogue(60, 60), "ratings.csv"))

    def test_chooses_the_best_of_its_table(self):
        out = self.json("tune", self.store, "--ranker", "item-knn weight=none", "--search", "neighbours=1,5,40",
                        "--search", "similarity=cosine,jaccard", "--split", "random test=0.2 repeats=2 seed=3")
        tried = {t["ranker"]: t["value"] for t in out["trials"]}
        self.assertEqual(out["chosen"], max(tried, key=tried.get))
        self.assertIn("item-knn weight=none", tried)
        self.assertTrue(all("weight=none" in ranker for ranker in tried))
        self.assertGreaterEqual(len(tried), 5)
        # What the table says of a ranker is what an evaluation on the same split says.
        again = self.json("evaluate", self.store, "--rankers", out["chosen"], "--split", "random test=0.2 repeats=2 seed=3")
        self.assertAlmostEqual(again["rankers"][0]["groups"]["all"]["metrics"]["ndcg@10"]["mean"], tried[out["chosen"]], 9)

    def test_without_a_grid_every_number_is_tried(self):
        out = self.json("tune", self.store, "--ranker", "als factors=4 iterations=3", "--trials", "12", "--rounds", "1")
        self.assertEqual(len(out["trials"]), 12)
        words = " ".join(t["ranker"] for t in out["trials"])
        self.assertIn("regularization=", words)
        self.assertNotIn("seed=", words)

    def test_errors_are_minimised(self):
        out = self.json("tune", self.store, "--ranker", "svd factors=2", "--metric", "rmse", "--search",
                        "regularization=0.01,1,10")
        tried = {t["ranker"]: t["value"] for t in out["trials"]}
        self.assertEqual(out["chosen"], min(tried, key=tried.get))

    def test_wrong_use(self):
        for words in [["--search", "regularization"], ["--search", "nonsense=1,2"], ["--metric", "ndcg@x"],
                      ["--trials", "0"]]:
            self.run_it("tune", self.store, *words, code=2)
        for words in [["--ranker", "psychic"], ["--metric", "delight"], ["--split", "by-hand"]]:
            self.run_it("tune", self.store, *words, code=1)


unittest.main()
