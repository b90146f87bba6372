#include "tests/jit/kernel_harness.h"

#include <algorithm>
#include <numeric>

#include "jit/code_memory.h"
#include "tests/support/emulator.h"

namespace quadlane::testing {

void fill_bytes(const GuardedBytes& bytes, Rng& rng) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    uint32_t r = rng();
    uint32_t extreme = r >> 8 & 7;  // often the ends of the range
    bytes.as<uint8_t>()[i] = static_cast<uint8_t>(extreme == 0 ? 0 : extreme == 1 ? 255 : r);
  }
}

void fill_floats(const GuardedBytes& bytes, Rng& rng, float lo, float hi) {
  std::uniform_real_distribution<float> value(lo, hi);
  for (size_t i = 0; i < bytes.size() / sizeof(float); ++i) bytes.as<float>()[i] = value(rng);
}

Planes::Planes(const Geometry& g, int count, Rng& rng)
    : geometry(g), bytes(static_cast<size_t>(g.plane_bytes()) * static_cast<size_t>(count)) {
  fill_bytes(bytes, rng);
  for (int i = 0; i < count; ++i) {
    offsets.push_back((int64_t{i} * g.plane_pixels + g.origin) * kPixelBytes);
    pads.push_back(rng());
  }
  std::shuffle(offsets.begin(), offsets.end(), rng);
}

Geometry random_geometry(Rng& rng, int h, int w) {
  return make_geometry(1, h, w, pick(rng, 0, 3), pick(rng, 0, 2), pick(rng, 0, 2)).value();
}

ByteTable random_table(Rng& rng) {
  ByteTable table;
  for (uint8_t& y : table) y = static_cast<uint8_t>(pick(rng, 0, 255));
  return table;
}

void append_table(std::vector<float>& mult, int64_t offset, const ByteTable& table) {
  mult.resize((static_cast<size_t>(offset) + table.size()) / sizeof(float));
  std::memcpy(mult.data() + static_cast<size_t>(offset) / sizeof(float), table.data(), table.size());
}

::testing::AssertionResult run_kernel(const MachineCode& code, Isa isa, const void* args,
                                      const std::vector<Region>& regions, bool vbmi) {
  static int calls = 0;
  bool interpret = ++calls % 4 == 0;  // now and then anyway: it checks every access to the byte
  const CpuInfo cpu = detect_cpu();
  if (!interpret && cpu.runs(isa) && (cpu.avx512_vbmi || !vbmi)) {
    CodeMemory memory;
    size_t offset = memory.place(code);
    if (Status s = memory.seal(); !s) return ::testing::AssertionFailure() << s.error().text();
    memory.entry(offset)(args);
    return ::testing::AssertionSuccess();
  }
  Emulator emulator(code, isa, vbmi);
  for (size_t i = 0; i < regions.size(); ++i)
    emulator.allow(regions[i].data, regions[i].bytes, regions[i].writable ? Access::read_write : Access::read,
                   cat("region ", i));
  if (Status s = emulator.run(args); !s) return ::testing::AssertionFailure() << code.name << ": " << s.error().text();
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult same_bytes(const Planes& ours, const GuardedBytes& expected) {
  if (ours.bytes == expected) return ::testing::AssertionSuccess();
  size_t at = 0;
  while (ours.base()[at] == expected.data()[at]) ++at;
  at -= at % kPixelBytes;
  const Geometry& g = ours.geometry;
  int64_t pixel = static_cast<int64_t>(at) / kPixelBytes % g.plane_pixels - g.origin;
  int64_t memory_plane = static_cast<int64_t>(at) / g.plane_bytes();
  uint32_t a, b;
  std::memcpy(&a, ours.base() + at, sizeof a);
  std::memcpy(&b, expected.data() + at, sizeof b);
  return ::testing::AssertionFailure() << "plane at " << memory_plane << " of " << describe(g) << ", flattened pixel "
                                       << pixel << " (pitch " << g.pitch << "): ours 0x" << std::hex << a
                                       << ", expected 0x" << b;
}

}  // namespace quadlane::testing
