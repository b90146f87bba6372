// Keeps streams busy for a long time: models change, requests are cancelled, plans are closed and opened again, and
// every output must be the golden one. Ends with 1 where an output differs, or where memory, threads or descriptors
// grow.
//
//   soak [--inferences N] [--seconds S] [--streams 14] [--plan FILE.qlp ...]
//
// Without plans: two small int8 networks and one of fp32. Workers meet at a barrier from time to time; what the process
// holds is looked at there, while nothing runs.
#include <dirent.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "engine/api/plan_model.h"
#include "engine/base/sha256.h"
#include "engine/c/quadlane.h"
#include "engine/base/file.h"
#include "tests/support/determinism.h"

namespace {

using Clock = std::chrono::steady_clock;
using quadlane::cat;

struct Args {
  long inferences = 1000000;
  double seconds = 1e9;
  int streams = 14;
  std::vector<std::string> plans;
};

// What the process holds.
struct Held {
  long resident_kb = 0, threads = 0, files = 0;
};
Held held() {
  Held found;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") status >> found.resident_kb;
    if (word == "Threads:") status >> found.threads;
  }
  if (DIR* files = opendir("/proc/self/fd")) {
    while (readdir(files)) ++found.files;
    closedir(files);
  }
  return found;
}

// An open plan with a stream, its buffers, and the hash that its outputs must have.
class Session {
 public:
  explicit Session(const std::string& path) : path_(path) { reopen(); }
  Session(const Session&) = delete;
  ~Session() { close(); }

  void reopen() {
    close();
    check(ql_plan_open(path_.c_str(), nullptr, &plan_, &error_));
    check(ql_stream_open(plan_, nullptr, &stream_, &error_));
    bind(ql_plan_inputs(plan_), inputs_, true);
    bind(ql_plan_outputs(plan_), outputs_, false);
  }
  // Whether it ran to its end; a request that is cancelled may.
  bool run(bool cancel) {
    for (auto& output : outputs_) std::fill(output.begin(), output.end(), '\xa5');
    check(ql_stream_submit(stream_, nullptr, nullptr, nullptr, &error_));
    if (cancel) ql_stream_cancel(stream_);
    const ql_code code = ql_stream_wait(stream_, &error_);
    if (code == QL_CANCELLED) return false;
    check(code);
    return true;
  }
  std::string hash() const {
    std::string all;
    for (const auto& output : outputs_) all += output;
    return quadlane::sha256_hex(all);
  }

 private:
  void check(ql_code code) {
    if (code == QL_OK) return;
    std::fprintf(stderr, "soak: '%s': %s\n", path_.c_str(), error_.message);
    std::exit(1);
  }
  void bind(size_t count, std::vector<std::string>& buffers, bool input) {
    buffers.resize(count);
    for (size_t i = 0; i < count; ++i) {
      ql_tensor_info info = QL_TENSOR_INFO_INIT;
      check((input ? ql_plan_input : ql_plan_output)(plan_, i, &info, &error_));
      buffers[i].resize(info.bytes);
      if (input) {
        std::mt19937 random(static_cast<unsigned>(i) + 1);
        for (size_t at = 0; at + 4 <= info.bytes && info.type == QL_F32; at += 4) {
          const float value = static_cast<float>(random() % 2000) / 500 - 2;
          std::memcpy(buffers[i].data() + at, &value, 4);
        }
        check(ql_stream_bind_input(stream_, i, buffers[i].data(), info.bytes, &error_));
      } else {
        check(ql_stream_bind_output(stream_, i, buffers[i].data(), info.bytes, &error_));
      }
    }
  }
  void close() {
    ql_stream_close(std::exchange(stream_, nullptr));
    ql_plan_close(std::exchange(plan_, nullptr));
  }

  std::string path_;
  ql_plan* plan_ = nullptr;
  ql_stream* stream_ = nullptr;
  std::vector<std::string> inputs_, outputs_;
  ql_error error_ = QL_ERROR_INIT;
};

struct Counts {
  std::atomic<long> inferences{0}, cancelled{0}, reloads{0}, wrong{0};
};

class Soak {
 public:
  Soak(const Args& args, const std::vector<std::string>& plans)
      : args_(args), plans_(plans), meeting_(args.streams, Meet{this}) {
    for (const std::string& path : plans) {
      Session session(path);
      session.run(false);
      golden_.push_back(session.hash());
    }
  }

