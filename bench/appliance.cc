// What an embedder of libquadlane_runtime pays, beside ONNX Runtime: memory of streams and sessions, opening, the first
// result, more streams than processors, pages that two processes share.
//
//   appliance [--model FP32.onnx] [--seconds S]
//
// The plan is the model in int8 with its code, calibrated on random inputs (times and sizes, no results); ONNX Runtime
// gets the form that `quantize --for any` writes. Every measurement is a process of its own: this program started again
// with --probe. Memory is what is resident behind the runs less what was before anything was opened.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "bench/network_files.h"
#include "engine/api/plan_model.h"
#include "engine/c/quadlane.hpp"
#include "graph/quant/quantize.h"
#include "loader/save.h"
#include "ops/table.h"
#include "tools/cli/precision.h"
#include "tools/cli/table.h"
#include "tools/io/file.h"
#include "tools/measure/machine.h"
#include "tools/measure/statistics.h"
#include "tools/peers/ort.h"

namespace quadlane::bench {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}
using tools::fixed;

// --- one engine with a model open

// A stream or a session, with its buffers.
struct Worker {
  std::function<void()> run;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual void open(const std::string& file) = 0;  // what workers share
  virtual Worker worker(int threads) = 0;
};

class Ours final : public Engine {
 public:
  void open(const std::string& file) override { plan_ = std::make_unique<quadlane_runtime::Plan>(file); }
  Worker worker(int threads) override {
    struct State {
      quadlane_runtime::Stream stream;
      std::vector<std::vector<char>> buffers = {};
    };
    ql_stream_options options = QL_STREAM_OPTIONS_INIT;
    options.threads = threads;
    auto state = std::make_shared<State>(State{quadlane_runtime::Stream(*plan_, &options)});
    auto buffer = [&](size_t bytes) { return state->buffers.emplace_back(bytes).data(); };
    for (size_t i = 0; i < ql_plan_inputs(plan_->get()); ++i) {
      const size_t bytes = plan_->input(i).bytes;
      state->stream.bind_input(i, buffer(bytes), bytes);
    }
    for (size_t i = 0; i < ql_plan_outputs(plan_->get()); ++i) {
      const size_t bytes = plan_->output(i).bytes;
      state->stream.bind_output(i, buffer(bytes), bytes);
    }
    return {[state] { state->stream.run(); }};
  }

 private:
  std::unique_ptr<quadlane_runtime::Plan> plan_;
};

template <class T>
T or_throw(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().text());
  return *std::move(result);
}
void or_throw(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error().text());
}

// A session each, as processes and frameworks that know nothing of each other have them.
class Theirs final : public Engine {
 public:
  explicit Theirs(std::vector<run::TensorInfo> in, std::vector<run::TensorInfo> out)
      : in_(std::move(in)), out_(std::move(out)), ort_(or_throw(peers::Ort::open())) {}
  void open(const std::string& file) override { file_ = file; }
  Worker worker(int threads) override {
    struct State {
      peers::OrtSession session;
      std::vector<Tensor> in = {}, out = {};
      std::vector<MutView> views = {};
    };
    auto state = std::make_shared<State>(State{or_throw(peers::OrtSession::load(ort_, file_, threads))});
    for (const auto& info : in_) state->in.push_back(or_throw(Tensor::allocate(info.type)));
    for (const auto& info : out_) state->out.push_back(or_throw(Tensor::allocate(info.type)));
    for (Tensor& tensor : state->out) state->views.push_back(tensor.mut_view());
    or_throw(state->session.bind(in_, state->in, out_, state->views));
    return {[state] { or_throw(state->session.run()); }};
  }

 private:
  std::vector<run::TensorInfo> in_, out_;
  peers::Ort ort_;
  std::string file_;
};

struct Files {
  std::string plan, qdq;
};

std::unique_ptr<Engine> engine_of(const std::string& name, const Files& files) {
  if (name == "ours") return std::make_unique<Ours>();
  const run::PlanFile file = or_throw(run::PlanFile::open(files.plan));
  const auto plan = or_throw(file.load(file.variants()[0], Isa::avx2));
  return std::make_unique<Theirs>(plan->inputs, plan->outputs);
}

// --- probes: what a process of its own measures and prints

struct Probe {
  std::string what, engine = "ours";
  int streams = 1, threads = 1;
  double seconds = 1;
};

// MB
void probe_memory(const Probe& p, const Files& files) {
  auto engine = engine_of(p.engine, files);
  const size_t before = measure::resident_memory();
  engine->open(p.engine == "ours" ? files.plan : files.qdq);
  std::vector<Worker> workers;
  for (int i = 0; i < p.streams; ++i) {
    workers.push_back(engine->worker(1));
    workers.back().run();
  }
  std::printf("%.3f\n", (static_cast<double>(measure::resident_memory()) - static_cast<double>(before)) * 1e-6);
}

