/* SPDX-License-Identifier: Apache-2.0 */
#include "study/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/rendering.h"

enum { WIDTH = 1000, HEIGHT = 560, LEFT = 80, RIGHT = 170, TOP = 34, BOTTOM = 52, BAR = 20, NAMES = 170 };
/* About the size of a letter of 12 pixels, for labels that must not lie on each other. */
static const double letter = 6.4, line = 13;

/* Okabe and Ito's colours, which the colour-blind tell apart. */
static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

typedef struct axis {
    double low, high;
    chart_scale scale;
    double from, to; /* pixels */
} axis;

/* What is drawn already and must stay legible. */
typedef struct box {
    double left, top, right, bottom;
} box;

void chart_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

static double place(const axis *along, double value)
{
    const double low = along->scale != CHART_LINEAR ? log10(along->low) : along->low,
                 high = along->scale != CHART_LINEAR ? log10(along->high) : along->high;
    const double share = ((along->scale != CHART_LINEAR ? log10(value) : value) - low) / (high - low);
    return along->from + share * (along->to - along->from);
}

static void open_chart(FILE *file, const char *title, int height)
{
    fprintf(file, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", WIDTH, height);
    chart_text(file, title);
    fputs("</title><text class=\"title\" x=\"0\" y=\"16\">", file);
    chart_text(file, title);
    fputs("</text>\n", file);
}

static void label(FILE *file, double x, double y, const char *anchor, const char *text)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    chart_text(file, text);
    fputs("</text>\n", file);
}

/* 1, 2 or 5 times a power of ten: about five steps over the range. */
static double step_of(double range)
{
    const double raw = range / 5, power = pow(10, floor(log10(raw)));
    const double part = raw / power;
    return (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10) * power;
}

