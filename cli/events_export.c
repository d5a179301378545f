/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of a store as CSV. Deletions are applied in a first pass, which keeps the pairs that were ever deleted.
 */
#include "events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "new_file.h"
#include "progress.h"
#include "text.h"

/* The last deletion of a user and item. */
typedef struct last_deletion {
    char *user, *item;
    int64_t number;
} last_deletion;

struct export
{
    last_deletion *deletions; /* [count] sorted by user, item, number */
    size_t count, room;
    FILE *file;
    bool all;
    uint64_t written;
};

static int by_pair(const void *a, const void *b)
{
    const last_deletion *left = a, *right = b;
    const int users = strcmp(left->user, right->user), items = users ? users : strcmp(left->item, right->item);
    return items ? items : (left->number > right->number) - (left->number < right->number);
}

static void keep_deletion(const stored_event *event, void *user_data)
{
    struct export *out = user_data;
    if (!event->deleted)
        return;
    if (out->count == out->room) {
        out->room = 2 * out->room + 64;
        out->deletions = need_more(out->deletions, out->room, sizeof *out->deletions);
    }
    out->deletions[out->count++] = (last_deletion){need_text(event->user), need_text(event->item), event->number};
}

/* Sorts them, and keeps the last of each pair. */
static void keep_last(struct export *out)
{
    size_t to = 0;
    if (out->count)
        qsort(out->deletions, out->count, sizeof *out->deletions, by_pair);
    for (size_t at = 0; at < out->count; at++) {
        const bool same = at + 1 < out->count && strcmp(out->deletions[at].user, out->deletions[at + 1].user) == 0 &&
                          strcmp(out->deletions[at].item, out->deletions[at + 1].item) == 0;
        if (same) {
            free(out->deletions[at].user);
            free(out->deletions[at].item);
        } else {
            out->deletions[to++] = out->deletions[at];
        }
    }
    out->count = to;
}

static int by_pair_alone(const void *a, const void *b)
{
    const last_deletion *left = a, *right = b;
    const int users = strcmp(left->user, right->user);
    return users ? users : strcmp(left->item, right->item);
}

static bool is_taken_back(const struct export *out, const stored_event *event)
{
    const last_deletion wanted = {.user = (char *)event->user, .item = (char *)event->item};
    const last_deletion *found =
        out->count ? bsearch(&wanted, out->deletions, out->count, sizeof wanted, by_pair_alone) : NULL;
    return found && event->number <= found->number;
}

static void write_event(const stored_event *event, void *user_data)
{
    struct export *out = user_data;
    if (!out->all && is_taken_back(out, event))
        return;
    text_print_csv(out->file, event->user);
    fputc(',', out->file);
    text_print_csv(out->file, event->item);
    fprintf(out->file, ",%.9g,%" PRId64 ",", event->weight, event->time);
    text_print_csv(out->file, event->kind);
    fputc(',', out->file);
    text_print_csv(out->file, event->context ? event->context : "");
    fputs(out->all ? event->deleted ? ",1\n" : ",\n" : "\n", out->file);
    out->written++;
}

int events_export(struct session *session, const char *where)
{
    struct export out = {.all = session_flag(session, "all")};
    const char *path = session_value(session, "output");
    new_file file = {0};
    store *from = NULL;
    bool good = false;
    int code;
    STEP(session_output_check(path));
    STEP(events_open(where, false, &from));
    if (!out.all && store_scan(from, INT64_MIN, INT64_MAX, keep_deletion, &out) != STORE_OK)
        STEP(events_fault(where, from));
    keep_last(&out);
    STEP(new_file_open(path, &file));
    out.file = file.stream;
    fprintf(out.file, "%s\n", out.all ? EXPORT_HEADER_DELETED : EXPORT_HEADER);
    if (store_scan(from, INT64_MIN, INT64_MAX, write_event, &out) != STORE_OK)
        STEP(events_fault(where, from));
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled"));
    good = true;
done:
    if (file.stream && new_file_close(&file, good) != CODE_DONE)
        code = CODE_FAILED;
    if (code == CODE_DONE)
        inform("%s: %" PRIu64 " events of %s", path, out.written, events_name(where));
    for (size_t at = 0; at < out.count; at++) {
        free(out.deletions[at].user);
        free(out.deletions[at].item);
    }
    free(out.deletions);
    store_close(from);
    return code;
}
