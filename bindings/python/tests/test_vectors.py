"""The answers of tests/vectors/vectors.json, which every language must give."""
import json
import os
import unittest

import numpy as np

import recsys

with open(os.path.join(os.path.dirname(__file__), "../../../tests/vectors/vectors.json"), encoding="utf-8") as file:
    VECTORS = json.load(file)


def make_store():
    store = recsys.Store()
    items = VECTORS["items"]
    keys = [item["key"] for item in items]
    store.put_embeddings(keys, [item["row"] for item in items], fingerprint=VECTORS["fingerprint"])
    store.put_labels(keys, "kind", [item["kind"] for item in items])
    pairs = [(item["key"], colour) for item in items for colour in item["colours"]]
    store.put_labels([key for key, _ in pairs], "colour", [colour for _, colour in pairs])
    store.put_numbers(keys, "price", [item["price"] for item in items])
    users, rated, values = zip(*VECTORS["ratings"])
    store.put_ratings(users, rated, values)
    return store


def read_filter(store, told):
    chosen = dict(told)
    for name in ("allow", "deny"):
        if name in chosen:
            chosen[name] = store.resolve(chosen[name])
    return recsys.Filter(**chosen)


class Vectors(unittest.TestCase):
    def test_cases(self):
        store = make_store()
        rankers = {}
        for case in VECTORS["cases"]:
            with self.subTest(**{k: v for k, v in case.items() if k != "expect"}):
                k = case["k"]
                if case["call"] in ("similar", "search"):
                    how = {"metric": case["metric"], "filter": read_filter(store, case["filter"])}
                    lists = store.similar(case["items"], k, **how) if case["call"] == "similar" else store.search(
                        case["queries"], k, **how)
                else:
                    ranker = rankers.setdefault(case["ranker"], recsys.Ranker(store, case["ranker"]).fit())
                    if case["call"] == "recommend":
                        lists = ranker.recommend(case["users"], k)
                    else:
                        lists = ranker.recommend_from([[key for key, _ in h] for h in case["histories"]], k,
                                                      ratings=[[r for _, r in h] for h in case["histories"]])
                self.assertEqual(len(lists), len(case["expect"]))
                for got, wanted in zip(lists, case["expect"]):
                    self.assertEqual([store.key(item) for item, _ in got], [key for key, _ in wanted])
                    np.testing.assert_allclose([s for _, s in got], [s for _, s in wanted], atol=1e-6)

    def test_reasons_sum_to_the_score(self):
        store = make_store()
        ranker = recsys.Ranker(store, "visual neighbours=5 rating_threshold=2").fit()
        user = VECTORS["cases"][-2]["users"][0]
        item, score = ranker.recommend(user, 1)[0][0]
        why = ranker.explain(user, item)
        self.assertAlmostEqual(why.score, score)
        self.assertAlmostEqual(sum(reason.contribution for reason in why.reasons), score)
        self.assertAlmostEqual(ranker.score(user, [item])[0], score)
        self.assertEqual(why.total, len(why.reasons))
        self.assertIn(why.reasons[0].item, store.ratings(user).items)


if __name__ == "__main__":
    unittest.main()
