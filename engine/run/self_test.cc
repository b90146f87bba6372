#include "engine/run/self_test.h"

#include <cstring>

#include "engine/base/sha256.h"
#include "engine/run/stream.h"

namespace quadlane::run {
namespace {

Result<Tensor> golden_input(const TensorType& type) {
  QL_TRY(Tensor tensor, Tensor::allocate(type));
  auto* bytes = tensor.mutate<uint8_t>();
  uint32_t state = 1;
  auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 16; };
  const auto count = static_cast<size_t>(type.count());
  for (size_t i = 0; i < count; ++i) {
    if (type.dtype == DType::f32) {
      const float value = static_cast<float>(static_cast<int>(next() % 2001) - 1000) / 250;
      std::memcpy(bytes + 4 * i, &value, sizeof value);
    } else if (type.dtype == DType::boolean) {
      bytes[i] = next() & 1;
    } else if (type.dtype == DType::u8 || type.dtype == DType::s8) {
      bytes[i] = static_cast<uint8_t>(next());
    }  // others stay 0: indices, for which not every number is valid
  }
  return tensor;
}

}  // namespace

Result<std::string> golden_hash(const std::shared_ptr<const Plan>& plan) {
  std::vector<Tensor> inputs, outputs;
  std::vector<View> in;
  std::vector<MutView> out;
  for (const TensorInfo& info : plan->inputs) {
    QL_TRY(Tensor tensor, golden_input(info.type));
    inputs.push_back(std::move(tensor));
  }
  for (const TensorInfo& info : plan->outputs) {
    if (info.dynamic) return unsupported("output '", info.name, "' has no fixed shape, it cannot be golden");
    QL_TRY(Tensor tensor, Tensor::allocate(info.type));
    outputs.push_back(std::move(tensor));
  }
  for (const Tensor& t : inputs) in.push_back(t.view());
  for (Tensor& t : outputs) out.push_back(t.mut_view());
  QL_TRY(Stream stream, Stream::open(plan));
  QL_CHECK_OK(stream.run(in, out));
  std::string all;
  for (const Tensor& t : outputs) all.append(static_cast<const char*>(t.data()), t.type().bytes());
  return sha256_hex(all);
}

Status self_test(const std::shared_ptr<const Plan>& plan) {
  if (plan->golden.empty())
    return unsupported("the self-test needs a plan file with code for this machine and golden outputs, the plan (",
                       plan->isa, ", ", plan->code_method, ") has none");
  QL_TRY(std::string found, golden_hash(plan));
  if (found != plan->golden)
    return make_error(Code::internal, "the self-test failed: the golden input gives outputs of SHA-256 ", found,
                      ", expected ", plan->golden);
  return {};
}

}  // namespace quadlane::run
