/* SPDX-License-Identifier: Apache-2.0
 *
 * libtopn: item recommendation from implicit feedback.
 *
 * Conventions, stated once:
 *  - Every fallible function returns a topn_status; the detail (file, line, option, value) is in
 *    topn_context_message() of the context it was given.
 *  - `_create`, `_read`, `_load`, `_train`, `_copy`, `_prune`, `_split` hand ownership to the caller, who calls the
 *    matching `_free`; every `_free` accepts NULL. Plain getters lend: what they return lives as long as
 *    the object it was asked from; of a NULL object they return 0, NULL, NAN or false. On failure an output pointer
 *    is set to NULL.
 *  - Users and items are 32-bit indices 0 … count−1 inside, external ids are NUL-terminated byte strings.
 *  - A context belongs to one thread at a time. Data, models and retrievers never change after creation
 *    and may be shared by any number of threads; a query belongs to one thread.
 *  - The library never prints, never exits, never touches signals or the locale.
 *
 * P1 is Van Balen and Goethals, High-dimensional Sparse Embeddings for Collaborative Filtering, WWW 2021; P2 is Rendle,
 * Item Recommendation from Implicit Feedback, 2021.
 */
#ifndef TOPN_TOPN_H
#define TOPN_TOPN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TOPN_API __attribute__((visibility("default")))
#else
#define TOPN_API
#endif

/* ---- Status ------------------------------------------------------------------------------------- */

/* X(enumerator, value, stable name, what it means) */
#define TOPN_STATUS_LIST(X)                                                                                            \
    X(TOPN_OK, 0, "ok", "no error")                                                                                    \
    X(TOPN_ERROR_ARGUMENT, 1, "argument", "a function was called with an argument it cannot take")                     \
    X(TOPN_ERROR_OPTION, 2, "option", "an option is unknown or its value is out of bounds")                            \
    X(TOPN_ERROR_DATA, 3, "data", "the input data are wrong")                                                          \
    X(TOPN_ERROR_FORMAT, 4, "format", "a file is corrupt or of an unknown form or version")                            \
    X(TOPN_ERROR_IO, 5, "io", "the operating system refused to read or write")                                         \
    X(TOPN_ERROR_MEMORY, 6, "memory", "the memory needed is more than there is")                                       \
    X(TOPN_ERROR_NUMERIC, 7, "numeric", "a computation failed or lost its accuracy")                                   \
    X(TOPN_ERROR_NOT_FOUND, 8, "not-found", "no such user, item, method or entry")                                     \
    X(TOPN_ERROR_UNSUPPORTED, 9, "unsupported", "this model or build cannot do that")                                  \
    X(TOPN_ERROR_CANCELLED, 10, "cancelled", "the progress callback asked to stop")                                    \
    X(TOPN_ERROR_INTERNAL, 11, "internal", "a defect in the library")

typedef enum topn_status {
#define TOPN_STATUS_ENUM(id, value, name, text) id = value,
    TOPN_STATUS_LIST(TOPN_STATUS_ENUM)
#undef TOPN_STATUS_ENUM
} topn_status;

/* "memory" for TOPN_ERROR_MEMORY; "unknown" for a value that is none of them. Never NULL. */
TOPN_API const char *topn_status_name(topn_status status);
/* One sentence on what the status means. Never NULL. */
TOPN_API const char *topn_status_text(topn_status status);
/* "0.1.0": version of the library that is running. */
TOPN_API const char *topn_version(void);

/* ---- Context: threads, seed, memory limit, callbacks, last message --------------------------------- */

typedef struct topn_context topn_context;
typedef struct topn_options topn_options;
typedef struct topn_data topn_data;
typedef struct topn_split topn_split;
typedef struct topn_model topn_model;
typedef struct topn_retriever topn_retriever;
typedef struct topn_query topn_query;
typedef struct topn_report topn_report;
typedef struct topn_attributes topn_attributes;
typedef struct topn_cache topn_cache;
typedef struct topn_filter topn_filter;

/* Where a long computation stands. `done` and `total` count `unit`s; total is 0 where it is not known. */
typedef struct topn_progress {
    const char *stage; /* "gram", "factor", "read events", … */
    const char *unit;  /* "rows", "bytes", "users", … */
    uint64_t done, total;
    double value; /* stage "sweep": the loss; other stages in "sweeps": the metric they are named for; else NAN */
} topn_progress;

/* Called on the thread that called the library, between blocks of work. Returning false cancels: the
 * function under way frees what it holds and returns TOPN_ERROR_CANCELLED. */
typedef bool topn_progress_callback(const topn_progress *progress, void *user_data);
/* One line of information without a newline, such as "columns: user=1 (userId), item=2 (movieId)". */
typedef void topn_log_callback(const char *line, void *user_data);