// Milliseconds: open to ready, the first result, the median of further ones.
void probe_start(const Probe& p, const Files& files) {
  auto engine = engine_of(p.engine, files);
  auto start = Clock::now();
  engine->open(p.engine == "ours" ? files.plan : files.qdq);
  Worker worker = engine->worker(1);
  const double open_ms = ms_since(start);
  start = Clock::now();
  worker.run();
  const double first_ms = ms_since(start);
  std::vector<double> further;
  for (int i = 0; i < 15; ++i) {
    start = Clock::now();
    worker.run();
    further.push_back(ms_since(start));
  }
  std::printf("%.4f %.4f %.4f\n", open_ms, first_ms, measure::median(further));
}

// Requests a second.
void probe_throughput(const Probe& p, const Files& files) {
  auto engine = engine_of(p.engine, files);
  engine->open(p.engine == "ours" ? files.plan : files.qdq);
  std::vector<Worker> workers;
  for (int i = 0; i < p.streams; ++i) {
    workers.push_back(engine->worker(p.threads));
    workers.back().run();
  }
  std::atomic<int> served{0};
  std::vector<std::thread> callers;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(p.seconds);
  for (Worker& worker : workers)
    callers.emplace_back([&] {
      for (; Clock::now() < end; ++served) worker.run();
    });
  for (std::thread& caller : callers) caller.join();
  std::printf("%.3f\n", served / (ms_since(start) * 1e-3));
}

// Resident and proportional MB of the pages that are mapped from the plan, in each of `streams` processes.
void probe_shared(const Probe& p, const Files& files) {
  std::vector<pid_t> children;
  for (int i = 0; i < p.streams; ++i)
    if (const pid_t child = fork(); child != 0) {
      children.push_back(child);
    } else {
      Ours engine;
      engine.open(files.plan);
      Worker worker = engine.worker(1);
      worker.run();
      std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the others are open now
      std::ifstream maps("/proc/self/smaps");
      bool inside = false;
      double rss = 0, pss = 0;
      for (std::string line; std::getline(maps, line);) {
        if (line.find('-') < line.find(' ')) inside = line.find(".qlp") != line.npos;
        std::istringstream words(line);
        std::string key;
        double kib = 0;
        if (inside && words >> key >> kib) rss += key == "Rss:" ? kib : 0, pss += key == "Pss:" ? kib : 0;
      }
      std::printf("%.3f %.3f\n", rss * 1.024e-3, pss * 1.024e-3);
      std::fflush(stdout);
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      _exit(0);
    }
  for (pid_t child : children) waitpid(child, nullptr, 0);
}

void run_probe(const Probe& p, const Files& files) {
  if (p.what == "memory") probe_memory(p, files);
  if (p.what == "start") probe_start(p, files);
  if (p.what == "throughput") probe_throughput(p, files);
  if (p.what == "shared") probe_shared(p, files);
}

// --- the tables

// The numbers that a probe prints.
std::vector<double> measured(const Probe& p, const Files& files) {
  const std::string arguments =
      cat(" --probe ", p.what, " --engine ", p.engine, " --streams ", p.streams, " --threads ", p.threads,
          " --seconds ", p.seconds, " --plan '", files.plan, "' --qdq '", files.qdq, "'");
  std::string self(4096, 0);
  self.resize(static_cast<size_t>(std::max<ssize_t>(0, readlink("/proc/self/exe", self.data(), self.size()))));
  FILE* pipe = popen((self + arguments).c_str(), "r");
  std::vector<double> numbers;
  for (double x; pipe && std::fscanf(pipe, "%lf", &x) == 1;) numbers.push_back(x);
  if (pipe) pclose(pipe);
  return numbers;
}
double first_of(const std::vector<double>& numbers) { return numbers.empty() ? NAN : numbers[0]; }

void print_memory(const Files& files) {
  tools::Table table({"streams or sessions", "Quadlane MB", "each further", "ONNX Runtime MB", "each further"});
  double base[2] = {};
  for (int n : {1, 2, 4, 14}) {
    std::vector<std::string> row{std::to_string(n)};
    for (int e = 0; e < 2; ++e) {
      const double mb = first_of(measured({.what = "memory", .engine = e ? "ort" : "ours", .streams = n}, files));
      if (n == 1) base[e] = mb;
      row.push_back(fixed(mb, 1));
      row.push_back(n == 1 ? "" : fixed((mb - base[e]) / (n - 1), 2));
    }
    table.add(row);
  }
  std::printf("Memory added, one thread each\n%s\n", table.text().c_str());
}

