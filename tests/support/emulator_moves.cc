// Loads, stores, broadcasts, permutes, lane extraction, narrowing.
#include <limits>

#include "tests/support/emulator_machine.h"

namespace quadlane::emulation {
namespace {

using M = Machine;
using I = Instruction;
using Kind = Operand::Kind;

template <int element>
void move(M& m, const I& i) {
  Vector s;
  Vector a = m.source(i, 1, s, element);
  m.write(i, a, element);
}
// vmovd, vmovq, vmovss between memory, integer registers and element 0; the rest of a vector becomes 0.
template <int bytes>
void move_scalar(M& m, const I& i) {
  Vector s, r{};
  if (i.operands == 3) {  // vmovss x, y, z
    r = m.source(i, 1, s, bytes);
    std::memcpy(r.bytes, m.source(i, 2, s, bytes).bytes, bytes);
    return m.write(i, r, bytes);
  }
  uint64_t value = 0;
  if (i.operand[1].kind == Kind::vector)
    std::memcpy(&value, m.v[i.operand[1].index].bytes, bytes);
  else
    value = m.read_general(i.operand[1]);
  if (i.operand[0].kind != Kind::vector) return m.write_general(i.operand[0], value);
  std::memcpy(r.bytes, &value, bytes);
  m.write(i, r, bytes);
}

template <class T>
void broadcast(M& m, const I& i) {
  T value{};
  const Operand& from = i.operand[1];
  if (from.kind == Kind::vector) {
    value = m.v[from.index].get<T>(0);
  } else if (from.kind == Kind::general) {
    value = static_cast<T>(m.r[from.index]);
  } else if (uint8_t* p = m.memory(m.address(from), sizeof(T), false)) {
    std::memcpy(&value, p, sizeof(T));
  }
  Vector r{};
  for (int e = 0; e < i.operand[0].bytes / static_cast<int>(sizeof(T)); ++e) r.set<T>(e, value);
  m.write(i, r, sizeof(T));
}
template <int part, int element>  // parts of 16 or 32 bytes, repeated
void broadcast_part(M& m, const I& i) {
  Vector s, r{};
  const Vector& a = m.source(i, 1, s, part);
  for (int at = 0; at < i.operand[0].bytes; at += part) std::memcpy(r.bytes + at, a.bytes, part);
  m.write(i, r, element);
}
template <int part, int element>
void extract(M& m, const I& i) {
  Vector r{};
  int n = i.operand[1].bytes / part;
  std::memcpy(r.bytes, m.v[i.operand[1].index].bytes + (i.operand[2].value % n) * part, part);
  m.write(i, r, element);
}
template <int part, int element>
void insert(M& m, const I& i) {
  Vector s, t;
  Vector r = m.source(i, 1, s, element);
  int n = i.operand[0].bytes / part;
  std::memcpy(r.bytes + (i.operand[3].value % n) * part, m.source(i, 2, t, part).bytes, part);
  m.write(i, r, element);
}

// result[e] = data[indices[e]], across the whole register.
template <class T>
void permute(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &indices = m.source(i, 1, s, sizeof(T)), &data = m.source(i, 2, t, sizeof(T));
  int n = i.vector_bytes / static_cast<int>(sizeof(T));
  for (int e = 0; e < n; ++e) r.set<T>(e, data.get<T>(static_cast<int>(indices.get<T>(e) & static_cast<T>(n - 1))));
  m.write(i, r, sizeof(T));
}
// Two tables; bit log2(n) of an index chooses. vpermt2*: the destination is the first table, else the indices.
template <class T, bool destination_is_table>
void permute_two(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &destination = m.v[i.operand[0].index], &a = m.source(i, 1, s, sizeof(T));
  const Vector& second = m.source(i, 2, t, sizeof(T));
  const Vector &first = destination_is_table ? destination : a, &indices = destination_is_table ? a : destination;
  int n = i.vector_bytes / static_cast<int>(sizeof(T));
  for (int e = 0; e < n; ++e) {
    int index = static_cast<int>(indices.get<T>(e) & static_cast<T>(2 * n - 1));
    r.set<T>(e, (index & n ? second : first).get<T>(index & (n - 1)));
  }
  m.write(i, r, sizeof(T));
}
template <class T, int per_lane>  // vpshufd (4 dwords a lane), vpermq (4 qwords, 256 bits a lane)
void shuffle_immediate(M& m, const I& i) {
  if (i.operand[2].kind != Kind::immediate) return permute<T>(m, i);
  Vector s, r{};
  const Vector& a = m.source(i, 1, s, sizeof(T));
  for (int e = 0; e < i.vector_bytes / static_cast<int>(sizeof(T)); ++e)
    r.set<T>(e, a.get<T>(e / per_lane * per_lane + (static_cast<int>(i.operand[2].value) >> 2 * (e % 4) & 3)));
  m.write(i, r, sizeof(T));
}
void shuffle_bytes(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, 1), &order = m.source(i, 2, t, 1);
  for (int e = 0; e < i.vector_bytes; ++e)
    r.bytes[e] = order.bytes[e] & 128 ? 0 : a.bytes[(e & ~15) | (order.bytes[e] & 15)];
  m.write(i, r, 1);
}
void shuffle_floats(M& m, const I& i) {  // vshufps: two from each source
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, 4), &b = m.source(i, 2, t, 4);
  for (int e = 0; e < i.vector_bytes / 4; ++e)
    r.set<uint32_t>(
        e, (e & 2 ? b : a).get<uint32_t>((e & ~3) | (static_cast<int>(i.operand[3].value) >> 2 * (e & 3) & 3)));
  m.write(i, r, 4);
}
void permute_halves(M& m, const I& i) {  // vperm2i128
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, 16), &b = m.source(i, 2, t, 16);
  for (int half = 0; half < 2; ++half) {
    int64_t pick = i.operand[3].value >> 4 * half;
    if (pick & 8) continue;
    std::memcpy(r.bytes + 16 * half, (pick & 2 ? b : a).bytes + 16 * (pick & 1), 16);
  }
  m.write(i, r, 16);
}
template <int element>
void shuffle_lanes(M& m, const I& i) {  // vshufi32x4: half of the 128-bit lanes from each source
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, element), &b = m.source(i, 2, t, element);
  const int lanes = i.vector_bytes / 16, bits = lanes == 4 ? 2 : 1;
  for (int lane = 0; lane < lanes; ++lane) {
    const int64_t from = i.operand[3].value >> bits * lane & (lanes - 1);
    std::memcpy(r.bytes + 16 * lane, (lane < lanes / 2 ? a : b).bytes + 16 * from, 16);
  }
  m.write(i, r, element);
}
void align_bytes(M& m, const I& i) {  // vpalignr: within 128-bit lanes
  Vector s, t, r{};
  const Vector &high = m.source(i, 1, s, 1), &low = m.source(i, 2, t, 1);
  int n = static_cast<int>(i.operand[3].value & 255);
  for (int e = 0; e < i.vector_bytes; ++e) {
    int lane = e & ~15, from = (e & 15) + n;
    r.bytes[e] = from < 16 ? low.bytes[lane + from] : from < 32 ? high.bytes[lane + from - 16] : uint8_t{0};
  }
  m.write(i, r, 1);
}
template <class T>
void align_elements(M& m, const I& i) {  // valignd, valignq: across the register
  Vector s, t, r{};
  const Vector &high = m.source(i, 1, s, sizeof(T)), &low = m.source(i, 2, t, sizeof(T));
  int n = i.vector_bytes / static_cast<int>(sizeof(T)), by = static_cast<int>(i.operand[3].value) & (n - 1);
  for (int e = 0; e < n; ++e) r.set<T>(e, e + by < n ? low.get<T>(e + by) : high.get<T>(e + by - n));
  m.write(i, r, sizeof(T));
}

