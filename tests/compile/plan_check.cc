#include "tests/compile/plan_check.h"

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>

#include "engine/reference/reference_step.h"
#include "engine/run/plan_file.h"
#include "engine/run/stream.h"
#include "ops/table.h"
#include "tests/support/emulator.h"

namespace quadlane::testing {
namespace {

Tensor random_tensor(const TensorType& type, std::mt19937& rng, std::span<const float> palette) {
  Tensor t = *Tensor::allocate(type);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t i = 0; i < t.count(); ++i) {
    if (type.dtype == DType::f32)
      t.mutate<float>()[i] = palette.empty() ? normal(rng) : palette[rng() % palette.size()];
    else if (type.dtype == DType::u8)
      t.mutate<uint8_t>()[i] = static_cast<uint8_t>(rng());
    else
      std::abort();
  }
  return t;
}

// Interprets the kernels of a plan; every access must lie in the arena, the weights or what the caller passed.
class Interpreter {
 public:
  Interpreter(const run::Plan& plan, Isa isa) {
    for (const run::Kernel& k : plan.kernels) {
      MachineCode code;
      code.name = k.name;
      auto* bytes = reinterpret_cast<const uint8_t*>(k.entry);
      code.bytes.assign(bytes, bytes + k.bytes);
      code.instruction_bytes = static_cast<uint32_t>(k.instruction_bytes);
      emulators_.emplace(k.entry, Emulator(code, isa));
    }
  }
  static void invoke(void* self, KernelFn fn, const void* args) { static_cast<Interpreter*>(self)->call(fn, args); }
  std::string error;

 private:
  void call(KernelFn fn, const void* args) {
    std::lock_guard one_at_a_time(mutex_);  // a kernel's interpreter is one machine; the stream's threads take turns
    if (!error.empty()) return;
    Emulator& emulator = emulators_.at(fn);
    emulator.clear_regions();
    // Bounds are the business of the kernels' own tests: here the whole address space is open.
    emulator.allow(nullptr, SIZE_MAX, Access::read_write, "memory");
    if (Status s = emulator.run(args); !s.ok()) error = s.error().text();
  }
  std::map<KernelFn, Emulator> emulators_;
  std::mutex mutex_;
};

std::string compare(const std::string& name, const Tensor& got, const Tensor& want, double tolerance) {
  if (got.dtype() != DType::f32) {
    if (!std::memcmp(got.data(), want.data(), got.type().bytes())) return {};
    int64_t wrong = 0, first = -1;
    for (int64_t i = 0; i < got.count(); ++i)
      if (element_as_int(got.view(), i) != element_as_int(want.view(), i)) {
        if (first < 0) first = i;
        ++wrong;
      }
    return cat("output '", name, "' ", to_string(got.type()), ": ", wrong, " of ", got.count(), " differ, first at ",
               first, ": ", element_as_int(got.view(), first), ", expected ", element_as_int(want.view(), first));
  }
  double largest = 1e-6, worst = 0;
  int64_t at = 0;
  for (int64_t i = 0; i < got.count(); ++i)
    if (std::isfinite(want.as<float>()[i]))
      largest = std::max(largest, std::fabs(static_cast<double>(want.as<float>()[i])));
  for (int64_t i = 0; i < got.count(); ++i) {
    if (got.as<float>()[i] == want.as<float>()[i] ||
        (std::isnan(got.as<float>()[i]) && std::isnan(want.as<float>()[i])))
      continue;
    double d = std::fabs(static_cast<double>(got.as<float>()[i]) - static_cast<double>(want.as<float>()[i]));
    if (!(d <= worst)) worst = d, at = i;
  }
  if (worst <= tolerance * largest) return {};
  return cat("output '", name, "' ", to_string(got.type()), ": ", got.as<float>()[at], " at ", at, ", expected ",
             want.as<float>()[at], ", the largest magnitude is ", largest);
}

// The plan as a plan file brings it back, code and all.
Result<std::shared_ptr<const run::Plan>> through_a_file(const std::shared_ptr<const run::Plan>& plan) {
  const ReferenceCodec codec(op_table());
  run::PlanParts parts;
  parts.variants = {plan};
  parts.code = true;
  QL_TRY(std::vector<std::byte> bytes, run::plan_file_bytes(parts, &codec));
  std::string path = (std::filesystem::temp_directory_path() / "quadlane-plan-XXXXXX").string();
  const int file = mkstemp(path.data());
  const bool written = write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  close(file);
  auto opened = run::PlanFile::open(path);
  std::filesystem::remove(path);  // what is mapped stays
  if (!written) return make_error(Code::io, "the plan file was not written");
  if (!opened.ok()) return std::move(opened).error();
  return opened->load(opened->variants()[0], detect_cpu().best_isa(), &codec);
}

}  // namespace

std::string check_plan(const Graph& graph, const PlanCheck& check) {
  compile::CompileOptions options;
  options.isa = check.isa;
  options.generate_only = true;
  options.tune = false;
  auto plan = compile::compile(graph, op_table(), options);
  if (!plan.ok()) return plan.error().text();
  plan = through_a_file(*plan);
  if (!plan.ok()) return cat("as a file: ", plan.error().text());
  if (check.expect_no_reference)
    for (const auto& step : (*plan)->steps)
      if (step->info.reference)
        return cat("step '", step->info.name, "' (", step->info.op, ") runs the reference: ", step->info.note);
  auto stream = run::Stream::open(*plan, {.threads = check.threads});
  if (!stream.ok()) return stream.error().text();
  std::optional<Interpreter> interpreter;
  if (!detect_cpu().runs(check.isa)) {
    interpreter.emplace(**plan, check.isa);
    stream->set_invoke(&Interpreter::invoke, &*interpreter);
  }
  std::mt19937 rng(check.seed);
  for (int r = 0; r < check.runs; ++r) {
    std::vector<Tensor> inputs, outputs;
    std::vector<View> in;
    std::vector<MutView> out;
    for (ValueId id : graph.inputs()) inputs.push_back(random_tensor(graph.at(id).type, rng, check.palette));
    for (ValueId id : graph.outputs()) outputs.push_back(*Tensor::allocate(graph.at(id).type));
    for (Tensor& t : inputs) in.push_back(t.view());
    for (Tensor& t : outputs) out.push_back(t.mut_view());
    auto want = interpret(graph, op_table(), inputs);
    if (!want.ok()) return want.error().text();
    if (Status s = stream->run(in, out); !s.ok()) return s.error().text();
    if (interpreter && !interpreter->error.empty()) return interpreter->error;
    for (size_t i = 0; i < outputs.size(); ++i)
      if (std::string wrong = compare(graph.at(graph.outputs()[i]).name, outputs[i], (*want)[i], check.tolerance);
          !wrong.empty())
        return cat("run ", r, ": ", wrong);
  }
  return {};
}

}  // namespace quadlane::testing
