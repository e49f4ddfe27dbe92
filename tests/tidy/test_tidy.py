#!/usr/bin/env python3
"""Each check of tidy.py against a small broken tree: it must name what is broken, and nothing else.

A case is a tree (path -> text) and the beginnings of the problems expected of it, in order.
"""
import os
import sys
import tempfile
import traceback

import banned
import budgets
import config
import formatted
import golden
import layers
import proto
import symbols
import tidy
import topics
import words
from tree import Tree, functions, without_strings

OK_C = "int keel_x(void)\n{\n    return 0;\n}\n"


def problems(check, files):
    """What a check says about a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return list(check(Tree(root)))


def expect(found, *beginnings):
    assert len(found) == len(beginnings), f"expected {list(beginnings)}, found {found}"
    for problem, beginning in zip(sorted(found), sorted(beginnings)):
        assert problem.startswith(beginning), f"expected '{beginning}', found '{problem}'"


def include(*headers):
    return "".join(f"#include {h if h[0] == '<' else chr(34) + h + chr(34)}\n" for h in headers)


def test_layers_lets_the_right_direction_pass():
    expect(problems(layers.check, {
        "common/base/a.h": "", "common/domain/b.h": include("common/base/a.h"),
        "services/x/engine/c.h": "", "services/x/engine/c.c":
            include("services/x/engine/c.h", "common/domain/b.h"),
        "services/x/app.c": include("services/x/engine/c.h"),
        "services/backtest/main.c": include("services/x/engine/c.h"),
        "services/optimizer/engine/o.h": "",
        "services/workbench/w.c": include("services/optimizer/engine/o.h", "<jansson.h>"),
        "common/bus/zmq.c": include("<zmq.h>")}))


def test_layers_names_the_wrong_direction():
    expect(problems(layers.check, {
        "common/base/a.h": include("common/domain/b.h"), "common/domain/b.h": "",
        "common/wire/w.h": "", "services/x/engine/c.h": include("common/wire/w.h"),
        "services/y/app.c": include("services/x/engine/c.h"),
        "services/workbench/w.c": include("services/x/engine/c.h", "common/wire/w.h"),
        "common/num/n.c": "/* #include \"common/domain/b.h\" */\n" + include("common/domain/b.h")}),
        "common/base/a.h:1: common/domain/b.h", "services/x/engine/c.h:1: common/wire/w.h",
        "services/y/app.c:1: services/x/engine/c.h",
        "services/workbench/w.c:1: services/x/engine/c.h",
        "services/workbench/w.c:2: common/wire/w.h", "common/num/n.c:2: common/domain/b.h")


def test_layers_names_libraries_and_generated_code_outside_their_files():
    expect(problems(layers.check, {
        "common/base/a.c": include("<zmq.h>", "<lapacke.h>"),
        "common/cache/twin.c": include("<hiredis/hiredis.h>"),
        "services/x/app.c": include("<sqlite3.h>", "keel/v1/risk.pb-c.h"),
        "services/x/engine/e.c": include("<yaml.h>")}),
        "common/base/a.c:1: <zmq.h>", "common/base/a.c:2: <lapacke.h>",
        "common/cache/twin.c:1: <hiredis", "services/x/app.c:1: <sqlite3.h>",
        "services/x/app.c:2: keel/v1/risk.pb-c.h", "services/x/engine/e.c:1: <yaml.h>")


def test_layers_names_order_paths_internals_and_unknown_folders():
    expect(problems(layers.check, {
        "common/base/a.h": "", "common/base/b.h": "",
        "common/base/a.c": include("common/base/b.h", "common/base/a.h", "gone.h"),
        "common/bus/b_internal.h": "", "services/x/app.c": include("common/bus/b_internal.h"),
        "common/extra/e.c": ""}),
        "common/base/a.c:2: a file includes its own header first",
        "common/base/a.c:3: gone.h is no path", "common/base/a.c:3: gone.h is out of this",
        "services/x/app.c:1: common/bus/b_internal.h", "common/extra/e.c: this folder has no rule")


def test_budgets_names_every_excess():
    body = "    x();\n" * 70
    deep = "    if (a) {\n        for (;;) {\n            if (b) {\n                do {\n" \
           "                } while (c);\n            }\n        }\n    }\n"
    expect(problems(budgets.check, {
        "common/a.c": f"void keel_long(void)\n{{\n{body}}}\n",
        "common/b.c": f"void keel_deep(void)\n{{\n{deep}}}\n",
        "common/c.c": "void keel_many(int a, int b, int c, int d, int e, int f, int g)\n{\n}\n",
        "common/d.h": "/* " + "w" * 100 + " */\n", "common/e.c": "\n" * 801}),
        "common/a.c:1: function keel_long has 73 lines", "common/b.c:1: function keel_deep nests 4",
        "common/c.c:1: function keel_many has 7 parameters", "common/d.h:1: 106 columns",
        "common/e.c: 801 lines")


def test_budgets_lets_the_limit_pass():
    body = "    x();\n" * 67
    six = "int a, int b, int c, int d, int e, void (*f)(int, int)"
    flat = "    switch (a) {\n    case 1: {\n        if (b) {\n            while (c) {\n" \
           "                y(&(point){1, 2});\n            }\n        }\n    }\n    }\n"
    expect(problems(budgets.check, {
        "common/a.c": f"void keel_a(void)\n{{\n{body}}}\n",
        "common/b.c": f"void keel_b({six}, ...)\n{{\n{flat}}}\n",
        "common/c.h": "/*" + "w" * 96 + "*/\n", "common/d.c": "\n" * 800}))


def test_functions_are_found_between_tables_macros_and_strings():
    code = ('#define M(x) \\\n    do { x; } while (0)\nstatic const p t[] = {{1, 2}, {3}};\n'
            'struct s {\n    int a;\n};\nstatic int f(const char *b, int c[2])\n{\n'
            '    return g("{(", \'}\');\n}\nTest(a, b, .timeout = 5)\n{\n}\n')
    found = functions(without_strings(code))
    assert [(f.name, f.first, f.last, len(f.parameters)) for f in found] == [
        ("f", 7, 10, 2), ("Test", 11, 13, 3)], [(f.name, f.first, f.last) for f in found]


def test_banned_names_calls_outside_their_rooms():
    calls = ["time(NULL)", "rand()", "getenv(s)", "printf(s)", "strcpy(a, b)", "sprintf(a, b)",
             "sleep(1)", "system(s)", "atoi(s)", "strtok(a, b)", "alloca(9)"]
    for call in calls:
        expect(problems(banned.check, {"services/x/app.c": f"void f(void)\n{{\n    {call};\n}}\n"}),
               f"services/x/app.c:3: {call.split('(')[0]}: ")
    expect(problems(banned.check, {"services/x/engine/a.c": "p = malloc(9);\n"}),
           "services/x/engine/a.c:1: malloc")


def test_banned_names_what_no_file_may_use():
    for text in ("set(s, ZMQ_HEARTBEAT_IVL, 9);", "ZMQ_XPUB_MANUAL_LAST_VALUE", "ZMQ_XPUB_NODROP",
                 "ZMQ_CONFLATE", "redisReconnect(c)", "set(s, ZMQ_SNDHWM, 0);", "c.hwm = 0;",
                 "keel_socket_cfg c = {.verbose = true};", "goto again;"):
        expect(problems(banned.check, {"common/bus/a.c": text + "\n"}), "common/bus/a.c:1: ")


def test_banned_reads_code_and_not_comments_strings_or_other_names():
    expect(problems(banned.check, {
        "services/x/app.c": '/* printf(x) */ log("printf(x)"); // rand()\nkeel_time(x);\n'
                            "a->time(b);\ngoto out;\nsnprintf(a, 9, b);\n"
                            "keel_socket_cfg c = {.hwm = n};\n",
        "common/obs/obs.c": "fwrite(a, 1, n, to);\n", "tests/unit/a.c": "printf(x);\n"}))


def symbol(name, kind="T", section=".text"):
    return symbols.Symbol(name, kind, section)


def test_symbols_names_prefixes_and_globals():
    found = [symbol("keel_x"), symbol("qp_x"), symbol("other_x"), symbol("hidden", "t"),
             symbol("needed", "U", "*UND*"), symbol("keel_table", "D", ".data.rel.ro.local"),
             symbol("count", "b", ".bss")]
    expect(list(symbols.check_names("lib.a", found, ("keel_", "qp_"))),
           "lib.a: other_x begins", "lib.a: count is a global")


def test_symbols_takes_prefixes_from_room_and_internal_headers():
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, "services/risk/engine"))
        with open(os.path.join(root, "services/risk/engine/fold_internal.h"), "w") as file:
            file.write("\n")
        found = symbols.prefixes(Tree(root), "services/risk/engine")
    assert set(found) == {"keel_", "risk_", "engine_", "fold_"}, found


def test_symbols_names_shared_code_and_foreign_engines():
    theirs = [symbol("keel_qp_solve"), symbol("local", "t")]
    expect(list(symbols.check_shared("risk.a", [symbol("keel_qp_solve", "U"), symbol("local", "U")],
                                     "qp.a", theirs)), "risk.a: needs keel_qp_solve of qp.a")
    held = [symbol("keel_qp_solve"), symbol("main")]
    engines = {"optimizer": theirs}
    expect(list(symbols.check_program("keel-risk", held, engines)),
           "bin/keel-risk: holds keel_qp_solve")
    expect(list(symbols.check_program("keel-optimizer", held, engines)))
    expect(list(symbols.check_program("keel-backtest", held, engines)))


def test_symbols_names_what_is_defined_twice():
    found = {"a.a": [symbol("keel_x"), symbol("f", "t")], "b.a": [symbol("f", "t")],
             "c.a": [symbol("keel_x"), symbol("keel_y")], "d.a": [symbol("keel_y", "U")]}
    expect(list(symbols.check_twice(found)), "a.a: keel_x is also in c.a")


def test_symbols_wants_a_build():
    expect(problems(symbols.check, {"README.md": ""}), "symbols: needs --build")


def described(text):
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, proto.FOLDER))
        with open(os.path.join(root, proto.FOLDER, "a.proto"), "w", encoding="utf-8") as file:
            file.write('syntax = "proto3";\npackage keel.v1;\n' + text)
        return proto.descriptors(root)


def test_proto_names_optional_units_and_zero_values():
    found = described("message A { optional bool b = 1; double price = 2; int64 cash_micros = 3;\n"
                      "uint32 n = 4; }\nenum E { E_NONE = 0; }\n")
    expect(list(proto.check_fields(found)), "proto: A.b: protobuf-c", "proto: A.price: a number",
           "proto: E: the value 0")


def test_proto_names_recursion_at_any_distance():
    found = described("message A { B b = 1; }\nmessage B { repeated A a = 1; }\n"
                      "message C { A a = 1; }\n")
    expect(list(proto.check_recursion(found)), "proto: A can", "proto: B can")


def test_proto_names_a_wrong_next_free_field():
    texts = {"message A {\n  bool a = 1;\n  // [next free field: 2]\n}\n": 0,
             "message A {\n  reserved 2;\n  bool a = 1;\n  // [next free field: 3]\n}\n": 0,
             "message A {\n  bool a = 1;\n  // [next free field: 3]\n}\n": 1,
             "message A {\n  bool a = 1;\n}\n": 1}
    for text, count in texts.items():
        found = list(proto.check_next_free("a.proto", text, described(text)))
        assert len(found) == count, (text, found)


def test_proto_names_every_change_that_breaks_a_reader():
    locked = ["A.a 1 bool", "A.b 2 string", "E.E_X 1 value"]
    rest = "enum E { E_UNSPECIFIED = 0; E_X = 1; }\n"
    cases = {"bool a = 1; string b = 2; bool new = 3;": None,
             "string b = 2; reserved 1; reserved \"a\";": None,
             "string b = 2;": "proto: A.a was deleted",
             "string b = 2; reserved 1;": "proto: A.a was deleted",
             "bool c = 1; string b = 2;": "proto: A.a was renamed to A.c",
             "bool a = 3; string b = 2;": "proto: A.a had the number 1, now 3",
             "int32 a = 1; string b = 2;": "proto: A.a was bool, is now int32",
             "repeated bool a = 1; string b = 2;": "proto: A.a was bool, is now repeated bool"}
    for fields, problem in cases.items():
        found = list(proto.check_lock(described(f"message A {{ {fields} }}\n{rest}"), locked))
        expect(found, *([problem] if problem else []))
    expect(list(proto.check_lock(described("message A { bool a = 1; string b = 2; }\n"
                                           "enum E { E_UNSPECIFIED = 0; E_Y = 1; }\n"), locked)),
           "proto: E.E_X was renamed to E.E_Y")


LIST = ('#define L(X) \\\n X(ROW, "v1.row.{bar}.", STATE, BAR_ROW, "feed") \\\n'
        ' X(HB, "v1.hb.{key}.", CONTROL, HEARTBEAT, "*")\n')
PAGE = ("| `v1.row.{bar}.` | state | BarRow (101) | feed | all |\n"
        "| `v1.hb.{key}.` | control | Heartbeat (900) | all | all |\n")
FEED = "static const keel_topic pubs[] = {KEEL_TOPIC_ROW, KEEL_TOPIC_COUNT};\n"


def topic_problems(**changed):
    files = {topics.LIST: LIST, topics.PAGE: PAGE, "services/feed/app.c": FEED}
    files.update({path.replace("__", "/").replace("_md", ".md").replace("_c", ".c"): text
                  for path, text in changed.items()})
    return problems(topics.check, files)


def test_topics_compares_list_and_page_both_ways():
    expect(topic_problems())
    expect(topic_problems(docs__messages_md=PAGE.splitlines()[0] + "\n"),
           "docs/messages.md: the table lacks v1.hb.{key}.")
    old = "| `v1.old.{bar}.` | state | Old | feed | x |\n"
    expect(topic_problems(docs__messages_md=PAGE + old),
           "docs/messages.md: v1.old.{bar}. is not in", "docs/messages.md:3: v1.old. is no")
    expect(topic_problems(docs__messages_md=PAGE.replace("BarRow", "Bar")),
           "docs/messages.md: v1.row.{bar}. is state BarRow")
    expect(topic_problems(docs__messages_md=PAGE.replace("| feed", "| risk")),
           "docs/messages.md: v1.row.{bar}. is published by feed")


def test_topics_names_missing_and_foreign_publishers_and_spelled_topics():
    expect(topic_problems(services__feed__app_c=FEED.replace("KEEL_TOPIC_ROW, ", "")),
           "common/wire/topics.h: feed has no entry for ROW")
    expect(topic_problems(services__risk__app_c=FEED), "services/risk/app.c: ROW is published by")
    expect(topic_problems(services__x__app_c=FEED.replace("ROW", "GONE")),
           "services/x/app.c: GONE is no topic")
    expect(topic_problems(common__bus__a_c='p = "v1.row.1h.";\n'), 'common/bus/a.c:1: "v1.row.1h."')
    expect(topic_problems(services__feed__README_md="OUT\n"),
           "services/feed/README.md: the card lacks `v1.row.{bar}.`")


ROWS = ('static const keel_cfg_row cfg[] = {\n'
        '    {KEEL_CFG_T_REAL, "x.drift", offsetof(app, drift), "0.05", "0", "1", "", "why, so"},\n'
        '    {KEEL_CFG_T_TREE, "x.bounds", 0, "", NULL, NULL, "",\n     "of weights"},\n};\n')


def config_problems(card, file, code=ROWS):
    return problems(config.check, {"services/x/app.c": code, "services/x/README.md": card,
                                   config.FILE: file})


def test_config_wants_every_key_explained_and_shown():
    card = "`x.drift` `x.bounds`"
    expect(config_problems(card, "x:\n  drift: 0.1\n"))
    expect(config_problems(card, "x:\n  # drift: 0.05  # why\n"))
    expect(config_problems(card, "# x:\n#   drift: 0.05\n"))
    expect(config_problems("`x.drift`", "x:\n  drift: 0.1\n"),
           "services/x/README.md: x.bounds of services/x/app.c is not explained")
    expect(config_problems(card, "y: 1\n"), "deploy/config/keel.yaml: x.drift of services/x/app.c",
           "deploy/config/keel.yaml: y is no key")
    expect(config_problems(card, "x:\n  # drift: 0.04\n"),
           "deploy/config/keel.yaml: x.drift is 0.04, the default in")
    expect(problems(config.check, {"services/x/app.c": ROWS, config.FILE: "x:\n  drift: 1\n"}),
           "services/x/README.md: missing")


def test_words_names_unfinished_work_places_and_data():
    for mark in ("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK", "a stu" "b", "place" "holder"):
        expect(problems(words.check, {"common/a.c": f"/* {mark} */\n"}), "common/a.c:1: ")
    for place in ("/ho" "me/me/x", "/wo" "rk/x", "iss" "ue 3", "iss" "ue #3"):
        expect(problems(words.check, {"docs/a.md": place + "\n"}), "docs/a.md:1: ")
    for path in ("tests/a.csv", "docs/a.csv.gz", "deploy/a.parquet", "b.csv"):
        expect(problems(words.check, {"common/a.c": "", **{os.path.join(".", path): ""}}),
               f"{path}: a data file")
    expect(problems(words.check, {"common/a.c": "/* a session of trading; homework/x */\n"}))


def test_golden_wants_a_source():
    text = "/* OP01: against a reference.\n * Source: %s\n */\n"
    expect(problems(golden.check, {"tests/golden/test_a.c": text % "pandas 1.5.3, a.json"}))
    expect(problems(golden.check, {"tests/golden/test_a.c": text % ""}), "tests/golden/test_a.c: ")
    expect(problems(golden.check, {"tests/golden/test_a.c": OK_C}), "tests/golden/test_a.c: ")


def test_formatted_names_the_file():
    style = ("BasedOnStyle: LLVM\nIndentWidth: 4\nBreakBeforeBraces: Linux\n"
             "AllowShortFunctionsOnASingleLine: None\n")
    expect(problems(formatted.check, {".clang-format": style, "common/a.c": OK_C,
                                      "common/b.c": OK_C.replace("    return", "  return")}),
           "common/b.c:")


def test_known_excuses_one_problem_and_no_more():
    text = "# why\nbudgets a.c: function f \nlayers a.c: x\n"
    excuses = tidy.known(text, "budgets")
    assert excuses == ["a.c: function f "], excuses
    assert tidy.excused(["a.c:7: function f has", "a.c:9: function g has"], excuses) == [
        "a.c:9: function g has"]
    expect(tidy.excused([], excuses), "known.txt: no longer needed: a.c: function f")


def main():
    passed = failed = 0
    for name, case in sorted(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            case()
            passed += 1
        except Exception:  # a case that cannot run has failed; the others still say what they know
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(file=sys.stdout)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed > 0 or passed == 0 else 0)


if __name__ == "__main__":
    main()
