/* Programs as plug-ins: their files, what is said of those that fail or cannot be started, and that nothing of them
 * is left behind. */
#include <glob.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/pruners/plugin_testing.h"

static size_t folders_left(void) {
  glob_t found;
  size_t n;
  (void)glob(at("autoprune-plugin-*"), 0, NULL, &found);
  n = found.gl_pathc;
  globfree(&found);
  return n;
}

static void programs_answer_with_files(void **state) {
  char text[600];
  ap_level_db *db, *again;
  (void)state;
  assert_int_equal(setenv("TMPDIR", scratch, 1), 0);
  (void)snprintf(text, sizeof text, "exec:%s/examples/random.sh", AP_SOURCE);
  db = good_levels(text);
  again = good_levels(text);
  for (size_t l = 0; l < ap_level_db_layers(db); l++) { /* the same seed, the same answer */
    size_t count = ap_level_db_vectors(db, l), ones = 0;
    uint8_t *a = ap_calloc(count, 1), *b = ap_calloc(count, 1);
    ap_level_db_kept(db, l, 0, a);
    ap_level_db_kept(again, l, 0, b);
    assert_memory_equal(a, b, count);
    for (size_t i = 0; i < count; i++) ones += a[i];
    assert_int_equal(ones, ap_level_db_level(db, l, 0)->n_kept);
    ap_free(a);
    ap_free(b);
  }
  assert_int_equal(folders_left(), 0);
  ap_level_db_destroy(db);
  ap_level_db_destroy(again);
}

/* NumPy sees the weights as they are, and scores of weights become means of vectors. */
static void numpy_programs(void **state) {
  ap_level_db *db = NULL;
  ap_level_db *library;
  char text[600];
  (void)state;
  if (!have_compiler() || system("python3 -c 'import numpy' 2> /dev/null") != 0) {
    print_message("no python3 with numpy, or no compiler: not tried\n");
    return;
  }
  build(AP_SOURCE "/examples/l1.c", "", "l1.so");
  library = good_levels(at("l1.so"));
  (void)snprintf(text, sizeof text, "exec:python3 %s/examples/wanda.py", AP_SOURCE);
  {
    ap_level_db_options options = ap_level_db_defaults();
    must(ap_pruner_parse(text, &options.pruner, &failure));
    options.max_levels = 5;
    options.snap = AP_SNAP_NONE;
    must(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure));
  }
  for (size_t l = 0; l < ap_level_db_layers(db); l++) { /* without inputs Wanda is mean |w| */
    size_t count = ap_level_db_vectors(db, l), differ = 0;
    uint8_t *a = ap_calloc(count, 1), *b = ap_calloc(count, 1);
    assert_int_equal(ap_level_db_levels(db, l), ap_level_db_levels(library, l));
    ap_level_db_kept(db, l, 1, a);
    ap_level_db_kept(library, l, 1, b);
    for (size_t i = 0; i < count; i++) differ += a[i] != b[i];
    assert_true(differ <= 2); /* sums in another order may swap neighbours */
    ap_free(a);
    ap_free(b);
  }
  ap_level_db_destroy(db);
  ap_level_db_destroy(library);
}

/* What a program that failed saw and said is left where the message says, unless it is gone. */
static void check_folder(void) {
  static const char says[] = "(its folder: ";
  char *at_folder = strstr(failure.text, says);
  if (!at_folder) {
    assert_int_equal(folders_left(), 0);
    return;
  }
  at_folder += sizeof says - 1;
  at_folder[strcspn(at_folder, ")")] = '\0';
  assert_int_equal(folders_left(), 1);
  assert_true(ap_dir_exists(at_folder));
  {
    char command[600];
    (void)snprintf(command, sizeof command, "rm -r '%s'", at_folder);
    assert_int_equal(system(command), 0);
  }
}

static void check_program(const char *body, const char *says) {
  char text[600];
  ap_level_db *db = NULL;
  ap_status st;
  (void)snprintf(text, sizeof text, "#!/bin/sh\ncd \"$1\"\n%s\n", body);
  write_program("bad.sh", text);
  (void)snprintf(text, sizeof text, "exec:%s", at("bad.sh"));
  st = levels_by(text, &db);
  if (st != AP_ERR_PLUGIN || !strstr(failure.text, says)) {
    print_message("%s\n-> %s: %s; expected \"%s\"\n", body, ap_status_name(st),
                  st ? failure.text : "", says);
  }
  assert_int_equal(st, AP_ERR_PLUGIN);
  assert_non_null(strstr(failure.text, says));
  assert_non_null(strstr(failure.text, "layer conv1"));
  check_folder();
}

