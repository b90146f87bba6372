// The emulator where the processor may lack AVX-512: instructions against formulas written here, what is an error, and
// what is counted.
#include <chrono>
#include <cmath>

#include "tests/jit/emulator_snippet.h"

namespace quadlane::testing {
namespace {

using Xbyak::Opmask;
using Xbyak::Xmm;
using Xbyak::Ymm;
using Xbyak::Zmm;

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
  EXPECT_TRUE(has(run(Isa::avx512, Access::read, [](Assembler& a) { a.vpdpbusd(Zmm(0), Zmm(1), Zmm(2)); }), "VNNI"));
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
}  // namespace quadlane::testing
