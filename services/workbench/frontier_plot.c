#include "services/workbench/frontier_plot.h"

#include "common/base/assert.h"
#include "common/base/text.h"
#include "common/num/la/sym.h"
#include "services/workbench/plot_axis.h"
#include "services/workbench/plot_labels.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WIDTH = 960,
    HEIGHT = 600,
    LEFT = 84,
    RIGHT = 676,
    TOP = 74,
    BOTTOM = 528,
    LEGEND = 700,
    LEGEND_TEXT = LEGEND + 34,
    PIXELS_A_SAMPLE = 3,
    SAMPLES_MAX = 64,   /* in a segment */
    LINE_SAMPLES = 256, /* of the capital market line */
    CORNERS_MANY = 60,  /* above: small dots, which the curve still shows between */
    ASSETS_MANY = 100,
    NAME_BYTES = 18, /* of an asset that are shown */
    MARKS = 4,       /* portfolios that have a name */
    PATH_MAX_BYTES = 4096,
};

static const double letter_width = 6.7, letter_height = 10; /* of names, 11 px */

typedef struct plot {
    const keel_survey *survey;
    double year_return, year_risk; /* from a fraction a bar to percent of the axis */
    const char *unit;              /* "a year" */
    keel_plot_axis x, y;
    bool has_line;          /* capital market line */
    keel_plot_point *curve; /* owned; pixels */
    int curve_n;
    int avoid_n; /* of the curve and, behind it, of the capital market line: not for names */
    double legend_y;
    FILE *to;
} plot;

static const char style[] =
    "<style>\n"
    "text{font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif;fill:#1f2933}\n"
    ".paper{fill:#fff}.grid{stroke:#e3e8ef;stroke-width:1}.zero{stroke:#a9b4c2;stroke-width:1}\n"
    ".frame{fill:none;stroke:#a9b4c2;stroke-width:1}\n"
    ".title{font-size:20px;font-weight:600}.sub,.figures{font-size:12.5px;fill:#52606d}\n"
    ".tick{font-size:12px;fill:#52606d}.axis{font-size:13.5px}.key{font-size:13.5px}\n"
    ".name{font-size:11px;fill:#52606d}.asset{fill:#9aa5b1}\n"
    ".curve{fill:none;stroke:#1d5fa8;stroke-width:2.5;stroke-linejoin:round;"
    "stroke-linecap:round}\n"
    ".corner{fill:#1d5fa8;stroke:#fff}.market-line{stroke:#d9480f;stroke-width:1.4;"
    "stroke-dasharray:6 4}\n"
    ".least{fill:#0b7a6f}.best{fill:#d9480f}\n"
    ".held,.pick{fill:none;stroke-width:2.5}.held{stroke:#7c3aed}.pick{stroke:#1f2933}\n"
    "@media (prefers-color-scheme:dark){text{fill:#e6eaf0}.paper{fill:#14181d}\n"
    ".grid{stroke:#262d36}.zero,.frame{stroke:#515c6a}.sub,.figures,.tick,.name{fill:#a3afbd}\n"
    ".asset{fill:#6f7b89}.curve{stroke:#64a8ee}.corner{fill:#64a8ee;stroke:#14181d}\n"
    ".market-line{stroke:#ff8a50}.least{fill:#3cc7b6}.best{fill:#ff8a50}\n"
    ".held{stroke:#b794f6}.pick{stroke:#e6eaf0}}\n"
    "</style>\n";

/* Names are UTF-8 without control characters; two code points of it are in no XML. */
static void put_text(const char *text, size_t len, FILE *to)
{
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (len - i >= 3 && memcmp(text + i, "\xef\xbf", 2) == 0 &&
            (unsigned char)text[i + 2] >= 0xbe) {
            fputc('?', to);
            i += 2;
        } else if (c == '&' || c == '<' || c == '>' || c == '"') {
            fputs(c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&quot;", to);
        } else {
            fputc(c, to);
        }
    }
}

static keel_plot_point pixel(const plot *p, double volatility, double expected_return)
{
    return (keel_plot_point){keel_plot_pixel(&p->x, p->year_risk * volatility),
                             keel_plot_pixel(&p->y, p->year_return * expected_return)};
}

