"""Makes the small .pth files in pth/: good ones by torch.save in both layouts, and hostile ones by hand.

    python3 make_pth.py            (a Python with torch)

test_pth.c knows what is in the good ones: number i of every tensor is i / 4 - 1 (integers: i - 1, modulo their range;
bool: i is odd). The names of hostile files say what is wrong with them; each is refused.
"""

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pth")


def numbers(shape, dtype=torch.float32):
    count = int(torch.tensor(shape).prod()) if shape else 1
    i = torch.arange(count)
    if dtype == torch.bool:
        return (i % 2 == 1).reshape(shape)
    return (i / 4.0 - 1).to(dtype).reshape(shape) if dtype.is_floating_point else (i - 1).to(dtype).reshape(shape)


def state():
    """Every type, and every way in which a tensor can lie in its storage."""
    wide = torch.full((4, 9), 99.0)
    wide[1:3, 2:7] = numbers((2, 5))
    shared = torch.cat([torch.full((3,), 7.0), numbers((6,))])
    out = OrderedDict()
    out["float"] = numbers((2, 3))
    out["half"] = numbers((5,), torch.float16)
    out["bfloat"] = numbers((5,), torch.bfloat16)
    out["double"] = numbers((3,), torch.float64)
    out["long"] = numbers((3,), torch.int64)
    out["int"] = numbers((3,), torch.int32)
    out["byte"] = numbers((3,), torch.uint8)
    out["char"] = numbers((3,), torch.int8)
    out["bool"] = numbers((3,), torch.bool)
    out["scalar"] = numbers(())
    out["empty"] = torch.zeros((0, 3))
    out["transposed"] = numbers((4, 3)).t().contiguous().t()
    out["slice"] = wide[1:3, 2:7]
    out["channels_last"] = numbers((2, 3, 2, 2)).contiguous(memory_format=torch.channels_last)
    out["shared"] = shared[3:]
    out["parameter"] = torch.nn.Parameter(numbers((2, 2)))
    out._metadata = OrderedDict([("", {"version": 1})])
    return out


