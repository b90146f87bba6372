// Memory of a process that runs a plan: weights, planned arenas, and at most 8 MB.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "engine/c/quadlane.h"
#include "tests/c/small_plan.h"

namespace quadlane {
namespace {

// 16 MB of activations, twice at a time.
Graph wide_graph() {
  return *parse_graph(R"(
graph "wide"
input %x: f32[1,16,256,256]
const %w: f32[64,16,3,3] = random(1)
const %w2: f32[64,64,3,3] = random(2)
%y = Conv(%x, %w, _) pads=[1,1,1,1]
%z = Conv(%y, %w2, _) pads=[1,1,1,1]
%p = GlobalAveragePool(%z)
output %p
)",
                      op_table());
}

long kilobytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0) return std::stol(line.substr(field.size() + 1));
  return -1;
}

// What this process took at most, in bytes, beyond what it had.
long peak_of_running(const std::string& path, int streams, int threads, std::vector<float>& in,
                     std::vector<float>& out) {
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak is what it is now
  const long before = kilobytes("VmRSS");
  ql_plan* plan = nullptr;
  if (ql_plan_open(path.c_str(), nullptr, &plan, nullptr)) return -1;
  ql_stream_options options = QL_STREAM_OPTIONS_INIT;
  options.threads = threads;
  std::vector<ql_stream*> open(static_cast<size_t>(streams));
  for (ql_stream*& stream : open) {
    if (ql_stream_open(plan, &options, &stream, nullptr)) return -1;
    ql_stream_bind_input(stream, 0, in.data(), in.size() * 4, nullptr);
    ql_stream_bind_output(stream, 0, out.data(), out.size() * 4, nullptr);
    for (int i = 0; i < 3; ++i)
      if (ql_stream_run(stream, nullptr, nullptr)) return -1;
  }
  return (kilobytes("VmHWM") - before) * 1024;
}

TEST(Memory, TakesWeightsArenasAndLittleMore) {
  if (std::string(QUADLANE_BUILD_TYPE) != "Release") GTEST_SKIP() << "release builds only: a sanitizer takes its own";
  PlanFileOptions ahead;
  ahead.ahead = true;
  const testing::SmallPlan scratch;
  const std::string path = scratch.file("wide.qlp");
  const std::vector<std::byte> bytes = *make_plan_file(wide_graph(), {.tune = false}, ahead);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  ql_memory promised = QL_MEMORY_INIT;
  ASSERT_EQ(ql_query_memory(path.c_str(), nullptr, &promised, nullptr), QL_OK);
  EXPECT_GT(promised.stream_bytes, 16u << 20);
  std::vector<float> in(16 * 256 * 256, 0.5f), out(64);
  for (auto [streams, threads] : {std::pair(1, 1), {1, 2}, {3, 1}}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      const long peak = peak_of_running(path, streams, threads, in, out);
      if (write(ends[1], &peak, sizeof peak) < 0) _exit(1);
      _exit(0);
    }
    long peak = -1;
    ASSERT_EQ(read(ends[0], &peak, sizeof peak), static_cast<ssize_t>(sizeof peak));
    waitpid(child, nullptr, 0);
    close(ends[0]), close(ends[1]);
    const long planned = static_cast<long>(promised.weight_bytes) + streams * static_cast<long>(promised.stream_bytes);
    std::printf("%d streams of %d threads: %.1f MB at most, %.1f planned\n", streams, threads, peak * 1e-6,
                planned * 1e-6);
    EXPECT_GT(peak, planned / 2) << "the arenas were used";
    EXPECT_LE(peak, planned + 8'000'000);
  }
}

}  // namespace
}  // namespace quadlane
