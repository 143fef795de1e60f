"""Pictures into a store: what is good, what is broken, labels, going on, other models. Needs an engine."""
import os
import shutil
import sqlite3
import struct
import subprocess
import unittest

from harness import RECSYS, UNTRAINED, Case


class Add(Case):
    def add(self, shop, *words, code=0, model=UNTRAINED):
        chosen = ["--model", model] if model else []
        return self.json("add", self.path("s.recsys"), "--images", os.path.join(shop, "images"), *chosen, *words, code=code)

    def test_the_whole_job(self):
        shop, store = self.catalogue(24), self.path("s.recsys")
        out = self.add(shop, "--labels", f"{shop}/items.csv", "--fields", "kind,colour,pattern", "--numbers", "price",
                       "--texts", "title")
        self.assertEqual((out["stored"], out["already_there"], out["broken"], out["labelled_items"], out["untrained"]),
                         (24, 0, 0, 24, True))
        self.run_it("rate", store, f"{shop}/ratings.csv")
        image = os.path.join(shop, "images", sorted(os.listdir(f"{shop}/images"))[0])
        # The picture of an item, sought by its content with the model that the store remembers, finds the item itself.
        found = self.json("similar", store, "--image", image, "-k", "1")["lists"][0]
        self.assertEqual(found["entries"][0]["key"], os.path.splitext(os.path.basename(image))[0])
        self.assertGreater(found["entries"][0]["similarity"], 0.9999)
        self.assertEqual(found["entries"][0]["image"], os.path.realpath(image))
        kind = self.json("similar", store, "SKU-0001", "--where", "kind!=shoe", "--html", self.path("p.html"))
        self.assertEqual(self.read("p.html").count("src=\"data:image/"), 1 + len(kind["lists"][0]["entries"]))
        user = self.json("list", store, "--users", "--min-ratings", "1", "--sample", "1")["entries"][0]["key"]
        self.assertTrue(self.json("recommend", store, user)["lists"][0]["entries"])
        self.assertTrue(self.json("check", store)["sound"])

    def test_going_on_changes_nothing_twice(self):
        shop = self.catalogue(12)
        held_back = [f"{shop}/images/{name}" for name in sorted(os.listdir(f"{shop}/images"))[:5]]
        os.mkdir(self.path("later"))
        for path in held_back:
            shutil.move(path, self.path("later"))
        labels = ["--labels", f"{shop}/items.csv", "--fields", "kind"]
        self.assertEqual(self.add(shop, *labels)["stored"], 7)
        for path in held_back:
            shutil.move(os.path.join(self.path("later"), os.path.basename(path)), path)
        out = self.add(shop, *labels, model=None)
        self.assertEqual((out["stored"], out["already_there"], out["changed_labels"]), (5, 7, 0))
        before = self.json("info", self.path("s.recsys"))
        self.assertEqual(self.add(shop, *labels, model=None)["stored"], 0)
        self.assertEqual(self.json("info", self.path("s.recsys")), before)

    def test_broken_pictures_are_reported_and_left_out(self):
        shop = self.catalogue(4)
        images = f"{shop}/images"
        jpeg = next(f for f in sorted(os.listdir(images)) if f.endswith(".jpg"))
        with open(f"{images}/{jpeg}", "rb") as file:
            bytes_ = file.read()
        broken = ["empty.jpg", "folder.png", "page.jpg", "pipe.jpg", "short.jpg", "SKU-0001.png"]
        shutil.copyfile(f"{images}/{jpeg}", f"{images}/named-wrongly.txt")  # a picture by content: it counts
        for name, content in [("short.jpg", bytes_[:200]), ("empty.jpg", b""), ("page.jpg", b"<html>gone</html>"),
                              ("notes.txt", b"no picture"), (".hidden.jpg", b"")]:
            with open(f"{images}/{name}", "wb") as file:
                file.write(content)
        os.mkfifo(f"{images}/pipe.jpg")
        os.mkdir(f"{images}/folder.png")
        twin = next((f for f in os.listdir(images) if f == "SKU-0001.png"), None)
        if twin:
            broken[-1] = "SKU-0001.png"
            shutil.copyfile(f"{images}/{jpeg}", f"{images}/SKU-0001.jpg")
        else:
            shutil.copyfile(f"{images}/{jpeg}", f"{images}/SKU-0001.png")
        out, err = self.run_it("add", self.path("s.recsys"), "--images", images, "--model", UNTRAINED)
        self.assertIn("5 pictures stored, 0 were there already, 6 could not be used", out)
        for name in broken:
            self.assertEqual(err.count(name), 1, f"{name}\n{err}")
        self.assertNotIn("notes.txt", err)
        self.assertNotIn("hidden", err)
        self.assertIn("named-wrongly", self.run_it("list", self.path("s.recsys"), "--embedded")[0])
        self.assertNotIn("short", self.run_it("list", self.path("s.recsys"))[0])
        self.run_it("add", self.path("s.recsys"), "--images", images, "--strict", code=1)

    def test_nothing_but_broken_pictures(self):
        os.mkdir(self.path("images"))
        self.write("images/a.jpg", b"\xff\xd8\xff")
        self.assertEqual(self.add(self.folder, code=1)["broken"], 1)
        os.remove(self.path("images/a.jpg"))
        self.assertIn("no JPEG or PNG", self.run_it("add", self.path("t"), "--images", self.path("images"), code=1)[1])

    def test_names_that_are_no_utf_8(self):
        shop = self.catalogue(1)
        images = f"{shop}/images"
        shutil.copyfile(f"{images}/{os.listdir(images)[0]}", os.fsencode(images) + b"/\xff.jpg")
        out = self.add(shop)
        self.assertEqual((out["stored"], out["broken"]), (1, 1))

    def test_another_model_is_refused_or_put_beside(self):
        shop, store = self.catalogue(3), self.path("s.recsys")
        self.add(shop)
        _, err = self.run_it("add", store, "--images", f"{shop}/images", "--model", "untrained:squeezenet1_1:8", code=1)
        self.assertIn("--new-space", err)
        self.assertEqual(self.json("info", store)["spaces"].__len__(), 1)
        image = f"{shop}/images/{os.listdir(f'{shop}/images')[0]}"
        _, err = self.run_it("similar", store, "--image", image, "--model", "untrained:squeezenet1_1:8", code=1)
        self.assertIn("untrained:squeezenet1_1:7", err)
        self.add(shop, "--new-space", model="untrained:squeezenet1_1:8")
        self.assertEqual(len(self.json("info", store)["spaces"]), 2)
        self.assertEqual(self.json("similar", store, "SKU-0001")["model"], "untrained:squeezenet1_1:8")
        self.run_it("similar", store, "--image", image)

    def test_isolation_changes_no_bit(self):
        shop = self.catalogue(9)
        rows = []
        for kind in ("none", "process"):
            store = self.path(kind)
            self.json("add", store, "--images", f"{shop}/images", "--model", UNTRAINED, "--isolation", kind, "--precision", "float32")
            rows.append(sqlite3.connect(store).execute("SELECT item, vector FROM embedding ORDER BY item").fetchall())
        self.assertEqual(len(rows[0]), 9)
        self.assertEqual(rows[0], rows[1])
        _, err = self.run_it("classify", "--model", UNTRAINED, "--isolation", "thread", f"{shop}/images/SKU-0001.jpg", code=2)
        self.assertIn("--isolation", err)

    def test_engines_agree(self):
        shop = self.catalogue(9)
        rows = {}
        for engine in ("torch", "onednn"):
            store = self.path(engine)
            done = subprocess.run([RECSYS, "add", store, "--images", f"{shop}/images", "--model", UNTRAINED, "--engine", engine,
                                   "--precision", "float32"], capture_output=True, text=True, timeout=120, check=False)
            if done.returncode != 0:
                self.assertIn("there is no engine 'onednn'", done.stderr)
                self.skipTest(done.stderr)
            read = sqlite3.connect(store).execute("SELECT item, vector FROM embedding ORDER BY item").fetchall()
            rows[engine] = [(item, struct.unpack(f"<{len(vector) // 4}f", vector)) for item, vector in read]
        for (item, a), (other, b) in zip(rows["torch"], rows["onednn"], strict=True):
            self.assertEqual(item, other)
            largest = max(map(abs, a))
            self.assertLess(max(abs(x - y) for x, y in zip(a, b, strict=True)), 1e-4 * largest)
        _, err = self.run_it("classify", "--model", UNTRAINED, "--engine", "tensorflow", f"{shop}/images/SKU-0001.jpg", code=1)
        self.assertIn("there is no engine 'tensorflow'", err)

    def test_a_folder_that_moved(self):
        shop, store = self.catalogue(2), self.path("s.recsys")
        self.add(shop)
        os.rename(shop, self.path("moved"))
        self.assertEqual(self.add(self.path("moved"))["already_there"], 2)
        entry = self.json("similar", store, "SKU-0001")["lists"][0]["entries"][0]
        self.assertTrue(entry["image"].startswith(os.path.realpath(self.path("moved"))))

    def test_model_mistakes(self):
        shop = self.catalogue(1)
        images = f"{shop}/images"
        for model in ["untrained:nonet", self.path("none.safetensors"), self.write("bad.safetensors", b"no model")]:
            _, err = self.run_it("add", self.path("s.recsys"), "--images", images, "--model", model, code=1)
            self.assertRegex(err, "nonet|none.safetensors|bad.safetensors")
        _, err = self.run_it("add", self.path("s.recsys"), "--images", images, code=2)
        self.assertIn("--model", err)

    def test_scaled_decoding_is_judged(self):
        shop = self.catalogue(6)  # 256 pixels wide, for a network that takes 32
        self.assertIsNone(self.add(shop, model="untrained:lenet5:7")["scaled_jpeg"])
        os.rename(self.path("s.recsys"), self.path("whole.recsys"))
        found = self.add(shop, "--scaled-jpeg", model="untrained:lenet5:7")["scaled_jpeg"]
        self.assertEqual(found["sample"], 6)
        self.assertTrue(.9 < found["least_cosine"] <= found["mean_cosine"] < 1, found)  # other embeddings, and alike
        self.assertGreater(found["times_as_fast"], 0)

    def test_how_it_is_run(self):
        words = ["info", "--model", UNTRAINED, "--precision", "float32"]
        engine = self.json(*words)["engine"]
        self.assertEqual("features.3.expand3x3" in engine["winograd"], engine["name"] == "onednn")
        self.assertEqual(self.json(*words, "--convolution", "direct", "--scaled-jpeg")["engine"]["winograd"], [])
        self.assertIn("--convolution", self.run_it(*words, "--convolution", "fast", code=2)[1])

    def test_classify(self):
        shop = self.catalogue(2)
        files = [f"{shop}/images/{name}" for name in sorted(os.listdir(f"{shop}/images"))]
        names = self.write("names.txt", "".join(f"name {i}\n" for i in range(1000)))
        out = self.json("classify", "--model", UNTRAINED, *files, self.path("none.jpg"), "--names", names, "-k", "1000")
        self.assertEqual([p["file"] for p in out["pictures"]], files + [self.path("none.jpg")])
        for picture in out["pictures"][:2]:
            scores = [c["score"] for c in picture["classes"]]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertAlmostEqual(sum(scores), 1, 3)
            self.assertEqual({c["name"] for c in picture["classes"]}, {f"name {i}" for i in range(1000)})
        self.assertIn("error", out["pictures"][2])
        self.run_it("classify", "--model", UNTRAINED, self.path("none.jpg"), code=1)


