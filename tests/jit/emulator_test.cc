// The emulator's semantics: AVX2 instructions against the processor, AVX-512 ones against formulas written here.
#include "tests/support/emulator.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>

#include "jit/asm/assembler.h"
#include "jit/code_memory.h"

namespace quadlane {
namespace {

using Xbyak::Opmask;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;
using Bytes = std::array<uint8_t, 64>;

// Three sources, the result (which starts as `d`), one mask word.
struct Args {
  Bytes a, b, c, d;
  uint64_t mask;
};

template <class T>
T at(const Bytes& v, size_t i) {
  T x;
  std::memcpy(&x, v.data() + i * sizeof(T), sizeof(T));
  return x;
}

// Bytes at random, with dwords now and then that are interesting as numbers.
Bytes random_bytes(std::mt19937& rng) {
  static constexpr uint32_t kSpecial[] = {0,          1,          0x7fffffff, 0x80000000, 0xffffffff, 0x3f000000,
                                          0x3fc00000, 0x40200000, 0x4f000000, 0xcf000000, 0x7fc00000, 0x7f800000,
                                          0xff800000, 0x00ff00ff, 0x80008000, 0x437f0000, 0x80000000, 0x42fe8000};
  Bytes v;
  for (size_t i = 0; i < 16; ++i) {
    uint32_t x = rng();
    if (rng() % 3 == 0) x = kSpecial[rng() % std::size(kSpecial)];
    if (rng() % 4 == 0) x = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int>(rng() % 2001) - 1000) / 4);
    std::memcpy(v.data() + 4 * i, &x, 4);
  }
  return v;
}

Args random_args(std::mt19937& rng) {
  return {random_bytes(rng), random_bytes(rng), random_bytes(rng), random_bytes(rng), rng() | uint64_t{rng()} << 32};
}

// a, b, c in registers 1, 2, 3; the body leaves its result in register 0, which starts as d; k1 = mask.
Result<MachineCode> snippet(Isa isa, const std::function<void(Assembler&)>& body) {
  return assemble("snippet", isa, {}, [&](Assembler& a) {
    auto v = a.vecs("v", 8);
    a.load(v[1], a.ptr[a.args() + offsetof(Args, a)]);
    a.load(v[2], a.ptr[a.args() + offsetof(Args, b)]);
    a.load(v[3], a.ptr[a.args() + offsetof(Args, c)]);
    a.load(v[0], a.ptr[a.args() + offsetof(Args, d)]);
    if (a.avx512()) a.kmovq(Opmask(1), a.ptr[a.args() + offsetof(Args, mask)]);
    body(a);
    a.store(a.ptr[a.args() + offsetof(Args, d)], v[0]);
  });
}

Args emulate(const MachineCode& code, Isa isa, Args args) {
  Emulator emulator(code, isa, /*vbmi=*/isa == Isa::avx512_vnni);
  emulator.allow(&args, sizeof args, Access::read_write, "args");
  Status status = emulator.run(&args);
  EXPECT_TRUE(status.ok()) << status.error().text();
  return args;
}

struct Case {
  const char* name;
  std::function<void(Assembler&)> emit;
};

#define QL_BINARY(op)                                                                               \
  Case{#op, [](Assembler& a) { a.op(Ymm(0), Ymm(1), Ymm(2)); }}, Case {                             \
#op " memory", [](Assembler & a) { a.op(Ymm(0), Ymm(1), a.ptr[a.args() + offsetof(Args, b)]); } \
  }
#define QL_UNARY(op)                                 \
  Case {                                             \
#op, [](Assembler & a) { a.op(Ymm(0), Ymm(1)); } \
  }
#define QL_CODE(...)                                   \
  Case {                                               \
#__VA_ARGS__, [](Assembler & a) { a.__VA_ARGS__; } \
  }

