#include "tests/cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

#define MAX_WORDS 64
#define SIDE 28

static char scratch[64];

int command_setup(void **state) {
  (void)state;
  (void)snprintf(scratch, sizeof scratch, "/tmp/autoprune-test-XXXXXX");
  return mkdtemp(scratch) ? chdir(scratch) : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  (void)info;
  (void)type;
  (void)walk;
  return remove(path);
}

int command_teardown(void **state) {
  (void)state;
  return chdir("/") || nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *read_all(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 1 << 22);
  assert_non_null(file);
  assert_non_null(text);
  (void)!fread(text, 1, (1 << 22) - 1, file);
  (void)fclose(file);
  (void)remove(path);
  return text;
}

static void redirect(const char *path, int descriptor) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(99);
  (void)close(file);
}

static void run_child(const command_how *how, const char *const *words) {
  char *argv[MAX_WORDS] = {strdup(AP_PROGRAM)};
  for (size_t i = 0; words[i] && i + 2 < MAX_WORDS; i++) argv[i + 1] = strdup(words[i]);
  redirect(how && how->stdout_to ? how->stdout_to : ".out", STDOUT_FILENO);
  redirect(".err", STDERR_FILENO);
  if (how && how->file_limit > 0) {
    struct rlimit limit = {(rlim_t)how->file_limit, (rlim_t)how->file_limit};
    if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(99);
  }
  (void)execv(argv[0], argv);
  _exit(99);
}

static bool ended(pid_t child, int *state) { return waitpid(child, state, WNOHANG) == child; }

/* Sends the signal once the file is there; false when the program ended before. */
static bool kill_when_there(const command_how *how, pid_t child, int *state) {
  const struct timespec pause = {0, 2000000};
  while (access(how->kill_after, F_OK) != 0) {
    if (ended(child, state)) return false;
    (void)nanosleep(&pause, NULL);
  }
  (void)kill(child, how->kill_signal);
  return true;
}

command_result command_run(const command_how *how, const char *const *words) {
  command_result result = {0};
  int state = 0;
  bool gone = false;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) run_child(how, words);
  if (how && how->kill_after) gone = !kill_when_there(how, child, &state);
  while (!gone && waitpid(child, &state, 0) < 0) assert_int_equal(errno, EINTR);
  result.status = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
  result.out = how && how->stdout_to ? calloc(1, 1) : read_all(".out");
  result.err = read_all(".err");
  return result;
}

void command_release(command_result *result) {
  free(result->out);
  free(result->err);
}

json_t *command_json(int status, const char *const *words) {
  command_result r = command_run(NULL, words);
  json_error_t error;
  json_t *document = json_loads(r.out, JSON_REJECT_DUPLICATES, &error);
  if (r.status != status || !document) {
    print_message("%s: status %d\n%s%s\n", words[0], r.status, r.out, r.err);
  }
  assert_int_equal(r.status, status);
  assert_non_null(document);
  command_release(&r);
  return document;
}

void command_good(const char *const *words) {
  command_result r = command_run(NULL, words);
  if (r.status != 0) print_message("%s: status %d\n%s%s\n", words[0], r.status, r.out, r.err);
  assert_int_equal(r.status, 0);
  command_release(&r);
}

void command_bad_how(const command_how *how, const char *says, const char *const *words) {
  command_result r = command_run(how, words);
  const char *end = strchr(r.err, '\n');
  if (r.status != 2 || r.out[0] || !strstr(r.err, says) || !end || end[1]) {
    print_message("%s: status %d, expected 2 and \"%s\"\nstdout: %s\nstderr: %s\n",
                  words[0] ? words[0] : "", r.status, says, r.out, r.err);
  }
  assert_int_equal(r.status, 2);
  assert_string_equal(r.out, "");
  assert_int_equal(strncmp(r.err, "autoprune", 9), 0);
  assert_non_null(strstr(r.err, says));
  assert_non_null(end);           /* one line ... */
  assert_int_equal(end[1], '\0'); /* ... and no more */
  assert_int_equal(command_count_files(".tmp"), 0);
  command_release(&r);
}

void command_bad(const char *says, const char *const *words) { command_bad_how(NULL, says, words); }

static const char *counted_ending;
static size_t counted;

static int count_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
  size_t n = strlen(path), m = strlen(counted_ending);
  (void)info;
  (void)walk;
  if (type == FTW_F && n >= m && strcmp(path + n - m, counted_ending) == 0) counted++;
  return 0;
}

size_t command_count_files(const char *ending) {
  counted_ending = ending;
  counted = 0;
  assert_int_equal(nftw(".", count_one, 16, FTW_PHYS), 0);
  return counted;
}

void command_write(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(size > 0 ? fwrite(data, 1, size, file) : 0, size);
  assert_int_equal(fclose(file), 0);
}

static void put_u32(uint8_t *at, size_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Class k is a bright bar at a height of its own on noise. */
static void write_idx(const char *dir, const char *part, size_t n, uint64_t seed) {
  char path[256];
  size_t bytes = n * SIDE * SIDE;
  uint8_t *images = calloc(1, 16 + bytes), *labels = calloc(1, 8 + n);
  ap_rng rng;
  assert_non_null(images);
  assert_non_null(labels);
  put_u32(images, 0x803);
  put_u32(images + 4, n);
  put_u32(images + 8, SIDE);
  put_u32(images + 12, SIDE);
  put_u32(labels, 0x801);
  put_u32(labels + 4, n);
  ap_rng_seed(&rng, seed, 0);
  for (size_t i = 0; i < n; i++) {
    size_t label = i % 10;
    labels[8 + i] = (uint8_t)label;
    for (size_t p = 0; p < SIDE * SIDE; p++) {
      size_t row = p / SIDE, noise = ap_rng_below(&rng, 96);
      bool bar = row >= 4 + 2 * label && row < 6 + 2 * label;
      images[16 + i * SIDE * SIDE + p] = (uint8_t)(noise + (bar ? 150 : 0));
    }
  }
  (void)snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", dir, part);
  command_write(path, images, 16 + bytes);
  (void)snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", dir, part);
  command_write(path, labels, 8 + n);
  free(images);
  free(labels);
}

void command_write_images(const char *dir, size_t n_train, size_t n_test) {
  assert_int_equal(mkdir(dir, 0700), 0);
  write_idx(dir, "train", n_train, 1);
  write_idx(dir, "t10k", n_test, 2);
}