#define TYPED(type, shape, data)                                                     \
  "{ printf '\\223NUMPY\\001\\000\\166\\000'; printf '%-117s\\n' \"{'descr': '" type \
  "', 'fortran_order': False, 'shape': " shape ", }\"; printf '" data "'; }"
#define HEADER(shape, length)                                                         \
  "{ printf '\\223NUMPY\\001\\000\\166\\000'; printf '%-117s\\n' \"{'descr': '|u1', " \
  "'fortran_order': False, 'shape': " shape ", }\"; head -c " length " /dev/zero; }"

static void evil_programs(void **state) {
  (void)state;
  check_program("exit 3", "the program ended with exit status 3, 0 is expected");
  /* what it prints may be anything: what is said of it is one line of text */
  check_program("printf 'caf\\351 \\033[31mred\\n' >&2; exit 1", "it printed: caf?  [31mred");
  check_program("echo 'Traceback:'; echo 'ValueError: no such layer' >&2; exit 1",
                "it printed: ValueError: no such layer");
  check_program("kill -SEGV $$", "crashed: signal 11");
  check_program("sleep 20 & sleep 20", "no answer within 0.5 s");
  check_program("exit 0", "neither scores.npy nor mask.npy");
  check_program("echo nonsense > scores.npy", "scores.npy");
  check_program(HEADER("(59,)", "59") " > scores.npy", "shape 59, 60 (one a vector) or 25 x 20");
  check_program(HEADER("(60,)", "59") " > scores.npy", "scores.npy");
  check_program(HEADER("(4,60)", "240") " > mask.npy", "the layer would be empty");
  check_program(HEADER("(3,60)", "180") " > mask.npy", "4 x 60 (levels x vectors)");
  check_program(HEADER("(60,)", "60") " > scores.npy; cp scores.npy mask.npy", "both scores.npy");
  check_program(HEADER("(60,)", "60") " > scores.npy; " HEADER("(2,)", "2") " > levels.npy",
                "level 0 keeps 0 vectors");
  check_program("mkdir scores.npy", "scores.npy: is a directory, a regular file was expected");
  check_program(HEADER("(60,)", "60") " > scores.npy; " TYPED("<f4", "(1,)",
                                                              "\\0\\0\\100\\100") " > levels.npy",
                "levels.npy holds floating-point numbers (3, ...), an integer type is");
  check_program(
      HEADER("(60,)", "60") " > scores.npy; " TYPED("|i1", "(1,)", "\\375") " > levels.npy",
      "levels.npy holds -3; numbers in 1..60 are expected");
  check_program("rm -r \"$1\"", "neither scores.npy nor mask.npy");
  assert_null(strstr(failure.text, "its folder")); /* it is no more */
}

/* Refused at the start, with the path, what was found and what is expected. */
static void check_refusal(const char *text, const char *says) {
  ap_pruner p;
  if (ap_pruner_parse(text, &p, &failure) != AP_ERR_ARG || !strstr(failure.text, says)) {
    fail_msg("%s -> %s; expected \"%s\"", text, failure.text, says);
  }
}

static void what_cannot_be_started(void **state) {
  static const struct {
    const char *name, *first_line, *says;
    unsigned mode;
  } cases[] = {
      {"plain", "just text\n", "is not executable (Permission denied); chmod +x is expected", 0600},
      {"windows", "#!/bin/sh\r\n", "its first line, #!/bin/sh, ends with a carriage return", 0700},
      {"stray", "#! /no/such/sh -e\n", "names the interpreter /no/such/sh, which is not", 0700},
      {"inside", "#!/bin\n", "names the interpreter /bin, which is not there", 0700}};
  char text[600], says[700];
  ap_pruner p;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    write_program(cases[i].name, cases[i].first_line);
    assert_int_equal(chmod(at(cases[i].name), cases[i].mode), 0);
    (void)snprintf(text, sizeof text, "exec:%s", at(cases[i].name));
    (void)snprintf(says, sizeof says, "plug-in exec:%s: ", at(cases[i].name));
    check_refusal(text, says);
    check_refusal(text, cases[i].says);
  }
  (void)snprintf(text, sizeof text, "exec:%s", scratch);
  check_refusal(text, "is a folder; an executable file is expected");
  check_refusal("exec:/not/there", "plug-in exec:/not/there: no such program (No such file");
  check_refusal("exec:not-in-path", "no such program in $PATH");
  must(ap_dir_create(at("folder.so"), &failure));
  check_refusal(at("folder.so"), "folder.so: is a folder; a shared library is expected");
  check_refusal("rowvector:8@./mine.so", "unknown pruner 'rowvector:8': one of");
  write_program("no_line", "exit 3\n"); /* the shell's, as execvp has it */
  (void)snprintf(text, sizeof text, "exec:%s", at("no_line"));
  must(ap_pruner_parse(text, &p, &failure));
}

