/**
 * @file
 * librecsys: product pictures and a rating matrix in, ranked item lists out.
 *
 * This header is the specification: what is not in it is not interface. It compiles as C99 and as C++11.
 *
 *   picture files, bytes or pixels --(recsys_model)--> embeddings --(recsys_store)--> neighbours
 *                              ratings --(recsys_store)--> (recsys_ranker) --> ranked lists, with reasons
 *
 * THE RULES, which hold for every function below
 *
 *  1. A fallible function returns a recsys_status: 0 is success, negative is failure. It takes the address of a new
 *     handle first, then inputs, then outputs, and last a caller-owned recsys_error (NULL allowed), whose message
 *     says what went wrong, where, and what would mend it. There is no "last error" kept anywhere. A successful call
 *     leaves the recsys_error cleared (status 0, empty message).
 *  2. After a failure there is nothing to free: the new handle is NULL and counts are 0. RECSYS_EPARTIAL alone means
 *     that some rows of a batch failed: each row then has its own valid status, and the others are valid results.
 *  3. The library keeps no pointer of the caller after a call (the stated exception: a log callback and its user
 *     pointer, until the handle is closed), and returns no memory to free. Results go to the caller's arrays: a batch
 *     of n lists of up to k entries is row-major n x k, with counts[n]; unused slots are id -1 and score 0. Arrays
 *     that are marked "or NULL" may be left out. A per-row status array holds a recsys_status; a positive value is a
 *     note (RECSYS_NOTE_...), which is still a success.
 *     Text fills `buffer` of `size` bytes, always NUL-terminated when size > 0, cut on a UTF-8 boundary, and *length
 *     (or NULL) reports the full length without the NUL, as snprintf does. Enumeration returns ids in rising order
 *     after `after_id`; start with -1.
 *  4. Options are structs whose first field, struct_size, is set to sizeof the struct, passed by pointer; NULL means
 *     all defaults. Zero means "the default" in every field, for ever, so {sizeof(opts)} or memset is a complete
 *     initialiser. New fields are only appended. A larger struct from a newer caller is refused with
 *     RECSYS_EUNSUPPORTED unless its unknown tail is zero.
 *     Algorithms are strings: a name, then key=value pairs, such as "visual neighbours=40 metric=cosine"; a value with
 *     spaces stands in double quotes with backslash escapes. Numbers use '.', whatever the locale. An unknown name,
 *     an unknown key or an impossible value is an error that lists what exists.
 *  5. Stores and rankers are synchronised inside: every call on them except close may run from any thread at any time.
 *     Reads use an immutable snapshot of memory and never wait for a writer's disk. A model runs one call at a time;
 *     further callers wait. Handles may be closed in any order (a ranker keeps what it needs of its store); closing
 *     NULL does nothing. Closing a handle while another thread is inside a call on it is an error of the caller.
 *  6. Callbacks (progress, log) run on the calling thread, during the call, and must not call back into the same
 *     handle. A progress callback that returns non-zero cancels: the call returns RECSYS_ECANCELLED.
 *  7. Strings are UTF-8; paths are bytes for the operating system. Sizes are in bytes, times in seconds (ratings and
 *     events: Unix time), similarities lie in -1..1 and larger is better, distances are >= 0 and smaller is better.
 *
 * Words: an item or a user is an int64_t id >= 0; a key is the shop's own string for one; a label is a value in a
 * field (genre = Drama); an embedding is a row of `dim` floats for one picture of an item; a fingerprint names exactly
 * how a row was made (weights, architecture, layer, recipe), and a space is all rows with one fingerprint.
 */
#ifndef RECSYS_H
#define RECSYS_H

#include <stddef.h>
#include <stdint.h>

#define RECSYS_VERSION_MAJOR 0
#define RECSYS_VERSION_MINOR 1
#define RECSYS_VERSION_PATCH 0

#if defined(_WIN32) || !defined(__GNUC__)
#define RECSYS_API
#else
#define RECSYS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---------------------------------------------------------------------------------------------------- */

/** The version of the library that is running, as major * 1000000 + minor * 1000 + patch. */
RECSYS_API uint32_t recsys_version(void);

/* ---- Statuses and errors ---------------------------------------------------------------------------------------- */

/** 0 on success, negative on failure, positive for a note on a single row. Values are never renumbered. */
typedef int32_t recsys_status;

enum {
  RECSYS_OK = 0,
  RECSYS_EINVAL = -1,       /**< an argument is impossible: NULL, NaN, out of range, unknown name */
  RECSYS_ENOMEM = -2,       /**< memory could not be had, or a stated memory limit forbids it */
  RECSYS_EIO = -3,          /**< the operating system could not open, read, write or sync */
  RECSYS_EFORMAT = -4,      /**< a file or a picture is damaged, truncated, or not of the expected kind */
  RECSYS_EVERSION = -5,     /**< a file or an engine is of a version that this library does not know */
  RECSYS_EUNSUPPORTED = -6, /**< well-formed, but not supported: an option, an operation, a picture type */
  RECSYS_ELIMIT = -7,       /**< a limit on bytes, pixels, scans or counts was reached before anything was allocated */
  RECSYS_ENOTFOUND = -8,    /**< no such file, item, user, key, field, layer or space */
  RECSYS_EBUSY = -9,        /**< another process holds the store's lock for longer than the timeout */
  RECSYS_EREADONLY = -10,   /**< the store or its folder cannot be written */
  RECSYS_EFULL = -11,       /**< the disk is full; what was stored before is intact */
  RECSYS_EMISMATCH = -12,   /**< another fingerprint, dimension or shape than what is there */
  RECSYS_ECANCELLED = -13,  /**< a progress callback asked to stop */
  RECSYS_EPARTIAL = -14,    /**< some rows failed: see their statuses; all others are valid */
  RECSYS_ENOENGINE = -15,   /**< no engine can run the network here: not built, not found, or unfit */
  RECSYS_EENGINE = -16,     /**< the engine failed while running */
  RECSYS_EFORKED = -17,     /**< this handle's engine belongs to the parent process; open a new model */
  RECSYS_ENOTFITTED = -18,  /**< the ranker was not fitted yet */
  RECSYS_EINTERNAL = -19,   /**< a bug in the library */

  RECSYS_NOTE_FALLBACK_POPULAR = 1, /**< this row: nothing personal could be said, the list is the popular one */
  RECSYS_NOTE_SHORT = 2             /**< this row: fewer than k items pass; counts says how many do */
};

/** The name of a status, such as "RECSYS_EINVAL"; "unknown status" for any other value. Static text. */
RECSYS_API const char *recsys_status_name(recsys_status status);

/** 256 bytes, owned by the caller, frozen. Nothing is ever allocated to report an error. */
typedef struct recsys_error {
  recsys_status status;
  int32_t detail;    /**< the number beneath, where there is one: errno, an SQLite code, a row; else 0 */
  char message[248]; /**< UTF-8, NUL-terminated: what, where, and what would mend it */
} recsys_error;

/* ---- Callbacks -------------------------------------------------------------------------------------------------- */

/** Progress of long work: `done` of `total` steps (total 0: not known) of `phase` ("embed", "load", ...).
 * Return 0 to go on, anything else to cancel. */
typedef int (*recsys_progress_fn)(void *user, const char *phase, uint64_t done, uint64_t total);

enum { RECSYS_LOG_ERROR = 1, RECSYS_LOG_WARNING = 2, RECSYS_LOG_INFO = 3 };

/** One message, without a newline. The library prints nothing by itself. */
typedef void (*recsys_log_fn)(void *user, int32_t level, const char *message);

/* ---- Pictures --------------------------------------------------------------------------------------------------- */

enum {
  RECSYS_IMAGE_FILE = 1,  /**< `path` names a JPEG or PNG file; the content decides, not the name */
  RECSYS_IMAGE_BYTES = 2, /**< `data`, `size`: an encoded JPEG or PNG in memory */
  RECSYS_IMAGE_PIXELS = 3 /**< `data`, `format`, `width`, `height`, `stride`: 8-bit pixels, top row first */
};

enum {
  RECSYS_PIXELS_RGB = 0, /**< 3 bytes a pixel */
  RECSYS_PIXELS_BGR = 1,
  RECSYS_PIXELS_RGBA = 2, /**< 4 bytes a pixel, straight alpha, composed over white */
  RECSYS_PIXELS_BGRA = 3,
  RECSYS_PIXELS_GRAY = 4 /**< 1 byte a pixel */
};

