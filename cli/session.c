/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preset.h"
#include "progress.h"

int session_check(struct session *session, topn_status status)
{
    if (status == TOPN_OK)
        return CODE_DONE;
    const char *message = topn_context_message(session->context);
    const int code = status == TOPN_ERROR_OPTION      ? CODE_USAGE
                     : status == TOPN_ERROR_CANCELLED ? CODE_CANCELLED
                                                      : CODE_FAILED;
    return complain(code, "%s", *message ? message : topn_status_text(status));
}

/* "protocol" → the value of --protocol, and so on: which entry of the kind the command line chose. */
static const char *chosen_entry(const struct session *session, topn_kind kind, const char *method)
{
    topn_entry first;
    if (kind == TOPN_KIND_METHOD)
        return method;
    const char *selector = session->arguments.command->selector;
    if (catalog_kind_chooses(kind) && selector)
        return session_value(session, selector);
    return topn_registry_entry(kind, 0, &first) ? first.name : "";
}

static int make_options(struct session *session, const char *method)
{
    const unsigned kinds = session->arguments.command->kinds | KIND_BIT(TOPN_KIND_CONTEXT);
    for (topn_kind kind = 0; kind < TOPN_KIND_COUNT; kind++) {
        if (!(kinds & KIND_BIT(kind)))
            continue;
        const char *entry = chosen_entry(session, kind, method);
        if (!entry)
            continue;
        const topn_status status = topn_options_create(session->context, kind, entry, &session->options[kind]);
        if (status == TOPN_ERROR_NOT_FOUND)
            return complain(CODE_USAGE, "%s", topn_context_message(session->context));
        if (status != TOPN_OK)
            return session_check(session, status);
    }
    return CODE_DONE;
}

/* --format is the reader's and the results': the vocabularies are disjoint, so the value decides. */
static int apply_format(struct session *session, const char *value)
{
    const struct command *command = session->arguments.command;
    if (command->results && output_format_parse(value, &session->format))
        return CODE_DONE;
    topn_options *reader = session->options[TOPN_KIND_READER];
    if (!reader)
        return complain(CODE_USAGE, "option --format: \"%s\" is not table, json or csv", value);
    topn_entry entry;
    bool known = strcmp(value, "auto") == 0;
    for (size_t i = 0; topn_registry_entry(TOPN_KIND_FORMAT, i, &entry); i++)
        known = known || strcmp(entry.name, value) == 0;
    if (!known && command->results)
        return complain(CODE_USAGE, "option --format: \"%s\" is neither table, json or csv nor a format of data files",
                        value);
    return session_check(session, topn_options_set(session->context, reader, "format", value));
}

/* An option of another entry than the chosen one: "--beta is an option of chol, not of ease". */
static int misplaced(const struct session *session, const catalog_option *option, const char *method)
{
    const char *chosen = chosen_entry(session, option->kind, method);
    return complain(CODE_USAGE, "option --%s is one of %s, not of %s", option->name, option->entry,
                    chosen ? chosen : session->arguments.command->name);
}

static int apply_one(struct session *session, const assignment *given, const char *method)
{
    const catalog *list = &session->arguments.catalog;
    if (strcmp(given->name, "format") == 0)
        return apply_format(session, given->value);
    if (strcmp(given->name, "input-format") == 0)
        return session_check(
            session, topn_options_set(session->context, session->options[TOPN_KIND_READER], "format", given->value));
    if (strcmp(given->name, "output-format") == 0)
        return output_format_parse(given->value, &session->format)
                   ? CODE_DONE
                   : complain(CODE_USAGE, "option --output-format: \"%s\" is not table, json or csv", given->value);
    const catalog_option *option = catalog_find(list, given->name);
    if (option->own)
        return CODE_DONE; /* asked for by session_value */
    bool applied = false;
    for (topn_kind kind = 0; kind < TOPN_KIND_COUNT; kind++) {
        topn_options *options = session->options[kind];
        if (!options || !topn_options_has(options, given->name))
            continue;
        const int code = session_check(session, topn_options_set(session->context, options, given->name, given->value));
        if (code != CODE_DONE)
            return code;
        applied = true;
    }
    return applied || given->origin == preset_origin ? CODE_DONE : misplaced(session, option, method);
}

int session_apply(struct session *session, const char *method)
{
    const arguments *given = &session->arguments;
    int code;
    STEP(preset_apply(session));
    STEP(make_options(session, method));
    for (size_t i = 0; i < given->preset_count; i++)
        STEP(apply_one(session, &given->presets[i], method));
    for (size_t i = 0; i < given->flag_count; i++)
        STEP(apply_one(session, &given->flags[i], method));
    code = session_check(session, topn_context_apply(session->context, session->options[TOPN_KIND_CONTEXT]));
done:
    return code;
}

