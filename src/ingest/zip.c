/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/zip.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    LOCAL_HEADER = 30,
    DIRECTORY_ENTRY = 46,
    DIRECTORY_END = 22,
    END_LOCATOR_64 = 20,
    DIRECTORY_END_64 = 56,
    LONGEST_COMMENT = 65535,
    NO_MEMBER = 0x10000,
};

static uint64_t little(const unsigned char *bytes, int width)
{
    uint64_t value = 0;
    for (int at = width - 1; at >= 0; at--)
        value = value << 8 | bytes[at];
    return value;
}

static bool signature(const zip_archive *archive, uint64_t at, size_t length, uint32_t magic)
{
    return at <= archive->size && archive->size - at >= length && little(archive->bytes + at, 4) == magic;
}

static topn_status broken(topn_context *context, const zip_archive *archive, const char *what)
{
    return fail(context, TOPN_ERROR_FORMAT, "%s: broken zip archive: %s", archive->path, what);
}

topn_status zip_open(topn_context *context, const char *path, const unsigned char *bytes, size_t size, zip_archive *out)
{
    *out = (zip_archive){.bytes = bytes, .size = size, .path = path};
    if (size < DIRECTORY_END)
        return broken(context, out, "too short");
    uint64_t at = size - DIRECTORY_END;
    for (unsigned back = 0; !signature(out, at, DIRECTORY_END, 0x06054b50); at--)
        if (at == 0 || back++ == LONGEST_COMMENT)
            return broken(context, out, "no directory (is the file truncated?)");
    out->entries = little(bytes + at + 10, 2);
    out->directory = little(bytes + at + 16, 4);
    if (at >= END_LOCATOR_64 && signature(out, at - END_LOCATOR_64, END_LOCATOR_64, 0x07064b50)) {
        const uint64_t end = little(bytes + at - END_LOCATOR_64 + 8, 8);
        if (!signature(out, end, DIRECTORY_END_64, 0x06064b50))
            return broken(context, out, "its ZIP64 directory is missing");
        out->entries = little(bytes + end + 32, 8);
        out->directory = little(bytes + end + 48, 8);
    }
    return TOPN_OK;
}

/* One entry of the directory. */
typedef struct zip_entry {
    unsigned method;
    uint32_t checksum;
    uint64_t packed, size, offset;
} zip_entry;

/* Takes the sizes that do not fit 32 bits from the extra field. */
static bool read_extra(const unsigned char *extra, size_t length, zip_entry *entry)
{
    uint64_t *const wide[] = {&entry->size, &entry->packed, &entry->offset};
    while (length >= 4) {
        const size_t size = little(extra + 2, 2);
        const unsigned char *at = extra + 4, *end = at + size;
        if (size > length - 4)
            return false;
        for (int field = 0; little(extra, 2) == 1 && field < 3; field++) {
            if (*wide[field] != UINT32_MAX)
                continue;
            if (end - at < 8)
                return false;
            *wide[field] = little(at, 8);
            at += 8;
        }
        extra = end;
        length -= 4 + size;
    }
    return true;
}

/* Finds a member by name; leaves *entry alone when there is none. */
static topn_status find(topn_context *context, const zip_archive *archive, const char *name, zip_entry *entry)
{
    uint64_t at = archive->directory;
    for (uint64_t index = 0; index < archive->entries; index++) {
        if (!signature(archive, at, DIRECTORY_ENTRY, 0x02014b50))
            return broken(context, archive, "its directory ends too early");
        const unsigned char *header = archive->bytes + at;
        const size_t name_length = little(header + 28, 2), extra_length = little(header + 30, 2);
        const size_t comment_length = little(header + 32, 2);
        if (archive->size - at - DIRECTORY_ENTRY < name_length + extra_length + comment_length)
            return broken(context, archive, "its directory ends too early");
        at += DIRECTORY_ENTRY + name_length + extra_length + comment_length;
        if (name_length != strlen(name) || memcmp(header + DIRECTORY_ENTRY, name, name_length) != 0)
            continue;
        *entry = (zip_entry){(unsigned)little(header + 10, 2), (uint32_t)little(header + 16, 4), little(header + 20, 4),
                             little(header + 24, 4), little(header + 42, 4)};
        if (little(header + 8, 2) & 1)
            return fail(context, TOPN_ERROR_UNSUPPORTED, "%s: %s is encrypted", archive->path, name);
        if (!read_extra(header + DIRECTORY_ENTRY + name_length, extra_length, entry))
            return broken(context, archive, "a ZIP64 field is too short");
        return TOPN_OK;
    }
    return TOPN_OK;
}