/** One picture. 128 bytes, frozen; unused fields are zero. EXIF orientation of a JPEG is applied before the crop. */
typedef struct recsys_image {
  uint32_t kind;    /**< RECSYS_IMAGE_... */
  uint32_t format;  /**< RECSYS_PIXELS_..., for kind PIXELS */
  const char *path; /**< for kind FILE */
  const void *data; /**< for kinds BYTES and PIXELS */
  uint64_t size;    /**< bytes in data */
  uint32_t width;   /**< pixels, for kind PIXELS */
  uint32_t height;  /**< pixels, for kind PIXELS */
  uint64_t stride;  /**< bytes from row to row, for kind PIXELS; 0: width x bytes per pixel */
  uint32_t crop_x;  /**< the part to use, in pixels of the upright picture; all four 0: the whole */
  uint32_t crop_y;  /**< a part that is not inside the picture is RECSYS_EINVAL for this picture */
  uint32_t crop_width;
  uint32_t crop_height;
  uint64_t reserved[8]; /**< zero */
} recsys_image;

/* ---- Model: picture -> embedding -------------------------------------------------------------------------------- */

typedef struct recsys_model recsys_model;

enum {
  RECSYS_PRECISION_AUTO = 0,
  RECSYS_PRECISION_FLOAT32 = 1,
  RECSYS_PRECISION_BFLOAT16 = 2,
  RECSYS_PRECISION_INT8 = 3
};

enum {
  RECSYS_ISOLATION_NONE = 0,   /**< the engine runs in the caller's process */
  RECSYS_ISOLATION_PROCESS = 1 /**< in a child process of the model's own (the program recsys-worker): the engine's
                                    libraries and threads stay out of the caller's process, a crash there is
                                    RECSYS_EENGINE and the next call starts another one, and the model can be used after
                                    a fork. The weights are kept once more, to be sent again; rows are the same */
};

enum {
  RECSYS_MODEL_SCALED_JPEG = 1, /**< decode large JPEGs at 1/2, 1/4 or 1/8: faster, the embedding changes slightly */
  RECSYS_MODEL_DIRECT = 2       /**< engine "onednn": no Winograd. In float32 it runs 3 x 3 convolutions of stride 1 by
                                     Winograd's F(4 x 4, 3 x 3), which is up to three times as fast and rounds otherwise:
                                     a layer differs by some 1e-6 of its largest value */
};

typedef struct recsys_model_options {
  uint32_t struct_size;
  uint32_t flags;           /**< RECSYS_MODEL_... */
  const char *architecture; /**< NULL: what the file's metadata names, else guessed from its tensor names */
  const char *layer;        /**< which activation is the embedding; NULL: the file's, else the architecture's usual one.
                               NAME@G:        a picture-shaped one averaged over a grid of G x G places (inception_4a@3) */
  const char *recipe; /**< "torchvision", "keras", "caffe", ...; NULL: the file's, else the architecture's usual one */
  const char *engine; /**< "auto" (NULL) or the name of one: "onednn" (processors, the fastest), "torch" (also trains,
                               and reaches GPUs) */
  const char *engine_path;   /**< the engine's shared object; NULL: beside the library, then where it was installed */
  const char *device;        /**< "auto" (NULL), "cpu", "cuda", "cuda:1" */
  uint32_t precision;        /**< RECSYS_PRECISION_...; AUTO: int8 where recsys_model_quantize made the file, else
                               bfloat16 where it is fast and agrees with float32 */
  uint32_t threads;          /**< 0: the processors this process may use */
  uint64_t seed;             /**< of the random weights of recsys_model_create */
  uint64_t classes;          /**< recsys_model_create: outputs of the classifier; 0: 1000 */
  uint64_t max_file_bytes;   /**< an encoded picture; 0: 64 MiB */
  uint64_t max_pixels;       /**< width x height; 0: 64 x 1024 x 1024 */
  uint64_t max_decode_bytes; /**< memory to decode one picture; 0: 1 GiB */
  uint32_t max_scans;        /**< of a progressive JPEG; 0: 100 */
  uint32_t isolation;        /**< RECSYS_ISOLATION_... */
  recsys_log_fn log;
  void *log_user;
} recsys_model_options;

/** Opens a network from a safetensors file. Everything is validated before a byte is used; a pickle (.pth) is never
 * opened. Metadata written by recsys_model_save makes the file complete; without it the architecture is guessed from
 * the tensor names or taken from the options. The engine is loaded here. */
RECSYS_API recsys_status recsys_model_open(recsys_model **model, const char *path, const recsys_model_options *options,
                                           recsys_error *error);

/** Makes a network of a known architecture ("vgg16", "vgg19", "resnet18/34/50/101/152", "googlenet", "googlenet_bn",
 * "alexnet", "zfnet", "lenet5", "squeezenet1_1", "mini") with random weights (He et al. 2015) from options->seed, the
 * same on every machine. Untrained: its features tell colour and coarse pattern apart, nothing more. */
RECSYS_API recsys_status recsys_model_create(recsys_model **model, const char *architecture,
                                             const recsys_model_options *options, recsys_error *error);

/** Writes a complete model file (safetensors with metadata), through a temporary file and a rename: the file of that
 * name is either the old or the new one, whole. */
RECSYS_API recsys_status recsys_model_save(recsys_model *model, const char *path, recsys_error *error);

/** Joins 1 to 16 models into one that sees with all of them. Its embedding is the parts' rows one after the other, each
 * as a unit vector times the square root of its weight, so that the cosine of two rows is the weighted mean of the
 * parts' cosines; its class scores are the weighted mean of the parts' scores, where all have the same classes (else it
 * has no classifier), and its thresholds that of theirs. weights: positive, divided by their sum; NULL: alike. The
 * parts may be closed before it. Its fingerprint covers the parts' and the weights.
 *
 * recsys_model_save writes a small file that names the parts' files (beside it, or by their whole path), layers and
 * fingerprints; recsys_model_open opens them again, and a file that has changed is RECSYS_EMISMATCH. Ensembles cannot
 * be trained or combined further. */
RECSYS_API recsys_status recsys_model_combine(recsys_model **model, recsys_model *const *parts, const double *weights,
                                              size_t n, recsys_error *error);

/** The facts that one needs to size arrays. Filled up to struct_size, which the caller sets. */
typedef struct recsys_model_info {
  uint32_t struct_size;
  uint32_t precision;  /**< RECSYS_PRECISION_FLOAT32, _BFLOAT16 or _INT8: what runs */
  uint64_t dim;        /**< floats in one embedding */
  uint64_t classes;    /**< scores per picture of recsys_model_classify; 0: no classifier */
  uint64_t parameters; /**< weights and biases */
  uint32_t trained;    /**< 0: random weights of recsys_model_create */
  uint32_t reserved;
  char fingerprint[72]; /**< 64 hexadecimal digits: SHA-256 over weights, architecture, layer, recipe (int8: and ranges)
                         */
  char architecture[32];
  char layer[64];
  char recipe[32];
} recsys_model_info;

RECSYS_API recsys_status recsys_model_get_info(recsys_model *model, recsys_model_info *info, recsys_error *error);

/** Everything about the model as one JSON object (documented in docs/formats-model.md): architecture, layers by name
 * with their sizes, recipe, engine, precision and why, threads. */
RECSYS_API recsys_status recsys_model_describe(recsys_model *model, char *buffer, size_t size, size_t *length,
                                               recsys_error *error);

/** The name of class `index` (0 <= index < classes); RECSYS_ENOTFOUND where the file has no names. */
RECSYS_API recsys_status recsys_model_get_class_name(recsys_model *model, uint64_t index, char *buffer, size_t size,
                                                     size_t *length, recsys_error *error);

typedef struct recsys_embed_options {
  uint32_t struct_size;
  uint32_t flags;              /**< zero */
  recsys_progress_fn progress; /**< after each inner batch, phase "embed", in pictures */
  void *progress_user;
} recsys_embed_options;

