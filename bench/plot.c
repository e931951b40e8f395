/* Draws the figures of a comparison: one gnuplot process per script and output form. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/csv_read.h"
#include "base/file.h"
#include "bench/compare.h"
#include "bench/result_ranges_impl.h"

extern char **environ;

/* The four figures over the dense network are drawn from the means in summary.csv, where there is one. */
#define MEANS_FILE "table.csv"
#define MEANS_COLUMNS "network,data,method,crossbar"

/* Every figure, the one file that it is drawn from, and the columns that it takes; what a folder does not have
 * is left out. */
static const struct {
  const char *name, *file, *columns;
} figures[] = {
    {"compression", MEANS_FILE, MEANS_COLUMNS ",crossbars_compression,compression_vs_pim"},
    {"area_efficiency", MEANS_FILE, MEANS_COLUMNS ",area_efficiency,area_efficiency_vs_pim"},
    {"energy_efficiency", MEANS_FILE, MEANS_COLUMNS ",energy_efficiency,energy_efficiency_vs_pim"},
    {"accuracy", MEANS_FILE, MEANS_COLUMNS ",accuracy_test,dense_accuracy_test"},
    {"episodes", "episodes.csv", "network,searcher,episode,reward,compression,feasible"},
    {"layers", "layers.csv", "network,method,layer_index,layer,keep_weights"},
    {"area_breakdown", "breakdown.csv", "network,method,component,area_of_dense"},
    {"energy_breakdown", "breakdown.csv", "network,method,component,energy_of_dense"},
    {"laws", "laws.csv", "network,method,law,area_efficiency,energy_efficiency"},
    {"sizes", "sizes.csv", "network,axis,crossbar,ou,method,crossbars_compression,energy_uj"},
    {"index", "index.csv",
     "network,shape,length,index_of_stored_bits,index_of_area,index_of_energy"},
    {"control", "control.csv",
     "network,case,zeros,relative_area,relative_latency_with_copies,relative_energy"},
    {"converter", "converter.csv", "network,adc_bits,accuracy,quantised_accuracy,images"},
    {"devices", "devices.csv",
     "network,sigma,accuracy_low,accuracy_high,accuracy,quantised_accuracy,images"},
    {"pareto", "points.csv", "network,method,kind,crossbars,accuracy,dense_accuracy,front"},
    {"convergence", "convergence.csv",
     "network,method,n,image_forwards,compression,compression_low,compression_high"},
    {"sensitivity", "sensitivity.csv",
     "axis,value,network,method,n,crossbars_compression,area_efficiency,energy_efficiency"},
    {"recovery", "recovery.csv", "network,sparsity,recovery,accuracy,quantised_accuracy,images"},
    {"curves", "curves.csv", "network,layer,repaired,keep_vectors,accuracy,images"},
    {"bits", "bits.csv", "network,layer,layer_index,weight_bits,accuracy,float_accuracy,images"},
};
static const char *const forms[] = {"png", "svg"};

/* The folder `plots` beside the program's source tree, its installation, or the current folder. */
static char *find_plots(void) {
  static const char *const near[] = {"../../../plots", "../share/autoprune/plots"};
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) {
    char *slash;
    self[n] = 0;
    slash = strrchr(self, '/');
    if (slash) *slash = 0;
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
      char *path = ap_path_join(self, near[i]);
      if (path && ap_dir_exists(path)) return path;
      ap_free(path);
    }
  }
  return ap_dir_exists("plots") ? ap_strdup("plots") : NULL;
}

/* Text in a gnuplot string between single quotes: a quote is written twice. */
static char *quoted(const char *text) {
  char *out = ap_calloc(2 * strlen(text) + 1, 1);
  size_t n = 0;
  for (; out && *text; text++) {
    if (*text == '\'') out[n++] = '\'';
    out[n++] = *text;
  }
  return out;
}

