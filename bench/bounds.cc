// Does the bound that `quadlane profile` names agree with what changes when that resource is made scarcer or more
// plentiful?
//
//   bounds MODEL.onnx,INPUT=1x3x416x416 ... [--seed N] [--draw N] [--all] [--seconds S] [--least US]
//
// Every network is profiled in int8 on one thread. Then its kernels are built anew with company (tools/code/crowd.h):
// beside each dot another, beside each load and store another, beside each instruction another, dead ones all, so that
// the same work takes twice as much of one resource; and these networks run in turns with the one as it is, on the same
// memory. Data are brought nearer by cutting a step into parts that fit half of L1, and by pictures of few rows whose
// steps run twice. r is the factor of a step's time, per byte where the picture is smaller. A name agrees if at least
// half of the change arrives, in logarithms:
//   dots, L1, instructions   with twice as much of it r >= sqrt(2)
//   L2                       in parts that fit L1: r <= sqrt(s), s what remains of the time without the estimate
//   L3, memory               with few rows: r <= sqrt(s), s what remains without the waiting; and r < sqrt(2) with
//   twice
//                            as many dots and with twice as many instructions
//   mixed                    the core's own work and waiting: from the data at hand to twice as much of all r >=
//   sqrt(2)
// Steps are drawn by chance, bounds in turn, among those of at least --least us whose time two halves of the
// measurement put less than a tenth apart, and whose kernels leave a vector register for the company.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "tools/cli/model_args.h"
#include "tools/cli/precision.h"
#include "tools/code/crowd.h"
#include "tools/measure/statistics.h"
#include "tools/profile/network_profile.h"
#include "tools/profile/step_bench.h"

namespace quadlane::bench {
namespace {

using measure::median;
using tools::Crowd;

constexpr Crowd kCrowds[] = {Crowd::dots, Crowd::accesses, Crowd::instructions, Crowd::everything};
constexpr size_t kCrowded = std::size(kCrowds);
constexpr const char* kBounds[] = {"mixed", "L3", "memory", "L2", "L1", "instructions", "dots"};
constexpr int64_t kFewRows[] = {32, 96};  // the fewer, the nearer the data, but the more a call itself counts

struct Args {
  std::vector<std::string> networks;
  unsigned seed = 1;
  size_t draw = 10;
  bool all = false;
  double seconds = 2, least_us = 3;
};

// Factors of a step's time under each change; none where it could not be made.
struct Changes {
  std::optional<double> crowd[kCrowded], in_l1, few_rows;
};

struct Step {
  std::string network, name, op, kernel, bound;
  double ms = 0, share = 0, waiting = 0, noise = 0;
  tools::Limits limits;
  Changes r;

  // The factor that the experiment with its bound should show, the one that it did, and whether that is half of it.
  struct Outcome {
    const char* experiment;
    double wanted = 1;
    std::optional<double> found;
    bool agrees = false;
  };
  Outcome outcome() const;
};

Step::Outcome Step::outcome() const {
  const double half = std::sqrt(2.0);
  auto scarcer = [&](const char* experiment, const std::optional<double>& found) {
    return Outcome{experiment, 2, found, found && *found >= half};
  };
  auto nearer = [&](const char* experiment, double wanted, const std::optional<double>& found) {
    return Outcome{experiment, wanted, found, found && *found <= std::sqrt(std::max(0.0, wanted))};
  };
  if (bound == "dots") return scarcer("twice the dots", r.crowd[0]);
  if (bound == "L1") return scarcer("twice the loads and stores", r.crowd[1]);
  if (bound == "instructions") return scarcer("twice the instructions", r.crowd[2]);
  if (bound == "L2") return nearer("in L1", 1 - std::min(1.0, share / (1 - waiting)), r.in_l1);
  if (bound == "mixed") {
    std::optional<double> between = r.crowd[3];
    if (between) *between /= std::min(1.0, r.few_rows.value_or(1));
    return scarcer("few rows to twice of all", between);
  }
  Outcome outcome = nearer("few rows", 1 - waiting, r.few_rows);
  outcome.agrees = outcome.agrees && std::max(r.crowd[0].value_or(0), r.crowd[2].value_or(0)) < half;
  return outcome;
}

// A network of the command line.
struct Network {
  std::string path, input;
  Shape shape;