template <class T>
void blend_by_sign(M& m, const I& i) {  // vpblendvb, vblendvps
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T)), &c = m.v[i.operand[3].index];
  for (int e = 0; e < i.vector_bytes / static_cast<int>(sizeof(T)); ++e)
    r.set<T>(e, c.get<T>(e) < 0 ? b.get<T>(e) : a.get<T>(e));
  m.write(i, r, sizeof(T));
}
template <class T, int period>
void blend_by_immediate(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  for (int e = 0; e < i.vector_bytes / static_cast<int>(sizeof(T)); ++e)
    r.set<T>(e, (i.operand[3].value >> e % period & 1 ? b : a).template get<T>(e));
  m.write(i, r, sizeof(T));
}
template <class T>
void blend_by_mask(M& m, const I& i) {  // vpblendm*
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  uint64_t k = m.read_mask(i);
  for (int e = 0; e < i.vector_bytes / static_cast<int>(sizeof(T)); ++e)
    r.set<T>(e, k >> e & 1 ? b.get<T>(e) : i.zeroing ? T{0} : a.get<T>(e));
  m.write(i, r, sizeof(T));
}
void move_by_vector_mask(M& m, const I& i) {  // vpmaskmovd: bit 31 of each dword
  bool store = i.operand[0].kind == Kind::memory;
  const Operand& memory = i.operand[store ? 0 : 2];
  const Vector& mask = m.v[i.operand[1].index];
  Vector r{};
  for (int e = 0; e < i.vector_bytes / 4; ++e) {
    if (mask.get<int32_t>(e) >= 0) continue;
    uint8_t* p = m.memory(m.address(memory) + 4 * static_cast<uint64_t>(e), 4, store);
    if (!p) return;
    store ? std::memcpy(p, m.v[i.operand[2].index].bytes + 4 * e, 4) : std::memcpy(r.bytes + 4 * e, p, 4);
  }
  if (!store) m.write(i, r, 4);
}

