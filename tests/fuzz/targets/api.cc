// Sequences of calls of the C API, with every kind of argument that its header allows.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/api/plan_model.h"
#include "engine/c/quadlane.h"
#include "graph/text.h"
#include "ops/table.h"
#include "tests/fuzz/targets/choices.h"
#include "tests/fuzz/targets/memory_file.h"

namespace quadlane::fuzz {
namespace {

constexpr size_t kInputs = 3 * 8 * 8, kOutputs = 2 * 4 * 4, kHandles = 3;

std::vector<std::byte> plan_bytes(bool ahead) {
  Graph graph = *parse_graph(R"(
graph "small"
input %x: f32[1,3,8,8]
const %w: f32[5,3,3,3] = random(1)
const %w2: f32[2,8,1,1] = random(2)
%y = Conv(%x, %w, _) pads=[1,1,1,1]
%c = Concat(%x, %y) axis=1
%z = Conv(%c, %w2, _)
%p = MaxPool(%z) kernel_shape=[2,2] strides=[2,2]
output %p
)",
                             op_table());
  return *make_plan_file(std::move(graph), {.tune = false}, {.ahead = ahead});
}

// With code, without code, and damaged.
const std::vector<std::string>& paths() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> paths;
    std::vector<std::byte> with = plan_bytes(true), without = plan_bytes(false), damaged = with;
    damaged[damaged.size() / 2] ^= std::byte{1};
    for (const auto* bytes : {&with, &without, &damaged}) {
      static std::vector<std::unique_ptr<MemoryFile>> files;  // for as long as the process lives
      files.push_back(
          std::make_unique<MemoryFile>(Bytes(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size())));
      paths.push_back(files.back()->path);
    }
    paths.push_back("/nonexistent.qlp");
    paths.push_back("");
    return paths;
  }();
  return all;
}

class Session {
 public:
  explicit Session(Choices& choices) : c_(choices) {
    allocator_ = {[](void*, size_t bytes, size_t alignment, int) { return std::aligned_alloc(alignment, bytes); },
                  [](void*, void* memory, size_t) { std::free(memory); }, nullptr};
    executor_ = {[](void*, int members, void (*work)(void*, int), void* user) {
                   for (int m = members; m-- > 0;) work(user, m);
                 },
                 nullptr};
  }
  ~Session() {
    for (ql_stream*& s : streams_) ql_stream_close(s);
    for (ql_plan*& p : plans_) ql_plan_close(p);
  }

  void call() {
    ql_plan*& plan = plans_[c_.byte() % kHandles];
    const size_t at = c_.byte() % kHandles;
    ql_stream*& stream = streams_[at];
    switch (c_.byte() % 14) {
      case 0: return open_plan(plan);
      case 1: return ql_plan_close(std::exchange(plan, nullptr));
      case 2: return open_stream(plan, stream);
      case 3: return ql_stream_close(std::exchange(stream, nullptr));
      case 4:
        return (void)ql_stream_bind_input(stream, c_.byte() % 2, c_.byte() % 8 ? in_[at] : nullptr, size(kInputs),
                                          error());
      case 5:
        return (void)ql_stream_bind_output(stream, c_.byte() % 2, c_.byte() % 8 ? out_[at] : nullptr, size(kOutputs),
                                           error());
      case 6: return (void)ql_stream_run(stream, run_options(), error());
      case 7: return (void)ql_stream_submit(stream, run_options(), done(), this, error());
      case 8: return (void)ql_stream_wait(stream, error());
      case 9: return ql_stream_cancel(stream);
      case 10: return describe(plan);
      case 11: return query();
      case 12: return bind_well(stream, at);
      default: (void)ql_plan_isa(plan), (void)ql_plan_way(plan), (void)ql_version();
    }
  }

