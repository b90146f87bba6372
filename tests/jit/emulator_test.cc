// The emulator beside the processor: equal results, instruction by instruction.
#include <cmath>

#include "jit/code_memory.h"
#include "tests/jit/emulator_snippet.h"

namespace quadlane::testing {
namespace {

using Xbyak::Opmask;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

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

}  // namespace
}  // namespace quadlane::testing
