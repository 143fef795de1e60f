"""What Python users expect around the answers: errors of the right kind, callbacks, arrays, closing, threads, forks."""
import ctypes
import gc
import os
import pathlib
import threading
import unittest

import numpy as np

import recsys
from recsys import _abi, errors
from recsys._library import lib

try:
    import scipy.sparse
except ImportError:
    scipy = None
try:
    import pandas
except ImportError:
    pandas = None


def shop(items=40, users=30, dim=8, seed=1):
    random = np.random.default_rng(seed)
    store = recsys.Store()
    keys = [f"item {i}" for i in range(items)]
    store.put_embeddings(keys, random.normal(size=(items, dim)), fingerprint="test")
    pairs = np.argwhere(random.random((users, items)) < 0.3)
    store.put_ratings([f"user {u}" for u, _ in pairs], [keys[i] for _, i in pairs], random.integers(1, 6, len(pairs)))
    return store


class Errors(unittest.TestCase):
    def test_every_status_has_a_class(self):
        for name, value in vars(_abi).items():
            if name.startswith("E") and isinstance(value, int) and value < 0:
                self.assertEqual(errors.BY_STATUS[value]("").name, "RECSYS_" + name)
                self.assertEqual(lib.recsys_status_name(value).decode(), "RECSYS_" + name)

    def test_kinds(self):
        store = shop()
        with self.assertRaisesRegex(LookupError, "no such key"):
            store.similar("no such key")
        with self.assertRaisesRegex(errors.InvalidArgument, "als"):
            recsys.Ranker(store, "nosuch")
        with self.assertRaises(errors.NotFitted) as caught:
            recsys.Ranker(store, "ease").recommend("user 1")
        self.assertEqual((caught.exception.status, caught.exception.name), (-18, "RECSYS_ENOTFITTED"))
        with self.assertRaises(errors.Mismatch):
            store.search(np.ones((1, 5)))
        with self.assertRaises(ValueError):
            store.search(np.full((1, 8), np.nan))
        with self.assertRaises(errors.NotFound):
            recsys.Store("/nonexistent/folder/s.recsys", must_exist=True)
        with self.assertRaises(recsys.Partial) as partial:
            store.similar([1, 999])
        self.assertEqual(partial.exception.statuses.tolist(), [0, errors.NotFound.status])
        self.assertEqual(len(partial.exception.result[0]), 10)
        self.assertEqual(partial.exception.result[1], [])

    def test_closed(self):
        store = shop()
        ranker = recsys.Ranker(store, "popular").fit()
        store.close()
        store.close()
        self.assertTrue(store.closed)
        with self.assertRaisesRegex(ValueError, "Store is closed"):
            store.info
        self.assertEqual(len(ranker.recommend([1], 3)[0]), 3)  # it keeps what it needs
        with self.assertRaisesRegex(ValueError, "Store is closed"):
            recsys.Ranker(store)
        with ranker:
            pass
        with self.assertRaisesRegex(ValueError, "Ranker is closed"):
            ranker.recommend([1])

    def test_closing_waits_for_a_call(self):
        store = shop()
        inside, go = threading.Event(), threading.Event()

        def progress(phase, done, total):
            inside.set()
            go.wait(10)

        ranker = recsys.Ranker(store, "als iterations=3")
        thread = threading.Thread(target=lambda: ranker.fit(progress=progress))
        thread.start()
        self.assertTrue(inside.wait(10))
        ranker.close()
        go.set()
        thread.join()
        self.assertTrue(ranker.closed)


