// Every call that can fail, failing once, in its turn: the work ends with a result or with one sentence, nothing is
// lost, and what was open is usable afterwards.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include "engine/api/plan_model.h"
#include "engine/base/file.h"
#include "engine/c/quadlane.h"
#include "graph/quant/profile.h"
#include "loader/save.h"
#include "tests/faults/shim.h"
#include "tests/support/small_network.h"

namespace quadlane::testing {
namespace {

namespace fs = std::filesystem;

int open_files() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class Faults : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "quadlane-faults-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    Graph graph = small_network();
    onnx_ = (folder_ / "small.onnx").string(), plan_ = (folder_ / "small.qlp").string();
    ASSERT_TRUE(save_onnx(graph, onnx_).ok());
    ASSERT_TRUE(write_whole_file(plan_, *make_plan_file(std::move(graph), {.tune = false}, {.ahead = true})).ok());
    for (size_t i = 0; i < in_.size(); ++i) in_[i] = static_cast<float>(i % 13) - 6;
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Calls the library; what the test itself does never fails.
  template <class Call>
  static auto library(Call call) {
    const InLibrary here;
    return call();
  }

  // What is wrong, or nothing.
  std::string load_and_run(const std::string& path, int threads, ModelOptions options = {}) {
    options.tune = false;
    const TensorType in{DType::f32, {1, 3, 8, 8}}, out{DType::f32, {1, 2, 4, 4}};
    const View view{&in, in_.data()};
    const MutView to[] = {{&out, out_[0].data()}, {&out, out_[1].data()}};
    // Model and stream end in there, too.
    Status status = library([&]() -> Status {
      QL_TRY(const Model model, Model::load(path, options));
      QL_TRY(run::Stream stream, model.open_stream({.threads = threads}));
      return stream.run({&view, 1}, to);
    });
    return status.ok() ? std::string() : status.error().text();
  }

  std::string run_in_c() {
    ql_plan* opened = nullptr;
    ql_stream* stream = nullptr;
    ql_error error = QL_ERROR_INIT;
    const bool ok = library([&] {
      const bool ran = ql_plan_open(plan_.c_str(), nullptr, &opened, &error) == QL_OK &&
                       ql_stream_open(opened, nullptr, &stream, &error) == QL_OK &&
                       ql_stream_bind_input(stream, 0, in_.data(), sizeof in_, &error) == QL_OK &&
                       ql_stream_bind_output(stream, 0, out_[0].data(), sizeof out_[0], &error) == QL_OK &&
                       ql_stream_bind_output(stream, 1, out_[1].data(), sizeof out_[1], &error) == QL_OK &&
                       ql_stream_run(stream, nullptr, &error) == QL_OK &&
                       ql_stream_submit(stream, nullptr, nullptr, nullptr, &error) == QL_OK &&
                       ql_stream_wait(stream, &error) == QL_OK;
      ql_stream_close(stream);
      ql_plan_close(opened);
      return ran;
    });
    EXPECT_TRUE(ok || error.message[0]) << "an error without a sentence";
    return ok ? "" : error.message;
  }

  // The file is the old one or the new one.
  std::string write_file() {
    const std::string path = (folder_ / "out.onnx").string();
    const Graph graph = small_network();
    Status status = library([&] { return save_onnx(graph, path); });
    return status.ok() ? std::string() : status.error().text();
  }

  std::string write_profile() {
    Profile profile;
    EXPECT_TRUE(profile.observe("x", Tensor::from<float>({1, 2}, std::vector<float>{1, 2})).ok());
    Status status = library([&] { return profile.save((folder_ / "profile").string()); });
    return status.ok() ? std::string() : status.error().text();
  }

  using Work = std::function<std::string()>;

