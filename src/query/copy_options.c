/*
 * copy_options: the words of WITH (...) behind COPY.
 */
#include "query/copy.h"

#include <string.h>
#include <strings.h>

struct choice {
    const char *name;
    int value;
};

static const struct choice format_names[] = {
    {"csv", MN_COPY_CSV},     {"tsv", MN_COPY_TSV},     {"ndjson", MN_COPY_NDJSON},
    {"npy", MN_COPY_NPY},     {"fvecs", MN_COPY_FVECS}, {"jsonl", MN_COPY_NDJSON},
    {"json", MN_COPY_NDJSON},
};

static const struct choice unit_names[] = {
    {"s", MN_COPY_SECONDS},
    {"ms", MN_COPY_MILLISECONDS},
    {"us", MN_COPY_MICROSECONDS},
    {"ns", MN_COPY_NANOSECONDS},
};

static const struct choice errors_names[] = {{"skip", true}, {"abort", false}};
static const struct choice type_names[] = {{"f32", false}, {"f16", true}};
static const struct choice bool_names[] = {
    {"true", true}, {"false", false}, {"on", true}, {"off", false}};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The option's word among the choices. */
static enum mn_status option_choose(const struct mn_copy_option *option,
                                    const struct choice *choices, size_t count, int *value)
{
    char list[160] = "";

    for (size_t i = 0; i < count; i++) {
        if (option->text && strcasecmp(option->text, choices[i].name) == 0) {
            *value = choices[i].value;
            return MN_OK;
        }
        if (i > 0) strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, choices[i].name, sizeof list - strlen(list) - 1);
    }
    mn_fail(MN_TYPE, "the COPY option %s has no value %s", option->name,
            option->text ? option->text : "of that kind");
    return mn_hint("one of %s", list);
}

/* A switch: bare, true, false, on, off, 1 or 0. */
static enum mn_status option_bool(const struct mn_copy_option *option, bool *value)
{
    int chosen = true;

    if (option->kind == MN_COPY_OPTION_INT && (option->number == 0 || option->number == 1)) {
        chosen = (int)option->number;
    } else if (option->kind != MN_COPY_OPTION_BARE) {
        enum mn_status status = option_choose(option, bool_names, COUNT(bool_names), &chosen);
        if (status) return status;
    }
    *value = chosen != 0;
    return MN_OK;
}

/* A delimiter or a quote: one ASCII character that can be neither. */
static enum mn_status option_character(const struct mn_copy_option *option, uint8_t *value)
{
    const char *text = option->text;

    if (text && strcmp(text, "\\t") == 0) text = "\t";
    if (!text || strlen(text) != 1 || (text[0] & 0x80) || strchr("\r\n", text[0])) {
        return mn_fail(MN_TYPE, "the COPY option %s takes one ASCII character", option->name);
    }
    *value = (uint8_t)text[0];
    return MN_OK;
}

void mn_copy_options_init(struct mn_copy_options *options)
{
    *options = (struct mn_copy_options){.errors_max = UINT64_MAX};
}

static enum mn_status set_format(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    int value = 0;
    enum mn_status status = option_choose(o, format_names, COUNT(format_names) - 2, &value);

    options->format = (enum mn_copy_format)value;
    return status;
}

static enum mn_status set_time_unit(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    int value = 0;
    enum mn_status status = option_choose(o, unit_names, COUNT(unit_names), &value);

    options->time_unit = (enum mn_copy_unit)value;
    return status;
}

static enum mn_status set_header(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    options->has_header = true;
    return option_bool(o, &options->header);
}

static enum mn_status set_delimiter(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    options->has_delimiter = true;
    return option_character(o, &options->delimiter);
}

/* quote = '"', or a switch: on is '"'. */
static enum mn_status set_quote(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    bool on = true;

    options->has_quote = true;
    if (o->kind == MN_COPY_OPTION_TEXT) return option_character(o, &options->quote);
    enum mn_status status = option_bool(o, &on);
    options->quote = on ? '"' : 0;
    return status;
}

static enum mn_status set_null(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    if (!o->text || strpbrk(o->text, "\r\n")) {
        return mn_fail(MN_TYPE, "the COPY option null takes a text without line ends");
    }
    options->null = o->text;
    return MN_OK;
}

static enum mn_status set_errors(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    int value = 0;
    enum mn_status status = option_choose(o, errors_names, COUNT(errors_names), &value);

    options->skip_errors = value != 0;
    return status;
}

static enum mn_status set_max_errors(struct mn_copy_options *options,
                                     const struct mn_copy_option *o)
{
    if (o->kind != MN_COPY_OPTION_INT || o->number < 0) {
        return mn_fail(MN_TYPE, "the COPY option max_errors takes a number of rows");
    }
    options->errors_max = (uint64_t)o->number;
    return MN_OK;
}

static enum mn_status set_ignore_unknown(struct mn_copy_options *options,
                                         const struct mn_copy_option *o)
{
    return option_bool(o, &options->ignore_unknown);
}

static enum mn_status set_upsert(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    return option_bool(o, &options->upsert);
}

static enum mn_status set_match_order(struct mn_copy_options *options,
                                      const struct mn_copy_option *o)
{
    return option_bool(o, &options->match_order);
}