class Arrays(unittest.TestCase):
    def test_wrong_arrays(self):
        store = shop()
        for items, rows, kind in (
            ([1, 2], np.ones((3, 8)), ValueError), ([1], np.ones(8), ValueError), ([1.5], np.ones((1, 8)), TypeError),
            ([1], [["a"] * 8], TypeError), ([[1]], np.ones((1, 8)), ValueError), ([1], np.ones((1, 8), complex), TypeError),
            ([2**63], np.ones((1, 8)), TypeError), ([None], np.ones((1, 8)), TypeError), ([1], np.zeros((1, 8)), ValueError),
        ):
            with self.subTest(items=items, rows=np.shape(rows)), self.assertRaises(kind):
                store.put_embeddings(items, rows, fingerprint="test")
        with self.assertRaises(ValueError):
            store.put_labels([1, 2], ["a"], "b")
        with self.assertRaises(TypeError):
            store.put_labels([1], [3], "b")
        with self.assertRaises(ValueError):
            store.put_ratings([1, 2], [1, 2], [3])
        with self.assertRaises(TypeError):
            store.search(np.ones((1, 8)), filter={"any": {}})

    def test_layouts(self):
        store = shop()
        wide = np.random.default_rng(2).normal(size=(8, 12))
        expected = store.search(np.ascontiguousarray(wide.T)[::2].copy(), 5)
        for layout in (wide.T[::2], np.asfortranarray(wide.T[::2]), wide.T[::2].tolist(), wide.T[::2].astype(">f8")):
            np.testing.assert_array_equal(store.search(layout, 5).ids, expected.ids)
        ids = np.arange(1, 9, dtype=np.int16)[::-2]
        np.testing.assert_array_equal(store.embeddings(ids), store.embeddings(ids.tolist()))

    def test_index(self):
        rng = np.random.default_rng(3)
        rows = rng.normal(size=(3000, 64)).astype(np.float32)
        store, seen = recsys.Store(":memory:"), []
        store.put_embeddings(np.arange(3000), rows, fingerprint="test")
        with self.assertRaises(recsys.errors.NotFound):
            store.measure_recall()
        store.build_index(progress=lambda phase, done, total: seen.append((phase, done, total)) and None)
        self.assertEqual(seen[-1], ("index", 3000, 3000))
        recall = store.measure_recall(200, 5, effort=20)
        self.assertTrue(0.2 < recall < 1, recall)
        self.assertGreater(store.measure_recall(200, 5, effort=90), recall)
        exact, near = store.search(rows[:50], 5), store.search(rows[:50], 5, approximate=True, effort=20)
        share = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(exact.ids.tolist(), near.ids.tolist())])
        self.assertTrue(0.2 < share < 1, share)
        np.testing.assert_array_equal(near.scores[:, 0][near.ids[:, 0] == exact.ids[:, 0]],
                                      exact.scores[:, 0][near.ids[:, 0] == exact.ids[:, 0]])
        with self.assertRaises(ValueError):
            store.build_index(metric="manhattan")
        with self.assertRaises(ZeroDivisionError):
            store.similar(np.arange(3000), 5, progress=lambda *_: 1 / 0)
        store.remove_index()
        self.assertIsNone(store.describe()["spaces"][0]["index"])
        store.close()

    def test_frames_and_matrices(self):
        dense = np.random.default_rng(3).integers(0, 6, (9, 7)) * (np.arange(7) > 1)
        plain = recsys.Store()
        users, items = np.nonzero(dense)
        plain.put_ratings(users, items, dense[users, items])
        stores = []
        if scipy:
            stores.append(recsys.Store())
            stores[-1].put_ratings(scipy.sparse.csr_matrix(dense))
        if pandas:
            stores.append(recsys.Store())
            stores[-1].put_ratings(pandas.DataFrame({"rating": dense[users, items], "User": users, "item": items}))
            with self.assertRaisesRegex(ValueError, "columns"):
                stores[-1].put_ratings(pandas.DataFrame({"a": [1]}))
        for store in stores:
            for user in range(9):
                for mine, theirs in zip(store.ratings(user), plain.ratings(user)):
                    np.testing.assert_array_equal(mine, theirs)
        with self.assertRaises(TypeError):
            plain.put_ratings(dense)


