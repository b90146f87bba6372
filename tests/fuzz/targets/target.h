// One entry for each kind of bytes that strangers may send. libFuzzer feeds it (tools/fuzz), and test_fuzz replays what
// is kept in tests/corpus in every build.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace quadlane::fuzz {

using Bytes = std::span<const uint8_t>;

struct Target {
  const char* name;
  size_t max_bytes;
  // What is wrong, or nothing. Crashes, sanitizers and limits speak for themselves.
  std::string (*run)(Bytes);
  // Makes one change that leaves the input's form intact; null: libFuzzer's own changes alone. `mutate` is libFuzzer's
  // change of plain bytes. Returns the new size.
  using Mutate = size_t (*)(uint8_t* data, size_t size, size_t most);
  size_t (*change)(uint8_t* data, size_t size, size_t most, unsigned seed, Mutate mutate) = nullptr;
};

extern const Target kOnnx, kText, kPlan, kApi, kNifti, kPrep, kFiles, kKernels;
inline const Target* const kTargets[] = {&kOnnx, &kText, &kPlan, &kApi, &kNifti, &kPrep, &kFiles, &kKernels};

}  // namespace quadlane::fuzz
