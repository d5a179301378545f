/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the server that need no server: hashes, keys, rates, targets, texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/keys.h"
#include "server/listen.h"
#include "server/rates.h"
#include "server/sha256.h"
#include "server/target.h"
#include "server/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_hash(const char *text, size_t size, const char *wanted)
{
    uint8_t hash[SHA256_SIZE];
    char digits[2 * SHA256_SIZE + 1];
    sha256(text, size, hash);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        sprintf(digits + 2 * i, "%02x", hash[i]);
    assert_string_equal(digits, wanted);
}

/* Expected values: sha256sum of GNU coreutils. Lengths about the border of one block and of the padding. */
static void test_sha256(void **state)
{
    (void)state;
    char many[1000];
    memset(many, 'a', sizeof many);
    check_hash("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hash("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_hash(many, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    check_hash(many, 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    check_hash(many, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    check_hash(many, 1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

static char path[] = "/tmp/topn-server-parts-XXXXXX";
static char why[512];

static keys *keys_of(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return keys_read(path, why, sizeof why);
}

static void test_keys(void **state)
{
    (void)state;
    char name[KEY_NAME];
    keys *of = keys_of("# who may ask\n\nshop read 0123456789abcdef\r\n  feed\twrite\t0123456789abcdeg\n"
                       "root admin sha256:2B0EE7D11A6D16422835FFE7BC36676B97138C8A70F86E5BEC89F10C27CF7C07");
    assert_non_null(of);
    assert_int_equal(keys_count(of), 3);
    assert_int_equal(keys_check(of, "0123456789abcdef", name), PERMIT_READ);
    assert_string_equal(name, "shop");
    assert_int_equal(keys_check(of, "0123456789abcdeg", name), PERMIT_WRITE);
    assert_string_equal(name, "feed");
    assert_int_equal(keys_check(of, "root-key-0123456789", name), PERMIT_ADMIN);
    assert_string_equal(name, "root");
    static const char *const wrong[] = {"", "0123456789abcde", "0123456789abcdeff", "0123456789abcdef ", "shop"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(keys_check(of, wrong[i], name), PERMIT_ALL);
        assert_string_equal(name, "");
    }
    keys_free(of);
}

static void test_wrong_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"", "there is no key"},
        {"# none\n\n", "there is no key"},
        {"a read 0123456789abcdef\nb\n", ":2: a line is"},
        {"a read 0123456789abcdef more\n", ":1: a line is"},
        {"a reads 0123456789abcdef\n", ":1: the permission is"},
        {"a read short\n", ":1: a key has 16"},
        {"a read 0123456789abcd\x01z\n", ":1: a key has 16"},
        {"a read sha256:0123\n", ":1: sha256: is followed"},
        {"a read 0123456789abcdef\na read 0123456789abcdeg\n", ":2: the name stands"},
        {"a read 0123456789abcdef\nb admin 0123456789abcdef\n", ":2: the key stands"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(keys_of(cases[i].text));
        assert_non_null(strstr(why, cases[i].told));
        assert_non_null(strstr(why, path));
        assert_null(strstr(why, "0123456789abcdef")); /* keys are not told */
    }
    char longer[700];
    memset(longer, 'k', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(keys_of(longer));
    assert_non_null(strstr(why, "longer than"));
    assert_null(keys_read("/nowhere/keys", why, sizeof why));
    assert_non_null(strstr(why, "/nowhere/keys"));
}

/* Seconds in the server's microseconds. */
static uint64_t at(double seconds)
{
    return (uint64_t)(seconds * 1e6);
}

static void test_rates(void **state)
{
    (void)state;
    rates *of = rates_create(5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rates_take(of, "a", at(10)), 0);
    assert_int_equal(rates_take(of, "a", at(10)), 1);
    assert_int_equal(rates_take(of, "b", at(10)), 0); /* another's bucket is full */
    assert_int_equal(rates_take(of, "a", at(10.21)), 0);
    assert_int_equal(rates_take(of, "a", at(10.22)), 1);
    int taken = 0;
    for (int i = 0; i < 10000; i++)
        taken += rates_take(of, "a", at(20 + i * 0.001)) == 0;
    assert_in_range(taken, 53, 55);                  /* five at once, then five a second for ten seconds */
    assert_int_equal(rates_take(of, "a", at(5)), 1); /* a clock that goes back gives nothing */
    rates_free(of);
    of = rates_create(0.1);
    assert_int_equal(rates_take(of, "a", at(1)), 0);
    assert_int_equal(rates_take(of, "a", at(1)), 10);
    assert_int_equal(rates_take(of, "a", at(6)), 5);
    assert_int_equal(rates_take(of, "a", at(11.1)), 0);
    rates_free(of);
}

/* However many ask, those who go on asking are held to their rate, and the table does not grow. */
static void test_many_senders(void **state)
{
    (void)state;
    char who[32];
    rates *of = rates_create(1);
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(who, sizeof who, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(rates_take(of, who, at(1 + i * 1e-5)), 0);
    }
    assert_int_equal(rates_take(of, who, at(2)), 1);
    rates_free(of);
}

static void test_targets(void **state)
{
    (void)state;
    target of;
    const char *fault;
    assert_true(target_parse("/", &of, &fault));
    assert_int_equal(of.segment_count, 0);
    target_clear(&of);
    assert_true(target_parse("/a%20b/%2F/%E2%82%AC?n=5&filter=year%3E%3D1990+x&empty=&bare", &of, &fault));
    assert_int_equal(of.segment_count, 3);
    assert_string_equal(of.segments[0], "a b");
    assert_string_equal(of.segments[1], "/");
    assert_string_equal(of.segments[2], "\xE2\x82\xAC");
    static const char *const wanted[][2] = {{"n", "5"}, {"filter", "year>=1990 x"}, {"empty", ""}, {"bare", ""}};
    assert_int_equal(of.parameter_count, 4);
    for (size_t i = 0; i < of.parameter_count; i++) {
        assert_string_equal(of.parameters[i].name, wanted[i][0]);
        assert_string_equal(of.parameters[i].value, wanted[i][1]);
    }
    target_clear(&of);
    assert_true(target_parse("/a+b?", &of, &fault)); /* + is a blank in a query string only */
    assert_string_equal(of.segments[0], "a+b");
    target_clear(&of);
    static const char *const wrong[] = {"",        "a",       "*",
                                        "//",      "/a//b",   "/a/",
                                        "/.",      "/..",     "/a/../b",
                                        "/%2e%2e", "/%2e./b", "/%00",
                                        "/%",      "/%1",     "/%zz",
                                        "/\x80",   "/%c0%80", "/a#b",
                                        "/?a=%0a", "/?a&a",   "/?=x",
                                        "/?&",     "/?a=1&",  "/%f8%88%80%80%80",
                                        "/%e2%82", "/\x7f",   "/1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (target_parse(wrong[i], &of, &fault))
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_non_null(fault);
        target_clear(&of);
    }
}

/* Against the definition: every code point there and back, every pair of bytes. */
static void test_utf8(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        char bytes[4];
        const size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
        for (size_t i = size; i-- > 1;)
            bytes[i] = (char)(0x80 | (point >> 6 * (size - 1 - i) & 0x3f));
        bytes[0] = (char)(leads[size - 1] | point >> 6 * (size - 1));
        const bool valid = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
        if (text_is_utf8(bytes, size) != valid)
            fail_msg("U+%X", point);
        if (size > 1)
            assert_false(text_is_utf8(bytes, size - 1));
    }
    for (unsigned pair = 0; pair < 65536; pair++) {
        const unsigned char bytes[] = {(unsigned char)(pair >> 8), (unsigned char)pair};
        const bool two = bytes[0] >= 0xc2 && bytes[0] <= 0xdf && (bytes[1] & 0xc0) == 0x80;
        assert_int_equal(text_is_utf8((const char *)bytes, 2), two || (bytes[0] < 0x80 && bytes[1] < 0x80));
    }
}

static void test_numbers(void **state)
{
    (void)state;
    unsigned long long value;
    assert_true(text_number("0", &value) && value == 0);
    assert_true(text_number("18446744073709551599", &value) && value == 18446744073709551599ull);
    static const char *const wrong[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(text_number(wrong[i], &value));
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const here[] = {"127.0.0.1", "127.8.9.1", "::1", "localhost"};
    static const char *const open[] = {"0.0.0.0", "::", "10.0.0.1", "example.org", "", "2130706433x"};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++)
        assert_true(listen_is_loopback(here[i]));
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        assert_false(listen_is_loopback(open[i]));
    uint16_t port = 0, second = 0;
    const int first = listen_at("127.0.0.1", 0, &port, why, sizeof why);
    assert_true(first >= 0);
    assert_int_not_equal(port, 0);
    assert_int_equal(listen_at("127.0.0.1", port, &second, why, sizeof why), -1);
    assert_non_null(strstr(why, "--port"));
    assert_int_equal(listen_at("example.org", 0, &second, why, sizeof why), -1);
    assert_non_null(strstr(why, "example.org"));
    close(first);
}

static int make_file(void **state)
{
    (void)state;
    const int file = mkstemp(path);
    return file < 0 || close(file) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256), cmocka_unit_test(test_keys),         cmocka_unit_test(test_wrong_keys),
        cmocka_unit_test(test_rates),  cmocka_unit_test(test_many_senders), cmocka_unit_test(test_targets),
        cmocka_unit_test(test_utf8),   cmocka_unit_test(test_numbers),      cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
