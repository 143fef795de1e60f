"""The C interface as ctypes sees it: constants, structs and functions of include/recsys.h, in its order.

A test compares all of this with the header and with the names that the library exports.
"""
from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

VERSION_MAJOR = 0
VERSION_MINOR = 1

OK = 0
EINVAL = -1
ENOMEM = -2
EIO = -3
EFORMAT = -4
EVERSION = -5
EUNSUPPORTED = -6
ELIMIT = -7
ENOTFOUND = -8
EBUSY = -9
EREADONLY = -10
EFULL = -11
EMISMATCH = -12
ECANCELLED = -13
EPARTIAL = -14
ENOENGINE = -15
EENGINE = -16
EFORKED = -17
ENOTFITTED = -18
EINTERNAL = -19
NOTE_FALLBACK_POPULAR = 1
NOTE_SHORT = 2
LOG_ERROR = 1
LOG_WARNING = 2
LOG_INFO = 3
IMAGE_FILE = 1
IMAGE_BYTES = 2
IMAGE_PIXELS = 3
PIXELS_RGB = 0
PIXELS_BGR = 1
PIXELS_RGBA = 2
PIXELS_BGRA = 3
PIXELS_GRAY = 4
PRECISION_AUTO = 0
PRECISION_FLOAT32 = 1
PRECISION_BFLOAT16 = 2
PRECISION_INT8 = 3
ISOLATION_NONE = 0
ISOLATION_PROCESS = 1
MODEL_SCALED_JPEG = 1
MODEL_DIRECT = 2
LABEL_UNKNOWN = -1
LABEL_ABSENT = 0
LABEL_PRESENT = 1
OPTIMISER_SGD = 0
OPTIMISER_ADAMW = 1
SCHEDULE_COSINE = 0
SCHEDULE_CONSTANT = 1
SCHEDULE_STEPS = 2
TRAIN_RESTART = 1
TRAIN_RAW_FEATURES = 2
TRAIN_HALF = 4
STORE_READ_ONLY = 1
STORE_MUST_EXIST = 2
STORE_IMMUTABLE = 4
ITEMS = 1
USERS = 2
RESOLVE_CREATE = 1
SPACE_DEFAULT = 1
CLAUSE_ANY = 1
CLAUSE_ALL = 2
CLAUSE_NONE = 3
CLAUSE_RANGE = 4
FILTER_ALLOW = 1
FILTER_MIN_SIMILARITY = 2
FILTER_MAX_DISTANCE = 4
FILTER_RATED = 8
METRIC_COSINE = 0
METRIC_EUCLIDEAN = 1
RECOMMEND_UNIQUE = 1
SOURCE_NONE = 0
SOURCE_RATINGS = 1
SOURCE_FEATURES = 2
SOURCE_POPULAR = 3
REASON_ITEM = 1
REASON_CONSTANT = 2
PART_TRAIN = 0
PART_TEST = 1
PART_HISTORY = 2
PART_UNUSED = 3
CANDIDATES_ALL = 0
CANDIDATES_HIDDEN = 1

# progress(user, phase, done, total): not 0 cancels. log(user, level, message).
PROGRESS = CFUNCTYPE(c_int, c_void_p, c_char_p, c_uint64, c_uint64)
LOG = CFUNCTYPE(None, c_void_p, c_int32, c_char_p)


class Error(Structure):
    _fields_ = [
        ("status", c_int32),
        ("detail", c_int32),
        ("message", c_char * 248),
    ]


class Image(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("format", c_uint32),
        ("path", c_char_p),
        ("data", c_void_p),
        ("size", c_uint64),
        ("width", c_uint32),
        ("height", c_uint32),
        ("stride", c_uint64),
        ("crop_x", c_uint32),
        ("crop_y", c_uint32),
        ("crop_width", c_uint32),
        ("crop_height", c_uint32),
        ("reserved", c_uint64 * 8),
    ]


class ModelOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("architecture", c_char_p),
        ("layer", c_char_p),
        ("recipe", c_char_p),
        ("engine", c_char_p),
        ("engine_path", c_char_p),
        ("device", c_char_p),
        ("precision", c_uint32),
        ("threads", c_uint32),
        ("seed", c_uint64),
        ("classes", c_uint64),
        ("max_file_bytes", c_uint64),
        ("max_pixels", c_uint64),
        ("max_decode_bytes", c_uint64),
        ("max_scans", c_uint32),
        ("isolation", c_uint32),
        ("log", LOG),
        ("log_user", c_void_p),
    ]