class StoreCalls(unittest.TestCase):
    def test_what_goes_in_comes_out(self):
        store = recsys.Store()
        store.put_space("s", 3, description="three", default=True)
        store.put_embeddings(["a", "a", "b"], np.eye(3), fingerprint="s", pictures=[0, 1, 0])
        store.put_labels("a", "kind", "shoe", [0.5])
        store.put_labels("a", "kind", "boot")
        store.put_numbers(["a"], "price", [9.5])
        store.put_texts(["a"], ["name"], ["Stiefel für den Winter" * 100])
        self.assertEqual(store.labels("a", "kind"), [("boot", 1.0), ("shoe", 0.5)])
        self.assertEqual(store.number("a", "price"), 9.5)
        self.assertEqual(store.text("a", "name"), "Stiefel für den Winter" * 100)
        np.testing.assert_array_equal(store.embeddings(["a", "b"], pictures=[1, 0]), np.eye(3)[1:])
        self.assertEqual(store.put_ratings(["u"], ["a"], [4], [77]), 0)
        self.assertEqual(store.put_events(["u", "u"], ["b", "a"], ["view", "cart"], [5, 3]), 0)
        rated = store.ratings("u")
        self.assertEqual((store.key(rated.items[0]), rated.values[0], rated.times[0]), ("a", 4, 77))
        self.assertEqual(store.events("u").times.tolist(), [3, 5])
        self.assertEqual(store.list(kind="user").tolist(), store.resolve(["u"], kind="user").tolist())
        self.assertEqual(len(store.list()), 2)
        self.assertEqual(store.check(), "")
        store.remove_labels("a", "kind", "boot")
        store.remove_events(4)
        store.remove_ratings("u", "a")
        store.remove_embeddings("a", pictures=[1])
        self.assertEqual(store.labels("a", "kind"), [("shoe", 0.5)])
        self.assertEqual((store.info.ratings, store.info.events, store.info.embeddings), (0, 1, 2))
        store.remove(["b"])
        store.refresh()
        self.assertEqual(store.info.items, 1)
        store.remove_space("s")
        self.assertEqual(store.describe()["spaces"], [])

    def test_files(self):
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "süß.recsys"
            with recsys.Store(path) as store:
                store.put_embeddings(["a"], [[1, 2]], fingerprint="x")
                store.export(path.with_name("copy"))
            with recsys.Store(path.with_name("copy"), read_only=True) as store:
                self.assertEqual(store.info.items, 1)
                with self.assertRaises(PermissionError):
                    store.remove("a")
            with shop() as store, recsys.Ranker(store, "ease").fit() as ranker:
                ranker.save(path.with_name("r"))
                again = recsys.Ranker.open(store, path.with_name("r"))
                np.testing.assert_array_equal(ranker.recommend([1, 2]).ids, again.recommend([1, 2]).ids)


class Callbacks(unittest.TestCase):
    def test_progress_and_cancelling(self):
        store, seen = shop(), []
        ranker = recsys.Ranker(store, "als iterations=4").fit(progress=lambda *step: seen.append(step))
        self.assertTrue(seen)
        self.assertTrue(all(isinstance(phase, str) and done <= total for phase, done, total in seen if total))
        before = ranker.recommend([1]).ids
        with self.assertRaises(errors.Cancelled):
            ranker.fit(progress=lambda *step: True)
        np.testing.assert_array_equal(ranker.recommend([1]).ids, before)

    def test_an_exception_comes_through(self):
        def fail(*step):
            raise ZeroDivisionError("mine")

        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            recsys.Ranker(shop(), "als").fit(progress=fail)
        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            recsys.evaluate(shop(), "popular", progress=fail)

    def test_tqdm_like(self):
        class Bar:
            made = []

            def __init__(self, desc, total):
                self.n, self.total, self.open = 0, total, True
                Bar.made.append(self)

            def update(self, n):
                self.n += n

            def close(self):
                self.open = False

        recsys.evaluate(shop(), "popular; item-knn", split="random repeats=2", progress=recsys.bar(Bar))
        self.assertTrue(Bar.made)
        self.assertTrue(all(bar.n == bar.total and not bar.open for bar in Bar.made))


