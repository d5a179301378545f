/* SPDX-License-Identifier: Apache-2.0 */
#include "store_kind.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STORE(identifier) extern const store_kind store_##identifier;
#include "stores.def"
#undef STORE

static const store_kind *const kinds[] = {
#define STORE(identifier) &store_##identifier,
#include "stores.def"
#undef STORE
};

static const double greatest_weight = 1e30;

/* Bytes of the UTF-8 character at `at`, 0 when it is none (Unicode 15, table 3-7). */
static size_t character(const unsigned char *at)
{
    const unsigned char first = at[0];
    if (first < 0x80)
        return 1;
    const size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    const bool overlong = (first == 0xe0 && at[1] < 0xa0) || (first == 0xf0 && at[1] < 0x90);
    const bool surrogate = first == 0xed && at[1] > 0x9f, beyond = first == 0xf4 && at[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

static bool is_text(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        const size_t length = character(at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

/* NULL when the text is good, else what is wrong with it. */
static const char *id_fault(const char *id)
{
    if (!id || !*id)
        return "is empty";
    if (strlen(id) > STORE_ID_BYTES)
        return "is longer than 1024 bytes";
    return is_text(id) ? NULL : "is not UTF-8";
}

static const char *event_fault(const stored_event *event, const char **what)
{
    const char *fault;
    *what = "the user id";
    if ((fault = id_fault(event->user)))
        return fault;
    *what = "the item id";
    if ((fault = id_fault(event->item)))
        return fault;
    *what = "the kind";
    if (event->kind && (strlen(event->kind) > STORE_KIND_BYTES || !is_text(event->kind)))
        return "is longer than 256 bytes or not UTF-8";
    *what = "the context";
    if (event->context && !is_text(event->context))
        return "is not UTF-8";
    *what = "the weight";
    return isfinite(event->weight) && fabs(event->weight) <= greatest_weight ? NULL : "is not a number up to 1e30";
}

/* Whether every event of the batch can be written; else the message says which cannot. */
static bool check_batch(store *self, const store_batch *batch)
{
    const char *what = "the idempotency key";
    const char *fault = batch->idempotency_key ? id_fault(batch->idempotency_key) : NULL;
    size_t at = 0;
    for (; !fault && at < batch->count; at++)
        fault = event_fault(&batch->events[at], &what);
    if (fault)
        store_tell(self, STORE_INVALID, "event %zu: %s %s", at ? at - 1 : 0, what, fault);
    return !fault;
}

store_status store_tell(store *self, store_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->message, sizeof self->message, format, arguments);
    va_end(arguments);
    for (char *at = self->message; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    for (size_t length = strlen(self->message); length && self->message[length - 1] == ' ';)
        self->message[--length] = '\0';
    return status;
}

static store_status check_id(store *self, const char *what, const char *id)
{
    const char *fault = id_fault(id);
    return fault ? store_tell(self, STORE_INVALID, "the %s %s", what, fault) : STORE_OK;
}

static const char *entity_name(entity_kind kind)
{
    return kind == ENTITY_ITEM ? "item id" : "user id";
}

store_status store_open(const char *where, store **out, char *why, size_t why_size)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i]->serves(where))
            return kinds[i]->open(where, out, why, why_size);
    snprintf(why, why_size, "%s: no kind of store serves this", where);
    return STORE_BROKEN;
}

void store_close(store *self)
{
    if (self)
        self->kind->close(self);
}

const char *store_message(const store *self)
{
    return self->message;
}

const char *store_kind_name(const store *self)
{
    return self->kind->name;
}

store_status store_append(store *self, store_batch *batches, size_t count)
{
    size_t good = 0;
    self->message[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        batches[i].repeated = false;
        batches[i].status = check_batch(self, &batches[i]) ? STORE_OK : STORE_INVALID;
        good += batches[i].status == STORE_OK;
    }
    if (good == 0)
        return STORE_OK;
    const store_status status = self->kind->append(self, batches, count);
    for (size_t i = 0; status != STORE_OK && i < count; i++)
        if (batches[i].status != STORE_INVALID) {
            batches[i].status = status;
            batches[i].repeated = false;
        }
    return status;
}

store_status store_history(store *self, const char *user, int64_t after, size_t limit, store_visit *visit,
                           void *user_data)
{
    const store_status status = check_id(self, "user id", user);
    return status == STORE_OK ? self->kind->history(self, user, after, limit, visit, user_data) : status;
}

store_status store_scan(store *self, int64_t from, int64_t to, store_visit *visit, void *user_data)
{
    return self->kind->scan(self, from, to, visit, user_data);
}

store_status store_count(store *self, uint64_t *events)
{
    *events = 0;
    return self->kind->count(self, events);
}

store_status store_expire(store *self, int64_t before, size_t limit, uint64_t *deleted)
{
    *deleted = 0;
    return self->kind->expire(self, before, limit, deleted);
}

store_status store_put(store *self, entity_kind kind, const stored_entity *entities, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *fault = id_fault(entities[i].id);
        if (fault)
            return store_tell(self, STORE_INVALID, "entry %zu: the %s %s", i, entity_name(kind), fault);
        if ((entities[i].title && !is_text(entities[i].title)) ||
            (entities[i].attributes && !is_text(entities[i].attributes)))
            return store_tell(self, STORE_INVALID, "entry %zu: the title or the attributes are not UTF-8", i);
    }
    return count == 0 ? STORE_OK : self->kind->put(self, kind, entities, count);
}

store_status store_remove(store *self, entity_kind kind, const char *id)
{
    const store_status status = check_id(self, entity_name(kind), id);
    return status == STORE_OK ? self->kind->remove(self, kind, id) : status;
}

store_status store_get(store *self, entity_kind kind, const char *id, store_visit_entity *visit, void *user_data)
{
    const store_status status = check_id(self, entity_name(kind), id);
    return status == STORE_OK ? self->kind->get(self, kind, id, visit, user_data) : status;
}

store_status store_list(store *self, entity_kind kind, const char *cursor, size_t limit, store_visit_entity *visit,
                        void *user_data)
{
    const store_status status = *cursor ? check_id(self, "cursor", cursor) : STORE_OK;
    return status == STORE_OK ? self->kind->list(self, kind, cursor, limit, visit, user_data) : status;
}

store_status store_items_version(store *self, int64_t *version)
{
    *version = 0;
    return self->kind->items_version(self, version);
}

store_status store_note(store *self, const char *name, const char *value)
{
    const store_status status = check_id(self, "note's name", name);
    if (status == STORE_OK && value && !is_text(value))
        return store_tell(self, STORE_INVALID, "the note %s is not UTF-8", name);
    return status == STORE_OK ? self->kind->note(self, name, value) : status;
}

store_status store_read_note(store *self, const char *name, char **out)
{
    *out = NULL;
    const store_status status = check_id(self, "note's name", name);
    return status == STORE_OK ? self->kind->read_note(self, name, out) : status;
}
