/* Quantised to 8 bits, every shipped network loses less than half a point of accuracy on the selection
 * split; of it, as many images as WORK allows, from the first. Networks are found by listing the folder given
 * on the command line; one whose data set is not on this machine is passed over with a line, and where that
 * is all of them the test counts as skipped. */
#include <glob.h>
#include <jansson.h>
#include <math.h>

#include "base/alloc.h"
#include "bench/workbench.h"
#include "nn/infer.h"
#include "nn/model_file.h"
#include "tests/base/testing.h"

#define MOST_LOST 0.005
#define WORK 0.6e12 /* multiply-adds a network, or FEWEST_IMAGES */
#define FEWEST_IMAGES 1000

static ap_error failure;
static const char *models_folder;
static size_t judged;

static void must(ap_status st) {
  if (st) fail_msg("%s: %s", ap_status_name(st), failure.text);
}

/* "lenet5_fashion-mnist.apm" -> "fashion-mnist" where the file itself does not say. */
static char *data_of(const char *path, const json_t *metadata) {
  const char *said = json_string_value(json_object_get(metadata, "data"));
  const char *slash = strrchr(path, '/'), *line = strchr(slash ? slash : path, '_');
  char *name = ap_strdup(said ? said : line ? line + 1 : "");
  char *dot = said ? NULL : strrchr(name, '.');
  if (dot) *dot = 0;
  return name;
}

/* 0: the whole split */
static size_t images_judged(const ap_network *net, const ap_dataset *data) {
  size_t n = (size_t)(WORK / (double)ap_network_macs(net));
  if (n >= ap_dataset_describe(data, AP_SPLIT_SELECTION).n_images) return 0;
  return n > FEWEST_IMAGES ? n : FEWEST_IMAGES;
}

static void judge(const char *path, const ap_network *net, const ap_dataset *data,
                  const ap_tech *tech) {
  const ap_array_spec *array = ap_tech_array(tech);
  const ap_range_options ranges = ap_range_defaults();
  const size_t n_images = images_judged(net, data);
  ap_workbench *bench = NULL;
  ap_score in_floats, in_integers;
  assert_int_equal(array->weight_bits, 8);
  assert_int_equal(array->activation_bits, 8);
  must(ap_workbench_open(net, data, tech, "cpu", 0, &bench, &failure));
  must(ap_infer(ap_workbench_backend(bench), ap_workbench_folded(bench), data, AP_SPLIT_SELECTION,
                n_images, &in_floats, NULL, &failure));
  must(ap_workbench_quantised_score(bench, ap_workbench_folded(bench), &ranges, AP_SPLIT_SELECTION,
                                    n_images, &in_integers, &failure));
  print_message("%s: %.2f %% in floats, %.2f %% quantised (%zu images of %s)\n", path,
                100 * in_floats.accuracy, 100 * in_integers.accuracy, in_integers.images,
                ap_dataset_name(data));
  assert_int_equal(in_floats.images, in_integers.images);
  assert_true(in_floats.images >= FEWEST_IMAGES);
  assert_true(in_floats.accuracy > 0.5); /* a network that knows nothing has nothing to lose */
  if (!(in_floats.accuracy - in_integers.accuracy < MOST_LOST)) {
    fail_msg("%s loses %.2f points, less than %.1f are expected", path,
             100 * (in_floats.accuracy - in_integers.accuracy), 100 * MOST_LOST);
  }
  ap_workbench_close(bench);
  judged++;
}

static void every_shipped_network(void **state) {
  char *pattern = ap_sprintf("%s/*.apm", models_folder);
  ap_tech *tech = NULL;
  glob_t found;
  (void)state;
  assert_non_null(pattern);
  must(ap_tech_open("ou", &tech, &failure));
  if (glob(pattern, 0, NULL, &found)) fail_msg("%s: no models", pattern);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    ap_network *net = NULL;
    json_t *metadata = NULL;
    ap_dataset *data = NULL;
    char *name;
    must(ap_model_load(found.gl_pathv[i], &net, &metadata, &failure));
    name = data_of(found.gl_pathv[i], metadata);
    if (ap_dataset_open(name, &data, &failure)) {
      print_message("%s: passed over, no data set \"%s\" here\n", found.gl_pathv[i], name);
    } else {
      judge(found.gl_pathv[i], net, data, tech);
    }
    ap_dataset_destroy(data);
    ap_network_destroy(net);
    json_decref(metadata);
    ap_free(name);
  }
  globfree(&found);
  ap_tech_close(tech);
  ap_free(pattern);
  if (judged == 0) skip();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_shipped_network)};
  int failed;
  if (argc != 2) return 2;
  models_folder = argv[1];
  failed = cmocka_run_group_tests(tests, NULL, NULL);
  return failed ? failed : judged ? 0 : 77;
}