void gather_dwords(M& m, const I& i) {  // vpgatherdd, by opmask or by bit 31 of each dword; uses the mask up
  Operand base = i.operand[1];
  const Vector index = m.v[static_cast<size_t>(base.scaled)];
  base.scaled = Operand::kNoRegister;
  Vector r = m.v[i.operand[0].index];
  for (int e = 0; e < i.vector_bytes / 4; ++e) {
    bool chosen = i.mask != 0 ? m.k[i.mask] >> e & 1 : m.v[i.operand[2].index].get<int32_t>(e) < 0;
    if (!chosen) continue;
    int64_t offset = int64_t{index.get<int32_t>(e)} * i.operand[1].scale;
    uint8_t* p = m.memory(m.address(base) + static_cast<uint64_t>(offset), 4, false);
    if (!p) return;
    std::memcpy(r.bytes + 4 * e, p, 4);
  }
  std::memset(r.bytes + i.vector_bytes, 0, sizeof r.bytes - i.vector_bytes);
  m.v[i.operand[0].index] = r;
  if (i.mask != 0)
    m.k[i.mask] = 0;
  else
    m.v[i.operand[2].index] = Vector{};
}

// vpmov*, vpmovus*, vpmovs*: From elements cut or saturated to To.
enum class Narrow { cut, saturate };
template <class From, class To, Narrow kind>
void narrow(M& m, const I& i) {
  const Vector& a = m.v[i.operand[1].index];
  Vector r{};
  for (int e = 0; e < i.vector_bytes / static_cast<int>(sizeof(From)); ++e) {
    From x = a.get<From>(e);
    if (kind == Narrow::saturate) {
      if (x > static_cast<From>(std::numeric_limits<To>::max())) x = static_cast<From>(std::numeric_limits<To>::max());
      if (x < static_cast<From>(std::numeric_limits<To>::min())) x = static_cast<From>(std::numeric_limits<To>::min());
    }
    r.set<To>(e, static_cast<To>(x));
  }
  m.write(i, r, sizeof(To));
}

void zero_upper(M& m, const I&) {
  for (int n = 0; n < 16; ++n) std::memset(m.v[n].bytes + 16, 0, 48);
}
template <class T>
void sign_bits(M& m, const I& i) {  // vpmovmskb, vmovmskps, vpmovb2m
  uint64_t bits = 0;
  const Vector& a = m.v[i.operand[1].index];
  for (int e = 0; e < i.operand[1].bytes / static_cast<int>(sizeof(T)); ++e)
    if (a.get<T>(e) < 0) bits |= uint64_t{1} << e;
  i.operand[0].kind == Kind::mask ? m.write_mask(i, bits) : m.write_general(i.operand[0], bits);
}