void print_start(const Files& files) {
  tools::Table table({"median of 9 processes", "open to ready ms", "first result ms", "further ms", "first / further"});
  for (const char* engine : {"ours", "ort"}) {
    std::vector<double> open, first, further;
    for (int i = 0; i < 9; ++i) {
      const std::vector<double> ms = measured({.what = "start", .engine = engine}, files);
      if (ms.size() != 3) continue;
      open.push_back(ms[0]), first.push_back(ms[1]), further.push_back(ms[2]);
    }
    const double a = measure::median(first), b = measure::median(further);
    table.add({std::string_view(engine) == "ours" ? "Quadlane" : "ONNX Runtime", fixed(measure::median(open), 2),
               fixed(a, 2), fixed(b, 2), fixed(a / b, 2)});
  }
  std::printf("%s\n", table.text().c_str());
}

void print_throughput(const Files& files, double seconds) {
  std::vector<double> few, many;
  for (int round = 0; round < 5; ++round) {
    few.push_back(first_of(measured({.what = "throughput", .streams = 2, .threads = 1, .seconds = seconds}, files)));
    many.push_back(first_of(measured({.what = "throughput", .streams = 14, .threads = 2, .seconds = seconds}, files)));
  }
  tools::Table table({"streams x threads", "images/s", "least", "most"});
  for (const auto* all : {&few, &many}) {
    const measure::Spread s = measure::spread(*all);
    table.add({all == &few ? "2 x 1" : "14 x 2", fixed(s.median, 1), fixed(s.min, 1), fixed(s.max, 1)});
  }
  std::printf("%s14 x 2 against 2 x 1: %s\n\n", table.text().c_str(),
              fixed(measure::median(many) / measure::median(few), 3).c_str());
}

void print_shared(const Files& files) {
  tools::Table table({"processes", "plan pages resident MB", "proportional MB, each"});
  for (int n : {1, 2}) {
    const std::vector<double> mb = measured({.what = "shared", .streams = n}, files);
    table.add({std::to_string(n), fixed(first_of(mb), 2), fixed(mb.size() > 1 ? mb[1] : NAN, 2)});
  }
  std::printf("%s\n", table.text().c_str());
}

Result<Files> make_files(const std::string& model, const std::string& scratch) {
  std::filesystem::create_directories(scratch);
  Files files{scratch + "/appliance.qlp", scratch + "/appliance.onnx"};
  tools::ModelArgs args;
  args.path = model;
  QL_TRY(ModelOptions options, args.options());
  QL_TRY(Graph graph, load_simplified(model, options));
  QL_TRY(Profile profile, tools::random_profile(graph));
  QuantPolicy any;
  any.form = QuantForm::for_any;
  QL_TRY(Graph theirs, quantize(graph, op_table(), profile, any));
  QL_CHECK_OK(save_onnx(theirs, files.qdq));
  QL_TRY(Graph ours, quantize(graph, op_table(), profile, QuantPolicy()));
  QL_TRY(auto bytes, make_plan_file(std::move(ours), options, {.ahead = true}));
  QL_CHECK_OK(tools::write_file(files.plan, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  return files;
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  using namespace quadlane;
  using namespace quadlane::bench;
  CLI::App app("The runtime as an appliance has it, beside ONNX Runtime");
  const NetworkFiles networks = default_network_files();
  std::string model = *networks.fp32("showcase");
  Probe probe;
  Files files;
  app.add_option("--model", model, "an fp32 model");
  app.add_option("--seconds", probe.seconds, "of each measurement of throughput");
  app.add_option("--probe", probe.what)->group("");
  app.add_option("--engine", probe.engine)->group("");
  app.add_option("--streams", probe.streams)->group("");
  app.add_option("--threads", probe.threads)->group("");
  app.add_option("--plan", files.plan)->group("");
  app.add_option("--qdq", files.qdq)->group("");
  CLI11_PARSE(app, argc, argv);
  try {
    if (!probe.what.empty()) return run_probe(probe, files), 0;
    files = or_throw(make_files(model, networks.scratch));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "appliance: %s\n", e.what());
    return 1;
  }
  const measure::CpuTime before = measure::CpuTime::now();
  print_memory(files);
  print_start(files);
  print_throughput(files, probe.seconds);
  print_shared(files);
  std::printf("%s, %d processors; others used %.0f %% of them meanwhile\n", measure::describe_host().cpu.c_str(),
              measure::describe_host().logical, 100 * measure::other_load(before, measure::CpuTime::now()));
}