def save(name, value, zipped, protocol=2):
    path = os.path.join(HERE, name)
    torch.save(value, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(data)


# ---- By hand: the older layout around any object pickle ----

MAGIC = 0x1950A86A20F9469CFC6C


def old(body, keys=(), storages=b"", system=None):
    """`body` is the object pickle without PROTO and STOP."""
    system = system or {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    parts = [pickle.dumps(value, 2) for value in (MAGIC, 1001, system)]
    return b"".join(parts) + b"\x80\x02" + body + b"." + pickle.dumps(list(keys), 2) + storages


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


def integer(value):
    return b"J" + struct.pack("<i", value) if -2**31 <= value < 2**31 else b"\x8a\x08" + struct.pack("<q", value)


def storage(key=b"0", count=4, kind=b"FloatStorage", view=b"N"):
    return b"(" + text(b"storage") + b"ctorch\n" + kind + b"\n" + text(key) + text(b"cpu") + integer(count) + view + b"tQ"


def sizes(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(shape, strides, offset=0, **kwargs):
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**kwargs) + integer(offset) + sizes(shape) + sizes(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def named(*pairs):
    return b"}(" + b"".join(text(name) + value for name, value in pairs) + b"u"


FOUR = struct.pack("<q4f", 4, -1, -0.75, -0.5, -0.25)


def hostile_pickles():
    class Run:
        def __reduce__(self):
            return os.system, ("touch /tmp/recsys-was-here",)

    stream = io.BytesIO()
    torch.save({"w": Run()}, stream, _use_new_zipfile_serialization=False)
    yield "os_system_old", stream.getvalue()
    stream = io.BytesIO()
    torch.save({"w": Run()}, stream)
    yield "os_system_zip", stream.getvalue()
    yield "os_system_stack_global", old(text(b"os") + text(b"system") + b"\x93" + b"(" + text(b"true") + b"tR")
    yield "inst", old(b"(" + text(b"true") + b"ios\nsystem\n")
    yield "obj", old(b"(cos\nsystem\n" + text(b"true") + b"o")
    yield "newobj", old(b"ccollections\nOrderedDict\n)\x81")
    yield "extension", old(b"\x82\x01")
    yield "builtins_eval", old(b"c__builtin__\neval\n" + text(b"1") + b"\x85R")
    yield "getattr", old(b"cbuiltins\ngetattr\n")
    yield "torch_name", old(b"ctorch\nload\n")
    yield "endless_name", old(b"c" + b"a" * 5000)
    yield "strange_name", old(b"c\x1b[31m\nx\n")
    yield "call_a_type", old(b"ctorch\nFloatStorage\n)R")
    yield "call_text", old(text(b"f") + b")R")
    yield "call_with_list", old(b"ccollections\nOrderedDict\n]R")
    yield "build_on_int", old(b"K\x01}b")
    yield "long_of_255", old(b"\x8a\xff" + b"\x01" * 255)
    yield "empty_stack", old(b"R")
    yield "two_values", old(b"NN")
    yield "open_mark", old(b"N(")
    yield "below_the_mark", old(b"}(K\x01K\x02s")
    yield "odd_items", old(b"}(K\x01u")
    yield "items_of_int", old(b"K\x01(K\x01K\x02u")
    yield "memo_unmade", old(b"h\x05")
    yield "memo_huge", old(b"Nr\xff\xff\xff\xff")
    yield "text_huge", old(b"X\xff\xff\xff\x7fabc")
    yield "text_not_utf8", old(named((b"\xff\xfe", tensor([4], [1]))), ["0"], FOUR)
    yield "text_with_zero", old(named((b"a\0b", tensor([4], [1]))), ["0"], FOUR)
    yield "deep_marks", old(b"(" * 20000)
    yield "deep_tuples", old(b"N" + b"\x85" * 20000)
    yield "holds_itself", old(b"]q\x00h\x00a")
    yield "no_state", old(b"K\x05")
    yield "no_tensors", old(b"}")
    yield "entry_is_int", old(named((b"epoch", b"K\x05")))
    yield "no_name", old(named((b"", tensor([4], [1]))), ["0"], FOUR)
    yield "name_is_int", old(b"}(K\x01" + tensor([4], [1]) + b"u", ["0"], FOUR)
    yield "twice", old(named((b"a", tensor([4], [1])), (b"module.a", tensor([4], [1]))), ["0"], FOUR)
    good = {"keys": ["0"], "storages": FOUR}
    yield "offset_beyond", old(named((b"a", tensor([4], [1], offset=1))), **good)
    yield "offset_huge", old(named((b"a", tensor([4], [1], offset=2**62))), **good)
    yield "offset_negative", old(named((b"a", tensor([4], [1], offset=-1))), **good)
    yield "size_negative", old(named((b"a", tensor([-4], [1]))), **good)
    yield "size_beyond", old(named((b"a", tensor([5], [1]))), **good)
    yield "sizes_overflow", old(named((b"a", tensor([2**62, 2**62], [2**62, 1]))), **good)
    yield "empty_overflow", old(named((b"a", tensor([2**62, 2**62, 0], [1, 1, 1]))), **good)
    yield "stride_beyond", old(named((b"a", tensor([2, 2], [3, 1]))), **good)
    yield "stride_negative", old(named((b"a", tensor([4], [-1], offset=3))), **good)
    yield "stride_zero", old(named((b"a", tensor([2**40], [0]))), **good)
    yield "strides_overlap", old(named((b"a", tensor([2, 2], [1, 1]))), **good)
    yield "strides_missing", old(named((b"a", tensor([2, 2], [1]))), **good)
    yield "rank_9", old(named((b"a", tensor([1] * 9, [1] * 9))), **good)
    yield "size_is_text", old(named((b"a", b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage() + b"K\x00("
                                     + text(b"4") + b"tK\x01\x85\x89}tR")), **good)
    yield "no_storage", old(named((b"a", b"ctorch._utils\n_rebuild_tensor_v2\n(N" + b"K\x00" + sizes([4])
                                   + sizes([1]) + b"\x89}tR")), **good)
    yield "parameter_of_none", old(b"ctorch._utils\n_rebuild_parameter\n(N\x89}tR")
    yield "storage_kind", old(named((b"a", tensor([4], [1], kind=b"ComplexFloatStorage"))), **good)
    yield "storage_view", old(named((b"a", tensor([4], [1], view=b"K\x01"))), **good)
    yield "storage_negative", old(named((b"a", tensor([4], [1], count=-4))), **good)
    yield "storage_two_sizes", old(named((b"a", tensor([4], [1])), (b"b", tensor([4], [1], count=5))), **good)
    yield "storage_unknown", old(named((b"a", tensor([4], [1]))), ["1"], FOUR)
    yield "storage_twice", old(named((b"a", tensor([4], [1]))), ["0", "0"], FOUR + FOUR)
    yield "storage_missing", old(named((b"a", tensor([4], [1]))))
    yield "storage_other_size", old(named((b"a", tensor([4], [1]))), ["0"], struct.pack("<q5f", 5, *[0.0] * 5))
    yield "storage_huge", old(named((b"a", tensor([4], [1], count=2**62))), ["0"], struct.pack("<q", 2**62) + b"\0" * 64)
    yield "keys_are_ints", old(named((b"a", tensor([4], [1]))), [0], FOUR)
    yield "tail", old(named((b"a", tensor([4], [1]))), ["0"], FOUR + b"x")
    yield "big_endian", old(named((b"a", tensor([4], [1]))), ["0"], FOUR, {"little_endian": False})
    # One tensor of 4000 bytes under 300 names.
    first = text(b"n") + tensor([1000], [1], count=1000) + b"q\x07"
    many = b"".join(text(b"n%d" % i) + b"h\x07" for i in range(299))
    yield "amplified", old(b"}(" + first + many + b"u", ["0"], struct.pack("<q", 1000) + b"\0" * 4000)
    yield "protocol_0", b"(dp0\nS'a'\np1\nI1\ns."
    yield "protocol_9", b"\x80\x09" + pickle.dumps(MAGIC, 2)[2:] + b"\x80\x09N."
    yield "nothing_after_magic", pickle.dumps(MAGIC, 2)


def rezip(data, change):
    """The entries of a zip file, changed, in a new one."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        entries = [(info.filename, source.read(info)) for info in source.infolist()]
        for name, content, method in change(entries):
            target.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def hostile_zips():
    stream = io.BytesIO()
    torch.save({"a": numbers((4,))}, stream)
    data = stream.getvalue()

    def stored(entries):
        return [(name, content, zipfile.ZIP_STORED) for name, content in entries]

    yield "zip_compressed", rezip(data, lambda e: [(n, c * 9, zipfile.ZIP_DEFLATED) for n, c in e])
    yield "zip_no_pickle", rezip(data, lambda e: stored([x for x in e if not x[0].endswith("data.pkl")]))
    yield "zip_no_storage", rezip(data, lambda e: stored([x for x in e if not x[0].endswith("data/0")]))
    yield "zip_short_storage", rezip(data, lambda e: stored([(n, c[:-4] if n.endswith("data/0") else c) for n, c in e]))
    yield "zip_big_endian", rezip(data, lambda e: stored(e + [("archive/byteorder", b"big")]))
    yield "zip_empty", rezip(data, lambda e: [])
    place = data.index(struct.pack("<4f", -1, -0.75, -0.5, -0.25))
    yield "zip_bit", data[:place] + b"\x01" + data[place + 1:]
    # Both directory entries point to the first entry's header.
    one = data.rindex(b"PK\x01\x02")
    two = data.index(b"PK\x01\x02")
    yield "zip_overlap", data[:one + 42] + data[two + 42:two + 46] + data[one + 46:]
    yield "zip_far", data[:two + 42] + b"\xf0\xff\xff\x7f" + data[two + 46:]
    end = data.rindex(b"PK\x05\x06")
    end64 = data.rindex(b"PK\x06\x06")
    yield "zip_many", data[:end64 + 32] + struct.pack("<Q", 2**40) + data[end64 + 40:]
    yield "zip_comment", data[:end + 20] + b"\x05\x00"


def main():
    os.makedirs(HERE, exist_ok=True)
    save("good_zip.pth", state(), True)
    save("good_old.pth", state(), False)
    save("good_zip_protocol4.pth", state(), True, 4)
    save("good_old_protocol4.pth", state(), False, 4)
    nested = {"epoch": 3, "rate": 0.1, "state_dict": OrderedDict(("module." + k, v) for k, v in state().items()),
              "optimizer": {"state": {}, "groups": [{"lr": 0.1, "params": [0, 1]}]}}
    save("nested_zip.pth", nested, True)
    save("nested_old.pth", {"model": state()}, False)
    # As Python 2 with torch 0.1 wrote it: short byte strings, OrderedDict with a list of lists, Parameter, BUILD.
    parameter = (b"ctorch.nn.parameter\nParameter\nctorch._utils\n_rebuild_tensor\n(" + storage() + b"K\x00"
                 + sizes([2, 2]) + sizes([2, 1]) + b"tR\x85R(\x88\x89ccollections\nOrderedDict\n]\x85Rtb")
    write("python2.pth", old(b"ccollections\nOrderedDict\n]]" + b"(U\x01a" + parameter + b"ea\x85R", ["0"], FOUR))
    for name, data in list(hostile_pickles()) + list(hostile_zips()):
        write("bad_" + name + ".pth", data)


if __name__ == "__main__":
    main()
