#!/usr/bin/python3
"""Draws small pictures, writes them as JPEG and PNG of every kind into expected/, and beside each one the pixels that
Pillow sees in it (binary PPM). Run it by hand with Debian 12's Pillow; the output is committed.

expected/list.txt has one line per picture: "decode FILE PPM TOLERANCE", "refuse FILE STATUS" or
"resize SOURCE_PPM FILTER PPM". Seeds for the fuzz targets go to corpus/jpeg and corpus/png.
"""
import io
import os
import shutil
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "expected")
CORPUS = os.path.join(HERE, "corpus")
lines = []


def drawing(width, height, channels=3):
    """Gradients, a disc and some noise: smooth and sharp parts in every channel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    random = np.random.RandomState(width * 1000 + height)
    planes = [255 * x / max(width - 1, 1), 255 * y / max(height - 1, 1), 128 + 127 * np.sin((x + 2 * y) / 5)]
    planes.append(255 - 200 * ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2))
    picture = np.stack(planes[:channels], axis=-1) + random.uniform(-12, 12, (height, width, channels))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def write(name, data):
    with open(os.path.join(OUT, name), "wb") as file:
        file.write(data)


def write_ppm(name, rgb):
    height, width, _ = rgb.shape
    write(name, b"P6\n%d %d\n255\n" % (width, height) + rgb.tobytes())


def over_white(image):
    """Pillow's own composition of a picture with alpha over white."""
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return np.asarray(white)


def decode(name, data, rgb, tolerance):
    stem = name.rsplit(".", 1)[0]
    write(name, data)
    write_ppm(stem + ".ppm", rgb)
    lines.append("decode %s %s.ppm %d" % (name, stem, tolerance))


def refuse(name, data, status):
    write(name, data)
    lines.append("refuse %s %s" % (name, status))


# ---- JPEG


