#include "services/cli/manual.h"

#include <jansson.h>
#include <string.h>

static const char exit_codes[] =
    "0 ok, 1 failed, 2 usage, 3 configuration, 4 unreachable, 5 rejected, 6 infeasible, 7 stale, "
    "124 deadline";

void keel_help_all(const keel_verb *verbs, FILE *to)
{
    fputs("keel " KEEL_VERSION " - from many strategies' signals to one portfolio that can be "
          "defended\n\nusage: keel VERB [OPTIONS]\n\n",
          to);
    for (const keel_verb *v = verbs; v->name != NULL; v++)
        fprintf(to, "  %-16s %s\n", v->name, v->summary);
    fprintf(to, "\n'keel help VERB' shows options and examples. Exit codes: %s.\n", exit_codes);
}

static void print_option(const keel_option *o, FILE *to)
{
    char left[64];
    const char *many = o->type == KEEL_OPTION_LIST ? "..." : "";
    snprintf(left, sizeof left, "%s%c%s--%s%s%s%s", o->letter != 0 ? "-" : "  ",
             o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : " ", o->name,
             o->value_name != NULL ? " " : "", o->value_name != NULL ? o->value_name : "", many);
    fprintf(to, "  %-28s %s", left, o->help);
    if (o->default_text != NULL)
        fprintf(to, " (default %s)", o->default_text);
    fputc('\n', to);
}

void keel_help_verb(const keel_verb *v, FILE *to)
{
    const keel_option *option;
    fprintf(to, "keel %s - %s\n\nusage: keel %s [OPTIONS]%s%s\n", v->name, v->summary, v->name,
            v->operands[0] != '\0' ? " " : "", v->operands);
    if (v->details[0] != '\0')
        fprintf(to, "\n%s\n", v->details);
    fputs("\noptions:\n", to);
    for (int i = 0; (option = keel_option_at(v, i)) != NULL; i++)
        print_option(option, to);
    if (v->takes_config)
        fprintf(to, "  %-28s %s\n", "    --SECTION.KEY=VALUE",
                "a setting of the configuration for this run");
    fputs("\nexamples:\n", to);
    for (const char *const *e = v->examples; *e != NULL; e += 2)
        fprintf(to, "  %-44s # %s\n", e[0], e[1]);
}

static bool in_group(const keel_verb *v, const char *word)
{
    const size_t len = strlen(word);
    return strncmp(v->name, word, len) == 0 && v->name[len] == ' ';
}

bool keel_help_group(const keel_verb *verbs, const char *word, FILE *to)
{
    bool found = false;
    for (const keel_verb *v = verbs; v->name != NULL; v++) {
        if (!in_group(v, word))
            continue;
        if (found)
            fputc('\n', to);
        keel_help_verb(v, to);
        found = true;
    }
    return found;
}

void keel_help_json(const keel_verb *verbs, FILE *to)
{
    for (const keel_verb *v = verbs; v->name != NULL; v++) {
        json_t *row = json_pack("{s:s, s:s, s:s}", "verb", v->name, "summary", v->summary,
                                "operands", v->operands);
        json_dumpf(row, to, JSON_COMPACT);
        fputc('\n', to);
        json_decref(row);
    }
}

/* Does a verb before this one begin with the same word? */
static bool is_repeat(const keel_verb *verbs, const keel_verb *v)
{
    const size_t len = strcspn(v->name, " ");
    for (const keel_verb *w = verbs; w < v; w++)
        if (strcspn(w->name, " ") == len && strncmp(w->name, v->name, len) == 0)
            return true;
    return false;
}

static void completion_case(const keel_verb *v, FILE *to)
{
    const keel_option *option;
    fprintf(to, "        \"%s\") words=\"", v->name);
    for (int i = 0; (option = keel_option_at(v, i)) != NULL; i++)
        fprintf(to, "%s--%s", i > 0 ? " " : "", option->name);
    fputs("\" ;;\n", to);
}

