/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/source.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { INPUT_SIZE = 1 << 18, FIRST_BUFFER = 1 << 20 };

typedef enum compression { PLAIN, GZIP, ZSTD } compression;

struct source {
    char *path;
    file_map map;
    int descriptor; /* −1: all input is in memory */
    bool standard_input;
    /* Raw input: the whole file when mapped, else what was read last. */
    unsigned char *input_buffer;
    const unsigned char *input;
    size_t input_size, input_at;
    uint64_t input_before; /* raw bytes of earlier fillings */
    bool input_ended;
    compression compression;
    z_stream inflater;
    bool inflater_ready, member_open; /* inside a gzip member or zstd frame */
    ZSTD_DCtx *decoder;
    /* Decoded bytes not yet consumed; unused for plain data in memory. */
    unsigned char *buffer;
    size_t capacity, begin, held;
    uint64_t produced;
    bool ended, started;
};

/* Reads into the input buffer from `at` on; *got = 0 at the end. */
static topn_status read_input(topn_context *context, source *from, size_t at, size_t *got)
{
    ssize_t count;
    *got = 0;
    while ((count = read(from->descriptor, from->input_buffer + at, INPUT_SIZE - at)) < 0 && errno == EINTR) {
        /* a signal that woke a waiting read may be a wish to stop */
        const topn_status status = progress_report(context, "read", "bytes", from->input_before, 0, NAN);
        if (status != TOPN_OK)
            return status;
    }
    if (count < 0)
        return fail_io(context, "cannot read", from->path);
    *got = (size_t)count;
    return TOPN_OK;
}

/* Makes raw input available unless it has ended. */
static topn_status fill_input(topn_context *context, source *from)
{
    topn_status status = TOPN_OK;
    if (from->input_at < from->input_size || from->input_ended)
        return TOPN_OK;
    if (from->descriptor < 0) {
        from->input_ended = true;
        return TOPN_OK;
    }
    size_t got = 0;
    TRY(read_input(context, from, 0, &got));
    from->input_before += from->input_size;
    from->input = from->input_buffer;
    from->input_size = got;
    from->input_at = 0;
    from->input_ended = got == 0;
done:
    return status;
}

enum { MAGIC_SIZE = 4 };

/* Makes the bytes available that tell the compression: a pipe may give them one by one. */
static topn_status fill_magic(topn_context *context, source *from)
{
    topn_status status;
    TRY(fill_input(context, from));
    for (size_t got = 1; from->descriptor >= 0 && got > 0 && from->input_size < MAGIC_SIZE; from->input_size += got)
        TRY(read_input(context, from, from->input_size, &got));
done:
    return status;
}

static compression sniff(const unsigned char *bytes, size_t size)
{
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return GZIP;
    if (size >= 4 && bytes[0] == 0x28 && bytes[1] == 0xb5 && bytes[2] == 0x2f && bytes[3] == 0xfd)
        return ZSTD;
    if (size >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes[1] == 0x2a && bytes[2] == 0x4d && bytes[3] == 0x18)
        return ZSTD; /* a skippable frame first */
    return PLAIN;
}

static topn_status start_decoder(topn_context *context, source *from)
{
    topn_status status;
    TRY(fill_magic(context, from));
    from->compression = sniff(from->input, from->input_size);
    if (from->compression == GZIP) {
        if (inflateInit2(&from->inflater, 15 + 16) != Z_OK)
            return fail_memory(context, sizeof(z_stream));
        from->inflater_ready = true;
        from->member_open = true;
    } else if (from->compression == ZSTD) {
        from->decoder = ZSTD_createDCtx();
        if (!from->decoder)
            return fail_memory(context, 1 << 17);
        from->member_open = true;
    }
done:
    return status;
}

static topn_status truncated(topn_context *context, const source *from)
{
    return fail(context, TOPN_ERROR_FORMAT,
                "%s: the %s data end too early (after %llu bytes of content); the file is truncated", from->path,
                source_compression(from), (unsigned long long)from->produced);
}

/* Between gzip members: another one, padding, or the end. */
static topn_status next_member(topn_context *context, source *from)
{
    topn_status status = TOPN_OK;
    while (!from->input_ended) {
        TRY(fill_input(context, from));
        if (from->input_at == from->input_size)
            continue;
        if (from->input[from->input_at] != 0) {
            from->member_open = true;
            inflateReset(&from->inflater);
            return TOPN_OK;
        }
        from->input_at++; /* tapes and some tools pad with zeros */
    }
done:
    return status;
}