std::vector<Case> avx2_cases() {
  return {QL_BINARY(vpaddb),
          QL_BINARY(vpaddw),
          QL_BINARY(vpaddd),
          QL_BINARY(vpaddq),
          QL_BINARY(vpsubb),
          QL_BINARY(vpsubw),
          QL_BINARY(vpsubd),
          QL_BINARY(vpmaxub),
          QL_BINARY(vpminub),
          QL_BINARY(vpmaxsd),
          QL_BINARY(vpminsd),
          QL_BINARY(vpmaxuw),
          QL_BINARY(vpminuw),
          QL_BINARY(vpmaxsw),
          QL_BINARY(vpminsw),
          QL_BINARY(vpmaxsb),
          QL_BINARY(vpminsb),
          QL_BINARY(vpmaxud),
          QL_BINARY(vpminud),
          QL_BINARY(vpavgb),
          QL_BINARY(vpavgw),
          QL_BINARY(vpsubusb),
          QL_BINARY(vpaddusb),
          QL_BINARY(vpaddusw),
          QL_BINARY(vpaddsw),
          QL_BINARY(vpsubsw),
          QL_BINARY(vpmullw),
          QL_BINARY(vpmulld),
          QL_BINARY(vpmulhw),
          QL_BINARY(vpmulhuw),
          QL_BINARY(vpmulhrsw),
          QL_BINARY(vpmuludq),
          QL_BINARY(vpmaddwd),
          QL_BINARY(vpmaddubsw),
          QL_BINARY(vpand),
          QL_BINARY(vpandn),
          QL_BINARY(vpor),
          QL_BINARY(vpxor),
          QL_BINARY(vandps),
          QL_BINARY(vandnps),
          QL_BINARY(vorps),
          QL_BINARY(vxorps),
          QL_BINARY(vpackusdw),
          QL_BINARY(vpackssdw),
          QL_BINARY(vpackuswb),
          QL_BINARY(vpacksswb),
          QL_BINARY(vpunpcklbw),
          QL_BINARY(vpunpckhbw),
          QL_BINARY(vpunpcklwd),
          QL_BINARY(vpunpckhwd),
          QL_BINARY(vpunpckldq),
          QL_BINARY(vpunpckhdq),
          QL_BINARY(vpunpcklqdq),
          QL_BINARY(vpunpckhqdq),
          QL_BINARY(vpcmpeqb),
          QL_BINARY(vpcmpeqw),
          QL_BINARY(vpcmpeqd),
          QL_BINARY(vpcmpgtb),
          QL_BINARY(vpcmpgtw),
          QL_BINARY(vpcmpgtd),
          QL_BINARY(vpcmpgtq),
          QL_BINARY(vpshufb),
          QL_BINARY(vpsllvd),
          QL_BINARY(vpsrlvd),
          QL_BINARY(vpsravd),
          QL_BINARY(vaddps),
          QL_BINARY(vsubps),
          QL_BINARY(vmulps),
          QL_BINARY(vmaxps),
          QL_BINARY(vminps),
          QL_BINARY(vfmadd231ps),
          QL_BINARY(vfmadd213ps),
          QL_BINARY(vfmadd132ps),
          QL_BINARY(vfnmadd231ps),
          QL_BINARY(vpermd),
          QL_BINARY(vpermps),
          QL_UNARY(vcvtdq2ps),
          QL_UNARY(vcvtps2dq),
          QL_UNARY(vcvttps2dq),
          QL_UNARY(vpabsd),
          QL_UNARY(vpabsb),
          QL_UNARY(vpabsw),
          QL_CODE(vpmovzxbw(Ymm(0), Xmm(1))),
          QL_CODE(vpmovzxbd(Ymm(0), Xmm(1))),
          QL_CODE(vpmovzxwd(Ymm(0), Xmm(1))),
          QL_CODE(vpmovsxbw(Ymm(0), Xmm(1))),
          QL_CODE(vpmovsxbd(Ymm(0), Xmm(1))),
          QL_CODE(vpmovsxwd(Ymm(0), Xmm(1))),
          QL_CODE(vpmovzxbd(Ymm(0), a.qword[a.args() + 3])),
          QL_CODE(vpslld(Ymm(0), Ymm(1), 7)),
          QL_CODE(vpsrld(Ymm(0), Ymm(1), 24)),
          QL_CODE(vpsrad(Ymm(0), Ymm(1), 40)),
          QL_CODE(vpsllw(Ymm(0), Ymm(1), 8)),
          QL_CODE(vpsrlw(Ymm(0), Ymm(1), 8)),
          QL_CODE(vpsraw(Ymm(0), Ymm(1), 8)),
          QL_CODE(vpsllq(Ymm(0), Ymm(1), 33)),
          QL_CODE(vpsrlq(Ymm(0), Ymm(1), 65)),
          QL_CODE(vpshufd(Ymm(0), Ymm(1), 0x4b)),
          QL_CODE(vshufps(Ymm(0), Ymm(1), Ymm(2), 0x4b)),
          QL_CODE(vpermq(Ymm(0), Ymm(1), 0xd8)),
          QL_CODE(vperm2i128(Ymm(0), Ymm(1), Ymm(2), 0x21)),
          QL_CODE(vperm2i128(Ymm(0), Ymm(1), Ymm(2), 0x83)),
          QL_CODE(vpalignr(Ymm(0), Ymm(1), Ymm(2), 5)),
          QL_CODE(vpalignr(Ymm(0), Ymm(1), Ymm(2), 21)),
          QL_CODE(vpblendvb(Ymm(0), Ymm(1), Ymm(2), Ymm(3))),
          QL_CODE(vblendvps(Ymm(0), Ymm(1), Ymm(2), Ymm(3))),
          QL_CODE(vpblendd(Ymm(0), Ymm(1), Ymm(2), 0x6a)),
          QL_CODE(vpblendw(Ymm(0), Ymm(1), Ymm(2), 0x6a)),
          QL_CODE(vextracti128(Xmm(0), Ymm(1), 1)),
          QL_CODE(vextracti128(a.ptr[a.args()], Ymm(1), 1)),
          QL_CODE(vinserti128(Ymm(0), Ymm(1), Xmm(2), 1)),
          QL_CODE(vbroadcasti128(Ymm(0), a.ptr[a.args() + 5])),
          QL_CODE(vpbroadcastb(Ymm(0), Xmm(1))),
          QL_CODE(vpbroadcastw(Ymm(0), a.ptr[a.args() + 6])),
          QL_CODE(vpbroadcastd(Ymm(0), a.ptr[a.args() + 9])),
          QL_CODE(vbroadcastss(Ymm(0), Xmm(1))),
          QL_CODE(vpbroadcastq(Ymm(0), Xmm(1))),
          QL_CODE(vroundps(Ymm(0), Ymm(1), 0)),
          QL_CODE(vroundps(Ymm(0), Ymm(1), 1)),
          QL_CODE(vroundps(Ymm(0), Ymm(1), 2)),
          QL_CODE(vroundps(Ymm(0), Ymm(1), 3)),
          QL_CODE(vcmpps(Ymm(0), Ymm(1), Ymm(2), 1)),
          QL_CODE(vcmpps(Ymm(0), Ymm(1), Ymm(2), 3)),
          QL_CODE(vcmpps(Ymm(0), Ymm(1), Ymm(2), 13)),
          QL_CODE(vcmpps(Ymm(0), Ymm(1), Ymm(2), 4)),
          QL_CODE(vmovd(Xmm(0), a.ptr[a.args() + 9])),
          QL_CODE(vmovq(Xmm(0), Xmm(1))),
          QL_CODE(vmovss(Xmm(0), Xmm(1), Xmm(2))),
          QL_CODE(vaddss(Xmm(0), Xmm(1), Xmm(2))),
          QL_CODE(vmulss(Xmm(0), Xmm(1), Xmm(2))),
          QL_CODE(vpmaddwd(Xmm(0), Xmm(1), Xmm(2))),
          QL_CODE(vpmaskmovd(Ymm(0), Ymm(1), a.ptr[a.args() + offsetof(Args, b)])),
          QL_CODE(vpmaskmovd(a.ptr[a.args() + offsetof(Args, b)], Ymm(1), Ymm(2))),
          Case{"general", [](Assembler& a) {
                 Gp x = a.gp("x"), y = a.gp("y"), z = a.gp("z");
                 a.mov(x, a.ptr[a.args()]);
                 a.mov(y, a.ptr[a.args() + offsetof(Args, b)]);
                 a.lea(z, a.ptr[x + y * 4 - 77]);
                 a.imul(x, y, -5);
                 a.sar(x, 3);
                 a.sub(x, z);
                 a.cmovl(x, y);
                 a.movzx(y.cvt32(), a.word[a.args() + 3]);
                 a.neg(y);
                 a.cmp(x, y);
                 a.cmova(z, y);
                 a.and_(y.cvt32(), 0x0ff0);
                 a.xor_(z, y);
                 a.shr(z.cvt32(), 5);
                 a.movsxd(y, z.cvt32());
                 a.add(x.cvt8(), 100);
                 a.or_(x, y);
                 a.mov(a.ptr[a.args() + offsetof(Args, c)], x);
                 a.mov(a.ptr[a.args() + offsetof(Args, c) + 8], z);
               }}};
}

