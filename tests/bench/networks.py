"""Embedding beside OpenVINO and ONNX Runtime (PyPI), two threads each.

    networks.py FOLDER PICTURES [ROUNDS=5 [NETWORK...]]     NETWORK: vgg16 resnet50 googlenet squeezenet1_1

PICTURES: a folder of JPEG files. FOLDER: where networks are written and kept. RECSYS_LIBRARY says where librecsys.so is,
RECSYS_TORCH_PYTHON which Python has torch and torchvision (/usr/bin/python3): it writes each network as a model file and
as ONNX, with the same weights. googlenet and squeezenet1_1 take the published ones where SHARED_DATA/weights has them; all others are random.

In int8 librecsys runs the model that its quantize makes of PICTURES, the peers what ONNX Runtime's quantize_static makes (QDQ,
one scale for each output channel, the first convolution and the last dense layer left in floats as in ours), and OpenVINO its
bfloat16, too.

librecsys goes the whole way from JPEG files to rows in a store on disk, then from pixels to rows; the peers run the network
alone on ready inputs, batch 8. Then one picture: librecsys from its bytes to the row, the peers the network at batch 1. Rounds alternate;
a number is the median of the rounds, with the range of the quotients. Rows of the same input are compared first.
Prints Markdown tables. A peer that is absent is left out, and named.
"""
import os
import subprocess
import sys
import time

from peers import left_out, note

BATCH, THREADS, RUN, CALIBRATE = 8, 2, 32, 64
REST = 0.1  # seconds in which the threads of whoever ran before go to sleep
HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = {"vgg16": "fc2"}
REAL = ("googlenet", "squeezenet1_1")
NAMES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "openvino bf16": "OpenVINO in bfloat16"}
PRECISIONS = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}
LEAST_COSINE = {"f32": 0.999999, "bf16": 0.999, "int8": 0.98}
WHAT = {"files": "files to rows", "batch": "ready pixels", "one": "one picture"}


def layer_of(name):
    return LAYERS.get(name, "avgpool")


# ---- in the Python that has torch


def export(name, folder, weights):
    import torch
    sys.path.insert(0, os.path.join(HERE, "../nn"))
    import reference_nets
    from safetensors_file import read_safetensors, write_safetensors
    net = reference_nets.make(name)
    if os.path.exists(weights):
        given, own = read_safetensors(weights), reference_nets.state(net)
        for key in own:
            own[key].copy_(given[key])
    write_safetensors(f"{folder}/{name}.safetensors", reference_nets.state(net))

    class Embedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return reference_nets.layers(self.net, name, x)[layer_of(name)].flatten(1)

    x = torch.rand(reference_nets.input_shape(name, BATCH))
    torch.onnx.export(Embedding().eval(), x, f"{folder}/{name}.onnx", input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, opset_version=13)


# ---- a peer in a process of its own: for each line "N", the seconds that N pictures take; "check": rows of check.npy


