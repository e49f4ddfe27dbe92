#include "services/workbench/labels.h"

#include "common/base/names.h"
#include "common/base/text.h"

#include <string.h>

enum { WORDS_MAX = 4096 };

static keel_names names_of(const keel_labels *labels)
{
    return (keel_names){labels->n > 0 ? labels->at[0] : "", KEEL_LABEL_MAX, labels->n};
}

int keel_labels_seal(keel_labels *labels)
{
    keel_names_sort(names_of(labels), labels->order);
    for (int i = 1; i < labels->n; i++)
        if (strcmp(labels->at[labels->order[i - 1]], labels->at[labels->order[i]]) == 0)
            return labels->order[i];
    return -1;
}

int keel_labels_find(const keel_labels *labels, const char *name)
{
    return labels->n > 0 ? keel_names_find(names_of(labels), labels->order, name) : -1;
}

const char *keel_labels_nearest(const keel_labels *labels, const keel_labels *others,
                                const char *name)
{
    const char *words[WORDS_MAX];
    size_t n = 0;
    for (int i = 0; i < labels->n && n < WORDS_MAX; i++)
        words[n++] = labels->at[i];
    for (int i = 0; others != NULL && i < others->n && n < WORDS_MAX; i++)
        words[n++] = others->at[i];
    return keel_text_nearest(name, words, n);
}