static void tick(FILE *file, const axis *along, bool horizontal, double value)
{
    char text[32];
    const double at = place(along, value);
    if (along->scale == CHART_BYTES)
        rendering_bytes(value, text);
    else
        snprintf(text, sizeof text, "%.4g", fabs(value) < 1e-12 ? 0 : value);
    if (horizontal) {
        fprintf(file, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", at, TOP, HEIGHT - BOTTOM);
        label(file, at, HEIGHT - BOTTOM + 16, "middle", text);
    } else {
        fprintf(file, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>", LEFT, at, WIDTH - RIGHT);
        label(file, LEFT - 6, at + 4, "end", text);
    }
}

static void draw_axis(FILE *file, const axis *along, bool horizontal)
{
    if (along->scale == CHART_SECONDS) {
        for (double value = pow(10, ceil(log10(along->low) - 1e-9)); value <= along->high * 1.0001; value *= 10)
            tick(file, along, horizontal, value);
        return;
    }
    if (along->scale == CHART_BYTES) { /* 64 KiB, 256 KiB, 1 MiB, … */
        for (double value = pow(4, ceil(log2(along->low) / 2 - 1e-9)); value <= along->high * 1.0001; value *= 4)
            tick(file, along, horizontal, value);
        return;
    }
    const double step = step_of(along->high - along->low);
    for (double value = ceil(along->low / step) * step; value <= along->high + step * 1e-6; value += step)
        tick(file, along, horizontal, value);
}

static void draw_axes(FILE *file, const axis *x, const axis *y, const char *x_title, const char *y_title)
{
    draw_axis(file, x, true);
    draw_axis(file, y, false);
    label(file, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12, "middle", x_title);
    fprintf(file, "<text transform=\"translate(16 %d) rotate(-90)\" text-anchor=\"middle\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    chart_text(file, y_title);
    fputs("</text>\n", file);
}

/* A range with some room about it: of ratios, up to the next tick. */
static axis fitting(double low, double high, chart_scale scale, double from, double to)
{
    axis out = {low, high, scale, from, to};
    const double step = scale == CHART_BYTES ? log10(4) : 1;
    if (scale != CHART_LINEAR) {
        out.low = pow(10, step * floor((log10(low) - 0.05) / step));
        out.high = pow(10, step * ceil((log10(high) + 0.05) / step));
    } else {
        const double room = high > low ? 0.06 * (high - low) : fabs(high) * 0.1 + 1e-3;
        out.low = low - room;
        out.high = high + room;
    }
    return out;
}

static bool is_drawn(const chart_point *point, chart_scale scale)
{
    return isfinite(point->x) && isfinite(point->y) && (scale == CHART_LINEAR || point->x > 0);
}

static const char *color_of(size_t index)
{
    return colors[index % (sizeof colors / sizeof *colors)];
}

static void draw_point(FILE *file, const axis *x, const axis *y, const chart_point *point, const char *color)
{
    const double at = place(x, point->x), up = place(y, point->y);
    if (isfinite(point->low) && isfinite(point->high))
        fprintf(file, "<path class=\"bar\" stroke=\"%s\" d=\"M%.1f %.1fV%.1f\"/>", color, at, place(y, point->low),
                place(y, point->high));
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>", at, up, color);
    chart_text(file, point->name);
    fprintf(file, ": %.6g, %.6g</title></circle>\n", point->x, point->y);
}

static double width_of(const char *text)
{
    double width = 0;
    for (; *text; text++)
        width += (*text & 0xc0) != 0x80 ? letter : 0;
    return width;
}

static double overlap(const box *a, const box *b)
{
    const double width = fmin(a->right, b->right) - fmax(a->left, b->left);
    const double height = fmin(a->bottom, b->bottom) - fmax(a->top, b->top);
    return width > 0 && height > 0 ? width * height : 0;
}

/* How bad a label would be there: what it covers, and how far away it is. */
static double badness(const box *label, const box *taken, size_t count, double distance)
{
    double sum = distance;
    if (label->left < LEFT || label->right > WIDTH || label->top < TOP || label->bottom > HEIGHT - BOTTOM)
        return INFINITY;
    for (size_t i = 0; i < count; i++)
        sum += 20 * overlap(label, &taken[i]);
    return sum;
}

/* The best place about a point, in rings about it; right of it if nothing speaks against that. */
static box find_place(double x, double y, double width, const box *taken, size_t count)
{
    enum { RINGS = 14, TURNS = 16 };
    box best = {x + 7, y - line / 2, x + 7 + width, y + line / 2};
    double least = badness(&best, taken, count, 0);
    for (int ring = 0; ring < RINGS; ring++)
        for (int turn = 0; turn < TURNS; turn++) {
            const double radius = 7 + 9.0 * ring, angle = turn * 2 * acos(-1) / TURNS, side = cos(angle);
            const double left = x + radius * side - (side < -0.3 ? width : side < 0.3 ? width / 2 : 0);
            const double middle = y - (radius + 3) * sin(angle);
            const box tried = {left, middle - line / 2, left + width, middle + line / 2};
            const double bad = badness(&tried, taken, count, radius - 7 + (turn ? 1 : 0));
            if (bad < least) {
                least = bad;
                best = tried;
            }
        }
    return best;
}

static void draw_name(FILE *file, const box *at, double x, double y, const char *name, const char *color)
{
    const double near_x = fmin(fmax(x, at->left), at->right), near_y = fmin(fmax(y, at->top), at->bottom);
    if (hypot(near_x - x, near_y - y) > 12)
        fprintf(file, "<path class=\"lead\" stroke=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>", color, x, y, near_x, near_y);
    label(file, at->left, at->bottom - 3, "start", name);
}

/* Points first, so that names avoid all of them. */
static void draw_points(FILE *file, const axis *x, const axis *y, const chart_point *points, size_t count, box *taken)
{
    size_t boxes = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_drawn(&points[i], x->scale))
            continue;
        const double at = place(x, points[i].x), up = place(y, points[i].y);
        draw_point(file, x, y, &points[i], color_of(i));
        taken[boxes++] = (box){at - 5, up - 5, at + 5, up + 5};
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_drawn(&points[i], x->scale))
            continue;
        const double at = place(x, points[i].x), up = place(y, points[i].y);
        taken[boxes] = find_place(at, up, width_of(points[i].name), taken, boxes);
        draw_name(file, &taken[boxes], at, up, points[i].name, color_of(i));
        boxes++;
    }
}