static topn_status inflate_some(topn_context *context, source *from, unsigned char *to, size_t room, size_t *got)
{
    topn_status status;
    *got = 0;
    while (*got == 0) {
        if (!from->member_open)
            TRY(next_member(context, from));
        if (!from->member_open)
            return TOPN_OK;
        TRY(fill_input(context, from));
        if (from->input_ended)
            return truncated(context, from);
        const size_t left = from->input_size - from->input_at;
        z_stream *stream = &from->inflater;
        stream->next_in = (unsigned char *)from->input + from->input_at;
        stream->avail_in = left < (1u << 30) ? (uInt)left : (1u << 30);
        stream->next_out = to;
        stream->avail_out = room < (1u << 30) ? (uInt)room : (1u << 30);
        const uInt in = stream->avail_in, space = stream->avail_out;
        const int result = inflate(stream, Z_NO_FLUSH);
        from->input_at += in - stream->avail_in;
        *got = space - stream->avail_out;
        from->produced += *got;
        if (result == Z_STREAM_END)
            from->member_open = false;
        else if (result == Z_MEM_ERROR)
            return fail_memory(context, 1 << 16);
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return fail(context, TOPN_ERROR_FORMAT, "%s: broken gzip data after %llu bytes of content: %s", from->path,
                        (unsigned long long)from->produced, stream->msg ? stream->msg : "bad data");
    }
    return TOPN_OK;
done:
    return status;
}

static topn_status unzstd_some(topn_context *context, source *from, unsigned char *to, size_t room, size_t *got)
{
    topn_status status;
    *got = 0;
    while (*got == 0) {
        TRY(fill_input(context, from));
        if (from->input_ended)
            return from->member_open ? truncated(context, from) : TOPN_OK;
        ZSTD_inBuffer in = {from->input, from->input_size, from->input_at};
        ZSTD_outBuffer space = {to, room, 0};
        const size_t result = ZSTD_decompressStream(from->decoder, &space, &in);
        from->input_at = in.pos;
        *got = space.pos;
        from->produced += *got;
        if (ZSTD_isError(result))
            return fail(context, TOPN_ERROR_FORMAT, "%s: broken zstd data after %llu bytes of content: %s", from->path,
                        (unsigned long long)from->produced, ZSTD_getErrorName(result));
        from->member_open = result != 0;
    }
    return TOPN_OK;
done:
    return status;
}

static topn_status copy_some(topn_context *context, source *from, unsigned char *to, size_t room, size_t *got)
{
    const topn_status status = fill_input(context, from);
    const size_t left = from->input_size - from->input_at;
    *got = left < room ? left : room;
    if (*got > 0)
        memcpy(to, from->input + from->input_at, *got);
    from->input_at += *got;
    return status;
}

static bool in_memory(const source *from)
{
    return from->compression == PLAIN && from->descriptor < 0;
}

/* Appends decoded bytes to the buffer until it holds `want` or the data end. */
static topn_status fill_buffer(topn_context *context, source *from, size_t want)
{
    topn_status status = TOPN_OK;
    if (from->begin > 0 && from->begin + want > from->capacity) {
        memmove(from->buffer, from->buffer + from->begin, from->held);
        from->begin = 0;
    }
    if (want > from->capacity) {
        const size_t grown = want > 2 * from->capacity ? want : 2 * from->capacity;
        TRY(RESIZE(context, grown, &from->buffer));
        from->capacity = grown;
    }
    while (from->held < want && !from->ended) {
        unsigned char *to = from->buffer + from->begin + from->held;
        const size_t room = from->capacity - from->begin - from->held;
        size_t got = 0;
        if (from->compression == GZIP)
            TRY(inflate_some(context, from, to, room, &got));
        else if (from->compression == ZSTD)
            TRY(unzstd_some(context, from, to, room, &got));
        else
            TRY(copy_some(context, from, to, room, &got));
        from->held += got;
        from->ended = got == 0;
    }
done:
    return status;
}

