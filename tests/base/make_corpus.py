"""Makes corpus_safetensors/: small valid and hostile files, written with json and struct alone, that is, by another
hand than the library's. Each name begins with what must come of it: ok_, EFORMAT_, EUNSUPPORTED_, ELIMIT_; the tests of
test_safetensors.c rely on that. Run: python3 make_corpus.py"""
import json
import os
import pickle
import struct

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus_safetensors")
os.makedirs(folder, exist_ok=True)


def write(name, data):
    with open(os.path.join(folder, name + ".bin"), "wb") as file:
        file.write(data)


def text_file(text, data=b"", length=None):
    text = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def build(header, data=b"", pad=True):
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    if pad:
        text += b" " * (-len(text) % 8)
    return text_file(text, data)


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


floats = struct.pack("<6f", 1.5, -2.0, 3.25, 0.0, 1e-3, 7.0)
one = {"w": entry("F32", [2, 3], 0, 24)}

write("ok_empty", build({}))
write("ok_one", build(one, floats))
write("ok_metadata", build({"__metadata__": {"architecture": "vgg16", "schön": "日本 \"x\" \\ \n"}, **one}, floats))
write("ok_scalar", build({"s": entry("I64", [], 0, 8)}, struct.pack("<q", -5)))
write("ok_zero_size", build({"a": entry("F32", [0, 7], 0, 0), "b": entry("U8", [3], 0, 3), "c": entry("F64", [0], 3, 3)},
                            b"\x01\x02\x03"))
write("ok_all_dtypes", build({
    "f64": entry("F64", [1], 0, 8), "i64": entry("I64", [1], 8, 16), "f32": entry("F32", [1], 16, 20),
    "i32": entry("I32", [1], 20, 24), "f16": entry("F16", [1], 24, 26), "bf16": entry("BF16", [1], 26, 28),
    "u8": entry("U8", [1], 28, 29), "i8": entry("I8", [1], 29, 30)},
    struct.pack("<dqfi", 2.5, 1 << 40, 0.5, -7) + struct.pack("<e", 1.5) + struct.pack("<H", 0x3FC0) + b"\xff\x80"))
write("ok_unpadded_header", build({"w1": entry("F32", [2, 3], 0, 24)}, floats, pad=False))
write("ok_odd_places", build({"a": entry("U8", [3], 0, 3), "b": entry("F32", [2], 3, 11), "c": entry("F64", [1], 11, 19)},
                             b"abc" + struct.pack("<2f", 1.25, -8.0) + struct.pack("<d", 1e300)))
write("ok_not_in_order", build({"z": entry("F32", [1], 4, 8), "y": entry("F32", [1], 0, 4)}, struct.pack("<2f", 1, 2)))
write("ok_rank_8", build({"w": entry("U8", [1, 1, 1, 1, 1, 1, 1, 2], 0, 2)}, b"ab"))

