// Streams with steps made here: every part of every step runs exactly once and in order, however many threads come.
#include "engine/run/stream.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "tests/support/allocations.h"

namespace quadlane::run {
namespace {

// Adds 1 to its share of the arena's counters; fails when an earlier step has not finished all of them.
class CountStep final : public Step {
 public:
  CountStep(int index, int steps, int64_t counters, std::atomic<int>* errors)
      : index_(index), steps_(steps), counters_(counters), errors_(errors) {}
  void run(const RunContext& ctx, int part, int parts) const noexcept override {
    auto* counters = reinterpret_cast<std::atomic<int>*>(ctx.arena);
    for (int64_t i = 0; i < counters_; ++i)
      if (int done = counters[i].load() - first_of_run(ctx); done < index_ || done > index_ + 1) errors_->fetch_add(1);
    Share share(counters_, part, parts);
    for (int64_t i = share.begin; i < share.end; ++i) counters[i].fetch_add(1);
  }

 private:
  // The arena persists: the counters stand where the runs before have left them; the input tells how many there were.
  int first_of_run(const RunContext& ctx) const { return *static_cast<const int32_t*>(ctx.inputs[0]) * steps_; }
  int index_, steps_;
  int64_t counters_;
  std::atomic<int>* errors_;
};

std::shared_ptr<const Plan> counting_plan(int steps, int64_t counters, std::atomic<int>* errors) {
  auto plan = std::make_shared<Plan>();
  plan->arena_bytes = static_cast<size_t>(counters) * sizeof(int);
  plan->inputs.push_back({"runs before", {DType::s32, {}}});
  for (int i = 0; i < steps; ++i) plan->steps.push_back(std::make_unique<CountStep>(i, steps, counters, errors));
  return plan;
}

Status run_again(Stream& stream, int32_t runs_before) {
  TensorType type{DType::s32, {}};
  View view{&type, &runs_before};
  return stream.run(std::span(&view, 1), {});
}

TEST(Stream, EveryPartOnceAndInOrder) {
  for (int threads : {1, 2, 3, 8}) {
    std::atomic<int> errors{0};
    auto plan = counting_plan(300, 37, &errors);
    auto stream = Stream::open(plan, {.threads = threads});
    ASSERT_TRUE(stream.ok());
    for (int r = 0; r < 3; ++r) ASSERT_TRUE(run_again(*stream, r).ok());
    EXPECT_EQ(errors.load(), 0) << threads << " threads";
  }
}

TEST(Stream, PinnedAndOnANode) {
  std::atomic<int> errors{0};
  auto plan = counting_plan(50, 16, &errors);
  for (StreamOptions options :
       {StreamOptions{.threads = 1, .numa_node = 0}, StreamOptions{.threads = 2, .processors = {0, 0}},
        StreamOptions{.threads = 1, .processors = {0}, .priority = -1}}) {
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    auto stream = Stream::open(plan, options);
    ASSERT_TRUE(stream.ok());
    for (int r = 0; r < 3; ++r) ASSERT_TRUE(run_again(*stream, r).ok());
    sched_getaffinity(0, sizeof after, &after);
    EXPECT_TRUE(CPU_EQUAL(&before, &after)) << "the caller's affinity is its own";
  }
  EXPECT_EQ(errors.load(), 0);
}

TEST(NodeCopies, OneForEachNode) {
  AlignedBytes original = *AlignedBytes::allocate(10000);
  original.data()[9999] = std::byte{7};
  NodeCopies copies;
  const std::byte *zero = *copies.on_node(0, original), *one = *copies.on_node(1, original);
  EXPECT_NE(zero, one);
  EXPECT_EQ(zero, *copies.on_node(0, original));
  EXPECT_EQ(one[9999], std::byte{7});
}

TEST(Stream, ManyStreamsAtOnce) {
  std::atomic<int> errors{0};
  auto plan = counting_plan(300, 16, &errors);
  std::vector<std::thread> callers;
  for (int s = 0; s < 6; ++s)
    callers.emplace_back([&] {
      auto stream = Stream::open(plan, {.threads = 2});
      for (int r = 0; r < 5; ++r)
        if (!run_again(*stream, r).ok()) errors.fetch_add(1);
    });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(errors.load(), 0);
}

TEST(Stream, RunAllocatesNothing) {
  std::atomic<int> errors{0};
  auto plan = counting_plan(100, 16, &errors);
  auto stream = Stream::open(plan, {});
  ASSERT_TRUE(run_again(*stream, 0).ok());
  testing::CountAllocations allocations;
  for (int r = 1; r < 10; ++r) (void)run_again(*stream, r);
  EXPECT_EQ(allocations.count(), 0);
}

TEST(Stream, WrongArgumentsAreNamed) {
  auto plan = std::make_shared<Plan>();
  plan->inputs.push_back({"image", {DType::f32, {1, 1, 4, 4}}});
  auto stream = Stream::open(plan, {});
  Status none = stream->run({}, {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().text(), "0 inputs given, the model has 1");
  TensorType type{DType::f32, {1, 1, 4, 5}};
  float data[20] = {};
  View view{&type, data};
  Status shape = stream->run(std::span(&view, 1), {});
  ASSERT_FALSE(shape.ok());
  EXPECT_EQ(shape.error().text(), "input 'image' is f32[1,1,4,5], expected f32[1,1,4,4]");
  EXPECT_FALSE(Stream::open(plan, {.threads = 0}).ok());
}

}  // namespace
}  // namespace quadlane::run