Handlers make_table() {
  Handlers h = {
      {ZYDIS_MNEMONIC_VMOVD, move_scalar<4>},
      {ZYDIS_MNEMONIC_VMOVQ, move_scalar<8>},
      {ZYDIS_MNEMONIC_VMOVSS, move_scalar<4>},
      {ZYDIS_MNEMONIC_VPBROADCASTB, broadcast<uint8_t>},
      {ZYDIS_MNEMONIC_VPBROADCASTW, broadcast<uint16_t>},
      {ZYDIS_MNEMONIC_VPBROADCASTD, broadcast<uint32_t>},
      {ZYDIS_MNEMONIC_VPBROADCASTQ, broadcast<uint64_t>},
      {ZYDIS_MNEMONIC_VBROADCASTSS, broadcast<uint32_t>},
      {ZYDIS_MNEMONIC_VBROADCASTI128, broadcast_part<16, 16>},
      {ZYDIS_MNEMONIC_VBROADCASTF128, broadcast_part<16, 16>},
      {ZYDIS_MNEMONIC_VBROADCASTI32X4, broadcast_part<16, 4>},
      {ZYDIS_MNEMONIC_VBROADCASTF32X4, broadcast_part<16, 4>},
      {ZYDIS_MNEMONIC_VBROADCASTI64X4, broadcast_part<32, 8>},
      {ZYDIS_MNEMONIC_VBROADCASTI32X8, broadcast_part<32, 4>},
      {ZYDIS_MNEMONIC_VEXTRACTI128, extract<16, 16>},
      {ZYDIS_MNEMONIC_VEXTRACTF128, extract<16, 16>},
      {ZYDIS_MNEMONIC_VEXTRACTI32X4, extract<16, 4>},
      {ZYDIS_MNEMONIC_VEXTRACTI64X4, extract<32, 8>},
      {ZYDIS_MNEMONIC_VEXTRACTF64X4, extract<32, 8>},
      {ZYDIS_MNEMONIC_VEXTRACTI32X8, extract<32, 4>},
      {ZYDIS_MNEMONIC_VINSERTI128, insert<16, 16>},
      {ZYDIS_MNEMONIC_VINSERTF128, insert<16, 16>},
      {ZYDIS_MNEMONIC_VINSERTI32X4, insert<16, 4>},
      {ZYDIS_MNEMONIC_VINSERTI64X4, insert<32, 8>},
      {ZYDIS_MNEMONIC_VPERMB, permute<uint8_t>},
      {ZYDIS_MNEMONIC_VPERMW, permute<uint16_t>},
      {ZYDIS_MNEMONIC_VPERMD, permute<uint32_t>},
      {ZYDIS_MNEMONIC_VPERMPS, permute<uint32_t>},
      {ZYDIS_MNEMONIC_VPERMT2B, permute_two<uint8_t, true>},
      {ZYDIS_MNEMONIC_VPERMI2B, permute_two<uint8_t, false>},
      {ZYDIS_MNEMONIC_VPERMT2W, permute_two<uint16_t, true>},
      {ZYDIS_MNEMONIC_VPERMT2D, permute_two<uint32_t, true>},
      {ZYDIS_MNEMONIC_VPERMT2PS, permute_two<uint32_t, true>},
      {ZYDIS_MNEMONIC_VPERMT2Q, permute_two<uint64_t, true>},
      {ZYDIS_MNEMONIC_VPERMI2W, permute_two<uint16_t, false>},
      {ZYDIS_MNEMONIC_VPERMI2D, permute_two<uint32_t, false>},
      {ZYDIS_MNEMONIC_VPERMI2PS, permute_two<uint32_t, false>},
      {ZYDIS_MNEMONIC_VPSHUFD, shuffle_immediate<uint32_t, 4>},
      {ZYDIS_MNEMONIC_VPERMQ, shuffle_immediate<uint64_t, 4>},
      {ZYDIS_MNEMONIC_VPERMPD, shuffle_immediate<uint64_t, 4>},
      {ZYDIS_MNEMONIC_VPSHUFB, shuffle_bytes},
      {ZYDIS_MNEMONIC_VSHUFPS, shuffle_floats},
      {ZYDIS_MNEMONIC_VPERM2I128, permute_halves},
      {ZYDIS_MNEMONIC_VPERM2F128, permute_halves},
      {ZYDIS_MNEMONIC_VSHUFI32X4, shuffle_lanes<4>},
      {ZYDIS_MNEMONIC_VPALIGNR, align_bytes},
      {ZYDIS_MNEMONIC_VALIGND, align_elements<uint32_t>},
      {ZYDIS_MNEMONIC_VALIGNQ, align_elements<uint64_t>},
      {ZYDIS_MNEMONIC_VPBLENDVB, blend_by_sign<int8_t>},
      {ZYDIS_MNEMONIC_VBLENDVPS, blend_by_sign<int32_t>},
      {ZYDIS_MNEMONIC_VPBLENDD, blend_by_immediate<uint32_t, 8>},
      {ZYDIS_MNEMONIC_VBLENDPS, blend_by_immediate<uint32_t, 8>},
      {ZYDIS_MNEMONIC_VPBLENDW, blend_by_immediate<uint16_t, 8>},
      {ZYDIS_MNEMONIC_VPBLENDMB, blend_by_mask<uint8_t>},
      {ZYDIS_MNEMONIC_VPBLENDMW, blend_by_mask<uint16_t>},
      {ZYDIS_MNEMONIC_VPBLENDMD, blend_by_mask<uint32_t>},
      {ZYDIS_MNEMONIC_VBLENDMPS, blend_by_mask<uint32_t>},
      {ZYDIS_MNEMONIC_VPMASKMOVD, move_by_vector_mask},
      {ZYDIS_MNEMONIC_VMASKMOVPS, move_by_vector_mask},
      {ZYDIS_MNEMONIC_VPGATHERDD, gather_dwords},
      {ZYDIS_MNEMONIC_VPMOVDB, narrow<uint32_t, uint8_t, Narrow::cut>},
      {ZYDIS_MNEMONIC_VPMOVDW, narrow<uint32_t, uint16_t, Narrow::cut>},
      {ZYDIS_MNEMONIC_VPMOVWB, narrow<uint16_t, uint8_t, Narrow::cut>},
      {ZYDIS_MNEMONIC_VPMOVUSDB, narrow<uint32_t, uint8_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVUSDW, narrow<uint32_t, uint16_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVUSWB, narrow<uint16_t, uint8_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVSDB, narrow<int32_t, int8_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVSDW, narrow<int32_t, int16_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVSWB, narrow<int16_t, int8_t, Narrow::saturate>},
      {ZYDIS_MNEMONIC_VPMOVMSKB, sign_bits<int8_t>},
      {ZYDIS_MNEMONIC_VPMOVB2M, sign_bits<int8_t>},
      {ZYDIS_MNEMONIC_VPMOVD2M, sign_bits<int32_t>},
      {ZYDIS_MNEMONIC_VMOVMSKPS, sign_bits<int32_t>},
      {ZYDIS_MNEMONIC_VZEROUPPER, zero_upper},
  };
  for (ZydisMnemonic op : {ZYDIS_MNEMONIC_VMOVDQU, ZYDIS_MNEMONIC_VMOVDQA, ZYDIS_MNEMONIC_VMOVDQU32,
                           ZYDIS_MNEMONIC_VMOVDQA32, ZYDIS_MNEMONIC_VMOVUPS, ZYDIS_MNEMONIC_VMOVAPS})
    h[op] = move<4>;
  h[ZYDIS_MNEMONIC_VMOVDQU8] = move<1>;
  h[ZYDIS_MNEMONIC_VMOVDQU16] = move<2>;
  h[ZYDIS_MNEMONIC_VMOVDQU64] = h[ZYDIS_MNEMONIC_VMOVDQA64] = move<8>;
  return h;
}

}  // namespace

const Handlers& move_handlers() {
  static const Handlers table = make_table();
  return table;
}

}  // namespace quadlane::emulation