def jpeg(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def segments(data):
    """(marker, bytes of the whole segment) up to and with SOS, then the rest."""
    at, parts = 2, []
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        parts.append((marker, data[at : at + 2 + length]))
        at += 2 + length
        if marker == 0xDA:
            return parts, data[at:]


def rebuild(parts, rest):
    return b"\xff\xd8" + b"".join(part for _, part in parts) + rest


def adobe(transform):
    return 0xEE, b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def jpeg_decode(name, data):
    rgb = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    decode(name, data, rgb, 1)


def replace_sof(data, change):
    parts, rest = segments(data)
    return rebuild([(m, change(p)) if m in (0xC0, 0xC2) else (m, p) for m, p in parts], rest)


def exif_block(orientation, order, kind, padding=0):
    """APP1 with one directory; `padding` other entries stand before the orientation."""
    value = struct.pack(order + "HHI", 0x0112, kind, 1)
    value += struct.pack(order + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3 else [orientation]))
    others = b"".join(struct.pack(order + "HHII", 0x0100 + i, 4, 1, 7) for i in range(padding))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    body = b"Exif\0\0" + head + struct.pack(order + "H", padding + 1) + others + value + struct.pack(order + "I", 0)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def write_jpegs():
    colour = Image.fromarray(drawing(37, 27))
    grey = Image.fromarray(drawing(37, 27, 1)[:, :, 0])
    inks = Image.fromarray(drawing(29, 21, 4), "CMYK")
    for subsampling, name in ((0, "444"), (1, "422"), (2, "420")):
        jpeg_decode("baseline_%s.jpg" % name, jpeg(colour, subsampling=subsampling, quality=85))
        jpeg_decode("progressive_%s.jpg" % name, jpeg(colour, subsampling=subsampling, quality=85, progressive=True))
    jpeg_decode("one_pixel.jpg", jpeg(Image.fromarray(drawing(1, 1))))
    jpeg_decode("grey.jpg", jpeg(grey))
    jpeg_decode("grey_progressive.jpg", jpeg(grey, progressive=True))
    jpeg_decode("cmyk.jpg", jpeg(inks, quality=90))
    jpeg_decode("cmyk_progressive.jpg", jpeg(inks, quality=90, progressive=True))
    parts, rest = segments(jpeg(inks, quality=90))
    bare = [p for p in parts if p[0] not in (0xE0, 0xEE)]
    jpeg_decode("ycck.jpg", rebuild([adobe(2)] + bare, rest))
    jpeg_decode("cmyk_without_adobe.jpg", rebuild(bare, rest))
    parts, rest = segments(jpeg(colour, subsampling=0))
    jpeg_decode("rgb.jpg", rebuild([adobe(0)] + [p for p in parts if p[0] != 0xE0], rest))
    jpeg_decode("comment_and_fill.jpg", rebuild([(0, b"\xff\xfe\x00\x06\xff\xda\xff\xd9\xff\xff")] + parts, rest))

    for orientation in range(1, 9):
        order, kind, padding = "<>"[orientation % 2], (3, 4)[orientation == 4], orientation % 3
        block = 0xE1, exif_block(orientation, order, kind, padding)
        name = "orientation_%d.jpg" % orientation
        jpeg_decode(name, rebuild([parts[0], block] + parts[1:], rest))
    for name, block in broken_exif():
        write(name, rebuild([parts[0], (0xE1, block)] + parts[1:], rest))
        lines.append("decode %s rgb_plain.ppm 1" % name)
    write_ppm("rgb_plain.ppm", np.asarray(Image.open(io.BytesIO(rebuild(parts, rest))).convert("RGB")))

    smooth = Image.fromarray(drawing(12, 8)).resize((96, 64), Image.BICUBIC)
    write("smooth.jpg", jpeg(smooth, subsampling=2))
    half = Image.open(os.path.join(OUT, "smooth.jpg"))
    half.draft("RGB", (48, 32))
    write_ppm("smooth_half.ppm", np.asarray(half))

    baseline = jpeg(colour)
    refuse("twelve_bits.jpg", replace_sof(baseline, lambda p: p[:4] + b"\x0c" + p[5:]), "RECSYS_EUNSUPPORTED")
    refuse("lossless.jpg", replace_sof(baseline, lambda p: b"\xff\xc3" + p[2:]), "RECSYS_EUNSUPPORTED")
    refuse("no_height.jpg", replace_sof(baseline, lambda p: p[:5] + b"\0\0" + p[7:]), "RECSYS_EFORMAT")
    refuse("no_width.jpg", replace_sof(baseline, lambda p: p[:7] + b"\0\0" + p[9:]), "RECSYS_EFORMAT")
    refuse("huge.jpg", replace_sof(baseline, lambda p: p[:5] + b"\xff\xdc\xff\xdc" + p[9:]), "RECSYS_ELIMIT")
    two = replace_sof(baseline, lambda p: p[:2] + b"\0\x0e" + p[4:9] + b"\x02" + p[10:16])
    parts, rest = segments(two)
    scan = (0xDA, b"\xff\xda\0\x0a\x02" + parts[-1][1][5:9] + b"\0\x3f\0")
    refuse("two_components.jpg", rebuild(parts[:-1] + [scan], rest), "RECSYS_EUNSUPPORTED")


def broken_exif():
    """EXIF that says nothing sound: the picture stays as it is stored."""
    good = exif_block(6, "<", 3)
    body = good[4:]

    def block(content):
        return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content

    yield "exif_nine.jpg", exif_block(9, "<", 3)
    yield "exif_zero.jpg", exif_block(0, ">", 3)
    yield "exif_kind.jpg", exif_block(6, "<", 3).replace(b"\x12\x01\x03\x00", b"\x12\x01\x02\x00")
    yield "exif_far.jpg", block(body[:10] + b"\xff\xff\xff\xff" + body[14:])
    yield "exif_end.jpg", block(body[:10] + struct.pack("<I", len(body) - 7) + body[14:])
    yield "exif_cut.jpg", block(body[:24])
    yield "exif_cut_long.jpg", block(exif_block(6, ">", 4)[4:31])
    yield "exif_short.jpg", block(b"Exif\0\0II")
    yield "exif_count.jpg", block(body[:14] + b"\xff\xff" + b"\0" * 12)
    yield "exif_order.jpg", block(body[:6] + b"XX" + body[8:])