  static Result<Network> parse(const std::string& text) {
    const size_t comma = text.find(','), equals = text.find('=', comma);
    if (comma == std::string::npos || equals == std::string::npos)
      return invalid_argument("'", text, "' is not MODEL.onnx,INPUT=1x3x224x224");
    QL_TRY(Shape shape, tools::parse_shape(text.substr(equals + 1)));
    if (shape.size() != 4) return invalid_argument("'", text, "': the input is no batch of pictures");
    return Network{text.substr(0, comma), text.substr(comma + 1, equals - comma - 1), shape};
  }
  std::string name() const {
    const size_t slash = path.rfind('/') + 1;
    return path.substr(slash, path.rfind('.') - slash);
  }
  Result<Graph> graph(const Shape& shape_of_input) const {
    tools::ModelArgs args;
    args.path = path;
    std::string text;
    for (int64_t extent : shape_of_input) text += cat(text.empty() ? "" : "x", extent);
    args.shapes = {cat(input, "=", text)};
    tools::PrecisionArgs precision;
    precision.precision = "int8";
    QL_TRY(tools::LoadedGraph loaded, tools::load_graph(args, precision));
    return std::move(loaded.graph);
  }
};

// Models of one network under changes, and the steps' times in all of them.
class Experiment {
 public:
  static Result<Experiment> make(const Network& network) {
    Experiment e;
    e.network_ = network;
    e.options_.schedules = std::make_shared<compile::ScheduleBook>();
    QL_TRY(Graph graph, network.graph(network.shape));
    QL_TRY(Model base, Model::from_graph(graph, e.options_));
    e.models_.push_back(std::move(base));
    for (size_t c = 0; c < kCrowded; ++c) {
      ModelOptions options = e.options_;
      options.code_filter = [kind = kCrowds[c], &alone = e.alone_[c]](MachineCode& code) {
        if (auto changed = tools::crowded(code, kind))
          code = std::move(*changed);
        else
          alone.insert(code.name);
      };
      QL_TRY(Model model, Model::from_graph(graph, options));
      e.models_.push_back(std::move(model));
    }
    for (int64_t rows : kFewRows) {
      Shape few = network.shape;
      few[2] = std::min(few[2], rows);
      auto small = network.graph(few);
      if (!small.ok()) continue;  // some networks only take pictures of one size
      if (auto model = Model::from_graph(std::move(*small), e.options_); model.ok())
        e.models_.push_back(std::move(*model));
    }
    return e;
  }

  Result<std::vector<Step>> run(double seconds) {
    QL_TRY(run::Stream unused, models_[0].open_stream());
    tools::Workload workload{models_[0], {}, {}, 1, true};
    QL_TRY(const tools::NetworkProfile profile, tools::profile_network(workload, seconds));
    QL_CHECK_OK(time(seconds));
    std::vector<Step> steps;
    for (size_t s = 0; s < profile.layers.size(); ++s) {
      const tools::LayerProfile& l = profile.layers[s];
      if (l.info->reference || l.info->kernels.empty()) continue;
      steps.push_back({network_.name(), l.info->name, l.info->op, l.info->kernel, l.bound.name, l.ms.median,
                       l.bound_share(), l.waiting, noise(s), l.limits, changes(s, *l.info)});
    }
    return steps;
  }

 private:
  using Times = std::vector<std::vector<double>>;  // [step][round], milliseconds