/* A context with all processors this process may use, seed 1 and the machine's memory as limit. */
TOPN_API topn_status topn_context_create(topn_context **out);
TOPN_API void topn_context_free(topn_context *context);
/* Detail of the last failure in this context; "" when there was none. Valid until the next call. */
TOPN_API const char *topn_context_message(const topn_context *context);
/* Options "threads" (0 = all processors), "seed", "memory" (bytes or 8G; 0 = machine and cgroup limit),
 * from an object made with TOPN_KIND_CONTEXT. */
TOPN_API topn_status topn_context_apply(topn_context *context, const topn_options *options);
TOPN_API int topn_context_threads(const topn_context *context);
TOPN_API uint64_t topn_context_seed(const topn_context *context);
TOPN_API void topn_context_set_progress(topn_context *context, topn_progress_callback *callback, void *user_data);
TOPN_API void topn_context_set_log(topn_context *context, topn_log_callback *callback, void *user_data);

/* What trainings on the same data share: the Gram matrix (of ease, chol, inverse-factor, ssvd and the like with any
 * ridge) and its inverse (with any k or priors). Models have the same bits with and without. `bytes` are kept at the
 * most; 0 = a quarter of the memory that there is. Training with little memory empties it before it refuses. */
TOPN_API topn_status topn_cache_create(topn_context *context, uint64_t bytes, topn_cache **out);
TOPN_API void topn_cache_free(topn_cache *cache);
/* Trainings in this context use the cache, which must live as long and belongs to one thread at a time; NULL = none. */
TOPN_API void topn_context_set_cache(topn_context *context, topn_cache *cache);

/* ---- Registries and options ------------------------------------------------------------------------ */

typedef enum topn_kind {
    TOPN_KIND_CONTEXT,    /* one entry, "context": threads, seed, memory */
    TOPN_KIND_READER,     /* one entry, "reader": format, columns, filters */
    TOPN_KIND_FORMAT,     /* file formats; their options are the reader's */
    TOPN_KIND_SPLIT,      /* evaluation protocols */
    TOPN_KIND_METHOD,     /* training methods */
    TOPN_KIND_RETRIEVER,  /* ways to find the top n */
    TOPN_KIND_METRIC,     /* metrics; their options are the evaluation's */
    TOPN_KIND_EVALUATION, /* one entry, "evaluation": metrics, intervals */
    TOPN_KIND_EXPORT,     /* export formats */
    TOPN_KIND_GENERATOR,  /* one entry, "generator": shape and size of made data */
    TOPN_KIND_COUNT
} topn_kind;

typedef struct topn_entry {
    const char *name;    /* "chol" */
    const char *summary; /* one line */
    const char *source;  /* paper and section, or "" */
} topn_entry;

TOPN_API size_t topn_registry_count(topn_kind kind);
/* false when index is past the end. */
TOPN_API bool topn_registry_entry(topn_kind kind, size_t index, topn_entry *out);

typedef enum topn_option_type {
    TOPN_OPTION_INTEGER,
    TOPN_OPTION_REAL,
    TOPN_OPTION_BOOLEAN,
    TOPN_OPTION_TEXT,
    TOPN_OPTION_CHOICE,
    TOPN_OPTION_SIZE /* bytes: 1073741824, 1G, 512M */
} topn_option_type;

/* The range of an option in which tuning looks for its best value. */
typedef enum topn_search_scale {
    TOPN_SEARCH_NONE,   /* not searched */
    TOPN_SEARCH_LINEAR, /* from low to high */
    TOPN_SEARCH_LOG,    /* the same by ratios: 1 to 10 is as wide as 10 to 100 */
    TOPN_SEARCH_CHOICES /* one of the words of choices */
} topn_search_scale;
typedef struct topn_option_search {
    topn_search_scale scale;
    double low, high;    /* of LINEAR and LOG, both included; whole numbers for options of type INTEGER */
    const char *choices; /* of CHOICES: "32|64|128", "cosine|jaccard" */
} topn_option_search;

typedef struct topn_option_info {
    const char *name;         /* "l2", spelled with '-' between words */
    const char *help;         /* one sentence */
    const char *default_text; /* as it would be written on the command line */
    const char *bounds;       /* "1e-9 … 1e+12", "popularity|random|given", or "" */
    topn_option_type type;
    bool is_set; /* given by the caller; false: the default holds */
    topn_option_search search;
} topn_option_info;

/* Options of one registry entry, filled with defaults. TOPN_ERROR_NOT_FOUND names the nearest entry. */
TOPN_API topn_status topn_options_create(topn_context *context, topn_kind kind, const char *name, topn_options **out);
TOPN_API void topn_options_free(topn_options *options);
TOPN_API size_t topn_options_count(const topn_options *options);
TOPN_API bool topn_options_info(const topn_options *options, size_t index, topn_option_info *out);
/* Parses, checks bounds, stores. Later calls win. Unknown keys are TOPN_ERROR_OPTION with a hint. */
TOPN_API topn_status topn_options_set(topn_context *context, topn_options *options, const char *key, const char *value);
/* Current value as text that topn_options_set would take back; NULL for an unknown key. Lent until the next set. */
TOPN_API const char *topn_options_get(const topn_options *options, const char *key);
TOPN_API bool topn_options_has(const topn_options *options, const char *key);

