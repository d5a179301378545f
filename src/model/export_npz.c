/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's npz: a ZIP archive of .npy arrays, stored uncompressed. Sparse tables carry the names that
 * scipy.sparse.load_npz asks for (format, shape, indptr, indices, data), dense ones are "embeddings"; item_ids, priors
 * and biases stand beside them. Every entry uses the ZIP64 fields, so there is one form for all sizes, and the date
 * 1980-01-01, so that the same table gives the same bytes.
 */
#include "model/export_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#include <zlib.h>

enum { ENTRIES = 8, LONGEST_ID = 4096, NPY_HEADER = 128, CHUNK = 1 << 24 };

/* One array of the archive. Its bytes are `bytes`, or rows (when they are scaled) or ids, made on the fly. */
typedef struct npy {
    const char *name; /* with ".npy" */
    char header[NPY_HEADER];
    const void *bytes;
    uint64_t size;               /* of the data, without the header */
    const embedding_table *rows; /* values scaled by the priors */
    const string_table *ids;     /* padded to `width` bytes each */
    size_t width;
    uint32_t crc;
    uint64_t offset; /* of the local header */
} npy;

/* Takes bytes one piece after the other: a checksum, then a file. */
typedef struct sink {
    topn_context *context;
    file_writer *writer; /* NULL: only the checksum */
    uint32_t crc;
    uint64_t done, total;
} sink;

typedef struct archive {
    npy entries[ENTRIES];
    size_t count;
    const float *priors;
    const export_params *params;
    void *scratch; /* a scaled row, or a padded id */
} archive;

static topn_status sink_take(sink *to, const void *bytes, uint64_t size)
{
    topn_status status = TOPN_OK;
    for (uint64_t at = 0; at < size; at += CHUNK) {
        const uint64_t piece = size - at < CHUNK ? size - at : CHUNK;
        const char *from = (const char *)bytes + at;
        if (to->writer)
            TRY(file_write(to->writer, from, piece));
        else
            to->crc = (uint32_t)crc32(to->crc, (const Bytef *)from, (uInt)piece);
        const uint64_t before = to->done / CHUNK;
        to->done += piece;
        if (to->done / CHUNK != before)
            TRY(progress_report(to->context, "export", "bytes", to->done, to->total, NAN));
    }
done:
    return status;
}

static topn_status take_scaled(const archive *from, const npy *entry, sink *to)
{
    topn_status status = TOPN_OK;
    float *scaled = from->scratch;
    for (size_t item = 0; item < embedding_rows(entry->rows); item++) {
        const export_row row = export_row_of(entry->rows, from->priors, from->params, (uint32_t)item);
        for (uint64_t at = 0; at < row.count; at++)
            scaled[at] = row.values[at] * row.scale;
        TRY(sink_take(to, scaled, row.count * sizeof *scaled));
    }
done:
    return status;
}

static topn_status take_ids(const archive *from, const npy *entry, sink *to)
{
    topn_status status = TOPN_OK;
    char *padded = from->scratch;
    for (uint32_t item = 0; item < entry->ids->count; item++) {
        const char *id = string_table_get(entry->ids, item);
        memset(padded, 0, entry->width);
        memcpy(padded, id, strlen(id));
        TRY(sink_take(to, padded, entry->width));
    }
done:
    return status;
}

static topn_status take_entry(const archive *from, const npy *entry, sink *to)
{
    const topn_status status = sink_take(to, entry->header, sizeof entry->header);
    if (status != TOPN_OK)
        return status;
    if (entry->ids)
        return take_ids(from, entry, to);
    if (entry->rows)
        return take_scaled(from, entry, to);
    return sink_take(to, entry->bytes, entry->size);
}

/* An entry with its npy header (format version 1.0, padded to 128 bytes). shape: "(3,)". */
static npy *add(archive *to, const char *name, const char *type, const char *shape, const void *bytes, uint64_t size)
{
    npy *entry = &to->entries[to->count++];
    *entry = (npy){.name = name, .bytes = bytes, .size = size};
    memset(entry->header, ' ', NPY_HEADER);
    memcpy(entry->header, "\x93NUMPY\x01\x00\x76\x00", 10); /* 0x76 = 128 − 10 bytes of text */
    char text[NPY_HEADER];
    const int length =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    memcpy(entry->header + 10, text, (size_t)length < NPY_HEADER - 11 ? (size_t)length : NPY_HEADER - 11);
    entry->header[NPY_HEADER - 1] = '\n';
    return entry;
}

