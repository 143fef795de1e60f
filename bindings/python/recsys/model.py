"""Pictures to embeddings and class scores, and training."""
from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from . import _abi, errors
from ._arrays import Array, address, array, optional
from ._library import Handle, Path, Watch, check, encode, encode_path, lib, open_handle, options
from .images import Image, images as read_images, statuses as new_statuses

_PRECISIONS = {"auto": 0, "float32": 1, "bfloat16": 2, "int8": 3}
_ISOLATIONS = {"none": 0, "process": 1}
_OPTIMISERS = {"sgd": 0, "adamw": 1}
_SCHEDULES = {"cosine": 0, "constant": 1, "steps": 2}

Progress = Optional[Callable[[str, int, int], Any]]
TrainProgress = Optional[Callable[[dict[str, Any]], Any]]


class ModelInfo(NamedTuple):
    """The facts that one needs to size arrays."""

    dim: int
    """floats in one embedding"""
    classes: int
    """scores per picture; 0: no classifier"""
    parameters: int
    trained: bool
    """False: random weights"""
    precision: str
    """``"float32"`` or ``"bfloat16"``: what runs"""
    architecture: str
    layer: str
    recipe: str
    fingerprint: str
    """64 hexadecimal digits over weights, architecture, layer and recipe"""


class Label(NamedTuple):
    """A class of a trained model."""

    field: str
    value: str
    exclusive: bool = False
    """a picture has exactly one label of this field (all of its labels say so)"""


class LabelMetrics(NamedTuple):
    """How well one label is told, with scikit-learn's definitions."""

    known: int
    support: int
    threshold: float
    accuracy: float
    precision: float
    recall: float
    f1: float
    average_precision: float


class Metrics(NamedTuple):
    """Of all labels."""

    labels: list[LabelMetrics]
    micro: LabelMetrics
    macro: LabelMetrics


class QuantizeReport(NamedTuple):
    """How near an int8 model comes to float32, on pictures that gave it no ranges."""

    layers: int
    calibrated: int
    compared: int
    neighbours: int
    cosine: float
    least_cosine: float
    equal_neighbours: float
    equal_classes: float  # -1: there is no classifier


def _choose(words: dict[str, int], word: str, name: str) -> int:
    try:
        return words[word]
    except (KeyError, TypeError):
        raise ValueError(f"{name} is {' or '.join(map(repr, words))}, not {word!r}") from None


def _model_options(watch: Watch, given: dict[str, Any]) -> Any:
    known = {
        "architecture", "layer", "recipe", "engine", "engine_path", "device", "precision", "threads", "isolation", "seed",
        "classes", "scaled_jpeg", "direct", "max_file_bytes", "max_pixels", "max_decode_bytes", "max_scans", "log",
    }  # fmt: skip
    for name in given.keys() - known:
        raise TypeError(f"unknown option {name!r}; there are {', '.join(sorted(known))}")
    fields: dict[str, Any] = {k: given.get(k) for k in known - {"precision", "isolation", "scaled_jpeg", "direct", "log"}}
    for name in ("architecture", "layer", "recipe", "engine", "device"):
        fields[name] = encode(fields[name])
    if fields["engine_path"] is not None:
        fields["engine_path"] = encode_path(fields["engine_path"])
    fields["precision"] = _choose(_PRECISIONS, given.get("precision", "auto"), "precision")
    fields["isolation"] = _choose(_ISOLATIONS, given.get("isolation", "process"), "isolation")
    fields["flags"] = (_abi.MODEL_SCALED_JPEG if given.get("scaled_jpeg") else 0) | (
        _abi.MODEL_DIRECT if given.get("direct") else 0
    )
    fields["log"] = watch.log(given.get("log"))
    return options(_abi.ModelOptions, **fields)


