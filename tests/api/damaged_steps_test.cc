// Every kind of step that a plan file may hold, with hostile numbers in every place: reading refuses them, or the step
// runs inside its memory. The code of a plan is trusted (SECURITY.md): kernels are not called.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <regex>
#include <set>

#include "engine/api/engine.h"
#include "engine/reference/reference_plan.h"
#include "engine/reference/reference_step.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/lines.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/api/step_damage.h"
#include "tests/api/step_networks.h"

namespace quadlane::testing {
namespace {

std::vector<std::shared_ptr<const run::Plan>> plans_of(const char* text) {
  auto graph = parse_graph(text, op_table());
  EXPECT_TRUE(graph.ok()) << graph.error().text();
  if (!graph.ok()) return {};
  auto reference = reference_plan(*graph, op_table());
  auto model = Model::from_graph(*std::move(graph), {.tune = false});
  EXPECT_TRUE(reference.ok() && model.ok()) << (model.ok() ? reference.error().text() : model.error().text());
  if (!reference.ok() || !model.ok()) return {};
  return {model->shared_plan(), *reference};
}

// What an attacker writes in the place of a number of type T.
template <class T>
std::vector<T> hostile(T old) {
  constexpr int kBits = 8 * sizeof(T);
  std::vector<T> numbers{0, static_cast<T>(~T{0}), static_cast<T>(old + 1), static_cast<T>(old - 1)};
  if (kBits == 8) {  // of an enumeration, perhaps
    for (uint8_t value = 1; value < 13; ++value) numbers.push_back(static_cast<T>(value));
    return numbers;
  }
  const T sign = static_cast<T>(T{1} << (kBits - 1));
  for (T more : {sign, static_cast<T>(sign - 1), static_cast<T>(old + 4), static_cast<T>(old * 2)})
    numbers.push_back(more);
  if (kBits == 64)
    for (int bit : {24, 31, 32, 40, 61}) numbers.push_back(static_cast<T>(uint64_t{1} << bit));
  return numbers;
}

class Damage {
 public:
  Damage(const std::shared_ptr<const run::Plan>& plan, const run::StepCodec& codec) : steps_(plan, codec) {}

  template <class T>
  void each_number(const StoredStep& step) {
    for (size_t at = step.members; at + sizeof(T) <= step.bytes.size(); ++at) {
      T old;
      std::memcpy(&old, step.bytes.data() + at, sizeof old);
      for (T number : hostile(old)) {
        std::vector<std::byte> bytes = step.bytes;
        std::memcpy(bytes.data() + at, &number, sizeof number);
        attempt(step, bytes);
      }
    }
  }
  // Two to four numbers at once.
  void some_numbers(const StoredStep& step, std::mt19937& rng) {
    std::vector<std::byte> bytes = step.bytes;
    for (size_t count = 2 + rng() % 3; count > 0; --count) {
      const size_t at = step.members + rng() % (bytes.size() - step.members);
      rng() % 2 ? put<uint64_t>(bytes, at, rng) : put<uint32_t>(bytes, at, rng);
    }
    attempt(step, bytes);
  }
  // An address, or what else may be there, in the place of another one: steps then write what they read.
  void addresses(const StoredStep& step, std::mt19937& rng) {
    constexpr size_t kBytes = 9, kMost = 1500;
    const size_t places = step.bytes.size() - step.members - kBytes;
    for (size_t i = 0, count = std::min(places * places, kMost); i < count; ++i) {
      const bool all = places * places <= kMost;
      const size_t from = all ? i % places : rng() % places, to = all ? i / places : rng() % places;
      std::vector<std::byte> bytes = step.bytes;
      std::copy_n(step.bytes.begin() + static_cast<std::ptrdiff_t>(step.members + from), kBytes,
                  bytes.begin() + static_cast<std::ptrdiff_t>(step.members + to));
      attempt(step, bytes);
    }
  }
  void weights(const StoredStep& step) {
    for (std::optional<std::byte> value : {std::byte{0}, std::byte{0xff}, std::byte{0x7f}, std::byte{0x80}}) {
      steps_.damage_weights(value);
      for (int i = 0; i < 8; ++i) attempt(step, step.bytes);
    }
    steps_.damage_weights({}, true);
    for (int i = 0; i < 8; ++i) attempt(step, step.bytes);
    steps_.damage_weights({});
  }
  std::string wrong;
  int failures = 0;
  int refused() const { return steps_.refused; }
  int accepted() const { return steps_.accepted; }