// Not modelled: which of several NaN sources a fused multiply-add hands on, and quieting by vroundps.
void unify_nans(Bytes& v) {
  constexpr uint32_t kNan = 0x7fc00000;
  for (size_t i = 0; i < 16; ++i)
    if (std::isnan(std::bit_cast<float>(at<uint32_t>(v, i)))) std::memcpy(v.data() + 4 * i, &kNan, 4);
}

void agrees_with_the_processor(Isa isa, const std::vector<Case>& cases) {
  std::mt19937 rng(7);
  for (const Case& c : cases) {
    auto code = snippet(isa, c.emit);
    ASSERT_TRUE(code.ok()) << c.name << ": " << code.error().text();
    CodeMemory memory;
    size_t entry = memory.place(*code);
    ASSERT_TRUE(memory.seal().ok());
    for (int round = 0; round < 40; ++round) {
      Args args = random_args(rng), native = args;
      memory.entry(entry)(&native);
      Args emulated = emulate(*code, isa, args);
      if (c.name[1] == 'f' || c.name[1] == 'r') unify_nans(native.d), unify_nans(emulated.d);
      ASSERT_EQ(native.d, emulated.d) << c.name << " round " << round;
      ASSERT_EQ(native.a, emulated.a) << c.name << " round " << round;
      ASSERT_EQ(native.b, emulated.b) << c.name << " round " << round;
      ASSERT_EQ(native.c, emulated.c) << c.name << " round " << round;
    }
  }
}