  Status time(double seconds) {
    using Clock = std::chrono::steady_clock;
    std::vector<tools::StepBench> benches;
    QL_TRY(tools::StepBench first, tools::StepBench::make(models_[0].plan()));
    for (size_t m = 0; m <= kCrowded; ++m) benches.push_back(first.with(models_[m].plan()));
    for (size_t m = kCrowded + 1; m < models_.size(); ++m) {
      QL_TRY(tools::StepBench small, tools::StepBench::make(models_[m].plan()));
      benches.push_back(std::move(small));
    }
    for (const Model& model : models_) times_.emplace_back(model.plan().steps.size());
    const auto start = Clock::now();
    const CpuInfo cpu = detect_cpu();
    in_l1_.resize(times_[0].size());
    in_l2_.resize(times_[0].size());
    for (int round = 0; round < 6 || std::chrono::duration<double>(Clock::now() - start).count() < seconds; ++round) {
      for (size_t m = 0; m <= kCrowded; ++m) {
        benches[m].run_all();
        for (size_t s = 0; s < times_[m].size(); ++s) times_[m][s].push_back(benches[m].run(s));
      }
      for (size_t m = kCrowded + 1; m < models_.size(); ++m)
        for (size_t s = 0; s < times_[m].size(); ++s) times_[m][s].push_back(benches[m].run_near(s, 1));
      for (size_t s = 0; s < in_l1_.size(); ++s) {
        const run::StepInfo& info = models_[0].plan().steps[s]->info;
        auto parts = [&](uint32_t cache) {
          return static_cast<int>(2 * (info.bytes_read + info.bytes_written) / cache) + 1;
        };
        in_l1_[s].push_back(benches[0].run_near(s, parts(cpu.l1d_bytes)));
        in_l2_[s].push_back(benches[0].run_near(s, parts(cpu.l2_bytes)));
      }
    }
    return {};
  }

  double noise(size_t s) const {
    const std::vector<double>& all = times_[0][s];
    const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    return std::abs(median({all.begin(), middle}) / median({middle, all.end()}) - 1);
  }

  Changes changes(size_t s, const run::StepInfo& info) const {
    Changes r;
    const double base = median(times_[0][s]);
    for (size_t c = 0; c < kCrowded; ++c) {
      bool all = true;
      for (uint32_t k : info.kernels) all = all && !alone_[c].count(models_[0].plan().kernels[k].name);
      if (all) r.crowd[c] = median(times_[c + 1][s]) / base;
    }
    r.in_l1 = median(in_l1_[s]) / median(in_l2_[s]);
    r.few_rows = few_rows(s, info);
    return r;
  }

  // The least per byte of either picture, and of what the larger one's further rows take, without a call's own cost.
  std::optional<double> few_rows(size_t s, const run::StepInfo& info) const {
    std::optional<double> least;
    auto look_at = [&](double ms, double bytes) {
      if (ms <= 0 || bytes <= 0) return;
      const double r = ms / bytes / median(times_[0][s]) * static_cast<double>(info.bytes_read + info.bytes_written);
      least = std::min(r, least.value_or(r));
    };
    double ms = 0, bytes = 0;
    for (size_t m = kCrowded + 1; m < models_.size(); ++m) {
      const auto [small_ms, small_bytes] = of_small(m, info);
      look_at(small_ms, small_bytes);
      if (bytes > 0 && small_bytes > 1.5 * bytes) look_at(small_ms - ms, small_bytes - bytes);
      ms = small_ms, bytes = small_bytes;
    }
    return least;
  }

  // Milliseconds and bytes of the same step in a small picture; 0 where there is none.
  std::pair<double, double> of_small(size_t model, const run::StepInfo& info) const {
    const auto& steps = models_[model].plan().steps;
    for (size_t i = 0; i < steps.size(); ++i) {
      const run::StepInfo& small = steps[i]->info;
      if (small.name == info.name && small.op == info.op)
        return {median(times_[model][i]), static_cast<double>(small.bytes_read + small.bytes_written)};
    }
    return {0, 0};
  }