/** Embeds n pictures: rows is n x dim, row-major, float32, as the layer gives them (not normalised). A picture that
 * cannot be used gets its status and a row of zeros; the call then returns RECSYS_EPARTIAL, and `error` describes the
 * first such picture (error->detail is its index). statuses[n] or NULL. Decoding runs beside the network, in inner
 * batches of a size chosen for speed, whatever n is. Cancelled: rows done so far are valid, the others' status is
 * RECSYS_ECANCELLED. */
RECSYS_API recsys_status recsys_model_embed(recsys_model *model, const recsys_image *images, size_t n,
                                            const recsys_embed_options *options, float *rows, recsys_status *statuses,
                                            recsys_error *error);

/** Class scores of n pictures: scores is n x classes, row-major, in 0..1, as the network's last layer gives them after
 * softmax (each row sums to 1). Of a trained model (recsys_model_train): a sigmoid for each label, and a softmax over
 * the labels of an exclusive field. RECSYS_EUNSUPPORTED where the network has no classifier. Else as
 * recsys_model_embed. */
RECSYS_API recsys_status recsys_model_classify(recsys_model *model, const recsys_image *images, size_t n,
                                               const recsys_embed_options *options, float *scores,
                                               recsys_status *statuses, recsys_error *error);

/* -- training: a shop's own labels on a pretrained network */

/** One label: a class of the trained model. 24 bytes, frozen. */
typedef struct recsys_label {
  const char *field;  /**< "genre"; the labels of one field stand together */
  const char *value;  /**< "Drama"; the name of the class. Field and value: 1 to 255 bytes */
  uint32_t exclusive; /**< not 0: a picture has exactly one label of this field (all of its labels say so) */
  uint32_t reserved;  /**< zero */
} recsys_label;

enum { RECSYS_LABEL_UNKNOWN = -1, RECSYS_LABEL_ABSENT = 0, RECSYS_LABEL_PRESENT = 1 };

enum {
  RECSYS_OPTIMISER_SGD = 0,  /**< stochastic gradient descent with momentum and L2 weight decay */
  RECSYS_OPTIMISER_ADAMW = 1 /**< Loshchilov and Hutter 2019; betas 0.9 and 0.999, epsilon 1e-8 */
};

enum {
  RECSYS_SCHEDULE_COSINE = 0,   /**< the learning rate falls to 0 along half a cosine */
  RECSYS_SCHEDULE_CONSTANT = 1, /**< it stays */
  RECSYS_SCHEDULE_STEPS = 2     /**< a tenth from half of the epochs on, a hundredth in the last quarter */
};

/** Where training is. `phase`: "features" (pictures through the frozen network; step and steps count pictures), "fold"
 * (cross-validation), "head" (stage one), "fine-tune" (stage two) or "distill". */
typedef struct recsys_train_progress {
  uint32_t struct_size;
  uint32_t fold; /**< of phase "fold": 1..folds; else 0 */
  const char *phase;
  uint32_t epoch;         /**< 1..epochs; 0 in phase "features" */
  uint32_t epochs;        /**< at most so many: training may stop early */
  uint64_t step;          /**< 1..steps within the epoch */
  uint64_t steps;         /**< the last call of an epoch comes after its validation */
  double training_loss;   /**< mean over this epoch so far */
  double validation_loss; /**< of the last whole epoch; NaN: there is none yet */
} recsys_train_progress;

/** Return 0 to go on, anything else to cancel. */
typedef int (*recsys_train_progress_fn)(void *user, const recsys_train_progress *now);

enum {
  RECSYS_TRAIN_RESTART = 1,      /**< do not go on from an epoch file, begin anew */
  RECSYS_TRAIN_RAW_FEATURES = 2, /**< do not standardise the features before the head */
  RECSYS_TRAIN_HALF = 4          /**< write the weights as 16-bit floats: half the file, values right to 0.05 % */
};

/** How to train. In every double here, 0 is the default and a negative value means 0. */
typedef struct recsys_train_options {
  uint32_t struct_size;
  uint32_t flags;       /**< RECSYS_TRAIN_... */
  uint32_t optimiser;   /**< RECSYS_OPTIMISER_... */
  uint32_t schedule;    /**< RECSYS_SCHEDULE_... */
  int64_t hidden;       /**< units of the hidden layer (dense, ReLU, dropout); 0: 1024; -1: no such layer */
  double dropout;       /**< share of hidden units that a step leaves out; 0: 0.5 */
  uint32_t epochs;      /**< at most; 0: 50 */
  uint32_t batch;       /**< pictures per step; 0: 256 */
  double learning_rate; /**< at its highest; 0: 0.01 for SGD, 0.001 for AdamW */
  double momentum;      /**< of SGD; 0: 0.9 */
  double weight_decay;  /**< 0: 0.0005 for SGD, 0.01 for AdamW */
  double balance;       /**< rare labels weigh (absent / present)^balance more, at most 20 times; default 0: alike */
  uint32_t patience;    /**< stop when the validation loss has not fallen for so many epochs; 0: 10 */
  uint32_t folds;       /**< k >= 2: k-fold cross-validation, then training on all pictures; 0: one split */
  double validation;    /**< share of pictures that one split validates on; 0: 0.2 */
  const int32_t *parts; /**< n of them, or NULL (chosen): each picture's fold 0..folds-1; without folds 0 trains and
                           1 validates; negative: the picture is left out */
  uint64_t seed;        /**< the same seed gives the same weights on the same machine, build and threads */
  uint32_t fine_tune_blocks; /**< stage two: train so many of the network's last blocks further; 0: no stage two */
  uint32_t fine_tune_epochs; /**< 0: 10 */
  double fine_tune_rate;     /**< the highest learning rate of stage two; 0: a tenth of learning_rate */
  uint32_t fine_tune_batch;  /**< pictures per step of stage two; 0: 32 */
  uint32_t reserved;         /**< zero */
  double checkpoint;         /**< seconds between epoch files, which are written after whole epochs; 0: 10; negative:
                                after every epoch */
  uint64_t memory;           /**< bytes for features; what is more streams from the cache. 0: 1 GiB */
  const char *cache;         /**< a folder that keeps features from training to training; NULL: they are not kept */
  recsys_train_progress_fn progress;
  void *progress_user;
} recsys_train_options;

/** Learns labels from pictures and writes a complete model file to `path`; `model` itself is not changed.
 *
 * matrix is n x label_count, row-major: RECSYS_LABEL_PRESENT, _ABSENT or _UNKNOWN. Unknown labels take no part: the
 * loss is the mean over known ones (binary cross-entropy over the labels of all fields that are not exclusive, plus one
 * cross-entropy for each exclusive field, in which a picture without a present label is unknown).
 *
 * Stage one: the pictures go through the network up to its embedding layer once, and a head (dense `hidden` with ReLU,
 * dropout, dense with one output per label) is trained on these features. Stage two, where it is asked for, trains the
 * last blocks with it, on flipped and cropped pictures; batch norms keep their running statistics. Training ends when
 * the validation loss no longer falls, and the best epoch's weights are kept; byte-equal pictures are never on both
 * sides of a split. Thresholds maximise F1 on pictures that were held out, metrics use thresholds from other pictures
 * than they measure.
 *
 * The file opens with recsys_model_open: its classes are the labels, its layer "head" the hidden units (the embedding,
 * unless another layer is asked for), and recsys_model_get_report tells how the training went.
 *
 * Epoch files (path + ".epoch") let an interrupted training go on with the same result; they are removed at the end.
 * A picture that cannot be used is left out, its status (statuses[n] or NULL) says why, and the call returns
 * RECSYS_EPARTIAL with the file written. RECSYS_ELIMIT: more than 1,000,000 labels or 255 exclusive fields.
 * RECSYS_EINVAL: a label that no usable picture has (or that all have), two labels of an exclusive field on one
 * picture, a loss that is no longer finite. On any failure, and when cancelled, `path` is what it was. */
RECSYS_API recsys_status recsys_model_train(recsys_model *model, const char *path, const recsys_image *images, size_t n,
                                            const recsys_label *labels, size_t label_count, const int8_t *matrix,
                                            const recsys_train_options *options, recsys_status *statuses,
                                            recsys_error *error);

