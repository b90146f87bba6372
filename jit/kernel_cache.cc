#include "jit/kernel_cache.h"

namespace quadlane {

Result<size_t> KernelCache::find_or_generate(const std::string& key,
                                             const std::function<Result<MachineCode>()>& generate) {
  if (auto found = index_.find(key); found != index_.end()) return found->second;
  QL_TRY(MachineCode code, generate());
  kernels_.push_back(std::move(code));
  index_.emplace(key, kernels_.size() - 1);
  return kernels_.size() - 1;
}

Result<KernelCache::Loaded> KernelCache::load(const CodeMemoryOptions& options) const {
  Loaded loaded;
  std::vector<size_t> offsets;
  for (const MachineCode& code : kernels_) offsets.push_back(loaded.memory.place(code));
  QL_CHECK_OK(loaded.memory.seal(options));
  for (size_t offset : offsets) loaded.entries.push_back(loaded.memory.entry(offset));
  return loaded;
}

}  // namespace quadlane
