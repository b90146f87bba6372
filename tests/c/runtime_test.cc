// The C API, as the shared library exports it.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "engine/c/quadlane.h"
#include "engine/run/plan_signature.h"
#include "tests/c/small_plan.h"
#include "tests/support/allocations.h"
#include "tests/support/plan_bytes.h"

namespace quadlane {
namespace {

struct Session {
  ql_plan* plan = nullptr;
  ql_stream* stream = nullptr;
  std::vector<float> in = std::vector<float>(3 * 16 * 16), out = std::vector<float>(4 * 8 * 8);
  ql_error error = QL_ERROR_INIT;

  explicit Session(const std::string& path, const ql_stream_options* options = nullptr,
                   const ql_plan_options* plan_options = nullptr) {
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 13) - 6.0f;
    if (ql_plan_open(path.c_str(), plan_options, &plan, &error)) return;
    if (ql_stream_open(plan, options, &stream, &error)) return;
    ql_stream_bind_input(stream, 0, in.data(), in.size() * 4, &error);
    ql_stream_bind_output(stream, 0, out.data(), out.size() * 4, &error);
  }
  ~Session() {
    ql_stream_close(stream);
    ql_plan_close(plan);
  }
  ql_code run(const ql_run_options* options = nullptr) { return ql_stream_run(stream, options, &error); }
};

// What the engine's own code computes; found out before anything may forbid it to become executable.
std::vector<float> engine_result() {
  Session reference(testing::SmallPlan().path);
  auto model = Model::from_graph(testing::small_graph(), {.tune = false});
  auto stream = model->open_stream();
  const TensorType in{DType::f32, {1, 3, 16, 16}}, out{DType::f32, {1, 4, 8, 8}};
  std::vector<float> result(4 * 8 * 8);
  View view{&in, reference.in.data()};
  MutView to{&out, result.data()};
  EXPECT_TRUE(stream->run({&view, 1}, {&to, 1}).ok());
  return result;
}
const std::vector<float>& expected() {
  static const std::vector<float> result = engine_result();
  return result;
}
constexpr Ed25519Key kSeed{7};
struct ExpectedFirst final : ::testing::Environment {
  void SetUp() override {
    (void)expected();
    testing::small_plan_bytes(false, {});
    testing::small_plan_bytes(true, kSeed);
  }
};
const auto* const kExpectedFirst = ::testing::AddGlobalTestEnvironment(new ExpectedFirst);

TEST(Runtime, RunsWhatTheEngineCompiled) {
  const testing::SmallPlan file;
  Session s(file.path);
  ASSERT_EQ(s.error.code, QL_OK) << s.error.message;
  ql_tensor_info info = QL_TENSOR_INFO_INIT;
  ASSERT_EQ(ql_plan_input(s.plan, 0, &info, nullptr), QL_OK);
  EXPECT_STREQ(info.name, "x");
  EXPECT_EQ(info.rank, 4);
  EXPECT_EQ(info.bytes, s.in.size() * 4);
  ASSERT_EQ(s.run(), QL_OK) << s.error.message;
  EXPECT_EQ(s.out, expected());
  ql_memory memory = QL_MEMORY_INIT;
  ASSERT_EQ(ql_query_memory(file.path.c_str(), nullptr, &memory, nullptr), QL_OK);
  EXPECT_GT(memory.stream_bytes, 0u);
}

TEST(Runtime, WithoutCodeTheReferenceRunsAndIsTold) {
  if (!QUADLANE_REFERENCES) GTEST_SKIP() << "built without references";
  const testing::SmallPlan file(false);
  std::string told;
  ql_plan_options options = QL_PLAN_OPTIONS_INIT;
  options.log = [](void* user, const char* line) { *static_cast<std::string*>(user) += line; };
  options.log_user = &told;
  Session s(file.path, nullptr, &options);
  ASSERT_EQ(s.error.code, QL_OK) << s.error.message;
  EXPECT_EQ(std::string(ql_plan_isa(s.plan)), "reference");
  EXPECT_NE(std::string(ql_plan_way(s.plan)).find("without code"), std::string::npos);
  EXPECT_NE(told.find("reference path"), std::string::npos) << told;
  ASSERT_EQ(s.run(), QL_OK);
  const std::vector<float> want = expected();
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(s.out[i], want[i], 1e-4);
  options.refuse_reference = 1;
  EXPECT_EQ(Session(file.path, nullptr, &options).error.code, QL_UNSUPPORTED);
}

TEST(Runtime, ErrorsHaveCodesAndSentences) {
  const testing::SmallPlan file;
  EXPECT_EQ(Session("/nonexistent.qlp").error.code, QL_IO);
  EXPECT_EQ(ql_plan_open(nullptr, nullptr, nullptr, nullptr), QL_INVALID_ARGUMENT);
  Session s(file.path);
  EXPECT_EQ(ql_stream_bind_input(s.stream, 0, s.in.data(), 12, &s.error), QL_INVALID_ARGUMENT);
  EXPECT_STREQ(s.error.message, "12 bytes are given for 'x', expected 3072");
  EXPECT_EQ(ql_stream_bind_input(s.stream, 3, s.in.data(), 12, &s.error), QL_INVALID_ARGUMENT);
  ql_stream* unbound = nullptr;
  ASSERT_EQ(ql_stream_open(s.plan, nullptr, &unbound, nullptr), QL_OK);
  EXPECT_EQ(ql_stream_run(unbound, nullptr, &s.error), QL_INVALID_ARGUMENT);
  EXPECT_STREQ(s.error.message, "nothing is bound to input 'x'");
  ql_stream_close(unbound);
  const char* other = "0000000000000000000000000000000000000000000000000000000000000000";
  ql_plan_options options = QL_PLAN_OPTIONS_INIT;
  options.allowed_sha256 = &other, options.allowed_count = 1;
  EXPECT_EQ(Session(file.path, nullptr, &options).error.code, QL_INVALID_ARGUMENT);
  options = QL_PLAN_OPTIONS_INIT;
  options.max_file_bytes = 100;
  EXPECT_NE(strstr(Session(file.path, nullptr, &options).error.message, " bytes, the limit is 100"), nullptr);
  options.max_file_bytes = 0, options.max_arena_bytes = 64;
  EXPECT_NE(strstr(Session(file.path, nullptr, &options).error.message, " bytes at once, the limit is 64"), nullptr);
  options.size = offsetof(ql_plan_options, max_file_bytes);  // of a program that was built before there were limits
  EXPECT_EQ(Session(file.path, nullptr, &options).error.code, QL_OK);
  const testing::SmallPlan vouched_for(true, kSeed);
  const std::string key = run::key_hex(ed25519_public_key(kSeed));
  for (const char* trusted : {key.c_str(), other, "abc"}) {
    options = QL_PLAN_OPTIONS_INIT;
    options.trusted_keys = &trusted, options.trusted_count = 1;
    EXPECT_EQ(Session(vouched_for.path, nullptr, &options).error.code, trusted == key ? QL_OK : QL_INVALID_ARGUMENT);
    EXPECT_EQ(Session(file.path, nullptr, &options).error.code, QL_INVALID_ARGUMENT) << "not signed";
  }
}

TEST(Runtime, TheSelfTestRefusesOtherOutputs) {
  const testing::SmallPlan file, other;
  const std::vector<std::byte>& bytes = testing::small_plan_bytes(true, {});
  const std::vector<std::byte> changed =
      testing::with_other_golden_outputs(bytes, run::PlanFile::open(file.path)->sections());
  std::ofstream(other.path, std::ios::binary)
      .write(reinterpret_cast<const char*>(changed.data()), static_cast<std::streamsize>(changed.size()));
  ql_plan_options options = QL_PLAN_OPTIONS_INIT;
  EXPECT_EQ(Session(other.path, nullptr, &options).error.code, QL_OK) << "nobody asked";
  options.self_test = 1;
  Session right(file.path, nullptr, &options), wrong(other.path, nullptr, &options);
  EXPECT_EQ(right.error.code, QL_OK) << right.error.message;
  EXPECT_NE(wrong.error.code, QL_OK);
  EXPECT_NE(std::string(wrong.error.message).find("the self-test failed"), std::string::npos) << wrong.error.message;
}

TEST(Runtime, TimeoutAndCancelLeaveTheStreamUsable) {
  const testing::SmallPlan file;
  Session s(file.path);
  ql_run_options now = QL_RUN_OPTIONS_INIT;
  now.timeout_seconds = 1e-9;
  EXPECT_EQ(s.run(&now), QL_TIMED_OUT);
  EXPECT_EQ(s.run(), QL_OK);
  // Cancelled by its own executor, in the middle of a run.
  struct Canceller {
    ql_stream* stream = nullptr;
    bool cancel = false;
  } canceller;
  const ql_executor executor{[](void* user, int members, void (*work)(void*, int), void* work_user) {
                               auto* c = static_cast<Canceller*>(user);
                               if (c->cancel) ql_stream_cancel(c->stream);
                               for (int m = 0; m < members; ++m) work(work_user, m);
                             },
                             &canceller};
  ql_stream_options options = QL_STREAM_OPTIONS_INIT;
  options.threads = 3, options.executor = &executor;
  Session own(file.path, &options);
  canceller.stream = own.stream;
  EXPECT_EQ(own.run(), QL_OK);
  EXPECT_EQ(own.out, expected());
  canceller.cancel = true;
  EXPECT_EQ(own.run(), QL_CANCELLED);
  canceller.cancel = false;
  EXPECT_EQ(own.run(), QL_OK);
}

TEST(Runtime, TheEmbeddersMemory) {
  struct Count {
    int live = 0, left = 1000;
  } count;
  const ql_allocator allocator{[](void* user, size_t bytes, size_t alignment, int) -> void* {
                                 auto* c = static_cast<Count*>(user);
                                 if (c->left-- <= 0) return nullptr;
                                 ++c->live;
                                 return std::aligned_alloc(alignment, bytes);
                               },
                               [](void* user, void* memory, size_t) {
                                 --static_cast<Count*>(user)->live;
                                 std::free(memory);
                               },
                               &count};
  const testing::SmallPlan file;
  ql_stream_options options = QL_STREAM_OPTIONS_INIT;
  options.allocator = &allocator;
  {
    Session s(file.path, &options);
    EXPECT_EQ(count.live, 1);
    EXPECT_EQ(s.run(), QL_OK);
    // The n-th request is refused, until there are no more than n.
    ql_stream* stream = nullptr;
    for (int n = 0; !stream && n < 100; ++n) {
      count.left = n;
      const ql_code code = ql_stream_open(s.plan, &options, &stream, &s.error);
      EXPECT_EQ(code, stream ? QL_OK : QL_OUT_OF_MEMORY) << n;
      EXPECT_EQ(s.run(), QL_OK);
      if (!stream) {
        EXPECT_EQ(count.live, 1) << "something leaked at request " << n;
      }
    }
    EXPECT_NE(stream, nullptr);
    ql_stream_close(stream);
  }
  EXPECT_EQ(count.live, 0);
}

TEST(Runtime, StreamsOfLowPriorityYield) {
  const testing::SmallPlan file;
  for (int priority : {-2, -1, 0, 1, 2}) {
    ql_stream_options options = QL_STREAM_OPTIONS_INIT;
    options.threads = 2, options.priority = priority;
    Session s(file.path, &options);
    EXPECT_EQ(s.stream != nullptr, priority >= -1 && priority <= 1) << s.error.message;
    if (!s.stream) continue;
    EXPECT_EQ(s.run(), QL_OK);
    EXPECT_EQ(s.out, expected());
    int nice = 100;
    ql_stream_submit(
        s.stream, nullptr,
        [](void* user, ql_code, const char*) { *static_cast<int*>(user) = getpriority(PRIO_PROCESS, 0); }, &nice,
        nullptr);
    EXPECT_EQ(ql_stream_wait(s.stream, nullptr), QL_OK);
    ql_stream_close(std::exchange(s.stream, nullptr));  // behind the callback
    EXPECT_EQ(nice - getpriority(PRIO_PROCESS, 0), priority < 0 ? 10 : 0);
  }
}

TEST(Runtime, SubmitWaitAndCallback) {
  const testing::SmallPlan file;
  Session s(file.path);
  std::atomic<int> told{0};
  for (int r = 0; r < 100; ++r) {
    std::fill(s.out.begin(), s.out.end(), 0.0f);
    ASSERT_EQ(ql_stream_submit(
                  s.stream, nullptr,
                  [](void* user, ql_code code, const char*) { *static_cast<std::atomic<int>*>(user) += code == QL_OK; },
                  &told, &s.error),
              QL_OK)
        << s.error.message;
    ASSERT_EQ(ql_stream_wait(s.stream, &s.error), QL_OK) << s.error.message;
  }
  EXPECT_EQ(s.out, expected());
  ql_stream_close(std::exchange(s.stream, nullptr));
  EXPECT_EQ(told, 100);
}

TEST(Runtime, ARunAllocatesNothing) {
  const testing::SmallPlan file;
  Session s(file.path);
  ASSERT_EQ(s.run(), QL_OK);
  testing::CountAllocations allocations;
  for (int r = 0; r < 10; ++r) (void)s.run();
  EXPECT_EQ(allocations.count(), 0);
}

}  // namespace
}  // namespace quadlane
