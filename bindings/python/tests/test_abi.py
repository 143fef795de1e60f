"""_abi.py against include/recsys.h and lib/recsys.map: names, argument types, struct fields, constants."""
import ctypes
import os
import re
import unittest

from recsys import _abi

ROOT = os.path.join(os.path.dirname(__file__), "../../..")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


HEADER = re.sub(r"^#.*$", "", re.sub(r"/\*.*?\*/", "", read("include/recsys.h"), flags=re.S), flags=re.M)
PLAIN = {"uint32_t": ctypes.c_uint32, "int32_t": ctypes.c_int32, "uint64_t": ctypes.c_uint64, "int64_t": ctypes.c_int64,
         "double": ctypes.c_double, "float": ctypes.c_float, "size_t": ctypes.c_size_t, "recsys_status": ctypes.c_int32}


def struct_of(name):
    return getattr(_abi, "".join(word.capitalize() for word in name.split("_")[1:]))


class Abi(unittest.TestCase):
    def test_every_exported_name_is_declared(self):
        names = re.findall(r"^\s+(recsys_\w+);", read("lib/recsys.map"), flags=re.M)
        self.assertGreater(len(names), 60)
        self.assertEqual(sorted(names), sorted(_abi.FUNCTIONS))

    def test_arguments(self):
        found = re.findall(r"RECSYS_API\s+(.*?)\s*\*?(recsys_\w+)\((.*?)\);", HEADER, flags=re.S)
        self.assertEqual(len(found), len(_abi.FUNCTIONS))
        for result, name, arguments in found:
            declared_result, declared = _abi.FUNCTIONS[name]
            self.assertEqual(declared_result, {"void": None, "const char": ctypes.c_char_p}.get(result, PLAIN.get(result)), name)
            listed = [] if arguments == "void" else arguments.split(",")
            self.assertEqual(len(declared), len(listed), name)
            for text, type_ in zip(listed, declared):
                base = re.sub(r"\bconst\b|\*", " ", text).split()[0]
                if "*" not in text:
                    self.assertIs(type_, PLAIN[base], f"{name}: {text}")
                else:  # a pointer: ctypes passes addresses as 64 bits
                    self.assertEqual(ctypes.sizeof(type_), ctypes.sizeof(ctypes.c_void_p), f"{name}: {text}")
                    self.assertNotIn(type_, PLAIN.values(), f"{name}: {text}")

    def test_structs(self):
        found = re.findall(r"typedef struct (\w+) \{(.*?)\}", HEADER, flags=re.S)
        self.assertGreater(len(found), 15)
        sizes = dict(re.findall(r"^SIZE\((\w+), (\d+)\);", read("tests/abi/test_layout.c"), flags=re.M))
        offsets = re.findall(r"^FIELD\((\w+), (\w+), (\d+), (\d+)\);", read("tests/abi/test_layout.c"), flags=re.M)
        for name, _ in found:
            self.assertEqual(ctypes.sizeof(struct_of(name)), int(sizes[name]), name)
        self.assertGreater(len(offsets), 150)
        for name, field, offset, size in offsets:
            declared = getattr(struct_of(name), field)
            self.assertEqual((declared.offset, declared.size), (int(offset), int(size)), f"{name}.{field}")

    def test_constants(self):
        found = re.findall(r"(RECSYS_\w+) = (-?\d+)", HEADER)
        self.assertGreater(len(found), 70)
        for name, value in found:
            self.assertEqual(getattr(_abi, name[len("RECSYS_"):]), int(value), name)


if __name__ == "__main__":
    unittest.main()
