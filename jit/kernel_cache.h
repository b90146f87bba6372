// Equal kernels are generated once. The key is describe() of what is asked for; the cache belongs to one compilation.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "jit/code_memory.h"
#include "jit/machine_code.h"

namespace quadlane {

class KernelCache {
 public:
  // Index of the kernel in kernels(); generates it when the key is new. An error is not remembered.
  Result<size_t> find_or_generate(const std::string& key, const std::function<Result<MachineCode>()>& generate);
  const std::vector<MachineCode>& kernels() const { return kernels_; }

  // All kernels so far in executable memory; entries[i] belongs to kernels()[i].
  struct Loaded {
    CodeMemory memory;
    std::vector<KernelFn> entries;
  };
  Result<Loaded> load(const CodeMemoryOptions& = {}) const;

 private:
  std::map<std::string, size_t> index_;
  std::vector<MachineCode> kernels_;
};

}  // namespace quadlane