/** Teaches a network what another one sees (knowledge distillation of embeddings): the weights of `model` up to its
 * embedding layer learn to give rows from which the teacher's rows of the same pictures follow, and the model file goes
 * to `path`. The loss is 1 - cosine between the teacher's row and a linear map of the student's, which is learned
 * beside it. Of a dense layer without an activation that map then becomes a part, so that its rows have the cosines of
 * the teacher's; rows of any other layer stay what the layer gives (a hint: Romero et al. 2015). Where both layers are
 * grids of the same size (NAME@G), each place is compared by itself, after the mean over all of the teacher's places
 * was taken off, then the picture as a whole (the loss is the sum), one map serves all places, and pictures are
 * mirrored at random. All weights are trained from what they are (recsys_model_create: at random); batch norms keep
 * their running statistics, and so suit only a model whose statistics are right already.
 *
 * Of the options, those of one split count: optimiser, schedule, epochs, batch (0: 64), learning_rate, momentum,
 * weight_decay, patience, validation, parts, seed, checkpoint, memory and cache (for the teacher's rows) and progress
 * (phases "features" and "distill"), RECSYS_TRAIN_RESTART and _HALF. Everything else is as in recsys_model_train; a
 * distilled model has no labels. */
RECSYS_API recsys_status recsys_model_distill(recsys_model *model, recsys_model *teacher, const char *path,
                                              const recsys_image *images, size_t n, const recsys_train_options *options,
                                              recsys_status *statuses, recsys_error *error);

typedef struct recsys_quantize_options {
  uint32_t struct_size;
  uint32_t flags;     /**< zero */
  uint64_t calibrate; /**< pictures that give the ranges, at most; 0: 300. Never more than half of the usable ones,
                         rounded up */
  uint64_t compare;   /**< other pictures that the report is of, at most 10000; 0: 1000 */
  uint64_t seed;      /**< of the draw which pictures these are; what is not drawn is not looked at */
  recsys_progress_fn progress; /**< phases "calibrate" and "compare", in pictures */
  void *progress_user;
} recsys_quantize_options;

/** How near an int8 model comes to float32, on pictures that gave it no ranges. Filled up to struct_size, which the
 * caller sets, and only where a file was written. */
typedef struct recsys_quantize_report {
  uint32_t struct_size;
  uint32_t layers;         /**< that run in int8 */
  uint64_t calibrated;     /**< pictures that gave the ranges */
  uint64_t compared;       /**< other pictures, of which what follows is */
  uint64_t neighbours;     /**< 10, or fewer where there are not so many others; 0: equal_neighbours means nothing */
  double cosine;           /**< between the two embeddings of a picture: the mean */
  double least_cosine;     /**< and the least */
  double equal_neighbours; /**< share of each picture's nearest ones (cosine, among these pictures) that are the same */
  double equal_classes;    /**< share of pictures with the same highest class score; -1: there is no classifier */
} recsys_quantize_report;

/** Makes an int8 model of a network and writes it to `path` as a model file of its own, with its own fingerprint;
 * `model` itself is not changed. Weights are one byte each with one unit per output channel, activations one byte with
 * one unit for a whole activation, from the ranges that they take on some of the n pictures (Jacob et al., CVPR 2018).
 * The first convolution, the last layer before the classes, a trained head, and layers that no picture activates stay
 * in floats. On others of the pictures both are compared; the report (or NULL) is also in the file. What is lost by
 * int8 depends on the network and the pictures: look at the report. The model's own file must still be what it was
 * (else RECSYS_EMISMATCH) and cannot be `path`.
 *
 * The file is opened with recsys_model_open: with precision AUTO or INT8 it runs in int8, and nowhere else: making and
 * running it needs the engine "onednn" and a processor with AVX-512 VNNI (else RECSYS_EUNSUPPORTED or
 * RECSYS_ENOENGINE). With FLOAT32 or BFLOAT16 its rounded weights run, everywhere, as a model with a fingerprint of its
 * own. Training on it starts from the rounded weights and writes a model of floats, whose metrics are of features in
 * int8, unless it was opened with FLOAT32. A trained model keeps the metrics and thresholds that it had:
 * recsys_model_evaluate measures them.
 *
 * A picture that cannot be used is left out, its status (statuses[n] or NULL) says why, and the call returns
 * RECSYS_EPARTIAL with the file written. RECSYS_EINVAL: fewer than two usable pictures, or an int8 model already;
 * RECSYS_EUNSUPPORTED: an ensemble (quantise its parts), or a network that the engine "onednn" does not run. On any
 * failure, and when cancelled, `path` is what it was. */
RECSYS_API recsys_status recsys_model_quantize(recsys_model *model, const char *path, const recsys_image *images,
                                               size_t n, const recsys_quantize_options *options,
                                               recsys_quantize_report *report, recsys_status *statuses,
                                               recsys_error *error);

/** How well one label is told, with scikit-learn's definitions; precision, recall and F1 are 0 where they would divide
 * by 0. A label is decided for where its score >= threshold; in an exclusive field, for the label of the highest score.
 * 64 bytes, frozen. */
typedef struct recsys_label_metrics {
  uint64_t known;           /**< pictures whose label is known */
  uint64_t support;         /**< of these, pictures that have it */
  double threshold;         /**< 0 for labels of exclusive fields, and for means */
  double accuracy;          /**< share of right decisions */
  double precision;         /**< share of those decided for that have it */
  double recall;            /**< share of those that have it that are decided for */
  double f1;                /**< 2 precision recall / (precision + recall) */
  double average_precision; /**< sum over score steps of (rise of recall) x precision */
} recsys_label_metrics;

/** Metrics of the labels of a trained model, on the pictures that its training held out: metrics has classes + 2
 * entries, one per class, then micro (over all decisions) and macro (mean over labels with support). RECSYS_ENOTFOUND
 * for a model that recsys_model_train did not write. */
RECSYS_API recsys_status recsys_model_get_metrics(recsys_model *model, recsys_label_metrics *metrics,
                                                  recsys_error *error);

/** The same, measured now on n pictures: matrix is n x classes, in the order of the model's classes; thresholds are the
 * model's. statuses and RECSYS_EPARTIAL as in recsys_model_embed. */
RECSYS_API recsys_status recsys_model_evaluate(recsys_model *model, const recsys_image *images, size_t n,
                                               const int8_t *matrix, const recsys_embed_options *options,
                                               recsys_label_metrics *metrics, recsys_status *statuses,
                                               recsys_error *error);

/** The field of class `index`, and whether it is exclusive (or NULL). RECSYS_ENOTFOUND as above. */
RECSYS_API recsys_status recsys_model_get_class_field(recsys_model *model, uint64_t index, char *buffer, size_t size,
                                                      size_t *length, uint32_t *exclusive, recsys_error *error);

/** How the model was trained, as one JSON object (docs/formats-json.md): settings, data, losses per epoch, metrics.
 * RECSYS_ENOTFOUND as above. */
RECSYS_API recsys_status recsys_model_get_report(recsys_model *model, char *buffer, size_t size, size_t *length,
                                                 recsys_error *error);

RECSYS_API void recsys_model_close(recsys_model *model);

/* ---- Store: the catalogue --------------------------------------------------------------------------------------- */

typedef struct recsys_store recsys_store;

enum {
  RECSYS_STORE_READ_ONLY = 1,  /**< put_ and remove_ return RECSYS_EREADONLY */
  RECSYS_STORE_MUST_EXIST = 2, /**< RECSYS_ENOTFOUND instead of creating an empty store */
  RECSYS_STORE_IMMUTABLE = 4   /**< read-only, and the caller knows that nobody writes: the only way to open a store in
                                  a folder that cannot be written */
};

typedef struct recsys_store_options {
  uint32_t struct_size;
  uint32_t flags;              /**< RECSYS_STORE_... */
  double busy_timeout;         /**< seconds to wait for another process's lock; 0: 5 s; negative: do not wait */
  uint32_t threads;            /**< a search uses at most so many; 0: the processors this process may use */
  uint32_t reserved;           /**< zero */
  recsys_progress_fn progress; /**< of opening, phase "load", in rows */
  void *progress_user;
  recsys_log_fn log;
  void *log_user;
} recsys_store_options;

/** Opens or creates a store: `location` is a path (an SQLite database, schema in docs/formats.md) or ":memory:". */
RECSYS_API recsys_status recsys_store_open(recsys_store **store, const char *location,
                                           const recsys_store_options *options, recsys_error *error);