void chart_points(FILE *file, const char *title, const char *x_title, const char *y_title, chart_scale scale,
                  const chart_point *points, size_t count)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    box *taken = calloc(2 * count + 1, sizeof *taken);
    for (size_t i = 0; i < count; i++) {
        if (!is_drawn(&points[i], scale))
            continue;
        low[0] = fmin(low[0], points[i].x);
        high[0] = fmax(high[0], points[i].x);
        low[1] = fmin(low[1], fmin(points[i].y, points[i].low)); /* fmin leaves NAN out */
        high[1] = fmax(high[1], fmax(points[i].y, points[i].high));
    }
    if (!taken || !(low[0] <= high[0])) {
        fputs("<p>", file);
        chart_text(file, title);
        fputs(": nothing to draw</p>\n", file);
        free(taken);
        return;
    }
    const axis x = fitting(low[0], high[0], scale, LEFT, WIDTH - RIGHT),
               y = fitting(low[1], high[1], CHART_LINEAR, HEIGHT - BOTTOM, TOP);
    open_chart(file, title, HEIGHT);
    draw_axes(file, &x, &y, x_title, y_title);
    draw_points(file, &x, &y, points, count, taken);
    fputs("</svg>\n", file);
    free(taken);
}

void chart_bars(FILE *file, const char *title, const char *x_title, const chart_point *points, size_t count)
{
    double high = 0;
    for (size_t i = 0; i < count; i++)
        high = fmax(high, points[i].x);
    int rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += isfinite(points[i].x); /* others failed */
    const int height = TOP + rows * BAR + 24;
    open_chart(file, title, height);
    rows = 0;
    for (size_t i = 0; i < count; i++) {
        char value[32];
        if (!isfinite(points[i].x))
            continue;
        const int y = TOP + rows++ * BAR;
        const double width = high > 0 && points[i].x > 0 ? points[i].x / high * (WIDTH - NAMES - 90) : 0;
        snprintf(value, sizeof value, "%.4g", points[i].x);
        label(file, NAMES - 6, y + 13, "end", points[i].name);
        fprintf(file, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", NAMES, y, width, BAR - 6,
                colors[0]);
        label(file, NAMES + width + 6, y + 13, "start", value);
    }
    label(file, NAMES, height - 6, "start", x_title);
    fputs("</svg>\n", file);
}

void chart_curves(FILE *file, const char *title, const char *x_title, const char *y_title, const chart_curve *curves,
                  size_t count)
{
    double low = 0, high = 0;
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; i < curves[c].count; i++) {
            low = fmin(low, curves[c].y[i]);
            high = fmax(high, curves[c].y[i]);
        }
    const axis x = {0, 100, CHART_LINEAR, LEFT, WIDTH - RIGHT},
               y = fitting(low, high, CHART_LINEAR, HEIGHT - BOTTOM, TOP);
    open_chart(file, title, HEIGHT);
    draw_axes(file, &x, &y, x_title, y_title);
    for (size_t c = 0; c < count; c++) {
        const char *color = color_of(c);
        fprintf(file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" %sd=\"", color,
                c >= sizeof colors / sizeof *colors ? "stroke-dasharray=\"5 3\" " : "");
        for (size_t i = 0; i < curves[c].count; i++)
            fprintf(file, "%c%.1f %.1f", i ? 'L' : 'M', place(&x, 100.0 * (double)i / (double)(curves[c].count - 1)),
                    place(&y, curves[c].y[i]));
        fputs("\"/>", file);
        fprintf(file, "<path stroke=\"%s\" d=\"M%d %dh16\"/>", color, WIDTH - RIGHT + 10, TOP + 8 + (int)c * 16);
        label(file, WIDTH - RIGHT + 32, TOP + 12 + (int)c * 16, "start", curves[c].name);
    }
    fputs("</svg>\n", file);
}