class Rankers(unittest.TestCase):
    def test_options(self):
        store = shop()
        store.put_labels(store.list(), "kind", ["even" if i % 2 == 0 else "odd" for i in store.list()])
        ranker = recsys.Ranker(store, "ease").fit()
        lists = ranker.recommend(["user 1", "user 2"], 6, sources=True, filter=recsys.Filter(any={"kind": "odd"}))
        self.assertTrue(all(item % 2 for entries in lists for item, _ in entries))
        self.assertEqual(set(lists.sources[lists.ids >= 0].tolist()) - {1, 2, 3}, set())
        few = ranker.recommend([1], 6, max_per_label=("kind", 2))[0]
        self.assertEqual(sum(item % 2 for item, _ in few), 2)
        self.assertEqual(ranker.describe()["algorithm"].split()[0], "ease")
        self.assertEqual(set(ranker.compare(1, 3)), {"labels", "numbers", "words", "pictures"})
        self.assertEqual(ranker.recommend([10**9]).statuses.tolist(), [recsys.NOTE_FALLBACK_POPULAR])
        told = ranker.recommend_from([[1, 2, 3], ["item 7"]], 4)
        self.assertEqual([len(entries) for entries in told], [4, 4])
        why = ranker.explain_from([1, 2, 3], told[0][0].item)
        self.assertAlmostEqual(why.score, told[0][0].score)
        self.assertEqual(ranker.refresh(), ranker)

    def test_evaluation(self):
        store = shop()
        users, items = np.array([(u, i) for u in store.list(kind="user") for i in store.ratings(int(u)).items]).T
        parts = recsys.split(store, "random test=0.3", users, items)
        self.assertEqual(set(parts.tolist()), {recsys.PART_TRAIN, recsys.PART_TEST})
        by_split = recsys.evaluate(store, "popular; ease", split="random test=0.3 repeats=1", k=[5])
        given = recsys.evaluate(store, "popular; ease", folds=(users, items, parts[None]), k=[5])
        for ranker in range(2):
            self.assertAlmostEqual(by_split.get(ranker, "ndcg@5").mean, given.get(ranker, "ndcg@5").mean)
        with self.assertRaises(errors.NotFound):
            given.get(0, "ndcg@7")
        self.assertEqual(len(given.describe()["rankers"]), 2)


class Processes(unittest.TestCase):
    def test_threads(self):
        store = shop()
        ranker = recsys.Ranker(store, "item-knn").fit()
        expected, wrong = ranker.recommend(np.arange(1, 20)).ids, []

        def work():
            for _ in range(50):
                if not np.array_equal(ranker.recommend(np.arange(1, 20)).ids, expected):
                    wrong.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for i in range(50):
            store.put_labels([1 + i % 40], "kind", f"v{i}")
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_forked_child_searches(self):
        store = shop()
        expected = store.similar([1]).ids
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(store.similar([1]).ids, expected) else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_nothing_is_left_behind(self):
        files = len(os.listdir("/proc/self/fd"))
        for _ in range(30):
            shop(items=3, users=2).put_labels([1], "a", "b")
        gc.collect()
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), files)


class Structures(unittest.TestCase):
    def test_pictures(self):
        from recsys.images import images

        pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
        for given, count in ((pixels, 1), ([pixels, pixels[..., 0]], 2), (np.stack([pixels, pixels]), 2), ("a.jpg", 1),
                             (pathlib.Path("a.jpg"), 1), (b"abc", 1), ([recsys.Crop("a.jpg", 1, 2, 3, 4)], 1), ([], 0)):
            self.assertEqual(images(given)[1], count)
        made, _, kept = images(pixels[:, ::2])  # pixels that do not lie side by side are copied
        self.assertEqual((made[0].width, made[0].stride), (2, 6))
        made, _, kept = images(pixels[:, 1:3])  # rows that lie apart are not
        self.assertEqual((made[0].data, made[0].stride), (pixels.ctypes.data + 3, 12))
        self.assertEqual(images(pixels[::-1])[0][0].stride, 12)
        del kept
        for wrong in (3, [None], pixels.astype(float), np.zeros((2, 2, 2), np.uint8), "a\0b"):
            with self.assertRaises((TypeError, ValueError)):
                images([wrong])

    def test_the_gil_is_released(self):
        self.assertIsInstance(lib, ctypes.CDLL)
        self.assertNotIsInstance(lib, ctypes.PyDLL)


if __name__ == "__main__":
    unittest.main()
