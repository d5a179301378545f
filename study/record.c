/* SPDX-License-Identifier: Apache-2.0 */
#include "study/record.h"

#include <math.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

json_t *record_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *record_options(const topn_options *options)
{
    json_t *object = json_object();
    topn_option_info info;
    for (size_t i = 0; topn_options_info(options, i, &info); i++)
        json_object_set_new(object, info.name, json_string(topn_options_get(options, info.name)));
    return object;
}

json_t *record_trial(const trial_row *row)
{
    json_t *object =
        json_pack("{s:s, s:I, s:s, s:O, s:f, s:I}", "series", row->series, "number", (json_int_t)row->number, "status",
                  row->status, "options", row->settings, "share", row->fidelity, "seed", (json_int_t)row->seed);
    json_object_set_new(object, "value", record_real(row->value));
    json_object_set(object, "facts", row->facts);
    if (*row->message)
        json_object_set_new(object, "message", json_string(row->message));
    return object;
}

/* "model name : …" of Linux; the machine's kind elsewhere. */
static void processor_name(char *out, size_t size)
{
    char line[256];
    struct utsname name;
    snprintf(out, size, "%s", uname(&name) == 0 ? name.machine : "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon) {
            snprintf(out, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (file)
        fclose(file);
}

json_t *record_machine(study *work)
{
    struct sysinfo facts = {0};
    char processor[200];
    sysinfo(&facts);
    processor_name(processor, sizeof processor);
    return json_pack("{s:s, s:i, s:I}", "processor", processor, "threads", topn_context_threads(work->context),
                     "memory", (json_int_t)facts.totalram * facts.mem_unit);
}

void record_print_real(FILE *file, const json_t *value, int width)
{
    if (json_is_number(value))
        fprintf(file, " %*.5f", width, json_number_value(value));
    else
        fprintf(file, " %*s", width, "-");
}
