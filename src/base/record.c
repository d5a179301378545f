/* SPDX-License-Identifier: Apache-2.0 */
#include "base/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The entry of key, appended when new. */
static topn_status entry_of(topn_context *context, record *fields, const char *key, record_entry **out)
{
    for (size_t index = 0; index < fields->count; index++) {
        *out = &fields->entries[index];
        if (strcmp((*out)->key, key) == 0)
            return TOPN_OK;
    }
    topn_status status;
    if (fields->count == fields->capacity) {
        const size_t capacity = fields->capacity ? 2 * fields->capacity : 16;
        TRY(RESIZE(context, capacity, &fields->entries));
        fields->capacity = capacity;
    }
    *out = &fields->entries[fields->count];
    **out = (record_entry){0};
    TRY(memory_copy_text(context, key, &(*out)->key));
    fields->count++;
done:
    return status;
}

static topn_status set_text(topn_context *context, record *fields, const char *key, char *value)
{
    record_entry *entry;
    const topn_status status = entry_of(context, fields, key, &entry);
    if (status != TOPN_OK) {
        free(value);
        return status;
    }
    free(entry->value);
    entry->value = value;
    return TOPN_OK;
}

topn_status record_set(topn_context *context, record *fields, const char *key, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *value = NULL;
    const topn_status status = memory_allocate(context, (size_t)length + 1, 1, &value);
    if (status == TOPN_OK)
        vsnprintf(value, (size_t)length + 1, format, again);
    va_end(again);
    return status == TOPN_OK ? set_text(context, fields, key, value) : status;
}

topn_status record_set_real(topn_context *context, record *fields, const char *key, double value)
{
    char text[40];
    int digits = 6;
    do
        snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtod(text, NULL) != value && ++digits <= 17 && value == value);
    return record_set(context, fields, key, "%s", text);
}

const char *record_get(const record *fields, const char *key)
{
    for (size_t index = 0; index < fields->count; index++)
        if (strcmp(fields->entries[index].key, key) == 0)
            return fields->entries[index].value;
    return NULL;
}

topn_status record_set_options(topn_context *context, record *fields, const char *prefix, const topn_options *options)
{
    topn_status status = TOPN_OK;
    topn_option_info info;
    char key[128];
    for (size_t index = 0; topn_options_info(options, index, &info); index++) {
        snprintf(key, sizeof key, "%s%s", prefix, info.name);
        const char *value = topn_options_get(options, info.name);
        TRY(value ? record_set(context, fields, key, "%s", value) : fail_memory(context, sizeof key));
    }
done:
    return status;
}

void record_remove(record *fields, const char *prefix)
{
    size_t kept = 0;
    for (size_t index = 0; index < fields->count; index++) {
        record_entry *entry = &fields->entries[index];
        if (strncmp(entry->key, prefix, strlen(prefix)) != 0) {
            fields->entries[kept++] = *entry;
            continue;
        }
        free(entry->key);
        free(entry->value);
    }
    fields->count = kept;
}

topn_status record_copy(topn_context *context, const record *from, record *out)
{
    topn_status status = TOPN_OK;
    *out = (record){0};
    for (size_t index = 0; index < from->count; index++)
        TRY(record_set(context, out, from->entries[index].key, "%s", from->entries[index].value));
    return TOPN_OK;
done:
    record_clear(out);
    return status;
}

void record_clear(record *fields)
{
    for (size_t index = 0; index < fields->count; index++) {
        free(fields->entries[index].key);
        free(fields->entries[index].value);
    }
    free(fields->entries);
    *fields = (record){0};
}