  // Fails the 1st, 2nd, ... call of a kind until the work no longer reaches it.
  void every(Fault kind, const Work& work) {
    out_ = {};
    for (int i = 0; i < 3; ++i) ASSERT_EQ(work(), "") << "undisturbed";
    const auto expected = out_;
    const int files = open_files();
    long points = 0, errors = 0;
    for (long n = 1;; ++n) {
      out_ = {};
      auto once = [&] {  // everything of it is gone when blocks are counted
        arm(kind, n);
        const std::string wrong = work();
        const bool struck = disarm();
        if (struck && !wrong.empty()) ++errors;
        if (wrong.empty()) {
          EXPECT_EQ(out_, expected) << "call " << n << " failed unnoticed";
        }
        EXPECT_EQ(wrong.find('\n'), std::string::npos) << wrong;
        return struck;
      };
      auto disturbed = [&] {
        const long before = live_blocks();
        const bool struck = once();
        return std::pair(struck, live_blocks() - before);
      };
      auto [struck, lost] = disturbed();
      if (!struck) break;
      ++points;
      // Caches grow once; what is lost every time is a leak.
      for (int again = 0; lost > 0 && again < 3; ++again) lost = disturbed().second;
      EXPECT_LE(lost, 0) << "blocks are lost when call " << n << " fails";
    }
    std::cout << points << " calls failed in turn, " << errors << " times the work ended with an error\n";
    EXPECT_GT(points, 0);
    EXPECT_EQ(work(), "") << "afterwards";
    EXPECT_EQ(open_files(), files);
  }

  fs::path folder_;
  std::string onnx_, plan_;
  std::array<float, 3 * 8 * 8> in_{};
  std::array<std::array<float, 2 * 4 * 4>, 2> out_{};
};

class Allocations : public Faults {};

TEST_F(Allocations, OfAModel) {
  every(Fault::allocation, [&] { return load_and_run(onnx_, 1); });
}
TEST_F(Allocations, OfAModelOnTwoThreads) {
  every(Fault::allocation, [&] { return load_and_run(onnx_, 2); });
}
TEST_F(Allocations, OfAPlan) {
  every(Fault::allocation, [&] { return load_and_run(plan_, 1); });
}
TEST_F(Allocations, OfAPlanOnTwoThreads) {
  every(Fault::allocation, [&] { return load_and_run(plan_, 2); });
}
TEST_F(Allocations, OfTheCApi) {
  every(Fault::allocation, [&] { return run_in_c(); });
}
TEST_F(Allocations, OfWriting) {
  every(Fault::allocation, [&] { return write_file(); });
}

TEST_F(Faults, Mappings) {
  every(Fault::mapping, [&] { return load_and_run(onnx_, 1); });
  every(Fault::mapping, [&] { return load_and_run(plan_, 1); });
}
TEST_F(Faults, Protections) {
  struct Private final : CodeListener {  // a dual mapping of a file needs no protection to change
    bool wants_private_pages() const override { return true; }
    Status code_loaded(const std::string&, const void*, std::span<const uint8_t>) override { return {}; }
  };
  ModelOptions options;
  options.code_listeners = {std::make_shared<Private>()};
  every(Fault::protection, [&] { return load_and_run(onnx_, 1, options); });
}
TEST_F(Faults, Files) {
  every(Fault::file, [&] { return load_and_run(onnx_, 1); });
  every(Fault::file, [&] { return load_and_run(plan_, 1); });
  every(Fault::file, [&] { return run_in_c(); });
  every(Fault::file, [&] { return write_file(); });
  every(Fault::file, [&] { return write_profile(); });
}
TEST_F(Faults, Threads) {
  every(Fault::thread, [&] { return run_in_c(); });
}
// oneTBB starts its workers once in a process's life: each n has a process of its own. The caller then works alone.
TEST_F(Faults, WorkersOfOneTbb) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor: there are no workers";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto without_worker = [&](long n) {
    arm(Fault::thread, n);
    const std::string wrong = load_and_run(onnx_, 2);
    const bool struck = disarm();
    const auto disturbed = out_;
    out_ = {};
    const bool works = wrong.empty() && load_and_run(onnx_, 2).empty() && out_ == disturbed;
    std::exit(!works ? 1 : struck ? 0 : 2);
  };
  EXPECT_EXIT(without_worker(1), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace quadlane::testing
