#include "services/cli/terminal.h"

#include "common/base/timefmt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && no_color[0] != '\0')
        return false;
    return term != NULL && strcmp(term, "dumb") != 0;
}

keel_cli keel_cli_open(void)
{
    keel_cli cli = {.out = stdout, .err = stderr};
    struct winsize size;
    cli.err_live = isatty(STDERR_FILENO) == 1;
    if (isatty(STDOUT_FILENO) != 1)
        return cli;
    cli.out_colour = wants_colour();
    cli.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    return cli;
}

const char *keel_ink_text(bool colour, keel_ink ink)
{
    static const char *const escapes[] = {
        [KEEL_INK_PLAIN] = "\033[0m", [KEEL_INK_BOLD] = "\033[1m",   [KEEL_INK_DIM] = "\033[2m",
        [KEEL_INK_RED] = "\033[31m",  [KEEL_INK_GREEN] = "\033[32m", [KEEL_INK_YELLOW] = "\033[33m",
    };
    return colour ? escapes[ink] : "";
}

void keel_progress_draw(keel_progress *bar, uint64_t done)
{
    enum { CELLS = 30, REDRAW_NS = 100000000 };
    const int64_t now = keel_monotonic_ns();
    if (!bar->cli->err_live || (bar->visible && now - bar->drawn_ns < REDRAW_NS))
        return;
    bar->drawn_ns = now;
    bar->visible = true;
    if (bar->total == 0) {
        fprintf(bar->cli->err, "\r\033[K%" PRIu64 " %s", done, bar->what);
    } else {
        const uint64_t shown = done > bar->total ? bar->total : done;
        const int full = (int)((shown * CELLS) / bar->total);
        fprintf(bar->cli->err, "\r\033[K[%.*s%.*s] %3d%%  %" PRIu64 "/%" PRIu64 " %s", full,
                "##############################", CELLS - full, "..............................",
                (int)(shown * 100 / bar->total), shown, bar->total, bar->what);
    }
    fflush(bar->cli->err);
}

void keel_progress_hide(keel_progress *bar)
{
    if (!bar->visible)
        return;
    fputs("\r\033[K", bar->cli->err);
    fflush(bar->cli->err);
    bar->visible = false;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * KEEL_NS_PER_S + now.tv_nsec;
}

int64_t keel_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t keel_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void keel_pause_ms(int ms)
{
    const struct timespec pause = {ms / 1000, (long)(ms % 1000) * KEEL_NS_PER_MS};
    nanosleep(&pause, NULL); /* a signal ends it early, which is what waiting loops want */
}
