// f32 depthwise kernels against their formula: products and sums in the stated order, fused, so equality.
#include "jit/kernels/depthwise_f32.h"

#include <cmath>

#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

struct Problem {
  DepthwiseF32Spec spec;
  Geometry from, to;
  int h = 1, planes = 1;
  ConvEpilogue epilogue;
};

Problem random_problem(Isa isa, Rng& rng) {
  Problem p;
  DepthwiseF32Spec& s = p.spec;
  s.isa = isa;
  s.kernel_y = pick(rng, 1, 5), s.kernel_x = pick(rng, 1, 7);
  if (pick(rng, 0, 3) == 0) s.dilation_y = pick(rng, 1, 3), s.dilation_x = pick(rng, 1, 3);
  s.step_y = pick(rng, 1, 3), s.step_x = pick(rng, 1, 2);
  s.w = pick(rng, 0, 1) ? pick(rng, 1, 40) : pick(rng, 1, 8);
  p.h = pick(rng, 1, 20), p.planes = pick(rng, 1, 3);
  s.rows = pick(rng, 0, 2) ? depthwise_f32_rows(s, p.h) : pick(rng, 1, depthwise_f32_rows(s, p.h));
  p.h = (p.h + s.rows - 1) / s.rows * s.rows;  // whole tiles; the launch code has another kernel for what is left
  const int reach_y = (s.kernel_y - 1) * s.dilation_y, reach_x = (s.kernel_x - 1) * s.dilation_x;
  const int top = pick(rng, 0, reach_y), left = pick(rng, 0, reach_x);
  p.from = make_geometry(1, p.h * s.step_y, s.w * s.step_x, reach_x, top, reach_y - top).value();
  p.to = make_geometry(1, p.h, s.w, pick(rng, 0, 2), pick(rng, 0, 1), pick(rng, 0, 1)).value();
  s.src_row = int64_t{p.from.pitch} * kPixelBytes, s.dst_row = int64_t{p.to.pitch} * kPixelBytes;
  s.origin = -(top * s.src_row + left * kPixelBytes);
  s.residual = pick(rng, 0, 2) == 0;
  const Activation acts[] = {Activation::none, Activation::clip, Activation::leaky};
  s.act = acts[pick(rng, 0, 2)];
  p.epilogue.v_lo = -1.5f, p.epilogue.v_hi = 2, p.epilogue.alpha = 0.25f;
  return p;
}

float activated(const Problem& p, float v) {
  if (p.spec.act == Activation::clip) return std::min(std::max(v, p.epilogue.v_lo), p.epilogue.v_hi);
  return p.spec.act == Activation::leaky && v < 0 ? v * p.epilogue.alpha : v;
}

void check_problem(const Problem& p, Rng& rng) {
  const DepthwiseF32Spec& s = p.spec;
  Planes src(p.from, p.planes, rng), dst(p.to, p.planes, rng), other(p.to, p.planes, rng);
  fill_floats(src.bytes, rng, -1, 1);
  fill_floats(other.bytes, rng, -1, 1);
  GuardedBytes drawn(sizeof(float) * static_cast<size_t>(p.planes * (1 + s.kernel_y * s.kernel_x)));
  fill_floats(drawn, rng, -1, 1);
  const int stride = 1 + s.kernel_y * s.kernel_x;
  auto bias = [&](int64_t plane) { return drawn.as<float>()[plane * stride]; };
  auto weight = [&](int64_t plane, int i, int j) { return drawn.as<float>()[plane * stride + 1 + i * s.kernel_x + j]; };
  const std::vector<float> packed = pack_depthwise_f32(s, p.planes, bias, weight);
  GuardedBytes expected = dst.bytes;
  for (int64_t plane = 0; plane < p.planes; ++plane)
    for (int64_t y = 0; y < p.h; ++y)
      for (int64_t x = 0; x < s.w; ++x) {
        auto pixel = [](const Planes& of, int64_t k, int64_t byte) {
          float v;
          std::memcpy(&v, of.base() + of.offsets[static_cast<size_t>(k)] + byte, sizeof v);
          return v;
        };
        float acc = bias(plane);
        for (int i = 0; i < s.kernel_y; ++i)
          for (int j = 0; j < s.kernel_x; ++j) {
            const int64_t at = s.origin + (y * s.step_y + i * s.dilation_y) * s.src_row +
                               (x * s.step_x + j * s.dilation_x) * kPixelBytes;
            acc = std::fma(pixel(src, plane, at), weight(plane, i, j), acc);
          }
        const int64_t to = y * s.dst_row + x * kPixelBytes;
        if (s.residual) acc += pixel(other, plane, to);
        const float v = activated(p, acc);
        std::memcpy(expected.data() + dst.offsets[static_cast<size_t>(plane)] + to, &v, sizeof v);
      }
  OconvArgs args{};
  args.src = src.base(), args.src_planes = src.offsets.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data();
  args.residual = other.base(), args.residual_planes = other.offsets.data();
  args.weights = packed.data(), args.epilogue = &p.epilogue;
  args.tiles = p.h / s.rows;
  args.src_step = s.src_row * s.step_y * s.rows, args.dst_step = s.dst_row * s.rows;
  args.section_planes[0] = p.planes;
  auto code = generate(s, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  ASSERT_TRUE(
      run_kernel(*code, s.isa, &args,
                 {block(args), block(p.epilogue), readable(packed), readable(src.offsets), readable(dst.offsets),
                  readable(other.offsets), readable(src.bytes), readable(other.bytes), writable(dst.bytes)}));
  ASSERT_TRUE(same_bytes(dst, expected)) << describe(s);
}

TEST(DepthwiseF32, AgreesWithTheFormula) {
  for (Isa isa : kGeneratedIsas) {
    Rng rng(21);
    for (int i = 0; i < trials(isa, 300); ++i)
      ASSERT_NO_FATAL_FAILURE(check_problem(random_problem(isa, rng), rng)) << to_string(isa) << " problem " << i;
  }
}

TEST(DepthwiseF32, RefusesWhatItCannot) {
  DepthwiseF32Spec s;
  s.step_x = 3;
  EXPECT_FALSE(check(s).ok());
  s.step_x = 1, s.rows = 33;
  EXPECT_FALSE(check(s).ok());
  s.rows = 6, s.src_row = int64_t{1} << 31;
  EXPECT_FALSE(check(s).ok());
  s.src_row = 400;
  EXPECT_TRUE(check(s).ok());
}

}  // namespace
}  // namespace quadlane::testing
