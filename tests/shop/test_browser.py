"""The shop as a shopper meets it, in a real browser: look around, buy, get a mail, and see other lists than before."""
import os
import shutil
import sys
import unittest

import running

PICTURES = os.environ["SCREENSHOTS"]
TAB, ENTER = "\ue004", "\ue007"


class Browser(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(PICTURES, ignore_errors=True)
        os.makedirs(PICTURES)
        cls.mailbox = running.Mailbox()
        cls.shop = running.Shop(120, ["--smtp", cls.mailbox.url, "--name", "Drawn goods", "--sender", "shop@example.org"])
        cls.addClassCleanup(cls.shop.close)

    def setUp(self):
        self.window = running.Window(PICTURES)
        self.addCleanup(self.window.close)

    def titles(self):
        return self.window.texts(".products .title")

    def test_browse_buy_mail_and_other_lists(self):
        w = self.window
        w.open(self.shop.url + "/for-you")
        before = self.titles()
        self.assertEqual(len(before), 24)
        self.assertIn("what others like", w.text("main p"))
        w.open(self.shop.url)
        w.picture("home")
        w.click(".tiles a[href*='kind=dress']")
        self.assertTrue(all("dress" in title for title in self.titles()))
        w.picture("collection")
        w.click(".products li:nth-child(2) a")
        bought = w.text("h1")
        notes = w.texts(".products .note")
        self.assertGreater(len(notes), 3)
        shares = [int(note.split(" ")[0]) for note in notes]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertGreaterEqual(min(shares), 80)
        self.assertNotIn(bought, self.titles()[:1])
        w.picture("product")
        w.click(".products li:nth-child(1) a")
        similar = w.text("h1")
        w.run("history.back()")
        running.wait_until(lambda: w.text("h1") == bought)

        w.click("form[action='/cart'] button")
        self.assertIn(bought, w.text("tbody"))
        self.assertIn("Cart (1)", w.text("header nav"))
        w.picture("cart")
        w.click("a[href='/checkout']")
        self.assertIn("stand-in", w.text("fieldset"))
        for name, text in (("email", "grace@example.org"), ("name", "Grace Ünal"), ("street", "Kai 5"), ("place", "20457 Hamburg"),
                           ("country", "Germany")):
            w.write("#" + name, text)
        total = w.text(".total strong")
        w.run("document.querySelector('[name=payment]').click()")
        w.picture("check-out")
        w.click("main form button.main")
        self.assertEqual(w.text("h1"), "Thank you for your order")
        delivery = w.texts("main strong")[1]
        w.picture("order")

        to, mail = running.wait_until(lambda: self.mailbox.mails)[0]
        self.assertEqual(to, ["<grace@example.org>"])
        body = mail.get_body().get_content()
        for part in (bought, total, "Grace Ünal", "Kai 5", "20457 Hamburg", "Germany", delivery, "demonstration"):
            self.assertIn(part, body)
        self.assertEqual(mail["From"].addresses[0].addr_spec, "shop@example.org")

        w.open(self.shop.url + "/for-you")
        after = self.titles()
        reasons = w.texts(".products .note")
        self.assertNotEqual(after, before)
        self.assertEqual(len(reasons), len(after))
        self.assertNotIn(bought, after)
        self.assertTrue(any(reason == "because you bought " + bought for reason in reasons), reasons)
        self.assertTrue(all(reason == "popular with other shoppers" or bought in reason or similar in reason for reason in reasons), reasons)
        w.picture("for-you")
        self.assertEqual(w.complaints(), [])

    def test_a_picture_is_dropped(self):
        w = self.window
        w.open(self.shop.url + "/products?kind=bag")
        title = self.titles()[0]
        w.run_async("""
            const done = arguments[0], shown = document.querySelector(".products img"), canvas = document.createElement("canvas");
            shown.loading = "eager"; // on a busy machine a lazy one comes after the page
            shown.decode().then(() => {
              canvas.width = shown.naturalWidth;
              canvas.height = shown.naturalHeight;
              canvas.getContext("2d").drawImage(shown, 0, 0);
              canvas.toBlob(blob => { window.carried = new DataTransfer(); carried.items.add(new File([blob], "mine", {type: blob.type})); done(); }, "image/png");
            });""")
        # After this has returned: the page goes away with it.
        w.run("""
            window.here = true;
            setTimeout(() => ["dragover", "drop"].forEach(type => document.querySelector("h1").dispatchEvent(
              new DragEvent(type, {dataTransfer: window.carried, bubbles: true, cancelable: true}))), 50);""")
        w.wait_for_page()
        self.assertEqual(w.text("h1"), "Like your picture")
        self.assertEqual(self.titles()[0], title)
        self.assertGreaterEqual(int(w.texts(".products .note")[0].split(" ")[0]), 99)
        w.picture("like-a-picture")
        self.assertEqual(w.complaints(), [])

    def test_a_seller_adds_a_product(self):
        w = self.window
        w.open(self.shop.url + "/account")
        w.write("form[action='/register'] [name=email]", "seller@example.org")
        w.write("form[action='/register'] [name=password]", "a long password")
        w.click("form[action='/register'] button")
        self.assertIn("seller@example.org", w.text("main"))
        made = self.shop.make_seller("seller@example.org")
        self.assertEqual(made.returncode, 0, made.stderr)
        w.open(self.shop.url + "/sell")
        for name, text in (("title", "A one-off bag"), ("price", "77.50"), ("kind", "bag"), ("colour", "green")):
            w.write("main [name=%s]" % name, text)
        picture = sorted(os.listdir(self.shop.pictures))[1] # another bag's photograph will do
        w.write("#photograph", os.path.join(self.shop.pictures, picture))
        w.picture("sell")
        w.click("main form button.main")
        self.assertEqual(w.text("h1"), "A one-off bag")
        self.assertGreater(len(self.titles()), 0)
        w.picture("new-product")
        w.write("#q", "one-off")
        w.click(".find button")
        self.assertEqual(self.titles(), ["A one-off bag"])
        self.assertEqual(w.complaints(), [])

    def test_keyboard_and_phone(self):
        w = self.window
        w.open(self.shop.url)
        w.keys(TAB)
        self.assertEqual(w.run("return document.activeElement.textContent"), "To the content")
        w.keys(ENTER)
        self.assertEqual(w.run("return location.hash"), "#main")
        w.keys(TAB)
        self.assertTrue(w.run("return document.activeElement.closest('.products') !== null"))
        outline = w.run("return getComputedStyle(document.activeElement).outlineStyle")
        self.assertEqual(outline, "solid")
        w.run("window.here = true")
        w.keys(ENTER)
        w.wait_for_page()
        self.assertIn("/product/", w.run("return location.pathname"))
        w.size(390, 844)
        for path in ("/", "/products", "/product/1", "/cart", "/account", "/for-you"):
            w.open(self.shop.url + path)
            wide = w.run("return [document.documentElement.scrollWidth, innerWidth]")
            self.assertLessEqual(wide[0], wide[1], path)
            w.picture("phone" + path.replace("/", "-").rstrip("-"))
        unnamed = w.run("return Array.from(document.querySelectorAll('input:not([type=hidden]), textarea')).filter(e => e.labels.length === 0).length")
        self.assertEqual(unnamed, 0)


if __name__ == "__main__":
    if not shutil.which("chromedriver") or not shutil.which("chromium"):
        print("skipped: Chromium with ChromeDriver is needed (Debian: chromium chromium-driver)")
        sys.exit(77)
    unittest.main(verbosity=2)