/* One key and value of a YAML (or JSON) options file: a flat mapping of scalars. Returning anything but
 * TOPN_OK ends the reading with that status. */
typedef topn_status topn_option_visitor(topn_context *context, const char *key, const char *value, void *user_data);
/* Reads such a file; a fault names file and line. */
TOPN_API topn_status topn_options_file(topn_context *context, const char *path, topn_option_visitor *visit,
                                       void *user_data);

/* ---- Interaction data ------------------------------------------------------------------------------- */

/* Reads events into users × items with ids. `path` may be a file, a folder (Netflix), "-" (standard input) or the
 * binary form that topn_data_save writes; gzip and zstd are seen through. `reader` may be NULL (defaults).
 * Duplicate pairs are merged by the reader's rule; indices follow the sorted ids (numeric order when all ids are
 * integers, else byte order), so the order of lines in the file changes nothing.
 * Errors: DATA (file:line and value), FORMAT, IO, OPTION, MEMORY. Time linear in bytes, plus sorting. */
TOPN_API topn_status topn_data_read(topn_context *context, const char *path, const topn_options *reader,
                                    topn_data **out);
/* From arrays: indptr [users + 1], indices [indptr[users]], values the same or NULL (all 1). Rows may be
 * unsorted; duplicate pairs are summed. Ids are the decimal indices. */
TOPN_API topn_status topn_data_copy_csr(topn_context *context, uint32_t users, uint32_t items, const uint64_t *indptr,
                                        const uint32_t *indices, const float *values, topn_data **out);
/* From events given one by one, by programs that keep them elsewhere. The names of `field_count` fields of the context
 * are copied. Keeps a reference to `context`. */
typedef struct topn_data_builder topn_data_builder;
typedef struct topn_event {
    const char *user, *item;
    float weight;               /* finite, at least 0 */
    int64_t time;               /* seconds since 1970 */
    const char *const *context; /* [field_count] values, NULL = not known; NULL = none is known */
} topn_event;
TOPN_API topn_status topn_data_builder_create(topn_context *context, const char *const *fields, size_t field_count,
                                              topn_data_builder **out);
TOPN_API void topn_data_builder_free(topn_data_builder *builder);
/* Copies the event. Errors: DATA with its number and value, and so for all that follow. */
TOPN_API topn_status topn_data_builder_add(topn_data_builder *builder, const topn_event *event);
/* As topn_data_read makes data of the events of a file: `reader` (NULL = defaults) filters, merges duplicates and adds
 * side files; its options on the form of the file say nothing here. `origin` (NULL = "") is recorded as the data's. The
 * builder is empty and spent after that. */
TOPN_API topn_status topn_data_builder_finish(topn_data_builder *builder, const topn_options *reader,
                                              const char *origin, topn_data **out);
/* What a file says of its events beside user and item. */
typedef struct topn_event_columns {
    bool has_weights, has_times;
    const char *const *fields; /* [field_count] names of the fields of topn_event.context */
    size_t field_count;
} topn_event_columns;
/* Returning false ends the reading with CANCELLED. What `event` points to lives until the return. */
typedef bool topn_event_visitor(const topn_event_columns *columns, const topn_event *event, void *user_data);
/* Each event of a file by itself, in the order of the file; none are merged. Of the reader's options those on the form
 * of the file, --context-columns, --since and --until count; the others are about data made of events. Weights are 1
 * and times 0 where the file has none. `path` and errors as of topn_data_read, and all of them come before the first
 * visit. Holds 8 to 20 bytes an event and its ids once. */
TOPN_API topn_status topn_events_read(topn_context *context, const char *path, const topn_options *reader,
                                      topn_event_visitor *visit, void *user_data);
/* Made data with the users, items, events, popularity and co-occurrence of a published data set (docs/generating.md):
 * exactly that many, each user and item with at least one event. `generator` (TOPN_KIND_GENERATOR) may be NULL
 * (defaults). The context's seed decides. Errors: ARGUMENT, OPTION, MEMORY, CANCELLED. O(events + users +
 * items · log items) time; 8 bytes an event, some 80 a user and an item, and 4 an item and thread. */
TOPN_API topn_status topn_data_generate(topn_context *context, const topn_options *generator, topn_data **out);
/* Writes the binary form (FORMAT.md), atomically. */
TOPN_API topn_status topn_data_save(topn_context *context, const topn_data *data, const char *path);
/* Writes text: user TAB item [TAB weight] [TAB timestamp], with a header; atomically. Data with fields of the context
 * have a line per event of a context, and the fields after that; features are not written. */
TOPN_API topn_status topn_data_write_text(topn_context *context, const topn_data *data, const char *path);
TOPN_API void topn_data_free(topn_data *data);

