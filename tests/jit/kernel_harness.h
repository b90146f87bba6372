// What the tests of all kernel families share: memory that ends at a guard page, planes filled with junk, and running
// a kernel where this machine can (natively) or anywhere (interpreted).
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/base/cpu.h"
#include "engine/base/geometry.h"
#include "jit/machine_code.h"
#include "tests/support/guarded_bytes.h"

namespace quadlane::testing {

using Rng = std::mt19937;
inline int pick(Rng& rng, int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); }
void fill_bytes(const GuardedBytes&, Rng&);  // any bytes
void fill_floats(const GuardedBytes&, Rng&, float lo, float hi);

// An arena of planes of one geometry in shuffled order, as a consumer's list of planes may be.
struct Planes {
  Planes(const Geometry&, int count, Rng&);  // filled with any bytes
  Geometry geometry;
  GuardedBytes bytes;
  std::vector<int64_t> offsets;  // pixel (0, 0) of image 0 of each plane
  std::vector<uint32_t> pads;
  std::byte* base() const { return bytes.data(); }
  int64_t row_bytes() const { return int64_t{geometry.pitch} * kPixelBytes; }
};
Geometry random_geometry(Rng&, int h, int w);

struct Region {
  const void* data;
  size_t bytes;
  bool writable;
};
inline Region readable(const GuardedBytes& b) { return {b.data(), b.size(), false}; }
inline Region writable(const GuardedBytes& b) { return {b.data(), b.size(), true}; }
template <class T>
Region readable(const std::vector<T>& v) {
  return {v.data(), v.size() * sizeof(T), false};
}
template <class T>
Region block(const T& args) {
  return {&args, sizeof args, false};
}

// Calls the code with `args`, which must be among the regions. Every fourth call, and all where the processor lacks the
// instruction set (and AVX512_VBMI, where it is wanted), is interpreted: then every access outside the regions is an
// error.
::testing::AssertionResult run_kernel(const MachineCode&, Isa, const void* args, const std::vector<Region>& regions,
                                      bool vbmi = false);

inline constexpr Isa kGeneratedIsas[] = {Isa::avx2, Isa::avx512, Isa::avx512_vnni};
inline GenerateOptions poisoned() {
  GenerateOptions options;
  options.poison_registers = true;
  return options;
}
// Kernel trials of a family: fewer where they are interpreted.
inline int trials(Isa isa, int native) { return detect_cpu().runs(isa) ? native : std::max(1, native / 4); }

// A table of bytes behind a convolution: any, and where its kernels find it (engine/base/abi/conv.h).
using ByteTable = std::array<uint8_t, 256>;
ByteTable random_table(Rng&);
void append_table(std::vector<float>& mult, int64_t offset, const ByteTable&);
// Whether code with byte permutations can run here: natively, or because all of `isa` is interpreted anyway.
inline bool may_permute_bytes(Isa isa) {
  const CpuInfo cpu = detect_cpu();
  return has_vnni(isa) && (cpu.avx512_vbmi || !cpu.runs(isa));
}

// "plane 1 pixel (2, -1): ours 0x.., expected 0x.." for the first difference.
::testing::AssertionResult same_bytes(const Planes& ours, const GuardedBytes& expected);

}  // namespace quadlane::testing