typedef struct recsys_store_info {
  uint32_t struct_size;
  uint32_t schema_version;
  uint64_t items;
  uint64_t users;
  uint64_t embeddings; /**< rows, over all spaces */
  uint64_t ratings;
  uint64_t labels;
  uint64_t spaces;
  uint64_t dim;          /**< of the default space; 0: there is none yet */
  int64_t change;        /**< rises with every change that this handle sees */
  char fingerprint[136]; /**< of the default space; empty: there is none yet */
  uint64_t events;
} recsys_store_info;

RECSYS_API recsys_status recsys_store_get_info(recsys_store *store, recsys_store_info *info, recsys_error *error);

/** Everything about the store as one JSON object (docs/formats.md): counts, spaces, fields, memory. */
RECSYS_API recsys_status recsys_store_describe(recsys_store *store, char *buffer, size_t size, size_t *length,
                                               recsys_error *error);

/* -- keys and enumeration */

enum { RECSYS_ITEMS = 1, RECSYS_USERS = 2 }; /**< the two key spaces */

enum { RECSYS_RESOLVE_CREATE = 1 /**< allot an id (and store it) for a key that is not known */ };

/** ids[n] of keys[n] (UTF-8, 1 to 1024 bytes). Unknown keys without RECSYS_RESOLVE_CREATE: id -1 and RECSYS_EPARTIAL.
 * One transaction; an id is never used twice, even after removal. */
RECSYS_API recsys_status recsys_store_resolve(recsys_store *store, int32_t kind, const char *const *keys, size_t n,
                                              uint32_t flags, int64_t *ids, recsys_error *error);

/** The key of an item or a user. An id without a key has its decimal digits as key. */
RECSYS_API recsys_status recsys_store_get_key(recsys_store *store, int32_t kind, int64_t id, char *buffer, size_t size,
                                              size_t *length, recsys_error *error);

/** Up to n ids after `after_id`, rising; *count says how many. */
RECSYS_API recsys_status recsys_store_list(recsys_store *store, int32_t kind, int64_t after_id, int64_t *ids, size_t n,
                                           size_t *count, recsys_error *error);

/* -- putting: each call is one transaction, all or nothing, visible to reads on this handle when it returns. Items and
 *    users that do not exist are created. What has the same key columns is replaced. */

enum { RECSYS_SPACE_DEFAULT = 1 /**< make it the default space */ };

/** Adds a space, or changes its description or default flag. fingerprint: 1 to 128 bytes of UTF-8 (a model's, or any
 * name for vectors from elsewhere); dim 1..65536; description: free text or NULL. The first space of a store is its
 * default. A space that exists with another dim is RECSYS_EMISMATCH. */
RECSYS_API recsys_status recsys_store_put_space(recsys_store *store, const char *fingerprint, uint32_t dim,
                                                const char *description, uint32_t flags, recsys_error *error);

/** Stores rows (n x dim, row-major, finite, not all zero) for pictures[n] (>= 0; NULL: all 0) of items[n]. A store
 * without a space gets this one; after that a fingerprint which is not a space of the store is RECSYS_EMISMATCH (add
 * it with recsys_store_put_space if it is wanted). The same item and picture twice in one call is RECSYS_EINVAL. */
RECSYS_API recsys_status recsys_store_put_embeddings(recsys_store *store, const char *fingerprint, uint32_t dim,
                                                     const int64_t *items, const int64_t *pictures, const float *rows,
                                                     size_t n, recsys_error *error);

/** Labels: item items[i] has values[i] in fields[i] with scores[i] in 0..1 (NULL: all 1). */
RECSYS_API recsys_status recsys_store_put_labels(recsys_store *store, const int64_t *items, const char *const *fields,
                                                 const char *const *values, const float *scores, size_t n,
                                                 recsys_error *error);

/** One finite number per item and field (year, price, stock). */
RECSYS_API recsys_status recsys_store_put_numbers(recsys_store *store, const int64_t *items, const char *const *fields,
                                                  const double *values, size_t n, recsys_error *error);

/** One text per item and field (a name, a description, the picture's path). */
RECSYS_API recsys_status recsys_store_put_texts(recsys_store *store, const int64_t *items, const char *const *fields,
                                                const char *const *values, size_t n, recsys_error *error);

/** Ratings: one per user and item; a later one replaces it. values[n] finite, larger is better; times[n] or NULL (0).
 * *unknown_items (or NULL): how many of them are for items that have neither embedding nor label yet; they are kept. */
RECSYS_API recsys_status recsys_store_put_ratings(recsys_store *store, const int64_t *users, const int64_t *items,
                                                  const float *values, const int64_t *times, size_t n,
                                                  uint64_t *unknown_items, recsys_error *error);

/** Events: what shoppers did and when. kinds: "view", "cart", "purchase", or names of the shop's own (1 to 63 bytes);
 * times: Unix time in seconds. Every call adds n more, in the order given; nothing is replaced. How much an event of
 * each kind counts, and how fast that fades, is a parameter of the ranker. *unknown_items as for ratings. */
RECSYS_API recsys_status recsys_store_put_events(recsys_store *store, const int64_t *users, const int64_t *items,
                                                 const char *const *kinds, const int64_t *times, size_t n,
                                                 uint64_t *unknown_items, recsys_error *error);

/* -- removing: what is not there is not an error */

/** Items (or users) with everything that belongs to them. Their ids are never allotted again. */
RECSYS_API recsys_status recsys_store_remove(recsys_store *store, int32_t kind, const int64_t *ids, size_t n,
                                             recsys_error *error);
/** pictures NULL: all pictures of each item; fingerprint NULL: the default space. */
RECSYS_API recsys_status recsys_store_remove_embeddings(recsys_store *store, const char *fingerprint,
                                                        const int64_t *items, const int64_t *pictures, size_t n,
                                                        recsys_error *error);
/** values NULL: all values of the field. Labels, number and text of that field alike. */
RECSYS_API recsys_status recsys_store_remove_labels(recsys_store *store, const int64_t *items,
                                                    const char *const *fields, const char *const *values, size_t n,
                                                    recsys_error *error);
RECSYS_API recsys_status recsys_store_remove_ratings(recsys_store *store, const int64_t *users, const int64_t *items,
                                                     size_t n, recsys_error *error);
/** Events with a time before `before`: those of users[n], or (users NULL) everybody's. */
RECSYS_API recsys_status recsys_store_remove_events(recsys_store *store, const int64_t *users, size_t n, int64_t before,
                                                    recsys_error *error);
/** A whole space with its rows. The default one only when it is the last. */
RECSYS_API recsys_status recsys_store_remove_space(recsys_store *store, const char *fingerprint, recsys_error *error);

/* -- getting, from memory */

/** rows (n x dim or NULL: only look) of pictures[n] (NULL: all 0) of items[n]; fingerprint NULL: the default space. An
 * absent one: status RECSYS_ENOTFOUND, a row of zeros, and RECSYS_EPARTIAL. */
RECSYS_API recsys_status recsys_store_get_embeddings(recsys_store *store, const char *fingerprint, const int64_t *items,
                                                     const int64_t *pictures, size_t n, float *rows,
                                                     recsys_status *statuses, recsys_error *error);

/** The index-th label (0-based, by falling score, then by value) of an item in a field, with its score (or NULL).
 * RECSYS_ENOTFOUND past the last one. */
RECSYS_API recsys_status recsys_store_get_label(recsys_store *store, int64_t item, const char *field, uint32_t index,
                                                char *buffer, size_t size, size_t *length, float *score,
                                                recsys_error *error);
RECSYS_API recsys_status recsys_store_get_number(recsys_store *store, int64_t item, const char *field, double *value,
                                                 recsys_error *error);
RECSYS_API recsys_status recsys_store_get_text(recsys_store *store, int64_t item, const char *field, char *buffer,
                                               size_t size, size_t *length, recsys_error *error);

/** A user's ratings by rising item id: up to n of them, of items after `after_item` (start with -1); *count says how
 * many. values and times may be NULL. */
RECSYS_API recsys_status recsys_store_get_ratings(recsys_store *store, int64_t user, int64_t after_item, int64_t *items,
                                                  float *values, int64_t *times, size_t n, size_t *count,
                                                  recsys_error *error);

/** A user's events by rising time, then in the order of putting: up to n of them, from the `first`-th (0-based) on;
 * *count says how many. times may be NULL. */