static keel_plot_point pixel_of(const plot *p, const keel_survey_place *place)
{
    return pixel(p, place->volatility, place->expected_return);
}

static keel_plot_point asset_pixel(const plot *p, int i)
{
    const keel_problem *problem = &p->survey->stated->problem;
    const size_t diagonal = keel_sym_at(problem->n, i, i);
    return pixel(p, sqrt(fmax(problem->covariance[diagonal], 0)), problem->mean[i]);
}

/* Percent with as many decimals as its size asks for. */
static const char *percent_text(double percent, char out[32])
{
    const double size = fabs(percent);
    const int decimals = size < 0.0005 ? 1 : size < 0.1 ? 4 : size < 1 ? 3 : size < 10 ? 2 : 1;
    snprintf(out, 32, "%.*f%%", decimals, size < 0.0005 ? 0 : percent);
    return out;
}

/* Axes that show the frontier, every asset and every portfolio. */
static void make_axes(plot *p)
{
    const keel_survey *s = p->survey;
    const keel_problem *problem = &s->stated->problem;
    keel_plot_range risk = {.is_empty = true}, expected = {.is_empty = true};
    const keel_survey_place top = keel_survey_corner(s, 0);
    const keel_survey_place *const places[] = {&s->min_variance, &top,
                                               s->current.is_there ? &s->current.place : &top,
                                               s->chosen.is_there ? &s->chosen.place : &top};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        keel_plot_range_add(&risk, p->year_risk * places[k]->volatility);
        keel_plot_range_add(&expected, p->year_return * places[k]->expected_return);
    }
    for (int i = 0; i < problem->n; i++) {
        const size_t diagonal = keel_sym_at(problem->n, i, i);
        keel_plot_range_add(&risk, p->year_risk * sqrt(fmax(problem->covariance[diagonal], 0)));
        keel_plot_range_add(&expected, p->year_return * problem->mean[i]);
    }
    p->x = keel_plot_axis_make(&risk, true, LEFT, RIGHT);
    if (p->has_line && p->x.lo <= 0)
        keel_plot_range_add(&expected, p->year_return * problem->risk_free);
    p->y = keel_plot_axis_make(&expected, false, BOTTOM, TOP);
}

/* Points of one segment, its upper end left out, as dense as pixels ask for. */
static void sample_segment(plot *p, int upper)
{
    const keel_survey_place from = keel_survey_corner(p->survey, upper);
    const keel_survey_place to = keel_survey_corner(p->survey, upper + 1);
    const keel_plot_point a = pixel_of(p, &from), b = pixel_of(p, &to);
    const double span = to.expected_return - from.expected_return;
    const double wanted = ceil(hypot(a.x - b.x, a.y - b.y) / PIXELS_A_SAMPLE);
    const int samples = (int)fmin(fmax(wanted, 1), SAMPLES_MAX);
    for (int k = 1; k < samples; k++) {
        keel_frontier_point point;
        if (keel_frontier_at_mean(p->survey->frontier, from.expected_return + span * k / samples,
                                  &point, NULL) == KEEL_OK)
            p->curve[p->curve_n++] = pixel(p, sqrt(fmax(point.variance, 0)), point.mean);
    }
    p->curve[p->curve_n++] = b;
}

/* Of the capital market line. */
static keel_plot_point line_pixel(const plot *p, double volatility)
{
    const keel_survey *s = p->survey;
    const double rate = s->stated->problem.risk_free;
    const double slope = (s->max_sharpe.expected_return - rate) / s->max_sharpe.volatility;
    return pixel(p, volatility, rate + slope * volatility);
}

static void make_curve(plot *p)
{
    const int corners = p->survey->walk.corners;
    const keel_survey_place top = keel_survey_corner(p->survey, 0);
    p->curve = keel_xcalloc((size_t)corners * SAMPLES_MAX + LINE_SAMPLES, sizeof *p->curve);
    p->curve[p->curve_n++] = pixel_of(p, &top);
    for (int k = 0; k + 1 < corners; k++)
        sample_segment(p, k);
    p->avoid_n = p->curve_n;
    for (int k = 0; p->has_line && k < LINE_SAMPLES; k++) {
        const double risk = p->x.lo + (p->x.hi - p->x.lo) * k / LINE_SAMPLES;
        p->curve[p->avoid_n++] = line_pixel(p, risk / p->year_risk);
    }
}