# ---- PNG

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_rows(samples, depth):
    """samples: height x width x channels. Filter 0 before every row."""
    height, width, channels = samples.shape
    rows = b""
    for row in samples.reshape(height, width * channels):
        if depth == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
        elif depth == 8:
            rows += b"\0" + row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(v, "0%db" % depth) for v in row)
            bits += "0" * (-len(bits) % 8)
            rows += b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return rows


def png(samples, kind, depth, interlaced=False, palette=None, trns=None, extra=b""):
    height, width, _ = samples.shape
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        raw = b"".join(pack_rows(p, depth) for p in passes if p.size)
    else:
        raw = pack_rows(samples, depth)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced))
    data += extra
    if palette is not None:
        data += chunk(b"PLTE", palette.astype(np.uint8).tobytes())
    if trns is not None:
        data += chunk(b"tRNS", trns)
    return data + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def samples_of(kind, depth, width=19, height=13):
    """A drawing with as many channels as the kind has, scaled to the depth."""
    picture = drawing(width, height, 4)[:, :, : CHANNELS[kind]].astype(np.uint32)
    if kind == GREY_ALPHA:
        picture = drawing(width, height, 4)[:, :, [0, 3]].astype(np.uint32)
    if depth == 16:
        return picture * 256 + (255 - picture)
    return picture >> (8 - depth)


