"""Help, versions, exit codes and hints."""
import unittest

from harness import Case

COMMANDS = ["add", "rate", "similar", "recommend", "classify", "list", "info", "check", "convert"]


class Usage(Case):
    def test_help_lists_every_command(self):
        out, _ = self.run_it("--help")
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", out)
        self.assertRegex(self.run_it("--version")[0], r"^recsys \d+\.\d+\.\d+\n$")

    def test_every_option_has_an_example(self):
        for command in COMMANDS[:-1]:
            out, _ = self.run_it(command, "--help")
            options = out.split("Options:\n")[1].split("\nExamples:")[0]
            self.assertIn("recsys " + command, out.split("\nExamples:")[1])
            for block in ("\n" + options).split("\n  -")[1:]:
                if not block.startswith("-help"):
                    self.assertIn("\n      e.g. ", block, command)
        self.run_it("convert", "--help")

    def test_wrong_use_is_2_with_a_hint(self):
        for words in [[], ["frobnicate"], ["add"], ["add", "s"], ["add", "s", "--images"], ["add", "s", "--imagse", "d"],
                      ["add", "s", "--images", ".", "--fields", "kind"], ["rate", "s"], ["similar", "s"],
                      ["similar", "s", "a", "--image", "b"], ["recommend", "s"], ["classify"], ["info"],
                      ["info", "s", "--model", "m"], ["check"], ["check", "a", "b"],
                      ["list", "s", "--users", "--embedded"], ["list", "s", "--sample", "0"],
                      ["classify", "f", "--model", "untrained:squeezenet1_1:x"], ["classify", "f"],
                      ["classify", "f", "--model", "m", "--precision", "float64"], ["list", "s", "--progress", "loud"]]:
            _, err = self.run_it(*words, code=2)
            self.assertIn("--help", err, words)

    def test_failure_is_1_with_a_message(self):
        for words in [["similar", self.path("none"), "a"], ["info", self.path("none")], ["check", self.path("none")],
                      ["recommend", self.path("none"), "a"], ["list", self.path("none")],
                      ["add", self.path("s"), "--images", self.path("none")],
                      ["rate", self.path("s"), self.path("none.csv")]]:
            out, err = self.run_it(*words, code=1)
            self.assertEqual(out, "")
            self.assertRegex(err, r"^recsys: .+\n$")
            self.assertIn("none", err)

    def test_a_file_that_is_no_store(self):
        store = self.write("notes.txt", "these are notes, and not a database " * 40)
        for command in ["info", "check", "list"]:
            self.assertIn("notes.txt", self.run_it(command, store, code=1)[1])


if __name__ == "__main__":
    unittest.main()