TOPN_API uint32_t topn_data_users(const topn_data *data);
TOPN_API uint32_t topn_data_items(const topn_data *data);
TOPN_API uint64_t topn_data_events(const topn_data *data);
/* Fields of an event's context beside the user ("hour"), in the order in which they were asked for; values are texts.
 * 0, and NULL past the end. */
TOPN_API size_t topn_data_fields(const topn_data *data);
TOPN_API const char *topn_data_field_name(const topn_data *data, size_t field);
TOPN_API uint32_t topn_data_field_values(const topn_data *data, size_t field);
/* Share of the events, those of contexts, that say nothing in the field; NAN past the end. O(contexts). */
TOPN_API double topn_data_field_missing(const topn_data *data, size_t field);
/* Distinct contexts (user and value of every field) that events have; 0 without fields. */
TOPN_API uint32_t topn_data_contexts(const topn_data *data);
/* Events by user, context and item, of which topn_data_events counts those of the same user and item once. */
TOPN_API uint64_t topn_data_context_events(const topn_data *data);
/* Distinct features of users and of items; 0 where none were read. */
TOPN_API uint32_t topn_data_user_features(const topn_data *data);
TOPN_API uint32_t topn_data_item_features(const topn_data *data);
/* 16 hexadecimal digits over ids, pairs, weights, times, contexts and features. */
TOPN_API const char *topn_data_fingerprint(const topn_data *data);
TOPN_API const char *topn_data_user_id(const topn_data *data, uint32_t user); /* NULL past the end */
TOPN_API const char *topn_data_item_id(const topn_data *data, uint32_t item);
TOPN_API const char *topn_data_item_title(const topn_data *data, uint32_t item); /* NULL when there is none */
TOPN_API bool topn_data_find_user(const topn_data *data, const char *id, uint32_t *out);
TOPN_API bool topn_data_find_item(const topn_data *data, const char *id, uint32_t *out);
/* Lends user's items (ascending) and weights, both [return value]. Either output may be NULL. */
TOPN_API size_t topn_data_history(const topn_data *data, uint32_t user, const uint32_t **items, const float **weights);

/* minimum, 10 %, 25 %, 50 %, 75 %, 90 %, 99 %, maximum and mean of a count or weight */
typedef struct topn_distribution {
    double minimum, p10, p25, median, p75, p90, p99, maximum, mean;
} topn_distribution;

/* What reading saw and left out. Reasons: "below --min-weight", "before --since", "users with few events", … */
typedef struct topn_dropped {
    const char *reason;
    uint64_t events;
} topn_dropped;

typedef struct topn_description {
    uint32_t users, items;
    uint64_t events;
    double density;                /* events / (users · items) */
    topn_distribution per_user;    /* events per user */
    topn_distribution per_item;    /* events per item */
    topn_distribution weight;      /* merged weight of an event */
    double gini_items;             /* 0 = all items equally popular, 1 = one item has all events */
    bool has_weights, has_times;   /* whether the source had such a column */
    int64_t first_time, last_time; /* seconds since 1970, when has_times */
    uint64_t rows_read;            /* events in the source, before filters and merging */
    uint64_t duplicates;           /* events merged into another of the same user and item */
    const char *source;            /* path as given */
    const char *format;            /* "delimited (comma)", … */
    const char *columns;           /* "user=1 (userId), item=2 (movieId), weight=3 (rating)" */
    const topn_dropped *dropped;   /* [dropped_count], only reasons that dropped something */
    size_t dropped_count;
} topn_description;

/* O(users + items + events log events). Strings and arrays are lent by the data. */
TOPN_API topn_status topn_data_describe(topn_context *context, const topn_data *data, topn_description *out);

/* ---- Splitting --------------------------------------------------------------------------------------- */

typedef enum topn_part {
    TOPN_PART_TRAIN,
    TOPN_PART_VALIDATION_SEEN,
    TOPN_PART_VALIDATION_HIDDEN,
    TOPN_PART_TEST_SEEN,
    TOPN_PART_TEST_HIDDEN,
    TOPN_PART_COUNT
} topn_part;

/* "train", "validation-seen", … NULL past the end. */
TOPN_API const char *topn_part_name(topn_part part);
/* options: of a TOPN_KIND_SPLIT entry. `test` is NULL but for protocol "fixed", where it holds the given test events.
 * Randomness comes from the context's seed. */
TOPN_API topn_status topn_data_split(topn_context *context, const topn_data *data, const topn_data *test,
                                     const topn_options *options, topn_split **out);
/* Lends a part, NULL when the protocol makes none (no validation users asked for, say). */
TOPN_API const topn_data *topn_split_part(const topn_split *split, topn_part part);
/* Writes train.tsv, validation-seen.tsv, … and split.json (protocol, options, seed, counts, fingerprints) to a folder
 * that is made when missing; the folder appears whole or not at all. */