class ModelInfo(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("precision", c_uint32),
        ("dim", c_uint64),
        ("classes", c_uint64),
        ("parameters", c_uint64),
        ("trained", c_uint32),
        ("reserved", c_uint32),
        ("fingerprint", c_char * 72),
        ("architecture", c_char * 32),
        ("layer", c_char * 64),
        ("recipe", c_char * 32),
    ]


class EmbedOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
    ]


class Label(Structure):
    _fields_ = [
        ("field", c_char_p),
        ("value", c_char_p),
        ("exclusive", c_uint32),
        ("reserved", c_uint32),
    ]


class TrainProgress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("fold", c_uint32),
        ("phase", c_char_p),
        ("epoch", c_uint32),
        ("epochs", c_uint32),
        ("step", c_uint64),
        ("steps", c_uint64),
        ("training_loss", c_double),
        ("validation_loss", c_double),
    ]


TRAIN_PROGRESS = CFUNCTYPE(c_int, c_void_p, POINTER(TrainProgress))


class TrainOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("optimiser", c_uint32),
        ("schedule", c_uint32),
        ("hidden", c_int64),
        ("dropout", c_double),
        ("epochs", c_uint32),
        ("batch", c_uint32),
        ("learning_rate", c_double),
        ("momentum", c_double),
        ("weight_decay", c_double),
        ("balance", c_double),
        ("patience", c_uint32),
        ("folds", c_uint32),
        ("validation", c_double),
        ("parts", c_void_p),
        ("seed", c_uint64),
        ("fine_tune_blocks", c_uint32),
        ("fine_tune_epochs", c_uint32),
        ("fine_tune_rate", c_double),
        ("fine_tune_batch", c_uint32),
        ("reserved", c_uint32),
        ("checkpoint", c_double),
        ("memory", c_uint64),
        ("cache", c_char_p),
        ("progress", TRAIN_PROGRESS),
        ("progress_user", c_void_p),
    ]


class QuantizeOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("calibrate", c_uint64),
        ("compare", c_uint64),
        ("seed", c_uint64),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
    ]


class QuantizeReport(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("layers", c_uint32),
        ("calibrated", c_uint64),
        ("compared", c_uint64),
        ("neighbours", c_uint64),
        ("cosine", c_double),
        ("least_cosine", c_double),
        ("equal_neighbours", c_double),
        ("equal_classes", c_double),
    ]


class LabelMetrics(Structure):
    _fields_ = [
        ("known", c_uint64),
        ("support", c_uint64),
        ("threshold", c_double),
        ("accuracy", c_double),
        ("precision", c_double),
        ("recall", c_double),
        ("f1", c_double),
        ("average_precision", c_double),
    ]


class StoreOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("busy_timeout", c_double),
        ("threads", c_uint32),
        ("reserved", c_uint32),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
        ("log", LOG),
        ("log_user", c_void_p),
    ]


class StoreInfo(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("schema_version", c_uint32),
        ("items", c_uint64),
        ("users", c_uint64),
        ("embeddings", c_uint64),
        ("ratings", c_uint64),
        ("labels", c_uint64),
        ("spaces", c_uint64),
        ("dim", c_uint64),
        ("change", c_int64),
        ("fingerprint", c_char * 136),
        ("events", c_uint64),
    ]


class Clause(Structure):
    _fields_ = [
        ("field", c_char_p),
        ("values", POINTER(c_char_p)),
        ("op", c_uint32),
        ("n_values", c_uint32),
        ("min", c_double),
        ("max", c_double),
        ("reserved", c_uint64 * 3),
    ]


class Filter(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("clauses", POINTER(Clause)),
        ("n_clauses", c_uint64),
        ("allow", c_void_p),
        ("n_allow", c_uint64),
        ("deny", c_void_p),
        ("n_deny", c_uint64),
        ("min_similarity", c_double),
        ("max_distance", c_double),
    ]


class SearchOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("metric", c_uint32),
        ("fingerprint", c_char_p),
        ("filter", POINTER(Filter)),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
        ("approximate", c_uint32),
        ("effort", c_uint32),
    ]


class IndexOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("metric", c_uint32),
        ("fingerprint", c_char_p),
        ("links", c_uint32),
        ("effort", c_uint32),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
    ]


class RankerOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("threads", c_uint32),
        ("fingerprint", c_char_p),
        ("log", LOG),
        ("log_user", c_void_p),
    ]


class FitOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
        ("memory_limit", c_uint64),
    ]


class RecommendOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("flags", c_uint32),
        ("filter", POINTER(Filter)),
        ("targets", c_void_p),
        ("n_targets", c_uint64),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
        ("diversity", c_double),
        ("label_field", c_char_p),
        ("max_per_label", c_uint32),
        ("reserved", c_uint32),
        ("sources", c_void_p),
    ]


