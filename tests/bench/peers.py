"""What the scripts that compare with peers share: each comparison is noted for report.py."""
import json
import os
import statistics
import sys


def left_out(what):
    """Says that a peer could not be had, once, and notes it for report.py."""
    print("left out:", what, file=sys.stderr)
    path = os.environ.get("RECSYS_BENCH_LEFT_OUT")
    if path and not (os.path.exists(path) and what in open(path, encoding="utf-8").read().splitlines()):
        with open(path, "a", encoding="utf-8") as file:
            file.write(what + "\n")


def note(group, label, peer, ours, theirs, unit="s", scale=1.0):
    """ours, theirs: seconds of alternating rounds. `unit` is what a table shows, seconds times `scale`; "1/s" shows how
    many a second. Nothing happens where RECSYS_BENCH_NOTES names no file."""
    path = os.environ.get("RECSYS_BENCH_NOTES")
    if not path:
        return
    ratios = [b / a for a, b in zip(ours, theirs)]

    def shown(values):
        return scale / statistics.median(values) if unit == "1/s" else scale * statistics.median(values)

    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"group": group, "label": label, "peer": peer, "unit": unit, "ours": shown(ours), "theirs": shown(theirs),
                               "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
                               "rounds": len(ratios)}) + "\n")