TOPN_API topn_status topn_split_save(topn_context *context, const topn_split *split, const char *folder);
TOPN_API void topn_split_free(topn_split *split);

/* ---- Training and model files -------------------------------------------------------------------------- */

/* What a method will need, before anything is allocated. */
typedef struct topn_cost {
    uint64_t peak_bytes; /* including the data */
    double flops;
    uint64_t available_bytes; /* what the machine or --memory grants */
} topn_cost;

/* Predicts what topn_train would need, without allocating it. O(data). Errors: OPTION. */
TOPN_API topn_status topn_train_cost(topn_context *context, const topn_data *data, const topn_options *options,
                                     topn_cost *out);
/* options: of a TOPN_KIND_METHOD entry; `reader` (NULL allowed) is recorded in the model beside them.
 * Errors: MEMORY with both figures before anything is allocated, OPTION, NUMERIC with the remedy. */
TOPN_API topn_status topn_train(topn_context *context, const topn_data *data, const topn_options *options,
                                const topn_options *reader, topn_model **out);
/* What training may use beside data and options. Zero-initialise, then set what is there. */
typedef struct topn_training {
    const topn_options *reader; /* recorded in the model */
    /* Held-back events, as for topn_evaluate: methods that improve sweep by sweep judge themselves on them by `metric`,
     * stop when it no longer rises (option "patience") and keep their best state. Both or neither. */
    const topn_data *validation_seen, *validation_hidden;
    const char *metric;            /* "ndcg@100"; NULL = that */
    const char *validation_source; /* recorded in the model as validation.source: "share 0.1"; NULL = nothing */
} topn_training;
/* topn_train with more said; training may be NULL. Other methods than iterative ones only record the reader and the
 * source of the held-back events. */
TOPN_API topn_status topn_train_validated(topn_context *context, const topn_data *data, const topn_options *options,
                                          const topn_training *training, topn_model **out);
/* The model with the items that only `data` knows (by id), each with the row that its events there ask for while all
 * other parameters stay (P2 Algorithm 4, line 14): users by their rows in the model, others by their histories. Items
 * that the model knows stay as they are. Two-tower models make the rows of the new items' features, and events say
 * nothing. A changed copy. UNSUPPORTED for models that are neither, or that know no features; DATA when no item is new.
 * O(events·D² + new items·D³). */
TOPN_API topn_status topn_model_add_items(topn_context *context, const topn_model *model, const topn_data *data,
                                          topn_model **out);
/* Fields of the context that the model knows, the user apart; see topn_data_fields. */
TOPN_API size_t topn_model_fields(const topn_model *model);
TOPN_API const char *topn_model_field_name(const topn_model *model, size_t field);
TOPN_API bool topn_model_find_value(const topn_model *model, size_t field, const char *value, uint32_t *out);
/* Users' features by name, "gender=F", or the column's name where it is a number. */
TOPN_API bool topn_model_find_feature(const topn_model *model, const char *name, uint32_t *out);
/* Atomic, same model same bytes: metadata "run.*" (seconds, threads, memory) are left out. FORMAT.md. */
TOPN_API topn_status topn_model_save(topn_context *context, const topn_model *model, const char *path);
/* Maps the file; arrays are verified against their checksums. */
TOPN_API topn_status topn_model_load(topn_context *context, const char *path, topn_model **out);
TOPN_API void topn_model_free(topn_model *model);
/* Priors π: score = ⟨φ, ψ⟩·π + b (P1 eq. 6–7). priors [items], finite. A changed copy that shares nothing. */
TOPN_API topn_status topn_model_copy_with_priors(topn_context *context, const topn_model *model, const float *priors,
                                                 topn_model **out);
/* Which numbers a pruned table keeps: the largest magnitudes, ties in the order of rows and columns. */
typedef enum topn_prune_mode {
    TOPN_PRUNE_ROW,    /* k in each row: of each item's embedding */
    TOPN_PRUNE_GLOBAL, /* k · items of the whole table */
    TOPN_PRUNE_ITEM    /* k in each column of an items × items table: of each recommended item's weights */
} topn_prune_mode;
/* The model with its tables pruned, k ≥ 1; the model itself, mapped or not, is only read. Where training with option k
 * gives the same arrays, that option is updated in the copy's metadata; else "prune.mode" and "prune.k" say what was
 * done. Recorded metrics are left out. O(numbers of the table) time; memory for the kept numbers and a row a thread.
 * Errors: ARGUMENT (k = 0, no such mode); UNSUPPORTED for a model without a table, and for TOPN_PRUNE_ITEM when the
 * table is not items × items; MEMORY. */
TOPN_API topn_status topn_model_prune(topn_context *context, const topn_model *model, uint32_t k, topn_prune_mode mode,
                                      topn_model **out);

/* The means and intervals of a report as metadata "metric.<name>": what is known of the model travels in its file. Call
 * it before the model is shared. O(metrics). */
