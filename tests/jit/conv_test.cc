// Convolution kernels against a scalar reference: random problems, natively where the processor has the instruction set
// (a guard page right behind the source) and interpreted (every access checked to the byte).
#include "jit/kernels/conv.h"

#include <gtest/gtest.h>

#include "jit/kernels/conv_pack.h"
#include "tests/jit/conv_problem.h"
#include "tests/support/emulator.h"

namespace quadlane {
namespace {

using testing::ConvProblem;
using testing::random_conv_spec;
using testing::Rng;

void check_random(Isa isa, bool native, uint32_t seed, int problems) {
  Rng rng(seed);
  for (int i = 0; i < problems; ++i) {
    ConvProblem problem(random_conv_spec(isa, rng), rng);
    auto expected = problem.expected();
    ASSERT_TRUE(problem.run(native)) << "problem " << i;
    ASSERT_TRUE(problem.agrees(expected)) << "problem " << i;
  }
}

TEST(Conv, NativeAgreesWithTheFormula) {
  bool any = false;
  for (Isa isa : testing::kGeneratedIsas) {
    if (!detect_cpu().runs(isa)) continue;
    any = true;
    check_random(isa, true, 1, 3000);
  }
  if (!any) GTEST_SKIP() << "this CPU has no AVX2";
}

TEST(Conv, Avx512InterpretedAgreesWithTheFormula) { check_random(Isa::avx512_vnni, false, 2, 400); }

TEST(Conv, Avx512WithoutVnniInterpretedAgreesWithTheFormula) { check_random(Isa::avx512, false, 4, 150); }

TEST(Conv, Avx2InterpretedAgreesWithTheFormula) { check_random(Isa::avx2, false, 3, 150); }

ConvSpec small_spec(Isa isa) {
  ConvSpec s;
  s.isa = isa;
  s.taps = {{-4, 0, 4}};
  return s;
}

TEST(Conv, RefusesWhatItCannotGenerate) {
  auto message = [](auto change) {
    ConvSpec s = small_spec(Isa::avx2);
    change(s);
    Status status = check(s);
    EXPECT_FALSE(generate(s).ok());
    return status.ok() ? std::string("ok") : status.error().message;
  };
  EXPECT_EQ(message([](ConvSpec& s) { s.isa = Isa::reference; }),
            "no convolution kernel for instruction set reference");
  EXPECT_EQ(message([](ConvSpec& s) { s.src = DType::f32; }), "no convolution kernel from f32 to u8");
  EXPECT_EQ(message([](ConvSpec& s) { s.no = 40; }),
            "a tile of 1 pixel registers x 40 outputs needs more than 16 vector registers");
  EXPECT_EQ(message([](ConvSpec& s) { s.pass_registers = 3; }), "3 pixel registers a pass do not divide 2");
  EXPECT_EQ(message([](ConvSpec& s) { s.taps = {{2}}; }),
            "a tap at byte offset 2, expected whole pixels and less than 2^30");
  EXPECT_EQ(message([](ConvSpec& s) { s.taps = {{0}, {}}; }), "a section without taps");
  EXPECT_EQ(message([](ConvSpec& s) { s.taps.assign(17, {0}); }), "17 sections of planes, a kernel takes 1 to 16");
  EXPECT_EQ(message([](ConvSpec& s) { s.residual = ConvResidual::f32; }),
            "a residual of another type than the output u8");
  EXPECT_EQ(message([](ConvSpec& s) { s.act = Activation::clip; }), "an activation on a u8 output");
}

// Without VNNI a block whose weight pairs rarely saturate vpmaddubsw takes the cheaper dot.
TEST(Conv, Avx2PacksSmallWeightsNarrow) {
  ConvSpec s = small_spec(Isa::avx2);
  const std::vector<int64_t> planes{5};
  auto header = [&](auto weight) {
    auto packed = pack_conv_weights(
        s, planes, [&](int, int, int64_t plane, int tap, int c) { return static_cast<int8_t>(weight(plane, tap, c)); });
    EXPECT_LE(static_cast<int64_t>(packed.size()), packed_weight_bytes(s, planes));
    ConvBlockHeader h;
    std::memcpy(&h, packed.data(), sizeof h);
    // Main weights, four counters, then the extra dots.
    const size_t dots = 3 * 5 * 4, extra_bytes = packed.size() - sizeof h - 4 * dots - 4 * 4;
    return std::pair{h.wide, h.wide ? 0 : extra_bytes / sizeof(ConvExtraDot)};
  };
  using Header = std::pair<uint32_t, size_t>;
  EXPECT_EQ(header([](int64_t, int, int) { return 64; }), Header(0, 0));
  EXPECT_EQ(header([](int64_t, int, int) { return -64; }), Header(0, 0));
  EXPECT_EQ(header([](int64_t, int, int c) { return c % 2 ? 127 : -128; }), Header(0, 0));
  EXPECT_EQ(header([](int64_t plane, int tap, int c) { return plane == 2 && tap < 2 && c > 1 ? 65 : 3; }),
            Header(0, 8));
  EXPECT_EQ(header([](int64_t, int, int) { return -65; }), Header(1, 0));
}

TEST(Conv, DescriptionsTellSpecsApart) {
  Rng rng(5);
  std::vector<ConvSpec> specs;
  for (int i = 0; i < 300; ++i) specs.push_back(random_conv_spec(i % 2 ? Isa::avx2 : Isa::avx512_vnni, rng));
  for (size_t i = 0; i < specs.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      bool same = specs[i] == specs[j];
      // Fields without meaning for a spec may differ without being told.
      if (describe(specs[i]) == describe(specs[j])) {
        auto a = generate(specs[i]), b = generate(specs[j]);
        ASSERT_TRUE(a.ok() && b.ok());
        EXPECT_EQ(a->bytes, b->bytes) << describe(specs[i]);
      } else {
        EXPECT_FALSE(same);
      }
    }
}

TEST(Conv, SchedulesAreAlwaysThereAndValid) {
  Rng rng(6);
  CpuInfo cpu;
  for (int i = 0; i < 300; ++i) {
    ConvSpec spec = random_conv_spec(i % 2 ? Isa::avx2 : Isa::avx512_vnni, rng);
    cpu.vendor = i % 3 ? "AuthenticAMD" : "GenuineIntel";
    ConvExtent extent{testing::pick(rng, 1, 70), testing::pick(rng, 1, 300), {}};
    for (size_t s = 0; s < spec.taps.size(); ++s) extent.section_planes.push_back(testing::pick(rng, 1, 64));
    auto schedules = conv_schedules(spec, extent, cpu);
    ASSERT_FALSE(schedules.empty()) << describe(spec);
    for (const ConvSchedule& schedule : schedules) {
      schedule.apply(spec);
      EXPECT_TRUE(check(spec).ok()) << describe(spec);
      EXPECT_TRUE(spec.dst == DType::f32 || spec.no % 4 == 0 || spec.no == extent.outputs);
      for (int pv = 1; pv <= spec.pv; ++pv) EXPECT_TRUE(check(with_vectors(spec, pv)).ok()) << describe(spec);
    }
  }
}

TEST(Conv, BoundsTheCodeOfLargeKernels) {
  for (Isa isa : testing::kGeneratedIsas) {
    ConvSpec s = small_spec(isa);
    s.taps = {{}};
    for (int y = 0; y < 7; ++y)
      for (int x = 0; x < 7; ++x) s.taps[0].push_back((y * 100 + x) * 4);
    s.no = 8;
    auto code = generate(s);
    ASSERT_TRUE(code.ok());
    EXPECT_LT(code->bytes.size(), 8192u);
  }
}

// The reduction's instructions are dots, pixel loads and little else: 3x3, 64 channels.
TEST(Conv, Avx512SpendsItsInstructionsOnDots) {
  Rng rng(7);
  for (auto [pv, no] : {std::pair{6, 4}, {3, 8}, {2, 12}}) {
    ConvSpec s;
    s.isa = Isa::avx512_vnni;
    s.pv = pv;
    s.no = no;
    s.clamp_lo = true;
    const int64_t pitch = 4 * 60;
    s.taps = {{-pitch - 4, -pitch, -pitch + 4, -4, 0, 4, pitch - 4, pitch, pitch + 4}};
    auto code = generate(s);
    ASSERT_TRUE(code.ok()) << code.error().text();
    testing::Planes src(make_geometry(1, 30, 59, 1, 1, 1).value(), 16, rng), dst(src.geometry, 3, rng);
    std::vector<int64_t> planes{16};
    auto weights = pack_conv_weights(s, planes, [](int, int, int64_t, int, int) { return int8_t{1}; });
    std::vector<int32_t> bias(16);
    std::vector<float> mult(16, 0.001f);
    testing::GuardedBytes clamp(16 * 64);
    std::vector<uint16_t> lanes(48, 0xffff);
    ConvEpilogue epilogue{.v_lo = 0, .v_hi = 255};
    ConvArgs args{};
    args.src = src.base(), args.src_planes = src.offsets.data(), args.weights = weights.data(), args.bias = bias.data();
    args.mult = mult.data(), args.clamp_lo = clamp.data(), args.dst = dst.base(), args.dst_planes = dst.offsets.data();
    args.dst_pad = dst.pads.data(), args.lanes = lanes.data(), args.epilogue = &epilogue, args.tiles = 4;
    args.section_planes[0] = 16;
    Emulator emulator(*code, s.isa);
    for (const auto* list : {&src.offsets, &dst.offsets})
      emulator.allow(list->data(), list->size() * 8, Access::read, "offsets");
    for (auto& [data, bytes] : {std::pair<const void*, size_t>{&args, sizeof args},
                                {&epilogue, sizeof epilogue},
                                {weights.data(), weights.size()},
                                {bias.data(), 64},
                                {mult.data(), 64},
                                {clamp.data(), 1024},
                                {lanes.data(), 96},
                                {src.base(), src.bytes.size()},
                                {dst.pads.data(), dst.pads.size() * 4}})
      emulator.allow(data, bytes, Access::read, "input");
    emulator.allow(dst.base(), dst.bytes.size(), Access::read_write, "dst");
    Status status = emulator.run(&args);
    ASSERT_TRUE(status.ok()) << status.error().text();
    const InstructionCounts& c = emulator.counts();
    const double dots = static_cast<double>(c.dots), total = static_cast<double>(c.total);
    std::printf("%dx%d: %.2f dots an instruction, %.2f loads a dot (%.2f without broadcasts)\n", pv, no, dots / total,
                static_cast<double>(c.loads) / dots, static_cast<double>(c.loads - c.broadcasts) / dots);
    EXPECT_GT(dots / total, 0.7);
  }
}

}  // namespace
}  // namespace quadlane
