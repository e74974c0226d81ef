/*
 * picture: curves as SVG, recall to the right and queries a second upwards, more is better in both.
 *
 * Recall is drawn by its misses, so that from .9 to .99 is as far as from .99 to .999; speed by its
 * logarithm.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ann/ann.h"
#include "support/bench.h"

enum { WIDTH = 890, HEIGHT = 520, LEFT = 80, RIGHT = 210, TOP = 50, BOTTOM = 60 };
static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

/* Colours that stay apart for most eyes, the first for mneme; dashes for print. */
static const char *const colours[ANN_CURVES_MAX] = {"#d62728", "#1f77b4", "#2ca02c", "#9467bd",
                                                    "#8c564b", "#ff7f0e", "#17becf", "#7f7f7f"};
static const char *const dashes[ANN_CURVES_MAX] = {"none", "6 3",  "2 3", "8 3 2 3",
                                                   "4 4",  "10 4", "1 4", "3 6"};

struct view {
    double left, right, low, high; /* of the stretched values */
};

static double recall_stretched(double recall)
{
    return -log10(1 - (recall < .9998 ? recall : .9998));
}

static double x_of(const struct view *view, double stretched)
{
    double share = (stretched - view->left) / (view->right - view->left);

    return (double)LEFT + share * plot_width;
}

static double y_of(const struct view *view, double stretched)
{
    double share = (stretched - view->low) / (view->high - view->low);

    return (double)(HEIGHT - BOTTOM) - share * plot_height;
}

static struct view view_of(const struct ann_curve *curves, int count)
{
    struct view view = {recall_stretched(.8), recall_stretched(.999), 9, 0};

    for (int c = 0; c < count; c++) {
        for (int p = 0; p < curves[c].count; p++) {
            double x = recall_stretched(curves[c].points[p].recall);
            double y = log10(curves[c].points[p].speed.median);

            if (x < view.left) view.left = x;
            if (x > view.right) view.right = x;
            if (y < view.low) view.low = y;
            if (y > view.high) view.high = y;
        }
    }
    if (view.low > view.high) view = (struct view){view.left, view.right, 0, 1};
    view.low -= .1;
    view.high += .1;
    return view;
}

static void recall_lines(FILE *out, const struct view *view)
{
    static const double recalls[] = {.5, .6, .7, .8, .85, .9, .95, .97, .98, .99, .995, .999};

    for (size_t i = 0; i < sizeof recalls / sizeof recalls[0]; i++) {
        double at = recall_stretched(recalls[i]), x = x_of(view, at);

        if (at < view->left - 1e-9 || at > view->right + 1e-9) continue;
        fprintf(out, "<line x1='%.1f' y1='%d' x2='%.1f' y2='%d' stroke='%s'/>\n", x, TOP, x,
                HEIGHT - BOTTOM, recalls[i] == .95 || recalls[i] == .99 ? "#999" : "#ddd");
        fprintf(out, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", x,
                HEIGHT - BOTTOM + 18, recalls[i]);
    }
    fprintf(out, "<text x='%d' y='%d' text-anchor='middle'>recall@10</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14);
}

static void speed_lines(FILE *out, const struct view *view)
{
    static const int steps[] = {1, 2, 5};

    for (int power = 0; power < 8; power++) {
        for (int i = 0; i < 3; i++) {
            double speed = steps[i] * pow(10, power), at = log10(speed), y = y_of(view, at);

            if (at < view->low || at > view->high) continue;
            fprintf(out, "<line x1='%d' y1='%.1f' x2='%d' y2='%.1f' stroke='#ddd'/>\n", LEFT, y,
                    WIDTH - RIGHT, y);
            fprintf(out, "<text x='%d' y='%.1f' text-anchor='end'>%.0f</text>\n", LEFT - 8, y + 4,
                    speed);
        }
    }
    fprintf(out,
            "<text x='18' y='%d' text-anchor='middle' transform='rotate(-90 18 %d)'>queries/s, "
            "one thread</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, (TOP + HEIGHT - BOTTOM) / 2);
}

static void curve_draw(FILE *out, const struct view *view, const struct ann_curve *curve,
                       int number)
{
    const char *colour = colours[number];
    int y = TOP + 14 + 22 * number;

    fprintf(out,
            "<polyline fill='none' stroke='%s' stroke-width='%s' stroke-dasharray='%s' points='",
            colour, number ? "1.6" : "3", dashes[number]);
    for (int p = 0; p < curve->count; p++) {
        fprintf(out, "%s%.1f,%.1f", p ? " " : "",
                x_of(view, recall_stretched(curve->points[p].recall)),
                y_of(view, log10(curve->points[p].speed.median)));
    }
    fprintf(out, "'/>\n");
    for (int p = 0; p < curve->count; p++) {
        fprintf(out, "<circle cx='%.1f' cy='%.1f' r='%s' fill='%s'/>\n",
                x_of(view, recall_stretched(curve->points[p].recall)),
                y_of(view, log10(curve->points[p].speed.median)), number ? "2.4" : "3.6", colour);
    }
    fprintf(out,
            "<line x1='%d' y1='%d' x2='%d' y2='%d' stroke='%s' stroke-width='%s' "
            "stroke-dasharray='%s'/>\n<text x='%d' y='%d'>%s</text>\n",
            WIDTH - RIGHT + 14, y - 4, WIDTH - RIGHT + 46, y - 4, colour, number ? "1.6" : "3",
            dashes[number], WIDTH - RIGHT + 54, y, curve->name);
}

void ann_picture_write(const char *path, const char *title, const struct ann_curve *curves,
                       int count)
{
    struct view view = view_of(curves, count);
    FILE *out = fopen(path, "w");

    bench_must(out && count <= ANN_CURVES_MAX, path);
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='13'>\n<rect width='%d' height='%d' fill='white'/>\n"
            "<text x='%d' y='28' font-size='16'>%s</text>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, title);
    recall_lines(out, &view);
    speed_lines(out, &view);
    for (int c = count - 1; c >= 0; c--) curve_draw(out, &view, &curves[c], c);
    fprintf(out, "</svg>\n");
    bench_must(fclose(out) == 0, path);
    printf("picture: %s\n", path);
}