TOPN_API topn_status topn_model_record_report(topn_context *context, topn_model *model, const topn_report *report);
TOPN_API uint32_t topn_model_items(const topn_model *model);
/* π of the item (1 where the model has no priors), NAN past the end. */
TOPN_API float topn_model_prior(const topn_model *model, uint32_t item);
/* Events of the item in the training data; NAN past the end and where the model does not say. What those are shown who
 * have no history. */
TOPN_API float topn_model_popularity(const topn_model *model, uint32_t item);
TOPN_API uint32_t topn_model_users(const topn_model *model); /* users whose histories the model keeps */
TOPN_API const char *topn_model_item_id(const topn_model *model, uint32_t item);
TOPN_API const char *topn_model_item_title(const topn_model *model, uint32_t item);
TOPN_API const char *topn_model_user_id(const topn_model *model, uint32_t user);
TOPN_API bool topn_model_find_item(const topn_model *model, const char *id, uint32_t *out);
TOPN_API bool topn_model_find_user(const topn_model *model, const char *id, uint32_t *out);
TOPN_API size_t topn_model_history(const topn_model *model, uint32_t user, const uint32_t **items,
                                   const float **weights);
/* Lends the features that the model keeps of a user, which go with his trained row (not with a history of his that has
 * changed), and their numbers, NULL = all 1; both [return value]. Either output may be NULL. */
TOPN_API size_t topn_model_user_features(const topn_model *model, uint32_t user, const uint32_t **features,
                                         const float **values);
/* Metadata: encoder, item table, data fingerprint, counts, method, options, residuals; seconds ("run.*") only right
 * after training. false past the end. */
TOPN_API bool topn_model_metadata(const topn_model *model, size_t index, const char **key, const char **value);

typedef struct topn_array_info {
    const char *name; /* "encoder.indptr", … */
    const char *type; /* "F32", "U32", "U64", "U8", "I64" */
    uint64_t shape[2];
    size_t dimensions;
    uint64_t bytes;
} topn_array_info;
/* Arrays of a model as they are or would be in its file. false past the end. */
TOPN_API bool topn_model_array(const topn_model *model, size_t index, topn_array_info *out);
/* options: of a TOPN_KIND_EXPORT entry. `table` is "items" or "encoder"; of models that solve for users' rows "encoder"
 * are the users' trained ones, and there are tables by the names of context fields, and "user-features". */
TOPN_API topn_status topn_model_export(topn_context *context, const topn_model *model, const char *table,
                                       const topn_options *options, const char *path);

/* ---- Retrieval ---------------------------------------------------------------------------------------- */

/* Builds an index for approximate retrieval (P2 §6.2) from options of a TOPN_KIND_RETRIEVER entry other than "exact"
 * and puts it into the model, in place of one of the same kind; topn_model_save writes it. What it reaches is measured
 * on the model's own histories (without any: on histories of one item) and recorded as metadata:
 * "index.<kind>.overlap@<n>", the share of the exact n best items that it finds, bytes, build options;
 * "run.index.<kind>.…", which no file keeps: seconds to build, microseconds of both. Call it before the model is
 * shared. Errors: UNSUPPORTED naming the kinds that serve this model, MEMORY, CANCELLED. */
TOPN_API topn_status topn_model_add_index(topn_context *context, topn_model *model, const topn_options *options);
/* Kinds of the model's indexes in byte order; NULL past the end. */
TOPN_API const char *topn_model_index(const topn_model *model, size_t index);
/* Takes an index and what is recorded of it out of the model. Call it before the model is shared. NOT_FOUND. */
TOPN_API topn_status topn_model_remove_index(topn_context *context, topn_model *model, const char *kind);
/* Immutable, shared by threads; keeps a reference to `model`, which must outlive it. options: NULL (exact) or of a
 * TOPN_KIND_RETRIEVER entry; NOT_FOUND where the model has no index of that kind. */
TOPN_API topn_status topn_retriever_create(topn_context *context, const topn_model *model, const topn_options *options,
                                           topn_retriever **out);
TOPN_API void topn_retriever_free(topn_retriever *retriever);
/* One thread's scratch. Keeps references to `context` (for messages) and `retriever`. */
TOPN_API topn_status topn_query_create(topn_context *context, const topn_retriever *retriever, topn_query **out);
TOPN_API void topn_query_free(topn_query *query);

