// bench/benchmark.cc - ap_bench over Google Benchmark; the only C++ of the project's host side.
#include "bench/benchmark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/provenance.h"

struct ap_bench_meter {
  benchmark::State &state;
};

namespace {

// One point of one case and what is known about it.
struct Point {
  ap_bench_case c;
  std::string name;
  const int64_t *values;
  void *problem = nullptr;
  bool ready = false;  // set up and verified, or `error` says why not
  ap_error error = {AP_OK, ""};
  // Seconds of one run of the baseline, one entry a repetition: all repetitions of one way come
  // before those of the next. Empty: not measured.
  std::vector<double> real, processor;
  int64_t iterations = 0;  // of each of these
};

std::vector<std::unique_ptr<Point>> points;
Point *current = nullptr;  // the one point that has a problem: memory stays that of one
bool failed = false;

void close_current() {
  if (current && current->problem) current->c.teardown(current->problem);
  if (current) {
    current->problem = nullptr;
    current->ready = false;
  }
  current = nullptr;
}

// Google Benchmark calls a way several times to find how often to run it, and once per repetition:
// the problem lives until another point's turn.
void prepare(Point *p) {
  if (current != p) {
    close_current();
    current = p;
  }
  if (p->ready) return;
  p->error = {AP_OK, ""};
  ap_status st = p->c.setup(p->c.context, p->values, &p->problem, &p->error);
  if (st == AP_OK) st = p->c.verify(p->problem, &p->error);
  p->error.code = st;
  p->ready = true;
}

double seconds(clockid_t clock) {
  struct timespec t = {};
  (void)clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

void skip(benchmark::State &state, const ap_error &error) {
  const std::string text = std::string(ap_status_name(error.code)) + ": " + error.text;
  if (error.code != AP_ERR_UNSUPPORTED) failed = true;
  state.SkipWithError(text.c_str());
}

void run_way(benchmark::State &state, Point *p, size_t way) {
  prepare(p);
  if (p->error.code != AP_OK) {
    skip(state, p->error);
    return;
  }
  const ap_bench_way &w = p->c.ways[way];
  ap_error error = {AP_OK, ""};
  double real = 0, processor = 0, own = 0;
  bool begun = false;
  for (auto unused : state) {
    (void)unused;
    if (!begun) {  // not before the loop: Google Benchmark prepares itself in its head
      real = seconds(CLOCK_MONOTONIC);
      processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
      begun = true;
    }
    error.code = w.run(p->problem, &error);
    if (error.code != AP_OK) {
      skip(state, error);
      break;
    }
    if (p->c.seconds) {
      const double took = p->c.seconds(p->problem, way);
      state.SetIterationTime(took);
      own += took;
    }
  }
  if (error.code != AP_OK) return;
  const double n = static_cast<double>(state.iterations());
  real = (p->c.seconds ? own : seconds(CLOCK_MONOTONIC) - real) / n;
  processor = (seconds(CLOCK_PROCESS_CPUTIME_ID) - processor) / n;
  ap_bench_meter meter = {state};
  if (p->c.report) p->c.report(p->problem, way, &meter);
  if (way == 0) {
    // Shorter calls were made to find out how many iterations to take.
    if (static_cast<int64_t>(state.iterations()) != p->iterations) {
      p->real.clear();
      p->processor.clear();
      p->iterations = static_cast<int64_t>(state.iterations());
    }
    p->real.push_back(real);
    p->processor.push_back(processor);
  } else if (!p->real.empty()) {  // the filter may have left the baseline out
    state.counters["speedup"] = median(p->real) / real;
    state.counters["speedup_cpu"] = median(p->processor) / processor;
  }
}

void add_point(const ap_bench_case &c, size_t index) {
  points.push_back(std::make_unique<Point>());
  Point *p = points.back().get();
  p->c = c;
  p->name = c.name;
  p->c.name = p->name.c_str();
  p->values = c.n_axes ? c.points + index * c.n_axes : nullptr;
  std::string name = c.name;
  for (size_t a = 0; a < c.n_axes; ++a) {
    name += std::string("/") + c.axes[a] + ":" + std::to_string(p->values[a]);
  }
  for (size_t way = 0; way < c.n_ways; ++way) {
    auto *registered =
        benchmark::RegisterBenchmark((name + "/" + c.ways[way].name).c_str(),
                                     [p, way](benchmark::State &state) { run_way(state, p, way); })
            ->MeasureProcessCPUTime()
            ->Unit(benchmark::kMillisecond);
    if (c.iterations) registered->Iterations(static_cast<benchmark::IterationCount>(c.iterations));
    if (c.seconds) {
      registered->UseManualTime();
    } else {
      registered->UseRealTime();
    }
  }
}

}  // namespace

void ap_bench_counter(ap_bench_meter *meter, const char *name, double value, ap_bench_unit unit) {
  meter->state.counters[name] = benchmark::Counter(
      value, unit == AP_BENCH_RATE ? benchmark::Counter::kIsIterationInvariantRate
                                   : benchmark::Counter::kDefaults);
}

ap_status ap_bench_register(const ap_bench_case *c, ap_error *err) {
  if (!c->name || c->n_ways == 0 || !c->ways || !c->setup || !c->verify || !c->teardown) {
    return ap_fail(err, AP_ERR_ARG, "case %s: name, ways, setup, verify and teardown are needed",
                   c->name ? c->name : "without a name");
  }
  if (c->n_axes ? !c->axes || !c->points || c->n_points == 0 : c->n_points > 1) {
    return ap_fail(err, AP_ERR_ARG, "case %s: %zu points on %zu axes", c->name, c->n_points,
                   c->n_axes);
  }
  for (const auto &other : points) {
    if (other->name == c->name) {
      return ap_fail(err, AP_ERR_ARG, "case %s: there is one of this name already", c->name);
    }
  }
  for (size_t i = 0; i < c->n_ways; ++i) {
    if (!c->ways[i].name || !c->ways[i].run) {
      return ap_fail(err, AP_ERR_ARG, "case %s: way %zu has no name or function", c->name, i);
    }
  }
  try {
    for (size_t i = 0; i < (c->n_axes ? c->n_points : 1); ++i) add_point(*c, i);
  } catch (const std::exception &e) {
    return ap_fail(err, AP_ERR_MEMORY, "case %s: %s", c->name, e.what());
  }
  return AP_OK;
}

int ap_bench_main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("autoprune_version", ap_build_version());
  benchmark::AddCustomContext("autoprune_commit", ap_build_commit());
  benchmark::AddCustomContext("autoprune_compiler", ap_build_compiler());
  json_t *provenance = ap_provenance(argc, argv); /* the processor, as other results name it */
  if (const char *cpu = json_string_value(json_object_get(provenance, "cpu"))) {
    benchmark::AddCustomContext("autoprune_cpu", cpu);
  }
  json_decref(provenance);
  const size_t n = benchmark::RunSpecifiedBenchmarks();
  close_current();
  benchmark::Shutdown();
  points.clear();
  return n == 0 || failed ? 1 : 0;
}