class Model(Handle):
    """A network: ``Model(path)`` opens a safetensors file, ``Model.create`` makes one with random weights.

    Options (all by keyword): ``architecture``, ``layer`` (which activation is the embedding), ``recipe``, ``engine``,
    ``engine_path``, ``device`` ("cpu", "cuda"), ``precision`` ("auto", "float32", "bfloat16", "int8"), ``threads``,
    ``isolation``, ``scaled_jpeg``, ``direct`` (no Winograd convolutions), ``max_file_bytes``, ``max_pixels``, ``max_decode_bytes``, ``max_scans``, ``log``
    (a callable of level and message).

    The engine (libtorch) runs in a process of its own, so that a PyTorch in this one does no harm;
    ``isolation="none"`` runs it here, which is an error where another libtorch is loaded.

    A model runs one call at a time; further threads wait. The GIL is released in every call.
    """

    _close_function = "recsys_model_close"

    def __init__(self, path: Path, **options: Any) -> None:
        watch = Watch()
        made = _model_options(watch, options)
        super().__init__(open_handle("recsys_model_open", encode_path(path), ctypes.byref(made), watch=watch), watch)

    @classmethod
    def create(cls, architecture: str, *, seed: int = 0, classes: int = 0, **options: Any) -> Model:
        """A network of a known architecture with random weights, the same on every machine."""
        watch = Watch()
        made = _model_options(watch, {**options, "seed": seed, "classes": classes})
        return cls._of(
            open_handle("recsys_model_create", encode(architecture), ctypes.byref(made), watch=watch), watch
        )

    @classmethod
    def combine(cls, parts: Sequence[Model], weights: Optional[Sequence[float]] = None) -> Model:
        """An ensemble: rows are the parts' unit rows times the square root of their weights, one after the other."""
        weighed = optional(weights, np.float64, "weights", len(parts))
        addresses = [part._enter() for part in parts]
        try:
            table = (ctypes.c_void_p * max(len(parts), 1))(*addresses)
            return cls._of(open_handle("recsys_model_combine", table, address(weighed), len(parts)))
        finally:
            for part in parts:
                part._leave()

    @classmethod
    def _of(cls, handle: int, watch: Optional[Watch] = None) -> Model:
        made = cls.__new__(cls)
        Handle.__init__(made, handle, watch)
        return made

    @property
    def info(self) -> ModelInfo:
        """Sizes, layer, fingerprint."""
        raw = options(_abi.ModelInfo)
        self._call("recsys_model_get_info", ctypes.byref(raw))
        return ModelInfo(
            raw.dim, raw.classes, raw.parameters, bool(raw.trained), {n: word for word, n in _PRECISIONS.items()}.get(raw.precision, "unknown"),
            raw.architecture.decode(), raw.layer.decode(), raw.recipe.decode(), raw.fingerprint.decode(),
        )  # fmt: skip

    @property
    def dim(self) -> int:
        """Floats in one embedding."""
        return self.info.dim

    @property
    def fingerprint(self) -> str:
        """What names the space of its embeddings in a store."""
        return self.info.fingerprint

    @property
    def labels(self) -> list[Label]:
        """The classes of a trained model with their fields, in the order of the scores."""
        made = []
        for i in range(self.info.classes):
            exclusive = ctypes.c_uint32()
            field = self._text_with_flag(i, exclusive)
            made.append(Label(field, self._text("recsys_model_get_class_name", i), bool(exclusive.value)))
        return made

    def _text_with_flag(self, index: int, flag: ctypes.c_uint32) -> str:
        buffer, length, error = ctypes.create_string_buffer(256), ctypes.c_size_t(), _abi.Error()
        pointer_to = self._enter()
        try:
            status = lib.recsys_model_get_class_field(
                pointer_to, index, buffer, 256, ctypes.addressof(length), ctypes.addressof(flag), ctypes.byref(error)
            )
        finally:
            self._leave()
        check(status, error)
        return buffer.value.decode("utf-8", "replace")

    @property
    def class_names(self) -> list[str]:
        """The names of the classes, in the order of the scores; NotFound where the file has none."""
        return [self._text("recsys_model_get_class_name", i) for i in range(self.info.classes)]

    def describe(self) -> dict[str, Any]:
        """Everything about it: layers with their sizes, recipe, engine, precision and why."""
        described: dict[str, Any] = json.loads(self._text("recsys_model_describe"))
        return described

    def save(self, path: Path) -> None:
        """Writes a complete model file; the file of that name is the old or the new one, whole."""
        self._call("recsys_model_save", encode_path(path))

    def _run(self, name: str, given: Any, width: int, progress: Progress, out: Optional[Array]) -> Array:
        made, n, kept = read_images(given)
        if out is None:
            out = np.empty((n, width), np.float32)
        elif (
            not isinstance(out, np.ndarray) or out.dtype != np.float32 or out.shape != (n, width) or not out.flags.c_contiguous
            or not out.flags.writeable
        ):  # fmt: skip
            raise ValueError(f"out must be a contiguous float32 array of {n} x {width}")
        watch, status = Watch(), new_statuses(n)
        how = options(_abi.EmbedOptions, progress=watch.progress(progress))
        try:
            self._watched(watch, name, made, n, ctypes.byref(how), address(out), address(status))
        except errors.Partial as partial:
            partial.statuses, partial.result = status, out
            raise
        del kept
        return out

    def embed(
        self, images: Union[Image, Sequence[Image]], *, progress: Progress = None, out: Optional[Array] = None
    ) -> Array:
        """Rows of n pictures: float32, n x dim, as the layer gives them (not normalised).

        A picture that cannot be used raises ``Partial``, whose ``result`` has all rows (its own is zeros) and whose
        ``statuses`` tell which failed.
        """
        return self._run("recsys_model_embed", images, self.info.dim, progress, out)

    def classify(
        self, images: Union[Image, Sequence[Image]], *, progress: Progress = None, out: Optional[Array] = None
    ) -> Array:
        """Scores of n pictures: float32, n x classes, in 0..1. Else as ``embed``."""
        return self._run("recsys_model_classify", images, self.info.classes, progress, out)

    # -- training

    def train(
        self,
        path: Path,
        images: Sequence[Image],
        labels: Sequence[Label],
        matrix: Any,
        *,
        parts: Optional[Sequence[int]] = None,
        progress: TrainProgress = None,
        **settings: Any,
    ) -> Array:
        """Learns labels from pictures and writes a complete model file; this model is not changed.

        Args:
            path: where the trained model goes.
            images: n pictures.
            labels: the classes; those of one field stand together.
            matrix: n x len(labels), int8: 1 present, 0 absent, -1 unknown.
            parts: per picture its fold, or 0 trains and 1 validates; negative: left out.
            progress: called with a dict (phase, epoch, epochs, step, steps, training_loss, validation_loss).
            settings: see ``recsys_train_options`` in recsys.h: hidden, dropout, epochs, batch, learning_rate,
                momentum, weight_decay, balance, patience, folds, validation, seed, fine_tune_blocks,
                fine_tune_epochs, fine_tune_rate, fine_tune_batch, checkpoint, memory, cache, and
                ``optimiser="sgd"|"adamw"``, ``schedule="cosine"|"constant"|"steps"``, ``restart``, ``raw_features``,
                ``half``.

        Returns:
            int32 statuses, one per picture: negative where it could not be used and was left out.
        """
        made, n, kept = read_images(images)
        known = array(matrix, np.int8, "matrix", (n, len(labels)))
        table = (_abi.Label * max(len(labels), 1))()
        for i, label in enumerate(labels):
            field, value = label.field.encode(), label.value.encode()
            kept += [field, value]
            table[i] = _abi.Label(field, value, 1 if label.exclusive else 0, 0)
        return self._learn(
            "recsys_model_train", (encode_path(path), made, n, table, len(labels), address(known)),
            n, parts, progress, settings,
        )  # fmt: skip

    def distill(
        self,
        teacher: Model,
        path: Path,
        images: Sequence[Image],
        *,
        parts: Optional[Sequence[int]] = None,
        progress: TrainProgress = None,
        **settings: Any,
    ) -> Array:
        """Teaches this network what another one sees, and writes the result to a file. Settings as in ``train``."""
        made, n, kept = read_images(images)
        taught = teacher._enter()
        try:
            return self._learn(
                "recsys_model_distill", (taught, encode_path(path), made, n), n, parts, progress, settings
            )
        finally:
            teacher._leave()
            del kept

    def quantize(
        self,
        path: Path,
        images: Sequence[Image],
        *,
        calibrate: int = 0,
        compare: int = 0,
        seed: int = 0,
        progress: Progress = None,
    ) -> QuantizeReport:
        """Makes an int8 model of this network and writes it to a file; this model is not changed.

        Args:
            path: where the int8 model goes.
            images: pictures like those that it will see, some hundred.
            calibrate: pictures that give the ranges, at most; 0: 300. Never more than half.
            compare: other pictures that the report is of, at most; 0: 1000.
            seed: of the draw which pictures these are.
            progress: called with phase ("calibrate", "compare"), done, total.

        Pictures that cannot be used raise ``Partial`` after the file was written; its ``result`` is the report.
        """
        made, n, kept = read_images(images)
        watch = Watch()
        how = options(
            _abi.QuantizeOptions, calibrate=calibrate, compare=compare, seed=seed, progress=watch.progress(progress)
        )
        report = _abi.QuantizeReport(struct_size=ctypes.sizeof(_abi.QuantizeReport))
        status = new_statuses(n)
        try:
            self._watched(
                watch, "recsys_model_quantize", encode_path(path), made, n, ctypes.byref(how), ctypes.byref(report),
                address(status),
            )  # fmt: skip
        except errors.Partial as partial:
            partial.result, partial.statuses = self._report(report), status
            raise
        finally:
            del kept
        return self._report(report)

    @staticmethod
    def _report(raw: Any) -> QuantizeReport:
        return QuantizeReport(*(getattr(raw, name) for name in QuantizeReport._fields))

    def _learn(
        self, name: str, arguments: tuple[Any, ...], n: int, parts: Any, progress: TrainProgress, settings: dict[str, Any]
    ) -> Array:
        watch = Watch()
        chosen = dict(settings)
        flags = sum(
            bit for word, bit in (("restart", 1), ("raw_features", 2), ("half", 4)) if chosen.pop(word, False)
        )
        chosen["optimiser"] = _choose(_OPTIMISERS, chosen.get("optimiser", "sgd"), "optimiser")
        chosen["schedule"] = _choose(_SCHEDULES, chosen.get("schedule", "cosine"), "schedule")
        fixed = {"struct_size", "flags", "reserved", "progress", "progress_user", "parts"}
        free = {field[0] for field in _abi.TrainOptions._fields_} - fixed
        for word in chosen.keys() - free:
            raise TypeError(f"unknown setting {word!r}; there are {', '.join(sorted(free | {'restart', 'raw_features', 'half'}))}")
        if chosen.get("cache") is not None:
            chosen["cache"] = encode_path(chosen["cache"])
        divided = optional(parts, np.int32, "parts", n)
        how = options(
            _abi.TrainOptions, flags=flags, parts=address(divided), progress=watch.train_progress(progress), **chosen
        )
        status = new_statuses(n)
        try:
            self._watched(watch, name, *arguments, ctypes.byref(how), address(status))
        except errors.Partial:
            pass  # the file is written; the statuses tell what was left out
        return status

    def _metrics(self, name: str, *arguments: Any, statuses: Optional[Array] = None) -> Metrics:
        n = self.info.classes + 2
        table = (_abi.LabelMetrics * n)()
        tail = () if statuses is None else (address(statuses),)
        self._call(name, *arguments, table, *tail)
        listed = [LabelMetrics(*(getattr(row, field) for field in LabelMetrics._fields)) for row in table]
        return Metrics(listed[:-2], listed[-2], listed[-1])

    @property
    def metrics(self) -> Metrics:
        """Of a trained model, on the pictures that its training held out."""
        return self._metrics("recsys_model_get_metrics")

    def evaluate(self, images: Sequence[Image], matrix: Any) -> Metrics:
        """The same, measured now on n pictures; matrix n x classes as in ``train``."""
        made, n, kept = read_images(images)
        known = array(matrix, np.int8, "matrix", (n, self.info.classes))
        try:
            return self._metrics(
                "recsys_model_evaluate", made, n, address(known), None, statuses=new_statuses(n)
            )
        finally:
            del kept

    @property
    def report(self) -> dict[str, Any]:
        """How it was trained: settings, data, losses per epoch, metrics."""
        told: dict[str, Any] = json.loads(self._text("recsys_model_get_report"))
        return told