void keel_completion_bash(const keel_verb *verbs, FILE *to)
{
    fputs("# bash completion for keel: source <(keel completion bash)\n"
          "_keel() {\n"
          "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" verb=\"${COMP_WORDS[1]}\" words=\"\"\n"
          "    local two=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\"\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words=\"",
          to);
    for (const keel_verb *v = verbs; v->name != NULL; v++)
        if (!is_repeat(verbs, v))
            fprintf(to, "%s%.*s", v > verbs ? " " : "", (int)strcspn(v->name, " "), v->name);
    fputs("\"\n    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n        case \"$verb\" in\n", to);
    for (const keel_verb *v = verbs; v->name != NULL; v++) {
        const size_t head = strcspn(v->name, " ");
        if (v->name[head] == ' ')
            fprintf(to, "        %.*s) words=\"$words %s\" ;;&\n", (int)head, v->name,
                    v->name + head + 1);
    }
    fputs("        esac\n    fi\n    if [ -z \"$words\" ]; then\n        case \"$two\" in\n", to);
    for (const keel_verb *v = verbs; v->name != NULL; v++)
        if (strchr(v->name, ' ') != NULL)
            completion_case(v, to);
    fputs("        esac\n    fi\n    if [ -z \"$words\" ]; then\n        case \"$verb\" in\n", to);
    for (const keel_verb *v = verbs; v->name != NULL; v++)
        if (strchr(v->name, ' ') == NULL)
            completion_case(v, to);
    fputs("        esac\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    [ \"${cur#-}\" = \"$cur\" ] && [ \"$COMP_CWORD\" -gt 2 ] &&\n"
          "        COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
          "    return 0\n}\ncomplete -F _keel keel ./keel\n",
          to);
}

/* roff reads a hyphen as a hyphen, a backslash as an escape and a leading dot as a macro. */
static void roff(const char *text, FILE *to)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '-')
            fputs("\\-", to);
        else if (*p == '\\')
            fputs("\\e", to);
        else if (*p == '.' && p == text)
            fputs("\\&.", to);
        else
            fputc(*p, to);
    }
}

static void man_verb(const keel_verb *v, FILE *to)
{
    const keel_option *option;
    fputs(".SS \"keel ", to);
    roff(v->name, to);
    fprintf(to, "%s%s\"\n", v->operands[0] != '\0' ? " " : "", v->operands);
    roff(v->summary, to);
    fputs(".\n", to);
    if (v->details[0] != '\0') {
        roff(v->details, to);
        fputc('\n', to);
    }
    for (int i = 0; (option = keel_option_at(v, i)) != NULL; i++) {
        fputs(".TP\n.B \\-\\-", to);
        roff(option->name, to);
        fprintf(to, "%s%s\n", option->value_name != NULL ? " " : "",
                option->value_name != NULL ? option->value_name : "");
        roff(option->help, to);
        fputc('\n', to);
    }
    fputs(".PP\nExamples:\n", to);
    for (const char *const *e = v->examples; *e != NULL; e += 2) {
        fputs(".TP\n.B ", to);
        roff(e[0], to);
        fputc('\n', to);
        roff(e[1], to);
        fputc('\n', to);
    }
}

void keel_man(const keel_verb *verbs, FILE *to)
{
    fputs(".TH KEEL 1 \"\" \"keel " KEEL_VERSION "\" \"Keel\"\n.SH NAME\nkeel \\- run and read a "
          "portfolio allocation system\n.SH SYNOPSIS\n.B keel\n.I verb\n[options]\n.SH VERBS\n",
          to);
    for (const keel_verb *v = verbs; v->name != NULL; v++)
        man_verb(v, to);
    fprintf(to, ".SH EXIT STATUS\n%s.\n", exit_codes);
    fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nno colours, whatever its value.\n.TP\n"
          ".B XDG_RUNTIME_DIR\nwhere run directories are made; /tmp when it is not set.\n",
          to);
}
