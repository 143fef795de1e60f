"""A shop that runs over the drawn catalogue, a mail server that keeps what it gets, and a browser's window."""
import base64
import email
import email.policy
import html
import http.client
import http.cookies
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import urllib.parse

SHOP, RECSYS, CATALOGUE, MODEL = (os.environ[name] for name in ("SHOP", "RECSYS", "CATALOGUE", "MODEL"))
FIELDS = "kind,colour,pattern"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("nothing happened in %d s" % seconds)


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server (RFC 5321) of the loopback. refuse: answers that a confirmation cannot be taken now."""
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        self.mails, self.refuse, self.refused = [], False, 0
        super().__init__(("127.0.0.1", 0), Session)
        self.url = "smtp://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Session(socketserver.StreamRequestHandler):
    def answer(self, line):
        self.wfile.write(line + b"\r\n")

    def handle(self):
        to = []
        self.answer(b"220 mailbox")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to.append(line.split(b":", 1)[1].strip().decode())
            if verb == b"DATA" and self.server.refuse:
                self.server.refused += 1
                self.answer(b"451 not now")
            elif verb == b"DATA":
                self.answer(b"354 go on")
                lines = []
                for text in self.rfile:
                    if text == b".\r\n":
                        break
                    lines.append(text[1:] if text.startswith(b"..") else text)
                self.server.mails.append((to, email.message_from_bytes(b"".join(lines), policy=email.policy.default)))
                self.answer(b"250 taken")
            elif verb == b"QUIT":
                self.answer(b"221 bye")
                return
            else:
                self.answer(b"250 good")


class Shop:
    """The program over a store of its own, in a folder that goes with it."""

    def __init__(self, items=60, options=(), ratings=True):
        self.folder = tempfile.mkdtemp(prefix="shop-")
        self.pictures = os.path.join(self.folder, "catalogue", "images")
        self.store = os.path.join(self.folder, "shop.recsys")
        self.options = list(options)
        catalogue = os.path.join(self.folder, "catalogue")
        for command in ([CATALOGUE, catalogue, "--items", str(items)],
                        [RECSYS, "add", self.store, "--images", self.pictures, "--labels", catalogue + "/items.csv", "--fields", FIELDS,
                         "--numbers", "price", "--texts", "title", "--model", MODEL],
                        [RECSYS, "rate", self.store, catalogue + "/ratings.csv"])[:3 if ratings else 2]:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()

    def command(self, *more):
        return [SHOP, "--store", self.store, "--model", MODEL, "--folder", self.folder, "--fields", FIELDS, *self.options, *more]

    def start(self):
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(self.command("--port", str(self.port)), stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline()
        assert b"is open" in line, (line, self.messages())

    def messages(self):
        with open(os.path.join(self.folder, "log")) as log:
            return log.read()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        self.log.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder)

    def make_seller(self, address):
        return subprocess.run(self.command("--make-seller", address), capture_output=True, text=True)


class Visitor:
    """Somebody with cookies, but without a browser."""

    def __init__(self, shop):
        self.shop, self.cookie = shop, None

    def ask(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=30)
        own = dict(headers)
        if self.cookie:
            own["Cookie"] = "session=" + self.cookie
        connection.request(method, path, body, own)
        answer = connection.getresponse()
        answer.body = answer.read()
        answer.text = answer.body.decode("utf-8", "replace")
        connection.close()
        given = http.cookies.SimpleCookie(answer.getheader("Set-Cookie") or "")
        if "session" in given:
            self.cookie = given["session"].value
        return answer

    def get(self, path):
        return self.ask("GET", path)

    def secret(self):
        return re.search('name="form" value="([0-9a-f]{64})"', self.get("/account").text).group(1)

    def post(self, path, secret=None, **fields):
        fields["form"] = self.secret() if secret is None else secret
        return self.ask("POST", path, urllib.parse.urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})

    def send(self, path, picture, **fields):
        """As multipart/form-data, with the picture's bytes."""
        fields["form"] = self.secret()
        mark = "----shop-test"
        body = b""
        for name, value in fields.items():
            body += ('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (mark, name, value)).encode()
        body += ('--%s\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' % mark).encode()
        body += picture + ("\r\n--%s--\r\n" % mark).encode()
        return self.ask("POST", path, body, {"Content-Type": "multipart/form-data; boundary=" + mark})

    def order(self, **other):
        fields = {"email": "ada@example.org", "name": "Ada L.", "street": "Long Road 1", "place": "12345 Town", "country": "Land",
                  "payment": "stand-in", **other}
        return self.post("/checkout", **fields)


def cards(text):
    """(product, title, note) of each card of a page."""
    return [(int(i), html.unescape(title), html.unescape(note or "")) for i, title, note in re.findall(
        r'<li><a href="/product/(\d+)"><img [^>]*><span class="title">([^<]*)</span></a><span class="price">[^<]*</span>'
        r'(?:<span class="note">([^<]*)</span>)?</li>', text)]


class Window:
    """A window of Chromium through ChromeDriver (W3C WebDriver)."""

    def __init__(self, folder):
        self.folder, self.port, self.count = folder, free_port(), 0
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % self.port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.ready())
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-prefers-reduced-motion"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}}, whole=True)["sessionId"]
        self.size(1200, 900)

    def ready(self):
        try:
            return self.call("GET", "/status", whole=True)["ready"]
        except OSError:
            return False

    def call(self, method, path, body=None, whole=False):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path if whole else "/session/%s%s" % (self.session, path), None if body is None else json.dumps(body))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError("%s %s: %s" % (method, path, value["message"].split("\n")[0]))
        return value

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def size(self, width, height):
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def run(self, script, *values):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(values)})

    def run_async(self, script, *values):
        return self.call("POST", "/execute/async", {"script": script, "args": list(values)})

    def find(self, css):
        return wait_until(lambda: self.call("POST", "/elements", {"using": "css selector", "value": css}))[0]

    def text(self, css):
        return self.call("GET", "/element/%s/text" % list(self.find(css).values())[0])

    def click(self, css):
        """What it leads to is there when this returns."""
        self.run("window.here = true")
        self.call("POST", "/element/%s/click" % list(self.find(css).values())[0], {})
        self.wait_for_page()

    def wait_for_page(self):
        wait_until(lambda: self.run("return !window.here && document.readyState === 'complete'"))

    def write(self, css, text):
        self.call("POST", "/element/%s/value" % list(self.find(css).values())[0], {"text": text})

    def keys(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def texts(self, css):
        return self.run("return Array.from(document.querySelectorAll(arguments[0])).map(e => e.textContent)", css)

    def picture(self, name):
        """The window as a file of the folder."""
        self.count += 1
        with open(os.path.join(self.folder, "%02d-%s.png" % (self.count, name)), "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def complaints(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"}) if entry["level"] in ("SEVERE", "WARNING")]

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(20)