static topn_status peek(topn_context *context, source *from, size_t want, const unsigned char **bytes, size_t *size,
                        bool *last)
{
    topn_status status = TOPN_OK;
    if (in_memory(from)) {
        const size_t left = from->input_size - from->input_at;
        *bytes = from->input + from->input_at;
        *size = left < want ? left : want;
        *last = *size == left;
        return TOPN_OK;
    }
    /* One byte more tells whether the data end here. */
    TRY(fill_buffer(context, from, want + 1));
    *bytes = from->buffer + from->begin;
    *size = from->held < want ? from->held : want;
    *last = from->ended && *size == from->held;
done:
    return status;
}

topn_status source_peek(topn_context *context, source *from, size_t want, const unsigned char **bytes, size_t *size,
                        bool *last)
{
    topn_status status;
    *bytes = NULL;
    *size = 0;
    *last = true;
    if (!from->started) {
        TRY(peek(context, from, 3, bytes, size, last));
        if (*size == 3 && memcmp(*bytes, "\xef\xbb\xbf", 3) == 0)
            source_consume(from, 3);
        from->started = true;
    }
    status = peek(context, from, want, bytes, size, last);
done:
    return status;
}

void source_consume(source *from, size_t count)
{
    if (in_memory(from)) {
        from->input_at += count;
        return;
    }
    from->begin += count;
    from->held -= count;
    if (from->held == 0)
        from->begin = 0;
}

topn_status source_rest(topn_context *context, source *from, const unsigned char **bytes, size_t *size)
{
    bool last = false;
    topn_status status = TOPN_OK;
    for (size_t want = FIRST_BUFFER; !last; want = *size * 2) {
        if (in_memory(from))
            want = SIZE_MAX / 4;
        TRY(source_peek(context, from, want, bytes, size, &last));
    }
done:
    return status;
}

static topn_status open_input(topn_context *context, const char *path, source *from)
{
    struct stat about;
    from->standard_input = strcmp(path, "-") == 0;
    if (!from->standard_input) {
        if (stat(path, &about) != 0)
            return fail_io(context, "cannot open", path);
        if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode)) {
            const topn_status status = file_map_open(context, path, &from->map);
            from->input = from->map.bytes;
            from->input_size = from->map.size;
            return status;
        }
    }
    from->descriptor = from->standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (from->descriptor < 0)
        return fail_io(context, "cannot open", path);
    return memory_allocate(context, INPUT_SIZE, 1, &from->input_buffer);
}

static topn_status create(topn_context *context, const char *name, source **out)
{
    topn_status status;
    source *from = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &from));
    from->descriptor = -1;
    TRY(memory_copy_text(context, name, &from->path));
    *out = from;
    return TOPN_OK;
done:
    source_close(from);
    return status;
}

topn_status source_open(topn_context *context, const char *path, source **out)
{
    topn_status status;
    source *from = NULL;
    *out = NULL;
    TRY(create(context, strcmp(path, "-") == 0 ? "standard input" : path, &from));
    TRY(open_input(context, path, from));
    TRY(start_decoder(context, from));
    *out = from;
    return TOPN_OK;
done:
    source_close(from);
    return status;
}

topn_status source_from_memory(topn_context *context, const char *name, const void *bytes, size_t size, source **out)
{
    topn_status status;
    source *from = NULL;
    *out = NULL;
    TRY(create(context, name, &from));
    from->input = bytes;
    from->input_size = size;
    TRY(start_decoder(context, from));
    *out = from;
    return TOPN_OK;
done:
    source_close(from);
    return status;
}

void source_close(source *from)
{
    if (!from)
        return;
    if (from->inflater_ready)
        inflateEnd(&from->inflater);
    ZSTD_freeDCtx(from->decoder);
    if (from->descriptor >= 0 && !from->standard_input)
        close(from->descriptor);
    file_map_close(&from->map);
    free(from->input_buffer);
    free(from->buffer);
    free(from->path);
    free(from);
}

const char *source_path(const source *from)
{
    return from->path;
}

bool source_is_file(const source *from)
{
    return from->map.bytes && from->compression == PLAIN;
}

const char *source_compression(const source *from)
{
    return from->compression == GZIP ? "gzip" : from->compression == ZSTD ? "zstd" : NULL;
}

uint64_t source_done(const source *from)
{
    return from->input_before + from->input_at;
}

uint64_t source_total(const source *from)
{
    return from->descriptor < 0 ? from->input_size : 0;
}