static void draw_line(FILE *to, const char *class, keel_plot_point a, keel_plot_point b)
{
    fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
            a.x, a.y, b.x, b.y);
}

static void draw_dot(FILE *to, const char *class, keel_plot_point at, double radius)
{
    fprintf(to, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n", class, at.x, at.y,
            radius);
}

static void draw_axes(const plot *p)
{
    FILE *to = p->to;
    for (int k = 0; k < p->x.ticks; k++) {
        const double value = keel_plot_tick(&p->x, k), x = keel_plot_pixel(&p->x, value);
        draw_line(to, "grid", (keel_plot_point){x, TOP}, (keel_plot_point){x, BOTTOM});
        fprintf(to,
                "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.*f%%</text>\n",
                x, BOTTOM + 20, p->x.decimals, value);
    }
    for (int k = 0; k < p->y.ticks; k++) {
        const double value = keel_plot_tick(&p->y, k), y = keel_plot_pixel(&p->y, value);
        draw_line(to, value < 0 || value > 0 ? "grid" : "zero", (keel_plot_point){LEFT, y},
                  (keel_plot_point){RIGHT, y});
        fprintf(to, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*f%%</text>\n",
                LEFT - 9, y + 4, p->y.decimals, value);
    }
    fprintf(to,
            "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n"
            "<text class=\"axis\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">Volatility, percent "
            "%s</text>\n"
            "<text class=\"axis\" transform=\"translate(22 %d) rotate(-90)\" "
            "text-anchor=\"middle\">Expected return, percent %s</text>\n",
            LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, (LEFT + RIGHT) / 2, BOTTOM + 46, p->unit,
            (TOP + BOTTOM) / 2, p->unit);
}

static void draw_frontier(const plot *p)
{
    const keel_survey *s = p->survey;
    if (p->has_line) {
        fputs("<g clip-path=\"url(#inside)\">", p->to);
        draw_line(p->to, "market-line", line_pixel(p, p->x.lo / p->year_risk),
                  line_pixel(p, p->x.hi / p->year_risk));
        fputs("</g>\n", p->to);
    }
    fputs("<path class=\"curve\" d=\"", p->to);
    for (int k = 0; k < p->curve_n; k++)
        fprintf(p->to, "%s%.2f %.2f",
                k == 0       ? "M"
                : k % 8 == 0 ? "\nL"
                             : "L",
                p->curve[k].x, p->curve[k].y);
    fputs("\"/>\n", p->to);
    const bool many = s->walk.corners > CORNERS_MANY;
    for (int k = 0; k < s->walk.corners; k++) {
        const keel_survey_place place = keel_survey_corner(s, k);
        const keel_plot_point at = pixel_of(p, &place);
        fprintf(p->to,
                "<circle class=\"corner\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" stroke-width=\"%d\"/>\n",
                at.x, at.y, many ? "2" : "3.4", !many);
    }
}

/* Whole characters of a name that fit. */
static size_t shown_bytes(const char *name)
{
    size_t len = strlen(name), at = 0;
    if (len <= NAME_BYTES)
        return len;
    for (size_t step = 1; step > 0 && at + step <= NAME_BYTES - 2; at += step)
        step = keel_text_utf8_step(name + at, len - at);
    return at <= NAME_BYTES ? at : NAME_BYTES;
}

static void draw_names(const plot *p, const keel_plot_point *dots, int dots_n)
{
    const keel_labels *assets = &p->survey->stated->assets;
    keel_plot_label labels[KEEL_FRONTIER_PLOT_NAMES_MAX];
    const keel_plot_scene scene = {{LEFT, TOP}, {RIGHT, BOTTOM}, p->curve, p->avoid_n,
                                   dots,        dots_n};
    for (int i = 0; i < assets->n; i++)
        labels[i] = (keel_plot_label){
            .dot = dots[i],
            .width = letter_width * (double)(shown_bytes(assets->at[i]) + 1),
            .height = letter_height,
        };
    keel_plot_labels_place(&scene, labels, assets->n);
    for (int i = 0; i < assets->n; i++) {
        const size_t len = shown_bytes(assets->at[i]);
        fprintf(p->to, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", labels[i].at.x,
                labels[i].at.y);
        put_text(assets->at[i], len, p->to);
        fputs(len < strlen(assets->at[i]) ? "&#8230;</text>\n" : "</text>\n", p->to);
    }
}