RECSYS_API recsys_status recsys_store_get_events(recsys_store *store, int64_t user, size_t first, int64_t *items,
                                                 int64_t *times, size_t n, size_t *count, recsys_error *error);

/* -- searching */

enum {
  RECSYS_CLAUSE_ANY = 1,  /**< the item has at least one of the values in the field */
  RECSYS_CLAUSE_ALL = 2,  /**< it has all of them */
  RECSYS_CLAUSE_NONE = 3, /**< it has none of them */
  RECSYS_CLAUSE_RANGE = 4 /**< its number in the field lies in min..max, both included; no number: it does not pass */
};

/** One condition of a filter. 64 bytes, frozen. */
typedef struct recsys_clause {
  const char *field;
  const char *const *values; /**< ANY, ALL, NONE: `n_values` strings */
  uint32_t op;               /**< RECSYS_CLAUSE_... */
  uint32_t n_values;
  double min; /**< RANGE; -INFINITY and INFINITY are legal, NaN is not */
  double max;
  uint64_t reserved[3]; /**< zero */
} recsys_clause;

enum {
  RECSYS_FILTER_ALLOW = 1,          /**< `allow` is set (an empty list allows nothing) */
  RECSYS_FILTER_MIN_SIMILARITY = 2, /**< `min_similarity` is set */
  RECSYS_FILTER_MAX_DISTANCE = 4,   /**< `max_distance` is set */
  RECSYS_FILTER_RATED = 8           /**< recommend: items that the user has rated may return */
};

/** What may appear in a list: all clauses AND allowed AND not denied AND near enough. */
typedef struct recsys_filter {
  uint32_t struct_size;
  uint32_t flags; /**< RECSYS_FILTER_... */
  const recsys_clause *clauses;
  uint64_t n_clauses;
  const int64_t *allow; /**< item ids, any order */
  uint64_t n_allow;
  const int64_t *deny; /**< item ids, any order */
  uint64_t n_deny;
  double min_similarity; /**< -1..1, cosine (search and similar) */
  double max_distance;   /**< >= 0, Euclidean (search and similar) */
} recsys_filter;

enum { RECSYS_METRIC_COSINE = 0, RECSYS_METRIC_EUCLIDEAN = 1 };

typedef struct recsys_search_options {
  uint32_t struct_size;
  uint32_t metric;             /**< RECSYS_METRIC_... */
  const char *fingerprint;     /**< the space; NULL: the default one */
  const recsys_filter *filter; /**< NULL: everything passes */
  recsys_progress_fn progress; /**< of many queries: phase "search", in pictures (approximate: lists); may cancel */
  void *progress_user;
  uint32_t approximate; /**< 0: exact; 1: by the space's index, where it has one for this metric and enough items pass
                           the filter for it to be faster. Scores are exact in any case; a near item may be missing */
  uint32_t effort; /**< pictures that an approximate search looks at: more find more, slower. 0: 64. Raised to 2 k where
                      it is less, and where a filter lets few items pass; above one picture in 32 the search is
                      exact */
} recsys_search_options;

/** The k nearest items of each of n queries (n x dim, row-major, finite, not all zero), exactly unless the options say
 * otherwise: ids and scores n x k, counts n. Scores are cosine similarities, falling, or Euclidean distances, rising,
 * computed in double from the stored float32 rows; ties go to the smaller id. An item counts once, by its best picture.
 */
RECSYS_API recsys_status recsys_store_search(recsys_store *store, const float *queries, size_t n, uint32_t dim,
                                             size_t k, const recsys_search_options *options, int64_t *ids,
                                             double *scores, uint32_t *counts, recsys_error *error);

/** The k items most like each of items[n], which is not in its own list. Two items are as alike as their best pair of
 * pictures. An item without an embedding: status RECSYS_ENOTFOUND, count 0, and RECSYS_EPARTIAL. statuses[n] or
 * NULL. */
RECSYS_API recsys_status recsys_store_similar(recsys_store *store, const int64_t *items, size_t n, size_t k,
                                              const recsys_search_options *options, int64_t *ids, double *scores,
                                              uint32_t *counts, recsys_status *statuses, recsys_error *error);

/* -- approximate search */

/** An index of one space: a graph of near neighbours (HNSW, Malkov and Yashunin 2018) over its rows' int8 codes. */
typedef struct recsys_index_options {
  uint32_t struct_size;
  uint32_t metric;             /**< RECSYS_METRIC_...: searches with the other one stay exact */
  const char *fingerprint;     /**< the space; NULL: the default one */
  uint32_t links;              /**< of a picture in each layer, twice as many in the lowest: 2..128; 0: 16 */
  uint32_t effort;             /**< pictures that a new one looks at, at most 10000; 0: 100 */
  recsys_progress_fn progress; /**< phase "index", in pictures; may cancel; must not call into this store */
  void *progress_user;
} recsys_index_options;

/** Builds the index of a space, in place of one that it has, on the threads that the store was opened with. The store
 * keeps it up from then on: what is put or removed changes it; only when more than half as many rows have gone as there
 * are, it is built anew within that call. Searches go on meanwhile; puts, refreshes and forks of this process wait. It
 * is saved in the file `location`-index-N when it was built, and when a store that has changed it is opened or closed,
 * and is checked against the store at opening (phase "index" of its progress): rows that have changed since are taken
 * in, and a file that is damaged or another space's is replaced by an index with the same numbers, where it tells them,
 * else the usual ones. A file that another process has since removed, or replaced by an index with other numbers, is
 * left as it is. A store in memory writes nothing; nor does a handle that is read-only, which goes without an index
 * where the file is damaged, and whose own index gives way to one that another process saves. Another process that has
 * the store open finds the index when it refreshes. (`location`: after symbolic links.) Building over the same rows in
 * the same order gives the same index, whatever the threads. Cancelled or failed: the index is as it was before. */
RECSYS_API recsys_status recsys_store_build_index(recsys_store *store, const recsys_index_options *options,
                                                  recsys_error *error);

/** Removes the index of a space (NULL: the default one) and its file, even one that could not be used;
 * RECSYS_ENOTFOUND where it has neither. */
RECSYS_API recsys_status recsys_store_remove_index(recsys_store *store, const char *fingerprint, recsys_error *error);

/** What approximate search with these options (their `approximate` is taken as 1) really returns: the share of the k
 * nearest items, as exact search tells them, over n items of the store (0, or more than have a picture: 1000, or all),
 * chosen by `seed`. 1 also where such searches are exact by themselves. RECSYS_ENOTFOUND: the space has no index. */
RECSYS_API recsys_status recsys_store_measure_recall(recsys_store *store, uint64_t n, uint64_t k, uint64_t seed,
                                                     const recsys_search_options *options, double *recall,
                                                     recsys_error *error);

/* -- upkeep */

/** Takes in what other processes have changed since. Costs the size of the change. */
RECSYS_API recsys_status recsys_store_refresh(recsys_store *store, recsys_error *error);

/** Verifies the whole store (SQLite's integrity, references, every row's length and finiteness) and that memory agrees
 * with it. RECSYS_EFORMAT when something is wrong; the report (one finding per line) goes to the buffer. */
RECSYS_API recsys_status recsys_store_check(recsys_store *store, char *buffer, size_t size, size_t *length,
                                            recsys_error *error);

/** Writes a copy, consistent and complete, that any SQLite tool may open, through a temporary file and a rename. */
RECSYS_API recsys_status recsys_store_export(recsys_store *store, const char *path, recsys_error *error);

RECSYS_API void recsys_store_close(recsys_store *store);

/* ---- Ranker: history -> list ------------------------------------------------------------------------------------ */

typedef struct recsys_ranker recsys_ranker;

typedef struct recsys_ranker_options {
  uint32_t struct_size;
  uint32_t threads;        /**< 0: the processors this process may use */
  const char *fingerprint; /**< the space whose embeddings are used; NULL: the default one */
  recsys_log_fn log;
  void *log_user;
} recsys_ranker_options;