static void a_hint_for_the_current_folder(void **state) {
  char *before = getcwd(NULL, 0);
  (void)state;
  write_program("here.sh", "#!/bin/sh\n");
  assert_int_equal(chdir(scratch), 0);
  check_refusal("exec:here.sh", "in $PATH; the file in this folder is exec:./here.sh");
  assert_int_equal(chdir(before), 0);
  free(before);
}

static void a_missing_place_for_folders(void **state) {
  char text[600];
  ap_level_db *db = NULL;
  (void)state;
  assert_int_equal(setenv("TMPDIR", "/not/there", 1), 0);
  (void)snprintf(text, sizeof text, "exec:%s/examples/random.sh", AP_SOURCE);
  assert_int_equal(levels_by(text, &db), AP_ERR_IO);
  assert_int_equal(setenv("TMPDIR", scratch, 1), 0);
  assert_int_equal(strncmp(failure.text, "plug-in random, layer conv1 (", 29), 0); /* once */
  assert_non_null(strstr(failure.text, "no working folder in /not/there: No such file"));
  assert_non_null(strstr(failure.text, "$TMPDIR is"));
}

static int sleepers(const char *seconds) {
  char command[128], line[64] = "";
  FILE *pipe;
  (void)snprintf(command, sizeof command, "ps -eo args | grep -c '^sleep %s'", seconds);
  pipe = popen(command, "r");
  assert_non_null(pipe);
  assert_non_null(fgets(line, sizeof line, pipe));
  (void)pclose(pipe);
  return atoi(line);
}

/* Nothing that a hanging plug-in started is left behind. */
static void children_of_plugins_end(void **state) {
  char text[600];
  ap_level_db *db = NULL;
  (void)state;
  write_program("marked_sleep.sh", "#!/bin/sh\nsleep 4711.25 & sleep 4711.25\n");
  (void)snprintf(text, sizeof text, "exec:%s", at("marked_sleep.sh"));
  assert_int_equal(levels_by(text, &db), AP_ERR_PLUGIN);
  assert_int_equal(sleepers("4711[.]25"), 0);
}

#define PATIENCE 1000 /* hundredths of a second */
static void pause_a_little(void) {
  const struct timespec pause = {.tv_nsec = 10000000};
  (void)nanosleep(&pause, NULL);
}

/* Nor is it when this program is killed. */
static void children_of_plugins_end_with_us(void **state) {
  char text[600];
  pid_t child;
  int left = PATIENCE;
  (void)state;
  (void)snprintf(text, sizeof text, "#!/bin/sh\nsleep 4712.25 & echo > %s; sleep 4712.25\n",
                 at("started"));
  write_program("orphan.sh", text);
  (void)snprintf(text, sizeof text, "exec:%s", at("orphan.sh"));
  child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    ap_level_db_options options = ap_level_db_defaults();
    ap_level_db *db = NULL;
    if (ap_pruner_parse(text, &options.pruner, &failure)) _exit(1);
    _exit(ap_level_db_create(net, tech, NULL, NULL, &options, &db, &failure) != AP_OK);
  }
  while (!ap_file_exists(at("started")) && left-- > 0) pause_a_little();
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_true(left > 0);
  for (left = PATIENCE; sleepers("4712[.]25") > 0 && left > 0; left--) pause_a_little();
  assert_true(left > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(programs_answer_with_files),
      cmocka_unit_test(numpy_programs),
      cmocka_unit_test(evil_programs),
      cmocka_unit_test(what_cannot_be_started),
      cmocka_unit_test(a_hint_for_the_current_folder),
      cmocka_unit_test(a_missing_place_for_folders),
      cmocka_unit_test(children_of_plugins_end),
      cmocka_unit_test(children_of_plugins_end_with_us),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
