"""The shop over HTTP: sessions, accounts, orders that outlive a crash, mails that wait, and whatever somebody may send."""
import concurrent.futures
import os
import re
import signal
import socket
import sqlite3
import unittest

import running
from running import Visitor, cards, wait_until


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shop = running.Shop()
        cls.addClassCleanup(cls.shop.close)

    def setUp(self):
        self.visitor = Visitor(self.shop)
        self.visitor.get("/")

    def tearDown(self):
        self.assertIsNone(self.shop.process.poll(), self.shop.messages())

    # -- looking around

    def test_filters_search_and_pages_agree(self):
        everything = self.visitor.get("/products").text
        self.assertIn("<p>60 products</p>", everything)
        kinds = dict(re.findall(r'kind=([a-z]+)">[a-z]+</a> <small>(\d+)</small>', everything))
        self.assertEqual(sum(map(int, kinds.values())), 60)
        for kind, count in kinds.items():
            self.assertIn("<p>%s product" % count, self.visitor.get("/products?kind=" + kind).text)
        seen = [card[0] for page in (1, 2, 3) for card in cards(self.visitor.get("/products?page=%d" % page).text)]
        self.assertEqual(len(seen), 60)
        self.assertEqual(len(set(seen)), 60)
        prices = [float(price) for price in re.findall(r'class="price">([0-9.]+)', self.visitor.get("/products?order=cheap").text)]
        self.assertEqual(prices, sorted(prices))
        titles = [title.lower() for _, title, _ in cards(self.visitor.get("/products?q=bag").text)]
        self.assertEqual(len(titles), int(kinds["bag"]))
        self.assertTrue(all("bag" in title for title in titles))

    def test_nothing_typed_is_an_operator(self):
        for typed in ('"', '" OR "1"="1', "bag*", "title:bag", "NEAR(a b)", "a AND", "' OR 1=1 --", "%00", "-", "(", "^", "a" * 3000, "%ff%fe"):
            answer = self.visitor.get("/products?q=" + typed.replace(" ", "%20").replace('"', "%22"))
            self.assertEqual(answer.status, 200, typed)
        self.assertEqual(self.shop.messages().count("MATCH"), 0)

    def test_similar_products_are_alike(self):
        found = cards(self.visitor.get("/product/1").text)
        shares = [int(note.split()[0]) for _, _, note in found]
        self.assertGreater(len(shares), 0)
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertGreaterEqual(shares[-1], 80)
        self.assertNotIn(1, [product for product, _, _ in found])

    def test_what_is_not_there(self):
        for path in ("/product/999999", "/product/-1", "/product/x", "/product/", "/product/1/2", "/picture/0", "/picture/../shop.sqlite",
                     "/order/1", "/nowhere", "/shop.sqlite", "/product/99999999999999999999"):
            answer = self.visitor.get(path)
            self.assertEqual(answer.status, 404, path)
            self.assertIn('role="alert"', answer.text)
        self.assertEqual(self.visitor.ask("DELETE", "/cart").status, 405)
        self.assertEqual(self.visitor.get("/log-in").status, 405)
        self.assertEqual(self.visitor.ask("HEAD", "/products").body, b"")

    def test_every_answer_has_the_headers_that_protect(self):
        for path in ("/", "/nowhere", "/picture/1", "/shop.css"):
            answer = self.visitor.get(path)
            self.assertIn("default-src 'none'", answer.getheader("Content-Security-Policy"))
            self.assertEqual(answer.getheader("X-Content-Type-Options"), "nosniff")
            self.assertEqual(answer.getheader("X-Frame-Options"), "DENY")
        cookie = Visitor(self.shop).get("/").getheader("Set-Cookie")
        self.assertIn("HttpOnly", cookie)
        self.assertIn("SameSite=Lax", cookie)

    # -- sessions and accounts

    def test_robots_leave_nothing(self):
        with sqlite3.connect(self.shop.folder + "/shop.sqlite") as db:
            before = db.execute("SELECT count(*) FROM shopper").fetchone()
        for _ in range(20):
            Visitor(self.shop).get("/product/1")
        with sqlite3.connect(self.shop.folder + "/shop.sqlite") as db:
            self.assertEqual(db.execute("SELECT count(*) FROM shopper").fetchone(), before)

    def test_forms_of_other_sites_do_nothing(self):
        good = self.visitor.secret()
        self.assertEqual(self.visitor.post("/cart", secret="0" * 64, product="1", more="1").status, 403)
        self.assertEqual(self.visitor.post("/cart", secret="", product="1", more="1").status, 403)
        other = Visitor(self.shop)
        other.get("/")
        self.assertEqual(other.post("/cart", secret=good, product="1", more="1").status, 403)
        nobody = Visitor(self.shop)
        self.assertEqual(nobody.post("/cart", secret=good, product="1", more="1").status, 403)
        self.assertEqual(self.visitor.post("/cart", secret=good, product="1", more="1").status, 303)

    def test_a_post_without_the_cookie_leaves_the_session_alone(self):
        """As browsers send it for a form on another site (SameSite=Lax)."""
        answer = Visitor(self.shop).ask("POST", "/cart", "product=1&more=1", {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 403)
        self.assertIsNone(answer.getheader("Set-Cookie"))

    def test_a_form_sent_twice_overwrites_no_account(self):
        secret, cookie = self.visitor.secret(), self.visitor.cookie
        addresses = ["twice@example.org", "twice@example.org", "twice.other@example.org", "twice@example.org"]

        def send(address):
            twin = Visitor(self.shop)
            twin.cookie = cookie
            return twin.post("/register", secret=secret, email=address, password="a long password").status, twin
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(send, addresses))
        for address, (status, twin) in zip(addresses, results):
            if status == 303:
                self.assertIn("logged in as <strong>" + address, twin.get("/account").text)
        with sqlite3.connect(self.shop.folder + "/shop.sqlite") as db:
            accounts = db.execute("SELECT email FROM shopper WHERE email LIKE 'twice%'").fetchall()
        self.assertEqual(len(accounts), sum(status == 303 for status, _ in results))
        self.assertEqual(sorted({status for status, _ in results}), [303, 400])

    def test_attempts_at_once_are_no_more_than_one_by_one(self):
        self.register(self.visitor, "guessed@example.org")

        def guess(i):
            v = Visitor(self.shop)
            v.get("/")
            return "do not belong together" in v.post("/log-in", email="guessed@example.org", password="guess number %d" % i).text
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual(sum(pool.map(guess, range(24))), 10)

    def test_a_planted_session_is_not_taken(self):
        self.visitor.cookie = "ab" * 32
        self.visitor.get("/")
        self.assertNotEqual(self.visitor.cookie, "ab" * 32)

    def register(self, visitor, address, password="a long password"):
        return visitor.post("/register", email=address, password=password)

    def test_an_account_keeps_cart_and_orders(self):
        self.visitor.post("/cart", product="3", more="2")
        before = self.visitor.cookie
        self.assertEqual(self.register(self.visitor, "keeps@example.org").status, 303)
        self.assertNotEqual(self.visitor.cookie, before)
        self.assertIn("Cart (2)", self.visitor.get("/").text)
        old = Visitor(self.shop)
        old.cookie = before
        self.assertIn("Log in", old.get("/").text)

        elsewhere = Visitor(self.shop)
        elsewhere.get("/")
        elsewhere.post("/cart", product="3", more="1")
        elsewhere.post("/cart", product="4", more="1")
        self.assertEqual(elsewhere.post("/log-in", email="KEEPS@example.org", password="a long password").status, 303)
        self.assertIn("Cart (4)", elsewhere.get("/").text)
        elsewhere.post("/log-out")
        self.assertIn("Cart (0)", elsewhere.get("/").text)

    def test_what_a_guest_looked_at_goes_over_to_the_account(self):
        self.register(self.visitor, "merge@example.org")
        guest = Visitor(self.shop)
        guest.get("/")
        for product in (5, 6, 7):
            guest.get("/product/%d" % product)
        wanted = cards(guest.get("/for-you").text)
        self.assertTrue(any("you looked at" in note for _, _, note in wanted), wanted)
        self.assertEqual(guest.post("/log-in", email="merge@example.org", password="a long password").status, 303)
        self.assertEqual(cards(guest.get("/for-you").text), wanted)
        self.assertEqual(cards(self.visitor.get("/for-you").text), wanted)

    def test_wrong_passwords(self):
        self.register(self.visitor, "wrong@example.org")
        for password, address in (("short", "x@example.org"), ("x" * 201, "x@example.org"), ("long enough", "no address"),
                                  ("long enough", "a@b"), ("long enough", "a b@example.org"), ("long enough", "a@example.org\r\nBcc: b@example.org")):
            other = Visitor(self.shop)
            other.get("/")
            self.assertEqual(self.register(other, address, password).status, 400, (password, address))
        taken = Visitor(self.shop)
        taken.get("/")
        self.assertIn("There is an account", self.register(taken, "Wrong@example.org").text)
        for _ in range(10):
            self.assertIn("do not belong together", taken.post("/log-in", email="wrong@example.org", password="a wrong one").text)
        self.assertIn("too many attempts", taken.post("/log-in", email="wrong@example.org", password="a long password").text)
        with sqlite3.connect(self.shop.folder + "/shop.sqlite") as db:
            stored = db.execute("SELECT password FROM shopper WHERE email = 'wrong@example.org'").fetchone()[0]
        self.assertTrue(stored.startswith("$argon2id$"))

    # -- cart and orders

    def test_impossible_carts(self):
        for fields in ({"product": "1", "more": "0"}, {"product": "1", "more": "100"}, {"product": "1", "more": "-1"}, {"product": "1", "quantity": "x"},
                       {"product": "999999", "more": "1"}, {"more": "1"}, {}, {"product": "1;DROP TABLE cart", "more": "1"}):
            self.assertEqual(self.visitor.post("/cart", **fields).status, 400, fields)
        for _ in range(3):
            self.visitor.post("/cart", product="1", more="99")
        self.assertIn("Cart (99)", self.visitor.get("/").text)
        self.visitor.post("/cart", product="1", quantity="0")
        self.assertIn("Your cart is empty", self.visitor.get("/cart").text)
        self.assertEqual(self.visitor.get("/checkout").status, 303)

    def test_incomplete_orders(self):
        self.visitor.post("/cart", product="1", more="1")
        for other in ({"email": "nobody"}, {"name": " "}, {"street": "a\nb"}, {"country": ""}, {"payment": ""}, {"place": "x" * 201}):
            self.assertEqual(self.visitor.order(**other).status, 400, other)
        self.assertIn("Cart (1)", self.visitor.get("/").text)

    def test_an_order_belongs_to_its_shopper(self):
        self.visitor.post("/cart", product="1", more="1")
        answer = self.visitor.order(name="<script>alert(1)</script>")
        self.assertEqual(answer.status, 303)
        place = answer.getheader("Location")
        self.assertEqual(self.visitor.get(place).status, 200)
        self.assertEqual(Visitor(self.shop).get(place).status, 404)
        again = self.visitor.order()
        self.assertEqual((again.status, again.getheader("Location")), (303, "/account"))
        with open(self.shop.folder + "/mail/" + place.rsplit("/", 1)[1] + ".txt") if wait_until(
                lambda: os.path.exists(self.shop.folder + "/mail/" + place.rsplit("/", 1)[1] + ".txt")) else None as mail:
            self.assertIn("To: ada@example.org", mail.read())

    # -- pictures and sellers

    def picture(self, index):
        name = sorted(os.listdir(self.shop.pictures))[index]
        with open(os.path.join(self.shop.pictures, name), "rb") as file:
            return file.read()

    def test_a_picture_finds_itself(self):
        found = cards(self.visitor.send("/like-picture", self.picture(4)).text)
        self.assertIn(found[0][2], ("100 % alike", "99 % alike")) # "auto" may have chosen another precision
        self.assertEqual(self.visitor.get("/picture/%d" % found[0][0]).body, self.picture(4))

    def test_what_is_no_picture(self):
        for bytes_sent, status in ((b"", 400), (b"GIF89a" + bytes(100), 415), (b"\xff\xd8\xff" + bytes(1000), 415), (self.picture(4)[:200], 415),
                                   (bytes(9 << 20), 413)):
            answer = self.visitor.send("/like-picture", bytes_sent)
            self.assertEqual(answer.status, status, (len(bytes_sent), answer.text[-300:]))
        self.assertEqual(self.visitor.post("/cart", product="1", more="1", extra="x" * 70000).status, 413)
        self.assertEqual(self.visitor.ask("POST", "/cart", "{}", {"Content-Type": "application/json"}).status, 415)
        self.assertEqual(self.visitor.ask("POST", "/cart", "form=%00", {"Content-Type": "application/x-www-form-urlencoded"}).status, 400)

    def test_half_a_request_harms_nobody(self):
        with socket.create_connection(("127.0.0.1", self.shop.port)) as s:
            s.sendall(b"POST /cart HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nform=")
        with socket.create_connection(("127.0.0.1", self.shop.port)) as s:
            s.sendall(b"\x00\xff nonsense\r\n\r\n")
        self.assertEqual(self.visitor.get("/").status, 200)

    def test_sellers_alone_sell(self):
        fields = {"title": 'A <b>"new"</b> lamp', "price": "12.5", "kind": "lamp", "colour": "red", "pattern": "plain", "description": "Two\nlines & more"}
        self.assertEqual(self.visitor.get("/sell").status, 403)
        self.assertEqual(self.visitor.send("/sell", self.picture(0), **fields).status, 403)
        self.register(self.visitor, "lamps@example.org")
        self.assertEqual(self.shop.make_seller("nobody@example.org").returncode, 1)
        self.assertEqual(self.shop.make_seller("lamps@example.org").returncode, 0)
        for wrong in ({"price": "-1"}, {"price": "1e3"}, {"price": "1.234"}, {"title": ""}, {"title": "x" * 201}, {"kind": "x" * 64}):
            self.assertEqual(self.visitor.send("/sell", self.picture(0), **{**fields, **wrong}).status, 400, wrong)
        self.assertEqual(self.visitor.send("/sell", b"no picture", **fields).status, 400)
        self.assertIn("<p>60 products</p>", self.visitor.get("/products").text)
        answer = self.visitor.send("/sell", self.picture(0), **fields)
        self.assertEqual(answer.status, 303, answer.text)
        product = int(answer.getheader("Location").rsplit("/", 1)[1])
        page = self.visitor.get(answer.getheader("Location")).text
        self.assertIn("A &lt;b&gt;&quot;new&quot;&lt;/b&gt; lamp", page)
        self.assertIn("12.50", page)
        twin = int(re.search(r"\d+", sorted(os.listdir(self.shop.pictures))[0]).group())
        # Recommendable at once: similar products, search by picture, and a shopper's list.
        self.assertIn(product, [p for p, _, _ in cards(self.visitor.get("/product/%d" % twin).text)])
        self.assertIn(product, [p for p, _, _ in cards(self.visitor.send("/like-picture", self.picture(0)).text)[:2]])
        shopper = Visitor(self.shop)
        shopper.get("/")
        for found in cards(self.visitor.get("/products?kind=lamp").text):
            if found[0] != product:
                shopper.get("/product/%d" % found[0])
        self.assertIn(product, [p for p, _, _ in cards(shopper.get("/for-you").text)])
        self.assertEqual(cards(self.visitor.get("/products?q=new+lamp").text)[0][0], product)

    # -- many at once

    def test_many_shoppers_at_once(self):
        def visit(i):
            v = Visitor(self.shop)
            v.get("/")
            statuses = [v.get("/product/%d" % (1 + (7 * i + j) % 60)).status for j in range(5)]
            statuses.append(v.post("/cart", product=str(1 + i % 60), more="1").status)
            statuses.append(v.order().status)
            return statuses + [len(cards(v.get("/for-you").text))]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for result in pool.map(visit, range(36)):
                self.assertEqual(result, [200] * 5 + [303, 303, 24])


