"""Tables and a chart of the comparisons that run.sh has made.

    report.py NOTES LEFT_OUT DOCUMENT CHART TITLE     NOTES: of peers.py; LEFT_OUT: a file with a line for each peer that could
                                                      not be had; DOCUMENT: Markdown, whose part between the two marks of
                                                      run.sh is replaced; CHART: an SVG file; TITLE: machine, date, versions
"""
import html
import json
import os
import sys

BEGIN, END = "<!-- run.sh: begin -->\n", "<!-- run.sh: end -->\n"


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def tables(notes):
    lines, group = [], None
    for n in notes:
        if n["group"] != group:
            group = n["group"]
            lines += ["", f"**{group}**", "", "| what | unit | librecsys | peer | the peer's | times as fast (range) |",
                      "| --- | --- | --- | --- | --- | --- |"]
        behind = "" if n["ratio"] >= 1 else " (behind)"
        lines.append(f"| {n['label']} | {n['unit']} | {number(n['ours'])} | {n['peer']} | {number(n['theirs'])} | "
                     f"{n['ratio']:.2f} ({n['least']:.2f} to {n['most']:.2f}){behind} |")
    return lines


def chart(notes, path):
    """Bars of the quotients on a logarithmic scale from 1/2 to 32, with their ranges."""
    import math
    left, width, row, top = 430, 330, 20, 40
    low, high = math.log2(0.5), math.log2(32)

    def x(value):
        return left + width * (min(max(math.log2(value), low), high) - low) / (high - low)

    height = top + row * len(notes) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 60} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{left + width + 60}" height="{height}" fill="#fff"/>',
           f'<text x="{left}" y="14">times as fast as the peer (median and range of the rounds)</text>']
    for mark in (0.5, 1, 2, 4, 8, 16, 32):
        colour = "#444" if mark == 1 else "#ddd"
        out.append(f'<path d="M{x(mark):.1f} {top - 6}V{height - 8}" stroke="{colour}"/><text x="{x(mark):.1f}" y="{top - 10}" '
                   f'text-anchor="middle" fill="#666">{mark:g}</text>')
    for i, n in enumerate(notes):
        y = top + i * row
        colour = "#3b7" if n["ratio"] >= 1 else "#c64"
        start, end = sorted((x(1), x(n["ratio"])))
        out.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{html.escape(n["label"])}: {html.escape(n["peer"])}</text>'
                   f'<rect x="{start:.1f}" y="{y + 3}" width="{max(end - start, 1):.1f}" height="12" fill="{colour}"/>'
                   f'<path d="M{x(n["least"]):.1f} {y + 9}H{x(n["most"]):.1f}" stroke="#000"/>'
                   f'<text x="{max(end, x(n["most"])) + 4:.1f}" y="{y + 13}">{n["ratio"]:.2f}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n</svg>\n")


def main():
    notes_path, left_out, document, picture, title = sys.argv[1:6]
    with open(notes_path, encoding="utf-8") as file:
        notes = [json.loads(line) for line in file]
    with open(left_out, encoding="utf-8") as file:
        missing = [line.strip() for line in file if line.strip()]
    with open(document, encoding="utf-8") as file:
        text = file.read()
    first, last = text.index(BEGIN) + len(BEGIN), text.index(END)
    most, least = max(n["rounds"] for n in notes), min(n["rounds"] for n in notes)
    few = sorted({n["label"] for n in notes if n["rounds"] < most})
    rounds = f"{most} alternating rounds" + (f" ({least}: {', '.join(few)})" if few else "")
    body = [f"{title}. Medians of {rounds}; quotients of each round, median and range. "
            f"{'Left out: ' + '; '.join(missing) if missing else 'No peer was left out'}.", "",
            f"![How many times as fast as each peer]({os.path.basename(picture)})", *tables(notes), ""]
    chart(notes, picture)
    with open(document, "w", encoding="utf-8") as file:
        file.write(text[:first] + "\n".join(body) + text[last:])


main()