/**
 * Creates a ranker over a store: a name, and parameters as key=value (NULL: "auto"). docs/rankers.md has every
 * parameter with its default, lib/ranker/ each formula with its paper; recsys_ranker_describe tells what is set.
 *
 * - "auto": chosen at every fit: visual while there are no ratings, content or popular while there are few, ease while
 *   it fits the memory, als
 *
 * - "ease": closed-form item-item weights over ratings, labels, numbers, names and pictures; "content": the same
 *   features alone, so that items nobody rated are ranked, too
 *
 * - "als", "slim", "item-knn", "user-knn", "rp3beta", "pure-svd", "bpr", "vbpr": collaborative
 *
 * - "svd": ratings to expect; its scores are on the scale of the ratings
 *
 * - "visual": score(j) = sum over rated i with r(u, i) >= threshold and j in N(i) of sim(i, j) x r(u, i), N(i) = the
 *   nearest items of i. neighbours=40 metric=cosine|euclidean max_distance=none|D (1 - cosine, or Euclidean)
 *   rating_threshold=mean|NUMBER (mean: the user's own) within_labels=FIELD (N(i) only of items that share a label of
 *   that field with i)
 *
 * - "category": score(j) = mean over the labels l of j of sim(t, j) x a(u, l) for a target item t, where a is the
 *   user's mean rating of items with label l; if there is none, everybody's mean for l; if nobody rated l, the global
 *   mean. Targets are given, or each item of the history, then summed with weights r(u, t). Places go round-robin over
 *   the targets' labels by falling score, each filled by its best items. field=FIELD (required)
 *   metric=cosine|euclidean spread=1|0
 *
 * - "popular": by=count|mean (mean: (sum of ratings + damping x global mean) / (count + damping)) damping=5 decay=DAYS
 *   (of by=count: a rating counts 2^(-age / decay); 0: nothing fades)
 *
 * - "next": what comes next in a session, from transitions between items that were seen within gap=30 minutes
 *
 * - "blend": parts="ease; als" by=scores|ranks: several rankers as one, with weights that are given or searched
 *
 * all with events=view:1,cart:3,purchase:5 half_life=30 (days) now=newest: an item with events counts as its rating (or
 * 0) + log(1 + sum of weight(kind) 2^(-age / half_life)); kinds that are not named weigh 1. And new_items=0: the share
 * of every list, at evenly spaced places, that goes to items nobody rated, ranked by "content".
 *
 * u is the user, r(u, i) a rating, sim the similarity of two items' best pair of pictures: the cosine, or for the
 * Euclidean metric 1 / (1 + distance).
 */
RECSYS_API recsys_status recsys_ranker_create(recsys_ranker **ranker, recsys_store *store, const char *algorithm,
                                              const recsys_ranker_options *options, recsys_error *error);

typedef struct recsys_fit_options {
  uint32_t struct_size;
  uint32_t flags; /**< zero */
  recsys_progress_fn progress;
  void *progress_user;
  uint64_t memory_limit; /**< bytes that fitting may take; more is RECSYS_ENOMEM before it is asked for. 0: three
                              quarters of the machine's memory */
} recsys_fit_options;

/** Learns what the algorithm needs from the store as it is now. Cancelled or failed: the ranker is as it was before. */
RECSYS_API recsys_status recsys_ranker_fit(recsys_ranker *ranker, const recsys_fit_options *options,
                                           recsys_error *error);

/** Brings a fitted ranker up to the store as it is now without learning everything again: popularity is counted anew,
 * items that came since are ranked by their features where the algorithm does that (ease, content, new_items), and
 * what was learned from ratings stays. Histories never need it: they are read at every call. Cancelled or failed: the
 * ranker is as it was before. */
RECSYS_API recsys_status recsys_ranker_refresh(recsys_ranker *ranker, const recsys_fit_options *options,
                                               recsys_error *error);

enum {
  RECSYS_RECOMMEND_UNIQUE = 1 /**< of items whose pictures are nearly the same (cosine >= 0.999), only the best one */
};

typedef struct recsys_recommend_options {
  uint32_t struct_size;
  uint32_t flags;              /**< RECSYS_RECOMMEND_... */
  const recsys_filter *filter; /**< NULL: everything that was not rated passes */
  const int64_t *targets;      /**< "category": what the lists are for; NULL: each item of the history */
  uint64_t n_targets;
  recsys_progress_fn progress;
  void *progress_user;
  double diversity;        /**< 0..1: weight of being unlike what is listed already, by the pictures (maximal marginal
                                relevance over the best 10 k + 50); the list is then not in the order of its scores */
  const char *label_field; /**< with max_per_label: at most so many entries share a label of this field */
  uint32_t max_per_label;  /**< 0: no limit */
  uint32_t reserved;       /**< zero */
  uint8_t *sources;        /**< NULL, or n x k: receives RECSYS_SOURCE_... of each entry */
} recsys_recommend_options;

/** Where an entry of a list comes from. */
enum {
  RECSYS_SOURCE_NONE = 0,     /**< an unused place */
  RECSYS_SOURCE_RATINGS = 1,  /**< from what shoppers rated or did */
  RECSYS_SOURCE_FEATURES = 2, /**< from the item's pictures, labels, numbers and name: nobody had rated it */
  RECSYS_SOURCE_POPULAR = 3   /**< the same for everybody */
};

/** The best k items for each of users[n], from the history that the store holds now: ids and scores n x k, scores
 * falling unless the algorithm spreads the list, ties to the smaller id; counts n. Exactly k entries unless fewer items
 * pass. An unknown user, or one of whom nothing can be said, gets the popular list, and statuses[i] (or NULL) is
 * RECSYS_NOTE_FALLBACK_POPULAR. An algorithm's items with score 0 are not listed; places that stay free are filled
 * with popular items (score 0) and the status is RECSYS_NOTE_FALLBACK_POPULAR too. Similarity limits of the filter
 * are RECSYS_EINVAL here. */
RECSYS_API recsys_status recsys_ranker_recommend(recsys_ranker *ranker, const int64_t *users, size_t n, size_t k,
                                                 const recsys_recommend_options *options, int64_t *ids, double *scores,
                                                 uint32_t *counts, recsys_status *statuses, recsys_error *error);

/** The same for n histories that are passed in (guests, sessions): history h is items[offsets[h] .. offsets[h + 1] -
 * 1], offsets[0] = 0, rising, n + 1 of them. times NULL: in the order given, one second apart. ratings NULL and times
 * NULL: every entry counts as liked, as the largest rating of the store. ratings NULL with times: an item counts the
 * largest rating x log2(1 + sum over its entries of 2^(-(newest - time) / half_life)), so that recent ones weigh more.
 * The history is the whole one, not a change to what is stored. The same ratings give the same list as
 * recsys_ranker_recommend. */
RECSYS_API recsys_status recsys_ranker_recommend_from(recsys_ranker *ranker, const uint64_t *offsets,
                                                      const int64_t *items, const float *ratings, const int64_t *times,
                                                      size_t n, size_t k, const recsys_recommend_options *options,
                                                      int64_t *ids, double *scores, uint32_t *counts,
                                                      recsys_status *statuses, recsys_error *error);

/** The scores of given items (n of them) for one user, rated or not, filtered or not; 0 where nothing can be said. */
RECSYS_API recsys_status recsys_ranker_score(recsys_ranker *ranker, int64_t user, const int64_t *items, size_t n,
                                             const recsys_recommend_options *options, double *scores,
                                             recsys_error *error);

enum {
  RECSYS_REASON_ITEM = 1,    /**< an item of the history */
  RECSYS_REASON_CONSTANT = 2 /**< the part of the score that does not depend on the history; item is -1 */
};

/** One summand of a score. 64 bytes, frozen. */
typedef struct recsys_reason {
  int32_t kind; /**< RECSYS_REASON_... */
  int32_t reserved0;
  int64_t item;         /**< the item of the history that contributed */
  double contribution;  /**< the contributions sum to the score */
  double similarity;    /**< of that item to the one explained; 0 where the algorithm uses none */
  double rating;        /**< the user's rating of that item */
  uint64_t reserved[3]; /**< zero */
} recsys_reason;

/** Why `item` has its score for a user: up to `capacity` reasons by falling contribution; *count is how many there are
 * in all, *score (or NULL) the score that they sum to. */
RECSYS_API recsys_status recsys_ranker_explain(recsys_ranker *ranker, int64_t user, int64_t item,
                                               const recsys_recommend_options *options, recsys_reason *reasons,
                                               size_t capacity, size_t *count, double *score, recsys_error *error);