class Faults(unittest.TestCase):
    def test_orders_outlive_a_kill_and_mails_wait_for_their_server(self):
        mailbox = running.Mailbox()
        mailbox.refuse = True
        shop = running.Shop(24, ["--smtp", mailbox.url])
        self.addCleanup(shop.close)
        visitor = Visitor(shop)
        visitor.get("/")
        visitor.post("/cart", product="2", more="3")
        place = visitor.order(email="later@example.org").getheader("Location")
        wait_until(lambda: mailbox.refused)
        shop.stop(signal.SIGKILL)
        shop.start()
        self.assertEqual(visitor.get(place).status, 200)
        self.assertIn("3 ×", visitor.get(place).text)
        self.assertEqual(mailbox.mails, [])
        self.assertEqual(shop.stop(), 0)
        mailbox.refuse = False
        with sqlite3.connect(shop.folder + "/shop.sqlite") as db:
            self.assertEqual(db.execute("SELECT count(*) FROM mail").fetchone(), (1,))
            db.execute("UPDATE mail SET due = 0")
        shop.start()
        to, mail = wait_until(lambda: mailbox.mails)[0]
        self.assertEqual(to, ["<later@example.org>"])
        self.assertIn("3 x", mail.get_body().get_content())

    def test_views_reach_the_store_and_last(self):
        shop = running.Shop(24)
        self.addCleanup(shop.close)
        visitor = Visitor(shop)
        visitor.get("/")
        for product in (1, 2, 3):
            visitor.get("/product/%d" % product)
        before = cards(visitor.get("/for-you").text)
        self.assertEqual(shop.stop(), 0)
        with sqlite3.connect(shop.folder + "/shop.sqlite") as db:
            self.assertEqual(db.execute("SELECT count(*) FROM event").fetchone(), (3,))
        shop.start()
        after = cards(visitor.get("/for-you").text)
        self.assertEqual({p for p, _, _ in before} & {1, 2, 3}, set())
        self.assertEqual({p for p, _, _ in after} & {1, 2, 3}, set())
        self.assertTrue(any("you looked at" in note for _, _, note in after), after)

    def test_without_ratings_lists_go_by_looks_until_there_is_more(self):
        shop = running.Shop(24, ["--learn-every", "1"], ratings=False)
        self.addCleanup(shop.close)
        visitor = Visitor(shop)
        visitor.get("/")
        visitor.get("/product/1")
        found = cards(visitor.get("/for-you").text)
        title = re.search("<h1>(.*)</h1>", visitor.get("/product/1").text).group(1)
        self.assertEqual(found[0][2], "because you looked at " + title)
        similar = cards(visitor.get("/product/1").text)
        self.assertEqual(found[0][0], similar[0][0])
        # It learns from the view a second later; the list stays personal.
        wait_until(lambda: cards(visitor.get("/for-you").text) != found)
        self.assertIn("because you looked at " + title, [note for _, _, note in cards(visitor.get("/for-you").text)])

    def test_what_cannot_start_says_why(self):
        shop = running.Shop(24)
        self.addCleanup(shop.close)
        import subprocess
        def fails(*command):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            return done.stderr
        self.assertIn("--port", fails(*shop.command("--port", str(shop.port))))
        self.assertIn("--store and --model", fails(running.SHOP))
        self.assertIn("missing.recsys", fails(running.SHOP, "--store", shop.folder + "/missing.recsys", "--model", running.MODEL, "--folder", shop.folder))
        self.assertIn("another use", fails(*shop.command("--fields", "price")))
        self.assertIn("is no address", fails(*shop.command("--sender", "nobody")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