static enum mn_status set_match(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    if (!o->text)
        return mn_fail(MN_TYPE, "the COPY option match_column takes the name of a column");
    options->match = o->text;
    return MN_OK;
}

static enum mn_status set_type(struct mn_copy_options *options, const struct mn_copy_option *o)
{
    int value = 0;
    enum mn_status status = option_choose(o, type_names, COUNT(type_names), &value);

    options->half = value != 0;
    return status;
}

static const struct {
    const char *name;
    enum mn_status (*set)(struct mn_copy_options *, const struct mn_copy_option *);
} option_table[] = {
    {"format", set_format},
    {"header", set_header},
    {"delimiter", set_delimiter},
    {"quote", set_quote},
    {"null", set_null},
    {"time_unit", set_time_unit},
    {"errors", set_errors},
    {"max_errors", set_max_errors},
    {"ignore_unknown", set_ignore_unknown},
    {"upsert", set_upsert},
    {"match_order", set_match_order},
    {"match_column", set_match},
    {"type", set_type},
};

enum mn_status mn_copy_option_set(struct mn_copy_options *options,
                                  const struct mn_copy_option *option)
{
    for (size_t i = 0; i < COUNT(option_table); i++) {
        if (strcasecmp(option->name, option_table[i].name) == 0) {
            return option_table[i].set(options, option);
        }
    }
    mn_fail(MN_SCHEMA, "COPY has no option \"%s\"", option->name);
    return mn_hint("format, header, delimiter, quote, null, time_unit, errors, max_errors, "
                   "ignore_unknown, upsert, match_order, match_column, type");
}

static enum mn_status format_by_suffix(struct mn_copy_options *options, const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < COUNT(format_names); i++) {
        if (strcasecmp(dot + 1, format_names[i].name) == 0) {
            options->format = (enum mn_copy_format)format_names[i].value;
            return MN_OK;
        }
    }
    mn_fail(MN_ERROR, "the format of %s is not known by its suffix", path);
    return mn_hint("say WITH (format = csv), or tsv, ndjson, npy, fvecs");
}

static enum mn_status option_misfit(const char *option, const char *where)
{
    return mn_fail(MN_ERROR, "the COPY option %s is only for %s", option, where);
}

/* Options that the format or the direction gives no meaning are mistakes, never ignored. */
static enum mn_status options_fit(const struct mn_copy_options *o, bool reading)
{
    bool fields = o->format == MN_COPY_CSV || o->format == MN_COPY_TSV;
    bool vectors = o->format == MN_COPY_NPY || o->format == MN_COPY_FVECS;

    if (o->has_header && !fields) return option_misfit("header", "csv and tsv");
    if (o->has_delimiter && !fields) return option_misfit("delimiter", "csv and tsv");
    if (o->has_quote && !fields) return option_misfit("quote", "csv and tsv");
    if (o->null && !fields) return option_misfit("null", "csv and tsv");
    if (o->half && (reading || o->format != MN_COPY_NPY)) {
        return option_misfit("type", "writing npy");
    }
    if (o->time_unit && vectors) return option_misfit("time_unit", "csv, tsv and ndjson");
    if ((o->match_order || o->match) && !(vectors && reading)) {
        return option_misfit(o->match ? "match_column" : "match_order", "reading npy and fvecs");
    }
    if (reading) {
        if (o->upsert && vectors) return option_misfit("upsert", "csv, tsv and ndjson");
        if (o->ignore_unknown && vectors)
            return option_misfit("ignore_unknown", "csv, tsv and ndjson");
        if (o->skip_errors && (o->match || o->match_order)) {
            return option_misfit("errors", "rows that are inserted");
        }
        return MN_OK;
    }
    if (o->skip_errors || o->errors_max != UINT64_MAX) return option_misfit("errors", "COPY FROM");
    if (o->time_unit) return option_misfit("time_unit", "COPY FROM");
    if (o->upsert) return option_misfit("upsert", "COPY FROM");
    if (o->ignore_unknown) return option_misfit("ignore_unknown", "COPY FROM");
    return MN_OK;
}

enum mn_status mn_copy_options_finish(struct mn_copy_options *options, const char *path,
                                      bool reading)
{
    enum mn_status status = MN_OK;

    if (options->format == MN_COPY_BY_SUFFIX) status = format_by_suffix(options, path);
    if (!status) status = options_fit(options, reading);
    if (status) return status;
    if (options->errors_max != UINT64_MAX && !options->skip_errors) {
        return mn_fail(MN_ERROR, "the COPY option max_errors needs errors = skip");
    }
    if (options->match && options->match_order) {
        return mn_fail(MN_ERROR, "COPY takes match_order or match_column, not both");
    }
    bool csv = options->format == MN_COPY_CSV;
    if (!options->has_header) options->header = csv;
    if (!options->has_delimiter) options->delimiter = csv ? ',' : '\t';
    if (!options->has_quote) options->quote = csv ? '"' : 0;
    if (options->quote == options->delimiter) {
        return mn_fail(MN_ERROR, "COPY: delimiter and quote are the same character");
    }
    return MN_OK;
}
