// libFuzzer's side of the targets: fuzz_targets --target=NAME CORPUS... OPTIONS (tools/fuzz starts it).
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/fuzz/targets/target.h"

using quadlane::fuzz::Target;

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

namespace {
const Target* target = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  for (int i = 1; i < *count; ++i)
    for (const Target* t : quadlane::fuzz::kTargets)
      if (std::strncmp((*arguments)[i], "--target=", 9) == 0 && !std::strcmp((*arguments)[i] + 9, t->name)) target = t;
  if (target) return 0;
  std::fprintf(stderr, "fuzz_targets: --target= names none of the targets\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wrong = size > target->max_bytes ? "" : target->run({data, size});
  if (wrong.empty()) return 0;
  std::fprintf(stderr, "%s: %s\n", target->name, wrong.c_str());
  std::abort();
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  return target->change ? target->change(data, size, most, seed, LLVMFuzzerMutate) : LLVMFuzzerMutate(data, size, most);
}