/* Whom to recommend to and what may be recommended. Zero-initialise, then set what is needed. */
typedef struct topn_request {
    /* [history_length] item indices, any order, no duplicates. What topn_model_history lends stands for its user: a
     * model that has users' embeddings answers with his. */
    const uint32_t *history;
    const float *weights; /* [history_length] or NULL (all 1) */
    size_t history_length;
    const uint32_t *allow; /* [allow_count] when not NULL: only these items may appear */
    size_t allow_count;
    const uint32_t *deny; /* [deny_count] items that may not appear */
    size_t deny_count;
    bool include_seen;                 /* false: items of the history may not appear */
    const topn_filter *const *filters; /* [filter_count] sets of items, all of which an item must be in to appear */
    size_t filter_count;
    /* The context, for models that know fields: [topn_model_fields], UINT32_MAX = not known; NULL = none is known. */
    const uint32_t *context;
    /* Features of the user, for models that know such: [feature_count] and their numbers, NULL = all 1. */
    const uint32_t *features;
    const float *feature_values;
    size_t feature_count;
} topn_request;

/* The n best items, best first, ties by item index; filters apply before the cut. item_out, score_out [n];
 * *found ≤ n. Errors: ARGUMENT for an index out of range. */
TOPN_API topn_status topn_recommend(topn_query *query, const topn_request *request, size_t n, uint32_t *item_out,
                                    float *score_out, size_t *found);
/* Items that a history of this one item (in no known context) scores highest, itself excluded. UNSUPPORTED for models
 * without items relations. */
TOPN_API topn_status topn_similar(topn_query *query, uint32_t item, size_t n, uint32_t *item_out, float *score_out,
                                  size_t *found);
/* Scores of any items, the seen ones included. score_out [count]. */
TOPN_API topn_status topn_score(topn_query *query, const topn_request *request, const uint32_t *items, size_t count,
                                float *score_out);
/* What each history item adds to the score of `item`: contribution_out [history_length], in the order given;
 * they and *bias_out sum to the score. Where φ is cut, what an item adds in the dimensions that are cut is left out.
 * Where users' rows are solved for, an item adds what its event does to the solution (Hu, Koren, Volinsky 2008, §5),
 * and *bias_out is all else: biases, context, features, and what a trained row differs by. Of networks an item adds
 * what the score loses when it is left out of the history, and *bias_out is all else. */
TOPN_API topn_status topn_explain(topn_query *query, const topn_request *request, uint32_t item,
                                  float *contribution_out, float *bias_out);

/* Maximal marginal relevance (Carbonell, Goldstein 1998): picks n of `count` candidates one by one, each the one of
 * highest (1 − diversity)·relevance − diversity·(its greatest similarity to those picked before), where relevance are
 * the scores mapped to 0 … 1 and similarity is the cosine of the item embeddings (for IDENTITY tables: of the encoder's
 * rows). diversity 0 … 1: 0 keeps the order, 1 looks at similarity alone. items, scores [count] are reordered, the
 * picked first; their scores stay theirs. O(n·count·row) time. Errors: ARGUMENT; UNSUPPORTED for models without rows.
 */
TOPN_API topn_status topn_diversify(topn_query *query, double diversity, size_t n, uint32_t *items, float *scores,
                                    size_t count);

/* ---- Attributes and filters ------------------------------------------------------------------------------ */

/* What is known of a model's items beside events: the attributes in its file (the item features it was trained with, as
 * they were read) and what is set later. Belongs to one thread at a time, also where it is only read, and keeps a
 * reference to `model`. */
TOPN_API topn_status topn_attributes_create(topn_context *context, const topn_model *model, topn_attributes **out);
TOPN_API void topn_attributes_free(topn_attributes *attributes);
/* Replaces the values of one attribute of an item; value_count 0 removes it. A value that is a number can be compared
 * as one. Names and values are copied. */
TOPN_API topn_status topn_attributes_set(topn_context *context, topn_attributes *attributes, uint32_t item,
                                         const char *name, const char *const *values, size_t value_count);
/* Adds those of a side file of items (as --item-features reads it): ids that the model does not know are counted in
 * *unknown (NULL allowed). Errors: DATA with file:line. */
TOPN_API topn_status topn_attributes_read(topn_context *context, topn_attributes *attributes, const char *path,
                                          uint64_t *unknown);
/* Names in byte order and, of one item, the values of a name; 0 / NULL past the end. */
TOPN_API size_t topn_attributes_count(const topn_attributes *attributes);
TOPN_API const char *topn_attributes_name(const topn_attributes *attributes, size_t index);
TOPN_API const char *topn_attributes_value(const topn_attributes *attributes, uint32_t item, size_t name_index,
                                           size_t value_index);

/* The items that an expression holds for: genre=Drama AND year>=1990, NOT, OR, parentheses, != < <= > >=,
 * genre IN (Drama, "Film Noir"), genre NOT IN (…), HAS genre. An item with several values of a name satisfies a
 * comparison when one of them does (for != when none is equal); one without the name satisfies none but != and NOT.
 * Numbers compare as numbers, all else by bytes (docs/filters.md). Words ignore case, names and values do not; quotes
 * where a value has other characters than letters, digits, '_', '-', '.', ':'. Immutable, shared by threads. Errors:
 * OPTION with the place in the expression; an unknown name is one, with the nearest, and so are more than 65 536 bytes,
 * 256 comparisons or 64 levels: the text may come from anybody. O(comparisons · items). */