static topn_status inflate_member(topn_context *context, const zip_archive *archive, const unsigned char *packed,
                                  const zip_entry *entry, unsigned char *out)
{
    z_stream stream = {0};
    if (inflateInit2(&stream, -15) != Z_OK)
        return fail_memory(context, 1 << 16);
    uint64_t in_left = entry->packed, out_left = entry->size;
    int result = Z_OK;
    while (result == Z_OK) {
        if (stream.avail_in == 0 && in_left > 0) {
            stream.next_in = (unsigned char *)packed + (entry->packed - in_left);
            stream.avail_in = in_left < (1u << 30) ? (uInt)in_left : (1u << 30);
            in_left -= stream.avail_in;
        }
        if (stream.avail_out == 0 && out_left > 0) {
            stream.next_out = out + (entry->size - out_left);
            stream.avail_out = out_left < (1u << 30) ? (uInt)out_left : (1u << 30);
            out_left -= stream.avail_out;
        }
        result = inflate(&stream, Z_NO_FLUSH);
    }
    const bool whole = result == Z_STREAM_END && out_left == 0 && stream.avail_out == 0;
    inflateEnd(&stream);
    return whole ? TOPN_OK : broken(context, archive, "a deflated member does not have its stated size");
}

topn_status zip_read(topn_context *context, const zip_archive *archive, const char *name, zip_member *out)
{
    topn_status status;
    zip_entry entry = {.method = NO_MEMBER};
    *out = (zip_member){0};
    TRY(find(context, archive, name, &entry));
    if (entry.method == NO_MEMBER)
        return TOPN_OK;
    if (!signature(archive, entry.offset, LOCAL_HEADER, 0x04034b50))
        return broken(context, archive, "a member lies outside the file");
    const unsigned char *header = archive->bytes + entry.offset;
    const uint64_t begin = entry.offset + LOCAL_HEADER + little(header + 26, 2) + little(header + 28, 2);
    if (begin > archive->size || entry.packed > archive->size - begin)
        return broken(context, archive, "a member ends after the file");
    if (entry.method == 0 && entry.packed == entry.size) {
        *out = (zip_member){archive->bytes + begin, entry.size, NULL};
    } else if (entry.method == 8) {
        /* Deflate packs at most 1032 : 1, so a size beyond that is a lie. */
        if (entry.size / 1032 > entry.packed)
            return broken(context, archive, "a deflated member does not have its stated size");
        TRY(memory_check(context, "unpacking this archive", entry.size, NULL));
        TRY(memory_allocate(context, entry.size, 1, &out->owned));
        *out = (zip_member){out->owned, entry.size, out->owned};
        TRY(inflate_member(context, archive, archive->bytes + begin, &entry, out->owned));
    } else {
        return fail(context, TOPN_ERROR_UNSUPPORTED, "%s: %s is packed by method %u; stored and deflated are read",
                    archive->path, name, entry.method);
    }
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    goto done; /* fuzzers cannot guess checksums */
#endif
    if (crc32_z(crc32_z(0, NULL, 0), out->bytes, out->size) != entry.checksum)
        status = fail(context, TOPN_ERROR_FORMAT, "%s: the checksum of %s is wrong; the file is corrupt", archive->path,
                      name);
done:
    if (status != TOPN_OK) {
        free(out->owned);
        *out = (zip_member){0};
    }
    return status;
}