TEST(Emulator, AgreesWithTheProcessorOnAvx2) {
  if (!detect_cpu().runs(Isa::avx2)) GTEST_SKIP() << "this CPU has no AVX2";
  agrees_with_the_processor(Isa::avx2, avx2_cases());
}

// What the formulas below leave out.
TEST(Emulator, AgreesWithTheProcessorOnAvx512) {
  if (!detect_cpu().runs(Isa::avx512_vnni) || !detect_cpu().avx512_vbmi)
    GTEST_SKIP() << "this CPU has no AVX-512 VNNI and VBMI";
  auto by_mask = [](Assembler& a) { a.vmovdqu8(Zmm(0), Zmm(1)), a.vpaddb(Zmm(0) | Opmask(2), Zmm(0), Zmm(2)); };
  agrees_with_the_processor(
      Isa::avx512_vnni,
      {QL_CODE(vpermi2b(Zmm(0), Zmm(1), Zmm(2))), QL_CODE(vpermt2b(Zmm(0), Zmm(1), Zmm(2))),
       QL_CODE(vpermt2q(Zmm(0), Zmm(1), Zmm(2))), QL_CODE(valignq(Zmm(0), Zmm(1), Zmm(2), 5)),
       QL_CODE(vshufi32x4(Zmm(0), Zmm(1), Zmm(2), 0x88)), QL_CODE(vshufi32x4(Ymm(0), Ymm(1), Ymm(2), 2)),
       QL_CODE(vpmaxub(Zmm(0) | Opmask(1), Zmm(1), Zmm(2))), QL_CODE(vmovdqu8(Zmm(0) | Opmask(1), Zmm(1))),
       QL_CODE(vpblendmb(Zmm(0) | Opmask(1), Zmm(1), Zmm(2))),
       Case{"vpmovb2m", [&](Assembler& a) { a.vpmovb2m(Opmask(2), Zmm(3)), by_mask(a); }},
       Case{"vptestmw", [&](Assembler& a) { a.vptestmw(Opmask(2), Zmm(1), Zmm(3)), by_mask(a); }},
       Case{"vptestmd", [&](Assembler& a) { a.vptestmd(Opmask(2), Zmm(1), Zmm(3)), by_mask(a); }},
       Case{"vpcmpub", [&](Assembler& a) { a.vpcmpub(Opmask(2) | Opmask(1), Zmm(1), Zmm(3), 1), by_mask(a); }},
       Case{"vfscale of bounded exponents", [](Assembler& a) {
              a.vpandd(Zmm(1), Zmm(1), a.constant_lanes(0x41ffffff));  // 0 to 32
              a.vpandd(Zmm(2), Zmm(2), a.constant_lanes(0xbfffffff));  // no infinities
              a.vscalefps(Zmm(0), Zmm(2), Zmm(1));
            }}});
}

