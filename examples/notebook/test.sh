#!/bin/sh
# Runs shop.ipynb from top to bottom on the drawn catalogue, in the virtual environment that the wheel's test has made.
# Usage: test.sh SOURCE BUILD CATALOGUE
set -eu
source=$1 venv=$2/python-wheel/venv
[ -x "$venv/bin/python" ] || { echo "skipped: there is no virtual environment with the wheel"; exit 77; }
"$venv/bin/pip" install -q nbclient ipykernel matplotlib > /dev/null 2>&1 || { echo "skipped: nbclient cannot be had"; exit 77; }
unset RECSYS_LIBRARY RECSYS_ENGINE_PATH RECSYS_WORKER_PATH MPLBACKEND
export RECSYS_ROOT="$source" RECSYS_CATALOGUE="$3"
"$venv/bin/python" - "$source/examples/notebook/shop.ipynb" << 'END'
import sys
import nbclient
import nbformat

book = nbformat.read(sys.argv[1], 4)
stored = [cell for cell in book.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
assert not stored, "strip the outputs: they do not belong into the repository"
nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
code = [cell for cell in book.cells if cell.cell_type == "code"]
pictures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
text = "".join(output.get("text", "") for cell in code for output in cell.outputs)
print(text)
assert pictures >= 7, f"{pictures} pictures were drawn"
assert "because of SKU-" in text and "nDCG" not in text and "mean F1" in text
END
