/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 4096 };

/* Value of a key of the header, which is a Python dictionary; NULL when absent. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

/* Product of a shape such as "(3, 4)" or "()". */
static bool parse_shape(const char *at, uint64_t *count)
{
    *count = 1;
    if (*at++ != '(')
        return false;
    for (;;) {
        at += strspn(at, " ,");
        if (*at == ')')
            return true;
        if (*at < '0' || *at > '9')
            return false;
        char *end;
        const uint64_t extent = strtoull(at, &end, 10);
        if (__builtin_mul_overflow(*count, extent, count))
            return false;
        at = end + (*end == 'L');
    }
}

static topn_status parse_type(topn_context *context, const char *what, const char *at, npy_array *out)
{
    const char quote = *at;
    const char order = quote ? at[1] : '\0';
    out->kind = order ? at[2] : '\0';
    char *end = NULL;
    const long width = out->kind ? strtol(at + 3, &end, 10) : 0;
    if ((quote != '\'' && quote != '"') || !end || *end != quote || width < 1 || width > 256)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "%s: its type is not one of numbers", what);
    out->width = (int)width;
    const bool whole = out->kind == 'i' || out->kind == 'u';
    const bool known = (whole && (width == 1 || width == 2 || width == 4 || width == 8)) ||
                       (out->kind == 'f' && (width == 4 || width == 8)) || (out->kind == 'b' && width == 1) ||
                       out->kind == 'S';
    if (!known || (order == '>' && width > 1 && out->kind != 'S'))
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "%s: type %.12s is not read; use little-endian int32, int64, float32 or float64", what, at);
    return TOPN_OK;
}

topn_status npy_parse(topn_context *context, const char *what, const unsigned char *bytes, size_t size, npy_array *out)
{
    static const char magic[] = "\x93NUMPY";
    char header[HEADER_SIZE];
    *out = (npy_array){0};
    if (size < 12 || memcmp(bytes, magic, 6) != 0 || bytes[6] < 1 || bytes[6] > 3)
        return fail(context, TOPN_ERROR_FORMAT, "%s: not an array in .npy form", what);
    const size_t start = bytes[6] == 1 ? 10 : 12;
    uint64_t length = bytes[8] | (uint64_t)bytes[9] << 8;
    if (bytes[6] > 1)
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    if (length >= sizeof header || length > size - start)
        return fail(context, TOPN_ERROR_FORMAT, "%s: the header of the array is broken", what);
    memcpy(header, bytes + start, length);
    header[length] = '\0';
    const char *type = value_of(header, "'descr'"), *shape = value_of(header, "'shape'");
    if (!type || !shape || !parse_shape(shape, &out->count))
        return fail(context, TOPN_ERROR_FORMAT, "%s: the header of the array is broken", what);
    const topn_status status = parse_type(context, what, type, out);
    if (status != TOPN_OK)
        return status;
    out->values = bytes + start + length;
    if (out->count > (size - start - length) / (unsigned)out->width)
        return fail(context, TOPN_ERROR_FORMAT, "%s: the array is shorter than its shape says", what);
    return TOPN_OK;
}

bool npy_whole(const npy_array *array, uint64_t index, uint64_t *out)
{
    const unsigned char *at = array->values + index * (unsigned)array->width;
    uint64_t value = 0;
    if (array->kind != 'i' && array->kind != 'u' && array->kind != 'b')
        return false;
    for (int byte = array->width - 1; byte >= 0; byte--)
        value = value << 8 | at[byte];
    *out = value;
    return array->kind != 'i' || !(at[array->width - 1] & 0x80);
}

double npy_real(const npy_array *array, uint64_t index)
{
    const unsigned char *at = array->values + index * (unsigned)array->width;
    uint64_t whole;
    if (array->kind == 'f' && array->width == 4) {
        float value;
        memcpy(&value, at, sizeof value);
        return (double)value;
    }
    if (array->kind == 'f' && array->width == 8) {
        double value;
        memcpy(&value, at, sizeof value);
        return value;
    }
    if (array->kind == 'S')
        return NAN;
    return npy_whole(array, index, &whole) ? (double)whole : -1.0;
}