static void add_vector(archive *to, const char *name, const char *type, size_t size, uint64_t count, const void *bytes)
{
    char shape[32];
    snprintf(shape, sizeof shape, "(%" PRIu64 ",)", count);
    add(to, name, type, shape, bytes, count * size);
}

static void add_table(archive *to, const embedding_table *rows, const int64_t shape[2])
{
    const bool scaled = to->params->fold_priors && to->priors;
    if (rows->form == TABLE_DENSE) {
        char text[64];
        snprintf(text, sizeof text, "(%zu, %zu)", rows->dense.rows, rows->dense.columns);
        npy *entry = add(to, "embeddings.npy", "<f4", text, rows->dense.values,
                         (uint64_t)rows->dense.rows * rows->dense.columns * sizeof(float));
        entry->rows = scaled ? rows : NULL;
        return;
    }
    const sparse_matrix *sparse = &rows->sparse;
    const uint64_t nonzeros = sparse->indptr[sparse->rows];
    /* Signed types are SciPy's own: it takes them without a copy. The bits are the same. */
    const char *index = sparse->columns <= INT32_MAX ? "<i4" : "<u4";
    add(to, "format.npy", "|S3", "()", "csr", 3);
    add_vector(to, "shape.npy", "<i8", sizeof *shape, 2, shape);
    add_vector(to, "indptr.npy", "<i8", sizeof *sparse->indptr, (uint64_t)sparse->rows + 1, sparse->indptr);
    add_vector(to, "indices.npy", index, sizeof *sparse->indices, nonzeros, sparse->indices);
    add_vector(to, "data.npy", "<f4", sizeof *sparse->values, nonzeros, sparse->values);
    to->entries[to->count - 1].rows = scaled ? rows : NULL;
}

static topn_status add_ids(topn_context *context, archive *to, const string_table *ids)
{
    size_t width = 1;
    for (uint32_t item = 0; item < ids->count; item++) {
        const size_t length = strlen(string_table_get(ids, item));
        if (length > LONGEST_ID)
            return fail(context, TOPN_ERROR_UNSUPPORTED,
                        "item id %.40s… has %zu bytes; npz export takes ids up to %d: export jsonl",
                        string_table_get(ids, item), length, LONGEST_ID);
        width = length > width ? length : width;
    }
    char type[16], shape[32];
    snprintf(type, sizeof type, "|S%zu", width);
    snprintf(shape, sizeof shape, "(%" PRIu32 ",)", ids->count);
    npy *entry = add(to, "item_ids.npy", type, shape, NULL, width * ids->count);
    entry->ids = ids;
    entry->width = width;
    return TOPN_OK;
}

/* Little-endian fields, one after the other. */
typedef struct fields {
    unsigned char bytes[160];
    size_t length;
} fields;

static void put(fields *to, uint64_t value, size_t size)
{
    for (size_t byte = 0; byte < size; byte++)
        to->bytes[to->length++] = (unsigned char)(value >> (8 * byte));
}

/* What local and central header have in common: version to extract … length of the name. The sizes are in the ZIP64
 * field. */
static void put_common(fields *to, const npy *entry)
{
    put(to, 45, 2);   /* version that knows ZIP64 */
    put(to, 0, 2);    /* flags */
    put(to, 0, 2);    /* stored */
    put(to, 0, 2);    /* 00:00 */
    put(to, 0x21, 2); /* 1980-01-01 */
    put(to, entry->crc, 4);
    put(to, UINT32_MAX, 4);
    put(to, UINT32_MAX, 4);
    put(to, strlen(entry->name), 2);
}

static topn_status write_entry(const archive *from, npy *entry, sink *to)
{
    topn_status status;
    const uint64_t size = entry->size + NPY_HEADER;
    entry->offset = file_offset(to->writer);
    fields header = {.length = 0};
    put(&header, 0x04034b50, 4);
    put_common(&header, entry);
    put(&header, 20, 2);
    fields extra = {.length = 0};
    put(&extra, 1, 2); /* ZIP64 */
    put(&extra, 16, 2);
    put(&extra, size, 8);
    put(&extra, size, 8);
    TRY(file_write(to->writer, header.bytes, header.length));
    TRY(file_write(to->writer, entry->name, strlen(entry->name)));
    TRY(file_write(to->writer, extra.bytes, extra.length));
    TRY(take_entry(from, entry, to));
done:
    return status;
}