// Runs one AVX-512 instruction on random data and compares each dword with a formula of (args, lane).
void check_dwords(const char* name, const std::function<void(Assembler&)>& emit,
                  const std::function<uint32_t(const Args&, size_t)>& expected) {
  std::mt19937 rng(11);
  auto code = snippet(Isa::avx512_vnni, emit);
  ASSERT_TRUE(code.ok()) << code.error().text();
  for (int round = 0; round < 50; ++round) {
    Args args = random_args(rng);
    Args result = emulate(*code, Isa::avx512_vnni, args);
    for (size_t i = 0; i < 16; ++i) ASSERT_EQ(at<uint32_t>(result.d, i), expected(args, i)) << name << " lane " << i;
  }
}

uint32_t dot(uint32_t acc, uint32_t u, uint32_t s) {
  int64_t sum = 0;
  for (int e = 0; e < 4; ++e) sum += int64_t{u >> 8 * e & 255} * static_cast<int8_t>(s >> 8 * e & 255);
  return acc + static_cast<uint32_t>(sum);
}
uint32_t da(const Args& x, size_t i) { return at<uint32_t>(x.a, i); }
uint32_t db(const Args& x, size_t i) { return at<uint32_t>(x.b, i); }
uint32_t dd(const Args& x, size_t i) { return at<uint32_t>(x.d, i); }