 private:
  template <class T>
  static void put(std::vector<std::byte>& bytes, size_t at, std::mt19937& rng) {
    if (at + sizeof(T) > bytes.size()) return;
    T old;
    std::memcpy(&old, bytes.data() + at, sizeof old);
    const std::vector<T> numbers = hostile(old);
    old = numbers[rng() % numbers.size()];
    std::memcpy(bytes.data() + at, &old, sizeof old);
  }
  void attempt(const StoredStep& step, std::span<const std::byte> bytes) {
    const std::string what = steps_.try_step(bytes);
    if (what.empty() || ++failures > 5) return;
    wrong += step.type + " " + what + ":";
    for (size_t i = step.members; i < step.bytes.size(); ++i)
      if (bytes[i] != step.bytes[i])
        wrong += cat(" [", i - step.members, "] ", static_cast<int>(step.bytes[i]), " -> ", static_cast<int>(bytes[i]));
    wrong += "\n";
  }
  DamagedSteps steps_;
};

// The names in the table of engine/run/stored_steps.cc, and that of its one codec.
std::vector<std::string> all_types() {
  std::ifstream file(QUADLANE_REPOSITORY "/engine/run/stored_steps.cc");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::regex line("Stored<\\w+>\\{\"([^\"]+)\"\\}");
  std::vector<std::string> types{"reference"};
  for (std::sregex_iterator it(text.begin(), text.end(), line), end; it != end; ++it) types.push_back((*it)[1]);
  return types;
}

TEST(DamagedSteps, AreRefusedOrStayInTheirMemory) {
  if (detect_cpu().best_isa() == Isa::reference) GTEST_SKIP() << "this machine runs no loops of steps";
  const ReferenceCodec codec(op_table());
  std::mt19937 rng(1);
  std::set<std::pair<std::string, std::string>> done;
  std::set<std::string> types;
  int refused = 0, accepted = 0;
  for (const char* text : kStepNetworks)
    for (const auto& plan : plans_of(text))
      for (const StoredStep& step : stored_steps(*plan, codec)) {
        if (!done.insert({step.type, step.op}).second) continue;
        types.insert(step.type);
        Damage damage(plan, codec);
        damage.weights(step);
        damage.each_number<uint8_t>(step);
        damage.each_number<uint32_t>(step);
        damage.each_number<uint64_t>(step);
        damage.addresses(step, rng);
        for (int i = 0; i < 500; ++i) damage.some_numbers(step, rng);
        EXPECT_EQ(damage.wrong, "") << damage.failures << " times in " << step.op;
        refused += damage.refused(), accepted += damage.accepted();
      }
  for (const std::string& type : all_types())
    EXPECT_TRUE(types.contains(type)) << "no network above has a '" << type << "'";
  EXPECT_GT(refused, accepted);
  RecordProperty("refused", refused);
  RecordProperty("accepted", accepted);
}

template <class Step>
std::string refusal(Step step) {
  run::Plan plan;
  plan.arena_bytes = 4096;
  run::Checker checker(plan, Isa::avx2);
  step.lines = {2, 8, 1};
  step.from.index_or_offset = 1024;
  step.check(checker);
  return checker.ok() ? "" : checker.status().error().message;
}

// What the guard pages above do not see: a list on the stack, an element across two words, a result that another thread
// writes into what is searched.
TEST(DamagedSteps, LinesAreRefusedByName) {
  run::TopKStep top;
  EXPECT_EQ((top.indices.index_or_offset = 512, refusal(top)), "");
  EXPECT_EQ((top.k = 0, refusal(top)), "no results, or more than a line has elements");
  run::ArgStep arg;
  EXPECT_EQ(refusal(arg), "");
  EXPECT_EQ((arg.to.index_or_offset = 4, refusal(arg)), "a dense tensor is not aligned");
  EXPECT_EQ((arg.to.index_or_offset = 1032, refusal(arg)), "a step writes where it reads, or twice");
}

TEST(DamagedSteps, LoopsWriteTheTypeThatIsNamed) {
  using run::ElementLoop;
  EXPECT_TRUE(ElementLoop::find("Where", 3, DType::f32, DType::f32).fn);
  EXPECT_TRUE(ElementLoop::find("Less", 2, DType::f32, DType::boolean).fn);
  for (DType out : {DType::u8, DType::f64, DType::boolean}) {
    for (const auto& [name, operands] : {std::pair{"Where", 3}, {"Affine", 3}, {"Exp", 1}, {"Add", 2}})
      EXPECT_FALSE(ElementLoop::find(name, static_cast<size_t>(operands), DType::f32, out).fn) << name;
  }
}

// References look at what they read again while they write: lengths that were checked may not become others.
TEST(DamagedSteps, ResultsOfReferencesLieApart) {
  const ReferenceCodec codec(op_table());
  const auto plan = *reference_plan(*parse_graph(R"(
graph "reverse"
input %x: f32[4,3,5]
input %lengths: s64[4]
%y = ReverseSequence(%x, %lengths) time_axis=1 batch_axis=0
output %y
)",
                                                 op_table()),
                                    op_table());
  const StoredStep step = stored_steps(*plan, codec)[0];
  std::vector<std::byte> bytes = step.bytes;
  // The result is last: a type of 1 + 8 + 3 * 8 bytes, its address of 9, a truth value. In front of it: their number,
  // and the address of the lengths and a truth value.
  constexpr size_t kAddress = 9, kResult = 33 + kAddress + 1;
  std::copy_n(bytes.end() - kAddress - 1, kAddress, bytes.end() - kResult - 8 - kAddress - 1);
  FieldReader reader(bytes);
  run::Checker checker(*plan, detect_cpu().best_isa());
  auto read = run::read_step(reader, checker, &codec);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().text(), "step '' (): a step writes where it reads, or twice");
}

}  // namespace
}  // namespace quadlane::testing