/* Runs gnuplot on one script; what it says on stderr becomes the error's text. */
static ap_status run_gnuplot(const char *settings, const char *script, ap_error *err) {
  char program[] = "gnuplot", flag[] = "-e", said[300] = "";
  char *settings_copy = ap_strdup(settings), *script_copy = ap_strdup(script);
  char *argv[] = {program, flag, settings_copy, script_copy, NULL};
  posix_spawn_file_actions_t actions;
  int pipe_ends[2] = {-1, -1}, failure, state = 0;
  size_t used = 0;
  ssize_t got;
  pid_t child;
  ap_status st = AP_OK;
  if (!settings_copy || !script_copy || pipe2(pipe_ends, O_CLOEXEC)) {
    ap_free(settings_copy);
    ap_free(script_copy);
    return ap_fail(err, AP_ERR_MEMORY, "gnuplot: %s", strerror(errno));
  }
  (void)posix_spawn_file_actions_init(&actions);
  (void)posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 2);
  failure = posix_spawnp(&child, program, &actions, NULL, argv, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)close(pipe_ends[1]);
  if (failure) {
    st = ap_fail(err, AP_ERR_UNSUPPORTED, "gnuplot: %s (apt-get install gnuplot-nox)",
                 strerror(failure));
  } else {
    char byte;
    while ((got = read(pipe_ends[0], &byte, 1)) == 1 || (got < 0 && errno == EINTR)) {
      if (got == 1 && used + 1 < sizeof said) said[used++] = byte;
    }
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(state) || WEXITSTATUS(state) != 0) {
      st = ap_fail(err, AP_ERR_IO, "gnuplot %s failed: %s", script, said);
    }
  }
  (void)close(pipe_ends[0]);
  ap_free(settings_copy);
  ap_free(script_copy);
  return st;
}

static ap_status draw(const char *results, const char *plots, const char *figure, const char *form,
                      ap_error *err) {
  char *place = quoted(results);
  char *settings =
      place ? ap_sprintf("results='%s'; out='%s'; term='%s'", place, place, form) : NULL;
  char *script = ap_sprintf("%s/%s.gp", plots, figure);
  ap_status st = settings && script ? run_gnuplot(settings, script, err)
                                    : ap_fail(err, AP_ERR_MEMORY, "figure %s", figure);
  ap_free(place);
  ap_free(settings);
  ap_free(script);
  return st;
}

/* gnuplot draws an empty frame of a file that is no table, and leaves out what is no number. *any: whether there
 * is something to draw. */
static ap_status check_table(const char *file, const char *columns, bool *any, ap_error *err) {
  json_t *rows = NULL;
  ap_status st = ap_csv_load_numbers(file, columns, ap_result_range, &rows, NULL, err);
  *any = !st && json_array_size(rows) > 0;
  json_decref(rows);
  return st;
}

/* What a figure is drawn from; *any: whether it is there and has rows. */
static ap_status check_files(const char *results, size_t i, bool *any, ap_error *err) {
  char *file = ap_path_join(results, figures[i].file);
  char *means = ap_path_join(results, "summary.csv");
  bool rows = false;
  ap_status st = file && means ? AP_OK : ap_fail(err, AP_ERR_MEMORY, "figures");
  *any = false;
  if (!st && ap_file_exists(file)) st = check_table(file, figures[i].columns, any, err);
  if (!st && *any && strcmp(figures[i].file, MEANS_FILE) == 0 && ap_file_exists(means)) {
    st = check_table(means, figures[i].columns, &rows, err);
  }
  ap_free(file);
  ap_free(means);
  return st;
}

/* One figure in all forms, if its file is there and has rows. */
static ap_status draw_figure(const char *results, const char *plots, size_t i, size_t *drawn,
                             ap_error *err) {
  bool any = false;
  ap_status st = check_files(results, i, &any, err);
  if (st || !any) return st;
  for (size_t j = 0; j < sizeof forms / sizeof forms[0] && !st; j++) {
    st = draw(results, plots, figures[i].name, forms[j], err);
  }
  ++*drawn;
  return st;
}

ap_status ap_compare_plot(const char *results, const char *plots, ap_error *err) {
  char *found = plots ? ap_strdup(plots) : find_plots();
  size_t drawn = 0;
  ap_status st = AP_OK;
  if (!found) {
    st = ap_fail(err, AP_ERR_IO, "no folder of gnuplot scripts found: name it with --plots DIR");
  } else if (!ap_dir_exists(found)) {
    st = ap_fail(err, AP_ERR_IO, "%s: no such folder; gnuplot scripts are expected there", found);
  }
  for (size_t i = 0; i < sizeof figures / sizeof figures[0] && !st; i++) {
    st = draw_figure(results, found, i, &drawn, err);
  }
  if (!st && drawn == 0) {
    st = ap_fail(
        err, AP_ERR_IO,
        "%s: no table.csv or other table with rows here: a folder that 'compare' or 'study' "
        "wrote is expected",
        results);
  }
  ap_free(found);
  return st;
}
