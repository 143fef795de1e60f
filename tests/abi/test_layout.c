/* Pins every public struct's size and offsets and every enum's values: a change here breaks programs that are already
 * compiled, and needs a new name or a new field at the end instead. 64-bit platforms. */
#include <stddef.h>
#include <stdio.h>

#include "recsys.h"

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " changed its size")
#define FIELD(type, field, at, bytes)                                                                                  \
  _Static_assert(offsetof(type, field) == (at) && sizeof(((type *)0)->field) == (bytes), #type "." #field " moved")
#define VALUE(name, value) _Static_assert((name) == (value), #name " was renumbered")

SIZE(recsys_error, 256);
FIELD(recsys_error, status, 0, 4);
FIELD(recsys_error, detail, 4, 4);
FIELD(recsys_error, message, 8, 248);

SIZE(recsys_image, 128);
FIELD(recsys_image, kind, 0, 4);
FIELD(recsys_image, format, 4, 4);
FIELD(recsys_image, path, 8, 8);
FIELD(recsys_image, data, 16, 8);
FIELD(recsys_image, size, 24, 8);
FIELD(recsys_image, width, 32, 4);
FIELD(recsys_image, height, 36, 4);
FIELD(recsys_image, stride, 40, 8);
FIELD(recsys_image, crop_x, 48, 4);
FIELD(recsys_image, crop_y, 52, 4);
FIELD(recsys_image, crop_width, 56, 4);
FIELD(recsys_image, crop_height, 60, 4);
FIELD(recsys_image, reserved, 64, 64);

SIZE(recsys_model_options, 128);
FIELD(recsys_model_options, struct_size, 0, 4);
FIELD(recsys_model_options, flags, 4, 4);
FIELD(recsys_model_options, architecture, 8, 8);
FIELD(recsys_model_options, layer, 16, 8);
FIELD(recsys_model_options, recipe, 24, 8);
FIELD(recsys_model_options, engine, 32, 8);
FIELD(recsys_model_options, engine_path, 40, 8);
FIELD(recsys_model_options, device, 48, 8);
FIELD(recsys_model_options, precision, 56, 4);
FIELD(recsys_model_options, threads, 60, 4);
FIELD(recsys_model_options, seed, 64, 8);
FIELD(recsys_model_options, classes, 72, 8);
FIELD(recsys_model_options, max_file_bytes, 80, 8);
FIELD(recsys_model_options, max_pixels, 88, 8);
FIELD(recsys_model_options, max_decode_bytes, 96, 8);
FIELD(recsys_model_options, max_scans, 104, 4);
FIELD(recsys_model_options, isolation, 108, 4);
FIELD(recsys_model_options, log, 112, 8);
FIELD(recsys_model_options, log_user, 120, 8);

SIZE(recsys_model_info, 240);
FIELD(recsys_model_info, struct_size, 0, 4);
FIELD(recsys_model_info, precision, 4, 4);
FIELD(recsys_model_info, dim, 8, 8);
FIELD(recsys_model_info, classes, 16, 8);
FIELD(recsys_model_info, parameters, 24, 8);
FIELD(recsys_model_info, trained, 32, 4);
FIELD(recsys_model_info, reserved, 36, 4);
FIELD(recsys_model_info, fingerprint, 40, 72);
FIELD(recsys_model_info, architecture, 112, 32);
FIELD(recsys_model_info, layer, 144, 64);
FIELD(recsys_model_info, recipe, 208, 32);

SIZE(recsys_embed_options, 24);
FIELD(recsys_embed_options, struct_size, 0, 4);
FIELD(recsys_embed_options, flags, 4, 4);
FIELD(recsys_embed_options, progress, 8, 8);
FIELD(recsys_embed_options, progress_user, 16, 8);

SIZE(recsys_label, 24);
FIELD(recsys_label, field, 0, 8);
FIELD(recsys_label, value, 8, 8);
FIELD(recsys_label, exclusive, 16, 4);
FIELD(recsys_label, reserved, 20, 4);

SIZE(recsys_train_progress, 56);
FIELD(recsys_train_progress, struct_size, 0, 4);
FIELD(recsys_train_progress, fold, 4, 4);
FIELD(recsys_train_progress, phase, 8, 8);
FIELD(recsys_train_progress, epoch, 16, 4);
FIELD(recsys_train_progress, epochs, 20, 4);
FIELD(recsys_train_progress, step, 24, 8);
FIELD(recsys_train_progress, steps, 32, 8);
FIELD(recsys_train_progress, training_loss, 40, 8);
FIELD(recsys_train_progress, validation_loss, 48, 8);

SIZE(recsys_train_options, 168);
FIELD(recsys_train_options, struct_size, 0, 4);
FIELD(recsys_train_options, flags, 4, 4);
FIELD(recsys_train_options, optimiser, 8, 4);
FIELD(recsys_train_options, schedule, 12, 4);
FIELD(recsys_train_options, hidden, 16, 8);
FIELD(recsys_train_options, dropout, 24, 8);
FIELD(recsys_train_options, epochs, 32, 4);
FIELD(recsys_train_options, batch, 36, 4);
FIELD(recsys_train_options, learning_rate, 40, 8);
FIELD(recsys_train_options, momentum, 48, 8);
FIELD(recsys_train_options, weight_decay, 56, 8);
FIELD(recsys_train_options, balance, 64, 8);
FIELD(recsys_train_options, patience, 72, 4);
FIELD(recsys_train_options, folds, 76, 4);
FIELD(recsys_train_options, validation, 80, 8);
FIELD(recsys_train_options, parts, 88, 8);
FIELD(recsys_train_options, seed, 96, 8);
FIELD(recsys_train_options, fine_tune_blocks, 104, 4);
FIELD(recsys_train_options, fine_tune_epochs, 108, 4);
FIELD(recsys_train_options, fine_tune_rate, 112, 8);
FIELD(recsys_train_options, fine_tune_batch, 120, 4);
FIELD(recsys_train_options, reserved, 124, 4);
FIELD(recsys_train_options, checkpoint, 128, 8);
FIELD(recsys_train_options, memory, 136, 8);
FIELD(recsys_train_options, cache, 144, 8);
FIELD(recsys_train_options, progress, 152, 8);
FIELD(recsys_train_options, progress_user, 160, 8);

SIZE(recsys_quantize_options, 48);
FIELD(recsys_quantize_options, struct_size, 0, 4);
FIELD(recsys_quantize_options, flags, 4, 4);
FIELD(recsys_quantize_options, calibrate, 8, 8);
FIELD(recsys_quantize_options, compare, 16, 8);
FIELD(recsys_quantize_options, seed, 24, 8);
FIELD(recsys_quantize_options, progress, 32, 8);
FIELD(recsys_quantize_options, progress_user, 40, 8);

SIZE(recsys_quantize_report, 64);
FIELD(recsys_quantize_report, struct_size, 0, 4);
FIELD(recsys_quantize_report, layers, 4, 4);
FIELD(recsys_quantize_report, calibrated, 8, 8);
FIELD(recsys_quantize_report, compared, 16, 8);
FIELD(recsys_quantize_report, neighbours, 24, 8);
FIELD(recsys_quantize_report, cosine, 32, 8);
FIELD(recsys_quantize_report, least_cosine, 40, 8);
FIELD(recsys_quantize_report, equal_neighbours, 48, 8);
FIELD(recsys_quantize_report, equal_classes, 56, 8);

SIZE(recsys_label_metrics, 64);
FIELD(recsys_label_metrics, known, 0, 8);
FIELD(recsys_label_metrics, support, 8, 8);
FIELD(recsys_label_metrics, threshold, 16, 8);
FIELD(recsys_label_metrics, accuracy, 24, 8);
FIELD(recsys_label_metrics, precision, 32, 8);
FIELD(recsys_label_metrics, recall, 40, 8);
FIELD(recsys_label_metrics, f1, 48, 8);
FIELD(recsys_label_metrics, average_precision, 56, 8);

SIZE(recsys_store_options, 56);
FIELD(recsys_store_options, struct_size, 0, 4);
FIELD(recsys_store_options, flags, 4, 4);
FIELD(recsys_store_options, busy_timeout, 8, 8);
FIELD(recsys_store_options, threads, 16, 4);
FIELD(recsys_store_options, reserved, 20, 4);
FIELD(recsys_store_options, progress, 24, 8);
FIELD(recsys_store_options, progress_user, 32, 8);
FIELD(recsys_store_options, log, 40, 8);
FIELD(recsys_store_options, log_user, 48, 8);

SIZE(recsys_store_info, 216);
FIELD(recsys_store_info, struct_size, 0, 4);
FIELD(recsys_store_info, schema_version, 4, 4);
FIELD(recsys_store_info, items, 8, 8);
FIELD(recsys_store_info, users, 16, 8);
FIELD(recsys_store_info, embeddings, 24, 8);
FIELD(recsys_store_info, ratings, 32, 8);
FIELD(recsys_store_info, labels, 40, 8);
FIELD(recsys_store_info, spaces, 48, 8);
FIELD(recsys_store_info, dim, 56, 8);
FIELD(recsys_store_info, change, 64, 8);
FIELD(recsys_store_info, fingerprint, 72, 136);
FIELD(recsys_store_info, events, 208, 8);

SIZE(recsys_clause, 64);
FIELD(recsys_clause, field, 0, 8);
FIELD(recsys_clause, values, 8, 8);
FIELD(recsys_clause, op, 16, 4);
FIELD(recsys_clause, n_values, 20, 4);
FIELD(recsys_clause, min, 24, 8);
FIELD(recsys_clause, max, 32, 8);
FIELD(recsys_clause, reserved, 40, 24);

SIZE(recsys_filter, 72);
FIELD(recsys_filter, struct_size, 0, 4);
FIELD(recsys_filter, flags, 4, 4);
FIELD(recsys_filter, clauses, 8, 8);
FIELD(recsys_filter, n_clauses, 16, 8);
FIELD(recsys_filter, allow, 24, 8);
FIELD(recsys_filter, n_allow, 32, 8);
FIELD(recsys_filter, deny, 40, 8);
FIELD(recsys_filter, n_deny, 48, 8);
FIELD(recsys_filter, min_similarity, 56, 8);
FIELD(recsys_filter, max_distance, 64, 8);

SIZE(recsys_search_options, 48);
FIELD(recsys_search_options, struct_size, 0, 4);
FIELD(recsys_search_options, metric, 4, 4);
FIELD(recsys_search_options, fingerprint, 8, 8);
FIELD(recsys_search_options, filter, 16, 8);
FIELD(recsys_search_options, progress, 24, 8);
FIELD(recsys_search_options, progress_user, 32, 8);
FIELD(recsys_search_options, approximate, 40, 4);
FIELD(recsys_search_options, effort, 44, 4);

SIZE(recsys_index_options, 40);
FIELD(recsys_index_options, struct_size, 0, 4);
FIELD(recsys_index_options, metric, 4, 4);
FIELD(recsys_index_options, fingerprint, 8, 8);
FIELD(recsys_index_options, links, 16, 4);
FIELD(recsys_index_options, effort, 20, 4);
FIELD(recsys_index_options, progress, 24, 8);
FIELD(recsys_index_options, progress_user, 32, 8);

SIZE(recsys_ranker_options, 32);
FIELD(recsys_ranker_options, struct_size, 0, 4);
FIELD(recsys_ranker_options, threads, 4, 4);
FIELD(recsys_ranker_options, fingerprint, 8, 8);
FIELD(recsys_ranker_options, log, 16, 8);
FIELD(recsys_ranker_options, log_user, 24, 8);

SIZE(recsys_fit_options, 32);
FIELD(recsys_fit_options, struct_size, 0, 4);
FIELD(recsys_fit_options, flags, 4, 4);
FIELD(recsys_fit_options, progress, 8, 8);
FIELD(recsys_fit_options, progress_user, 16, 8);
FIELD(recsys_fit_options, memory_limit, 24, 8);

SIZE(recsys_recommend_options, 80);
FIELD(recsys_recommend_options, struct_size, 0, 4);
FIELD(recsys_recommend_options, flags, 4, 4);
FIELD(recsys_recommend_options, filter, 8, 8);
FIELD(recsys_recommend_options, targets, 16, 8);
FIELD(recsys_recommend_options, n_targets, 24, 8);
FIELD(recsys_recommend_options, progress, 32, 8);
FIELD(recsys_recommend_options, progress_user, 40, 8);
FIELD(recsys_recommend_options, diversity, 48, 8);
FIELD(recsys_recommend_options, label_field, 56, 8);
FIELD(recsys_recommend_options, max_per_label, 64, 4);
FIELD(recsys_recommend_options, reserved, 68, 4);
FIELD(recsys_recommend_options, sources, 72, 8);

SIZE(recsys_reason, 64);
FIELD(recsys_reason, kind, 0, 4);
FIELD(recsys_reason, reserved0, 4, 4);
FIELD(recsys_reason, item, 8, 8);
FIELD(recsys_reason, contribution, 16, 8);
FIELD(recsys_reason, similarity, 24, 8);
FIELD(recsys_reason, rating, 32, 8);
FIELD(recsys_reason, reserved, 40, 24);

SIZE(recsys_evaluate_options, 112);
FIELD(recsys_evaluate_options, struct_size, 0, 4);
FIELD(recsys_evaluate_options, candidates, 4, 4);
FIELD(recsys_evaluate_options, split, 8, 8);
FIELD(recsys_evaluate_options, users, 16, 8);
FIELD(recsys_evaluate_options, items, 24, 8);
FIELD(recsys_evaluate_options, parts, 32, 8);
FIELD(recsys_evaluate_options, n_ratings, 40, 8);
FIELD(recsys_evaluate_options, k, 48, 8);
FIELD(recsys_evaluate_options, n_k, 56, 4);
FIELD(recsys_evaluate_options, repeats, 60, 4);
FIELD(recsys_evaluate_options, relevant_from, 64, 8);
FIELD(recsys_evaluate_options, fingerprint, 72, 8);
FIELD(recsys_evaluate_options, threads, 80, 4);
FIELD(recsys_evaluate_options, reserved, 84, 4);
FIELD(recsys_evaluate_options, seed, 88, 8);
FIELD(recsys_evaluate_options, progress, 96, 8);
FIELD(recsys_evaluate_options, progress_user, 104, 8);

SIZE(recsys_metric, 128);
FIELD(recsys_metric, struct_size, 0, 4);
FIELD(recsys_metric, users, 4, 4);
FIELD(recsys_metric, unscored, 8, 4);
FIELD(recsys_metric, reserved0, 12, 4);
FIELD(recsys_metric, mean, 16, 8);
FIELD(recsys_metric, low, 24, 8);
FIELD(recsys_metric, high, 32, 8);
FIELD(recsys_metric, deviation, 40, 8);
FIELD(recsys_metric, difference, 48, 8);
FIELD(recsys_metric, p_value, 56, 8);
FIELD(recsys_metric, seconds, 64, 8);
FIELD(recsys_metric, repeat_mean, 72, 8);
FIELD(recsys_metric, reserved, 80, 48);

VALUE(RECSYS_OK, 0);
VALUE(RECSYS_EINVAL, -1);
VALUE(RECSYS_ENOMEM, -2);
VALUE(RECSYS_EIO, -3);
VALUE(RECSYS_EFORMAT, -4);
VALUE(RECSYS_EVERSION, -5);
VALUE(RECSYS_EUNSUPPORTED, -6);
VALUE(RECSYS_ELIMIT, -7);
VALUE(RECSYS_ENOTFOUND, -8);
VALUE(RECSYS_EBUSY, -9);
VALUE(RECSYS_EREADONLY, -10);
VALUE(RECSYS_EFULL, -11);
VALUE(RECSYS_EMISMATCH, -12);
VALUE(RECSYS_ECANCELLED, -13);
VALUE(RECSYS_EPARTIAL, -14);
VALUE(RECSYS_ENOENGINE, -15);
VALUE(RECSYS_EENGINE, -16);
VALUE(RECSYS_EFORKED, -17);
VALUE(RECSYS_ENOTFITTED, -18);
VALUE(RECSYS_EINTERNAL, -19);
VALUE(RECSYS_NOTE_FALLBACK_POPULAR, 1);
VALUE(RECSYS_NOTE_SHORT, 2);
VALUE(RECSYS_LOG_ERROR, 1);
VALUE(RECSYS_LOG_WARNING, 2);
VALUE(RECSYS_LOG_INFO, 3);
VALUE(RECSYS_IMAGE_FILE, 1);
VALUE(RECSYS_IMAGE_BYTES, 2);
VALUE(RECSYS_IMAGE_PIXELS, 3);
VALUE(RECSYS_PIXELS_RGB, 0);
VALUE(RECSYS_PIXELS_BGR, 1);
VALUE(RECSYS_PIXELS_RGBA, 2);
VALUE(RECSYS_PIXELS_BGRA, 3);
VALUE(RECSYS_PIXELS_GRAY, 4);
VALUE(RECSYS_PRECISION_AUTO, 0);
VALUE(RECSYS_PRECISION_FLOAT32, 1);
VALUE(RECSYS_PRECISION_BFLOAT16, 2);
VALUE(RECSYS_ISOLATION_NONE, 0);
VALUE(RECSYS_ISOLATION_PROCESS, 1);
VALUE(RECSYS_MODEL_SCALED_JPEG, 1);
VALUE(RECSYS_MODEL_DIRECT, 2);
VALUE(RECSYS_LABEL_UNKNOWN, -1);
VALUE(RECSYS_LABEL_ABSENT, 0);
VALUE(RECSYS_LABEL_PRESENT, 1);
VALUE(RECSYS_OPTIMISER_SGD, 0);
VALUE(RECSYS_OPTIMISER_ADAMW, 1);
VALUE(RECSYS_SCHEDULE_COSINE, 0);
VALUE(RECSYS_SCHEDULE_CONSTANT, 1);
VALUE(RECSYS_SCHEDULE_STEPS, 2);
VALUE(RECSYS_TRAIN_RESTART, 1);
VALUE(RECSYS_TRAIN_RAW_FEATURES, 2);
VALUE(RECSYS_TRAIN_HALF, 4);
VALUE(RECSYS_STORE_READ_ONLY, 1);
VALUE(RECSYS_STORE_MUST_EXIST, 2);
VALUE(RECSYS_STORE_IMMUTABLE, 4);
VALUE(RECSYS_ITEMS, 1);
VALUE(RECSYS_USERS, 2);
VALUE(RECSYS_RESOLVE_CREATE, 1);
VALUE(RECSYS_SPACE_DEFAULT, 1);
VALUE(RECSYS_CLAUSE_ANY, 1);
VALUE(RECSYS_CLAUSE_ALL, 2);
VALUE(RECSYS_CLAUSE_NONE, 3);
VALUE(RECSYS_CLAUSE_RANGE, 4);
VALUE(RECSYS_FILTER_ALLOW, 1);
VALUE(RECSYS_FILTER_MIN_SIMILARITY, 2);
VALUE(RECSYS_FILTER_MAX_DISTANCE, 4);
VALUE(RECSYS_FILTER_RATED, 8);
VALUE(RECSYS_METRIC_COSINE, 0);
VALUE(RECSYS_METRIC_EUCLIDEAN, 1);
VALUE(RECSYS_RECOMMEND_UNIQUE, 1);
VALUE(RECSYS_SOURCE_NONE, 0);
VALUE(RECSYS_SOURCE_RATINGS, 1);
VALUE(RECSYS_SOURCE_FEATURES, 2);
VALUE(RECSYS_SOURCE_POPULAR, 3);
VALUE(RECSYS_REASON_ITEM, 1);
VALUE(RECSYS_REASON_CONSTANT, 2);
VALUE(RECSYS_PART_TRAIN, 0);
VALUE(RECSYS_PART_TEST, 1);
VALUE(RECSYS_PART_HISTORY, 2);
VALUE(RECSYS_PART_UNUSED, 3);
VALUE(RECSYS_CANDIDATES_ALL, 0);
VALUE(RECSYS_CANDIDATES_HIDDEN, 1);

int main(void) {
  uint32_t header = RECSYS_VERSION_MAJOR * 1000000u + RECSYS_VERSION_MINOR * 1000u + RECSYS_VERSION_PATCH;
  if (recsys_version() != header) {
    printf("the library says version %u, its header %u\n", recsys_version(), header);
    return 1;
  }
  return 0;
}
