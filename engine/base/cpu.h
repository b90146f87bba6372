// What the processor can do, as a value: tests pass another machine's value to see what would be chosen there.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/fields.h"
#include "engine/base/status.h"

namespace quadlane {

// Instruction sets the generators know, weakest first. Each one includes those before it.
enum class Isa : uint8_t {
  reference,    // no generated code: the scalar reference of every operator
  avx2,         // 8 pixels a register, exact int8 by vpmaddwd on widened pairs
  avx512,       // F, BW, DQ, VL: 16 pixels a register, the same int8
  avx512_vnni,  // and vpdpbusd
};
template <>
inline constexpr Isa kLastOf<Isa> = Isa::avx512_vnni;
constexpr bool has_avx512(Isa isa) { return isa >= Isa::avx512; }
constexpr bool has_vnni(Isa isa) { return isa == Isa::avx512_vnni; }
// Dwords of a vector register.
constexpr int vector_lanes(Isa isa) { return has_avx512(isa) ? 16 : 8; }
// Products of one exact int8 dot's multiplication: without VNNI that of 16-bit halves counts.
constexpr int int8_macs_per_dot(Isa isa) { return (has_vnni(isa) ? 4 : 2) * vector_lanes(isa); }
const char* to_string(Isa);
Result<Isa> parse_isa(std::string_view);

struct CpuInfo {
  std::string vendor;  // "AuthenticAMD"
  std::string name;    // brand string
  int family = 0;      // AMD: 25 Zen 3 and 4, 26 Zen 5; Intel: 6
  bool avx2 = false, fma = false;
  bool avx512f = false, avx512bw = false, avx512vl = false, avx512dq = false, avx512_vnni = false, avx512_vbmi = false;
  uint32_t l1d_bytes = 32 << 10, l2_bytes = 512 << 10, l3_bytes = 8 << 20;

  Isa best_isa() const;
  bool runs(Isa isa) const { return isa <= best_isa(); }
};
// Reads CPUID (and XGETBV: the system must save the registers too) of the machine this runs on.
CpuInfo detect_cpu();

}  // namespace quadlane