typedef struct mark {
    const char *class;
    const char *name;
    const keel_survey_place *place;
} mark;

static int make_marks(const plot *p, mark out[MARKS])
{
    const keel_survey *s = p->survey;
    int n = 0;
    out[n++] = (mark){"least", "Minimum variance", &s->min_variance};
    if (s->sharpe_found == KEEL_FRONTIER_FOUND)
        out[n++] = (mark){"best", "Maximum Sharpe ratio", &s->max_sharpe};
    if (s->current.is_there)
        out[n++] = (mark){"held", "Current portfolio", &s->current.place};
    if (s->chosen.is_there)
        out[n++] = (mark){"pick", "Chosen", &s->chosen.place};
    return n;
}

/* A square, a triangle, a ring, a diamond: told apart without colours, and seen where they lie on
 * each other. */
static void draw_mark(FILE *to, const char *class, keel_plot_point at)
{
    const double x = at.x, y = at.y;
    if (strcmp(class, "least") == 0)
        fprintf(to, "<rect class=\"least\" x=\"%.1f\" y=\"%.1f\" width=\"11\" height=\"11\"/>\n",
                x - 5.5, y - 5.5);
    else if (strcmp(class, "best") == 0)
        fprintf(to, "<path class=\"best\" d=\"M%.1f %.1fl7.5 13h-15z\"/>\n", x, y - 8);
    else if (strcmp(class, "held") == 0)
        draw_dot(to, "held", at, 7.5);
    else
        fprintf(to, "<path class=\"pick\" d=\"M%.1f %.1fl10 10l-10 10l-10 -10z\"/>\n", x, y - 10);
}

static void draw_dots(const plot *p)
{
    const int n = p->survey->stated->assets.n;
    mark marks[MARKS];
    const int marks_n = make_marks(p, marks);
    keel_plot_point *dots = keel_xcalloc((size_t)(n + MARKS), sizeof *dots);
    for (int i = 0; i < n; i++) {
        dots[i] = asset_pixel(p, i);
        draw_dot(p->to, "asset", dots[i], n > ASSETS_MANY ? 2.5 : 4);
    }
    for (int k = 0; k < marks_n; k++)
        dots[n + k] = pixel_of(p, marks[k].place);
    draw_frontier(p);
    if (n <= KEEL_FRONTIER_PLOT_NAMES_MAX)
        draw_names(p, dots, n + marks_n);
    for (int k = 0; k < marks_n; k++)
        draw_mark(p->to, marks[k].class, dots[n + k]);
    keel_free(&dots);
}

static void draw_key(plot *p, const char *name, const char *figures)
{
    fprintf(p->to, "<text class=\"key\" x=\"%d\" y=\"%.0f\">", LEGEND_TEXT, p->legend_y + 5);
    put_text(name, strlen(name), p->to);
    fputs("</text>\n", p->to);
    if (figures[0] != '\0') {
        p->legend_y += 19;
        fprintf(p->to, "<text class=\"figures\" x=\"%d\" y=\"%.0f\">%s</text>\n", LEGEND_TEXT,
                p->legend_y + 4, figures);
    }
    p->legend_y += 28;
}

static void draw_mark_key(plot *p, const mark *m)
{
    const keel_survey *s = p->survey;
    char name[96], figures[96], expected[32], risk[32];
    double sharpe;
    snprintf(name, sizeof name, "%s", m->name);
    if (strcmp(m->class, "best") == 0 && keel_survey_sharpe(s, m->place, &sharpe)) {
        sharpe *= p->year_return / p->year_risk;
        snprintf(name, sizeof name, "%s %.*f", m->name, sharpe < 0.1 ? 4 : 2, sharpe);
    }
    if (strcmp(m->class, "pick") == 0)
        snprintf(name, sizeof name, "Chosen by %s", keel_method_name(s->stated->problem.method));
    snprintf(figures, sizeof figures, "return %s, volatility %s",
             percent_text(p->year_return * m->place->expected_return, expected),
             percent_text(p->year_risk * m->place->volatility, risk));
    draw_mark(p->to, m->class, (keel_plot_point){LEGEND + 13, p->legend_y});
    draw_key(p, name, figures);
}