write("EFORMAT_empty_file", b"")
write("EFORMAT_7_bytes", b"\x10\0\0\0\0\0\0")
write("EFORMAT_8_bytes", struct.pack("<Q", 2))
write("EFORMAT_header_0", struct.pack("<Q", 0) + b"{}")
write("EFORMAT_header_1", struct.pack("<Q", 1) + b"{}")
write("EFORMAT_header_too_long", struct.pack("<Q", 100000001) + b"{}" + b" " * 64)
write("EFORMAT_header_max", struct.pack("<Q", 2**64 - 1) + b"{}" + b" " * 64)
write("EFORMAT_header_max_less_7", struct.pack("<Q", 2**64 - 7) + b"{}" + b" " * 64)
write("EFORMAT_truncated_header", build(one, floats)[:40])
write("EFORMAT_truncated_data", build(one, floats)[:-1])
write("EFORMAT_trailing_byte", build(one, floats) + b"x")
write("EFORMAT_leading_space", text_file(" {} "))
write("EFORMAT_array", text_file("[]      "))
write("EFORMAT_no_json", text_file("{hello} "))
write("EFORMAT_two_values", text_file("{}{}    "))
write("EFORMAT_not_utf8", text_file(b'{"\xff\xfe":' + json.dumps(one["w"]).encode() + b"}", floats))
write("EFORMAT_surrogate", text_file(b'{"\\ud800":' + json.dumps(one["w"]).encode() + b"}", floats))
write("EFORMAT_nul_in_name", text_file(b'{"a\\u0000b":' + json.dumps(one["w"]).encode() + b"}", floats))
write("EFORMAT_duplicate_name", text_file('{"w":%s,"w":%s}' % (json.dumps(one["w"]), json.dumps(one["w"])), floats))
write("EFORMAT_duplicate_key", text_file('{"w":{"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}', floats))
write("EFORMAT_metadata_number", build({"__metadata__": {"a": 1}}))
write("EFORMAT_metadata_list", build({"__metadata__": ["a"]}))
write("EFORMAT_hole_at_start", build({"w": entry("F32", [1], 4, 8)}, b"\0" * 8))
write("EFORMAT_hole_inside", build({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, b"\0" * 12))
write("EFORMAT_overlap", build({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, b"\0" * 12))
write("EFORMAT_same_place", build({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 0, 8)}, b"\0" * 8))
write("EFORMAT_falling_offsets", build({"w": entry("F32", [1], 4, 0)}, b"\0" * 4))
write("EFORMAT_wrong_size", build({"w": entry("F32", [2, 3], 0, 20)}, b"\0" * 20))
write("EFORMAT_negative_offset", build({"w": entry("F32", [1], -4, 0)}))
write("EFORMAT_negative_size", build({"w": entry("F32", [-1], 0, 4)}, b"\0" * 4))
write("EFORMAT_two_negative_sizes", build({"w": entry("F32", [-1, -1], 0, 4)}, b"\0" * 4))
write("EFORMAT_fraction", build({"w": entry("F32", [1.0], 0, 4)}, b"\0" * 4))
write("EFORMAT_size_as_text", build({"w": entry("F32", ["1"], 0, 4)}, b"\0" * 4))
write("EFORMAT_overflow_to_0", build({"w": entry("F32", [2**32, 2**32], 0, 0)}))
write("EFORMAT_overflow_to_4", build({"w": entry("F32", [2**62 + 1], 0, 4)}, b"\0" * 4))
write("EFORMAT_above_int64", text_file('{"w":{"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]}}', b"\0" * 4))
write("EFORMAT_huge_end", build({"w": entry("U8", [2**63 - 1], 0, 2**63 - 1)}, b"\0" * 4))
write("EFORMAT_no_dtype", build({"w": {"shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4))
write("EFORMAT_no_shape", build({"w": {"dtype": "F32", "data_offsets": [0, 4]}}, b"\0" * 4))
write("EFORMAT_no_offsets", build({"w": {"dtype": "F32", "shape": [1]}}, b"\0" * 4))
write("EFORMAT_three_offsets", build({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, b"\0" * 4))
write("EFORMAT_tensor_is_number", build({"w": 5}))
write("EFORMAT_bytes_without_tensors", build({}, b"\0" * 8))

write("EUNSUPPORTED_bool", build({"w": entry("BOOL", [1], 0, 1)}, b"\1"))
write("EUNSUPPORTED_f8", build({"w": entry("F8_E4M3", [1], 0, 1)}, b"\1"))
write("EUNSUPPORTED_unknown", build({"w": entry("Q77", [1], 0, 1)}, b"\1"))

write("ELIMIT_rank_9", build({"w": entry("U8", [1] * 9, 0, 1)}, b"\1"))
write("ELIMIT_depth", text_file('{"w":' + "[" * 3000 + "]" * 3000 + "}"))
write("ELIMIT_name", build({"n" * 1025: entry("U8", [1], 0, 1)}, b"\1"))

write("EFORMAT_pickle", pickle.dumps({"features.0.weight": [1.0, 2.0]}, protocol=2))
write("EFORMAT_zip", b"PK\x03\x04\x14\0\0\0\0\0" + b"\0" * 40)
write("EFORMAT_lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n")
write("EFORMAT_html", b"\n  <!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n")
write("EFORMAT_html_lower", b"<html>404</html>" + b" " * 16)
write("EFORMAT_hdf5", b"\x89HDF\r\n\x1a\n" + b"\0" * 32)
write("EFORMAT_gzip", b"\x1f\x8b\x08\0" + b"\0" * 32)
write("EFORMAT_gguf", b"GGUF\x03\0\0\0" + b"\0" * 32)
write("EFORMAT_json_index", b'{"metadata":{"total_size":1},"weight_map":{"w":"model-00001-of-00002.safetensors"}}')
write("EFORMAT_noise", bytes((i * 37 + 11) % 256 for i in range(64)))
