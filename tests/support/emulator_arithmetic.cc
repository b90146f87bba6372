// Instructions that compute element by element, or within 128-bit lanes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "tests/support/emulator_machine.h"

namespace quadlane::emulation {
namespace {

using M = Machine;
using I = Instruction;

template <class T>
int count(const I& i) {
  return i.vector_bytes / static_cast<int>(sizeof(T));
}

template <class T, auto F>
void unary(M& m, const I& i) {
  Vector s, r{};
  const Vector& a = m.source(i, 1, s, sizeof(T));
  for (int e = 0; e < count<T>(i); ++e) r.set<T>(e, F(a.get<T>(e)));
  m.write(i, r, sizeof(T));
}
template <class T, auto F>
void binary(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  for (int e = 0; e < count<T>(i); ++e) r.set<T>(e, static_cast<T>(F(a.get<T>(e), b.get<T>(e))));
  m.write(i, r, sizeof(T));
}
// The destination is the third operand.
template <class T, auto F>
void ternary(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &d = m.v[i.operand[0].index], &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  for (int e = 0; e < count<T>(i); ++e) r.set<T>(e, F(d.get<T>(e), a.get<T>(e), b.get<T>(e)));
  m.write(i, r, sizeof(T));
}
// To - element conversions, widening or equal; the source is read at its own size.
template <class From, class To, auto F>
void convert(M& m, const I& i) {
  Vector s, r{};
  const Vector& a = m.source(i, 1, s, sizeof(From));
  for (int e = 0; e < count<To>(i); ++e) r.set<To>(e, F(a.get<From>(e)));
  m.write(i, r, sizeof(To));
}
// Scalar fp32: element 0 computed, the rest from the first source.
template <auto F>
void scalar(M& m, const I& i) {
  Vector s, t;
  Vector r = m.source(i, 1, s, 4);
  r.set<float>(0, F(r.get<float>(0), m.source(i, 2, t, 4).get<float>(0)));
  m.write(i, r, 4);
}

template <class T, auto F>
void shift(M& m, const I& i) {
  Vector s, t, r{};
  const Vector& a = m.source(i, 1, s, sizeof(T));
  uint64_t n = i.operand[2].kind == Operand::Kind::immediate ? static_cast<uint64_t>(i.operand[2].value) & 255
                                                             : m.source(i, 2, t, 16).get<uint64_t>(0);
  for (int e = 0; e < count<T>(i); ++e) r.set<T>(e, F(a.get<T>(e), n));
  m.write(i, r, sizeof(T));
}
template <class T>
constexpr T shift_left(T a, uint64_t n) {
  return n >= 8 * sizeof(T) ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << n);
}
template <class T>
constexpr T shift_right(T a, uint64_t n) {  // arithmetic for signed T
  if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> std::min<uint64_t>(n, 8 * sizeof(T) - 1));
  return n >= 8 * sizeof(T) ? T{0} : static_cast<T>(a >> n);
}