void session_clear(struct session *session)
{
    for (topn_kind kind = 0; kind < TOPN_KIND_COUNT; kind++)
        topn_options_free(session->options[kind]);
    arguments_clear(&session->arguments);
    topn_context_free(session->context);
}

const char *session_value(const struct session *session, const char *name)
{
    return arguments_value(&session->arguments, name);
}

bool session_flag(const struct session *session, const char *name)
{
    const char *value = session_value(session, name);
    return value && strcmp(value, "true") == 0;
}

int session_required(const struct session *session, const char *name, const char **out)
{
    *out = session_value(session, name);
    if (*out)
        return CODE_DONE;
    return complain(CODE_USAGE, "option --%s is missing; \"topn %s --help\" explains it", name,
                    session->arguments.command->name);
}

int session_count(const struct session *session, const char *name, size_t minimum, size_t maximum, size_t *out)
{
    const char *text = session_value(session, name);
    char *end = NULL;
    errno = 0;
    const unsigned long long value = text ? strtoull(text, &end, 10) : 0;
    if (!text || errno || end == text || *end || !isdigit((unsigned char)*text) || value < minimum || value > maximum)
        return complain(CODE_USAGE, "option --%s: \"%s\" is not a whole number from %zu to %zu", name, text ? text : "",
                        minimum, maximum);
    *out = (size_t)value;
    return CODE_DONE;
}

const char *session_operand(const struct session *session, size_t index)
{
    return index < session->arguments.operand_count ? session->arguments.operands[index] : NULL;
}

int session_read(struct session *session, const char *path, const topn_options *reader, topn_data **out)
{
    char *name = need_text(strcmp(path, "-") == 0 ? "standard input" : path);
    topn_context_set_log(session->context, progress_log, name); /* says which file the lines are about */
    const topn_status status =
        topn_data_read(session->context, path, reader ? reader : session->options[TOPN_KIND_READER], out);
    topn_context_set_log(session->context, progress_log, NULL);
    free(name);
    return session_check(session, status);
}

int session_load(struct session *session, const char *path, topn_model **out)
{
    return session_check(session, topn_model_load(session->context, path, out));
}

int session_open(struct session *session, const char *path, answerer *out)
{
    *out = (answerer){0};
    int code;
    STEP(session_load(session, path, &out->model));
    STEP(session_check(session, topn_retriever_create(session->context, out->model,
                                                      session->options[TOPN_KIND_RETRIEVER], &out->retriever)));
    STEP(session_check(session, topn_query_create(session->context, out->retriever, &out->query)));
done:
    if (code != CODE_DONE)
        answerer_clear(out);
    return code;
}

void answerer_clear(answerer *with)
{
    topn_query_free(with->query);
    topn_retriever_free(with->retriever);
    topn_model_free(with->model);
    with->query = NULL;
    with->retriever = NULL;
    with->model = NULL;
}

int session_save_data(struct session *session, const topn_data *data, const char *path)
{
    const int code =
        session_check(session, session_flag(session, "text") ? topn_data_write_text(session->context, data, path)
                                                             : topn_data_save(session->context, data, path));
    if (code == CODE_DONE)
        inform("%s: %" PRIu32 " users, %" PRIu32 " items, %" PRIu64 " events", path, topn_data_users(data),
               topn_data_items(data), topn_data_events(data));
    return code;
}

int session_output_check(const char *path)
{
    struct stat facts;
    if (strcmp(path, "-") == 0)
        return CODE_DONE;
    if (!*path)
        return complain(CODE_USAGE, "option --output: the name is empty");
    const bool exists = stat(path, &facts) == 0;
    if (exists && S_ISDIR(facts.st_mode))
        return complain(CODE_FAILED, "cannot write %s: it is a folder", path);
    if (exists && !S_ISREG(facts.st_mode)) /* a device or pipe is written through */
        return access(path, W_OK) == 0 ? CODE_DONE
                                       : complain(CODE_FAILED, "cannot write %s: %s", path, strerror(errno));
    char *folder = exists ? realpath(path, NULL) : NULL; /* a link is followed: the new file stands beside its target */
    folder = folder ? folder : need_text(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const char *where = slash ? folder : ".";
    int code = CODE_DONE;
    if (stat(where, &facts) != 0)
        code = complain(CODE_FAILED, "cannot write %s: folder %s: %s", path, where, strerror(errno));
    else if (!S_ISDIR(facts.st_mode))
        code = complain(CODE_FAILED, "cannot write %s: %s is no folder", path, where);
    else if (access(where, W_OK | X_OK) != 0)
        code = complain(CODE_FAILED, "cannot write %s: folder %s: %s", path, where, strerror(errno));
    free(folder);
    return code;
}
