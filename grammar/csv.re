/*
 * csv: one field of a comma- or tab-separated line.
 *
 * Delimiter and quote are options of a file, so the automaton runs over classes of bytes: each byte
 * is looked up in a table of 256 before it is compared.
 */
#include "query/copy_scan.h"

static enum mn_csv_token plain(struct mn_csv_field *field, const uint8_t *start, const uint8_t *end)
{
    field->text = start;
    field->length = (size_t)(end - start);
    field->quoted = false;
    return MN_CSV_FIELD;
}

static void quoted(struct mn_csv_field *field, const uint8_t *start, const uint8_t *end,
                   const uint8_t *classes)
{
    while (classes[end[-1]] != MN_CSV_QUOTE) end--;
    field->text = start + 1;
    field->length = (size_t)(end - start) - 2;
    field->quoted = true;
}

enum mn_csv_token mn_csv_scan(const uint8_t classes[256], const uint8_t **at,
                              struct mn_csv_field *field)
{
    const uint8_t *start = *at, *cursor = start, *marker = start;

    /*!re2c
        re2c:api = custom;
        re2c:api:style = free-form;
        re2c:define:YYCTYPE = "uint8_t";
        re2c:define:YYPEEK = "classes[*cursor]";
        re2c:define:YYSKIP = "++cursor;";
        re2c:define:YYBACKUP = "marker = cursor;";
        re2c:define:YYRESTORE = "cursor = marker;";
        re2c:define:YYSHIFT = "cursor += @@{shift};";
        re2c:yyfill:enable = 0;

        zero = [\x00];
        delimiter = [\x01];
        quote = [\x02];
        feed = [\x03];
        return = [\x04];
        body = [\x04\x05];
        string = quote ([\x01\x03\x04\x05] | quote quote)* quote;

        body* delimiter {
            *at = cursor;
            return plain(field, start, cursor - 1);
        }
        body* feed {
            *at = cursor;
            cursor--;
            if (cursor > start && classes[cursor[-1]] == MN_CSV_RETURN) cursor--;
            plain(field, start, cursor);
            return MN_CSV_LAST;
        }
        body* zero {
            *at = cursor - 1;
            plain(field, start, cursor - 1);
            return MN_CSV_PAUSE;
        }
        body+ quote {
            *at = cursor - 1;
            return MN_CSV_STRAY_QUOTE;
        }
        string delimiter {
            *at = cursor;
            quoted(field, start, cursor, classes);
            return MN_CSV_FIELD;
        }
        string return? feed {
            *at = cursor;
            quoted(field, start, cursor, classes);
            return MN_CSV_LAST;
        }
        string return? zero {
            *at = cursor - 1;
            quoted(field, start, cursor - 1, classes);
            return MN_CSV_PAUSE;
        }
        string return? {
            *at = cursor;
            return MN_CSV_AFTER_QUOTE;
        }
        quote ([\x01\x03\x04\x05] | quote quote)* zero {
            *at = cursor - 1;
            return MN_CSV_OPEN;
        }
        * {
            *at = start;
            return MN_CSV_AFTER_QUOTE;
        }
    */
}