static topn_status write_directory_entry(const npy *entry, file_writer *writer)
{
    topn_status status;
    const uint64_t size = entry->size + NPY_HEADER;
    fields header = {.length = 0};
    put(&header, 0x02014b50, 4);
    put(&header, 45, 2);
    put_common(&header, entry);
    put(&header, 28, 2);         /* extra field */
    put(&header, 0, 6);          /* no comment, disk 0, binary */
    put(&header, 0, 4);          /* external attributes */
    put(&header, UINT32_MAX, 4); /* offset: in the ZIP64 field */
    fields extra = {.length = 0};
    put(&extra, 1, 2);
    put(&extra, 24, 2);
    put(&extra, size, 8);
    put(&extra, size, 8);
    put(&extra, entry->offset, 8);
    TRY(file_write(writer, header.bytes, header.length));
    TRY(file_write(writer, entry->name, strlen(entry->name)));
    TRY(file_write(writer, extra.bytes, extra.length));
done:
    return status;
}

static topn_status write_directory(const archive *from, file_writer *writer)
{
    topn_status status = TOPN_OK;
    const uint64_t begin = file_offset(writer);
    for (size_t index = 0; index < from->count; index++)
        TRY(write_directory_entry(&from->entries[index], writer));
    const uint64_t end = file_offset(writer);
    fields tail = {.length = 0};
    put(&tail, 0x06064b50, 4); /* ZIP64 end of central directory */
    put(&tail, 44, 8);
    put(&tail, 45, 2);
    put(&tail, 45, 2);
    put(&tail, 0, 8);
    put(&tail, from->count, 8);
    put(&tail, from->count, 8);
    put(&tail, end - begin, 8);
    put(&tail, begin, 8);
    put(&tail, 0x07064b50, 4); /* its locator */
    put(&tail, 0, 4);
    put(&tail, end, 8);
    put(&tail, 1, 4);
    put(&tail, 0x06054b50, 4); /* end of central directory */
    put(&tail, 0, 4);
    put(&tail, from->count, 2);
    put(&tail, from->count, 2);
    put(&tail, UINT32_MAX, 4);
    put(&tail, UINT32_MAX, 4);
    put(&tail, 0, 2);
    TRY(file_write(writer, tail.bytes, tail.length));
done:
    return status;
}

/* Room for the longest row or id. */
static topn_status make_scratch(topn_context *context, const embedding_table *rows, archive *to)
{
    uint64_t longest = 0;
    if (rows->form == TABLE_DENSE)
        longest = rows->dense.columns;
    else
        for (uint32_t row = 0; row < rows->sparse.rows; row++) {
            const uint64_t count = rows->sparse.indptr[row + 1] - rows->sparse.indptr[row];
            longest = count > longest ? count : longest;
        }
    const uint64_t bytes = longest * sizeof(float);
    return memory_allocate(context, bytes > LONGEST_ID ? bytes : LONGEST_ID, 1, &to->scratch);
}

static topn_status write_npz(topn_context *context, const topn_model *model, const embedding_table *rows,
                             const float *priors, const void *params, const char *path)
{
    topn_status status;
    file_writer *writer = NULL;
    archive made = {.priors = priors, .params = params};
    const int64_t shape[2] = {(int64_t)embedding_rows(rows), (int64_t)embedding_dimensions(rows)};
    add_table(&made, rows, shape);
    TRY(add_ids(context, &made, &model->item_ids));
    if (model->table.priors)
        add_vector(&made, "priors.npy", "<f4", sizeof(float), model->items, model->table.priors);
    if (model->table.biases)
        add_vector(&made, "biases.npy", "<f4", sizeof(float), model->items, model->table.biases);
    TRY(make_scratch(context, rows, &made));
    sink to = {.context = context};
    for (size_t index = 0; index < made.count; index++)
        to.total += 2 * (made.entries[index].size + NPY_HEADER);
    for (size_t index = 0; index < made.count; index++) {
        to.crc = 0;
        TRY(take_entry(&made, &made.entries[index], &to));
        made.entries[index].crc = to.crc;
    }
    TRY(file_create(context, path, &writer));
    to.writer = writer;
    for (size_t index = 0; index < made.count; index++)
        TRY(write_entry(&made, &made.entries[index], &to));
    TRY(write_directory(&made, writer));
    status = file_commit(writer);
    writer = NULL;
done:
    file_abandon(writer);
    free(made.scratch);
    return status;
}

const exporter exporter_npz = {
    .name = "npz",
    .summary = "NumPy archive: what scipy.sparse.load_npz reads (sparse) or \"embeddings\" (dense), with item_ids",
    .options = &export_option_table,
    .write = write_npz,
};