def openvino(path, precision, batch):
    import openvino as ov
    core = ov.Core()
    net = core.read_model(path)
    shape = net.input(0).partial_shape
    shape[0] = batch
    net.reshape(shape)
    kind = ov.Type.bf16 if precision == "bf16" else ov.Type.f32
    run = core.compile_model(net, "CPU", {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": THREADS,
                                          "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    request = run.create_infer_request()
    return lambda x: request.infer([x], share_inputs=True)[0]


def onnxruntime(path, precision, batch):
    import onnxruntime as ort
    if precision == "bf16":
        raise ImportError("it has float32 only")
    how = ort.SessionOptions()
    how.intra_op_num_threads = THREADS
    session = ort.InferenceSession(path, how, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def rows_of(check, peer, precision):
    return f"{check}.{peer}-{precision}.npy"


def serve(peer, path, precision, batch, check):
    import numpy as np
    run = {"openvino": openvino, "onnxruntime": onnxruntime}[peer](path, precision, batch)
    given = np.load(check)
    x = np.resize(given, (batch, *given.shape[1:]))
    np.save(rows_of(check, peer, precision), run(x)[:1])
    for _ in range(2):
        run(x)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line) // batch):
            run(x)
        print(time.perf_counter() - start, flush=True)


class Peer:
    def __init__(self, name, path, precision, batch, check):
        command = [sys.executable, __file__, "serve", name, path, precision, str(batch), check]
        self.name, self.check = name, rows_of(check, name, precision)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            said = self.process.stderr.read().strip().splitlines()
            raise ImportError(said[-1].removeprefix("ImportError: ") if said else "it did not start")

    def seconds(self, pictures):
        self.process.stdin.write(f"{pictures}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---- ours


def picture(side):
    """Smooth colours with some noise; its middle is what torchvision's recipe makes of it, with no resampling."""
    import numpy as np
    random = np.random.default_rng(1)
    coarse = np.kron(random.integers(0, 224, (8, 8, 3)), np.ones((32, 32, 1)))
    return (coarse[:side, :side] + random.integers(0, 32, (side, side, 3))).astype(np.uint8)


def as_input(pixels, side):
    import numpy as np
    first = (pixels.shape[0] - side) // 2
    middle = pixels[first:first + side, first:first + side].astype(np.float32) / 255
    normal = (middle - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def quantise_onnx(name, folder, files, side):
    """The peers' int8 network, by ONNX Runtime's own tool, from the same pictures as ours."""
    import numpy as np
    import onnx
    from onnxruntime import quantization as q
    from PIL import Image
    made = f"{folder}/{name}-int8.onnx"
    if os.path.exists(made):
        return
    graph = onnx.load(f"{folder}/{name}.onnx").graph
    layers = [node.name for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]

    class Pictures(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter(files[:CALIBRATE])

        def get_next(self):
            path = next(self.left, None)
            return None if path is None else {"x": as_input(np.asarray(Image.open(path).convert("RGB").resize((256, 256))), side)}

    q.quantize_static(f"{folder}/{name}.onnx", made, Pictures(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8, nodes_to_exclude=layers[:1])


def quantise(name, folder, files, side):
    """Both int8 networks; the path of ours."""
    import recsys
    made = f"{folder}/{name}-int8.safetensors"
    if not os.path.exists(made):
        with recsys.Model(f"{folder}/{name}.safetensors", architecture=name, layer=layer_of(name), recipe="torchvision",
                          precision="float32", threads=THREADS, isolation="none") as model:
            model.quantize(made, files[:2 * CALIBRATE], calibrate=CALIBRATE)
    try:
        quantise_onnx(name, folder, files, side)
    except Exception as reason:  # whatever the tool says
        left_out(f"the peers in int8, {name} ({type(reason).__name__})")
    return made


def cosine(a, b):
    a, b = a.astype(float).ravel(), b.astype(float).ravel()
    return a @ b / (a @ a * (b @ b)) ** 0.5


def median_ratios(ours, theirs):
    ratios = sorted(o / t for o, t in zip(ours, theirs))
    return f"{ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def middle(values):
    return sorted(values)[len(values) // 2]


def measure(name, precision, folder, files, rounds):
    import numpy as np
    import recsys
    side = {"squeezenet1_1": 227}.get(name, 224)
    check = f"{folder}/check-{side}.npy"
    pixels = picture(256)
    np.save(check, as_input(pixels, side))
    path = quantise(name, folder, files, side) if precision == "int8" else f"{folder}/{name}.safetensors"
    model = recsys.Model(path, architecture=name, layer=layer_of(name), recipe="torchvision", precision=PRECISIONS[precision],
                         threads=THREADS, isolation="none")
    rows = model.embed([pixels])
    store_path = f"{folder}/{name}-{precision}.recsys"
    for end in ("", "-wal", "-shm"):
        if os.path.exists(store_path + end):
            os.remove(store_path + end)
    store = recsys.Store(store_path)
    data = [open(f, "rb").read() for f in files[:RUN]]

    def ready():
        start = time.perf_counter()
        model.embed([pixels] * RUN)
        return time.perf_counter() - start

    def whole_way():
        start = time.perf_counter()
        made = model.embed(files[:RUN])
        store.put_embeddings(np.arange(RUN), made, fingerprint=model.info.fingerprint)
        return time.perf_counter() - start

    def one():
        taken = []
        for d in data[:BATCH]:
            start = time.perf_counter()
            model.embed([d])
            taken.append(time.perf_counter() - start)
        return middle(taken)

    results = []
    for title, batch, ours in (("files", BATCH, whole_way), ("batch", BATCH, ready), ("one", 1, one)):
        pictures = BATCH if title == "one" else RUN
        peers = []
        network = f"{folder}/{name}-int8.onnx" if precision == "int8" else f"{folder}/{name}.onnx"
        compared = [("openvino", precision, network), ("onnxruntime", precision, network)]
        if precision == "int8":
            compared = [c for c in compared if os.path.exists(network)] + [("openvino", "bf16", f"{folder}/{name}.onnx")]
        for peer, kind, network in compared:
            try:
                peers.append(Peer(peer, network, kind, batch, check))
                peers[-1].name = peer if kind == precision else f"{peer} {kind}"
            except ImportError as reason:
                left_out(f"{NAMES[peer]} in {PRECISIONS[kind]} ({reason})")
        for p in peers:
            agreement = cosine(rows[0], np.load(p.check)[0])
            assert agreement > LEAST_COSINE[precision], (p.name, agreement)
        times = {p.name: [] for p in peers}
        mine = []
        ours()
        for _ in range(rounds):
            time.sleep(REST)
            mine.append(ours() / (1 if title == "one" else pictures))
            for p in peers:
                time.sleep(REST)
                times[p.name].append(p.seconds(pictures) / pictures)
        for p in peers:
            p.close()
        results.append((title, mine, times))
    model.close()
    store.close()
    return results


def main():
    folder, pictures = sys.argv[1], sys.argv[2]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    names = sys.argv[4:] or ["vgg16", "resnet50", "googlenet", "squeezenet1_1"]
    sys.path.insert(0, os.path.join(HERE, "../../bindings/python"))
    os.makedirs(folder, exist_ok=True)
    files = sorted(os.path.join(pictures, f) for f in os.listdir(pictures) if f.endswith(".jpg"))
    tables = {"files": [], "batch": [], "one": []}
    for name in names:
        if not os.path.exists(f"{folder}/{name}.onnx"):
            weights = os.path.join(os.environ.get("SHARED_DATA", ""), "weights", f"{name}.safetensors")
            python = os.environ.get("RECSYS_TORCH_PYTHON", "/usr/bin/python3")
            subprocess.run([python, __file__, "export", name, folder, weights if name in REAL else ""], check=True, stdout=subprocess.DEVNULL)
        for precision in PRECISIONS:
            for title, mine, times in measure(name, precision, folder, files, rounds):
                tables[title].append((f"{name} {precision}", mine, times))
                for peer in times:
                    note("Embedding", f"{name} {precision}, {WHAT[title]}", NAMES[peer], mine, times[peer],
                         *(("ms", 1e3) if title == "one" else ("1/s",)))
    headings = {"files": "Pictures a second: librecsys from JPEG files to stored rows, the others the network alone",
                "batch": "Pictures a second: librecsys from pixels to rows, the others the network alone",
                "one": "One picture, ms: librecsys from its bytes to the row, the others the network alone"}
    for title, heading in headings.items():
        scale = 1e3 if title == "one" else None
        print(f"\n{heading}\n\n| network | librecsys | OpenVINO | times as fast | ONNX Runtime | times as fast |")
        print("| --- | --- | --- | --- | --- | --- |")
        for label, mine, times in tables[title]:
            show = (lambda v: f"{scale * middle(v):.2f}") if scale else (lambda v: f"{1 / middle(v):.1f}")
            cells = [label, show(mine)]
            for peer in ("openvino", "onnxruntime"):
                cells += [show(times[peer]), median_ratios(times[peer], mine)] if peer in times else ["", ""]
            print("| " + " | ".join(cells) + " |")


if sys.argv[1] == "export":
    export(*sys.argv[2:])
elif sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
else:
    main()