def by_specification(samples, kind, depth, transparent=None):
    """Where Pillow is odd: of 16 bits the upper 8 (it clips 16-bit grey), fewer than 8 bits are spread over 0..255, and
    the transparent colour is compared before that (it compares afterwards)."""
    high = (samples >> 8 if depth == 16 else samples * (255 // (2**depth - 1))).astype(np.float64)
    if kind == GREY:
        colour, alpha = np.repeat(high, 3, axis=2), np.full(high.shape[:2], 255.0)
    elif kind == GREY_ALPHA:
        colour, alpha = np.repeat(high[:, :, :1], 3, axis=2), high[:, :, 1]
    elif kind == RGB:
        colour, alpha = high, np.full(high.shape[:2], 255.0)
    else:
        colour, alpha = high[:, :, :3], high[:, :, 3]
    if transparent is not None:
        alpha = np.where((samples == transparent).all(axis=2), 0.0, 255.0)
    alpha = alpha[:, :, None]
    return np.rint((colour * alpha + 255 * (255 - alpha)) / 255).astype(np.uint8)


def write_png(name, data, rgb=None):
    pillow = over_white(Image.open(io.BytesIO(data)))
    if rgb is None:
        rgb = pillow
    decode(name, data, rgb, 0)


def write_pngs():
    names = {GREY: "grey", RGB: "rgb", PALETTE: "palette", GREY_ALPHA: "grey_alpha", RGB_ALPHA: "rgb_alpha"}
    depths = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
    random = np.random.RandomState(7)
    for kind, name in names.items():
        for depth in depths[kind]:
            for interlaced in (False, True):
                stem = "%s_%d%s" % (name, depth, "_interlaced" if interlaced else "")
                samples = samples_of(kind, depth)
                palette = random.randint(0, 256, (2**depth, 3)) if kind == PALETTE else None
                rgb = by_specification(samples, kind, depth) if depth == 16 else None
                write_png(stem + ".png", png(samples, kind, depth, interlaced, palette), rgb)
                write_png_trns(stem, samples, kind, depth, interlaced, palette, random)
    for width, height in ((1, 1), (1, 9), (9, 1), (3, 2)):
        samples = samples_of(RGB_ALPHA, 8, width, height)
        write_png("interlaced_%dx%d.png" % (width, height), png(samples, RGB_ALPHA, 8, True))
    samples = samples_of(RGB, 8)
    gamma = chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"tEXt", b"Comment\0drawn")
    write_png("gamma.png", png(samples, RGB, 8, extra=gamma))
    refuse("huge.png", png(samples, RGB, 8)[:16] + struct.pack(">II", 50000, 50000) + png(samples, RGB, 8)[24:], "RECSYS_ELIMIT")
    good = png(samples, RGB, 8)
    refuse("zero_width.png", good[:16] + struct.pack(">I", 0) + good[20:], "RECSYS_EFORMAT")
    refuse("header_checksum.png", good[:29] + b"\0\0\0\0" + good[33:], "RECSYS_EFORMAT")
    refuse("no_header.png", good[:12] + b"IHDX\xff\xff\xff\xff" + good[20:], "RECSYS_EFORMAT")
    refuse("data_checksum.png", good[:-16] + b"\0\0\0\0" + good[-12:], "RECSYS_EFORMAT")
    refuse("no_palette.png", png(samples_of(PALETTE, 8), PALETTE, 8), "RECSYS_EFORMAT")
    refuse("few_rows.png", good[:20] + ihdr_height(good, 40), "RECSYS_EFORMAT")


def ihdr_height(data, height):
    """The rest of a PNG from its height on, with another height and a correct checksum."""
    header = data[12:20] + struct.pack(">I", height) + data[24:29]
    return header[8:] + struct.pack(">I", zlib.crc32(header)) + data[33:]


def write_png_trns(stem, samples, kind, depth, interlaced, palette, random):
    if kind == PALETTE:
        alpha = bytes(random.randint(0, 256, min(2**depth, 100)).tolist())
        write_png(stem + "_trns.png", png(samples, kind, depth, interlaced, palette, alpha))
    elif kind in (GREY, RGB):
        samples = samples.copy()
        transparent = samples[4, 5].copy()
        samples[2:6, 3:9] = transparent
        trns = b"".join(struct.pack(">H", v) for v in transparent)
        samples[0, 0] = transparent ^ 1  # nearly transparent: at 16 bits only the lower byte differs
        rgb = None if depth == 8 else by_specification(samples, kind, depth, transparent)
        write_png(stem + "_trns.png", png(samples, kind, depth, interlaced, None, trns), rgb)


# ---- Resampling


def write_resizes():
    cases = {
        "resize_a": ((41, 29), ((64, 48), (20, 14), (41, 60), (7, 29), (1, 1), (83, 5), (13, 90))),
        "resize_b": ((3, 67), ((5, 9), (40, 40), (3, 33), (2, 100))),
        "resize_c": ((1, 1), ((4, 3), (17, 1))),
        "resize_d": ((150, 2), ((10, 1), (37, 3))),
    }
    filters = (("bilinear", Image.BILINEAR), ("nearest", Image.NEAREST))
    for name, (size, targets) in cases.items():
        source = drawing(*size)
        write_ppm(name + ".ppm", source)
        for width, height in targets:
            for word, method in filters:
                out = "%s_%s_%dx%d.ppm" % (name, word, width, height)
                write_ppm(out, np.asarray(Image.fromarray(source).resize((width, height), method)))
                lines.append("resize %s.ppm %s %s" % (name, word, out))


def write_corpus():
    """Small files of every kind, which the fuzz targets start from."""
    for folder, ending in (("jpeg", ".jpg"), ("png", ".png")):
        target = os.path.join(CORPUS, folder)
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for name in sorted(os.listdir(OUT)):
            if name.endswith(ending) and ("trns" in name or "interlaced" not in name):
                shutil.copy(os.path.join(OUT, name), target)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    write_jpegs()
    write_pngs()
    write_resizes()
    with open(os.path.join(OUT, "list.txt"), "w") as file:
        file.write("\n".join(lines) + "\n")
    write_corpus()


if __name__ == "__main__":
    main()