  bool run() {
    std::vector<std::thread> workers;
    for (int w = 0; w < args_.streams; ++w) workers.emplace_back([this, w] { work(w); });
    for (std::thread& worker : workers) worker.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    std::printf("%ld inferences, %ld cancelled, %ld reloads, %ld wrong, %.0f s, %d streams\n",
                counts_.inferences.load(), counts_.cancelled.load(), counts_.reloads.load(), counts_.wrong.load(),
                seconds, args_.streams);
    std::printf(
        "resident %ld kB after warm-up, %ld kB at the end, at most %ld kB; threads %ld to %ld, descriptors %ld to "
        "%ld\n",
        first_.resident_kb, last_.resident_kb, most_.resident_kb, least_.threads, most_.threads, least_.files,
        most_.files);
    return counts_.wrong == 0 && last_.resident_kb - first_.resident_kb < 1024 && least_.threads == most_.threads &&
           least_.files == most_.files;
  }

 private:
  struct Meet {
    Soak* soak;
    void operator()() noexcept { soak->look(); }
  };

  // All workers wait: nothing runs.
  void look() {
    done_ = counts_.inferences >= args_.inferences ||
            std::chrono::duration<double>(Clock::now() - start_).count() > args_.seconds;
    last_ = held();
    if (++meetings_ < kWarmUp && !done_) return;
    if (meetings_ == kWarmUp || (done_ && meetings_ < kWarmUp)) first_ = least_ = most_ = last_;
    least_ = {std::min(least_.resident_kb, last_.resident_kb), std::min(least_.threads, last_.threads),
              std::min(least_.files, last_.files)};
    most_ = {std::max(most_.resident_kb, last_.resident_kb), std::max(most_.threads, last_.threads),
             std::max(most_.files, last_.files)};
  }

  void work(int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    std::vector<std::unique_ptr<Session>> sessions;  // one of each model, so that changing is a choice, not an opening
    for (const std::string& path : plans_) sessions.push_back(std::make_unique<Session>(path));
    for (auto& session : sessions) session->run(false);  // their threads have started
    while (!done_) {
      for (int i = 0; i < kBetweenMeetings; ++i) {
        const size_t model = random() % sessions.size();
        const unsigned what = random() % 1000;
        if (what < 2) {
          sessions[model]->reopen();
          sessions[model]->run(false);
          ++counts_.reloads;
        }
        if (!sessions[model]->run(what >= 980)) {
          ++counts_.cancelled;
          continue;
        }
        ++counts_.inferences;
        if (sessions[model]->hash() != golden_[model]) ++counts_.wrong;
      }
      meeting_.arrive_and_wait();
    }
  }

  static constexpr int kWarmUp = 5, kBetweenMeetings = 200;
  const Args& args_;
  const std::vector<std::string>& plans_;
  std::vector<std::string> golden_;
  Clock::time_point start_ = Clock::now();
  Counts counts_;
  std::atomic<bool> done_{false};
  int meetings_ = 0;
  Held first_, last_, least_, most_;
  std::barrier<Meet> meeting_;
};

std::string write_plan(const std::filesystem::path& folder, const quadlane::testing::DeterminismCase& network) {
  const std::string path = (folder / (network.name + ".qlp")).string();
  auto bytes = quadlane::make_plan_file(network.one, {.tune = false}, {.ahead = true});
  if (!bytes.ok() || !quadlane::write_whole_file(path, *bytes).ok()) {
    std::fprintf(stderr, "soak: '%s' cannot be made\n", path.c_str());
    std::exit(1);
  }
  return path;
}

}  // namespace

int main(int argc, char** argv) {
  using quadlane::testing::random_case;
  Args args;
  CLI::App app("Keeps streams busy for a long time and looks at what the process holds");
  app.add_option("--inferences", args.inferences, "how many, if time suffices")->capture_default_str();
  app.add_option("--seconds", args.seconds, "no longer than this");
  app.add_option("--streams", args.streams)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--plan", args.plans, "plan files to run in turn")->take_all();
  CLI11_PARSE(app, argc, argv);
  std::string folder = (std::filesystem::temp_directory_path() / "quadlane-soak-XXXXXX").string();
  if (!mkdtemp(folder.data())) return std::perror("soak"), 1;
  if (args.plans.empty())
    for (const auto& network : {random_case(1, false, true), random_case(2, true, true), random_case(3, true, false)})
      args.plans.push_back(write_plan(folder, network));
  const bool steady = Soak(args, args.plans).run();
  std::filesystem::remove_all(folder);
  return steady ? 0 : 1;
}
