/*
 * vector_file: one row of a .npy or .fvecs file, for a parameter.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shell.h"

enum { NPY_HEADER_MAX = 65535 };

static float half_value(uint16_t half)
{
    int exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    float size;

    if (exponent == 31) {
        size = mantissa ? NAN : INFINITY;
    } else if (exponent == 0) {
        size = ldexpf((float)mantissa, -24);
    } else {
        size = ldexpf((float)(mantissa + 1024), exponent - 25);
    }
    return half & 0x8000 ? -size : size;
}

struct layout {
    uint64_t begin; /* of the first row */
    uint64_t rows, dims;
    uint64_t stride;
    int width; /* bytes of an element */
};

static bool say(const char *path, const char *problem)
{
    fprintf(stderr, "mneme: %s: %s\n", path, problem);
    return false;
}

/* (dims,) or (rows, dims) */
static bool shape_read(const char *dict, struct layout *layout)
{
    const char *at = strstr(dict, "'shape'");
    unsigned long long first, second;

    at = at ? strchr(at, '(') : NULL;
    if (!at) return false;
    if (sscanf(at, "(%llu , %llu", &first, &second) == 2) {
        layout->rows = first;
        layout->dims = second;
        return true;
    }
    layout->rows = 1;
    layout->dims = sscanf(at, "(%llu", &first) == 1 ? first : 0;
    return layout->dims > 0;
}

static bool npy_layout(FILE *file, const char *path, struct layout *layout)
{
    unsigned char head[12];
    char dict[NPY_HEADER_MAX + 1];

    if (fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY", 6) != 0) {
        return say(path, "not a .npy file");
    }
    size_t length = head[8] | (size_t)head[9] << 8, begin = 10;
    if (head[6] > 1) {
        if (fread(head + 10, 1, 2, file) != 2) return say(path, "not a .npy file");
        length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
        begin = 12;
    }
    if (length > NPY_HEADER_MAX || fread(dict, 1, length, file) != length) {
        return say(path, "not a .npy file");
    }
    dict[length] = '\0';
    const char *type = strstr(dict, "'<f");
    layout->width = type && strchr("248", type[3]) ? type[3] - '0' : 0;
    if (layout->width == 0) return say(path, "its elements are not little-endian floats");
    if (!strstr(dict, "False")) return say(path, "in Fortran order");
    if (!shape_read(dict, layout)) return say(path, "not one or two dimensions");
    layout->begin = begin + length;
    layout->stride = layout->dims * (uint64_t)layout->width;
    return true;
}

static bool fvecs_layout(FILE *file, const char *path, struct layout *layout)
{
    unsigned char head[4];

    if (fread(head, 1, 4, file) != 4 || fseek(file, 0, SEEK_END) != 0) {
        return say(path, "not a .fvecs file");
    }
    long size = ftell(file);
    layout->dims = head[0] | (uint64_t)head[1] << 8 | (uint64_t)head[2] << 16;
    layout->width = 4;
    layout->stride = 4 + 4 * layout->dims;
    layout->begin = 4;
    layout->rows = size > 0 ? (uint64_t)size / layout->stride : 0;
    return true;
}

static float *row_read(FILE *file, const char *path, const struct layout *layout, uint64_t row)
{
    size_t dims = (size_t)layout->dims, bytes = dims * (size_t)layout->width;
    unsigned char *raw = malloc(bytes);
    float *vector = malloc(dims * sizeof *vector);
    bool good = raw && vector;

    good = good && fseek(file, (long)(layout->begin + row * layout->stride), SEEK_SET) == 0 &&
           fread(raw, 1, bytes, file) == bytes;
    if (!good) say(path, "the row cannot be read");
    for (size_t i = 0; good && i < dims; i++) {
        uint16_t half;
        double wide;
        switch (layout->width) {
        case 2:
            memcpy(&half, raw + 2 * i, 2);
            vector[i] = half_value(half);
            break;
        case 4: memcpy(&vector[i], raw + 4 * i, 4); break;
        default:
            memcpy(&wide, raw + 8 * i, 8);
            vector[i] = (float)wide;
            break;
        }
    }
    free(raw);
    if (good) return vector;
    free(vector);
    return NULL;
}

float *param_vector_read(const char *path, uint64_t row, size_t *dims)
{
    FILE *file = fopen(path, "rb");
    struct layout layout = {0};
    const char *dot = strrchr(path, '.');
    float *vector = NULL;
    char problem[80];

    *dims = 0;
    if (!file) {
        say(path, strerror(errno));
        return NULL;
    }
    bool fvecs = dot && strcmp(dot, ".fvecs") == 0;
    bool good = fvecs ? fvecs_layout(file, path, &layout) : npy_layout(file, path, &layout);
    if (good && (layout.dims == 0 || layout.dims > MN_VECTOR_MAX)) {
        good = say(path, "no dimensions, or too many");
    }
    if (good && row == UINT64_MAX && layout.rows != 1) {
        (void)snprintf(problem, sizeof problem, "name one of its %llu rows: @file:17",
                       (unsigned long long)layout.rows);
        good = say(path, problem);
    }
    if (row == UINT64_MAX) row = 0;
    if (good && row >= layout.rows) {
        (void)snprintf(problem, sizeof problem, "it has %llu rows, the first is 0",
                       (unsigned long long)layout.rows);
        good = say(path, problem);
    }
    if (good) vector = row_read(file, path, &layout, row);
    fclose(file);
    *dims = vector ? (size_t)layout.dims : 0;
    return vector;
}
