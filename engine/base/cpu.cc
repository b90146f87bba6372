#include "engine/base/cpu.h"

#include <cpuid.h>

#include <array>
#include <cstring>

namespace quadlane {

const char* to_string(Isa isa) {
  switch (isa) {
    case Isa::reference: return "reference";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512_vnni: return "avx512_vnni";
  }
  return "?";
}

Result<Isa> parse_isa(std::string_view name) {
  for (Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    if (name == to_string(isa)) return isa;
  return invalid_argument("unknown instruction set '", name, "', expected reference, avx2, avx512 or avx512_vnni");
}

Isa CpuInfo::best_isa() const {
  if (!avx2 || !fma) return Isa::reference;
  if (!avx512f || !avx512bw || !avx512vl || !avx512dq) return Isa::avx2;
  return avx512_vnni ? Isa::avx512_vnni : Isa::avx512;
}

namespace {

struct Leaf {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Leaf cpuid(uint32_t leaf, uint32_t sub = 0) {
  Leaf r;
  __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool bit(uint32_t word, int i) { return (word >> i & 1) != 0; }

// Register state the operating system saves: bits 1, 2 = SSE, AVX; 5, 6, 7 = opmask and zmm.
uint64_t saved_state() {
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t{high} << 32) | low;
}

// Deterministic cache parameters: Intel leaf 4, AMD leaf 0x8000001d, same layout.
void read_caches(CpuInfo& cpu, uint32_t leaf) {
  for (uint32_t i = 0; i < 8; ++i) {
    Leaf r = cpuid(leaf, i);
    uint32_t type = r.a & 31, level = r.a >> 5 & 7;
    if (type == 0) break;
    if (type == 2) continue;  // instruction cache
    uint32_t bytes = ((r.b >> 22) + 1) * ((r.b >> 12 & 1023) + 1) * ((r.b & 4095) + 1) * (r.c + 1);
    if (level == 1) cpu.l1d_bytes = bytes;
    if (level == 2) cpu.l2_bytes = bytes;
    if (level == 3) cpu.l3_bytes = bytes;
  }
}

}  // namespace

CpuInfo detect_cpu() {
  CpuInfo cpu;
  Leaf vendor = cpuid(0);
  char text[13] = {};
  std::memcpy(text, &vendor.b, 4);
  std::memcpy(text + 4, &vendor.d, 4);
  std::memcpy(text + 8, &vendor.c, 4);
  cpu.vendor = text;
  std::array<char, 49> brand{};
  for (uint32_t i = 0; i < 3; ++i) {
    Leaf r = cpuid(0x80000002u + i);
    std::memcpy(brand.data() + 16 * i, &r, 16);
  }
  cpu.name = brand.data();
  while (!cpu.name.empty() && cpu.name.back() == ' ') cpu.name.pop_back();

  Leaf one = cpuid(1), seven = cpuid(7);
  const int base_family = static_cast<int>(one.a >> 8 & 15);
  cpu.family = base_family == 15 ? 15 + static_cast<int>(one.a >> 20 & 255) : base_family;
  if (!bit(one.c, 27)) return cpu;  // no OSXSAVE: no wide registers
  uint64_t state = saved_state();
  if ((state & 6) != 6) return cpu;
  cpu.fma = bit(one.c, 12);
  cpu.avx2 = bit(seven.b, 5);
  if ((state & 0xe6) == 0xe6) {
    cpu.avx512f = bit(seven.b, 16);
    cpu.avx512dq = bit(seven.b, 17);
    cpu.avx512bw = bit(seven.b, 30);
    cpu.avx512vl = bit(seven.b, 31);
    cpu.avx512_vbmi = bit(seven.c, 1);
    cpu.avx512_vnni = bit(seven.c, 11);
  }
  read_caches(cpu, cpu.vendor == "AuthenticAMD" ? 0x8000001du : 4u);
  return cpu;
}

}  // namespace quadlane