class Labels(Case):
    def setUp(self):
        super().setUp()
        self.shop = self.catalogue(2)

    def label(self, text, *words, code=0):
        return self.run_it("add", self.path("s.recsys"), "--images", f"{self.shop}/images", "--model", UNTRAINED, "--labels",
                           self.write("l.csv", text), *words, code=code)

    def labels(self):
        database = sqlite3.connect(self.path("s.recsys"))
        rows = database.execute("SELECT item.key, label.field, label.value FROM label JOIN item ON item.id = label.item")
        found = sorted(rows.fetchall())
        database.close()
        return found

    def test_values_are_cut_replaced_and_taken_away(self):
        self.label("kind,id\nshirt|top||shirt,SKU-0001\nshoe,SKU-0002\nhat,SKU-9999\n", "--fields", "kind")
        self.assertEqual(self.labels(), [("SKU-0001", "kind", "shirt"), ("SKU-0001", "kind", "top"),
                                         ("SKU-0002", "kind", "shoe"), ("SKU-9999", "kind", "hat")])
        self.label("id,kind\nSKU-0001,dress\nSKU-0002,\n", "--fields", "kind")
        self.assertEqual(self.labels(), [("SKU-0001", "kind", "dress"), ("SKU-9999", "kind", "hat")])

    def test_wrong_files(self):
        for text, words, code, said in [("id,kind\nSKU-0001,a\n", ["--fields", "colour"], 1, "colour"),
                                        ("name,kind\nSKU-0001,a\n", ["--fields", "kind"], 1, "--key-column"),
                                        ("id,price\nSKU-0001,cheap\n", ["--numbers", "price"], 1, "line 2"),
                                        ("id,kind\nSKU-0001\n", ["--fields", "kind"], 1, "line 2"),
                                        ("id,kind\n,a\n", ["--fields", "kind"], 1, "line 2"),
                                        ("id,kind\nx,a\n", ["--fields", "kind", "--texts", "kind"], 2, "once")]:
            self.assertIn(said, self.label(text, *words, code=code)[1])
            self.assertEqual(self.json("info", self.path("s.recsys"))["items"], 0)
        self.label("id,price\nSKU-0001,cheap\nSKU-0002,5\n", "--numbers", "price", "--skip-bad-lines")
        self.assertEqual(len(self.json("similar", self.path("s.recsys"), "SKU-0001", "--where", "price=5")["lists"][0]["entries"]), 1)


if __name__ == "__main__":
    unittest.main()