/** The same for a history of m items that is passed in. */
RECSYS_API recsys_status recsys_ranker_explain_from(recsys_ranker *ranker, const int64_t *items, const float *ratings,
                                                    const int64_t *times, size_t m, int64_t item,
                                                    const recsys_recommend_options *options, recsys_reason *reasons,
                                                    size_t capacity, size_t *count, double *score, recsys_error *error);

/** What two items have in common, as one JSON object: {"labels": [{"field", "value"}], "numbers": [{"field", "a",
 * "b"}], "words": words and pairs of adjacent words of their names, "pictures": the cosine of their best pair, or
 * null}. With a reason's item and the item explained, it tells by what the one speaks for the other. RECSYS_ENOTFOUND
 * for an item that the store does not have. */
RECSYS_API recsys_status recsys_ranker_compare(recsys_ranker *ranker, int64_t a, int64_t b, char *buffer, size_t size,
                                               size_t *length, recsys_error *error);

/** The algorithm with all its parameters and what it was fitted on, as one JSON object (docs/formats.md). */
RECSYS_API recsys_status recsys_ranker_describe(recsys_ranker *ranker, char *buffer, size_t size, size_t *length,
                                                recsys_error *error);

/** Writes what was fitted to one safetensors file (docs/formats-ranker.md), through a temporary file and a rename. Of
 * "auto" it is the algorithm that was chosen. */
RECSYS_API recsys_status recsys_ranker_save(recsys_ranker *ranker, const char *path, recsys_error *error);

/** A fitted ranker from such a file, over a store that may have grown since: histories are folded in as ever. A store
 * that has fewer than half of the rated items is another one: RECSYS_EMISMATCH. A damaged file is RECSYS_EFORMAT, one
 * of a newer format RECSYS_EVERSION. options as for recsys_ranker_create. */
RECSYS_API recsys_status recsys_ranker_open(recsys_ranker **ranker, recsys_store *store, const char *path,
                                            const recsys_ranker_options *options, recsys_error *error);

RECSYS_API void recsys_ranker_close(recsys_ranker *ranker);

/* ---- Evaluation: how good is a list? ---------------------------------------------------------------------------- */

enum {
  RECSYS_PART_TRAIN = 0,   /**< fitted on, and the user's history */
  RECSYS_PART_TEST = 1,    /**< asked for */
  RECSYS_PART_HISTORY = 2, /**< of a user who is outside the fit: the history that is passed in */
  RECSYS_PART_UNUSED = 3   /**< neither */
};

/**
 * How the stored ratings are divided, repeat by repeat. test is a share in 0..1; every repeat r of the same seed gives
 * the same parts on every machine.
 *
 *  "random test=0.2"           of each user's ratings, rounded, at random; at least one stays in training
 *  "leave k=1 by=random|time"  k ratings of each user who has more than k: drawn, or the latest
 *  "time test=0.2"             the latest share of all ratings (ties: all on the earlier side)
 *  "user-time test=0.2"        the latest share of each user's ratings
 *  "cold-items test=0.2"       a share of the rated items is hidden: all ratings of them are tested
 *  "cold-users test=0.2 history=5"  a share of the users is left out of fitting; their first `history` ratings by time
 *                              are the history, the rest is tested
 *
 * all with repeats=5 seed=1. A pair of user and item that is known by events alone stands among the ratings as the
 * largest one. Ratings are put in order by user, then item, before anything is drawn. users[i], items[i]
 * must be stored ratings; parts[i] receives RECSYS_PART_... of repeat `repeat` (0-based).
 */
RECSYS_API recsys_status recsys_split(recsys_store *store, const char *split, uint32_t repeat, const int64_t *users,
                                      const int64_t *items, size_t n, uint8_t *parts, recsys_error *error);

enum { RECSYS_CANDIDATES_ALL = 0, RECSYS_CANDIDATES_HIDDEN = 1 };

typedef struct recsys_evaluate_options {
  uint32_t struct_size;
  uint32_t candidates;  /**< what is ranked: every item of the store that is not in the user's history, or only
                             (RECSYS_CANDIDATES_HIDDEN) those without a rating in training. Never a sample. */
  const char *split;    /**< as recsys_split takes it; NULL: "random", or the given parts */
  const int64_t *users; /**< given folds: n_ratings pairs of stored ratings ... */
  const int64_t *items;
  const uint8_t *parts; /**< ... and RECSYS_PART_... of each, repeats x n_ratings, row-major */
  uint64_t n_ratings;
  const uint32_t *k; /**< list lengths; NULL: 10 and 20 */
  uint32_t n_k;
  uint32_t repeats;            /**< of the given parts */
  double relevant_from;        /**< a tested rating counts as relevant at or above this; 0: the store's liked threshold,
                                    which is the value at 0.8 of the largest */
  const char *fingerprint;     /**< the space whose embeddings are used; NULL: the default one */
  uint32_t threads;            /**< 0: the processors this process may use */
  uint32_t reserved;           /**< zero */
  uint64_t seed;               /**< of the bootstrap */
  recsys_progress_fn progress; /**< phase "evaluate", in users times rankers times repeats */
  void *progress_user;
} recsys_evaluate_options;

/** What an evaluation found; made once, never changes. */
typedef struct recsys_evaluation recsys_evaluation;

/** Fits each of the rankers ("ease; als factors=64; popular") to the training part of each repeat, ranks all
 * candidates for every user with something relevant in the test part, and compares. Nothing of the test part is seen in
 * fitting; the store is not changed.
 *
 * With T the relevant test items of a user, k the list's length, gain 1 for a hit: ndcg@k = DCG / the ideal DCG over
 * min(k, |T|); precision@k = hits / k; recall@k = hits / |T|; map@k = sum of the precisions at the hits / |T|;
 * map_min@k the same over min(k, |T|); mrr@k; hit@k; auc = the share of (relevant, other) pairs in the right order over
 * all candidates, ties half; rmse and mae over all tested ratings where the ranker predicts values; coverage@k = the
 * share of candidates in any list; gini@k of how often each is listed; novelty@k = the mean of -log2(raters / users);
 * diversity@k = the mean of 1 - cosine over pairs of a list. Users without a relevant test item are counted, not
 * averaged. A user's values are averaged over repeats first. Intervals are 95 % bootstrap intervals over users;
 * differences from the best ranker come with a paired sign-flip test over users, corrected by Holm over rankers; the
 * deviation over repeats is corrected, x (1 / J + n_test / n_train) (Nadeau and Bengio 2003). */
RECSYS_API recsys_status recsys_evaluate(recsys_evaluation **evaluation, recsys_store *store, const char *rankers,
                                         const recsys_evaluate_options *options, recsys_error *error);

/** One measured number. 128 bytes, frozen. */
typedef struct recsys_metric {
  uint32_t struct_size;
  uint32_t users;    /**< that were averaged */
  uint32_t unscored; /**< users without a relevant test item */
  uint32_t reserved0;
  double mean;
  double low; /**< 95 % interval over users */
  double high;
  double deviation;     /**< corrected standard deviation of the mean over repeats; 0 with one repeat */
  double difference;    /**< from the best ranker's mean, <= 0 where larger is better */
  double p_value;       /**< of that difference, after Holm; 1 for the best itself */
  double seconds;       /**< for fitting and ranking, all repeats together */
  double repeat_mean;   /**< the mean over repeats of each repeat's own mean over its users */
  uint64_t reserved[6]; /**< zero */
} recsys_metric;

/** The value of a metric ("ndcg@10", "recall@20", "auc", "rmse", ...) for the index-th ranker, for a group: "all",
 * "new-users" (at most 5 ratings of history), "new-items" (only tested items without a training rating count), NULL =
 * "all". RECSYS_ENOTFOUND, naming what there is, for what was not measured. */
RECSYS_API recsys_status recsys_evaluation_get(recsys_evaluation *evaluation, uint32_t ranker, const char *metric,
                                               const char *group, recsys_metric *result, recsys_error *error);

/** Everything, as one JSON object (docs/formats.md). */
RECSYS_API recsys_status recsys_evaluation_describe(recsys_evaluation *evaluation, char *buffer, size_t size,
                                                    size_t *length, recsys_error *error);

RECSYS_API void recsys_evaluation_close(recsys_evaluation *evaluation);

#ifdef __cplusplus
}
#endif
#endif
