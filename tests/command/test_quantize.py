"""recsys quantize: from drawn pictures to an int8 model that other commands use."""
import os
import unittest

from harness import Case


class Quantize(Case):
    def setUp(self):
        super().setUp()
        self.images = os.path.join(self.catalogue(40), "images")
        self.model = self.path("int8.safetensors")

    def words(self, *more):
        return ("quantize", "--model", "untrained:mini", "--images", self.images, "--out", self.model) + more

    def test_make_and_use(self):
        if "avx512_vnni" not in self.read("/proc/cpuinfo"):
            self.skipTest("this processor has no int8")
        told = self.json(*self.words("--calibrate", "15"))
        self.assertEqual((told["layers"], told["calibrated"], told["compared"]), (12, 15, 25))
        self.assertTrue(.99 < told["least_cosine"] <= told["cosine"] < 1, told)
        about = self.json("info", "--model", self.model)
        self.assertEqual(about["precision"], "int8")
        self.assertNotEqual(about["fingerprint"], self.json("info", "--model", "untrained:mini")["fingerprint"])
        self.assertEqual(len(about["quantization"]["layers"]), 12)
        self.assertIn("precision   int8", self.run_it("info", "--model", self.model)[0])
        store = self.path("shop.recsys")
        self.run_it("add", store, "--model", self.model, "--images", self.images)
        self.assertEqual(len(self.json("similar", store, "--image", os.path.join(self.images, sorted(os.listdir(self.images))[0]),
                                       "-k", "3")["lists"][0]["entries"]), 3)
        out, _ = self.run_it(*self.words())
        self.assertIn("cosine of the embeddings", out)

    def test_trained_model(self):
        if "avx512_vnni" not in self.read("/proc/cpuinfo"):
            self.skipTest("this processor has no int8")
        trained = self.path("trained.safetensors")
        taught = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/data/mini.safetensors")
        self.run_it("train", "--model", taught, "--images", self.images, "--labels", os.path.join(self.images, "../items.csv"),
                    "--key-column", "item", "--fields", "kind", "--out", trained, "--epochs", "5", "--optimiser", "adamw")
        told = self.json("quantize", "--model", trained, "--images", self.images, "--out", self.model)
        self.assertEqual(told["layers"], 12)  # all but the first one, and the head
        self.assertGreater(told["least_cosine"], .98)  # of the head's hidden units
        self.assertGreater(told["equal_classes"], .8)
        report = self.json("evaluate-model", "--model", self.model, "--images", self.images, "--labels",
                           os.path.join(self.images, "../items.csv"), "--key-column", "item")
        self.assertGreater(report["micro"]["accuracy"], .5)

    def test_what_is_wrong(self):
        empty = self.path("empty")
        os.mkdir(empty)
        _, said = self.run_it("quantize", "--model", "untrained:mini", "--images", empty, "--out", self.model, code=1)
        self.assertIn("needs two at least", said)
        for name in ("a.jpg", "b.png"):
            with open(os.path.join(empty, name), "wb") as file:
                file.write(b"no picture")
        _, said = self.run_it("quantize", "--model", "untrained:mini", "--images", empty, "--out", self.model, code=1)
        self.assertIn("usable picture", said)
        self.assertFalse(os.path.exists(self.model))
        self.run_it("quantize", "--model", "untrained:mini", "--out", self.model, code=2)
        self.run_it(*self.words("--calibrate", "0"), code=2)
        _, said = self.run_it("info", "--model", "untrained:mini", "--precision", "int8", code=1)
        self.assertIn("recsys quantize", said)


if __name__ == "__main__":
    unittest.main()