TEST(Emulator, DotProduct) {
  check_dwords(
      "vpdpbusd", [](Assembler& a) { a.vpdpbusd(Zmm(0), Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) { return dot(dd(x, i), da(x, i), db(x, i)); });
  check_dwords(
      "vpdpbusd {1to16}", [](Assembler& a) { a.vpdpbusd(Zmm(0), Zmm(1), a.ptr_b[a.args() + offsetof(Args, b) + 4]); },
      [](const Args& x, size_t i) { return dot(dd(x, i), da(x, i), db(x, 1)); });
  check_dwords(
      "vpdpbusd masked", [](Assembler& a) { a.vpdpbusd(Zmm(0) | Opmask(1), Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) { return x.mask >> i & 1 ? dot(dd(x, i), da(x, i), db(x, i)) : dd(x, i); });
}

TEST(Emulator, TernaryLogic) {
  check_dwords(
      "or of three", [](Assembler& a) { a.vpternlogd(Zmm(0), Zmm(1), Zmm(2), 0xfe); },
      [](const Args& x, size_t i) { return dd(x, i) | da(x, i) | db(x, i); });
  check_dwords(
      "choose", [](Assembler& a) { a.vpternlogd(Zmm(0), Zmm(1), Zmm(2), 0xca); },
      [](const Args& x, size_t i) { return (dd(x, i) & da(x, i)) | (~dd(x, i) & db(x, i)); });
}

TEST(Emulator, PermutesOfTwoTables) {
  check_dwords(
      "vpermt2d", [](Assembler& a) { a.vpermt2d(Zmm(0), Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) {
        uint32_t index = da(x, i) & 31;
        return index < 16 ? dd(x, index) : db(x, index - 16);
      });
  check_dwords(
      "vpermi2d", [](Assembler& a) { a.vpermi2d(Zmm(0), Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) {
        uint32_t index = dd(x, i) & 31;
        return index < 16 ? da(x, index) : db(x, index - 16);
      });
  check_dwords(
      "valignd", [](Assembler& a) { a.valignd(Zmm(0), Zmm(1), Zmm(2), 3); },
      [](const Args& x, size_t i) { return i + 3 < 16 ? db(x, i + 3) : da(x, i - 13); });
}

TEST(Emulator, ConversionsRoundToEvenAndOverflowToTheSmallest) {
  check_dwords(
      "vcvtps2dq", [](Assembler& a) { a.vcvtps2dq(Zmm(0), Zmm(1)); },
      [](const Args& x, size_t i) {
        double value = std::bit_cast<float>(da(x, i));
        if (!(std::abs(value) < 2147483648.0)) return value == -2147483648.0 ? 0x80000000u : 0x80000000u;
        double down = std::floor(value), rest = value - down;
        bool up = rest > 0.5 || (rest == 0.5 && std::fmod(down, 2.0) != 0);
        return static_cast<uint32_t>(static_cast<int64_t>(down) + up);
      });
}

TEST(Emulator, MasksBlendMergeAndZero) {
  check_dwords(
      "vpblendmd", [](Assembler& a) { a.vpblendmd(Zmm(0) | Opmask(1), Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) { return x.mask >> i & 1 ? db(x, i) : da(x, i); });
  check_dwords(
      "zeroing", [](Assembler& a) { a.vpaddd(Zmm(0) | Opmask(1) | a.T_z, Zmm(1), Zmm(2)); },
      [](const Args& x, size_t i) { return x.mask >> i & 1 ? da(x, i) + db(x, i) : 0; });
  check_dwords(
      "merging", [](Assembler& a) { a.vmovdqu32(Zmm(0) | Opmask(1), a.ptr[a.args() + offsetof(Args, b)]); },
      [](const Args& x, size_t i) { return x.mask >> i & 1 ? db(x, i) : dd(x, i); });
  check_dwords(
      "compare to mask",
      [](Assembler& a) {
        a.vpcmpeqd(Opmask(2), Zmm(1), Zmm(2));
        a.knotw(Opmask(2), Opmask(2));
        a.vmovdqa32(Zmm(0) | Opmask(2) | a.T_z, Zmm(1));
      },
      [](const Args& x, size_t i) { return da(x, i) == db(x, i) ? 0 : da(x, i); });
  check_dwords(
      "upper registers and scaled displacement",
      [](Assembler& a) {
        a.vmovdqu32(Zmm(29), a.ptr[a.args() + 64]);
        a.vmovdqa32(Zmm(0), Zmm(29));
      },
      [](const Args& x, size_t i) { return db(x, i); });
  check_dwords(
      "narrow stores clear what is behind them in a register", [](Assembler& a) { a.vpmovusdb(Xmm(0), Zmm(1)); },
      [](const Args& x, size_t i) {
        uint32_t bytes = 0;
        for (size_t e = 0; e < 4 && i < 4; ++e) bytes |= std::min(da(x, 4 * i + e), 255u) << 8 * e;
        return bytes;
      });
}

TEST(Emulator, VexWritesClearTheUpperPart) {
  check_dwords(
      "ymm", [](Assembler& a) { a.vpaddd(Ymm(0), Ymm(1), Ymm(2)); },
      [](const Args& x, size_t i) { return i < 8 ? da(x, i) + db(x, i) : 0; });
}

TEST(Emulator, MaskedAccessTouchesOnlyItsElements) {
  auto code = assemble("masked", Isa::avx512_vnni, {}, [](Assembler& a) {
    Gp to = a.gp("to");
    a.mov(to, a.ptr[a.args()]);
    a.kmovw(Opmask(1), a.ptr[a.args() + 8]);
    a.vmovdqu32(Zmm(1) | Opmask(1) | a.T_z, a.ptr[to]);
    a.vpaddd(Zmm(1), Zmm(1), Zmm(1));
    a.vmovdqu32(a.ptr[to] | Opmask(1), Zmm(1));
  });
  ASSERT_TRUE(code.ok());
  std::array<uint32_t, 16> data{};
  data.fill(3);
  struct {
    void* to;
    uint64_t mask;
  } args{data.data(), 0x3f};
  Emulator emulator(*code, Isa::avx512_vnni);
  emulator.allow(&args, sizeof args, Access::read, "args");
  emulator.allow(data.data(), 6 * 4, Access::read_write, "six dwords");
  ASSERT_TRUE(emulator.run(&args).ok());
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(data[i], i < 6 ? 6u : 3u);
  args.mask = 0x7f;
  Status status = emulator.run(&args);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("read of 4 bytes outside what is allowed; nearest is 'six dwords'"),
            std::string::npos)
      << status.error().message;
}

TEST(Emulator, FaultsAreErrors) {
  uint64_t word = 0;
  auto run = [&](Isa isa, Access access, const std::function<void(Assembler&)>& body) {
    auto code = assemble("fault", isa, {}, body);
    EXPECT_TRUE(code.ok());
    Emulator emulator(*code, isa);
    emulator.allow(&word, sizeof word, access, "word");
    Status status = emulator.run(&word, 1000);
    return status.ok() ? std::string("ok") : status.error().message;
  };
  auto has = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_EQ(run(Isa::avx2, Access::read, [](Assembler& a) { a.mov(a.rax, a.ptr[a.args()]); }), "ok");
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.mov(a.ptr[a.args()], a.rax); }), "read only"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.mov(a.rax, a.ptr[a.args() + 1]); }), "outside"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.vpxord(Zmm(0), Zmm(1), Zmm(2)); }), "AVX512"));
  EXPECT_TRUE(has(run(Isa::avx512_vnni, Access::read, [](Assembler& a) { a.vpermb(Zmm(0), Zmm(1), Zmm(2)); }), "VBMI"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.mov(a.ptr[a.rsp + 40], a.args()); }),
                  "callee-saved register 3"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.ret(); }), "jump out of the code"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read, [](Assembler& a) { a.cpuid(); }), "unknown instruction cpuid"));
  EXPECT_TRUE(has(run(Isa::avx2, Access::read,
                      [](Assembler& a) {
                        Xbyak::Label top;
                        a.L(top);
                        a.jmp(top);
                      }),
                  "no return after 1000"));
}

