/* SPDX-License-Identifier: Apache-2.0 */
#include "preset.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

typedef struct preset {
    const char *name, *what, *source, *options;
} preset;

static const preset presets[] = {
#define PRESET(name, ...) {#name, __VA_ARGS__},
#include "presets.def"
#undef PRESET
};

const char preset_names[] =
#define PRESET(name, ...) "|" #name
#include "presets.def"
#undef PRESET
    ;

enum { PRESETS = sizeof presets / sizeof *presets };

const char preset_origin[] = "the preset";

static const preset *find(const char *name)
{
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

int preset_apply(struct session *session)
{
    const char *name = session_value(session, "preset");
    if (!name)
        return CODE_DONE;
    const preset *found = find(name);
    if (!found)
        return complain(CODE_USAGE, "option --preset: \"%s\" is not one of %s", name, PRESET_NAMES);
    inform("preset %s: %s (%s)", found->name, found->what, found->source);
    char *text = need_text(found->options), *rest = text;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        *equals = '\0';
        arguments_preset(&session->arguments, line, equals + 1, preset_origin); /* what the command lacks is left out */
    }
    free(text);
    return CODE_DONE;
}

/* One of three numbers or "*" at *at, up to a comma or the end; -1 stands for any. */
static bool take_count(const char **at, bool last, int64_t *out)
{
    char *end;
    if (**at == '*') {
        *out = -1;
        end = (char *)*at + 1;
    } else {
        if (!isdigit((unsigned char)**at))
            return false;
        *out = (int64_t)strtoll(*at, &end, 10);
    }
    if (*end != (last ? '\0' : ','))
        return false;
    *at = end + !last;
    return true;
}

static bool differs(int64_t expected, uint64_t found)
{
    return expected >= 0 && (uint64_t)expected != found;
}

static char *number_text(int64_t number)
{
    return number < 0 ? need_text("any") : need_format("%" PRId64, number);
}

int preset_expect(const struct session *session, const char *name, const char *path, const char *when,
                  data_counts found)
{
    const char *text = session_value(session, name), *at = text;
    int64_t users, items, events;
    if (!text)
        return CODE_DONE;
    if (!take_count(&at, false, &users) || !take_count(&at, false, &items) || !take_count(&at, true, &events))
        return complain(CODE_USAGE, "option --%s: \"%s\" is not USERS,ITEMS,EVENTS: three whole numbers or *", name,
                        text);
    if (!differs(users, found.users) && !differs(items, found.items) && !differs(events, found.events))
        return CODE_DONE;
    char *wanted[] = {number_text(users), number_text(items), number_text(events)};
    const char *preset_name = session_value(session, "preset");
    const int code = complain(CODE_FAILED,
                              "%s: --%s%s%s: expected %s users, %s items and %s events %s, found %" PRIu64 ", %" PRIu64
                              " and %" PRIu64 "; these are not the original files, or other options were given",
                              path, name, preset_name ? " of preset " : "", preset_name ? preset_name : "", wanted[0],
                              wanted[1], wanted[2], when, found.users, found.items, found.events);
    for (int i = 0; i < 3; i++)
        free(wanted[i]);
    return code;
}

data_counts preset_counts(const topn_data *data)
{
    return (data_counts){topn_data_users(data), topn_data_items(data), topn_data_events(data)};
}
