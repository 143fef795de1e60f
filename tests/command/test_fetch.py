"""Fetching weights over HTTP from a server on the loopback, which answers well, broken, truncated and wrongly.
Exit status 77 (skipped) without torch, whose torch.save makes the file."""
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import unittest

try:
    import torch
except ImportError:
    print("skipped: there is no torch for this Python")
    sys.exit(77)

from harness import RECSYS, Case


class Server(http.server.BaseHTTPRequestHandler):
    """GET /MODE: what the mode says of the one file there is."""
    body, requests = b"", []

    def do_GET(self):
        mode, asked = self.path.strip("/"), self.headers.get("Range")
        self.requests.append((mode, asked))
        start = int(asked.split("=")[1].split("-")[0]) if asked else 0
        if mode == "missing":
            return self.send_error(404)
        if mode == "moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            return self.end_headers()
        if mode == "file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            return self.end_headers()
        body = b"<html>sorry</html>" if mode == "wrong" else self.body
        partial = asked and mode != "forgetful"
        if partial and start >= len(body):
            return self.send_error(416)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if mode in ("cut", "forgetful-cut") else body)

    def log_message(self, *args):
        pass


class Fetch(Case):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        super().setUp()
        os.environ["XDG_DATA_HOME"] = self.path("data")
        shapes = {"c1.weight": (6, 1, 5, 5), "c1.bias": (6,), "c3.weight": (16, 6, 5, 5), "c3.bias": (16,),
                  "c5.weight": (120, 400), "c5.bias": (120,), "f6.weight": (84, 120), "f6.bias": (84,),
                  "output.weight": (10, 84), "output.bias": (10,)}
        torch.save({name: torch.rand(shape) - 0.5 for name, shape in shapes.items()}, self.path("lenet.pth"))
        with open(self.path("lenet.pth"), "rb") as file:
            Server.body = file.read()
        self.digest = hashlib.sha256(Server.body).hexdigest()
        Server.requests.clear()
        self.model = os.path.join(self.path("data"), "recsys", "lenet5.safetensors")

    def fetch(self, mode, code=0, digest=None, name="lenet5"):
        url = f"http://127.0.0.1:{self.server.server_port}/{mode}"
        return self.run_it("fetch", name, "--url", url, "--sha256", digest or self.digest[:12], code=code)

    def kept(self):
        return sorted(os.listdir(os.path.join(self.path("data"), "recsys")))

    def test_a_whole_file_is_found_by_its_name(self):
        self.assertIn("--model lenet5 finds it", self.fetch("good")[0])
        self.assertEqual(self.kept(), ["lenet5.safetensors"])
        info = self.json("info", "--model", "lenet5")
        self.assertEqual((info["architecture"], info["dim"], info["trained"]), ("lenet5", 84, True))
        self.assertIn("lenet5", self.fetch("moved")[0])  # again, through a redirection

    def test_what_is_wrong_is_not_kept(self):
        err = self.fetch("wrong", code=1)[1]
        self.assertIn("not the published file", err)
        self.assertEqual(self.kept(), [])
        self.assertIn("not the published file", self.fetch("good", code=1, digest="0" * 64)[1])
        self.assertEqual(self.kept(), [])
        self.assertIn("404", self.fetch("missing", code=1)[1])
        self.assertEqual(self.kept(), [])
        self.fetch("file", code=1)  # never another protocol
        self.assertFalse(os.path.exists(self.model))
        # The right bytes, which are no such network: not kept either.
        self.assertIn("alexnet", self.fetch("good", code=1, name="alexnet")[1])
        self.assertNotIn("alexnet.safetensors", self.kept())

    def test_a_cut_file_goes_on(self):
        self.assertIn("run the command again", self.fetch("cut", code=1)[1])
        self.assertEqual(self.kept(), ["lenet5.pth.part"])
        self.fetch("good")
        self.assertEqual(Server.requests[-1], ("good", f"bytes={len(Server.body) // 2}-"))
        self.assertEqual(self.kept(), ["lenet5.safetensors"])

    def test_a_server_that_cannot_go_on(self):
        self.fetch("cut", code=1)
        self.fetch("forgetful")
        self.assertEqual(self.kept(), ["lenet5.safetensors"])

    def test_a_part_that_is_too_long(self):
        os.makedirs(os.path.join(self.path("data"), "recsys"))
        with open(os.path.join(self.path("data"), "recsys", "lenet5.pth.part"), "wb") as file:
            file.write(b"x" * (len(Server.body) + 5))
        self.assertIn("not the published file", self.fetch("good", code=1)[1])
        self.assertEqual(self.kept(), [])
        self.fetch("good")
        self.assertEqual(self.kept(), ["lenet5.safetensors"])

    def test_wrong_use(self):
        self.run_it("fetch", "nothing", code=2)
        self.run_it("fetch", code=2)
        self.run_it("fetch", "lenet5", "--url", "http://127.0.0.1/", code=2)
        self.run_it("fetch", "../lenet5", "--url", "http://127.0.0.1/", "--sha256", "0" * 12, code=2)
        self.run_it("fetch", "lenet5", "--url", "http://127.0.0.1/", "--sha256", "xyz", code=2)
        closed = subprocess.run([RECSYS, "fetch", "lenet5", "--url", "http://127.0.0.1:1/", "--sha256", "0" * 12],
                                capture_output=True, check=False)
        self.assertEqual(closed.returncode, 1)


if __name__ == "__main__":
    unittest.main()
