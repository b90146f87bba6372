#include "engine/c/quadlane.h"

#include <sched.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "engine/c/fallback.h"
#include "engine/c/handles.h"
#include "engine/run/plan_file.h"
#include "engine/run/plan_signature.h"
#include "engine/run/self_test.h"

namespace quadlane::c {

ql_code code_of(Code code) {
  switch (code) {
    case Code::invalid_argument: return QL_INVALID_ARGUMENT;
    case Code::invalid_model: return QL_INVALID_PLAN;
    case Code::unsupported:
    case Code::needs_value:
    case Code::no_executable_memory: return QL_UNSUPPORTED;
    case Code::out_of_memory: return QL_OUT_OF_MEMORY;
    case Code::io: return QL_IO;
    case Code::internal: return QL_INTERNAL;
    case Code::cancelled: return QL_CANCELLED;
    case Code::timed_out: return QL_TIMED_OUT;
  }
  return QL_INTERNAL;
}

ql_code report(ql_error* error, ql_code code, std::string_view message) {
  if (!error || error->size <= offsetof(ql_error, message)) return code;
  error->code = code;
  const size_t room = std::min(error->size, sizeof *error) - offsetof(ql_error, message);
  const size_t count = std::min(message.size(), room - 1);
  std::memcpy(error->message, message.data(), count);
  error->message[count] = 0;
  return code;
}

ql_code report(ql_error* error, const Error& e) { return report(error, code_of(e.code), e.text()); }
ql_code ok(ql_error* error) { return report(error, QL_OK, ""); }

namespace {

bool runs_elsewhere(Code code) { return code == Code::unsupported || code == Code::no_executable_memory; }

// The plan of the file's code; where that does not run here, one of scalar references.
Result<std::shared_ptr<const run::Plan>> load(const char* path, const ql_plan_options& options) {
  if (!path) return invalid_argument("no path");
  run::PlanOpenOptions open;
  for (size_t i = 0; i < options.allowed_count; ++i) {
    const auto hash = run::parse_key(options.allowed_sha256[i]);
    if (!hash) return invalid_argument("'", options.allowed_sha256[i], "' is no SHA-256 of 64 hexadecimal digits");
    open.allowed.push_back(run::key_hex(*hash));
  }
  for (size_t i = 0; i < options.trusted_count; ++i) {
    const auto key = run::parse_key(options.trusted_keys[i]);
    if (!key) return invalid_argument("'", options.trusted_keys[i], "' is no key of 64 hexadecimal digits");
    open.trusted.push_back(*key);
  }
  if (options.max_file_bytes) open.max_file_bytes = options.max_file_bytes;
  if (options.max_arena_bytes) open.max_arena_bytes = options.max_arena_bytes;
  QL_TRY(run::PlanFile file, run::PlanFile::open(path, open));
  auto log = [&](const std::string& line) {
    if (options.log) options.log(options.log_user, line.c_str());
  };
  auto plan = file.load(detect_cpu().best_isa(), reference_steps());
  if (plan.ok() && options.self_test) QL_CHECK_OK(run::self_test(*plan).context(cat("'", path, "'")));
  if (plan.ok()) {
    log(cat("'", path, "' runs on its ", (*plan)->isa, " code"));
    return plan;
  }
  if (!runs_elsewhere(plan.error().code) || options.refuse_reference) return plan;
  auto reference = reference_fallback(file, open.max_arena_bytes, plan.error());
  if (reference.ok() && options.self_test) QL_CHECK_OK(run::self_test(*reference).context(cat("'", path, "'")));
  if (reference.ok()) log(cat("'", path, "' runs on the slow reference path: ", plan.error().text()));
  return reference;
}

Status fill(const std::vector<run::TensorInfo>& infos, size_t index, ql_tensor_info* out) {
  if (!out) return invalid_argument("no room for the tensor's description");
  if (index >= infos.size()) return invalid_argument("tensor ", index, " of ", infos.size());
  const run::TensorInfo& info = infos[index];
  ql_tensor_info found = QL_TENSOR_INFO_INIT;
  found.size = std::min(out->size, sizeof found);
  found.name = info.name.c_str();
  found.type = static_cast<ql_type>(info.type.dtype);
  found.rank = static_cast<int32_t>(info.type.shape.size());
  std::copy(info.type.shape.begin(), info.type.shape.end(), found.extents);
  found.bytes = info.type.bytes();
  std::memcpy(out, &found, found.size);
  return {};
}

// The embedder's threads.
class GivenExecutor final : public run::Executor {
 public:
  explicit GivenExecutor(const ql_executor& given) : given_(given) {}
  void run(int members, Work work, void* user) noexcept override { given_.run(given_.user, members, work, user); }

 private:
  ql_executor given_;
};

// Of the affinity mask, for each thread one and around again; empty where it is unknown.
std::vector<int> processors_from(int first, int threads) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> mask, chosen;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int c = 0; c < CPU_SETSIZE; ++c)
      if (CPU_ISSET(static_cast<size_t>(c), &set)) mask.push_back(c);
  for (size_t t = 0; t < std::min(mask.size(), static_cast<size_t>(std::max(threads, 0))); ++t)
    chosen.push_back(mask[(static_cast<size_t>(first) + t) % mask.size()]);
  return chosen;
}