 private:
  // Structs of older and newer callers: shorter, longer, empty.
  template <class T>
  T* sized(T& value) {
    if (c_.byte() % 4 == 0) value.size = c_.of({size_t{0}, size_t{8}, sizeof value - 8, sizeof value + 64});
    return c_.byte() % 8 ? &value : nullptr;
  }
  ql_error* error() {
    error_ = QL_ERROR_INIT;
    return sized(error_);
  }
  size_t size(size_t floats) { return c_.byte() % 4 ? floats * sizeof(float) : c_.byte(); }
  ql_run_options* run_options() {
    run_ = QL_RUN_OPTIONS_INIT;
    run_.timeout_seconds = c_.of({0.0, 0.0, 1e-9, 100.0, -1.0, 1e300});
    if (c_.byte() % 16 == 0) run_.timeout_seconds = __builtin_nan("");
    return sized(run_);
  }
  ql_done done() {
    return c_.yes() ? [](void*, ql_code, const char* message) { (void)std::strlen(message); } : ql_done{};
  }
  const char* path() {
    const auto& all = paths();
    return c_.byte() % 16 ? all[c_.byte() % all.size()].c_str() : nullptr;
  }
  ql_plan_options* plan_options() {
    static const char* const kAllowed[] = {"00", "not a hash", ""};
    plan_ = QL_PLAN_OPTIONS_INIT;
    if (c_.byte() % 8 == 0) plan_.allowed_sha256 = kAllowed, plan_.allowed_count = c_.byte() % 4;
    plan_.refuse_reference = c_.byte() % 4 == 0;
    if (c_.yes()) plan_.log = [](void*, const char* line) { (void)std::strlen(line); };
    return sized(plan_);
  }
  void open_plan(ql_plan*& plan) {
    ql_plan_close(std::exchange(plan, nullptr));
    (void)ql_plan_open(path(), plan_options(), c_.byte() % 16 ? &plan : nullptr, error());
  }
  void open_stream(ql_plan* plan, ql_stream*& stream) {
    ql_stream_close(std::exchange(stream, nullptr));
    ql_stream_options options = QL_STREAM_OPTIONS_INIT;
    options.threads = c_.of({1, 1, 2, 3, 0, -1, 1 << 30});
    options.numa_node = c_.of({-1, -1, 0, 77});
    options.pin = c_.byte() % 8 == 0, options.first_core = c_.of({0, 1, -1, 5000});
    if (c_.byte() % 4 == 0) options.allocator = &allocator_;
    if (c_.byte() % 4 == 0) options.executor = &executor_;
    (void)ql_stream_open(plan, sized(options), c_.byte() % 16 ? &stream : nullptr, error());
  }
  void bind_well(ql_stream* stream, size_t at) {
    (void)ql_stream_bind_input(stream, 0, in_[at], sizeof in_[at], nullptr);
    (void)ql_stream_bind_output(stream, 0, out_[at], sizeof out_[at], nullptr);
  }
  void describe(const ql_plan* plan) {
    ql_tensor_info info = QL_TENSOR_INFO_INIT;
    (void)ql_plan_input(plan, c_.byte() % 3, sized(info), error());
    info = QL_TENSOR_INFO_INIT;
    (void)ql_plan_output(plan, c_.byte() % 3, sized(info), error());
    (void)(ql_plan_inputs(plan) + ql_plan_outputs(plan));
  }
  void query() {
    ql_memory memory = QL_MEMORY_INIT;
    (void)ql_query_memory(path(), plan_options(), sized(memory), error());
  }

  Choices& c_;
  ql_allocator allocator_{};
  ql_executor executor_{};
  ql_plan_options plan_ = QL_PLAN_OPTIONS_INIT;
  ql_run_options run_ = QL_RUN_OPTIONS_INIT;
  ql_error error_ = QL_ERROR_INIT;
  ql_plan* plans_[kHandles] = {};
  ql_stream* streams_[kHandles] = {};
  float in_[kHandles][kInputs] = {}, out_[kHandles][kOutputs] = {};
};

std::string run(Bytes bytes) {
  Choices choices(bytes);
  Session session(choices);
  for (int calls = 0; calls < 60 && !choices.empty(); ++calls) session.call();
  return {};
}

}  // namespace

const Target kApi{"api", 1 << 10, run};

}  // namespace quadlane::fuzz