template <class To, class From>
constexpr To saturate(From x) {
  return static_cast<To>(std::clamp<int64_t>(x, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
}

template <class From, class To>
void pack(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(From)), &b = m.source(i, 2, t, sizeof(From));
  constexpr int n = 16 / sizeof(From);
  for (int lane = 0; lane < i.vector_bytes / 16; ++lane)
    for (int e = 0; e < n; ++e) {
      r.set<To>(lane * 2 * n + e, saturate<To>(a.get<From>(lane * n + e)));
      r.set<To>(lane * 2 * n + n + e, saturate<To>(b.get<From>(lane * n + e)));
    }
  m.write(i, r, sizeof(To));
}
template <class T, bool high>
void unpack(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  constexpr int n = 16 / sizeof(T);
  for (int lane = 0; lane < i.vector_bytes / 16; ++lane)
    for (int e = 0; e < n / 2; ++e) {
      int from = lane * n + e + (high ? n / 2 : 0);
      r.set<T>(lane * n + 2 * e, a.get<T>(from));
      r.set<T>(lane * n + 2 * e + 1, b.get<T>(from));
    }
  m.write(i, r, sizeof(T));
}

uint32_t add_products(uint32_t a, uint32_t b) {  // vpmaddwd: s16 x s16 pairs
  auto half = [](uint32_t x, int h) { return static_cast<int16_t>(x >> 16 * h); };
  return static_cast<uint32_t>(half(a, 0) * half(b, 0)) + static_cast<uint32_t>(half(a, 1) * half(b, 1));
}
uint16_t add_byte_products(uint16_t a, uint16_t b) {  // vpmaddubsw: u8 x s8 pairs, saturating
  int sum = (a & 255) * static_cast<int8_t>(b & 255) + (a >> 8) * static_cast<int8_t>(b >> 8);
  return static_cast<uint16_t>(saturate<int16_t>(sum));
}
uint32_t dot_bytes(uint32_t acc, uint32_t a, uint32_t b) {  // vpdpbusd: u8 x s8, wraps around
  for (int e = 0; e < 4; ++e)
    acc += static_cast<uint32_t>(static_cast<uint8_t>(a >> 8 * e) * static_cast<int8_t>(b >> 8 * e));
  return acc;
}
uint32_t dot_words(uint32_t acc, uint32_t a, uint32_t b) { return acc + add_products(a, b); }

int32_t to_int(float x) {  // "integer indefinite" for NaN and overflow
  return x >= -2147483648.0f && x < 2147483648.0f ? static_cast<int32_t>(x) : std::numeric_limits<int32_t>::min();
}
float half_even(float x) { return std::nearbyint(x); }

void ternary_logic(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.v[i.operand[0].index], &b = m.source(i, 1, s, 4), &c = m.source(i, 2, t, 4);
  int64_t table = i.operand[3].value;
  for (int e = 0; e < count<uint32_t>(i); ++e) {
    uint32_t x = a.get<uint32_t>(e), y = b.get<uint32_t>(e), z = c.get<uint32_t>(e), out = 0;
    for (int row = 0; row < 8; ++row)
      if (table >> row & 1) out |= (row & 4 ? x : ~x) & (row & 2 ? y : ~y) & (row & 1 ? z : ~z);
    r.set<uint32_t>(e, out);
  }
  m.write(i, r, 4);
}

template <class T>
bool compares(int predicate, T a, T b) {  // of vpcmp*
  switch (predicate & 7) {
    case 0: return a == b;
    case 1: return a < b;
    case 2: return a <= b;
    case 3: return false;
    case 4: return a != b;
    case 5: return a >= b;
    case 6: return a > b;
    default: return true;
  }
}
bool compares_float(int predicate, float a, float b) {  // eq, lt, le, unord, neq, nlt, nle, ord, .. of vcmpps
  bool unordered = std::isnan(a) || std::isnan(b);
  switch (predicate & 15) {
    case 0: return a == b;
    case 1: return a < b;
    case 2: return a <= b;
    case 3: return unordered;
    case 4: return !(a == b);
    case 5: return !(a < b);
    case 6: return !(a <= b);
    case 7: return !unordered;
    case 8: return a == b || unordered;
    case 9: return !(a >= b);
    case 10: return !(a > b);
    case 12: return a != b && !unordered;
    case 13: return a >= b;
    case 14: return a > b;
    default: return (predicate & 15) == 15;
  }
}
// predicate < 0: the immediate. The result is an opmask (EVEX) or all-ones elements (VEX).
template <class T, int predicate>
void compare(M& m, const I& i) {
  Vector s, t, r{};
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  int p = predicate < 0 ? static_cast<int>(i.operand[3].value) : predicate;
  uint64_t bits = 0;
  for (int e = 0; e < count<T>(i); ++e) {
    bool yes = false;
    if constexpr (std::is_floating_point_v<T>)
      yes = compares_float(p, a.get<T>(e), b.get<T>(e));
    else
      yes = compares<T>(p, a.get<T>(e), b.get<T>(e));
    if (yes) bits |= uint64_t{1} << e;
    if (yes) std::memset(r.bytes + static_cast<size_t>(e) * sizeof(T), 0xff, sizeof(T));
  }
  i.operand[0].kind == Operand::Kind::mask ? m.write_mask(i, bits) : m.write(i, r, sizeof(T));
}

template <class T>
void test_bits(M& m, const I& i) {  // vptestm*
  Vector s, t;
  const Vector &a = m.source(i, 1, s, sizeof(T)), &b = m.source(i, 2, t, sizeof(T));
  uint64_t bits = 0;
  for (int e = 0; e < count<T>(i); ++e) bits |= uint64_t{(a.get<T>(e) & b.get<T>(e)) != 0} << e;
  m.write_mask(i, bits);
}

// 0..3 of vroundps / vrndscaleps (scale 0): nearest even, down, up, toward zero; 4: current mode = nearest even.
void round_floats(M& m, const I& i) {
  Vector s, r{};
  const Vector& a = m.source(i, 1, s, 4);
  int mode = static_cast<int>(i.operand[2].value);
  if (mode >> 4) return m.fail("vrndscaleps with a scale");
  for (int e = 0; e < count<float>(i); ++e) {
    float x = a.get<float>(e);
    int kind = mode & 4 ? 0 : mode & 3;
    r.set<float>(e, kind == 0 ? half_even(x) : kind == 1 ? std::floor(x) : kind == 2 ? std::ceil(x) : std::trunc(x));
  }
  m.write(i, r, 4);
}

#define QL_FN(expr) [](auto a, [[maybe_unused]] auto b) { return (expr); }

void add_integers(Handlers& h) {
#define QL_INT(op, suffix, T, expr) h[ZYDIS_MNEMONIC_##op##suffix] = binary<T, QL_FN(expr)>
#define QL_ALL(op, expr)         \
  QL_INT(op, B, uint8_t, expr);  \
  QL_INT(op, W, uint16_t, expr); \
  QL_INT(op, D, uint32_t, expr); \
  QL_INT(op, Q, uint64_t, expr)
  QL_ALL(VPADD, a + b);
  QL_ALL(VPSUB, a - b);
  QL_INT(VPMAXU, B, uint8_t, std::max(a, b));
  QL_INT(VPMAXU, W, uint16_t, std::max(a, b));
  QL_INT(VPMAXU, D, uint32_t, std::max(a, b));
  QL_INT(VPMAXS, B, int8_t, std::max(a, b));
  QL_INT(VPMAXS, W, int16_t, std::max(a, b));
  QL_INT(VPMAXS, D, int32_t, std::max(a, b));
  QL_INT(VPMINU, B, uint8_t, std::min(a, b));
  QL_INT(VPMINU, W, uint16_t, std::min(a, b));
  QL_INT(VPMINU, D, uint32_t, std::min(a, b));
  QL_INT(VPMINS, B, int8_t, std::min(a, b));
  QL_INT(VPMINS, W, int16_t, std::min(a, b));
  QL_INT(VPMINS, D, int32_t, std::min(a, b));
  QL_INT(VPAVG, B, uint8_t, (a + b + 1) >> 1);
  QL_INT(VPAVG, W, uint16_t, (a + b + 1) >> 1);
  QL_INT(VPSUBUS, B, uint8_t, std::max(a - b, 0));
  QL_INT(VPSUBUS, W, uint16_t, std::max(a - b, 0));
  QL_INT(VPADDUS, B, uint8_t, std::min(a + b, 255));
  QL_INT(VPADDUS, W, uint16_t, std::min(a + b, 65535));
  QL_INT(VPADDS, W, int16_t, saturate<int16_t>(a + b));
  QL_INT(VPSUBS, W, int16_t, saturate<int16_t>(a - b));
  QL_INT(VPSUBS, B, int8_t, saturate<int8_t>(a - b));
  QL_INT(VPMULL, W, int16_t, a * b);
  QL_INT(VPMULL, D, uint32_t, a * b);
  QL_INT(VPMULH, W, int16_t, a * b >> 16);
  QL_INT(VPMULHU, W, uint16_t, static_cast<uint32_t>(a) * b >> 16);
  QL_INT(VPMULHRS, W, int16_t, ((a * b >> 14) + 1) >> 1);
  QL_INT(VPMULU, DQ, uint64_t, (a & 0xffffffff) * (b & 0xffffffff));
  h[ZYDIS_MNEMONIC_VPMADDWD] = binary<uint32_t, add_products>;
  h[ZYDIS_MNEMONIC_VPMADDUBSW] = binary<uint16_t, add_byte_products>;
  h[ZYDIS_MNEMONIC_VPDPBUSD] = ternary<uint32_t, dot_bytes>;
  h[ZYDIS_MNEMONIC_VPDPWSSD] = ternary<uint32_t, dot_words>;
  h[ZYDIS_MNEMONIC_VPABSB] = unary<int8_t, [](int8_t a) { return static_cast<int8_t>(a < 0 ? -a : a); }>;
  h[ZYDIS_MNEMONIC_VPABSW] = unary<int16_t, [](int16_t a) { return static_cast<int16_t>(a < 0 ? -a : a); }>;
  h[ZYDIS_MNEMONIC_VPABSD] =
      unary<int32_t, [](int32_t a) { return static_cast<int32_t>(a < 0 ? 0u - static_cast<uint32_t>(a) : a); }>;
  for (auto [op, f] : std::initializer_list<std::pair<ZydisMnemonic, Handler>>{
           {ZYDIS_MNEMONIC_VPAND, binary<uint32_t, QL_FN(a & b)>},
           {ZYDIS_MNEMONIC_VPANDD, binary<uint32_t, QL_FN(a & b)>},
           {ZYDIS_MNEMONIC_VPANDQ, binary<uint64_t, QL_FN(a & b)>},
           {ZYDIS_MNEMONIC_VANDPS, binary<uint32_t, QL_FN(a & b)>},
           {ZYDIS_MNEMONIC_VPANDN, binary<uint32_t, QL_FN(~a & b)>},
           {ZYDIS_MNEMONIC_VPANDND, binary<uint32_t, QL_FN(~a & b)>},
           {ZYDIS_MNEMONIC_VPANDNQ, binary<uint64_t, QL_FN(~a & b)>},
           {ZYDIS_MNEMONIC_VANDNPS, binary<uint32_t, QL_FN(~a & b)>},
           {ZYDIS_MNEMONIC_VPOR, binary<uint32_t, QL_FN(a | b)>},
           {ZYDIS_MNEMONIC_VPORD, binary<uint32_t, QL_FN(a | b)>},
           {ZYDIS_MNEMONIC_VPORQ, binary<uint64_t, QL_FN(a | b)>},
           {ZYDIS_MNEMONIC_VORPS, binary<uint32_t, QL_FN(a | b)>},
           {ZYDIS_MNEMONIC_VPXOR, binary<uint32_t, QL_FN(a ^ b)>},
           {ZYDIS_MNEMONIC_VPXORD, binary<uint32_t, QL_FN(a ^ b)>},
           {ZYDIS_MNEMONIC_VPXORQ, binary<uint64_t, QL_FN(a ^ b)>},
           {ZYDIS_MNEMONIC_VXORPS, binary<uint32_t, QL_FN(a ^ b)>}})
    h[op] = f;
}

void add_shifts_and_compares(Handlers& h) {
#define QL_SHIFT(op, suffix, T, f) h[ZYDIS_MNEMONIC_VP##op##suffix] = shift<T, f<T>>
  QL_SHIFT(SLL, W, uint16_t, shift_left);
  QL_SHIFT(SLL, D, uint32_t, shift_left);
  QL_SHIFT(SLL, Q, uint64_t, shift_left);
  QL_SHIFT(SRL, W, uint16_t, shift_right);
  QL_SHIFT(SRL, D, uint32_t, shift_right);
  QL_SHIFT(SRL, Q, uint64_t, shift_right);
  QL_SHIFT(SRA, W, int16_t, shift_right);
  QL_SHIFT(SRA, D, int32_t, shift_right);
  h[ZYDIS_MNEMONIC_VPSLLVD] = binary<uint32_t, shift_left<uint32_t>>;
  h[ZYDIS_MNEMONIC_VPSRLVD] = binary<uint32_t, shift_right<uint32_t>>;
  h[ZYDIS_MNEMONIC_VPSRAVD] =
      binary<int32_t, [](int32_t a, int32_t n) { return shift_right<int32_t>(a, static_cast<uint32_t>(n)); }>;
#define QL_COMPARE(suffix, T, U)                     \
  h[ZYDIS_MNEMONIC_VPCMPEQ##suffix] = compare<U, 0>; \
  h[ZYDIS_MNEMONIC_VPCMPGT##suffix] = compare<T, 6>; \
  h[ZYDIS_MNEMONIC_VPCMP##suffix] = compare<T, -1>;  \
  h[ZYDIS_MNEMONIC_VPCMPU##suffix] = compare<U, -1>
  QL_COMPARE(B, int8_t, uint8_t);
  QL_COMPARE(W, int16_t, uint16_t);
  QL_COMPARE(D, int32_t, uint32_t);
  QL_COMPARE(Q, int64_t, uint64_t);
  h[ZYDIS_MNEMONIC_VPTESTMW] = test_bits<uint16_t>;
  h[ZYDIS_MNEMONIC_VPTESTMD] = test_bits<uint32_t>;
  h[ZYDIS_MNEMONIC_VCMPPS] = compare<float, -1>;
  h[ZYDIS_MNEMONIC_VPACKUSDW] = pack<int32_t, uint16_t>;
  h[ZYDIS_MNEMONIC_VPACKSSDW] = pack<int32_t, int16_t>;
  h[ZYDIS_MNEMONIC_VPACKUSWB] = pack<int16_t, uint8_t>;
  h[ZYDIS_MNEMONIC_VPACKSSWB] = pack<int16_t, int8_t>;
#define QL_UNPACK(suffix, T)                             \
  h[ZYDIS_MNEMONIC_VPUNPCKL##suffix] = unpack<T, false>; \
  h[ZYDIS_MNEMONIC_VPUNPCKH##suffix] = unpack<T, true>
  QL_UNPACK(BW, uint8_t);
  QL_UNPACK(WD, uint16_t);
  QL_UNPACK(DQ, uint32_t);
  QL_UNPACK(QDQ, uint64_t);
  h[ZYDIS_MNEMONIC_VPTERNLOGD] = h[ZYDIS_MNEMONIC_VPTERNLOGQ] = ternary_logic;
}

void add_floats(Handlers& h) {
  auto both = [&](ZydisMnemonic packed, ZydisMnemonic single, Handler p, Handler s) {
    h[packed] = p;
    h[single] = s;
  };
#define QL_FLOAT(op, expr) \
  both(ZYDIS_MNEMONIC_##op##PS, ZYDIS_MNEMONIC_##op##SS, binary<float, QL_FN(expr)>, scalar<QL_FN(expr)>)
  QL_FLOAT(VADD, a + b);
  QL_FLOAT(VSUB, a - b);
  QL_FLOAT(VMUL, a * b);
  QL_FLOAT(VDIV, a / b);
  QL_FLOAT(VMAX, a > b ? a : b);  // the second source when either is NaN
  QL_FLOAT(VMIN, a < b ? a : b);
#define QL_FMA(op, sign)                                                                                            \
  h[ZYDIS_MNEMONIC_##op##132PS] = ternary<float, [](float d, float a, float b) { return std::fma(sign d, b, a); }>; \
  h[ZYDIS_MNEMONIC_##op##213PS] = ternary<float, [](float d, float a, float b) { return std::fma(sign a, d, b); }>; \
  h[ZYDIS_MNEMONIC_##op##231PS] = ternary<float, [](float d, float a, float b) { return std::fma(sign a, b, d); }>
  QL_FMA(VFMADD, +);
  QL_FMA(VFNMADD, -);
  h[ZYDIS_MNEMONIC_VSCALEFPS] = binary<float, [](float a, float b) {
    return std::isnan(a) || std::isnan(b) ? a + b
                                          : std::ldexp(a, static_cast<int>(std::floor(std::clamp(b, -400.0f, 400.0f))));
  }>;
  h[ZYDIS_MNEMONIC_VADDPD] = binary<double, QL_FN(a + b)>;
  h[ZYDIS_MNEMONIC_VCVTPS2PD] = convert<float, double, [](float a) { return static_cast<double>(a); }>;
  h[ZYDIS_MNEMONIC_VSQRTPS] = unary<float, [](float a) { return std::sqrt(a); }>;
  h[ZYDIS_MNEMONIC_VROUNDPS] = h[ZYDIS_MNEMONIC_VRNDSCALEPS] = round_floats;
  h[ZYDIS_MNEMONIC_VCVTDQ2PS] = convert<int32_t, float, [](int32_t a) { return static_cast<float>(a); }>;
  h[ZYDIS_MNEMONIC_VCVTPS2DQ] = convert<float, int32_t, [](float a) { return to_int(half_even(a)); }>;
  h[ZYDIS_MNEMONIC_VCVTTPS2DQ] = convert<float, int32_t, to_int>;
#define QL_WIDEN(suffix, S, U, To)                                                            \
  h[ZYDIS_MNEMONIC_VPMOVSX##suffix] = convert<S, To, [](S a) { return static_cast<To>(a); }>; \
  h[ZYDIS_MNEMONIC_VPMOVZX##suffix] = convert<U, To, [](U a) { return static_cast<To>(a); }>
  QL_WIDEN(BW, int8_t, uint8_t, int16_t);
  QL_WIDEN(BD, int8_t, uint8_t, int32_t);
  QL_WIDEN(WD, int16_t, uint16_t, int32_t);
  QL_WIDEN(DQ, int32_t, uint32_t, int64_t);
}

}  // namespace

const Handlers& arithmetic_handlers() {
  static const Handlers table = [] {
    Handlers h;
    add_integers(h);
    add_shifts_and_compares(h);
    add_floats(h);
    return h;
  }();
  return table;
}

}  // namespace quadlane::emulation