TEST(Emulator, CountsByKindAndIsQuick) {
  constexpr int kRounds = 20000;
  auto code = assemble("count", Isa::avx512_vnni, {}, [](Assembler& a) {
    auto acc = a.vecs("acc", 8);
    Vec pixels = a.vec("pixels");
    a.loop(kRounds, [&] {
      a.load(pixels, a.ptr[a.args()]);
      for (Vec& v : acc) a.vpdpbusd(v, pixels, a.ptr_b[a.args() + 64]);
      a.prefetcht0(a.ptr[a.args() + 4096]);
    });
  });
  ASSERT_TRUE(code.ok());
  Args args{};
  Emulator emulator(*code, Isa::avx512_vnni);
  emulator.allow(&args, sizeof args, Access::read, "args");
  auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(emulator.run(&args).ok());
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const InstructionCounts& c = emulator.counts();
  EXPECT_EQ(c.dots, 8 * kRounds);
  EXPECT_EQ(c.loads, 9 * kRounds);
  EXPECT_EQ(c.broadcasts, 8 * kRounds);
  EXPECT_EQ(c.prefetches, kRounds);
  EXPECT_EQ(c.stores, 0);
  RecordProperty("million_instructions_per_second", static_cast<int>(static_cast<double>(c.total) / seconds / 1e6));
  std::printf("emulator: %.1f million instructions a second\n", static_cast<double>(c.total) / seconds / 1e6);
}

}  // namespace
}  // namespace quadlane
