/* SPDX-License-Identifier: Apache-2.0 */
#include "events.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "progress.h"
#include "text.h"

enum { EXPIRED_AT_ONCE = 10000, WHY = 512 };

const char *events_name(const char *where)
{
    return strstr(where, "://") ? "the store" : where;
}

int events_open(const char *where, bool make, store **out)
{
    char why[WHY];
    struct stat about;
    *out = NULL;
    if (!make && !strstr(where, "://") && stat(where, &about) != 0)
        return complain(CODE_FAILED, "%s: there is no such store; \"topn events import\" and \"topn serve\" make one",
                        where);
    if (store_open(where, out, why, sizeof why) != STORE_OK)
        return complain(CODE_FAILED, "%s", why);
    return CODE_DONE;
}

int events_fault(const char *where, const store *from)
{
    const char *message = store_message(from);
    const bool named = strstr(where, "://") || strncmp(message, where, strlen(where)) == 0;
    return named ? complain(CODE_FAILED, "%s", message) : complain(CODE_FAILED, "%s: %s", where, message);
}

/* A number and a letter: so long before now. */
static bool age(const char *text, int64_t *out)
{
    static const char letters[] = "smhdw";
    static const int64_t seconds[] = {1, 60, 3600, 86400, 604800};
    char *end;
    const long number = strtol(text, &end, 10);
    const char *letter = end != text && *end ? strchr(letters, *end) : NULL;
    if (!letter || end[1] || number < 0 || number > 1000000)
        return false;
    *out = (int64_t)time(NULL) - number * seconds[letter - letters];
    return true;
}

bool events_time(const char *text, int64_t *out)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%dT%H:%M:%SZ"};
    char *end;
    *out = strtoll(text, &end, 10);
    if (end != text && !*end && strlen(text) < 13)
        return true;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm parts = {0};
        const char *rest = strptime(text, forms[i], &parts);
        if (rest && !*rest) {
            const int day = parts.tm_mday;
            *out = timegm(&parts);
            return parts.tm_mday == day; /* 31 February moves on */
        }
    }
    return age(text, out);
}

static int count(struct session *session, const char *where)
{
    store *from;
    uint64_t events = 0;
    int code;
    STEP(events_open(where, false, &from));
    if (store_count(from, &events) != STORE_OK)
        STEP(events_fault(where, from));
    if (session->format == OUTPUT_JSON) {
        json_t *object = json_object();
        json_object_set_new(object, "store", text_json(store_kind_name(from)));
        json_object_set_new(object, "events", json_integer((json_int_t)events));
        json_print(object, true);
        goto done;
    }
    static const char *const headings[] = {"store", "events"};
    table *grid = table_create(headings, "lr");
    table_text(grid, store_kind_name(from));
    table_cell(grid, "%" PRIu64, events);
    table_finish(grid, session->format);
done:
    store_close(from);
    return code;
}

static int expire(struct session *session, const char *where)
{
    store *from = NULL;
    const char *text;
    int64_t before;
    uint64_t deleted = 0, total = 0, left = 0;
    int code;
    STEP(session_required(session, "before", &text));
    if (!events_time(text, &before))
        STEP(complain(CODE_USAGE,
                      "option --before: \"%s\" is not a time; write seconds since 1970, YYYY-MM-DD[THH:MM:SS], or an "
                      "age such as 90d",
                      text));
    STEP(events_open(where, false, &from));
    do {
        if (interrupted())
            STEP(complain(CODE_CANCELLED, "cancelled; %" PRIu64 " events were deleted", total));
        if (store_expire(from, before, EXPIRED_AT_ONCE, &deleted) != STORE_OK)
            STEP(events_fault(where, from));
        total += deleted;
    } while (deleted > 0);
    if (store_count(from, &left) != STORE_OK)
        STEP(events_fault(where, from));
    inform("%s: %" PRIu64 " events deleted, %" PRIu64 " left", events_name(where), total, left);
done:
    store_close(from);
    return code;
}

static const own_option own_options[] = {
    {"output", 'o', "FILE", "-", "export: file to write, or - for standard output"},
    {"all", 0, NULL, "", "export: deletions and what they took back too, as rows of their own"},
    {"kind", 0, "TEXT", "", "import: kind of the events where the file says none, such as click"},
    {"time", 0, "TIME", "", "import: time of the events where the file says none; default: now"},
    {"again", 0, NULL, "", "import: write events even when the same file was imported in the last seven days"},
    {"trained", 0, "MODEL", "",
     "import: MODEL was trained on these events, which then count once in the histories of its users"},
    {"before", 0, "TIME", "",
     "expire: delete older events: seconds since 1970, YYYY-MM-DD[THH:MM:SS] in UTC, or an age such as 90d"},
};

static int run(struct session *session)
{
    const char *verb = session_operand(session, 0), *where = session_operand(session, 1);
    const char *path = session->arguments.operand_count > 2 ? session_operand(session, 2) : NULL;
    int code;
    STEP(session_apply(session, NULL));
    const bool import = strcmp(verb, "import") == 0;
    if (import != (path != NULL) &&
        (import || strcmp(verb, "export") == 0 || strcmp(verb, "count") == 0 || strcmp(verb, "expire") == 0))
        STEP(complain(CODE_USAGE,
                      import ? "events import takes a store and a file: topn events import STORE DATA"
                             : "events %s takes a store only",
                      verb));
    if (import)
        return events_import(session, where, path);
    if (strcmp(verb, "export") == 0)
        return events_export(session, where);
    if (strcmp(verb, "count") == 0)
        return count(session, where);
    if (strcmp(verb, "expire") == 0)
        return expire(session, where);
    code = complain(CODE_USAGE, "events: \"%s\" is not import, export, count or expire", verb);
done:
    return code;
}

const struct command command_events = {
    .name = "events",
    .summary = "import, export, count and expire the events of a server's store",
    .usage = "import STORE DATA [--kind TEXT] [--time TIME] [--trained MODEL] [reader options]\n"
             "export STORE [-o FILE] [--all]\n"
             "count STORE\n"
             "expire STORE --before TIME",
    .description =
        "STORE is what \"topn serve --store\" takes: a file or folder of SQLite, or postgresql://… . It may be in "
        "use.\n\n"
        "import adds each event of a file in any format that topn reads, repeated ones too; nothing is merged. Of the "
        "reader's options those on the form of the file, --context-columns, --since and --until count. It goes by "
        "batches: when it is cut short, the same command goes on where it was, and a file that was imported already "
        "changes nothing.\n\n"
        "export writes user, item, weight, time (seconds since 1970), kind and context as CSV, in the order of "
        "writing, without what was deleted: \"topn train\" and \"topn events import\" read it.",
    .example = "topn events import films.events ratings.csv\n"
               "topn events export films.events -o events.csv\n"
               "topn events expire films.events --before 365d",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER),
    .results = true,
    .minimum_operands = 2,
    .maximum_operands = 3,
    .run = run,
};
