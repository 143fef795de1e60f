"""Training through the command, with the real engine, on drawn pictures: what it leaves, labels in a store, other
pictures, going on, ensembles, teaching a small network."""
import os
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from harness import RECSYS, UNTRAINED, Case


def cancelled_epoch(told):
    """The epoch that the command says it was in when Ctrl-C came."""
    return int(re.search(r"cancelled (?:in|after) epoch (\d+)", told).group(1))


class Train(Case):
    def train(self, shop, *words, code=0):
        return self.json("train", "--images", f"{shop}/images", "--labels", f"{shop}/items.csv", "--model", UNTRAINED,
                         "--out", self.path("m.safetensors"), *words, code=code)

    def setUp(self):
        super().setUp()
        self.shop = self.catalogue(120)

    def test_from_pictures_to_labels_in_a_store(self):
        out = self.train(self.shop, "--fields", "kind,colour", "--html", self.path("page.html"), "--epochs", "30",
                         "--optimiser", "adamw", "--learning-rate", "0.002", "--balance", "0.3", "--cache", self.path("cache"))
        report = out["report"]
        self.assertEqual({m["field"] for m in report["labels"]}, {"kind", "colour"})
        self.assertEqual(len(report["head"]["epochs"]), 30 if report["head"]["best_epoch"] > 20 else len(report["head"]["epochs"]))
        self.assertGreater(report["macro"]["f1"], 0.5)  # even random features tell shapes and colours apart
        self.assertEqual(report["settings"]["optimiser"], "adamw")
        page = self.read("page.html")
        for part in ("<svg", "polyline", "training loss", "validation loss", "mean over labels (macro)", "kind", "colour"):
            self.assertIn(part, page)
        self.assertNotIn("http", page.replace("http://www.w3.org", ""))  # it needs no other file
        self.assertEqual(page.count("<tr"), 1 + len(report["labels"]) + 2)

        model, store = self.path("m.safetensors"), self.path("s.recsys")
        info = self.json("info", "--model", model)
        self.assertEqual((info["layer"], info["dim"], info["classes"]), ("head", 1024, len(report["labels"])))
        # Other pictures, and those it was trained on: the command measures what the file's own report cannot know.
        measured = self.json("evaluate-model", "--model", model, "--images", f"{self.shop}/images", "--labels",
                             f"{self.shop}/items.csv", "--html", self.path("labels.html"))
        self.assertEqual(measured["pictures"], 120)
        self.assertGreater(measured["macro"]["f1"], report["macro"]["f1"])
        self.assertIn("<table>", self.read("labels.html"))
        table = self.run_it("evaluate-model", "--model", model, "--images", f"{self.shop}/images", "--labels",
                            f"{self.shop}/items.csv")[0]
        self.assertIn("(macro)", table)

        # One item has a given kind, which stays; everything else is predicted, twice with the same result.
        self.write("given.csv", "item,kind\nSKU-0001,tent\n")
        self.run_it("add", store, "--images", f"{self.shop}/images", "--model", UNTRAINED, "--labels",
                    self.path("given.csv"), "--fields", "kind")
        label = ("label", store, "--model", model, "--precision", "float32")  # auto may choose anew at every opening
        first = self.json(*label)
        self.assertEqual((first["items"], first["given_fields"], first["broken"]), (120, 1, 0))
        rows = sqlite3.connect(store).execute("SELECT item, field, value, score FROM label ORDER BY 1, 2, 3").fetchall()
        self.assertEqual(len(rows), first["labels"] + 1)
        self.assertEqual(sum(score >= 1 for _, _, _, score in rows), 1)
        self.assertEqual([value for _, field, value, score in rows if score >= 1], ["tent"])
        self.assertEqual(self.json(*label), first)
        again = sqlite3.connect(store).execute("SELECT item, field, value, score FROM label ORDER BY 1, 2, 3").fetchall()
        self.assertEqual(rows, again)
        # The labels filter, and the learned features are an embedding.
        self.assertTrue(self.json("similar", store, "SKU-0002", "--where", "kind=shoe,bag,shirt")["lists"][0]["entries"])
        out = self.json("add", store, "--images", f"{self.shop}/images", "--model", model, "--new-space")
        self.assertEqual(out["stored"], 120)
        told = self.run_it("classify", "--model", model, f"{self.shop}/images/" + sorted(os.listdir(f"{self.shop}/images"))[0])[0]
        self.assertRegex(told, r"kind = \w+")

    def test_fine_tuning_and_folds(self):
        out = self.train(self.shop, "--fields", "kind", "--epochs", "12", "--fine-tune", "1", "--fine-tune-epochs", "2",
                         "--fine-tune-rate", "0.0005", "--hidden", "64")
        report = out["report"]
        self.assertEqual(len(report["fine_tune"]["epochs"]), 2)
        start = min(e["validation"] for e in report["head"]["epochs"])
        self.assertLess(min(e["training"] for e in report["fine_tune"]["epochs"]), 3)
        self.assertTrue(start > 0)
        out = self.train(self.shop, "--fields", "colour", "--folds", "3", "--epochs", "8", "--hidden", "none")
        self.assertEqual(len(out["report"]["folds"]), 3)
        self.assertEqual(sum(m["support"] for m in out["report"]["labels"]), out["report"]["labels"][0]["known"])
        info = self.json("info", "--model", self.path("m.safetensors"))
        self.assertEqual((info["layer"], info["dim"]), ("avgpool", 512))  # without a hidden layer

    def test_labels_as_people_have_them(self):
        names = sorted(os.path.splitext(f)[0] for f in os.listdir(f"{self.shop}/images"))
        lines = ["item,tags,kind"]
        for i, name in enumerate(names[:60]):
            lines.append(f"{name},{'red| big' if i % 2 else 'red' if i % 3 else ''},{'a' if i % 2 else 'b'}")
        lines += ["GONE-1,red,a", "GONE-2,big,b"]
        self.write("tags.csv", "\n".join(lines) + "\n")
        out, err = self.run_it("train", "--images", f"{self.shop}/images", "--labels", self.path("tags.csv"), "--fields",
                               "tags,kind", "--model", UNTRAINED, "--out", self.path("m.safetensors"), "--epochs", "2", code=1)
        self.assertIn("nothing to tell apart", err)  # every picture whose tags are known is red
        self.assertFalse(os.path.exists(self.path("m.safetensors")))
        out = self.run_it("train", "--images", f"{self.shop}/images", "--labels", self.path("tags.csv"), "--fields",
                          "kind", "--model", UNTRAINED, "--out", self.path("m.safetensors"), "--epochs", "2")[0]
        self.assertIn("2 lines have no picture, 60 pictures no line", out)
        self.run_it("train", "--images", f"{self.shop}/images", "--labels", self.path("tags.csv"), "--fields", "shape",
                    "--model", UNTRAINED, "--out", self.path("x"), code=1)
        self.run_it("train", "--images", f"{self.shop}/images", code=2)
        self.run_it("train", "--fields", "kind", "--out", self.path("x"), "--dropout", "2", code=2)
        self.assertIn("fewer than 100 pictures", self.run_it(
            "train", "--images", f"{self.shop}/images", "--labels", self.path("tags.csv"), "--fields", "kind", "--model",
            UNTRAINED, "--out", self.path("x"), "--min-pictures", "100", code=1)[1])

    def test_ctrl_c_and_going_on(self):
        words = [RECSYS, "train", "--images", f"{self.shop}/images", "--labels", f"{self.shop}/items.csv", "--fields", "kind",
                 "--model", UNTRAINED, "--out", self.path("m.safetensors"), "--epochs", "100000", "--patience", "100000",
                 "--cache", self.path("cache"), "--progress", "lines", "--precision", "float32"]  # auto may choose anew
        process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 100
        while not os.path.exists(self.path("m.safetensors.epoch")) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertTrue(os.path.exists(self.path("m.safetensors.epoch")))
        process.send_signal(signal.SIGINT)
        first = cancelled_epoch(process.communicate(timeout=60)[1].decode())
        self.assertEqual(process.returncode, 1)
        self.assertFalse(os.path.exists(self.path("m.safetensors")))
        process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while not process.stderr.readline().startswith(b"Training"):
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        again = process.communicate(timeout=60)[1].decode()
        self.assertGreater(cancelled_epoch(again), first)  # it went on

    def test_combining_and_teaching(self):
        self.train(self.shop, "--fields", "kind", "--epochs", "3")
        os.rename(self.path("m.safetensors"), self.path("a.safetensors"))
        self.train(self.shop, "--fields", "kind", "--epochs", "3", "--seed", "5", "--hidden", "32")
        out = self.run_it("combine", self.path("a.safetensors") + "=3", self.path("m.safetensors"), "--out", self.path("both"))[0]
        self.assertIn("2 models, 1056 floats a row", out)
        store = self.path("s.recsys")
        self.assertEqual(self.json("add", store, "--images", f"{self.shop}/images", "--model", self.path("both"))["stored"], 120)
        self.assertEqual(self.json("label", store, "--model", self.path("both"))["broken"], 0)
        self.run_it("combine", self.path("both"), "--out", self.path("x"), code=1)
        self.run_it("combine", self.path("a.safetensors"), code=2)
        out = self.run_it("distill", "--teacher", self.path("a.safetensors"), "--model", "untrained:mini", "--images",
                          f"{self.shop}/images", "--out", self.path("mini.safetensors"), "--epochs", "2", "--optimiser", "adamw",
                          "--half")[0]
        self.assertIn("taught with 120 pictures", out)
        self.assertLess(os.path.getsize(self.path("mini.safetensors")), 2_000_000)
        # Place by place, from a teacher of the same weights, whose map is soon found. Another grid is compared as a whole.
        mini = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "data", "mini.safetensors")
        losses = []
        for layer in ("grid", "features@3", "stage2.1@4"):
            out = self.run_it("distill", "--teacher", mini, "--teacher-layer", layer, "--model", mini, "--images",
                              f"{self.shop}/images", "--out", self.path("again.safetensors"), "--epochs", "12",
                              "--optimiser", "adamw", "--learning-rate", "0.002", "--batch", "16", "--restart", "--precision",
                              "float32")[0]
            losses.append(float(re.search(r"held-out pictures ([\d.]+)", out).group(1)))
        self.assertEqual(losses[0], losses[1])  # two names of one layer
        self.assertLess(losses[0], 0.25)
        self.assertLess(losses[2], 0.5)
        self.assertEqual(self.json("info", "--model", self.path("mini.safetensors"))["dim"], 1008)


if __name__ == "__main__":
    unittest.main()
