"""Models from Python, with the real engine in a process of its own: pictures in every form, training, a libtorch beside."""
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy as np

import recsys
from recsys import errors

try:
    from PIL import Image
except ImportError:
    Image = None

PIXELS = np.random.default_rng(5).integers(0, 256, (9, 60, 50, 3), dtype=np.uint8)


def model(**options):
    try:
        return recsys.Model.create("mini", seed=4, precision="float32", **options)
    except errors.NoEngine as reason:
        raise unittest.SkipTest(str(reason)) from None


class Models(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_no_libtorch_here(self):
        with model() as isolated:
            self.assertEqual(isolated.embed(PIXELS).shape, (9, isolated.dim))
            with open("/proc/self/maps", encoding="utf-8") as maps:
                self.assertNotIn("libtorch", maps.read().replace("librecsys-torch", ""))
            self.assertEqual(isolated.describe()["engine"]["isolation"], "process")

    def test_direct_convolutions(self):
        with model() as usual, model(direct=True) as direct:
            engine = usual.describe()["engine"]
            self.assertEqual(bool(engine["winograd"]), engine["name"] == "onednn")
            self.assertEqual(direct.describe()["engine"]["winograd"], [])
            rows, plain = usual.embed(PIXELS), direct.embed(PIXELS)
            np.testing.assert_allclose(rows, plain, rtol=0, atol=1e-5 * np.abs(plain).max())

    def test_quantize(self):
        path, phases = self.folder / "int8", set()
        with model() as net:
            with self.assertRaisesRegex(ValueError, "2 pictures"):
                net.quantize(path, PIXELS[:1])
            try:
                with self.assertRaises(errors.Partial) as partial:
                    net.quantize(
                        path, [*PIXELS, b"none"], calibrate=3, progress=lambda phase, done, total: phases.add(phase)
                    )
            except (errors.Unsupported, errors.NoEngine) as reason:
                self.skipTest(str(reason))
            report = partial.exception.result
            self.assertEqual((report.calibrated, report.compared, phases), (3, 6, {"calibrate", "compare"}))
            self.assertEqual([status < 0 for status in partial.exception.statuses], [False] * 9 + [True])
            self.assertTrue(0.99 < report.least_cosine <= report.cosine < 1, report)
            with recsys.Model(path) as narrow:
                self.assertEqual(narrow.info.precision, "int8")
                self.assertNotEqual(narrow.fingerprint, net.fingerprint)
                self.assertEqual(narrow.describe()["quantization"]["report"]["compared"], 6)
                rows, plain = narrow.embed(PIXELS), net.embed(PIXELS)
            self.assertLess(np.abs(rows - plain).max(), 0.1 * np.abs(plain).max())
            # The same pictures and seed: the same file.
            self.assertEqual(net.quantize(path, PIXELS, seed=2), net.quantize(path, PIXELS, seed=2))

    @unittest.skipUnless(Image, "needs Pillow")
    def test_pictures_in_every_form(self):
        with model() as net:
            expected = net.embed(PIXELS[:1])
            picture = Image.fromarray(PIXELS[0])
            path = self.folder / "ä.png"
            picture.save(path)
            packed = io.BytesIO()
            picture.save(packed, "PNG")
            grey = np.array(picture.convert("L"))
            for given in (PIXELS[0], [PIXELS[0]], path, str(path), path.read_bytes(), bytearray(packed.getvalue()),
                          memoryview(packed.getvalue()), picture, picture.convert("RGBA"), PIXELS[0][:, :, ::-1].copy()[:, :, ::-1],
                          recsys.Crop(np.pad(PIXELS[0], ((3, 2), (4, 1), (0, 0))), 4, 3, 50, 60)):
                np.testing.assert_array_equal(net.embed(given), expected)
            np.testing.assert_array_equal(net.embed(grey), net.embed(Image.fromarray(grey)))
            palette = picture.quantize(8)
            np.testing.assert_array_equal(net.embed(palette), net.embed(palette.convert("RGB")))
            out = np.empty((1, net.dim), np.float32)
            self.assertIs(net.embed(PIXELS[0], out=out), out)
            np.testing.assert_array_equal(out, expected)
            for wrong in (out[:, ::2], out.astype(float), np.empty((2, net.dim), np.float32), [0]):
                with self.assertRaises(ValueError):
                    net.embed(PIXELS[0], out=wrong)

    def test_broken_pictures_lose_nothing(self):
        with model() as net, self.assertRaises(recsys.Partial) as caught:
            net.embed([PIXELS[0], "/nonexistent.jpg", b"no picture", PIXELS[1]])
        with model() as net:
            rows = net.embed(PIXELS[:2])
        self.assertEqual(caught.exception.statuses.tolist(), [0, -8, -4, 0])
        np.testing.assert_array_equal(caught.exception.result[[0, 3]], rows)
        self.assertFalse(caught.exception.result[1:3].any())

    def test_callbacks(self):
        seen = []
        with model() as net:
            net.embed(PIXELS, progress=lambda *step: seen.append(step))
            self.assertEqual(seen[-1], ("embed", 9, 9))
            with self.assertRaises(KeyboardInterrupt):
                net.embed(PIXELS, progress=lambda *step: (_ for _ in ()).throw(KeyboardInterrupt()))
            with self.assertRaises(errors.Cancelled):
                net.embed(PIXELS, progress=lambda *step: True)
            net.embed(PIXELS)

    def test_threads_and_forks(self):
        with model() as net:
            expected, wrong = net.embed(PIXELS), []

            def work():
                if not np.array_equal(net.embed(PIXELS), expected):
                    wrong.append(1)

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [])
            child = os.fork()
            if child == 0:
                os._exit(0 if np.array_equal(net.embed(PIXELS), expected) else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_in_this_process(self):
        """In a new Python: what is loaded here stays."""
        script = ("import sys, numpy as np, recsys; sys.path.insert(0, sys.argv[1]); import test_model as t;"
                  "a = t.model(isolation='none', engine='torch').embed(t.PIXELS); b = t.model(engine='torch').embed(t.PIXELS);"
                  "assert np.array_equal(a, b) and 'libtorch' in open('/proc/self/maps').read()")
        done = subprocess.run([sys.executable, "-c", script, os.path.dirname(os.path.abspath(__file__))], check=False,
                              capture_output=True, timeout=120)
        if b"SkipTest" in done.stderr:
            self.skipTest("no engine")
        self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_beside_pytorch(self):
        """PyTorch imported before and after, in a new Python (RECSYS_TORCH_PYTHON: one with PyPI's torch, else this one).
        In one process with a libtorch that is not the engine's, an engine there is refused with a reason."""
        script = ("import os, sys, numpy as np; sys.path.insert(0, sys.argv[1]); import torch, recsys, test_model as t;"
                  "a = t.model(engine='torch').embed(t.PIXELS); x = torch.ones(3) * 2; assert x.sum() == 6;"
                  "maps = {l.split()[-1] for l in open('/proc/self/maps') if 'libtorch_cpu' in l};"
                  "import subprocess; own = subprocess.run(['ldd', sys.argv[2]], capture_output=True, text=True).stdout;"
                  "own = {os.path.realpath(l.split()[2]) for l in own.splitlines() if 'libtorch_cpu' in l};"
                  "same = bool(own & {os.path.realpath(path) for path in maps});"
                  "b = None\n"
                  "try: b = t.model(isolation='none', engine='torch').embed(t.PIXELS)\n"
                  "except recsys.errors.NoEngine as reason: print('refused:', reason)\n"
                  "except t.unittest.SkipTest as reason: print('refused:', reason)\n"
                  "assert (b is not None) == same, maps\n"
                  "assert b is None or np.array_equal(a, b)\n"
                  "print('the same libtorch' if same else 'another libtorch')")
        python = os.environ.get("RECSYS_TORCH_PYTHON", sys.executable)
        if subprocess.run([python, "-c", "import torch"], check=False, capture_output=True, timeout=120).returncode != 0:
            self.skipTest(f"{python} has no torch")
        engine = os.path.join(os.path.dirname(os.environ.get("RECSYS_LIBRARY", "")), "librecsys-torch.so")
        done = subprocess.run([python, "-c", script, os.path.dirname(os.path.abspath(__file__)), engine], check=False,
                              capture_output=True, timeout=300, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_training(self):
        random = np.random.default_rng(6)
        bright = random.integers(0, 2, 60)
        pictures = [np.full((40, 40, 3), 30 + 180 * b + random.integers(0, 30), np.uint8) for b in bright]
        labels = [recsys.Label("light", "dark", True), recsys.Label("light", "bright", True)]
        matrix = np.stack([1 - bright, bright], 1)
        path, seen = self.folder / "trained.safetensors", []
        with model() as net:
            status = net.train(path, pictures, labels, matrix, epochs=5, hidden=16, optimiser="adamw", progress=seen.append)
            self.assertFalse(status.any())
            for wrong in (matrix[:5], matrix * 3, matrix / 2):
                with self.assertRaises((ValueError, TypeError)):
                    net.train(path, pictures, labels, wrong)
            with self.assertRaisesRegex(TypeError, "nosuch"):
                net.train(path, pictures, labels, matrix, nosuch=1)
            with self.assertRaisesRegex(ValueError, "optimiser"):
                net.train(path, pictures, labels, matrix, optimiser="adam")
            net.distill(model(), self.folder / "taught", pictures[:20], epochs=1)
        self.assertEqual({now["phase"] for now in seen}, {"features", "head"})
        self.assertLess(seen[-1]["training_loss"], 0.5)
        with recsys.Model(path) as trained:
            self.assertEqual(trained.labels, labels)
            self.assertEqual(trained.class_names, ["dark", "bright"])
            self.assertEqual((trained.info.layer, trained.dim, trained.info.classes), ("head", 16, 2))
            self.assertEqual(trained.classify(pictures).argmax(1).tolist(), bright.tolist())
            self.assertEqual(trained.evaluate(pictures, matrix).macro.f1, 1)
            self.assertEqual(len(trained.metrics.labels), 2)
            self.assertEqual(trained.report["settings"]["optimiser"], "adamw")
            trained.save(self.folder / "copy")
            with recsys.Model.combine([trained, recsys.Model(self.folder / "copy", layer="grid")], [3, 1]) as both:
                self.assertEqual(both.dim, 16 + 1008)

    def test_mistakes(self):
        with self.assertRaises(LookupError):
            recsys.Model(self.folder / "none")
        (self.folder / "bad").write_bytes(b"no model")
        with self.assertRaises(errors.BadFormat):
            recsys.Model(self.folder / "bad")
        with self.assertRaisesRegex(TypeError, "nosuch"):
            recsys.Model.create("mini", nosuch=3)
        with self.assertRaisesRegex(ValueError, "precision"):
            recsys.Model.create("mini", precision="float64")
        with self.assertRaisesRegex(errors.InvalidArgument, "nosuch"):
            recsys.Model.create("nosuch")


if __name__ == "__main__":
    unittest.main()