static void draw_legend(plot *p)
{
    const keel_survey *s = p->survey;
    char text[96], rate[32];
    mark marks[MARKS];
    const int n = make_marks(p, marks);
    p->legend_y = TOP + 12;
    draw_line(p->to, "curve", (keel_plot_point){LEGEND, p->legend_y},
              (keel_plot_point){LEGEND + 26, p->legend_y});
    draw_dot(p->to, "curve", (keel_plot_point){LEGEND + 13, p->legend_y}, 1.5);
    draw_key(p, "Efficient frontier",
             s->walk.corners > 1 ? "dots are its corners" : "one portfolio");
    if (p->has_line) {
        draw_line(p->to, "market-line", (keel_plot_point){LEGEND, p->legend_y},
                  (keel_plot_point){LEGEND + 26, p->legend_y});
        snprintf(text, sizeof text, "risk-free %s",
                 percent_text(p->year_return * s->stated->problem.risk_free, rate));
        draw_key(p, "Capital market line", text);
    }
    for (int k = 0; k < n; k++)
        draw_mark_key(p, &marks[k]);
    fputs("<g class=\"asset\">", p->to);
    fprintf(p->to, "<path d=\"M%d %.1fa4 4 0 1 0 8 0a4 4 0 1 0 -8 0\"/></g>\n", LEGEND + 9,
            p->legend_y);
    draw_key(p, s->stated->assets.n == 1 ? "The asset" : "Single assets", "");
}

static void draw_head(const plot *p)
{
    const keel_survey *s = p->survey;
    const int n = s->stated->assets.n, corners = s->walk.corners;
    fprintf(p->to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" role=\"img\">\n<title>Efficient frontier</title>\n%s"
            "<defs><clipPath id=\"inside\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>"
            "</clipPath></defs>\n"
            "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n"
            "<text class=\"title\" x=\"%d\" y=\"36\">Efficient frontier</text>\n"
            "<text class=\"sub\" x=\"%d\" y=\"57\">%d asset%s, %d corner%s</text>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, style, LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP, WIDTH,
            HEIGHT, LEFT, LEFT, n, n == 1 ? "" : "s", corners, corners == 1 ? "" : "s");
}

void keel_frontier_plot_write(const keel_survey *survey, double bars_per_year, FILE *to)
{
    const bool year = bars_per_year > 0;
    plot p = {.survey = survey,
              .year_return = 100 * (year ? bars_per_year : 1),
              .year_risk = 100 * (year ? sqrt(bars_per_year) : 1),
              .unit = year ? "a year" : "a bar",
              .has_line = survey->sharpe_found == KEEL_FRONTIER_FOUND,
              .to = to};
    KEEL_ASSERT(survey->whole);
    make_axes(&p);
    make_curve(&p);
    draw_head(&p);
    draw_axes(&p);
    draw_dots(&p);
    draw_legend(&p);
    fputs("</svg>\n", to);
    keel_free(&p.curve);
}

static keel_status refuse(const char *path, int why, keel_err *err)
{
    return keel_err_set(err, KEEL_EIO, "%s: the plot cannot be written: %s", path, strerror(why));
}

keel_status keel_frontier_plot_save(const keel_survey *survey, double bars_per_year,
                                    const char *path, keel_err *err)
{
    char fresh[PATH_MAX_BYTES];
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return keel_err_set(err, KEEL_EIO, "%s: the plot cannot be written: not a file", path);
    if (snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof fresh)
        return refuse(path, ENAMETOOLONG, err);
    FILE *to = fopen(fresh, "we");
    if (to == NULL)
        return refuse(path, errno, err);
    keel_frontier_plot_write(survey, bars_per_year, to);
    errno = 0;
    const bool failed = fflush(to) != 0 || ferror(to) != 0;
    const int why = errno != 0 ? errno : EIO;
    if (fclose(to) == 0 && !failed && rename(fresh, path) == 0)
        return KEEL_OK;
    const int last = failed ? why : errno;
    unlink(fresh);
    return refuse(path, last, err);
}
