/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256.h"

enum { SHORTEST = 16, LONGEST = 200, LINE = 512 };

typedef struct key {
    char name[KEY_NAME];
    uint8_t hash[SHA256_SIZE];
    permission permission;
} key;

struct keys {
    key *list; /* [count] */
    size_t count;
};

static const char *const permissions[] = {[PERMIT_READ] = "read", [PERMIT_WRITE] = "write", [PERMIT_ADMIN] = "admin"};

static bool read_hash(const char *digits, uint8_t *out)
{
    if (strlen(digits) != 2 * SHA256_SIZE || strspn(digits, "0123456789abcdefABCDEF") != 2 * SHA256_SIZE)
        return false;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        const char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool is_visible(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* The words of a line into a key; what is wrong, or NULL. The message never holds the key. */
static const char *read_words(char *line, key *out)
{
    static const char *const between = " \t\r\n";
    char *rest;
    const char *name = strtok_r(line, between, &rest), *grants = strtok_r(NULL, between, &rest),
               *secret = strtok_r(NULL, between, &rest);
    if (!secret || strtok_r(NULL, between, &rest))
        return "a line is \"name permission key\"";
    if (strlen(name) >= sizeof out->name || !is_visible(name))
        return "the name has to be of fewer than 64 visible ASCII characters";
    snprintf(out->name, sizeof out->name, "%s", name);
    out->permission = PERMIT_ALL;
    for (permission i = PERMIT_READ; i <= PERMIT_ADMIN; i++)
        if (strcmp(permissions[i], grants) == 0)
            out->permission = i;
    if (out->permission == PERMIT_ALL)
        return "the permission is read, write or admin";
    if (strncmp(secret, "sha256:", 7) == 0)
        return read_hash(secret + 7, out->hash) ? NULL : "sha256: is followed by 64 hexadecimal digits";
    if (strlen(secret) < SHORTEST || strlen(secret) > LONGEST || !is_visible(secret))
        return "a key has 16 to 200 visible ASCII characters";
    sha256(secret, strlen(secret), out->hash);
    return NULL;
}

static const char *add_line(keys *to, char *line)
{
    key made;
    const size_t blanks = strspn(line, " \t\r\n");
    if (!line[blanks] || line[blanks] == '#')
        return NULL;
    const char *fault = read_words(line, &made);
    for (size_t i = 0; !fault && i < to->count; i++)
        if (strcmp(to->list[i].name, made.name) == 0)
            fault = "the name stands in the file before";
        else if (memcmp(to->list[i].hash, made.hash, sizeof made.hash) == 0)
            fault = "the key stands in the file before";
    key *longer = fault ? NULL : reallocarray(to->list, to->count + 1, sizeof *longer);
    if (!longer)
        return fault ? fault : "out of memory";
    to->list = longer;
    to->list[to->count++] = made;
    return NULL;
}

static bool read_lines(keys *to, FILE *file, const char *path, char *why, size_t why_size)
{
    char line[LINE];
    const char *fault = NULL;
    size_t number = 0;
    while (!fault && fgets(line, sizeof line, file)) {
        number++;
        fault = strlen(line) + 1 == sizeof line ? "the line is longer than 510 bytes" : add_line(to, line);
    }
    explicit_bzero(line, sizeof line);
    if (fault)
        snprintf(why, why_size, "%s:%zu: %s", path, number, fault);
    else if (ferror(file))
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
    else if (!to->count)
        snprintf(why, why_size, "%s: there is no key in this file; a line is \"name permission key\"", path);
    else
        return true;
    return false;
}

keys *keys_read(const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "re");
    keys *made = file ? calloc(1, sizeof *made) : NULL;
    if (!made)
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
    const bool whole = made && read_lines(made, file, path, why, why_size);
    if (file)
        fclose(file);
    if (whole)
        return made;
    keys_free(made);
    return NULL;
}

void keys_free(keys *old)
{
    if (!old)
        return;
    free(old->list);
    free(old);
}

size_t keys_count(const keys *of)
{
    return of->count;
}

/* 0 when they are the same; looks at all bytes whatever they hold. */
static unsigned difference(const uint8_t *a, const uint8_t *b)
{
    volatile unsigned found = 0;
    for (size_t i = 0; i < SHA256_SIZE; i++)
        found = found | (unsigned)(a[i] ^ b[i]);
    return found;
}

permission keys_check(const keys *of, const char *given, char *name_out)
{
    uint8_t hash[SHA256_SIZE];
    sha256(given, strlen(given), hash);
    permission granted = PERMIT_ALL;
    *name_out = '\0';
    for (size_t i = 0; i < of->count; i++) /* all of them: the time does not say which it was */
        if (!difference(hash, of->list[i].hash)) {
            granted = of->list[i].permission;
            memcpy(name_out, of->list[i].name, KEY_NAME);
        }
    return granted;
}
