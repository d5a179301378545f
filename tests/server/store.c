/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite as a store: what every store must do, and what is its own.
 */
#include "store_conformance.h"

static int begin_sqlite(void **state)
{
    place *at = calloc(1, sizeof *at);
    at->folder = make_folder();
    at->where = join_path(at->folder, "events.sqlite");
    at->store = open_store(at->where);
    *state = at;
    return 0;
}

static int end_sqlite(void **state)
{
    place *at = *state;
    store_close(at->store);
    remove_folder(at->folder);
    free(at->where);
    free(at);
    return 0;
}

int main(void)
{
    const struct CMUnitTest sqlite[] = {ON_EACH(begin_sqlite, end_sqlite)};
    return cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);
}
