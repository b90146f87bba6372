#include "bench/scale.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "tools/cli/table.h"
#include "tools/compare/comparison.h"
#include "tools/io/file.h"
#include "tools/measure/statistics.h"

namespace quadlane::bench {
namespace {

using tools::fixed;

// Statistics of the network at its own size serve at every other: calibrating large images anew would take minutes.
class Statistics {
 public:
  static Result<Statistics> make(const Graph& graph) {
    std::string folder = (std::filesystem::temp_directory_path() / "quadlane-scale-XXXXXX").string();
    if (!mkdtemp(folder.data())) return make_error(Code::io, "cannot make a folder like '", folder, "'");
    Statistics statistics;
    statistics.folder_ = std::shared_ptr<const std::string>(new std::string(folder), [](const std::string* path) {
      std::error_code ignored;
      std::filesystem::remove_all(*path, ignored);
      delete path;
    });
    QL_TRY(Profile profile, tools::random_profile(graph));
    QL_CHECK_OK(tools::write_file(statistics.path(), profile.to_text()));
    return statistics;
  }
  std::string path() const { return *folder_ + "/statistics.txt"; }

 private:
  std::shared_ptr<const std::string> folder_;
};

struct Point {
  double ours_ms = NAN, ort_ms = NAN;
  double megabytes = 0, ort_megabytes = NAN;
};

// Medians of runs in turn, one stream.
Result<Point> measure_point(const tools::WorkloadArgs& args, const peers::Ort* ort, double seconds) {
  QL_TRY(tools::Workload workload, tools::prepare(args));
  tools::Comparison comparison;
  QL_TRY(tools::Contender ours, tools::our_contender(workload, 0, 0));
  comparison.engines.push_back(std::move(ours));
  if (ort) {
    QL_TRY(tools::Contender theirs, tools::ort_contender(*ort, args, workload));
    comparison.engines.push_back(std::move(theirs));
  }
  QL_CHECK_OK(tools::run_in_turn(comparison, seconds));
  Point point;
  point.ours_ms = measure::median(comparison.engines[0].ms);
  const run::Plan& plan = workload.model.plan();
  point.megabytes = static_cast<double>(plan.arena_bytes + plan.weights.size()) * 1e-6;
  if (ort) {
    point.ort_ms = measure::median(comparison.engines[1].ms);
    point.ort_megabytes = static_cast<double>(comparison.engines[1].memory_bytes) * 1e-6;
  }
  return point;
}

std::vector<std::string> cells(const std::string& label, const Result<Point>& p, double images) {
  if (!p.ok()) return {label, p.error().text()};
  return {label,
          fixed(p->ours_ms, 2),
          fixed(p->ours_ms / images, 2),
          fixed(p->megabytes, 1),
          fixed(p->ort_ms, 2),
          fixed(p->ort_megabytes, 1),
          fixed(p->ort_ms / p->ours_ms, 2)};
}

// Requests a second of several callers at once.
double requests_per_s(std::vector<tools::Contender>& callers, double seconds) {
  using Clock = std::chrono::steady_clock;
  std::atomic<int> done{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (tools::Contender& caller : callers)
    threads.emplace_back([&] {
      while (!stop)
        if (caller.run().ok()) ++done;
    });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& t : threads) t.join();
  return done / std::chrono::duration<double>(Clock::now() - start).count();
}

Result<std::vector<std::string>> stream_cells(const tools::WorkloadArgs& args, int streams, const peers::Ort* ort,
                                              double seconds) {
  QL_TRY(tools::Workload workload, tools::prepare(args));
  std::vector<tools::Contender> ours, theirs;
  for (int i = 0; i < streams; ++i) {
    QL_TRY(tools::Contender a, tools::our_contender(workload, 0, 0));
    ours.push_back(std::move(a));
    if (!ort) continue;
    QL_TRY(tools::Contender b, tools::ort_contender(*ort, args, workload));
    theirs.push_back(std::move(b));
  }
  std::vector<double> our_rates, their_rates;
  for (int round = 0; round < 3; ++round) {
    our_rates.push_back(requests_per_s(ours, seconds));
    if (ort) their_rates.push_back(requests_per_s(theirs, seconds));
  }
  const double rate = measure::median(our_rates), peer = measure::median(their_rates);
  return std::vector<std::string>{cat(streams, " x ", args.threads), fixed(rate, 2), fixed(peer, 2),
                                  fixed(rate / peer, 2)};
}

void show(const tools::Table& table) {
  std::printf("%s\n", table.text().c_str());
  std::fflush(stdout);
}

}  // namespace

Status print_scale(const std::string& path, const peers::Ort* ort, bool quick) {
  const double seconds = quick ? 0.05 : 0.6;
  QL_TRY(Graph graph, load_simplified(path));
  const std::string input = graph.at(graph.inputs()[0]).name;
  QL_TRY(Statistics statistics, Statistics::make(graph));
  tools::WorkloadArgs base;  // what varies is set for each point
  base.model.path = path;
  base.precision.precision = "int8";
  base.precision.calib = {statistics.path()};
  std::printf("%s, int8, %s\n\n", path.c_str(), detect_cpu().name.c_str());
  const std::vector<std::string> head = {"ms", "ms an image", "MB", "ORT ms", "ORT MB", "x ORT"};
  auto with_head = [&](const char* first) {
    std::vector<std::string> all = {first};
    all.insert(all.end(), head.begin(), head.end());
    return tools::Table(all);
  };

  tools::Table sizes = with_head("image, one thread");
  for (int size : quick ? std::vector<int>{96, 128} : std::vector<int>{96, 128, 192, 256, 384, 512, 768, 1024}) {
    tools::WorkloadArgs args = base;
    args.model.shapes = {cat(input, "=1x1x", size, "x", size)};
    sizes.add(cells(cat(size, "x", size), measure_point(args, ort, seconds), 1));
  }
  show(sizes);

  tools::Table batches = with_head("batch of 96x96, one thread");
  for (int batch : quick ? std::vector<int>{1, 2} : std::vector<int>{1, 2, 4, 8, 16, 32, 64}) {
    tools::WorkloadArgs args = base;
    args.model.shapes = {cat(input, "=", batch, "x1x96x96")};
    batches.add(cells(cat(batch), measure_point(args, ort, seconds), batch));
  }
  show(batches);

  tools::Table streams({"streams x threads", "images/s", "ORT images/s", "x ORT"});
  for (const auto& [s, t] :
       quick ? std::vector<std::pair<int, int>>{{1, 1}, {2, 1}}
             : std::vector<std::pair<int, int>>{
                   {1, 1}, {2, 1}, {4, 1}, {8, 1}, {14, 1}, {1, 2}, {1, 4}, {1, 8}, {1, 14}, {2, 2}}) {
    tools::WorkloadArgs args = base;
    args.threads = cat(t);
    auto row = stream_cells(args, s, ort, seconds);
    streams.add(row.ok() ? *row : std::vector<std::string>{cat(s, " x ", t), row.error().text()});
  }
  show(streams);
  return {};
}

}  // namespace quadlane::bench