  Network network_;
  ModelOptions options_;
  std::vector<Model> models_;              // as it is, four with company, two with few rows
  std::set<std::string> alone_[kCrowded];  // kernels that take no company
  std::vector<Times> times_;               // of each model
  Times in_l1_, in_l2_;                    // of the first, data at hand
};

std::string factor(const std::optional<double>& r) {
  char text[16];
  if (r) std::snprintf(text, sizeof text, "%.2f", *r);
  return r ? text : "";
}

const char* verdict(const Step::Outcome& o) { return o.agrees ? "agrees" : "disagrees"; }

void print_drawn(const std::vector<Step>& steps) {
  std::printf("| kernel | us | bound, %% of the time | experiment | s | r | |\n|---|---|---|---|---|---|---|\n");
  for (const Step& s : steps) {
    const Step::Outcome o = s.outcome();
    std::printf("| %s `%s`, %s | %.1f | %s %.0f | %s | %.2f | %.2f | %s |\n", s.op.c_str(), s.name.c_str(),
                s.network.c_str(), 1e3 * s.ms, s.bound.c_str(), 100 * s.share, o.experiment, o.wanted, *o.found,
                verdict(o));
  }
}

// With all that was measured.
void print_all(const std::vector<Step>& steps) {
  std::printf(
      "| kernel | us | bound | waits %% | estimates %%: dots | instructions | L1 | L2 | r: dots | accesses | "
      "instructions | all | in L1 | few rows | |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Step& s : steps) {
    const tools::Limits& l = s.limits;
    std::printf("| %s `%s`, %s | %.1f | %s | %.0f", s.op.c_str(), s.name.c_str(), s.network.c_str(), 1e3 * s.ms,
                s.bound.c_str(), 100 * s.waiting);
    for (double estimate : {l.dots, l.instructions, l.l1, l.l2}) std::printf(" | %.0f", 100 * estimate / s.ms);
    for (const auto& r : {s.r.crowd[0], s.r.crowd[1], s.r.crowd[2], s.r.crowd[3], s.r.in_l1, s.r.few_rows})
      std::printf(" | %s", factor(r).c_str());
    std::printf(" | %s |\n", verdict(s.outcome()));
  }
  std::printf("\n");
}

std::vector<Step> drawn(std::vector<Step> steps, const Args& args) {
  std::shuffle(steps.begin(), steps.end(), std::mt19937(args.seed));
  std::map<std::string, std::vector<Step>> left;
  for (Step& s : steps) left[s.bound].push_back(std::move(s));
  std::vector<Step> chosen;
  for (bool some = true; some && chosen.size() < args.draw;) {
    some = false;
    for (const char* bound : kBounds) {
      std::vector<Step>& of = left[bound];
      if (of.empty() || chosen.size() == args.draw) continue;
      chosen.push_back(std::move(of.back()));
      of.pop_back();
      some = true;
    }
  }
  return chosen;
}

Status run_all(const Args& args) {
  std::vector<Step> steps;
  for (const std::string& text : args.networks) {
    QL_TRY(Network network, Network::parse(text));
    QL_TRY(Experiment experiment, Experiment::make(network));
    QL_TRY(std::vector<Step> more, experiment.run(args.seconds));
    for (Step& s : more)
      if (1e3 * s.ms >= args.least_us && s.noise < 0.1 && s.outcome().found) steps.push_back(std::move(s));
  }
  if (args.all) print_all(steps);
  print_drawn(drawn(steps, args));
  for (const char* bound : kBounds) {
    int agree = 0, all = 0;
    for (const Step& s : steps)
      if (s.bound == bound) ++all, agree += s.outcome().agrees;
    std::printf("%s: %d of %d agree\n", bound, agree, all);
  }
  return {};
}

}  // namespace
}  // namespace quadlane::bench

int main(int argc, char** argv) {
  quadlane::bench::Args args;
  CLI::App app("Tries the bounds that a profile names.", "bounds");
  app.add_option("NETWORK", args.networks, "MODEL.onnx,INPUT=1x3x224x224; several")->required();
  app.add_option("--seed", args.seed, "of the draw");
  app.add_option("--draw", args.draw, "steps in the table");
  app.add_flag("--all", args.all, "every step in the table");
  app.add_option("--seconds", args.seconds, "for each of the two measurements of a network");
  app.add_option("--least", args.least_us, "leave out steps of fewer us");
  CLI11_PARSE(app, argc, argv);
  const quadlane::Status done = quadlane::bench::run_all(args);
  if (!done.ok()) std::fprintf(stderr, "bounds: %s\n", done.error().text().c_str());
  return done.ok() ? 0 : 1;
}