TOPN_API topn_status topn_filter_create(topn_context *context, const topn_attributes *attributes,
                                        const char *expression, topn_filter **out);
/* The items whose `allowed` [topn_model_items] is not 0: stock flags and the like. */
TOPN_API topn_status topn_filter_create_flags(topn_context *context, const topn_model *model,
                                              const unsigned char *allowed, topn_filter **out);
TOPN_API void topn_filter_free(topn_filter *filter);
TOPN_API bool topn_filter_allows(const topn_filter *filter, uint32_t item); /* false past the end */
TOPN_API uint32_t topn_filter_count(const topn_filter *filter);             /* items allowed */

/* ---- Many users at once ----------------------------------------------------------------------------------- */

/* Recommendations for many users at once, scored in blocks over all threads. `histories` is NULL for the users the
 * model keeps, else data whose item ids are looked up in the model (unknown ones are left out of the history).
 * `users` [user_count] are indices into it, NULL for all. `filters` may be NULL; its context and features are
 * everybody's. The callback runs on the calling thread in that order;
 * returning false cancels. */
typedef bool topn_recommend_callback(uint32_t user, const uint32_t *items, const float *scores, size_t found,
                                     void *user_data);
TOPN_API topn_status topn_recommend_many(topn_context *context, const topn_retriever *retriever,
                                         const topn_data *histories, const uint32_t *users, size_t user_count, size_t n,
                                         const topn_request *filters, topn_recommend_callback *callback,
                                         void *user_data);

/* ---- Evaluation --------------------------------------------------------------------------------------- */

/* Ranks all items for every user with hidden events; the user's seen items are left out unless told otherwise. Where
 * hidden events have contexts and the model knows fields of them (option "per-context"), for each context of a user:
 * then topn_report_users counts contexts, a user's in turn, and intervals and tests are over users all the same.
 * Users of `seen` and `hidden` are matched by id, items by id with the model. `candidates`: NULL, or per user the items
 * that are ranked together with his hidden ones; metrics are then named "sampled-…". options: TOPN_KIND_EVALUATION or
 * NULL. */
TOPN_API topn_status topn_evaluate(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                                   const topn_data *hidden, const topn_data *candidates, const topn_options *options,
                                   topn_report **out);
TOPN_API void topn_report_free(topn_report *report);
/* Whether topn_evaluate would take these metrics, such as "ndcg@100,recall@20", of a model with so many items (0:
 * whatever their number): OPTION otherwise. *count: how many they are; *per_user: whether each is a mean over users.
 * Both may be NULL. */
TOPN_API topn_status topn_metrics_check(topn_context *context, const char *metrics, uint32_t items, size_t *count,
                                        bool *per_user);

typedef struct topn_metric_result {
    const char *name;       /* "ndcg@100" */
    const char *definition; /* formula in words, with its source */
    double mean, low, high; /* over users, with the bootstrap interval; low = high = NAN for whole-catalogue metrics */
    bool per_user;          /* false: a property of all lists together (catalogue coverage, Gini) */
} topn_metric_result;

TOPN_API size_t topn_report_count(const topn_report *report);
/* Mean and interval of one metric. false past the end. */
TOPN_API bool topn_report_metric(const topn_report *report, size_t index, topn_metric_result *out);
TOPN_API size_t topn_report_users(const topn_report *report);
TOPN_API const char *topn_report_user_id(const topn_report *report, size_t user);
/* NAN for metrics that are not per user. */
TOPN_API double topn_report_value(const topn_report *report, size_t metric, size_t user);
/* Lends the user's list, best first, as far as the evaluation's option "keep-lists" kept it: items of the model and
 * their scores, both [return value]. Either output may be NULL. */
TOPN_API size_t topn_report_list(const topn_report *report, size_t user, const uint32_t **items, const float **scores);
/* Facts beside the metrics: protocol, tie rule, users, unknown items, seconds. false past the end. */
TOPN_API bool topn_report_fact(const topn_report *report, size_t index, const char **key, const char **value);
/* Paired bootstrap and sign-flip test of metric `index` between two reports over the same users.
 * ARGUMENT when users or metrics differ. */
typedef struct topn_comparison {
    double difference, low, high, p_value; /* a − b */
} topn_comparison;
TOPN_API topn_status topn_report_compare(topn_context *context, const topn_report *a, const topn_report *b,
                                         size_t index, topn_comparison *out);

/* ---- Machine ------------------------------------------------------------------------------------------ */

/* Facts about processor, BLAS, threads, memory and measured speed, with advice. Each call of the callback is one
 * line: what, its value, and "" or what to change. Takes about a second. */
typedef void topn_doctor_callback(const char *what, const char *value, const char *advice, void *user_data);
TOPN_API topn_status topn_doctor(topn_context *context, topn_doctor_callback *callback, void *user_data);

#ifdef __cplusplus
}
#endif
#endif