class Reason(Structure):
    _fields_ = [
        ("kind", c_int32),
        ("reserved0", c_int32),
        ("item", c_int64),
        ("contribution", c_double),
        ("similarity", c_double),
        ("rating", c_double),
        ("reserved", c_uint64 * 3),
    ]


class EvaluateOptions(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("candidates", c_uint32),
        ("split", c_char_p),
        ("users", c_void_p),
        ("items", c_void_p),
        ("parts", c_void_p),
        ("n_ratings", c_uint64),
        ("k", c_void_p),
        ("n_k", c_uint32),
        ("repeats", c_uint32),
        ("relevant_from", c_double),
        ("fingerprint", c_char_p),
        ("threads", c_uint32),
        ("reserved", c_uint32),
        ("seed", c_uint64),
        ("progress", PROGRESS),
        ("progress_user", c_void_p),
    ]


class Metric(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("users", c_uint32),
        ("unscored", c_uint32),
        ("reserved0", c_uint32),
        ("mean", c_double),
        ("low", c_double),
        ("high", c_double),
        ("deviation", c_double),
        ("difference", c_double),
        ("p_value", c_double),
        ("seconds", c_double),
        ("repeat_mean", c_double),
        ("reserved", c_uint64 * 6),
    ]


# name: (result, arguments). Arrays are plain addresses; NULL is None.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "recsys_version": (c_uint32, []),
    "recsys_status_name": (c_char_p, [c_int32]),
    "recsys_model_open": (c_int32, [POINTER(c_void_p), c_char_p, POINTER(ModelOptions), POINTER(Error)]),
    "recsys_model_create": (c_int32, [POINTER(c_void_p), c_char_p, POINTER(ModelOptions), POINTER(Error)]),
    "recsys_model_save": (c_int32, [c_void_p, c_char_p, POINTER(Error)]),
    "recsys_model_combine": (c_int32, [POINTER(c_void_p), POINTER(c_void_p), c_void_p, c_size_t, POINTER(Error)]),
    "recsys_model_get_info": (c_int32, [c_void_p, POINTER(ModelInfo), POINTER(Error)]),
    "recsys_model_describe": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_model_get_class_name": (c_int32, [c_void_p, c_uint64, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_model_embed": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, POINTER(EmbedOptions), c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_model_classify": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, POINTER(EmbedOptions), c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_model_train": (
        c_int32,
        [
            c_void_p, c_char_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, POINTER(TrainOptions),
            c_void_p, POINTER(Error),
        ],
    ),
    "recsys_model_distill": (
        c_int32,
        [
            c_void_p, c_void_p, c_char_p, c_void_p, c_size_t, POINTER(TrainOptions), c_void_p,
            POINTER(Error),
        ],
    ),
    "recsys_model_quantize": (
        c_int32,
        [
            c_void_p, c_char_p, c_void_p, c_size_t, POINTER(QuantizeOptions), POINTER(QuantizeReport), c_void_p,
            POINTER(Error),
        ],
    ),
    "recsys_model_get_metrics": (c_int32, [c_void_p, c_void_p, POINTER(Error)]),
    "recsys_model_evaluate": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, c_void_p, POINTER(EmbedOptions), c_void_p, c_void_p,
            POINTER(Error),
        ],
    ),
    "recsys_model_get_class_field": (
        c_int32,
        [
            c_void_p, c_uint64, c_char_p, c_size_t, c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_model_get_report": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_model_close": (None, [c_void_p]),
    "recsys_store_open": (c_int32, [POINTER(c_void_p), c_char_p, POINTER(StoreOptions), POINTER(Error)]),
    "recsys_store_get_info": (c_int32, [c_void_p, POINTER(StoreInfo), POINTER(Error)]),
    "recsys_store_describe": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_store_resolve": (c_int32, [c_void_p, c_int32, c_void_p, c_size_t, c_uint32, c_void_p, POINTER(Error)]),
    "recsys_store_get_key": (c_int32, [c_void_p, c_int32, c_int64, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_store_list": (c_int32, [c_void_p, c_int32, c_int64, c_void_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_store_put_space": (c_int32, [c_void_p, c_char_p, c_uint32, c_char_p, c_uint32, POINTER(Error)]),
    "recsys_store_put_embeddings": (
        c_int32,
        [
            c_void_p, c_char_p, c_uint32, c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error),
        ],
    ),
    "recsys_store_put_labels": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_put_numbers": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_put_texts": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_put_ratings": (
        c_int32,
        [
            c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_put_events": (
        c_int32,
        [
            c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_remove": (c_int32, [c_void_p, c_int32, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_remove_embeddings": (c_int32, [c_void_p, c_char_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_remove_labels": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_remove_ratings": (c_int32, [c_void_p, c_void_p, c_void_p, c_size_t, POINTER(Error)]),
    "recsys_store_remove_events": (c_int32, [c_void_p, c_void_p, c_size_t, c_int64, POINTER(Error)]),
    "recsys_store_remove_space": (c_int32, [c_void_p, c_char_p, POINTER(Error)]),
    "recsys_store_get_embeddings": (
        c_int32,
        [
            c_void_p, c_char_p, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_get_label": (
        c_int32,
        [
            c_void_p, c_int64, c_char_p, c_uint32, c_char_p, c_size_t, c_void_p, c_void_p,
            POINTER(Error),
        ],
    ),
    "recsys_store_get_number": (c_int32, [c_void_p, c_int64, c_char_p, c_void_p, POINTER(Error)]),
    "recsys_store_get_text": (c_int32, [c_void_p, c_int64, c_char_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_store_get_ratings": (
        c_int32,
        [
            c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_get_events": (
        c_int32,
        [
            c_void_p, c_int64, c_size_t, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_search": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, c_uint32, c_size_t, POINTER(SearchOptions), c_void_p, c_void_p,
            c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_similar": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, c_size_t, POINTER(SearchOptions), c_void_p, c_void_p, c_void_p,
            c_void_p, POINTER(Error),
        ],
    ),
    "recsys_store_build_index": (c_int32, [c_void_p, POINTER(IndexOptions), POINTER(Error)]),
    "recsys_store_remove_index": (c_int32, [c_void_p, c_char_p, POINTER(Error)]),
    "recsys_store_measure_recall": (
        c_int32,
        [c_void_p, c_uint64, c_uint64, c_uint64, POINTER(SearchOptions), c_void_p, POINTER(Error)],
    ),
    "recsys_store_refresh": (c_int32, [c_void_p, POINTER(Error)]),
    "recsys_store_check": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_store_export": (c_int32, [c_void_p, c_char_p, POINTER(Error)]),
    "recsys_store_close": (None, [c_void_p]),
    "recsys_ranker_create": (c_int32, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(RankerOptions), POINTER(Error)]),
    "recsys_ranker_fit": (c_int32, [c_void_p, POINTER(FitOptions), POINTER(Error)]),
    "recsys_ranker_refresh": (c_int32, [c_void_p, POINTER(FitOptions), POINTER(Error)]),
    "recsys_ranker_recommend": (
        c_int32,
        [
            c_void_p, c_void_p, c_size_t, c_size_t, POINTER(RecommendOptions), c_void_p, c_void_p,
            c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_ranker_recommend_from": (
        c_int32,
        [
            c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_size_t,
            POINTER(RecommendOptions), c_void_p, c_void_p, c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_ranker_score": (
        c_int32,
        [
            c_void_p, c_int64, c_void_p, c_size_t, POINTER(RecommendOptions), c_void_p, POINTER(Error),
        ],
    ),
    "recsys_ranker_explain": (
        c_int32,
        [
            c_void_p, c_int64, c_int64, POINTER(RecommendOptions), c_void_p, c_size_t, c_void_p,
            c_void_p, POINTER(Error),
        ],
    ),
    "recsys_ranker_explain_from": (
        c_int32,
        [
            c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_int64, POINTER(RecommendOptions),
            c_void_p, c_size_t, c_void_p, c_void_p, POINTER(Error),
        ],
    ),
    "recsys_ranker_compare": (c_int32, [c_void_p, c_int64, c_int64, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_ranker_describe": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_ranker_save": (c_int32, [c_void_p, c_char_p, POINTER(Error)]),
    "recsys_ranker_open": (c_int32, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(RankerOptions), POINTER(Error)]),
    "recsys_ranker_close": (None, [c_void_p]),
    "recsys_split": (c_int32, [c_void_p, c_char_p, c_uint32, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_evaluate": (c_int32, [POINTER(c_void_p), c_void_p, c_char_p, POINTER(EvaluateOptions), POINTER(Error)]),
    "recsys_evaluation_get": (c_int32, [c_void_p, c_uint32, c_char_p, c_char_p, POINTER(Metric), POINTER(Error)]),
    "recsys_evaluation_describe": (c_int32, [c_void_p, c_char_p, c_size_t, c_void_p, POINTER(Error)]),
    "recsys_evaluation_close": (None, [c_void_p]),
}