Status check_binding(const std::vector<run::TensorInfo>& infos, size_t index, const void* data, size_t bytes) {
  if (index >= infos.size()) return invalid_argument("tensor ", index, " of ", infos.size());
  if (!data) return invalid_argument("no memory is given for '", infos[index].name, "'");
  if (bytes != infos[index].type.bytes())
    return invalid_argument(bytes, " bytes are given for '", infos[index].name, "', expected ",
                            infos[index].type.bytes());
  return {};
}

}  // namespace
}  // namespace quadlane::c

using namespace quadlane;
using namespace quadlane::c;

static_assert(static_cast<int>(QL_BOOL) == static_cast<int>(DType::boolean) &&
              sizeof(ql_tensor_info::extents) / 8 == kMaxRank);

const char* ql_version(void) { return QUADLANE_VERSION; }

ql_code ql_plan_open(const char* path, const ql_plan_options* given, ql_plan** plan, ql_error* error) {
  return guarded(error, [&]() -> Status {
    if (!plan) return invalid_argument("no room for the plan's handle");
    *plan = nullptr;
    QL_TRY(auto loaded, load(path, options_or<ql_plan_options>(given, QL_PLAN_OPTIONS_INIT)));
    *plan = new ql_plan{std::move(loaded)};
    return {};
  });
}
void ql_plan_close(ql_plan* plan) { delete plan; }
size_t ql_plan_inputs(const ql_plan* plan) { return plan ? plan->plan->inputs.size() : 0; }
size_t ql_plan_outputs(const ql_plan* plan) { return plan ? plan->plan->outputs.size() : 0; }
const char* ql_plan_isa(const ql_plan* plan) { return plan ? plan->plan->isa.c_str() : ""; }
const char* ql_plan_way(const ql_plan* plan) { return plan ? plan->plan->code_method.c_str() : ""; }

ql_code ql_plan_input(const ql_plan* plan, size_t index, ql_tensor_info* info, ql_error* error) {
  return guarded(error, [&] { return plan ? fill(plan->plan->inputs, index, info) : invalid_argument("no plan"); });
}
ql_code ql_plan_output(const ql_plan* plan, size_t index, ql_tensor_info* info, ql_error* error) {
  return guarded(error, [&] { return plan ? fill(plan->plan->outputs, index, info) : invalid_argument("no plan"); });
}

ql_code ql_query_memory(const char* path, const ql_plan_options* given, ql_memory* memory, ql_error* error) {
  return guarded(error, [&]() -> Status {
    if (!memory) return invalid_argument("no room for the answer");
    auto options = options_or<ql_plan_options>(given, QL_PLAN_OPTIONS_INIT);
    options.self_test = 0;  // it would take what is asked about
    QL_TRY(auto plan, load(path, options));
    ql_memory found{std::min(memory->size, sizeof *memory), plan->weights.size(), plan->arena_bytes};
    std::memcpy(memory, &found, found.size);
    return {};
  });
}

ql_code ql_stream_open(ql_plan* plan, const ql_stream_options* given, ql_stream** stream, ql_error* error) {
  return guarded(error, [&]() -> Status {
    if (!plan || !stream) return invalid_argument("no plan, or no room for the stream's handle");
    *stream = nullptr;
    const auto o = options_or<ql_stream_options>(given, QL_STREAM_OPTIONS_INIT);
    run::StreamOptions options;
    options.threads = o.threads == 0 ? 1 : o.threads;
    options.numa_node = o.numa_node, options.priority = o.priority;
    if (o.pin && o.first_core < 0) return invalid_argument("a first core of ", o.first_core);
    if (o.pin) options.processors = processors_from(o.first_core, options.threads);
    if (o.allocator) {
      if (!o.allocator->allocate || !o.allocator->release) return invalid_argument("half an allocator");
      options.memory = {o.allocator->allocate, o.allocator->release, o.allocator->user, o.numa_node};
    }
    if (o.executor) {
      if (!o.executor->run) return invalid_argument("an executor that cannot run");
      options.executor = std::make_shared<GivenExecutor>(*o.executor);
    }
    QL_TRY(run::Stream opened, run::Stream::open(plan->plan, options));
    auto handle = std::make_unique<ql_stream>(std::move(opened));
    handle->yields = o.priority < 0;
    for (const run::TensorInfo& info : plan->plan->inputs) handle->inputs.push_back({&info.type, nullptr});
    for (const run::TensorInfo& info : plan->plan->outputs) handle->outputs.push_back({&info.type, nullptr});
    *stream = handle.release();
    return {};
  });
}
void ql_stream_close(ql_stream* stream) { delete stream; }

ql_code ql_stream_bind_input(ql_stream* stream, size_t index, const void* data, size_t bytes, ql_error* error) {
  if (stream && stream->busy) return report(error, QL_BUSY, "the stream's request uses the buffer that is bound");
  return guarded(error, [&]() -> Status {
    if (!stream) return invalid_argument("no stream");
    QL_CHECK_OK(check_binding(stream->stream.plan().inputs, index, data, bytes));
    stream->inputs[index].data = data;
    return {};
  });
}
ql_code ql_stream_bind_output(ql_stream* stream, size_t index, void* data, size_t bytes, ql_error* error) {
  if (stream && stream->busy) return report(error, QL_BUSY, "the stream's request uses the buffer that is bound");
  return guarded(error, [&]() -> Status {
    if (!stream) return invalid_argument("no stream");
    QL_CHECK_OK(check_binding(stream->stream.plan().outputs, index, data, bytes));
    stream->outputs[index].data = data;
    return {};
  });
}
