/* SPDX-License-Identifier: Apache-2.0 */
#include "study/chart.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 420, LEFT = 80, RIGHT = 170, TOP = 34, BOTTOM = 52, BAR = 22, NAMES = 170 };

/* Okabe and Ito's colours, which the colour-blind tell apart. */
static const char *const colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};

typedef struct axis {
    double low, high;
    bool log;
    double from, to; /* pixels */
} axis;

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
    const double low = along->log ? log10(along->low) : along->low,
                 high = along->log ? log10(along->high) : along->high;
    const double share = ((along->log ? log10(value) : value) - low) / (high - low);
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
    if (along->log) {
        for (double value = pow(10, ceil(log10(along->low) - 1e-9)); value <= along->high * 1.0001; value *= 10)
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

/* A range with some room about it. */
static axis fitting(double low, double high, bool logarithmic, double from, double to)
{
    axis out = {low, high, logarithmic, from, to};
    if (logarithmic) {
        out.low = pow(10, floor(log10(low) - 0.05));
        out.high = pow(10, ceil(log10(high) + 0.05));
    } else {
        const double room = high > low ? 0.06 * (high - low) : fabs(high) * 0.1 + 1e-3;
        out.low = low - room;
        out.high = high + room;
    }
    return out;
}

static bool is_drawn(const chart_point *point, bool log_x)
{
    return isfinite(point->x) && isfinite(point->y) && (!log_x || point->x > 0);
}

static void draw_point(FILE *file, const axis *x, const axis *y, const chart_point *point, size_t index)
{
    const double at = place(x, point->x), up = place(y, point->y);
    const char *color = colors[index % (sizeof colors / sizeof *colors)];
    if (isfinite(point->low) && isfinite(point->high))
        fprintf(file, "<path stroke=\"%s\" d=\"M%.1f %.1fV%.1f\"/>", color, at, place(y, point->low),
                place(y, point->high));
    fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>", at, up, color);
    chart_text(file, point->name);
    fprintf(file, ": %.6g, %.6g</title></circle>", point->x, point->y);
    label(file, at + 7, up + 4, "start", point->name);
}

void chart_points(FILE *file, const char *title, const char *x_title, const char *y_title, bool log_x,
                  const chart_point *points, size_t count)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
    for (size_t i = 0; i < count; i++) {
        if (!is_drawn(&points[i], log_x))
            continue;
        low[0] = fmin(low[0], points[i].x);
        high[0] = fmax(high[0], points[i].x);
        low[1] = fmin(low[1], fmin(points[i].y, points[i].low)); /* fmin leaves NAN out */
        high[1] = fmax(high[1], fmax(points[i].y, points[i].high));
    }
    if (!(low[0] <= high[0])) {
        fputs("<p>", file);
        chart_text(file, title);
        fputs(": nothing to draw</p>\n", file);
        return;
    }
    const axis x = fitting(low[0], high[0], log_x, LEFT, WIDTH - RIGHT),
               y = fitting(low[1], high[1], false, HEIGHT - BOTTOM, TOP);
    open_chart(file, title, HEIGHT);
    draw_axes(file, &x, &y, x_title, y_title);
    for (size_t i = 0; i < count; i++)
        if (is_drawn(&points[i], log_x))
            draw_point(file, &x, &y, &points[i], i);
    fputs("</svg>\n", file);
}

void chart_bars(FILE *file, const char *title, const char *x_title, const chart_point *points, size_t count)
{
    double high = 0;
    for (size_t i = 0; i < count; i++)
        high = fmax(high, points[i].x);
    const int height = TOP + (int)count * BAR + 24;
    open_chart(file, title, height);
    for (size_t i = 0; i < count; i++) {
        char value[32];
        const int y = TOP + (int)i * BAR;
        const double width = high > 0 && points[i].x > 0 ? points[i].x / high * (WIDTH - NAMES - 90) : 0;
        snprintf(value, sizeof value, "%.4g", points[i].x);
        label(file, NAMES - 6, y + 13, "end", points[i].name);
        fprintf(file, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>", NAMES, y, width, BAR - 6,
                colors[0]);
        label(file, NAMES + width + 6, y + 13, "start", isfinite(points[i].x) ? value : "-");
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
    const axis x = {0, 100, false, LEFT, WIDTH - RIGHT}, y = fitting(low, high, false, HEIGHT - BOTTOM, TOP);
    open_chart(file, title, HEIGHT);
    draw_axes(file, &x, &y, x_title, y_title);
    for (size_t c = 0; c < count; c++) {
        const char *color = colors[c % (sizeof colors / sizeof *colors)];
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
