// Channel kernels and plane sums against their formulas in double precision.
#include "jit/kernels/channels.h"

#include <cmath>

#include "jit/kernels/plane_sums.h"
#include "tests/jit/kernel_harness.h"

namespace quadlane::testing {
namespace {

constexpr ChannelsOp kOps[] = {ChannelsOp::softmax, ChannelsOp::log_softmax, ChannelsOp::sum, ChannelsOp::sum_squares,
                               ChannelsOp::sum_abs, ChannelsOp::norm,        ChannelsOp::max, ChannelsOp::min,
                               ChannelsOp::argmax,  ChannelsOp::argmin};

bool is_index(ChannelsOp op) { return op >= ChannelsOp::argmax; }

// Of one pixel: the results of softmax, or one result.
std::vector<double> reference(const ChannelsSpec& s, const std::vector<double>& x, double factor) {
  const double most = *std::max_element(x.begin(), x.end());
  double sum = 0, squares = 0, magnitudes = 0, exponentials = 0;
  for (double v : x) sum += v, squares += v * v, magnitudes += std::abs(v), exponentials += std::exp(v - most);
  std::vector<double> y;
  switch (s.op) {
    case ChannelsOp::softmax:
      for (double v : x) y.push_back(std::exp(v - most) / exponentials);
      return y;
    case ChannelsOp::log_softmax:
      for (double v : x) y.push_back(v - most - std::log(exponentials));
      return y;
    case ChannelsOp::sum: return {sum * factor};
    case ChannelsOp::sum_squares: return {squares * factor};
    case ChannelsOp::sum_abs: return {magnitudes * factor};
    case ChannelsOp::norm: return {std::sqrt(squares) * factor};
    case ChannelsOp::max: return {most * factor};
    case ChannelsOp::min: return {*std::min_element(x.begin(), x.end()) * factor};
    default: break;
  }
  size_t best = 0;
  for (size_t c = 1; c < x.size(); ++c) {
    const bool better = s.op == ChannelsOp::argmax ? x[c] > x[best] : x[c] < x[best];
    if (better || (s.last && x[c] == x[best])) best = c;
  }
  return {static_cast<double>(best)};
}

void trial(ChannelsSpec s, Rng& rng) {
  const int h = pick(rng, 1, 3), w = pick(rng, 1, 30), planes = pick(rng, 1, 6);
  const bool softmax = s.op <= ChannelsOp::log_softmax;
  Geometry dst_geometry = random_geometry(rng, h, w);
  Planes src(make_geometry(1, h, w, dst_geometry.gap, pick(rng, 0, 2), 0).value(), planes, rng);
  Planes dst(dst_geometry, softmax ? planes : 1, rng);
  if (s.f32) fill_floats(src.bytes, rng, -9, 9);
  if (!s.f32)  // few values, so that there are equal ones
    for (size_t i = 0; i < src.bytes.size(); ++i) src.bytes.as<uint8_t>()[i] = static_cast<uint8_t>(250 + rng() % 6);
  // Quads lack a channel here and there.
  std::vector<int32_t> channels;
  int count = 0;
  for (int i = 0; i < planes * (s.f32 ? 1 : 4); ++i)
    channels.push_back(s.f32 || rng() % 4 || (count == 0 && i + 1 == planes * 4) ? count++ : -1);
  const float factor = is_index(s.op) || softmax ? 1.0f : 0.25f;
  auto code = generate(s, poisoned());
  ASSERT_TRUE(code.ok()) << code.error().text();
  const std::vector<uint16_t> lanes = valid_lanes(dst_geometry);
  ChannelsArgs args{};
  args.src = src.base(), args.src_planes = src.offsets.data();
  args.dst = dst.base(), args.dst_planes = dst.offsets.data(), args.dst_pad = dst.pads.data();
  args.lanes = lanes.data(), args.channels = channels.data(), args.factor = factor;
  args.planes = planes, args.count = dst_geometry.vectors();
  GuardedBytes before(dst.bytes);
  ASSERT_TRUE(run_kernel(*code, s.isa, &args,
                         {block(args), readable(src.bytes), readable(src.offsets), readable(dst.offsets),
                          readable(dst.pads), readable(lanes), readable(channels), writable(dst.bytes)}));
  auto check = [&](size_t plane, int64_t y, int64_t x, double expected) {
    const std::byte* at = dst.base() + dst.offsets[plane] + y * dst.row_bytes() + x * 4;
    float ours;
    int32_t index;
    std::memcpy(&ours, at, 4), std::memcpy(&index, at, 4);
    const std::string where = cat(describe(s), " plane ", plane, " pixel ", y, ",", x, " of ", h, "x", w);
    if (is_index(s.op))
      EXPECT_EQ(index, static_cast<int32_t>(expected)) << where;
    else
      EXPECT_NEAR(ours, expected, 1e-6 * std::abs(expected) + 3e-6) << where;
  };
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x) {
      std::vector<double> values;
      for (size_t p = 0; p < static_cast<size_t>(planes); ++p) {
        const std::byte* at = src.base() + src.offsets[p] + y * src.row_bytes() + x * 4;
        float v;
        std::memcpy(&v, at, 4);
        if (s.f32) values.push_back(v);
        for (size_t j = 0; j < 4 && !s.f32; ++j)
          if (channels[4 * p + j] >= 0) values.push_back(static_cast<double>(at[j]));
      }
      std::vector<double> expected = reference(s, values, static_cast<double>(factor));
      for (size_t p = 0; p < expected.size(); ++p) check(p, y, x, expected[p]);
    }
  // Padding, and nothing written elsewhere.
  for (size_t p = 0; p < dst.offsets.size(); ++p)
    for (int64_t i = 0; i < int64_t{dst_geometry.vectors()} * kVectorPixels; ++i) {
      const bool pixel = i % dst_geometry.pitch < w && i / dst_geometry.pitch < h;
      std::byte* at = dst.base() + dst.offsets[p] + i * 4;
      EXPECT_TRUE(pixel || !std::memcmp(at, &dst.pads[p], 4)) << describe(s);
      std::memcpy(at, before.data() + dst.offsets[p] + i * 4, 4);
    }
  ASSERT_TRUE(same_bytes(dst, before)) << describe(s);
}

TEST(Channels, AgreeWithTheFormulas) {
  for (Isa isa : kGeneratedIsas)
    for (ChannelsOp op : kOps)
      for (bool f32 : {true, false}) {
        if (!f32 && !is_index(op)) continue;
        Rng rng(7);
        for (int t = 0; t < trials(isa, 16); ++t) {
          trial({isa, op, f32, is_index(op) && t % 2 == 1}, rng);
          if (HasFailure()) return;
        }
      }
}

TEST(PlaneSums, AgreeWithTheFormulas) {
  for (Isa isa : kGeneratedIsas)
    for (PlaneSum sum : {PlaneSum::sum, PlaneSum::squares, PlaneSum::maximum}) {
      Rng rng(11);
      for (int t = 0; t < trials(isa, 20); ++t) {
        const int h = pick(rng, 1, 5), w = pick(rng, 1, 50), planes = sum == PlaneSum::maximum ? 1 : pick(rng, 1, 3);
        Planes src(random_geometry(rng, h, w), planes, rng);
        fill_floats(src.bytes, rng, -9, -1);
        alignas(64) double lanes[kMostSumLanes] = {};
        PlaneSumsArgs args{};
        args.src = src.base(), args.src_planes = src.offsets.data(), args.src_row_bytes = src.row_bytes();
        args.lanes = lanes, args.center = 0.5f, args.planes = planes, args.rows = h;
        auto code = generate(PlaneSumsSpec{isa, sum, w}, poisoned());
        ASSERT_TRUE(code.ok()) << code.error().text();
        ASSERT_TRUE(run_kernel(*code, isa, &args,
                               {block(args), readable(src.bytes), readable(src.offsets), {lanes, sizeof lanes, true}}));
        double ours = 0, expected = sum == PlaneSum::maximum ? -1e30 : 0;
        const int count = vector_lanes(isa);
        if (sum == PlaneSum::maximum)
          ours = *std::max_element(reinterpret_cast<float*>(lanes), reinterpret_cast<float*>(lanes) + count);
        else
          for (int i = 0; i < count; ++i) ours += lanes[i];
        for (int64_t offset : src.offsets)
          for (int64_t y = 0; y < h; ++y)
            for (int64_t x = 0; x < w; ++x) {
              float v;
              std::memcpy(&v, src.base() + offset + y * src.row_bytes() + x * 4, 4);
              if (sum == PlaneSum::maximum)
                expected = std::max(expected, double{v});
              else
                expected += sum == PlaneSum::sum ? double{v} : (double{v} - 0.5) * (double{v} - 0.5);
            }
        ASSERT_NEAR(ours, expected, 1e-6 * std::abs(expected)) << describe(PlaneSumsSpec{isa, sum, w});
      }
    }
}

}  // namespace
}  // namespace quadlane::testing
