/*
 * Tests of query/copy_vectors and copy_half: .npy and .fvecs files.
 */
#include "query/copy_half.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/copy_case.h"
#include "support/test.h"

/* A .npy file of version 1 with this dict in front of these bytes. */
static const char *npy(const char *dict, const void *bytes, size_t length)
{
    static uint8_t file[4096];
    size_t header = strlen(dict);

    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (uint8_t)header;
    file[9] = 0;
    memcpy(file + 10, dict, header);
    if (length) memcpy(file + 10 + header, bytes, length);
    return copy_case_file("v.npy", file, 10 + header + length);
}

static void expect(const char *path, const char *columns, const char *expected)
{
    struct copy_case c;

    copy_case_make(&c, path, columns, "", true);
    char *got = copy_case_read(&c, true);
    assert_string_equal(got, expected);
    free(got);
}

#define DICT(type, order, shape) \
    "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }\n"

static void floats_of_each_width(void **state)
{
    static const float single[] = {1.0f, -0.5f, 3.25f, 4.0f};
    static const double wide[] = {1.0, -0.5, 0.1, 4.0};
    static const uint16_t half[] = {0x3c00, 0xb800, 0x0001, 0x7bff};

    (void)state;
    expect(npy(DICT("<f4", "False", "(2, 2)"), single, sizeof single), "e VECTOR(2)",
           "[1,-0.5]\n[3.25,4]\n");
    expect(npy(DICT("<f8", "False", "(2, 2)"), wide, sizeof wide), "e VECTOR(2)",
           "[1,-0.5]\n[0.1,4]\n");
    expect(npy(DICT("<f2", "False", "(2, 2)"), half, sizeof half), "e VECTOR(2)",
           "[1,-0.5]\n[5.9604645e-08,65504]\n");
    expect(npy(DICT("<f4", "False", "(0, 2)"), NULL, 0), "e VECTOR(2)", "");
}

static void headers_that_do_not_fit_are_named(void **state)
{
    static const float single[] = {1.0f, 2.0f, 3.0f, 4.0f};

    (void)state;
    expect(npy(DICT("<f4", "False", "(2, 2)"), single, sizeof single), "e VECTOR(3)",
           "error: v.npy has vectors of 2 values, column e is VECTOR(3)\n");
    expect(npy(DICT(">f4", "False", "(2, 2)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy holds elements of type '>f4'\n");
    expect(npy(DICT("<i4", "False", "(2, 2)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy holds elements of type '<i4'\n");
    expect(npy(DICT("<f4", "True", "(2, 2)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy is in Fortran order\n");
    expect(npy(DICT("<f4", "False", "(4,)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy: the array has not two dimensions, rows and values\n");
    expect(npy(DICT("<f4", "False", "(1, 2, 2)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy: the array has not two dimensions, rows and values\n");
    expect(npy("{}", single, sizeof single), "e VECTOR(2)",
           "error: v.npy: the .npy header is not one\n");
    expect(copy_case_file("v.npy", "hello", 5), "e VECTOR(2)", "error: v.npy is not a .npy file\n");
    expect(copy_case_file("v.npy", "\x93NUMPY\x01\x00\xff\x7f{", 11), "e VECTOR(2)",
           "error: v.npy ends in its header\n");
    expect(npy(DICT("<f4", "False", "(2, 2)"), single, 12), "e VECTOR(2)",
           "[1,2]\nerror: v.npy row 2: the file ends before its 2 rows do\n");
    expect(npy(DICT("<f4", "False", "(2, 2)"), single, sizeof single), "e INT",
           "error: v.npy fills one VECTOR column\n");
}

static void values_without_a_distance_are_refused(void **state)
{
    const float single[] = {1.0f, NAN, INFINITY, 1.0f, 2.0f, 3.0f};
    const double wide[] = {1.0, 1e300};

    (void)state;
    expect(npy(DICT("<f4", "False", "(3, 2)"), single, sizeof single), "e VECTOR(2)",
           "error: v.npy row 1, column e: value 2 of the vector is NaN, infinite or beyond f32\n"
           "error: v.npy row 2, column e: value 1 of the vector is NaN, infinite or beyond f32\n"
           "[2,3]\n");
    expect(npy(DICT("<f8", "False", "(1, 2)"), wide, sizeof wide), "e VECTOR(2)",
           "error: v.npy row 1, column e: value 2 of the vector is NaN, infinite or beyond f32\n");
}

static void fvecs_names_its_dimensions_in_each_row(void **state)
{
    struct {
        int32_t dims;
        float values[2];
    } rows[] = {{2, {1.0f, 2.0f}}, {2, {3.0f, 4.0f}}};

    (void)state;
    expect(copy_case_file("v.fvecs", rows, sizeof rows), "e VECTOR(2)", "[1,2]\n[3,4]\n");
    expect(copy_case_file("v.fvecs", rows, sizeof rows - 4), "e VECTOR(2)",
           "[1,2]\nerror: v.fvecs row 2, column e: the file ends inside the vector\n");
    expect(copy_case_file("v.fvecs", rows, 14), "e VECTOR(2)",
           "[1,2]\nerror: v.fvecs row 2, column e: the vector has 0 values, not 2\n");
    rows[1].dims = -5;
    expect(copy_case_file("v.fvecs", rows, sizeof rows), "e VECTOR(2)",
           "[1,2]\nerror: v.fvecs row 2, column e: the vector has -5 values, not 2\n");
}

/* Every half has its value by the definition, and comes back from it. */
static void halves_are_exact(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        int exponent = (int)(half >> 10 & 0x1f), mantissa = (int)(half & 0x3ff);
        float got = mn_half_to_float((uint16_t)half), size;
        if (exponent == 31) {
            assert_true(mantissa ? isnan(got) : isinf(got));
            continue;
        }
        size = exponent ? ldexpf((float)(mantissa + 1024), exponent - 25)
                        : ldexpf((float)mantissa, -24);
        assert_true(got == (half & 0x8000 ? -size : size));
        assert_int_equal(mn_half_from_float(got), half);
    }
    assert_int_equal(mn_half_from_float(65520.0f), 0x7c00);
    assert_int_equal(mn_half_from_float(65519.0f), 0x7bff);
    assert_int_equal(mn_half_from_float(1.0f + 1.0f / 2048), 0x3c00); /* a tie goes to even */
    assert_int_equal(mn_half_from_float(1.0f + 3.0f / 2048), 0x3c02);
    assert_int_equal(mn_half_from_float(ldexpf(1.0f, -26)), 0x0000);
    assert_int_equal(mn_half_from_float(-ldexpf(1.5f, -25)), 0x8001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_of_each_width),
        cmocka_unit_test(headers_that_do_not_fit_are_named),
        cmocka_unit_test(values_without_a_distance_are_refused),
        cmocka_unit_test(fvecs_names_its_dimensions_in_each_row),
        cmocka_unit_test(halves_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
