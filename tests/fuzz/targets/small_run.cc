#include "tests/fuzz/targets/small_run.h"

namespace quadlane::fuzz {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr double kMostGmac = 0.002;
constexpr size_t kMostReferenceBytes = 1 << 16;  // its steps do not count their MACs

}  // namespace

ModelOptions small_limits(Isa isa) {
  ModelOptions options;
  options.tune = false;
  if (detect_cpu().runs(isa)) options.isa = isa;
  options.load.max_folded_elements = 1 << 16;
  options.load.max_folded_bytes = 4 << 20;
  options.load.max_folded_work = 1e7;
  options.load.max_constant_bytes = 8 << 20;
  options.load.max_nodes = 1000;
  options.max_arena_bytes = 64 << 20;
  return options;
}

void run_if_small(const std::shared_ptr<const run::Plan>& plan) {
  size_t bytes = plan->arena_bytes;
  double gmac = 0;
  for (const auto* list : {&plan->inputs, &plan->outputs})
    for (const run::TensorInfo& info : *list) {
      if (info.type.bytes() > kMostBytes) return;
      bytes += info.type.bytes();
    }
  for (const auto& step : plan->steps) gmac += step->info.gmac + step->info.gmac_executed;
  if (plan->isa == to_string(Isa::reference) && bytes > kMostReferenceBytes) return;
  if (plan->without_code || bytes > 4 * kMostBytes || !(gmac <= kMostGmac)) return;
  auto stream = run::Stream::open(plan, {});
  if (!stream.ok()) return;
  std::vector<Tensor> inputs, outputs;
  std::vector<View> in;
  std::vector<MutView> out;
  for (const run::TensorInfo& info : plan->inputs) {
    auto tensor = Tensor::allocate(info.type);
    if (!tensor.ok()) return;
    auto* data = static_cast<uint8_t*>(tensor->mutable_data());
    const bool truth = info.type.dtype == DType::boolean;
    for (size_t i = 0; i < info.type.bytes(); ++i) data[i] = static_cast<uint8_t>(truth ? i & 1 : i * 37);
    inputs.push_back(*std::move(tensor));
  }
  for (const run::TensorInfo& info : plan->outputs) {
    auto tensor = info.dynamic ? Result<Tensor>(Tensor()) : Tensor::allocate(info.type);
    if (!tensor.ok()) return;
    outputs.push_back(*std::move(tensor));
  }
  for (const Tensor& t : inputs) in.push_back(t.view());
  for (size_t i = 0; i < outputs.size(); ++i)
    out.push_back(plan->outputs[i].dynamic ? MutView{} : outputs[i].mut_view());
  (void)stream->run(in, out);
}

}  // namespace quadlane::fuzz
