#include "engine/base/fields.h"

namespace quadlane {

void FieldReader::raw(void* to, size_t bytes) {
  if (!ok()) return;
  if (bytes > rest_.size())
    return fail(invalid_model("a value of ", bytes, " bytes where ", rest_.size(), " are left"));
  if (bytes) std::memcpy(to, rest_.data(), bytes);
  rest_ = rest_.subspan(bytes);
}

size_t FieldReader::read_count(size_t fewest_bytes) {
  const auto count = get<uint64_t>();
  if (!ok()) return 0;
  if (count > rest_.size() / fewest_bytes) {
    fail(invalid_model("a list of ", count, " items where ", rest_.size(), " bytes are left"));
    return 0;
  }
  return static_cast<size_t>(count);
}

unsigned FieldReader::read_below(unsigned limit, const char* what) {
  const auto value = get<uint8_t>();
  if (value < limit) return value;
  fail(invalid_model(what, " of value ", unsigned{value}, ", expected less than ", limit));
  return 0;
}

void FieldReader::read_kernel(KernelFn& kernel) {
  const auto index = get<uint32_t>();
  kernel = nullptr;
  if (!ok() || index == FieldWriter::kNoKernel) return;
  if (index >= kernels_.size()) return fail(invalid_model("kernel ", index, " of ", kernels_.size()));
  kernel = kernels_[index];
}

}  // namespace quadlane
